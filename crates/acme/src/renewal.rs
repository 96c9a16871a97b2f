//! When a certificate is renewed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use steeple_crypto::x509::Certificate;

/// How long before its end a certificate is renewed at the latest, unless that is more than the last third of its life.
const BEFORE_END: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How far renewals may be apart, so that certificates of one hour don't come back in one.
const SPREAD: Duration = Duration::from_hours(1);
/// How long the next try to renew waits at least.
const RETRY: Duration = Duration::from_mins(30);

/// When `certificate` is due; `random` is even in 0..1.
pub(crate) fn due(certificate: &Certificate, random: f64) -> Timestamp {
    let (begin, end) = (certificate.not_before(), certificate.not_after());
    let before = BEFORE_END.min(end.duration_since(begin) / 3);
    let spread = SignedDuration::try_from(SPREAD.mul_f64(random)).unwrap_or_default().min(before / 10);
    end.saturating_sub(before + spread).unwrap_or(begin)
}

/// How long to wait after a renewal that failed: 30 to 60 minutes.
pub(crate) fn retry(random: f64) -> Duration {
    RETRY + RETRY.mul_f64(random)
}

#[cfg(test)]
mod tests {
    use steeple_crypto::keys::{KeyType, PrivateKey};

    use super::*;
    use crate::follow::testing::certificate;

    fn due_after(hours: i64, random: f64) -> i64 {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let end = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let der = certificate("a.test", &key, Timestamp::UNIX_EPOCH, end);
        due(&Certificate::from_der(&der).unwrap(), random).as_second() / 60
    }

    #[test]
    fn certificate_is_due_thirty_days_before_its_end_or_in_its_last_third() {
        let day = 24 * 60;
        assert_eq!(due_after(90 * 24, 0.0), 60 * day);
        assert_eq!(due_after(90 * 24, 0.5), 60 * day - 30);
        assert_eq!(due_after(6 * 24, 0.0), 4 * day);
        // Of what lasts an hour, the spread is short too.
        assert_eq!(due_after(1, 1.0), 38);
    }
}
