//! `agent ban`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::agent::v1::BanAgentRequest;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;

use super::required_id;
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Bans an agent: it may not attest again until it is evicted.
#[derive(Default)]
pub(crate) struct Ban {
    spiffe_id: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Ban {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.spiffe_id, &["spiffeID"], "SPIFFE ID of the agent.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = BanAgentRequest { id: Some(required_id(&self.spiffe_id)?) };
        call.reply(AgentClient::new(call.channel.clone()).ban_agent(request)).await?;
        match self.format {
            Format::Json => call.print_json(&()),
            Format::Pretty => call.print(format_args!("Agent banned successfully\n")),
        }
    }
}
