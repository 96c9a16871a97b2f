//! Proofs that one record is in a trail, which are verified without the trail.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Finding, checkpoints, key_of};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::folder::{Folder, at};
use crate::merkle::{Frontier, Hash, leaf, path, root_of_path};
use crate::note::Verifier;
use crate::record::{Record, RecordError};
use crate::tail::{Lines, split};

/// Largest number of hashes on a path: trees have at most 2⁶⁴ leaves.
const MAX_PATH: usize = 64;

/// One record, and the way from it to a signed root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The record's line.
    pub record: String,
    /// Its number, which is that of its leaf.
    pub index: u64,
    /// The hashes beside the way.
    pub path: Vec<Hash>,
    /// The signed note with the root.
    pub checkpoint: String,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is not JSON with the members of a proof.
    #[error("the proof's {0} is not in order")]
    Member(&'static str),
    /// The record is not in order.
    #[error("the proof's record: {0}")]
    Record(#[from] RecordError),
    /// The checkpoint is not believed.
    #[error("the proof's checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The way does not lead to the root.
    #[error("the record is not in the tree of the checkpoint")]
    NotIncluded,
}

impl Proof {
    /// The proof as JSON.
    pub fn to_json(&self) -> Value {
        let hashes: Vec<String> = self.path.iter().map(|hash| BASE64_STANDARD.encode(hash)).collect();
        json!({ "record": self.record, "index": self.index, "path": hashes, "checkpoint": self.checkpoint })
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// [`ProofError::Member`].
    pub fn from_json(value: &Value) -> Result<Self, ProofError> {
        let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(ProofError::Member(name));
        let index = value.get("index").and_then(Value::as_u64).ok_or(ProofError::Member("index"))?;
        let hashes = value.get("path").and_then(Value::as_array).filter(|path| path.len() <= MAX_PATH);
        let hashes = hashes.ok_or(ProofError::Member("path"))?.iter();
        let path = hashes.map(|hash| BASE64_STANDARD.decode(hash.as_str()?).ok()?.try_into().ok());
        let path = path.collect::<Option<_>>().ok_or(ProofError::Member("path"))?;
        Ok(Self { record: text("record")?, index, path, checkpoint: text("checkpoint")? })
    }

    /// Whether `verifier` has signed a tree with the record at its place; yields the record.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, verifier: &Verifier) -> Result<Record, ProofError> {
        let record = Record::parse(self.record.as_bytes())?;
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        let root = root_of_path(self.index, checkpoint.tree.size(), leaf(self.record.as_bytes()), &self.path);
        let is_ours = verifier.name().ends_with(&format!("/{}", record.chain)) && record.sequence == self.index;
        if root != Some(checkpoint.tree.root()) || !is_ours {
            return Err(ProofError::NotIncluded);
        }
        Ok(record)
    }
}

/// Proves that record `index` is in the trail, by its last checkpoint.
///
/// # Errors
/// [`Finding`] when the trail can't be read, or no checkpoint covers the record.
pub fn prove(folder: &Path, index: u64) -> Result<Proof, Finding> {
    let folder = Folder::new(folder);
    let all = checkpoints(&folder, &key_of(&folder, None)?)?;
    let text = folder.checkpoints()?;
    let (checkpoint, note) = all.last().zip(split(&text).0.pop()).ok_or(Finding::NoRecord(index))?;
    let size = checkpoint.tree.size();
    let segments = folder.segments()?;
    let first = segments.first().map_or(0, |segment| segment.first);
    let before = all.iter().find(|checkpoint| checkpoint.tree.size() == first).map(|checkpoint| &checkpoint.tree);
    let nothing = Frontier::default();
    let before = if first == 0 { &nothing } else { before.ok_or(Finding::Untold { until: first })? };
    let (mut leaves, mut record) = (Vec::new(), None);
    let mut next = first;
    for segment in segments {
        let mut lines = Lines(segment.open()?);
        while let Some(line) = lines.next().map_err(at(&segment.path))? {
            let Some(line) = line.strip_suffix(b"\n").filter(|_| next < size) else { break };
            leaves.push(leaf(line));
            if next == index {
                record = Some(String::from_utf8_lossy(line).into_owned());
            }
            next += 1;
        }
    }
    if next < size {
        return Err(Finding::Truncated { found: next, size, at: checkpoint.at });
    }
    let record = record.ok_or(Finding::NoRecord(index))?;
    Ok(Proof { record, index, path: path(index, before, &leaves), checkpoint: note.to_owned() })
}
