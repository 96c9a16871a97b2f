//! `entry count`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::entry::v1::CountEntriesRequest;
use steeple_proto::spire::api::server::entry::v1::count_entries_request::Filter as WireFilter;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;

use super::filter::Filter;
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::counted;

/// Counts entries. As in SPIRE, downstream entries count only with `-downstream`.
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
        let filter = self.filter.parse()?;
        let request = CountEntriesRequest {
            filter: Some(WireFilter {
                by_parent_id: filter.parent_id,
                by_spiffe_id: filter.spiffe_id,
                by_selectors: filter.selectors,
                by_federates_with: filter.federates_with,
                by_hint: filter.hint,
                by_downstream: Some(filter.downstream),
            }),
        };
        let response = call.reply(EntryClient::new(call.channel.clone()).count_entries(request)).await?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let count = usize::try_from(response.count).unwrap_or_default();
        call.print(format_args!("{}\n", counted(count, "registration entry", "registration entries")))
    }
}
