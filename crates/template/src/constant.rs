//! Constants: numbers and quoted texts.

use crate::tree::Operand;

/// A number as Go writes it: `12`, `-0x1f`, `0o17`, `017`, `0b11`, `1_000`, `1.5e3`.
pub(crate) fn number(text: &str) -> Option<Operand> {
    if let Some(whole) = whole(text) {
        return Some(Operand::Int(whole));
    }
    if text.contains(['x', 'X']) || !text.contains(['.', 'e', 'E']) {
        return None;
    }
    let digits = without_underscores(text, false)?;
    let float: f64 = digits.parse().ok().filter(|float: &f64| float.is_finite())?;
    Some(Operand::Float(float))
}

fn whole(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, prefixed, digits) = match lower.get(..2) {
        Some("0x") => (16, true, lower.get(2..)?),
        Some("0o") => (8, true, lower.get(2..)?),
        Some("0b") => (2, true, lower.get(2..)?),
        _ if lower.starts_with('0') && lower.len() > 1 => (8, true, lower.get(1..)?),
        _ => (10, false, lower.as_str()),
    };
    let digits = without_underscores(digits, prefixed)?;
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(&digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// Underscores stand between digits, or between a base's prefix and a digit.
fn without_underscores(digits: &str, prefixed: bool) -> Option<String> {
    let misplaced = digits.ends_with('_') || digits.contains("__") || (digits.starts_with('_') && !prefixed);
    (!misplaced && !digits.is_empty()).then(|| digits.replace('_', ""))
}

/// The text of a constant in double quotes.
pub(crate) fn unquoted(quoted: &str) -> Option<String> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::new();
    let mut rest = inner;
    while let Some((unit, after)) = unit(rest, '"')? {
        match unit {
            Unit::Byte(byte) => bytes.push(byte),
            Unit::Char(character) => bytes.extend(character.encode_utf8(&mut [0; 4]).bytes()),
        }
        rest = after;
    }
    // Texts here are UTF-8; Go's may hold any bytes.
    String::from_utf8(bytes).ok()
}

/// The number of a character constant.
pub(crate) fn character(quoted: &str) -> Option<i64> {
    let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
    let (unit, after) = unit(inner, '\'')??;
    after.is_empty().then(|| match unit {
        Unit::Byte(byte) => i64::from(byte),
        Unit::Char(character) => i64::from(u32::from(character)),
    })
}

enum Unit {
    Byte(u8),
    Char(char),
}

/// The next character or escape; the outer `None` for one that is none, the inner at the end.
#[expect(clippy::option_option, reason = "private, and said above")]
fn unit(text: &str, quote: char) -> Option<Option<(Unit, &str)>> {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return Some(None) };
    if first == quote {
        return None;
    }
    if first != '\\' {
        return Some(Some((Unit::Char(first), characters.as_str())));
    }
    let escape = characters.next()?;
    let after = characters.as_str();
    let simple = match escape {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' => Some('\\'),
        _ if escape == quote => Some(quote),
        _ => None,
    };
    if let Some(character) = simple {
        return Some(Some((Unit::Char(character), after)));
    }
    let unit = |digits: &str, radix: u32| u32::from_str_radix(digits, radix).ok();
    match escape {
        'x' => Some(Some((Unit::Byte(u8::try_from(unit(hex(after, 2)?, 16)?).ok()?), after.get(2..)?))),
        'u' => Some(Some((Unit::Char(char::from_u32(unit(hex(after, 4)?, 16)?)?), after.get(4..)?))),
        'U' => Some(Some((Unit::Char(char::from_u32(unit(hex(after, 8)?, 16)?)?), after.get(8..)?))),
        '0'..='7' => {
            let digits = text.get(1..4).filter(|digits| digits.bytes().all(|digit| matches!(digit, b'0'..=b'7')))?;
            Some(Some((Unit::Byte(u8::try_from(unit(digits, 8)?).ok()?), text.get(4..)?)))
        }
        _ => None,
    }
}

fn hex(text: &str, length: usize) -> Option<&str> {
    text.get(..length).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
