//! Listeners at addresses as Go's `net.Listen` takes them: `:443`, `127.0.0.1:80`, `localhost:https`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use rustix::io::Errno;
use steeple_config::os_text;
use tokio::net::TcpListener;

/// Why nothing listens at an address, in the words of Go.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The text is not an address, or its host is not known.
    #[error("listen tcp: {0}")]
    Address(String),
    /// The system refused.
    #[error("listen tcp {address}: bind: {}", os_text(.reason))]
    Refused {
        /// Where.
        address: String,
        /// Why.
        reason: io::Error,
    },
}

/// Where `address` is; all addresses of the machine if it has no host. Asks the resolver for names.
///
/// # Errors
/// A text as Go's `net.ResolveTCPAddr`.
pub fn resolve(address: &str) -> Result<SocketAddr, String> {
    let (host, port) = split_host_port(address).map_err(|reason| format!("address {address}: {reason}"))?;
    let port = port_of(port)?;
    if host.is_empty() {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    // Go prefers IPv4 where a name has both.
    let best = found.iter().find(|address| address.is_ipv4()).or(found.first());
    best.copied().ok_or_else(|| format!("lookup {host}: no such host"))
}

/// Listens at `address`.
///
/// # Errors
/// [`ListenError`].
pub async fn listen(address: &str) -> Result<TcpListener, ListenError> {
    let resolved = resolve(address).map_err(ListenError::Address)?;
    bind(resolved).await.map_err(|reason| ListenError::Refused { address: shown(resolved), reason })
}

/// Listens at `address`, of which the unspecified one of IPv6 stands for all addresses of the machine.
///
/// # Errors
/// When the system refuses.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        // A machine without IPv6.
        Err(error) if is_any(address) && Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Whether it stands for all addresses of the machine.
pub fn is_any(address: SocketAddr) -> bool {
    address.ip() == Ipv6Addr::UNSPECIFIED
}

/// The address as Go shows it.
pub fn shown(address: SocketAddr) -> String {
    if is_any(address) { format!(":{}", address.port()) } else { address.to_string() }
}

/// Splits `host:port`, `[host]:port` and `:port`.
///
/// # Errors
/// The reason, in the words of Go's `net.SplitHostPort`.
pub fn split_host_port(text: &str) -> Result<(&str, &str), &'static str> {
    const MISSING: &str = "missing port in address";
    const OPENS: &str = "unexpected '[' in address";
    const CLOSES: &str = "unexpected ']' in address";
    let (before, port) = text.rsplit_once(':').ok_or(MISSING)?;
    let Some(inner) = text.strip_prefix('[') else {
        let faults = [(before, ':', "too many colons in address"), (text, '[', OPENS), (text, ']', CLOSES)];
        let fault = faults.into_iter().find(|(part, sign, _)| part.contains(*sign));
        return fault.map_or(Ok((before, port)), |(_, _, reason)| Err(reason));
    };
    let (host, after) = inner.split_once(']').ok_or("missing ']' in address")?;
    match after.strip_prefix(':') {
        None => Err(MISSING),
        Some(port) if port.contains(':') => Err("too many colons in address"),
        Some(port) if host.contains('[') || port.contains('[') => Err(OPENS),
        Some(port) if port.contains(']') => Err(CLOSES),
        Some(port) => Ok((host, port)),
    }
}

fn port_of(text: &str) -> Result<u16, String> {
    match text {
        "" => Ok(0),
        "http" => Ok(80),
        "https" => Ok(443),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| format!("address {text}: invalid port"))
        }
        text => Err(format!("lookup tcp/{text}: unknown port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_go() {
        for (text, address) in [
            (":443", "[::]:443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:https", "[::1]:443"),
            ("localhost:8", "127.0.0.1:8"),
            ("127.0.0.1:", "127.0.0.1:0"),
        ] {
            assert_eq!(resolve(text).unwrap().to_string(), address, "{text}");
        }
    }

    #[test]
    fn refusals_are_those_of_go() {
        for (text, reason) in [
            ("127.0.0.1", "address 127.0.0.1: missing port in address"),
            ("::1:80", "address ::1:80: too many colons in address"),
            ("[::1:80", "address [::1:80: missing ']' in address"),
            ("[::1]", "address [::1]: missing port in address"),
            ("a]:80", "address a]:80: unexpected ']' in address"),
            (":nosuch", "lookup tcp/nosuch: unknown port"),
            (":99999", "address 99999: invalid port"),
        ] {
            assert_eq!(resolve(text).unwrap_err(), reason);
        }
    }

    #[tokio::test]
    async fn taken_port_is_told_as_in_go() {
        let taken = listen("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = listen(&address).await.unwrap_err();
        assert_eq!(error.to_string(), format!("listen tcp {address}: bind: address already in use"));
    }
}
