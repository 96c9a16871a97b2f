//! What a server finds again when it starts.

use std::sync::Arc;

use steeple_ca::AuthorityKind::{Jwt, X509};
use steeple_keys::MemoryKeys;

use crate::bench::{Bench, operator, signs, states};

#[tokio::test]
async fn restart_with_the_same_keys_keeps_the_authorities() {
    let bench = Bench::new().await;
    let mut second = bench.another(&bench.keys).await;
    second.step().await.unwrap();
    for kind in [X509, Jwt] {
        assert_eq!(signs(&second, kind), bench.signs(kind));
    }
    let mut elsewhere = bench.another(&Arc::new(MemoryKeys::default())).await;
    assert!(elsewhere.issuers().x509.borrow().is_none());
    elsewhere.step().await.unwrap();
    assert_ne!(signs(&elsewhere, X509), bench.signs(X509));
}

#[tokio::test]
async fn prepared_and_old_authorities_are_what_they_were_after_a_restart() {
    let mut bench = Bench::new().await;
    for kind in [X509, Jwt] {
        bench.keeper.prepare(kind, &operator()).await.unwrap();
    }
    let second = bench.another(&bench.keys).await;
    for kind in [X509, Jwt] {
        assert_eq!(states(&second, kind), bench.states(kind));
        bench.force(kind).await;
    }
    let mut third = bench.another(&bench.keys).await;
    for kind in [X509, Jwt] {
        assert_eq!(states(&third, kind), bench.states(kind));
    }
    third.step().await.unwrap();
    for kind in [X509, Jwt] {
        assert_eq!(states(&third, kind), bench.states(kind), "nothing is due");
    }
}
