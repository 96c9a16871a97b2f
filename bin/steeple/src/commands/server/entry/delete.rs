//! `entry delete`.

use async_trait::async_trait;
use serde::Deserialize;
use steeple_client::code_name;
use steeple_proto::spire::api::server::entry::v1::BatchDeleteEntryRequest;
use steeple_proto::spire::api::server::entry::v1::BatchDeleteEntryResponse;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;

use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::files;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::quote::quote;

/// Deletes entries.
#[derive(Default)]
pub(crate) struct Delete {
    entry_id: String,
    file: String,
    format: Format,
}

/// The content of `-file`.
#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    ids: Vec<String>,
}

#[async_trait(?Send)]
impl Command for Delete {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.entry_id, &["entryID"], "Entry ID.");
        flags.text(&mut self.file, &["file"], "File with entry IDs, {\"ids\":[...]}; - is standard input.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let ids = if !self.file.is_empty() {
            let content = files::read(&self.file, "-", call.env)?;
            files::object::<Listed>(&content, "", "entryv1.BatchDeleteEntryRequest")?.ids
        } else if self.entry_id.is_empty() {
            return Err("an entry ID is required".into());
        } else {
            vec![self.entry_id.clone()]
        };
        let request = BatchDeleteEntryRequest { ids };
        let response = call.reply(EntryClient::new(call.channel.clone()).batch_delete_entry(request)).await?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        print(call, response)
    }
}

fn print(call: &mut Call<'_>, response: BatchDeleteEntryResponse) -> Result<(), Failure> {
    let outcomes: Vec<_> =
        response.results.into_iter().map(|result| (result.id, result.status.unwrap_or_default())).collect();
    let (deleted, kept): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, status)| status.code == 0);
    for (id, _) in &deleted {
        call.print(format_args!("Deleted entry with ID: {id}\n"))?;
    }
    if !deleted.is_empty() {
        call.print(format_args!("\n\n"))?;
    }
    for (id, status) in &kept {
        call.complain(format_args!(
            "Failed to delete entry with ID {id} (code: {}, msg: {})\n",
            code_name(status.code),
            quote(&status.message)
        ));
    }
    match (deleted.len(), kept.len()) {
        (deleted, 0) => return call.print(format_args!("Deleted {deleted} entries successfully")),
        (0, kept) => call.print(format_args!("\n\nFailed to delete {kept} entries"))?,
        (deleted, kept) => {
            call.print(format_args!(
                "\n\nDeleted {deleted} entries successfully, but failed to delete {kept} entries"
            ))?;
        }
    }
    Err("failed to delete one or more entries".into())
}
