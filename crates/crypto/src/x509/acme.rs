//! The certificate that answers a TLS-ALPN challenge (RFC 8737, section 3).

use jiff::{SignedDuration, Timestamp};

use super::build::{algorithm, extension, random_serial, signed, subject_alt_name};
use super::{Name, X509Error, oid, time};
use crate::der::{Writer, tag};
use crate::digest::sha256;
use crate::keys::PrivateKey;

/// How long it holds on either side of now: nobody looks, but a certificate has an end.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A certificate of `key` by itself that says of `domain` what an ACME server wants to hear: the digest of `authorization`,
/// the key authorization of the challenge.
///
/// # Errors
/// [`X509Error`] without randomness, or when the key can't sign.
pub fn acme_challenge_certificate(
    domain: &str,
    authorization: &str,
    key: &PrivateKey,
    now: Timestamp,
) -> Result<Vec<u8>, X509Error> {
    let signature_algorithm = key.public_key().certificate_signature()?;
    let name = Name { common_name: Some("ACME challenge".to_owned()), ..Name::default() }.to_der();
    let serial = random_serial()?;
    let mut writer = Writer::with_capacity(512);
    writer.sequence(|w| {
        w.constructed(tag::context(0), |w| w.unsigned(&[2]));
        w.unsigned(&serial);
        algorithm(w, signature_algorithm);
        w.raw(&name);
        w.sequence(|w| {
            time::write(w, now.saturating_sub(LIFE).unwrap_or(now));
            time::write(w, now.saturating_add(LIFE).unwrap_or(now));
        });
        w.raw(&name);
        w.raw(key.public_key().spki());
        w.constructed(tag::context(3), |w| {
            w.sequence(|w| {
                subject_alt_name(w, &[], &[domain.to_owned()], false);
                let digest = sha256(authorization.as_bytes());
                extension(w, oid::ACME_IDENTIFIER, true, |w| w.value(tag::OCTET_STRING, &digest));
            });
        });
    });
    let to_be_signed = writer.into_bytes();
    let signature = key.sign(signature_algorithm, &to_be_signed)?;
    Ok(signed(&to_be_signed, signature_algorithm, &signature))
}
