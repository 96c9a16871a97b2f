//! The root of what templates are rendered over.

use steeple_template::{Record, Value};

/// `.TrustDomain`, `.ClusterName` and so on.
pub(crate) struct TemplateData<'a> {
    pub(crate) trust_domain: &'a str,
    pub(crate) cluster_name: &'a str,
    pub(crate) cluster_domain: &'a str,
    pub(crate) pod_meta: Value<'a>,
    pub(crate) pod_spec: Value<'a>,
    pub(crate) node_meta: Value<'a>,
    pub(crate) node_spec: Value<'a>,
}

impl<'a> Record<'a> for TemplateData<'a> {
    fn type_name(&self) -> &'static str {
        "template data"
    }

    fn field(&self, name: &str) -> Option<Value<'a>> {
        Some(match name {
            "TrustDomain" => Value::text(self.trust_domain),
            "ClusterName" => Value::text(self.cluster_name),
            "ClusterDomain" => Value::text(self.cluster_domain),
            "PodMeta" => self.pod_meta.clone(),
            "PodSpec" => self.pod_spec.clone(),
            "NodeMeta" => self.node_meta.clone(),
            "NodeSpec" => self.node_spec.clone(),
            _ => return None,
        })
    }
}
