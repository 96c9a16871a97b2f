//! `-output`: results for people or as JSON.
//!
//! The JSON is that of SPIRE's commands: protobuf's JSON with the names of the `.proto` files and with empty values,
//! keys in order, nulls left out, `<`, `>` and `&` escaped.

use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Map, Number, Value};
use steeple_proto::FILE_DESCRIPTOR_SET;

use super::failure::Failure;
use super::quote::quote;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Pretty,
    /// JSON.
    Json,
}

impl Format {
    /// Reads the flag's value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "pretty" | "prettyprint" => Ok(Self::Pretty),
            _ => Err(format!("bad formatter flag: unknown format option: {}", quote(text))),
        }
    }

    /// The flag's value.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
}

/// A message as JSON in one line.
pub(crate) fn message_json(message: &impl Name) -> Result<String, Failure> {
    Ok(escaped(&message_value(message)?))
}

/// A message as a JSON value.
pub(crate) fn message_value<M: Name>(message: &M) -> Result<Value, Failure> {
    let bad = |error: &dyn std::fmt::Display| Failure(format!("unable to write {} as JSON: {error}", M::full_name()));
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).map_err(|error| bad(&error))?;
    let descriptor = pool.get_message_by_name(&M::full_name()).ok_or_else(|| bad(&"no descriptor"))?;
    let dynamic =
        DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).map_err(|error| bad(&error))?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    let value = dynamic.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| bad(&error))?;
    Ok(ordered(value))
}

/// A JSON value in one line, with what would be markup in HTML escaped.
pub(crate) fn escaped(value: &Value) -> String {
    let mut text = String::new();
    // Outside of strings JSON has none of these characters.
    for letter in value.to_string().chars() {
        match letter {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text
}

fn ordered(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().map(|(name, value)| (name, ordered(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().filter(|item| !item.is_null()).map(ordered).collect()),
        Value::Number(number) => Value::Number(whole(number)),
        other => other,
    }
}

/// Numbers without a fraction are written without a point.
fn whole(number: Number) -> Number {
    /// From here on a double does not hold every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number within what a double holds exactly")]
            Number::from(float as i64)
        }
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::value::Kind;
    use steeple_proto::spire::api::types::{Bundle, JwtKey, Logger, X509Certificate};
    use steeple_proto::workload::ValidateJwtsvidResponse;

    use super::*;

    #[test]
    fn messages_are_written_as_spire_writes_them() {
        let bundle = Bundle {
            trust_domain: "rig.example".into(),
            x509_authorities: vec![X509Certificate { asn1: vec![1, 2, 3], tainted: false }],
            jwt_authorities: vec![JwtKey { key_id: "a<b".into(), expires_at: 7, ..JwtKey::default() }],
            sequence_number: 1,
            ..Bundle::default()
        };
        assert_eq!(
            message_json(&bundle).unwrap(),
            r#"{"jwt_authorities":[{"expires_at":"7","key_id":"a\u003cb","public_key":"","tainted":false}],"refresh_hint":"0","sequence_number":"1","trust_domain":"rig.example","wit_authorities":[],"x509_authorities":[{"asn1":"AQID","tainted":false}]}"#
        );
        assert_eq!(
            message_json(&Logger { current_level: 5, launch_level: 5 }).unwrap(),
            r#"{"current_level":"INFO","launch_level":"INFO"}"#
        );
        assert_eq!(message_json(&()).unwrap(), "{}");
    }

    #[test]
    fn claims_keep_whole_numbers_whole() {
        let number = |number| prost_types::Value { kind: Some(Kind::NumberValue(number)) };
        let claims = prost_types::Struct {
            fields: [("exp".to_owned(), number(1_795_461_713.0)), ("half".to_owned(), number(0.5))].into(),
        };
        let response = ValidateJwtsvidResponse { spiffe_id: "s".into(), claims: Some(claims) };
        assert_eq!(message_json(&response).unwrap(), r#"{"claims":{"exp":1795461713,"half":0.5},"spiffe_id":"s"}"#);
    }
}
