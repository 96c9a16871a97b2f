//! A daemon's configuration file, from its path to its blocks.

use std::io;

use crate::{Block, ConfigError, expand_env, invalid, parse};

/// Yields a variable of the environment.
pub type LookUp<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Reads the file at `path`, with variables of the environment replaced if `env` is given, and has `decode` make a
/// configuration of the whole and of its block `section`.
///
/// # Errors
/// [`ConfigError`] of the first thing that is not in order.
pub fn load<T>(
    path: &str,
    env: Option<&LookUp<'_>>,
    section: &str,
    decode: impl FnOnce(&Block<'_>, Block<'_>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    let text = env.map_or(text.clone(), |look_up| expand_env(&text, look_up));
    let malformed = |reason: String| ConfigError::Malformed { path: path.to_owned(), reason };
    let object = parse(&text).map_err(|error| malformed(error.to_string()))?;
    let root = Block::of(&object);
    let block = root.block(section)?.ok_or_else(|| invalid(format!("{section} section must be configured")))?;
    // A value is decoded where it is used; only here is the file known.
    decode(&root, block).map_err(|error| match error {
        ConfigError::Value(error) => malformed(error.to_string()),
        other => other,
    })
}

fn unreadable(path: &str, error: &io::Error) -> ConfigError {
    if error.kind() == io::ErrorKind::NotFound {
        let path = std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string());
        return ConfigError::Missing(path);
    }
    ConfigError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_file_and_the_section() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.conf");
        let shown = path.display().to_string();
        let load = |env: Option<&LookUp<'_>>| {
            load(&shown, env, "agent", |_, agent| Ok(agent.int("n")?)).map_err(|error| error.to_string())
        };
        assert_eq!(load(None), Err(format!("could not find config file {shown}: please use the -config flag")));
        for (text, said) in [
            ("server { n = 1 }", "agent section must be configured".to_owned()),
            (
                "agent { n = {} }",
                format!(
                    "unable to decode configuration at {shown:?}: At 1:13: root.agent.n: unknown type *ast.ObjectList"
                ),
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(load(None), Err(said));
        }
        std::fs::write(&path, "agent { n = $N }").unwrap();
        assert_eq!(load(Some(&|name| (name == "N").then(|| "7".to_owned()))), Ok(Some(7)));
        assert!(load(None).unwrap_err().starts_with("unable to decode configuration at"));
    }
}
