//! The Agent service.

use serde_json::json;
use steeple_net::Answers;
use steeple_proto::spire::api::server::agent::v1 as pb;
use steeple_proto::spire::api::types;

use crate::audit_trail::every_rpc::{Left, Rig, by_anonymous, by_local, by_svid};
use crate::bench::{attest_request, csr, serial_of};

pub(super) async fn case<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let (mut local, other) = (rig.local.agent(), Some(rig.other.clone()));
    let other_id = format!("spiffe://example.org{}", rig.other.path);
    rig.begin();
    Some(match name {
        "CountAgents" => {
            local.count_agents(pb::CountAgentsRequest::default()).await.unwrap();
            Vec::new()
        }
        "ListAgents" => {
            local.list_agents(pb::ListAgentsRequest::default()).await.unwrap();
            Vec::new()
        }
        "GetAgent" => {
            local.get_agent(pb::GetAgentRequest { id: other, output_mask: None }).await.unwrap();
            Vec::new()
        }
        "DeleteAgent" => {
            local.delete_agent(pb::DeleteAgentRequest { id: other }).await.unwrap();
            by_local("agent_deleted", json!({ "agent_id": other_id }))
        }
        "BanAgent" => {
            local.ban_agent(pb::BanAgentRequest { id: other }).await.unwrap();
            by_local("agent_banned", json!({ "agent_id": other_id }))
        }
        "AttestAgent" => attest(rig).await,
        "RenewAgent" => {
            let params = Some(pb::AgentX509svidParams { csr: csr(&[]) });
            let renewed = rig.agent.agent().renew_agent(pb::RenewAgentRequest { params }).await.unwrap();
            let serial = serial_of(&renewed.into_inner().svid.unwrap().cert_chain);
            let agent = &rig.agent_id.path;
            let id = format!("spiffe://example.org{agent}");
            by_svid("agent_renewed", agent, json!({ "agent_id": id, "serial_num": serial, "expires_at": null }))
        }
        "PostStatus" => {
            let request = pb::PostStatusRequest { agent_version: "1.2.3".to_owned(), ..Default::default() };
            rig.agent.agent().post_status(request).await.unwrap();
            let agent = &rig.agent_id.path;
            let id = format!("spiffe://example.org{agent}");
            by_svid("agent_status_posted", agent, json!({ "agent_id": id, "agent_version": "1.2.3" }))
        }
        "CreateJoinToken" => {
            let id = types::Spiffeid { trust_domain: "example.org".to_owned(), path: "/host".to_owned() };
            let request = pb::CreateJoinTokenRequest { ttl: 60, agent_id: Some(id), ..Default::default() };
            let token = local.create_join_token(request).await.unwrap().into_inner().value;
            assert!(!token.is_empty());
            let data = json!({ "agent_id": "spiffe://example.org/host", "entry_id": null, "expires_at": null });
            by_local("join_token_created", data)
        }
        _ => return None,
    })
}

async fn attest<A: Answers>(rig: &Rig<A>) -> Vec<Left> {
    use pb::attest_agent_response::Step;
    let request = pb::CreateJoinTokenRequest { ttl: 60, ..Default::default() };
    let token = rig.local.agent().create_join_token(request).await.unwrap().into_inner().value;
    rig.begin();
    let request = tokio_stream::iter([attest_request("join_token", token.as_bytes(), csr(&[]))]);
    let mut answer = rig.anonymous.agent().attest_agent(request).await.unwrap().into_inner();
    let Some(Step::Result(result)) = answer.message().await.unwrap().unwrap().step else { unreachable!() };
    let svid = result.svid.unwrap();
    let data = json!({
        "agent_id": format!("spiffe://example.org{}", svid.id.unwrap().path),
        "node_attestor_type": "join_token",
        "selectors": null,
        "can_reattest": false,
        "serial_num": serial_of(&svid.cert_chain),
        "expires_at": null,
    });
    by_anonymous("agent_attested", data)
}
