//! `jwt mint`.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use steeple_crypto::jws::Token;
use steeple_proto::spire::api::server::svid::v1::MintJwtsvidRequest;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;

use super::parse::{id, seconds_up};
use super::x509::is_capped;
use crate::commands::call::{Call, Command};
use crate::commands::date;
use crate::commands::failure::{Explain, Failure};
use crate::commands::files::{self, Readers};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Mints a JWT-SVID.
#[derive(Default)]
pub(crate) struct Mint {
    spiffe_id: String,
    ttl: Duration,
    audience: Vec<String>,
    write: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for Mint {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.spiffe_id, &["spiffeID"], "SPIFFE ID of the SVID.");
        flags.duration(&mut self.ttl, &["ttl"], "Lifetime of the SVID.");
        flags.repeated(&mut self.audience, &["audience"], "Whom the SVID is for. May be repeated.");
        flags.text(&mut self.write, &["write"], "File to write the token to, instead of printing it.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.spiffe_id.is_empty() {
            return Err("spiffeID must be specified".into());
        }
        if self.audience.is_empty() {
            return Err("at least one audience must be specified".into());
        }
        let request = MintJwtsvidRequest {
            id: Some(id(&self.spiffe_id)?),
            ttl: seconds_up(self.ttl)?,
            audience: self.audience.clone(),
        };
        let reply = call.reply(SvidClient::new(call.channel.clone()).mint_jwtsvid(request)).await;
        let response = reply.explain("unable to mint SVID")?;
        let token = response.svid.as_ref().map(|svid| svid.token.as_str()).unwrap_or_default();
        self.check(token, call)?;
        if !self.write.is_empty() {
            let path = Path::new(&self.write);
            files::write(path, token.as_bytes(), Readers::Owner).explain("unable to write token")?;
            return call.print(format_args!("JWT-SVID written to {}\n", path.display()));
        }
        match self.format {
            Format::Json => call.print_json(&response),
            Format::Pretty => call.print(format_args!("{token}\n")),
        }
    }
}

impl Mint {
    /// Says it when the token lives shorter than was asked for.
    fn check(&self, token: &str, call: &mut Call<'_>) -> Result<(), Failure> {
        if token.is_empty() {
            return Err("server response missing token".into());
        }
        match expiry(token) {
            Err(reason) => call.complain(format_args!("Unable to determine JWT-SVID lifetime: {reason}\n")),
            Ok(end) if is_capped(end, self.ttl, call) => {
                let end = date::rfc3339(end);
                call.complain(format_args!(
                    "JWT-SVID lifetime was capped shorter than specified ttl; expires \"{end}\"\n"
                ));
            }
            Ok(_) => {}
        }
        Ok(())
    }
}

fn expiry(token: &str) -> Result<i64, String> {
    let token = Token::parse(token).map_err(|error| error.to_string())?;
    let expiry = token.unverified_claims().get("exp").and_then(serde_json::Value::as_i64);
    expiry.ok_or_else(|| "no expiry claim".to_owned())
}
