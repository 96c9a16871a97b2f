//! Checkpoints (C2SP `tlog-checkpoint`): how long a trail is, the root of its tree, and what is needed to go on, signed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use steeple_crypto::keys::Ed25519Key;

use crate::merkle::{Frontier, Hash};
use crate::note::{self, NoteError, Verifier};

/// The state of a trail at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The tree over all records.
    pub tree: Frontier,
    /// Fingerprint of the last record.
    pub head: Hash,
    /// When it was made.
    pub at: Timestamp,
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is not signed by the trail's key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text is not that of a checkpoint.
    #[error("the checkpoint's {0} is not in order")]
    Field(&'static str),
    /// It is of another trail.
    #[error("the checkpoint is of {0}, not of this trail")]
    OtherTrail(String),
}

/// Under which name a trail's checkpoints are signed.
pub fn origin(trust_domain: &str, chain: &str) -> String {
    format!("steeple-audit/{trust_domain}/{chain}")
}

impl Checkpoint {
    /// The checkpoint as a note, signed under `origin`.
    pub fn sign(&self, origin: &str, key: &Ed25519Key) -> String {
        let encode = |hash: &Hash| BASE64_STANDARD.encode(hash);
        let frontier: Vec<String> = self.tree.roots().iter().map(encode).collect();
        let text = format!(
            "{origin}\n{}\n{}\nhead {}\nfrontier {}\ntime {}\n",
            self.tree.size(),
            encode(&self.tree.root()),
            hex::encode(self.head),
            frontier.join(" "),
            self.at,
        );
        note::sign(origin, key, &text)
    }

    /// Reads a note that `verifier` has signed.
    ///
    /// # Errors
    /// [`CheckpointError`] when it has not, or the text is not in order.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Self, CheckpointError> {
        use CheckpointError::Field;
        let text = verifier.open(note)?;
        let mut lines = text.lines();
        let mut line = |what| lines.next().ok_or(Field(what));
        let origin = line("origin")?;
        if origin != verifier.name() {
            return Err(CheckpointError::OtherTrail(origin.to_owned()));
        }
        let size = line("size")?;
        let size = size.parse().ok().filter(|number: &u64| number.to_string() == size).ok_or(Field("size"))?;
        let root = hash(line("root")?).ok_or(Field("root"))?;
        let head = line("head")?.strip_prefix("head ").and_then(|head| hex::decode(head).ok());
        let head = head.and_then(|head| head.try_into().ok()).ok_or(Field("head"))?;
        let frontier = line("frontier")?.strip_prefix("frontier ").ok_or(Field("frontier"))?;
        let roots: Option<Vec<Hash>> = frontier.split(' ').filter(|root| !root.is_empty()).map(hash).collect();
        let tree = roots.and_then(|roots| Frontier::new(size, roots)).ok_or(Field("frontier"))?;
        if tree.root() != root {
            return Err(Field("root"));
        }
        let at = line("time")?.strip_prefix("time ").and_then(|time| time.parse().ok()).ok_or(Field("time"))?;
        Ok(Self { tree, head, at })
    }
}

/// A hash in base64.
fn hash(text: &str) -> Option<Hash> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf;

    fn checkpoint(count: u8) -> Checkpoint {
        let mut tree = Frontier::default();
        (0..count).for_each(|number| tree.push(leaf(&[number])));
        Checkpoint { tree, head: leaf(b"head"), at: "2026-01-01T00:00:00Z".parse().unwrap() }
    }

    #[test]
    fn checkpoint_is_read_as_it_was_signed() {
        let key = Ed25519Key::generate().unwrap();
        let name = origin("example.org", "00");
        let verifier = Verifier::new(&name, key.public_key());
        for count in [0, 1, 7, 64] {
            let made = checkpoint(count);
            assert_eq!(Checkpoint::open(&made.sign(&name, &key), &verifier), Ok(made), "{count}");
        }
    }

    #[test]
    fn what_does_not_add_up_is_refused_though_it_is_signed() {
        let key = Ed25519Key::generate().unwrap();
        let name = origin("example.org", "00");
        let verifier = Verifier::new(&name, key.public_key());
        let signed = checkpoint(3).sign(&name, &key);
        let text = verifier.open(&signed).unwrap().to_owned();
        let open = |text: &str| Checkpoint::open(&note::sign(&name, &key, text), &verifier);
        assert!(open(&text).is_ok());
        for (from, to) in
            [("\n3\n", "\n03\n"), ("\n3\n", "\n4\n"), ("head ", "head 0"), ("time ", "time x"), ("frontier ", "")]
        {
            assert!(matches!(open(&text.replacen(from, to, 1)), Err(CheckpointError::Field(_))), "{from:?}");
        }
        let other = text.replacen("example.org", "example.com", 1);
        assert!(matches!(open(&other), Err(CheckpointError::OtherTrail(_))));
    }
}
