//! Writes of CA journals.

use jiff::Timestamp;

use crate::{CaJournal, StoreError, Unit, WriteTx};

/// Stores a CA journal and yields its row.
pub struct StoreCaJournal {
    /// The journal.
    pub journal: CaJournal,
}

impl Unit for StoreCaJournal {
    type Output = i64;
    const NAME: &'static str = "ca_journal.set";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<i64, StoreError> {
        tx.put_ca_journal(&self.journal)
    }
}

/// Removes the CA journals that `is_stale` picks; those of servers that are gone.
pub struct PruneCaJournals {
    /// Judges the protobuf of a journal at a time.
    pub is_stale: fn(&[u8], Timestamp) -> bool,
    /// The time.
    pub now: Timestamp,
}

impl Unit for PruneCaJournals {
    type Output = usize;
    const NAME: &'static str = "ca_journal.prune";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<usize, StoreError> {
        let mut removed = 0;
        for journal in tx.ca_journals()? {
            if (self.is_stale)(&journal.data, self.now) {
                tx.remove_ca_journal(journal.id)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}
