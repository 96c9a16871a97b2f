//! What went wrong last between the agent and its server.

use parking_lot::Mutex;
use steeple_explain::Trouble;

/// What went wrong last, until it goes well again.
#[derive(Default)]
pub(crate) struct Troubles {
    sync: Mutex<Option<Trouble>>,
    svids: Mutex<Option<Trouble>>,
}

impl Troubles {
    /// How synchronising went.
    pub(crate) fn synchronised(&self, trouble: Option<Trouble>) {
        *self.sync.lock() = trouble;
    }

    /// How fetching SVIDs went.
    pub(crate) fn fetched(&self, trouble: Option<Trouble>) {
        *self.svids.lock() = trouble;
    }

    /// Why the server was not heard.
    pub(crate) fn sync(&self) -> Option<Trouble> {
        self.sync.lock().clone()
    }

    /// Why SVIDs could not be fetched.
    pub(crate) fn svids(&self) -> Option<Trouble> {
        self.svids.lock().clone()
    }
}
