//! The `plugins` block.

use crate::{Block, DecodeError, NotYet, NotYetError, Object, refuse_not_yet};

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

/// Why the plugins of a configuration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginsError {
    /// A plugin stands twice.
    #[error("plugin {kind:?}/{name:?} declared more than once")]
    Twice {
        /// Type.
        kind: String,
        /// Name.
        name: String,
    },
    /// A value is of the wrong type.
    #[error("failed to decode plugins config: {0}")]
    Decode(#[from] DecodeError),
    /// A key asks for what is not there yet.
    #[error(transparent)]
    NotYet(#[from] NotYetError),
}

const EXTERNAL: &str = "external plugins";

/// Keys of a plugin's block whose feature comes later.
pub const PLUGIN_KEYS: &[NotYet] = &[
    NotYet { key: "plugin_cmd", default: "", feature: EXTERNAL },
    NotYet { key: "plugin_args", default: "", feature: EXTERNAL },
    NotYet { key: "plugin_checksum", default: "", feature: EXTERNAL },
    NotYet { key: "plugin_data_file", default: "", feature: "configuration that changes at run time" },
];

/// The enabled plugins in the order of the file. What is not enabled may ask for anything.
///
/// # Errors
/// [`PluginsError`].
pub fn read_plugins(root: &Block<'_>) -> Result<Vec<PluginBlock>, PluginsError> {
    let mut plugins: Vec<PluginBlock> = Vec::new();
    let mut seen = Vec::new();
    let Some(block) = root.block("plugins")? else { return Ok(plugins) };
    for (kind, name, block) in block.typed() {
        if seen.contains(&(kind, name)) {
            return Err(PluginsError::Twice { kind: kind.to_owned(), name: name.to_owned() });
        }
        seen.push((kind, name));
        if block.bool("enabled")? == Some(false) {
            continue;
        }
        refuse_not_yet(&block, &format!("plugins.{kind}.{name}"), PLUGIN_KEYS)?;
        let data = block.block("plugin_data")?.map(|data| data.to_object()).unwrap_or_default();
        plugins.push(PluginBlock { kind: kind.to_owned(), name: name.to_owned(), data });
    }
    Ok(plugins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, PluginsError> {
        let object = crate::parse(text).unwrap();
        let plugins = read_plugins(&Block::of(&object))?;
        Ok(plugins.into_iter().map(|plugin| format!("{}/{}", plugin.kind, plugin.name)).collect())
    }

    #[test]
    fn plugins_keep_the_order_of_the_file_without_disabled_ones() {
        let text = "plugins { B \"two\" { plugin_data {} }\n A \"one\" { enabled = false plugin_cmd = \"x\" }\n B { three { enabled = true } } A \"four\" plugin_data {} }";
        assert_eq!(read(text).unwrap(), ["B/two", "B/three", "A/four"]);
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn plugins_that_stand_twice_are_refused_also_when_one_is_disabled() {
        let text = "plugins { A \"one\" { enabled = false }\n A \"one\" {} }";
        assert_eq!(read(text).unwrap_err().to_string(), "plugin \"A\"/\"one\" declared more than once");
    }

    #[test]
    fn keys_of_external_plugins_are_refused_by_name() {
        for known in PLUGIN_KEYS {
            let value = if known.key == "plugin_args" { "[\"x\"]" } else { "\"x\"" };
            let error =
                read(&format!("plugins {{ A \"one\" {{ {} = {value} }} }}", known.key)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("plugins.A.one.{} is not available yet", known.key)), "{error}");
        }
        assert!(read("plugins { A \"one\" { enabled = \"no\" } }").is_err());
    }
}
