//! Configuration in JSON. Objects in lists become blocks that follow one another.

use serde_json::Value as Json;

use crate::ParseError;
use crate::parser::MAX_DEPTH;
use crate::tree::{Item, Key, Object, Value};

pub(crate) fn parse(text: &str) -> Result<Object, ParseError> {
    let json: Json = serde_json::from_str(text).map_err(|error| ParseError {
        line: error.line(),
        column: error.column(),
        message: error.to_string(),
    })?;
    match json {
        Json::Object(_) if depth(&json) > MAX_DEPTH => {
            Err(ParseError { line: 1, column: 1, message: "nested deeper than 64 blocks".to_owned() })
        }
        Json::Object(members) => Ok(object(members)),
        _ => Err(ParseError { line: 1, column: 1, message: "configuration is not an object".to_owned() }),
    }
}

/// How many objects and lists stand within one another; the reader of JSON itself stops at 128.
fn depth(json: &Json) -> usize {
    let inner = match json {
        Json::Array(values) => values.iter().map(depth).max(),
        Json::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    inner.unwrap_or_default() + 1
}

fn object(members: serde_json::Map<String, Json>) -> Object {
    let mut items = Vec::new();
    for (text, json) in members {
        let key = || vec![Key { text: text.clone(), quoted: false }];
        match json {
            Json::Null => {}
            Json::Array(values) if !values.is_empty() && values.iter().all(Json::is_object) => {
                items.extend(values.into_iter().map(|json| Item {
                    keys: key(),
                    value: value(json),
                    line: 0,
                    column: 0,
                }));
            }
            json => items.push(Item { keys: key(), value: value(json), line: 0, column: 0 }),
        }
    }
    Object { items }
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Text(String::new()),
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::String(text) => Value::Text(text),
        Json::Array(values) => Value::List(values.into_iter().map(value).collect()),
        Json::Object(members) => Value::Object(object(members)),
    }
}
