//! OTLP logs over HTTPS, in JSON (OTLP 1, section OTLP/HTTP).

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::post::Poster;
use super::{Message, Outlet, Undelivered};
use crate::facts::Facts;
use crate::settings::UrlSettings;

pub(super) struct Otlp(Poster);

impl Otlp {
    pub(super) fn new(url: UrlSettings) -> Self {
        Self(Poster::new(url))
    }
}

#[async_trait]
impl Outlet for Otlp {
    async fn deliver(&mut self, messages: &[Message]) -> Result<u64, Undelivered> {
        let body = request(messages).to_string().into_bytes();
        let answer = self.0.post("application/json", &[], body).await?;
        Ok(thrown_away(&answer))
    }
}

/// How many records the answer says were taken, but are not kept.
fn thrown_away(answer: &[u8]) -> u64 {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        partial_success: Option<Partial>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Partial {
        rejected_log_records: Option<Value>,
    }
    let answer = serde_json::from_slice::<Answer>(answer).ok();
    let count = answer.and_then(|answer| answer.partial_success?.rejected_log_records);
    // Numbers of 64 bits are texts in the JSON of protobuf; receivers send both.
    match count {
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(Value::Number(number)) => number.as_u64().unwrap_or_default(),
        _ => 0,
    }
}

fn request(messages: &[Message]) -> Value {
    let first = messages.first();
    let authority = first.map_or("", |message| message.facts.link().0);
    let version = first.map_or("", |message| message.facts.metadata.product.version.as_str());
    let records: Vec<Value> = messages.iter().map(record).collect();
    json!({ "resourceLogs": [{
        "resource": { "attributes": [
            attribute("service.name", "steeple"),
            attribute("service.version", version),
            attribute("service.instance.id", authority),
        ] },
        "scopeLogs": [{ "scope": { "name": "steeple.audit" }, "logRecords": records }],
    }] })
}

fn record(Message { text, facts }: &Message) -> Value {
    let (number, severity) = severity(facts.severity_id);
    let mut attributes = vec![
        attribute("event.id", &facts.metadata.uid),
        attribute("event.outcome", if facts.status_id == 1 { "success" } else { "failure" }),
        attribute("user.id", facts.who()),
    ];
    attributes.extend(facts.src_endpoint.ip.as_deref().map(|ip| attribute("source.address", ip)));
    json!({
        "timeUnixNano": nanoseconds(facts),
        "observedTimeUnixNano": nanoseconds(facts),
        "severityNumber": number,
        "severityText": severity,
        "eventName": format!("steeple.audit.{}", facts.metadata.event_code),
        "body": { "stringValue": String::from_utf8_lossy(text) },
        "attributes": attributes,
    })
}

fn nanoseconds(facts: &Facts) -> String {
    let time: Option<jiff::Timestamp> = facts.metadata.original_time.parse().ok();
    time.map_or_else(|| format!("{}000000", facts.time), |time| time.as_nanosecond().to_string())
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// As the data model of logs numbers severities.
fn severity(severity: u8) -> (u8, &'static str) {
    match severity {
        0 | 1 => (9, "INFO"),
        2 => (10, "INFO2"),
        3 => (13, "WARN"),
        4 => (17, "ERROR"),
        _ => (21, "FATAL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{EXAMPLE, example};

    #[test]
    fn records_are_logs_whose_body_is_the_line() {
        let message = Message { text: EXAMPLE.as_bytes().to_vec(), facts: example() };
        let told = request(&[message]);
        let record = told.pointer("/resourceLogs/0/scopeLogs/0/logRecords/0").unwrap();
        assert_eq!(record.get("timeUnixNano").unwrap(), "1767323045678901234");
        assert_eq!(record.pointer("/body/stringValue").unwrap(), EXAMPLE);
        assert_eq!(record.get("eventName").unwrap(), "steeple.audit.authority_tainted");
        assert_eq!(record.get("severityNumber").unwrap(), 17);
    }

    #[test]
    fn receiver_tells_what_it_has_thrown_away() {
        for (answer, count) in [
            ("", 0),
            ("{}", 0),
            (r#"{"partialSuccess":{}}"#, 0),
            (r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"no"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedLogRecords":2}}"#, 2),
        ] {
            assert_eq!(thrown_away(answer.as_bytes()), count, "{answer}");
        }
    }
}
