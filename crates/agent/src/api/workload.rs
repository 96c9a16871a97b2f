//! The SPIFFE Workload API.

mod bundles;
mod fetch_jwt_svid;
mod fetch_x509_svid;
mod validate_jwt_svid;

use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use steeple_proto::workload as pb;
use steeple_types::Selector;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};
use tracing::error;

use crate::core::{Caller, Core, caller};
use crate::svid::Identity;

pub(super) struct Service(pub(super) Arc<Core>);

/// The service's name in the log.
const SERVICE: &str = "WorkloadAPI";

/// A call, as the log tells of it.
#[derive(Clone)]
struct Call {
    method: &'static str,
    /// The process that calls, where it counts.
    pid: Option<u32>,
    /// The UID of the pod that calls, on a socket of its own.
    pod_uid: Option<String>,
    /// The selectors of the caller that may be told (`log_selectors`), in order, with commas between.
    selectors: Option<String>,
}

impl Call {
    fn of<T>(method: &'static str, request: &Request<T>, selectors: &[Selector], core: &Core) -> Result<Self, Status> {
        let (pid, pod_uid) = match caller(request)? {
            Caller::Process(peer) => (Some(peer.process.pid()), None),
            Caller::Pod(pod) => (None, Some(pod.uid.clone())),
        };
        Ok(Self { method, pid, pod_uid, selectors: loggable(selectors, &core.settings.log_selectors) })
    }

    /// Tells of a caller who has no identity.
    fn refused(&self, status: &Status) {
        let Self { method, pid, pod_uid, selectors } = self;
        if status.code() == Code::PermissionDenied {
            let (registered, service) = (false, SERVICE);
            error!(
                method,
                pid,
                pod_uid,
                registered,
                selectors,
                service,
                subsystem_name = "endpoints",
                "No identity issued"
            );
        }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    /// Checks the header that keeps browsers and the like out (Workload API, section 6.1), and attests the caller.
    async fn caller<T>(&self, request: &Request<T>) -> Result<Vec<Selector>, Status> {
        check_header(header(request))?;
        self.0.selectors(request).await
    }
}

/// Of `selectors` those that are one of `told` or begin with one and a colon.
fn loggable(selectors: &[Selector], told: &[String]) -> Option<String> {
    if told.is_empty() {
        return None;
    }
    let is_told = |text: &String| {
        told.iter().any(|prefix| {
            text.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })
    };
    let mut texts: Vec<String> = selectors.iter().map(ToString::to_string).filter(is_told).collect();
    texts.sort_unstable();
    Some(texts.join(",")).filter(|texts| !texts.is_empty())
}

fn header<T>(request: &Request<T>) -> Option<&[u8]> {
    request.metadata().get("workload.spiffe.io").map(tonic::metadata::MetadataValue::as_encoded_bytes)
}

/// Refuses what does not bear the header with the value `true`.
pub(super) fn check_header(header: Option<&[u8]>) -> Result<(), Status> {
    if header == Some(b"true") {
        return Ok(());
    }
    Err(Status::invalid_argument("security header missing from request"))
}

/// What a caller without identity is told.
fn no_identity() -> Status {
    Status::permission_denied("no identity issued")
}

/// How long something holds from `now` on, in seconds.
fn seconds_left(expires_at: Timestamp, now: Timestamp) -> f64 {
    expires_at.duration_since(now).as_secs_f64()
}

/// Of several identities with the same hint only the oldest keeps it.
fn without_repeated_hints(identities: &[Identity]) -> Vec<&Identity> {
    let oldest = |identity: &&Identity| {
        let hint = &identity.entry.hint;
        let age = |other: &Identity| (other.entry.created_at, other.entry.id.clone());
        hint.is_empty() || !identities.iter().any(|other| other.entry.hint == *hint && age(other) < age(identity))
    };
    identities.iter().filter(oldest).collect()
}

#[tonic::async_trait]
impl pb::spiffe_workload_api_server::SpiffeWorkloadApi for Service {
    type FetchX509SVIDStream = Answers<pb::X509svidResponse>;
    type FetchX509BundlesStream = Answers<pb::X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<pb::JwtBundlesResponse>;
    type FetchWITSVIDStream = Answers<pb::WitsvidResponse>;
    type FetchWITBundlesStream = Answers<pb::WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<pb::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        let selectors = self.caller(&request).await?;
        let call = Call::of("FetchX509SVID", &request, &selectors, &self.0)?;
        fetch_x509_svid::handle(&self.0, call.clone(), selectors)
            .inspect_err(|status| call.refused(status))
            .map(Response::new)
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<pb::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let selectors = self.caller(&request).await?;
        let call = Call::of("FetchX509Bundles", &request, &selectors, &self.0)?;
        bundles::x509(&self.0, selectors).inspect_err(|status| call.refused(status)).map(Response::new)
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<pb::JwtsvidRequest>,
    ) -> Result<Response<pb::JwtsvidResponse>, Status> {
        check_header(header(&request))?;
        let selectors = if request.get_ref().audience.is_empty() {
            return Err(Status::invalid_argument("audience must be specified"));
        } else {
            self.0.selectors(&request).await?
        };
        let call = Call::of("FetchJWTSVID", &request, &selectors, &self.0)?;
        let answer = fetch_jwt_svid::handle(&self.0, &call, &selectors, request.get_ref()).await;
        answer.inspect_err(|status| call.refused(status)).map(Response::new)
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<pb::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let selectors = self.caller(&request).await?;
        let call = Call::of("FetchJWTBundles", &request, &selectors, &self.0)?;
        bundles::jwt(&self.0, selectors).inspect_err(|status| call.refused(status)).map(Response::new)
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<pb::ValidateJwtsvidRequest>,
    ) -> Result<Response<pb::ValidateJwtsvidResponse>, Status> {
        let selectors = self.caller(&request).await?;
        validate_jwt_svid::handle(&self.0, &selectors, request.get_ref()).map(Response::new)
    }

    async fn fetch_witsvid(
        &self,
        _request: Request<pb::WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        Err(Status::unimplemented("not available yet: SpiffeWorkloadAPI/FetchWITSVID"))
    }

    async fn fetch_wit_bundles(
        &self,
        _request: Request<pb::WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        Err(Status::unimplemented("not available yet: SpiffeWorkloadAPI/FetchWITBundles"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_told_by_their_prefixes() {
        let selectors = [("unix", "uid:7"), ("k8s", "ns:shop"), ("k8s", "node-name:n"), ("unix", "user:u")];
        let selectors = selectors.map(|(kind, value)| Selector::new(kind, value).unwrap());
        let told = |prefixes: &[&str]| {
            let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            loggable(&selectors, &prefixes)
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["docker"]), None);
        assert_eq!(told(&["unix", "k8s:ns"]).unwrap(), "k8s:ns:shop,unix:uid:7,unix:user:u");
        assert_eq!(told(&["unix:u", "unix:uid:7", "k8s:n"]).unwrap(), "unix:uid:7");
    }
}
