//! The import of SPIRE's events into the change log.

use crate::{Event, StoreError, Unit, WriteTx};

/// Adds the changes that events tell of to the change log, so that there is one log in one order for all followers. What
/// another server has imported meanwhile is left out. Yields how many were added.
pub struct ImportEvents {
    /// Events of SPIRE servers.
    pub events: Vec<Event>,
}

impl Unit for ImportEvents {
    type Output = usize;
    const NAME: &'static str = "registration_entry_event.import";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<usize, StoreError> {
        let mut imported = 0;
        for event in &self.events {
            imported += usize::from(tx.record_event(event)?);
        }
        Ok(imported)
    }
}
