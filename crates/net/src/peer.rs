//! Who is at the other end of a connection.

mod process;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerPidfd;
use rustix::net::sockopt::socket_peercred;

pub use process::Process;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A process on this machine, by a Unix socket.
    Unix(UnixPeer),
    /// A party at an address, by TLS; the chain is empty when it showed no certificate, and verified when it did.
    Tls {
        /// Its address.
        address: SocketAddr,
        /// Its certificates in DER, leaf first.
        chain: Arc<[Vec<u8>]>,
    },
}

/// A process at the other end of a Unix socket, as the kernel recorded it when the socket was connected.
#[derive(Clone, Debug)]
pub struct UnixPeer {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// The process, held so that its PID can't pass to another unnoticed.
    pub process: Arc<Process>,
}

impl UnixPeer {
    /// This process itself, as if it had connected.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn own() -> io::Result<Self> {
        let process = Process::hold(rustix::process::getpid())?;
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(Self { uid, gid, process: Arc::new(process) })
    }

    /// The peer of a connected Unix socket.
    ///
    /// # Errors
    /// When the kernel tells no credentials, or the process is gone already.
    pub fn of(socket: impl AsFd) -> io::Result<Self> {
        let credentials = socket_peercred(&socket)?;
        let process = match getsockopt(&socket, PeerPidfd) {
            Ok(pidfd) => Process::held(credentials.pid, pidfd)?,
            // Before Linux 6.5 the process must be looked up by its PID, which may have passed to another.
            Err(Errno::ENOPROTOOPT) => Process::hold(credentials.pid)?.of_user(credentials.uid.as_raw())?,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { uid: credentials.uid.as_raw(), gid: credentials.gid.as_raw(), process: Arc::new(process) })
    }
}
