//! Proxies on the way to HTTPS servers, by `HTTPS_PROXY` and `NO_PROXY` of the environment as Go's client reads them.

use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::https::port;
use crate::os_text;

/// Longest answer of a proxy, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Yields a variable of the environment.
type LookUp<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A proxy that opens tunnels (RFC 9110, section 9.3.6).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    host: String,
    port: u16,
    /// User and password.
    credentials: Option<String>,
}

impl Proxy {
    /// The proxy by which a server is reached; none when it is reached directly.
    ///
    /// # Errors
    /// A text, for a proxy that can't be used.
    pub(crate) fn to(host: &str, port: u16, environment: &LookUp<'_>) -> Result<Option<Self>, String> {
        let variable =
            |names: [&str; 2]| names.into_iter().find_map(|name| environment(name).filter(|v| !v.is_empty()));
        let Some(address) = variable(["HTTPS_PROXY", "https_proxy"]) else { return Ok(None) };
        if is_direct(host, port, &variable(["NO_PROXY", "no_proxy"]).unwrap_or_default()) {
            return Ok(None);
        }
        Self::parse(&address).map(Some)
    }

    fn parse(address: &str) -> Result<Self, String> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let invalid = |reason: &dyn std::fmt::Display| format!("invalid proxy address {address:?}: {reason}");
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| invalid(&error))?;
        if uri.scheme_str() != Some("http") {
            return Err(invalid(&"only proxies of http are supported"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let credentials = authority.rsplit_once('@').map(|(credentials, _)| unescaped(credentials));
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = port(&uri, 80).map_err(|reason| format!("proxyconnect tcp: dial tcp: {reason}"))?;
        Ok(Self { host, port, credentials })
    }

    /// A connection to a server through the proxy.
    ///
    /// # Errors
    /// The reason, when the proxy can't be reached or does not open it.
    pub(crate) async fn tunnel(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let Self { host: proxy, port: proxy_port, credentials } = self;
        let failed = |error: std::io::Error| {
            format!("proxyconnect tcp: dial tcp {proxy}:{proxy_port}: connect: {}", os_text(&error))
        };
        let mut stream = TcpStream::connect((proxy.as_str(), *proxy_port)).await.map_err(failed)?;
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let credentials = credentials.as_ref().map_or_else(String::new, |credentials| {
            format!("Proxy-Authorization: Basic {}\r\n", BASE64_STANDARD.encode(credentials))
        });
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == MAX_HEAD {
                return Err("proxyconnect tcp: the proxy's answer has no end".to_owned());
            }
            // One by one: what follows the head is the server's.
            head.push(stream.read_u8().await.map_err(|error| format!("proxyconnect tcp: {}", os_text(&error)))?);
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.lines().next().and_then(|line| line.split_once(' ')).map_or("", |(_version, status)| status);
        if status.starts_with("200") { Ok(stream) } else { Err(format!("proxyconnect tcp: {status}")) }
    }
}

/// Whether no proxy is used for a server: one of this machine, or one that `exceptions` name.
fn is_direct(host: &str, port: u16, exceptions: &str) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let host = host.to_lowercase();
    exceptions.split(',').map(|exception| exception.trim().to_lowercase()).any(|exception| {
        if exception == "*" {
            return true;
        }
        if let (Some(network), Some(address)) = (exception.split_once('/'), address) {
            return is_within(address, network);
        }
        let (name, of_port) = without_port(&exception);
        if of_port.is_some_and(|of_port| of_port != port.to_string()) {
            return false;
        }
        match (name.parse::<IpAddr>(), address) {
            (Ok(named), address) => Some(named) == address,
            (Err(_), _) => is_domain_of(&host, name),
        }
    })
}

fn without_port(exception: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = exception.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match exception.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (exception, None),
    }
}

/// Whether `name` stands for `host`: `a.example` with all below it, `.a.example` and `*.a.example` for those alone.
fn is_domain_of(host: &str, name: &str) -> bool {
    let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
    let below = |name: &str| host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    match name.strip_prefix('.') {
        _ if name.is_empty() => false,
        Some(name) => below(name),
        None => host == name || below(name),
    }
}

fn is_within(address: IpAddr, (network, bits): (&str, &str)) -> bool {
    let shifted = |address: u128, width: u32, bits: u32| address.checked_shr(width - bits).unwrap_or(0);
    match (address, network.parse(), bits.parse::<u32>()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network)), Ok(bits @ 0..=32)) => {
            let of = |address: std::net::Ipv4Addr| shifted(u32::from(address).into(), 32, bits);
            of(address) == of(network)
        }
        (IpAddr::V6(address), Ok(IpAddr::V6(network)), Ok(bits @ 0..=128)) => {
            shifted(address.into(), 128, bits) == shifted(network.into(), 128, bits)
        }
        _ => false,
    }
}

/// A part of a URL with what is escaped in it.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(value) = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(value);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn to(host: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let look_up = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxy::to(host, 443, &look_up).map(|proxy| proxy.map(|proxy| format!("{}:{}", proxy.host, proxy.port)))
    }

    #[test]
    fn environment_names_the_proxy() {
        for (address, proxy) in [
            ("http://proxy.test:3128/", Some("proxy.test:3128")),
            ("proxy.test:3128", Some("proxy.test:3128")),
            ("http://user:pass@proxy.test", Some("proxy.test:80")),
            ("", None),
        ] {
            for name in ["HTTPS_PROXY", "https_proxy"] {
                assert_eq!(to("a.test", &[(name, address)]).unwrap().as_deref(), proxy, "{address}");
            }
        }
        assert_eq!(to("a.test", &[("HTTP_PROXY", "proxy.test")]).unwrap(), None);
        let refused = to("a.test", &[("HTTPS_PROXY", "proxy.test:99999")]).unwrap_err();
        assert_eq!(refused, "proxyconnect tcp: dial tcp: address 99999: invalid port");
        let refused = to("a.test", &[("HTTPS_PROXY", "socks5://proxy.test")]).unwrap_err();
        assert_eq!(refused, "invalid proxy address \"socks5://proxy.test\": only proxies of http are supported");
    }

    #[test]
    fn servers_of_this_machine_and_exceptions_are_reached_directly() {
        for (host, exceptions, direct) in [
            ("localhost", "", true),
            ("127.0.0.7", "", true),
            ("::1", "", true),
            ("a.test", "", false),
            ("a.test", "b.test, A.TEST", true),
            ("x.a.test", "a.test", true),
            ("xa.test", "a.test", false),
            ("a.test", ".a.test", false),
            ("x.a.test", ".a.test", true),
            ("x.a.test", "*.a.test", true),
            ("a.test", "a.test:443", true),
            ("a.test", "a.test:80", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("11.1.2.3", "0.0.0.0/0", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("fd00::1", "fd00::/16", true),
            ("fd00::1", "[fd00::1]:443", true),
            ("fd00::1", "fd00::2", false),
            ("a.test", "10.0.0.0/8,,*", true),
        ] {
            let proxy = to(host, &[("HTTPS_PROXY", "proxy.test"), ("NO_PROXY", exceptions)]).unwrap();
            assert_eq!(proxy.is_none(), direct, "{host} {exceptions:?}");
        }
    }

    /// What a proxy that answers with `answer` makes of a tunnel, and what it is asked.
    async fn tunnel(address: &str, answer: &'static str) -> (Result<String, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Proxy::parse(address).unwrap();
        (proxy.host, proxy.port) = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        };
        let opened = async {
            let mut stream = proxy.tunnel("a.test", 443).await?;
            let mut said = String::new();
            stream.read_to_string(&mut said).await.map_err(|error| error.to_string())?;
            Ok(said)
        };
        tokio::join!(opened, served)
    }

    #[tokio::test]
    async fn tunnel_leads_to_the_server() {
        let (said, asked) = tunnel("http://us%40er:pass@proxy.test", "HTTP/1.1 200 Opened\r\nA: b\r\n\r\nhello").await;
        assert_eq!(said.as_deref(), Ok("hello"));
        let credentials = BASE64_STANDARD.encode("us@er:pass");
        let lines =
            ["CONNECT a.test:443 HTTP/1.1", "Host: a.test:443", &format!("Proxy-Authorization: Basic {credentials}")];
        assert_eq!(asked, format!("{}\r\n\r\n", lines.join("\r\n")));
        let (said, _) = tunnel("proxy.test", "HTTP/1.1 403 Forbidden\r\n\r\n").await;
        assert_eq!(said.unwrap_err(), "proxyconnect tcp: 403 Forbidden");
        let (said, _) = tunnel("proxy.test", "HTTP/1.1 200").await;
        assert!(said.unwrap_err().starts_with("proxyconnect tcp: "));
    }
}
