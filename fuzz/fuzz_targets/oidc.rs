//! Heads of requests to the OIDC discovery provider: a document names no host but those that are allowed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use steeple_oidc::{Domains, Handler, HandlerConfig, Polled};
use tokio::sync::watch;

static HANDLER: LazyLock<Handler> = LazyLock::new(|| {
    let config = HandlerConfig {
        domains: Domains::new(&["domain.test".to_owned()]).expect("a domain"),
        allow_insecure_scheme: true,
        set_key_use: false,
        log_requests: false,
        jwt_issuer: None,
        jwks_uri: None,
        server_path_prefix: "/".to_owned(),
    };
    Handler::new(config, watch::Sender::new(Polled::default()).subscribe()).expect("a prefix")
});

/// Headers that say for which host and by which scheme a request came; the input has a value of each on a line.
const HEADERS: [&str; 5] = ["host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-scheme", "forwarded"];

fuzz_target!(|data: &[u8]| {
    let mut request = http::Request::get("/.well-known/openid-configuration");
    for (name, value) in HEADERS.into_iter().zip(data.split(|byte| *byte == b'\n')) {
        request = request.header(name, value);
    }
    let Ok(request) = request.body(()) else { return };
    let answer = HANDLER.answer(&request.into_parts().0);
    if answer.status() == 200 {
        let document: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
        let issuer = document["issuer"].as_str().expect("an issuer");
        let host = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://")).expect("a scheme");
        assert!(host == "domain.test" || host.starts_with("domain.test:") || host.starts_with("[domain.test]:"), "{issuer}");
    }
});
