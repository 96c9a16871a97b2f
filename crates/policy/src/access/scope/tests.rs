use steeple_types::{Entry, EntryId, SpiffeId};

use super::*;
use crate::access::object::Lifetimes;

const DEFAULTS: Lifetimes = Lifetimes { x509_svid: Duration::from_hours(1), jwt_svid: Duration::from_mins(5) };

type Case<'a> = (Dimension, &'a dyn Fn(&mut Entry));

fn entry(path: &str) -> Entry {
    let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap();
    let selectors = ["k8s:ns:a".parse().unwrap(), "k8s:sa:b".parse().unwrap()].into_iter().collect();
    let parent = id("/spire/agent/k8s_psat/demo/1");
    Entry::new(EntryId::parse("e").unwrap(), id(path), parent, selectors, jiff::Timestamp::UNIX_EPOCH)
}

fn refused(scope: &Scope, entry: &Entry) -> Option<Dimension> {
    scope.admits(&Object::Entry(entry, DEFAULTS)).err().map(|outside| outside.dimension)
}

#[test]
fn each_dimension_refuses_by_itself() {
    let fits = entry("/ns/a/x");
    let changed = |change: &dyn Fn(&mut Entry)| {
        let mut entry = fits.clone();
        change(&mut entry);
        entry
    };
    let path = |text: &str| Some(vec![PathPrefix::parse(text).unwrap()]);
    let scope = Scope {
        trust_domain: Some("example.org".parse().unwrap()),
        paths: path("/ns/a"),
        parents: path("/spire/agent/k8s_psat/demo"),
        selector_types: Some(["k8s".to_owned()].into()),
        namespaces: Some(["a".to_owned()].into()),
        max_x509_svid_ttl: Some(Duration::from_hours(1)),
        max_jwt_svid_ttl: Some(Duration::from_mins(5)),
        dns_names: Some(vec![DnsPattern::parse("*.a.svc").unwrap()]),
        federates_with: Some(["other.example".parse().unwrap()].into()),
        flags: BTreeSet::new(),
    };
    assert_eq!(refused(&scope, &fits), None);
    let selectors = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let id = |text: &str| SpiffeId::parse(text).unwrap();
    let cases: [Case<'_>; 13] = [
        (Dimension::TrustDomain, &|entry| entry.spiffe_id = id("spiffe://other.example/ns/a/x")),
        (Dimension::Path, &|entry| entry.spiffe_id = id("spiffe://example.org/ns/ab/x")),
        (Dimension::Parents, &|entry| entry.parent_id = id("spiffe://example.org/spire/agent/k8s_psat/demo2/1")),
        (Dimension::SelectorTypes, &|entry| entry.selectors = selectors(&["k8s:ns:a", "unix:uid:0"])),
        (Dimension::SelectorTypes, &|entry| entry.selectors = selectors(&[])),
        (Dimension::Namespaces, &|entry| entry.selectors = selectors(&["k8s:sa:b"])),
        (Dimension::Namespaces, &|entry| entry.selectors = selectors(&["k8s:ns:a", "k8s:ns:b"])),
        (Dimension::X509SvidTtl, &|entry| entry.x509_svid_ttl = 3_601),
        (Dimension::JwtSvidTtl, &|entry| entry.jwt_svid_ttl = 301),
        (Dimension::DnsNames, &|entry| entry.dns_names = vec!["x.a.svc".to_owned(), "b.svc".to_owned()]),
        (Dimension::FederatesWith, &|entry| entry.federates_with = vec!["third.example".parse().unwrap()]),
        (Dimension::Flags, &|entry| entry.admin = true),
        (Dimension::Flags, &|entry| entry.store_svid = true),
    ];
    for (dimension, change) in cases {
        assert_eq!(refused(&scope, &changed(change)), Some(dimension));
    }
}

#[test]
fn default_lifetime_counts_where_none_is_asked_for() {
    let scope = Scope { max_x509_svid_ttl: Some(Duration::from_mins(30)), ..Scope::default() };
    assert_eq!(refused(&scope, &entry("/a")), Some(Dimension::X509SvidTtl), "an hour by default");
    let mut short = entry("/a");
    short.x509_svid_ttl = 1_800;
    assert_eq!(refused(&scope, &short), None);
}

#[test]
fn what_is_of_the_whole_lies_in_no_restricted_scope() {
    assert!(Scope::default().admits(&Object::Whole).is_ok());
    let paths = Some(vec![PathPrefix::parse("/a").unwrap()]);
    for scope in [
        Scope { paths: paths.clone(), ..Scope::default() },
        Scope { parents: paths, ..Scope::default() },
        Scope { selector_types: Some(BTreeSet::new()), ..Scope::default() },
        Scope { namespaces: Some(["a".to_owned()].into()), ..Scope::default() },
        Scope { max_x509_svid_ttl: Some(Duration::from_hours(9)), ..Scope::default() },
        Scope { federates_with: Some(BTreeSet::new()), ..Scope::default() },
    ] {
        assert!(scope.admits(&Object::Whole).is_err(), "{scope:?}");
    }
}

#[test]
fn node_aliases_must_be_allowed() {
    let mut alias = entry("/a");
    alias.parent_id = SpiffeId::parse("spiffe://example.org/spire/server").unwrap();
    assert_eq!(refused(&Scope::default(), &alias), Some(Dimension::Flags));
    let flags = [Flag::Alias].into();
    assert_eq!(refused(&Scope { flags, ..Scope::default() }, &alias), None);
}
