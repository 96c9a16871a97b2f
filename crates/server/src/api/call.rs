//! A call that was let in: who calls, and as what.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use steeple_audit::{Actor, IssuedFor};
use steeple_crypto::x509::Certificate;
use steeple_net::{Peer, Process, UnixPeer, User};
use steeple_policy::access::{Action, Granted, Object, Refusal, Resource};
use steeple_proto::spire::api::types;
use steeple_types::{Entry, SpiffeId};
use tonic::{Code, Request, Status};

use super::access_log::{AccessLog, Fields};
use super::status::Failure;
use super::table::Row;
use crate::access::Facts;
use crate::denials::Denials;

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A user on the private socket, with his process unless it is in a PID namespace that can't be seen into.
    Local { user: User, process: Option<Arc<Process>> },
    /// A party on the network, with its X.509-SVID if it showed one.
    Remote { address: SocketAddr, svid: Option<Arc<CallerSvid>> },
}

/// The X.509-SVID that a caller showed; the handshake verified its chain.
#[derive(Debug)]
pub(crate) struct CallerSvid {
    pub(crate) id: SpiffeId,
    pub(crate) certificate: Certificate,
}

impl Caller {
    /// Reads who calls from the connection.
    pub(crate) fn of(peer: &Peer) -> Result<Self, Status> {
        let (address, chain) = match peer {
            Peer::Unix(UnixPeer { uid, gid, process }) => {
                let user = User { uid: *uid, gid: *gid };
                return Ok(Self::Local { user, process: Some(Arc::clone(process)) });
            }
            Peer::User(user) => return Ok(Self::Local { user: *user, process: None }),
            Peer::Tls { address, chain } => (*address, chain),
        };
        let Some(leaf) = chain.first() else { return Ok(Self::Remote { address, svid: None }) };
        let unauthenticated = |text: &str| Status::new(Code::Unauthenticated, text);
        let certificate =
            Certificate::from_der(leaf).map_err(|_| unauthenticated("client certificate can not be parsed"))?;
        let id = match certificate.uris() {
            [] => return Err(unauthenticated("client certificate has no URI SAN")),
            [uri] => SpiffeId::parse(uri)
                .map_err(|error| unauthenticated(&format!("client certificate has a malformed URI SAN: {error}")))?,
            _ => return Err(unauthenticated("client certificate has more than one URI SAN")),
        };
        Ok(Self::Remote { address, svid: Some(Arc::new(CallerSvid { id, certificate })) })
    }

    pub(crate) fn svid(&self) -> Option<&CallerSvid> {
        match self {
            Self::Local { .. } => None,
            Self::Remote { svid, .. } => svid.as_deref(),
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Local { .. })
    }

    /// Who it is, for the audit log.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Local { user, process } => {
                Actor::Local { uid: user.uid, pid: process.as_ref().map_or(0, |process| process.pid()) }
            }
            Self::Remote { svid: Some(svid), address } => {
                Actor::Svid { id: svid.id.clone(), address: Some(address.ip()) }
            }
            Self::Remote { svid: None, address } => Actor::Anonymous { address: Some(address.ip()) },
        }
    }
}

/// What a caller reads who may not do something: SPIRE's text, and by scoped rights why.
pub(crate) fn refusal(row: &Row, why: Option<&Refusal>) -> String {
    let denied = format!("authorization denied for method {}", row.method);
    why.map_or_else(|| denied.clone(), |why| format!("{denied}: {why}"))
}

/// What the audit log tells of the entry for which something is issued.
pub(crate) fn issued_for(entry: &Entry) -> IssuedFor {
    IssuedFor { entry_id: entry.id.clone(), revision_number: entry.revision_number }
}

/// By what right a call was let in.
#[derive(Clone, Debug)]
pub(crate) enum Right {
    /// SPIRE's rules, by which who may call may do so to everything.
    Everything,
    /// What the caller does is for itself.
    Itself,
    /// Bindings, which decide about each object.
    Bound(Arc<Bound>),
}

/// The bindings by which a call was let in, and of whom they were asked.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) granted: Granted,
    pub(crate) facts: Facts,
}

/// A call that was let in. The gate puts it into the request's extensions; no handler runs without it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) row: &'static Row,
    pub(crate) caller: Caller,
    pub(crate) right: Right,
    /// The caller's downstream entry, if it was let in by it.
    pub(crate) downstream_entry: Option<IssuedFor>,
    /// SPIRE's audit log, if it is on.
    pub(crate) access: Option<Arc<AccessLog>>,
    /// Where denials of items are noted.
    pub(crate) denials: Arc<Denials>,
    /// When the call was let in.
    pub(crate) at: Timestamp,
    /// What log lines tell of the call.
    pub(crate) span: tracing::Span,
}

impl Call {
    /// The call of a request.
    ///
    /// # Errors
    /// `Internal` when the request did not come through the gate.
    pub(crate) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let call = request.extensions().get::<Self>().cloned();
        call.ok_or_else(|| Status::internal("request was not authorized"))
    }

    /// The caller's SPIFFE ID, which methods for agents and downstream servers have.
    pub(crate) fn caller_id(&self) -> Result<&SpiffeId, Status> {
        let svid = self.caller.svid();
        svid.map(|svid| &svid.id).ok_or_else(|| Status::internal("caller ID missing from request context"))
    }

    /// Who does something for itself, for the audit log.
    ///
    /// # Errors
    /// When the call was let in by bindings: those decide about objects, by [`may`](Self::may).
    pub(crate) fn own_actor(&self) -> Result<Actor, Failure> {
        match self.right {
            Right::Everything | Right::Itself => Ok(self.caller.actor()),
            Right::Bound(_) => Err(Failure::new(Code::Internal, "a binding does not let anybody act for itself")),
        }
    }

    /// Decides whether the call may go on with all of `objects`, of an update the stored and the resulting one, and yields who
    /// does it and by which binding, for the audit log: without that there is no record, and so no change.
    ///
    /// # Errors
    /// `PermissionDenied` with the binding that came nearest.
    pub(crate) fn may(&self, objects: &[Object<'_>]) -> Result<Actor, Failure> {
        let decided = self.decide(objects);
        // Of other calls the end is noted.
        if let (Err(failure), true) = (&decided, self.row.name().starts_with("Batch")) {
            self.denials.note(self.at, self.who(), self.row.method, &failure.message());
        }
        decided
    }

    /// Who calls: whom his token names, if it was by one that he was let in.
    pub(crate) fn who(&self) -> Actor {
        match &self.right {
            Right::Bound(bound) => bound.facts.actor(&self.caller),
            Right::Everything | Right::Itself => self.caller.actor(),
        }
    }

    fn decide(&self, objects: &[Object<'_>]) -> Result<Actor, Failure> {
        let actor = self.who();
        match &self.right {
            Right::Everything => Ok(actor),
            Right::Itself if self.row.asked.action == Action::Read => Ok(actor),
            Right::Itself => Err(Failure::new(Code::PermissionDenied, refusal(self.row, None))),
            Right::Bound(bound) => match bound.granted.decide(objects) {
                Ok(binding) => Ok(actor.authorized_by(&binding.name)),
                Err(why) => Err(Failure::new(Code::PermissionDenied, refusal(self.row, Some(&why)))),
            },
        }
    }

    /// Whether one of the roles by which the call was let in may do something else too.
    pub(crate) fn may_also(&self, action: Action, resource: Resource) -> bool {
        match &self.right {
            Right::Everything => true,
            Right::Itself => false,
            Right::Bound(bound) => bound.granted.may_also(action, resource),
        }
    }

    /// Whether an object may be shown.
    pub(crate) fn sees(&self, object: Object<'_>) -> bool {
        match &self.right {
            Right::Everything | Right::Itself => true,
            Right::Bound(bound) => bound.granted.decide(&[object]).is_ok(),
        }
    }

    /// Whether all objects of the row's kind may be shown, so that none has to be looked at.
    pub(crate) fn sees_everything(&self) -> bool {
        matches!(self.right, Right::Everything | Right::Itself)
    }

    /// Tells SPIRE's audit log what is asked.
    pub(crate) fn asks(&self, name: &str, value: impl Into<Value>) {
        if let Some(access) = &self.access {
            access.add(name, value.into());
        }
    }

    /// Tells SPIRE's audit log about an item of a batch.
    pub(crate) fn item(&self, status: Option<&types::Status>, asked: impl FnOnce() -> Fields) {
        if let Some(access) = &self.access {
            access.item(status, asked());
        }
    }
}
