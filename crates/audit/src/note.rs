//! Signed notes (C2SP `signed-note`): a text, and below it who signed it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use steeple_crypto::digest::sha256;
use steeple_crypto::keys::{Ed25519Key, verify_ed25519};

/// What Ed25519 is called in keys and key hashes.
const ED25519: u8 = 1;

/// Between a text and its signatures.
const SEPARATOR: &str = "\n\n";

/// Why a note is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The key's text is not in the form `name+hash+key`.
    #[error("verifier key {0:?} is not of the form <name>+<hash>+<base64>")]
    Key(String),
    /// The note is not in the form of one.
    #[error("the note has no text, no empty line, or no signature line after it")]
    Form,
    /// No signature is by the key.
    #[error("the note is not signed by {0}")]
    Unsigned(String),
}

/// Who signs notes, by name and public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
}

impl Verifier {
    /// The verifier of a key under a name, which has neither blanks nor `+`.
    pub fn new(name: &str, key: [u8; 32]) -> Self {
        Self { name: name.to_owned(), key }
    }

    /// Reads `name+hash+key`.
    ///
    /// # Errors
    /// [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let wrong = || NoteError::Key(text.chars().take(200).collect());
        let (name, rest) = text.trim().split_once('+').ok_or_else(wrong)?;
        let (hash, key) = rest.split_once('+').ok_or_else(wrong)?;
        let key = BASE64_STANDARD.decode(key).map_err(|_| wrong())?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(wrong()) };
        let verifier = Self::new(name, key.try_into().map_err(|_| wrong())?);
        let is_whole = is_name(name) && hash == hex::encode(verifier.hash());
        is_whole.then_some(verifier).ok_or_else(wrong)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first bytes of a digest of name and key, by which a signature says whose it is.
    fn hash(&self) -> [u8; 4] {
        let digest = sha256(&[self.name.as_bytes(), &[b'\n', ED25519], &self.key].concat());
        let mut hash = [0; 4];
        hash.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        hash
    }

    /// The text of a note that this key has signed, its last line feed included.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn open<'note>(&self, note: &'note str) -> Result<&'note str, NoteError> {
        if note.contains(|c: char| c.is_control() && c != '\n') {
            return Err(NoteError::Form);
        }
        let at = note.trim_end_matches('\n').rfind(SEPARATOR).ok_or(NoteError::Form)?;
        let (text, signatures) = note.split_at(at + 1);
        let signatures = signatures.strip_prefix('\n').filter(|lines| lines.ends_with('\n')).ok_or(NoteError::Form)?;
        let mut is_signed = false;
        for line in signatures.trim_end_matches('\n').lines() {
            let (name, signature) =
                line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' ')).ok_or(NoteError::Form)?;
            let signature = BASE64_STANDARD.decode(signature).map_err(|_| NoteError::Form)?;
            let Some((hash, signature)) = signature.split_at_checked(4) else { return Err(NoteError::Form) };
            if name == self.name && hash == self.hash() {
                let verified = verify_ed25519(&self.key, text.as_bytes(), signature);
                verified.map_err(|_| NoteError::Unsigned(self.to_string()))?;
                is_signed = true;
            }
        }
        if is_signed { Ok(text) } else { Err(NoteError::Unsigned(self.to_string())) }
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ED25519][..], &self.key].concat();
        write!(f, "{}+{}+{}", self.name, hex::encode(self.hash()), BASE64_STANDARD.encode(key))
    }
}

/// Signs a text that ends with a line feed, under a name.
pub fn sign(name: &str, key: &Ed25519Key, text: &str) -> String {
    let hash = Verifier::new(name, key.public_key()).hash();
    let signature = [&hash[..], &key.sign(text.as_bytes())].concat();
    format!("{text}\n\u{2014} {name} {}\n", BASE64_STANDARD.encode(signature))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key and a note of it that the documentation of Go's package `note` tells.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\u{2014} PeterNeumann \
        x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn note_is_opened_by_its_key_alone() {
        let (key, other) = (Ed25519Key::generate().unwrap(), Ed25519Key::generate().unwrap());
        let note = sign("trail", &key, "one\n\ntwo\n");
        let verifier = Verifier::new("trail", key.public_key());
        assert_eq!(verifier.open(&note), Ok("one\n\ntwo\n"));
        for verifier in [Verifier::new("trail", other.public_key()), Verifier::new("other", key.public_key())] {
            assert!(matches!(verifier.open(&note), Err(NoteError::Unsigned(_))));
        }
        assert!(matches!(verifier.open(&note.replace("one", "One")), Err(NoteError::Unsigned(_))));
        for cut in ["", "one\n", "one\n\n", "one\n\n\u{2014} trail\n", "one\n\n\u{2014} trail ***\n"] {
            assert_eq!(verifier.open(cut), Err(NoteError::Form), "{cut:?}");
        }
    }

    #[test]
    fn verifier_is_read_as_it_is_written() {
        let key = Ed25519Key::generate().unwrap();
        let verifier = Verifier::new("steeple-audit/example.org/00", key.public_key());
        assert_eq!(Verifier::parse(&format!("{verifier}\n")), Ok(verifier.clone()));
        let text = verifier.to_string();
        for wrong in ["", "a", "a+b", &text.replace("steeple", "people"), &text[..text.len() - 4]] {
            assert!(Verifier::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn note_that_go_has_signed_is_opened() {
        let verifier = Verifier::parse(KEY).unwrap();
        assert_eq!(verifier.to_string(), KEY);
        assert!(verifier.open(NOTE).unwrap().ends_with("what your problem is.\n"));
    }
}
