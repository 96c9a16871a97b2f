//! `localauthority x509 taint` and `localauthority jwt taint`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use steeple_proto::spire::api::server::localauthority::v1::{TaintJwtAuthorityRequest, TaintX509AuthorityRequest};

use super::{Kind, required};
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Marks the old authority as tainted: what it signed is replaced.
pub(crate) struct Taint {
    kind: Kind,
    authority_id: String,
    format: Format,
}

impl From<Kind> for Taint {
    fn from(kind: Kind) -> Self {
        Self { kind, authority_id: String::new(), format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for Taint {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.authority_id, &["authorityID"], "ID of the old authority.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let authority_id = required(&self.authority_id)?;
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        let state = match self.kind {
            Kind::X509 => {
                let request = TaintX509AuthorityRequest { authority_id };
                let reply = call.reply(client.taint_x509_authority(request)).await;
                let response = reply.explain("could not taint X.509 authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.tainted_authority
            }
            Kind::Jwt => {
                let request = TaintJwtAuthorityRequest { authority_id };
                let reply = call.reply(client.taint_jwt_authority(request)).await;
                let response = reply.explain("could not taint JWT authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.tainted_authority
            }
        };
        let told = self.kind.told("Tainted", state.as_ref())?;
        call.print(format_args!("{told}"))
    }
}
