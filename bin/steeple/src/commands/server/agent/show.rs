//! `agent show`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::agent::v1::GetAgentRequest;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;

use super::{block, required_id};
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Shows one agent.
#[derive(Default)]
pub(crate) struct Show {
    spiffe_id: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Show {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.spiffe_id, &["spiffeID"], "SPIFFE ID of the agent.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = GetAgentRequest { id: Some(required_id(&self.spiffe_id)?), output_mask: None };
        let agent = call.reply(AgentClient::new(call.channel.clone()).get_agent(request)).await?;
        if self.format == Format::Json {
            return call.print_json(&agent);
        }
        let text = block(&agent, &call.env.zone);
        call.print(format_args!("Found an attested agent given its SPIFFE ID\n\n{text}"))?;
        for selector in &agent.selectors {
            call.print(format_args!("Selectors         : {}:{}\n", selector.r#type, selector.value))?;
        }
        Ok(())
    }
}
