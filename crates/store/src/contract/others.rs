//! Federation relationships, join tokens, CA journals, the change log.

use std::time::Duration;

use super::Subject;
use super::samples::{at, bundle, domain, entry, id};
use crate::units::{
    CreateEntry, CreateJoinToken, CreateRelationship, DeleteRelationship, PruneCaJournals, PruneChanges,
    RelationshipMask, StoreCaJournal, UpdateRelationship,
};
use crate::{CaJournal, ErrorClass, JoinToken, Page};
use steeple_types::{EndpointProfile, FederationRelationship, Revision};

fn relationship(name: &str) -> FederationRelationship {
    FederationRelationship {
        trust_domain: domain(name),
        bundle_endpoint_url: format!("https://{name}/bundle"),
        profile: EndpointProfile::HttpsSpiffe { endpoint_spiffe_id: id("/endpoint") },
    }
}

/// Both profiles are kept, a bundle that comes along is stored, and a mask names what an update replaces.
pub fn relationships_are_made_changed_and_removed(subject: &Subject) {
    let find = || subject.read(|tx| tx.relationship(&domain("a.test")));
    let create = CreateRelationship { relationship: relationship("a.test"), bundle: Some(bundle("a.test")) };
    subject.done(&create);
    assert_eq!(find(), Some(relationship("a.test")));
    assert_eq!(subject.read(|tx| tx.bundle(&domain("a.test"))), Some(bundle("a.test")));
    let error = subject.write(&create).unwrap_err();
    assert_eq!(error.message, "datastore-sql: UNIQUE constraint failed: federated_trust_domains.trust_domain");

    let web = FederationRelationship {
        bundle_endpoint_url: "https://other/".to_owned(),
        profile: EndpointProfile::HttpsWeb,
        ..relationship("a.test")
    };
    let mask = RelationshipMask { bundle_endpoint_url: false, ..RelationshipMask::ALL };
    let updated = subject.done(&UpdateRelationship { relationship: web, bundle: None, mask });
    let expected = FederationRelationship { profile: EndpointProfile::HttpsWeb, ..relationship("a.test") };
    assert_eq!(updated, expected);
    assert_eq!(find(), Some(expected.clone()));
    assert_eq!(subject.read(|tx| tx.relationships(&Page::default())).items, [expected]);

    let delete = DeleteRelationship { trust_domain: domain("a.test") };
    subject.done(&delete);
    assert_eq!(find(), None);
    assert_eq!(subject.write(&delete).unwrap_err().class, ErrorClass::NotFound);
    assert!(subject.read(|tx| tx.bundle(&domain("a.test"))).is_some(), "the bundle stays");
}

/// Token and entry are one commit; a token can't be made twice, and then its entry isn't either.
pub fn join_token_makes_an_entry_once(subject: &Subject) {
    let make = |name: &str| CreateJoinToken {
        token: JoinToken { token: "secret".to_owned(), expires_at: at(100) },
        entry: Some(entry(name, &["spiffe_id:spiffe://example.org/spire/agent/join_token/secret"])),
    };
    subject.done(&make("first"));
    assert!(subject.read(|tx| tx.join_token("secret")).is_some_and(|token| token.expires_at == at(100)));
    let error = subject.write(&make("second")).unwrap_err();
    assert_eq!(error.message, "datastore-sql: UNIQUE constraint failed: join_tokens.token");
    assert!(!format!("{:?}", make("x").token).contains("secret"));
    let found = subject.read(|tx| tx.entries(&crate::EntryFilter::default(), &Page::default())).items;
    assert_eq!(found.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["first"]);
}

/// A server's journal stays in its row; those that are judged stale go.
pub fn journals_keep_their_row(subject: &Subject) {
    let journal = |id, data: &[u8]| CaJournal {
        id,
        data: data.to_vec(),
        active_x509_authority_id: "x".to_owned(),
        active_jwt_authority_id: "j".to_owned(),
    };
    let first = subject.done(&StoreCaJournal { journal: journal(0, b"one") });
    let second = subject.done(&StoreCaJournal { journal: journal(0, b"two") });
    assert_eq!(subject.done(&StoreCaJournal { journal: journal(first, b"three") }), first);
    assert_eq!(subject.read(|tx| tx.ca_journals()), [journal(first, b"three"), journal(second, b"two")]);
    assert_eq!(
        subject.done(&PruneCaJournals { is_stale: |data, _| data == b"two", now: jiff::Timestamp::UNIX_EPOCH }),
        1
    );
    assert_eq!(subject.read(|tx| tx.ca_journals()), [journal(first, b"three")]);
    let gone = subject.write(&StoreCaJournal { journal: journal(second, b"four") });
    assert_eq!(gone.unwrap_err().class, ErrorClass::NotFound);
}

/// A later write has a greater revision, also after the log was pruned, which keeps its last change.
pub fn revisions_grow_and_survive_pruning(subject: &Subject) {
    let add = |name| subject.write(&CreateEntry { entry: entry(name, &["a:1"]) }).unwrap().revision;
    assert_eq!(subject.read(|tx| tx.last_revision()), Revision(0));
    let first = add("a");
    subject.clock.advance(Duration::from_secs(100));
    let second = add("b");
    assert!(Revision(0) < first && first < second);
    assert_eq!(subject.changed_keys(first), ["b"]);
    assert_eq!(subject.read(|tx| tx.changes_after(Revision(0), 1)).len(), 1);
    assert_eq!(subject.read(|tx| tx.oldest_revision()), first);
    subject.done(&PruneChanges { before: at(1_700_000_050) });
    assert_eq!(subject.changed_keys(Revision(0)), ["b"]);
    subject.done(&PruneChanges { before: at(1_800_000_000) });
    assert_eq!(subject.read(|tx| Ok((tx.oldest_revision()?, tx.last_revision()?))), (second, second));
    assert!(add("c") > second);
}

/// A write that changed nothing is known to be in the state that was there.
pub fn write_without_change_has_the_last_revision(subject: &Subject) {
    let create = CreateEntry { entry: entry("a", &["a:1"]) };
    let first = subject.write(&create).unwrap().revision;
    assert_eq!(subject.write(&create).unwrap().revision, first);
}
