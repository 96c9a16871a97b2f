//! What Go's own engine yields, template by template (`tests/interop/go/controller/cmd/template` makes the vectors).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use steeple_template::{Functions, List, Map, MissingKey, Record, Template, Value};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    template: String,
    missing_key: Option<String>,
    output: Option<String>,
    error: Option<String>,
}

/// Templates that Go renders with what went wrong in the text, such as `%!d(string=web)`. Here they fail,
/// and complex numbers with them.
const FAIL_HERE: &[&str] = &[
    "{{.}}",
    "{{1+2i}}",
    "{{$}} ",
    "{{printf \"%s-%s\" .Name}}",
    "{{printf \"%s\" .Name \"extra\"}}",
    "{{printf \"%d\" .Name}}",
    "{{printf \"%z\" .Name}}",
];

#[test]
fn templates_yield_what_go_makes_of_them() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(vectors.len() > 180);
    let mut wrong = Vec::new();
    for vector in &vectors {
        let rendered = render(vector);
        let expected = vector.output.as_ref().filter(|_| !FAIL_HERE.contains(&vector.template.as_str()));
        let fits = match (&rendered, expected) {
            (Ok(rendered), Some(expected)) => rendered == expected,
            (Err(_), None) => true,
            _ => false,
        };
        if !fits {
            wrong.push(format!(
                "{}\n  Go:   {:?} {}\n  here: {rendered:?}",
                vector.template,
                vector.output,
                vector.error.as_deref().unwrap_or_default()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), vectors.len(), wrong.join("\n"));
}

fn render(vector: &Vector) -> Result<String, String> {
    let template = Template::parse(&vector.template, &Functions::BUILTIN).map_err(|error| error.to_string())?;
    let missing_key = if vector.missing_key.is_some() { MissingKey::Error } else { MissingKey::NoValue };
    template.with_missing_key(missing_key).render(&data()).map_err(|error| error.to_string())
}

struct Fields {
    type_name: &'static str,
    fields: BTreeMap<&'static str, Value<'static>>,
}

impl Record<'static> for Fields {
    fn type_name(&self) -> &str {
        self.type_name
    }
    fn field(&self, name: &str) -> Option<Value<'static>> {
        self.fields.get(name).cloned()
    }
}

fn data() -> Value<'static> {
    let texts = |texts: &[&'static str]| Value::List(List::new(texts.iter().map(|text| Value::text(*text)).collect()));
    let map = |entries: &[(&'static str, Value<'static>)], zero| {
        Value::Map(Map::new(entries.iter().map(|(key, value)| (Cow::from(*key), value.clone())).collect(), zero))
    };
    let inner = |name: &'static str, tags: &[&'static str]| {
        let fields = BTreeMap::from([("Name", Value::text(name)), ("Tags", texts(tags))]);
        Value::record(Fields { type_name: "main.inner", fields })
    };
    let labels = [
        ("app", Value::text("shop")),
        ("app.kubernetes.io/name", Value::text("shop-web")),
        ("tier", Value::text("front")),
    ];
    let list = Value::List(List::new(vec![Value::text("x"), Value::Int(1), Value::Bool(true)]));
    let any = [("text", Value::text("t")), ("number", Value::Int(7)), ("null", Value::Missing), ("list", list)];
    Value::record(Fields {
        type_name: "main.data",
        fields: BTreeMap::from([
            ("Name", Value::text("web")),
            ("Count", Value::Int(3)),
            ("Ratio", Value::Float(1.5)),
            ("On", Value::Bool(true)),
            ("Labels", map(&labels, Value::text(""))),
            ("Empty", map(&[], Value::text(""))),
            ("Tags", texts(&["a", "b", "c"])),
            ("None", texts(&[])),
            ("Any", map(&any, Value::Missing)),
            ("Inner", inner("in", &["i"])),
            ("Null", Value::Null(Cow::from("main.inner"))),
            ("Inners", Value::List(List::new(vec![inner("one", &[]), inner("two", &["t"])]))),
        ]),
    })
}
