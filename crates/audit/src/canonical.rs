//! The canonical form of JSON (RFC 8785) of values without fractions.
//!
//! Where a record has no fractions, what is left of RFC 8785 is the order of members and the absence of blanks: `serde_json`
//! writes texts and whole numbers as the standard wants them (sections 3.2.2.2 and 3.2.2.3).

use std::io::Write as _;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::Value;

/// Largest magnitude of a number that every reader of JSON holds exactly (RFC 8785, section 3.2.2.3).
const MAX_NUMBER: u64 = 1 << 53;

/// A value has no canonical form here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a whole number within ±2^53")]
pub(crate) struct NotCanonical(String);

/// The canonical form of `value`.
///
/// # Errors
/// [`NotCanonical`] for a fraction, or a number that not every reader holds exactly.
pub(crate) fn canonical(value: &Value) -> Result<Vec<u8>, NotCanonical> {
    let mut out = Vec::with_capacity(1024);
    write(value, &mut out)?;
    Ok(out)
}

/// Adds the canonical form of `value`.
///
/// # Errors
/// Those of [`canonical`].
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let whole = number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from));
            write_number(whole.ok_or_else(|| NotCanonical(number.to_string()))?, out)?;
        }
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            // Section 3.2.3: by UTF-16 code units, which for ASCII is the order of the bytes.
            members.sort_unstable_by(|(one, _), (other, _)| {
                if one.is_ascii() && other.is_ascii() {
                    one.cmp(other)
                } else {
                    one.encode_utf16().cmp(other.encode_utf16())
                }
            });
            out.push(b'{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// Adds a whole number.
///
/// # Errors
/// [`NotCanonical`] for one that not every reader holds exactly.
pub(crate) fn write_number(number: impl Into<i128>, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    let number = number.into();
    if number.unsigned_abs() > u128::from(MAX_NUMBER) {
        return Err(NotCanonical(number.to_string()));
    }
    // It fits; and 64 bits are printed much faster than 128.
    let number = i64::try_from(number).unwrap_or_default();
    // Writing into memory does not fail.
    let _ = write!(out, "{number}");
    Ok(())
}

/// Adds a text, in quotes.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        // Writing into memory does not fail, and a text always has a form.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Adds a point in time, in quotes (RFC 3339).
pub(crate) fn write_time(at: Timestamp, out: &mut Vec<u8>) {
    out.push(b'"');
    // Writing into memory does not fail.
    let _ = DateTimePrinter::new().print_timestamp(&at, &mut *out);
    out.push(b'"');
}

/// Adds bytes as hexadecimal digits, without quotes.
pub(crate) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |number: u8| DIGITS.get(usize::from(number & 15)).copied().unwrap_or_default();
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        String::from_utf8(canonical(&serde_json::from_str(text).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn members_are_in_order_and_nothing_is_blank() {
        assert_eq!(
            form(r#"{ "b": [1, {"z": null, "a": true}], "a": "x" }"#),
            r#"{"a":"x","b":[1,{"a":true,"z":null}]}"#
        );
    }

    #[test]
    fn order_is_that_of_utf_16() {
        // U+FB33 comes after the surrogates of U+1F600, though its code point is lower (RFC 8785, section 3.2.3).
        let sorted =
            form("{\"\u{fb33}\":1,\"\u{1f600}\":2,\"\u{f6}\":3,\"1\":4,\"\\r\":5,\"\u{80}\":6,\"\u{20ac}\":7}");
        assert_eq!(
            sorted,
            "{\"\\r\":5,\"1\":4,\"\u{80}\":6,\"\u{f6}\":3,\"\u{20ac}\":7,\"\u{1f600}\":2,\"\u{fb33}\":1}"
        );
    }

    #[test]
    fn texts_are_escaped_as_the_standard_has_it() {
        let text = r#""\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\/\u0008\u007f""#;
        assert_eq!(form(text), "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\\b\u{7f}\"");
    }

    #[test]
    fn fractions_and_large_numbers_have_no_form() {
        for text in ["1.5", "1e3", "9007199254740993", "-9007199254740993"] {
            assert!(canonical(&serde_json::from_str(text).unwrap()).is_err(), "{text}");
        }
        assert_eq!(form("[-9007199254740992,0]"), "[-9007199254740992,0]");
    }
}
