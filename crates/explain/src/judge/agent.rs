//! What is wrong with the agent as a whole, and with what it could learn of the workload.

use super::{Judgement, Rank};
use crate::{Cause, Finding, NodeState, ServerFacts};

pub(super) fn judge(judgement: &mut Judgement<'_>) {
    let facts = judgement.facts;
    if let Some(finding) = node(judgement) {
        judgement.find(Rank::Agent, finding);
    }
    if let Some(agent) = facts.agent.as_ref().filter(|agent| !agent.workload_api) {
        let text = "the agent offers no Workload API";
        let (text, rank) = if agent.sds_api {
            (format!("{text}, only SDS"), Rank::Agent)
        } else {
            (format!("{text} and no SDS"), Rank::Agent)
        };
        let fix = "take disable_workload_api = true out of the agent's configuration";
        judgement.find(rank, Finding::new(Cause::ApiDisabled, text, fix));
    }
    trust_domain(judgement);
    attestation(judgement);
}

/// Whether the server lets the agent call.
fn node(judgement: &Judgement<'_>) -> Option<Finding> {
    let ServerFacts::Answered { agent: Some(node), .. } = &judgement.facts.server else { return None };
    let id = &node.id;
    Some(match node.state {
        NodeState::Active => return None,
        NodeState::NotAttested => Finding::new(
            Cause::AgentNotAttested,
            format!("the server knows no agent {id}: it never attested, or was evicted"),
            "start the agent so that it attests, or name another: steeple server agent list shows all".to_owned(),
        ),
        NodeState::Banned => Finding::new(
            Cause::AgentBanned,
            format!("agent {id} is banned"),
            format!("steeple server agent evict -spiffeID {id}, then start the agent: it may attest again"),
        ),
        NodeState::Expired(end) => Finding::new(
            Cause::AgentExpired,
            format!("the SVID of agent {id} ended at {end}; it has not renewed it"),
            "start the agent, and look at its log for why it does not reach the server".to_owned(),
        ),
    })
}

/// Whether the identity that was expected can be had here at all.
fn trust_domain(judgement: &mut Judgement<'_>) {
    let facts = judgement.facts;
    let asked = match &facts.server {
        ServerFacts::Answered { agent: Some(node), .. } => Some(node.id.trust_domain()),
        _ => None,
    };
    let own =
        facts.agent.as_ref().and_then(|agent| agent.id.as_ref()).map(steeple_types::SpiffeId::trust_domain).or(asked);
    if let (Some(own), Some(wanted)) = (own, &facts.wanted.spiffe_id)
        && !wanted.member_of(&own)
    {
        let text = format!("{wanted} is of another trust domain: this one is {own}");
        let fix = format!("expect an identity of {own}, or ask where {} is served", wanted.trust_domain());
        judgement.find(Rank::Agent, Finding::new(Cause::OtherTrustDomain, text, fix));
    }
}

/// Whether the attestors could tell anything.
fn attestation(judgement: &mut Judgement<'_>) {
    let attestors = &judgement.facts.workload.attestors;
    let mut errors = Vec::new();
    for attested in attestors {
        if let Err(error) = &attested.outcome {
            errors.push((attested.name.as_str(), error.as_str()));
        }
    }
    if errors.is_empty() {
        return;
    }
    let told: Vec<String> = errors.iter().map(|(name, error)| format!("{name}: {error}")).collect();
    let told = told.join("; ");
    if errors.len() == attestors.len() {
        let text = format!("no workload attestor could tell what the workload is: {told}");
        judgement.find(Rank::Attestation, Finding::new(Cause::AttestationFailed, text, repair(&errors)));
    } else {
        let text = format!("not every workload attestor could tell what the workload is: {told}");
        judgement.find(Rank::Aside, Finding::new(Cause::AttestorFailed, text, repair(&errors)));
    }
}

/// What makes attestors work again.
fn repair(errors: &[(&str, &str)]) -> String {
    let names: Vec<&str> = errors.iter().map(|(name, _)| *name).collect();
    let own = |name: &&str| way_out(name);
    match names.as_slice() {
        [one] => own(one),
        all => format!("see what the attestors {} say", all.join(", ")),
    }
}

/// What makes the attestor `name` work again.
pub(super) fn way_out(name: &str) -> String {
    match name {
        "docker" => {
            "start the container daemon, or set docker_socket_path or podman_socket_path to its socket".to_owned()
        }
        "k8s" => "see that the agent reaches the node's kubelet and may list the node's pods".to_owned(),
        "systemd" => "see that the agent reaches the system bus (/run/dbus/system_bus_socket)".to_owned(),
        "unix" => "see that the agent may read /proc of the process (hostPID, or the process has ended)".to_owned(),
        name => format!("see what attestor {name} says"),
    }
}
