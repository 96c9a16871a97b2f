//! The explanation for people: the cause, what mends it, then what it rests on.

use std::fmt::Write as _;

use jiff::Timestamp;
use steeple_proto::spire::api::types::Selector;
use steeple_proto::steeple::agent::explain::v1 as agent;
use steeple_proto::steeple::server::explain::v1 as server;
use steeple_proto::steeple::server::explain::v1::node::State;

/// Most findings besides the first.
const MORE: usize = 5;

/// What an agent answered.
pub(super) fn of_agent(answer: &agent::ExplainResponse, now: Timestamp) -> String {
    let mut text = headline(&answer.findings);
    let mut lines = Lines(Vec::new());
    lines.add("Workload", answer.workload.clone());
    if let Some(refusal) = &answer.refusal {
        let at = Timestamp::from_second(refusal.at).map(|at| at.to_string()).unwrap_or_default();
        lines.add(
            "Refused",
            format!("{} at {at}: {} (reference {})", refusal.method, refusal.message, refusal.reference),
        );
    }
    for attestor in &answer.attestors {
        let told = match attestor.error.as_str() {
            "" => format!("{}: {} selectors", attestor.name, attestor.selectors),
            error => format!("{}: failed: {error}", attestor.name),
        };
        lines.add("Attestors", told);
    }
    selectors(&mut lines, "Selectors", &answer.selectors);
    lines.add("Agent", if answer.agent_id.is_empty() { "has no SVID".to_owned() } else { answer.agent_id.clone() });
    let synced = match answer.synced_at {
        0 => "never".to_owned(),
        at => format!("{} s ago", now.as_second().saturating_sub(at).max(0)),
    };
    lines.add("Server", format!("heard {synced}"));
    for error in [&answer.sync_error, &answer.server_error].into_iter().filter(|error| !error.is_empty()) {
        lines.add("Server", error.clone());
    }
    lines.write(&mut text);
    rest(&mut text, &answer.findings);
    text
}

/// What a server answered about `agent`, if it was asked about one.
pub(super) fn of_server(answer: &server::ExplainEntriesResponse, agent: &str) -> String {
    let mut text = headline(&answer.findings);
    let mut lines = Lines(Vec::new());
    if let Some(node) = &answer.node {
        let state = match node.state() {
            State::NotAttested => "not attested",
            State::Active => "attested",
            State::Banned => "banned",
            State::Expired => "expired",
        };
        lines.add("Agent", format!("{agent} ({state})"));
        selectors(&mut lines, "Node", &node.selectors);
    }
    lines.write(&mut text);
    rest(&mut text, &answer.findings);
    text
}

fn selectors(lines: &mut Lines, label: &'static str, selectors: &[Selector]) {
    for selector in selectors {
        lines.add(label, format!("{}:{}", selector.r#type, selector.value));
    }
}

fn headline(findings: &[server::Finding]) -> String {
    let Some(first) = findings.first() else { return "Nothing was found.\n".to_owned() };
    let label = if first.cause == "issued" { "Issued:" } else { "Cause:" };
    let mut text = format!("{label:7} {}\n", first.text);
    if !first.fix.is_empty() {
        let _ = writeln!(text, "Fix:    {}", first.fix);
    }
    text
}

/// What else was found.
fn rest(text: &mut String, findings: &[server::Finding]) {
    let more = findings.get(1..).unwrap_or_default();
    if more.is_empty() {
        return;
    }
    text.push_str("\nAlso:\n");
    for finding in more.iter().take(MORE) {
        let _ = writeln!(text, "- {}", finding.text);
        if !finding.fix.is_empty() {
            let _ = writeln!(text, "  {}", finding.fix);
        }
    }
    if more.len() > MORE {
        let _ = writeln!(text, "{} more with -output json", more.len() - MORE);
    }
}

/// Lines with labels, each label once.
struct Lines(Vec<(&'static str, String)>);

impl Lines {
    fn add(&mut self, label: &'static str, value: String) {
        self.0.push((label, value));
    }

    fn write(&self, text: &mut String) {
        if !self.0.is_empty() {
            text.push('\n');
        }
        let mut last = "";
        for (label, value) in &self.0 {
            let shown = if *label == last { "" } else { label };
            let _ = writeln!(text, "{shown:10} {value}");
            last = label;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cause_comes_first_and_its_fix_second() {
        let finding = |cause: &str, text: &str, fix: &str| server::Finding {
            cause: cause.to_owned(),
            text: text.to_owned(),
            fix: fix.to_owned(),
            ..server::Finding::default()
        };
        let selector = |value: &str| Selector { r#type: "unix".to_owned(), value: value.to_owned() };
        let answer = agent::ExplainResponse {
            findings: vec![
                finding("missing_selector", "wants other", "update"),
                finding("no_entry", "nothing", "create"),
            ],
            workload: "process 7".to_owned(),
            attestors: vec![
                agent::Attestor { name: "unix".to_owned(), selectors: 2, error: String::new() },
                agent::Attestor { name: "docker".to_owned(), selectors: 0, error: "no socket".to_owned() },
            ],
            selectors: vec![selector("uid:1"), selector("gid:1")],
            agent_id: "spiffe://example.org/spire/agent/a".to_owned(),
            synced_at: 40,
            ..agent::ExplainResponse::default()
        };
        assert_eq!(
            of_agent(&answer, Timestamp::from_second(47).unwrap()),
            "Cause:  wants other\nFix:    update\n\nWorkload   process 7\nAttestors  unix: 2 selectors\n           docker: failed: no \
             socket\nSelectors  unix:uid:1\n           unix:gid:1\nAgent      spiffe://example.org/spire/agent/a\nServer     heard 7 \
             s ago\n\nAlso:\n- nothing\n  create\n"
        );
    }
}
