//! What an API server must know for the custom resources: their definitions, and the policy that holds tenants.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use serde::Serialize;
use serde_json::{Value, json};

use crate::crd;

/// Name of the policy and of its binding.
const POLICY: &str = "workloadidentities.steeple.dev";

/// The template begins with the trust domain and the object's own namespace, as text or as the actions that stand for them.
/// The schema says as much, but can't know the namespace.
const WITHIN_NAMESPACE: &str = concat!(
    r"object.spec.spiffeIDTemplate.matches('^spiffe://([a-z0-9._-]+|[{][{] *[.]TrustDomain *[}][}])/ns/('",
    r" + object.metadata.namespace + '|[{][{] *[.]PodMeta[.]Namespace *[}][}])/.+$')"
);

/// DNS names end with the object's own namespace and `svc`, and perhaps the cluster's domain.
const OWN_DNS_NAMES: &str = concat!(
    r"!has(object.spec.dnsNameTemplates) || object.spec.dnsNameTemplates.all(name, name.matches('[.]('",
    r" + object.metadata.namespace + '|[{][{] *[.]PodMeta[.]Namespace *[}][}])[.]svc([.].+)?$'))"
);

/// Why something can't be printed.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't be written as YAML: {reason}")]
pub struct ManifestError {
    /// What can't be printed.
    name: &'static str,
    /// Why.
    reason: String,
}

/// The definitions of all custom resources as YAML documents.
///
/// # Errors
/// [`ManifestError`], which does not happen with the types as they are.
pub fn definitions_yaml() -> Result<String, ManifestError> {
    let documents: Result<Vec<String>, ManifestError> =
        crd::definitions().iter().map(|definition| yaml("a definition", definition)).collect();
    Ok(documents?.join("---\n"))
}

/// The policy that refuses a WorkloadIdentity which names another namespace, and its binding, as YAML documents.
///
/// # Errors
/// [`ManifestError`], which does not happen with the types as they are.
pub fn admission_policy_yaml() -> Result<String, ManifestError> {
    let (policy, binding) = admission_policy()?;
    Ok([yaml("the policy", &policy)?, yaml("the binding", &binding)?].join("---\n"))
}

/// The policy that refuses a WorkloadIdentity which names another namespace, and its binding.
///
/// # Errors
/// [`ManifestError`], which does not happen with the types as they are.
pub fn admission_policy() -> Result<(ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding), ManifestError> {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["steeple.dev"],
                "apiVersions": ["v1alpha1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["workloadidentities"],
                "scope": "*",
            }]},
            "validations": [
                {
                    "expression": WITHIN_NAMESPACE,
                    "messageExpression": "'spec.spiffeIDTemplate of a WorkloadIdentity in namespace ' + object.metadata.namespace + ' begins with spiffe://<trust domain>/ns/' + object.metadata.namespace + '/'",
                    "reason": "Forbidden",
                },
                {
                    "expression": OWN_DNS_NAMES,
                    "messageExpression": "'spec.dnsNameTemplates of a WorkloadIdentity in namespace ' + object.metadata.namespace + ' end with .' + object.metadata.namespace + '.svc, or with that and the domain of the cluster'",
                    "reason": "Forbidden",
                },
            ],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY},
        "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
    });
    Ok((read("the policy", policy)?, read("the binding", binding)?))
}

fn read<T: serde::de::DeserializeOwned>(name: &'static str, object: Value) -> Result<T, ManifestError> {
    serde_json::from_value(object).map_err(|error| ManifestError { name, reason: error.to_string() })
}

fn yaml(name: &'static str, object: &impl Serialize) -> Result<String, ManifestError> {
    let failed = |reason: String| ManifestError { name, reason };
    let mut value = serde_json::to_value(object).map_err(|error| failed(error.to_string()))?;
    without_null(&mut value);
    let mut text = serde_saphyr::to_string(&value).map_err(|error| failed(error.to_string()))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn without_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(without_null);
        }
        Value::Array(elements) => elements.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_reads_back_as_what_was_written() {
        let text = definitions_yaml().unwrap();
        let documents: Vec<&str> = text.split("---\n").collect();
        assert_eq!(documents.len(), 4);
        for (document, definition) in documents.iter().zip(crd::definitions()) {
            let read: Value = serde_saphyr::from_str(document).unwrap();
            let mut written = serde_json::to_value(&definition).unwrap();
            without_null(&mut written);
            assert_eq!(read, written);
        }
        let policy = admission_policy_yaml().unwrap();
        assert!(policy.contains("object.metadata.namespace") && policy.contains("ValidatingAdmissionPolicyBinding"));
    }

    #[test]
    fn the_schema_of_tenants_takes_what_may_be_a_namespaces_own() {
        let definition = serde_json::to_value(crd::definitions().remove(3)).unwrap();
        let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/spiffeIDTemplate/pattern";
        let pattern = regex::Regex::new(definition.pointer(schema).unwrap().as_str().unwrap()).unwrap();
        for template in [
            "spiffe://example.org/ns/shop/sa/x",
            "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
        ] {
            assert!(pattern.is_match(template), "{template}");
        }
        for template in [
            "spiffe://example.org/ns/shop/",
            "spiffe://example.org/x/ns/shop/x",
            "spiffe://example.org/ns/{{ .PodMeta.Annotations.ns }}/x",
            "{{ .PodMeta.Annotations.id }}",
        ] {
            assert!(!pattern.is_match(template), "{template}");
        }
    }

    #[test]
    fn the_policys_patterns_hold_tenants_to_their_namespace() {
        let of = |expression: &str| {
            let text = expression.split_once("matches('").unwrap().1.rsplit_once("')").unwrap().0;
            regex::Regex::new(&text.replace("' + object.metadata.namespace + '", "shop")).unwrap()
        };
        let templates = of(WITHIN_NAMESPACE);
        assert!(templates.is_match("spiffe://example.org/ns/shop/x"));
        assert!(templates.is_match("spiffe://{{.TrustDomain}}/ns/{{ .PodMeta.Namespace }}/x"));
        assert!(!templates.is_match("spiffe://example.org/ns/bank/x"));
        assert!(!templates.is_match("spiffe://example.org/ns/shopping/x"));
        let names = of(OWN_DNS_NAMES);
        assert!(names.is_match("{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc"));
        assert!(names.is_match("x.shop.svc.cluster.local"));
        assert!(!names.is_match("db.bank.svc") && !names.is_match("shop.svc") && !names.is_match("x.shop.svcs"));
    }
}
