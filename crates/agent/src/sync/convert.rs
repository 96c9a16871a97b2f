//! Entries and bundles of the server, read strictly; what can't be read is left out.

use jiff::Timestamp;
use steeple_proto::spire::api::types;
use steeple_types::{Bundle, Entry, EntryId, JwtAuthority, Selector, SpiffeId, TrustDomain, X509Authority};

/// An entry. The parent, TTLs and DNS names were not asked for.
pub(super) fn entry_from_pb(entry: &types::Entry) -> Option<Entry> {
    let id = entry.spiffe_id.as_ref()?;
    let trust_domain = TrustDomain::from_name(&id.trust_domain).ok()?;
    let selectors = entry.selectors.iter().map(|s| Selector::new(&s.r#type, &s.value).ok()).collect::<Option<_>>()?;
    let federates_with =
        entry.federates_with.iter().map(|name| TrustDomain::parse(name).ok()).collect::<Option<_>>()?;
    let attributes = entry.additional_attributes.unwrap_or_default();
    Some(Entry {
        id: EntryId::parse(&entry.id).ok()?,
        spiffe_id: SpiffeId::from_path(&trust_domain, &id.path).ok()?,
        parent_id: trust_domain.server_id(),
        selectors,
        x509_svid_ttl: 0,
        jwt_svid_ttl: 0,
        federates_with,
        admin: entry.admin,
        downstream: entry.downstream,
        expires_at: None,
        dns_names: Vec::new(),
        revision_number: entry.revision_number,
        store_svid: entry.store_svid,
        hint: entry.hint.clone(),
        created_at: Timestamp::from_second(entry.created_at).ok()?,
        disable_x509_svid_prefetch: attributes.disable_x509_svid_prefetch,
        jwt_svid_include_jti: attributes.jwt_svid_include_jti,
    })
}

/// A bundle.
pub(crate) fn bundle_from_pb(bundle: types::Bundle) -> Option<Bundle> {
    let x509 =
        |authority: types::X509Certificate| X509Authority { certificate: authority.asn1, tainted: authority.tainted };
    let jwt = |key: types::JwtKey| JwtAuthority {
        public_key: key.public_key,
        key_id: key.key_id,
        expires_at: (key.expires_at != 0).then(|| Timestamp::from_second(key.expires_at).ok()).flatten(),
        tainted: key.tainted,
    };
    Some(Bundle {
        trust_domain: TrustDomain::parse(&bundle.trust_domain).ok()?,
        x509_authorities: bundle.x509_authorities.into_iter().map(x509).collect(),
        jwt_authorities: bundle.jwt_authorities.into_iter().map(jwt).collect(),
        refresh_hint: bundle.refresh_hint,
        sequence_number: bundle.sequence_number,
    })
}
