//! `api fetch jwt`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;
use steeple_client::{describe, workload_request};
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_proto::workload::{JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest};
use tonic::Code;

use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::output::{Format, escaped, message_value};

/// Fetches the caller's JWT-SVIDs for an audience, and the bundles that JWT-SVIDs are verified by.
#[derive(Default)]
pub(crate) struct FetchJwt {
    audience: Vec<String>,
    spiffe_id: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for FetchJwt {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.commas(&mut self.audience, &["audience"], "Whom the SVID is for, separated by commas.");
        flags.text(&mut self.spiffe_id, &["spiffeID"], "Which of the caller's SPIFFE IDs; without it, all.");
        flags.format(&mut self.format, &["output", "format"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.audience.is_empty() {
            return Err("audience must be specified".into());
        }
        let bundles = bundles(call).await?;
        let request = JwtsvidRequest { audience: self.audience.clone(), spiffe_id: self.spiffe_id.clone() };
        let mut client = SpiffeWorkloadApiClient::new(call.channel.clone());
        let svids = call.reply(client.fetch_jwtsvid(workload_request(request))).await?;
        if self.format == Format::Json {
            let both = Value::Array(vec![message_value(&svids)?, message_value(&bundles)?]);
            return call.print(format_args!("{}\n", escaped(&both)));
        }
        for svid in &svids.svids {
            call.print(format_args!("token({}):\n\t{}\n", svid.spiffe_id, svid.svid))?;
            if !svid.hint.is_empty() {
                call.print(format_args!("hint({}):\n\t{}\n", svid.spiffe_id, svid.hint))?;
            }
        }
        for (trust_domain, keys) in bundles.bundles.iter().collect::<BTreeMap<_, _>>() {
            call.print(format_args!("bundle({trust_domain}):\n\t{}\n", String::from_utf8_lossy(keys)))?;
        }
        Ok(())
    }
}

async fn bundles(call: &Call<'_>) -> Result<JwtBundlesResponse, Failure> {
    let mut client = SpiffeWorkloadApiClient::new(call.channel.clone());
    let first = call.within(async {
        let stream = client.fetch_jwt_bundles(workload_request(JwtBundlesRequest {})).await?;
        stream.into_inner().message().await
    });
    match first.await {
        Ok(response) => response.ok_or_else(|| "EOF".into()),
        // In Go's library only a stream that can't be opened at all fails here.
        Err(status) if status.code() == Code::Unavailable => {
            Err(format!("failed to receive JWT bundles: {}", describe(&status)).into())
        }
        Err(status) => Err(status.into()),
    }
}
