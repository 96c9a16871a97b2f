//! Two slots for the authorities of one kind: one signs, the other is prepared, old or empty.

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

/// What every kind of authority has.
pub trait Authority {
    /// Its ID in APIs and logs.
    fn id(&self) -> String;
    /// When it was made.
    fn issued_at(&self) -> Timestamp;
    /// When it ends.
    fn not_after(&self) -> Timestamp;
}

/// An authority in its slot.
#[derive(Clone)]
pub struct Slot<A> {
    /// Which slot.
    pub name: SlotName,
    /// What it is now.
    pub status: Status,
    /// The authority.
    pub authority: A,
}

/// The slots of one kind.
#[derive(Clone)]
pub struct Slots<A> {
    /// The one that signs.
    pub active: Option<Slot<A>>,
    /// The other: prepared, old, or empty.
    pub next: Option<Slot<A>>,
}

impl<A> Default for Slots<A> {
    fn default() -> Self {
        Self { active: None, next: None }
    }
}

impl<A> Slots<A> {
    /// Sorts what was found at start into its places.
    pub fn restore(found: impl IntoIterator<Item = Slot<A>>) -> Self {
        let mut slots = Self::default();
        for slot in found {
            if slot.status == Status::Active && slots.active.is_none() {
                slots.active = Some(slot);
            } else {
                slots.next = Some(slot);
            }
        }
        slots
    }

    /// Where the next authority is to be prepared.
    pub fn free_name(&self) -> SlotName {
        self.active.as_ref().map_or(SlotName::A, |active| active.name.other())
    }

    /// Puts a prepared authority into the free slot.
    pub fn prepared(&mut self, authority: A) -> SlotName {
        let name = self.free_name();
        self.next = Some(Slot { name, status: Status::Prepared, authority });
        name
    }

    /// Makes the prepared authority the one that signs; the one that signed becomes old.
    pub fn activate(&mut self) -> Option<&Slot<A>> {
        let mut next = self.next.take_if(|next| next.status == Status::Prepared)?;
        next.status = Status::Active;
        if let Some(mut old) = self.active.take() {
            old.status = Status::Old;
            self.next = Some(old);
        }
        Some(self.active.insert(next))
    }

    /// The prepared authority.
    pub fn waiting(&self) -> Option<&Slot<A>> {
        self.next.as_ref().filter(|next| next.status == Status::Prepared)
    }
}
