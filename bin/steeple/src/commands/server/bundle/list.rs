//! `bundle list`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_proto::spire::api::server::bundle::v1::{GetFederatedBundleRequest, ListFederatedBundlesRequest};

use super::document::{BundleFormat, text};
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

const RULE: &str = "****************************************";

/// Lists the bundles of foreign trust domains, or shows one.
pub(crate) struct List {
    id: String,
    bundle_format: String,
    format: Format,
}

impl Default for List {
    fn default() -> Self {
        Self { id: String::new(), bundle_format: BundleFormat::DEFAULT.to_owned(), format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for List {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.id, &["id"], "SPIFFE ID of the trust domain.");
        flags.text(&mut self.bundle_format, &["format"], "Form of the bundles in pretty output: pem or spiffe.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let mut client = BundleClient::new(call.channel.clone());
        if !self.id.is_empty() {
            let request = GetFederatedBundleRequest { trust_domain: self.id.clone(), output_mask: None };
            let bundle = call.reply(client.get_federated_bundle(request)).await?;
            if self.format == Format::Json {
                return call.print_json(&bundle);
            }
            let text = text(&bundle, BundleFormat::parse(&self.bundle_format)?)?;
            return call.print(format_args!("{text}"));
        }
        let response = call.reply(client.list_federated_bundles(ListFederatedBundlesRequest::default())).await?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        for (position, bundle) in response.bundles.iter().enumerate() {
            let text = text(bundle, BundleFormat::parse(&self.bundle_format)?)?;
            let gap = if position == 0 { "" } else { "\n" };
            call.print(format_args!("{gap}{RULE}\n* {}\n{RULE}\n{text}", bundle.trust_domain))?;
        }
        Ok(())
    }
}
