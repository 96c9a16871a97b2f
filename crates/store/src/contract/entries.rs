//! Entries one by one.

use super::Subject;
use super::samples::{at, bundle, domain, entry, id, node, selectors};
use crate::units::{
    CreateEntry, CreateJoinToken, Created, DeleteEntry, EntryMask, PruneEntries, RecordAttestation, SetBundle,
    UpdateEntry,
};
use crate::{EntryFilter, ErrorClass, JoinToken, Match, NodeFilter, Unit, WriteTx};
use steeple_types::{Entry, EntryId};

fn full(subject: &Subject) -> Entry {
    for name in ["a.test", "b.test"] {
        subject.done(&SetBundle { bundle: bundle(name) });
    }
    Entry {
        x509_svid_ttl: 600,
        jwt_svid_ttl: 60,
        federates_with: vec![domain("a.test"), domain("b.test")],
        admin: true,
        downstream: true,
        expires_at: Some(at(4_000_000_000)),
        dns_names: vec!["z.example.org".to_owned(), "a.example.org".to_owned()],
        store_svid: true,
        hint: "internal".to_owned(),
        jwt_svid_include_jti: true,
        ..entry("full", &["unix:uid:1", "unix:gid:2"])
    }
}

fn create(subject: &Subject, entry: &Entry) -> Entry {
    match subject.done(&CreateEntry { entry: entry.clone() }) {
        Created::New(entry) => entry,
        Created::Similar(_) => unreachable!("the entry is like no other"),
    }
}

/// Every field is kept; DNS names keep their order.
pub fn entry_comes_back_as_it_was_made(subject: &Subject) {
    let entry = full(subject);
    let created = create(subject, &entry);
    assert_eq!(created, Entry { created_at: at(1_700_000_000), ..entry });
    assert_eq!(subject.read(|tx| tx.entry(&created.id)), Some(created));
}

/// Same SPIFFE ID, parent and set of selectors: the known entry is returned, in whatever other fields they differ.
pub fn similar_entry_is_returned_instead_of_added(subject: &Subject) {
    let known = create(subject, &entry("known", &["a:1", "b:2"]));
    let again =
        Entry { hint: "other".to_owned(), spiffe_id: known.spiffe_id.clone(), ..entry("again", &["b:2", "a:1"]) };
    assert_eq!(subject.done(&CreateEntry { entry: again.clone() }), Created::Similar(known));
    assert!(matches!(
        subject.done(&CreateEntry { entry: Entry { selectors: selectors(&["a:1"]), ..again } }),
        Created::New(_)
    ));
}

/// An ID belongs to one entry.
pub fn taken_id_is_a_conflict(subject: &Subject) {
    create(subject, &entry("one", &["a:1"]));
    let error = subject.write(&CreateEntry { entry: entry("one", &["a:2"]) }).unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(error.message, "datastore-sql: UNIQUE constraint failed: registered_entries.entry_id");
}

/// An entry federates only with trust domains whose bundle is there.
pub fn unknown_federated_bundle_is_refused(subject: &Subject) {
    let entry = Entry { federates_with: vec![domain("nobody.test")], ..entry("one", &["a:1"]) };
    let error = subject.write(&CreateEntry { entry }).unwrap_err();
    assert_eq!(error.message, "unable to find federated bundle \"spiffe://nobody.test\"");
}

/// An update replaces what its mask names, and counts the revision up even when nothing changes.
pub fn update_replaces_masked_fields_and_counts_up(subject: &Subject) {
    let created = create(subject, &full(subject));
    let nothing = EntryMask {
        spiffe_id: false,
        parent_id: false,
        selectors: false,
        x509_svid_ttl: false,
        jwt_svid_ttl: false,
        federates_with: false,
        admin: false,
        downstream: false,
        expires_at: false,
        dns_names: false,
        store_svid: false,
        hint: false,
        additional_attributes: false,
    };
    let other = Entry { id: created.id.clone(), hint: "new".to_owned(), ..entry("other", &["c:3"]) };
    let unchanged = subject.done(&UpdateEntry { entry: other.clone(), mask: nothing });
    assert_eq!(unchanged, Entry { revision_number: 1, ..created.clone() });
    let hinted = subject.done(&UpdateEntry { entry: other.clone(), mask: EntryMask { hint: true, ..nothing } });
    assert_eq!(hinted, Entry { revision_number: 2, hint: "new".to_owned(), ..created.clone() });
    let replaced = subject.done(&UpdateEntry { entry: other.clone(), mask: EntryMask::ALL });
    assert_eq!(replaced, Entry { revision_number: 3, created_at: created.created_at, ..other });
}

/// The time of creation is that of the first write.
pub fn update_keeps_the_time_of_creation(subject: &Subject) {
    let created = create(subject, &entry("one", &["a:1"]));
    subject.clock.advance(std::time::Duration::from_secs(100));
    let updated = subject.done(&UpdateEntry { entry: created.clone(), mask: EntryMask::ALL });
    assert_eq!(updated.created_at, created.created_at);
}

/// SPIRE's rules of an entry by itself hold for additions and updates.
pub fn ill_formed_entries_are_refused(subject: &Subject) {
    let refused = |entry: Entry| subject.write(&CreateEntry { entry }).unwrap_err().message;
    assert_eq!(refused(entry("one", &[])), "datastore-validation: invalid registration entry: missing selector list");
    let mixed = Entry { store_svid: true, ..entry("one", &["a:1", "b:2"]) };
    assert_eq!(
        refused(mixed.clone()),
        "datastore-validation: invalid registration entry: selector types must be the same when store SVID is enabled"
    );
    let lazy = Entry { store_svid: true, disable_x509_svid_prefetch: true, ..entry("one", &["a:1"]) };
    assert_eq!(refused(lazy), "datastore-validation: specifying cache behaviour is incompatible with storable SVIDs");
    let known = create(subject, &entry("one", &["a:1", "b:2"]));
    let error = subject.write(&UpdateEntry { entry: Entry { id: known.id, ..mixed }, mask: EntryMask::ALL });
    assert_eq!(error.unwrap_err().class, ErrorClass::Malformed);
}

/// A deletion yields what was deleted; a second one finds nothing.
pub fn deleted_entry_is_gone(subject: &Subject) {
    let created = create(subject, &full(subject));
    subject.done(&DeleteEntry { id: created.id.clone() });
    assert_eq!(subject.read(|tx| tx.entry(&created.id)), None);
    let error = subject.write(&DeleteEntry { id: created.id.clone() }).unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound);
    assert_eq!(create(subject, &created).revision_number, 0);
}

/// Entries go once their expiry is past; those without one stay.
pub fn expired_entries_are_pruned(subject: &Subject) {
    let expiring = |name, seconds| Entry { expires_at: Some(at(seconds)), ..entry(name, &["a:1"]) };
    for made in [expiring("past", 99), expiring("now", 100), entry("never", &["a:1"])] {
        create(subject, &made);
    }
    let pruned = subject.done(&PruneEntries { expired_before: at(100) });
    assert_eq!(pruned.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["past"]);
    assert_eq!(subject.read(|tx| tx.count_entries(&EntryFilter::default())), 2);
}

/// What a failed write did before it failed is undone.
pub fn failed_write_leaves_nothing(subject: &Subject) {
    struct Fails(Entry);
    impl Unit for Fails {
        type Output = ();
        const NAME: &'static str = "test";
        fn run(&self, tx: &mut dyn WriteTx) -> Result<(), crate::StoreError> {
            tx.insert_entry(&self.0)?;
            tx.record_change(crate::ChangeKind::Entry, self.0.id.as_str())?;
            Err(crate::StoreError::not_found())
        }
    }
    let entry = entry("one", &["a:1"]);
    subject.write(&Fails(entry.clone())).unwrap_err();
    assert_eq!(subject.read(|tx| tx.entry(&entry.id)), None);
    assert!(subject.changed_keys(steeple_types::Revision(0)).is_empty());
}

/// Whatever a database thinks of capital letters, here they are letters of their own.
pub fn records_whose_names_differ_in_case_are_not_taken_for_one_another(subject: &Subject) {
    create(subject, &Entry { hint: "Hint".to_owned(), ..entry("Mixed", &["unix:user:Ann"]) });
    let agent = node("Agent");
    let attestation = RecordAttestation { node: agent.clone(), join_token: None, is_repeated: false };
    subject.done(&attestation);
    let token = JoinToken { token: "Secret".to_owned(), expires_at: at(100) };
    subject.done(&CreateJoinToken { token, entry: None });

    let found = subject.read(|tx| {
        let entry = |name| Ok(tx.entry(&EntryId::parse(name).unwrap())?.is_some());
        ["Mixed", "mixed"].into_iter().map(entry).collect::<Result<Vec<_>, _>>()
    });
    assert_eq!(found, [true, false]);
    assert_eq!(subject.read(|tx| tx.node(&agent.id)), Some(agent.clone()));
    assert_eq!(subject.read(|tx| tx.node(&node("agent").id)), None);
    assert!(subject.read(|tx| tx.join_token("Secret")).is_some());
    assert!(subject.read(|tx| tx.join_token("secret")).is_none());

    let count = |filter: EntryFilter| subject.read(|tx| tx.count_entries(&filter));
    let none = EntryFilter::default;
    for (found, filter) in [
        (1, EntryFilter { spiffe_id: Some(id("/Mixed")), ..none() }),
        (0, EntryFilter { spiffe_id: Some(id("/mixed")), ..none() }),
        (0, EntryFilter { parent_id: Some(id("/Parent")), ..none() }),
        (0, EntryFilter { hint: Some("hint".to_owned()), ..none() }),
        (1, EntryFilter { selectors: Some((selectors(&["unix:user:Ann"]), Match::Exact)), ..none() }),
        (0, EntryFilter { selectors: Some((selectors(&["unix:user:ann"]), Match::Any)), ..none() }),
        (0, EntryFilter { selectors: Some((selectors(&["unix:user:ann"]), Match::Subset)), ..none() }),
    ] {
        assert_eq!(count(filter.clone()), found, "{filter:?}");
    }
    let nodes = NodeFilter { attestation_type: Some("X509POP".to_owned()), ..NodeFilter::default() };
    assert_eq!(subject.read(|tx| tx.count_nodes(&nodes)), 0);
    let look_alike = Entry { spiffe_id: id("/mixed"), ..entry("other", &["unix:user:Ann"]) };
    assert!(matches!(subject.done(&CreateEntry { entry: look_alike }), Created::New(_)));
}
