//! Fakes over HTTP: an API server that knows what a test tells it, and a kubelet.

mod collections;
mod kubelet;
#[expect(clippy::indexing_slicing, reason = "what JSON does not have reads as null, and the fake is for tests alone")]
mod objects;

pub use collections::{Asked, FakeCollection};
pub use kubelet::FakeKubelet;
pub use objects::{Objects, Refusal, Request};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewStatus};
use k8s_openapi::api::core::v1::{Node, Pod};
use parking_lot::Mutex;
use tokio::net::TcpListener;

use self::collections::Collections;
use crate::ApiServer;

/// What the API server knows.
#[derive(Default)]
pub struct Known {
    /// What is said of each token; of others, that they are not authentic.
    pub tokens: BTreeMap<String, TokenReviewStatus>,
    /// Pods by namespace and name.
    pub pods: BTreeMap<(String, String), Pod>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Audiences of the reviews that were asked for, in order.
    pub reviewed: Vec<Option<Vec<String>>>,
    /// Objects of any other kind.
    pub objects: Objects,
}

/// A running fake of an API server; it ends when dropped.
pub struct FakeApiServer {
    known: Arc<Mutex<Known>>,
    collections: Collections,
    folder: tempfile::TempDir,
    serving: tokio::task::JoinHandle<()>,
}

impl FakeApiServer {
    /// Starts an API server on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is no port or no folder for its kubeconfig.
    #[expect(clippy::disallowed_methods, reason = "a test's own server, which ends with the test")]
    pub async fn start(known: Known) -> std::io::Result<Self> {
        let known = Arc::new(Mutex::new(known));
        let collections = Collections::default();
        let others = Router::new().fallback(other).with_state((Arc::clone(&collections), Arc::clone(&known)));
        let router = Router::new()
            .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
            .route("/api/v1/namespaces/{namespace}/pods/{name}", get(pod))
            .route("/api/v1/nodes/{name}", get(node))
            .with_state(known.clone())
            .fallback_service(others);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let folder = tempfile::tempdir()?;
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string())?;
        let serving = tokio::spawn(async move {
            // It ends by being aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { known, collections, folder, serving })
    }

    /// Path of a kubeconfig file for it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// How it is reached.
    pub fn api_server(&self) -> ApiServer {
        ApiServer::Kubeconfig(self.kubeconfig())
    }

    /// The collection whose objects are listed and watched at `path`, such as `/api/v1/pods`.
    pub fn collection(&self, path: &str) -> FakeCollection {
        self.collections.lock().entry(path.to_owned()).or_insert_with(FakeCollection::new).clone()
    }

    /// Waits until its objects are as `wanted` says.
    pub async fn objects(&self, wanted: impl Fn(&Objects) -> bool) {
        let mut asked = self.known(|known| known.objects.answered());
        while !self.known(|known| wanted(&known.objects)) {
            // The sender is held here, so the wait cannot fail.
            let _ = asked.changed().await;
        }
    }

    /// What it knows, to be read or changed.
    pub fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock())
    }
}

impl Drop for FakeApiServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

type Shared = State<Arc<Mutex<Known>>>;

async fn review(State(known): Shared, Json(mut review): Json<TokenReview>) -> Response {
    let mut known = known.lock();
    known.reviewed.push(review.spec.audiences.clone());
    review.status = Some(known.tokens.get(&review.spec.token).cloned().unwrap_or_default());
    (StatusCode::CREATED, Json(review)).into_response()
}

async fn pod(State(known): Shared, Path(at): Path<(String, String)>) -> Response {
    found(known.lock().pods.get(&at).cloned(), "pods", &at.1)
}

async fn node(State(known): Shared, Path(name): Path<String>) -> Response {
    found(known.lock().nodes.get(&name).cloned(), "nodes", &name)
}

/// What has no route of its own: a collection if there is one, and else objects of any kind.
async fn other(
    State((collections, known)): State<(Collections, Arc<Mutex<Known>>)>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (path, query) = (uri.path(), query.unwrap_or_default());
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let listed = (method == Method::GET).then(|| collection(&collections, path, &query, header(header::ACCEPT)));
    match listed.flatten() {
        Some(answer) => answer,
        None => objects::answer(known, &method, path, &query, header(header::CONTENT_TYPE), &body),
    }
}

/// A list, a stream of changes, or an object that has no namespace.
fn collection(collections: &Collections, path: &str, query: &str, accept: &str) -> Option<Response> {
    let query = collections::Query::of(query, accept);
    let at = |path: &str| collections.lock().get(path).cloned();
    if let Some(all) = at(path) {
        return Some(if query.watch { all.stream(query) } else { all.list(&query) });
    }
    let (path, name) = path.rsplit_once('/')?;
    Some(at(path)?.object("", name, &query))
}

fn found<K: serde::Serialize>(object: Option<K>, plural: &str, name: &str) -> Response {
    if let Some(object) = object {
        return Json(object).into_response();
    }
    objects::failure(StatusCode::NOT_FOUND, "NotFound", format!("{plural} {name:?} not found"))
}
