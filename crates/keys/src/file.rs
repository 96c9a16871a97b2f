//! The file of the `disk` key manager.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use steeple_crypto::json::Object;
use zeroize::Zeroizing;

/// Largest file read, in bytes.
const MAX_LENGTH: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Keys {
    keys: BTreeMap<String, Zeroizing<String>>,
}

/// The keys in the file, PKCS#8 by ID; none when there is no file.
pub(crate) fn read(path: &Path) -> io::Result<BTreeMap<String, Zeroizing<Vec<u8>>>> {
    let bytes = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.len() > MAX_LENGTH => return Err(invalid("larger than 4 MiB")),
        Ok(_) => Zeroizing::new(std::fs::read(path)?),
    };
    let Object(file): Object<Keys> =
        serde_json::from_slice(&bytes).map_err(|error| invalid(&format!("unable to decode keys JSON: {error}")))?;
    let decode = |(id, text): (String, Zeroizing<String>)| {
        let der = BASE64_STANDARD.decode(text.as_bytes()).map_err(|_| invalid(&format!("key {id:?} is not base64")))?;
        Ok((id, Zeroizing::new(der)))
    };
    file.keys.into_iter().map(decode).collect()
}

/// Puts `keys` in the place of the file, as a whole or not at all, for its owner only.
pub(crate) fn write(path: &Path, keys: &BTreeMap<&str, Zeroizing<Vec<u8>>>) -> io::Result<()> {
    let encode =
        |(id, der): (&&str, &Zeroizing<Vec<u8>>)| ((*id).to_owned(), Zeroizing::new(BASE64_STANDARD.encode(der)));
    let file = Keys { keys: keys.iter().map(encode).collect() };
    let mut text = Zeroizing::new(Vec::new());
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    file.serialize(&mut serde_json::Serializer::with_formatter(&mut *text, formatter))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = path.with_extension("json.tmp");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    out.write_all(&text)?;
    out.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
