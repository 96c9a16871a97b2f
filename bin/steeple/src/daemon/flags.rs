//! The flags of the daemons, each standing for a key of the configuration.

use std::collections::BTreeMap;

use crate::commands::Env;

/// What was given on the command line.
pub(super) struct Given {
    pub(super) config: String,
    pub(super) expand_env: bool,
    pub(super) keys: BTreeMap<&'static str, String>,
}

/// A flag: its name, and the key that it stands for; a switch takes no value.
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) is_switch: bool,
}

pub(super) const fn value(name: &'static str, key: &'static str) -> Flag {
    Flag { name, key, is_switch: false }
}

pub(super) const fn switch(name: &'static str, key: &'static str) -> Flag {
    Flag { name, key, is_switch: true }
}

/// Reads `arguments` as Go's flag package does; `Err` is the exit status, the error having been told.
pub(super) fn read(env: &mut Env, arguments: &[String], flags: &[Flag], default: &str) -> Result<Given, u8> {
    let mut given = Given { config: default.to_owned(), expand_env: false, keys: BTreeMap::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).filter(|n| !n.is_empty())
        else {
            break;
        };
        let (name, inline) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.to_owned())));
        if matches!(name, "namedPipeName") {
            env.complain("flag -namedPipeName is for Windows, which steeple does not run on; use -socketPath\n");
            return Err(1);
        }
        let found = flags.iter().find(|flag| flag.name == name);
        let is_switch = name == "expandEnv" || found.is_some_and(|flag| flag.is_switch);
        if found.is_none() && !matches!(name, "config" | "expandEnv") {
            env.complain(&format!("flag provided but not defined: -{name}\n"));
            return Err(1);
        }
        let taken = match inline {
            Some(value) => Some(value),
            None if is_switch => Some("true".to_owned()),
            None => rest.next().cloned(),
        };
        let Some(taken) = taken else {
            env.complain(&format!("flag needs an argument: -{name}\n"));
            return Err(1);
        };
        match (name, found) {
            ("config", _) => given.config = taken,
            ("expandEnv", _) => given.expand_env = taken == "true",
            (_, Some(flag)) => {
                given.keys.insert(flag.key, taken);
            }
            (_, None) => {}
        }
    }
    Ok(given)
}
