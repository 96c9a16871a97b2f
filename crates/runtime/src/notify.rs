//! `sd_notify`: tells a service manager how a daemon is.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// Sends `state` (such as `READY=1`) to the socket named by the `NOTIFY_SOCKET` that a service manager set;
/// a leading `@` stands for the abstract name space.
///
/// # Errors
/// When the socket does not take the datagram.
pub fn notify_service_manager(notify_socket: &Path, state: &str) -> io::Result<()> {
    let address = match notify_socket.as_os_str().as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(notify_socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}
