//! Files and standard input that commands read, and files that they write.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::env::Env;
use super::failure::{Failure, on_file};
use super::quote::quote;

/// Largest file or input read, in bytes.
const MAX_LENGTH: u64 = 256 << 20;

/// Reads a file, or standard input where the path is `standard_input`.
pub(crate) fn read(path: &str, standard_input: &str, env: &mut Env) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    if path == standard_input {
        env.stdin.as_mut().take(MAX_LENGTH + 1).read_to_end(&mut content)?;
    } else {
        let path = Path::new(path);
        let file = std::fs::File::open(path).map_err(|error| on_file("open", path, &error))?;
        file.take(MAX_LENGTH + 1).read_to_end(&mut content).map_err(|error| on_file("read", path, &error))?;
    }
    if u64::try_from(content.len()).is_ok_and(|length| length > MAX_LENGTH) {
        return Err("input is larger than 256 MiB".into());
    }
    Ok(content)
}

/// Who may read a file that is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Everybody.
    All,
    /// The owner.
    Owner,
}

/// Writes a file, over what is there.
pub(crate) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), Failure> {
    let mode = if readers == Readers::Owner { 0o600 } else { 0o644 };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    let mut file = file.map_err(|error| on_file("open", path, &error))?;
    file.write_all(content).map_err(|error| on_file("write", path, &error))
}

/// Reads JSON as Go does: the case of keys does not matter, nulls are as if absent. Below the key `kept` nothing changes.
pub(crate) fn json(content: &[u8], kept: &str) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(content).map_err(|error| Failure(json_fault(content, &error)))?;
    Ok(folded(value, kept))
}

/// Reads a JSON object as [`json`] does; `go_type` is what Go calls it.
pub(crate) fn object<T: DeserializeOwned>(content: &[u8], kept: &str, go_type: &str) -> Result<T, Failure> {
    let value = json(content, kept)?;
    let found = match &value {
        // A null is no object either; serde says so.
        Value::Object(_) | Value::Null => None,
        Value::Array(_) => Some("array"),
        Value::String(_) => Some("string"),
        Value::Number(_) => Some("number"),
        Value::Bool(_) => Some("bool"),
    };
    if let Some(found) = found {
        return Err(Failure(format!("json: cannot unmarshal {found} into Go value of type {go_type}")));
    }
    serde_json::from_value(value).map_err(|error| Failure(format!("json: {error}")))
}

/// What is wrong with JSON, as Go says it.
pub(crate) fn json_fault(content: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    let text = error.to_string();
    let expected = [
        ("expected value", "looking for beginning of value"),
        ("key must be a string", "looking for beginning of object key string"),
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("trailing characters", "after top-level value"),
        ("invalid number", "in numeric literal"),
    ];
    let place = expected.iter().find(|(start, _)| text.starts_with(start)).map(|(_, place)| place);
    let line = content.split(|byte| *byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let rest = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    match (place, String::from_utf8_lossy(rest).chars().next()) {
        (Some(place), Some(letter)) => format!("invalid character {} {place}", quoted(letter)),
        _ => text,
    }
}

/// A character in single quotes; what can't be printed is escaped, so that a file of junk does not reach the terminal.
fn quoted(letter: char) -> String {
    match letter {
        '"' => "'\"'".to_owned(),
        '\'' => "'\\''".to_owned(),
        letter => format!("'{}'", quote(&letter.to_string()).trim_matches('"')),
    }
}

fn folded(value: Value, kept: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            let folded = fields.map(|(key, value)| {
                let key = key.to_lowercase();
                let value = if key == kept { value } else { folded(value, kept) };
                (key, value)
            });
            Value::Object(folded.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| folded(item, kept)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::env;

    #[test]
    fn keys_are_folded_but_for_those_kept() {
        let value = json(br#"{"Entries":[{"SPIFFE_ID":"x","hint":null,"Bundle":{"Kid":null}}]}"#, "bundle").unwrap();
        assert_eq!(value.to_string(), r#"{"entries":[{"spiffe_id":"x","bundle":{"Kid":null}}]}"#);
        assert_eq!(json(b"", ""), Err("unexpected end of JSON input".into()));
        for (text, fault) in [
            ("x", "invalid character 'x' looking for beginning of value"),
            ("{\n x}", "invalid character 'x' looking for beginning of object key string"),
            ("\0", "invalid character '\\x00' looking for beginning of value"),
            ("\u{1b}[31m", "invalid character '\\x1b' looking for beginning of value"),
            ("{\n '", "invalid character '\\'' looking for beginning of object key string"),
            ("{\"a\" \"", "invalid character '\"' after object key"),
            ("{} y", "invalid character 'y' after top-level value"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{\"a\" 2}", "invalid character '2' after object key"),
        ] {
            assert_eq!(json(text.as_bytes(), ""), Err(fault.into()), "{text}");
        }
    }

    #[test]
    fn an_absent_file_reads_as_in_go() {
        let failure = read("/nonexistent", "-", &mut env().0);
        assert_eq!(failure, Err("open /nonexistent: no such file or directory".into()));
    }
}
