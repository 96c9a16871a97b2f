//! Why a workload of this node has no identity: what the agent knows, and what its server says.

mod entries;
mod server;
mod subject;

use std::sync::Arc;

use steeple_explain::{
    AgentFacts, Attested, Facts, Redact, RefusalReason, RefusedCall, ServerFacts, Wanted, Workload, explain, is_secret,
    wire, without_value,
};
use steeple_proto::steeple::agent::explain::v1 as pb;
use steeple_types::{Selector, SelectorSet};
use tonic::Status;

use crate::core::Core;
use crate::refusals::Refusal;

pub(crate) use self::subject::Subject;

/// What is asked.
pub(crate) struct Question {
    /// Whom it is about.
    pub(crate) subject: Subject,
    /// Which identity was expected.
    pub(crate) wanted: Wanted,
    /// What who asks is not told.
    pub(crate) redact: Redact,
}

/// Whom it is about, looked at.
struct Seen {
    name: String,
    workload: Workload,
    refusal: Option<Refusal>,
}

/// Looks at the workload, asks the server, and judges.
///
/// # Errors
/// When there is no such workload.
pub(crate) async fn answer(core: &Arc<Core>, question: Question) -> Result<pb::ExplainResponse, Status> {
    let Question { subject, mut wanted, redact } = question;
    let seen = subject.look(core).await?;
    if let Some(RefusalReason::NotThisId(id)) = seen.refusal.as_ref().map(|refusal| &refusal.reason)
        && !wanted.is_certain()
    {
        wanted.spiffe_id = id.parse().ok();
    }
    let selectors = seen.workload.selectors.clone();
    let (server, told) = server::ask(core, &selectors, &wanted).await;
    let hides = |selector: &Selector| redact != Redact::None && !selectors.contains(selector);
    let facts = Facts {
        now: core.clock.now(),
        entries: entries::candidates(core, &seen.workload, &wanted, told, hides),
        workload: seen.workload,
        wanted,
        agent: Some(agent(core)),
        server,
        call: seen.refusal.as_ref().map(|refusal| RefusedCall {
            at: refusal.at,
            method: refusal.method.clone(),
            reason: refusal.reason.clone(),
        }),
    };
    Ok(response(&facts, seen.name, seen.refusal, redact))
}

fn agent(core: &Core) -> AgentFacts {
    AgentFacts {
        id: core.tls.svid().map(|svid| svid.id.clone()),
        synced: core.progress.borrow().synced,
        sync_error: core.troubles.sync(),
        svid_error: core.troubles.svids(),
        cache_limit: core.settings.x509_svid_cache_max_size,
        workload_api: core.settings.workload_api,
        sds_api: core.settings.sds_api,
    }
}

fn response(facts: &Facts, workload: String, refusal: Option<Refusal>, redact: Redact) -> pb::ExplainResponse {
    let is_hidden = |selector: &Selector| is_secret(selector) && redact != Redact::None;
    let hidden = |selector: &Selector| if is_hidden(selector) { without_value(selector) } else { selector.clone() };
    let shown: SelectorSet = facts.workload.selectors.iter().map(hidden).collect();
    let agent = facts.agent.as_ref();
    let sync_error = agent.and_then(|agent| agent.sync_error.clone()).map(|trouble| trouble.text);
    let mut findings = explain(facts);
    if redact != Redact::None {
        for secret in facts.workload.selectors.iter().filter(|selector| is_secret(selector)) {
            let shown = without_value(secret).to_string();
            for finding in &mut findings {
                finding.text = finding.text.replace(&secret.to_string(), &shown);
                finding.fix = finding.fix.replace(&secret.to_string(), &shown);
            }
        }
    }
    pb::ExplainResponse {
        findings: findings.into_iter().map(wire::finding_to_pb).collect(),
        workload,
        attestors: facts.workload.attestors.iter().map(attestor).collect(),
        selectors: shown.iter().map(wire::selector_to_pb).collect(),
        agent_id: agent.and_then(|agent| agent.id.as_ref()).map(ToString::to_string).unwrap_or_default(),
        synced_at: agent.and_then(|agent| agent.synced).map_or(0, jiff::Timestamp::as_second),
        sync_error: sync_error.unwrap_or_default(),
        server_error: match &facts.server {
            ServerFacts::Unreachable(error) => error.clone(),
            ServerFacts::NotAsked => "the server does not explain".to_owned(),
            ServerFacts::Answered { .. } => String::new(),
        },
        refusal: refusal.map(|refusal| pb::Refusal {
            reference: refusal.reference,
            at: refusal.at.as_second(),
            method: refusal.method,
            message: refusal.said,
        }),
    }
}

fn attestor(attested: &Attested) -> pb::Attestor {
    let (selectors, error) = match &attested.outcome {
        Ok(count) => (u32::try_from(*count).unwrap_or(u32::MAX), String::new()),
        Err(error) => (0, error.clone()),
    };
    pb::Attestor { name: attested.name.clone(), selectors, error }
}
