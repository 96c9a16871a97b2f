//! A process whose identity survives the reuse of its PID.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process held by a pidfd, with the time at which it started.
///
/// The pidfd of a socket's peer comes from the kernel (`SO_PEERPIDFD`), which holds the process since it connected: its PID
/// can't have passed to another in between.
pub struct Process {
    pid: u32,
    pidfd: OwnedFd,
    started: u64,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({})", self.pid)
    }
}

impl Process {
    /// Takes hold of a running process.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn hold(pid: Pid) -> io::Result<Self> {
        Self::held(pid, pidfd_open(pid, PidfdFlags::empty())?)
    }

    /// Takes hold of the process that has `pid` now.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of_pid(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Self::hold(pid.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no process has such a PID"))?)
    }

    /// The process `pid` behind `pidfd`.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it has ended.
    pub fn held(pid: Pid, pidfd: OwnedFd) -> io::Result<Self> {
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
        let process = Self { pid, pidfd, started: start_time(pid)? };
        process.check()?;
        Ok(process)
    }

    /// The same process if it runs as `uid`: another that came by its PID is refused unless it is of the same user.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it runs as another user.
    pub fn of_user(self, uid: u32) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        if std::fs::metadata(format!("/proc/{}", self.pid))?.uid() == uid {
            return Ok(self);
        }
        Err(self.gone())
    }

    /// The PID.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Path of the executable, for logs.
    pub fn executable(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/exe", self.pid)).ok()
    }

    /// Checks that the very same process still runs, so that what was read from `/proc/<pid>` before was its own.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it has ended.
    pub fn check(&self) -> io::Result<()> {
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let ready = poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        if ready == 0 && start_time(self.pid)? == self.started {
            return Ok(());
        }
        Err(self.gone())
    }

    fn gone(&self) -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, format!("process {} is no longer running", self.pid))
    }
}

/// Start time of a process in clock ticks since boot: field 22 of `/proc/<pid>/stat`, counted behind the command's name.
fn start_time(pid: u32) -> io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest);
    after_name
        .and_then(|rest| rest.split_whitespace().nth(19))
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat has no start time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_process_is_noticed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let process = Process::hold(pid).unwrap();
        process.check().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(process.check().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(Process::hold(pid).is_err());
    }

    #[test]
    fn process_of_another_user_is_not_taken() {
        let own = || Process::hold(rustix::process::getpid()).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        own().of_user(uid).unwrap();
        assert_eq!(own().of_user(uid + 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
