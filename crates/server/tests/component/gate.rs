//! The gate: who may call what, and what is counted.

use steeple_proto::spire::api::server::entry::v1::{BatchCreateEntryRequest, CountEntriesRequest};
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::server::svid::v1::MintX509svidRequest;
use steeple_server::TABLE;
use steeple_types::SpiffeId;
use tonic::Code;

use crate::bench::{Bench, START};

#[tokio::test]
async fn every_method_is_closed_to_who_has_no_ground() {
    let bench = Bench::new().await;
    for row in TABLE {
        let status = bench.remote(&[]).status_of(row.method).await;
        if row.callers.any {
            assert_ne!(status.code(), Code::PermissionDenied, "{}", row.method);
        } else if ["Logger", "Health", "debug.v1.Debug"].contains(&row.service()) {
            let text = format!("unknown service {}", row.full_service());
            assert_eq!((status.code(), status.message()), (Code::Unimplemented, text.as_str()));
        } else {
            let text = format!("authorization denied for method {}", row.method);
            assert_eq!((status.code(), status.message()), (Code::PermissionDenied, text.as_str()));
        }
    }
}

#[tokio::test]
async fn private_socket_is_for_the_administrator_and_not_an_agent() {
    let bench = Bench::new().await;
    for row in TABLE {
        let status = bench.local().status_of(row.method).await;
        let denied = status.code() == Code::PermissionDenied;
        assert_eq!(denied, !row.callers.any && !row.callers.local, "{}: {status:?}", row.method);
    }
}

#[tokio::test]
async fn agent_may_do_what_agents_do() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    for row in TABLE {
        let status = bench.remote(&agent.chain).status_of(row.method).await;
        let open = row.callers.any || row.callers.agent;
        let private = ["Logger", "Health", "debug.v1.Debug"].contains(&row.service());
        assert_eq!(status.code() == Code::PermissionDenied, !open && !private, "{}: {status:?}", row.method);
    }
}

#[tokio::test]
async fn listed_and_registered_administrators_may_administer() {
    let admin = "spiffe://example.org/admin";
    let listed = Bench::with(|settings| settings.admin_ids = vec![SpiffeId::parse(admin).unwrap()]).await;
    let registered = Bench::new().await;
    let parent = registered.agent().await.id;
    let mut entry = crate::bench::entry(&parent, "/admin");
    entry.admin = true;
    let request = BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
    registered.local().entry().batch_create_entry(request).await.unwrap();
    for (bench, code) in [(&listed, Code::Ok), (&registered, Code::Ok), (&Bench::new().await, Code::PermissionDenied)] {
        let csr = crate::bench::csr(&[admin]);
        let request = MintX509svidRequest { csr, ttl: 0 };
        let chain = bench.local().svid().mint_x509svid(request).await.unwrap().into_inner().svid.unwrap().cert_chain;
        let count = bench.remote(&chain).entry().count_entries(CountEntriesRequest::default()).await;
        assert_eq!(count.map_or_else(|status| status.code(), |_| Code::Ok), code);
    }
}

#[tokio::test]
async fn unknown_methods_answer_as_from_go() {
    let bench = Bench::new().await;
    let status = bench.local().status_of("/spire.api.server.entry.v1.Entry/Burn").await;
    let text = "unknown method Burn for service spire.api.server.entry.v1.Entry";
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, text));
    let status = bench.local().status_of("/a.B/C").await;
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, "unknown service a.B"));
}

#[tokio::test]
async fn oversized_message_is_answered_as_from_go() {
    let bench = Bench::new().await;
    let parent = crate::bench::spiffe_id("/parent");
    let mut entry = crate::bench::entry(&parent, "/w");
    entry.hint = "h".repeat(4 << 20);
    let request = BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
    let status = bench.local().entry().batch_create_entry(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let text = status.message();
    assert!(text.starts_with("grpc: received message larger than max (") && text.ends_with(" vs. 4194304)"), "{text}");
}

#[tokio::test]
async fn calls_are_counted_by_how_they_ended() {
    let bench = Bench::new().await;
    let _agent = bench.agent().await;
    bench.remote(&[]).status_of("/spire.api.server.entry.v1.Entry/GetEntry").await;
    let counted = bench.counted.calls.lock().clone();
    assert!(counted.contains(&("rpc_agent_v1_agent_create_join_token".to_owned(), Code::Ok)), "{counted:?}");
    assert!(counted.contains(&("rpc_entry_v1_entry_get_entry".to_owned(), Code::PermissionDenied)), "{counted:?}");
}

#[tokio::test]
async fn authorities_signatures_and_turns_are_counted_under_the_names_of_spire() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let counted = &bench.counted;
    for job in ["ca_manager_x509_ca_prepare", "ca_manager_jwt_key_prepare", "svid_rotate"] {
        assert_eq!(counted.jobs(job, 1).await, [Code::Ok], "{job}");
    }
    for (event, count) in [
        ("ca_manager_x509_ca_activate", 1),
        ("manager_jwt_key_activate", 1),
        ("server_ca_sign_x509_svid", 2),
        ("server_ca_sign_jwt_svid", 0),
    ] {
        assert_eq!(counted.events(event), count, "{event}");
    }
    let gauge = |key: &str| counted.gauges.lock().get(key).copied().unwrap();
    let (expiration, ttl) = (gauge("manager_x509_ca_rotate_expiration"), gauge("manager_x509_ca_rotate_ttl"));
    let end = START.parse::<jiff::Timestamp>().unwrap().as_second() + 86_400;
    assert_eq!((format!("{expiration}"), format!("{ttl}")), (end.to_string(), "86400".to_owned()));
    // Attestations aren't limited here; what is refused its turn counts too.
    let params = vec![pb::NewX509svidParams::default(); 501];
    let refused = bench.remote(&agent.chain).svid().batch_new_x509svid(pb::BatchNewX509svidRequest { params }).await;
    assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
    let turns: Vec<_> = counted.calls.lock().iter().filter(|(key, _)| key.starts_with("rateLimit_")).cloned().collect();
    assert_eq!(turns, [("rateLimit_svid_v1_svid_batch_new_x509svid".to_owned(), Code::ResourceExhausted)]);
}
