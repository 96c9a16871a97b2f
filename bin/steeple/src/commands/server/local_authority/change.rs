//! The steps of an authority's life: `localauthority x509 prepare`, `activate`, `taint`, `revoke`, and the same of `jwt`.

use async_trait::async_trait;
use prost::Name;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use steeple_proto::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use tonic::Status;

use super::Kind;
use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// What is done with an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A new key, known to all who verify, that signs nothing yet.
    Prepare,
    /// The prepared authority signs from now on.
    Activate,
    /// What the old authority signed is replaced.
    Taint,
    /// The tainted authority leaves the bundle.
    Revoke,
}

impl Step {
    /// As errors say it, and as it is told when it is done.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Prepare => ("prepare", "Prepared"),
            Self::Activate => ("activate", "Activated"),
            Self::Taint => ("taint", "Tainted"),
            Self::Revoke => ("revoke", "Revoked"),
        }
    }

    /// Of which authority the ID is asked for; none of one that is still to be made.
    fn authority(self) -> Option<&'static str> {
        match self {
            Self::Prepare => None,
            Self::Activate => Some("ID of the prepared authority."),
            Self::Taint => Some("ID of the old authority."),
            Self::Revoke => Some("ID of the tainted authority."),
        }
    }
}

/// Takes a step.
pub(crate) struct Change {
    kind: Kind,
    step: Step,
    authority_id: String,
    format: Format,
}

impl Change {
    /// The command of `step`.
    pub(crate) fn of(kind: Kind, step: Step) -> Box<dyn Command> {
        Box::new(Self { kind, step, authority_id: String::new(), format: Format::default() })
    }

    /// Tells what became of the authority.
    fn tell<R: Name>(
        &self,
        call: &mut Call<'_>,
        reply: Result<R, Status>,
        authority: fn(&R) -> Option<&pb::AuthorityState>,
    ) -> Result<(), Failure> {
        let (verb, became) = self.step.words();
        let title = self.kind.title();
        let response = reply.explain(format_args!("could not {verb} {title} authority"))?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let state = authority(&response).ok_or("server response has no authority")?;
        call.print(format_args!("{became} {title} authority:\n{}", self.kind.block(state)))
    }
}

#[async_trait(?Send)]
impl Command for Change {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        if let Some(usage) = self.step.authority() {
            flags.text(&mut self.authority_id, &["authorityID"], usage);
        }
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let authority_id = self.authority_id.clone();
        if self.step.authority().is_some() && authority_id.is_empty() {
            return Err("an authority ID is required".into());
        }
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        match (self.step, self.kind) {
            (Step::Prepare, Kind::X509) => {
                let reply = call.reply(client.prepare_x509_authority(pb::PrepareX509AuthorityRequest {})).await;
                self.tell(call, reply, |response| response.prepared_authority.as_ref())
            }
            (Step::Prepare, Kind::Jwt) => {
                let reply = call.reply(client.prepare_jwt_authority(pb::PrepareJwtAuthorityRequest {})).await;
                self.tell(call, reply, |response| response.prepared_authority.as_ref())
            }
            (Step::Activate, Kind::X509) => {
                let reply =
                    call.reply(client.activate_x509_authority(pb::ActivateX509AuthorityRequest { authority_id })).await;
                self.tell(call, reply, |response| response.activated_authority.as_ref())
            }
            (Step::Activate, Kind::Jwt) => {
                let reply =
                    call.reply(client.activate_jwt_authority(pb::ActivateJwtAuthorityRequest { authority_id })).await;
                self.tell(call, reply, |response| response.activated_authority.as_ref())
            }
            (Step::Taint, Kind::X509) => {
                let reply =
                    call.reply(client.taint_x509_authority(pb::TaintX509AuthorityRequest { authority_id })).await;
                self.tell(call, reply, |response| response.tainted_authority.as_ref())
            }
            (Step::Taint, Kind::Jwt) => {
                let reply = call.reply(client.taint_jwt_authority(pb::TaintJwtAuthorityRequest { authority_id })).await;
                self.tell(call, reply, |response| response.tainted_authority.as_ref())
            }
            (Step::Revoke, Kind::X509) => {
                let reply =
                    call.reply(client.revoke_x509_authority(pb::RevokeX509AuthorityRequest { authority_id })).await;
                self.tell(call, reply, |response| response.revoked_authority.as_ref())
            }
            (Step::Revoke, Kind::Jwt) => {
                let reply =
                    call.reply(client.revoke_jwt_authority(pb::RevokeJwtAuthorityRequest { authority_id })).await;
                self.tell(call, reply, |response| response.revoked_authority.as_ref())
            }
        }
    }
}
