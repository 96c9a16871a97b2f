//! `federation create`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::trustdomain::v1::BatchCreateFederationRelationshipRequest;
use steeple_proto::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;

use super::print_outcomes;
use super::relationship::RelationshipFlags;
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Creates federation relationships.
#[derive(Default)]
pub(crate) struct Create {
    relationship: RelationshipFlags,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Create {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        self.relationship.flags(flags);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let relationships = self.relationship.read(call.env)?;
        let request = BatchCreateFederationRelationshipRequest {
            federation_relationships: relationships.clone(),
            output_mask: None,
        };
        let mut client = TrustDomainClient::new(call.channel.clone());
        let reply = call.reply(client.batch_create_federation_relationship(request)).await;
        let response = reply.explain("request failed")?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let results = response.results.into_iter();
        let outcomes = results.map(|result| (result.status, result.federation_relationship)).collect();
        print_outcomes(call, "create", relationships, outcomes)
    }
}
