//! Verification of chains against the authorities of a bundle (X.509-SVID, section 5).

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use steeple_types::SpiffeId;
use webpki::{EndEntityCert, KeyUsage};

use crate::x509::{Certificate, X509Error};

/// Longest chain taken, leaf included.
const MAX_CHAIN: usize = 10;

/// Why a chain was not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChainError {
    /// No certificate was presented.
    #[error("no certificates in the chain")]
    Empty,
    /// More certificates than are taken.
    #[error("chain is longer than 10 certificates")]
    TooLong,
    /// A certificate can't be read or is not acceptable.
    #[error(transparent)]
    Certificate(#[from] X509Error),
    /// The leaf is a signing certificate.
    #[error("leaf certificate must not be a CA")]
    LeafIsCa,
    /// The chain leads to none of the authorities that are valid at this time.
    #[error("certificate signed by unknown authority: {0}")]
    UnknownAuthority(String),
    /// A certificate is not valid at this time, or not for this.
    #[error("certificate is not valid: {0}")]
    Unverified(String),
}

/// A chain that was verified.
#[derive(Clone, Debug)]
pub struct VerifiedChain {
    /// The leaf.
    pub leaf: Certificate,
    /// The certificates from the leaf's issuer up to the authority, in order, DER.
    pub issuers: Vec<Vec<u8>>,
}

/// Verifies `chain` (DER, leaf first) against `authorities` (DER) at the time `now`, for any use.
///
/// Authorities outside their validity don't count, though the underlying library would take them.
///
/// # Errors
/// [`ChainError`].
pub fn verify_chain(chain: &[&[u8]], authorities: &[&[u8]], now: Timestamp) -> Result<VerifiedChain, ChainError> {
    let (leaf_der, intermediates) = chain.split_first().ok_or(ChainError::Empty)?;
    if chain.len() > MAX_CHAIN {
        return Err(ChainError::TooLong);
    }
    let leaf = Certificate::from_der(leaf_der)?;
    let roots: Vec<CertificateDer<'_>> = authorities
        .iter()
        .filter(|der| Certificate::from_der(der).is_ok_and(|root| root.not_before() <= now && now <= root.not_after()))
        .map(|der| CertificateDer::from(*der))
        .collect();
    let anchors: Vec<(TrustAnchor<'_>, &CertificateDer<'_>)> =
        roots.iter().filter_map(|der| Some((webpki::anchor_from_trusted_cert(der).ok()?, der))).collect();
    let anchor_list: Vec<TrustAnchor<'_>> = anchors.iter().map(|(anchor, _)| anchor.clone()).collect();
    let middle: Vec<CertificateDer<'_>> = intermediates.iter().map(|der| CertificateDer::from(*der)).collect();
    let leaf_der = CertificateDer::from(*leaf_der);
    let end_entity = EndEntityCert::try_from(&leaf_der).map_err(unverified)?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().unsigned_abs()));
    let path = end_entity
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchor_list, &middle, at, KeyUsage::client_auth(), None, None)
        .or_else(|_| {
            let usage = KeyUsage::server_auth();
            end_entity.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchor_list, &middle, at, usage, None, None)
        })
        .map_err(unverified)?;
    let mut issuers: Vec<Vec<u8>> = path.intermediate_certificates().map(|cert| cert.der().to_vec()).collect();
    let found = anchors.iter().find(|(anchor, _)| anchor == path.anchor());
    issuers.extend(found.map(|(_, der)| der.to_vec()));
    Ok(VerifiedChain { leaf, issuers })
}

/// Verifies `chain` as an X.509-SVID against the authorities of its trust domain, which `authorities` looks up.
///
/// # Errors
/// [`ChainError`], also when the leaf is a CA or does not hold exactly one SPIFFE ID.
pub fn verify_svid(
    chain: &[&[u8]],
    authorities: impl FnOnce(&SpiffeId) -> Vec<Vec<u8>>,
    now: Timestamp,
) -> Result<(SpiffeId, Certificate), ChainError> {
    let leaf = Certificate::from_der(chain.first().ok_or(ChainError::Empty)?)?;
    if leaf.is_ca() {
        return Err(ChainError::LeafIsCa);
    }
    let id = leaf.spiffe_id()?;
    let roots = authorities(&id);
    let roots: Vec<&[u8]> = roots.iter().map(Vec::as_slice).collect();
    Ok((id, verify_chain(chain, &roots, now)?.leaf))
}

/// Whether signatures lead from the leaf of `chain`, which stands first, to one of `authorities`, over others of the chain in
/// any order. Validity, names and constraints are not looked at: this tells which authority a chain comes from.
pub fn leads_to(chain: &[Certificate], authorities: &[Certificate]) -> bool {
    let Some((leaf, others)) = chain.split_first() else { return false };
    if chain.len() > MAX_CHAIN {
        return false;
    }
    let (mut reached, mut rest) = (vec![leaf], others.iter().collect::<Vec<_>>());
    while let Some(current) = reached.pop() {
        if authorities.iter().any(|authority| current == authority || current.is_signed_by(authority)) {
            return true;
        }
        let (issuers, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|other| current.is_signed_by(other));
        reached.extend(issuers);
        rest = others;
    }
    false
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn unverified(error: webpki::Error) -> ChainError {
    use webpki::Error as E;
    let reason = format!("{error:?}");
    match error {
        // The last two come of an authority with the name of the right one and another key.
        E::UnknownIssuer | E::InvalidSignatureForPublicKey | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            ChainError::UnknownAuthority(reason)
        }
        _ => ChainError::Unverified(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeyType, PrivateKey};
    use crate::x509::{CertificateTemplate, Name, Purpose};

    struct Signer {
        key: PrivateKey,
        certificate: Certificate,
    }

    /// A certificate of a new key, signed by `issuer`, or by itself.
    fn made(name: &str, purpose: Purpose, issuer: Option<&Signer>) -> Signer {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let subject = Name::of("US", name);
        let own = subject.to_der();
        let signer = issuer.map_or(&key, |issuer| &issuer.key);
        let template = CertificateTemplate {
            serial: &[1],
            issuer: issuer.map_or(own.as_slice(), |issuer| issuer.certificate.subject_der()),
            subject: &subject,
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
            public_key: key.public_key(),
            authority_key_id: &[],
            purpose,
            uris: &[],
            dns_names: &[],
            signature: signer.public_key().certificate_signature().unwrap(),
        };
        let certificate = Certificate::from_der(&template.encode().sign(signer).unwrap()).unwrap();
        Signer { key, certificate }
    }

    #[test]
    fn chain_comes_from_the_authority_whose_signature_it_ends_in() {
        let (root, other) = (made("ROOT", Purpose::Ca, None), made("ROOT", Purpose::Ca, None));
        let middle = made("MIDDLE", Purpose::Ca, Some(&root));
        let lower = made("LOWER", Purpose::Ca, Some(&middle));
        let leaf = made("LEAF", Purpose::Leaf, Some(&lower));
        let [root, other, middle, lower, leaf] = [root, other, middle, lower, leaf].map(|signer| signer.certificate);
        let chain = [leaf.clone(), middle.clone(), lower.clone()];
        assert!(leads_to(&chain, &[other.clone(), root.clone()]));
        assert!(!leads_to(&chain, &[other]), "the same name, another key");
        assert!(!leads_to(&[leaf.clone(), middle], std::slice::from_ref(&root)), "a link is missing");
        assert!(leads_to(&[leaf, lower.clone()], &[lower]), "an authority between counts as well");
        assert!(leads_to(std::slice::from_ref(&root), std::slice::from_ref(&root)));
        assert!(!leads_to(&[], &[root]));
    }

    #[test]
    fn leaf_signs_nothing() {
        let root = made("ROOT", Purpose::Ca, None);
        let leaf = made("LEAF", Purpose::Leaf, Some(&root));
        let below = made("BELOW", Purpose::Leaf, Some(&leaf));
        assert!(!leads_to(&[below.certificate, leaf.certificate], &[root.certificate]));
    }
}
