//! `bundle delete`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::bundle::v1::BatchDeleteFederatedBundleRequest;
use steeple_proto::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;

use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::quote::quote;

/// Deletes the bundle of a foreign trust domain.
pub(crate) struct Delete {
    id: String,
    mode: String,
    format: Format,
}

impl Default for Delete {
    fn default() -> Self {
        Self { id: String::new(), mode: "restrict".to_owned(), format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for Delete {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.id, &["id"], "SPIFFE ID of the trust domain.");
        let usage = "What becomes of entries that federate with it: restrict (refuse), delete, or dissociate.";
        flags.text(&mut self.mode, &["mode"], usage);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.id.is_empty() {
            return Err("id is required".into());
        }
        let mode = match self.mode.as_str() {
            "" | "restrict" => Mode::Restrict,
            "dissociate" => Mode::Dissociate,
            "delete" => Mode::Delete,
            other => return Err(format!("unsupported mode {}", quote(other)).into()),
        };
        let request = BatchDeleteFederatedBundleRequest { trust_domains: vec![self.id.clone()], mode: mode.into() };
        let reply = call.reply(BundleClient::new(call.channel.clone()).batch_delete_federated_bundle(request)).await;
        let response = reply.explain("failed to delete federated bundle")?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let result = response.results.into_iter().next().ok_or("server response has no result")?;
        let status = result.status.unwrap_or_default();
        if status.code != 0 {
            let trust_domain = quote(&result.trust_domain);
            return Err(format!("failed to delete federated bundle {trust_domain}: {}", status.message).into());
        }
        call.print(format_args!("bundle deleted.\n"))
    }
}
