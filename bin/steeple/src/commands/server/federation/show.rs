//! `federation show`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::trustdomain::v1::GetFederationRelationshipRequest;
use steeple_proto::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;

use super::block;
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Shows one federation relationship.
#[derive(Default)]
pub(crate) struct Show {
    trust_domain: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Show {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.trust_domain, &["trustDomain"], "Name of the foreign trust domain.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.trust_domain.is_empty() {
            return Err("a trust domain name is required".into());
        }
        let request = GetFederationRelationshipRequest { trust_domain: self.trust_domain.clone(), output_mask: None };
        let mut client = TrustDomainClient::new(call.channel.clone());
        let reply = call.reply(client.get_federation_relationship(request)).await;
        let relationship = reply.explain("error showing federation relationship")?;
        if self.format == Format::Json {
            return call.print_json(&relationship);
        }
        call.print(format_args!(
            "Found a federation relationship with trust domain {}:\n\n{}",
            self.trust_domain,
            block(&relationship)
        ))
    }
}
