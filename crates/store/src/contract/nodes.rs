//! Attested nodes.

use super::Subject;
use super::samples::{at, entry, id, node, selectors};
use crate::units::{
    ActivateSerial, AttestationOutcome, BanNode, CreateEntry, CreateJoinToken, DeleteNode, PruneNodes,
    RecordAttestation, RecordRenewal, SetAgentVersion,
};
use crate::{ErrorClass, JoinToken, Match, NodeFilter, Page};
use steeple_types::{AttestedNode, Entry};

fn attest(subject: &Subject, node: &AttestedNode, token: Option<&str>) -> AttestationOutcome {
    subject.done(&RecordAttestation { node: node.clone(), join_token: token.map(str::to_owned), is_repeated: false })
}

fn find(subject: &Subject, node: &AttestedNode) -> Option<AttestedNode> {
    subject.read(|tx| tx.node(&node.id))
}

fn add_token(subject: &Subject, token: &str, expires_at: i64) {
    let token = JoinToken { token: token.to_owned(), expires_at: at(expires_at) };
    subject.done(&CreateJoinToken { token, entry: None });
}

/// Node, selectors and the end of the token are one commit; a token works once.
pub fn attestation_uses_up_its_token(subject: &Subject) {
    add_token(subject, "secret", 1_700_000_060);
    assert_eq!(attest(subject, &node("a"), Some("secret")), AttestationOutcome::Recorded);
    assert_eq!(find(subject, &node("a")), Some(node("a")));
    assert_eq!(attest(subject, &node("b"), Some("secret")), AttestationOutcome::UnknownToken);
    assert_eq!(find(subject, &node("b")), None);
}

/// A token that is too old is gone after the attempt, as in SPIRE.
pub fn expired_token_is_used_up_all_the_same(subject: &Subject) {
    add_token(subject, "secret", 1_699_999_999);
    assert_eq!(attest(subject, &node("a"), Some("secret")), AttestationOutcome::ExpiredToken);
    assert_eq!(find(subject, &node("a")), None);
    assert!(subject.read(|tx| tx.join_token("secret")).is_none());
}

/// A second attestation replaces serial number and selectors, and keeps the first's type and the agent's version.
pub fn attestation_again_keeps_type_and_version(subject: &Subject) {
    attest(subject, &node("a"), None);
    subject.done(&SetAgentVersion { id: node("a").id, agent_version: "1.2.3".to_owned() });
    let again = AttestedNode {
        attestation_type: "other".to_owned(),
        serial_number: "2".to_owned(),
        selectors: selectors(&["x509pop:c"]),
        ..node("a")
    };
    attest(subject, &again, None);
    let expected = AttestedNode { attestation_type: "x509pop".to_owned(), agent_version: "1.2.3".to_owned(), ..again };
    assert_eq!(find(subject, &node("a")), Some(expected));
}

/// A renewed serial number is pending until it is used; then the one before is forgotten.
pub fn renewal_counts_from_its_first_use(subject: &Subject) {
    attest(subject, &node("a"), None);
    let renewal =
        |serial: &str| RecordRenewal { id: node("a").id, serial_number: serial.to_owned(), expires_at: at(9) };
    let activate = |serial: &str| ActivateSerial { id: node("a").id, serial_number: serial.to_owned() };
    let pending = subject.done(&renewal("2"));
    assert_eq!((pending.serial_number.as_str(), pending.new_serial_number.as_str()), ("1", "2"));
    subject.done(&renewal("3"));
    assert_eq!(subject.write(&activate("2")).unwrap_err().class, ErrorClass::Unfit);
    let active = subject.done(&activate("3"));
    let expected = AttestedNode { serial_number: "3".to_owned(), expires_at: Some(at(9)), ..node("a") };
    assert_eq!(active, expected);
    assert_eq!(subject.done(&activate("3")), expected);
    assert_eq!(find(subject, &node("a")), Some(expected));
}

/// A ban empties both serial numbers; neither renewal nor attestation lifts it.
pub fn banned_node_stays_banned(subject: &Subject) {
    attest(subject, &node("a"), None);
    let renewal = RecordRenewal { id: node("a").id, serial_number: "2".to_owned(), expires_at: at(9) };
    subject.done(&renewal);
    assert!(subject.done(&BanNode { id: node("a").id }).is_banned());
    assert_eq!(subject.write(&renewal).unwrap_err().class, ErrorClass::Unfit);
    assert_eq!(attest(subject, &node("a"), None), AttestationOutcome::Banned);
    let activate = ActivateSerial { id: node("a").id, serial_number: String::new() };
    assert!(subject.write(&activate).map_or(true, |written| written.value.is_banned()));
    assert!(find(subject, &node("a")).unwrap().is_banned());
    assert_eq!(subject.write(&BanNode { id: id("/spire/agent/none") }).unwrap_err().class, ErrorClass::NotFound);
}

/// With a node that came by join token goes the entry that was made with the token, and no other child.
pub fn deleted_node_takes_its_token_entry_along(subject: &Subject) {
    let by_token = AttestedNode { attestation_type: "join_token".to_owned(), ..node("t") };
    let by_certificate = node("c");
    let child = |name: &str, parent: &AttestedNode, selectors: &[&str]| Entry {
        parent_id: parent.id.clone(),
        ..entry(name, selectors)
    };
    let own = format!("spiffe_id:{}", by_token.id);
    let other = format!("spiffe_id:{}", by_certificate.id);
    for entry in [
        child("alias", &by_token, &[&own]),
        child("two-selectors", &by_token, &[&own, "unix:uid:1"]),
        child("workload", &by_token, &["unix:uid:1"]),
        child("no-token", &by_certificate, &[&other]),
    ] {
        subject.done(&CreateEntry { entry });
    }
    for node in [&by_token, &by_certificate] {
        attest(subject, node, None);
        let before = subject.read(|tx| tx.last_revision());
        assert_eq!(subject.done(&DeleteNode { id: node.id.clone() }).id, node.id);
        assert!(subject.changed_keys(before).contains(&node.id.to_string()));
        assert_eq!(find(subject, node), None);
    }
    let left = subject.read(|tx| tx.entries(&crate::EntryFilter::default(), &Page::default())).items;
    assert_eq!(left.iter().map(|e| e.id.as_str()).collect::<Vec<_>>(), ["two-selectors", "workload", "no-token"]);
    let error = subject.write(&DeleteNode { id: by_token.id }).unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::NotFound, "datastore-sql: record not found"));
}

/// Pruning spares banned nodes, those still valid, and, unless asked, those that can't attest again; a call takes a batch.
pub fn only_expired_nodes_are_pruned(subject: &Subject) {
    let expiring = |name, seconds| AttestedNode { expires_at: Some(at(seconds)), ..node(name) };
    let banned = AttestedNode { serial_number: String::new(), ..expiring("banned", 50) };
    let once = AttestedNode { can_reattest: false, ..expiring("once", 50) };
    for node in [expiring("old", 50), expiring("older", 49), banned, once, expiring("valid", 100)] {
        attest(subject, &node, None);
    }
    let prune = |include_non_reattestable, batch_size| {
        let unit = PruneNodes { expired_before: at(100), include_non_reattestable, batch_size };
        subject.done(&unit).iter().map(|id| id.path().rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(prune(false, 1), ["old"]);
    assert_eq!(prune(false, 10), ["older"]);
    assert_eq!(prune(true, 10), ["once"]);
    assert_eq!(subject.read(|tx| tx.count_nodes(&NodeFilter::default())), 2);
}

/// Each part of a filter picks what it says, and pages go as those of entries.
pub fn node_filters_let_through_what_they_say(subject: &Subject) {
    for node in [
        node("a"),
        AttestedNode { can_reattest: false, ..node("b") },
        AttestedNode { attestation_type: "join_token".to_owned(), selectors: selectors(&[]), ..node("c") },
        AttestedNode { serial_number: String::new(), selectors: selectors(&["x509pop:a"]), ..node("d") },
        AttestedNode { expires_at: Some(at(50)), ..node("e") },
    ] {
        attest(subject, &node, None);
    }
    let none = NodeFilter::default;
    let matching = |how, asked: &[&str]| NodeFilter { selectors: Some((selectors(asked), how)), ..none() };
    for (filter, expected) in [
        (none(), "a b c d e"),
        (NodeFilter { attestation_type: Some("join_token".to_owned()), ..none() }, "c"),
        (NodeFilter { banned: Some(true), ..none() }, "d"),
        (NodeFilter { banned: Some(false), ..none() }, "a b c e"),
        (NodeFilter { can_reattest: Some(false), ..none() }, "b"),
        (NodeFilter { expires_before: Some(at(51)), ..none() }, "e"),
        (NodeFilter { expires_before: Some(at(50)), ..none() }, ""),
        (matching(Match::Exact, &["x509pop:a", "x509pop:b"]), "a b e"),
        (matching(Match::Superset, &["x509pop:a"]), "a b d e"),
        (matching(Match::Subset, &["x509pop:a"]), "d"),
        (matching(Match::Any, &["x509pop:b", "z:z"]), "a b e"),
    ] {
        let found = subject.read(|tx| tx.nodes(&filter, &Page::default())).items;
        let names: Vec<_> = found.iter().map(|node| node.id.path().rsplit('/').next().unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{filter:?}");
        assert_eq!(usize::try_from(subject.read(|tx| tx.count_nodes(&filter))).unwrap(), names.len(), "{filter:?}");
    }
    let page = subject.read(|tx| tx.nodes(&none(), &Page { size: 5, token: String::new() }));
    assert_eq!(page.items.len(), 5);
    let after = subject.read(|tx| tx.nodes(&none(), &Page { size: 5, token: page.next_token.clone() }));
    assert!(after.items.is_empty() && after.next_token.is_empty());
}
