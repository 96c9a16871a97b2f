//! Reviews of objects (`admission.k8s.io/v1`), in the words of spire-controller-manager's webhooks.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use steeple_net::web::Answer;
use steeple_registration::crd::{ClusterFederatedTrustDomain, ClusterSpiffeId};
use steeple_registration::{Rule, relationship};
use tracing::info;

/// Whether an object can be used; the reason why not.
type Check = fn(Value) -> Result<(), String>;

/// What is checked on which path.
const PATHS: [(&str, Check); 2] = [
    ("/validate-spire-spiffe-io-v1alpha1-clusterspiffeid", cluster_spiffe_id),
    ("/validate-spire-spiffe-io-v1alpha1-clusterfederatedtrustdomain", cluster_federated_trust_domain),
];

#[derive(Deserialize)]
struct AdmissionReview {
    request: AdmissionRequest,
}

#[derive(Deserialize)]
struct AdmissionRequest {
    uid: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    object: Value,
}

/// Answers an API server that has sent a review.
pub(super) fn answer(head: &Parts, body: &Bytes) -> Answer {
    let Some((_, check)) = PATHS.iter().find(|(path, _)| *path == head.uri.path()) else {
        return Answer::plain(StatusCode::NOT_FOUND);
    };
    if head.method != Method::POST {
        return Answer::plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let review = match serde_json::from_slice::<AdmissionReview>(body) {
        Ok(review) => review.request,
        Err(error) => {
            return Answer { body: format!("no AdmissionReview: {error}\n"), ..Answer::plain(StatusCode::BAD_REQUEST) };
        }
    };
    // What goes away need not be right.
    let verdict = match review.operation.as_str() {
        "CREATE" | "UPDATE" => check(review.object),
        _ => Ok(()),
    };
    if let Err(reason) = &verdict {
        info!(path = head.uri.path(), name = review.name, reason, "An object was refused");
    }
    let response = match verdict {
        Ok(()) => json!({"uid": review.uid, "allowed": true, "status": {"metadata": {}, "code": 200}}),
        Err(message) => {
            let status =
                json!({"metadata": {}, "status": "Failure", "message": message, "reason": "Forbidden", "code": 403});
            json!({"uid": review.uid, "allowed": false, "status": status})
        }
    };
    let body = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response});
    Answer { status: StatusCode::OK, content_type: "application/json", body: body.to_string() }
}

fn cluster_spiffe_id(object: Value) -> Result<(), String> {
    Rule::of_cluster_spiffe_id(&read::<ClusterSpiffeId>(object)?).map(drop).map_err(|error| error.to_string())
}

fn cluster_federated_trust_domain(object: Value) -> Result<(), String> {
    let object: ClusterFederatedTrustDomain = read(object)?;
    relationship(&object.spec).map(drop).map_err(|error| error.to_string())
}

fn read<T: DeserializeOwned>(object: Value) -> Result<T, String> {
    serde_json::from_value(object).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn review(path: &str, operation: &str, spec: &Value) -> (u16, Value) {
        let object =
            json!({"apiVersion": "spire.spiffe.io/v1alpha1", "kind": "K", "metadata": {"name": "x"}, "spec": spec});
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "u-1", "operation": operation, "name": "x", "object": object, "oldObject": null},
        });
        send(path, &review.to_string())
    }

    fn send(path: &str, body: &str) -> (u16, Value) {
        let request = Request::post(path).body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let (head, body) = request.into_parts();
        let answer = answer(&head, &body);
        (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or_default())
    }

    #[test]
    fn objects_are_taken_or_refused_with_the_reason() {
        let [(identities, _), (federation, _)] = PATHS;
        let taken = |path, operation, spec: Value| {
            let (status, review) = review(path, operation, &spec);
            assert_eq!((status, &review["response"]["uid"]), (200, &json!("u-1")));
            let (allowed, reason) = (&review["response"]["allowed"], &review["response"]["status"]["message"]);
            (allowed.as_bool().unwrap(), reason.as_str().unwrap_or_default().to_owned())
        };
        let good = json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/x"});
        assert!(taken(identities, "CREATE", good).0);
        let (allowed, reason) = taken(identities, "UPDATE", json!({"spiffeIDTemplate": "spiffe://{{"}));
        assert!(!allowed && reason.starts_with("invalid SPIFFEID template: "), "{reason}");
        let empty = json!({"spiffeIDTemplate": ""});
        assert_eq!(taken(identities, "CREATE", empty.clone()), (false, "empty SPIFFEID template".to_owned()));
        assert!(taken(identities, "DELETE", empty).0);
        let of_web = json!({
            "trustDomain": "b.test", "bundleEndpointURL": "https://b.test/",
            "bundleEndpointProfile": {"type": "https_web", "endpointSPIFFEID": "spiffe://b.test/x"},
        });
        let (allowed, reason) = taken(federation, "CREATE", of_web);
        assert!(!allowed && reason.ends_with("not applicable to the \"https_web\" profile"), "{reason}");
        let good = json!({
            "trustDomain": "b.test", "bundleEndpointURL": "https://b.test/", "bundleEndpointProfile": {"type": "https_web"},
        });
        assert!(taken(federation, "CREATE", good).0);
    }

    #[test]
    fn what_is_no_review_is_refused() {
        let [(identities, _), _] = PATHS;
        assert_eq!(send(identities, "{}").0, 400);
        assert_eq!(send(identities, "").0, 400);
        assert_eq!(send("/validate", "{}").0, 404);
        let (get, body) = Request::get(identities).body(Bytes::new()).unwrap().into_parts();
        assert_eq!(answer(&get, &body).status, 405);
    }
}
