//! Templates: whatever they are, they end, within bounds; and the same text yields the same.
#![no_main]

use std::borrow::Cow;
use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use steeple_template::{Functions, List, MAX_OUTPUT, Map, Template, Value};

fuzz_target!(|text: &str| {
    let Ok(template) = Template::parse(text, &Functions::BUILTIN) else { return };
    let inner = Map::new(BTreeMap::from([(Cow::from("b"), Value::text("c"))]), Value::text(""));
    let list = List::new(vec![Value::text("x"), Value::Int(-1), Value::Float(0.5), Value::Bool(true), Value::Missing]);
    let data = BTreeMap::from([
        (Cow::from("a"), Value::Map(inner)),
        (Cow::from("l"), Value::List(list)),
        (Cow::from("n"), Value::Int(3)),
        (Cow::from("s"), Value::text("é\"<")),
        (Cow::from("z"), Value::Null(Cow::from("thing"))),
    ]);
    let data = Value::Map(Map::new(data, Value::Missing));
    let first = template.render(&data);
    if let Ok(rendered) = &first {
        assert!(rendered.len() <= MAX_OUTPUT);
    }
    assert_eq!(first, template.render(&data));
});
