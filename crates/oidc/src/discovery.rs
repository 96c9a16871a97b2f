//! The discovery document (OpenID Connect Discovery 1.0, section 3).

use serde::Serialize;
use steeple_config::{Url, UrlError};

use crate::respond::escape_html;

/// What the document depends on, and a request that asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// `http` or `https`.
    pub(crate) scheme: &'a str,
    /// The host that was asked, and its port if it has one.
    pub(crate) host: &'a str,
    /// What stands before the paths; `/` for nothing.
    pub(crate) path_prefix: &'a str,
    /// The issuer, if it is not the host.
    pub(crate) jwt_issuer: Option<&'a Url>,
    /// Where the keys are, if not beside the document.
    pub(crate) jwks_uri: Option<&'a Url>,
}

#[derive(Serialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
    /// Required by the standard; tokens are not issued here.
    authorization_endpoint: &'static str,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 3],
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    /// The path of the issuer is none to build on.
    #[error(transparent)]
    Path(#[from] UrlError),
    /// It can't be written, which does not happen.
    #[error("failed to marshal document")]
    Marshal(#[from] serde_json::Error),
}

/// The document as it is served.
///
/// # Errors
/// [`DiscoveryError`].
pub(crate) fn document(asked: Asked<'_>) -> Result<String, DiscoveryError> {
    let document = Document {
        issuer: issuer(asked),
        jwks_uri: jwks_uri(asked)?,
        authorization_endpoint: "",
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["RS256", "ES256", "ES384"],
    };
    Ok(escape_html(&serde_json::to_string_pretty(&document)?))
}

fn issuer(asked: Asked<'_>) -> String {
    let path = if asked.path_prefix == "/" { "" } else { asked.path_prefix };
    asked.jwt_issuer.map_or_else(|| Url::of(asked.scheme, asked.host, path).to_string(), Url::to_string)
}

fn jwks_uri(asked: Asked<'_>) -> Result<String, UrlError> {
    if let Some(uri) = asked.jwks_uri {
        return Ok(uri.to_string());
    }
    let (scheme, host, path) = match asked.jwt_issuer {
        Some(issuer) => (issuer.scheme(), issuer.host(), issuer.path()),
        None => (asked.scheme, asked.host, asked.path_prefix.to_owned()),
    };
    Ok(Url::of(scheme, host, &Url::join(&path, "keys")?.to_string()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Asked<'_> =
        Asked { scheme: "https", host: "domain.test", path_prefix: "/", jwt_issuer: None, jwks_uri: None };

    /// Issuer and address of the keys.
    fn told(asked: Asked<'_>) -> (String, String) {
        let document: serde_json::Value = serde_json::from_str(&document(asked).unwrap()).unwrap();
        let text = |key: &str| document[key].as_str().unwrap().to_owned();
        (text("issuer"), text("jwks_uri"))
    }

    fn pair(issuer: &str, jwks_uri: &str) -> (String, String) {
        (issuer.to_owned(), jwks_uri.to_owned())
    }

    #[test]
    fn document_is_written_as_spire_writes_it() {
        let expected = r#"{
  "issuer": "https://domain.test",
  "jwks_uri": "https://domain.test/keys",
  "authorization_endpoint": "",
  "response_types_supported": [
    "id_token"
  ],
  "subject_types_supported": [
    "public"
  ],
  "id_token_signing_alg_values_supported": [
    "RS256",
    "ES256",
    "ES384"
  ]
}"#;
        assert_eq!(document(HOST).unwrap(), expected);
    }

    #[test]
    fn issuer_is_the_host_that_was_asked() {
        assert_eq!(told(Asked { scheme: "http", ..HOST }), pair("http://domain.test", "http://domain.test/keys"));
        let asked = Asked { host: "domain.test:8080", ..HOST };
        assert_eq!(told(asked), pair("https://domain.test:8080", "https://domain.test:8080/keys"));
        let asked = Asked { host: "domain.test:<&>", ..HOST };
        let text = document(asked).unwrap();
        assert!(text.contains(r#""issuer": "https://domain.test:\u003c\u0026\u003e""#), "{text}");
    }

    #[test]
    fn prefix_stands_before_the_paths() {
        for (prefix, issuer, keys) in [
            ("/a/b", "https://domain.test/a/b", "https://domain.test/a/b/keys"),
            ("/a/b/", "https://domain.test/a/b/", "https://domain.test/a/b/keys"),
        ] {
            assert_eq!(told(Asked { path_prefix: prefix, ..HOST }), pair(issuer, keys));
        }
    }

    #[test]
    fn issuer_and_address_of_the_keys_may_be_set() {
        let url = |text: &str| Url::parse(text).unwrap();
        for (issuer, keys) in [
            ("https://i.test/a/b", "https://i.test/a/b/keys"),
            ("http://i.test/a/b/", "http://i.test/a/b/keys"),
            ("http://i.test/", "http://i.test/keys"),
            ("http://i.test", "http://i.test/keys"),
        ] {
            let asked = Asked { jwt_issuer: Some(&url(issuer)), path_prefix: "/p", ..HOST };
            assert_eq!(told(asked), pair(issuer, keys));
        }
        let keys = url("http://k.test/x?y=1&z");
        let asked = Asked { jwks_uri: Some(&keys), ..HOST };
        assert_eq!(told(asked), pair("https://domain.test", "http://k.test/x?y=1&z"));
        let issuer = url("https://i.test/a");
        let asked = Asked { jwt_issuer: Some(&issuer), jwks_uri: Some(&keys), ..HOST };
        assert_eq!(told(asked), pair("https://i.test/a", "http://k.test/x?y=1&z"));
    }
}
