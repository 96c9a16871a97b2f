//! Keys whose feature is not there yet: they are refused when they ask for it, rather than ignored.

use crate::Block;

/// A key that is read but can't be acted on yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// Where it stands, with dots: `experimental.require_pq_kem`.
    pub key: &'static str,
    /// The value that asks for nothing; `{}` where an empty block does, and nothing where a block always asks.
    pub default: &'static str,
    /// What it comes with; [`WINDOWS`] never comes.
    pub feature: &'static str,
}

/// The feature of keys that mean something on Windows only.
pub const WINDOWS: &str = "Windows";

/// A key asks for a feature that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotYetError {
    /// It comes later.
    #[error("{key} is not available yet, it comes with {feature}: remove it or set it to its default")]
    Later {
        /// The key with its block.
        key: String,
        /// What it comes with.
        feature: &'static str,
    },
    /// It does not come.
    #[error("{0} is for Windows, which steeple does not run on: remove it")]
    Windows(String),
}

/// Checks that `block`, which the messages call `name`, asks for none of `keys`.
///
/// # Errors
/// [`NotYetError`] that names the key.
pub fn refuse_not_yet(block: &Block<'_>, name: &str, keys: &[NotYet]) -> Result<(), NotYetError> {
    match keys.iter().find(|known| asks(block, known)) {
        None => Ok(()),
        Some(found) if found.feature == WINDOWS => Err(NotYetError::Windows(format!("{name}.{}", found.key))),
        Some(found) => Err(NotYetError::Later { key: format!("{name}.{}", found.key), feature: found.feature }),
    }
}

fn asks(block: &Block<'_>, known: &NotYet) -> bool {
    let mut inner = block.clone();
    let mut path = known.key.split('.').peekable();
    while let Some(part) = path.next() {
        if path.peek().is_none() {
            return inner.has(part) && !inner.is_default(part, known.default);
        }
        match inner.block(part) {
            Ok(Some(next)) => inner = next,
            // What is no block is refused by who reads it.
            Ok(None) | Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[NotYet] = &[
        NotYet { key: "federation", default: "{}", feature: "federation" },
        NotYet { key: "InMem", default: "", feature: "metrics" },
        NotYet { key: "mode", default: "never", feature: "modes" },
        NotYet { key: "experimental.pipe", default: "", feature: WINDOWS },
    ];

    fn refused(text: &str) -> String {
        let object = crate::parse(text).unwrap();
        refuse_not_yet(&Block::of(&object), "server", KEYS).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn keys_at_their_default_ask_for_nothing() {
        for text in ["", "federation {}", "mode = \"never\"", "mode = \"\"", "experimental { pipe = \"\" other = 1 }"] {
            assert_eq!(refused(text), "", "{text}");
        }
    }

    #[test]
    fn keys_that_ask_for_something_are_refused_by_name() {
        let later =
            "server.federation is not available yet, it comes with federation: remove it or set it to its default";
        assert_eq!(refused("federation { bundle_endpoint {} }"), later);
        assert_eq!(refused("federation \"x\" {}"), later);
        assert!(refused("InMem {}").starts_with("server.InMem"), "its mere presence asks");
        assert!(refused("mode = \"auto\"").starts_with("server.mode is not available yet"));
        let windows = "server.experimental.pipe is for Windows, which steeple does not run on: remove it";
        assert_eq!(refused("Experimental { Pipe = \"x\" }"), windows);
    }
}
