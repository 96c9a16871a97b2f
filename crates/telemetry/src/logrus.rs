//! Writes events as logrus does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use steeple_clock::Clock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::log::{Format, Sink};

/// The layer that writes.
pub(crate) struct Logrus {
    pub(crate) format: Format,
    pub(crate) source_location: bool,
    pub(crate) clock: Clock,
    pub(crate) sink: Arc<Sink>,
}

/// The field whose value, a JSON object, is written as fields of their own: for fields that are not known beforehand.
const EXTRA: &str = "extra";

/// The field whose value, a JSON object, stands in lines of JSON in place of fields of the same names: Go writes lists and
/// structures in a form of their own in lines of text.
const IN_JSON: &str = "in_json";

/// Fields in alphabetical order, as logrus writes them.
#[derive(Clone, Default)]
struct Fields(BTreeMap<Cow<'static, str>, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(Cow::Borrowed(field.name()), value);
    }
}

impl Fields {
    /// Writes the members of the extra field as fields.
    fn spread(&mut self, format: Format) {
        let in_json = self.0.remove(IN_JSON);
        let extra = self.0.remove(EXTRA);
        self.put_members(extra.as_ref());
        if format == Format::Json {
            self.put_members(in_json.as_ref());
        }
    }

    fn put_members(&mut self, of: Option<&Value>) {
        let object = of.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
        for (name, value) in object.unwrap_or_default() {
            self.0.insert(Cow::Owned(name), value);
        }
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logrus {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // What libraries say at debug level is not for operators.
        if !event.metadata().target().starts_with("steeple") {
            return;
        }
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.0.extend(outer.0.clone());
            }
        }
        event.record(&mut fields);
        // Taken out first: a field that is called so too is among the extra ones.
        let message = match fields.0.remove("message") {
            Some(Value::String(message)) => message,
            other => other.map(|value| value.to_string()).unwrap_or_default(),
        };
        fields.spread(self.format);
        let metadata = event.metadata();
        if self.source_location
            && let (Some(file), Some(line)) = (metadata.file(), metadata.line())
        {
            fields.0.insert("file".into(), format!("{file}:{line}").into());
        }
        let level = level_name(*metadata.level());
        let line = match self.format {
            Format::Text => text(self.clock.now(), level, &message, &fields),
            Format::Json => json(self.clock.now(), level, message, fields),
        };
        self.sink.write(&line);
    }
}

fn level_name(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warning",
        tracing::Level::INFO => "info",
        tracing::Level::DEBUG => "debug",
        tracing::Level::TRACE => "trace",
    }
}

fn text(now: Timestamp, level: &str, message: &str, fields: &Fields) -> String {
    let mut line = format!("time=\"{}\" level={level} msg={}", local(now, "%Y-%m-%dT%H:%M:%S%:z"), Quoted(message));
    for (name, value) in &fields.0 {
        // Writing to a string can't fail.
        let _written = match value {
            Value::String(text) => write!(line, " {name}={}", Quoted(text)),
            other => write!(line, " {name}={other}"),
        };
    }
    line.push('\n');
    line
}

fn json(now: Timestamp, level: &str, message: String, fields: Fields) -> String {
    let mut all: BTreeMap<String, Value> =
        fields.0.into_iter().map(|(name, value)| (name.into_owned(), in_json(value))).collect();
    all.insert("level".to_owned(), level.into());
    all.insert("msg".to_owned(), message.into());
    all.insert("time".to_owned(), local(now, "%Y-%m-%dT%H:%M:%S%.f%:z").into());
    let object: Map<String, Value> = all.into_iter().collect();
    format!("{}\n", Value::Object(object))
}

/// A time that text lines show in Go's form is RFC 3339 in JSON.
fn in_json(value: Value) -> Value {
    let time = value.as_str().and_then(|text| text.strip_suffix(" +0000 UTC"));
    let time = time.and_then(|time| jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", time).ok());
    time.map_or(value, |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into())
}

fn local(now: Timestamp, format: &str) -> String {
    let text = now.to_zoned_datetime(TimeZone::system()).strftime(format).to_string();
    text.strip_suffix("+00:00").map_or(text.clone(), |utc| format!("{utc}Z"))
}

/// A value in quotes if it has characters that logrus quotes for.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
        if self.0.chars().all(plain) { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_from_logrus() {
        let mut fields = Fields::default();
        fields.0.insert("subsystem_name".into(), "ca_manager".into());
        fields.0.insert("caller_id".into(), "spiffe://example.org/a".into());
        fields.0.insert("self_signed".into(), true.into());
        fields.0.insert("empty".into(), "".into());
        fields.0.insert(EXTRA.into(), r#"{"x509_svid_ttl":20}"#.into());
        fields.spread(Format::Text);
        let line = text(Timestamp::UNIX_EPOCH, "info", "X509 CA prepared", &fields);
        let (_, rest) = line.split_once(" level=").unwrap();
        assert_eq!(
            rest,
            "info msg=\"X509 CA prepared\" caller_id=\"spiffe://example.org/a\" empty= self_signed=true subsystem_name=ca_manager x509_svid_ttl=20\n"
        );
        let line = json(Timestamp::UNIX_EPOCH, "info", "m".into(), fields);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&value["level"], &value["msg"], &value["self_signed"]),
            (&"info".into(), &"m".into(), &true.into())
        );
    }

    #[test]
    fn field_that_is_called_message_stands_beside_the_message() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        let (level, format) = (crate::Level::Info, Format::Text);
        let config = crate::LogConfig { level, format, file: Some(file.clone()), source_location: false };
        let (_log, subscriber) = crate::Log::new(&config, Clock::manual(Timestamp::UNIX_EPOCH).0).unwrap();
        tracing::subscriber::with_default(subscriber, || tracing::info!(extra = r#"{"message":"inner"}"#, "outer"));
        let line = std::fs::read_to_string(file).unwrap();
        assert!(line.ends_with(" level=info msg=outer message=inner\n"), "{line}");
    }

    #[test]
    fn lists_are_in_the_form_of_go_in_text_and_lists_in_json() {
        let written = |format| {
            let mut fields = Fields::default();
            fields.0.insert("audience".into(), "[a b]".into());
            fields.0.insert(IN_JSON.into(), r#"{"audience":["a","b"]}"#.into());
            fields.spread(format);
            match format {
                Format::Text => text(Timestamp::UNIX_EPOCH, "info", "m", &fields),
                Format::Json => json(Timestamp::UNIX_EPOCH, "info", "m".into(), fields),
            }
        };
        let line = written(Format::Text);
        assert!(line.ends_with(" msg=m audience=\"[a b]\"\n"), "{line}");
        let line = written(Format::Json);
        assert!(line.starts_with(r#"{"audience":["a","b"],"level":"info","msg":"m","#), "{line}");
    }

    #[test]
    fn times_in_the_form_of_go_are_rfc_3339_in_json() {
        assert_eq!(in_json("2026-11-23 19:21:53 +0000 UTC".into()), Value::from("2026-11-23T19:21:53Z"));
        for other in ["2026-11-23 19:21:53", "now +0000 UTC", "2026-11-23T19:21:53Z"] {
            assert_eq!(in_json(other.into()), Value::from(other));
        }
    }
}
