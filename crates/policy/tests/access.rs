//! Properties of scoped rights over random bindings and requests, against an oracle that is written another way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use steeple_policy::access::{
    Action, Asked, Binding, DnsPattern, Flag, Grants, Lifetimes, Object, PathPrefix, Policy, Resource, Role, Scope,
    Subject, Who,
};
use steeple_types::{Entry, EntryId, Selector, SpiffeId, TrustDomain};

const DEFAULTS: Lifetimes = Lifetimes { x509_svid: Duration::from_mins(1), jwt_svid: Duration::from_secs(5) };

fn paths(templates: bool) -> impl Strategy<Value = Option<Vec<PathPrefix>>> {
    let segments = if templates { vec!["ns", "a", "ab", "{k8s:ns}"] } else { vec!["ns", "a", "ab", "spire"] };
    let path =
        vec(select(segments), 1..3).prop_map(|parts| PathPrefix::parse(&format!("/{}", parts.join("/"))).unwrap());
    option::of(vec(path, 0..3))
}

fn names(of: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(select(of).prop_map(str::to_owned), 0..3)
}

fn domains() -> impl Strategy<Value = BTreeSet<TrustDomain>> {
    btree_set(select(&["x.org", "y.org"][..]).prop_map(|name| TrustDomain::from_name(name).unwrap()), 0..2)
}

fn scope() -> impl Strategy<Value = Scope> {
    let dns = vec(select(&["*.a", "*.b.a", "c.a", "*.b"][..]).prop_map(|text| DnsPattern::parse(text).unwrap()), 0..3);
    let ttl = || option::of(select(&[5_u64, 60, 90][..]).prop_map(Duration::from_secs));
    let own = option::of(select(&["example.org", "x.org"][..]).prop_map(|name| TrustDomain::from_name(name).unwrap()));
    let flags = btree_set(select(&Flag::ALL[..]), 0..4);
    let about_ids = (own, paths(true), paths(false), option::of(names(&["k8s", "unix", "K8s"])));
    let about_rest = (option::of(names(&["a", "ab"])), ttl(), ttl(), option::of(dns), option::of(domains()), flags);
    (about_ids, about_rest).prop_map(|((trust_domain, paths, parents, selector_types), rest)| {
        let (namespaces, max_x509_svid_ttl, max_jwt_svid_ttl, dns_names, federates_with, flags) = rest;
        Scope {
            trust_domain,
            paths,
            parents,
            selector_types,
            namespaces,
            max_x509_svid_ttl,
            max_jwt_svid_ttl,
            dns_names,
            federates_with,
            flags,
        }
    })
}

/// `of` made narrower, or not, in some of its dimensions.
fn within(of: Scope) -> impl Strategy<Value = Scope> {
    (scope(), any::<[bool; 6]>()).prop_map(move |(other, take)| {
        let mut narrow = of.clone();
        if take[0] {
            narrow.namespaces = other.namespaces.map(|names| names.into_iter().take(1).collect());
        }
        if take[1] {
            narrow.paths = other.paths;
        }
        if take[2] {
            narrow.parents = other.parents;
        }
        if take[3] {
            narrow.dns_names = other.dns_names;
        }
        if take[4] {
            narrow.max_x509_svid_ttl = other.max_x509_svid_ttl;
        }
        if take[5] {
            narrow.flags = other.flags;
        }
        narrow
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let path = || {
        vec(select(&["ns", "a", "ab", "spire", "server"][..]), 1..4).prop_map(|parts| format!("/{}", parts.join("/")))
    };
    let selectors = btree_set(select(&["k8s:ns:a", "k8s:ns:ab", "k8s:sa:a", "unix:uid:1", "K8s:ns:a"][..]), 0..4);
    let dns = vec(select(&["x.a", "x.b.a", "a", "*.a", "c.a", "X.B"][..]).prop_map(str::to_owned), 0..2);
    let ttl = || select(&[0_u32, 5, 60, 61, u32::MAX][..]);
    (path(), path(), selectors, ttl(), ttl(), dns, domains(), any::<[bool; 3]>()).prop_map(
        |(path, parent, selectors, x509, jwt, dns_names, federates_with, [admin, downstream, store_svid])| {
            let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap();
            let selectors = selectors.into_iter().map(|text| text.parse::<Selector>().unwrap()).collect();
            let entry_id = EntryId::parse("e").unwrap();
            let mut entry = Entry::new(entry_id, id(&path), id(&parent), selectors, Timestamp::UNIX_EPOCH);
            (entry.x509_svid_ttl, entry.jwt_svid_ttl) = (x509, jwt);
            (entry.dns_names, entry.federates_with) = (dns_names, federates_with.into_iter().collect());
            (entry.admin, entry.downstream, entry.store_svid) = (admin, downstream, store_svid);
            entry
        },
    )
}

/// Whether an entry lies in a scope, by texts.
fn oracle(scope: &Scope, entry: &Entry) -> bool {
    let texts: Vec<String> = entry.selectors.iter().map(ToString::to_string).collect();
    let namespaces: Vec<&str> = texts.iter().filter_map(|text| text.strip_prefix("k8s:ns:")).collect();
    let below = |prefix: &str, path: &str| format!("{path}/").starts_with(&format!("{prefix}/"));
    let path_fits = |path: &PathPrefix| {
        let prefix = path.to_string();
        if !prefix.contains('{') {
            return below(&prefix, entry.spiffe_id.path());
        }
        !namespaces.is_empty()
            && namespaces.iter().all(|name| below(&prefix.replace("{k8s:ns}", name), entry.spiffe_id.path()))
    };
    let name_fits = |name: &String| {
        scope.dns_names.as_ref().is_none_or(|patterns| {
            patterns.iter().any(|pattern| {
                let (pattern, name) = (pattern.to_string(), name.to_lowercase());
                pattern.strip_prefix('*').map_or(pattern == name, |end| name.ends_with(end) && name.len() > end.len())
            })
        })
    };
    let seconds = |asked: u32, default: u64| if asked == 0 { default } else { u64::from(asked) };
    let flags = [
        (entry.admin, Flag::Admin),
        (entry.downstream, Flag::Downstream),
        (entry.store_svid, Flag::StoreSvid),
        (entry.parent_id.as_str() == "spiffe://example.org/spire/server", Flag::Alias),
    ];
    let own = scope.trust_domain.as_ref().is_none_or(|own| entry.spiffe_id.as_str().contains(&format!("//{own}/")));
    let under = scope.paths.as_ref().is_none_or(|paths| paths.iter().any(path_fits));
    let parents = |parents: &Vec<PathPrefix>| parents.iter().any(|p| below(&p.to_string(), entry.parent_id.path()));
    let types = |types: &BTreeSet<String>| {
        !texts.is_empty() && texts.iter().all(|text| types.iter().any(|kind| text.starts_with(&format!("{kind}:"))))
    };
    let named =
        |allowed: &BTreeSet<String>| !namespaces.is_empty() && namespaces.iter().all(|name| allowed.contains(*name));
    own && under
        && scope.parents.as_ref().is_none_or(parents)
        && scope.selector_types.as_ref().is_none_or(types)
        && scope.namespaces.as_ref().is_none_or(named)
        && scope.max_x509_svid_ttl.is_none_or(|most| seconds(entry.x509_svid_ttl, 60) <= most.as_secs())
        && scope.max_jwt_svid_ttl.is_none_or(|most| seconds(entry.jwt_svid_ttl, 5) <= most.as_secs())
        && entry.dns_names.iter().all(name_fits)
        && scope.federates_with.as_ref().is_none_or(|all| entry.federates_with.iter().all(|name| all.contains(name)))
        && flags.into_iter().all(|(is_set, flag)| !is_set || scope.flags.contains(&flag))
}

fn people() -> impl Strategy<Value = SpiffeId> {
    select(&["p/1", "p/2", "q/1"][..])
        .prop_map(|path| SpiffeId::parse(&format!("spiffe://example.org/{path}")).unwrap())
}

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        people().prop_map(Subject::Svid),
        Just(Subject::SvidsBelow { trust_domain: "example.org".to_owned(), path: PathPrefix::parse("/p").unwrap() }),
    ]
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    option::of((0_i64..6).prop_map(|second| Timestamp::from_second(second).unwrap()))
}

fn binding(scope: impl Strategy<Value = Scope>) -> impl Strategy<Value = Binding> {
    let role = select(&[Role::EntryEditor, Role::Viewer, Role::Controller, Role::NodeOperator, Role::PolicyAdmin][..]);
    let grants = (btree_set(select(&[Role::EntryEditor, Role::Viewer, Role::PolicyAdmin][..]), 0..4), self::scope());
    (0_u32..1_000_000, role, vec(subject(), 1..3), scope, option::of(grants), time(), time()).prop_map(
        |(name, role, subjects, scope, grants, not_before, not_after)| Binding {
            name: name.to_string(),
            role,
            subjects,
            scope,
            grants: grants.filter(|_| role == Role::PolicyAdmin).map(|(roles, scope)| Grants { roles, scope }),
            not_before,
            not_after,
            reason: String::new(),
        },
    )
}

/// Whether a binding lets somebody do something to all of these, by the parts of the binding.
fn lets(binding: &Binding, who: &SpiffeId, asked: Asked, entries: &[&Entry], now: i64) -> bool {
    let is_for = binding.subjects.iter().any(|subject| match subject {
        Subject::Svid(id) => id == who,
        _ => who.as_str().starts_with("spiffe://example.org/p/"),
    });
    let begun = binding.not_before.is_none_or(|from| from.as_second() <= now);
    let ended = binding.not_after.is_some_and(|until| until.as_second() <= now);
    let writes = matches!(binding.role, Role::EntryEditor | Role::Controller);
    let may = writes || (binding.role == Role::Viewer && asked.action == Action::Read);
    is_for && begun && !ended && may && entries.iter().all(|entry| oracle(&binding.scope, entry))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    /// What is allowed lies in one binding's scope as it results, and what is refused in none.
    #[test]
    fn whatever_is_allowed_lies_in_a_scope_as_it_results(
        bindings in vec(binding(scope()), 1..5),
        who in people(),
        action in select(&[Action::Read, Action::Create, Action::Update, Action::Delete, Action::Ban][..]),
        (stored, resulting) in (entry(), entry()),
        now in 0_i64..6,
    ) {
        let asked = Asked { action, resource: Resource::Entry };
        let entries: Vec<&Entry> = if action == Action::Update { vec![&stored, &resulting] } else { vec![&stored] };
        let objects: Vec<Object<'_>> = entries.iter().map(|entry| Object::Entry(entry, DEFAULTS)).collect();
        let policy = Policy::new(bindings.iter().cloned().map(Arc::new).collect());
        let caller = Who { svid: Some(&who), ..Who::default() };
        let decided = policy.decide(&caller, asked, &objects, Timestamp::from_second(now).unwrap());
        let expected = action != Action::Ban && bindings.iter().any(|binding| lets(binding, &who, asked, &entries, now));
        prop_assert_eq!(decided.is_ok(), expected);
        if let Ok(binding) = decided {
            prop_assert!(lets(&binding, &who, asked, &entries, now));
        }
    }

    /// A scope that covers another admits all that the other does.
    #[test]
    fn covering_scope_admits_what_the_covered_one_does(
        (wide, narrow) in scope().prop_flat_map(|wide| (Just(wide.clone()), prop_oneof![within(wide), scope()])),
        entries in vec(entry(), 8),
        ban in people(),
    ) {
        if !wide.covers(&narrow) {
            return Ok(());
        }
        let foreign = TrustDomain::from_name("x.org").unwrap();
        let mut objects = vec![Object::Whole, Object::Agent(&ban, None), Object::Foreign(&foreign)];
        objects.push(Object::JwtSvid { id: &ban, ttl: Duration::from_mins(1) });
        objects.push(Object::X509Svid { id: &ban, ttl: Duration::from_mins(1), dns_names: &[] });
        objects.extend(entries.iter().map(|entry| Object::Entry(entry, DEFAULTS)));
        for object in objects {
            prop_assert!(narrow.admits(&object).is_err() || wide.admits(&object).is_ok(), "{object:?}");
        }
    }

    /// Whoever grants, however often: what comes out lies within what the first could grant.
    #[test]
    fn no_sequence_of_grants_leaves_the_root_grant(
        (root, tries) in scope().prop_flat_map(|root| {
            let grant = (within(root.clone()), within(root.clone())).prop_flat_map(|(scope, onward)| {
                (binding(Just(scope)), Just(onward), any::<bool>())
            });
            (Just(root), vec((grant, any::<prop::sample::Index>(), people()), 1..12))
        }),
        entries in vec(entry(), 4),
    ) {
        let roles: BTreeSet<Role> = [Role::EntryEditor, Role::PolicyAdmin].into();
        let first = Binding {
            name: "root".to_owned(),
            role: Role::PolicyAdmin,
            subjects: vec![Subject::Svid(SpiffeId::parse("spiffe://example.org/root").unwrap())],
            scope: Scope::default(),
            grants: Some(Grants { roles: roles.clone(), scope: root.clone() }),
            not_before: None,
            not_after: Some(Timestamp::from_second(4).unwrap()),
            reason: String::new(),
        };
        let mut made = vec![first];
        for ((mut new, onward, narrow), by, who) in tries {
            if narrow && new.grants.is_some() {
                new.grants = Some(Grants { roles: [Role::EntryEditor].into(), scope: onward });
            }
            let by = by.get(&made).clone();
            if by.role == Role::PolicyAdmin && by.may_grant(&new, &Who { svid: Some(&who), ..Who::default() }).is_ok() {
                prop_assert!(!new.is_for(&Who { svid: Some(&who), ..Who::default() }), "granted to oneself");
                made.push(new);
            }
        }
        for binding in &made[1..] {
            prop_assert!(roles.contains(&binding.role));
            prop_assert!(binding.not_after.is_some_and(|until| until.as_second() <= 4));
            for entry in entries.iter().filter(|entry| binding.role != Role::PolicyAdmin && oracle(&binding.scope, entry)) {
                prop_assert!(oracle(&root, entry), "{:?} admits {entry:?}", binding.scope);
            }
            for role in binding.grants.iter().flat_map(|grants| &grants.roles) {
                prop_assert!(roles.contains(role));
            }
        }
    }
}
