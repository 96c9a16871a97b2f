//! What `entry show` and `entry count` select by.

use steeple_proto::spire::api::types::{FederatesWithMatch, SelectorMatch, Spiffeid};

use crate::commands::failure::{Explain, Failure};
use crate::commands::goflag::FlagSet;
use crate::commands::quote::quote;
use crate::commands::server::parse::{federates_with_behavior, id, selector, selector_behavior, unknown_behavior};

/// The flags.
pub(super) struct Filter {
    pub(super) parent_id: String,
    pub(super) spiffe_id: String,
    pub(super) selectors: Vec<String>,
    downstream: bool,
    federates_with: Vec<String>,
    match_federates_with: String,
    match_selectors: String,
    hint: String,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            parent_id: String::new(),
            spiffe_id: String::new(),
            selectors: Vec::new(),
            downstream: false,
            federates_with: Vec::new(),
            match_federates_with: "superset".to_owned(),
            match_selectors: "superset".to_owned(),
            hint: String::new(),
        }
    }
}

/// The same, read.
pub(super) struct Parsed {
    pub(super) parent_id: Option<Spiffeid>,
    pub(super) spiffe_id: Option<Spiffeid>,
    pub(super) selectors: Option<SelectorMatch>,
    pub(super) federates_with: Option<FederatesWithMatch>,
    pub(super) hint: Option<String>,
    pub(super) downstream: bool,
}

impl Filter {
    pub(super) fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        let modes = "How the filter matches: exact, any, superset or subset.";
        flags.text(&mut self.parent_id, &["parentID"], "Parent ID of the entries.");
        flags.text(&mut self.spiffe_id, &["spiffeID"], "SPIFFE ID of the entries.");
        flags.boolean(&mut self.downstream, &["downstream"], "Entries of downstream servers, instead of all others.");
        flags.repeated(&mut self.selectors, &["selector"], "A selector, type:value. May be repeated.");
        let usage = "A trust domain that the entries federate with. May be repeated.";
        flags.repeated(&mut self.federates_with, &["federatesWith"], usage);
        flags.text(&mut self.match_federates_with, &["matchFederatesWithOn"], modes);
        flags.text(&mut self.match_selectors, &["matchSelectorsOn"], modes);
        flags.text(&mut self.hint, &["hint"], "Hint of the entries.");
    }

    /// Reads the flags, in the order in which SPIRE finds their faults.
    pub(super) fn parse(&self) -> Result<Parsed, Failure> {
        let wanted = |text: &str, what: &str| {
            let read = || id(text).explain(format_args!("error parsing {what} {}", quote(text)));
            if text.is_empty() { Ok(None) } else { read().map(Some) }
        };
        Ok(Parsed {
            parent_id: wanted(&self.parent_id, "parent ID")?,
            spiffe_id: wanted(&self.spiffe_id, "SPIFFE ID")?,
            selectors: self.selector_match()?,
            federates_with: self.federates_with_match()?,
            hint: (!self.hint.is_empty()).then(|| self.hint.clone()),
            downstream: self.downstream,
        })
    }

    fn selector_match(&self) -> Result<Option<SelectorMatch>, Failure> {
        if self.selectors.is_empty() {
            return Ok(None);
        }
        let behavior =
            selector_behavior(&self.match_selectors).ok_or_else(|| unknown_behavior(&self.match_selectors))?;
        let selectors: Result<_, Failure> = self.selectors.iter().map(|text| selector(text)).collect();
        Ok(Some(SelectorMatch { selectors: selectors.explain("error parsing selectors")?, r#match: behavior.into() }))
    }

    fn federates_with_match(&self) -> Result<Option<FederatesWithMatch>, Failure> {
        if self.federates_with.is_empty() {
            return Ok(None);
        }
        let behavior = federates_with_behavior(&self.match_federates_with)
            .ok_or_else(|| unknown_behavior(&self.match_federates_with))?;
        Ok(Some(FederatesWithMatch { trust_domains: self.federates_with.clone(), r#match: behavior.into() }))
    }
}
