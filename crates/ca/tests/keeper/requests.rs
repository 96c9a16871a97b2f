//! Rotation by request: prepare, activate, taint, revoke.

use std::time::Duration;

use steeple_audit::EventKind;
use steeple_ca::AuthorityKind::{Jwt, X509};
use steeple_ca::{AuthorityKind, RequestError, Status};

use crate::bench::{Bench, operator};

/// What is in the bundle for a kind.
fn published(bench: &Bench, kind: AuthorityKind) -> Vec<(String, bool)> {
    match kind {
        X509 => bench.store.x509(),
        Jwt => bench.store.jwt(),
    }
}

#[tokio::test]
async fn authority_is_prepared_activated_tainted_and_revoked() {
    let mut bench = Bench::new().await;
    for kind in [X509, Jwt] {
        let first = bench.signs(kind);
        let prepared = bench.keeper.prepare(kind, &operator()).await.unwrap();
        assert_eq!((prepared.status, bench.signs(kind)), (Status::Prepared, first.clone()));
        assert_eq!(published(&bench, kind), [(first.clone(), false), (prepared.id.clone(), false)]);
        let active = bench.keeper.activate(kind, &prepared.id, &operator()).await.unwrap();
        assert_eq!((active.status, bench.signs(kind)), (Status::Active, prepared.id.clone()));
        let old = bench.states(kind).next.unwrap();
        assert_eq!((old.status, &old.id), (Status::Old, &first));
        assert_eq!(bench.keeper.taint(kind, &first, &operator()).await.unwrap(), old);
        assert_eq!(published(&bench, kind), [(first.clone(), true), (prepared.id.clone(), false)]);
        bench.keeper.revoke(kind, &first, &operator()).await.unwrap();
        assert_eq!(published(&bench, kind), [(prepared.id.clone(), false)]);
        let name = kind.name();
        let expected = [
            EventKind::AuthorityPrepared { kind: name, authority_id: prepared.id.clone() },
            EventKind::AuthorityActivated { kind: name, authority_id: prepared.id },
            EventKind::AuthorityTainted { kind: name, authority_id: first.clone() },
            EventKind::AuthorityRevoked { kind: name, authority_id: first },
        ];
        let asked = bench.store.recorded.lock().drain(..).filter(|(by, _)| *by == operator()).collect::<Vec<_>>();
        assert_eq!(asked.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn authority_prepared_again_takes_the_place_of_the_one_before() {
    let mut bench = Bench::new().await;
    for kind in [X509, Jwt] {
        let first = bench.keeper.prepare(kind, &operator()).await.unwrap();
        let second = bench.keeper.prepare(kind, &operator()).await.unwrap();
        assert_ne!(first.id, second.id);
        let refused = bench.keeper.activate(kind, &first.id, &operator()).await.unwrap_err();
        assert_eq!(refused.to_string(), "unexpected authority ID");
        bench.keeper.activate(kind, &second.id, &operator()).await.unwrap();
    }
}

#[tokio::test]
async fn rotation_in_time_goes_on_after_one_by_request() {
    let mut bench = Bench::new().await;
    bench.hand.advance(Duration::from_mins(4));
    let (_, active) = bench.force(X509).await;
    bench.hand.advance(Duration::from_mins(4));
    bench.keeper.step().await.unwrap();
    assert_eq!(bench.signs(X509), active.id, "its own life counts");
    bench.hand.advance(Duration::from_mins(5));
    bench.keeper.step().await.unwrap();
    assert_ne!(bench.signs(X509), active.id);
}

#[tokio::test]
async fn preparation_that_fails_leaves_nothing_to_activate() {
    let mut bench = Bench::new().await;
    for kind in [X509, Jwt] {
        let prepared = bench.keeper.prepare(kind, &operator()).await.unwrap();
        *bench.store.bundle_fails.lock() = true;
        let failed = bench.keeper.prepare(kind, &operator()).await.unwrap_err();
        let what = format!("failed to prepare {} authority", kind.title());
        assert_eq!(failed, RequestError::Failed { what, cause: "out of order".to_owned() });
        *bench.store.bundle_fails.lock() = false;
        // Its key is lost.
        let refused = bench.keeper.activate(kind, &prepared.id, &operator()).await.unwrap_err();
        let text = "only Prepared authorities can be activated: unsupported local authority status: OLD";
        assert_eq!(refused.to_string(), text);
    }
}

#[tokio::test]
async fn activation_that_is_not_in_the_journal_has_not_happened() {
    let mut bench = Bench::new().await;
    for kind in [X509, Jwt] {
        let prepared = bench.keeper.prepare(kind, &operator()).await.unwrap();
        let before = (bench.signs(kind), bench.states(kind));
        *bench.store.journal_fails.lock() = true;
        let failed = bench.keeper.activate(kind, &prepared.id, &operator()).await.unwrap_err();
        let text = format!("failed to activate {} authority: out of order", kind.title());
        assert_eq!(failed.to_string(), text);
        assert_eq!((bench.signs(kind), bench.states(kind)), before);
        *bench.store.journal_fails.lock() = false;
        bench.keeper.activate(kind, &prepared.id, &operator()).await.unwrap();
    }
}

#[tokio::test]
async fn upstream_authority_must_be_there_to_be_tainted() {
    let mut bench = Bench::new().await;
    let expected = RequestError::Unfit("upstream authority is not configured");
    assert_eq!(bench.keeper.taint_upstream("00", &operator()).await, Err(expected.clone()));
    assert_eq!(bench.keeper.revoke_upstream("00", &operator()).await, Err(expected));
}
