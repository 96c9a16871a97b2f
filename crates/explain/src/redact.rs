//! What is left out of what somebody is told who is not to know everything.

use steeple_types::{Entry, Selector};

use crate::nearest::key;

/// What is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redact {
    /// Nothing.
    None,
    /// Values of selectors; what they are about is told.
    Values,
    /// Everything.
    #[default]
    All,
}

impl Redact {
    /// Reads the value of a configuration's key.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "values" => Some(Self::Values),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// A selector without its value: `unix:uid:…`.
pub fn without_value(selector: &Selector) -> Selector {
    let shown = match key(selector) {
        key if key.len() < selector.value().len() => format!("{key}:…"),
        _ => "…".to_owned(),
    };
    Selector::new(selector.kind(), shown).unwrap_or_else(|_| selector.clone())
}

/// An entry without the values of those of its selectors that `hides`, and whether any was left out.
pub fn without_values(entry: &Entry, hides: impl Fn(&Selector) -> bool) -> (Entry, bool) {
    let is_redacted = entry.selectors.iter().any(&hides);
    let selectors = entry.selectors.iter().map(|one| if hides(one) { without_value(one) } else { one.clone() });
    (Entry { selectors: selectors.collect(), ..entry.clone() }, is_redacted)
}

/// Whether the value of `selector` may be a secret: variables of a container's environment.
pub fn is_secret(selector: &Selector) -> bool {
    selector.kind() == "docker" && key(selector) == "env"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_selector_is_about_stays() {
        let of = |text: &str| without_value(&text.parse().unwrap()).to_string();
        assert_eq!(of("unix:uid:1000"), "unix:uid:…");
        assert_eq!(of("docker:env:PASSWORD=x"), "docker:env:…");
        assert_eq!(of("x:plain"), "x:…");
        assert!(is_secret(&"docker:env:A=b".parse().unwrap()) && !is_secret(&"docker:label:A:b".parse().unwrap()));
    }
}
