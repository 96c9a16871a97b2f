//! Denials in the audit trail.

use std::sync::atomic::Ordering;
use std::time::Duration;

use steeple_audit::{Actor, EventKind};
use tonic::Code;

use crate::bench::{Bench, attest_request, csr, serve};

const CREATE: &str = "/spire.api.server.entry.v1.Entry/BatchCreateEntry";
const ATTEST: &str = "/spire.api.server.agent.v1.Agent/AttestAgent";

#[tokio::test(flavor = "multi_thread")]
async fn each_denial_is_in_the_trail_and_many_of_one_caller_are_one_record() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let (anonymous, remote) = (bench.remote(&[]), bench.remote(&agent.chain));
    let (recorded, hand) = (bench.recorded.clone(), bench.hand.clone());
    let denied = || {
        let told = recorded.kinds().into_iter().zip(recorded.actors());
        let told = told.filter_map(|(kind, actor)| match kind {
            EventKind::CallDenied { method, reason, count } => Some((actor, method, reason, count)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    // Time passes, so that the server comes to tell of it.
    let wait_for = async |wanted: u64| {
        while denied().iter().map(|(_, _, _, count)| count).sum::<u64>() < wanted {
            hand.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let drive = async {
        assert_eq!(remote.status_of(CREATE).await.code(), Code::PermissionDenied);
        wait_for(1).await;
        let (actor, method, reason, _) = denied().remove(0);
        assert!(matches!(actor, Actor::Svid { id, .. } if id.as_str().ends_with(&agent.id.path)));
        assert_eq!((method, reason), (CREATE, format!("authorization denied for method {CREATE}")));
        recorded.broken.store(true, Ordering::Relaxed);
        for _ in 0..500 {
            anonymous.status_of(CREATE).await;
        }
        recorded.broken.store(false, Ordering::Relaxed);
        wait_for(501).await;
        assert!(denied().len() < 10, "{:?}", denied());
        assert!(denied().iter().skip(1).all(|(actor, ..)| matches!(actor, Actor::Anonymous { .. })));
        let request = tokio_stream::iter([attest_request("join_token", b"no-token", csr(&[]))]);
        let answer = anonymous.agent().attest_agent(request).await;
        let status = match answer {
            Ok(answer) => answer.into_inner().message().await.unwrap_err(),
            Err(status) => status,
        };
        wait_for(502).await;
        let (_, method, reason, _) = denied().pop().unwrap();
        assert_eq!((method, reason.as_str()), (ATTEST, status.message()));
    };
    serve(bench.server, drive).await;
}
