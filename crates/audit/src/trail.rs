//! The trail: events in files, durable before what they describe happens.

mod queue;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use steeple_clock::Clock;
use steeple_crypto::random;
use tokio::sync::{oneshot, watch};

use crate::checkpoint::origin;
use crate::folder::{Folder, FolderError};
use crate::follow::Follower;
use crate::form::Forms;
use crate::note::{NoteError, Verifier};
use crate::record::{Chain, is_uid};
use crate::tail::{self, TailError};
use crate::{AuditError, Event, Recorder, key};

use queue::{Asked, Asking, Ended, Waiting, queue};
pub use writer::Writer;

/// Where a trail is, whose it is, and when it goes on to another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailSettings {
    /// The folder, which is the trail's alone.
    pub directory: PathBuf,
    /// The private key that signs checkpoints, which is made when it is not there.
    pub key_path: PathBuf,
    /// The trust domain's name.
    pub trust_domain: String,
    /// SPIFFE ID of the server.
    pub authority: String,
    /// A segment of so many bytes is the last's predecessor.
    pub max_segment_size: u64,
    /// So is one of that age.
    pub max_segment_age: Duration,
    /// A checkpoint is made after so many records.
    pub checkpoint_records: u64,
    /// And this long after a record that has none.
    pub checkpoint_interval: Duration,
}

/// Why a trail can't be written.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// A file can't be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The public key is not in order.
    #[error("{}: {error}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        error: NoteError,
    },
    /// The trail was begun by somebody else.
    #[error(
        "{} holds a trail of another {what}; give this server a folder of its own, or bring back what the trail was begun with",
        path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// What is there is not what was written.
    #[error("{}: {error}; have it verified (steeple audit verify), keep it as it is, and begin another folder", path.display())]
    Broken {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        error: Box<TailError>,
    },
    /// The system has no randomness.
    #[error(transparent)]
    Randomness(#[from] random::NoRandomness),
    /// The trail's thread can't be started.
    #[error("the trail's thread: {0}")]
    Thread(std::io::Error),
}

/// The recorder that hands events to the trail's writer.
#[derive(Clone, Debug)]
pub struct Trail {
    asking: Asking,
    follower: Follower,
}

impl Trail {
    /// Goes on with the trail in a folder, or begins one; the writer is to be run by a thread of its own.
    ///
    /// # Errors
    /// [`TrailError`]; what is there is left as it is then.
    pub fn open(settings: TrailSettings, clock: Clock) -> Result<(Self, Writer), TrailError> {
        let folder = Folder::new(&settings.directory);
        folder.make()?;
        let lock = folder.lock()?;
        let key = key::load_or_make(&settings.key_path)?;
        let uid = chain_uid(&folder, &settings, key.public_key())?;
        let verifier = Verifier::new(&origin(&settings.trust_domain, &uid), key.public_key());
        let broken = |error| TrailError::Broken { path: settings.directory.clone(), error: Box::new(error) };
        let tail = tail::read(&folder, &verifier, &uid).map_err(broken)?;
        let chain = Chain { uid, authority: settings.authority.clone(), next: tail.tree.size(), head: tail.head };
        let (asking, queue) = queue();
        let (durable, receiver) = watch::channel(chain.next);
        let follower = Follower::new(folder.clone(), receiver);
        let writer = Writer::new(settings, clock, (folder, lock), key, chain, tail, (queue, durable))?;
        Ok((Self { asking, follower }, writer))
    }
}

impl Trail {
    /// What follows the trail.
    pub fn follower(&self) -> Follower {
        self.follower.clone()
    }

    /// Has the writer make a checkpoint; yields whether one covers all that was recorded before.
    pub async fn checkpoint(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.asking.ask(Asked::Checkpoint(answer)).await.is_ok() && answered.await.unwrap_or(false)
    }

    /// Returns when the writer has ended.
    pub(crate) async fn ended(&self) {
        self.follower.ended().await;
    }

    /// Has the writer end; what is to be recorded after that is refused.
    pub async fn end(&self) {
        // A writer that is gone has ended.
        let _ = self.asking.ask(Asked::End).await;
    }

    async fn write(&self, forms: Forms) -> Result<(), AuditError> {
        let ended = || AuditError("the writer of the trail has ended".to_owned());
        let (answer, answered) = oneshot::channel();
        self.asking.ask(Asked::Record(Waiting { forms, answer })).await.map_err(|Ended| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

/// The chain that was begun in the folder; if none was, its name is drawn.
fn chain_uid(folder: &Folder, settings: &TrailSettings, public_key: [u8; 32]) -> Result<String, TrailError> {
    let foreign = |what| TrailError::Foreign { path: settings.directory.clone(), what };
    let Some(text) = folder.key()? else {
        if !folder.segments()?.is_empty() {
            return Err(foreign("server: its key.pub is gone"));
        }
        let uid = hex::encode(random::bytes::<16>()?);
        let verifier = Verifier::new(&origin(&settings.trust_domain, &uid), public_key);
        folder.write_key(&verifier.to_string())?;
        return Ok(uid);
    };
    let path = folder.path().join("key.pub");
    let known = Verifier::parse(&text).map_err(|error| TrailError::Key { path, error })?;
    let uid = Some(known.name().rsplit('/').next().unwrap_or_default()).filter(|uid| is_uid(uid));
    let uid = uid.ok_or_else(|| foreign("form"))?.to_owned();
    let ours = Verifier::new(&origin(&settings.trust_domain, &uid), public_key);
    match known.name() == ours.name() {
        false => Err(foreign("trust domain")),
        true if known != ours => Err(foreign("key")),
        true => Ok(uid),
    }
}

#[async_trait]
impl Recorder for Trail {
    async fn record(&self, event: &Event) -> Result<(), AuditError> {
        self.write(Forms::of([event])?).await
    }

    async fn record_all(&self, events: &[Event]) -> Result<(), AuditError> {
        self.write(Forms::of(events)?).await
    }
}

#[cfg(test)]
#[path = "trail/tests.rs"]
mod tests;
