//! Calls between workloads, a connection each, of which none may fail, whatever is done to servers and agents meanwhile.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use steeple_tests_interop::{Agent, Process, Rig, free_port, poll};

use crate::clients::workload;

/// A workload that calls another one all the time.
pub(crate) struct Calls {
    _serving: Process,
    calling: Process,
    /// Ends the calls when it is there.
    stop: PathBuf,
}

impl Calls {
    /// Has a workload of `from` call one of `to`. Logs are called after `name`.
    pub(crate) fn start(rig: &Rig, name: &str, from: &Agent, to: &Agent, certificates: u32) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let (stop, log) = (rig.folder().join(name), |verb: &str| rig.folder().join(format!("{name}-{verb}.log")));
        let serving = Process::start(&mut workload(to, "serve", &[&address])?, &log("serve"))?;
        poll::until("the listening workload", || Ok(serving.printed()?.contains("listening").then_some(())))?;
        let arguments = [address, stop.display().to_string(), certificates.to_string()];
        let calling =
            Process::start(&mut workload(from, "load", &arguments.each_ref().map(String::as_str))?, &log("call"))?;
        Ok(Self { _serving: serving, calling, stop })
    }

    /// Checks that no call has failed so far.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        ensure!(self.calling.ended()?.is_none(), "calls have ended: {}", self.calling.printed()?);
        Ok(())
    }

    /// Ends the calls once both sides have shown as many certificates as was said; none may have failed.
    pub(crate) fn end(&mut self) -> Result<()> {
        std::fs::write(&self.stop, "")?;
        let exit = poll::until("the end of the calls", || self.calling.ended())?;
        let said = self.calling.printed()?;
        ensure!(exit == 0, "{said}");
        println!("{}: {}", self.stop.display(), said.trim_end());
        Ok(())
    }
}
