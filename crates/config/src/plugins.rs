//! The `plugins` block.

use crate::{Block, DecodeError, Object};

/// One plugin of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginBlock {
    /// Type, such as `KeyManager`.
    pub kind: String,
    /// Name, such as `disk`.
    pub name: String,
    /// Its `plugin_data`.
    pub data: Object,
}

/// The enabled plugins in the order of the file.
///
/// # Errors
/// [`DecodeError`] for a plugin that stands twice, and for external ones, which are not available yet.
pub fn read_plugins(root: &Block<'_>) -> Result<Vec<PluginBlock>, DecodeError> {
    let mut plugins: Vec<PluginBlock> = Vec::new();
    let Some(block) = root.block("plugins") else { return Ok(plugins) };
    for (kind, name, block) in block.typed() {
        if plugins.iter().any(|plugin| plugin.kind == kind && plugin.name == name) {
            return Err(DecodeError(format!("plugin {kind:?}/{name:?} declared more than once")));
        }
        for key in ["plugin_cmd", "plugin_checksum", "plugin_data_file"] {
            if block.text(key)?.is_some_and(|value| !value.is_empty()) {
                let message = format!("{key} of plugin {kind:?}/{name:?}: external plugins are not available yet");
                return Err(DecodeError(message));
            }
        }
        if block.bool("enabled")? == Some(false) {
            continue;
        }
        let data = block.block("plugin_data").map(|data| data.to_object()).unwrap_or_default();
        plugins.push(PluginBlock { kind: kind.to_owned(), name: name.to_owned(), data });
    }
    Ok(plugins)
}
