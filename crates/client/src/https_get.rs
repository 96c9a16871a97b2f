//! GETs over HTTPS, as Go's client makes them: redirections are followed to other HTTPS URLs, with the same trust.

use std::fmt;

use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::https::{HttpsTrust, exchange};

/// Who asks.
const USER_AGENT: &str = concat!("steeple/", env!("CARGO_PKG_VERSION"));
/// As often Go's client lets itself be sent elsewhere.
const REDIRECTIONS: usize = 10;
/// Most bytes of what a server says instead of the document.
const REMARK: usize = 1024;

/// Why a document could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The text is not a URL.
    #[error("not a URL: {0}")]
    Url(String),
    /// A URL, that of the document or one that its server sends to, is not one of HTTPS.
    #[error("{0} must start with https://")]
    NotHttps(String),
    /// A server could not be reached, was not believed, or broke off.
    #[error("Get \"{url}\": {reason}")]
    Failed {
        /// The URL of the document.
        url: String,
        /// Why.
        reason: String,
    },
    /// A server has answered something else than the document.
    #[error("{status}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// The beginning of what it says.
        said: String,
    },
}

/// GETs the document behind `url`, at most `limit` bytes. The caller bounds the time.
///
/// # Errors
/// [`GetError`].
pub async fn get_over_https(url: &str, trust: &HttpsTrust, limit: usize) -> Result<Vec<u8>, GetError> {
    let mut uri = parse(url)?;
    let failed = |reason: String| GetError::Failed { url: url.to_owned(), reason };
    for _ in 0..=REDIRECTIONS {
        if uri.scheme_str() != Some("https") {
            return Err(GetError::NotHttps(uri.to_string()));
        }
        // Connections are large.
        let stream = Box::pin(trust.connect(&uri)).await.map_err(failed)?;
        match Box::pin(get(stream, &uri, limit)).await.map_err(failed)? {
            Answer::Document(document) => return Ok(document),
            Answer::Elsewhere(_, target) => uri = elsewhere(&uri, &target).map_err(failed)?,
            Answer::Refused(status, said) => return Err(GetError::Status { status, said }),
        }
    }
    Err(failed(format!("stopped after {REDIRECTIONS} redirects")))
}

pub(crate) fn parse(url: &str) -> Result<Uri, GetError> {
    let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
    url.parse().map_err(|error: http::uri::InvalidUri| GetError::Url(error.to_string()))
}

/// What a server says to a GET.
pub(crate) enum Answer {
    Document(Vec<u8>),
    Elsewhere(StatusCode, String),
    Refused(StatusCode, String),
}

/// Asks for `uri` on a connection; a document is read up to `limit` bytes.
pub(crate) async fn get<S>(stream: S, uri: &Uri, limit: usize) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::get(uri.clone()).header(header::USER_AGENT, USER_AGENT).body(Bytes::new());
    let request = request.map_err(|error| error.to_string())?;
    exchange(stream, request, |response| read(response, limit)).await
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<Answer, String> {
    let status = response.status();
    let target = response.headers().get(header::LOCATION).and_then(|target| target.to_str().ok());
    let target = target.filter(|target| !target.is_empty());
    match (status, target) {
        (StatusCode::OK, _) => {}
        (_, Some(target)) if leads_elsewhere(status) => return Ok(Answer::Elsewhere(status, target.to_owned())),
        _ => return Ok(Answer::Refused(status, remark(response.into_body()).await)),
    }
    let body = Limited::new(response.into_body(), limit).collect().await;
    Ok(Answer::Document(body.map_err(|error| error.to_string())?.to_bytes().to_vec()))
}

/// Whether Go's client follows a `Location` of this status.
fn leads_elsewhere(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The beginning of a body, as much as comes at once.
async fn remark(mut body: Incoming) -> String {
    let first = body.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
    let first = first.unwrap_or_default();
    String::from_utf8_lossy(first.get(..REMARK).unwrap_or(&first)).into_owned()
}

/// Where `target`, a URL or a reference, leads from `from` (RFC 3986, section 5.2).
fn elsewhere(from: &Uri, target: &str) -> Result<Uri, String> {
    let (text, _fragment) = target.split_once('#').unwrap_or((target, ""));
    let is_url = text.split(['/', '?']).next().is_some_and(|first| first.contains(':'));
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let url = match text.as_bytes() {
        _ if is_url => text.to_owned(),
        [b'/', b'/', ..] => format!("https:{text}"),
        [b'/', ..] => format!("https://{authority}{}", without_dots(text)),
        [] | [b'?', ..] => format!("https://{authority}{}{text}", from.path()),
        _ => format!("https://{authority}{}", without_dots(&format!("{folder}/{text}"))),
    };
    let unusable = |reason: &dyn fmt::Display| format!("failed to parse Location header {target:?}: {reason}");
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| unusable(&error))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(unusable(&"it has user info"));
    }
    Ok(uri)
}

/// An absolute path without `.` and `..`, its query as it is.
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut segments: Vec<&str> = Vec::new();
    let mut is_folder = false;
    for segment in path.split('/').skip(1) {
        is_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if is_folder && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}{query}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirection_leads_to_a_url_or_relative_to_the_last_one() {
        let from: Uri = "https://b:1/c/d?e".parse().unwrap();
        for (target, url) in [
            ("/f?g=h", "https://b:1/f?g=h"),
            ("https://g/h#i", "https://g/h"),
            ("http://g/h", "http://g/h"),
            ("//g/h", "https://g/h"),
            ("f", "https://b:1/c/f"),
            ("../f/./g/..?h=/../i", "https://b:1/f/?h=/../i"),
            ("?f", "https://b:1/c/d?f"),
            ("", "https://b:1/c/d"),
            ("/../../f", "https://b:1/f"),
        ] {
            assert_eq!(elsewhere(&from, target).unwrap().to_string(), url, "{target}");
        }
        for bad in ["https://g h", "https://user@g/h", "//user:password@g"] {
            assert!(elsewhere(&from, bad).unwrap_err().starts_with("failed to parse Location header"), "{bad}");
        }
    }
}
