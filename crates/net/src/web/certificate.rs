//! The certificate of a listener in two files, which are read anew when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::sign::CertifiedKey;
use steeple_clock::Clock;
use steeple_config::{format_duration, os_text};
use steeple_crypto::tls::{Greeting, KeyPairError, WebCertificates, certified_key_of_pem};
use steeple_runtime::Shutdown;
use tokio::sync::watch;
use tracing::{error, info};
use zeroize::Zeroizing;

/// Why a certificate can't be presented.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("open {}: {}", .path.display(), os_text(.reason))]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The files are not a certificate and its key.
    #[error(transparent)]
    Pair(#[from] KeyPairError),
}

/// A certificate and its key in two PEM files.
#[derive(Debug)]
pub struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
    interval: Duration,
    clock: Clock,
    /// When the files that were read last were modified.
    modified: Modified,
    presented: watch::Sender<Arc<CertifiedKey>>,
}

type Modified = (Option<SystemTime>, Option<SystemTime>);

impl CertificateFiles {
    /// Reads the files, which are to be looked at every `interval`. A certificate that can't be read then leaves the one
    /// before in place.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn load(certificate: &Path, key: &Path, interval: Duration, clock: Clock) -> Result<Self, CertificateError> {
        // What changes after this look is read again by the first check.
        let modified = modified(certificate, key).unwrap_or_default();
        let presented = watch::Sender::new(read(certificate, key)?);
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Self { certificate, key, interval, clock, modified, presented })
    }

    /// Reads the files to see whether they can be presented.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn check(certificate: &Path, key: &Path) -> Result<(), CertificateError> {
        read(certificate, key).map(drop)
    }

    /// What a listener presents.
    pub fn certificates(&self) -> Arc<dyn WebCertificates> {
        Arc::new(Presented(self.presented.subscribe()))
    }

    /// Looks at the files until the shutdown.
    pub async fn follow(mut self, shutdown: Shutdown) {
        info!(interval = format_duration(self.interval), "Started watching certificate files");
        while shutdown.until(self.clock.sleep(self.interval)).await.is_some() {
            self.look();
        }
        info!("Stopping file watcher");
    }

    fn look(&mut self) {
        let modified = match modified(&self.certificate, &self.key) {
            Ok(modified) if modified == self.modified => return,
            Ok(modified) => modified,
            Err((path, error)) if error.kind() == io::ErrorKind::NotFound => {
                error!(
                    "Failed to get file info, file path {path:?} does not exist anymore; please check if the path is correct"
                );
                return;
            }
            Err((path, error)) => {
                error!("Failed to get file info: stat {}: {}", path.display(), os_text(&error));
                return;
            }
        };
        info!("File change detected, reloading certificate and key...");
        match read(&self.certificate, &self.key) {
            Ok(certified) => {
                self.modified = modified;
                self.presented.send_replace(certified);
                info!("Loaded provided certificate with success");
            }
            Err(error) => error!("Failed to load certificate: {error}"),
        }
    }
}

struct Presented(watch::Receiver<Arc<CertifiedKey>>);

impl WebCertificates for Presented {
    fn certificate(&self, _greeting: &Greeting) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.borrow()))
    }
}

/// When both files were modified; the error names the file.
fn modified(certificate: &Path, key: &Path) -> Result<Modified, (PathBuf, io::Error)> {
    let of = |path: &Path| {
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        modified.map(Some).map_err(|error| (path.to_owned(), error))
    };
    Ok((of(certificate)?, of(key)?))
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let text = |path: &Path| {
        let unreadable = |reason| CertificateError::Unreadable { path: path.to_owned(), reason };
        let bytes = Zeroizing::new(std::fs::read(path).map_err(unreadable)?);
        Ok::<_, CertificateError>(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
    };
    Ok(certified_key_of_pem(&text(certificate)?, &text(key)?)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;
    use steeple_clock::ManualClock;
    use steeple_crypto::pem;

    use super::*;
    use crate::web::testing::pair;

    /// Writes a file so that it shows as modified at `second`.
    fn write(path: &Path, text: &str, second: u64) {
        fs::write(path, text).unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }

    const MINUTE: Duration = Duration::from_mins(1);

    struct Rig {
        folder: tempfile::TempDir,
        files: CertificateFiles,
        presented: Arc<dyn WebCertificates>,
        hand: ManualClock,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (certificate, key) = (folder.path().join("crt.pem"), folder.path().join("key.pem"));
            let (chain, secret) = pair();
            write(&certificate, &chain, 1);
            write(&key, &secret, 1);
            let (clock, hand) = Clock::manual(Timestamp::UNIX_EPOCH);
            let files = CertificateFiles::load(&certificate, &key, MINUTE, clock).unwrap();
            let presented = files.certificates();
            Self { folder, files, presented, hand }
        }

        fn shown(&self) -> Vec<u8> {
            self.presented.certificate(&Greeting::default()).unwrap().cert[0].to_vec()
        }

        fn put(&self, name: &str, text: &str, second: u64) {
            write(&self.folder.path().join(name), text, second);
        }
    }

    #[test]
    fn changed_files_are_read_anew() {
        let mut rig = Rig::new();
        let first = rig.shown();
        rig.files.look();
        assert_eq!(rig.shown(), first);
        let (chain, key) = pair();
        rig.put("crt.pem", &chain, 2);
        rig.files.look();
        assert_eq!(rig.shown(), first, "the key is not there yet");
        rig.put("key.pem", &key, 2);
        rig.files.look();
        assert_eq!(rig.shown(), pem::certificates(&chain).unwrap()[0]);
    }

    #[test]
    fn files_that_are_gone_or_broken_leave_the_certificate() {
        let mut rig = Rig::new();
        let first = rig.shown();
        rig.put("key.pem", "nonsense", 2);
        rig.files.look();
        fs::remove_file(rig.folder.path().join("crt.pem")).unwrap();
        rig.files.look();
        assert_eq!(rig.shown(), first);
    }

    #[test]
    fn files_that_are_not_there_at_the_start_are_named() {
        let (certificate, key) = (Path::new("/nowhere/crt.pem"), Path::new("/nowhere/key.pem"));
        let error = CertificateFiles::load(certificate, key, MINUTE, Clock::system()).unwrap_err();
        assert_eq!(error.to_string(), "open /nowhere/crt.pem: no such file or directory");
    }

    #[tokio::test]
    async fn files_are_looked_at_every_interval() {
        let rig = Rig::new();
        let first = rig.shown();
        let (chain, key) = pair();
        rig.put("crt.pem", &chain, 2);
        rig.put("key.pem", &key, 2);
        let shutdown = Shutdown::new();
        let presented = Arc::clone(&rig.presented);
        let shown = move || presented.certificate(&Greeting::default()).unwrap().cert[0].to_vec();
        let following = rig.files.follow(shutdown.clone());
        let hand = async {
            rig.hand.wait_for_sleepers(1).await;
            rig.hand.advance(Duration::from_secs(59));
            assert_eq!(shown(), first);
            rig.hand.advance(Duration::from_secs(1));
            rig.hand.wait_for_sleepers(1).await;
            assert_ne!(shown(), first);
            shutdown.trigger();
        };
        tokio::join!(following, hand);
    }
}
