//! Fields of values.

use crate::MissingKey;
use crate::execute::RenderError;
use crate::value::Value;

/// The field `name` of `of`: of a struct, or of a map by its key.
pub(crate) fn field<'a>(of: &Value<'a>, name: &str, missing_key: MissingKey) -> Result<Value<'a>, RenderError> {
    match of {
        Value::Missing if missing_key == MissingKey::Error => Err(RenderError::NoKey(name.to_owned())),
        Value::Missing => Ok(Value::Missing),
        Value::Null(of) => Err(RenderError::NilPointer { field: name.to_owned(), of: format!("*{of}") }),
        Value::Record(record) => record
            .field(name)
            .ok_or_else(|| RenderError::NoField { field: name.to_owned(), of: record.type_name().to_owned() }),
        Value::Map(map) => match map.entries().get(name) {
            Some(value) => Ok(value.clone()),
            None if missing_key == MissingKey::Error => Err(RenderError::NoKey(name.to_owned())),
            None => Ok(Value::Missing),
        },
        other => Err(RenderError::NoField { field: name.to_owned(), of: other.type_name() }),
    }
}
