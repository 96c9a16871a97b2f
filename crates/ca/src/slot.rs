//! Two slots for the authorities of one kind: one signs, the other is prepared, old or empty.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Name of a slot; key managers keep its key under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotName {
    /// The first.
    A,
    /// The second.
    B,
}

impl SlotName {
    /// The name as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }

    /// The other slot.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What becomes of an authority in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Published, signs nothing yet.
    Prepared,
    /// Signs.
    Active,
    /// Signs no more; what it signed still verifies.
    Old,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepared => "PREPARED",
            Self::Active => "ACTIVE",
            Self::Old => "OLD",
        })
    }
}

/// An authority of a kind with the issuer `I`.
pub struct Authority<I> {
    /// Signs by its key.
    pub issuer: Arc<I>,
    /// Its ID in APIs and logs.
    pub id: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Subject key identifier of the upstream authority that signed it, in hexadecimal digits and empty if none did; `None`
    /// for a kind that no upstream signs.
    pub upstream_authority_id: Option<String>,
}

/// An authority in its slot.
pub struct Slot<I> {
    /// Which slot.
    pub name: SlotName,
    /// What it is now.
    pub status: Status,
    /// The authority.
    pub authority: Authority<I>,
}

/// The slots of one kind.
pub struct Slots<I> {
    /// The one that signs.
    pub active: Option<Slot<I>>,
    /// The other: prepared, old, or empty.
    pub next: Option<Slot<I>>,
}

impl<I> Default for Slots<I> {
    fn default() -> Self {
        Self { active: None, next: None }
    }
}

impl<I> Slots<I> {
    /// Sorts what was found at start into its places. When nobody signs, a prepared authority comes before an old one: a server
    /// that died in the middle of an activation goes on with the authority that everybody has learned already.
    pub fn restore(found: impl IntoIterator<Item = Slot<I>>) -> Self {
        let mut slots = Self::default();
        for slot in found {
            let is_prepared = slot.status == Status::Prepared;
            if slot.status == Status::Active && slots.active.is_none() {
                slots.active = Some(slot);
            } else if is_prepared || slots.next.is_none() {
                slots.next = Some(slot);
            }
        }
        slots
    }

    /// Where the next authority is to be prepared.
    pub fn free_name(&self) -> SlotName {
        self.active.as_ref().map_or(SlotName::A, |active| active.name.other())
    }

    /// Gives up the prepared authority, since its key is about to be replaced.
    pub fn give_up_prepared(&mut self) {
        if let Some(next) = &mut self.next {
            next.status = Status::Old;
        }
    }

    /// Puts a prepared authority into the free slot.
    pub fn prepared(&mut self, authority: Authority<I>) {
        let name = self.free_name();
        self.next = Some(Slot { name, status: Status::Prepared, authority });
    }

    /// Makes the prepared authority the one that signs; the one that signed becomes old.
    pub fn activate(&mut self) -> Option<&Slot<I>> {
        let mut next = self.next.take_if(|next| next.status == Status::Prepared)?;
        next.status = Status::Active;
        if let Some(mut old) = self.active.take() {
            old.status = Status::Old;
            self.next = Some(old);
        }
        Some(self.active.insert(next))
    }

    /// The prepared authority.
    pub fn waiting(&self) -> Option<&Slot<I>> {
        self.next.as_ref().filter(|next| next.status == Status::Prepared)
    }

    /// What APIs tell of the slots.
    pub fn states(&self) -> AuthorityStates {
        AuthorityStates {
            active: self.active.as_ref().map(AuthorityState::of),
            next: self.next.as_ref().map(AuthorityState::of),
        }
    }
}

/// What APIs tell of an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityState {
    /// Its ID.
    pub id: String,
    /// What it is now.
    pub status: Status,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The upstream authority that signed it; empty if none did.
    pub upstream_authority_id: String,
}

impl AuthorityState {
    fn of<I>(slot: &Slot<I>) -> Self {
        let authority = &slot.authority;
        Self {
            id: authority.id.clone(),
            status: slot.status,
            expires_at: authority.not_after,
            upstream_authority_id: authority.upstream_authority_id.clone().unwrap_or_default(),
        }
    }
}

/// What APIs tell of the authorities of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorityStates {
    /// The one that signs.
    pub active: Option<AuthorityState>,
    /// The other.
    pub next: Option<AuthorityState>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: SlotName, status: Status) -> Slot<()> {
        let authority = Authority {
            issuer: Arc::new(()),
            id: name.as_str().to_owned(),
            issued_at: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::MAX,
            upstream_authority_id: None,
        };
        Slot { name, status, authority }
    }

    fn restored(of_a: Status, of_b: Status) -> (Option<String>, Option<(String, Status)>) {
        let states = Slots::restore([slot(SlotName::A, of_a), slot(SlotName::B, of_b)]).states();
        (states.active.map(|state| state.id), states.next.map(|state| (state.id, state.status)))
    }

    #[test]
    fn what_was_found_takes_the_place_that_its_status_says() {
        let (a, b) = ("A".to_owned(), "B".to_owned());
        let expected = |active: &str, next: &str, status| (Some(active.to_owned()), Some((next.to_owned(), status)));
        assert_eq!(restored(Status::Active, Status::Prepared), expected("A", "B", Status::Prepared));
        assert_eq!(restored(Status::Old, Status::Active), expected("B", "A", Status::Old));
        // SPIRE marks the old one first, and may end before it marks the other.
        assert_eq!(restored(Status::Prepared, Status::Old), (None, Some((a, Status::Prepared))));
        assert_eq!(restored(Status::Old, Status::Prepared), (None, Some((b, Status::Prepared))));
    }
}
