//! The flags of the daemons, each standing for a key of the configuration.

use std::collections::BTreeMap;
use std::slice;

use crate::commands::{Env, FlagError, FlagSet, HELP};

/// What was given on the command line.
pub(super) struct Given {
    pub(super) config: String,
    pub(super) expand_env: bool,
    pub(super) keys: BTreeMap<&'static str, String>,
}

/// A flag: its name, the key that it stands for, and what it takes.
pub(super) struct Flag {
    name: &'static str,
    key: &'static str,
    takes: Takes,
}

#[derive(Clone, Copy)]
enum Takes {
    Text,
    Number,
    Nothing,
}

/// A flag that takes a text.
pub(super) const fn value(name: &'static str, key: &'static str) -> Flag {
    Flag { name, key, takes: Takes::Text }
}

/// A flag that takes a whole number.
pub(super) const fn number(name: &'static str, key: &'static str) -> Flag {
    Flag { name, key, takes: Takes::Number }
}

/// A flag that takes nothing.
pub(super) const fn switch(name: &'static str, key: &'static str) -> Flag {
    Flag { name, key, takes: Takes::Nothing }
}

enum Slot {
    Text(String),
    Number(i64),
    Switch(bool),
}

impl Slot {
    /// What stands in the place of the key. An empty text, zero and false leave the file's value, as in SPIRE.
    fn given(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Self::Number(number) => Some(number).filter(|number| *number != 0).map(|number| number.to_string()),
            Self::Switch(on) => on.then(|| "true".to_owned()),
        }
    }
}

/// Reads `arguments` as Go's flag package does; `Err` is the exit status, the error having been told.
pub(super) fn read(env: &mut Env, arguments: &[String], flags: &'static [Flag], default: &str) -> Result<Given, u8> {
    let (mut config, mut expand_env) = (default.to_owned(), false);
    let mut slots: Vec<Slot> = flags
        .iter()
        .map(|flag| match flag.takes {
            Takes::Text => Slot::Text(String::new()),
            Takes::Number => Slot::Number(0),
            Takes::Nothing => Slot::Switch(false),
        })
        .collect();
    let mut set = FlagSet::new();
    set.text(&mut config, &["config"], "Configuration file.");
    set.boolean(&mut expand_env, &["expandEnv"], "Puts environment variables into the text of the configuration.");
    for (flag, slot) in flags.iter().zip(&mut slots) {
        let names = slice::from_ref(&flag.name);
        match slot {
            Slot::Text(text) => set.text(text, names, flag.key),
            Slot::Number(number) => set.integer(number, names, flag.key),
            Slot::Switch(on) => set.boolean(on, names, flag.key),
        }
    }
    if arguments == [HELP] {
        env.complain(&format!("Flags, with the key that each stands for:\n{}", set.usage()));
        return Err(0);
    }
    if let Err(error) = set.parse(arguments).map(|_| ()) {
        if error == FlagError::Unknown("namedPipeName".to_owned()) {
            env.complain("flag -namedPipeName is for Windows, which steeple does not run on; use -socketPath\n");
            return Err(1);
        }
        env.complain(&format!("{error}\nFlags of this command, with the key that each stands for:\n{}", set.usage()));
        return Err(1);
    }
    drop(set);
    let given = flags.iter().zip(slots).filter_map(|(flag, slot)| Some((flag.key, slot.given()?)));
    Ok(Given { keys: given.collect(), config, expand_env })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::env;

    const FLAGS: &[Flag] =
        &[value("logLevel", "log_level"), number("serverPort", "bind_port"), switch("logSourceLocation", "location")];

    fn told(line: &str) -> Result<Given, String> {
        let (mut env, streams) = env();
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(&mut env, &arguments, FLAGS, "conf/server/server.conf").map_err(|status| {
            assert_eq!(status, 1);
            streams.err().lines().next().unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn help_tells_each_flag_with_its_key() {
        let (mut env, streams) = env();
        assert_eq!(read(&mut env, &[HELP.to_owned()], FLAGS, "conf/server/server.conf").err(), Some(0));
        for word in ["-config", "-expandEnv", "-logLevel", "log_level", "-serverPort"] {
            assert!(streams.err().contains(word), "{word}: {}", streams.err());
        }
    }

    #[test]
    fn flags_stand_for_keys() {
        let given = told("-logLevel debug --serverPort=9 -logSourceLocation -expandEnv -config /x").ok().unwrap();
        assert_eq!((given.config.as_str(), given.expand_env), ("/x", true));
        let keys = [("bind_port", "9".to_owned()), ("location", "true".to_owned()), ("log_level", "debug".to_owned())];
        assert_eq!(given.keys, BTreeMap::from(keys));
    }

    #[test]
    fn what_is_empty_leaves_the_file() {
        let given = told("-logLevel= -serverPort 0 -logSourceLocation=false -expandEnv=0").ok().unwrap();
        assert_eq!((given.config.as_str(), given.expand_env), ("conf/server/server.conf", false));
        assert!(given.keys.is_empty());
    }

    #[test]
    fn refusals_name_the_flag() {
        for (line, text) in [
            ("-nope", "flag provided but not defined: -nope"),
            ("-logLevel", "flag needs an argument: -logLevel"),
            ("-serverPort many", "invalid value \"many\" for flag -serverPort: parse error"),
            ("-expandEnv=maybe", "invalid boolean value \"maybe\" for -expandEnv: parse error"),
            ("--=x", "bad flag syntax: --=x"),
            ("-namedPipeName x", "flag -namedPipeName is for Windows, which steeple does not run on; use -socketPath"),
        ] {
            assert_eq!(told(line).err().unwrap(), text);
        }
    }
}
