//! Comparison of values.

use std::cmp::Ordering;

use crate::value::Value;

type Comparison = fn(&Value<'_>, &Value<'_>) -> Result<bool, String>;

/// `eq`: whether the first argument equals any other.
pub(crate) fn equals(arguments: &[Value<'_>]) -> Result<bool, String> {
    let Some((first, others)) = arguments.split_first() else {
        return Err("wrong number of args: want at least 1 got 0".to_owned());
    };
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A comparison of two arguments.
pub(crate) fn two<'a>(arguments: &[Value<'a>], compare: Comparison) -> Result<Value<'a>, String> {
    match arguments {
        [first, second] => compare(first, second).map(Value::Bool),
        other => Err(format!("wrong number of args: want 2 got {}", other.len())),
    }
}

pub(crate) fn not_equal(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    equal(first, second).map(|equal| !equal)
}

pub(crate) fn less(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    order(first, second).map(|order| order == Some(Ordering::Less))
}

pub(crate) fn less_or_equal(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    order(first, second).map(|order| matches!(order, Some(Ordering::Less | Ordering::Equal)))
}

pub(crate) fn greater(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    less_or_equal(first, second).map(|less_or_equal| !less_or_equal)
}

pub(crate) fn greater_or_equal(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    less(first, second).map(|less| !less)
}

fn equal(first: &Value<'_>, second: &Value<'_>) -> Result<bool, String> {
    match (first, second) {
        (Value::Str(first), Value::Str(second)) => Ok(first == second),
        (Value::Bool(first), Value::Bool(second)) => Ok(first == second),
        (Value::Int(first), Value::Int(second)) => Ok(first == second),
        #[expect(clippy::float_cmp, reason = "what eq is asked")]
        (Value::Float(first), Value::Float(second)) => Ok(first == second),
        // What is not there equals what is not there, and nothing that has a type of its own to compare by.
        (Value::Missing, Value::Missing | Value::Null(_)) | (Value::Null(_), Value::Missing) => Ok(true),
        (Value::Null(first), Value::Null(second)) if first == second => Ok(true),
        (Value::Missing, _) | (_, Value::Missing) => Ok(false),
        (Value::List(_) | Value::Map(_), _) | (_, Value::List(_) | Value::Map(_)) => {
            Err(format!("non-comparable types {}, {}", first.type_name(), second.type_name()))
        }
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn order(first: &Value<'_>, second: &Value<'_>) -> Result<Option<Ordering>, String> {
    match (first, second) {
        (Value::Str(first), Value::Str(second)) => Ok(Some(first.cmp(second))),
        (Value::Int(first), Value::Int(second)) => Ok(Some(first.cmp(second))),
        (Value::Float(first), Value::Float(second)) => Ok(first.partial_cmp(second)),
        (Value::Int(_) | Value::Float(_) | Value::Str(_), Value::Int(_) | Value::Float(_) | Value::Str(_)) => {
            Err("incompatible types for comparison".to_owned())
        }
        _ => Err("invalid type for comparison".to_owned()),
    }
}
