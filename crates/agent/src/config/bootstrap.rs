//! How the server is trusted at first, as the configuration says it.

use std::path::PathBuf;

use steeple_client::WorkloadEndpoint;
use steeple_config::{ConfigError, invalid, parse_duration};

use super::Reader;
use crate::settings::{Bootstrap, Rebootstrap, RebootstrapMode};

/// What queries that tell of an attempt begin with; the URL's own may not.
const RESERVED: [&str; 2] = ["spiffe-", "spire-"];

impl Reader<'_> {
    pub(super) fn bootstrap(&self) -> Result<Bootstrap, ConfigError> {
        let (path, url) = (self.agent.text("trust_bundle_path")?, self.agent.text("trust_bundle_url")?);
        let socket = self.agent.text("trust_bundle_unix_socket")?;
        let format = self.agent.text("trust_bundle_format")?.unwrap_or_else(|| "pem".to_owned());
        let insecure = self.agent.bool("insecure_bootstrap")?;
        let workload_api = self.agent.block.text("trust_bundle_spiffe_workload_api")?.filter(|uri| !uri.is_empty());
        let workload_api = workload_api.map(|uri| {
            let beside = [
                (insecure, "insecure_bootstrap"),
                (url.is_some(), "trust_bundle_url"),
                (path.is_some(), "trust_bundle_path"),
            ];
            if let Some((_, other)) = beside.into_iter().find(|(is_set, _)| *is_set) {
                return Err(not_both(other, "trust_bundle_spiffe_workload_api"));
            }
            if socket.is_some() {
                return Err(invalid("trust_bundle_unix_socket can not be used with trust_bundle_spiffe_workload_api"));
            }
            WorkloadEndpoint::parse(&uri).map_err(|reason| {
                let key = "trust_bundle_spiffe_workload_api";
                invalid(format!("{key} is not a valid SPIFFE Workload API endpoint address: {reason}"))
            })
        });
        let workload_api = workload_api.transpose()?;
        match (insecure, url.is_some(), path.is_some()) {
            (true, true, true) => {
                return Err(invalid(
                    "only one of insecure_bootstrap, trust_bundle_url, or trust_bundle_path can be specified, \
                     not the three options",
                ));
            }
            (true, true, false) => return Err(not_both("insecure_bootstrap", "trust_bundle_url")),
            (true, false, true) => return Err(not_both("insecure_bootstrap", "trust_bundle_path")),
            (false, true, true) => return Err(not_both("trust_bundle_url", "trust_bundle_path")),
            (false, false, false) if workload_api.is_none() => {
                return Err(invalid(
                    "trust_bundle_path, trust_bundle_url, or trust_bundle_spiffe_workload_api must be configured unless \
                     insecure_bootstrap is set",
                ));
            }
            _ => {}
        }
        if format != "pem" && format != "spiffe" {
            return Err(invalid("invalid value for trust_bundle_format, expected \"pem\" or \"spiffe\""));
        }
        if socket.is_some() && url.is_none() {
            return Err(invalid("if trust_bundle_unix_socket is specified, so must be trust_bundle_url"));
        }
        if let Some(url) = &url {
            check_url(url, socket.is_some())?;
        }
        let spiffe = format == "spiffe";
        Ok(match (path, url) {
            (Some(path), _) if spiffe => Bootstrap::SpiffeFile(PathBuf::from(path)),
            (Some(path), _) => Bootstrap::PemFile(PathBuf::from(path)),
            (None, Some(url)) => Bootstrap::Url { url, socket: socket.map(PathBuf::from), spiffe },
            (None, None) => workload_api.map_or(Bootstrap::Insecure, Bootstrap::WorkloadApi),
        })
    }

    /// What becomes of a server that is not believed any more; `from` is how the agent begins anew then.
    pub(super) fn rebootstrap(&self, from: &Bootstrap) -> Result<Rebootstrap, ConfigError> {
        let mode = match self.agent.text("rebootstrap_mode")?.as_deref() {
            None | Some("never") => RebootstrapMode::Never,
            Some("auto") => RebootstrapMode::Auto,
            Some("always") => RebootstrapMode::Always,
            Some(mode) => return Err(invalid(format!("unknown rebootstrap mode specified: {mode}"))),
        };
        if mode != RebootstrapMode::Never && *from == Bootstrap::Insecure {
            return Err(invalid("insecure_bootstrap option can not be used with rebootstrapping"));
        }
        let delay = match self.agent.text("rebootstrap_delay")?.map(|delay| parse_duration(&delay)) {
            None => Rebootstrap::default().delay,
            Some(Ok(delay)) => delay,
            Some(Err(error)) => return Err(invalid(format!("error parsing rebootstrap delay duration: {error}"))),
        };
        Ok(Rebootstrap { mode, delay })
    }
}

fn not_both(one: &str, other: &str) -> ConfigError {
    invalid(format!("only one of {one} or {other} can be specified, not both"))
}

/// The bundle's URL must be one that Web PKI vouches for, or be asked for over a socket of this machine.
fn check_url(url: &str, over_socket: bool) -> Result<(), ConfigError> {
    let parsed: http::Uri =
        url.parse().map_err(|error| invalid(format!("unable to parse trust bundle URL: {error}")))?;
    if !over_socket {
        return match parsed.scheme_str() {
            Some("https") => Ok(()),
            _ => Err(invalid("trust bundle URL must start with https://")),
        };
    }
    if parsed.scheme_str() != Some("http") {
        return Err(invalid("trust bundle URL must start with http:// when used with trust bundle unix socket"));
    }
    let mut keys = parsed.query().unwrap_or_default().split('&');
    match keys.find_map(|key| RESERVED.iter().find(|reserved| key.starts_with(**reserved))) {
        Some(reserved) => Err(invalid(format!("trust_bundle_url query params can not start with {reserved}"))),
        None => Ok(()),
    }
}
