//! What an agent does when its server comes back with authorities that it does not know.

use std::time::Duration;

use steeple_agent::state::Bootstrapping;
use steeple_agent::{Bootstrap, Rebootstrap, RebootstrapMode};
use tokio::net::UnixListener;

use crate::bench::{Bench, entry, in_time};
use crate::bootstrap::{answer_one, impostor};
use crate::servers::TestServer;

const DELAY: Duration = Duration::from_mins(1);
const IGNORED: &str = "Trust Bundle and Server don't agree, ignoring for now";
const BEGUN: &str = "Trust Bundle and Server don't agree, rebootstrapping";
const UNABLE: &str = "you have requested rebootstrap support but the NodeAttestor plugin or the spire server configuration \
                      is not allowing it";

fn rebootstrap(mode: RebootstrapMode) -> Rebootstrap {
    Rebootstrap { mode, delay: DELAY }
}

/// An agent that begins anew when it has to, with a workload that has an identity.
async fn bench() -> Bench {
    let mut bench = Bench::with(|settings| settings.rebootstrap = rebootstrap(RebootstrapMode::Auto)).await;
    bench.operator().create(entry("w", &["w"])).await;
    bench.settle().await;
    bench
}

/// Puts the bundle of `server` where agents look for it first.
async fn publish(bench: &Bench, server: &TestServer) {
    let Bootstrap::PemFile(path) = &bench.settings.bootstrap else { panic!("no file") };
    std::fs::write(path, server.operator().bundle_pem().await).unwrap();
}

/// Waits until the log has `text` so often; yields the log.
async fn told(bench: &Bench, text: &str, times: usize) -> String {
    in_time(async {
        while bench.log().matches(text).count() < times {
            assert!(!bench.is_over(), "the agent has ended\n{}", bench.log());
            tokio::task::yield_now().await;
        }
    })
    .await;
    bench.log()
}

#[tokio::test]
async fn agent_begins_anew_when_the_server_was_unknown_for_the_delay() {
    let mut bench = Bench::without_agent().await;
    bench.settings.rebootstrap = rebootstrap(RebootstrapMode::Always);
    // Both servers have the entry under the same ID, in the same revision, of the same second.
    let successor = TestServer::start_as(&bench.folder(), bench.clock.clone(), "successor", "example.org").await;
    for operator in [bench.operator(), successor.operator()] {
        operator.create(entry("w", &["w"])).await;
    }
    bench.start().await;
    bench.settle().await;
    let (before, remembered) = (bench.workload().x509().await.unwrap(), bench.remembered());
    let token = bench.workload().jwt(&["a"], "").await.unwrap().remove(0).svid;
    bench.wire.lay(successor.address);
    bench.settle().await;
    let log = told(&bench, IGNORED, 1).await;
    let (_, since_then) = log.split_once(IGNORED).unwrap();
    assert!(since_then.contains("time_left=1m0s") && !since_then.contains("Synchronize failed"), "{log}");
    let since = bench.remembered().bootstrapping.since;
    assert!(since.is_some());
    bench.pass(DELAY.saturating_sub(Duration::from_secs(20))).await;
    bench.pass(Duration::from_secs(6)).await;
    assert_eq!(bench.remembered().svid, remembered.svid, "not before the delay is over");
    assert_eq!(bench.remembered().bootstrapping, Bootstrapping { again: true, since, attempts: 0 });
    // The bundle that it begins anew with vouches for the old server still: the agent is on its own, and serves on.
    bench.pass(Duration::from_secs(20)).await;
    told(&bench, "Failed to retrieve attestation result", 1).await;
    assert_eq!(bench.log().matches(BEGUN).count(), 1, "{}", bench.log());
    let forgotten = bench.remembered();
    assert!(forgotten.svid.is_empty() && forgotten.bundle.is_empty());
    assert_eq!(forgotten.bootstrapping.attempts, 1);
    assert!(forgotten.bootstrapping.since > since, "the time counts from the new beginning");
    assert_eq!(bench.workload().x509().await.unwrap().svids, before.svids);
    let shown = bench.metrics.render();
    assert!(shown.contains("spire_agent_bootstrapped 0\n"), "{shown}");
    assert!(shown.contains("spire_agent_bootstrap_attempts{mode=\"rebootstrap\"} 1\n"), "{shown}");
    publish(&bench, &successor).await;
    bench.settle().await;
    let log = told(&bench, "Success after ", 2).await;
    assert_eq!(successor.counted.of("AttestAgent"), 1, "{log}");
    bench.settle().await;
    let (after, remembered) = (bench.workload().x509().await.unwrap(), bench.remembered());
    let (old, new) = (before.svids.first().unwrap(), after.svids.first().unwrap());
    assert_eq!(old.spiffe_id, new.spiffe_id);
    assert!(old.x509_svid != new.x509_svid && old.bundle != new.bundle, "of the new authority");
    assert_eq!(new.bundle, remembered.bundle.concat());
    assert_ne!(bench.workload().jwt(&["a"], "").await.unwrap().remove(0).svid, token);
    assert_eq!(remembered.bootstrapping, Bootstrapping::OVER);
    let shown = bench.metrics.render();
    assert!(shown.contains("spire_agent_bootstrapped 1\n"), "{shown}");
    assert!(shown.contains("spire_agent_bootstrap_seconds{mode=\"rebootstrap\"} -62135596800\n"), "{shown}");
}

#[tokio::test]
async fn server_that_is_known_again_ends_the_wait() {
    let mut bench = bench().await;
    let successor = impostor(&bench).await;
    publish(&bench, &successor).await;
    for _ in 0..2 {
        bench.wire.lay(successor.address);
        bench.settle().await;
        assert!(bench.remembered().bootstrapping.since.is_some());
        bench.pass(Duration::from_secs(36)).await;
        bench.wire.lay(bench.server.address);
        bench.settle().await;
        assert_eq!(bench.remembered().bootstrapping, Bootstrapping::OVER);
    }
    assert!(!bench.log().contains(BEGUN));
    assert_eq!(successor.counted.of("AttestAgent"), 0);
    assert_eq!(bench.log().matches("Setting use.").count(), 3, "{}", bench.log());
}

#[tokio::test]
async fn server_that_is_only_away_is_waited_for() {
    let mut bench = bench().await;
    bench.wire.cut();
    bench.settle().await;
    bench.pass(DELAY).await;
    bench.settle().await;
    assert_eq!(bench.remembered().bootstrapping, Bootstrapping::OVER);
    assert!(bench.log().contains("Synchronize failed") && !bench.log().contains(IGNORED), "{}", bench.log());
}

#[tokio::test]
async fn wait_goes_on_over_a_restart() {
    let mut bench = bench().await;
    let successor = impostor(&bench).await;
    publish(&bench, &successor).await;
    bench.settle().await;
    told(&bench, IGNORED, 1).await;
    bench.kill().await;
    bench.hand.advance(DELAY);
    bench.start().await;
    assert_eq!(successor.counted.of("AttestAgent"), 1);
    assert_eq!(bench.remembered().bootstrapping, Bootstrapping::OVER);
}

#[tokio::test]
async fn agent_killed_after_it_forgot_its_server_attests_to_the_new_one() {
    let mut bench = bench().await;
    let successor = impostor(&bench).await;
    bench.settle().await;
    bench.pass(DELAY).await;
    told(&bench, BEGUN, 1).await;
    told(&bench, "Failed to retrieve attestation result", 1).await;
    bench.kill().await;
    publish(&bench, &successor).await;
    bench.start().await;
    assert_eq!(successor.counted.of("AttestAgent"), 1);
}

#[tokio::test]
async fn agent_without_an_svid_begins_anew_too_and_tries_for_longer_than_a_minute() {
    let mut bench = bench().await;
    bench.stop().await;
    std::fs::remove_file(bench.settings.data_dir.join("keys.json")).unwrap();
    let successor = impostor(&bench).await;
    publish(&bench, &successor).await;
    bench.spawn();
    for attempt in 1.. {
        if told(&bench, "Failed to retrieve attestation result", attempt).await.contains(BEGUN) {
            break;
        }
        assert!(!bench.remembered().bundle.is_empty());
        bench.hand.wait_for_sleepers(1).await;
        bench.hand.advance(Duration::from_secs(150));
    }
    bench.hand.wait_for_sleepers(1).await;
    bench.hand.advance(Duration::from_secs(150));
    bench.served().await;
    assert_eq!(successor.counted.of("AttestAgent"), 1);
}

#[tokio::test]
async fn agent_that_is_never_to_begin_anew_waits_for_its_server() {
    let mut bench = Bench::new().await;
    let successor = impostor(&bench).await;
    publish(&bench, &successor).await;
    bench.settle().await;
    bench.pass(Duration::from_mins(20)).await;
    bench.settle().await;
    assert_eq!(successor.counted.of("AttestAgent"), 0);
    assert_eq!(bench.remembered().bootstrapping, Bootstrapping::OVER);
    bench.wire.lay(bench.server.address);
    for _ in 0..9 {
        bench.pass(Duration::from_mins(1)).await;
    }
    bench.entry("w", &["w"]).await;
    assert_eq!(bench.workload().ids().await, ["spiffe://example.org/w"]);
}

#[tokio::test]
async fn agent_that_cannot_attest_again_cannot_begin_anew() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.settings.rebootstrap = rebootstrap(RebootstrapMode::Auto);
    bench.start().await;
    assert!(bench.log().contains(&format!("{UNABLE}. Disabling")), "{}", bench.log());
    let successor = impostor(&bench).await;
    publish(&bench, &successor).await;
    bench.settle().await;
    bench.pass(DELAY).await;
    assert!(!bench.log().contains(BEGUN), "{}", bench.log());
    bench.wire.lay(bench.server.address);
    bench.stop().await;
    bench.settings.rebootstrap = rebootstrap(RebootstrapMode::Always);
    bench.spawn();
    assert_eq!(bench.ended().await, UNABLE);
    // What it has stays: another mode, and the agent goes on.
    bench.settings.rebootstrap = rebootstrap(RebootstrapMode::Never);
    bench.start().await;
    assert_eq!(bench.server.counted.of("AttestAgent"), 1);
}

#[tokio::test]
async fn agent_that_must_be_able_to_begin_anew_ends_when_it_joined_by_token() {
    let mut bench = Bench::without_agent().await;
    bench.by_token().await;
    bench.settings.rebootstrap = rebootstrap(RebootstrapMode::Always);
    bench.spawn();
    assert_eq!(bench.ended().await, UNABLE);
    assert!(!bench.remembered().svid.is_empty(), "its token is not lost");
}

#[tokio::test]
async fn who_serves_the_bundle_on_a_socket_learns_that_the_agent_begins_anew() {
    let mut bench = Bench::without_agent().await;
    bench.settings.rebootstrap = rebootstrap(RebootstrapMode::Always);
    let socket = bench.folder().join("bundles");
    let listener = UnixListener::bind(&socket).unwrap();
    bench.settings.bootstrap = Bootstrap::Url { url: "http://b/c".to_owned(), socket: Some(socket), spiffe: false };
    let bundle = bench.operator().bundle_pem().await;
    bench.spawn();
    let asked = in_time(answer_one(&listener, &bundle)).await;
    assert!(asked.contains("&spire-attest-mode=bootstrap&"), "{asked}");
    bench.served().await;
    let successor = impostor(&bench).await;
    bench.settle().await;
    bench.pass(DELAY).await;
    let asked = in_time(answer_one(&listener, &successor.operator().bundle_pem().await)).await;
    let mode = "&spire-attest-mode=rebootstrap&spire-attest-start-time=2026-01-01T00%3A01%3A";
    assert!(asked.contains(mode) && asked.contains("&spire-connection-attempts=1&"), "{asked}");
    let log = told(&bench, "Success after ", 2).await;
    for text in ["Server attestation attempt 1. Started 2026-", "Server reattestation attempt 1. Started 2026-"] {
        assert!(log.contains(text), "{text} in\n{log}");
    }
    assert_eq!(successor.counted.of("AttestAgent"), 1);
}
