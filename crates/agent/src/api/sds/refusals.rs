//! Names that stand for nothing, each with the reason.

use std::collections::BTreeSet;

use steeple_proto::envoy::service::discovery::v3 as pb;
use steeple_proto::google::rpc;
use tonic::Code;
use tracing::warn;

use super::secrets::Secrets;

/// How istio-agent begins the names of secrets that it reads from files of its pod.
const FILES: [&str; 2] = ["file-root:", "file-cert:"];

/// The errors of the names that were asked for and not found. Envoy goes on with the other names; other clients of xDS
/// act on the code.
pub(super) fn refusals(asked: &[String], found: &Secrets) -> Vec<pb::ResourceError> {
    asked.iter().filter(|name| !found.contains_key(*name)).map(|name| refusal(name)).collect()
}

fn refusal(name: &str) -> pb::ResourceError {
    let (code, message) = if is_file(name) {
        let message = format!(
            "{name:?} names a file of the pod, which this agent does not serve: istio-agent does, when it finds the agent's socket \
             at its start (set WORKLOAD_IDENTITY_SOCKET_FILE to the socket's name)"
        );
        (Code::NotFound, message)
    } else {
        (Code::PermissionDenied, format!("workload is not authorized for the requested identities [{name:?}]"))
    };
    let status = rpc::Status { code: code.into(), message, details: Vec::new() };
    pb::ResourceError { resource_name: Some(pb::ResourceName { name: name.to_owned() }), error_detail: Some(status) }
}

fn is_file(name: &str) -> bool {
    FILES.iter().any(|beginning| name.starts_with(beginning))
}

/// The names whose refusal is in the log already, for one stream.
#[derive(Debug, Default)]
pub(super) struct Logged(BTreeSet<String>);

impl Logged {
    /// Logs each refused name once; again when it was found or not asked for in between.
    pub(super) fn note(&mut self, asked: &[String], found: &Secrets) {
        let refused: BTreeSet<String> = asked.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
        for name in refused.difference(&self.0) {
            if is_file(name) {
                warn!(resource_names = name, subsystem_name = "endpoints", "Envoy asks for a file of its pod");
            } else {
                warn!(
                    resource_names = name,
                    subsystem_name = "endpoints",
                    "Workload is not authorized for the requested identity"
                );
            }
        }
        self.0 = refused;
    }
}
