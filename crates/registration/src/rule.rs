//! Rules: objects that give entries to pods, parsed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::core::{Selector as Labels, SelectorExt as _};
use steeple_config::parse_duration;
use steeple_template::{Functions, ParseError, Template};
use steeple_types::{IdError, TrustDomain};

use crate::crd::{ClusterSpiffeId, ClusterSpiffeIdSpec, WorkloadIdentity};
use crate::object::PodObject;

/// Why a rule can't be used at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// There is no template of the SPIFFE ID.
    #[error("empty SPIFFEID template")]
    EmptyTemplate,
    /// The template of the SPIFFE ID is none.
    #[error("invalid SPIFFEID template: {0}")]
    SpiffeIdTemplate(ParseError),
    /// A template of a DNS name is none.
    #[error("invalid dnsNameTemplate value: {0}")]
    DnsNameTemplate(ParseError),
    /// A template of a selector is none.
    #[error("invalid workloadSelectorTemplates value: {0}")]
    SelectorTemplate(ParseError),
    /// A label selector is none.
    #[error("invalid {key}: {reason}")]
    LabelSelector {
        /// Key of the spec.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A trust domain is none.
    #[error("invalid federatesWith value: {value:?}: {reason}")]
    FederatesWith {
        /// What the object says.
        value: String,
        /// The rule that it breaks.
        reason: IdError,
    },
    /// A lifetime is none.
    #[error("invalid {key} value: {reason}")]
    Ttl {
        /// Key of the spec.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A tenant's template does not begin with the tenant's prefix.
    #[error(
        "the SPIFFE ID template of a WorkloadIdentity in namespace {namespace} begins with spiffe://<trust domain>/ns/{namespace}/, and {template:?} does not"
    )]
    OutsideNamespace {
        /// Namespace of the object.
        namespace: String,
        /// The template.
        template: String,
    },
}

/// A rule: which pods get which entry.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) scope: Scope,
    pub(crate) pods: Option<Labels>,
    pub(crate) spiffe_id: Template,
    pub(crate) dns_names: Vec<Template>,
    pub(crate) selectors: Vec<Template>,
    pub(crate) x509_svid_ttl: u32,
    pub(crate) jwt_svid_ttl: u32,
    pub(crate) federates_with: Vec<TrustDomain>,
    pub(crate) admin: bool,
    pub(crate) downstream: bool,
    pub(crate) auto_populate_dns_names: bool,
    pub(crate) fallback: bool,
    pub(crate) hint: String,
}

/// Namespaces that a rule is for.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// Those with these labels, or all.
    Cluster(Option<Labels>),
    /// One, whose people made the rule: what it yields must be the namespace's own.
    Namespace(String),
}

/// Precedence among objects that ask for the same entry: the least wins. Operators' objects go before tenants', older
/// ones before younger, those that are being deleted last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    tenant: bool,
    /// Nanoseconds since 1970.
    created: Option<i128>,
    deleted: Option<Reverse<i128>>,
    uid: String,
}

impl Rank {
    pub(crate) fn of(metadata: &ObjectMeta, tenant: bool) -> Self {
        Self {
            tenant,
            created: metadata.creation_timestamp.as_ref().map(|time| time.0.as_nanosecond()),
            deleted: metadata.deletion_timestamp.as_ref().map(|time| Reverse(time.0.as_nanosecond())),
            uid: metadata.uid.clone().unwrap_or_default(),
        }
    }
}

impl Rule {
    /// The rule that a ClusterSPIFFEID is.
    ///
    /// # Errors
    /// [`RuleError`] names what of the object can't be used.
    pub fn of_cluster_spiffe_id(object: &ClusterSpiffeId) -> Result<Self, RuleError> {
        let namespaces = labels("namespaceSelector", object.spec.namespace_selector.as_ref())?;
        Self::parse(&object.spec, Scope::Cluster(namespaces))
    }

    /// The rule that a WorkloadIdentity is. Facts of nodes are not for it, nor is what only operators may give.
    ///
    /// # Errors
    /// [`RuleError`] names what of the object can't be used.
    pub fn of_workload_identity(object: &WorkloadIdentity) -> Result<Self, RuleError> {
        let namespace = object.metadata.namespace.clone().unwrap_or_default();
        let spec = &object.spec;
        if !is_within(&spec.spiffe_id_template, &namespace) {
            return Err(RuleError::OutsideNamespace { namespace, template: spec.spiffe_id_template.clone() });
        }
        let spec = ClusterSpiffeIdSpec {
            spiffe_id_template: spec.spiffe_id_template.clone(),
            ttl: spec.ttl.clone(),
            jwt_ttl: spec.jwt_ttl.clone(),
            dns_name_templates: spec.dns_name_templates.clone(),
            workload_selector_templates: spec.workload_selector_templates.clone(),
            federates_with: spec.federates_with.clone(),
            namespace_selector: None,
            pod_selector: spec.pod_selector.clone(),
            admin: false,
            downstream: false,
            auto_populate_dns_names: spec.auto_populate_dns_names,
            class_name: spec.class_name.clone(),
            fallback: spec.fallback,
            hint: spec.hint.clone(),
        };
        Self::parse(&spec, Scope::Namespace(namespace))
    }

    fn parse(spec: &ClusterSpiffeIdSpec, scope: Scope) -> Result<Self, RuleError> {
        if spec.spiffe_id_template.is_empty() {
            return Err(RuleError::EmptyTemplate);
        }
        let template = |text: &String| Template::parse(text, &Functions::BUILTIN);
        let spiffe_id = template(&spec.spiffe_id_template).map_err(RuleError::SpiffeIdTemplate)?;
        let pods = labels("podSelector", spec.pod_selector.as_ref())?;
        let dns_names: Result<Vec<Template>, ParseError> = spec.dns_name_templates.iter().map(template).collect();
        let selectors: Result<Vec<Template>, ParseError> =
            spec.workload_selector_templates.iter().map(template).collect();
        Ok(Self {
            scope,
            pods,
            spiffe_id,
            dns_names: dns_names.map_err(RuleError::DnsNameTemplate)?,
            selectors: selectors.map_err(RuleError::SelectorTemplate)?,
            x509_svid_ttl: seconds("ttl", &spec.ttl)?,
            jwt_svid_ttl: seconds("jwtTtl", &spec.jwt_ttl)?,
            federates_with: trust_domains(&spec.federates_with)?,
            admin: spec.admin,
            downstream: spec.downstream,
            auto_populate_dns_names: spec.auto_populate_dns_names,
            fallback: spec.fallback,
            hint: spec.hint.clone(),
        })
    }

    /// Whether the rule is for a namespace.
    pub(crate) fn takes_namespace(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        match &self.scope {
            Scope::Cluster(None) => true,
            Scope::Cluster(Some(selector)) => selector.matches(labels),
            Scope::Namespace(own) => own == name,
        }
    }

    /// Whether the rule is for a pod of a namespace that it is for.
    pub(crate) fn takes_pod(&self, pod: &PodObject) -> bool {
        self.pods.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
    }
}

/// Whether a template can't yield an ID but below the namespace's prefix: it begins with that, as text or as the two
/// actions that stand for it.
fn is_within(template: &str, namespace: &str) -> bool {
    let Some(rest) = template.strip_prefix("spiffe://") else { return false };
    let Some((trust_domain, rest)) = rest.split_once("/ns/") else { return false };
    let Some((name, rest)) = rest.split_once('/') else { return false };
    let is_action = |text: &str, field: &str| {
        text.strip_prefix("{{")
            .and_then(|text| text.strip_suffix("}}"))
            .is_some_and(|inner| inner.trim_matches(' ') == field)
    };
    let trust_domain = is_action(trust_domain, ".TrustDomain") || TrustDomain::from_name(trust_domain).is_ok();
    trust_domain && (name == namespace || is_action(name, ".PodMeta.Namespace")) && !rest.is_empty()
}

fn labels(key: &'static str, selector: Option<&LabelSelector>) -> Result<Option<Labels>, RuleError> {
    let Some(selector) = selector else { return Ok(None) };
    for expression in selector.match_expressions.iter().flatten() {
        let values = expression.values.as_ref().is_some_and(|values| !values.is_empty());
        let wanted = matches!(expression.operator.as_str(), "In" | "NotIn");
        if values != wanted {
            let reason =
                format!("operator {} of {:?} and its values don't go together", expression.operator, expression.key);
            return Err(RuleError::LabelSelector { key, reason });
        }
    }
    let parsed = Labels::try_from(selector.clone());
    parsed.map(Some).map_err(|error| RuleError::LabelSelector { key, reason: error.to_string() })
}

/// A lifetime in whole seconds; absent means the server's own.
pub(crate) fn seconds(key: &'static str, text: &str) -> Result<u32, RuleError> {
    if text.is_empty() {
        return Ok(0);
    }
    let time = parse_duration(text).map_err(|reason| RuleError::Ttl { key, reason })?;
    let seconds = i32::try_from(time.as_secs()).ok().and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| RuleError::Ttl { key, reason: format!("{text} is too long") })
}

pub(crate) fn trust_domains(names: &[String]) -> Result<Vec<TrustDomain>, RuleError> {
    let parse = |value: &String| {
        TrustDomain::parse(value).map_err(|reason| RuleError::FederatesWith { value: value.clone(), reason })
    };
    names.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_template_begins_with_the_tenants_prefix() {
        for template in [
            "spiffe://example.org/ns/shop/sa/x",
            "spiffe://{{ .TrustDomain }}/ns/shop/x",
            "spiffe://{{.TrustDomain}}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
        ] {
            assert!(is_within(template, "shop"), "{template}");
        }
        for template in [
            "spiffe://example.org/ns/bank/sa/x",
            "spiffe://example.org/ns/shop",
            "spiffe://example.org/ns/shop/",
            "spiffe://example.org/ns/shopping/x",
            "spiffe://example.org/x/ns/shop/x",
            "spiffe://{{ .PodMeta.Annotations.td }}/ns/shop/x",
            "spiffe://example.org/ns/{{ .PodMeta.Annotations.ns }}/x",
            "spiffe://example.org/ns/{{ .PodMeta.Namespace }}{{ .PodMeta.Name }}/x",
            "{{ .PodMeta.Annotations.id }}",
        ] {
            assert!(!is_within(template, "shop"), "{template}");
        }
    }
}
