//! Answers requests for the discovery document and the keys.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode, header};
use steeple_config::{Url, UrlError};
use steeple_net::tcp::split_host_port;
use steeple_net::web::Connection;
use tokio::sync::watch;
use tracing::debug;

use crate::discovery::{self, Asked};
use crate::domains::{DomainError, Domains};
use crate::source::Polled;
use crate::{forwarded, keys, respond};

/// What the handler is told by the configuration.
#[derive(Clone, Debug)]
pub struct HandlerConfig {
    /// The names under which the document may be asked for.
    pub domains: Domains,
    /// Whether the document has `http` URLs where the request came so.
    pub allow_insecure_scheme: bool,
    /// Whether keys say that they are for signatures.
    pub set_key_use: bool,
    /// Whether each request is logged.
    pub log_requests: bool,
    /// The issuer, if it is not the host that was asked.
    pub jwt_issuer: Option<Url>,
    /// Where the keys are, if not beside the document.
    pub jwks_uri: Option<Url>,
    /// What stands before the paths; begins with a slash.
    pub server_path_prefix: String,
}

/// Answers requests.
#[derive(Debug)]
pub struct Handler {
    config: HandlerConfig,
    discovery_path: String,
    keys_path: String,
    polled: watch::Receiver<Polled>,
}

impl Handler {
    /// A handler that answers from what is `polled`.
    ///
    /// # Errors
    /// [`UrlError`] when the prefix is no path.
    pub fn new(config: HandlerConfig, polled: watch::Receiver<Polled>) -> Result<Self, UrlError> {
        let path = |element: &str| Url::join(&config.server_path_prefix, element).map(|url| url.to_string());
        let (discovery_path, keys_path) = (path("/.well-known/openid-configuration")?, path("/keys")?);
        Ok(Self { config, discovery_path, keys_path, polled })
    }

    /// The answer to a request.
    pub fn answer(&self, head: &Parts) -> Response<Bytes> {
        if self.config.log_requests {
            log(head);
        }
        let path = head.uri.path();
        match (path == self.discovery_path, path == self.keys_path) {
            (false, false) => respond::not_found(),
            _ if head.method != Method::GET => respond::wrong_method(),
            (true, _) => self.discovery(head),
            (false, true) => self.keys(head),
        }
    }

    fn discovery(&self, head: &Parts) -> Response<Bytes> {
        let host = forwarded::host(head);
        let is_tls = head.extensions.get::<Connection>().is_some_and(|connection| connection.is_tls);
        let is_plain = self.config.allow_insecure_scheme && !is_tls && !forwarded::was_https(head);
        let document = discovery::document(Asked {
            scheme: if is_plain { "http" } else { "https" },
            host: &host,
            path_prefix: &self.config.server_path_prefix,
            jwt_issuer: self.config.jwt_issuer.as_ref(),
            jwks_uri: self.config.jwks_uri.as_ref(),
        });
        match (self.check_host(&host), document) {
            (_, Err(error)) => respond::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
            (Err(error), _) => respond::error(StatusCode::BAD_REQUEST, &error.to_string()),
            (Ok(()), Ok(document)) => respond::document(document),
        }
    }

    /// Whether the host, of which a port doesn't matter, is one under which the provider may be asked.
    fn check_host(&self, host: &str) -> Result<(), DomainError> {
        self.config.domains.check(split_host_port(host).map_or(host, |(host, _)| host))
    }

    fn keys(&self, head: &Parts) -> Response<Bytes> {
        let Some(set) = self.polled.borrow().keys.clone() else {
            return respond::error(StatusCode::INTERNAL_SERVER_ERROR, "document not available");
        };
        if set.keys.is_empty() {
            return respond::error(StatusCode::NOT_IMPLEMENTED, "jwt not supported/enabled in this service");
        }
        let Ok(document) = keys::document(&set.keys, self.config.set_key_use) else {
            return respond::error(StatusCode::INTERNAL_SERVER_ERROR, "failed to marshal JWKS");
        };
        let mut response = respond::document(document);
        let headers = response.headers_mut();
        respond::put(headers, header::CACHE_CONTROL, "no-cache, no-store, must-revalidate");
        respond::put(headers, header::PRAGMA, "no-cache");
        respond::put(headers, header::EXPIRES, "0");
        respond::modified_at(response, head, set.changed_at)
    }
}

fn log(head: &Parts) {
    let connection = head.extensions.get::<Connection>();
    let agent = head.headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let extra = serde_json::json!({
        "remote-addr": connection.map(|connection| connection.remote.as_str()).unwrap_or_default(),
        "user-agent": agent.unwrap_or_default(),
    });
    debug!(method = %head.method, url = %head.uri, extra = %extra, "Incoming request");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use steeple_crypto::jwk::Jwk;

    use super::*;
    use crate::source::KeySet;
    use crate::testing::{ec_key, head};

    fn config() -> HandlerConfig {
        HandlerConfig {
            domains: Domains::new(&["localhost".to_owned(), "domain.test".to_owned()]).unwrap(),
            allow_insecure_scheme: false,
            set_key_use: false,
            log_requests: true,
            jwt_issuer: None,
            jwks_uri: None,
            server_path_prefix: "/".to_owned(),
        }
    }

    fn with_keys(config: HandlerConfig, keys: Option<Vec<Jwk>>) -> Handler {
        let changed_at = Timestamp::from_second(1_795_461_713).unwrap();
        let keys = keys.map(|keys| KeySet { keys: Arc::from(keys), changed_at });
        Handler::new(config, watch::Sender::new(Polled { keys, succeeded_at: None }).subscribe()).unwrap()
    }

    fn handler(config: HandlerConfig) -> Handler {
        with_keys(config, Some(vec![keys::key("one", &ec_key()).unwrap()]))
    }

    fn said(handler: &Handler, head: &Parts) -> (u16, String) {
        let response = handler.answer(head);
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    fn told(status: u16, body: &str) -> (u16, String) {
        (status, body.to_owned())
    }

    /// The issuer of the document, or the refusal.
    fn issuer(handler: &Handler, head: &Parts) -> String {
        let (status, body) = said(handler, head);
        if status != 200 {
            return body;
        }
        let document: serde_json::Value = serde_json::from_str(&body).unwrap();
        document["issuer"].as_str().unwrap().to_owned()
    }

    const DISCOVERY: &str = "/.well-known/openid-configuration";

    #[test]
    fn document_names_the_host_that_was_asked() {
        let handler = handler(config());
        for (headers, expected) in [
            (&[("host", "localhost")][..], "https://localhost"),
            (&[("host", "domain.test:8080")], "https://domain.test:8080"),
            (&[("host", "localhost:80"), ("x-forwarded-host", "domain.test")], "https://domain.test"),
            (&[("host", "bad.test")], "domain \"bad.test\" is not allowed\n"),
            (&[("host", "localhost"), ("x-forwarded-host", "bad.test:80")], "domain \"bad.test\" is not allowed\n"),
            (&[("host", "[::1]:80")], "domain \"::1\" is not a valid domain name: idna: disallowed rune U+003A\n"),
        ] {
            assert_eq!(issuer(&handler, &head("GET", DISCOVERY, headers)), expected);
        }
        assert_eq!(handler.answer(&head("GET", DISCOVERY, &[("host", "bad.test")])).status(), 400);
    }

    #[test]
    fn document_has_plain_urls_only_where_that_is_allowed_and_so() {
        let allowing = handler(HandlerConfig { allow_insecure_scheme: true, ..config() });
        let mut request = head("GET", DISCOVERY, &[("host", "localhost")]);
        assert_eq!(issuer(&handler(config()), &request), "https://localhost");
        assert_eq!(issuer(&allowing, &request), "http://localhost");
        request.extensions.insert(Connection { remote: "@".to_owned(), is_tls: true });
        assert_eq!(issuer(&allowing, &request), "https://localhost");
        let proxied = head("GET", DISCOVERY, &[("host", "localhost"), ("x-forwarded-proto", "https")]);
        assert_eq!(issuer(&allowing, &proxied), "https://localhost");
    }

    #[test]
    fn keys_are_told_as_soon_as_they_are_known() {
        let request = head("GET", "/keys", &[]);
        assert_eq!(said(&with_keys(config(), None), &request), told(500, "document not available\n"));
        let none = with_keys(config(), Some(Vec::new()));
        assert_eq!(said(&none, &request), told(501, "jwt not supported/enabled in this service\n"));
        let expected = keys::document(&[keys::key("one", &ec_key()).unwrap()], false).unwrap();
        assert_eq!(said(&handler(config()), &request), (200, expected));
        let used = handler(HandlerConfig { set_key_use: true, ..config() });
        assert!(said(&used, &request).1.contains("\"use\": \"sig\""));
    }

    #[test]
    fn keys_must_not_be_cached_and_the_document_may() {
        let handler = handler(config());
        let answer = handler.answer(&head("GET", "/keys", &[]));
        for (name, value) in [
            ("content-type", "application/json"),
            ("access-control-allow-origin", "*"),
            ("cache-control", "no-cache, no-store, must-revalidate"),
            ("pragma", "no-cache"),
            ("expires", "0"),
            ("last-modified", "Mon, 23 Nov 2026 19:21:53 GMT"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
        let answer = handler.answer(&head("GET", DISCOVERY, &[("host", "localhost")]));
        assert_eq!((answer.status(), answer.headers().len()), (StatusCode::OK, 2));
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }

    #[test]
    fn only_get_is_answered() {
        let handler = handler(config());
        for path in [DISCOVERY, "/keys"] {
            for method in ["PUT", "POST", "HEAD", "OPTIONS"] {
                assert_eq!(
                    said(&handler, &head(method, path, &[])),
                    told(405, "method not allowed\n"),
                    "{method} {path}"
                );
            }
        }
    }

    #[test]
    fn other_paths_are_not_found() {
        let prefixed = handler(HandlerConfig { server_path_prefix: "/a/b/".to_owned(), ..config() });
        for path in ["/", "/keys", "/a/b/keys/", "/a/b", DISCOVERY] {
            assert_eq!(said(&prefixed, &head("GET", path, &[])), told(404, "404 page not found\n"), "{path}");
        }
        assert_eq!(said(&prefixed, &head("GET", "/a/b/keys", &[])).0, 200);
        let request = head("GET", "/a/b/.well-known/openid-configuration", &[("host", "localhost")]);
        assert_eq!(issuer(&prefixed, &request), "https://localhost/a/b/");
    }
}
