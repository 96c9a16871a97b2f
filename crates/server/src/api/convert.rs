//! Between the forms of the wire and the domain, once for all RPCs.

mod bundle;
mod dns;
mod entry;
mod id;
mod node;
mod selector;

use jiff::Timestamp;
use steeple_store::{Match, Page};
use steeple_types::TrustDomain;

pub(super) use bundle::{
    bundle_from_pb, bundle_to_pb, jwt_authorities, jwt_authority, jwt_authority_to_pb, x509_authorities,
};
pub(super) use dns::{check_dns_name, check_wildcard_overlap};
pub(super) use entry::{Unfit, entry_from_pb, entry_mask, entry_to_pb};
pub(super) use id::{agent_id, id_from_pb, id_to_pb, member_id, workload_id, workload_id_of};
pub(super) use node::node_to_pb;
pub(super) use selector::{selector_filter, selector_to_pb, selectors_from_pb};

/// Seconds since the epoch, 0 for no time.
pub(super) fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::as_second)
}

/// The page that a request asks for; without a size everything, whatever the token.
pub(super) fn page(size: i32, token: String) -> Page {
    match usize::try_from(size) {
        Ok(size) if size > 0 => Page { size, token },
        _ => Page::default(),
    }
}

/// A match behaviour by its number; `what` is matched.
pub(super) fn behavior(what: &str, number: i32) -> Result<Match, String> {
    match number {
        0 => Ok(Match::Exact),
        1 => Ok(Match::Subset),
        2 => Ok(Match::Superset),
        3 => Ok(Match::Any),
        _ => Err(format!("unhandled {what} match behavior {number}")),
    }
}

/// Trust domains of a filter or entry, without repetition.
pub(super) fn trust_domains(names: &[String]) -> Result<Vec<TrustDomain>, steeple_types::IdError> {
    let mut domains = Vec::with_capacity(names.len());
    for name in names {
        let domain = TrustDomain::parse(name)?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    Ok(domains)
}
