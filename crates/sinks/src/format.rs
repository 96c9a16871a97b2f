//! Forms of a record.

mod cef;
mod ecs;

use crate::facts::Facts;

/// The form in which records go to a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As they are in the trail: OCSF in JSON.
    #[default]
    Ocsf,
    /// Elastic Common Schema in JSON.
    Ecs,
    /// Common Event Format.
    Cef,
}

impl Format {
    /// Of its name in a configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "ocsf" => Self::Ocsf,
            "ecs" => Self::Ecs,
            "cef" => Self::Cef,
            _ => return None,
        })
    }

    /// The media type of lines of it.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ocsf | Self::Ecs => "application/x-ndjson",
            Self::Cef => "text/plain; charset=utf-8",
        }
    }

    /// One line, without its line feed.
    pub(crate) fn render(self, line: Vec<u8>, facts: &Facts) -> Vec<u8> {
        match self {
            Self::Ocsf => line,
            Self::Ecs => ecs::render(facts).into_bytes(),
            Self::Cef => cef::render(facts).into_bytes(),
        }
    }
}
