//! `bundle show`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;

use super::document::{BundleFormat, text};
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Shows the server's own bundle.
pub(crate) struct Show {
    bundle_format: String,
    format: Format,
}

impl Default for Show {
    fn default() -> Self {
        Self { bundle_format: BundleFormat::DEFAULT.to_owned(), format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for Show {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.bundle_format, &["format"], "Form of the bundle in pretty output: pem or spiffe.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let mut client = BundleClient::new(call.channel.clone());
        let bundle = call.reply(client.get_bundle(GetBundleRequest::default())).await?;
        if self.format == Format::Json {
            return call.print_json(&bundle);
        }
        let text = text(&bundle, BundleFormat::parse(&self.bundle_format)?)?;
        call.print(format_args!("{text}"))
    }
}
