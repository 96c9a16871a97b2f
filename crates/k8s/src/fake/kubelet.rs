//! A kubelet's read-only port that lists what a test tells it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

struct Listed {
    pods: Mutex<Vec<Value>>,
    refuses: Mutex<bool>,
    count: watch::Sender<u32>,
}

/// A running fake of a kubelet; it ends when dropped.
pub struct FakeKubelet {
    listed: Arc<Listed>,
    port: u16,
    serving: tokio::task::JoinHandle<()>,
}

impl FakeKubelet {
    /// Starts a kubelet with these pods on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is no port.
    #[expect(clippy::disallowed_methods, reason = "a test's own server, which ends with the test")]
    pub async fn start(pods: Vec<Value>) -> std::io::Result<Self> {
        let listed =
            Arc::new(Listed { pods: Mutex::new(pods), refuses: Mutex::new(false), count: watch::Sender::new(0) });
        let router = Router::new().route("/pods", get(list)).with_state(listed.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let serving = tokio::spawn(async move {
            // It ends by being aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { listed, port, serving })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lists these pods from now on.
    pub fn set(&self, pods: Vec<Value>) {
        *self.listed.pods.lock() = pods;
    }

    /// Refuses from now on.
    pub fn refuse(&self) {
        *self.listed.refuses.lock() = true;
    }

    /// How often it was asked.
    pub fn count(&self) -> u32 {
        *self.listed.count.borrow()
    }

    /// Waits until it was asked `times`.
    pub async fn asked(&self, times: u32) {
        // The sender is held here, so the wait cannot fail.
        let _ = self.listed.count.subscribe().wait_for(|count| *count >= times).await;
    }
}

impl Drop for FakeKubelet {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn list(State(listed): State<Arc<Listed>>) -> Response {
    listed.count.send_modify(|count| *count += 1);
    if *listed.refuses.lock() {
        return (StatusCode::FORBIDDEN, "Forbidden").into_response();
    }
    let pods = listed.pods.lock().clone();
    Json(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})).into_response()
}
