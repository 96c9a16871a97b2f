//! The two implementations that take each other's place.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::peer;

/// Who made a server, an agent or a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// SPIRE in Go, 1.13.3.
    Go,
    /// The program under test.
    Steeple,
}

impl Product {
    /// The peers that it is made of.
    pub fn peers(self) -> &'static [&'static str] {
        match self {
            Self::Go => &["spire-server", "spire-agent"],
            Self::Steeple => &["steeple"],
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Go => Self::Steeple,
            Self::Steeple => Self::Go,
        }
    }

    /// The path of `spire-server` or `spire-agent`; ours is reached through a link of that name in `folder`.
    ///
    /// # Errors
    /// When the program is absent or the link cannot be made.
    pub fn program(self, name: &str, folder: &Path) -> Result<PathBuf> {
        match self {
            Self::Go => peer::path(name),
            Self::Steeple => {
                let links = folder.join("links");
                std::fs::create_dir_all(&links)?;
                let link = links.join(name);
                if !link.exists() {
                    symlink(peer::path("steeple")?.canonicalize()?, &link)?;
                }
                Ok(link)
            }
        }
    }
}
