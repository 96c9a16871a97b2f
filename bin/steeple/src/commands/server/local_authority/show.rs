//! `localauthority x509 show` and `localauthority jwt show`.

use async_trait::async_trait;
use steeple_proto::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use steeple_proto::spire::api::server::localauthority::v1::{
    AuthorityState, GetJwtAuthorityStateRequest, GetX509AuthorityStateRequest,
};

use super::Kind;
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Shows the authorities.
pub(crate) struct Show {
    kind: Kind,
    format: Format,
}

impl Show {
    /// The command for authorities of `kind`.
    pub(crate) fn of(kind: Kind) -> Box<dyn Command> {
        Box::new(Self { kind, format: Format::default() })
    }
}

#[async_trait(?Send)]
impl Command for Show {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        let states = match self.kind {
            Kind::X509 => {
                let reply = call.reply(client.get_x509_authority_state(GetX509AuthorityStateRequest {})).await;
                let response = reply.explain("could not get X.509 authorities")?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                [("Active", response.active), ("Prepared", response.prepared), ("Old", response.old)]
            }
            Kind::Jwt => {
                let response = call.reply(client.get_jwt_authority_state(GetJwtAuthorityStateRequest {})).await?;
                if self.format == Format::Json {
                    return call.print_json(&response);
                }
                [("Active", response.active), ("Prepared", response.prepared), ("Old", response.old)]
            }
        };
        let blocks = states.map(|(name, state)| self.kind.paragraph(name, state.as_ref()));
        call.print(format_args!("{}", blocks.join("\n")))
    }
}

impl Kind {
    fn paragraph(self, name: &str, state: Option<&AuthorityState>) -> String {
        let (title, word) = (self.title(), name.to_lowercase());
        let block = match state {
            Some(state) => self.block(state),
            None => format!("  No {word} {title} authority found\n"),
        };
        format!("{name} {title} authority:\n{block}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_that_is_not_there_is_told() {
        let shown = Kind::Jwt.paragraph("Prepared", None);
        assert_eq!(shown, "Prepared JWT authority:\n  No prepared JWT authority found\n");
    }
}
