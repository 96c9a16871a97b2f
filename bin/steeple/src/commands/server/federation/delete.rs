//! `federation delete`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::trustdomain::v1::BatchDeleteFederationRelationshipRequest;
use steeple_proto::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;

use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::quote::quote;

/// Deletes a federation relationship.
#[derive(Default)]
pub(crate) struct Delete {
    id: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Delete {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.id, &["id"], "SPIFFE ID of the trust domain.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.id.is_empty() {
            return Err("id is required".into());
        }
        let request = BatchDeleteFederationRelationshipRequest { trust_domains: vec![self.id.clone()] };
        let mut client = TrustDomainClient::new(call.channel.clone());
        let reply = call.reply(client.batch_delete_federation_relationship(request)).await;
        let response = reply.explain("failed to delete federation relationship")?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let result = response.results.into_iter().next().ok_or("server response has no result")?;
        let status = result.status.unwrap_or_default();
        if status.code != 0 {
            let trust_domain = quote(&result.trust_domain);
            return Err(format!("failed to delete federation relationship {trust_domain}: {}", status.message).into());
        }
        call.print(format_args!("federation relationship deleted.\n"))
    }
}
