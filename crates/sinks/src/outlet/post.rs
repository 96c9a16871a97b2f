//! POSTs over HTTPS.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::{Request, StatusCode};
use hyper::body::Bytes;
use steeple_client::{HttpsTrust, send_over_https};

use super::Undelivered;
use crate::settings::UrlSettings;
use crate::tls;

/// As much of an answer is read, in bytes.
const ANSWER: usize = 64 << 10;
/// As much of it is told, in characters.
const TOLD: usize = 200;

/// Posts to a URL.
pub(super) struct Poster {
    settings: UrlSettings,
    /// Made when it is needed, and again after a failure, since files change.
    trust: Option<HttpsTrust>,
}

impl Poster {
    pub(super) fn new(settings: UrlSettings) -> Self {
        Self { settings, trust: None }
    }

    /// Posts a body; yields what is answered to one that is taken.
    pub(super) async fn post(
        &mut self,
        media_type: &str,
        headers: &[(HeaderName, String)],
        body: Vec<u8>,
    ) -> Result<Bytes, Undelivered> {
        let answer = self.send(media_type, headers, body).await;
        if answer.is_err() {
            self.trust = None;
        }
        answer
    }

    async fn send(
        &mut self,
        media_type: &str,
        headers: &[(HeaderName, String)],
        body: Vec<u8>,
    ) -> Result<Bytes, Undelivered> {
        let trust = if let Some(trust) = &self.trust {
            trust.clone()
        } else {
            let settings = self.settings.tls.clone();
            let config = tokio::task::spawn_blocking(move || tls::client(&settings)).await;
            let trust = HttpsTrust::of(config.map_err(|error| error.to_string()).flatten()?);
            self.trust = Some(trust.clone());
            trust
        };
        let url = self.settings.url.as_str();
        let mut request = Request::post(url).header(CONTENT_TYPE, media_type);
        request = request.header(USER_AGENT, concat!("steeple/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(path) = &self.settings.token_path {
            request = request.header(AUTHORIZATION, format!("Bearer {}", *tls::secret(path)?));
        }
        let request = request.body(Bytes::from(body)).map_err(|error| format!("{url}: {error}"))?;
        let answer = send_over_https(request, &trust, ANSWER).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        let told: String = String::from_utf8_lossy(answer.body()).chars().take(TOLD).collect();
        Err(Undelivered { reason: format!("{url}: {status}: {}", told.trim()), is_refused: is_refused(status) })
    }
}

/// Whether it is what was sent that the receiver objects to.
fn is_refused(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY)
}
