//! What a request is about.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Key;

/// A resource, and of it what the path names.
pub(crate) struct Target {
    /// The resource, such as `/apis/apps/v1/deployments`.
    resource: String,
    namespace: Option<String>,
    name: Option<String>,
}

impl Target {
    /// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`; a subresource counts as its object.
    pub(crate) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (prefix, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => (format!("/api/{version}"), rest),
            ["apis", group, version, rest @ ..] => (format!("/apis/{group}/{version}"), rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if *plural != "status" => {
                (Some(*namespace), plural, rest.first())
            }
            [plural, rest @ ..] => (None, plural, rest.first()),
            [] => return None,
        };
        Some(Self {
            resource: format!("{prefix}/{plural}"),
            namespace: namespace.map(str::to_owned),
            name: name.map(|name| (*name).to_owned()),
        })
    }

    /// The object that is named, if one is.
    pub(super) fn key(&self) -> Option<Key> {
        self.name.as_ref().map(|name| self.named(name))
    }

    /// An object of this name.
    pub(super) fn named(&self, name: &str) -> Key {
        (self.resource.clone(), self.namespace.clone().unwrap_or_default(), name.to_owned())
    }

    /// Whether an object is among those that are listed; without a namespace those of all count.
    pub(super) fn holds(&self, key: &Key) -> bool {
        let here = self.namespace.as_ref().is_none_or(|namespace| *namespace == key.1);
        self.resource == key.0 && here && self.name.as_ref().is_none_or(|name| *name == key.2)
    }

    /// The resource's plural, for messages.
    pub(super) fn plural(&self) -> &str {
        self.resource.rsplit('/').next().unwrap_or_default()
    }
}

/// What is asked for with a request.
pub(crate) struct Wanted {
    /// Labels of which each must be there (`key`), or have a value (`key=value`).
    labels: Vec<(String, Option<String>)>,
    fields: Vec<(String, String)>,
    /// Whether changes are to be told as they come.
    pub(super) watch: bool,
    /// The version that the caller has seen.
    pub(super) version: u64,
    /// Who changes.
    pub(super) manager: String,
    /// Whether fields of others are taken over.
    pub(super) force: bool,
}

impl Wanted {
    /// Reads the query of a request.
    pub(crate) fn of(query: &BTreeMap<String, String>) -> Self {
        let value = |key: &str| query.get(key).cloned().unwrap_or_default();
        let pairs = |key: &str| {
            let all = value(key);
            let pairs = all.split(',').filter(|part| !part.is_empty()).map(|part| {
                part.split_once('=').map_or((part.to_owned(), None), |(key, value)| {
                    (key.to_owned(), Some(value.trim_start_matches('=').to_owned()))
                })
            });
            pairs.collect::<Vec<_>>()
        };
        let fields = pairs("fieldSelector").into_iter().map(|(key, value)| (key, value.unwrap_or_default()));
        Self {
            labels: pairs("labelSelector"),
            fields: fields.collect(),
            watch: matches!(value("watch").as_str(), "true" | "1"),
            version: value("resourceVersion").parse().unwrap_or_default(),
            manager: value("fieldManager"),
            force: value("force") == "true",
        }
    }

    pub(super) fn fits(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let labelled = self.labels.iter().all(|(key, wanted)| match wanted {
            Some(wanted) => labels[key] == **wanted,
            None => !labels[key].is_null(),
        });
        labelled && self.fields.iter().all(|(path, wanted)| field(object, path) == wanted)
    }
}

fn field<'a>(object: &'a Value, path: &str) -> &'a str {
    path.split('.').fold(object, |value, part| &value[part]).as_str().unwrap_or_default()
}
