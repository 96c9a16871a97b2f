//! What was wrong with a call that was refused.

use steeple_types::Entry;

use super::{Judgement, Rank};
use crate::nearest::edits;
use crate::{Cause, Finding, RefusalReason, ServerFacts};

/// `fits` are the entries whose identities the workload has now.
pub(super) fn judge(judgement: &mut Judgement<'_>, fits: &[&Entry]) {
    let facts = judgement.facts;
    let jwt_is_off = matches!(facts.server, ServerFacts::Answered { jwt_svids: false, .. });
    let disabled = || {
        let fix = "take disable_jwt_svids = true out of the server's configuration";
        Finding::new(Cause::JwtDisabled, "the server issues no JWT-SVIDs", fix)
    };
    let Some(call) = &facts.call else {
        if jwt_is_off {
            judgement.find(Rank::Aside, disabled());
        }
        return;
    };
    let ids = || fits.iter().map(|entry| entry.spiffe_id.to_string()).collect::<Vec<_>>().join(", ");
    let finding = match &call.reason {
        RefusalReason::NoIdentity | RefusalReason::NotAttested => return,
        RefusalReason::NotThisId(_) if fits.is_empty() => return,
        RefusalReason::NotThisId(id) => Finding::new(
            Cause::NotThisId,
            format!("the workload asked for {id}, and its own is {}", ids()),
            format!("have it ask for its own ID, or for none; or make an entry that gives it {id}"),
        ),
        RefusalReason::TooOften { per_second } => Finding::new(
            Cause::RateLimit,
            format!(
                "workloads with the same selectors called {} more often than {per_second} times in a second",
                call.method
            ),
            "have the workload keep its stream open instead of calling again, or raise the limit in experimental.ratelimit",
        ),
        RefusalReason::NoHeader => Finding::new(
            Cause::NoHeader,
            "the call had no header workload.spiffe.io: true, which keeps browsers and the like out",
            "call with a library of SPIFFE's, or add the header workload.spiffe.io: true to the call's metadata",
        ),
        RefusalReason::NoToken(_) if jwt_is_off => disabled(),
        RefusalReason::NoToken(said) => Finding::new(
            Cause::NoToken,
            format!("the server gave no JWT-SVID: {said}"),
            "see that the agent reaches its server, and what the server's log says of NewJWTSVID",
        ),
        RefusalReason::NoSecret(name) => {
            let names = fits.iter().map(|entry| entry.spiffe_id.to_string());
            let nearest = names.min_by_key(|id| edits(id, name));
            let text = format!("Envoy asked for the secret {name:?}, which is no name of this workload's");
            let fix = match nearest {
                Some(id) => {
                    format!("ask for {id} (or \"default\") as certificate, and for the trust domain's ID as bundle")
                }
                None => {
                    "see to an identity first; bundles are there under the trust domain's ID and \"ROOTCA\"".to_owned()
                }
            };
            Finding::new(Cause::NoSecret, text, fix)
        }
    };
    // Without any identity that is the cause, whatever secret was asked for.
    let rank =
        if fits.is_empty() && matches!(call.reason, RefusalReason::NoSecret(_)) { Rank::Aside } else { Rank::Call };
    judgement.find(rank, finding);
}
