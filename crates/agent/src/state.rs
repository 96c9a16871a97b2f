//! `agent-data.json`: what an agent remembers over a restart, in SPIRE's form.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use steeple_crypto::{pem, x509::Certificate};

/// Largest file read, in bytes.
const MAX_LENGTH: u64 = 4 << 20;
/// What the file of an agent with some authorities comes to, in bytes.
const USUAL_LENGTH: usize = 16 << 10;

/// What an agent remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Its SVID, certificates in DER, leaf first; empty when it has none.
    pub svid: Vec<Vec<u8>>,
    /// X.509 authorities of its trust domain, DER.
    pub bundle: Vec<Vec<u8>>,
    /// Whether it can attest again.
    pub reattestable: bool,
}

/// The file; a certificate is the base64 of one PEM block.
#[derive(Default, Serialize, Deserialize)]
struct DataFile {
    #[serde(default)]
    svid: Option<Vec<String>>,
    #[serde(default)]
    bundle: Option<Vec<String>>,
    #[serde(default)]
    reattestable: bool,
    /// SPIRE's state of bootstrapping, which is not read here: 2 when it is over, and 0 to find out by the bundle.
    #[serde(skip_deserializing)]
    bootstrap_use: u8,
    #[serde(skip_deserializing)]
    bootstrap_start_time: String,
    #[serde(skip_deserializing)]
    connection_attempts: u32,
}

/// What `bootstrap_use` is once a server was trusted.
const BOOTSTRAPPED: u8 = 2;

fn zero_time() -> String {
    "0001-01-01T00:00:00Z".to_owned()
}

/// Where an agent remembers.
#[derive(Clone, Debug)]
pub struct Memory {
    path: PathBuf,
}

impl Memory {
    /// The memory of an agent whose data is in `data_dir`.
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("agent-data.json") }
    }

    /// What is remembered; nothing when there is no file.
    ///
    /// # Errors
    /// When the file can't be read or is not what an agent wrote; the error names it.
    pub fn read(&self) -> io::Result<Remembered> {
        let named = |error: io::Error| {
            let way_out = "restore it from a backup, or move it away and the agent attests anew";
            io::Error::new(error.kind(), format!("{}: {error}; {way_out}", self.path.display()))
        };
        match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Remembered::default()),
            Err(error) => return Err(named(error)),
            Ok(metadata) if metadata.len() > MAX_LENGTH => return Err(named(invalid("larger than 4 MiB"))),
            Ok(_) => {}
        }
        let bytes = std::fs::read(&self.path).map_err(named)?;
        parse(&bytes).map_err(named)
    }

    /// Remembers, as a whole or not at all.
    ///
    /// # Errors
    /// When the file can't be written; what was remembered before still is. The error names the file.
    pub fn write(&self, remembered: &Remembered) -> io::Result<()> {
        let put = || {
            let beside = self.write_beside(&encode(remembered)?)?;
            std::fs::rename(&beside, &self.path)?;
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
        };
        put().map_err(|error| self.unwritten(&error))
    }

    /// Makes sure that [`Memory::write`] will find its place: asked before what is then remembered can be had only once.
    ///
    /// # Errors
    /// When the file could not be written now. The error names the file.
    pub fn check_writable(&self) -> io::Result<()> {
        let probe = || std::fs::remove_file(self.write_beside(&[b' '; USUAL_LENGTH])?);
        probe().map_err(|error| self.unwritten(&error))
    }

    fn write_beside(&self, content: &[u8]) -> io::Result<PathBuf> {
        let beside = self.path.with_extension("json.tmp");
        let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        out.write_all(content)?;
        out.sync_all()?;
        Ok(beside)
    }

    fn unwritten(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("unable to write {}: {error}", self.path.display()))
    }
}

/// The content of the file.
///
/// # Errors
/// [`io::Error`] of the JSON writer.
pub fn encode(remembered: &Remembered) -> io::Result<Vec<u8>> {
    let blocks = |ders: &[Vec<u8>]| {
        let block = |der: &Vec<u8>| BASE64_STANDARD.encode(pem::encode("CERTIFICATE", der));
        Some(ders.iter().map(block).collect())
    };
    let file = DataFile {
        svid: blocks(&remembered.svid),
        bundle: blocks(&remembered.bundle),
        reattestable: remembered.reattestable,
        bootstrap_use: if remembered.bundle.is_empty() { 0 } else { BOOTSTRAPPED },
        bootstrap_start_time: zero_time(),
        connection_attempts: 0,
    };
    Ok(serde_json::to_vec(&file)?)
}

/// Reads the content of the file.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when it is not what an agent wrote.
pub fn parse(bytes: &[u8]) -> io::Result<Remembered> {
    let file: DataFile = serde_json::from_slice(bytes).map_err(|error| invalid(&error.to_string()))?;
    Ok(Remembered {
        svid: certificates(file.svid.unwrap_or_default())?,
        bundle: certificates(file.bundle.unwrap_or_default())?,
        reattestable: file.reattestable,
    })
}

fn certificates(blocks: Vec<String>) -> io::Result<Vec<Vec<u8>>> {
    let mut all = Vec::with_capacity(blocks.len());
    for block in blocks {
        let pem = BASE64_STANDARD.decode(block).map_err(|_| invalid("certificate is not base64"))?;
        let pem = String::from_utf8(pem).map_err(|_| invalid("certificate is not PEM"))?;
        for der in pem::certificates(&pem).map_err(|error| invalid(&error.to_string()))? {
            Certificate::from_der(&der).map_err(|error| invalid(&error.to_string()))?;
            all.push(der);
        }
    }
    Ok(all)
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_cannot_be_written_is_named_before_anything_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path());
        memory.check_writable().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let gone = Memory::new(&dir.path().join("gone"));
        for error in [gone.check_writable().unwrap_err(), gone.write(&Remembered::default()).unwrap_err()] {
            assert!(error.to_string().contains("gone/agent-data.json: "), "{error}");
        }
    }

    #[test]
    fn file_of_spire_is_read_and_written_as_it_was() {
        let of_spire = include_bytes!("../../../tests/golden/takeover/agent/agent-data.json");
        let remembered = parse(of_spire).unwrap();
        assert_eq!((remembered.svid.len(), remembered.bundle.len(), remembered.reattestable), (1, 2, false));
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(value(&encode(&remembered).unwrap()), value(of_spire));
    }

    #[test]
    fn no_file_is_nothing_and_a_damaged_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let memory = Memory::new(dir.path());
        assert_eq!(memory.read().unwrap(), Remembered::default());
        memory.write(&Remembered { reattestable: true, ..Remembered::default() }).unwrap();
        assert!(memory.read().unwrap().reattestable);
        for damaged in ["", "[]x", r#"{"svid":["*"]}"#, r#"{"svid":["AAAA"],"bundle":7}"#] {
            std::fs::write(dir.path().join("agent-data.json"), damaged).unwrap();
            assert!(memory.read().unwrap_err().to_string().contains("agent-data.json"), "{damaged}");
        }
    }
}
