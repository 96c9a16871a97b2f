//! A cluster with something installed on it, for several cases that run beside each other.

use std::sync::{OnceLock, PoisonError, RwLock};

use anyhow::{Result, anyhow};

use crate::case::{self, show};
use crate::cluster::Cluster;
use crate::image;

/// A cluster that the first case makes, with what its cases need on it. It ends with the process.
#[derive(Debug)]
pub struct Stand {
    name: &'static str,
    peers: &'static [&'static str],
    install: fn(&Cluster) -> Result<()>,
    namespaces: &'static [&'static str],
    cluster: OnceLock<Result<Cluster, String>>,
    /// Held to read by cases that share it, to write by those that disturb it.
    turn: RwLock<()>,
}

impl Stand {
    /// A stand that is not made yet: `install` finds a cluster with the images and no steeple; the state of `namespaces` is told
    /// when a case fails.
    pub const fn new(
        name: &'static str,
        peers: &'static [&'static str],
        namespaces: &'static [&'static str],
        install: fn(&Cluster) -> Result<()>,
    ) -> Self {
        Self { name, peers, install, namespaces, cluster: OnceLock::new(), turn: RwLock::new(()) }
    }

    /// Runs a case on it, beside others; left out when a peer is absent, and where clusters are not made.
    ///
    /// # Panics
    /// When the case fails, after the state of the namespaces.
    pub fn case(&self, case: impl FnOnce(&Cluster) -> Result<()>) {
        let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
        self.run(case);
    }

    /// As [`case`](Self::case), while no other runs, because it disturbs what the others use.
    ///
    /// # Panics
    /// As [`case`](Self::case).
    pub fn alone(&self, case: impl FnOnce(&Cluster) -> Result<()>) {
        let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
        self.run(case);
    }

    #[expect(clippy::panic, reason = "a failed case is a panic of its test")]
    fn run(&self, case: impl FnOnce(&Cluster) -> Result<()>) {
        if let Err(error) = self.attempt(case) {
            panic!("{error:#}");
        }
    }

    fn attempt(&self, case: impl FnOnce(&Cluster) -> Result<()>) -> Result<()> {
        if !case::can_make(self.peers)? {
            return Ok(());
        }
        let made = self.cluster.get_or_init(|| self.make().map_err(|error| format!("{error:#}")));
        let cluster = made.as_ref().map_err(|error| anyhow!("the cluster of the cases: {error}"))?;
        self.told(cluster, case(cluster))
    }

    fn make(&self) -> Result<Cluster> {
        let cluster = Cluster::of_its_own(self.name)?;
        image::load(&cluster)?;
        self.told(&cluster, (self.install)(&cluster))?;
        Ok(cluster)
    }

    /// Tells what a person would look at when something went wrong.
    fn told(&self, cluster: &Cluster, result: Result<()>) -> Result<()> {
        if result.is_err() {
            self.namespaces.iter().for_each(|namespace| show(cluster, namespace));
        }
        result
    }
}
