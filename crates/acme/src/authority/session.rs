//! Signed requests (RFC 8555, section 6).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use steeple_client::{HttpsTrust, send_over_https};
use steeple_crypto::jwk::Jwk;
use steeple_crypto::jws::{algorithm_name, signature};
use steeple_crypto::keys::Signer;

use super::OrderError;
use super::messages::{Directory, Problem};

/// Largest answer, in bytes.
const LIMIT: usize = 1 << 20;
/// How often a request is made anew because its nonce was refused: servers forget nonces at will.
const NONCES: u32 = 10;
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";

/// A conversation with a server by one account key.
pub(super) struct Session<'a> {
    pub(super) directory: Directory,
    pub(super) jwk: Jwk,
    key: &'a dyn Signer,
    trust: HttpsTrust,
    user_agent: &'a str,
    /// The URL of the account, once it is known.
    account: Option<String>,
    nonce: Option<String>,
}

impl<'a> Session<'a> {
    /// Asks the server where its resources are.
    pub(super) async fn begin(
        directory_url: &str,
        key: &'a dyn Signer,
        trust: HttpsTrust,
        user_agent: &'a str,
    ) -> Result<Self, OrderError> {
        let request = request(Method::GET, directory_url, user_agent)?;
        let answer = accepted(send_over_https(request, &trust, LIMIT).await?)?;
        let (directory, jwk) = (object(directory_url, answer.body())?, Jwk::from_key(key.public_key())?);
        Ok(Self { directory, jwk, key, trust, user_agent, account: None, nonce: None })
    }

    /// Speaks for this account from now on.
    pub(super) fn speak_for(&mut self, account: String) {
        self.account = Some(account);
    }

    /// Reads a resource (POST-as-GET).
    pub(super) async fn get<T: DeserializeOwned>(&mut self, url: &str) -> Result<(T, HeaderMap), OrderError> {
        let (headers, body) = self.post(url, String::new()).await?.into_parts();
        Ok((object(url, &body)?, headers.headers))
    }

    /// Reads a resource that is not JSON.
    pub(super) async fn get_bytes(&mut self, url: &str) -> Result<Bytes, OrderError> {
        Ok(self.post(url, String::new()).await?.into_body())
    }

    /// Sends an object; yields what is answered, and where what was made is.
    pub(super) async fn send<T: DeserializeOwned>(
        &mut self,
        url: &str,
        payload: &impl Serialize,
    ) -> Result<(T, Option<String>), OrderError> {
        let text = serde_json::to_string(payload).map_err(|error| OrderError::malformed(url, &error))?;
        let (head, body) = self.post(url, text).await?.into_parts();
        let location = head.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        Ok((object(url, &body)?, location.map(str::to_owned)))
    }

    async fn post(&mut self, url: &str, payload: String) -> Result<Response<Bytes>, OrderError> {
        let mut left = NONCES;
        loop {
            let nonce = match self.nonce.take() {
                Some(nonce) => nonce,
                None => self.fresh_nonce().await?,
            };
            let body = self.signed(url, &nonce, &payload).await?;
            let mut request = request(Method::POST, url, self.user_agent)?.map(|_: Bytes| Bytes::from(body));
            let jose = http::HeaderValue::from_static("application/jose+json");
            request.headers_mut().insert(header::CONTENT_TYPE, jose);
            let answer = send_over_https(request, &self.trust, LIMIT).await?;
            self.nonce = nonce_of(&answer);
            match accepted(answer) {
                Err(OrderError::Problem(problem)) if problem.kind == BAD_NONCE && left > 0 => left -= 1,
                answer => return answer,
            }
        }
    }

    async fn fresh_nonce(&self) -> Result<String, OrderError> {
        let url = &self.directory.new_nonce;
        let answer =
            accepted(send_over_https(request(Method::HEAD, url, self.user_agent)?, &self.trust, LIMIT).await?)?;
        nonce_of(&answer).ok_or(OrderError::NoNonce)
    }

    /// A flattened JWS: by the account's URL, or by the key itself as long as there is none.
    async fn signed(&self, url: &str, nonce: &str, payload: &str) -> Result<String, OrderError> {
        let (name, who) = match &self.account {
            Some(account) => ("kid", json!(account)),
            None => ("jwk", json!(self.jwk)),
        };
        let head = json!({ "alg": algorithm_name(self.key.public_key())?, name: who, "nonce": nonce, "url": url });
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let (head, payload) = (encode(&head.to_string()), encode(payload));
        let signature = signature(self.key, format!("{head}.{payload}").as_bytes()).await?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        Ok(json!({ "protected": head, "payload": payload, "signature": signature }).to_string())
    }
}

fn request(method: Method, url: &str, user_agent: &str) -> Result<Request<Bytes>, OrderError> {
    let request = Request::builder().method(method).uri(url).header(header::USER_AGENT, user_agent);
    request.body(Bytes::new()).map_err(|error| OrderError::malformed(url, &error))
}

fn accepted(answer: Response<Bytes>) -> Result<Response<Bytes>, OrderError> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let said = String::from_utf8_lossy(answer.body().get(..1024).unwrap_or(answer.body())).into_owned();
    let problem = serde_json::from_slice(answer.body()).unwrap_or(Problem { detail: said, ..Problem::default() });
    Err(OrderError::Problem(Problem { status: answer.status().as_u16(), ..problem }))
}

fn nonce_of(answer: &Response<Bytes>) -> Option<String> {
    answer.headers().get("replay-nonce").and_then(|nonce| nonce.to_str().ok()).map(str::to_owned)
}

fn object<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, OrderError> {
    serde_json::from_slice(body).map_err(|error| OrderError::malformed(url, &error))
}
