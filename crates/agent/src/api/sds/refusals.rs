//! Names that stand for nothing, each with the reason.

use std::collections::BTreeMap;

use prost::Message;
use steeple_proto::envoy::service::discovery::v3 as pb;
use steeple_proto::google::rpc;
use tonic::Code;
use tracing::warn;

use super::secrets::Secrets;

/// How istio-agent begins the names of secrets that it reads from files of its pod.
const FILES: [&str; 2] = ["file-root:", "file-cert:"];

/// The errors of the names that were asked for and not found. Envoy goes on with the other names; other clients of xDS
/// act on the code.
pub(super) fn refusals(asked: &[String], found: &Secrets, logged: &Logged) -> Vec<pb::ResourceError> {
    let refused = asked.iter().filter(|name| !found.contains_key(*name));
    refused.map(|name| refusal(name, logged.0.get(name))).collect()
}

/// `google.rpc.RequestInfo`: by which ID a request is known to who refused it.
#[derive(Clone, PartialEq, prost::Message)]
struct RequestInfo {
    #[prost(string, tag = "1")]
    request_id: String,
}

fn refusal(name: &str, reference: Option<&String>) -> pb::ResourceError {
    let (code, message) = if is_file(name) {
        let message = format!(
            "{name:?} names a file of the pod, which this agent does not serve: istio-agent does, when it finds the agent's socket \
             at its start (set WORKLOAD_IDENTITY_SOCKET_FILE to the socket's name)"
        );
        (Code::NotFound, message)
    } else {
        (Code::PermissionDenied, format!("workload is not authorized for the requested identities [{name:?}]"))
    };
    let details = reference.into_iter().filter(|reference| !reference.is_empty()).map(|reference| prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.RequestInfo".to_owned(),
        value: RequestInfo { request_id: reference.clone() }.encode_to_vec(),
    });
    let status = rpc::Status { code: code.into(), message, details: details.collect() };
    pb::ResourceError { resource_name: Some(pb::ResourceName { name: name.to_owned() }), error_detail: Some(status) }
}

fn is_file(name: &str) -> bool {
    FILES.iter().any(|beginning| name.starts_with(beginning))
}

/// The names whose refusal is in the log already, for one stream, with the references under which they are there.
#[derive(Debug, Default)]
pub(super) struct Logged(BTreeMap<String, String>);

impl Logged {
    /// Logs each refused name once; again when it was found or not asked for in between. `refuse` yields its reference.
    pub(super) fn note(&mut self, asked: &[String], found: &Secrets, refuse: impl Fn(&str) -> String) {
        let mut before = std::mem::take(&mut self.0);
        for name in asked.iter().filter(|name| !found.contains_key(*name)) {
            if self.0.contains_key(name) {
                continue;
            }
            if let Some(reference) = before.remove(name) {
                self.0.insert(name.clone(), reference);
            } else if is_file(name) {
                warn!(resource_names = name, subsystem_name = "endpoints", "Envoy asks for a file of its pod");
                self.0.insert(name.clone(), String::new());
            } else {
                let reference = refuse(name);
                warn!(
                    reference,
                    resource_names = name,
                    subsystem_name = "endpoints",
                    "Workload is not authorized for the requested identity"
                );
                self.0.insert(name.clone(), reference);
            }
        }
    }
}
