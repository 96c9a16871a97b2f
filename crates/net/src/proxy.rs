//! The PROXY protocol, by which a load balancer tells for whom it connects (versions 1 and 2 of HAProxy's specification).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

/// Longest header of version 1, its line's end included.
const LONGEST_TEXT: usize = 107;
/// Longest header of version 2 that is taken: addresses and what load balancers say besides.
const LONGEST_BINARY: usize = 4_096;
/// What a header of version 2 has before its addresses.
const BINARY_START: usize = 16;

/// The networks whose parties may say for whom they connect; if there is none, nobody is listened to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The networks of `texts`, such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// The text that is none, and why, in the words of Go's `net.ParseCIDR`.
    pub fn parse(texts: &[String]) -> Result<Self, (String, String)> {
        let parse = |text: &String| text.parse().map_err(|_| (text.clone(), format!("invalid CIDR address: {text}")));
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address of the party for whom `socket` was opened from `address`: the one in its header, which is taken from the
    /// socket. A header of somebody who is not trusted is an error, and so is one that says nothing.
    pub(crate) async fn source(&self, socket: &mut TcpStream, address: SocketAddr) -> io::Result<SocketAddr> {
        if self.is_empty() {
            return Ok(address);
        }
        let mut first = [0];
        // No handshake of TLS begins like a header.
        if socket.peek(&mut first).await? == 0 || !begins_header(first) {
            return Ok(address);
        }
        if !self.trusts(address.ip()) {
            return Err(invalid(format!("{address} sent a PROXY header and is not in proxy_protocol_trusted_cidrs")));
        }
        let header = read(socket, first).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => invalid(format!("PROXY header of {address} has no end")),
            _ => error,
        })?;
        let told = source_of(&header).map_err(|reason| invalid(format!("PROXY header of {address}: {reason}")))?;
        Ok(told.unwrap_or(address))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// As Go prints a list of texts: `[10.0.0.0/8 ::1/128]`.
impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "[{}]", texts.join(" "))
    }
}

fn begins_header(first: [u8; 1]) -> bool {
    first == *b"P" || first == *b"\r"
}

/// Reads a header, and nothing that follows it.
async fn read(stream: &mut (impl AsyncRead + Unpin), first: [u8; 1]) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(LONGEST_TEXT);
    if first == *b"P" {
        while !header.ends_with(b"\r\n") {
            if header.len() == LONGEST_TEXT {
                return Err(invalid(format!("PROXY header has no end within {LONGEST_TEXT} bytes")));
            }
            header.push(stream.read_u8().await?);
        }
        return Ok(header);
    }
    header.resize(BINARY_START, 0);
    stream.read_exact(&mut header).await?;
    let length = header.last_chunk().map_or(0, |length| usize::from(u16::from_be_bytes(*length)));
    if BINARY_START + length > LONGEST_BINARY {
        return Err(invalid(format!("PROXY header has {length} bytes, more than {LONGEST_BINARY} are not taken")));
    }
    header.resize(BINARY_START + length, 0);
    if let Some(rest) = header.get_mut(BINARY_START..) {
        stream.read_exact(rest).await?;
    }
    Ok(header)
}

/// The address for which a connection was opened, as a whole header tells it; `None` if that is the sender's own, or not one
/// of TCP.
///
/// # Errors
/// What is wrong with the header.
pub fn source_of(header: &[u8]) -> Result<Option<SocketAddr>, String> {
    if header.starts_with(ppp::v2::PROTOCOL_PREFIX) {
        return binary_source(header);
    }
    let parsed = ppp::v1::Header::try_from(header).map_err(|error| error.to_string())?;
    Ok(match parsed.addresses {
        ppp::v1::Addresses::Tcp4(told) => Some(SocketAddr::from((told.source_address, told.source_port))),
        ppp::v1::Addresses::Tcp6(told) => Some(SocketAddr::from((told.source_address, told.source_port))),
        ppp::v1::Addresses::Unknown => None,
    })
}

fn binary_source(header: &[u8]) -> Result<Option<SocketAddr>, String> {
    let parsed = ppp::v2::Header::try_from(header).map_err(|error| error.to_string())?;
    if parsed.command == ppp::v2::Command::Local {
        return Ok(None);
    }
    Ok(match parsed.addresses {
        ppp::v2::Addresses::IPv4(told) => Some(SocketAddr::from((told.source_address, told.source_port))),
        ppp::v2::Addresses::IPv6(told) => Some(SocketAddr::from((told.source_address, told.source_port))),
        ppp::v2::Addresses::Unix(_) | ppp::v2::Addresses::Unspecified => None,
    })
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    const TEXT: &[u8] = b"PROXY TCP4 10.1.2.3 127.0.0.1 12345 443\r\n";

    fn proxies(networks: &[&str]) -> TrustedProxies {
        TrustedProxies::parse(&networks.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [ppp::v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length, rest].concat()
    }

    /// For whom a party of this machine connects that sends `bytes`, and what is left of them.
    async fn source(proxies: &TrustedProxies, bytes: &[u8]) -> Result<(Option<String>, Vec<u8>), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut party = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut socket, address) = listener.accept().await.unwrap();
        party.write_all(bytes).await.unwrap();
        party.shutdown().await.unwrap();
        let told = proxies.source(&mut socket, address).await.map_err(|error| error.to_string())?;
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        Ok(((told != address).then(|| told.to_string()), rest))
    }

    #[tokio::test]
    async fn trusted_proxy_tells_for_whom_it_connects() {
        let proxies = proxies(&["192.168.0.0/16", "127.0.0.0/8"]);
        let four = [10, 1, 2, 3, 127, 0, 0, 1, 0x30, 0x39, 1, 0xbb];
        let with_more = [&four[..], &[4, 0, 1, 0]].concat();
        let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 15], &[1], &[0x30, 0x39, 1, 0xbb]].concat();
        for (header, told) in [
            (TEXT.to_vec(), Some("10.1.2.3:12345")),
            (b"PROXY TCP6 2001:db8::1 ::1 12345 443\r\n".to_vec(), Some("[2001:db8::1]:12345")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (binary(1, 0x11, &four), Some("10.1.2.3:12345")),
            (binary(1, 0x11, &with_more), Some("10.1.2.3:12345")),
            (binary(1, 0x21, &six), Some("[2001:db8::1]:12345")),
            (binary(0, 0x11, &four), None),
            (binary(0, 0, &[]), None),
            (Vec::new(), None),
        ] {
            let bytes = [&header[..], b"\x16hello"].concat();
            let (found, rest) = source(&proxies, &bytes).await.unwrap();
            assert_eq!((found.as_deref(), rest.as_slice()), (told, &b"\x16hello"[..]), "{header:?}");
        }
    }

    #[tokio::test]
    async fn header_of_somebody_else_is_refused() {
        let refused = source(&proxies(&["192.168.0.0/16", "::/0"]), TEXT).await.unwrap_err();
        assert!(refused.contains("sent a PROXY header and is not in proxy_protocol_trusted_cidrs"), "{refused}");
        let (told, rest) = source(&proxies(&["192.168.0.0/16"]), b"\x16hello").await.unwrap();
        assert_eq!((told, rest.as_slice()), (None, &b"\x16hello"[..]), "who sends none is served");
        let (told, rest) = source(&TrustedProxies::default(), TEXT).await.unwrap();
        assert_eq!((told, rest.as_slice()), (None, TEXT), "nobody is listened to");
    }

    #[tokio::test]
    async fn headers_that_are_none_are_refused() {
        let proxies = proxies(&["127.0.0.1/32"]);
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for (header, said) in [
            (b"PROXY TCP4 nonsense\r\n".to_vec(), "PROXY header of 127.0.0.1:"),
            (b"POST / HTTP/1.1\r\n".to_vec(), "PROXY header of 127.0.0.1:"),
            (endless, "no end within 107 bytes"),
            (binary(1, 0x11, &[0; 5_000]), "5000 bytes, more than 4096 are not taken"),
            (binary(1, 0x11, &[0; 3]), "PROXY header of 127.0.0.1:"),
            (binary(7, 0x11, &[0; 12]), "PROXY header of 127.0.0.1:"),
            (TEXT[..20].to_vec(), "PROXY header of 127.0.0.1:"),
        ] {
            let refused = source(&proxies, &header).await.unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn networks_are_told_in_the_words_of_go() {
        let refused = TrustedProxies::parse(&["10.0.0.0/8".to_owned(), "10.0.0.0".to_owned()]).unwrap_err();
        assert_eq!(refused, ("10.0.0.0".to_owned(), "invalid CIDR address: 10.0.0.0".to_owned()));
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        assert!(proxies(&["10.9.9.9/8"]).trusts(mapped));
    }
}
