//! `agent`: attested agents.

mod ban;
mod count;
mod evict;
mod filter;
mod list;
mod purge;
mod show;

pub(crate) use ban::Ban;
pub(crate) use count::Count;
pub(crate) use evict::Evict;
pub(crate) use list::List;
pub(crate) use purge::Purge;
pub(crate) use show::Show;

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use steeple_proto::spire::api::types::{Agent, Spiffeid};

use super::parse::{id, id_text};
use crate::commands::date;
use crate::commands::failure::Failure;

/// The agent that a command is about.
fn required_id(text: &str) -> Result<Spiffeid, Failure> {
    if text.is_empty() { Err("a SPIFFE ID is required".into()) } else { Ok(id(text)?) }
}

/// An agent for people. A banned one has no serial number.
fn block(agent: &Agent, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:18}: {value}");
    };
    line("SPIFFE ID", &id_text(agent.id.as_ref()));
    line("Attestation type", &agent.attestation_type);
    line("Expiration time", &date::in_zone(agent.x509svid_expires_at, zone));
    if agent.banned {
        line("Banned", "true");
    } else {
        line("Serial number", &agent.x509svid_serial_number);
    }
    line("Can re-attest", &agent.can_reattest.to_string());
    if !agent.agent_version.is_empty() {
        line("Agent version", &agent.agent_version);
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_reads_as_scripts_expect() {
        let mut agent = Agent {
            id: id("spiffe://rig.example/spire/agent/join_token/x").ok(),
            attestation_type: "join_token".into(),
            x509svid_serial_number: "17".into(),
            x509svid_expires_at: 1_795_461_713,
            agent_version: "1.15.3-dev-unk".into(),
            ..Agent::default()
        };
        assert_eq!(
            block(&agent, &TimeZone::UTC),
            "SPIFFE ID         : spiffe://rig.example/spire/agent/join_token/x\n\
             Attestation type  : join_token\n\
             Expiration time   : 2026-11-23 19:21:53 +0000 UTC\n\
             Serial number     : 17\n\
             Can re-attest     : false\n\
             Agent version     : 1.15.3-dev-unk\n\n"
        );
        agent.banned = true;
        assert!(block(&agent, &TimeZone::UTC).contains("\nBanned            : true\nCan re-attest"));
    }
}
