//! `api watch`.

use std::time::Duration;

use async_trait::async_trait;
use steeple_client::{describe, workload_request};
use steeple_crypto::random;
use steeple_proto::workload::X509svidRequest;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_runtime::Backoff;
use tonic::{Code, Status};

use super::identity::Identities;
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Prints X.509-SVIDs each time that they change, until it is interrupted.
pub(crate) struct Watch;

#[async_trait(?Send)]
impl Command for Watch {
    fn flags<'a>(&'a mut self, _flags: &mut FlagSet<'a>) {}

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let mut backoff = Backoff::new(FIRST_PAUSE, 1.5, LONGEST_PAUSE);
        let mut last = call.env.clock.monotonic();
        loop {
            let status = follow(call, &mut last, &mut backoff).await?;
            if matches!(status.code(), Code::Cancelled | Code::InvalidArgument) {
                return Err(status.into());
            }
            call.complain(format_args!("{}\n", describe(&status)));
            call.env.clock.sleep(backoff.pause(random::fraction())).await;
        }
    }
}

/// Prints what one stream brings, up to the status that ends it.
async fn follow(call: &mut Call<'_>, last: &mut Duration, backoff: &mut Backoff) -> Result<Status, Failure> {
    let mut client = SpiffeWorkloadApiClient::new(call.channel.clone());
    let mut stream = match client.fetch_x509svid(workload_request(X509svidRequest {})).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return Ok(status),
    };
    loop {
        match stream.message().await {
            Ok(Some(response)) => {
                backoff.reset();
                let now = call.env.clock.monotonic();
                let after = now.saturating_sub(std::mem::replace(last, now));
                match Identities::read(response, call.env.clock.now()) {
                    Ok(identities) => {
                        // SPIRE's watch leaves hints out.
                        let identities = identities.without_hints();
                        call.print(format_args!("{}", identities.text(after)))?;
                    }
                    Err(Failure(text)) => call.complain(format_args!("{text}\n")),
                }
                call.env.stdout.flush()?;
            }
            Ok(None) => return Ok(Status::unavailable("stream ended")),
            Err(status) => return Ok(status),
        }
    }
}
