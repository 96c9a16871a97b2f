//! Token buckets.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// How often full buckets are dropped.
const SWEEP: Duration = Duration::from_mins(1);

/// Token buckets by key: each holds as much as a second brings, and is full at first.
#[derive(Debug)]
pub struct Buckets<K> {
    by_key: HashMap<K, Bucket>,
    swept: Duration,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), swept: Duration::ZERO }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Takes `count` tokens of `key` at `now`, a time that only grows, where `per_second` come in. They may be taken in advance:
    /// what is returned is how long to wait for them. `None`, and nothing is taken, when that is longer than `patience`.
    pub fn take(&mut self, key: K, count: u32, per_second: u32, now: Duration, patience: Duration) -> Option<Duration> {
        if now.saturating_sub(self.swept) > SWEEP {
            self.swept = now;
            self.by_key.retain(|_, bucket| now.saturating_sub(bucket.filled) < SWEEP);
        }
        let full = f64::from(per_second);
        let bucket = self.by_key.entry(key).or_insert(Bucket { tokens: full, filled: now });
        let refilled = now.saturating_sub(bucket.filled).as_secs_f64() * full;
        let left = (bucket.tokens + refilled).min(full) - f64::from(count);
        let wait = Duration::from_secs_f64((-left / full).max(0.0));
        if wait > patience {
            return None;
        }
        *bucket = Bucket { tokens: left, filled: now };
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_by_the_second_and_may_be_taken_in_advance() {
        let (mut buckets, second) = (Buckets::default(), Duration::from_secs(1));
        assert_eq!(buckets.take("a", 2, 2, Duration::ZERO, second), Some(Duration::ZERO));
        assert_eq!(buckets.take("a", 1, 2, Duration::ZERO, second), Some(second / 2));
        assert_eq!(buckets.take("a", 2, 2, Duration::ZERO, second), None, "a second and a half");
        assert_eq!(buckets.take("b", 1, 2, Duration::ZERO, Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(buckets.take("a", 1, 2, second, Duration::ZERO), Some(Duration::ZERO));
    }

    #[test]
    fn full_buckets_are_dropped() {
        let mut buckets = Buckets::default();
        for key in 0..100 {
            buckets.take(key, 1, 1, Duration::ZERO, Duration::ZERO);
        }
        buckets.take(100, 1, 1, Duration::from_mins(2), Duration::ZERO);
        assert_eq!(buckets.by_key.len(), 1);
    }
}
