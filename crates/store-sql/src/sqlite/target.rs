//! What SPIRE's `connection_string` says about an SQLite database.

use steeple_store::{ErrorClass, StoreError};

use crate::connection::Result;

/// Which database to open.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What SQLite is told, a path or a `file:` URI.
    pub(super) open: String,
    /// The file, for messages.
    pub(super) file: String,
    /// Whether it lives in memory.
    pub(super) in_memory: bool,
}

impl Target {
    /// Reads a path (`data.db`, with SQLite's URI parameters after a `?` if any), a `file:` URI, or `:memory:`.
    pub(super) fn parse(connection_string: &str) -> Result<Self> {
        let in_memory = |parameters: &str| parameters.split('&').any(|pair| pair == "mode=memory");
        if connection_string == ":memory:" {
            let file = connection_string.to_owned();
            return Ok(Self { open: file.clone(), file, in_memory: true });
        }
        if let Some(scheme) = scheme(connection_string)
            && scheme != "file"
        {
            let message = format!("datastore-sql: unsupported scheme \"{scheme}\"");
            return Err(StoreError::new(ErrorClass::Malformed, message));
        }
        let location = connection_string.strip_prefix("file:");
        let (file, parameters) = match location.unwrap_or(connection_string).split_once('?') {
            Some((file, parameters)) => (file, Some(parameters)),
            None => (location.unwrap_or(connection_string), None),
        };
        let open = match (location, parameters) {
            (None, Some(_)) => format!("file:{connection_string}"),
            _ => connection_string.to_owned(),
        };
        let file = file
            .strip_prefix("//localhost/")
            .map_or_else(|| file.strip_prefix("//").unwrap_or(file).to_owned(), |path| format!("/{path}"));
        Ok(Self { open, file, in_memory: parameters.is_some_and(in_memory) })
    }
}

/// The scheme of a URI (RFC 3986, section 3.1).
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let first = bytes.next()?.is_ascii_alphabetic();
    (first && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_uris_are_told_apart() {
        for (text, open, file, in_memory) in [
            ("data.db", "data.db", "data.db", false),
            ("/a/data.db", "/a/data.db", "/a/data.db", false),
            ("data.db?mode=ro", "file:data.db?mode=ro", "data.db", false),
            ("file:data.db", "file:data.db", "data.db", false),
            ("file:///a/data.db", "file:///a/data.db", "/a/data.db", false),
            ("file://localhost/a.db", "file://localhost/a.db", "/a.db", false),
            ("file:x?mode=memory&cache=shared", "file:x?mode=memory&cache=shared", "x", true),
            (":memory:", ":memory:", ":memory:", true),
        ] {
            let target = Target { open: open.to_owned(), file: file.to_owned(), in_memory };
            assert_eq!(Target::parse(text), Ok(target), "{text}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        let error = Target::parse("mysql://data.db").unwrap_err();
        assert_eq!(error.message, "datastore-sql: unsupported scheme \"mysql\"");
    }
}
