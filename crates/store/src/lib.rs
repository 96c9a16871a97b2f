//! The seam to the datastore: records, transactions, units of work, change log, contract tests.
//!
//! A transaction is plain synchronous code that runs on a thread made for waiting. Reads are closures over a [`ReadTx`];
//! writes are [`Unit`]s, named structs that a [`Store`] begins, runs, commits and counts. Each write leaves its
//! [`Change`]s in the same commit and yields the revision of the last one.

#[cfg(feature = "contract")]
pub mod contract;
mod error;
mod events;
mod filter;
mod record;
mod store;
mod tx;
pub mod units;

pub use error::{ErrorClass, StoreError};
pub use events::{EventFollower, EventQuestion, FoundEvents};
pub use filter::{EntryFilter, Match, NodeFilter, Page, Paged, TrustDomainMatch};
pub use record::{CaJournal, Change, ChangeKind, Document, Event, JoinToken, ServerState};
pub use store::{Backend, CallObserver, ReadWork, Store, Unit, WriteWork, Written};
pub use tx::{ReadTx, WriteTx};
