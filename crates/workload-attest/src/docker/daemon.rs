//! A client of the two calls of a container daemon's HTTP API that attestation needs.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

/// Largest answer read, in bytes; a container's description has some tens of kilobytes.
const MAX_ANSWER: usize = 4 << 20;
/// Longest wait for one answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why a daemon gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum DaemonError {
    #[error("container daemon at {socket}: {reason}")]
    Unreachable { socket: String, reason: String },
    #[error("container daemon at {socket} answered {status} to {path}: {body}")]
    Refused { socket: String, path: String, status: u16, body: String },
}

/// What attestation wants to know of a container.
#[derive(Debug, Default)]
pub(super) struct Container {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) env: Vec<String>,
    pub(super) image: String,
}

#[derive(Deserialize)]
struct ContainerAnswer {
    #[serde(rename = "Config")]
    config: ConfigAnswer,
}

#[derive(Deserialize)]
struct ConfigAnswer {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "Env")]
    env: Option<Vec<String>>,
    #[serde(rename = "Image", default)]
    image: String,
}

#[derive(Deserialize)]
struct ImageAnswer {
    #[serde(rename = "Id", default)]
    id: String,
}

/// A container daemon behind a Unix socket.
pub(super) struct Daemon {
    socket: String,
    prefix: String,
}

impl Daemon {
    /// The daemon at `address` (`unix:///…`), called by the API `version` or else by its own.
    pub(super) fn new(address: &str, version: Option<&str>) -> Self {
        Self {
            socket: address.strip_prefix("unix://").unwrap_or(address).to_owned(),
            prefix: version.map(|version| format!("/v{}", version.trim_start_matches('v'))).unwrap_or_default(),
        }
    }

    /// Looks at a container. The ID is 64 hexadecimal digits, so it needs no escaping.
    pub(super) async fn container(&self, id: &str) -> Result<Container, DaemonError> {
        let answer: ContainerAnswer = self.get(&format!("/containers/{id}/json")).await?;
        let config = answer.config;
        Ok(Container {
            labels: config.labels.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
            image: config.image,
        })
    }

    /// Looks at an image and tells its ID, the digest of its configuration.
    pub(super) async fn image_id(&self, image: &str) -> Result<String, DaemonError> {
        let answer: ImageAnswer = self.get(&format!("/images/{}/json", escape(image))).await?;
        Ok(answer.id)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, DaemonError> {
        let path = format!("{}{path}", self.prefix);
        tokio::time::timeout(DEADLINE, self.exchange(&path))
            .await
            .map_err(|_| self.unreachable("no answer within 10 s"))?
    }

    async fn exchange<T: DeserializeOwned>(&self, path: &str) -> Result<T, DaemonError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(error))?;
        let request = Request::get(path)
            .header("host", "localhost")
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|error| self.unreachable(error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| self.unreachable(error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| self.unreachable(error))?
                .to_bytes();
            if !status.is_success() {
                let body = String::from_utf8_lossy(&body).chars().take(200).collect();
                let (socket, path) = (self.socket.clone(), path.to_owned());
                return Err(DaemonError::Refused { socket, path, status: status.as_u16(), body });
            }
            serde_json::from_slice(&body).map_err(|error| self.unreachable(error))
        };
        // The connection is driven here and ends with the answer: no task outlives the call.
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            Err(error) = &mut connection => Err(self.unreachable(error)),
        }
    }

    fn unreachable(&self, reason: impl std::fmt::Display) -> DaemonError {
        DaemonError::Unreachable { socket: self.socket.clone(), reason: reason.to_string() }
    }
}

/// Escapes an image name for a path; slashes stay, since daemons take the name as the rest of the path.
fn escape(image: &str) -> String {
    image
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' | b':' | b'@' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    /// A daemon that answers one request with `answer`, and what it was asked.
    async fn asked_and_answered(answer: &'static str) -> (String, Result<Container, DaemonError>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = Daemon::new(&format!("unix://{}", path.display()), Some("1.41"));
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        tokio::join!(serve, daemon.container("abc"))
    }

    #[tokio::test]
    async fn container_is_read() {
        let body = r#"{"Id":"abc","Config":{"Labels":{"b":"2","a":"1"},"Env":["K=V"],"Image":"img:1"}}"#;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let (asked, container) = asked_and_answered(Box::leak(answer.into_boxed_str())).await;
        assert!(asked.starts_with("GET /v1.41/containers/abc/json HTTP/1.1\r\n"), "{asked}");
        let container = container.unwrap();
        assert_eq!(
            container.labels.into_iter().collect::<Vec<_>>(),
            [("a".into(), "1".into()), ("b".into(), "2".into())]
        );
        assert_eq!((container.env, container.image), (vec!["K=V".to_owned()], "img:1".to_owned()));
    }

    #[tokio::test]
    async fn refusal_names_socket_path_and_answer() {
        let (_, container) = asked_and_answered("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone").await;
        let error = container.unwrap_err().to_string();
        assert!(error.contains("answered 404 to /v1.41/containers/abc/json: none"), "{error}");
    }

    #[test]
    fn image_names_are_escaped() {
        assert_eq!(escape("reg.io/a/b:1@sha256:ff"), "reg.io/a/b:1@sha256:ff");
        assert_eq!(escape("a b?c#"), "a%20b%3Fc%23");
    }
}
