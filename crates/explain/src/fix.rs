//! Commands that set things right.

use std::fmt::Write as _;

use steeple_types::{Entry, Selector, SelectorSet, SpiffeId};

/// The command that puts `entry` in the place of the one with its ID. What is not named would be reset, so all is.
pub(crate) fn update(entry: &Entry) -> String {
    let mut command = format!("steeple server entry update -entryID {}", entry.id);
    let mut flag = |name: &str, value: &str| {
        let _ = write!(command, " -{name} {}", quoted(value));
    };
    flag("parentID", entry.parent_id.as_str());
    flag("spiffeID", entry.spiffe_id.as_str());
    for selector in &entry.selectors {
        flag("selector", &selector.to_string());
    }
    for (name, seconds) in [("x509SVIDTTL", entry.x509_svid_ttl), ("jwtSVIDTTL", entry.jwt_svid_ttl)] {
        if seconds > 0 {
            flag(name, &seconds.to_string());
        }
    }
    for trust_domain in &entry.federates_with {
        flag("federatesWith", &trust_domain.id_string());
    }
    for name in &entry.dns_names {
        flag("dns", name);
    }
    if let Some(end) = entry.expires_at {
        flag("entryExpiry", &end.as_second().to_string());
    }
    if !entry.hint.is_empty() {
        flag("hint", &entry.hint);
    }
    for (name, is_set) in [
        ("admin", entry.admin),
        ("downstream", entry.downstream),
        ("storeSVID", entry.store_svid),
        ("disableX509SVIDPrefetch", entry.disable_x509_svid_prefetch),
        ("jwtSVIDIncludeJTI", entry.jwt_svid_include_jti),
    ] {
        if is_set {
            let _ = write!(command, " -{name}");
        }
    }
    command
}

/// The command that makes an entry for a workload.
pub(crate) fn create(parent: Option<&SpiffeId>, spiffe_id: Option<&SpiffeId>, selectors: &[Selector]) -> String {
    let mut command = "steeple server entry create".to_owned();
    let or = |id: Option<&SpiffeId>, otherwise: &str| id.map_or_else(|| otherwise.to_owned(), ToString::to_string);
    let _ = write!(command, " -parentID {} -spiffeID {}", or(parent, "AGENT_ID"), or(spiffe_id, "SPIFFE_ID"));
    for selector in selectors {
        let _ = write!(command, " -selector {}", quoted(&selector.to_string()));
    }
    command
}

/// `entry` with `old` exchanged for `new`, or without it.
pub(crate) fn exchanged(entry: &Entry, changes: &[(Selector, Option<Selector>)]) -> Entry {
    let change = |selector: &Selector| match changes.iter().find(|(old, _)| old == selector) {
        Some((_, new)) => new.clone(),
        None => Some(selector.clone()),
    };
    let selectors: SelectorSet = entry.selectors.iter().filter_map(change).collect();
    Entry { selectors, ..entry.clone() }
}

/// A word of a shell's command line.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._/:@=,+%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use steeple_types::EntryId;

    use super::*;

    #[test]
    fn update_keeps_all_that_the_entry_says() {
        let id = |path: &str| SpiffeId::parse(&format!("spiffe://example.org{path}")).unwrap();
        let selectors = ["unix:uid:1".parse().unwrap(), "docker:label:a:it's $HOME".parse().unwrap()];
        let entry_id = EntryId::parse("e").unwrap();
        let mut entry =
            Entry::new(entry_id, id("/w"), id("/agent"), selectors.into_iter().collect(), Timestamp::UNIX_EPOCH);
        entry.x509_svid_ttl = 60;
        entry.dns_names = vec!["w.example".to_owned()];
        entry.federates_with = vec!["other.example".parse().unwrap()];
        entry.expires_at = Timestamp::from_second(4_000_000_000).ok();
        entry.jwt_svid_include_jti = true;
        entry.hint = "internal".to_owned();
        assert_eq!(
            update(&entry),
            "steeple server entry update -entryID e -parentID spiffe://example.org/agent -spiffeID spiffe://example.org/w \
             -selector 'docker:label:a:it'\\''s $HOME' -selector unix:uid:1 -x509SVIDTTL 60 -federatesWith \
             spiffe://other.example -dns w.example -entryExpiry 4000000000 -hint internal -jwtSVIDIncludeJTI"
        );
        let changed = exchanged(&entry, &[("unix:uid:1".parse().unwrap(), Some("unix:uid:2".parse().unwrap()))]);
        assert!(update(&changed).contains(" -selector unix:uid:2 "));
    }
}
