//! Calls of the server above this one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::sign::CertifiedKey;
use steeple_client::{connect_server, describe_with_causes};
use steeple_clock::Clock;
use steeple_crypto::keys::PublicKey;
use steeple_crypto::tls::{KeyExchange, ServerVerification};
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_proto::spire::api::server::bundle::v1::{GetBundleRequest, PublishJwtAuthorityRequest};
use steeple_proto::spire::api::server::svid::v1::NewDownstreamX509caRequest;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_proto::spire::api::types;
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};
use tonic::transport::Channel;
use tonic::{Response, Status};

use super::SpireAuthorityConfig;
use super::identity::WorkloadIdentity;

/// Longest one call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// The server above, reached by mTLS.
pub(super) struct UpstreamServer {
    host: String,
    port: u16,
    trust_domain: TrustDomain,
    identity: Arc<WorkloadIdentity>,
    exchange: KeyExchange,
    clock: Clock,
    /// The channel and the identity that is shown on it.
    channel: Mutex<Option<(Arc<CertifiedKey>, Channel)>>,
}

impl UpstreamServer {
    pub(super) fn new(
        config: &SpireAuthorityConfig,
        trust_domain: TrustDomain,
        identity: Arc<WorkloadIdentity>,
        clock: Clock,
    ) -> Self {
        let (host, port, exchange) = (config.server_address.clone(), config.server_port, config.key_exchange);
        Self { host, port, trust_domain, identity, exchange, clock, channel: Mutex::default() }
    }

    /// Has the server sign a CA; yields its chain up to but not including the root, DER each.
    pub(super) async fn new_downstream_x509_ca(
        &self,
        csr: &[u8],
        preferred_ttl: Duration,
    ) -> Result<Vec<Vec<u8>>, String> {
        let mut client = SvidClient::new(self.channel().await?);
        let preferred_ttl = i32::try_from(preferred_ttl.as_secs()).unwrap_or(i32::MAX);
        let request = NewDownstreamX509caRequest { csr: csr.to_vec(), preferred_ttl };
        let minted = self.answer(client.new_downstream_x509ca(request)).await?;
        for der in &minted.ca_cert_chain {
            Certificate::from_der(der).map_err(|error| format!("unable to parse CA cert chain: {error}"))?;
        }
        Ok(minted.ca_cert_chain)
    }

    /// Publishes a JWT key; yields all JWT authorities of the trust domain.
    pub(super) async fn publish_jwt_authority(&self, key: &JwtAuthority) -> Result<Vec<JwtAuthority>, String> {
        let mut client = BundleClient::new(self.channel().await?);
        let jwt_authority = Some(types::JwtKey {
            public_key: key.public_key.clone(),
            key_id: key.key_id.clone(),
            expires_at: key.expires_at.map_or(0, Timestamp::as_second),
            tainted: key.tainted,
        });
        let answer = self.answer(client.publish_jwt_authority(PublishJwtAuthorityRequest { jwt_authority })).await?;
        jwt_authorities_from_pb(answer.jwt_authorities)
    }

    /// The bundle of the trust domain.
    pub(super) async fn bundle(&self) -> Result<Bundle, String> {
        let mut client = BundleClient::new(self.channel().await?);
        let bundle = self.answer(client.get_bundle(GetBundleRequest::default())).await?;
        bundle_from_pb(bundle, &self.trust_domain)
    }

    /// A channel on which the present identity is shown.
    async fn channel(&self) -> Result<Channel, String> {
        let key = self.identity.current().await?;
        let mut slot = self.channel.lock();
        if let Some((shown, channel)) = slot.as_ref()
            && Arc::ptr_eq(shown, &key)
        {
            return Ok(channel.clone());
        }
        let server = ServerVerification::Id(self.trust_domain.server_id());
        let channel = connect_server(&self.host, self.port, Arc::clone(&self.identity) as _, server, self.exchange);
        let channel = channel.map_err(|error| error.to_string())?;
        *slot = Some((key, channel.clone()));
        Ok(channel)
    }

    async fn answer<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, String> {
        let answer = self.clock.timeout(CALL_DEADLINE, call).await.map_err(|late| late.to_string())?;
        answer.map(Response::into_inner).map_err(|status| describe_with_causes(&status))
    }
}

/// The bundle of `own`, read strictly: a bundle without X.509 authorities, or with one that can't be read, would revoke others.
fn bundle_from_pb(bundle: types::Bundle, own: &TrustDomain) -> Result<Bundle, String> {
    let trust_domain = TrustDomain::parse(&bundle.trust_domain).map_err(|error| error.to_string())?;
    if trust_domain != *own {
        return Err(format!("the server's bundle is of {trust_domain}, not of {own}"));
    }
    if bundle.x509_authorities.is_empty() {
        return Err("the server's bundle has no X.509 authorities".to_owned());
    }
    Ok(Bundle {
        trust_domain,
        x509_authorities: x509_authorities_from_pb(bundle.x509_authorities)?,
        jwt_authorities: jwt_authorities_from_pb(bundle.jwt_authorities)?,
        refresh_hint: bundle.refresh_hint,
        sequence_number: bundle.sequence_number,
    })
}

/// X.509 authorities, each once: below another server, SPIRE's lists one twice when it is tainted, once without the taint.
fn x509_authorities_from_pb(told: Vec<types::X509Certificate>) -> Result<Vec<X509Authority>, String> {
    let mut authorities: Vec<X509Authority> = Vec::new();
    for authority in told {
        Certificate::from_der(&authority.asn1)
            .map_err(|error| format!("failed to parse X.509 authorities: {error}"))?;
        match authorities.iter_mut().find(|known| known.certificate == authority.asn1) {
            Some(known) => known.tainted |= authority.tainted,
            None => authorities.push(X509Authority { certificate: authority.asn1, tainted: authority.tainted }),
        }
    }
    Ok(authorities)
}

/// JWT authorities, each once in the same way.
fn jwt_authorities_from_pb(told: Vec<types::JwtKey>) -> Result<Vec<JwtAuthority>, String> {
    let mut authorities: Vec<JwtAuthority> = Vec::new();
    for key in told {
        let authority = jwt_authority_from_pb(key)?;
        match authorities.iter_mut().find(|known| known.key_id == authority.key_id) {
            Some(known) => known.tainted |= authority.tainted,
            None => authorities.push(authority),
        }
    }
    Ok(authorities)
}

fn jwt_authority_from_pb(key: types::JwtKey) -> Result<JwtAuthority, String> {
    let unreadable =
        |reason: &dyn std::fmt::Display| format!("failed to parse JWT authority {:?}: {reason}", key.key_id);
    if key.key_id.is_empty() {
        return Err(unreadable(&"missing key ID"));
    }
    PublicKey::from_spki(&key.public_key).map_err(|error| unreadable(&error))?;
    let expires_at = match key.expires_at {
        0 => None,
        at => Some(Timestamp::from_second(at).map_err(|error| unreadable(&error))?),
    };
    Ok(JwtAuthority { public_key: key.public_key, key_id: key.key_id, expires_at, tainted: key.tainted })
}

#[cfg(test)]
mod tests {
    use steeple_crypto::keys::{KeyType, PrivateKey};
    use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};

    use super::*;

    fn read(bundle: types::Bundle) -> String {
        bundle_from_pb(bundle, &TrustDomain::parse("example.org").unwrap()).unwrap_err()
    }

    #[test]
    fn bundle_that_would_revoke_others_is_refused() {
        let of = |name: &str| types::Bundle { trust_domain: name.to_owned(), ..types::Bundle::default() };
        assert_eq!(read(of("other.org")), "the server's bundle is of other.org, not of example.org");
        assert_eq!(read(of("example.org")), "the server's bundle has no X.509 authorities");
        let authority = types::X509Certificate { asn1: b"x".to_vec(), tainted: false };
        let broken = types::Bundle { x509_authorities: vec![authority], ..of("example.org") };
        assert!(read(broken).starts_with("failed to parse X.509 authorities: "));
    }

    #[test]
    fn authority_that_is_told_twice_is_tainted_if_one_of_them_is() {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let name = Name::of("US", "ROOT");
        let template = CertificateTemplate {
            serial: &[1],
            issuer: &name.to_der(),
            subject: &name,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
            public_key: key.public_key(),
            authority_key_id: &[],
            purpose: Purpose::Ca,
            uris: &[],
            dns_names: &[],
            signature: key.public_key().certificate_signature().unwrap(),
        };
        let asn1 = template.encode().sign(&key).unwrap();
        let root = |tainted| types::X509Certificate { asn1: asn1.clone(), tainted };
        let public_key = key.public_key().spki().to_vec();
        let jwt = |tainted| types::JwtKey {
            public_key: public_key.clone(),
            key_id: "k".to_owned(),
            tainted,
            ..types::JwtKey::default()
        };
        for (one, other) in [(true, false), (false, true)] {
            let roots = x509_authorities_from_pb(vec![root(one), root(other)]).unwrap();
            assert_eq!(roots, [X509Authority { certificate: asn1.clone(), tainted: true }]);
            let keys = jwt_authorities_from_pb(vec![jwt(one), jwt(other)]).unwrap();
            assert_eq!(keys.iter().map(|key| key.tainted).collect::<Vec<_>>(), [true]);
        }
    }

    #[test]
    fn key_without_an_id_or_of_no_kind_is_refused() {
        let key = |id: &str| types::JwtKey { key_id: id.to_owned(), ..types::JwtKey::default() };
        let nameless = jwt_authority_from_pb(key("")).unwrap_err();
        assert_eq!(nameless, "failed to parse JWT authority \"\": missing key ID");
        assert!(jwt_authority_from_pb(key("k")).unwrap_err().starts_with("failed to parse JWT authority \"k\": "));
    }
}
