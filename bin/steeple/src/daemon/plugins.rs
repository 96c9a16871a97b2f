//! What a daemon says of its plugins when it has them, and when it lets go of them.

use steeple_config::PluginBlock;
use tracing::{debug, info};

const EXTERNAL: bool = false;
/// No plugin here takes its configuration from a file of its own.
const RECONFIGURABLE: bool = false;

/// Says which plugins were configured and loaded. Those named `plain` have nothing to configure.
pub(super) fn loaded(plugins: &[PluginBlock], plain: &[&str]) {
    for PluginBlock { kind, name, .. } in built_in(plugins) {
        if !plain.contains(&name.as_str()) {
            info!(
                external = EXTERNAL,
                plugin_name = name,
                plugin_type = kind,
                reconfigurable = RECONFIGURABLE,
                subsystem_name = "catalog",
                "Configured plugin"
            );
        }
        info!(external = EXTERNAL, plugin_name = name, plugin_type = kind, subsystem_name = "catalog", "Plugin loaded");
    }
}

/// Says which plugins are gone, the last one first.
pub(super) fn unloaded(plugins: &[PluginBlock]) {
    debug!(subsystem_name = "catalog", "Closing catalog");
    for PluginBlock { kind, name, .. } in built_in(plugins).rev() {
        for done in ["Unloading plugin", "Plugin deinitialized"] {
            debug!(external = EXTERNAL, plugin_name = name, plugin_type = kind, subsystem_name = "catalog", "{done}");
        }
        info!(
            external = EXTERNAL,
            plugin_name = name,
            plugin_type = kind,
            subsystem_name = "catalog",
            "Plugin unloaded"
        );
    }
    info!(subsystem_name = "catalog", "Catalog closed");
}

/// The datastore is no plugin, though it stands among them.
fn built_in(plugins: &[PluginBlock]) -> impl DoubleEndedIterator<Item = &PluginBlock> {
    plugins.iter().filter(|plugin| plugin.kind != "DataStore")
}
