//! Keys from a bundle document in a file (SPIFFE Trust Domain and Bundle, section 4).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use steeple_config::os_text;
use steeple_crypto::json::Object;
use steeple_crypto::jwk::Jwk;

use super::{Source, SourceError};
use crate::keys::key;

/// Largest document read, in bytes.
const MAX_LENGTH: usize = 8 << 20;

/// Reads a file.
pub(super) struct BundleFile {
    path: PathBuf,
}

impl BundleFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

#[async_trait]
impl Source for BundleFile {
    async fn keys(&mut self) -> Result<Vec<Jwk>, SourceError> {
        read(&self.path).map_err(|reason| SourceError::File(format!("spiffebundle: {reason}")))
    }
}

fn read(path: &Path) -> Result<Vec<Jwk>, String> {
    let unreadable = |error| format!("unable to read SPIFFE bundle: open {}: {}", path.display(), os_text(&error));
    jwk_set(&std::fs::read(path).map_err(unreadable)?, Keys::Marked)
}

/// Which keys of a JWK set are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    /// All.
    All,
    /// Those marked as JWT authorities; the set must be there.
    Marked,
}

#[derive(Deserialize)]
struct Set {
    keys: Option<Vec<Value>>,
}

/// The JWT authorities of a JWK set.
///
/// # Errors
/// A text as go-spiffe's.
pub(super) fn jwk_set(document: &[u8], which: Keys) -> Result<Vec<Jwk>, String> {
    if document.len() > MAX_LENGTH {
        return Err("unable to parse JWKS: document is larger than 8 MiB".to_owned());
    }
    let unparsed = |error: &dyn std::fmt::Display| format!("unable to parse JWKS: {error}");
    let Object(set): Object<Set> = serde_json::from_slice(document).map_err(|error| unparsed(&error))?;
    let values = match (set.keys, which) {
        (Some(values), _) => values,
        (None, Keys::All) => Vec::new(),
        (None, Keys::Marked) => return Err("no authorities found".to_owned()),
    };
    let mut authorities = Vec::new();
    for (entry, value) in values.into_iter().enumerate() {
        let is_meant = which == Keys::All || value.get("use").is_some_and(|key_use| key_use == "jwt-svid");
        if !is_meant {
            continue;
        }
        let Object(jwk): Object<Jwk> = serde_json::from_value(value).map_err(|error| unparsed(&error))?;
        let public_key = jwk.to_key().map_err(|error| unparsed(&error))?;
        if jwk.kid.is_empty() {
            return Err(format!("error adding authority {entry} of JWKS: keyID cannot be empty"));
        }
        authorities.push(key(&jwk.kid, &public_key).map_err(|error| unparsed(&error))?);
    }
    Ok(authorities)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ec_key, rsa_key};

    fn jwk(kid: &str, key_use: &str) -> String {
        let jwk = Jwk { kid: kid.to_owned(), key_use: key_use.to_owned(), ..Jwk::from_key(&ec_key()).unwrap() };
        serde_json::to_string(&jwk).unwrap()
    }

    fn marked(keys: &[String]) -> Result<Vec<Jwk>, String> {
        jwk_set(format!("{{\"keys\": [{}], \"spiffe_sequence\": 1}}", keys.join(",")).as_bytes(), Keys::Marked)
    }

    #[test]
    fn jwt_authorities_are_taken_and_others_passed_over() {
        let others = [jwk("x", "x509-svid"), jwk("w", "wit-svid"), jwk("y", ""), "{\"use\": \"new\"}".to_owned()];
        let keys = [&others[..], &[jwk("one", "jwt-svid")]].concat();
        assert_eq!(marked(&keys), Ok(vec![key("one", &ec_key()).unwrap()]));
        assert_eq!(marked(&[]), Ok(Vec::new()));
        let rsa = Jwk { kid: "r".to_owned(), ..Jwk::from_key(&rsa_key()).unwrap() };
        let set = format!("{{\"keys\": [{}]}}", serde_json::to_string(&rsa).unwrap());
        assert_eq!(jwk_set(set.as_bytes(), Keys::All), Ok(vec![key("r", &rsa_key()).unwrap()]));
    }

    #[test]
    fn documents_that_are_not_in_order_are_refused_as_by_go_spiffe() {
        assert_eq!(jwk_set(b"{}", Keys::Marked).unwrap_err(), "no authorities found");
        assert!(jwk_set(b"x", Keys::Marked).unwrap_err().starts_with("unable to parse JWKS: "));
        let nameless = marked(&[jwk("one", "jwt-svid"), jwk("", "jwt-svid")]).unwrap_err();
        assert_eq!(nameless, "error adding authority 1 of JWKS: keyID cannot be empty");
        let curve = jwk("one", "jwt-svid").replace("P-256", "P-999");
        assert!(marked(&[curve]).unwrap_err().starts_with("unable to parse JWKS: "));
    }

    #[tokio::test]
    async fn file_that_is_not_there_is_named() {
        let error = BundleFile::new("/nowhere/bundle.json".into()).keys().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "spiffebundle: unable to read SPIFFE bundle: open /nowhere/bundle.json: no such file or directory"
        );
    }
}
