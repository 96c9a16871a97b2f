//! Pauses between attempts that grow.

use std::time::Duration;

/// Grows a pause by a factor up to a maximum, each ±10 % apart from its neighbours' so that a fleet spreads.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    first: Duration,
    factor: f64,
    max: Duration,
}

impl Backoff {
    /// Pauses of `first`, `first × factor`, … up to `max`; the factor is at least 1.
    pub fn new(first: Duration, factor: f64, max: Duration) -> Self {
        Self { next: first, first, factor: factor.max(1.0), max }
    }

    /// The next pause. `random` is even in 0..1 and shifts the pause by up to 10 % either way.
    pub fn pause(&mut self, random: f64) -> Duration {
        let pause = self.next.min(self.max);
        self.next = pause.mul_f64(self.factor).min(self.max);
        pause.mul_f64(0.9 + 0.2 * random.clamp(0.0, 1.0))
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_maximum_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(5), 1.5, Duration::from_secs(10));
        let pauses: Vec<_> = (0..4).map(|_| backoff.pause(0.5).as_secs_f64()).collect();
        assert_eq!(pauses, [5.0, 7.5, 10.0, 10.0]);
        backoff.reset();
        assert_eq!(backoff.pause(0.0), Duration::from_millis(4500));
    }
}
