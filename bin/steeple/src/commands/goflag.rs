//! Flags as Go's `flag` package reads them, which SPIRE's command lines are written for.
//!
//! One or two dashes; `-name value` or `-name=value`; a boolean takes a value only after `=`; reading stops at the first
//! argument that is no flag, or after `--`. A flag writes into a variable, whose first content is the default.

use std::fmt::Write as _;
use std::time::Duration;

use steeple_config::{format_duration, parse_duration};

use super::output::Format;
use super::quote::quote;

/// Why arguments could not be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// The user asked for help.
    #[error("flag: help requested")]
    Help,
    /// An argument begins like a flag and has no name.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// No such flag.
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    /// The last argument is a flag that wants a value.
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    /// The value can't be taken.
    #[error("invalid value {} for flag -{flag}: {reason}", quote(value))]
    Value {
        /// Whose.
        flag: String,
        /// What was given.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A boolean's value can't be taken.
    #[error("invalid boolean value {} for -{flag}: {reason}", quote(value))]
    Boolean {
        /// Whose.
        flag: String,
        /// What was given.
        value: String,
        /// Why not.
        reason: String,
    },
}

/// Where a flag's value goes.
enum Slot<'a> {
    Text(&'a mut String),
    Bool(&'a mut bool),
    OptionalBool(&'a mut Option<bool>),
    Int(&'a mut i64),
    Duration(&'a mut Duration),
    Timeout(&'a mut Duration),
    Repeated(&'a mut Vec<String>),
    Commas(&'a mut Vec<String>),
    Tristate(&'a mut Option<bool>),
    Format { format: &'a mut Format, chosen: bool },
}

struct Flag<'a> {
    names: &'static [&'static str],
    usage: &'static str,
    default: String,
    slot: Slot<'a>,
}

/// The flags of one command.
pub(crate) struct FlagSet<'a> {
    flags: Vec<Flag<'a>>,
}

impl<'a> FlagSet<'a> {
    /// No flags yet.
    pub(crate) fn new() -> Self {
        Self { flags: Vec::new() }
    }

    /// A text.
    pub(crate) fn text(&mut self, slot: &'a mut String, names: &'static [&'static str], usage: &'static str) {
        let default = if slot.is_empty() { String::new() } else { quote(slot) };
        self.add(names, usage, default, Slot::Text(slot));
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, slot: &'a mut bool, names: &'static [&'static str], usage: &'static str) {
        self.add(names, usage, String::new(), Slot::Bool(slot));
    }

    /// A boolean of which it matters whether it was given.
    pub(crate) fn optional_boolean(
        &mut self,
        slot: &'a mut Option<bool>,
        names: &'static [&'static str],
        usage: &'static str,
    ) {
        self.add(names, usage, String::new(), Slot::OptionalBool(slot));
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, slot: &'a mut i64, names: &'static [&'static str], usage: &'static str) {
        let default = if *slot == 0 { String::new() } else { slot.to_string() };
        self.add(names, usage, default, Slot::Int(slot));
    }

    /// A duration, such as `1h30m`.
    pub(crate) fn duration(&mut self, slot: &'a mut Duration, names: &'static [&'static str], usage: &'static str) {
        let default = if slot.is_zero() { String::new() } else { format_duration(*slot) };
        self.add(names, usage, default, Slot::Duration(slot));
    }

    /// A duration too; it says what is wrong with a value.
    pub(crate) fn timeout(&mut self, slot: &'a mut Duration, names: &'static [&'static str], usage: &'static str) {
        self.add(names, usage, format_duration(*slot), Slot::Timeout(slot));
    }

    /// A flag that can be given several times.
    pub(crate) fn repeated(&mut self, slot: &'a mut Vec<String>, names: &'static [&'static str], usage: &'static str) {
        self.add(names, usage, String::new(), Slot::Repeated(slot));
    }

    /// A list with commas.
    pub(crate) fn commas(&mut self, slot: &'a mut Vec<String>, names: &'static [&'static str], usage: &'static str) {
        self.add(names, usage, String::new(), Slot::Commas(slot));
    }

    /// `true`, `false`, or any other value for neither.
    pub(crate) fn tristate(&mut self, slot: &'a mut Option<bool>, names: &'static [&'static str], usage: &'static str) {
        self.add(names, usage, String::new(), Slot::Tristate(slot));
    }

    /// `-output`, with other names for it.
    pub(crate) fn format(&mut self, format: &'a mut Format, names: &'static [&'static str]) {
        let usage = "How results are written: pretty or json.";
        self.add(names, usage, "pretty".to_owned(), Slot::Format { format, chosen: false });
    }

    /// Reads `arguments` up to the first that is no flag and returns the rest.
    ///
    /// # Errors
    /// [`FlagError`].
    pub(crate) fn parse<'b>(&mut self, mut arguments: &'b [String]) -> Result<&'b [String], FlagError> {
        while let Some((first, rest)) = arguments.split_first() {
            let Some(body) = first.strip_prefix('-').filter(|body| !body.is_empty()) else {
                return Ok(arguments);
            };
            arguments = rest;
            if body == "-" {
                return Ok(arguments);
            }
            let body = body.strip_prefix('-').unwrap_or(body);
            if body.starts_with(['-', '=']) {
                return Err(FlagError::Syntax(first.clone()));
            }
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (body, None),
            };
            let Some(flag) = self.flags.iter_mut().find(|flag| flag.names.contains(&name)) else {
                let help = name == "help" || name == "h";
                return Err(if help { FlagError::Help } else { FlagError::Unknown(name.to_owned()) });
            };
            let value = match (value, flag.slot.is_boolean(), arguments.split_first()) {
                (Some(value), _, _) => value,
                (None, true, _) => "true",
                (None, false, Some((value, rest))) => {
                    arguments = rest;
                    value
                }
                (None, false, None) => return Err(FlagError::NoValue(name.to_owned())),
            };
            flag.slot.set(value).map_err(|reason| flag.slot.refusal(name, value, reason))?;
        }
        Ok(arguments)
    }

    /// The table of flags for help.
    pub(crate) fn usage(&self) -> String {
        let mut flags: Vec<_> =
            self.flags.iter().flat_map(|flag| flag.names.iter().map(move |name| (*name, flag))).collect();
        flags.sort_by_key(|(name, _)| *name);
        let mut text = String::new();
        for (name, flag) in flags {
            let _ = write!(text, "  -{name}{}\n        {}", flag.slot.kind(), flag.usage);
            if !flag.default.is_empty() {
                let _ = write!(text, " (default {})", flag.default);
            }
            text.push('\n');
        }
        text
    }

    fn add(&mut self, names: &'static [&'static str], usage: &'static str, default: String, slot: Slot<'a>) {
        self.flags.push(Flag { names, usage, default, slot });
    }
}

impl Slot<'_> {
    fn is_boolean(&self) -> bool {
        matches!(self, Self::Bool(_) | Self::OptionalBool(_))
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => " string",
            Self::Bool(_) | Self::OptionalBool(_) => "",
            Self::Int(_) => " int",
            Self::Duration(_) => " duration",
            Self::Timeout(_) | Self::Repeated(_) | Self::Commas(_) | Self::Tristate(_) | Self::Format { .. } => {
                " value"
            }
        }
    }

    fn set(&mut self, value: &str) -> Result<(), String> {
        match self {
            Self::Text(slot) => value.clone_into(slot),
            Self::Bool(slot) => **slot = boolean(value)?,
            Self::OptionalBool(slot) => **slot = Some(boolean(value)?),
            Self::Int(slot) => **slot = integer(value)?,
            Self::Duration(slot) => {
                let said = |reason: String| {
                    // Of ours: Go takes what is negative.
                    if reason.starts_with("time: ") { "parse error".to_owned() } else { reason }
                };
                **slot = parse_duration(value).map_err(said)?;
            }
            Self::Timeout(slot) => **slot = parse_duration(value)?,
            Self::Repeated(slot) => slot.push(value.to_owned()),
            Self::Commas(slot) => **slot = value.split(',').map(str::to_owned).collect(),
            Self::Tristate(slot) => **slot = value.parse().ok(),
            Self::Format { format, chosen } => {
                if *chosen && format.name() != value {
                    return Err(format!("the output format has already been set to {}", quote(format.name())));
                }
                **format = Format::parse(value)?;
                *chosen = true;
            }
        }
        Ok(())
    }

    fn refusal(&self, flag: &str, value: &str, reason: String) -> FlagError {
        let (flag, value) = (flag.to_owned(), value.to_owned());
        if self.is_boolean() {
            FlagError::Boolean { flag, value, reason }
        } else {
            FlagError::Value { flag, value, reason }
        }
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("parse error".to_owned()),
    }
}

/// A number in Go's notation for literals: decimal, `0x`, `0o` or `0`, `0b`, with underscores between digits.
fn integer(value: &str) -> Result<i64, String> {
    let (sign, digits) = match value.as_bytes().first() {
        Some(b'-') => (-1, value.get(1..)),
        Some(b'+') => (1, value.get(1..)),
        _ => (1, Some(value)),
    };
    let digits = digits.unwrap_or_default().to_ascii_lowercase();
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, digits.get(2..)),
        Some("0o") => (8, digits.get(2..)),
        Some("0b") => (2, digits.get(2..)),
        Some(text) if text.starts_with('0') => (8, digits.get(1..)),
        _ => (10, Some(digits.as_str())),
    };
    let digits = digits.unwrap_or_default();
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("parse error".to_owned());
    }
    let magnitude = i128::from_str_radix(digits, radix).map_err(|_| "value out of range".to_owned())?;
    i64::try_from(sign * magnitude).map_err(|_| "value out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[derive(Default)]
    struct Taken {
        id: String,
        admin: bool,
        ttl: i64,
        dns: Vec<String>,
        wait: Duration,
        age: Duration,
        format: Format,
        banned: Option<bool>,
    }

    fn parse(text: &str) -> Result<(Taken, Vec<String>), FlagError> {
        let mut taken = Taken::default();
        let mut flags = FlagSet::new();
        flags.text(&mut taken.id, &["spiffeID"], "");
        flags.boolean(&mut taken.admin, &["admin"], "");
        flags.integer(&mut taken.ttl, &["ttl"], "");
        flags.repeated(&mut taken.dns, &["dns"], "");
        flags.timeout(&mut taken.wait, &["timeout"], "");
        flags.duration(&mut taken.age, &["expiredFor"], "");
        flags.tristate(&mut taken.banned, &["banned"], "");
        flags.format(&mut taken.format, &["output", "format"]);
        let rest = flags.parse(&words(text))?.to_vec();
        Ok((taken, rest))
    }

    fn refusal(text: &str) -> String {
        parse(text).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn all_spellings_are_taken() {
        let (taken, rest) = parse("-spiffeID x --admin -ttl=-5 -dns a -dns b -timeout 1m -banned true").unwrap();
        assert_eq!((taken.id.as_str(), taken.admin, taken.ttl), ("x", true, -5));
        assert_eq!((taken.dns, taken.wait), (words("a b"), Duration::from_mins(1)));
        assert_eq!((taken.banned, rest.len()), (Some(true), 0));
        assert!(!parse("-admin=false").unwrap().0.admin);
        assert_eq!(parse("-ttl 0x10").unwrap().0.ttl, 16);
        assert_eq!(parse("-banned maybe").unwrap().0.banned, None);
    }

    #[test]
    fn reading_stops_at_a_stray_argument() {
        let (taken, rest) = parse("-admin true -ttl 5").unwrap();
        assert_eq!((taken.admin, taken.ttl, rest), (true, 0, words("true -ttl 5")));
        assert_eq!(parse("-- -ttl 5").unwrap().1, words("-ttl 5"));
    }

    #[test]
    fn refusals_read_as_in_go() {
        assert_eq!(refusal("-nosuchflag"), "flag provided but not defined: -nosuchflag");
        assert_eq!(refusal("-ttl"), "flag needs an argument: -ttl");
        assert_eq!(refusal("-ttl x"), "invalid value \"x\" for flag -ttl: parse error");
        assert_eq!(
            refusal("-ttl 9223372036854775808"),
            "invalid value \"9223372036854775808\" for flag -ttl: value out of range"
        );
        assert_eq!(refusal("-expiredFor bad"), "invalid value \"bad\" for flag -expiredFor: parse error");
        assert_eq!(refusal("-admin=x"), "invalid boolean value \"x\" for -admin: parse error");
        assert_eq!(refusal("-=x"), "bad flag syntax: -=x");
        assert_eq!(
            refusal("-expiredFor -1h"),
            "invalid value \"-1h\" for flag -expiredFor: duration \"-1h\" is negative; write it without the sign"
        );
        assert_eq!(refusal("-timeout bad"), "invalid value \"bad\" for flag -timeout: time: invalid duration \"bad\"");
        assert_eq!(
            refusal("-output xml"),
            "invalid value \"xml\" for flag -output: bad formatter flag: unknown format option: \"xml\""
        );
        assert_eq!(
            refusal("-output json -format pretty"),
            "invalid value \"pretty\" for flag -format: the output format has already been set to \"json\""
        );
        assert_eq!(parse("-h").err(), Some(FlagError::Help));
    }
}
