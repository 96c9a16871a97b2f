//! The SPIFFE Workload API.

mod bundles;
mod fetch_jwt_svid;
mod fetch_x509_svid;
mod validate_jwt_svid;

use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use steeple_explain::RefusalReason;
use steeple_proto::workload as pb;
use steeple_types::Selector;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};
use tracing::{debug, error};

use crate::core::{Caller, Core, caller};
use crate::refusals::referred;
use crate::svid::Identity;
use crate::workload::Known;

pub(super) struct Service(pub(super) Arc<Core>);

/// The service's name in the log.
const SERVICE: &str = "WorkloadAPI";

/// A call, as the log tells of it.
#[derive(Clone)]
struct Call {
    core: Arc<Core>,
    caller: Caller,
    known: Arc<Known>,
    method: &'static str,
    /// The process that calls, where it counts.
    pid: Option<u32>,
    /// The UID of the pod that calls, on a socket of its own.
    pod_uid: Option<String>,
    /// The selectors of the caller that may be told (`log_selectors`), in order, with commas between.
    selectors: Option<String>,
}

impl Call {
    fn of<T>(method: &'static str, request: &Request<T>, known: Known, core: &Arc<Core>) -> Result<Self, Status> {
        let caller = caller(request)?;
        let (pid, pod_uid) = match &caller {
            Caller::Process(peer) => (Some(peer.process.pid()), None),
            Caller::Pod(pod) => (None, Some(pod.uid.clone())),
        };
        let selectors = loggable(&known.selectors, &core.settings.log_selectors);
        Ok(Self { core: Arc::clone(core), caller, known: Arc::new(known), method, pid, pod_uid, selectors })
    }

    /// Tells of a caller who has no identity, under a reference that the answer has too.
    fn refused(&self, reason: RefusalReason, status: Status) -> Status {
        let Self { core, caller, known, method, pid, pod_uid, selectors } = self;
        let reference = core.refuse(caller, method, known, reason, &status);
        if status.code() == Code::PermissionDenied {
            let (registered, service) = (false, SERVICE);
            error!(
                method,
                pid,
                pod_uid,
                reference,
                registered,
                selectors,
                service,
                subsystem_name = "endpoints",
                "No identity issued"
            );
        } else {
            let error = status.message();
            error!(error, method, pid, pod_uid, reference, subsystem_name = "endpoints", "Could not fetch JWT-SVID");
        }
        referred(status, &reference)
    }

    /// The caller has no identity at all.
    fn without_identity(&self, status: Status) -> Status {
        self.refused(RefusalReason::NoIdentity, status)
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    /// Checks the header that keeps browsers and the like out (Workload API, section 6.1), and attests the caller.
    async fn call<T>(&self, method: &'static str, request: &Request<T>) -> Result<Call, Status> {
        self.check_header(method, request)?;
        Call::of(method, request, self.0.known(request).await?, &self.0)
    }

    /// Checks the header, and remembers who called without it.
    fn check_header<T>(&self, method: &'static str, request: &Request<T>) -> Result<(), Status> {
        check_header(header(request)).map_err(|status| {
            let Ok(caller) = caller(request) else { return status };
            let reference = self.0.refuse(&caller, method, &Known::default(), RefusalReason::NoHeader, &status);
            let said = status.message();
            debug!(method, reference, subsystem_name = "endpoints", "Call is refused: {said}");
            referred(status, &reference)
        })
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
        let call = self.call("FetchX509SVID", &request).await?;
        fetch_x509_svid::handle(&self.0, call).map(Response::new)
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<pb::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let call = self.call("FetchX509Bundles", &request).await?;
        let answers = bundles::x509(&self.0, call.known.selectors.clone());
        answers.map_err(|status| call.without_identity(status)).map(Response::new)
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<pb::JwtsvidRequest>,
    ) -> Result<Response<pb::JwtsvidResponse>, Status> {
        self.check_header("FetchJWTSVID", &request)?;
        if request.get_ref().audience.is_empty() {
            return Err(Status::invalid_argument("audience must be specified"));
        }
        let call = self.call("FetchJWTSVID", &request).await?;
        fetch_jwt_svid::handle(&self.0, &call, request.get_ref()).await.map(Response::new)
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<pb::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let call = self.call("FetchJWTBundles", &request).await?;
        let answers = bundles::jwt(&self.0, call.known.selectors.clone());
        answers.map_err(|status| call.without_identity(status)).map(Response::new)
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<pb::ValidateJwtsvidRequest>,
    ) -> Result<Response<pb::ValidateJwtsvidResponse>, Status> {
        let call = self.call("ValidateJWTSVID", &request).await?;
        validate_jwt_svid::handle(&self.0, &call.known.selectors, request.get_ref()).map(Response::new)
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
