//! The blocks `sink` of the block `audit`: where records go besides the trail.

use std::path::PathBuf;

use steeple_config::{Block, ConfigError, invalid};
use steeple_sinks::{Filter, Format, OutletSettings, SinkSettings, SyslogSettings, TlsSettings, UrlSettings};

/// Most sinks that a server has, so that its metrics have few labels.
const MOST: usize = 16;
/// Keys that each sink may have.
const COMMON: &[&str] = &["type", "format", "events", "min_severity", "from_start"];
const TLS: &[&str] = &["ca_bundle_path", "certificate_path", "key_path"];
/// Name and code of facilities (RFC 5424, section 6.2.1).
const FACILITIES: &[(&str, u8)] = &[
    ("user", 1),
    ("daemon", 3),
    ("auth", 4),
    ("authpriv", 10),
    ("audit", 13),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// The sinks of the trail, in order.
pub(super) fn read(root: &Block<'_>) -> Result<Vec<SinkSettings>, ConfigError> {
    let Some(audit) = root.block("audit")? else { return Ok(Vec::new()) };
    let mut sinks: Vec<SinkSettings> = Vec::new();
    for (name, block) in audit.labelled("sink")? {
        let is_name = |one: u8| one.is_ascii_lowercase() || one.is_ascii_digit() || matches!(one, b'-' | b'_');
        if name.is_empty() || name.len() > 32 || !name.bytes().all(is_name) {
            return Err(invalid(format!(
                "audit.sink {name:?}: a name has 1 to 32 characters out of a to z, 0 to 9, '-' and '_'"
            )));
        }
        if sinks.iter().any(|sink| sink.name == name) {
            return Err(invalid(format!("audit.sink {name:?} is there twice")));
        }
        let sink = sink(name, &block).map_err(|error| invalid(format!("audit.sink {name:?}: {error}")))?;
        sinks.push(sink);
    }
    if sinks.len() > MOST {
        return Err(invalid(format!("audit has {} sinks; there may be {MOST}", sinks.len())));
    }
    Ok(sinks)
}

fn sink(name: &str, block: &Block<'_>) -> Result<SinkSettings, ConfigError> {
    let kind = block.text("type")?.unwrap_or_default();
    let (keys, needs_tls): (&[&str], bool) = match kind.as_str() {
        "stdout" => (&[], false),
        "file" => (&["path"], false),
        "syslog" => (&["address", "server_name", "facility"], true),
        "otlp" => (&["url", "token_path"], true),
        "webhook" => (&["url", "token_path", "secret_path"], true),
        _ => {
            return Err(invalid(format!(
                "type {kind:?} is unknown; it must be \"stdout\", \"file\", \"syslog\", \"otlp\" or \"webhook\""
            )));
        }
    };
    let known = [COMMON, keys, if needs_tls { TLS } else { &[] }].concat();
    if let Some(key) = block.unknown(&known).first() {
        return Err(invalid(format!("{key} is no key of a sink of type {kind:?}; there are {}", known.join(", "))));
    }
    let outlet = match kind.as_str() {
        "stdout" => OutletSettings::Stdout,
        "file" => OutletSettings::File { path: needed(block, "path")?.into() },
        "syslog" => OutletSettings::Syslog(syslog(block)?),
        "otlp" => OutletSettings::Otlp(url(block)?),
        _ => OutletSettings::Webhook { url: url(block)?, secret_path: path(block, "secret_path")? },
    };
    let format = block.text("format")?.unwrap_or_else(|| "ocsf".to_owned());
    let format = Format::from_name(&format)
        .ok_or_else(|| invalid(format!("format {format:?} is unknown; it must be \"ocsf\", \"ecs\" or \"cef\"")))?;
    Ok(SinkSettings {
        name: name.to_owned(),
        filter: filter(block)?,
        format,
        from_start: block.bool("from_start")?.unwrap_or_default(),
        outlet,
    })
}

fn filter(block: &Block<'_>) -> Result<Filter, ConfigError> {
    let events = block.texts("events")?.unwrap_or_default();
    if let Some(event) = events.iter().find(|event| event.trim_end_matches('*').contains('*') || event.is_empty()) {
        return Err(invalid(format!("events {event:?}: a star may only be at the end of a name")));
    }
    let min_severity = block.int("min_severity")?.unwrap_or_default();
    let min_severity = u8::try_from(min_severity).ok().filter(|severity| *severity <= 5);
    let min_severity = min_severity.ok_or_else(|| invalid("min_severity must be from 0 to 5"))?;
    Ok(Filter { events, min_severity })
}

fn syslog(block: &Block<'_>) -> Result<SyslogSettings, ConfigError> {
    let address = needed(block, "address")?;
    let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(invalid(format!("address {address:?} is no host with a port, as in \"logs.example.org:6514\"")));
    }
    let name = block.text("facility")?.unwrap_or_else(|| "audit".to_owned());
    let facility = FACILITIES.iter().find(|(one, _)| *one == name);
    let facility = facility.ok_or_else(|| {
        let names: Vec<&str> = FACILITIES.iter().map(|(name, _)| *name).collect();
        invalid(format!("facility {name:?} is unknown; there are {}", names.join(", ")))
    })?;
    Ok(SyslogSettings { address, server_name: block.text("server_name")?, facility: facility.1, tls: tls(block)? })
}

fn url(block: &Block<'_>) -> Result<UrlSettings, ConfigError> {
    let url = needed(block, "url")?;
    if !url.starts_with("https://") {
        return Err(invalid(format!("url {url:?} must start with https://")));
    }
    Ok(UrlSettings { url, token_path: path(block, "token_path")?, tls: tls(block)? })
}

fn tls(block: &Block<'_>) -> Result<TlsSettings, ConfigError> {
    let identity = match (path(block, "certificate_path")?, path(block, "key_path")?) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err(invalid("certificate_path and key_path belong together")),
    };
    Ok(TlsSettings { ca_bundle_path: path(block, "ca_bundle_path")?, identity })
}

fn path(block: &Block<'_>, key: &str) -> Result<Option<PathBuf>, ConfigError> {
    Ok(block.text(key)?.filter(|path| !path.is_empty()).map(PathBuf::from))
}

fn needed(block: &Block<'_>, key: &str) -> Result<String, ConfigError> {
    let text = block.text(key)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| invalid(format!("{key} must be configured")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sinks(text: &str) -> Result<Vec<SinkSettings>, String> {
        let object = steeple_config::parse(&format!("audit {{ {text} }}")).map_err(|error| error.to_string())?;
        read(&Block::of(&object)).map_err(|error| error.to_string())
    }

    #[test]
    fn each_type_of_sink_is_read() {
        let found = sinks(
            r#"sink "out" { type = "stdout" format = "cef" events = ["entry_*", "pruned"] min_severity = 2 from_start = true }
               sink "file" { type = "file" path = "/f" format = "ecs" }
               sink "siem" { type = "syslog" address = "[::1]:6514" server_name = "s" facility = "local3"
                             ca_bundle_path = "/ca" certificate_path = "/c" key_path = "/k" }
               sink "otel" { type = "otlp" url = "https://o/v1/logs" token_path = "/t" }
               sink "hook" { type = "webhook" url = "https://h" secret_path = "/s" }"#,
        );
        let found = found.unwrap();
        let tls = TlsSettings { ca_bundle_path: Some("/ca".into()), identity: Some(("/c".into(), "/k".into())) };
        let url = |url: &str, token: Option<&str>| UrlSettings {
            url: url.to_owned(),
            token_path: token.map(PathBuf::from),
            tls: TlsSettings::default(),
        };
        let outlets: Vec<_> = found.iter().map(|sink| (sink.name.as_str(), sink.format, sink.outlet.clone())).collect();
        let syslog =
            SyslogSettings { address: "[::1]:6514".to_owned(), server_name: Some("s".to_owned()), facility: 19, tls };
        let hook = OutletSettings::Webhook { url: url("https://h", None), secret_path: Some("/s".into()) };
        assert_eq!(
            outlets,
            [
                ("out", Format::Cef, OutletSettings::Stdout),
                ("file", Format::Ecs, OutletSettings::File { path: "/f".into() }),
                ("siem", Format::Ocsf, OutletSettings::Syslog(syslog)),
                ("otel", Format::Ocsf, OutletSettings::Otlp(url("https://o/v1/logs", Some("/t")))),
                ("hook", Format::Ocsf, hook),
            ]
        );
        let filter = Filter { events: vec!["entry_*".to_owned(), "pruned".to_owned()], min_severity: 2 };
        assert_eq!(found.first().map(|sink| (sink.filter.clone(), sink.from_start)), Some((filter, true)));
    }

    #[test]
    fn what_is_wrong_is_named_with_the_sink() {
        for (text, said) in [
            (r#"sink "A" { type = "stdout" }"#, "audit.sink \"A\": a name has 1 to 32 characters"),
            (r#"sink "a" { type = "kafka" }"#, "audit.sink \"a\": type \"kafka\" is unknown"),
            (r#"sink "a" { type = "stdout" path = "/f" }"#, "path is no key of a sink of type \"stdout\""),
            (r#"sink "a" { type = "file" }"#, "path must be configured"),
            (r#"sink "a" { type = "file" path = "/f" format = "xml" }"#, "format \"xml\" is unknown"),
            (r#"sink "a" { type = "stdout" events = ["*_x"] }"#, "a star may only be at the end of a name"),
            (r#"sink "a" { type = "stdout" min_severity = 6 }"#, "min_severity must be from 0 to 5"),
            (r#"sink "a" { type = "syslog" address = "host" }"#, "address \"host\" is no host with a port"),
            (r#"sink "a" { type = "syslog" address = "h:1" facility = "kern" }"#, "facility \"kern\" is unknown"),
            (r#"sink "a" { type = "otlp" url = "http://o" }"#, "url \"http://o\" must start with https://"),
            (r#"sink "a" { type = "webhook" url = "https://h" key_path = "/k" }"#, "belong together"),
        ] {
            let error = sinks(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let many: String =
            (0..17).map(|n| [r#"sink "s"#, &n.to_string(), r#"" { type = "stdout" } "#].concat()).collect();
        assert_eq!(sinks(&many).unwrap_err(), "audit has 17 sinks; there may be 16");
    }
}
