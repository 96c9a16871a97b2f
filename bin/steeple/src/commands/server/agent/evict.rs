//! `agent evict`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::agent::v1::DeleteAgentRequest;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;

use super::required_id;
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Deletes an agent, which may attest again.
#[derive(Default)]
pub(crate) struct Evict {
    spiffe_id: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Evict {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.spiffe_id, &["spiffeID"], "SPIFFE ID of the agent.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = DeleteAgentRequest { id: Some(required_id(&self.spiffe_id)?) };
        call.reply(AgentClient::new(call.channel.clone()).delete_agent(request)).await?;
        match self.format {
            Format::Json => call.print_json(&()),
            Format::Pretty => call.print(format_args!("Agent evicted successfully\n")),
        }
    }
}
