//! `localauthority x509 prepare` and `localauthority jwt prepare`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use steeple_proto::spire::api::server::localauthority::v1::{PrepareJwtAuthorityRequest, PrepareX509AuthorityRequest};

use super::Kind;
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Prepares an authority: a new key, known to all who verify, that signs nothing yet.
pub(crate) struct Prepare {
    kind: Kind,
    format: Format,
}

impl From<Kind> for Prepare {
    fn from(kind: Kind) -> Self {
        Self { kind, format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for Prepare {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        let state = match self.kind {
            Kind::X509 => {
                let request = PrepareX509AuthorityRequest {};
                let reply = call.reply(client.prepare_x509_authority(request)).await;
                let response = reply.explain("could not prepare X.509 authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.prepared_authority
            }
            Kind::Jwt => {
                let request = PrepareJwtAuthorityRequest {};
                let reply = call.reply(client.prepare_jwt_authority(request)).await;
                let response = reply.explain("could not prepare JWT authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.prepared_authority
            }
        };
        let told = self.kind.told("Prepared", state.as_ref())?;
        call.print(format_args!("{told}"))
    }
}
