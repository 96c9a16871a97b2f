//! A collection of objects of an API server, followed: listed first, and told of each change from then on.
//!
//! Only what `T` reads of an object is held; the rest is read over.

mod lines;

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::api::{GetParams, ListParams, WatchParams};
use kube::client::Body;
use kube::core::request::Request as Query;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use steeple_clock::Clock;

use self::lines::Lines;
use crate::{ApiServer, ConnectError};

/// Longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a server lets a stream of changes go on, in seconds.
const STREAM: u32 = 290;
/// Longest silence of a stream. Servers send a bookmark each minute, so one that says nothing has gone away.
const SILENCE: Duration = Duration::from_secs(90);
/// Objects in one page of a list.
const PAGE: u32 = 250;
/// Largest page read, in bytes.
const MAX_PAGE: usize = 64 << 20;
/// Largest event read, in bytes: an object has at most some megabytes.
const MAX_EVENT: usize = 8 << 20;
/// What asks for metadata alone.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Why a collection is not followed any more.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The API server can't be reached at all.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It gave no answer, or stopped in the middle of one.
    #[error("{path}: {reason}")]
    Lost {
        /// What was asked for.
        path: String,
        /// What happened.
        reason: String,
    },
    /// It said no.
    #[error("{path}: {status} {message}")]
    Refused {
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// There are more objects than are held.
    #[error("{path}: more than {limit} objects")]
    TooMany {
        /// What was asked for.
        path: String,
        /// The bound.
        limit: usize,
    },
}

impl FollowError {
    /// Whether the server does not let this caller ask.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }

    /// Whether the server does not have what is asked for.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the changes asked for are too long ago, so that only a new list helps.
    pub fn is_expired(&self) -> bool {
        matches!(self, Self::Refused { status: 410, .. })
    }
}

/// What happened to a collection.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// These are all objects. Changes are told from now on.
    All(Vec<T>),
    /// The object is new or has changed.
    Put(T),
    /// The object, as it was last, is gone.
    Gone(T),
}

/// A collection, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Path of its URL, such as `/api/v1/pods`.
    pub path: String,
    /// Which of its objects: a field selector such as `spec.nodeName=node1`.
    pub fields: Option<String>,
    /// Which of its objects: a label selector such as `app=web`.
    pub labels: Option<String>,
    /// Whether the metadata of the objects is all that is wanted.
    pub metadata_only: bool,
    /// Most objects that are held.
    pub limit: usize,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PageMetadata {
    resource_version: String,
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Event<O> {
    #[serde(rename = "type")]
    kind: String,
    object: O,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Versioned {
    metadata: PageMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    message: String,
}

impl Collection {
    /// Tells `tell` what there is and each change, until that is not possible any more. The caller begins anew then.
    pub async fn follow<T: DeserializeOwned>(
        &self,
        api_server: &ApiServer,
        clock: &Clock,
        mut tell: impl FnMut(Change<T>),
    ) -> FollowError {
        let ended = async {
            let client = api_server.connect_for_streams().await?;
            let (all, version) =
                clock.timeout(DEADLINE, self.list(&client)).await.map_err(|_| self.silent(DEADLINE))??;
            let mut stream = self.watch(&client, clock, &version).await?;
            tell(Change::All(all));
            let mut version = version;
            loop {
                match clock.timeout(SILENCE, stream.next()).await.map_err(|_| self.silent(SILENCE))? {
                    Ok(Some(line)) => self.take(&line, &mut version, &mut tell)?,
                    // A server ends each stream after a while; the next one goes on where this one ended.
                    Ok(None) => stream = self.watch(&client, clock, &version).await?,
                    Err(reason) => return Err(self.lost(reason)),
                }
            }
        };
        let ended: Result<std::convert::Infallible, FollowError> = ended.await;
        match ended {
            Err(error) => error,
        }
    }

    /// The object of this name, of a collection whose objects have no namespace.
    ///
    /// # Errors
    /// [`FollowError`]; refused with 404 when there is none.
    pub async fn object<T: DeserializeOwned>(
        &self,
        api_server: &ApiServer,
        clock: &Clock,
        name: &str,
    ) -> Result<T, FollowError> {
        let query = Query::new(self.path.as_str()).get(name, &GetParams::default());
        let request = query.map_err(|error| self.lost(error))?;
        let read = async {
            let client = api_server.connect_for_streams().await?;
            let answer = self.ask(&client, request, METADATA).await?;
            let body = Limited::new(answer, MAX_EVENT).collect().await.map_err(|error| self.lost(error))?;
            self.read(&body.to_bytes())
        };
        clock.timeout(DEADLINE, read).await.map_err(|_| self.silent(DEADLINE))?
    }

    async fn list<T: DeserializeOwned>(&self, client: &Client) -> Result<(Vec<T>, String), FollowError> {
        let mut all = Vec::new();
        let (field_selector, label_selector) = (self.fields.clone(), self.labels.clone());
        let mut params = ListParams { field_selector, label_selector, limit: Some(PAGE), ..ListParams::default() };
        loop {
            let query = Query::new(self.path.as_str());
            let request = if self.metadata_only { query.list_metadata(&params) } else { query.list(&params) };
            let answer = self.ask(client, request.map_err(|error| self.lost(error))?, METADATA_LIST).await?;
            let page = Limited::new(answer, MAX_PAGE).collect().await.map_err(|error| self.lost(error))?.to_bytes();
            let page: Page<T> = self.read(&page)?;
            all.extend(page.items);
            if all.len() > self.limit {
                return Err(FollowError::TooMany { path: self.path.clone(), limit: self.limit });
            }
            match page.metadata.next.filter(|next| !next.is_empty()) {
                None => return Ok((all, page.metadata.resource_version)),
                next => params.continue_token = next,
            }
        }
    }

    /// The stream of changes after `version`.
    async fn watch(&self, client: &Client, clock: &Clock, version: &str) -> Result<Lines<Body>, FollowError> {
        let (field_selector, label_selector) = (self.fields.clone(), self.labels.clone());
        let params = WatchParams { field_selector, label_selector, timeout: Some(STREAM), ..WatchParams::default() };
        let request = Query::new(self.path.as_str()).watch(&params, version).map_err(|error| self.lost(error))?;
        let answer = clock.timeout(DEADLINE, self.ask(client, request, METADATA)).await;
        Ok(Lines::new(answer.map_err(|_| self.silent(DEADLINE))??, MAX_EVENT))
    }

    async fn ask(
        &self,
        client: &Client,
        request: Request<Vec<u8>>,
        metadata: &'static str,
    ) -> Result<Body, FollowError> {
        let mut request = request.map(Body::from);
        let accept = if self.metadata_only { metadata } else { "application/json" };
        request.headers_mut().insert(header::ACCEPT, header::HeaderValue::from_static(accept));
        let answer = client.send(request).await.map_err(|error| self.lost(error))?;
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok(answer.into_body());
        }
        let body = Limited::new(answer.into_body(), MAX_EVENT).collect().await.map_err(|error| self.lost(error))?;
        let said: Status = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        Err(self.refused(Status { code: status.as_u16(), ..said }))
    }

    fn take<T: DeserializeOwned>(
        &self,
        line: &[u8],
        version: &mut String,
        tell: &mut impl FnMut(Change<T>),
    ) -> Result<(), FollowError> {
        // An object is read twice: T need not know of versions.
        let seen: Event<Versioned> = self.read(line)?;
        match seen.kind.as_str() {
            "ERROR" => return Err(self.refused(self.read::<Event<Status>>(line)?.object)),
            "ADDED" | "MODIFIED" => tell(Change::Put(self.read::<Event<T>>(line)?.object)),
            "DELETED" => tell(Change::Gone(self.read::<Event<T>>(line)?.object)),
            // A bookmark says how far the stream has come; kinds of events that come later say no more than that.
            _ => {}
        }
        *version = seen.object.metadata.resource_version;
        Ok(())
    }

    fn read<R: DeserializeOwned>(&self, text: &[u8]) -> Result<R, FollowError> {
        serde_json::from_slice(text).map_err(|error| self.lost(error))
    }

    fn lost(&self, reason: impl std::fmt::Display) -> FollowError {
        FollowError::Lost { path: self.path.clone(), reason: reason.to_string() }
    }

    fn silent(&self, waited: Duration) -> FollowError {
        self.lost(format!("no answer within {} s", waited.as_secs()))
    }

    fn refused(&self, said: Status) -> FollowError {
        FollowError::Refused { path: self.path.clone(), status: said.code, message: said.message }
    }
}

#[cfg(all(test, feature = "fake"))]
mod tests;
