//! What the commands of server and agent about their health and figures share.

use std::fmt::Write as _;
use std::time::Duration;

use steeple_client::describe;
use steeple_config::format_duration;
use steeple_proto::grpc::health::v1::HealthCheckRequest;
use steeple_proto::grpc::health::v1::health_check_response::ServingStatus;
use steeple_proto::grpc::health::v1::health_client::HealthClient;
use steeple_proto::spire::api::types::Spiffeid;

use super::call::Call;
use super::date;
use super::failure::Failure;
use super::quote::quote;

/// Asks the health service of `whom`.
pub(crate) async fn check_health(call: &mut Call<'_>, whom: &str, verbose: bool) -> Result<(), Failure> {
    if verbose {
        call.print(format_args!("Checking {whom} health...\n"))?;
    }
    let mut client = HealthClient::new(call.channel.clone());
    let response = match call.reply(client.check(HealthCheckRequest::default())).await {
        Ok(response) => response,
        Err(status) => {
            if verbose {
                call.complain(format_args!("Failed to check health: {}\n", describe(&status)));
            }
            return Err("unable to determine health".into());
        }
    };
    match ServingStatus::try_from(response.status) {
        Ok(ServingStatus::Serving) => Ok(()),
        Ok(status) => Err(format!("{whom} returned status {}", quote(status.as_str_name())).into()),
        Err(_) => Err(format!("{whom} returned status \"{}\"", response.status).into()),
    }
}

/// One certificate of a chain, as the debug services tell it.
pub(crate) struct ChainLink {
    /// Whose it is.
    pub(crate) id: Option<Spiffeid>,
    /// Its subject.
    pub(crate) subject: String,
    /// When it ends, seconds since 1970.
    pub(crate) expires_at: i64,
}

/// A chain for people; nothing when it is empty.
pub(crate) fn chain_text(chain: &[ChainLink]) -> String {
    let mut text = String::new();
    if !chain.is_empty() {
        text.push_str("  SVID Chain:\n");
    }
    for (position, link) in chain.iter().enumerate() {
        let id = match &link.id {
            Some(id) => format!("spiffe://{}{}", id.trust_domain, id.path),
            None => "(none)".to_owned(),
        };
        let _ = write!(
            text,
            "    [{position}] SPIFFE ID:  {id}\n        Subject:    {}\n        Expires At: {}\n",
            link.subject,
            date::rfc3339(link.expires_at)
        );
    }
    text
}

/// Seconds since the start, as `1h0m5s`.
pub(crate) fn uptime(seconds: i32) -> String {
    format_duration(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}
