//! Keys of configurations: those of SPIRE, as they were recorded, and those that are known here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Known, Row, later, source};

/// The lists in `keys.rs` of a side, with the blocks whose keys they hold.
fn lists(side: &str) -> &'static [(&'static str, &'static str)] {
    match side {
        "server" => &[
            ("ROOT", ""),
            ("SERVER", "server."),
            ("CA_SUBJECT", "server.ca_subject."),
            ("BUNDLE_ENDPOINT", "server.federation.bundle_endpoint."),
            ("ACME", "server.federation.bundle_endpoint.acme."),
            ("RATELIMIT", "server.ratelimit."),
        ],
        _ => &[("ROOT", ""), ("AGENT", "agent."), ("POD_SOCKETS", "pod_sockets.")],
    }
}

/// The keys of a side.
///
/// # Errors
/// When the code is in another form than expected.
pub(super) fn rows(root: &Path, side: &str) -> Result<Vec<Row>> {
    let path = format!("crates/{side}/src/config/keys.rs");
    let ours = listed(&source::read(root, &path)?, lists(side)).context(path)?;
    let theirs: BTreeSet<String> =
        source::record(root, &format!("tests/golden/keys-{side}.txt"))?.into_iter().collect();
    let mut not_yet = BTreeMap::new();
    for heading in [format!("Keys of the {side}"), "Keys of telemetry".to_owned(), "Keys of plugins".to_owned()] {
        not_yet.extend(later::under(root, &heading)?);
    }
    let rows = theirs.union(&ours).map(|name| Row { name: name.clone(), known: known(name, &ours, &not_yet, side) });
    Ok(rows.collect())
}

fn known(name: &str, ours: &BTreeSet<String>, not_yet: &BTreeMap<String, String>, side: &str) -> Known {
    let holds = |key: &str| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if let Some((_, feature)) = not_yet.iter().find(|(key, _)| holds(key)) {
        return Known::Settled(match feature.as_str() {
            "Windows" => "differs: for Windows, on which steeple does not run (docs/adr/0002-platforms.md)".to_owned(),
            feature => format!("later: {feature}"),
        });
    }
    let block = name.rfind('.').map_or("", |dot| name.get(..=dot).unwrap_or_default());
    let is_listed = lists(side).iter().any(|(_, prefix)| *prefix == block);
    if is_listed && !ours.contains(name) { Known::Absent } else { Known::Here }
}

/// The keys of all lists of the code, with their blocks.
fn listed(code: &str, lists: &[(&str, &str)]) -> Result<BTreeSet<String>> {
    let code = source::untested(code);
    let there = code.matches(": &[&str] = &[").count();
    ensure!(
        there == lists.len(),
        "{there} lists of keys, of which {} are known to xtask/src/compat/keys.rs",
        lists.len()
    );
    let mut keys = BTreeSet::new();
    for (list, block) in lists {
        let names = source::literals(source::between(code, &format!("const {list}: &[&str] = &["), "];")?)?;
        keys.extend(names.into_iter().map(|name| format!("{block}{name}")));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_there_later_or_missing() {
        let code = "const ROOT: &[&str] = &[\"agent\"];\nconst AGENT: &[&str] = &[\n\"a\",\n\"b\"];";
        let ours = listed(code, &[("ROOT", ""), ("AGENT", "agent.")]).unwrap();
        assert_eq!(ours, ["agent", "agent.a", "agent.b"].map(str::to_owned).into());
        let not_yet = BTreeMap::from([("agent.b".to_owned(), "more".to_owned())]);
        let known = |name: &str| known(name, &ours, &not_yet, "agent");
        assert_eq!((known("agent.a"), known("agent.c"), known("agent.a.d")), (Known::Here, Known::Absent, Known::Here));
        assert_eq!(known("agent.b.c"), Known::Settled("later: more".to_owned()));
        assert_eq!(known("agent.bc"), Known::Absent);
    }

    #[test]
    fn lists_that_are_not_known_are_refused() {
        assert!(listed("const MORE: &[&str] = &[\"a\"];", &[]).is_err());
        assert!(listed("const MORE: &[&str] = &[\"a\"];", &[("ROOT", "")]).is_err());
    }
}
