//! Limits on calls of workloads, and what is told of workloads that get nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tonic::Code;

use crate::bench::{Bench, refusal};

const X509: &str = "/SpiffeWorkloadAPI/FetchX509SVID";
const JWT: &str = "/SpiffeWorkloadAPI/FetchJWTSVID";

#[tokio::test]
async fn workloads_that_call_too_often_are_refused() {
    let limits = BTreeMap::from([(X509, 1), (JWT, 2)]);
    let mut bench = Bench::with(|settings| settings.workload_limits = limits).await;
    bench.entry("a", &["w"]).await;
    bench.labels.set(&["w"]);
    assert!(bench.workload().x509().await.is_ok());
    let refused = bench.workload().x509().await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::Unavailable, "rate limit exceeded for /SpiffeWorkloadAPI/FetchX509SVID"));
    bench.labels.set(&["w", "other"]);
    assert!(bench.workload().x509().await.is_ok(), "a workload with other selectors");
    bench.labels.set(&["w"]);
    for _ in 0..2 {
        assert!(bench.workload().jwt(&["x"], "").await.is_ok());
    }
    assert_eq!(bench.workload().jwt(&["x"], "").await.unwrap_err().code(), Code::Unavailable);
    assert!(bench.workload().x509_bundles().await.is_ok(), "a method without a limit");
    bench.hand.advance(Duration::from_secs(1));
    assert!(bench.workload().x509().await.is_ok());
    let text = bench.metrics.render();
    assert!(text.contains(&format!("rate_limit_exceeded{{method=\"{X509}\"}} 1")), "{text}");
}

#[tokio::test]
async fn selectors_of_workloads_without_identity_are_told_as_far_as_they_may() {
    let bench = Bench::with(|settings| settings.log_selectors = vec!["test:a".to_owned()]).await;
    bench.labels.set(&["secret", "a", "a:b", "ab"]);
    let refused = bench.workload().x509().await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "no identity issued"));
    let log = bench.log();
    let said = log.lines().find(|line| line.contains("No identity issued")).unwrap();
    assert!(said.contains("test:a,test:a:b") && !said.contains("secret") && !said.contains("test:ab"), "{said}");
    bench.workload().jwt(&["x"], "").await.unwrap_err();
    let log = bench.log();
    let of_jwt = log.lines().find(|line| line.contains("method=FetchJWTSVID"));
    assert!(of_jwt.is_some_and(|said| said.contains("test:a,test:a:b")), "{log}");
}
