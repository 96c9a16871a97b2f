//! `localauthority x509 activate` and `localauthority jwt activate`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use steeple_proto::spire::api::server::localauthority::v1::{
    ActivateJwtAuthorityRequest, ActivateX509AuthorityRequest,
};

use super::{Kind, required};
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Lets the prepared authority sign.
pub(crate) struct Activate {
    kind: Kind,
    authority_id: String,
    format: Format,
}

impl From<Kind> for Activate {
    fn from(kind: Kind) -> Self {
        Self { kind, authority_id: String::new(), format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for Activate {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.authority_id, &["authorityID"], "ID of the prepared authority.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let authority_id = required(&self.authority_id)?;
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        let state = match self.kind {
            Kind::X509 => {
                let request = ActivateX509AuthorityRequest { authority_id };
                let reply = call.reply(client.activate_x509_authority(request)).await;
                let response = reply.explain("could not activate X.509 authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.activated_authority
            }
            Kind::Jwt => {
                let request = ActivateJwtAuthorityRequest { authority_id };
                let reply = call.reply(client.activate_jwt_authority(request)).await;
                let response = reply.explain("could not activate JWT authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.activated_authority
            }
        };
        let told = self.kind.told("Activated", state.as_ref())?;
        call.print(format_args!("{told}"))
    }
}
