//! `RenewAgent`, and what the old and the new SVID may do.

use std::time::Duration;

use steeple_audit::EventKind;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::server::entry::v1::GetAuthorizedEntriesRequest;
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use tonic::{Code, Status};

use crate::bench::{Bench, csr, reason, refused, serial_of};

async fn renew(bench: &Bench, chain: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Status> {
    let params = Some(pb::AgentX509svidParams { csr: csr(&[]) });
    let answer = bench.remote(chain).agent().renew_agent(pb::RenewAgentRequest { params }).await?;
    Ok(answer.into_inner().svid.unwrap().cert_chain)
}

async fn entries(bench: &Bench, chain: &[Vec<u8>]) -> Result<(), Status> {
    let request = GetAuthorizedEntriesRequest { output_mask: None };
    bench.remote(chain).entry().get_authorized_entries(request).await.map(drop)
}

#[tokio::test]
async fn new_svid_counts_from_its_first_use_and_the_old_one_no_more() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let renewed = renew(&bench, &agent.chain).await.unwrap();
    entries(&bench, &agent.chain).await.unwrap();
    entries(&bench, &renewed).await.unwrap();
    let kinds = bench.recorded.kinds();
    let activated = |kind: &EventKind| matches!(kind, EventKind::AgentSvidActivated { serial_number, .. } if *serial_number == serial_of(&renewed));
    assert_eq!(kinds.iter().filter(|kind| activated(kind)).count(), 1);
    entries(&bench, &renewed).await.unwrap();
    assert_eq!(bench.recorded.kinds().len(), kinds.len(), "the second use activates nothing");

    let denied = entries(&bench, &agent.chain).await.unwrap_err();
    let text = "authorization denied for method /spire.api.server.entry.v1.Entry/GetAuthorizedEntries";
    assert_eq!((denied.code(), denied.message()), (Code::PermissionDenied, text));
    assert_eq!(reason(&denied), Some(Reason::AgentNotActive));
}

#[tokio::test]
async fn renewal_that_was_never_used_is_replaced_by_the_next() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let first = renew(&bench, &agent.chain).await.unwrap();
    let second = renew(&bench, &agent.chain).await.unwrap();
    assert_eq!(reason(&entries(&bench, &first).await.unwrap_err()), Some(Reason::AgentNotActive));
    entries(&bench, &second).await.unwrap();
}

#[tokio::test]
async fn banned_evicted_and_expired_agents_learn_why() {
    let bench = Bench::new().await;
    let banned = bench.agent().await;
    let request = pb::BanAgentRequest { id: Some(banned.id.clone()) };
    bench.local().agent().ban_agent(request).await.unwrap();
    let denied = renew(&bench, &banned.chain).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied)), (Code::PermissionDenied, Some(Reason::AgentBanned)));

    let evicted = bench.agent().await;
    let request = pb::DeleteAgentRequest { id: Some(evicted.id.clone()) };
    bench.local().agent().delete_agent(request).await.unwrap();
    assert_eq!(reason(&renew(&bench, &evicted.chain).await.unwrap_err()), Some(Reason::AgentNotAttested));

    let late = bench.agent().await;
    bench.hand.advance(Duration::from_hours(2));
    assert_eq!(reason(&renew(&bench, &late.chain).await.unwrap_err()), Some(Reason::AgentExpired));
}

#[tokio::test]
async fn request_without_csr_is_refused() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let renew = async |params| bench.remote(&agent.chain).agent().renew_agent(pb::RenewAgentRequest { params }).await;
    let text = |text: &str| (Code::InvalidArgument, text.to_owned());
    assert_eq!(refused(renew(None).await), text("params cannot be nil"));
    assert_eq!(refused(renew(Some(pb::AgentX509svidParams { csr: vec![] })).await), text("missing CSR"));
}
