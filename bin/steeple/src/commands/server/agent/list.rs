//! `agent list`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_proto::spire::api::server::agent::v1::{ListAgentsRequest, ListAgentsResponse};

use super::block;
use super::filter::Filter;
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::counted;

/// Agents asked for at once.
const PAGE: i32 = 1000;

/// Lists agents.
#[derive(Default)]
pub(crate) struct List {
    filter: Filter,
    format: Format,
}

#[async_trait(?Send)]
impl Command for List {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        self.filter.flags(flags);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let filter = self.filter.list()?;
        let mut client = AgentClient::new(call.channel.clone());
        let mut response = ListAgentsResponse::default();
        let mut page_token = String::new();
        loop {
            let request =
                ListAgentsRequest { filter: Some(filter.clone()), output_mask: None, page_size: PAGE, page_token };
            let page = call.reply(client.list_agents(request)).await?;
            response.agents.extend(page.agents);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        if response.agents.is_empty() {
            return call.print(format_args!("No attested agents found\n"));
        }
        let heading = counted(response.agents.len(), "attested agent", "attested agents");
        call.print(format_args!("Found {heading}:\n\n"))?;
        for agent in &response.agents {
            let text = block(agent, &call.env.zone);
            call.print(format_args!("{text}"))?;
        }
        Ok(())
    }
}
