//! Who is at the other end of a connection.

mod process;

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};
use rustix::process::Pid;

pub use process::Process;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// A process on this machine, by a Unix socket.
    Unix(UnixPeer),
    /// A user on this machine, by a Unix socket whose callers' processes do not count.
    User(User),
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
        let credentials = getsockopt(&socket, PeerCredentials)?;
        let (uid, gid) = (credentials.uid(), credentials.gid());
        // Who is in a PID namespace that is not below this one has no PID here.
        let pid = Pid::from_raw(credentials.pid()).ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the process is in another PID namespace, which needs hostPID")
        })?;
        let process = match getsockopt(&socket, PeerPidfd) {
            Ok(pidfd) => Process::held(pid, pidfd)?,
            // Before Linux 6.5 the process must be looked up by its PID, which may have passed to another.
            Err(Errno::ENOPROTOOPT) => Process::hold(pid)?.of_user(uid)?,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { uid, gid, process: Arc::new(process) })
    }
}

/// A user at the other end of a Unix socket, as the kernel recorded it when the socket was connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

impl User {
    /// The user of the peer of a connected Unix socket, whose process may be in any PID namespace.
    ///
    /// # Errors
    /// When the kernel tells no credentials.
    pub fn of(socket: impl AsFd) -> io::Result<Self> {
        let credentials = getsockopt(&socket, PeerCredentials)?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid() })
    }

    /// Whether it is root, or the user that this process runs as.
    pub fn is_root_or_own(self) -> bool {
        self.is_root_or(rustix::process::geteuid().as_raw())
    }

    fn is_root_or(self, own: u32) -> bool {
        self.uid == 0 || self.uid == own
    }
}

/// Whose calls a Unix socket takes, and what is told of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Processes that can be held; one of another PID namespace can't be, unless that is below this one.
    Processes,
    /// Processes where they can be held, users otherwise.
    ProcessesOrUsers,
    /// Users, whatever their processes.
    Users,
    /// Root and this process's own user, whatever their processes.
    Root,
}

impl Callers {
    /// The peer of a connected socket.
    ///
    /// # Errors
    /// When the kernel does not tell who it is, or when its calls are not taken.
    pub(crate) fn peer(self, socket: impl AsFd) -> io::Result<Peer> {
        let user = User::of(&socket)?;
        match self {
            Self::Processes => UnixPeer::of(socket).map(Peer::Unix),
            Self::ProcessesOrUsers => Ok(UnixPeer::of(socket).map_or(Peer::User(user), Peer::Unix)),
            Self::Users => Ok(Peer::User(user)),
            Self::Root if user.is_root_or_own() => Ok(Peer::User(user)),
            Self::Root => {
                let text = format!("user {} may not use this socket, only root may", user.uid);
                Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_socket_is_for_root_and_the_own_user() {
        let user = |uid| User { uid, gid: 5 };
        assert!(user(0).is_root_or(1000) && user(1000).is_root_or(1000));
        assert!(!user(1001).is_root_or(1000) && !user(65534).is_root_or(0));
    }

    #[test]
    fn peers_are_told_as_processes_or_as_users() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let own = User { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
        for callers in [Callers::Users, Callers::Root] {
            assert!(matches!(callers.peer(&one).unwrap(), Peer::User(user) if user == own));
        }
        for callers in [Callers::Processes, Callers::ProcessesOrUsers] {
            let Peer::Unix(peer) = callers.peer(&one).unwrap() else { panic!("{callers:?}: not a process") };
            assert_eq!((peer.uid, peer.process.pid()), (own.uid, std::process::id()));
        }
    }
}
