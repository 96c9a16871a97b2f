//! Connection strings of databases: any text is read or refused, and an address that was read is complete.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_config::{parse_mysql_dsn, parse_postgres};

fuzz_target!(|text: &str| {
    if let Ok(settings) = parse_postgres(text) {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
        let plain = settings.keys().all(|key| !key.is_empty() && !key.contains(|c: char| c == '=' || c.is_whitespace()));
        let written: String = settings.iter().map(|(key, value)| format!("{key}='{}' ", quoted(value))).collect();
        if plain && !written.starts_with("postgres") {
            assert_eq!(parse_postgres(&written), Ok(settings), "{text:?}");
        }
    }
    if let Ok(dsn) = parse_mysql_dsn(text) {
        assert!(!dsn.network.is_empty() && !dsn.address.is_empty(), "{text:?}");
        assert!(dsn.network != "tcp" || dsn.address.contains(':'), "{text:?}");
    }
});
