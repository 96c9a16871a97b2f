//! `upstreamauthority`: the authorities that sign the server's own.

use async_trait::async_trait;
use steeple_proto::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use steeple_proto::spire::api::server::localauthority::v1::{
    RevokeX509UpstreamAuthorityRequest, TaintX509UpstreamAuthorityRequest,
};

use crate::commands::call::{Call, Command};
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

const SUBJECT_KEY_ID: &str = "Subject key identifier of the authority's certificate, in hexadecimal digits.";

/// Marks the upstream authority of the old local one as tainted: what comes from it is replaced.
#[derive(Default)]
pub(crate) struct Taint {
    subject_key_id: String,
    format: Format,
}

/// Removes the tainted upstream authority from the bundle.
#[derive(Default)]
pub(crate) struct Revoke {
    subject_key_id: String,
    format: Format,
}

fn required(subject_key_id: &str) -> Result<String, Failure> {
    if subject_key_id.is_empty() {
        return Err("the Subject Key ID of the X.509 upstream authority is required".into());
    }
    Ok(subject_key_id.to_owned())
}

#[async_trait(?Send)]
impl Command for Taint {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.subject_key_id, &["subjectKeyID"], SUBJECT_KEY_ID);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = TaintX509UpstreamAuthorityRequest { subject_key_id: required(&self.subject_key_id)? };
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        let reply = call.reply(client.taint_x509_upstream_authority(request)).await;
        let response = reply.explain("could not taint X.509 upstream authority")?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let id = &response.upstream_authority_subject_key_id;
        call.print(format_args!("Tainted X.509 upstream authority:\n  Subject Key ID: {id}\n"))
    }
}

#[async_trait(?Send)]
impl Command for Revoke {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.subject_key_id, &["subjectKeyID"], SUBJECT_KEY_ID);
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let request = RevokeX509UpstreamAuthorityRequest { subject_key_id: required(&self.subject_key_id)? };
        let mut client = LocalAuthorityClient::new(call.channel.clone());
        let reply = call.reply(client.revoke_x509_upstream_authority(request)).await;
        let response = reply.explain("could not revoke X.509 upstream authority")?;
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let id = &response.upstream_authority_subject_key_id;
        call.print(format_args!("Revoked X.509 upstream authority:\n  Subject Key ID: {id}\n"))
    }
}
