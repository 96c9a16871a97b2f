//! URLs as Go's `net/url` reads and writes them.

use std::fmt::{self, Write};
use std::net::Ipv6Addr;

/// A URL or a reference, taken apart. Written again, it reads as Go writes it: the scheme in lower case, what must be
/// escaped in a path escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    /// What stands behind the scheme when that is no path: `a:b`.
    opaque: String,
    user: Option<String>,
    host: String,
    omits_host: bool,
    escaped_path: String,
    query: Option<String>,
    fragment: String,
}

/// Why a text is not a URL, in the words of Go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parse {url:?}: {reason}")]
pub struct UrlError {
    /// The text, without its fragment.
    pub url: String,
    /// What is wrong.
    pub reason: String,
}

/// The parts of a URL that escape differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Path,
}

impl Url {
    /// Reads a URL or a reference, as Go's `url.Parse`.
    ///
    /// # Errors
    /// [`UrlError`] with Go's text.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        let parsed = parse(text).map_err(|reason| UrlError { url: text.to_owned(), reason })?;
        Ok(Self { fragment: fragment.to_owned(), ..parsed })
    }

    /// A URL of its parts, none of them escaped.
    pub fn of(scheme: &str, host: &str, path: &str) -> Self {
        let escaped_path = escape(path.as_bytes(), Part::Path);
        Self { scheme: scheme.to_owned(), host: host.to_owned(), escaped_path, ..Self::default() }
    }

    /// The scheme in lower case; empty for a reference.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Host and port; empty if there is none.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path, not escaped.
    pub fn path(&self) -> String {
        let bytes = unescape(&self.escaped_path, Part::Path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// `base` with `element` behind its path, without empty elements, `.` and `..`, as Go's `url.JoinPath`.
    ///
    /// # Errors
    /// [`UrlError`] when `base` is no URL.
    pub fn join(base: &str, element: &str) -> Result<Self, UrlError> {
        let mut url = Self::parse(base)?;
        let rooted = url.escaped_path.starts_with('/');
        let mut joined = cleaned(&format!("{}/{element}", url.escaped_path));
        if element.ends_with('/') && !joined.ends_with('/') {
            joined.push('/');
        }
        let joined = if rooted { joined } else { joined.trim_start_matches('/').to_owned() };
        url.set_path(&joined).map_err(|reason| UrlError { url: joined.clone(), reason })?;
        Ok(url)
    }

    /// Sets the path, keeping its own way to escape if that is a valid one.
    fn set_path(&mut self, text: &str) -> Result<(), String> {
        let bytes = unescape(text, Part::Path)?;
        let kept = text.bytes().all(|byte| b"!$&'()*+,;=:@[]%".contains(&byte) || is_plain(byte, Part::Path));
        self.escaped_path = if kept { text.to_owned() } else { escape(&bytes, Part::Path) };
        Ok(())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if self.opaque.is_empty() {
            let is_bare = self.host.is_empty() && self.user.is_none();
            let has_authority = !self.scheme.is_empty() || !is_bare;
            if has_authority && !(is_bare && (self.omits_host || self.escaped_path.is_empty())) {
                f.write_str("//")?;
                if let Some(user) = &self.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&escape(self.host.as_bytes(), Part::Host))?;
            }
            if !self.escaped_path.is_empty() && !self.escaped_path.starts_with('/') && !self.host.is_empty() {
                f.write_str("/")?;
            }
            if !has_authority && self.escaped_path.split('/').next().is_some_and(|segment| segment.contains(':')) {
                f.write_str("./")?;
            }
            f.write_str(&self.escaped_path)?;
        } else {
            f.write_str(&self.opaque)?;
        }
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if !self.fragment.is_empty() {
            write!(f, "#{}", self.fragment)?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = scheme(text)?;
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query.to_owned())));
    let mut url = Url { scheme: scheme.to_lowercase(), query, ..Url::default() };
    let mut path = rest;
    if let Some(behind) = rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !rest.starts_with("///")) {
        let (authority, after) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
        let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        url.host = parse_host(&url.scheme, host)?;
        url.user = user.map(userinfo).transpose()?;
        path = after;
    } else if rest.starts_with('/') {
        url.omits_host = !scheme.is_empty();
    } else if !scheme.is_empty() {
        rest.clone_into(&mut url.opaque);
        return Ok(url);
    } else if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
        return Err("first path segment in URL cannot contain colon".to_owned());
    }
    url.set_path(path)?;
    Ok(url)
}

/// The scheme, if there is one, and what follows.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    match text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))) {
        Some(0) if text.starts_with(':') => Err("missing protocol scheme".to_owned()),
        Some(end) if text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let (scheme, rest) = text.split_at(end);
            Ok(rest.strip_prefix(':').map_or(("", text), |rest| (scheme, rest)))
        }
        _ => Ok(("", text)),
    }
}

fn userinfo(text: &str) -> Result<String, String> {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !text.chars().all(is_valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    unescape(text, Part::Path)?;
    Ok(text.to_owned())
}

fn parse_host(scheme: &str, text: &str) -> Result<String, String> {
    let port = match text.rfind('[') {
        Some(0) => {
            let (inner, port) = text.rsplit_once(']').ok_or("missing ']' in host")?;
            let address = inner.trim_start_matches('[').split('%').next().unwrap_or_default();
            if address.parse::<Ipv6Addr>().is_err() {
                return Err("invalid IP-literal".to_owned());
            }
            port
        }
        Some(_) => return Err("invalid IP-literal".to_owned()),
        // Of other schemes several hosts are let through, as of a database.
        None if matches!(scheme, "http" | "https") => text.find(':').and_then(|at| text.get(at..)).unwrap_or_default(),
        None => text.rfind(':').and_then(|at| text.get(at..)).unwrap_or_default(),
    };
    let is_port =
        |port: &str| port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !port.is_empty() && !is_port(port) {
        return Err(format!("invalid port {port:?} after host"));
    }
    Ok(String::from_utf8_lossy(&unescape(text, Part::Host)?).into_owned())
}

/// An absolute path without empty elements, `.` and `..`.
fn cleaned(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => {
                elements.pop();
            }
            element => elements.push(element),
        }
    }
    format!("/{}", elements.join("/"))
}

/// Whether a byte stands for itself in `part`.
fn is_plain(byte: u8, part: Part) -> bool {
    let others: &[u8] = match part {
        Part::Path => b"-_.~$&+,/:;=@",
        Part::Host => b"-_.~!$&'()*+,;=:[]<>\"",
    };
    byte.is_ascii_alphanumeric() || others.contains(&byte)
}

fn escape(bytes: &[u8], part: Part) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len()), |mut out, byte| {
        if is_plain(*byte, part) {
            out.push(char::from(*byte));
        } else {
            // Writing to a string can't fail.
            let _written = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            let escaped = || {
                let shown = String::from_utf8_lossy(rest.get(..3).unwrap_or(rest)).into_owned();
                format!("invalid URL escape {shown:?}")
            };
            let value = after.get(..2).and_then(byte_of).ok_or_else(escaped)?;
            // In a host only what is not ASCII may be escaped, and the zone of an address.
            if part == Part::Host && value < 0x80 && value != b'%' {
                return Err(escaped());
            }
            bytes.push(value);
            rest = after.get(2..).unwrap_or_default();
        } else {
            if part == Part::Host && byte.is_ascii() && !is_plain(*byte, part) {
                let shown = char::from(*byte).to_string();
                return Err(format!("invalid character {shown:?} in host name"));
            }
            bytes.push(*byte);
            rest = after;
        }
    }
    Ok(bytes)
}

/// The byte of two hexadecimal digits.
fn byte_of(digits: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    digits.iter().try_fold(0, |value, byte| Some(value * 16 + digit(byte)?)).and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_written_as_in_go() {
        for (text, written) in [
            ("https://domain.test/a/b/", "https://domain.test/a/b/"),
            ("HTTPS://Domain.test:8443", "https://Domain.test:8443"),
            ("https://u:p@d/a?b=c&d#e", "https://u:p@d/a?b=c&d#e"),
            ("https://d/a b%2Fc/ä", "https://d/a%20b/c/%C3%A4"),
            ("https://d/a%2Fb!", "https://d/a%2Fb!"),
            ("https://d?", "https://d?"),
            ("https://[::1]:80/x", "https://[::1]:80/x"),
            ("mailto:a@b", "mailto:a@b"),
            ("https:///path", "https:///path"),
            ("file:/path", "file:/path"),
            ("/a/b", "/a/b"),
            ("a/b", "a/b"),
            ("//h/a", "//h/a"),
            ("", ""),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), written, "{text}");
        }
    }

    #[test]
    fn parts_are_told() {
        let url = Url::parse("HTTP://domain.test:80/a%20b").unwrap();
        assert_eq!((url.scheme(), url.host(), url.path().as_str()), ("http", "domain.test:80", "/a b"));
        assert_eq!(Url::of("https", "d<\u{e4}", "p q").to_string(), "https://d<%C3%A4/p%20q");
    }

    #[test]
    fn errors_are_those_of_go() {
        for (text, reason) in [
            ("http://domain.test:port/a", "invalid port \":port\" after host"),
            ("http://a:1:2/", "invalid port \":1:2\" after host"),
            ("http://a b/", "invalid character \" \" in host name"),
            ("http://a%20b/", "invalid URL escape \"%20\""),
            ("http://a/%zz", "invalid URL escape \"%zz\""),
            ("http://a/%2", "invalid URL escape \"%2\""),
            ("http://[::1", "missing ']' in host"),
            (":a", "missing protocol scheme"),
            ("a:b:c/d e\n", "net/url: invalid control character in URL"),
            ("1a:b", "first path segment in URL cannot contain colon"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("parse {text:?}: {reason}"));
        }
    }

    #[test]
    fn paths_are_joined_as_in_go() {
        for (base, element, joined) in [
            ("/", "/keys", "/keys"),
            ("/a//b/", "/keys", "/a/b/keys"),
            ("/a/../b/./", "keys", "/b/keys"),
            ("/../..", "keys", "/keys"),
            ("", "keys", "keys"),
            ("a", "keys", "a/keys"),
            ("/a b", "keys", "/a%20b/keys"),
            ("https://d/x", "keys/", "https://d/x/keys/"),
            ("https://d", "keys", "https://d/keys"),
        ] {
            assert_eq!(Url::join(base, element).unwrap().to_string(), joined, "{base} {element}");
        }
    }
}
