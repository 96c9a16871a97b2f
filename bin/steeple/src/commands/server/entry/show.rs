//! `entry show`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::server::entry::v1::list_entries_request::Filter as WireFilter;
use steeple_proto::spire::api::server::entry::v1::{GetEntryRequest, ListEntriesRequest, ListEntriesResponse};
use steeple_proto::spire::api::types::{Entry, Selector};

use super::block;
use super::filter::{Filter, Parsed};
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::counted;

/// Entries asked for at once.
const PAGE: i32 = 500;

/// Shows entries. As in SPIRE, downstream entries are shown only with `-downstream` or by their entry ID.
#[derive(Default)]
pub(crate) struct Show {
    entry_id: String,
    filter: Filter,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Show {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.entry_id, &["entryID"], "Entry ID; excludes the other filters.");
        self.filter.flags(flags);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let mut entries = if self.entry_id.is_empty() {
            let filter = self.filter.parse()?;
            list(call, filter).await?
        } else {
            vec![self.get(call).await?]
        };
        sort(&mut entries);
        let response = ListEntriesResponse { entries, next_page_token: String::new() };
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        call.print(format_args!("Found {}\n", counted(response.entries.len(), "entry", "entries")))?;
        for entry in &response.entries {
            call.print(format_args!("{}", block(entry)))?;
        }
        Ok(())
    }
}

impl Show {
    async fn get(&self, call: &Call<'_>) -> Result<Entry, Failure> {
        let filter = &self.filter;
        if !(filter.parent_id.is_empty() && filter.spiffe_id.is_empty() && filter.selectors.is_empty()) {
            return Err("the -entryID flag can't be combined with others".into());
        }
        let request = GetEntryRequest { id: self.entry_id.clone(), output_mask: None };
        let mut client = EntryClient::new(call.channel.clone());
        call.reply(client.get_entry(request)).await.explain(format_args!("error fetching entry ID {}", self.entry_id))
    }
}

async fn list(call: &Call<'_>, filter: Parsed) -> Result<Vec<Entry>, Failure> {
    let filter = WireFilter {
        by_parent_id: filter.parent_id,
        by_spiffe_id: filter.spiffe_id,
        by_selectors: filter.selectors,
        by_federates_with: filter.federates_with,
        by_hint: filter.hint,
        by_downstream: Some(filter.downstream),
    };
    let mut client = EntryClient::new(call.channel.clone());
    let mut entries = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            ListEntriesRequest { filter: Some(filter.clone()), output_mask: None, page_size: PAGE, page_token };
        let page = call.reply(client.list_entries(request)).await.explain("error fetching entries")?;
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(entries);
        }
    }
}

/// By SPIFFE ID, parent ID, lifetimes and selectors.
fn sort(entries: &mut [Entry]) {
    for entry in entries.iter_mut() {
        entry.selectors.sort_by(|a, b| key(a).cmp(&key(b)));
    }
    entries.sort_by(|a, b| {
        let id = |id: &Option<_>| {
            id.as_ref()
                .map(|id: &steeple_proto::spire::api::types::Spiffeid| (id.trust_domain.clone(), id.path.clone()))
        };
        let keys = |entry: &Entry| {
            (id(&entry.spiffe_id), id(&entry.parent_id), entry.x509_svid_ttl, entry.jwt_svid_ttl, entry.selectors.len())
        };
        keys(a).cmp(&keys(b)).then_with(|| a.selectors.iter().map(key).cmp(b.selectors.iter().map(key)))
    });
}

fn key(selector: &Selector) -> (&str, &str) {
    (&selector.r#type, &selector.value)
}
