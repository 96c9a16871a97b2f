//! Keys that nobody knows: they are refused in the blocks in which SPIRE refuses them.

use crate::{Block, ConfigError, invalid};

const PROMETHEUS: &[&str] = &["host", "port", "tls"];
const HEALTH: &[&str] = &["listener_enabled", "bind_address", "bind_port", "live_path", "ready_path"];

/// What a block is called in the log, the block if it is there, and the keys that it may have.
pub type Known<'a> = (&'static str, Option<Block<'a>>, &'a [&'static str]);

/// Checks `blocks` and those that every daemon has under `root`, and tells of all unknown keys in the log.
///
/// # Errors
/// [`ConfigError::Invalid`] if there are any.
pub fn refuse_unknown<'a>(root: &Block<'a>, blocks: impl IntoIterator<Item = Known<'a>>) -> Result<(), ConfigError> {
    let telemetry = root.block("telemetry")?.unwrap_or_default();
    let common = [
        ("Prometheus", telemetry.block("Prometheus")?, PROMETHEUS),
        ("health check", root.block("health_checks")?, HEALTH),
    ];
    let mut all_known = true;
    for (section, block, known) in blocks.into_iter().chain(common) {
        let mut unknown = block.map(|block| block.unknown(known)).unwrap_or_default();
        unknown.sort_unstable();
        if !unknown.is_empty() {
            tracing::error!(section, keys = unknown.join(","), "Unknown configuration detected");
            all_known = false;
        }
    }
    if all_known { Ok(()) } else { Err(invalid("unknown configuration detected")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_nobody_knows_are_refused_in_every_block() {
        for (text, is_known) in [
            ("agent { a = 1 }\nhealth_checks { live_path = \"\" }\ntelemetry { other = 1 }", true),
            ("agent { nosuch = 1 }", false),
            ("health_checks { nosuch = 1 }", false),
            ("telemetry { prometheus { nosuch = 1 } }", false),
        ] {
            let object = crate::parse(text).unwrap();
            let root = Block::of(&object);
            let blocks: [Known<'_>; 1] = [("agent", root.block("agent").unwrap(), &["a"])];
            assert_eq!(refuse_unknown(&root, blocks).is_ok(), is_known, "{text}");
        }
    }
}
