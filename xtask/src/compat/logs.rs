//! Messages that SPIRE wrote into its log, and those that our test of them leaves out, with its reasons.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{Known, Row, source};

const TEST: &str = "tests/system/tests/log_lines.rs";

/// The messages of a side, in either form of the log.
///
/// # Errors
/// When a record has a line without a message, or the test is in another form than expected.
pub(super) fn rows(root: &Path, side: &str) -> Result<Vec<Row>> {
    let left_out = left_out(&source::read(root, TEST)?, side).context(TEST)?;
    let mut messages = BTreeSet::new();
    for (form, message) in [("text", of_text as fn(&str) -> Option<String>), ("json", of_json)] {
        let path = format!("tests/golden/log-{side}.{form}.txt");
        for line in source::record(root, &path)? {
            messages.insert(message(&line).with_context(|| format!("{path}: no message in {line}"))?);
        }
    }
    let known = |message: &str| {
        let reason = left_out.iter().find(|(begin, _)| message.starts_with(begin));
        reason.map_or(Known::Here, |(_, reason)| Known::Settled(format!("differs: {reason}")))
    };
    Ok(messages.into_iter().map(|name| Row { known: known(&name), name }).collect())
}

/// The texts that SPIRE's own suites look for in the log of a side.
///
/// # Errors
/// When the record can't be read.
pub(super) fn looked_for(root: &Path, side: &str) -> Result<Vec<Row>> {
    let record = source::record(root, "tests/golden/log-looked-for.txt")?;
    let begin = format!("{side}: ");
    let texts = record.iter().filter_map(|line| line.strip_prefix(&begin));
    Ok(texts.map(|text| Row { name: text.to_owned(), known: Known::Nothing }).collect())
}

fn of_json(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(line.get("msg")?.as_str()?.to_owned())
}

/// Messages of the records have no escapes.
fn of_text(line: &str) -> Option<String> {
    let rest = line.split_once("msg=")?.1;
    let message = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split(' ').next()?,
    };
    (!message.contains('\\')).then(|| message.to_owned())
}

/// The beginnings of messages that are not looked for, with the reasons.
fn left_out(code: &str, side: &str) -> Result<Vec<(String, String)>> {
    let list = format!("const NOT_OF_{}: &[(&str, &str)] = &[", side.to_uppercase());
    let texts = source::literals(source::between(code, &list, "];")?)?;
    ensure!(texts.len().is_multiple_of(2), "texts that don't pair in {list}");
    let pairs = texts.chunks_exact(2);
    Ok(pairs.filter_map(|pair| Some((pair.first()?.to_string(), pair.last()?.to_string()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_in_both_forms() {
        assert_eq!(of_text("level=info msg=\"A b\" c=\"d e\"").as_deref(), Some("A b"));
        assert_eq!(of_text("level=info msg=Configured c=d").as_deref(), Some("Configured"));
        assert_eq!(of_json("{\"msg\":\"A b\"}").as_deref(), Some("A b"));
        assert!(of_text("level=info").is_none() && of_text("msg=\"a \\\"b\\\"\"").is_none());
    }

    #[test]
    fn reasons_are_those_of_the_test() {
        let code = "const NOT_OF_AGENT: &[(&str, &str)] = &[(\"Bundle\", \"why\")];";
        assert_eq!(left_out(code, "agent").unwrap(), [("Bundle".to_owned(), "why".to_owned())]);
        assert!(left_out(code, "server").is_err());
    }
}
