//! One scenario's folder and the programs it starts in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::agent::{Agent, AgentSettings};
use crate::pairing::Pair;
use crate::product::Product;
use crate::server::{Server, ServerSettings};

/// The trust domain of all scenarios; those with two call the other one otherwise.
pub const TRUST_DOMAIN: &str = "rig.example";

/// A folder of its own, and which product plays which part.
#[derive(Debug)]
pub struct Rig {
    folder: PathBuf,
    /// Removes the folder; those of other rigs lie in that of the first.
    owner: Option<TempDir>,
    pair: Pair,
    trust_domain: String,
}

impl Rig {
    /// Makes the folder; its path is short, for a Unix socket's path has at most 107 bytes.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(pair: Pair) -> Result<Self> {
        let owner = tempfile::Builder::new().prefix("st-").tempdir().context("making a folder")?;
        let folder = owner.path().to_path_buf();
        Ok(Self { folder, owner: Some(owner), pair, trust_domain: TRUST_DOMAIN.to_owned() })
    }

    /// The same rig with other products.
    #[must_use]
    pub fn played_by(&self, pair: Pair) -> Self {
        Self { folder: self.folder.clone(), owner: None, pair, trust_domain: self.trust_domain.clone() }
    }

    /// The rig of another trust domain, in a folder below this one's.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn neighbour(&self, trust_domain: &str, pair: Pair) -> Result<Self> {
        self.within("n", trust_domain, pair)
    }

    /// A rig of the same trust domain, in the folder `name` below this one's.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn level(&self, name: &str, pair: Pair) -> Result<Self> {
        self.within(name, &self.trust_domain, pair)
    }

    fn within(&self, name: &str, trust_domain: &str, pair: Pair) -> Result<Self> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, owner: None, pair, trust_domain: trust_domain.to_owned() })
    }

    /// The folder, removed with the rig.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps the folder for who wants to look at a failure.
    pub fn keep(&mut self) {
        if let Some(owner) = &mut self.owner {
            owner.disable_cleanup(true);
        }
    }

    /// Who plays the server.
    pub fn server_product(&self) -> Product {
        self.pair.server
    }

    /// Who plays the agent.
    pub fn agent_product(&self) -> Product {
        self.pair.agent
    }

    /// Starts a server and waits until it is healthy.
    ///
    /// # Errors
    /// When it does not get healthy.
    pub fn server(&self, settings: &ServerSettings) -> Result<Server> {
        let mut server = self.prepared_server(settings)?;
        server.start()?;
        Ok(server)
    }

    /// A server with its configuration written, not started.
    ///
    /// # Errors
    /// When no port is free or a file cannot be written.
    pub fn prepared_server(&self, settings: &ServerSettings) -> Result<Server> {
        Server::prepare(self.pair.server, &self.trust_domain, self.folder(), settings)
    }

    /// Starts an agent of `server` and waits until it is healthy.
    ///
    /// # Errors
    /// When it does not get healthy.
    pub fn agent(&self, server: &Server, settings: &AgentSettings) -> Result<Agent> {
        let mut agent = self.prepared_agent(server, settings)?;
        agent.start()?;
        Ok(agent)
    }

    /// An agent with its configuration written, not started.
    ///
    /// # Errors
    /// When the server does not tell its bundle or a file cannot be written.
    pub fn prepared_agent(&self, server: &Server, settings: &AgentSettings) -> Result<Agent> {
        Agent::prepare(self.pair.agent, self.folder(), server, settings)
    }
}
