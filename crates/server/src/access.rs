//! Scoped rights: the bindings that count, and who calls in their terms.

use std::path::PathBuf;
use std::sync::Arc;

use steeple_policy::access::{Binding, Lifetimes, Policy, Subject, UnixFacts, Who};
use steeple_types::SpiffeId;

use crate::api::call::Caller;
use crate::core::{Core, Settings};

/// Scoped rights as the configuration has them.
#[derive(Clone, Debug, Default)]
pub struct AccessSettings {
    /// The bindings.
    pub bindings: Vec<Arc<Binding>>,
}

impl AccessSettings {
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
pub(crate) struct Facts {
    svid: Option<SpiffeId>,
    has_admin_entry: bool,
    unix: Option<(u32, u32, Option<PathBuf>)>,
}

impl Facts {
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
        Ok(Self { svid, has_admin_entry, unix })
    }

    /// Who calls.
    pub(crate) fn who(&self) -> Who<'_> {
        let unix = self.unix.as_ref().map(|(uid, gid, executable)| UnixFacts {
            uid: *uid,
            gid: *gid,
            executable: executable.as_deref(),
        });
        Who { svid: self.svid.as_ref(), has_admin_entry: self.has_admin_entry, unix, token: None }
    }
}

/// The bindings that count.
pub(crate) fn policy(settings: &AccessSettings) -> Policy {
    Policy::new(settings.bindings.clone())
}
