//! `localauthority x509 revoke` and `localauthority jwt revoke`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use steeple_proto::spire::api::server::localauthority::v1::{RevokeJwtAuthorityRequest, RevokeX509AuthorityRequest};

use super::{Kind, required};
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Removes the tainted authority from the bundle.
pub(crate) struct Revoke {
    kind: Kind,
    authority_id: String,
    format: Format,
}

impl From<Kind> for Revoke {
    fn from(kind: Kind) -> Self {
        Self { kind, authority_id: String::new(), format: Format::default() }
    }
}

#[async_trait(?Send)]
impl Command for Revoke {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.authority_id, &["authorityID"], "ID of the tainted authority.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let authority_id = required(&self.authority_id)?;
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        let state = match self.kind {
            Kind::X509 => {
                let request = RevokeX509AuthorityRequest { authority_id };
                let reply = call.reply(client.revoke_x509_authority(request)).await;
                let response = reply.explain("could not revoke X.509 authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.revoked_authority
            }
            Kind::Jwt => {
                let request = RevokeJwtAuthorityRequest { authority_id };
                let reply = call.reply(client.revoke_jwt_authority(request)).await;
                let response = reply.explain("could not revoke JWT authority")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                response.revoked_authority
            }
        };
        let told = self.kind.told("Revoked", state.as_ref())?;
        call.print(format_args!("{told}"))
    }
}
