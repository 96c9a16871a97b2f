//! Families of metrics that SPIRE showed.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Known, Row, source};

/// The families of a side.
///
/// # Errors
/// When the record can't be read.
pub(super) fn rows(root: &Path, side: &str) -> Result<Vec<Row>> {
    let record = source::record(root, &format!("tests/golden/metrics-{side}.txt"))?;
    let names = record.iter().map(|line| line.split_once(' ').map(|(name, _)| name).with_context(|| line.clone()));
    names.map(|name| Ok(Row { name: name?.to_owned(), known: Known::Nothing })).collect()
}
