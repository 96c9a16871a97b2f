//! Bundles.

use super::Subject;
use super::samples::{at, bundle, domain, entry};
use crate::units::{
    AppendBundle, BundleMask, CreateBundle, CreateEntry, DeleteBundle, DeleteMode, PruneBundle, RefreshBundle,
    Refreshed, SetBundle, UpdateBundle,
};
use crate::{EntryFilter, ErrorClass, Page};
use steeple_types::{Bundle, Entry, JwtAuthority, TrustDomain, X509Authority};

fn root(byte: u8) -> X509Authority {
    X509Authority { certificate: vec![byte], tainted: false }
}

fn key(name: &str, expires_at: Option<i64>) -> JwtAuthority {
    JwtAuthority {
        key_id: name.to_owned(),
        public_key: name.as_bytes().to_vec(),
        expires_at: expires_at.map(at),
        tainted: false,
    }
}

fn own() -> TrustDomain {
    domain("example.org")
}

fn find(subject: &Subject, trust_domain: &TrustDomain) -> Option<Bundle> {
    subject.read(|tx| tx.bundle(trust_domain))
}

/// Authorities that are new are added in order; the number grows only if there were any. A taint makes another authority.
pub fn appending_is_a_union(subject: &Subject) {
    let append = |roots: &[X509Authority], keys: &[JwtAuthority]| {
        subject.done(&AppendBundle {
            trust_domain: own(),
            x509_authorities: roots.to_vec(),
            jwt_authorities: keys.to_vec(),
        })
    };
    let first = append(&[root(1)], &[key("a", Some(100))]);
    assert_eq!(first.sequence_number, 0);
    let same = append(&[root(1)], &[key("a", Some(100))]);
    assert_eq!(same, first);
    let more = append(&[root(2), root(1)], &[key("b", None)]);
    let expected = Bundle {
        x509_authorities: vec![root(1), root(2)],
        jwt_authorities: vec![key("a", Some(100)), key("b", None)],
        sequence_number: 1,
        ..first
    };
    assert_eq!(more, expected);
    assert_eq!(find(subject, &own()), Some(expected));
    let tainted = X509Authority { tainted: true, ..root(1) };
    assert_eq!(append(&[tainted], &[]).sequence_number, 2);
}

/// An update replaces what its mask names, of a bundle that is there.
pub fn update_replaces_masked_fields(subject: &Subject) {
    let mask = BundleMask { refresh_hint: true, ..BundleMask { sequence_number: false, ..BundleMask::ALL } };
    let update = |bundle, mask| subject.write(&UpdateBundle { bundle, mask });
    assert_eq!(update(bundle("a.test"), mask).unwrap_err().class, ErrorClass::NotFound);
    subject.done(&SetBundle { bundle: Bundle { x509_authorities: vec![root(1)], ..bundle("a.test") } });
    let new = Bundle { refresh_hint: 5, sequence_number: 9, x509_authorities: vec![root(2)], ..bundle("a.test") };
    let updated = update(new.clone(), mask).unwrap().value;
    assert_eq!(updated, Bundle { sequence_number: 7, ..new });
    assert_eq!(find(subject, &domain("a.test")), Some(updated));
}

/// There is one bundle of a trust domain.
pub fn second_bundle_is_a_conflict(subject: &Subject) {
    let create = CreateBundle { bundle: bundle("a.test") };
    assert_eq!(subject.done(&create), bundle("a.test"));
    assert_eq!(subject.write(&create).unwrap_err().class, ErrorClass::Conflict);
}

fn federate(subject: &Subject, mode: DeleteMode) -> Result<(), crate::StoreError> {
    for name in ["a.test", "b.test"] {
        subject.done(&SetBundle { bundle: bundle(name) });
    }
    let federates_with = vec![domain("a.test"), domain("b.test")];
    subject.done(&CreateEntry { entry: Entry { federates_with, ..entry("federating", &["a:1"]) } });
    subject.done(&CreateEntry { entry: entry("other", &["a:1"]) });
    let before = subject.read(|tx| tx.last_revision());
    subject.write(&DeleteBundle { trust_domain: domain("a.test"), mode })?;
    assert_eq!(subject.changed_keys(before), ["federating", "a.test"]);
    assert_eq!(find(subject, &domain("a.test")), None);
    Ok(())
}

fn entries(subject: &Subject) -> Vec<Entry> {
    subject.read(|tx| tx.entries(&EntryFilter::default(), &Page::default())).items
}

/// Without a mode that says what becomes of entries, their bundle stays.
pub fn restricted_delete_names_the_entries(subject: &Subject) {
    let error = federate(subject, DeleteMode::Restrict).unwrap_err();
    assert_eq!(error.class, ErrorClass::Unfit);
    assert_eq!(error.message, "datastore-sql: cannot delete bundle; federated with 1 registration entries");
    assert!(find(subject, &domain("a.test")).is_some());
    let missing = DeleteBundle { trust_domain: domain("c.test"), mode: DeleteMode::Restrict };
    assert_eq!(subject.write(&missing).unwrap_err().class, ErrorClass::NotFound);
}

/// Entries lose the trust domain and nothing else.
pub fn dissociating_delete_keeps_the_entries(subject: &Subject) {
    federate(subject, DeleteMode::Dissociate).unwrap();
    let left: Vec<_> = entries(subject).into_iter().map(|entry| entry.federates_with).collect();
    assert_eq!(left, [vec![domain("b.test")], vec![]]);
}

/// Entries that federated go with the bundle.
pub fn deleting_delete_takes_the_entries_along(subject: &Subject) {
    federate(subject, DeleteMode::Delete).unwrap();
    assert_eq!(entries(subject).iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["other"]);
}

/// Expired authorities go, a JWT authority without known expiry among them, but never the last of a kind.
pub fn pruning_never_empties_a_bundle(subject: &Subject) {
    let prune = |time| {
        subject.write(&PruneBundle {
            trust_domain: own(),
            expired_before: at(time),
            x509_expiry: |authority| Some(at(i64::from(authority.certificate[0]))),
        })
    };
    assert!(!prune(10).unwrap().value, "no bundle, nothing to prune");
    let full = Bundle {
        x509_authorities: vec![root(10), root(20)],
        jwt_authorities: vec![key("unknown", None), key("late", Some(20))],
        ..bundle("example.org")
    };
    subject.done(&SetBundle { bundle: full.clone() });
    assert!(prune(10).unwrap().value);
    let expected = Bundle {
        x509_authorities: vec![root(20)],
        jwt_authorities: vec![key("late", Some(20))],
        refresh_hint: 0,
        sequence_number: full.sequence_number + 1,
        ..full
    };
    assert_eq!(find(subject, &own()), Some(expected.clone()));
    assert!(!prune(10).unwrap().value);
    assert_eq!(prune(20).unwrap_err().message, "prune failed: would prune all certificates");
    assert_eq!(find(subject, &own()), Some(expected));
}

/// Lists and counts hold all bundles, the server's own too.
pub fn own_and_federated_bundles_are_listed(subject: &Subject) {
    for name in ["example.org", "a.test"] {
        subject.done(&SetBundle { bundle: bundle(name) });
    }
    assert_eq!(subject.read(|tx| tx.count_bundles()), 2);
    assert_eq!(subject.read(|tx| tx.bundle_names()), [domain("example.org"), domain("a.test")]);
    let first = subject.read(|tx| tx.bundles(&Page { size: 1, token: String::new() }));
    assert_eq!(first.items, [bundle("example.org")]);
    let second = subject.read(|tx| tx.bundles(&Page { size: 1, token: first.next_token.clone() }));
    assert_eq!(second.items, [bundle("a.test")]);
}

/// A published bundle is stored unless it says what is known, or both tell a sequence number and its is the lower one.
pub fn published_bundles_never_go_backwards(subject: &Subject) {
    let published = |byte, sequence_number| Bundle {
        x509_authorities: vec![root(byte), root(9)],
        sequence_number,
        ..bundle("a.test")
    };
    let refresh = |bundle: &Bundle| subject.done(&RefreshBundle { bundle: bundle.clone() });
    let (first, newer) = (published(1, 3), published(2, 4));
    assert_eq!(refresh(&first), Refreshed::Stored);
    let before = subject.read(|tx| tx.last_revision());
    let in_other_order = Bundle { x509_authorities: vec![root(9), root(1)], ..first.clone() };
    assert_eq!(refresh(&in_other_order), Refreshed::Unchanged);
    assert_eq!(refresh(&published(1, 2)), Refreshed::Unchanged, "another server of the trust domain counts apart");
    assert_eq!(refresh(&published(3, 2)), Refreshed::Older { known: 3 });
    assert!(subject.changed_keys(before).is_empty());
    assert_eq!(find(subject, &domain("a.test")), Some(first));
    assert_eq!(refresh(&newer), Refreshed::Stored);
    assert_eq!(subject.changed_keys(before), ["a.test"]);
    assert_eq!(find(subject, &domain("a.test")), Some(newer));
    // Who tells no number is believed, and so is whoever comes after.
    for untold in [published(3, 0), published(4, 1)] {
        assert_eq!(refresh(&untold), Refreshed::Stored);
    }
}
