//! `agent-data.json`: what an agent remembers over a restart, in SPIRE's form.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use steeple_crypto::json::Object;
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
    /// How far it is in coming to trust its server.
    pub bootstrapping: Bootstrapping,
}

/// How far an agent is in coming to trust its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bootstrapping {
    /// Whether it has trusted a server before: what it does from then on is called bootstrapping anew.
    pub again: bool,
    /// Since when it tries, or since when the server is of an authority that it does not know; none when it trusts.
    pub since: Option<Timestamp>,
    /// How often it has asked for a bundle since.
    pub attempts: u32,
}

impl Bootstrapping {
    /// The state of an agent that trusts its server.
    pub const OVER: Self = Self { again: true, since: None, attempts: 0 };

    /// What the agent does when it asks for a bundle, in SPIRE's word.
    pub fn mode(&self) -> &'static str {
        if self.again { "rebootstrap" } else { "bootstrap" }
    }

    /// Since when, in seconds of RFC 3339; Go's zero time for never.
    pub fn shown_since(&self) -> String {
        self.since.map_or_else(zero_time, |since| since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
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
    #[serde(default)]
    bootstrap_use: u8,
    #[serde(default = "zero_time")]
    bootstrap_start_time: String,
    #[serde(default)]
    connection_attempts: u32,
}

/// `bootstrap_use` of an agent older than the key: whether it trusted a server shows by its bundle.
const UNSPECIFIED: u8 = 0;
/// `bootstrap_use` of an agent that has trusted no server yet.
const BOOTSTRAP: u8 = 1;
/// `bootstrap_use` of an agent that has.
const REBOOTSTRAP: u8 = 2;

/// Go's zero time, which stands for none.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

fn zero_time() -> String {
    ZERO_TIME.to_owned()
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
    let Bootstrapping { again, since, attempts } = remembered.bootstrapping;
    let began = !remembered.bundle.is_empty() || since.is_some() || attempts > 0;
    let file = DataFile {
        svid: blocks(&remembered.svid),
        bundle: blocks(&remembered.bundle),
        reattestable: remembered.reattestable,
        bootstrap_use: match (again, began) {
            (true, _) => REBOOTSTRAP,
            (false, true) => BOOTSTRAP,
            (false, false) => UNSPECIFIED,
        },
        bootstrap_start_time: since.map_or_else(zero_time, |since| since.to_string()),
        connection_attempts: attempts,
    };
    Ok(serde_json::to_vec(&file)?)
}

/// Reads the content of the file.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when it is not what an agent wrote.
pub fn parse(bytes: &[u8]) -> io::Result<Remembered> {
    let Object(file): Object<DataFile> = serde_json::from_slice(bytes).map_err(|error| invalid(&error.to_string()))?;
    let bundle = certificates(file.bundle.unwrap_or_default())?;
    let bootstrapping = Bootstrapping {
        again: match file.bootstrap_use {
            UNSPECIFIED => !bundle.is_empty(),
            bootstrap_use => bootstrap_use == REBOOTSTRAP,
        },
        since: time(&file.bootstrap_start_time)?,
        attempts: file.connection_attempts,
    };
    Ok(Remembered {
        svid: certificates(file.svid.unwrap_or_default())?,
        bundle,
        reattestable: file.reattestable,
        bootstrapping,
    })
}

/// A time as Go writes it; none for Go's zero time, and for what is before it.
fn time(text: &str) -> io::Result<Option<Timestamp>> {
    let read = |text: &str| text.parse::<Timestamp>().map_err(|_| invalid("bootstrap_start_time is not a time"));
    let (time, zero) = (read(text)?, read(ZERO_TIME)?);
    Ok((time > zero).then_some(time))
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
    fn state_of_bootstrapping_is_read_and_written_as_spire_does() {
        let of = |bootstrap_use: u8, since: &str, attempts: u32| {
            let text = format!(
                r#"{{"svid":null,"bundle":null,"reattestable":false,"bootstrap_use":{bootstrap_use},"bootstrap_start_time":"{since}","connection_attempts":{attempts}}}"#
            );
            parse(text.as_bytes()).unwrap().bootstrapping
        };
        let since = Some("2026-01-01T00:00:00.25Z".parse().unwrap());
        let state = |again, since, attempts| Bootstrapping { again, since, attempts };
        assert_eq!(of(0, ZERO_TIME, 0), Bootstrapping::default());
        assert_eq!(of(1, "2026-01-01T01:00:00.25+01:00", 3), state(false, since, 3));
        assert_eq!(of(2, "2026-01-01T00:00:00.25Z", 0), state(true, since, 0));
        for (bootstrapping, written) in [
            (Bootstrapping::default(), (0, ZERO_TIME)),
            (state(false, since, 3), (1, "2026-01-01T00:00:00.25Z")),
            (state(true, since, 0), (2, "2026-01-01T00:00:00.25Z")),
            (state(true, None, 0), (2, ZERO_TIME)),
        ] {
            let bytes = encode(&Remembered { bootstrapping, ..Remembered::default() }).unwrap();
            let file: DataFile = serde_json::from_slice(&bytes).unwrap();
            let said = (file.bootstrap_use, file.bootstrap_start_time.as_str(), file.connection_attempts);
            assert_eq!(said, (written.0, written.1, bootstrapping.attempts));
            assert_eq!(parse(&bytes).unwrap().bootstrapping, bootstrapping);
        }
        assert!(parse(br#"{"bootstrap_start_time":"yesterday"}"#).is_err());
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
