//! `entry`: registration entries.

mod count;
mod create;
mod delete;
mod file;
mod filter;
mod show;
mod update;

pub(crate) use count::Count;
pub(crate) use create::Create;
pub(crate) use delete::Delete;
pub(crate) use show::Show;
pub(crate) use update::Update;

use std::fmt::Write as _;

use steeple_client::code_name;
use steeple_proto::spire::api::types::{Entry, Status};

use super::parse::id_text;
use crate::commands::call::Call;
use crate::commands::date;
use crate::commands::failure::Failure;
use crate::commands::quote::quote;

/// An entry for people.
fn block(entry: &Entry) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:24}: {value}");
    };
    let ttl = |seconds: i32| if seconds == 0 { "default".to_owned() } else { seconds.to_string() };
    line("Entry ID", if entry.id.is_empty() { "(none)" } else { &entry.id });
    line("SPIFFE ID", &id_text(entry.spiffe_id.as_ref()));
    line("Parent ID", &id_text(entry.parent_id.as_ref()));
    line("Revision", &entry.revision_number.to_string());
    if entry.downstream {
        line("Downstream", "true");
    }
    line("X509-SVID TTL", &ttl(entry.x509_svid_ttl));
    line("JWT-SVID TTL", &ttl(entry.jwt_svid_ttl));
    if entry.expires_at != 0 {
        line("Expiration time", &date::utc(entry.expires_at));
    }
    for selector in &entry.selectors {
        line("Selector", &format!("{}:{}", selector.r#type, selector.value));
    }
    for trust_domain in &entry.federates_with {
        line("FederatesWith", trust_domain);
    }
    for name in &entry.dns_names {
        line("DNS name", name);
    }
    if entry.admin {
        line("Admin", "true");
    }
    if entry.store_svid {
        line("StoreSvid", "true");
    }
    if !entry.hint.is_empty() {
        line("Hint", &entry.hint);
    }
    let attributes = entry.additional_attributes.unwrap_or_default();
    if attributes.disable_x509_svid_prefetch {
        line("DisableX509SvidPrefetch", "true");
    }
    if attributes.jwt_svid_include_jti {
        line("JwtSvidIncludeJti", "true");
    }
    text + "\n"
}

/// Puts the entries that the server refused, and so did not send back, into their results.
fn keep_refused<'a>(results: impl Iterator<Item = (&'a Option<Status>, &'a mut Option<Entry>)>, entries: Vec<Entry>) {
    for ((status, result), entry) in results.zip(entries) {
        if status.as_ref().is_some_and(|status| status.code != 0) {
            *result = Some(entry);
        }
    }
}

/// Prints what became of each entry of a batch: those that succeeded first.
fn print_outcomes(
    call: &mut Call<'_>,
    verb: &str,
    outcomes: &[(Option<Status>, Option<Entry>)],
) -> Result<(), Failure> {
    let code = |status: &Option<Status>| status.as_ref().map_or(0, |status| status.code);
    let shown = |entry: &Option<Entry>| block(entry.as_ref().unwrap_or(&Entry::default()));
    let (succeeded, failed): (Vec<_>, Vec<_>) = outcomes.iter().partition(|(status, _)| code(status) == 0);
    for (_, entry) in succeeded {
        call.print(format_args!("{}", shown(entry)))?;
    }
    for (status, entry) in &failed {
        let message = status.as_ref().map_or("", |status| status.message.as_str());
        let code = code_name(code(status));
        call.complain(format_args!(
            "Failed to {verb} the following entry (code: {code}, msg: {}):\n{}",
            quote(message),
            shown(entry)
        ));
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed to {verb} one or more entries").into()) }
}

#[cfg(test)]
mod tests {
    use steeple_proto::spire::api::types::entry::AdditionalAttributes;

    use super::*;
    use crate::commands::server::parse::{id, selector};

    #[test]
    fn an_entry_reads_as_scripts_expect() {
        let entry = Entry {
            id: "fixed-one".into(),
            spiffe_id: id("spiffe://rig.example/fix").ok(),
            parent_id: id("spiffe://rig.example/host").ok(),
            selectors: vec![selector("a:b").unwrap(), selector("c:d:e").unwrap()],
            downstream: true,
            x509_svid_ttl: 120,
            expires_at: 4_000_000_000,
            dns_names: vec!["one.example".into()],
            federates_with: vec!["spiffe://other.example".into()],
            admin: true,
            store_svid: true,
            hint: "hh".into(),
            additional_attributes: Some(AdditionalAttributes {
                disable_x509_svid_prefetch: true,
                jwt_svid_include_jti: true,
            }),
            ..Entry::default()
        };
        assert_eq!(
            block(&entry),
            "Entry ID                : fixed-one\n\
             SPIFFE ID               : spiffe://rig.example/fix\n\
             Parent ID               : spiffe://rig.example/host\n\
             Revision                : 0\n\
             Downstream              : true\n\
             X509-SVID TTL           : 120\n\
             JWT-SVID TTL            : default\n\
             Expiration time         : 2096-10-02 07:06:40 +0000 UTC\n\
             Selector                : a:b\n\
             Selector                : c:d:e\n\
             FederatesWith           : spiffe://other.example\n\
             DNS name                : one.example\n\
             Admin                   : true\n\
             StoreSvid               : true\n\
             Hint                    : hh\n\
             DisableX509SvidPrefetch : true\n\
             JwtSvidIncludeJti       : true\n\n"
        );
    }
}
