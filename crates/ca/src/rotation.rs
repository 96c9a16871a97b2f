//! When authorities are prepared and activated: a pure decision (SPIRE's thresholds).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::slot::Slots;

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
pub fn decide<I>(slots: &Slots<I>, now: Timestamp) -> Vec<Action> {
    let waiting = slots.waiting().is_some();
    let active = slots.active.as_ref().map(|slot| &slot.authority).filter(|authority| now < authority.not_after);
    let Some(active) = active else {
        return if waiting { vec![Action::Activate] } else { vec![Action::Prepare, Action::Activate] };
    };
    let lifetime = active.not_after.duration_since(active.issued_at);
    let left = active.not_after.duration_since(now);
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
    use std::sync::Arc;

    use super::*;
    use crate::slot::{Authority, Slot, SlotName, Status};

    fn authority(issued_at: i64, not_after: i64) -> Authority<()> {
        let at = |second| Timestamp::from_second(second).unwrap();
        Authority {
            issuer: Arc::new(()),
            id: String::new(),
            issued_at: at(issued_at),
            not_after: at(not_after),
            upstream_authority_id: None,
        }
    }

    fn decided(now: i64, other: Option<Status>) -> Vec<Action> {
        let active = Slot { name: SlotName::A, status: Status::Active, authority: authority(0, 600) };
        let next = other.map(|status| Slot { name: SlotName::B, status, authority: authority(300, 900) });
        decide(&Slots { active: Some(active), next }, Timestamp::from_second(now).unwrap())
    }

    fn at(now: i64, waiting: bool) -> Vec<Action> {
        decided(now, waiting.then_some(Status::Prepared))
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
        assert_eq!(decide(&Slots::<()>::default(), Timestamp::UNIX_EPOCH), [Action::Prepare, Action::Activate]);
        assert_eq!(at(600, true), [Action::Activate]);
        assert_eq!(at(600, false), [Action::Prepare, Action::Activate]);
    }
    #[test]
    fn old_authority_counts_as_none() {
        assert_eq!(decided(300, Some(Status::Old)), []);
        assert_eq!(decided(301, Some(Status::Old)), [Action::Prepare]);
        assert_eq!(decided(501, Some(Status::Old)), [Action::Prepare, Action::Activate]);
    }
}
