//! Answers as Go's HTTP server gives them.

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// An answer with a status and nothing else.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// An error in plain text.
pub(crate) fn error(status: StatusCode, text: &str) -> Response<Bytes> {
    let mut response = empty(status);
    *response.body_mut() = Bytes::from(format!("{text}\n"));
    put(response.headers_mut(), header::CONTENT_TYPE, "text/plain; charset=utf-8");
    put(response.headers_mut(), header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

/// The answer to what is not there.
pub(crate) fn not_found() -> Response<Bytes> {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// The answer to a request that does not GET.
pub(crate) fn wrong_method() -> Response<Bytes> {
    error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}

/// A JSON document that pages of all origins may read.
pub(crate) fn document(text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    put(response.headers_mut(), header::CONTENT_TYPE, "application/json");
    put(response.headers_mut(), header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    response
}

/// Sets a header.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// Tells when `response` was modified, and leaves its body out for a client that has it since (RFC 9110, section 13.1.3).
/// Times on the wire are whole seconds.
pub(crate) fn modified_at(mut response: Response<Bytes>, head: &Parts, at: Timestamp) -> Response<Bytes> {
    let shown = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok();
    if let Some(shown) = shown.and_then(|shown| HeaderValue::try_from(shown).ok()) {
        response.headers_mut().insert(header::LAST_MODIFIED, shown);
    }
    // A condition on a tag outweighs it, and there are no tags here.
    if head.headers.contains_key(header::IF_NONE_MATCH) || !is_known(head, at) {
        return response;
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = Bytes::new();
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// Whether the client has what was modified at `at`.
fn is_known(head: &Parts, at: Timestamp) -> bool {
    let since = head.headers.get(header::IF_MODIFIED_SINCE).and_then(|since| since.to_str().ok());
    let since = since.and_then(|since| rfc2822::parse(since).ok());
    since.is_some_and(|since| at.as_second() <= since.timestamp().as_second())
}

/// JSON in which no text of HTML can hide, as Go writes it: `<`, `>` and `&` stand in texts alone.
pub(crate) fn escape_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::head;

    #[test]
    fn errors_are_those_of_gos_server() {
        let response = error(StatusCode::BAD_REQUEST, "no");
        assert_eq!((response.status().as_u16(), &response.body()[..]), (400, &b"no\n"[..]));
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }

    #[test]
    fn document_is_left_out_for_a_client_that_has_it() {
        let at = Timestamp::from_millisecond(1_795_461_713_700).unwrap();
        let answer = |headers: &[(&str, &str)]| {
            let response = modified_at(document("{}".to_owned()), &head("GET", "/", headers), at);
            assert_eq!(response.headers()["last-modified"], "Mon, 23 Nov 2026 19:21:53 GMT");
            (response.status().as_u16(), response.body().len(), response.headers().contains_key("content-type"))
        };
        let (whole, none) = ((200, 2, true), (304, 0, false));
        assert_eq!(answer(&[]), whole);
        assert_eq!(answer(&[("if-modified-since", "Mon, 23 Nov 2026 19:21:52 GMT")]), whole);
        assert_eq!(answer(&[("if-modified-since", "Mon, 23 Nov 2026 19:21:53 GMT")]), none);
        assert_eq!(answer(&[("if-modified-since", "Mon, 23 Nov 2026 19:21:54 GMT")]), none);
        assert_eq!(answer(&[("if-modified-since", "yesterday")]), whole);
        let tagged = [("if-none-match", "x"), ("if-modified-since", "Mon, 23 Nov 2026 19:21:54 GMT")];
        assert_eq!(answer(&tagged), whole);
    }
}
