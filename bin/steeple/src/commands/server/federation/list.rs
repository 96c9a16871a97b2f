//! `federation list`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::trustdomain::v1::ListFederationRelationshipsRequest;
use steeple_proto::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;

use super::block;
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;
use crate::commands::server::parse::counted;

/// Lists federation relationships.
#[derive(Default)]
pub(crate) struct List {
    format: Format,
}

#[async_trait(?Send)]
impl Command for List {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = ListFederationRelationshipsRequest::default();
        let mut client = TrustDomainClient::new(call.channel.clone());
        let reply = call.reply(client.list_federation_relationships(request)).await;
        let response = reply.explain("error listing federation relationship")?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let relationships = &response.federation_relationships;
        let heading = counted(relationships.len(), "federation relationship", "federation relationships");
        call.print(format_args!("Found {heading}\n"))?;
        for relationship in relationships {
            call.print(format_args!("\n{}", block(relationship)))?;
        }
        Ok(())
    }
}
