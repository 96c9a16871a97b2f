//! Reads blocks as Go's decoder does.

use crate::tree::{Item, Object, Value};

/// A setting has a value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

/// A block, or several of the same name seen as one. Keys are found in any case; of settings the last one counts.
#[derive(Clone, Debug, Default)]
pub struct Block<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Whole(&'a Object),
    /// An item whose first keys were taken already.
    Rest(&'a Item, usize),
}

/// What stands under one key of a block.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    key: &'a str,
    quoted: bool,
    item: &'a Item,
    taken: usize,
}

impl<'a> Block<'a> {
    /// The block of an object.
    pub fn of(object: &'a Object) -> Self {
        Self { parts: vec![Part::Whole(object)] }
    }

    fn entries(&self) -> Vec<Entry<'a>> {
        let mut entries = Vec::new();
        for part in &self.parts {
            let (items, taken): (&'a [Item], usize) = match part {
                Part::Whole(object) => (&object.items, 0),
                Part::Rest(item, taken) => (std::slice::from_ref(*item), *taken),
            };
            for item in items {
                if let Some(key) = item.keys.get(taken) {
                    entries.push(Entry { key: &key.text, quoted: key.quoted, item, taken: taken + 1 });
                }
            }
        }
        entries
    }

    fn under(&self, key: &str) -> Vec<Entry<'a>> {
        self.entries().into_iter().filter(|entry| entry.key.eq_ignore_ascii_case(key)).collect()
    }

    /// The blocks under `key`, each for itself.
    pub fn blocks(&self, key: &str) -> Vec<Self> {
        let mut blocks = Vec::new();
        for entry in self.under(key) {
            if entry.item.keys.len() > entry.taken {
                blocks.push(Self { parts: vec![Part::Rest(entry.item, entry.taken)] });
                continue;
            }
            match &entry.item.value {
                Value::Object(object) => blocks.push(Self::of(object)),
                Value::List(values) => blocks.extend(values.iter().filter_map(|value| match value {
                    Value::Object(object) => Some(Self::of(object)),
                    _ => None,
                })),
                _ => {}
            }
        }
        blocks
    }

    /// The blocks under `key` seen as one; `None` if there is none.
    pub fn block(&self, key: &str) -> Option<Self> {
        let blocks = self.blocks(key);
        (!blocks.is_empty()).then(|| Self { parts: blocks.into_iter().flat_map(|block| block.parts).collect() })
    }

    /// The blocks under `key` with their labels, in order: `key "label" { … }`.
    pub fn labelled(&self, key: &str) -> Vec<(&'a str, Self)> {
        let outer = self.blocks(key);
        let entries = outer.iter().flat_map(Self::entries);
        entries.map(|entry| (entry.key, Self::behind(entry))).collect()
    }

    /// All blocks with their keys and labels, in order: `type "name" { … }`.
    pub fn typed(&self) -> Vec<(&'a str, &'a str, Self)> {
        let mut all = Vec::new();
        for entry in self.entries() {
            let inner = Self::behind(entry);
            all.extend(inner.entries().into_iter().map(|label| (entry.key, label.key, Self::behind(label))));
        }
        all
    }

    fn behind(entry: Entry<'a>) -> Self {
        if entry.item.keys.len() > entry.taken {
            return Self { parts: vec![Part::Rest(entry.item, entry.taken)] };
        }
        match &entry.item.value {
            Value::Object(object) => Self::of(object),
            Value::List(values) => Self {
                parts: values
                    .iter()
                    .filter_map(
                        |value| if let Value::Object(object) = value { Some(Part::Whole(object)) } else { None },
                    )
                    .collect(),
            },
            _ => Self::default(),
        }
    }

    /// The objects that the block consists of, as one.
    pub fn to_object(&self) -> Object {
        let items = self.entries().into_iter().map(|entry| {
            let keys = entry.item.keys.get(entry.taken - 1..).unwrap_or_default().to_vec();
            Item { keys, value: entry.item.value.clone(), line: entry.item.line }
        });
        Object { items: items.collect() }
    }

    /// Whether `key` is there.
    pub fn has(&self, key: &str) -> bool {
        !self.under(key).is_empty()
    }

    /// Keys that are not among `known`. Quoted ones don't count in HCL; they are labels there.
    pub fn unknown(&self, known: &[&str]) -> Vec<&'a str> {
        let is_unknown =
            |entry: &Entry<'_>| !entry.quoted && !known.iter().any(|key| entry.key.eq_ignore_ascii_case(key));
        self.entries().into_iter().filter(is_unknown).map(|entry| entry.key).collect()
    }

    /// Whether `key` is set to nothing, or to `default`.
    pub(crate) fn is_default(&self, key: &str, default: &str) -> bool {
        match self.value(key) {
            None => true,
            Some(Value::Text(text) | Value::Number(text)) => text.is_empty() || text == default,
            Some(Value::Bool(value)) => value.to_string() == default,
            Some(Value::List(values)) => values.is_empty(),
            Some(Value::Object(_)) => false,
        }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.under(key).last().map(|entry| &entry.item.value)
    }

    /// A text; numbers and truth values count as theirs.
    ///
    /// # Errors
    /// [`DecodeError`] for lists and blocks.
    pub fn text(&self, key: &str) -> Result<Option<String>, DecodeError> {
        self.value(key).map(|value| text_of(key, value)).transpose()
    }

    /// A whole number; quoted ones count too.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else, with the text of Go's decoder.
    pub fn int(&self, key: &str) -> Result<Option<i64>, DecodeError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Number(text) | Value::Text(text)) => int_of(text).map(Some),
            Some(_) => Err(unknown_type(key)),
        }
    }

    /// A truth value.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, DecodeError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(unknown_type(key)),
        }
    }

    /// A list of texts; one text alone is an error in Go and here.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, DecodeError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::List(values)) => {
                values.iter().map(|value| text_of(key, value)).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(unknown_type(key)),
        }
    }
}

fn text_of(key: &str, value: &Value) -> Result<String, DecodeError> {
    match value {
        Value::Text(text) | Value::Number(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::List(_) | Value::Object(_) => Err(unknown_type(key)),
    }
}

fn int_of(text: &str) -> Result<i64, DecodeError> {
    let invalid = || DecodeError(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..).unwrap_or_default()),
        [b'0', _, ..] => (8, digits.get(1..).unwrap_or_default()),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return Err(invalid());
    }
    i64::from_str_radix(digits, radix).map(|number| sign * number).map_err(|_| invalid())
}

fn unknown_type(key: &str) -> DecodeError {
    DecodeError(format!("{key}: unknown type *ast.LiteralType"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_types_are_those_of_go() {
        let object = crate::parse("a = \"8081\"\nb = 7\nc = true\nd = [\"x\"]\ne = \"x\"\nf = 0600\n").unwrap();
        let block = Block::of(&object);
        assert_eq!(block.int("a").unwrap(), Some(8081));
        assert_eq!(block.int("f").unwrap(), Some(384));
        assert_eq!(block.text("b").unwrap().as_deref(), Some("7"));
        assert_eq!(block.bool("c").unwrap(), Some(true));
        assert!(block.bool("e").is_err() && block.texts("e").is_err());
        assert_eq!(block.int("e").unwrap_err().to_string(), "strconv.ParseInt: parsing \"x\": invalid syntax");
        assert_eq!(block.unknown(&["A", "b", "c", "d", "f"]), ["e"]);
    }

    #[test]
    fn json_of_charts_reads_as_blocks() {
        let text = r#"{"server":{"bind_port":"8081","ca_subject":[{"country":["US"]}]},
            "plugins":{"KeyManager":[{"disk":{"plugin_data":{"keys_path":"k"}}}],"DataStore":{"sql":{"plugin_data":{}}}}}"#;
        let object = crate::parse(text).unwrap();
        let root = Block::of(&object);
        let server = root.block("server").unwrap();
        assert_eq!(server.int("bind_port").unwrap(), Some(8081));
        assert_eq!(server.block("ca_subject").unwrap().texts("country").unwrap(), Some(vec!["US".to_owned()]));
        let plugins = root.block("plugins").unwrap();
        let names: Vec<(&str, &str)> = plugins.typed().iter().map(|(kind, name, _)| (*kind, *name)).collect();
        assert_eq!(names, [("KeyManager", "disk"), ("DataStore", "sql")]);
        assert_eq!(plugins.typed()[0].2.block("plugin_data").unwrap().text("keys_path").unwrap().as_deref(), Some("k"));
    }
}
