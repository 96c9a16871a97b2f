//! What both halves say to one another: JSON with byte strings in base64, the unused twin member `null`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use steeple_crypto::jws::ecdsa_der;
use steeple_crypto::keys::{PrivateKey, PublicKey, PublicKeyKind, SignatureAlgorithm};
use steeple_crypto::random;

/// Length of a nonce, in bytes.
const NONCE: usize = 32;

/// A byte string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        BASE64_STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// What an attestation opens with: certificates in DER, leaf first.
#[derive(Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) certificates: Vec<Bytes>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Challenge {
    pub(super) rsa_signature: Option<Nonce>,
    pub(super) ecdsa_signature: Option<Nonce>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Nonce {
    pub(super) nonce: Bytes,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Response {
    pub(super) rsa_signature: Option<RsaSignature>,
    pub(super) ecdsa_signature: Option<EcdsaSignature>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RsaSignature {
    pub(super) nonce: Bytes,
    pub(super) signature: Bytes,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EcdsaSignature {
    pub(super) nonce: Bytes,
    pub(super) r: Bytes,
    pub(super) s: Bytes,
}

impl Challenge {
    /// A challenge for `key`, and its nonce.
    pub(super) fn new(key: &PublicKey) -> Result<(Self, Vec<u8>), &'static str> {
        let nonce = random::bytes::<NONCE>().map_err(|_| "no randomness")?.to_vec();
        let member = Some(Nonce { nonce: Bytes(nonce.clone()) });
        let challenge = match key.kind() {
            PublicKeyKind::Rsa { .. } => Self { rsa_signature: member, ecdsa_signature: None },
            _ => Self { rsa_signature: None, ecdsa_signature: member },
        };
        Ok((challenge, nonce))
    }

    /// The response that proves that `key` is at hand.
    pub(super) fn respond(&self, key: &PrivateKey) -> Result<Response, String> {
        let nonce = random::bytes::<NONCE>().map_err(|error| error.to_string())?.to_vec();
        if matches!(key.public_key().kind(), PublicKeyKind::Rsa { .. }) {
            let challenge = self.rsa_signature.as_ref().ok_or("expecting RSA challenge")?;
            let message = combined(&challenge.nonce.0, &nonce).ok_or("invalid challenge nonce")?;
            let signature = key.sign(SignatureAlgorithm::RsaPssSha256, &message).map_err(|error| error.to_string())?;
            let signed = RsaSignature { nonce: Bytes(nonce), signature: Bytes(signature) };
            return Ok(Response { rsa_signature: Some(signed), ecdsa_signature: None });
        }
        let challenge = self.ecdsa_signature.as_ref().ok_or("expecting ECDSA challenge")?;
        let message = combined(&challenge.nonce.0, &nonce).ok_or("invalid challenge nonce")?;
        let der = key.sign(SignatureAlgorithm::EcdsaSha256, &message).map_err(|error| error.to_string())?;
        let numbers = steeple_crypto::jws::fixed_from_der(&der, 48).ok_or("malformed signature")?;
        let (r, s) = numbers.split_at(48);
        let signed = EcdsaSignature { nonce: Bytes(nonce), r: Bytes(trimmed(r)), s: Bytes(trimmed(s)) };
        Ok(Response { rsa_signature: None, ecdsa_signature: Some(signed) })
    }
}

impl Response {
    /// Whether the response to a challenge with `nonce` proves possession of `key`.
    pub(super) fn verify(&self, key: &PublicKey, nonce: &[u8]) -> Result<(), &'static str> {
        if matches!(key.kind(), PublicKeyKind::Rsa { .. }) {
            let signed = self.rsa_signature.as_ref().ok_or("expecting RSA response")?;
            let message = combined(nonce, &signed.nonce.0).ok_or("invalid response nonce")?;
            return key.verify_pss_any_salt(&message, &signed.signature.0).map_err(|_| "RSA signature verify failed");
        }
        let signed = self.ecdsa_signature.as_ref().ok_or("expecting ECDSA response")?;
        let message = combined(nonce, &signed.nonce.0).ok_or("invalid response nonce")?;
        key.verify(SignatureAlgorithm::EcdsaSha256, &message, &ecdsa_der(&signed.r.0, &signed.s.0))
            .map_err(|_| "ECDSA signature verify failed")
    }
}

/// The message that is hashed and signed: both nonces in turn.
fn combined(challenge: &[u8], response: &[u8]) -> Option<Vec<u8>> {
    (challenge.len() == NONCE && response.len() == NONCE).then(|| [challenge, response].concat())
}

/// A number as Go writes it: without leading zeros.
fn trimmed(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}
