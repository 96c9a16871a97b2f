//! When authorities are prepared and activated: a pure decision (SPIRE's thresholds).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::slot::{Authority, Slots};

/// Longest time before its end that an authority's successor is prepared.
const PREPARE_AT_MOST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Longest time before its end that an authority's successor is activated.
const ACTIVATE_AT_MOST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The share of a CA's life that is left when its successor signs: no SVID should live longer.
const ACTIVATE_SHARE: i32 = 6;
/// The longest lifetime of SVIDs that any authority can always give.
pub const MAX_SVID_TTL: Duration = Duration::from_hours(7 * 24);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make an authority in the free slot and publish it.
    Prepare,
    /// Let the prepared authority sign.
    Activate,
}

/// Decides what to do at `now`.
pub fn decide<A: Authority>(slots: &Slots<A>, now: Timestamp) -> Vec<Action> {
    let waiting = slots.waiting().is_some();
    let active = slots.active.as_ref().map(|slot| &slot.authority).filter(|authority| now < authority.not_after());
    let Some(active) = active else {
        return if waiting { vec![Action::Activate] } else { vec![Action::Prepare, Action::Activate] };
    };
    let lifetime = active.not_after().duration_since(active.issued_at());
    let left = active.not_after().duration_since(now);
    let mut actions = Vec::new();
    if !waiting && left < (lifetime / 2).min(PREPARE_AT_MOST) {
        actions.push(Action::Prepare);
    }
    if left < (lifetime / ACTIVATE_SHARE).min(ACTIVATE_AT_MOST) {
        actions.push(Action::Activate);
    }
    actions
}

/// The longest lifetime of SVIDs that authorities of `ca_ttl` can always give.
pub fn longest_svid_ttl(ca_ttl: Duration) -> Duration {
    (ca_ttl / ACTIVATE_SHARE.unsigned_abs()).min(MAX_SVID_TTL)
}

/// The shortest lifetime of authorities that can always give SVIDs of `svid_ttl`.
pub fn shortest_ca_ttl(svid_ttl: Duration) -> Duration {
    svid_ttl * ACTIVATE_SHARE.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::{Slot, SlotName, Status};

    struct Fake(i64, i64);

    impl Authority for Fake {
        fn id(&self) -> String {
            String::new()
        }
        fn issued_at(&self) -> Timestamp {
            Timestamp::from_second(self.0).unwrap()
        }
        fn not_after(&self) -> Timestamp {
            Timestamp::from_second(self.1).unwrap()
        }
    }

    fn at(now: i64, waiting: bool) -> Vec<Action> {
        let active = Slot { name: SlotName::A, status: Status::Active, authority: Fake(0, 600) };
        let next = Slot { name: SlotName::B, status: Status::Prepared, authority: Fake(300, 900) };
        let slots = Slots { active: Some(active), next: waiting.then_some(next) };
        decide(&slots, Timestamp::from_second(now).unwrap())
    }

    #[test]
    fn successor_is_prepared_at_half_life_and_signs_in_the_last_sixth() {
        assert_eq!(at(300, false), []);
        assert_eq!(at(301, false), [Action::Prepare]);
        assert_eq!(at(301, true), []);
        assert_eq!(at(500, true), []);
        assert_eq!(at(501, true), [Action::Activate]);
        assert_eq!(at(501, false), [Action::Prepare, Action::Activate]);
    }

    #[test]
    fn without_a_living_authority_one_is_made_at_once() {
        assert_eq!(decide(&Slots::<Fake>::default(), Timestamp::UNIX_EPOCH), [Action::Prepare, Action::Activate]);
        assert_eq!(at(600, true), [Action::Activate]);
        assert_eq!(at(600, false), [Action::Prepare, Action::Activate]);
    }
}
