//! Who is meant by a binding, and who calls.

use std::fmt;
use std::path::{Path, PathBuf};

use steeple_types::SpiffeId;

use super::path::PathPrefix;

/// Whom a binding names. All that is given must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The party with this X.509-SVID.
    Svid(SpiffeId),
    /// Parties with X.509-SVIDs below a path of a trust domain.
    SvidsBelow {
        /// Name of the trust domain.
        trust_domain: String,
        /// The path.
        path: PathPrefix,
    },
    /// Parties with X.509-SVIDs of entries that are marked `admin`.
    AdminEntries,
    /// A process on the private socket, by its effective user and group and its executable.
    Unix {
        /// User.
        uid: Option<u32>,
        /// Group; not among the supplementary ones.
        gid: Option<u32>,
        /// Path of the executable.
        executable: Option<PathBuf>,
    },
    /// A person with a token of an OIDC issuer.
    Oidc {
        /// Name of the issuer in the configuration.
        issuer: String,
        /// One of the token's groups.
        group: Option<String>,
        /// The token's `sub`.
        user: Option<String>,
    },
}

/// Who calls, by all that was verified.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who<'a> {
    /// ID of the X.509-SVID.
    pub svid: Option<&'a SpiffeId>,
    /// Whether an entry of that ID is marked `admin`.
    pub has_admin_entry: bool,
    /// The process on the private socket.
    pub unix: Option<UnixFacts<'a>>,
    /// The token that came with the call.
    pub token: Option<&'a TokenFacts>,
}

/// A process on the private socket, as the kernel tells it.
#[derive(Clone, Copy, Debug)]
pub struct UnixFacts<'a> {
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Path of the executable, if it can be told.
    pub executable: Option<&'a Path>,
}

/// What a token says, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// Name of the issuer in the configuration.
    pub issuer: String,
    /// `sub`.
    pub user: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl Subject {
    /// Whether the caller is meant.
    pub fn is(&self, who: &Who<'_>) -> bool {
        match self {
            Self::Svid(id) => who.svid == Some(id),
            Self::SvidsBelow { trust_domain, path } => {
                who.svid.is_some_and(|id| id.trust_domain_name() == trust_domain && path.holds(id.path(), None))
            }
            Self::AdminEntries => who.svid.is_some() && who.has_admin_entry,
            Self::Unix { uid, gid, executable } => who.unix.is_some_and(|unix| {
                (uid.is_some() || gid.is_some())
                    && uid.is_none_or(|uid| uid == unix.uid)
                    && gid.is_none_or(|gid| gid == unix.gid)
                    && executable.as_deref().is_none_or(|wanted| unix.executable == Some(wanted))
            }),
            Self::Oidc { issuer, group, user } => who.token.is_some_and(|token| {
                (group.is_some() || user.is_some())
                    && *issuer == token.issuer
                    && group.as_ref().is_none_or(|group| token.groups.contains(group))
                    && user.as_ref().is_none_or(|user| *user == token.user)
            }),
        }
    }

    /// Whether one caller surely is meant by both, whoever calls by either.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Svid(id), below @ Self::SvidsBelow { .. }) | (below @ Self::SvidsBelow { .. }, Self::Svid(id)) => {
                below.is(&Who { svid: Some(id), ..Who::default() })
            }
            (
                Self::SvidsBelow { trust_domain, path },
                Self::SvidsBelow { trust_domain: other_domain, path: other_path },
            ) => trust_domain == other_domain && (path.covers(other_path, None) || other_path.covers(path, None)),
            (Self::Unix { uid, gid, .. }, Self::Unix { uid: other_uid, gid: other_gid, .. }) => {
                let same = |own: Option<u32>, other: Option<u32>| own.is_some() && own == other;
                same(*uid, *other_uid) || same(*gid, *other_gid)
            }
            (own, other) => own == other,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Svid(id) => write!(f, "{id}"),
            Self::SvidsBelow { trust_domain, path } => write!(f, "spiffe://{trust_domain}{path}/…"),
            Self::AdminEntries => f.write_str("SVIDs of entries marked admin"),
            Self::Unix { uid, gid, executable } => {
                let uid = uid.map(|uid| format!("uid {uid}"));
                let gid = gid.map(|gid| format!("gid {gid}"));
                let executable = executable.as_ref().map(|path| path.display().to_string());
                let parts: Vec<String> = [uid, gid, executable].into_iter().flatten().collect();
                f.write_str(&parts.join(" "))
            }
            Self::Oidc { issuer, group, user } => {
                write!(f, "{issuer}")?;
                group.iter().try_for_each(|group| write!(f, " group {group}"))?;
                user.iter().try_for_each(|user| write!(f, " user {user}"))
            }
        }
    }
}

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.token, self.svid, self.unix) {
            (Some(token), ..) => write!(f, "{} user {}", token.issuer, token.user),
            (None, Some(id), _) => write!(f, "{id}"),
            (None, None, Some(unix)) => write!(f, "uid {} gid {}", unix.uid, unix.gid),
            (None, None, None) => f.write_str("nobody in particular"),
        }
    }
}
