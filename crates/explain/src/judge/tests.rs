use jiff::Timestamp;
use proptest::prelude::*;
use steeple_types::{Entry, EntryId, Selector, SpiffeId};

use super::*;
use crate::{
    AgentFacts, AtAgent, Attested, Candidate, Cause, Parentage, ServerFacts, SvidState, Trouble, Wanted, Workload,
};

fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap()
}

fn set(texts: &[&str]) -> SelectorSet {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn candidate(entry_id: &str, selectors: &[&str]) -> Candidate {
    let entry_id = EntryId::parse(entry_id).unwrap();
    let spiffe_id = id(&format!("/{entry_id}"));
    Candidate {
        entry: Entry::new(entry_id, spiffe_id, id("/spire/agent/a"), set(selectors), Timestamp::UNIX_EPOCH),
        is_whole: true,
        parentage: Some(Parentage::Own),
        removed: false,
        at_agent: Some(AtAgent::Present { revision_number: 0, svid: SvidState::Held }),
    }
}

fn facts(selectors: &[&str], entries: Vec<Candidate>) -> Facts {
    let attested = Attested { name: "unix".to_owned(), outcome: Ok(selectors.len()) };
    Facts {
        now: Timestamp::from_second(1_000).unwrap(),
        workload: Workload { selectors: set(selectors), attestors: vec![attested] },
        wanted: Wanted::default(),
        entries,
        agent: Some(AgentFacts {
            id: Some(id("/spire/agent/a")),
            synced: Timestamp::from_second(990).ok(),
            sync_error: None,
            svid_error: None,
            cache_limit: 1_000,
            workload_api: true,
            sds_api: true,
        }),
        server: ServerFacts::Answered { agent: None, elsewhere: 0, jwt_svids: true },
        call: None,
    }
}

fn cause(facts: &Facts) -> (Cause, String) {
    let first = explain(facts).into_iter().next().unwrap();
    (first.cause, first.fix)
}

#[test]
fn nearest_entry_tells_the_cause_and_the_command_that_mends_it() {
    let entries = vec![candidate("far", &["unix:gid:7", "unix:uid:9"]), candidate("near", &["unix:uid:1001"])];
    let facts = facts(&["unix:gid:50", "unix:uid:1000"], entries);
    let first = &explain(&facts)[0];
    assert_eq!(
        first.text,
        "entry near (spiffe://example.org/near) wants unix:uid:1001, and the workload has unix:uid:1000"
    );
    assert_eq!(
        first.fix,
        "steeple server entry update -entryID near -parentID spiffe://example.org/spire/agent/a -spiffeID \
         spiffe://example.org/near -selector unix:uid:1000"
    );
}

#[test]
fn identity_is_told_when_there_is_one() {
    let facts = facts(&["unix:uid:1"], vec![candidate("w", &["unix:uid:1"]), candidate("x", &["unix:uid:2"])]);
    assert_eq!(cause(&facts), (Cause::Issued, String::new()));
}

#[test]
fn attestors_are_judged_before_selectors() {
    let mut facts = facts(&["unix:uid:1"], vec![candidate("w", &["docker:label:a:b"])]);
    assert_eq!(cause(&facts).0, Cause::AttestorNotConfigured);
    let failed = Attested { name: "docker".to_owned(), outcome: Err("no socket".to_owned()) };
    facts.workload.attestors.push(failed);
    assert_eq!(cause(&facts).0, Cause::AttestorFailed);
    facts.workload = Workload { selectors: set(&[]), attestors: facts.workload.attestors.split_off(1) };
    assert_eq!(cause(&facts).0, Cause::AttestationFailed);
}

#[test]
fn what_the_agent_can_not_know_comes_before_what_it_knows() {
    let mut facts = facts(&["unix:uid:1"], vec![candidate("w", &["unix:uid:2"])]);
    assert_eq!(cause(&facts).0, Cause::MissingSelector);
    let trouble = Trouble { at: facts.now, text: "cut".to_owned() };
    facts.agent.as_mut().unwrap().sync_error = Some(trouble);
    assert_eq!(cause(&facts).0, Cause::ServerUnreachable);
    facts.wanted.entry_id = EntryId::parse("w").ok();
    assert_eq!(cause(&facts).0, Cause::MissingSelector);
}

#[test]
fn without_anything_near_an_entry_is_proposed() {
    let (cause, fix) = cause(&facts(&["unix:uid:1"], Vec::new()));
    assert_eq!(cause, Cause::NoEntry);
    assert_eq!(
        fix,
        "steeple server entry create -parentID spiffe://example.org/spire/agent/a -spiffeID SPIFFE_ID -selector unix:uid:1"
    );
}

proptest! {
    /// What the first finding proposes takes away what it finds.
    #[test]
    fn exchanged_selectors_make_the_entry_fit(
        has in proptest::collection::btree_set("(uid|gid|user):[a-c]", 1..4),
        wants in proptest::collection::btree_set("(uid|gid|user):[a-e]", 1..4),
    ) {
        let texts = |values: &std::collections::BTreeSet<String>| -> Vec<String> { values.iter().map(|value| format!("unix:{value}")).collect() };
        let (has, wants) = (texts(&has), texts(&wants));
        let has: Vec<&str> = has.iter().map(String::as_str).collect();
        let wants: Vec<&str> = wants.iter().map(String::as_str).collect();
        let facts = facts(&has, vec![candidate("w", &wants)]);
        let findings = explain(&facts);
        let fits = wants.iter().all(|wanted| has.contains(wanted));
        prop_assert_eq!(findings[0].cause == Cause::Issued, fits);
        if !fits && let Some(flags) = findings[0].fix.strip_prefix("steeple server entry update ") {
            let words: Vec<&str> = flags.split(' ').collect();
            let selectors = words.windows(2).filter(|pair| pair[0] == "-selector").map(|pair| pair[1].parse::<Selector>().unwrap());
            prop_assert!(facts.workload.selectors.is_superset(&selectors.collect()));
        }
    }

    /// Nothing that may be known makes the judgement fall silent.
    #[test]
    fn there_is_always_something_to_say(
        wants in proptest::collection::vec("(unix|docker|k8s|x509pop):(uid|ns|label:a):[a-c]", 0..4),
        gone in any::<bool>(), stored in any::<bool>(), absent in any::<bool>(), unreachable in any::<bool>(),
    ) {
        let wants: Vec<&str> = wants.iter().map(String::as_str).collect();
        let mut one = candidate("w", &wants);
        one.removed = gone;
        one.entry.store_svid = stored;
        if absent {
            one.at_agent = Some(AtAgent::Absent);
        }
        let mut facts = facts(&["unix:uid:a"], vec![one]);
        if unreachable {
            facts.server = ServerFacts::Unreachable("cut".to_owned());
        }
        let findings = explain(&facts);
        prop_assert!(!findings.is_empty());
        for finding in findings {
            prop_assert_eq!(finding.fix.is_empty(), finding.cause == Cause::Issued);
        }
    }
}
