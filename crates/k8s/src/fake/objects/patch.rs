//! Patches of each kind.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a patch does with lists of named things.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    /// They are replaced (RFC 7396).
    Replaced,
    /// Things of the same name are merged.
    ByName,
}

/// Lays `patch` over `object`; `null` takes away.
pub(super) fn merge(object: &mut Value, patch: &Value, lists: Lists) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    object.remove(key);
                } else {
                    merge(object.entry(key.clone()).or_insert(Value::Null), value, lists);
                }
            }
        }
        (Value::Array(object), Value::Array(patch)) if lists == Lists::ByName && all_named(patch) => {
            for value in patch {
                match object.iter_mut().find(|old| old["name"] == value["name"]) {
                    Some(old) => merge(old, value, lists),
                    None => object.push(value.clone()),
                }
            }
        }
        (object, Value::Object(_)) => {
            *object = Value::Object(serde_json::Map::new());
            merge(object, patch, lists);
        }
        (object, patch) => *object = patch.clone(),
    }
}

fn all_named(values: &[Value]) -> bool {
    values.iter().all(|value| value["name"].is_string())
}

/// The fields of an object that somebody can own, as paths; a list counts as one field.
pub(super) fn fields(object: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(object, "", &mut found);
    for own in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/resourceVersion"] {
        found.remove(own);
    }
    found
}

fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(inner) => {
            for (key, value) in inner {
                collect(value, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Null => {}
        _ => drop(found.insert(path.to_owned())),
    }
}

/// Applies `wanted` for `manager` as server-side apply does: fields that it no longer asks for go, and fields of others
/// with other values are in its way unless it takes them by `force`.
///
/// # Errors
/// What is in its way.
pub(super) fn apply(
    object: &mut Value,
    wanted: &Value,
    owners: &mut BTreeMap<String, String>,
    manager: &str,
    force: bool,
) -> Result<(), String> {
    let asked = fields(wanted);
    let differs = |field: &String| object.pointer(field) != wanted.pointer(field);
    let others = asked.iter().find(|field| owners.get(*field).is_some_and(|owner| owner != manager) && differs(field));
    if let (Some(field), false) = (others, force) {
        let owner = owners.get(field).map(String::as_str).unwrap_or_default();
        let shown = field.replace('/', ".");
        return Err(format!("Apply failed with 1 conflict: conflict with {owner:?}: {shown}"));
    }
    let dropped: Vec<String> = owners
        .iter()
        .filter(|(field, owner)| *owner == manager && !asked.contains(*field))
        .map(|(f, _)| f.clone())
        .collect();
    for field in dropped {
        owners.remove(&field);
        remove(object, &field);
    }
    merge(object, wanted, Lists::Replaced);
    owners.extend(asked.into_iter().map(|field| (field, manager.to_owned())));
    Ok(())
}

fn remove(object: &mut Value, field: &str) {
    let Some((parent, key)) = field.rsplit_once('/') else { return };
    if let Some(Value::Object(parent)) = object.pointer_mut(parent) {
        parent.remove(&key.replace("~1", "/").replace("~0", "~"));
    }
}
