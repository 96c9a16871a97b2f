//! What servers tell one another.

use jiff::Timestamp;

use crate::{ServerState, StoreError, Unit, WriteTx};

/// Tells the other servers what this one's index is like, and drops what servers told that are gone.
pub struct TellServerState {
    /// What to tell.
    pub state: ServerState,
    /// From when on servers that said nothing count as gone.
    pub gone_since: Timestamp,
}

impl Unit for TellServerState {
    type Output = ();
    const NAME: &'static str = "server_state.set";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        tx.remove_server_states(self.gone_since)?;
        tx.put_server_state(&self.state)
    }
}
