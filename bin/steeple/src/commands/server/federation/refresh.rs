//! `federation refresh`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::trustdomain::v1::RefreshBundleRequest;
use steeple_proto::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use steeple_proto::spire::api::types::Status;
use tonic::Code;

use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::quote::quote;

/// Has the server fetch the bundle of a federated trust domain now.
#[derive(Default)]
pub(crate) struct Refresh {
    id: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Refresh {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.id, &["id"], "SPIFFE ID of the trust domain.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.id.is_empty() {
            return Err("id is required".into());
        }
        let request = RefreshBundleRequest { trust_domain: self.id.clone() };
        let mut client = TrustDomainClient::new(call.channel.clone());
        match call.reply(client.refresh_bundle(request)).await {
            Err(status) if status.code() == Code::NotFound => {
                Err(format!("there is no federation relationship with trust domain {}", quote(&self.id)).into())
            }
            reply => {
                reply.explain("failed to refresh bundle")?;
                match self.format {
                    Format::Json => call.print_json(&Status { code: 0, message: "OK".to_owned() }),
                    Format::Pretty => call.print(format_args!("Bundle refreshed\n")),
                }
            }
        }
    }
}
