//! Lists of entries.

use super::Subject;
use super::samples::{bundle, domain, entry, id, selectors};
use crate::units::{CreateEntry, SetBundle};
use crate::{EntryFilter, Match, Page, TrustDomainMatch};
use steeple_types::Entry;

const MATCHES: [Match; 4] = [Match::Exact, Match::Subset, Match::Superset, Match::Any];

fn fill(subject: &Subject) -> Vec<Entry> {
    for name in ["a.test", "b.test", "c.test"] {
        subject.done(&SetBundle { bundle: bundle(name) });
    }
    let federating =
        |names: &[&str], entry| Entry { federates_with: names.iter().map(|n| domain(n)).collect(), ..entry };
    let entries = vec![
        entry("e0", &["a:1"]),
        federating(&["a.test"], entry("e1", &["a:1", "b:2"])),
        federating(&["a.test", "b.test"], entry("e2", &["a:1", "b:2", "c:3"])),
        federating(&["c.test"], Entry { downstream: true, hint: "h".to_owned(), ..entry("e3", &["c:3"]) }),
        Entry { parent_id: id("/other"), hint: "h".to_owned(), ..entry("e4", &["a:1", "a:2"]) },
        Entry { spiffe_id: id("/e0"), parent_id: id("/other"), ..entry("e5", &["b:2"]) },
    ];
    for entry in &entries {
        subject.done(&CreateEntry { entry: entry.clone() });
    }
    entries
}

fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

/// The database filters as [`EntryFilter::passes`] does, which is tested by itself.
pub fn filters_let_through_what_they_say(subject: &Subject) {
    let entries = fill(subject);
    let none = EntryFilter::default;
    let mut filters = vec![
        none(),
        EntryFilter { parent_id: Some(id("/other")), ..none() },
        EntryFilter { spiffe_id: Some(id("/e0")), ..none() },
        EntryFilter { spiffe_id: Some(id("/e0")), parent_id: Some(id("/other")), ..none() },
        EntryFilter { hint: Some("h".to_owned()), ..none() },
        EntryFilter { downstream: Some(true), ..none() },
        EntryFilter { downstream: Some(false), ..none() },
        EntryFilter { hint: Some("h".to_owned()), selectors: Some((selectors(&["c:3"]), Match::Any)), ..none() },
    ];
    for how in MATCHES {
        for asked in [&["a:1"][..], &["a:1", "b:2"], &["c:3", "x:9"], &["a:1", "a:2", "b:2", "c:3"]] {
            filters.push(EntryFilter { selectors: Some((selectors(asked), how)), ..none() });
        }
        for asked in [&["a.test"][..], &["a.test", "b.test"], &["b.test", "c.test"]] {
            let trust_domains = asked.iter().map(|name| domain(name)).collect();
            let federates_with = Some(TrustDomainMatch { trust_domains, behavior: how });
            filters.push(EntryFilter { federates_with, ..none() });
        }
    }
    for filter in filters {
        let expected: Vec<_> = entries.iter().filter(|entry| filter.passes(entry)).cloned().collect();
        let found = subject.read(|tx| tx.entries(&filter, &Page::default())).items;
        assert_eq!(names(&found), names(&expected), "{filter:?}");
        let count = subject.read(|tx| tx.count_entries(&filter));
        assert_eq!(usize::try_from(count).unwrap(), expected.len(), "{filter:?}");
    }
}

/// A page that is not empty has a token, the last one too; the page after it is empty and has none.
pub fn pages_end_with_an_empty_one(subject: &Subject) {
    fill(subject);
    let filter = EntryFilter { selectors: Some((selectors(&["a:1"]), Match::Any)), ..EntryFilter::default() };
    let mut page = Page { size: 2, token: String::new() };
    let mut seen = Vec::new();
    loop {
        let found = subject.read(|tx| tx.entries(&filter, &page));
        seen.push(names(&found.items).join(" "));
        assert_eq!(found.items.is_empty(), found.next_token.is_empty());
        if found.next_token.is_empty() {
            break;
        }
        page.token = found.next_token;
    }
    assert_eq!(seen, ["e0 e1", "e2 e4", ""]);
}

/// Size 0 means all, in one page without token.
pub fn unlimited_list_has_no_token(subject: &Subject) {
    let all = fill(subject).len();
    let found = subject.read(|tx| tx.entries(&EntryFilter::default(), &Page::default()));
    assert_eq!((found.items.len(), found.next_token.as_str()), (all, ""));
}

/// A token that no page gave is refused with SPIRE's text; one past the end yields nothing.
pub fn tokens_are_numbers(subject: &Subject) {
    fill(subject);
    let list = |token: &str| {
        let page = Page { size: 2, token: token.to_owned() };
        subject.read(|tx| Ok(tx.entries(&EntryFilter::default(), &page)))
    };
    assert_eq!(list("x").unwrap_err().message, "could not parse token 'x'");
    assert!(list("18446744073709551615").unwrap().items.is_empty());
}

/// Entries are loaded in parts; each keeps its own selectors, DNS names and trust domains.
pub fn many_entries_keep_what_hangs_on_them(subject: &Subject) {
    subject.done(&SetBundle { bundle: bundle("a.test") });
    let entries: Vec<_> = (0..1203)
        .map(|number| Entry {
            dns_names: vec![format!("w{number}.test"), "shared.test".to_owned()],
            federates_with: if number % 3 == 0 { vec![domain("a.test")] } else { Vec::new() },
            ..entry(&format!("e{number}"), &["a:1", &format!("n:{number}")])
        })
        .collect();
    subject.backend.write(&mut |tx| entries.iter().try_for_each(|entry| tx.insert_entry(entry))).unwrap();
    let found = subject.read(|tx| tx.entries(&EntryFilter::default(), &Page::default())).items;
    assert_eq!(found.len(), entries.len());
    for (found, expected) in found.iter().zip(&entries) {
        assert_eq!(found, expected);
    }
    let thin =
        EntryFilter { selectors: Some((selectors(&["n:0", "n:700", "n:1200"]), Match::Any)), ..EntryFilter::default() };
    let found = subject.read(|tx| tx.entries(&thin, &Page::default())).items;
    assert_eq!(found, [0, 700, 1200].map(|number| entries[number].clone()));
}
