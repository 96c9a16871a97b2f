//! `token generate`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::agent::v1::CreateJoinTokenRequest;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;

use super::parse::{id, seconds};
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Generates a join token.
pub(crate) struct Generate {
    ttl: i64,
    spiffe_id: String,
    format: Format,
}

impl Default for Generate {
    fn default() -> Self {
        Self { ttl: 600, spiffe_id: String::new(), format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for Generate {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.integer(&mut self.ttl, &["ttl"], "How long the token can be used, seconds.");
        flags.text(&mut self.spiffe_id, &["spiffeID"], "Another SPIFFE ID for the agent that uses the token.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let agent_id = if self.spiffe_id.is_empty() { None } else { Some(id(&self.spiffe_id)?) };
        let request = CreateJoinTokenRequest { ttl: seconds(self.ttl, "TTL")?, token: String::new(), agent_id };
        let token = call.reply(AgentClient::new(call.channel.clone()).create_join_token(request)).await?;
        if self.format == Format::Json {
            return call.print_json(&token);
        }
        call.print(format_args!("Token: {}\n", token.value))?;
        if self.spiffe_id.is_empty() {
            call.print(format_args!("Warning: Missing SPIFFE ID.\n"))?;
        }
        Ok(())
    }
}
