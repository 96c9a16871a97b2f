//! `entry create`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types::entry::AdditionalAttributes;
use steeple_proto::spire::api::types::{Entry, Spiffeid};

use super::{file, keep_refused, print_outcomes};
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::{id, seconds, selector};

/// The path of the server's SPIFFE ID, parent of entries for nodes.
const SERVER_PATH: &str = "/spire/server";

/// Fields of an entry, as flags of `entry create` and `entry update`.
#[derive(Default)]
pub(super) struct EntryFlags {
    pub(super) entry_id: String,
    pub(super) parent_id: String,
    pub(super) spiffe_id: String,
    pub(super) selectors: Vec<String>,
    pub(super) x509_svid_ttl: i64,
    pub(super) jwt_svid_ttl: i64,
    pub(super) federates_with: Vec<String>,
    admin: bool,
    store_svid: bool,
    downstream: bool,
    entry_expiry: i64,
    dns_names: Vec<String>,
    hint: String,
    /// Path to a file with entries, instead of the other flags.
    pub(super) data: String,
}

impl EntryFlags {
    pub(super) fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.entry_id, &["entryID"], "Entry ID.");
        flags.text(&mut self.parent_id, &["parentID"], "SPIFFE ID of the parent.");
        flags.text(&mut self.spiffe_id, &["spiffeID"], "SPIFFE ID that the entry gives.");
        flags.repeated(&mut self.selectors, &["selector"], "A selector, type:value. May be repeated.");
        flags.integer(&mut self.x509_svid_ttl, &["x509SVIDTTL"], "Lifetime of X.509-SVIDs, seconds.");
        flags.integer(&mut self.jwt_svid_ttl, &["jwtSVIDTTL"], "Lifetime of JWT-SVIDs, seconds.");
        flags.text(&mut self.data, &["data"], "File with entries in JSON, instead of the other flags; - is stdin.");
        let usage = "A trust domain to federate with. May be repeated.";
        flags.repeated(&mut self.federates_with, &["federatesWith"], usage);
        flags.boolean(&mut self.admin, &["admin"], "Gives the SPIFFE ID access to the server's management APIs.");
        flags.boolean(&mut self.store_svid, &["storeSVID"], "The SVID is for an SVIDStore plugin.");
        flags.boolean(&mut self.downstream, &["downstream"], "The entry is for a downstream server.");
        flags.integer(&mut self.entry_expiry, &["entryExpiry"], "When the entry ends, seconds since 1970.");
        flags.repeated(&mut self.dns_names, &["dns"], "A DNS name for the SVIDs. May be repeated.");
        flags.text(&mut self.hint, &["hint"], "Tells identities of one SPIFFE ID apart.");
    }

    pub(super) fn check_lifetimes(&self) -> Result<(), Failure> {
        if self.x509_svid_ttl < 0 {
            return Err("a positive x509-SVID TTL is required".into());
        }
        if self.jwt_svid_ttl < 0 {
            return Err("a positive JWT-SVID TTL is required".into());
        }
        Ok(())
    }

    pub(super) fn entry(&self, spiffe_id: Spiffeid, parent_id: Spiffeid) -> Result<Entry, Failure> {
        Ok(Entry {
            id: self.entry_id.clone(),
            spiffe_id: Some(spiffe_id),
            parent_id: Some(parent_id),
            x509_svid_ttl: seconds(self.x509_svid_ttl, "X509 SVID TTL")?,
            jwt_svid_ttl: seconds(self.jwt_svid_ttl, "JWT SVID TTL")?,
            selectors: self.selectors.iter().map(|text| selector(text)).collect::<Result<_, _>>()?,
            federates_with: self.federates_with.clone(),
            admin: self.admin,
            downstream: self.downstream,
            expires_at: self.entry_expiry,
            dns_names: self.dns_names.clone(),
            store_svid: self.store_svid,
            hint: self.hint.clone(),
            ..Entry::default()
        })
    }
}

/// Creates entries.
#[derive(Default)]
pub(crate) struct Create {
    entry: EntryFlags,
    node: bool,
    disable_prefetch: bool,
    include_jti: bool,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Create {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        self.entry.flags(flags);
        flags.boolean(&mut self.node, &["node"], "The entry is for nodes: its parent is the server.");
        let usage = "Agents don't fetch the X.509-SVID before a workload asks.";
        flags.boolean(&mut self.disable_prefetch, &["disableX509SVIDPrefetch"], usage);
        let usage = "JWT-SVIDs have a jti claim and are not cached by agents.";
        flags.boolean(&mut self.include_jti, &["jwtSVIDIncludeJTI"], usage);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let entries =
            if self.entry.data.is_empty() { vec![self.entry()?] } else { file::read(&self.entry.data, call.env)? };
        let request = BatchCreateEntryRequest { entries: entries.clone(), output_mask: None };
        let mut response = call.reply(EntryClient::new(call.channel.clone()).batch_create_entry(request)).await?;
        let results = response.results.iter_mut().map(|result| (&result.status, &mut result.entry));
        keep_refused(results, entries);
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let outcomes: Vec<_> = response.results.into_iter().map(|result| (result.status, result.entry)).collect();
        print_outcomes(call, "create", &outcomes)
    }
}

impl Create {
    fn entry(&self) -> Result<Entry, Failure> {
        let flags = &self.entry;
        if flags.selectors.is_empty() {
            return Err("at least one selector is required".into());
        }
        if self.node && !flags.federates_with.is_empty() {
            return Err("node entries can not federate".into());
        }
        if flags.parent_id.is_empty() && !self.node {
            return Err("a parent ID is required if the node flag is not set".into());
        }
        if flags.spiffe_id.is_empty() {
            return Err("a SPIFFE ID is required".into());
        }
        flags.check_lifetimes()?;
        let spiffe_id = id(&flags.spiffe_id)?;
        let parent_id = if self.node {
            Spiffeid { trust_domain: spiffe_id.trust_domain.clone(), path: SERVER_PATH.to_owned() }
        } else {
            id(&flags.parent_id)?
        };
        let mut entry = flags.entry(spiffe_id, parent_id)?;
        entry.additional_attributes = (self.disable_prefetch || self.include_jti).then_some(AdditionalAttributes {
            disable_x509_svid_prefetch: self.disable_prefetch,
            jwt_svid_include_jti: self.include_jti,
        });
        Ok(entry)
    }
}
