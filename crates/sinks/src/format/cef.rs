//! Records in the Common Event Format, version 0.

use std::fmt::Write as _;

use serde_json::Value;

use crate::facts::Facts;

pub(super) fn render(facts: &Facts) -> String {
    let metadata = &facts.metadata;
    let mut text = String::from("CEF:0|steeple|steeple|");
    let event = metadata.event_code.as_str();
    for part in [&metadata.product.version, event, &event.replace('_', " ")] {
        header(part, &mut text);
        text.push('|');
    }
    // Writing into memory does not fail.
    let _ = write!(text, "{}|", severity(facts.severity_id));
    let (authority, fingerprint) = facts.link();
    let outcome = if facts.status_id == 1 { "success" } else { "failure" };
    let pid = facts.actor.process.as_ref().map(|process| process.pid.to_string());
    let name = facts.entity.as_ref().map(|entity| entity.name.as_str());
    let object = facts.object().map(|object| Value::Object(object.clone()).to_string());
    let pairs = [
        ("rt", Some(facts.time.to_string())),
        ("externalId", Some(metadata.uid.clone())),
        ("outcome", Some(outcome.to_owned())),
        ("reason", facts.status_detail.clone()),
        ("suser", Some(facts.who().to_owned())),
        ("spid", pid),
        ("src", facts.src_endpoint.ip.clone()),
        ("sourceServiceName", facts.src_endpoint.name.clone()),
        ("duser", name.map(str::to_owned)),
        ("dvchost", Some(authority.to_owned())),
        ("cs1Label", Some("object".to_owned())),
        ("cs1", object),
        ("cs2Label", Some("fingerprint".to_owned())),
        ("cs2", Some(fingerprint.to_owned())),
        ("cs3Label", facts.binding().map(|_| "binding".to_owned())),
        ("cs3", facts.binding().map(str::to_owned)),
        ("cn1Label", Some("sequence".to_owned())),
        ("cn1", Some(metadata.sequence.to_string())),
    ];
    let pairs = pairs.iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    for (place, (name, value)) in pairs.enumerate() {
        if place > 0 {
            text.push(' ');
        }
        text.push_str(name);
        text.push('=');
        extension(value, &mut text);
    }
    text
}

/// From 0 to 10.
fn severity(severity: u8) -> u8 {
    match severity {
        0 | 1 => 1,
        2 => 3,
        3 => 5,
        4 => 8,
        _ => 10,
    }
}

/// A field before the extension: bars and backslashes are escaped, and there is one line.
fn header(value: &str, text: &mut String) {
    for one in value.chars() {
        match one {
            '|' | '\\' => text.extend(['\\', one]),
            '\n' | '\r' => text.push(' '),
            one => text.push(one),
        }
    }
}

/// A value of the extension: equals signs and backslashes are escaped, and so are ends of lines.
fn extension(value: &str, text: &mut String) {
    for one in value.chars() {
        match one {
            '=' | '\\' => text.extend(['\\', one]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            one => text.push(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::example;

    #[test]
    fn record_is_one_line_whose_values_are_escaped() {
        let wanted = concat!(
            r"CEF:0|steeple|steeple|1.0.0|authority_tainted|authority tainted|8|rt=1767323045678 externalId=0f0f-17 ",
            r"outcome=failure reason=the datastore\nis away suser=7 spid=8 sourceServiceName=local socket ",
            r"duser=a|b\=c\\d dvchost=spiffe://example.org/spire/server cs1Label=object ",
            r#"cs1={"authority_id":"a|b\=c\\\\d","authority_type":"x509"} cs2Label=fingerprint cs2=aa55 "#,
            r"cs3Label=binding cs3=ops cn1Label=sequence cn1=17",
        );
        assert_eq!(render(&example()), wanted);
        let mut text = String::new();
        header("a|b\\c\nd", &mut text);
        assert_eq!(text, r"a\|b\\c d");
    }
}
