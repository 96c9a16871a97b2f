//! Keys whose feature is not there yet: they are refused when they ask for it, rather than ignored.

use crate::{Block, DecodeError};

/// A key that is read but can't be acted on yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// Where it stands, with dots: `experimental.require_pq_kem`.
    pub key: &'static str,
    /// The value that asks for nothing; blocks have none.
    pub default: &'static str,
}

/// Checks that `block`, which the messages call `name`, asks for none of `keys`.
///
/// # Errors
/// [`DecodeError`] that names the key.
pub fn refuse_not_yet(block: &Block<'_>, name: &str, keys: &[NotYet]) -> Result<(), DecodeError> {
    for NotYet { key, default } in keys {
        let mut inner = block.clone();
        let mut path = key.split('.').peekable();
        while let Some(part) = path.next() {
            if path.peek().is_some() {
                match inner.block(part) {
                    Some(next) => inner = next,
                    None => break,
                }
            } else if inner.has(part) && !inner.is_default(part, default) {
                return Err(DecodeError(format!(
                    "{name}.{key} is not available yet: remove it or set it to its default"
                )));
            }
        }
    }
    Ok(())
}
