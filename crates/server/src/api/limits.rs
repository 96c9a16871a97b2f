//! Limits on calls per address: token buckets in which callers wait for their turn.

use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use steeple_clock::Clock;
use steeple_policy::Buckets;
use tonic::{Code, Status};

use crate::api::table::{Rate, Row};

/// Longest wait for a turn.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Which limits are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateSettings {
    /// `ratelimit.attestation`.
    pub attestation: bool,
    /// `ratelimit.signing`.
    pub signing: bool,
}

/// The buckets of all addresses.
pub(crate) struct Limits {
    settings: RateSettings,
    clock: Clock,
    buckets: Mutex<Buckets<(Rate, IpAddr)>>,
}

/// How the refusal of a call begins that comes too often; the texts are SPIRE's.
pub(crate) fn refusal(row: &Row) -> &'static str {
    match row.name() {
        "AttestAgent" => "rejecting request due to attest agent rate limiting",
        "RenewAgent" => "rejecting request due to renew agent rate limiting",
        "PostStatus" => "rejecting request due to post status rate limiting",
        "NewJWTSVID" => "rejecting request due to JWT signing request rate limiting",
        "NewDownstreamX509CA" => "rejecting request due to downstream CA signing rate limit",
        "PublishJWTAuthority" | "PublishWITAuthority" => "rejecting request due to key publishing rate limiting",
        _ => "rejecting request due to certificate signing rate limiting",
    }
}

impl Limits {
    pub(crate) fn new(settings: RateSettings, clock: Clock) -> Self {
        Self { settings, clock, buckets: Mutex::default() }
    }

    /// Whether calls of this rate are limited.
    pub(crate) fn apply_to(&self, rate: Rate) -> bool {
        self.per_second(rate).is_some()
    }

    /// Waits for the turn of `count` items from `address`.
    pub(crate) async fn wait(&self, rate: Rate, address: IpAddr, count: usize) -> Result<(), Status> {
        let Some(per_second) = self.per_second(rate) else { return Ok(()) };
        let oversized = || {
            let message = format!("rate ({count}) exceeds burst size ({per_second})");
            Status::new(Code::ResourceExhausted, message)
        };
        let count = u32::try_from(count).ok().filter(|count| *count <= per_second).ok_or_else(oversized)?;
        let wait = self.buckets.lock().take((rate, address), count, per_second, self.clock.monotonic(), MAX_WAIT);
        match wait {
            Some(wait) if wait.is_zero() => Ok(()),
            Some(wait) => {
                self.clock.sleep(wait).await;
                Ok(())
            }
            None => Err(Status::new(Code::ResourceExhausted, "rate: Wait would take longer than 30 seconds")),
        }
    }

    fn per_second(&self, rate: Rate) -> Option<u32> {
        match rate {
            Rate::Unlimited => None,
            Rate::Attest => self.settings.attestation.then_some(1),
            Rate::SignX509 | Rate::SignJwt | Rate::SignWit => self.settings.signing.then_some(500),
            Rate::PushKey => Some(500),
            Rate::PostStatus => Some(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[tokio::test]
    async fn second_attestation_of_an_address_waits_a_second() {
        let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
        let limits = Limits::new(RateSettings { attestation: true, signing: true }, clock);
        let (here, there) = ("127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap());
        limits.wait(Rate::Attest, here, 1).await.unwrap();
        limits.wait(Rate::Attest, there, 1).await.unwrap();
        let second = limits.wait(Rate::Attest, here, 1);
        let advance = async {
            hand.wait_for_sleepers(1).await;
            hand.advance(Duration::from_secs(1));
        };
        tokio::join!(second, advance).0.unwrap();
    }

    #[tokio::test]
    async fn oversized_batch_is_refused_and_switched_off_limits_let_through() {
        let (clock, _) = Clock::manual(Timestamp::UNIX_EPOCH);
        let here = "127.0.0.1".parse().unwrap();
        let limits = Limits::new(RateSettings { attestation: false, signing: true }, clock);
        let status = limits.wait(Rate::SignX509, here, 501).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "rate (501) exceeds burst size (500)"));
        for _ in 0..3 {
            limits.wait(Rate::Attest, here, 1).await.unwrap();
        }
    }

    #[tokio::test]
    async fn publishing_of_keys_is_limited_whatever_is_switched_off() {
        let (clock, _) = Clock::manual(Timestamp::UNIX_EPOCH);
        let here = "127.0.0.1".parse().unwrap();
        let limits = Limits::new(RateSettings { attestation: false, signing: false }, clock);
        limits.wait(Rate::SignX509, here, 501).await.unwrap();
        let status = limits.wait(Rate::PushKey, here, 501).await.unwrap_err();
        assert_eq!(status.message(), "rate (501) exceeds burst size (500)");
    }
}
