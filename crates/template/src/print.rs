//! Values as text.

use crate::float::shortest;
use crate::value::Value;

/// The value as an action prints it.
pub(crate) fn printed(value: &Value<'_>) -> Result<String, String> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

/// `print`: a space stands between two values of which neither is a text.
pub(crate) fn print(values: &[Value<'_>]) -> Result<String, String> {
    let mut text = String::new();
    let mut before_is_text = true;
    for value in values {
        let is_text = matches!(value, Value::Str(_));
        if !before_is_text && !is_text {
            text.push(' ');
        }
        before_is_text = is_text;
        write_argument(value, &mut text)?;
    }
    Ok(text)
}

/// `println`: spaces between all values, and a new line.
pub(crate) fn println(values: &[Value<'_>]) -> Result<String, String> {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            text.push(' ');
        }
        write_argument(value, &mut text)?;
    }
    text.push('\n');
    Ok(text)
}

/// The arguments of `html`, `js` and `urlquery` as one text.
pub(crate) fn evaluated(values: &[Value<'_>]) -> Result<String, String> {
    match values {
        [Value::Str(only)] => Ok(only.clone().into_owned()),
        [Value::Missing] => Ok("<no value>".to_owned()),
        _ => print(values),
    }
}

/// As an argument of a function what is not there is `<nil>`.
fn write_argument(value: &Value<'_>, text: &mut String) -> Result<(), String> {
    match value {
        Value::Missing => {
            text.push_str("<nil>");
            Ok(())
        }
        other => write(other, text),
    }
}

pub(crate) fn write(value: &Value<'_>, text: &mut String) -> Result<(), String> {
    match value {
        Value::Missing => text.push_str("<no value>"),
        Value::Null(_) => text.push_str("<nil>"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => text.push_str(&number.to_string()),
        Value::Float(number) => text.push_str(&shortest(*number)),
        Value::Str(inner) => text.push_str(inner),
        Value::List(list) => {
            text.push('[');
            for (at, element) in list.as_slice().iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                write_argument(element, text)?;
            }
            text.push(']');
        }
        Value::Map(map) => {
            text.push_str("map[");
            for (at, (key, element)) in map.entries().iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                text.push_str(key);
                text.push(':');
                write_argument(element, text)?;
            }
            text.push(']');
        }
        Value::Record(record) => return Err(format!("can't print {} as a whole", record.type_name())),
    }
    Ok(())
}
