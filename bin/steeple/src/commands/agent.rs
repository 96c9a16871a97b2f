//! The commands of `spire-agent`, one file each.

mod api;
mod debug;
mod healthcheck;

use super::call::Command;
use super::dispatch::{Kind, Row};
use super::logger;
use super::target::Target;

/// All commands but those that run or check the agent.
pub(crate) fn rows() -> Vec<Row> {
    use Target::{AgentAdmin, AgentHealth, WorkloadApi, WorkloadStream};
    vec![
        row("api fetch", "Fetches X.509-SVIDs", WorkloadApi, || Box::new(api::FetchX509::default())),
        row("api fetch jwt", "Fetches a JWT-SVID", WorkloadApi, || Box::new(api::FetchJwt::default())),
        row("api fetch x509", "Fetches X.509-SVIDs", WorkloadApi, || Box::new(api::FetchX509::default())),
        row("api validate jwt", "Validates a JWT-SVID", WorkloadApi, || Box::new(api::ValidateJwt::default())),
        row("api watch", "Prints X.509-SVIDs each time that they change", WorkloadStream, || Box::new(api::Watch)),
        row("debug getinfo", "Shows figures of the agent", AgentAdmin, || Box::new(debug::GetInfo::default())),
        row("healthcheck", "Says whether the agent is healthy", AgentHealth, || {
            Box::new(healthcheck::Healthcheck::default())
        }),
        row("logger get", "Shows the log level", AgentAdmin, || logger::Get::at(logger::OF_AGENT)),
        row("logger reset", "Sets the log level of the start again", AgentAdmin, || {
            logger::Reset::at(logger::OF_AGENT)
        }),
        row("logger set", "Sets the log level", AgentAdmin, || logger::Set::at(logger::OF_AGENT)),
    ]
}

fn row(path: &'static str, synopsis: &'static str, target: Target, make: fn() -> Box<dyn Command>) -> Row {
    Row { path, synopsis, kind: Kind::Client(target, make) }
}
