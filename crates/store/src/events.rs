//! Follows SPIRE's event tables without losing an event.
//!
//! An event's ID is handed out before its transaction commits. So an ID that is missing may turn up behind others, or never: its
//! transaction was rolled back, or the database hands out every other ID only. The follower therefore remembers which IDs were
//! missing below the last one it has seen, and looks for them until no transaction can be that old.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::{ChangeKind, Event, ReadTx, StoreError};

/// Most events of a kind that one look yields.
const LIMIT: usize = 1_000;
/// Most gaps that one look asks for.
const GAPS: usize = 200;
/// Most gaps that are remembered of a kind.
const MOST_GAPS: usize = 50_000;
/// At the start, gaps are looked for among so many IDs below the last one.
const WINDOW: u64 = 100_000;
/// A gap is looked at again after this part of its age.
const PART_OF_AGE: u32 = 8;

/// Where in SPIRE's event tables a server is. Times are those of a monotonic clock.
#[derive(Clone, Debug)]
pub struct EventFollower {
    /// How long an ID may be missing.
    timeout: Duration,
    kinds: Vec<Position>,
}

#[derive(Clone, Debug)]
struct Position {
    kind: ChangeKind,
    /// The greatest ID that was seen.
    last: u64,
    /// IDs below it that were missing, by the first of each range.
    gaps: BTreeMap<u64, Gap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gap {
    /// The last ID of the range.
    end: u64,
    /// When it was first missing.
    since: Duration,
    /// When it is looked for again.
    due: Duration,
}

/// What a follower wants to know next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuestion(Vec<Wanted>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    kind: ChangeKind,
    after: u64,
    gaps: Vec<RangeInclusive<u64>>,
}

/// What a follower found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEvents {
    question: EventQuestion,
    events: Vec<Event>,
    /// Whether there were no more.
    pub is_all: bool,
}

impl EventFollower {
    /// Begins with what `tx` sees: its events have happened, and IDs that are missing may still turn up, until they were
    /// missing for `timeout`.
    ///
    /// # Errors
    /// [`StoreError`] when the events can't be read.
    pub fn begin(tx: &mut dyn ReadTx, timeout: Duration, now: Duration) -> Result<Self, StoreError> {
        let mut kinds = Vec::new();
        for kind in ChangeKind::WITH_EVENTS {
            let last = tx.last_event(kind)?;
            let mut position = Position { kind, last: last.saturating_sub(WINDOW), gaps: BTreeMap::new() };
            while position.last < last {
                let found = tx.events(kind, &[position.last + 1..=last], LIMIT)?;
                if found.is_empty() {
                    break;
                }
                for event in found {
                    position.see(event.id, now);
                }
            }
            kinds.push(position);
        }
        Ok(Self { timeout, kinds })
    }

    /// The greatest ID of each kind that was seen, in the order of [`ChangeKind::WITH_EVENTS`].
    pub fn last(&self) -> Vec<u64> {
        self.kinds.iter().map(|position| position.last).collect()
    }

    /// What to look for now: what comes after the last event, and the gaps that are due.
    pub fn question(&self, now: Duration) -> EventQuestion {
        let wanted = self.kinds.iter().map(|position| {
            let due = position.gaps.iter().filter(|(_, gap)| gap.due <= now).take(GAPS);
            let gaps = due.map(|(start, gap)| *start..=gap.end).collect();
            Wanted { kind: position.kind, after: position.last, gaps }
        });
        EventQuestion(wanted.collect())
    }

    /// Goes on to what was found; its events have been dealt with. Tells whether gaps had to be given up before their time,
    /// since there were too many: what turns up there is missed.
    pub fn take(&mut self, found: &FoundEvents, now: Duration) -> bool {
        let mut has_given_up = false;
        for (position, wanted) in self.kinds.iter_mut().zip(&found.question.0) {
            let kind = position.kind;
            for event in found.events.iter().filter(|event| event.kind == kind) {
                position.see(event.id, now);
            }
            // Where not all was found, some gaps were not looked at.
            for asked in wanted.gaps.iter().filter(|_| found.is_all) {
                position.looked_at(asked, self.timeout, now);
            }
            while position.gaps.len() > MOST_GAPS {
                position.gaps.pop_first();
                has_given_up = true;
            }
        }
        has_given_up
    }
}

impl Position {
    /// Notes an event: the IDs before it are missing, unless they were seen; its own is missing no more.
    fn see(&mut self, id: u64, now: Duration) {
        if id > self.last {
            if id > self.last + 1 {
                self.gaps.insert(self.last + 1, Gap { end: id - 1, since: now, due: now });
            }
            self.last = id;
            return;
        }
        let Some((&start, &gap)) = self.gaps.range(..=id).next_back().filter(|(_, gap)| gap.end >= id) else { return };
        self.gaps.remove(&start);
        if start < id {
            self.gaps.insert(start, Gap { end: id - 1, ..gap });
        }
        if id < gap.end {
            self.gaps.insert(id + 1, gap);
        }
    }

    /// Gaps within `asked` are due again after a while, or given up if they have had their time.
    fn looked_at(&mut self, asked: &RangeInclusive<u64>, timeout: Duration, now: Duration) {
        let starts: Vec<u64> = self.gaps.range(asked.clone()).map(|(start, _)| *start).collect();
        for start in starts {
            let Some(gap) = self.gaps.get_mut(&start) else { continue };
            let age = now.saturating_sub(gap.since);
            if age >= timeout {
                self.gaps.remove(&start);
            } else {
                gap.due = (now + age / PART_OF_AGE).min(gap.since + timeout);
            }
        }
    }
}

impl EventQuestion {
    /// Asks the datastore.
    ///
    /// # Errors
    /// [`StoreError`] when the events can't be read.
    pub fn ask(self, tx: &mut dyn ReadTx) -> Result<FoundEvents, StoreError> {
        let (mut events, mut is_all) = (Vec::new(), true);
        for wanted in &self.0 {
            let ids: Vec<_> = wanted.gaps.iter().cloned().chain([wanted.after + 1..=u64::MAX]).collect();
            let found = tx.events(wanted.kind, &ids, LIMIT)?;
            is_all &= found.len() < LIMIT;
            events.extend(found);
        }
        Ok(FoundEvents { question: self, events, is_all })
    }
}

impl FoundEvents {
    /// The events that the change log does not have: SPIRE servers made them.
    pub fn not_logged(&self) -> Vec<Event> {
        self.events.iter().filter(|event| !event.is_logged).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_mins(15);

    /// A follower of entries' events at the time 0 that has seen `last`.
    fn follower(last: u64) -> EventFollower {
        let position = Position { kind: ChangeKind::Entry, last, gaps: BTreeMap::new() };
        EventFollower { timeout: TIMEOUT, kinds: vec![position] }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Lets the follower find those of the events `there` that it asks for; yields them, and whether gaps were given up.
    fn look(follower: &mut EventFollower, there: &[u64], now: Duration) -> (Vec<u64>, bool) {
        let question = follower.question(now);
        let wanted = &question.0[0];
        let is_asked = |id: &u64| *id > wanted.after || wanted.gaps.iter().any(|gap| gap.contains(id));
        let ids: Vec<u64> = there.iter().copied().filter(is_asked).collect();
        let event = |id: &u64| Event { kind: ChangeKind::Entry, id: *id, key: String::new(), is_logged: false };
        let found = FoundEvents { events: ids.iter().map(event).collect(), is_all: true, question };
        let has_given_up = follower.take(&found, now);
        (ids, has_given_up)
    }

    fn gaps(follower: &EventFollower) -> Vec<RangeInclusive<u64>> {
        follower.kinds[0].gaps.iter().map(|(start, gap)| *start..=gap.end).collect()
    }

    #[test]
    fn missing_ids_are_found_whenever_they_turn_up() {
        let mut follower = follower(3);
        assert_eq!(look(&mut follower, &[4, 8], secs(0)).0, [4, 8]);
        assert_eq!(gaps(&follower), [5..=7]);
        assert_eq!(look(&mut follower, &[4, 6, 8], secs(1)).0, [6]);
        assert_eq!(gaps(&follower), [5..=5, 7..=7]);
        assert_eq!(look(&mut follower, &[4, 5, 6, 8, 9], secs(300)).0, [5, 9]);
        assert_eq!(gaps(&follower), [7..=7]);
        assert_eq!(look(&mut follower, &[4, 5, 6, 7, 8, 9], secs(900)).0, [7]);
        assert_eq!(gaps(&follower), []);
    }

    #[test]
    fn gaps_are_looked_at_once_more_at_the_end_and_then_given_up() {
        let mut follower = follower(3);
        look(&mut follower, &[5], secs(0));
        for now in 1..900 {
            assert_eq!(look(&mut follower, &[5], secs(now)).0, [0; 0]);
        }
        assert_eq!(gaps(&follower), [4..=4]);
        assert_eq!(look(&mut follower, &[5], secs(900)), (vec![], false));
        assert_eq!(gaps(&follower), []);
        assert_eq!(look(&mut follower, &[4, 5], secs(901)).0, [0; 0]);
    }

    #[test]
    fn gaps_are_looked_at_less_often_as_they_grow_older() {
        let mut follower = follower(0);
        look(&mut follower, &[2], secs(0));
        let mut looks = 0;
        for quarter in 1..3600_u64 {
            looks += follower.question(secs(quarter) / 4).0[0].gaps.len();
            look(&mut follower, &[2], secs(quarter) / 4);
        }
        assert!((50..100).contains(&looks), "{looks}");
    }

    #[test]
    fn gaps_are_bounded() {
        let mut follower = follower(0);
        let every_other: Vec<u64> = (1..=MOST_GAPS as u64).map(|number| number * 2).collect();
        assert!(!look(&mut follower, &every_other, secs(0)).1);
        assert_eq!(gaps(&follower).len(), MOST_GAPS);
        assert!(look(&mut follower, &[MOST_GAPS as u64 * 2 + 2], secs(0)).1);
        assert_eq!(gaps(&follower).len(), MOST_GAPS);
        assert_eq!(follower.question(secs(0)).0[0].gaps.len(), GAPS);
    }

    #[test]
    fn gaps_that_were_not_looked_at_stay_due() {
        let mut follower = follower(0);
        look(&mut follower, &[2], secs(0));
        let question = follower.question(secs(900));
        let found = FoundEvents { events: Vec::new(), is_all: false, question };
        follower.take(&found, secs(900));
        assert_eq!(look(&mut follower, &[1, 2], secs(900)).0, [1]);
    }
}
