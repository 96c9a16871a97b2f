//! Calls of the Workload API.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::unix::AUTHORITY;
use crate::{DialError, connect_unix};

/// A request with the security header of the Workload API (SPIFFE Workload Endpoint, section 4.2).
pub fn workload_request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("workload.spiffe.io", MetadataValue::from_static("true"));
    request
}

/// Where a Workload API is served (SPIFFE Workload Endpoint, section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkloadEndpoint {
    /// On a Unix socket.
    Unix(PathBuf),
    /// On TCP, without TLS.
    Tcp(SocketAddr),
}

impl WorkloadEndpoint {
    /// The endpoint of a URI such as `unix:///run/spire/agent.sock` or `tcp://127.0.0.1:8000`.
    ///
    /// # Errors
    /// What is wrong with it, in the words of go-spiffe.
    pub fn parse(uri: &str) -> Result<Self, String> {
        let scheme =
            ["tcp", "unix"].into_iter().find_map(|scheme| Some((scheme, uri.strip_prefix(scheme)?.strip_prefix(':')?)));
        let Some((scheme, rest)) = scheme else {
            return Err("workload endpoint socket URI must have a \"tcp\" or \"unix\" scheme".to_owned());
        };
        let refuse = |reason: &str| Err(format!("workload endpoint {scheme} socket URI {reason}"));
        if !rest.starts_with('/') {
            return refuse("must not be opaque");
        }
        let place = rest.strip_prefix("//").unwrap_or(rest);
        let (before, fragment) = place.split_once('#').map_or((place, None), |(before, after)| (before, Some(after)));
        let (place, query) = before.split_once('?').map_or((before, None), |(before, after)| (before, Some(after)));
        let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        if authority.contains('@') {
            return refuse("must not include user info");
        }
        match scheme {
            "tcp" if authority.is_empty() => return refuse("must include a host"),
            "tcp" if !path.is_empty() => return refuse("must not include a path"),
            "unix" if place.is_empty() => return refuse("must include a path"),
            _ => {}
        }
        if query.is_some_and(|query| !query.is_empty()) {
            return refuse("must not include query values");
        }
        if fragment.is_some_and(|fragment| !fragment.is_empty()) {
            return refuse("must not include a fragment");
        }
        if scheme == "unix" {
            return Ok(Self::Unix(PathBuf::from(place)));
        }
        let has_no_port = authority.parse::<IpAddr>().is_ok()
            || authority.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some();
        match authority.parse() {
            Ok(address) => Ok(Self::Tcp(address)),
            Err(_) if has_no_port => refuse("host component must include a port"),
            Err(_) => refuse("host component must be an IP:port"),
        }
    }

    /// A channel to it, connected by the first call.
    pub fn connect(&self) -> Channel {
        match self {
            Self::Unix(path) => connect_unix(path),
            Self::Tcp(address) => {
                let address = *address;
                let dial = service_fn(move |_: Uri| async move {
                    let stream = TcpStream::connect(address).await;
                    stream.map(TokioIo::new).map_err(|error| DialError::dial("tcp", address, &error))
                });
                Endpoint::from_static(AUTHORITY).connect_with_connector_lazy(dial)
            }
        }
    }
}

impl fmt::Display for WorkloadEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_those_of_go_spiffe() {
        for (uri, endpoint) in [
            ("unix:///run/agent.sock", WorkloadEndpoint::Unix("/run/agent.sock".into())),
            ("unix:/run/agent.sock", WorkloadEndpoint::Unix("/run/agent.sock".into())),
            ("unix://foo", WorkloadEndpoint::Unix("foo".into())),
            ("tcp://127.0.0.1:8000", WorkloadEndpoint::Tcp(([127, 0, 0, 1], 8000).into())),
            ("tcp://[::1]:8000", WorkloadEndpoint::Tcp("[::1]:8000".parse().unwrap())),
        ] {
            assert_eq!(WorkloadEndpoint::parse(uri), Ok(endpoint), "{uri}");
        }
    }

    #[test]
    fn refusals_are_those_of_go_spiffe() {
        let scheme = "socket URI must have a \"tcp\" or \"unix\" scheme";
        for (uri, reason) in [
            ("", scheme),
            ("/run/agent.sock", scheme),
            ("http://a", scheme),
            ("unix:opaque", "unix socket URI must not be opaque"),
            ("unix://", "unix socket URI must include a path"),
            ("unix://foo?whatever", "unix socket URI must not include query values"),
            ("unix://foo#whatever", "unix socket URI must not include a fragment"),
            ("unix://john:doe@foo/path", "unix socket URI must not include user info"),
            ("tcp:opaque", "tcp socket URI must not be opaque"),
            ("tcp://", "tcp socket URI must include a host"),
            ("tcp://1.2.3.4:80?whatever", "tcp socket URI must not include query values"),
            ("tcp://1.2.3.4:80#whatever", "tcp socket URI must not include a fragment"),
            ("tcp://john:doe@1.2.3.4:80", "tcp socket URI must not include user info"),
            ("tcp://1.2.3.4:80/path", "tcp socket URI must not include a path"),
            ("tcp://foo", "tcp socket URI host component must be an IP:port"),
            ("tcp://1.2.3.4", "tcp socket URI host component must include a port"),
        ] {
            assert_eq!(WorkloadEndpoint::parse(uri), Err(format!("workload endpoint {reason}")), "{uri}");
        }
    }
}
