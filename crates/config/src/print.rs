//! Writes a block as HCL text, the form in which external plugins get theirs.

use std::fmt::Write;

use crate::tree::{Object, Value};

/// The text of `object`; parsing it yields the same settings.
pub fn print(object: &Object) -> String {
    let mut out = String::new();
    for item in &object.items {
        for (index, key) in item.keys.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            // Writing to a string can't fail.
            let _written = write!(out, "{separator}{}", quoted(&key.text));
        }
        match &item.value {
            Value::Object(inner) => {
                let inner = print(inner);
                let indented: String = inner.lines().flat_map(|line| ["  ", line, "\n"]).collect();
                let _written = writeln!(out, " {{\n{indented}}}");
            }
            value => {
                let _written = writeln!(out, " = {}", literal(value));
            }
        }
    }
    out
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.clone(),
        Value::Bool(value) => value.to_string(),
        Value::List(values) => format!("[{}]", values.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => format!("{{\n{}}}", print(object)),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // Within `${…}` nothing is escaped, so no text may open one.
            '$' if chars.peek() == Some(&'{') => out.push_str("\\x24"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use crate::{Block, parse};

    #[test]
    fn any_text_survives() {
        for text in ["${", "${\"}\\", "$${a}\n", "\u{7f}\u{0}\t", "\u{e9} \u{2028}"] {
            let json = serde_json::json!({ text: { "a": text } }).to_string();
            let object = parse(&json).unwrap();
            let again = parse(&super::print(&object)).unwrap();
            assert_eq!(Block::of(&again).block(text).unwrap().unwrap().text("a").unwrap().as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_printed_says_the_same() {
        let text = "a = 1\nb { c = [\"x\\n\", 7] d \"e\" { f = \"g\" } }\n";
        let object = parse(text).unwrap();
        let again = parse(&super::print(&object)).unwrap();
        let read = |object| Block::of(object).block("b").unwrap().unwrap().texts("c").unwrap().unwrap();
        assert_eq!(read(&object), read(&again));
        assert_eq!(Block::of(&again).int("a").unwrap(), Some(1));
    }
}
