//! HCL 1 and JSON: what is printed reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_config::{Block, Object, Value, expand_env, parse, print, read_plugins};

fuzz_target!(|text: &str| {
    let _ = expand_env(text, |name| (name.len() % 2 == 0).then(|| name.to_owned()));
    let object = match parse(text) {
        Ok(object) => object,
        Err(error) => {
            assert!(error.line <= text.lines().count() + 1, "{error}");
            return;
        }
    };
    let printed = print(&object);
    let again = parse(&printed).unwrap_or_else(|error| panic!("{error} in {printed:?} of {text:?}"));
    assert!(same(&object, &again), "{text:?} printed as {printed:?}");
    let root = Block::of(&object);
    for item in &object.items {
        let key = &item.keys[0].text;
        let _ = (root.text(key), root.int(key), root.bool(key), root.texts(key), root.labelled(key));
        let _ = read_plugins(&root);
    }
});

fn same(one: &Object, other: &Object) -> bool {
    let texts = |item: &steeple_config::Item| item.keys.iter().map(|key| key.text.clone()).collect::<Vec<_>>();
    one.items.len() == other.items.len()
        && one
            .items
            .iter()
            .zip(&other.items)
            .all(|(one, other)| texts(one) == texts(other) && same_value(&one.value, &other.value))
}

fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => same(one, other),
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (one, other) => one == other,
    }
}
