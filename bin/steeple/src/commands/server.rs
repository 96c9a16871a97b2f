//! The commands of `spire-server`, one file each; all talk to the server's private socket.

mod agent;
mod bundle;
mod debug;
mod entry;
mod federation;
mod healthcheck;
mod jwt;
mod local_authority;
mod parse;
mod token;
mod upstream_authority;
mod x509;

pub(super) use parse::selector;

use super::call::Command;
use super::dispatch::{Kind, Row};
use super::logger;
use super::target::Target;

/// All commands but those that run or check the server.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("agent ban", "Bans an agent", || Box::new(agent::Ban::default())),
        row("agent count", "Counts agents", || Box::new(agent::Count::default())),
        row("agent evict", "Evicts an agent; it may attest again", || Box::new(agent::Evict::default())),
        row("agent list", "Lists agents", || Box::new(agent::List::default())),
        row("agent purge", "Evicts agents that expired long ago and may attest again", || {
            Box::new(agent::Purge::default())
        }),
        row("agent show", "Shows one agent", || Box::new(agent::Show::default())),
        row("bundle count", "Counts bundles", || Box::new(bundle::Count::default())),
        row("bundle delete", "Deletes the bundle of a foreign trust domain", || Box::new(bundle::Delete::default())),
        row("bundle list", "Lists the bundles of foreign trust domains", || Box::new(bundle::List::default())),
        row("bundle set", "Sets the bundle of a foreign trust domain", || Box::new(bundle::Set::default())),
        row("bundle show", "Shows the server's own bundle", || Box::new(bundle::Show::default())),
        row("debug getinfo", "Shows figures of the server", || Box::new(debug::GetInfo::default())),
        row("entry count", "Counts registration entries", || Box::new(entry::Count::default())),
        row("entry create", "Creates registration entries", || Box::new(entry::Create::default())),
        row("entry delete", "Deletes registration entries", || Box::new(entry::Delete::default())),
        row("entry show", "Shows registration entries", || Box::new(entry::Show::default())),
        row("entry update", "Replaces registration entries", || Box::new(entry::Update::default())),
        row("healthcheck", "Says whether the server is healthy", || Box::new(healthcheck::Healthcheck::default())),
        row("jwt mint", "Mints a JWT-SVID", || Box::new(jwt::Mint::default())),
        row("logger get", "Shows the log level", || logger::Get::at(logger::OF_SERVER)),
        row("logger reset", "Sets the log level of the start again", || logger::Reset::at(logger::OF_SERVER)),
        row("logger set", "Sets the log level", || logger::Set::at(logger::OF_SERVER)),
        row("token generate", "Generates a join token", || Box::new(token::Generate::default())),
        row("x509 mint", "Mints an X.509-SVID", || Box::new(x509::Mint::default())),
    ];
    rows.extend(federation_rows());
    rows.extend(authority_rows());
    rows
}

fn authority_rows() -> [Row; 12] {
    use local_authority::Kind::{Jwt, X509};
    use local_authority::{Change, Show, Step};
    [
        row("localauthority jwt activate", "Lets the prepared JWT authority sign", || Change::of(Jwt, Step::Activate)),
        row("localauthority jwt prepare", "Prepares a JWT authority", || Change::of(Jwt, Step::Prepare)),
        row("localauthority jwt revoke", "Removes the tainted JWT authority from the bundle", || {
            Change::of(Jwt, Step::Revoke)
        }),
        row("localauthority jwt show", "Shows the JWT authorities", || Show::of(Jwt)),
        row("localauthority jwt taint", "Has what the old JWT authority signed replaced", || {
            Change::of(Jwt, Step::Taint)
        }),
        row("localauthority x509 activate", "Lets the prepared X.509 authority sign", || {
            Change::of(X509, Step::Activate)
        }),
        row("localauthority x509 prepare", "Prepares an X.509 authority", || Change::of(X509, Step::Prepare)),
        row("localauthority x509 revoke", "Removes the tainted X.509 authority from the bundle", || {
            Change::of(X509, Step::Revoke)
        }),
        row("localauthority x509 show", "Shows the X.509 authorities", || Show::of(X509)),
        row("localauthority x509 taint", "Has what the old X.509 authority signed replaced", || {
            Change::of(X509, Step::Taint)
        }),
        row("upstreamauthority revoke", "Removes a tainted upstream authority from the bundle", || {
            Box::new(upstream_authority::Revoke::default())
        }),
        row("upstreamauthority taint", "Has what an upstream authority of the old one signed replaced", || {
            Box::new(upstream_authority::Taint::default())
        }),
    ]
}

fn federation_rows() -> [Row; 6] {
    [
        row("federation create", "Creates federation relationships", || Box::new(federation::Create::default())),
        row("federation delete", "Deletes a federation relationship", || Box::new(federation::Delete::default())),
        row("federation list", "Lists federation relationships", || Box::new(federation::List::default())),
        row("federation refresh", "Fetches the bundle of a federated trust domain now", || {
            Box::new(federation::Refresh::default())
        }),
        row("federation show", "Shows one federation relationship", || Box::new(federation::Show::default())),
        row("federation update", "Replaces federation relationships", || Box::new(federation::Update::default())),
    ]
}

fn row(path: &'static str, synopsis: &'static str, make: fn() -> Box<dyn Command>) -> Row {
    Row { path, synopsis, kind: Kind::Client(Target::ServerApi, make) }
}
