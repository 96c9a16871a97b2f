//! Calls between workloads while something is done to what gives them their identities.

use anyhow::{Context, Result, anyhow, ensure};
use steeple_tests_cluster::{Cluster, SOCKET, Workload, until};

/// The file that ends the calls.
const ENOUGH: &str = "/tmp/enough";
/// Each side has at least another certificate at the end, since its agent is another.
const CERTIFICATES: usize = 4;
/// The part of its life after which a certificate that is still in use was not renewed in time.
const OLD: f64 = 2.0 / 3.0;

/// Has `client`, once in its life, call `server` all the while that `deed` takes. No call may fail, nor a certificate pass two
/// thirds of its life.
pub(crate) fn during(
    cluster: &Cluster,
    [server, client]: [Workload<'_>; 2],
    deed: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let shell = |script: &str| -> Result<String> {
        let outcome = client.exec(cluster, &["sh", "-c", script])?;
        ensure!(outcome.exit == 0, "{outcome}");
        Ok(outcome.stdout)
    };
    // A process of the pod's own: what kubectl runs ends with a kubelet.
    let address = format!("{}:9443", server.address(cluster)?);
    let calls = format!("workload load {SOCKET} {address} {ENOUGH} {CERTIFICATES}");
    shell(&format!("({calls} >/tmp/calls 2>&1; echo $? >/tmp/ended) >/dev/null 2>&1 &"))?;
    let done = deed();
    shell(&format!("echo >{ENOUGH}"))?;
    let ended = until::ok("the end of the calls", || shell("cat /tmp/ended"))?;
    let calls = shell("cat /tmp/calls")?;
    println!("{calls}");
    done.with_context(|| format!("while calls went on: {calls}"))?;
    ensure!(ended.trim() == "0", "a call failed: {calls}");
    let oldest = calls.trim().rsplit(' ').next().and_then(|oldest| oldest.parse::<f64>().ok());
    let oldest = oldest.ok_or_else(|| anyhow!("{calls}"))?;
    ensure!(oldest < OLD, "a certificate was not renewed in time: {calls}");
    Ok(())
}
