//! One scenario's folder and the programs it starts in it.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::agent::{Agent, AgentSettings};
use crate::pairing::Pair;
use crate::product::Product;
use crate::server::{Server, ServerSettings};

/// The trust domain of all scenarios.
pub const TRUST_DOMAIN: &str = "rig.example";

/// A folder of its own, and which product plays which part.
#[derive(Debug)]
pub struct Rig {
    folder: TempDir,
    pair: Pair,
}

impl Rig {
    /// Makes the folder; its path is short, for a Unix socket's path has at most 107 bytes.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(pair: Pair) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("st-").tempdir().context("making a folder")?;
        Ok(Self { folder, pair })
    }

    /// The folder, removed with the rig.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder for who wants to look at a failure.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
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
        let mut server = Server::prepare(self.pair.server, self.folder(), settings)?;
        server.start()?;
        Ok(server)
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
