//! What a proxy before the provider says of a request: `X-Forwarded-Host`, `X-Forwarded-Proto`, `X-Forwarded-Scheme`, and
//! `Forwarded` (RFC 7239).

use http::HeaderMap;
use http::request::Parts;

/// The host that the client asked for: what a proxy says, else what the request says.
pub(crate) fn host(head: &Parts) -> String {
    let of_uri = || {
        let authority = head.uri.authority().map(http::uri::Authority::as_str)?;
        Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned())
    };
    first(&head.headers, "x-forwarded-host")
        .or_else(of_uri)
        .or_else(|| first(&head.headers, "host"))
        .unwrap_or_default()
}

/// Whether the client spoke HTTPS with a proxy, or asked for an `https` URL.
pub(crate) fn was_https(head: &Parts) -> bool {
    scheme(&head.headers).map_or_else(|| head.uri.scheme_str() == Some("https"), |scheme| scheme == "https")
}

/// The scheme that a proxy tells, if it tells one.
fn scheme(headers: &HeaderMap) -> Option<String> {
    let named = first(headers, "x-forwarded-proto").or_else(|| first(headers, "x-forwarded-scheme"));
    if let Some(scheme) = named {
        return Some(scheme.to_lowercase());
    }
    let forwarded = first(headers, "forwarded")?.to_ascii_lowercase();
    let schemes = forwarded.split("proto=").skip(1);
    let known = schemes.filter_map(|rest| ["https", "http"].into_iter().find(|scheme| rest.starts_with(scheme)));
    known.map(str::to_owned).next()
}

/// The first value of a header, unless it is empty.
fn first(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::head;

    #[test]
    fn proxy_outweighs_what_it_passes_on() {
        assert_eq!(host(&head("GET", "/", &[("host", "a:80")])), "a:80");
        assert_eq!(host(&head("GET", "http://u@b/", &[("host", "a")])), "b");
        assert_eq!(host(&head("GET", "http://b/", &[("host", "a"), ("x-forwarded-host", "c")])), "c");
        assert_eq!(host(&head("GET", "/", &[("host", "a"), ("x-forwarded-host", "")])), "a");
        assert_eq!(host(&head("GET", "/", &[])), "");
    }

    #[test]
    fn scheme_is_what_the_proxy_tells() {
        let told = |headers: &[(&str, &str)]| was_https(&head("GET", "/", headers));
        assert!(!told(&[]));
        assert!(told(&[("x-forwarded-proto", "HTTPS")]));
        assert!(told(&[("x-forwarded-scheme", "https")]));
        assert!(!told(&[("x-forwarded-proto", "http"), ("x-forwarded-scheme", "https")]));
        assert!(told(&[("forwarded", "for=1.2.3.4; Proto=https;by=x")]));
        assert!(told(&[("forwarded", "proto=x, proto=https, proto=http")]));
        assert!(!told(&[("forwarded", "proto=http, proto=https")]));
        assert!(was_https(&head("GET", "https://b/", &[])));
        assert!(!was_https(&head("GET", "https://b/", &[("x-forwarded-proto", "http")])));
    }
}
