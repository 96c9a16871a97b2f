//! `bundle count`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::bundle::v1::CountBundlesRequest;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;

use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::counted;

/// Counts bundles, the server's own included.
#[derive(Default)]
pub(crate) struct Count {
    format: Format,
}

#[async_trait(?Send)]
impl Command for Count {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let mut client = BundleClient::new(call.channel.clone());
        let response = call.reply(client.count_bundles(CountBundlesRequest {})).await?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let count = usize::try_from(response.count).unwrap_or_default();
        call.print(format_args!("{}\n", counted(count, "bundle", "bundles")))
    }
}
