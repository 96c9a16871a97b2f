//! Whether a document that was fetched for a trust domain is one of that trust domain, as far as it tells: bundles don't name
//! theirs (SPIFFE Federation, section 7.3), but X.509 authorities of SPIFFE do (X.509-SVID, section 3.2).

use steeple_crypto::x509::Certificate;
use steeple_types::{Bundle, SpiffeId, TrustDomain};

/// The trust domain that the X.509 authorities name when none of them names that of the bundle: whoever mistakes an endpoint
/// for another would let its authorities vouch for the wrong trust domain. Authorities that name none are anybody's.
pub(super) fn other_origin(bundle: &Bundle) -> Option<TrustDomain> {
    let named = bundle.x509_authorities.iter().filter_map(|authority| named(&authority.certificate));
    let mut other = None;
    for trust_domain in named {
        if trust_domain == bundle.trust_domain {
            return None;
        }
        other.get_or_insert(trust_domain);
    }
    other
}

/// The trust domain that a certificate names.
fn named(certificate: &[u8]) -> Option<TrustDomain> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let [uri] = certificate.uris() else { return None };
    Some(SpiffeId::parse(uri).ok()?.trust_domain())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use steeple_crypto::keys::{KeyType, PrivateKey, SignatureAlgorithm};
    use steeple_crypto::x509::{CertificateTemplate, Name, Purpose};
    use steeple_types::X509Authority;

    use super::*;

    fn authority(uri: Option<&str>) -> X509Authority {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let subject = Name::of("US", "SPIFFE");
        let uris: Vec<String> = uri.into_iter().map(str::to_owned).collect();
        let template = CertificateTemplate {
            serial: &[1],
            issuer: &subject.to_der(),
            subject: &subject,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: "2060-01-01T00:00:00Z".parse().unwrap(),
            public_key: key.public_key(),
            authority_key_id: &[],
            purpose: Purpose::Ca,
            uris: &uris,
            dns_names: &[],
            signature: SignatureAlgorithm::EcdsaSha256,
        };
        X509Authority { certificate: template.encode().sign(&key).unwrap(), tainted: false }
    }

    #[test]
    fn authorities_of_another_trust_domain_alone_are_told() {
        let origin = |uris: &[Option<&str>]| {
            let x509_authorities = uris.iter().map(|uri| authority(*uri)).collect();
            let own = TrustDomain::from_name("own.example").unwrap();
            other_origin(&Bundle { x509_authorities, ..Bundle::empty(own) }).map(|origin| origin.to_string())
        };
        let (own, other) = (Some("spiffe://own.example"), Some("spiffe://other.example"));
        for uris in [&[][..], &[own], &[None], &[other, own], &[Some("https://other.example")]] {
            assert_eq!(origin(uris), None, "{uris:?}");
        }
        for uris in [&[other][..], &[None, other]] {
            assert_eq!(origin(uris).as_deref(), Some("other.example"), "{uris:?}");
        }
    }
}
