//! `localauthority x509` and `localauthority jwt`: the server's own authorities.

mod change;
mod show;

use steeple_proto::spire::api::server::localauthority::v1::AuthorityState;

use crate::commands::date;

pub(crate) use change::{Change, Step};
pub(crate) use show::Show;

/// Which of the authorities a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    X509,
    Jwt,
}

impl Kind {
    /// As texts have it.
    fn title(self) -> &'static str {
        match self {
            Self::X509 => "X.509",
            Self::Jwt => "JWT",
        }
    }

    /// An authority as SPIRE's commands show it.
    fn block(self, state: &AuthorityState) -> String {
        let common = format!("  Authority ID: {}\n  Expires at: {}\n", state.authority_id, date::utc(state.expires_at));
        match (self, state.upstream_authority_subject_key_id.as_str()) {
            (Self::Jwt, _) => common,
            (Self::X509, "") => format!("{common}  Upstream authority ID: No upstream authority\n"),
            (Self::X509, id) => format!("{common}  Upstream authority Subject Key ID: {id}\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(upstream: &str) -> AuthorityState {
        AuthorityState {
            authority_id: "active-id".to_owned(),
            expires_at: 1001,
            upstream_authority_subject_key_id: upstream.to_owned(),
        }
    }

    #[test]
    fn an_authority_reads_as_scripts_expect() {
        let common = "  Authority ID: active-id\n  Expires at: 1970-01-01 00:16:41 +0000 UTC\n";
        assert_eq!(Kind::Jwt.block(&state("")), common);
        let none = format!("{common}  Upstream authority ID: No upstream authority\n");
        assert_eq!(Kind::X509.block(&state("")), none);
        let some = format!("{common}  Upstream authority Subject Key ID: some-id\n");
        assert_eq!(Kind::X509.block(&state("some-id")), some);
    }
}
