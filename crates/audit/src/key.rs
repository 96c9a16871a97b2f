//! The key that signs checkpoints.

use std::io;
use std::path::Path;

use steeple_crypto::keys::Ed25519Key;
use steeple_crypto::pem;
use zeroize::Zeroizing;

use crate::folder::{FolderError, at, replace};

/// The label of PKCS #8 (RFC 7468, section 10).
const LABEL: &str = "PRIVATE KEY";

/// The key in the file, which is made when it is not there.
///
/// # Errors
/// [`FolderError`] when the file can't be read or written, or is no key.
pub(crate) fn load_or_make(path: &Path) -> Result<Ed25519Key, FolderError> {
    let wrong = |reason: &str| at(path)(io::Error::new(io::ErrorKind::InvalidData, reason.to_owned()));
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let blocks = pem::parse(&text).map_err(|error| wrong(&error.to_string()))?;
            let [block] = blocks.as_slice() else { return Err(wrong("one PEM block with a private key is wanted")) };
            Ed25519Key::from_pkcs8(&block.der).map_err(|error| wrong(&error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = Ed25519Key::generate().map_err(|error| wrong(&error.to_string()))?;
            let der = key.to_pkcs8().map_err(|error| wrong(&error.to_string()))?;
            let text = Zeroizing::new(pem::encode(LABEL, &der));
            replace(path, text.as_bytes(), 0o600)?;
            Ok(key)
        }
        Err(error) => Err(at(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit_key.pem");
        let made = load_or_make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_make(&path).unwrap().public_key(), made.public_key());
        std::fs::write(&path, "nothing").unwrap();
        assert!(load_or_make(&path).err().unwrap().to_string().contains("audit_key.pem: one PEM block"));
    }
}
