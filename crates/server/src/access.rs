//! Scoped rights: the bindings that count, and who calls in their terms.

pub(crate) mod issuers;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use steeple_audit::Actor;
use steeple_policy::access::{Action, Binding, Lifetimes, Policy, Subject, TokenFacts, UnixFacts, Who};
use steeple_proto::steeple::server::access::v1 as pb;
use steeple_store::Document;
use steeple_types::SpiffeId;
use tonic::Code;
use tracing::error;

use crate::api::access::convert::draft;
use crate::api::call::Caller;
use crate::api::status::Failure;
use crate::core::{Core, Settings};

pub use issuers::{KeySource, TokenIssuer};

/// The kind of documents that are bindings.
pub(crate) const KIND: &str = "binding";

/// Scoped rights as the configuration has them.
#[derive(Clone, Debug)]
pub struct AccessSettings {
    /// The bindings.
    pub bindings: Vec<Arc<Binding>>,
    /// OIDC issuers whose tokens are read.
    pub issuers: Vec<TokenIssuer>,
    /// What needs a second person.
    pub two_person: BTreeSet<Action>,
    /// How long an approval is waited for, and good.
    pub approval_ttl: Duration,
}

impl AccessSettings {
    /// What is wrong with a binding that names an issuer which is not configured.
    pub(crate) fn check_issuers(&self, binding: &Binding) -> Result<(), String> {
        let named = binding.subjects.iter().filter_map(|subject| match subject {
            Subject::Oidc { issuer, .. } => Some(issuer),
            _ => None,
        });
        let is_known = |name: &&String| self.issuers.iter().any(|issuer| issuer.name == **name);
        match named.into_iter().find(|name| !is_known(name)) {
            Some(name) => Err(format!("binding {:?}: no issuer {name:?} is configured", binding.name)),
            None => Ok(()),
        }
    }

    /// SVIDs that a binding names one by one; they may be of other trust domains.
    pub(crate) fn named_ids(&self) -> impl Iterator<Item = &SpiffeId> {
        let subjects = self.bindings.iter().flat_map(|binding| &binding.subjects);
        subjects.filter_map(|subject| if let Subject::Svid(id) = subject { Some(id) } else { None })
    }
}

impl Settings {
    /// SPIFFE IDs that may connect though they may be of other trust domains.
    pub(crate) fn named_ids(&self) -> Vec<SpiffeId> {
        let bound = self.access.iter().flat_map(AccessSettings::named_ids);
        self.admin_ids.iter().chain(bound).cloned().collect()
    }

    /// Lifetimes of SVIDs whose entry does not say.
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        Lifetimes { x509_svid: self.default_x509_svid_ttl, jwt_svid: self.default_jwt_svid_ttl }
    }
}

/// What was learnt of a caller.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    svid: Option<SpiffeId>,
    has_admin_entry: bool,
    unix: Option<(u32, u32, Option<PathBuf>)>,
    token: Option<TokenFacts>,
}

impl Facts {
    /// Of a caller with a token, which alone counts: who brings it may be somebody else.
    pub(crate) fn of_token(token: TokenFacts) -> Self {
        Self { svid: None, has_admin_entry: false, unix: None, token: Some(token) }
    }

    /// Learns of a caller what bindings ask for.
    pub(crate) async fn of(core: &Core, caller: &Caller) -> Result<Self, String> {
        let svid = caller.svid().map(|svid| svid.id.clone());
        let has_admin_entry = match &svid {
            Some(id) => {
                let of_id = core.entries.read(|index| index.entries_of(id).any(|entry| entry.admin)).await;
                of_id.map_err(|error| error.to_string())?
            }
            None => false,
        };
        let unix = match caller {
            Caller::Local { user, process } => {
                let executable = process.as_ref().and_then(|process| {
                    let path = process.executable();
                    // What was read belongs to the process only if that is still there.
                    path.filter(|_| process.check().is_ok())
                });
                Some((user.uid, user.gid, executable))
            }
            Caller::Remote { .. } => None,
        };
        Ok(Self { svid, has_admin_entry, unix, token: None })
    }

    /// Who calls.
    pub(crate) fn who(&self) -> Who<'_> {
        let unix = self.unix.as_ref().map(|(uid, gid, executable)| UnixFacts {
            uid: *uid,
            gid: *gid,
            executable: executable.as_deref(),
        });
        Who { svid: self.svid.as_ref(), has_admin_entry: self.has_admin_entry, unix, token: self.token.as_ref() }
    }

    /// By what one caller is told from another.
    pub(crate) fn principal(&self) -> String {
        match (&self.token, &self.svid, &self.unix) {
            (Some(token), ..) => format!("{} user {}", token.issuer, token.user),
            (None, Some(id), _) => id.to_string(),
            (None, None, Some((uid, ..))) => format!("uid {uid}"),
            (None, None, None) => "nobody in particular".to_owned(),
        }
    }

    /// Who it is, for the audit log.
    pub(crate) fn actor(&self, caller: &Caller) -> Actor {
        let from = caller.actor();
        match &self.token {
            Some(TokenFacts { issuer, user, .. }) => {
                Actor::Token { issuer: issuer.as_str().into(), user: user.as_str().into(), from: Box::new(from) }
            }
            None => from,
        }
    }
}

/// The bindings that count: those of the configuration, and those made by calls which are still within what their grantor may grant.
pub(crate) async fn policy(core: &Core, settings: &AccessSettings) -> Result<Policy, Failure> {
    let mut all = settings.bindings.clone();
    let mut left = Vec::new();
    for (stored, _) in stored(core).await? {
        match draft(&stored).read() {
            Ok(binding) => left.push((stored.granted_by, Arc::new(binding))),
            Err(error) => error!(%error, "A stored binding can't be read, and does not count"),
        }
    }
    // Grants hang on grants, and end with them: round by round those are taken whose grantor counts.
    loop {
        let before = all.len();
        left.retain(|(by, new)| {
            let is_new = all.iter().all(|known| known.name != new.name);
            let grantor = all.iter().find(|known| known.name == *by);
            let counts = is_new && grantor.is_some_and(|by| by.may_grant(new, &Who::default()).is_ok());
            if counts {
                all.push(Arc::clone(new));
            }
            !counts
        });
        if all.len() == before {
            return Ok(Policy::new(all));
        }
    }
}

/// The bindings made by calls, with what is kept of them.
pub(crate) async fn stored(core: &Core) -> Result<Vec<(pb::Binding, Document)>, Failure> {
    read_documents(core, KIND).await
}

/// The documents of a kind.
pub(crate) async fn read_documents<M: Message + Default>(
    core: &Core,
    kind: &'static str,
) -> Result<Vec<(M, Document)>, Failure> {
    let found = core.store.read("document.list", move |tx| tx.documents(kind)).await;
    let found = found.map_err(|error| Failure::of(Code::Internal, "failed to fetch scoped rights", error))?;
    let read = found.into_iter().filter_map(|document| {
        let message = hex::decode(&document.content).ok().and_then(|bytes| M::decode(bytes.as_slice()).ok());
        if message.is_none() {
            error!(kind, name = document.name, "A stored document can't be read, and does not count");
        }
        message.map(|message| (message, document))
    });
    Ok(read.collect())
}

/// A message as it is kept.
pub(crate) fn document(kind: &str, name: &str, message: &impl Message) -> Document {
    Document { kind: kind.to_owned(), name: name.to_owned(), content: hex::encode(message.encode_to_vec()) }
}
