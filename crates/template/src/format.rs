//! `printf`.

use crate::float::exponent;
use crate::print;
use crate::value::Value;
use crate::{MAX_OUTPUT, float};

/// A verb with its flags, `%-05.2f`.
#[derive(Debug, Default)]
struct Verb {
    minus: bool,
    plus: bool,
    sharp: bool,
    zero: bool,
    space: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
}

/// Puts values into a form as Go's `fmt` does. Where Go would write what went wrong into the text, this is an error.
pub(crate) fn printf(form: &str, values: &[Value<'_>]) -> Result<String, String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (verb, after) = verb(after, &mut values)?;
        rest = after;
        if verb.letter == '%' {
            out.push('%');
        } else {
            let value = values.next().ok_or_else(|| format!("%{} has no argument", verb.letter))?;
            out.push_str(&padded(&verb, written(&verb, value)?, value));
        }
        if out.len() > MAX_OUTPUT {
            return Err(format!("text goes beyond the bound of {MAX_OUTPUT}"));
        }
    }
    out.push_str(rest);
    match values.next() {
        Some(_) => Err(format!("more arguments than verbs in {form:?}")),
        None => Ok(out),
    }
}

fn verb<'f, 'v, 'a: 'v>(
    text: &'f str,
    values: &mut impl Iterator<Item = &'v Value<'a>>,
) -> Result<(Verb, &'f str), String> {
    let mut verb = Verb::default();
    let mut rest = text;
    loop {
        let flag = match rest.chars().next() {
            Some('-') => &mut verb.minus,
            Some('+') => &mut verb.plus,
            Some('#') => &mut verb.sharp,
            Some('0') => &mut verb.zero,
            Some(' ') => &mut verb.space,
            _ => break,
        };
        *flag = true;
        rest = rest.get(1..).unwrap_or_default();
    }
    let (width, after) = number(rest, values)?;
    verb.width = width.unwrap_or_default();
    rest = after;
    if let Some(after) = rest.strip_prefix('.') {
        let (precision, after) = number(after, values)?;
        verb.precision = Some(precision.unwrap_or_default());
        rest = after;
    }
    verb.letter = rest.chars().next().ok_or("a form ends after %")?;
    let after = rest.get(verb.letter.len_utf8()..).unwrap_or_default();
    Ok((verb, after))
}

/// A width or precision: digits, or `*` for the next argument.
fn number<'f, 'v, 'a: 'v>(
    text: &'f str,
    values: &mut impl Iterator<Item = &'v Value<'a>>,
) -> Result<(Option<usize>, &'f str), String> {
    let bounded = |number: Option<usize>| {
        number.filter(|number| *number <= MAX_OUTPUT).ok_or_else(|| "a width or precision is out of range".to_owned())
    };
    if let Some(after) = text.strip_prefix('*') {
        let number = match values.next() {
            Some(Value::Int(number)) => usize::try_from(*number).ok(),
            _ => None,
        };
        return bounded(number).map(|number| (Some(number), after));
    }
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    if digits.is_empty() {
        return Ok((None, after));
    }
    bounded(digits.parse().ok()).map(|number| (Some(number), after))
}

fn written(verb: &Verb, value: &Value<'_>) -> Result<String, String> {
    let unfit = || Err(format!("%{} does not take a {}", verb.letter, value.type_name()));
    match (verb.letter, value) {
        ('v', Value::Missing | Value::Null(_)) => Ok("<nil>".to_owned()),
        ('v', Value::Str(text)) if verb.sharp => Ok(quoted(text, false)),
        ('v', Value::Bool(_) | Value::Float(_) | Value::List(_) | Value::Map(_)) if verb.sharp => unfit(),
        ('v', Value::Float(number)) => Ok(match verb.precision {
            Some(_) => fraction(verb, *number).ok_or_else(|| "precision with %v of a number".to_owned())?,
            None => signed(verb, float::shortest(*number)),
        }),
        ('v' | 's', Value::Str(text)) => Ok(truncated(verb, text)),
        ('s' | 'q', Value::List(list)) => {
            let inner: Result<Vec<String>, String> = list.as_slice().iter().map(|value| written(verb, value)).collect();
            Ok(format!("[{}]", inner?.join(" ")))
        }
        ('q', Value::Str(text)) => Ok(quoted(&truncated(verb, text), verb.plus)),
        ('q', Value::Int(number)) => character(*number).map(single_quoted),
        ('t', Value::Bool(truth)) => Ok(truth.to_string()),
        ('x' | 'X', Value::Str(text)) => Ok(hex(verb, text)),
        ('v' | 'd' | 'b' | 'o' | 'O' | 'x' | 'X', Value::Int(_)) => integer(verb, value),
        ('c', Value::Int(number)) => character(*number).map(String::from),
        ('U', Value::Int(number)) => Ok(format!("U+{number:04X}")),
        ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Float(number)) => {
            fraction(verb, *number).ok_or_else(|| format!("%{} with a precision is not supported", verb.letter))
        }
        ('v', _) => print::printed(value),
        _ => unfit(),
    }
}

fn integer(verb: &Verb, value: &Value<'_>) -> Result<String, String> {
    let Value::Int(number) = value else { return Err("not a whole number".to_owned()) };
    let size = number.unsigned_abs();
    let mut digits = match verb.letter {
        'b' => format!("{size:b}"),
        'o' | 'O' => format!("{size:o}"),
        'x' => format!("{size:x}"),
        'X' => format!("{size:X}"),
        _ => size.to_string(),
    };
    let signs = usize::from(*number < 0 || verb.plus || verb.space);
    let filled = if verb.zero && !verb.minus { verb.width.saturating_sub(signs) } else { 0 };
    let least = verb.precision.unwrap_or(filled);
    if verb.precision == Some(0) && *number == 0 {
        digits.clear();
    }
    while digits.len() < least {
        digits.insert(0, '0');
    }
    let prefix = match verb.letter {
        'x' if verb.sharp => "0x",
        'X' if verb.sharp => "0X",
        'b' if verb.sharp => "0b",
        'o' if verb.sharp && !digits.starts_with('0') => "0",
        'O' => "0o",
        _ => "",
    };
    Ok(format!("{}{prefix}{digits}", sign(verb, *number < 0)))
}

fn sign(verb: &Verb, negative: bool) -> &'static str {
    match negative {
        true => "-",
        false if verb.plus => "+",
        false if verb.space => " ",
        false => "",
    }
}

fn signed(verb: &Verb, text: String) -> String {
    if text.starts_with(['-', '+']) { text } else { format!("{}{text}", sign(verb, false)) }
}

/// `None` for `%.3g`, whose digits are counted otherwise.
fn fraction(verb: &Verb, number: f64) -> Option<String> {
    let precision = verb.precision.unwrap_or(6).min(1000);
    let text = match verb.letter {
        'e' => exponent(&format!("{number:.precision$e}")),
        'E' => exponent(&format!("{number:.precision$e}")).to_uppercase(),
        'f' | 'F' => format!("{number:.precision$}"),
        'g' if verb.precision.is_none() => float::shortest(number),
        'G' if verb.precision.is_none() => float::shortest(number).to_uppercase(),
        _ => return None,
    };
    Some(signed(verb, text))
}

fn truncated(verb: &Verb, text: &str) -> String {
    match verb.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    }
}

fn hex(verb: &Verb, text: &str) -> String {
    let bytes = text.as_bytes();
    let bytes = bytes.get(..verb.precision.unwrap_or(bytes.len()).min(bytes.len())).unwrap_or_default();
    let upper = verb.letter == 'X';
    let prefix = match (verb.sharp, upper) {
        (true, true) => "0X",
        (true, false) => "0x",
        _ => "",
    };
    let digits: Vec<String> =
        bytes.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect();
    if verb.space {
        let joined: Vec<String> = digits.iter().map(|digits| format!("{prefix}{digits}")).collect();
        return joined.join(" ");
    }
    if digits.is_empty() { String::new() } else { format!("{prefix}{}", digits.concat()) }
}

fn character(number: i64) -> Result<char, String> {
    u32::try_from(number).ok().and_then(char::from_u32).ok_or_else(|| format!("{number} is no character"))
}

/// In double quotes, with Go's escapes.
pub(crate) fn quoted(text: &str, ascii: bool) -> String {
    let inner: String = text.chars().map(|character| escaped(character, '"', ascii)).collect();
    format!("\"{inner}\"")
}

fn single_quoted(character: char) -> String {
    format!("'{}'", escaped(character, '\'', false))
}

fn escaped(character: char, quote: char, ascii: bool) -> String {
    match character {
        '\u{7}' => "\\a".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{b}' => "\\v".to_owned(),
        '\\' => "\\\\".to_owned(),
        _ if character == quote => format!("\\{quote}"),
        _ if character.is_ascii_graphic() || character == ' ' => character.to_string(),
        _ if !character.is_ascii() && !ascii && !character.is_control() => character.to_string(),
        _ if u32::from(character) < 0x80 => format!("\\x{:02x}", u32::from(character)),
        _ if u32::from(character) < 0x1_0000 => format!("\\u{:04x}", u32::from(character)),
        _ => format!("\\U{:08x}", u32::from(character)),
    }
}

fn padded(verb: &Verb, text: String, value: &Value<'_>) -> String {
    let length = text.chars().count();
    if length >= verb.width {
        return text;
    }
    let missing = verb.width - length;
    if verb.minus {
        return text + &" ".repeat(missing);
    }
    // Go pads texts with zeros too, and numbers after their sign.
    if verb.zero {
        let (sign, digits) = match value {
            Value::Float(_) if text.starts_with(['-', '+', ' ']) => text.split_at(1),
            _ => ("", text.as_str()),
        };
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    " ".repeat(missing) + &text
}
