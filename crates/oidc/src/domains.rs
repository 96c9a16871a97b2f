//! The names under which the provider may be asked.

use std::collections::BTreeSet;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// Why a name is refused, in SPIRE's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// The name is none (UTS 46, section 4).
    #[error("domain {domain:?} is not a valid domain name: idna: {reason}")]
    Invalid {
        /// The name.
        domain: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name stands for another one, by which it must be called.
    #[error("domain {0:?} must already be punycode encoded")]
    NotPunycode(String),
    /// The name is not among those that are allowed.
    #[error("domain {0:?} is not allowed")]
    NotAllowed(String),
}

/// Names under which the provider may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domains(BTreeSet<String>);

impl Domains {
    /// These names, each in the form in which DNS has it.
    ///
    /// # Errors
    /// [`DomainError`] for a name that is none, or in another form.
    pub fn new(names: &[String]) -> Result<Self, DomainError> {
        names.iter().try_for_each(|name| check_form(name))?;
        Ok(Self(names.iter().cloned().collect()))
    }

    /// Whether the provider may be asked under `domain`.
    ///
    /// # Errors
    /// [`DomainError`] if not.
    pub fn check(&self, domain: &str) -> Result<(), DomainError> {
        check_form(domain)?;
        if self.0.contains(domain) { Ok(()) } else { Err(DomainError::NotAllowed(domain.to_owned())) }
    }
}

fn check_form(domain: &str) -> Result<(), DomainError> {
    let form = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore);
    match form {
        Ok(form) if form == domain => Ok(()),
        Ok(_) => Err(DomainError::NotPunycode(domain.to_owned())),
        Err(_) => Err(DomainError::Invalid { domain: domain.to_owned(), reason: reason(domain) }),
    }
}

/// What is wrong with a name that is none.
fn reason(domain: &str) -> String {
    let is_allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-.".contains(c);
    if let Some(c) = domain.chars().find(|c| !is_allowed(*c)) {
        return format!("disallowed rune U+{:04X}", u32::from(c));
    }
    let is_ill = |label: &&str| {
        let at = |index: usize| label.as_bytes().get(index) == Some(&b'-');
        label.starts_with('-') || label.ends_with('-') || at(2) && at(3)
    };
    format!("invalid label {:?}", domain.split('.').find(is_ill).unwrap_or(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(names: &[&str]) -> Result<Domains, String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Domains::new(&names).map_err(|error| error.to_string())
    }

    fn refused(domains: &Domains, domain: &str) -> String {
        domains.check(domain).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn names_that_are_allowed_pass_and_others_do_not() {
        let domains = allowing(&["ascii.test", "xn--n38h.test"]).unwrap();
        assert_eq!(refused(&domains, "ascii.test"), "");
        assert_eq!(refused(&domains, "xn--n38h.test"), "");
        assert_eq!(refused(&domains, "bad.test"), "domain \"bad.test\" is not allowed");
        assert_eq!(refused(&domains, ""), "domain \"\" is not allowed");
    }

    #[test]
    fn names_in_another_form_than_that_of_dns_are_refused() {
        let domains = allowing(&["xn--n38h.test", "localhost"]).unwrap();
        assert_eq!(refused(&domains, "😬.test"), "domain \"😬.test\" must already be punycode encoded");
        assert_eq!(refused(&domains, "LocalHost"), "domain \"LocalHost\" must already be punycode encoded");
        assert_eq!(allowing(&["😬.test"]).unwrap_err(), "domain \"😬.test\" must already be punycode encoded");
    }

    #[test]
    fn names_that_are_none_are_refused() {
        let domains = allowing(&[]).unwrap();
        for (domain, reason) in [
            ("a/b.test", "disallowed rune U+002F"),
            ("a_b.test", "disallowed rune U+005F"),
            ("::1", "disallowed rune U+003A"),
            ("-a.test", "invalid label \"-a\""),
            ("ab--c.test", "invalid label \"ab--c\""),
        ] {
            let said = format!("domain {domain:?} is not a valid domain name: idna: {reason}");
            assert_eq!((refused(&domains, domain), allowing(&[domain]).unwrap_err()), (said.clone(), said));
        }
    }
}
