//! `federation`: relationships with foreign trust domains.

mod create;
mod delete;
mod list;
mod refresh;
mod relationship;
mod show;
mod update;

pub(crate) use create::Create;
pub(crate) use delete::Delete;
pub(crate) use list::List;
pub(crate) use refresh::Refresh;
pub(crate) use show::Show;
pub(crate) use update::Update;

use std::fmt::Write as _;

use steeple_client::code_name;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_proto::spire::api::types::{FederationRelationship, Status};

use crate::commands::call::Call;
use crate::commands::failure::Failure;
use crate::commands::quote::quote;

/// A relationship for people.
fn block(relationship: &FederationRelationship) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:26}: {value}");
    };
    line("Trust domain", &relationship.trust_domain);
    line("Bundle endpoint URL", &relationship.bundle_endpoint_url);
    match &relationship.bundle_endpoint_profile {
        Some(BundleEndpointProfile::HttpsWeb(_)) => line("Bundle endpoint profile", "https_web"),
        Some(BundleEndpointProfile::HttpsSpiffe(profile)) => {
            line("Bundle endpoint profile", "https_spiffe");
            line("Endpoint SPIFFE ID", &profile.endpoint_spiffe_id);
        }
        None => {}
    }
    text
}

/// Prints what became of each relationship of a batch: those that succeeded first.
///
/// The server does not send back those that it refused, so they come from the request.
fn print_outcomes(
    call: &mut Call<'_>,
    verb: &str,
    requested: Vec<FederationRelationship>,
    outcomes: Vec<(Option<Status>, Option<FederationRelationship>)>,
) -> Result<(), Failure> {
    let outcomes = outcomes.into_iter().zip(requested).map(|((status, answered), requested)| {
        let status = status.unwrap_or_default();
        let shown = if status.code == 0 { answered.unwrap_or_default() } else { requested };
        (status, shown)
    });
    let (succeeded, failed): (Vec<_>, Vec<_>) = outcomes.partition(|(status, _)| status.code == 0);
    for (_, relationship) in succeeded {
        call.print(format_args!("\n{}", block(&relationship)))?;
    }
    for (status, relationship) in &failed {
        call.print(format_args!("\n"))?;
        call.complain(format_args!(
            "Failed to {verb} the following federation relationship (code: {}, msg: {}):\n{}",
            code_name(status.code),
            quote(&status.message),
            block(relationship)
        ));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("failed to {verb} one or more federation relationships").into())
}
