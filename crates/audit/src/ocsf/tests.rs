use jiff::Timestamp;
use steeple_types::{Entry, EntryId, Selector, SelectorSet, SpiffeId, TrustDomain};

use super::*;
use crate::Tombstone;
use crate::record::{Chain, Record};
use crate::{AttestedSvid, EventKind, IssuedFor, X509Issued};

/// Texts that a form could come to grief over.
const ODD: [&str; 12] = [
    "",
    "plain",
    "\"quoted\" and \\ and /",
    "\u{0}\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f} \u{7f}\u{80}\u{9f}",
    "\u{2028}\u{2029}\u{feff}\u{fffd}",
    "\u{fb33}\u{1f600}\u{10ffff}",
    "}],\"attestation_list\":[{",
    ",\"fingerprint\":{\"algorithm_id\":3",
    "\"}],",
    "\\u0022",
    "\u{e9}e\u{301}",
    "null",
];

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn times() -> [Timestamp; 7] {
    [
        time("2026-01-02T03:04:05Z"),
        time("2026-01-02T03:04:05.6Z"),
        time("2026-01-02T03:04:05.678901234Z"),
        time("2026-01-02T03:04:05.000000001Z"),
        time("1969-12-31T23:59:59.999Z"),
        Timestamp::MIN,
        Timestamp::MAX,
    ]
}

fn entry(text: &str, at: Timestamp) -> Box<Entry> {
    let selectors = ["uid:1", "path:/\u{1f600}"].map(|value| Selector::new("unix", value).unwrap());
    let id = |path: &str| SpiffeId::parse(path).unwrap();
    let (id, of, parent) = (EntryId::parse("e-1").unwrap(), id("spiffe://example.org/w"), id("spiffe://example.org/n"));
    let entry = Entry::new(id, of, parent, SelectorSet::from_iter(selectors), at);
    Box::new(Entry {
        federates_with: vec!["example.com".parse().unwrap()],
        expires_at: Some(at).filter(|_| text.is_empty()),
        dns_names: vec![text.to_owned()],
        hint: text.to_owned(),
        x509_svid_ttl: u32::MAX,
        ..*entry_with_flags(entry)
    })
}

fn entry_with_flags(entry: Entry) -> Box<Entry> {
    Box::new(Entry { admin: true, jwt_svid_include_jti: true, ..entry })
}

/// An event of each kind, with a text and a time wherever it has one.
fn kinds(text: &str, at: Timestamp, issued_for: Option<IssuedFor>) -> Vec<EventKind> {
    let id: SpiffeId = SpiffeId::parse("spiffe://example.org/agent").unwrap();
    let entry_id = EntryId::parse("e-1").unwrap();
    let trust_domain: TrustDomain = "example.org".parse().unwrap();
    let owned = || text.to_owned();
    let svid = X509Issued {
        serial_number: owned(),
        key_fingerprint: std::array::from_fn(|at| u8::try_from(at * 8).unwrap()),
        expires_at: at,
        issued_for: issued_for.clone(),
    };
    let attested = AttestedSvid {
        attestation_type: owned(),
        serial_number: owned(),
        expires_at: at,
        selectors: entry(text, at).selectors,
        can_reattest: true,
    };
    vec![
        EventKind::EntryCreated { entry: entry(text, at) },
        EventKind::EntryUpdated { entry: entry(text, at), members: vec!["hint", "admin"] },
        EventKind::EntryDeleted { id: entry_id.clone() },
        EventKind::AgentAttested { id: id.clone(), svid: Box::new(attested) },
        EventKind::AgentRenewed { id: id.clone(), serial_number: owned(), expires_at: at },
        EventKind::AgentSvidActivated { id: id.clone(), serial_number: owned() },
        EventKind::AgentBanned { id: id.clone() },
        EventKind::AgentDeleted { id: id.clone() },
        EventKind::AgentStatusPosted { id: id.clone(), agent_version: owned() },
        EventKind::JoinTokenCreated { agent_id: Some(id.clone()), entry_id: Some(entry_id), expires_at: at },
        EventKind::JoinTokenCreated { agent_id: None, entry_id: None, expires_at: at },
        EventKind::X509SvidIssued { id: id.clone(), svid: Box::new(svid) },
        EventKind::JwtSvidIssued { id: id.clone(), jti: Some(owned()), expires_at: at, issued_for: issued_for.clone() },
        EventKind::JwtSvidIssued { id, jti: None, expires_at: at, issued_for },
        EventKind::BundleAppended { trust_domain: trust_domain.clone() },
        EventKind::BundleCreated { trust_domain: trust_domain.clone() },
        EventKind::BundleUpdated { trust_domain: trust_domain.clone() },
        EventKind::BundleSet { trust_domain: trust_domain.clone() },
        EventKind::BundleRefreshed { trust_domain: trust_domain.clone(), sequence_number: u64::MAX },
        EventKind::BundleDeleted { trust_domain: trust_domain.clone(), mode: "RESTRICT" },
        EventKind::RelationshipCreated { trust_domain: trust_domain.clone() },
        EventKind::RelationshipUpdated { trust_domain: trust_domain.clone() },
        EventKind::RelationshipDeleted { trust_domain },
        EventKind::HoldSet { name: owned(), reason: owned() },
        EventKind::HoldReleased { name: owned(), reason: owned() },
        EventKind::TrailPruned {
            tombstone: Box::new(Tombstone { first: 1, until: 9, root: [1; 32], head: [2; 32], policy: owned() }),
        },
        EventKind::CallDenied { method: "/a", reason: owned(), count: 7 },
        EventKind::JwtKeyPublished { authority_id: owned() },
        EventKind::AuthorityPrepared { kind: "x509", authority_id: owned() },
        EventKind::AuthorityActivated { kind: "x509", authority_id: owned() },
        EventKind::AuthorityTainted { kind: "jwt", authority_id: owned() },
        EventKind::AuthorityRevoked { kind: "jwt", authority_id: owned() },
        EventKind::BindingCreated { name: owned(), role: "viewer", subjects: owned(), reason: owned() },
        EventKind::BindingDeleted { name: owned() },
        EventKind::ApprovalRequested { id: owned(), method: "/a.B/C" },
        EventKind::ApprovalGiven { id: owned(), method: "/a.B/C" },
        EventKind::BreakGlassUsed { name: owned(), reason: owned(), method: "/a.B/C" },
        EventKind::LogLevelSet { level: owned() },
        EventKind::Pruned { what: "entries" },
        EventKind::ServerStarted { version: "1.15.0", configuration_digest: owned() },
        EventKind::ServerStopped,
    ]
}

fn actors() -> Vec<Actor> {
    let id = SpiffeId::parse("spiffe://example.org/caller").unwrap();
    let addresses = [None, Some("192.0.2.7".parse().unwrap()), Some("2001:db8::7".parse().unwrap())];
    let known = addresses.map(|address| Actor::Svid { id: id.clone(), address });
    let unknown = addresses.map(|address| Actor::Anonymous { address });
    let local = [Actor::Server, Actor::Local { uid: 0, pid: u32::MAX }];
    let token = |from| Actor::Token { issuer: "corp".into(), user: "\"mia\"\u{1f600}".into(), from: Box::new(from) };
    let tokens = [Actor::Local { uid: 7, pid: 8 }, Actor::Anonymous { address: None }].map(token);
    let plain: Vec<Actor> = local.into_iter().chain(known).chain(unknown).chain(tokens).collect();
    let bound = plain.clone().into_iter().map(|actor| actor.authorized_by("\"odd\"\u{1f600}"));
    let twice = Actor::Server.authorized_by("inner").authorized_by("outer");
    plain.iter().cloned().chain(bound).chain([twice]).collect()
}

/// Whatever is in an event, its line is the canonical form of its tree, and is read as the record that it is.
#[test]
fn line_is_the_canonical_form_of_the_tree() {
    let uid = "0f".repeat(16);
    let mut chain = Chain { uid, authority: "spiffe://example.org/spire/\"server".to_owned(), next: 0, head: None };
    let revisions = [None, Some(0), Some(1 << 53), Some(-(1 << 53))];
    let issued_for = |revision_number: i64| IssuedFor { entry_id: EntryId::parse("e.1_2").unwrap(), revision_number };
    let (actors, mut turn) = (actors(), 0);
    for text in ODD {
        for at in times() {
            for kind in kinds(text, at, revisions[turn % revisions.len()].map(issued_for)) {
                let actor = actors[turn % actors.len()].clone();
                let failure = Some(text.to_owned()).filter(|_| turn % 3 == 0);
                let correlation = u128::MAX >> (turn % 128);
                let event = Event { at, actor, kind, correlation, failure };
                let wanted = tree::line(&event, &chain);
                let line = chain.seal_event(&event).unwrap();
                assert_eq!(String::from_utf8(line.clone()), String::from_utf8(wanted));
                let record = Record::parse(&line).unwrap();
                assert_eq!((Some(record.fingerprint), record.sequence + 1), (chain.head, chain.next));
                turn += 1;
            }
            turn += 1;
        }
    }
}

#[test]
fn each_kind_is_compared() {
    let (_, names) = include_str!("../fields.rs").split_once("fn name(").unwrap();
    let mut names: Vec<&str> =
        names.lines().filter_map(|line| line.split_once("=> \"")?.1.strip_suffix("\",")).collect();
    let mut compared: Vec<&str> = kinds("", Timestamp::UNIX_EPOCH, None).iter().map(name).collect();
    compared.dedup();
    names.sort_unstable();
    compared.sort_unstable();
    assert_eq!(compared, names, "add what is missing to `kinds`");
}

#[test]
fn revision_that_not_every_reader_holds_exactly_is_refused() {
    let issued_for = IssuedFor { entry_id: EntryId::parse("e").unwrap(), revision_number: (1 << 53) + 1 };
    let id = SpiffeId::parse("spiffe://example.org/w").unwrap();
    let at = Timestamp::UNIX_EPOCH;
    let kind = EventKind::JwtSvidIssued { id, jti: None, expires_at: at, issued_for: Some(issued_for) };
    let event = Event { at, actor: Actor::Server, kind, correlation: 7, failure: None };
    let error = crate::form::Forms::of([&event]).unwrap_err().to_string();
    assert!(error.contains("9007199254740993 is not a whole number within"), "{error}");
}
