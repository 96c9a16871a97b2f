//! `entry update`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::server::entry::v1::{BatchUpdateEntryRequest, GetEntryRequest};
use steeple_proto::spire::api::types::Entry;
use steeple_proto::spire::api::types::entry::AdditionalAttributes;

use super::create::EntryFlags;
use super::{file, keep_refused, print_outcomes};
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::id;

/// Replaces entries. Only the additional attributes are taken from the stored entry where no flag gives them.
#[derive(Default)]
pub(crate) struct Update {
    entry: EntryFlags,
    disable_prefetch: Option<bool>,
    include_jti: Option<bool>,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Update {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        self.entry.flags(flags);
        let usage = "Agents don't fetch the X.509-SVID before a workload asks.";
        flags.optional_boolean(&mut self.disable_prefetch, &["disableX509SVIDPrefetch"], usage);
        let usage = "JWT-SVIDs have a jti claim and are not cached by agents.";
        flags.optional_boolean(&mut self.include_jti, &["jwtSVIDIncludeJTI"], usage);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let entries = if self.entry.data.is_empty() {
            let mut entry = self.entry()?;
            self.keep_attributes(&mut entry, call).await?;
            vec![entry]
        } else {
            file::read(&self.entry.data, call.env)?
        };
        let request = BatchUpdateEntryRequest { entries: entries.clone(), input_mask: None, output_mask: None };
        let mut response = call.reply(EntryClient::new(call.channel.clone()).batch_update_entry(request)).await?;
        let results = response.results.iter_mut().map(|result| (&result.status, &mut result.entry));
        keep_refused(results, entries);
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let outcomes: Vec<_> = response.results.into_iter().map(|result| (result.status, result.entry)).collect();
        print_outcomes(call, "update", &outcomes)
    }
}

impl Update {
    fn entry(&self) -> Result<Entry, Failure> {
        let flags = &self.entry;
        if flags.entry_id.is_empty() {
            return Err("entry ID is required".into());
        }
        if flags.selectors.is_empty() {
            return Err("at least one selector is required".into());
        }
        if flags.parent_id.is_empty() {
            return Err("a parent ID is required".into());
        }
        if flags.spiffe_id.is_empty() {
            return Err("a SPIFFE ID is required".into());
        }
        flags.check_lifetimes()?;
        let parent_id = id(&flags.parent_id)?;
        flags.entry(id(&flags.spiffe_id)?, parent_id)
    }

    /// Fills in the additional attributes that no flag gives, once one flag gives one.
    async fn keep_attributes(&self, entry: &mut Entry, call: &Call<'_>) -> Result<(), Failure> {
        if self.disable_prefetch.is_none() && self.include_jti.is_none() {
            return Ok(());
        }
        let request = GetEntryRequest { id: self.entry.entry_id.clone(), output_mask: None };
        let stored = call.reply(EntryClient::new(call.channel.clone()).get_entry(request)).await;
        let stored = stored.explain("failed to fetch existing entry to merge additional attributes")?;
        let stored = stored.additional_attributes.unwrap_or_default();
        entry.additional_attributes = Some(AdditionalAttributes {
            disable_x509_svid_prefetch: self.disable_prefetch.unwrap_or(stored.disable_x509_svid_prefetch),
            jwt_svid_include_jti: self.include_jti.unwrap_or(stored.jwt_svid_include_jti),
        });
        Ok(())
    }
}
