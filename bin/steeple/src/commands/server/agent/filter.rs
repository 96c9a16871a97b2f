//! What `agent list` and `agent count` select by.

use steeple_proto::spire::api::server::agent::v1::{count_agents_request, list_agents_request};
use steeple_proto::spire::api::types::{Selector, SelectorMatch};

use crate::commands::date;
use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::quote::quote;
use crate::commands::server::parse::{selector, selector_behavior};

/// The flags.
pub(super) struct Filter {
    selectors: Vec<String>,
    match_selectors: String,
    attestation_type: String,
    can_reattest: Option<bool>,
    banned: Option<bool>,
    expires_before: String,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            selectors: Vec::new(),
            match_selectors: "superset".to_owned(),
            attestation_type: String::new(),
            can_reattest: None,
            banned: None,
            expires_before: String::new(),
        }
    }
}

impl Filter {
    pub(super) fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.repeated(&mut self.selectors, &["selector"], "A selector, type:value. May be repeated.");
        flags.text(&mut self.attestation_type, &["attestationType"], "How the agents attested, such as x509pop.");
        flags.tristate(&mut self.can_reattest, &["canReattest"], "true or false: agents that may attest again or not.");
        flags.tristate(&mut self.banned, &["banned"], "true or false: agents that are banned or not.");
        let usage = "Agents whose SVID ends before, as \"2006-01-02 15:04:05 -0700 -07\".";
        flags.text(&mut self.expires_before, &["expiresBefore"], usage);
        let usage = "How selectors match: exact, any, superset or subset.";
        flags.text(&mut self.match_selectors, &["matchSelectorsOn"], usage);
    }

    /// The filter of `ListAgents`.
    pub(super) fn list(&self) -> Result<list_agents_request::Filter, Failure> {
        Ok(list_agents_request::Filter {
            by_selector_match: self.selector_match()?,
            by_expires_before: self.checked_date()?,
            by_attestation_type: self.attestation_type.clone(),
            by_banned: self.banned,
            by_can_reattest: self.can_reattest,
        })
    }

    /// The same for `CountAgents`.
    pub(super) fn count(&self) -> Result<count_agents_request::Filter, Failure> {
        let filter = self.list()?;
        Ok(count_agents_request::Filter {
            by_selector_match: filter.by_selector_match,
            by_expires_before: filter.by_expires_before,
            by_attestation_type: filter.by_attestation_type,
            by_banned: filter.by_banned,
            by_can_reattest: filter.by_can_reattest,
        })
    }

    fn selector_match(&self) -> Result<Option<SelectorMatch>, Failure> {
        if self.selectors.is_empty() {
            return Ok(None);
        }
        let behavior = selector_behavior(&self.match_selectors).ok_or("unsupported match behavior")?;
        let read = |text: &String| -> Result<Selector, Failure> {
            selector(text).explain(format_args!("error parsing selector {}", quote(text)))
        };
        let selectors = self.selectors.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Some(SelectorMatch { selectors, r#match: behavior.into() }))
    }

    fn checked_date(&self) -> Result<String, Failure> {
        if !self.expires_before.is_empty() {
            date::check(&self.expires_before).explain("date is not valid")?;
        }
        Ok(self.expires_before.clone())
    }
}
