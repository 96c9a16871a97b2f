//! Bundle documents (SPIFFE Trust Domain and Bundle, section 4) and plain JWK sets.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Deserializer, Serialize};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

use crate::json::Object;
use crate::jwk::Jwk;
use crate::keys::{KeyError, PublicKey};
use crate::x509::{Certificate, X509Error};

/// Largest document read, in bytes.
const MAX_LENGTH: usize = 8 << 20;

const X509_SVID: &str = "x509-svid";
const JWT_SVID: &str = "jwt-svid";

/// Why a document is not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The document is larger than 8 MiB.
    #[error("bundle document is larger than 8 MiB")]
    TooLarge,
    /// The document is not the JSON that was looked for.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// The document has no list of keys.
    #[error("no authorities found")]
    NoKeys,
    /// A key has the wrong number of certificates.
    #[error("expected a single certificate in x509-svid entry {entry}; got {found}")]
    Certificates {
        /// Position of the key.
        entry: usize,
        /// How many there are.
        found: usize,
    },
    /// A JWT key has no ID.
    #[error("missing key ID in jwt-svid entry {0}")]
    NoKeyId(usize),
    /// A key has no use.
    #[error("missing use for key entry {0}")]
    NoUse(usize),
    /// A key has a use that is not known.
    #[error("unrecognized use {key_use:?} for key entry {entry}")]
    UnknownUse {
        /// Position of the key.
        entry: usize,
        /// What it says.
        key_use: String,
    },
    /// A key can't be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate can't be read.
    #[error(transparent)]
    Certificate(#[from] X509Error),
}

#[derive(Serialize, Deserialize)]
struct Document {
    /// SPIRE writes no keys as `null`.
    #[serde(default, deserialize_with = "keys")]
    keys: Option<Vec<Jwk>>,
    #[serde(default, skip_serializing_if = "is_zero", rename = "spiffe_sequence")]
    sequence: u64,
    #[serde(default, skip_serializing_if = "is_zero_hint", rename = "spiffe_refresh_hint")]
    refresh_hint: i64,
}

fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Jwk>>, D::Error> {
    let keys = Option::<Vec<Object<Jwk>>>::deserialize(deserializer)?;
    Ok(keys.map(|keys| keys.into_iter().map(|key| key.0).collect()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero_hint(number: &i64) -> bool {
    *number == 0
}

/// The bundle as a SPIFFE bundle document, indented by four spaces as SPIRE writes it, no newline at the end.
///
/// # Errors
/// [`BundleError`] when an authority of the bundle can't be read.
pub fn to_document(bundle: &Bundle) -> Result<String, BundleError> {
    indented(&document(bundle)?)
}

/// The same in one line, as SPIRE publishes it.
///
/// # Errors
/// [`BundleError`] when an authority of the bundle can't be read.
pub fn to_compact_document(bundle: &Bundle) -> Result<String, BundleError> {
    Ok(serde_json::to_string(&document(bundle)?)?)
}

fn document(bundle: &Bundle) -> Result<Document, BundleError> {
    let mut keys = Vec::new();
    for authority in &bundle.x509_authorities {
        keys.push(x509_jwk(authority)?);
    }
    for authority in &bundle.jwt_authorities {
        keys.push(Jwk { key_use: JWT_SVID.to_owned(), ..jwt_jwk(authority)? });
    }
    let keys = Some(keys).filter(|keys| !keys.is_empty());
    Ok(Document { keys, sequence: bundle.sequence_number, refresh_hint: bundle.refresh_hint })
}

/// The JWT authorities as a plain JWK set, as the Workload API hands it out: no `use`, nothing of SPIFFE's own.
///
/// # Errors
/// [`BundleError`] when an authority of the bundle can't be read.
pub fn to_jwt_jwks(bundle: &Bundle) -> Result<String, BundleError> {
    indented(&Set { keys: bundle.jwt_authorities.iter().map(jwt_jwk).collect::<Result<_, _>>()? })
}

/// All authorities as a plain JWK set in one line: no `use`, nothing of SPIFFE's own.
///
/// # Errors
/// [`BundleError`] when an authority of the bundle can't be read.
pub fn to_jwks(bundle: &Bundle) -> Result<String, BundleError> {
    let x509 = bundle.x509_authorities.iter().map(|authority| {
        let jwk = x509_jwk(authority)?;
        Ok(Jwk { key_use: String::new(), ..jwk })
    });
    let keys = x509.chain(bundle.jwt_authorities.iter().map(jwt_jwk)).collect::<Result<_, BundleError>>()?;
    Ok(serde_json::to_string(&Set { keys })?)
}

#[derive(Serialize)]
struct Set {
    keys: Vec<Jwk>,
}

/// What becomes of a document in which a key has no `use`, or one that is not known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OtherUses {
    Refused,
    Ignored,
}

/// Reads a SPIFFE bundle document that an operator gives. As [`from_document`], but that keys without a known `use` are
/// ignored, as go-spiffe does (SPIFFE Trust Domain and Bundle, section 4.2.2).
///
/// # Errors
/// [`BundleError`] with the texts of go-spiffe.
pub fn from_given_document(trust_domain: TrustDomain, text: &[u8]) -> Result<Bundle, BundleError> {
    read(trust_domain, text, OtherUses::Ignored)
}

/// Reads a SPIFFE bundle document. A certificate that stands in it twice counts once, and of keys with the same ID the last
/// one counts, as in go-spiffe.
///
/// # Errors
/// [`BundleError`] with the texts of SPIRE.
pub fn from_document(trust_domain: TrustDomain, text: &[u8]) -> Result<Bundle, BundleError> {
    read(trust_domain, text, OtherUses::Refused)
}

fn read(trust_domain: TrustDomain, text: &[u8], other_uses: OtherUses) -> Result<Bundle, BundleError> {
    if text.len() > MAX_LENGTH {
        return Err(BundleError::TooLarge);
    }
    let Object(document): Object<Document> = serde_json::from_slice(text)?;
    let mut bundle = Bundle::empty(trust_domain);
    bundle.refresh_hint = document.refresh_hint;
    bundle.sequence_number = document.sequence;
    let (mut certificates_seen, mut positions) = (HashSet::new(), HashMap::new());
    let keys = document.keys.ok_or(BundleError::NoKeys)?;
    for (entry, key) in keys.iter().enumerate() {
        match key.key_use.as_str() {
            X509_SVID => {
                let certificates = key.certificates()?;
                let [certificate] = certificates.as_slice() else {
                    return Err(BundleError::Certificates { entry, found: certificates.len() });
                };
                Certificate::from_der(certificate)?;
                if certificates_seen.insert(certificate.clone()) {
                    bundle.x509_authorities.push(X509Authority { certificate: certificate.clone(), tainted: false });
                }
            }
            JWT_SVID if key.kid.is_empty() => return Err(BundleError::NoKeyId(entry)),
            JWT_SVID => {
                let authority = JwtAuthority {
                    key_id: key.kid.clone(),
                    public_key: key.to_key()?.spki().to_vec(),
                    expires_at: None,
                    tainted: false,
                };
                let position = *positions.entry(key.kid.as_str()).or_insert(bundle.jwt_authorities.len());
                match bundle.jwt_authorities.get_mut(position) {
                    Some(known) => *known = authority,
                    None => bundle.jwt_authorities.push(authority),
                }
            }
            // Known to SPIFFE, of no use here.
            "wit-svid" => {}
            _ if other_uses == OtherUses::Ignored => {}
            "" => return Err(BundleError::NoUse(entry)),
            other => return Err(BundleError::UnknownUse { entry, key_use: other.to_owned() }),
        }
    }
    Ok(bundle)
}

fn x509_jwk(authority: &X509Authority) -> Result<Jwk, BundleError> {
    let certificate = Certificate::from_der(&authority.certificate)?;
    let jwk = Jwk::from_key(certificate.public_key())?.with_certificate(&authority.certificate);
    Ok(Jwk { key_use: X509_SVID.to_owned(), ..jwk })
}

fn jwt_jwk(authority: &JwtAuthority) -> Result<Jwk, BundleError> {
    let key = PublicKey::from_spki(&authority.public_key)?;
    Ok(Jwk { kid: authority.key_id.clone(), ..Jwk::from_key(&key)? })
}

fn indented(value: &impl Serialize) -> Result<String, BundleError> {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeyType, PrivateKey};

    fn jwk(kid: &str) -> (Jwk, Vec<u8>) {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let jwk = Jwk { kid: kid.to_owned(), key_use: JWT_SVID.to_owned(), ..Jwk::from_key(key.public_key()).unwrap() };
        (jwk, key.public_key().spki().to_vec())
    }

    fn from_keys(keys: Vec<Jwk>) -> Bundle {
        let document = Document { keys: Some(keys), sequence: 0, refresh_hint: 0 };
        let text = serde_json::to_vec(&document).unwrap();
        from_document(TrustDomain::from_name("a.example").unwrap(), &text).unwrap()
    }

    #[test]
    fn other_uses_are_ignored_in_given_documents_alone() {
        let ((known, _), (other, _)) = (jwk("a"), jwk("b"));
        for key_use in ["", "sig"] {
            let other = Jwk { key_use: key_use.to_owned(), ..other.clone() };
            let document = Document { keys: Some(vec![known.clone(), other]), sequence: 0, refresh_hint: 0 };
            let text = serde_json::to_vec(&document).unwrap();
            let trust_domain = TrustDomain::from_name("a.example").unwrap();
            let given = from_given_document(trust_domain.clone(), &text).unwrap();
            assert_eq!(given.jwt_authorities.len(), 1, "{key_use:?}");
            assert!(from_document(trust_domain, &text).is_err(), "{key_use:?}");
        }
    }

    #[test]
    fn arrays_are_no_documents_and_no_keys() {
        let (key, _) = jwk("a");
        let key = serde_json::to_value(key).unwrap();
        let members: Vec<_> = ["use", "kty", "kid", "crv", "alg", "x", "y", "n", "e"]
            .map(|member| key.get(member).cloned().unwrap_or_else(|| "".into()))
            .to_vec();
        for document in [serde_json::json!([[key]]), serde_json::json!({ "keys": [members] })] {
            let read = from_document(TrustDomain::from_name("a.example").unwrap(), document.to_string().as_bytes());
            assert!(matches!(read, Err(BundleError::Json(_))), "{document}");
        }
    }

    #[test]
    fn what_stands_in_a_document_twice_counts_once() {
        let ((first, _), (other, of_other), (again, of_again)) = (jwk("a"), jwk("b"), jwk("a"));
        let read_keys = from_keys(vec![first, other, again]).jwt_authorities;
        let read_keys: Vec<_> = read_keys.into_iter().map(|key| (key.key_id, key.public_key)).collect();
        assert_eq!(read_keys, [("a".to_owned(), of_again), ("b".to_owned(), of_other)]);
        let text = include_str!("../../../tests/golden/bundle.json");
        let keys = serde_json::from_str::<Document>(text).unwrap().keys.unwrap();
        let twice = from_keys([keys.clone(), keys].concat());
        assert_eq!((twice.x509_authorities.len(), twice.jwt_authorities.len()), (1, 1));
    }
}
