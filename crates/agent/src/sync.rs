//! What the server tells: entries and bundles.

mod bundles;
mod convert;
mod entries;

pub(crate) use bundles::{Bundles, fetch_bundles};
pub(crate) use convert::bundle_from_pb;
pub(crate) use entries::{Entries, fetch_entries};
