//! Reads blocks as Go's decoder does.

use crate::tree::{Item, Key, Object, Value};

/// A setting has a value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

/// A block, or several of the same name seen as one. Keys are found in any case; of settings the last one counts.
///
/// Errors tell the path of a key from the root, as Go's decoder does.
#[derive(Clone, Debug, Default)]
pub struct Block<'a> {
    path: String,
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
    item: &'a Item,
    taken: usize,
}

impl<'a> Block<'a> {
    /// The block of an object.
    pub fn of(object: &'a Object) -> Self {
        Self { path: "root".to_owned(), parts: vec![Part::Whole(object)] }
    }

    fn inner(&self, key: &str, parts: Vec<Part<'a>>) -> Self {
        Self { path: format!("{}.{key}", self.path), parts }
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
                    entries.push(Entry { key: &key.text, item, taken: taken + 1 });
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
                blocks.push(self.inner(key, vec![Part::Rest(entry.item, entry.taken)]));
                continue;
            }
            match &entry.item.value {
                Value::Object(object) => blocks.push(self.inner(key, vec![Part::Whole(object)])),
                Value::List(values) => blocks.extend(values.iter().filter_map(|value| match value {
                    Value::Object(object) => Some(self.inner(key, vec![Part::Whole(object)])),
                    _ => None,
                })),
                _ => {}
            }
        }
        blocks
    }

    /// The blocks under `key` seen as one; `None` if there is none.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else, with the text of Go's decoder.
    pub fn block(&self, key: &str) -> Result<Option<Self>, DecodeError> {
        for item in self.values(key) {
            if !matches!(item.value, Value::Object(_)) {
                return Err(self.error(key, item, Fault::Block(kind_of(&item.value))));
            }
        }
        let parts: Vec<Part<'a>> = self.blocks(key).into_iter().flat_map(|block| block.parts).collect();
        Ok((!parts.is_empty()).then(|| self.inner(key, parts)))
    }

    /// The blocks under `key` with their labels, in order: `key "label" { … }`.
    ///
    /// # Errors
    /// [`DecodeError`] as of [`block`](Self::block).
    pub fn labelled(&self, key: &str) -> Result<Vec<(&'a str, Self)>, DecodeError> {
        let outer = self.block(key)?.unwrap_or_default();
        Ok(outer.entries().into_iter().map(|entry| (entry.key, outer.behind(entry))).collect())
    }

    /// All blocks with their keys and labels, in order: `type "name" { … }`.
    pub fn typed(&self) -> Vec<(&'a str, &'a str, Self)> {
        let mut all = Vec::new();
        for entry in self.entries() {
            let inner = self.behind(entry);
            all.extend(inner.entries().into_iter().map(|label| (entry.key, label.key, inner.behind(label))));
        }
        all
    }

    fn behind(&self, entry: Entry<'a>) -> Self {
        if entry.item.keys.len() > entry.taken {
            return self.inner(entry.key, vec![Part::Rest(entry.item, entry.taken)]);
        }
        let object =
            |value: &'a Value| if let Value::Object(object) = value { Some(Part::Whole(object)) } else { None };
        let parts = match &entry.item.value {
            Value::List(values) => values.iter().filter_map(object).collect(),
            value => object(value).into_iter().collect(),
        };
        self.inner(entry.key, parts)
    }

    /// The objects that the block consists of, as one.
    pub fn to_object(&self) -> Object {
        let items = self.entries().into_iter().map(|entry| {
            let keys = entry.item.keys.get(entry.taken - 1..).unwrap_or_default().to_vec();
            Item { keys, value: entry.item.value.clone(), line: entry.item.line, column: entry.item.column }
        });
        Object { items: items.collect() }
    }

    /// Whether something in it is set to other than the zero value of its kind in Go, which is no setting to SPIRE.
    pub fn sets_anything(&self) -> bool {
        self.entries().into_iter().any(|entry| match &entry.item.value {
            Value::Text(text) => !text.is_empty(),
            Value::Number(number) => number.parse() != Ok(0.0),
            Value::Bool(is_set) => *is_set,
            Value::List(_) | Value::Object(_) => true,
        })
    }

    /// Whether `key` is there.
    pub fn has(&self, key: &str) -> bool {
        !self.under(key).is_empty()
    }

    /// Keys, and labels without quotes, that are not among `known`. Quoted ones don't count in HCL; they are labels there. As in
    /// Go, what has labels counts only where it is the first item.
    pub fn unknown(&self, known: &[&str]) -> Vec<&'a str> {
        let mut unknown = Vec::new();
        for (index, entry) in self.entries().into_iter().enumerate() {
            let keys = entry.item.keys.get(entry.taken - 1..).unwrap_or_default();
            if index > 0 && keys.len() > 1 {
                continue;
            }
            let is_unknown =
                |key: &&Key| !key.quoted && !known.iter().any(|known| key.text.eq_ignore_ascii_case(known));
            unknown.extend(keys.iter().filter(is_unknown).map(|key| key.text.as_str()));
        }
        unknown
    }

    /// Whether `key` is set to nothing, or to `default`.
    pub(crate) fn is_default(&self, key: &str, default: &str) -> bool {
        self.values(key).iter().all(|item| match &item.value {
            Value::Text(text) | Value::Number(text) => text.is_empty() || text == default,
            Value::Bool(value) => value.to_string() == default,
            Value::List(values) => values.is_empty(),
            Value::Object(object) => default == "{}" && object.items.is_empty(),
        }) && self.under(key).iter().all(|entry| entry.item.keys.len() == entry.taken)
    }

    /// What stands behind `key` alone, in order.
    fn values(&self, key: &str) -> Vec<&'a Item> {
        let entries = self.under(key).into_iter();
        entries.filter(|entry| entry.item.keys.len() == entry.taken).map(|entry| entry.item).collect()
    }

    /// Decodes each value of `key`; the last one counts, and a bad one is an error wherever it stands. What has labels is a block.
    fn last<T>(&self, key: &str, decode: impl Fn(&'a Value) -> Result<T, Fault>) -> Result<Option<T>, DecodeError> {
        let mut last = None;
        for Entry { item, taken, .. } in self.under(key) {
            let value = if item.keys.len() > taken { &BLOCK } else { &item.value };
            last = Some(decode(value).map_err(|fault| self.error(key, item, fault))?);
        }
        Ok(last)
    }

    fn error(&self, key: &str, item: &Item, fault: Fault) -> DecodeError {
        let at = if item.line == 0 { "At -: ".to_owned() } else { format!("At {}:{}: ", item.line, item.column) };
        DecodeError(match fault {
            Fault::Number(text) => format!("strconv.ParseInt: parsing {text:?}: invalid syntax"),
            Fault::Slice(kind) => format!("{at}unknown slice type: {kind}"),
            Fault::Text(element, kind) => format!("{at}{}.{key}{element}: unknown type for string {kind}", self.path),
            Fault::Literal(kind) => format!("{at}{}.{key}: unknown type {kind}", self.path),
            Fault::Block(kind) => format!("{at}{}.{key}: not an object type for struct ({kind})", self.path),
        })
    }

    /// A text; numbers count as theirs.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn text(&self, key: &str) -> Result<Option<String>, DecodeError> {
        self.last(key, |value| text_of("", value))
    }

    /// A whole number; quoted ones count too.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else, with the text of Go's decoder.
    pub fn int(&self, key: &str) -> Result<Option<i64>, DecodeError> {
        self.last(key, |value| match value {
            Value::Number(text) if is_float(text) => Err(Fault::Literal(kind_of(value))),
            Value::Number(text) | Value::Text(text) => int_of(text).ok_or_else(|| Fault::Number(text.clone())),
            other => Err(Fault::Literal(kind_of(other))),
        })
    }

    /// A truth value; a quoted one is an error in Go and here.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, DecodeError> {
        self.last(key, |value| match value {
            Value::Bool(value) => Ok(*value),
            other => Err(Fault::Literal(kind_of(other))),
        })
    }

    /// A list of texts; one text alone is an error in Go and here, and a second list is added to the first.
    ///
    /// # Errors
    /// [`DecodeError`] for anything else.
    pub fn texts(&self, key: &str) -> Result<Option<Vec<String>>, DecodeError> {
        let mut all: Option<Vec<String>> = None;
        for Entry { item, taken, .. } in self.under(key) {
            let values = match &item.value {
                Value::List(values) if item.keys.len() == taken => values,
                Value::Object(object) if item.keys.len() == taken && object.items.is_empty() => &Vec::new(),
                Value::Object(_) => {
                    return Err(self.error(key, item, Fault::Text("[0]".to_owned(), "*ast.ObjectItem")));
                }
                value => return Err(self.error(key, item, Fault::Slice(kind_of(value)))),
            };
            let texts = values.iter().enumerate().map(|(at, value)| text_of(&format!("[{at}]"), value));
            let texts: Result<Vec<String>, Fault> = texts.collect();
            all.get_or_insert_default().extend(texts.map_err(|fault| self.error(key, item, fault))?);
        }
        Ok(all)
    }
}

/// What is wrong with a value; kinds are the names of Go's syntax tree.
enum Fault {
    Number(String),
    Slice(&'static str),
    /// Which element of a list, and its kind.
    Text(String, &'static str),
    Literal(&'static str),
    Block(&'static str),
}

/// What stands for a block with labels.
static BLOCK: Value = Value::Object(Object { items: Vec::new() });

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => "*ast.LiteralType",
        Value::List(_) => "*ast.ListType",
        Value::Object(_) => "*ast.ObjectList",
    }
}

fn text_of(element: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::Number(text) if is_float(text) => Err(Fault::Text(element.to_owned(), kind_of(value))),
        Value::Text(text) | Value::Number(text) => Ok(text.clone()),
        Value::Object(_) if !element.is_empty() => Err(Fault::Text(element.to_owned(), "*ast.ObjectType")),
        other => Err(Fault::Text(element.to_owned(), kind_of(other))),
    }
}

/// Whether a number is a fraction to Go's scanner.
fn is_float(number: &str) -> bool {
    let digits = number.trim_start_matches('-');
    !digits.starts_with("0x") && !digits.starts_with("0X") && digits.contains(['.', 'e', 'E'])
}

fn int_of(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok().map(|number| sign * number)
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
    fn repeated_settings_are_those_of_go() {
        let object = crate::parse("a = 1\nA = 2\nl = [\"x\"]\nl = [\"y\"]\nb { c = 1 }\nB { d = 2 }\n").unwrap();
        let root = Block::of(&object);
        assert_eq!(root.int("a").unwrap(), Some(2), "the last one counts");
        assert_eq!(root.texts("l").unwrap(), Some(vec!["x".to_owned(), "y".to_owned()]), "lists are added up");
        let merged = root.block("b").unwrap().unwrap();
        assert_eq!((merged.int("c").unwrap(), merged.int("d").unwrap()), (Some(1), Some(2)), "blocks are merged");
    }

    #[test]
    fn errors_tell_where_and_which_key_as_go_does() {
        let text = "server {\n  ratelimit { signing = \"x\" }\n  a = [true]\n  b = true\n  c = \"x\"\n  d = {}\n  e = 1\n  e = \"x\"\n}";
        let object = crate::parse(text).unwrap();
        let server = Block::of(&object).block("server").unwrap().unwrap();
        let signing = server.block("ratelimit").unwrap().unwrap().bool("signing").unwrap_err();
        for (error, said) in [
            (signing, "At 2:25: root.server.ratelimit.signing: unknown type *ast.LiteralType"),
            (server.texts("a").unwrap_err(), "At 3:7: root.server.a[0]: unknown type for string *ast.LiteralType"),
            (server.text("b").unwrap_err(), "At 4:7: root.server.b: unknown type for string *ast.LiteralType"),
            (server.texts("c").unwrap_err(), "At 5:7: unknown slice type: *ast.LiteralType"),
            (server.int("d").unwrap_err(), "At 6:7: root.server.d: unknown type *ast.ObjectList"),
            (server.int("e").unwrap_err(), "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ] {
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn json_of_charts_reads_as_blocks() {
        let text = r#"{"server":{"bind_port":"8081","ca_subject":[{"country":["US"]}]},
            "plugins":{"KeyManager":[{"disk":{"plugin_data":{"keys_path":"k"}}}],"DataStore":{"sql":{"plugin_data":{}}}}}"#;
        let object = crate::parse(text).unwrap();
        let root = Block::of(&object);
        let server = root.block("server").unwrap().unwrap();
        assert_eq!(server.int("bind_port").unwrap(), Some(8081));
        assert_eq!(server.block("ca_subject").unwrap().unwrap().texts("country").unwrap(), Some(vec!["US".to_owned()]));
        let plugins = root.block("plugins").unwrap().unwrap();
        let names: Vec<(&str, &str)> = plugins.typed().iter().map(|(kind, name, _)| (*kind, *name)).collect();
        assert_eq!(names, [("KeyManager", "disk"), ("DataStore", "sql")]);
        assert_eq!(
            plugins.typed()[0].2.block("plugin_data").unwrap().unwrap().text("keys_path").unwrap().as_deref(),
            Some("k")
        );
    }
}
