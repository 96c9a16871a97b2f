//! The cases of the mesh, which are the longest: they alone may be left out.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::{cluster, peers, run};

/// How these cases are counted.
pub(super) const MESH: &str = "mesh";

/// When the run must have ended, in seconds since 1970.
const DEADLINE: &str = "STEEPLE_DEADLINE";

/// What must remain until then for these cases to be begun.
const ENOUGH: Duration = Duration::from_mins(25);

/// The tests of which it is no fault that they did not run.
pub(crate) const LEFT_OUT: &str = "tests-left-out.txt";

/// Whether the cases ran.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    left_out: Option<String>,
}

impl Mesh {
    /// Has the cases left out when too little time remains, or Istio is not built.
    #[expect(clippy::disallowed_methods, reason = "a deadline of CI is one of the machine's clock")]
    pub(super) fn decide(&mut self, cases: &mut Command) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if !is_enough(std::env::var(DEADLINE).ok().as_deref(), now) {
            self.left_out = Some(format!("less than {} min remained", ENOUGH.as_secs() / 60));
        } else if !cluster::ready(cluster::ISTIO, &peers::cache()) {
            self.left_out = Some("Istio is not built (tests/cluster/bed/istio build)".to_owned());
        }
        if self.left_out.is_some() {
            cases.env("STEEPLE_MESH", "0");
        }
    }

    /// Tells it loudly, and notes the program whose tests are excused.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub(super) fn note(&self, counts: &mut Vec<String>) -> Result<()> {
        let path = run::notes()?.join(LEFT_OUT);
        let text = if self.left_out.is_some() { "mesh\n" } else { "" };
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        counts.extend(self.left_out.iter().map(|reason| format!("THE MESH WAS LEFT OUT: {reason}")));
        Ok(())
    }
}

/// Without a deadline there is time.
fn is_enough(deadline: Option<&str>, now: Duration) -> bool {
    let deadline = deadline.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    deadline.is_none_or(|deadline| now + ENOUGH <= deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesh_is_left_out_when_less_than_25_minutes_remain() {
        let now = Duration::from_secs(10_000);
        assert!(is_enough(None, now) && is_enough(Some("11500"), now));
        assert!(!is_enough(Some("11499"), now) && !is_enough(Some("9000"), now));
    }
}
