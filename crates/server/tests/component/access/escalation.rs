//! The escalation corpus: attempts to get more than was granted. Each is refused by the server, for the reason that the table tells.

mod attempts;
mod calls;
mod questions;

use steeple_proto::spire::api::types;
use tonic::Code;

use self::attempts::{Attempt, BINDINGS, Refused, attempts};
use super::{chain, pod, scoped, stored};
use crate::bench::{Bench, spiffe_id};

/// Whose calls they are.
#[derive(Clone, Copy, Debug)]
enum Who {
    /// `spiffe://example.org/people/<name>`.
    Person(&'static str),
    /// A process of this user and group.
    Unix(u32, u32),
}

/// What is stored before: `own` lies in the scope of the namespace's editor, the others don't.
struct Stored {
    own: types::Entry,
    other: types::Entry,
    near: types::Entry,
    flagged: types::Entry,
    long: types::Entry,
    agent: types::Spiffeid,
}

impl Stored {
    async fn of(bench: &Bench) -> Self {
        for name in ["other.example", "third.example"] {
            let bundle = steeple_types::Bundle {
                trust_domain: steeple_types::TrustDomain::from_name(name).unwrap(),
                x509_authorities: vec![],
                jwt_authorities: vec![],
                refresh_hint: 0,
                sequence_number: 0,
            };
            bench.store.write(steeple_store::units::SetBundle { bundle }).await.unwrap();
        }
        let with = |path: &str, change: fn(&mut types::Entry)| {
            let mut entry = pod(path, "a");
            change(&mut entry);
            entry
        };
        let federating = types::Entry { federates_with: vec!["third.example".to_owned()], ..pod("/ns/b/other", "b") };
        Self {
            own: stored(bench, pod("/ns/a/own", "a")).await,
            other: stored(bench, federating).await,
            near: stored(bench, pod("/ns/ab/near", "ab")).await,
            flagged: stored(bench, with("/ns/a/flagged", |entry| entry.admin = true)).await,
            long: stored(bench, with("/ns/a/long", |entry| entry.x509_svid_ttl = 7_200)).await,
            agent: bench.agent().await.id,
        }
    }
}

/// `Explain` names the same reason as the refusal.
async fn explained(
    bench: &Bench,
    auditor: &[Vec<u8>],
    stored: &Stored,
    name: &str,
    (who, call, refused): (Who, &calls::Call, &Refused),
) {
    let question = questions::question(who, call, stored).unwrap();
    let decision = bench.remote(auditor).access().explain(question).await.map(tonic::Response::into_inner);
    match refused {
        Refused::Malformed(_) => assert_eq!(decision.unwrap_err().code(), Code::InvalidArgument, "{name}"),
        Refused::By(binding, part) => {
            let decision = decision.unwrap();
            let told = format!("binding {binding:?}: {part}");
            assert!(!decision.allowed && decision.binding == *binding, "{name}: {decision:?}");
            assert!(decision.reason.contains(&told), "{name}: {told} is not told by {decision:?}");
        }
        Refused::Unbound => {
            let decision = decision.unwrap();
            assert_eq!((decision.allowed, decision.refused_by.as_str()), (false, "subject"), "{name}");
        }
        Refused::Along(binding) => {
            let told = format!("binding {binding:?}: role federation-admin may not delete entry");
            assert_eq!(decision.unwrap().reason, told, "{name}");
        }
        Refused::Closed => {
            let decision = decision.unwrap();
            assert!(!decision.allowed && decision.reason.ends_with("no binding gives it"), "{name}: {decision:?}");
        }
    }
}

#[tokio::test]
async fn no_attempt_gets_more_than_was_granted() {
    let bench = scoped(BINDINGS).await;
    let stored = Stored::of(&bench).await;
    let attempts = attempts(&stored);
    assert!(attempts.len() >= 60, "{}", attempts.len());
    let before = bench.recorded.kinds().len();
    let mut minted = 0;
    let auditor = chain(&bench, "/people/audit").await;
    minted += 1;
    for Attempt { name, who, call, refused } in attempts {
        explained(&bench, &auditor, &stored, name, (who, &call, &refused)).await;
        let outcome = match who {
            Who::Person(person) => {
                let chain = chain(&bench, &format!("/people/{person}")).await;
                minted += 1;
                calls::make(&bench.remote(&chain), &call).await
            }
            Who::Unix(uid, gid) => calls::make(&bench.unix(uid, gid), &call).await,
        };
        let status = outcome.expect_err(name);
        match refused {
            Refused::Malformed(text) => {
                assert_eq!(status.code(), Code::InvalidArgument, "{name}: {status:?}");
                assert!(status.message().contains(text), "{name}: {status:?}");
            }
            Refused::By(binding, part) => {
                assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status:?}");
                let told = format!("binding {binding:?}: {part}");
                assert!(status.message().contains(&told), "{name}: {told} is not told by {status:?}");
            }
            Refused::Unbound => {
                assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status:?}");
                assert!(status.message().contains("no binding is for "), "{name}: {status:?}");
            }
            Refused::Along(_) => {
                assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status:?}");
                assert!(status.message().contains("1 entries federate with"), "{name}: {status:?}");
            }
            Refused::Closed => {
                assert_eq!(status.code(), Code::PermissionDenied, "{name}: {status:?}");
                assert!(!status.message().contains("binding"), "{name}: {status:?}");
            }
        }
    }
    // What the tests themselves minted, by a binding for emergencies, is all that was recorded, and that the good item of the batch was there already, so
    // nothing else has happened.
    assert_eq!(bench.recorded.kinds().len() - before, 2 * minted + 2);
}
