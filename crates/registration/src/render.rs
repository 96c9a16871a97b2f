//! One rule over one pod: an entry, or why there is none.

use steeple_template::{Template, Value};
use steeple_types::{IdError, Selector, SelectorError, SelectorSet, SpiffeId, TrustDomain};

use crate::data::TemplateData;
use crate::entry::{DesiredEntry, EntryKey};
use crate::kubernetes::GoTypes;
use crate::object::{NodeObject, PodObject};
use crate::rule::{Rule, Scope};

/// Why a rule makes no entry for a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The pod has no node yet, or none that is known. It comes to that when the node does.
    #[error("the pod is not scheduled to a known node ({0:?})")]
    NoNode(String),
    /// A template fails.
    #[error("failed to render {what}: {reason}")]
    Template {
        /// What the template is of.
        what: &'static str,
        /// Why it fails.
        reason: steeple_template::RenderError,
    },
    /// A template yields no SPIFFE ID.
    #[error("failed to render {what}: invalid SPIFFE ID {id:?}: {reason}")]
    SpiffeId {
        /// What the template is of.
        what: &'static str,
        /// What it yields.
        id: String,
        /// The rule that it breaks.
        reason: IdError,
    },
    /// A template yields an ID of another trust domain.
    #[error("failed to render {what}: invalid SPIFFE ID {id}: expected trust domain {expected}")]
    OtherTrustDomain {
        /// What the template is of.
        what: &'static str,
        /// What it yields.
        id: SpiffeId,
        /// The server's trust domain.
        expected: TrustDomain,
    },
    /// A template yields no selector.
    #[error("failed to render workload selector: invalid workload selector {text:?}: {reason}")]
    Selector {
        /// What it yields.
        text: String,
        /// The rule that it breaks.
        reason: SelectorError,
    },
    /// A tenant's rule yields an ID that is not the tenant's.
    #[error("{id} is not below /ns/{namespace}/, and a WorkloadIdentity of namespace {namespace} yields nothing else")]
    OutsideNamespace {
        /// What the rule yields.
        id: SpiffeId,
        /// Namespace of the rule.
        namespace: String,
    },
    /// A tenant's rule yields a DNS name that is not the tenant's.
    #[error("DNS name {name:?} does not end with .{namespace}.svc or that and the cluster's domain")]
    DnsNameOutsideNamespace {
        /// What the rule yields.
        name: String,
        /// Namespace of the rule.
        namespace: String,
    },
    /// Kubernetes gave an object that can't be read again.
    #[error("the object can't be read: {0}")]
    Object(String),
}

/// What holds for all rules of a cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    trust_domain: TrustDomain,
    name: String,
    domain: String,
    parent_id: Option<Template>,
    types: GoTypes,
}

impl Cluster {
    /// A cluster `name` with the domain `domain` (empty when not known), whose agents have the IDs that `parent_id`
    /// yields over `.TrustDomain`, `.ClusterName`, `.ClusterDomain`, `.NodeMeta` and `.NodeSpec`, or those that `k8s_psat`
    /// gives.
    pub fn new(trust_domain: TrustDomain, name: &str, domain: &str, parent_id: Option<Template>) -> Self {
        Self { trust_domain, name: name.to_owned(), domain: domain.to_owned(), parent_id, types: GoTypes::new() }
    }

    /// The entry that `rule` makes for `pod`, which runs on `node` and stands behind `services`.
    ///
    /// Whether the rule is for the pod at all is not asked here.
    ///
    /// # Errors
    /// [`RenderError`] says why there is none.
    pub fn render(
        &self,
        rule: &Rule,
        pod: &PodObject,
        node: Option<&NodeObject>,
        services: &[String],
    ) -> Result<DesiredEntry, RenderError> {
        let node = node.ok_or_else(|| RenderError::NoNode(pod.node.clone()))?;
        let read = |text: &str| {
            serde_json::from_str::<serde_json::Value>(text).map_err(|error| RenderError::Object(error.to_string()))
        };
        let (pod_json, node_json) = (read(&pod.text)?, read(&node.text)?);
        let node_meta = self.types.value("*v1.ObjectMeta", node_json.get("metadata"));
        let node_spec = self.types.value("*v1.NodeSpec", node_json.get("spec"));
        let parent_id = self.parent_id(node_meta.clone(), node_spec.clone(), &node_json)?;
        let tenant = matches!(rule.scope, Scope::Namespace(_));
        let data = Value::record(TemplateData {
            trust_domain: self.trust_domain.name(),
            cluster_name: &self.name,
            cluster_domain: &self.domain,
            pod_meta: self.types.value("*v1.ObjectMeta", pod_json.get("metadata")),
            pod_spec: self.types.value("*v1.PodSpec", pod_json.get("spec")),
            node_meta: if tenant { self.types.value("*v1.ObjectMeta", None) } else { node_meta },
            node_spec: if tenant { self.types.value("*v1.NodeSpec", None) } else { node_spec },
        });
        let spiffe_id = self.spiffe_id("SPIFFE ID", &rule.spiffe_id, &data)?;
        let dns_names = self.dns_names(rule, pod, services, &data)?;
        let selectors = selectors(rule, pod, &data)?;
        if let Scope::Namespace(namespace) = &rule.scope {
            self.check_tenant(namespace, pod, &spiffe_id, &dns_names)?;
        }
        Ok(DesiredEntry {
            key: EntryKey { spiffe_id, parent_id, selectors },
            x509_svid_ttl: rule.x509_svid_ttl,
            jwt_svid_ttl: rule.jwt_svid_ttl,
            federates_with: rule.federates_with.clone(),
            dns_names,
            admin: rule.admin && !tenant,
            downstream: rule.downstream && !tenant,
            hint: rule.hint.clone(),
            store_svid: false,
        })
    }

    fn parent_id<'a>(
        &'a self,
        node_meta: Value<'a>,
        node_spec: Value<'a>,
        node: &serde_json::Value,
    ) -> Result<SpiffeId, RenderError> {
        let Some(template) = &self.parent_id else {
            let uid = node.pointer("/metadata/uid").and_then(serde_json::Value::as_str).unwrap_or_default();
            let text = format!("spiffe://{}/spire/agent/k8s_psat/{}/{uid}", self.trust_domain, self.name);
            return self.checked("parent ID", &text);
        };
        let data = Value::record(TemplateData {
            trust_domain: self.trust_domain.name(),
            cluster_name: &self.name,
            cluster_domain: &self.domain,
            pod_meta: self.types.value("*v1.ObjectMeta", None),
            pod_spec: self.types.value("*v1.PodSpec", None),
            node_meta,
            node_spec,
        });
        self.spiffe_id("parent ID", template, &data)
    }

    fn spiffe_id(&self, what: &'static str, template: &Template, data: &Value<'_>) -> Result<SpiffeId, RenderError> {
        self.checked(what, &rendered(what, template, data)?)
    }

    fn checked(&self, what: &'static str, text: &str) -> Result<SpiffeId, RenderError> {
        let id = SpiffeId::parse(text).map_err(|reason| RenderError::SpiffeId { what, id: text.to_owned(), reason })?;
        if !id.member_of(&self.trust_domain) {
            return Err(RenderError::OtherTrustDomain { what, id, expected: self.trust_domain.clone() });
        }
        Ok(id)
    }

    /// Templates' names in their order, then those of services in order of the alphabet; none twice.
    fn dns_names(
        &self,
        rule: &Rule,
        pod: &PodObject,
        services: &[String],
        data: &Value<'_>,
    ) -> Result<Vec<String>, RenderError> {
        let mut names = Vec::new();
        for template in &rule.dns_names {
            names.push(rendered("DNS name", template, data)?);
        }
        if rule.auto_populate_dns_names {
            names.extend(self.service_names(rule, &pod.key.namespace, services));
        }
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    fn service_names(&self, rule: &Rule, namespace: &str, services: &[String]) -> Vec<String> {
        let mut names = Vec::new();
        for service in services {
            // The short names could be another namespace's: `a.b` is service a of b and host a of a domain b.
            if matches!(rule.scope, Scope::Cluster(_)) {
                names.push(service.clone());
                names.push(format!("{service}.{namespace}"));
            }
            names.push(format!("{service}.{namespace}.svc"));
            if !self.domain.is_empty() {
                names.push(format!("{service}.{namespace}.svc.{}", self.domain));
            }
        }
        names.sort();
        names
    }

    /// The last look at what a tenant's rule yields, whatever let its template pass.
    fn check_tenant(
        &self,
        namespace: &str,
        pod: &PodObject,
        id: &SpiffeId,
        dns_names: &[String],
    ) -> Result<(), RenderError> {
        let prefix = format!("/ns/{namespace}/");
        if namespace.is_empty() || pod.key.namespace != namespace || !id.path().starts_with(&prefix) {
            return Err(RenderError::OutsideNamespace { id: id.clone(), namespace: namespace.to_owned() });
        }
        let service = format!(".{namespace}.svc");
        let full = format!("{service}.{}", self.domain);
        for name in dns_names {
            let own = name.ends_with(&service) || (!self.domain.is_empty() && name.ends_with(&full));
            if !own {
                let namespace = namespace.to_owned();
                return Err(RenderError::DnsNameOutsideNamespace { name: name.clone(), namespace });
            }
        }
        Ok(())
    }
}

fn selectors(rule: &Rule, pod: &PodObject, data: &Value<'_>) -> Result<SelectorSet, RenderError> {
    let own = format!("k8s:pod-uid:{}", pod.uid);
    let mut texts = vec![own];
    for template in &rule.selectors {
        texts.push(rendered("workload selector", template, data)?);
    }
    let parse = |text: String| text.parse::<Selector>().map_err(|reason| RenderError::Selector { text, reason });
    texts.into_iter().map(parse).collect()
}

fn rendered(what: &'static str, template: &Template, data: &Value<'_>) -> Result<String, RenderError> {
    template.render(data).map_err(|reason| RenderError::Template { what, reason })
}
