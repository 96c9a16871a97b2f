//! What operators ask of authorities, and when they are refused, in SPIRE's words.

use steeple_audit::{Actor, EventKind};
use steeple_types::Bundle;

use super::kind::AuthorityKind;
use super::{Keeper, KeeperError};
use crate::slot::{AuthorityState, AuthorityStates, Status};

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It names an authority with which that can't be done.
    #[error("{what}")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// What is behind it.
        cause: Option<String>,
    },
    /// It does not fit the server's configuration.
    #[error("{0}")]
    Unfit(&'static str),
    /// No authority signs yet.
    #[error("server is initializing")]
    Initializing,
    /// It could not be done.
    #[error("{what}: {cause}")]
    Failed {
        /// What was tried.
        what: String,
        /// Why it failed.
        cause: String,
    },
}

fn malformed(what: &'static str) -> RequestError {
    RequestError::Malformed { what, cause: None }
}

fn malformed_by(what: &'static str, cause: impl Into<String>) -> RequestError {
    RequestError::Malformed { what, cause: Some(cause.into()) }
}

impl Keeper {
    /// Prepares an authority.
    ///
    /// # Errors
    /// [`RequestError`] when there is none that signs, or it could not be made.
    pub async fn prepare(&mut self, kind: AuthorityKind, by: &Actor) -> Result<AuthorityState, RequestError> {
        if self.states_of(kind).active.is_none() {
            return Err(RequestError::Initializing);
        }
        let prepared = match kind {
            AuthorityKind::X509 => self.x509.prepare(&mut self.means, by).await,
            AuthorityKind::Jwt => self.jwt.prepare(&mut self.means, by).await,
        };
        let failed = failed("prepare", &format!("{} authority", kind.title()));
        prepared.map_err(|error| failed(&error))?;
        self.states_of(kind).next.ok_or(RequestError::Initializing)
    }

    /// Lets the prepared authority `id` sign.
    ///
    /// # Errors
    /// [`RequestError`] when it is not prepared, or could not be activated.
    pub async fn activate(
        &mut self,
        kind: AuthorityKind,
        id: &str,
        by: &Actor,
    ) -> Result<AuthorityState, RequestError> {
        check_activation(&self.states_of(kind), id)?;
        let activated = match kind {
            AuthorityKind::X509 => self.x509.activate(&mut self.means, by).await,
            AuthorityKind::Jwt => self.jwt.activate(&mut self.means, by).await,
        };
        let failed = failed("activate", &format!("{} authority", kind.title()));
        activated.map_err(|error| failed(&error))?;
        self.states_of(kind).active.ok_or(RequestError::Initializing)
    }

    /// Marks the old authority `id` as tainted: what it signed is to be replaced.
    ///
    /// # Errors
    /// [`RequestError`] when it is not old, an upstream authority signs, or the taint could not be stored.
    pub async fn taint(&mut self, kind: AuthorityKind, id: &str, by: &Actor) -> Result<AuthorityState, RequestError> {
        if kind == AuthorityKind::X509 && self.has_upstream() {
            return Err(RequestError::Unfit("local authority can't be tainted if there is an upstream authority"));
        }
        let state = check_taint(self.states_of(kind), id)?;
        let failed = failed("taint", &format!("{} authority", kind.title()));
        self.taint_in_bundle(kind, id, by).await.map_err(|error| failed(&error))?;
        Ok(state)
    }

    /// Removes the tainted authority `id` from the bundle.
    ///
    /// # Errors
    /// [`RequestError`] when it is in use or not tainted, an upstream authority signs, or the bundle could not be stored.
    pub async fn revoke(&mut self, kind: AuthorityKind, id: &str, by: &Actor) -> Result<(), RequestError> {
        let states = self.states_of(kind);
        let checked = match kind {
            AuthorityKind::X509 if self.has_upstream() => {
                let text = "local authority can't be revoked if there is an upstream authority";
                return Err(RequestError::Unfit(text));
            }
            AuthorityKind::X509 => check_x509_revocation(&states, id).map_err(str::to_owned),
            AuthorityKind::Jwt => match self.means.store.bundle().await {
                Ok(bundle) => check_jwt_revocation(&states, id, bundle.as_ref()).map_err(str::to_owned),
                Err(error) => Err(error.to_string()),
            },
        };
        checked.map_err(|cause| malformed_by("invalid authority ID", cause))?;
        let failed = failed("revoke", &format!("{} authority", kind.title()));
        self.revoke_in_bundle(kind, id, by).await.map_err(|error| failed(&error))
    }

    /// Marks the upstream authority with the subject key identifier `id`, in hexadecimal digits, as tainted.
    ///
    /// # Errors
    /// [`RequestError`] when it did not sign the old authority, or the taint could not be stored.
    pub async fn taint_upstream(&mut self, id: &str, by: &Actor) -> Result<(), RequestError> {
        self.check_has_upstream()?;
        let checked = check_upstream(&self.states_of(AuthorityKind::X509), id);
        checked.map_err(|cause| malformed_by("provided subject key id is not valid", cause))?;
        let failed = failed("taint", "upstream authority");
        self.taint_in_bundle(AuthorityKind::X509, id, by).await.map_err(|error| failed(&error))
    }

    /// Removes the tainted upstream authority with the subject key identifier `id`, in hexadecimal digits.
    ///
    /// # Errors
    /// [`RequestError`] when it did not sign the old authority or is not tainted, or the bundle could not be stored.
    pub async fn revoke_upstream(&mut self, id: &str, by: &Actor) -> Result<(), RequestError> {
        self.check_has_upstream()?;
        let checked = check_upstream(&self.states_of(AuthorityKind::X509), id);
        checked.map_err(|cause| malformed_by("invalid subject key ID", cause))?;
        let failed = failed("revoke", "X.509 upstream authority");
        self.revoke_in_bundle(AuthorityKind::X509, id, by).await.map_err(|error| failed(&error))
    }

    fn states_of(&self, kind: AuthorityKind) -> AuthorityStates {
        self.states(kind).borrow().clone()
    }

    fn check_has_upstream(&self) -> Result<(), RequestError> {
        if self.has_upstream() { Ok(()) } else { Err(RequestError::Unfit("upstream authority is not configured")) }
    }

    async fn taint_in_bundle(&self, kind: AuthorityKind, id: &str, by: &Actor) -> Result<(), KeeperError> {
        let event = |kind, authority_id| EventKind::AuthorityTainted { kind, authority_id };
        let intent = self.means.record(by, event, kind, id).await?;
        Ok(intent.outcome(self.means.store.taint(kind, id).await).await?)
    }

    async fn revoke_in_bundle(&self, kind: AuthorityKind, id: &str, by: &Actor) -> Result<(), KeeperError> {
        let event = |kind, authority_id| EventKind::AuthorityRevoked { kind, authority_id };
        let intent = self.means.record(by, event, kind, id).await?;
        Ok(intent.outcome(self.means.store.revoke(kind, id).await).await?)
    }
}

fn failed(verb: &str, object: &str) -> impl FnOnce(&KeeperError) -> RequestError + use<> {
    let what = format!("failed to {verb} {object}");
    move |error| RequestError::Failed { what, cause: error.to_string() }
}

fn is(state: Option<&AuthorityState>, id: &str) -> bool {
    state.is_some_and(|state| state.id == id)
}

fn unsupported(status: Status) -> String {
    format!("unsupported local authority status: {status}")
}

fn check_activation(states: &AuthorityStates, id: &str) -> Result<(), RequestError> {
    if id.is_empty() {
        return Err(malformed("no authority ID provided"));
    }
    match states.next.as_ref().filter(|next| next.id == id) {
        None => Err(malformed("unexpected authority ID")),
        Some(next) if next.status != Status::Prepared => {
            let what = "only Prepared authorities can be activated".to_owned();
            Err(RequestError::Failed { what, cause: unsupported(next.status) })
        }
        Some(_) => Ok(()),
    }
}

fn check_taint(states: AuthorityStates, id: &str) -> Result<AuthorityState, RequestError> {
    if id.is_empty() {
        return Err(malformed("no authority ID provided"));
    }
    if is(states.active.as_ref(), id) {
        return Err(malformed("unable to taint current local authority"));
    }
    let next = states.next.filter(|next| next.id == id).ok_or_else(|| malformed("unexpected authority ID"))?;
    if next.status != Status::Old {
        return Err(malformed_by("only Old local authorities can be tainted", unsupported(next.status)));
    }
    Ok(next)
}

fn check_x509_revocation(states: &AuthorityStates, id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("no authority ID provided");
    }
    if is(states.active.as_ref(), id) {
        return Err("unable to use current authority");
    }
    match &states.next {
        Some(next) if next.id == id && next.status == Status::Old => Ok(()),
        _ => Err("only Old local authority can be revoked"),
    }
}

fn check_jwt_revocation(states: &AuthorityStates, id: &str, bundle: Option<&Bundle>) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("no authority ID provided");
    }
    if let Some(next) = states.next.as_ref().filter(|next| next.id == id) {
        return if next.status == Status::Prepared { Err("unable to use a prepared key") } else { Ok(()) };
    }
    if is(states.active.as_ref(), id) {
        return Err("unable to use current authority");
    }
    let published = bundle.is_some_and(|bundle| bundle.jwt_authority(id).is_some());
    if published { Ok(()) } else { Err("no JWT authority found with provided authority ID") }
}

fn check_upstream(states: &AuthorityStates, id: &str) -> Result<(), &'static str> {
    let signed = |state: Option<&AuthorityState>| state.is_some_and(|state| state.upstream_authority_id == id);
    if id.is_empty() {
        return Err("no subject key ID provided");
    }
    if signed(states.active.as_ref()) {
        // As SPIRE writes it.
        return Err("unable to use upstream authority singing current authority");
    }
    if !signed(states.next.as_ref()) {
        return Err("upstream authority didn't sign the old local authority");
    }
    match &states.next {
        Some(next) if next.status == Status::Prepared => {
            Err("only upstream authorities signing an old authority can be used")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use steeple_types::{JwtAuthority, TrustDomain};

    use super::*;

    fn state(id: &str, status: Status) -> AuthorityState {
        let upstream_authority_id = format!("up-{id}");
        AuthorityState { id: id.to_owned(), status, expires_at: Timestamp::UNIX_EPOCH, upstream_authority_id }
    }

    /// `a` signs; `b` is in the other slot.
    fn states(other: Option<Status>) -> AuthorityStates {
        AuthorityStates { active: Some(state("a", Status::Active)), next: other.map(|status| state("b", status)) }
    }

    const PREPARED: Option<Status> = Some(Status::Prepared);
    const OLD: Option<Status> = Some(Status::Old);

    fn told(error: RequestError) -> String {
        match error {
            RequestError::Malformed { what, cause: Some(cause) } => format!("{what}: {cause}"),
            other => other.to_string(),
        }
    }

    #[test]
    fn only_the_prepared_authority_is_activated() {
        let refused = |other, id| check_activation(&states(other), id).map_err(told);
        assert_eq!(refused(PREPARED, "b"), Ok(()));
        assert_eq!(refused(PREPARED, ""), Err("no authority ID provided".into()));
        for (other, id) in [(PREPARED, "a"), (PREPARED, "c"), (None, "b")] {
            assert_eq!(refused(other, id), Err("unexpected authority ID".into()));
        }
        let text = "only Prepared authorities can be activated: unsupported local authority status: OLD";
        assert_eq!(refused(OLD, "b"), Err(text.into()));
    }

    #[test]
    fn only_the_old_authority_is_tainted() {
        let refused = |other, id| check_taint(states(other), id).map(|state| state.id).map_err(told);
        assert_eq!(refused(OLD, "b"), Ok("b".into()));
        assert_eq!(refused(OLD, ""), Err("no authority ID provided".into()));
        assert_eq!(refused(OLD, "a"), Err("unable to taint current local authority".into()));
        assert_eq!(refused(OLD, "c"), Err("unexpected authority ID".into()));
        assert_eq!(refused(None, "b"), Err("unexpected authority ID".into()));
        let text = "only Old local authorities can be tainted: unsupported local authority status: PREPARED";
        assert_eq!(refused(PREPARED, "b"), Err(text.into()));
    }

    #[test]
    fn authorities_in_use_are_not_revoked() {
        let x509 = |other, id| check_x509_revocation(&states(other), id);
        assert_eq!(x509(OLD, "b"), Ok(()));
        assert_eq!(x509(OLD, ""), Err("no authority ID provided"));
        assert_eq!(x509(OLD, "a"), Err("unable to use current authority"));
        for (other, id) in [(OLD, "c"), (PREPARED, "b"), (None, "b")] {
            assert_eq!(x509(other, id), Err("only Old local authority can be revoked"));
        }
        let published = JwtAuthority { key_id: "c".into(), public_key: Vec::new(), expires_at: None, tainted: true };
        let mut bundle = Bundle::empty(TrustDomain::parse("example.org").unwrap());
        bundle.jwt_authorities.push(published);
        let jwt = |other, id| check_jwt_revocation(&states(other), id, Some(&bundle));
        assert_eq!((jwt(OLD, "b"), jwt(OLD, "c")), (Ok(()), Ok(())));
        assert_eq!(jwt(OLD, ""), Err("no authority ID provided"));
        assert_eq!(jwt(OLD, "a"), Err("unable to use current authority"));
        assert_eq!(jwt(PREPARED, "b"), Err("unable to use a prepared key"));
        assert_eq!(jwt(OLD, "d"), Err("no JWT authority found with provided authority ID"));
    }

    #[test]
    fn only_the_upstream_authority_of_the_old_one_is_tainted_or_revoked() {
        let upstream = |other, id| check_upstream(&states(other), id);
        assert_eq!(upstream(OLD, "up-b"), Ok(()));
        assert_eq!(upstream(OLD, ""), Err("no subject key ID provided"));
        assert_eq!(upstream(OLD, "up-a"), Err("unable to use upstream authority singing current authority"));
        assert_eq!(upstream(OLD, "up-c"), Err("upstream authority didn't sign the old local authority"));
        assert_eq!(upstream(None, "up-b"), Err("upstream authority didn't sign the old local authority"));
        let text = "only upstream authorities signing an old authority can be used";
        assert_eq!(upstream(PREPARED, "up-b"), Err(text));
    }
}
