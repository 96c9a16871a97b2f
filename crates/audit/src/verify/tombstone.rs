//! Which tombstone tells of the records that are gone.

use serde_json::Value;

use super::Finding;
use crate::checkpoint::Checkpoint;
use crate::folder::{SegmentFile, at};
use crate::tail::Lines;
use crate::tombstone::{EVENT, Tombstone};

/// The first record with a tombstone over at least the first `pruned` records, of which no later one says that it came to nothing;
/// it agrees with the checkpoint over these records. The record itself is yet to be verified.
///
/// # Errors
/// [`Finding::Untold`] if there is none, and [`Finding::Tombstone`] if it does not agree.
pub(super) fn of(segments: &[SegmentFile], checkpoints: &[Checkpoint], pruned: u64) -> Result<u64, Finding> {
    let mut found: Vec<(u64, Option<Value>, Tombstone)> = Vec::new();
    for segment in segments {
        let mut lines = Lines(segment.open()?);
        let mut sequence = segment.first;
        while let Some(line) = lines.next().map_err(at(&segment.path))? {
            if let Some(event) = read(&line) {
                let correlation = event.pointer("/metadata/correlation_uid").cloned();
                match event.as_object().and_then(Tombstone::of) {
                    Some(tombstone) if tombstone.until >= pruned => found.push((sequence, correlation, tombstone)),
                    Some(_) => {}
                    None => found.retain(|(_, other, _)| *other != correlation),
                }
            }
            sequence += 1;
        }
    }
    let (sequence, _, tombstone) = found.first().ok_or(Finding::Untold { until: pruned })?;
    agrees(tombstone, checkpoints, *sequence).map(|()| *sequence)
}

/// The event of pruning in a line, of which nothing is verified yet.
fn read(line: &[u8]) -> Option<Value> {
    // Few lines are worth being read as JSON.
    line.windows(EVENT.len()).any(|window| window == EVENT.as_bytes()).then_some(())?;
    let event: Value = serde_json::from_slice(line).ok()?;
    (event.pointer("/metadata/event_code")? == EVENT).then_some(event)
}

fn agrees(tombstone: &Tombstone, checkpoints: &[Checkpoint], sequence: u64) -> Result<(), Finding> {
    let wrong = |what| Err(Finding::Tombstone { sequence, what });
    if tombstone.until > sequence || tombstone.first >= tombstone.until {
        return wrong("first_record");
    }
    let Some(checkpoint) = checkpoints.iter().find(|checkpoint| checkpoint.tree.size() == tombstone.until) else {
        return wrong("last_record");
    };
    if tombstone.root != checkpoint.tree.root() {
        return wrong("root");
    }
    if tombstone.head == checkpoint.head { Ok(()) } else { wrong("head") }
}
