//! The block of a daemon, with the flags of its command line laid over it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{Block, ConfigError, invalid};

/// What SPIRE warns of when something is set in a block `experimental`.
pub const EXPERIMENTAL: &str = "Experimental features have been enabled. Please see doc/upgrading.md for upgrade and \
                                compatibility considerations for experimental features.";

/// Values given on the command line, by the key that they stand for. Empty ones count as not given.
pub type Flags = BTreeMap<&'static str, String>;

/// The block of a daemon, with flags that outweigh it.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// What the file says.
    pub block: Block<'a>,
    /// What the command line says.
    pub flags: &'a Flags,
}

impl Section<'_> {
    /// A text that is not empty.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for anything but a text.
    pub fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        if let Some(flag) = self.flags.get(key).filter(|flag| !flag.is_empty()) {
            return Ok(Some(flag.clone()));
        }
        Ok(self.block.text(key)?.filter(|text| !text.is_empty()))
    }

    /// A whole number; a flag of 0 counts as not given.
    ///
    /// # Errors
    /// [`ConfigError`] for anything but a number.
    pub fn int(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        if let Some(flag) = self.flags.get(key).filter(|flag| !flag.is_empty() && *flag != "0") {
            return flag.parse().map(Some).map_err(|_| invalid(format!("invalid value {flag:?} for {key}")));
        }
        Ok(self.block.int(key)?)
    }

    /// A truth value: true if either says so.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for anything but a truth value.
    pub fn bool(&self, key: &str) -> Result<bool, ConfigError> {
        Ok(self.flags.get(key).is_some_and(|flag| flag == "true") || self.block.bool(key)?.unwrap_or(false))
    }

    /// How the daemon logs.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for a value of the wrong type.
    pub fn log(&self) -> Result<LogSettings, ConfigError> {
        Ok(LogSettings {
            level: self.text("log_level")?.unwrap_or_else(|| "INFO".to_owned()),
            format: self.text("log_format")?.unwrap_or_else(|| "text".to_owned()),
            file: self.text("log_file")?.map(PathBuf::from),
            source_location: self.bool("log_source_location")?,
        })
    }
}

/// How a daemon logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// From which level on.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
    /// Where to.
    pub file: Option<PathBuf>,
    /// Whether lines tell where in the source they come from.
    pub source_location: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_outweigh_the_block_unless_they_say_nothing() {
        let object = crate::parse("t = \"block\"\nn = 1\nb = true\n").unwrap();
        let read = |flags: &[(&'static str, &str)]| {
            let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
            let section = Section { block: Block::of(&object), flags: &flags };
            (section.text("t").unwrap().unwrap(), section.int("n").unwrap().unwrap(), section.bool("b").unwrap())
        };
        assert_eq!(read(&[]), ("block".to_owned(), 1, true));
        assert_eq!(read(&[("t", ""), ("n", "0"), ("b", "false")]), ("block".to_owned(), 1, true));
        assert_eq!(read(&[("t", "flag"), ("n", "2")]), ("flag".to_owned(), 2, true));
        let (flags, block) = (Flags::from([("n", "x".to_owned())]), Block::default());
        let refused = Section { block, flags: &flags }.int("n").unwrap_err();
        assert_eq!(refused.to_string(), "invalid value \"x\" for n");
    }
}
