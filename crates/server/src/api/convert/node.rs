//! Attested nodes as agents.

use steeple_proto::spire::api::types::{Agent, AgentMask};
use steeple_types::AttestedNode;

use super::{id_to_pb, seconds, selector_to_pb};

/// The fields of a node that `mask` names; all without a mask.
pub(crate) fn node_to_pb(node: &AttestedNode, mask: Option<&AgentMask>) -> Agent {
    let all = AgentMask {
        attestation_type: true,
        x509svid_serial_number: true,
        x509svid_expires_at: true,
        selectors: true,
        banned: true,
        can_reattest: true,
        agent_version: true,
    };
    let mask = mask.unwrap_or(&all);
    let mut agent = Agent { id: Some(id_to_pb(&node.id)), ..Agent::default() };
    if mask.attestation_type {
        agent.attestation_type.clone_from(&node.attestation_type);
    }
    if mask.x509svid_serial_number {
        agent.x509svid_serial_number.clone_from(&node.serial_number);
    }
    if mask.x509svid_expires_at {
        agent.x509svid_expires_at = seconds(node.expires_at);
    }
    if mask.selectors {
        agent.selectors = node.selectors.iter().map(selector_to_pb).collect();
    }
    agent.banned = mask.banned && node.is_banned();
    agent.can_reattest = mask.can_reattest && node.can_reattest;
    if mask.agent_version {
        agent.agent_version.clone_from(&node.agent_version);
    }
    agent
}
