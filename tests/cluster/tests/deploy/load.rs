//! Calls between workloads while something is done to what gives them their identities.

use anyhow::{Context, Result, anyhow, ensure};
use steeple_tests_cluster::{Cluster, Outcome, SOCKET, Workload};

/// The file that ends the calls.
const ENOUGH: &str = "/tmp/enough";
/// The part of its life after which a certificate that is still in use was not renewed in time.
const OLD: f64 = 2.0 / 3.0;

/// What the calls saw.
#[derive(Debug)]
pub(crate) struct Load {
    /// Certificates of both sides.
    pub(crate) certificates: u64,
    /// The greatest part of its life that a certificate had behind it.
    oldest: f64,
}

/// Has `client` call `server` all the while that `deed` takes. No call may fail, nor a certificate pass two thirds of its life.
pub(crate) fn during(
    cluster: &Cluster,
    [server, client]: [Workload<'_>; 2],
    deed: impl FnOnce() -> Result<()>,
) -> Result<Load> {
    let address = format!("{}:9443", server.address(cluster)?);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| client.exec(cluster, &["workload", "load", SOCKET, &address, ENOUGH]));
        let done = deed();
        let end = client.exec(cluster, &["sh", "-c", &format!("echo >{ENOUGH}")])?;
        ensure!(end.exit == 0, "{end}");
        let calls = calls.join().map_err(|_| anyhow!("the calls panicked"))??;
        done.with_context(|| format!("while calls went on: {calls}"))?;
        Load::read(&calls)
    })
}

impl Load {
    fn read(calls: &Outcome) -> Result<Self> {
        ensure!(calls.exit == 0, "a call failed: {calls}");
        let words: Vec<&str> = calls.stdout.split_whitespace().collect();
        let [count, "calls,", certificates, "certificates,", "oldest", "at", oldest] = words.as_slice() else {
            return Err(anyhow!("{calls}"));
        };
        ensure!(count.parse::<u64>()? > 0, "nothing was called: {calls}");
        let load = Self { certificates: certificates.parse()?, oldest: oldest.parse()? };
        println!("{load:?}");
        ensure!(load.oldest < OLD, "a certificate was not renewed in time: {load:?}");
        Ok(load)
    }
}
