//! `api validate jwt`.

use async_trait::async_trait;
use serde_json::{Map, Value};
use steeple_client::{describe, workload_request};
use steeple_proto::workload::ValidateJwtsvidRequest;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use tonic::Code;

use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::{Format, message_value};

/// Has the agent validate a JWT-SVID.
#[derive(Default)]
pub(crate) struct ValidateJwt {
    audience: String,
    svid: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for ValidateJwt {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.audience, &["audience"], "Whom the SVID should be for.");
        flags.text(&mut self.svid, &["svid"], "The JWT-SVID.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.audience.is_empty() {
            return Err("audience must be specified".into());
        }
        if self.svid.is_empty() {
            return Err("svid must be specified".into());
        }
        let request = ValidateJwtsvidRequest { audience: self.audience.clone(), svid: self.svid.clone() };
        let mut client = SpiffeWorkloadApiClient::new(call.channel.clone());
        let response = match call.reply(client.validate_jwtsvid(workload_request(request))).await {
            Ok(response) => response,
            Err(status) if status.code() == Code::InvalidArgument => {
                return Err(format!("SVID is not valid: {}", status.message()).into());
            }
            Err(status) => return Err(format!("unable to validate JWT SVID: {}", describe(&status)).into()),
        };
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let value = message_value(&response)?;
        let claims = value.get("claims").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        call.print(format_args!("SVID is valid.\nSPIFFE ID : {}\nClaims    : {claims}\n", response.spiffe_id))
    }
}
