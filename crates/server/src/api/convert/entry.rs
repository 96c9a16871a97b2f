//! Entries; the texts are SPIRE's.

use jiff::Timestamp;
use steeple_proto::spire::api::types;
use steeple_store::units::EntryMask;
use steeple_types::{Entry, EntryId, SelectorSet, TrustDomain};
use uuid::Uuid;

use super::{
    check_dns_name, id_to_pb, member_id, seconds, selector_to_pb, selectors_from_pb, trust_domains, workload_id,
};
use crate::api::status::Failure;

/// Longest hint, in bytes.
const MAX_HINT: usize = 1024;

/// The fields of an entry that `mask` names; all without a mask.
pub(crate) fn entry_to_pb(entry: &Entry, mask: Option<&types::EntryMask>) -> types::Entry {
    let with = |field: fn(&types::EntryMask) -> bool| mask.is_none_or(field);
    let mut out = types::Entry { id: entry.id.to_string(), ..types::Entry::default() };
    if with(|m| m.spiffe_id) {
        out.spiffe_id = Some(id_to_pb(&entry.spiffe_id));
    }
    if with(|m| m.parent_id) {
        out.parent_id = Some(id_to_pb(&entry.parent_id));
    }
    if with(|m| m.selectors) {
        out.selectors = entry.selectors.iter().map(selector_to_pb).collect();
    }
    if with(|m| m.federates_with) {
        out.federates_with = entry.federates_with.iter().map(|td| td.name().to_owned()).collect();
    }
    if with(|m| m.dns_names) {
        out.dns_names.clone_from(&entry.dns_names);
    }
    if with(|m| m.hint) {
        out.hint.clone_from(&entry.hint);
    }
    if with(|m| m.x509_svid_ttl) {
        out.x509_svid_ttl = i32::try_from(entry.x509_svid_ttl).unwrap_or(i32::MAX);
    }
    if with(|m| m.jwt_svid_ttl) {
        out.jwt_svid_ttl = i32::try_from(entry.jwt_svid_ttl).unwrap_or(i32::MAX);
    }
    out.admin = entry.admin && with(|m| m.admin);
    out.downstream = entry.downstream && with(|m| m.downstream);
    out.store_svid = entry.store_svid && with(|m| m.store_svid);
    if with(|m| m.expires_at) {
        out.expires_at = seconds(entry.expires_at);
    }
    if with(|m| m.revision_number) {
        out.revision_number = entry.revision_number;
    }
    if with(|m| m.created_at) {
        out.created_at = entry.created_at.as_second();
    }
    if with(|m| m.additional_attributes) && (entry.disable_x509_svid_prefetch || entry.jwt_svid_include_jti) {
        out.additional_attributes = Some(types::entry::AdditionalAttributes {
            disable_x509_svid_prefetch: entry.disable_x509_svid_prefetch,
            jwt_svid_include_jti: entry.jwt_svid_include_jti,
        });
    }
    out
}

/// What is wrong with an entry of a request.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It can't be read.
    Malformed(String),
    /// It can be read, but no entry may be so.
    Invalid(&'static str),
    /// No entry can have its ID.
    NoId,
}

impl Unfit {
    /// The failure of what was to be done with the entry, such as "failed to create entry".
    pub(crate) fn failure(self, what: &str) -> Failure {
        let invalid = |rule: &str| format!("datastore-validation: invalid registration entry: {rule}");
        match self {
            Self::Malformed(error) => Failure::malformed("failed to convert entry", error),
            Self::Invalid(rule) => Failure::malformed(what, invalid(rule)),
            Self::NoId => Failure::malformed(what, invalid("entry ID contains invalid characters")),
        }
    }
}

impl From<String> for Unfit {
    fn from(text: String) -> Self {
        Self::Malformed(text)
    }
}

/// An entry of a request. Fields that `mask` leaves out may be empty; the ID may be empty if `id_required` is not set, and
/// is then drawn at random.
pub(crate) fn entry_from_pb(
    trust_domain: &TrustDomain,
    entry: &types::Entry,
    mask: &EntryMask,
    id_required: bool,
) -> Result<Entry, Unfit> {
    let id = match entry.id.as_str() {
        "" if !id_required => Uuid::new_v4().to_string(),
        id => id.to_owned(),
    };
    let root = trust_domain.server_id();
    let parent_id = if mask.parent_id {
        member_id(trust_domain, entry.parent_id.as_ref()).map_err(|e| format!("invalid parent ID: {e}"))?
    } else {
        root.clone()
    };
    let spiffe_id = if mask.spiffe_id {
        workload_id(trust_domain, entry.spiffe_id.as_ref()).map_err(|e| format!("invalid spiffe ID: {e}"))?
    } else {
        root
    };
    for name in entry.dns_names.iter().filter(|_| mask.dns_names) {
        check_dns_name(name).map_err(|error| format!("invalid DNS name: {error}"))?;
    }
    let federates_with = if mask.federates_with { entry.federates_with.as_slice() } else { &[] };
    let federates_with =
        trust_domains(federates_with).map_err(|error| format!("invalid federated trust domain: {error}"))?;
    let selectors = match mask.selectors {
        true if entry.selectors.is_empty() => return Err("selector list is empty".to_owned().into()),
        true => selectors_from_pb(&entry.selectors).map_err(|error| error.to_string())?,
        false => SelectorSet::default(),
    };
    if mask.hint && entry.hint.len() > MAX_HINT {
        return Err(format!("hint is too long, max length is {MAX_HINT} characters").into());
    }
    let expires_at = match entry.expires_at {
        0 => None,
        at => Some(Timestamp::from_second(at).map_err(|_| format!("invalid expiration time: {at}"))?),
    };
    let attributes = entry.additional_attributes.unwrap_or_default();
    let ttl = |masked: bool, seconds: i32, rule| {
        if masked { u32::try_from(seconds).map_err(|_| Unfit::Invalid(rule)) } else { Ok(0) }
    };
    Ok(Entry {
        id: EntryId::parse(&id).map_err(|_| Unfit::NoId)?,
        spiffe_id,
        parent_id,
        selectors,
        x509_svid_ttl: ttl(mask.x509_svid_ttl, entry.x509_svid_ttl, "X509SvidTtl is not set")?,
        jwt_svid_ttl: ttl(mask.jwt_svid_ttl, entry.jwt_svid_ttl, "JwtSvidTtl is not set")?,
        federates_with,
        admin: entry.admin,
        downstream: entry.downstream,
        expires_at,
        dns_names: entry.dns_names.clone(),
        revision_number: entry.revision_number,
        store_svid: entry.store_svid,
        hint: entry.hint.clone(),
        created_at: Timestamp::UNIX_EPOCH,
        disable_x509_svid_prefetch: attributes.disable_x509_svid_prefetch,
        jwt_svid_include_jti: attributes.jwt_svid_include_jti,
    })
}

/// The mask of an update; all fields without one.
pub(crate) fn entry_mask(mask: Option<&types::EntryMask>) -> EntryMask {
    mask.map_or(EntryMask::ALL, |mask| EntryMask {
        spiffe_id: mask.spiffe_id,
        parent_id: mask.parent_id,
        selectors: mask.selectors,
        x509_svid_ttl: mask.x509_svid_ttl,
        jwt_svid_ttl: mask.jwt_svid_ttl,
        federates_with: mask.federates_with,
        admin: mask.admin,
        downstream: mask.downstream,
        expires_at: mask.expires_at,
        dns_names: mask.dns_names,
        store_svid: mask.store_svid,
        hint: mask.hint,
        additional_attributes: mask.additional_attributes,
    })
}
