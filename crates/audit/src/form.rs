//! Events in canonical form, but for their place in a chain.

use crate::canonical::NotCanonical;
use crate::{AuditError, Event, ocsf};

/// How an error begins that refuses an event.
pub(crate) const NO_FORM: &str = "the event can't be put into form";

/// The events of one caller, written where he is, so that the one writer has only to link them.
#[derive(Debug, Default)]
pub(crate) struct Forms {
    text: Vec<u8>,
    /// Where the three parts of each event end.
    ends: Vec<[usize; 3]>,
}

impl Forms {
    /// The form of these events.
    ///
    /// # Errors
    /// [`AuditError`] when one has no canonical form, which none of the catalogue lacks.
    pub(crate) fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self, AuditError> {
        let mut forms = Self { text: Vec::with_capacity(1024), ends: Vec::new() };
        for event in events {
            forms.add(event).map_err(|error| AuditError(format!("{NO_FORM}: {error}")))?;
        }
        Ok(forms)
    }

    fn add(&mut self, event: &Event) -> Result<(), NotCanonical> {
        ocsf::write_head(event, &mut self.text)?;
        let head = self.text.len();
        ocsf::write_middle(event, &mut self.text)?;
        let middle = self.text.len();
        ocsf::write_tail(event, &mut self.text)?;
        self.ends.push([head, middle, self.text.len()]);
        Ok(())
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they have.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Of each event what comes before its attestation, what comes between that and its number, and the rest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = [&[u8]; 3]> {
        let mut rest = self.text.as_slice();
        let mut at = 0;
        self.ends.iter().map(move |ends| {
            ends.map(|end| {
                let (part, after) = rest.split_at(end - at);
                (rest, at) = (after, end);
                part
            })
        })
    }
}
