//! The table of attempts.

use steeple_proto::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use steeple_proto::spire::api::types;
use steeple_proto::steeple::server::access::v1 as access;

use super::calls::Call;
use super::{Stored, Who, pod, spiffe_id};

/// An attempt, and how it is refused.
pub(super) struct Attempt {
    pub(super) name: &'static str,
    pub(super) who: Who,
    pub(super) call: Call,
    pub(super) refused: Refused,
}

/// How an attempt is refused.
pub(super) enum Refused {
    /// It is no request at all.
    Malformed(&'static str),
    /// By this binding, which came nearest, and this part of it.
    By(&'static str, &'static str),
    /// No binding is for the caller.
    Unbound,
    /// By this binding's role, which may not change the entries that a bundle takes with it.
    Along(&'static str),
    /// No binding could allow it: it is for agents or downstream servers.
    Closed,
}

pub(super) const BINDINGS: &str = r#"
  binding "ed" {
    role = "namespace-editor"
    subject { spiffe_id = "spiffe://example.org/people/ed" }
    scope {
      path = ["/ns/a"]
      parents = ["/spire/agent/k8s_psat/demo"]
      selector_types = ["k8s"]
      namespaces = ["a"]
      max_x509_svid_ttl = "1h"
      max_jwt_svid_ttl = "5m"
      dns_names = ["*.a.svc"]
      federates_with = ["other.example"]
    }
  }
  binding "short" {
    role = "entry-editor"
    subject { spiffe_id = "spiffe://example.org/people/short" }
    scope { path = ["/ns/a"] max_x509_svid_ttl = "10m" }
  }
  binding "wide" {
    role = "entry-editor"
    subject { spiffe_id = "spiffe://example.org/people/wide" }
  }
  binding "tenants" {
    role = "controller"
    subject { spiffe_id = "spiffe://example.org/people/tenants" }
    scope { path = ["/ns/{k8s:ns}"] }
  }
  binding "two-a" {
    role = "entry-editor"
    subject { spiffe_id = "spiffe://example.org/people/two" }
    scope { path = ["/ns/a"] }
  }
  binding "two-b" {
    role = "entry-editor"
    subject { spiffe_id = "spiffe://example.org/people/two" }
    scope { path = ["/ns/b"] }
  }
  binding "nodes" {
    role = "node-operator"
    subject { spiffe_id = "spiffe://example.org/people/nodes" }
    scope { path = ["/spire/agent/k8s_psat"] }
  }
  binding "joins" {
    role = "attestation-admin"
    subject { spiffe_id = "spiffe://example.org/people/joins" }
    scope { path = ["/spire/agent/join_token/lab"] }
  }
  binding "fed" {
    role = "federation-admin"
    subject { spiffe_id = "spiffe://example.org/people/fed" }
    scope { federates_with = ["third.example"] }
  }
  binding "mint" {
    role = "key-custodian"
    subject { spiffe_id = "spiffe://example.org/people/mint" }
    scope { path = ["/lab"] max_x509_svid_ttl = "30m" max_jwt_svid_ttl = "1m" dns_names = ["*.lab"] }
  }
  binding "mint-types" {
    role = "key-custodian"
    subject { spiffe_id = "spiffe://example.org/people/mint-types" }
    scope { selector_types = ["k8s"] }
  }
  binding "rotate" {
    role = "authority-operator"
    subject { spiffe_id = "spiffe://example.org/people/rotate" }
  }
  binding "rotate-a" {
    role = "authority-operator"
    subject { spiffe_id = "spiffe://example.org/people/rotate-a" }
    scope { path = ["/ns/a"] }
  }
  binding "root" {
    role = "policy-admin"
    not_after = "2027-01-01T00:00:00Z"
    subject { spiffe_id = "spiffe://example.org/people/root" }
    grants {
      roles = ["entry-editor", "policy-admin"]
      scope { path = ["/ns/a"] flags = ["downstream"] }
    }
  }
  binding "see" {
    role = "viewer"
    subject { spiffe_id = "spiffe://example.org/people/see" }
  }
  binding "audit" {
    role = "auditor"
    subject { spiffe_id = "spiffe://example.org/people/audit" }
  }
  binding "gone" {
    role = "entry-editor"
    not_after = "2025-12-31T23:59:59Z"
    subject { spiffe_id = "spiffe://example.org/people/gone" }
  }
  binding "later" {
    role = "entry-editor"
    not_before = "2027-01-01T00:00:00Z"
    subject { spiffe_id = "spiffe://example.org/people/later" }
  }
  binding "below" {
    role = "entry-editor"
    subject { spiffe_id_prefix = "spiffe://example.org/people/team" }
  }
  binding "user" {
    role = "entry-editor"
    subject { uid = 3000 }
  }
  binding "both" {
    role = "entry-editor"
    subject { uid = 3001 gid = 3002 }
  }
  binding "tool" {
    role = "entry-editor"
    subject { uid = 3003 executable = "/usr/bin/no-such-tool" }
  }
"#;

struct Table(Vec<Attempt>);

fn update(entry: types::Entry, mask: Option<types::EntryMask>) -> Call {
    Call::Update(Box::new(entry), mask)
}

impl Table {
    fn add(&mut self, who: Who, refused: impl Fn() -> Refused, attempts: Vec<(&'static str, Call)>) {
        self.0.extend(attempts.into_iter().map(|(name, call)| Attempt { name, who, call, refused: refused() }));
    }
}

fn create(path: &str, namespace: &str, change: impl FnOnce(&mut types::Entry)) -> Call {
    let mut entry = pod(path, namespace);
    change(&mut entry);
    Call::Create(vec![entry])
}

fn as_is(_: &mut types::Entry) {}

fn selectors(texts: &[(&str, &str)]) -> Vec<types::Selector> {
    texts
        .iter()
        .map(|(kind, value)| types::Selector { r#type: (*kind).to_owned(), value: (*value).to_owned() })
        .collect()
}

pub(super) fn attempts(stored: &Stored) -> Vec<Attempt> {
    let mut table = Table(Vec::new());
    paths(&mut table);
    contents(&mut table);
    updates(&mut table, stored);
    others(&mut table, stored);
    credentials(&mut table);
    callers(&mut table, stored);
    grants(&mut table);
    table.0
}

/// IDs beside the own prefix.
fn paths(table: &mut Table) {
    let ed = Who::Person("ed");
    table.add(
        ed,
        || Refused::By("ed", "path"),
        vec![
            ("namespace whose name begins alike", create("/ns/ab/x", "a", as_is)),
            ("another namespace", create("/ns/b/x", "a", as_is)),
            ("the parent of the own prefix", create("/ns", "a", as_is)),
            ("the prefix in capitals", create("/NS/a/x", "a", as_is)),
            ("the namespace in capitals", create("/ns/A/x", "a", as_is)),
            ("the prefix in the middle", create("/x/ns/a/y", "a", as_is)),
            ("a dot behind the namespace", create("/ns/a./x", "a", as_is)),
            ("an underscore before it", create("/_ns/a/x", "a", as_is)),
        ],
    );
    table.add(
        ed,
        || Refused::Malformed("dot segments"),
        vec![("up and over", create("/ns/a/../b/x", "a", as_is)), ("a dot segment", create("/ns/./a/x", "a", as_is))],
    );
    table.add(ed, || Refused::Malformed("empty segments"), vec![("two slashes", create("/ns//a/x", "a", as_is))]);
    table.add(ed, || Refused::Malformed("trailing slash"), vec![("slash at the end", create("/ns/a/x/", "a", as_is))]);
    table.add(
        ed,
        || Refused::Malformed("path segment characters"),
        vec![
            ("percent encoding", create("/ns/a%2f..%2fb", "a", as_is)),
            ("a full-width letter", create("/ns/\u{ff41}/x", "a", as_is)),
            ("a null byte", create("/ns/a\0/x", "a", as_is)),
        ],
    );
    let elsewhere = |entry: &mut types::Entry| {
        entry.spiffe_id =
            Some(types::Spiffeid { trust_domain: "other.example".to_owned(), path: "/ns/a/x".to_owned() });
    };
    table.add(
        ed,
        || Refused::Malformed("is not a member of trust domain"),
        vec![("the same path in another trust domain", create("/ns/a/x", "a", elsewhere))],
    );
    table.add(
        ed,
        || Refused::Malformed("reserved"),
        vec![("an ID of SPIRE's own", create("/spire/server", "a", as_is))],
    );
    let tenants = Who::Person("tenants");
    table.add(
        tenants,
        || Refused::By("tenants", "path"),
        vec![
            ("template: another namespace's selector", create("/ns/a/x", "b", as_is)),
            (
                "template: two namespaces",
                create("/ns/a/x", "a", |entry| {
                    entry.selectors.extend(selectors(&[("k8s", "ns:b")]));
                }),
            ),
            ("template: no namespace", create("/ns/a/x", "a", |entry| entry.selectors = selectors(&[("k8s", "sa:x")]))),
            (
                "template: selector of another type",
                create("/ns/a/x", "a", |entry| {
                    entry.selectors = selectors(&[("unix", "ns:a")]);
                }),
            ),
            (
                "template: type in capitals",
                create("/ns/a/x", "a", |entry| entry.selectors = selectors(&[("K8S", "ns:a")])),
            ),
            ("template: the action as text", create("/ns/k8s-ns/x", "a", as_is)),
        ],
    );
    table.add(
        tenants,
        || Refused::By("tenants", "path"),
        vec![("template: bundle of another trust domain", Call::SetBundle("other.example"))],
    );
}

/// What stands in an entry beside its ID.
fn contents(table: &mut Table) {
    let ed = Who::Person("ed");
    let parent = |path: &'static str| move |entry: &mut types::Entry| entry.parent_id = Some(spiffe_id(path));
    table.add(
        ed,
        || Refused::By("ed", "parents"),
        vec![
            ("parent of another cluster", create("/ns/a/x", "a", parent("/spire/agent/k8s_psat/demo2/1"))),
            ("parent is a workload", create("/ns/a/x", "a", parent("/ns/b/other"))),
            ("node alias by the server as parent", create("/ns/a/x", "a", parent("/spire/server"))),
        ],
    );
    table.add(
        Who::Person("wide"),
        || Refused::By("wide", "flags"),
        vec![
            ("node alias without the flag", create("/ns/a/x", "a", parent("/spire/server"))),
            ("admin without the flag", create("/x", "a", |entry| entry.admin = true)),
            ("downstream without the flag", create("/x", "a", |entry| entry.downstream = true)),
            ("store_svid without the flag", create("/x", "a", |entry| entry.store_svid = true)),
        ],
    );
    table.add(
        ed,
        || Refused::By("ed", "flags"),
        vec![
            ("admin", create("/ns/a/x", "a", |entry| entry.admin = true)),
            ("downstream", create("/ns/a/x", "a", |entry| entry.downstream = true)),
        ],
    );
    table.add(
        ed,
        || Refused::By("ed", "namespaces"),
        vec![
            ("own ID for another's pods", create("/ns/a/x", "b", as_is)),
            (
                "own ID for pods of any namespace",
                create("/ns/a/x", "a", |entry| {
                    entry.selectors = selectors(&[("k8s", "sa:x")]);
                }),
            ),
            (
                "own and another's namespace",
                create("/ns/a/x", "a", |entry| {
                    entry.selectors.extend(selectors(&[("k8s", "ns:b")]));
                }),
            ),
        ],
    );
    table.add(
        ed,
        || Refused::By("ed", "selector_types"),
        vec![
            (
                "selector of another type",
                create("/ns/a/x", "a", |entry| {
                    entry.selectors.extend(selectors(&[("unix", "uid:0")]));
                }),
            ),
            (
                "selector type in capitals",
                create("/ns/a/x", "a", |entry| entry.selectors = selectors(&[("K8s", "ns:a")])),
            ),
        ],
    );
    lifetimes_and_names(table);
}

/// Lifetimes, DNS names, trust domains and batches.
fn lifetimes_and_names(table: &mut Table) {
    let ed = Who::Person("ed");
    table.add(
        ed,
        || Refused::Malformed("selector list is empty"),
        vec![("no selectors", create("/ns/a/x", "a", |entry| entry.selectors.clear()))],
    );
    table.add(
        ed,
        || Refused::By("ed", "max_x509_svid_ttl"),
        vec![
            ("longer lifetime", create("/ns/a/x", "a", |entry| entry.x509_svid_ttl = 3_601)),
            ("the longest lifetime", create("/ns/a/x", "a", |entry| entry.x509_svid_ttl = i32::MAX)),
        ],
    );
    table.add(
        ed,
        || Refused::By("ed", "max_jwt_svid_ttl"),
        vec![("longer lifetime of tokens", create("/ns/a/x", "a", |entry| entry.jwt_svid_ttl = 301))],
    );
    table.add(
        Who::Person("short"),
        || Refused::By("short", "max_x509_svid_ttl"),
        vec![("no lifetime, and the server's is longer", create("/ns/a/x", "a", as_is))],
    );
    table.add(
        ed,
        || Refused::Malformed("X509SvidTtl is not set"),
        vec![("negative lifetime", create("/ns/a/x", "a", |entry| entry.x509_svid_ttl = -1))],
    );
    table.add(
        ed,
        || Refused::Malformed("JwtSvidTtl is not set"),
        vec![("lifetime that wraps around", create("/ns/a/x", "a", |entry| entry.jwt_svid_ttl = i32::MIN))],
    );
    let dns = |name: &'static str| move |entry: &mut types::Entry| entry.dns_names = vec![name.to_owned()];
    table.add(
        ed,
        || Refused::By("ed", "dns_names"),
        vec![
            ("DNS name of another namespace", create("/ns/a/x", "a", dns("x.b.svc"))),
            ("wildcard above the own end", create("/ns/a/x", "a", dns("*.svc"))),
            ("the end itself", create("/ns/a/x", "a", dns("a.svc"))),
            ("an end that only looks alike", create("/ns/a/x", "a", dns("x.ba.svc"))),
            ("the own end in the middle", create("/ns/a/x", "a", dns("x.a.svc.evil.example"))),
            (
                "one good name and a bad one",
                create("/ns/a/x", "a", |entry| {
                    entry.dns_names = vec!["x.a.svc".to_owned(), "X.B.SVC".to_owned()];
                }),
            ),
        ],
    );
    table.add(
        ed,
        || Refused::Malformed("ends with dot"),
        vec![("dot at the end of a name", create("/ns/a/x", "a", dns("x.a.svc.")))],
    );
    table.add(
        ed,
        || Refused::By("ed", "federates_with"),
        vec![(
            "bundle of another trust domain",
            create("/ns/a/x", "a", |entry| {
                entry.federates_with = vec!["other.example".to_owned(), "third.example".to_owned()];
            }),
        )],
    );
    table.add(
        ed,
        || Refused::By("ed", "path"),
        vec![("a good item and a bad one", Call::Create(vec![pod("/ns/a/own", "a"), pod("/ns/b/x", "a")]))],
    );
}

/// Updates that move, and deletions of what is another's.
fn updates(table: &mut Table, stored: &Stored) {
    let ed = Who::Person("ed");
    let with = |entry: &types::Entry, change: fn(&mut types::Entry)| {
        let mut entry = entry.clone();
        change(&mut entry);
        entry
    };
    let hint = Some(types::EntryMask { hint: true, ..types::EntryMask::default() });
    let only_id = Some(types::EntryMask { spiffe_id: true, ..types::EntryMask::default() });
    let selectors_only = Some(types::EntryMask { selectors: true, ..types::EntryMask::default() });
    let own_path = |entry: &mut types::Entry| entry.spiffe_id = Some(spiffe_id("/ns/a/taken"));
    let other_path = |entry: &mut types::Entry| entry.spiffe_id = Some(spiffe_id("/ns/b/given"));
    table.add(
        ed,
        || Refused::By("ed", "path"),
        vec![
            ("own entry moved out", update(with(&stored.own, other_path), None)),
            ("another's entry moved in", update(with(&stored.other, own_path), None)),
            ("another's entry moved in by mask", update(with(&stored.other, own_path), only_id)),
            (
                "another's entry shown as an own one, with a mask that leaves it",
                update(with(&stored.other, own_path), hint),
            ),
            ("entry of a namespace that begins alike", update(stored.near.clone(), hint)),
            ("another's entry deleted by its ID", Call::Delete(stored.other.id.clone())),
            ("entry of a namespace that begins alike deleted", Call::Delete(stored.near.id.clone())),
            ("another's entry read by its ID", Call::Get(stored.other.id.clone())),
        ],
    );
    table.add(
        ed,
        || Refused::By("ed", "flags"),
        vec![
            ("administrator's entry changed where it lies in the prefix", update(stored.flagged.clone(), hint)),
            ("administrator's entry deleted", Call::Delete(stored.flagged.id.clone())),
            ("administrator's entry given to other pods, by mask", update(stored.flagged.clone(), selectors_only)),
            (
                "own entry made an administrator's by mask",
                update(
                    with(&stored.own, |entry| entry.admin = true),
                    Some(types::EntryMask { admin: true, ..types::EntryMask::default() }),
                ),
            ),
        ],
    );
    table.add(
        ed,
        || Refused::By("ed", "max_x509_svid_ttl"),
        vec![("entry with a longer lifetime kept by mask", update(stored.long.clone(), hint))],
    );
    table.add(
        ed,
        || Refused::By("ed", "namespaces"),
        vec![(
            "own entry given to another's pods by mask",
            update(with(&stored.own, |entry| entry.selectors = selectors(&[("k8s", "ns:b")])), selectors_only),
        )],
    );
    table.add(
        Who::Person("two"),
        || Refused::By("two-a", "path"),
        vec![("moved from one binding's scope into another's", update(with(&stored.own, other_path), None))],
    );
}

/// What other roles do.
fn others(table: &mut Table, stored: &Stored) {
    let ed = Who::Person("ed");
    table.add(
        ed,
        || Refused::By("ed", "role namespace-editor may not"),
        vec![
            ("editor bans an agent", Call::Ban(stored.agent.clone())),
            ("editor evicts an agent", Call::Evict(stored.agent.clone())),
            ("editor makes a join token", Call::JoinToken { token: "", agent: None }),
            ("editor mints a token", Call::MintJwt { path: "/ns/a/x", ttl: 1 }),
            ("editor taints an authority", Call::Taint),
            ("editor sets a bundle", Call::SetBundle("other.example")),
            ("editor adds a root", Call::AppendBundle),
        ],
    );
    table.add(
        Who::Person("nodes"),
        || Refused::By("nodes", "path"),
        vec![
            ("agents of another kind banned", Call::Ban(stored.agent.clone())),
            ("agents of another kind evicted", Call::Evict(stored.agent.clone())),
        ],
    );
    table.add(
        Who::Person("nodes"),
        || Refused::By("nodes", "role node-operator may not"),
        vec![
            ("operator of nodes creates an entry", create("/spire2/x", "a", as_is)),
            ("operator of nodes makes a join token", Call::JoinToken { token: "", agent: None }),
        ],
    );
    table.add(
        Who::Person("joins"),
        || Refused::By("joins", "path"),
        vec![
            ("join token of another name", Call::JoinToken { token: "", agent: None }),
            ("join token whose name begins alike", Call::JoinToken { token: "lab2", agent: None }),
            ("join token with an ID elsewhere", Call::JoinToken { token: "lab", agent: Some("/ns/a/x") }),
        ],
    );
    table.add(
        Who::Person("joins"),
        || Refused::Malformed("join token ID"),
        vec![("join token that climbs", Call::JoinToken { token: "lab/../x", agent: None })],
    );
    table.add(
        Who::Person("fed"),
        || Refused::By("fed", "federates_with"),
        vec![
            ("bundle of a trust domain that was not granted", Call::SetBundle("other.example")),
            ("relationship that was not granted", Call::Relationship("fourth.example")),
        ],
    );
    table.add(
        Who::Person("fed"),
        || Refused::Along("fed"),
        vec![
            ("entries deleted by way of their bundle", Call::DeleteBundle("third.example", Mode::Delete)),
            ("entries changed by way of their bundle", Call::DeleteBundle("third.example", Mode::Dissociate)),
        ],
    );
    table.add(
        Who::Person("rotate"),
        || Refused::By("rotate", "role authority-operator may not"),
        vec![
            ("operator taints", Call::Taint),
            ("operator revokes", Call::Revoke),
            ("operator adds a root", Call::AppendBundle),
        ],
    );
    table.add(
        Who::Person("rotate-a"),
        || Refused::By("rotate-a", "path"),
        vec![("authority of the whole by who has a part", Call::Prepare)],
    );
    table.add(
        Who::Person("see"),
        || Refused::By("see", "role viewer may not"),
        vec![
            ("viewer creates", create("/x", "a", as_is)),
            ("viewer deletes", Call::Delete(stored.own.id.clone())),
            ("viewer mints", Call::MintJwt { path: "/x", ttl: 1 }),
        ],
    );
    table.add(
        Who::Person("audit"),
        || Refused::By("audit", "role auditor may not"),
        vec![("auditor reads entries", Call::Get(stored.own.id.clone())), ("auditor rotates", Call::Prepare)],
    );
}

fn mint(path: &str, ttl: i32, dns: &[&str]) -> Call {
    let dns = dns.iter().map(|name| (*name).to_owned()).collect();
    Call::MintX509 { uri: format!("spiffe://example.org{path}"), ttl, dns }
}

/// SVIDs that are minted.
fn credentials(table: &mut Table) {
    let custodian = Who::Person("mint");
    table.add(
        custodian,
        || Refused::By("mint", "path"),
        vec![
            ("minted for another's ID", mint("/ns/a/x", 60, &[])),
            ("minted for an ID that begins alike", mint("/lab2/x", 60, &[])),
            ("token for another's ID", Call::MintJwt { path: "/ns/a/x", ttl: 60 }),
        ],
    );
    table.add(
        custodian,
        || Refused::By("mint", "max_x509_svid_ttl"),
        vec![
            ("minted for longer", mint("/lab/x", 1_801, &[])),
            ("minted for the server's default, which is longer", mint("/lab/x", 0, &[])),
            ("minted for a negative lifetime, which is the default", mint("/lab/x", -1, &[])),
        ],
    );
    table.add(
        custodian,
        || Refused::By("mint", "max_jwt_svid_ttl"),
        vec![
            ("token for longer", Call::MintJwt { path: "/lab/x", ttl: 61 }),
            ("token for the server's default, which is longer", Call::MintJwt { path: "/lab/x", ttl: 0 }),
        ],
    );
    table.add(
        custodian,
        || Refused::By("mint", "dns_names"),
        vec![("minted with another's name", mint("/lab/x", 60, &["x.lab", "bank.example"]))],
    );
    table.add(
        custodian,
        || Refused::Malformed("CSR URI SAN is invalid"),
        vec![
            (
                "minted for another trust domain",
                Call::MintX509 { uri: "spiffe://other.example/lab/x".to_owned(), ttl: 60, dns: vec![] },
            ),
            ("minted for the server's own ID", mint("/spire/server", 60, &[])),
        ],
    );
    table.add(
        Who::Person("mint-types"),
        || Refused::By("mint-types", "selector_types"),
        vec![("minted by who may only write entries with selectors", mint("/x", 60, &[]))],
    );
}

/// Who calls.
fn callers(table: &mut Table, stored: &Stored) {
    let entry = || create("/x", "a", as_is);
    table.add(Who::Person("gone"), || Refused::By("gone", "it expired at"), vec![("expired binding", entry())]);
    table.add(
        Who::Person("later"),
        || Refused::By("later", "it does not count before"),
        vec![("binding of next year", entry())],
    );
    table.add(Who::Person("nobody"), || Refused::Unbound, vec![("SVID that no binding names", entry())]);
    table.add(Who::Person("ED"), || Refused::Unbound, vec![("name in capitals", entry())]);
    table.add(Who::Person("ed/x"), || Refused::Unbound, vec![("below an exact ID", entry())]);
    table.add(Who::Person("team2/x"), || Refused::Unbound, vec![("prefix of subjects that begins alike", entry())]);
    table.add(
        Who::Unix(4000, 4000),
        || Refused::Unbound,
        vec![
            ("process that no binding names", entry()),
            ("process that no binding names sets the log's level", Call::LogLevel),
            ("process that no binding names asks for facts", Call::Info),
        ],
    );
    table.add(Who::Unix(0, 0), || Refused::Unbound, vec![("root, whom no binding names", entry())]);
    table.add(Who::Unix(4000, 3000), || Refused::Unbound, vec![("group with the number of the user", entry())]);
    table.add(Who::Unix(3001, 3001), || Refused::Unbound, vec![("user without the group", entry())]);
    table.add(Who::Unix(3002, 3001), || Refused::Unbound, vec![("user and group exchanged", entry())]);
    table.add(Who::Unix(3003, 3003), || Refused::Unbound, vec![("user with another executable", entry())]);
    table.add(
        Who::Unix(3000, 3000),
        || Refused::By("user", "role entry-editor may not"),
        vec![
            ("editor on the private socket bans", Call::Ban(stored.agent.clone())),
            ("editor on the private socket asks for facts", Call::Info),
        ],
    );
    table.add(
        Who::Person("ed"),
        || Refused::Closed,
        vec![("person renews as an agent", Call::Renew), ("person asks for a downstream CA", Call::DownstreamCa)],
    );
}

/// A binding for `mallory`, within what `root` may grant, with something changed.
fn grant(change: impl FnOnce(&mut access::Binding)) -> Call {
    let texts = |value: &str| Some(access::Texts { values: vec![value.to_owned()] });
    let mut binding = access::Binding {
        name: "new".to_owned(),
        role: "entry-editor".to_owned(),
        subjects: vec![subject("mallory")],
        scope: Some(access::Scope { path: texts("/ns/a"), ..access::Scope::default() }),
        not_after: "2026-06-01T00:00:00Z".to_owned(),
        ..access::Binding::default()
    };
    change(&mut binding);
    Call::Grant(Box::new(binding))
}

fn subject(name: &str) -> access::Subject {
    access::Subject { spiffe_id: format!("spiffe://example.org/people/{name}"), ..access::Subject::default() }
}

fn onward(binding: &mut access::Binding, role: &str, path: &str) {
    let scope =
        Some(access::Scope { path: Some(access::Texts { values: vec![path.to_owned()] }), ..access::Scope::default() });
    "policy-admin".clone_into(&mut binding.role);
    binding.scope = None;
    binding.grants = Some(access::Grants { roles: vec![role.to_owned()], scope });
}

fn path_of(binding: &mut access::Binding, path: &str) {
    let scope = binding.scope.get_or_insert_default();
    scope.path = Some(access::Texts { values: vec![path.to_owned()] });
}

/// Rights that are granted.
fn grants(table: &mut Table) {
    let root = Who::Person("root");
    let flag = |name: &str| {
        let name = name.to_owned();
        grant(move |binding| binding.scope.get_or_insert_default().flags = vec![name])
    };
    table.add(
        root,
        || Refused::By("root", "path: the scope is wider"),
        vec![
            ("grant of a wider path", grant(|binding| path_of(binding, "/ns"))),
            ("grant of a path that begins alike", grant(|binding| path_of(binding, "/ns/ab"))),
            ("grant without a scope", grant(|binding| binding.scope = None)),
            ("grant of whatever namespace an entry names", grant(|binding| path_of(binding, "/ns/{k8s:ns}"))),
        ],
    );
    table.add(
        root,
        || Refused::By("root", "flags: the scope is wider"),
        vec![("grant of a flag", flag("admin")), ("grant of entries for nodes", flag("alias"))],
    );
    table.add(
        root,
        || Refused::By("root", "role "),
        vec![
            (
                "grant of break-glass",
                grant(|binding| {
                    "break-glass".clone_into(&mut binding.role);
                    "because".clone_into(&mut binding.reason);
                }),
            ),
            ("grant of authorities", grant(|binding| "authority-admin".clone_into(&mut binding.role))),
        ],
    );
    table.add(
        root,
        || Refused::By("root", "nobody grants himself"),
        vec![
            ("grant to oneself", grant(|binding| binding.subjects = vec![subject("root")])),
            ("grant to oneself and another", grant(|binding| binding.subjects.push(subject("root")))),
            (
                "grant to all people",
                grant(|binding| {
                    binding.subjects = vec![access::Subject {
                        spiffe_id_prefix: "spiffe://example.org/people".to_owned(),
                        ..access::Subject::default()
                    }];
                }),
            ),
        ],
    );
    table.add(
        root,
        || Refused::By("root", "the window is wider"),
        vec![
            ("grant without an end", grant(|binding| binding.not_after.clear())),
            ("grant for longer", grant(|binding| "2027-01-01T00:00:01Z".clone_into(&mut binding.not_after))),
        ],
    );
    table.add(
        root,
        || Refused::By("root", "grants: "),
        vec![
            ("grant to grant a role", grant(|binding| onward(binding, "break-glass", "/ns/a"))),
            ("grant to grant a path", grant(|binding| onward(binding, "entry-editor", "/ns"))),
        ],
    );
    table.add(
        Who::Person("audit"),
        || Refused::By("audit", "role auditor may not"),
        vec![("auditor grants", grant(|_| {}))],
    );
    table.add(
        Who::Unix(1000, 1000),
        || Refused::By("setup", "role break-glass may not"),
        vec![("break-glass grants", grant(|_| {}))],
    );
}
