//! `agent count`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::agent::v1::CountAgentsRequest;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;

use super::filter::Filter;
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::counted;

/// Counts agents.
#[derive(Default)]
pub(crate) struct Count {
    filter: Filter,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Count {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        self.filter.flags(flags);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = CountAgentsRequest { filter: Some(self.filter.count()?) };
        let response = call.reply(AgentClient::new(call.channel.clone()).count_agents(request)).await?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let count = usize::try_from(response.count).unwrap_or_default();
        call.print(format_args!("{}\n", counted(count, "attested agent", "attested agents")))
    }
}
