//! `agent purge`.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use steeple_client::describe;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_proto::spire::api::server::agent::v1::list_agents_request::Filter;
use steeple_proto::spire::api::server::agent::v1::{DeleteAgentRequest, ListAgentsRequest};
use steeple_proto::spire::api::types::{Agent, AgentMask};

use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::{Format, escaped};
use crate::commands::server::parse::{counted, id_text};

const DAYS_30: Duration = Duration::from_hours(30 * 24);

/// Evicts agents whose SVID ended long ago and that could attest again.
pub(crate) struct Purge {
    expired_for: Duration,
    dry_run: bool,
    format: Format,
}

impl Default for Purge {
    fn default() -> Self {
        Self { expired_for: DAYS_30, dry_run: false, format: Format::default() }
    }
}

#[derive(Serialize)]
struct Purged {
    expired_agents: Vec<PurgedAgent>,
}

#[derive(Serialize)]
struct PurgedAgent {
    agent_id: String,
    deleted: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

#[async_trait(?Send)]
impl Command for Purge {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.duration(&mut self.expired_for, &["expiredFor"], "How long ago the agent's SVID ended, at least.");
        flags.boolean(&mut self.dry_run, &["dryRun"], "Only says which agents would be evicted.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = ListAgentsRequest {
            filter: Some(Filter { by_can_reattest: Some(true), ..Filter::default() }),
            output_mask: Some(AgentMask { x509svid_expires_at: true, ..AgentMask::default() }),
            ..ListAgentsRequest::default()
        };
        let listed = call.reply(AgentClient::new(call.channel.clone()).list_agents(request)).await;
        let agents = listed.explain("failed to list agents")?.agents;
        let mut purged = Purged { expired_agents: Vec::new() };
        for agent in agents.into_iter().filter(|agent| self.is_expired(agent, call)) {
            purged.expired_agents.push(self.purge(agent, call).await);
        }
        if self.format == Format::Json {
            let value = serde_json::to_value(&purged).map_err(|error| Failure(error.to_string()))?;
            return call.print(format_args!("{}\n", escaped(&value)));
        }
        self.print(&purged.expired_agents, call)
    }
}

impl Purge {
    fn is_expired(&self, agent: &Agent, call: &Call<'_>) -> bool {
        let now = call.env.clock.now().as_second();
        let expired_for = u64::try_from(now.saturating_sub(agent.x509svid_expires_at)).unwrap_or_default();
        Duration::from_secs(expired_for) > self.expired_for
    }

    async fn purge(&self, agent: Agent, call: &Call<'_>) -> PurgedAgent {
        let agent_id = id_text(agent.id.as_ref());
        if self.dry_run {
            return PurgedAgent { agent_id, deleted: false, error: String::new() };
        }
        let mut client = AgentClient::new(call.channel.clone());
        let reply = call.reply(client.delete_agent(DeleteAgentRequest { id: agent.id })).await;
        let error = reply.err().map(|status| describe(&status)).unwrap_or_default();
        PurgedAgent { agent_id, deleted: error.is_empty(), error }
    }

    fn print(&self, agents: &[PurgedAgent], call: &mut Call<'_>) -> Result<(), Failure> {
        if agents.is_empty() {
            return call.print(format_args!("No agents to purge.\n"));
        }
        let heading = counted(agents.len(), "expired agent", "expired agents");
        call.print(format_args!("Found {heading}\n\n"))?;
        let (purged, kept): (Vec<_>, Vec<_>) = agents.iter().partition(|agent| agent.deleted || self.dry_run);
        if self.dry_run {
            call.print(format_args!("\nAgents that can be purged:\n"))?;
        } else if !purged.is_empty() {
            call.print(format_args!("Agents purged:\n"))?;
        }
        for agent in purged {
            call.print(format_args!("SPIFFE ID         : {}\n", agent.agent_id))?;
        }
        if !kept.is_empty() {
            call.print(format_args!("Agents not purged:\n"))?;
        }
        for agent in kept {
            let PurgedAgent { agent_id, error, .. } = agent;
            call.print(format_args!("SPIFFE ID         : {agent_id}\nError             : {error}\n"))?;
        }
        Ok(())
    }
}
