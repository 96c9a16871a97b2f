//! `bundle set`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::bundle::v1::BatchSetFederatedBundleRequest;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;

use super::document::{BundleFormat, parse};
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::files;
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Sets the bundle of a foreign trust domain.
pub(crate) struct Set {
    id: String,
    path: String,
    bundle_format: String,
    format: Format,
}

impl Default for Set {
    fn default() -> Self {
        Self {
            id: String::new(),
            path: String::new(),
            bundle_format: BundleFormat::DEFAULT.to_owned(),
            format: Format::default(),
        }
    }
}

#[async_trait(?Send)]
impl Command for Set {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.id, &["id"], "SPIFFE ID of the trust domain.");
        flags.text(&mut self.path, &["path"], "File with the bundle; without it, standard input.");
        flags.text(&mut self.bundle_format, &["format"], "Form of the bundle: pem or spiffe.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.id.is_empty() {
            return Err("id flag is required".into());
        }
        let bundle_format = BundleFormat::parse(&self.bundle_format)?;
        let content = files::read(&self.path, "", call.env).explain("unable to load bundle data")?;
        let bundle = parse(&content, bundle_format, &self.id)?;
        let request = BatchSetFederatedBundleRequest { bundle: vec![bundle], output_mask: None };
        let reply = call.reply(BundleClient::new(call.channel.clone()).batch_set_federated_bundle(request)).await;
        let response = reply.explain("failed to set federated bundle")?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let result = response.results.into_iter().next().ok_or("server response has no result")?;
        let status = result.status.unwrap_or_default();
        if status.code != 0 {
            return Err(format!("failed to set federated bundle: {}", status.message).into());
        }
        call.print(format_args!("bundle set.\n"))
    }
}
