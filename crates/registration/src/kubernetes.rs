//! What templates are rendered over: objects of Kubernetes under the names that its Go API gives their fields.
//!
//! The names and kinds come from a table that Go itself prints (`tests/interop/go/controller/cmd/types`).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;
use steeple_template::{List, Map, Record, Value};

const TABLE: &str = include_str!("kubernetes/go_types.txt");

/// The types of Kubernetes' Go API that templates see. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct GoTypes(Arc<HashMap<&'static str, Vec<Field>>>);

#[derive(Clone, Copy, Debug)]
struct Field {
    name: &'static str,
    /// `-` for what is embedded: its fields stand among those of the outer type.
    json: &'static str,
    kind: &'static str,
}

impl GoTypes {
    pub(crate) fn new() -> Self {
        let mut types: HashMap<&'static str, Vec<Field>> = HashMap::new();
        let mut current = "";
        for line in TABLE.lines() {
            let mut words = line.split_whitespace();
            match (line.starts_with(' '), words.next(), words.next(), words.next()) {
                (false, Some(name), ..) => {
                    current = name;
                    types.entry(name).or_default();
                }
                (true, Some(name), Some(json), Some(kind)) => {
                    types.entry(current).or_default().push(Field { name, json, kind });
                }
                _ => {}
            }
        }
        Self(Arc::new(types))
    }

    /// `json` as a value of the Go type `kind`: `text`, `bool`, `int`, `time`, a struct's name, `*`, `[]` or `map:`
    /// before any of these.
    pub(crate) fn value<'a>(&self, kind: &'static str, json: Option<&'a Json>) -> Value<'a> {
        let json = json.filter(|json| !json.is_null());
        if let Some(of) = kind.strip_prefix('*') {
            return match json {
                Some(_) => self.value(of, json),
                None => Value::Null(Cow::from(of)),
            };
        }
        if let Some(of) = kind.strip_prefix("[]") {
            let elements = json.and_then(Json::as_array).into_iter().flatten();
            return Value::List(List::new(elements.map(|element| self.value(of, Some(element))).collect()));
        }
        if let Some(of) = kind.strip_prefix("map:") {
            let entries = json.and_then(Json::as_object).into_iter().flatten();
            let entries: BTreeMap<Cow<'a, str>, Value<'a>> =
                entries.map(|(key, value)| (Cow::from(key.as_str()), self.value(of, Some(value)))).collect();
            return Value::Map(Map::new(entries, self.value(of, None)));
        }
        match kind {
            "text" => Value::Str(json.map_or(Cow::from(""), text)),
            "bool" => Value::Bool(json.and_then(Json::as_bool).unwrap_or_default()),
            "int" => Value::Int(json.and_then(Json::as_i64).unwrap_or_default()),
            "time" => Value::text(time(json.and_then(Json::as_str))),
            _ => Value::record(Struct { types: self.clone(), name: kind, json }),
        }
    }
}

fn text(json: &Json) -> Cow<'_, str> {
    json.as_str().map_or_else(|| Cow::from(json.to_string()), Cow::from)
}

/// As Go prints a time.
fn time(text: Option<&str>) -> String {
    let parsed = text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    match parsed {
        Some(time) => time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
        None => "0001-01-01 00:00:00 +0000 UTC".to_owned(),
    }
}

struct Struct<'a> {
    types: GoTypes,
    name: &'static str,
    json: Option<&'a Json>,
}

impl<'a> Record<'a> for Struct<'a> {
    fn type_name(&self) -> &str {
        self.name
    }

    fn field(&self, name: &str) -> Option<Value<'a>> {
        self.of(self.name, name).or_else(|| {
            // ObjectMeta has a method for each of its fields.
            let field = name.strip_prefix("Get").filter(|_| self.name == "v1.ObjectMeta")?;
            self.of(self.name, field)
        })
    }
}

impl<'a> Struct<'a> {
    fn of(&self, type_name: &'static str, name: &str) -> Option<Value<'a>> {
        let fields = self.types.0.get(type_name)?;
        if let Some(field) = fields.iter().find(|field| field.name == name) {
            let json = match field.json {
                "-" => self.json,
                key => self.json.and_then(|json| json.get(key)),
            };
            return Some(self.types.value(field.kind, json));
        }
        fields.iter().filter(|field| field.json == "-").find_map(|embedded| self.of(embedded.kind, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use steeple_template::{Functions, Template};

    fn rendered(template: &str, metadata: &Json, spec: &Json) -> Result<String, String> {
        let types = GoTypes::new();
        let data = crate::data::TemplateData {
            trust_domain: "example.org",
            cluster_name: "demo",
            cluster_domain: "cluster.local",
            pod_meta: types.value("*v1.ObjectMeta", Some(metadata)),
            pod_spec: types.value("*v1.PodSpec", Some(spec)),
            node_meta: types.value("*v1.ObjectMeta", None),
            node_spec: types.value("*v1.NodeSpec", None),
        };
        let template = Template::parse(template, &Functions::BUILTIN).map_err(|error| error.to_string())?;
        template.render(&Value::record(data)).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_have_the_names_of_go() {
        let metadata = json!({"name": "a", "uid": "u", "ownerReferences": [{"kind": "ReplicaSet", "name": "r"}],
            "creationTimestamp": "2024-05-06T07:08:09Z"});
        let spec = json!({"serviceAccountName": "sa", "hostPID": true, "priority": 7,
            "volumes": [{"name": "v", "csi": {"driver": "csi.spiffe.io"}}],
            "containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}}}]});
        for (template, expected) in [
            ("{{ .PodMeta.UID }} {{ .PodMeta.GetName }}", "u a"),
            ("{{ (index .PodMeta.OwnerReferences 0).Kind }}", "ReplicaSet"),
            ("{{ .PodMeta.CreationTimestamp }}", "2024-05-06 07:08:09 +0000 UTC"),
            ("{{ .PodMeta.DeletionTimestamp }}", "<nil>"),
            ("{{ .PodSpec.HostPID }} {{ .PodSpec.HostNetwork }} {{ .PodSpec.Priority }}", "true false 7"),
            ("{{ range .PodSpec.Volumes }}{{ .Name }}:{{ .CSI.Driver }}{{ end }}", "v:csi.spiffe.io"),
            ("{{ (index .PodSpec.Volumes 0).VolumeSource.CSI.Driver }}", "csi.spiffe.io"),
            ("{{ (index .PodSpec.Containers 0).Image }}", "i"),
            ("{{ index (index .PodSpec.Containers 0).Resources.Limits \"cpu\" }}", "1"),
            ("{{ .PodSpec.NodeSelector }}", "map[]"),
            ("{{ .PodSpec.DeprecatedServiceAccount }}", ""),
            ("{{ .PodMeta.Labels.app }}", "<no value>"),
        ] {
            assert_eq!(rendered(template, &metadata, &spec).as_deref(), Ok(expected), "{template}");
        }
        for template in [
            "{{ .PodMeta.name }}",
            "{{ .PodSpec.Nope }}",
            "{{ .NodeMeta.Name }}",
            "{{ .PodSpec.SecurityContext.RunAsUser }}",
        ] {
            assert!(rendered(template, &metadata, &spec).is_err(), "{template}");
        }
    }
}
