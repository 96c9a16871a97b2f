//! Which sockets of pods are open, on disk: one file for each, so that an agent finds them again.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use steeple_crypto::json::Object;
use steeple_plugin::MountedPod;
use steeple_types::PodUid;
use tracing::error;

/// Folder of the records. No pod has such a UID.
const FOLDER: &str = ".records";
/// Largest record read, in bytes.
const MAX_LENGTH: u64 = 64 << 10;

/// What is known of an open socket.
pub(super) struct Record {
    pub(super) pod: MountedPod,
    pub(super) volumes: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
struct RecordFile {
    namespace: String,
    name: String,
    uid: String,
    service_account: String,
    volumes: BTreeSet<String>,
}

/// The records of a folder of sockets.
pub(super) struct Records {
    folder: PathBuf,
}

impl Records {
    pub(super) fn new(sockets: &Path) -> io::Result<Self> {
        let folder = sockets.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self { folder })
    }

    /// All records. One that can't be read is told of in the log and left.
    pub(super) fn read(&self) -> io::Result<Vec<Record>> {
        let mut records = Vec::new();
        for item in fs::read_dir(&self.folder)? {
            let path = item?.path();
            // What was not yet put in its place when the agent ended was never acknowledged.
            let Some(uid) = path.file_name().and_then(|name| name.to_str()).and_then(|name| PodUid::parse(name).ok())
            else {
                let _gone = fs::remove_file(path);
                continue;
            };
            match read(&path) {
                Ok(record) if record.pod.uid == uid.as_str() => records.push(record),
                Ok(record) => error!(path = %path.display(), pod_uid = record.pod.uid, "Record is of another pod"),
                Err(error) => error!(%error, path = %path.display(), "Record of a pod's socket can't be read"),
            }
        }
        Ok(records)
    }

    pub(super) fn has(&self, uid: &PodUid) -> bool {
        self.folder.join(uid.as_str()).exists()
    }

    /// Records, as a whole or not at all.
    pub(super) fn write(&self, uid: &PodUid, record: &Record) -> io::Result<()> {
        let Record { pod, volumes } = record;
        let file = RecordFile {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            uid: pod.uid.clone(),
            service_account: pod.service_account.clone(),
            volumes: volumes.clone(),
        };
        let beside = self.folder.join(format!("{uid}.new"));
        let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        out.write_all(&serde_json::to_vec(&file)?)?;
        // A kernel that crashes takes the mounts with it, so nothing is gained by waiting for a disk.
        drop(out);
        fs::rename(beside, self.folder.join(uid.as_str()))
    }

    pub(super) fn remove(&self, uid: &PodUid) {
        let _gone = fs::remove_file(self.folder.join(uid.as_str()));
    }
}

fn read(path: &Path) -> io::Result<Record> {
    let mut text = Vec::new();
    fs::File::open(path)?.take(MAX_LENGTH).read_to_end(&mut text)?;
    let Object(file): Object<RecordFile> = serde_json::from_slice(&text)?;
    let RecordFile { namespace, name, uid, service_account, volumes } = file;
    Ok(Record { pod: MountedPod { namespace, name, uid, service_account }, volumes })
}
