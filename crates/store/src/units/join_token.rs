//! Writes of join tokens.

use steeple_types::Entry;

use crate::{ChangeKind, JoinToken, StoreError, Unit, WriteTx};

/// Adds a join token, and the entry that gives its agent a SPIFFE ID of its own.
pub struct CreateJoinToken {
    /// The token.
    pub token: JoinToken,
    /// The entry for the agent that will use it.
    pub entry: Option<Entry>,
}

impl Unit for CreateJoinToken {
    type Output = ();
    const NAME: &'static str = "join_token.create";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        if tx.join_token(&self.token.token)?.is_some() {
            return Err(StoreError::not_unique("join_tokens.token"));
        }
        tx.insert_join_token(&self.token)?;
        if let Some(entry) = &self.entry
            && tx.similar_entry(entry)?.is_none()
        {
            let mut entry = entry.clone();
            entry.created_at = tx.now();
            tx.insert_entry(&entry)?;
            tx.record_change(ChangeKind::Entry, entry.id.as_str())?;
        }
        Ok(())
    }
}
