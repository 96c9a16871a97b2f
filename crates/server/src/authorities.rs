//! What operators ask of the server's authorities. The keeper has one owner, the job that rotates them; others ask it through
//! an inbox, so that what is asked runs to its end even when nobody waits for it any more.

use steeple_audit::Actor;
use steeple_ca::{AuthorityKind, AuthorityState, AuthorityStates, Keeper, RequestError};
use tokio::sync::{mpsc, oneshot, watch};

/// How many requests may wait.
const INBOX: usize = 16;

/// Asks the keeper, and tells what is in its slots.
pub(crate) struct Authorities {
    inbox: mpsc::Sender<Asked>,
    x509: watch::Receiver<AuthorityStates>,
    jwt: watch::Receiver<AuthorityStates>,
}

/// What is asked of the keeper.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Prepare(AuthorityKind),
    Activate(AuthorityKind, String),
    Taint(AuthorityKind, String),
    Revoke(AuthorityKind, String),
    TaintUpstream(String),
    RevokeUpstream(String),
}

/// What came of a request: the authority that it was about, where that has a state to tell.
pub(crate) type Outcome = Result<Option<AuthorityState>, RequestError>;

/// A request that waits for its turn.
pub(crate) struct Asked {
    request: Request,
    by: Actor,
    answer: oneshot::Sender<Outcome>,
}

impl Authorities {
    /// Asks `keeper`; what is asked comes out of the inbox.
    pub(crate) fn new(keeper: &Keeper) -> (Self, mpsc::Receiver<Asked>) {
        let (inbox, asked) = mpsc::channel(INBOX);
        let (x509, jwt) = (keeper.states(AuthorityKind::X509), keeper.states(AuthorityKind::Jwt));
        (Self { inbox, x509, jwt }, asked)
    }

    /// What is in the slots of a kind.
    pub(crate) fn states(&self, kind: AuthorityKind) -> AuthorityStates {
        let states = match kind {
            AuthorityKind::X509 => &self.x509,
            AuthorityKind::Jwt => &self.jwt,
        };
        states.borrow().clone()
    }

    /// Asks, and waits for what comes of it; `None` when the server is shutting down.
    pub(crate) async fn ask(&self, request: Request, by: Actor) -> Option<Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.inbox.send(Asked { request, by, answer }).await.ok()?;
        outcome.await.ok()
    }
}

impl Asked {
    /// Carries the request out.
    pub(crate) async fn carry_out(self, keeper: &mut Keeper) {
        let by = &self.by;
        let outcome = match &self.request {
            Request::Prepare(kind) => keeper.prepare(*kind, by).await.map(Some),
            Request::Activate(kind, id) => keeper.activate(*kind, id, by).await.map(Some),
            Request::Taint(kind, id) => keeper.taint(*kind, id, by).await.map(Some),
            Request::Revoke(kind, id) => keeper.revoke(*kind, id, by).await.map(|()| None),
            Request::TaintUpstream(id) => keeper.taint_upstream(id, by).await.map(|()| None),
            Request::RevokeUpstream(id) => keeper.revoke_upstream(id, by).await.map(|()| None),
        };
        // Whoever asked may have gone.
        let _gone = self.answer.send(outcome);
    }
}
