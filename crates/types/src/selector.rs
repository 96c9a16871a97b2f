//! Selectors.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The text has no colon between type and value.
    #[error("selector \"{0}\" must be formatted as type:value")]
    NotTyped(String),
    /// The type is empty.
    #[error("missing selector type")]
    MissingType,
    /// The type contains a colon.
    #[error("selector type contains ':'")]
    ColonInType,
    /// The value is empty.
    #[error("missing selector value")]
    MissingValue,
}

/// A property of a node or workload, `type:value`, by which entries select it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    kind: String,
    value: String,
}

impl Selector {
    /// Builds a selector of a type without colon and a value, neither of them empty.
    ///
    /// # Errors
    /// [`SelectorError`] for an empty part or a colon in the type.
    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Result<Self, SelectorError> {
        let (kind, value) = (kind.into(), value.into());
        if kind.is_empty() {
            return Err(SelectorError::MissingType);
        }
        if kind.contains(':') {
            return Err(SelectorError::ColonInType);
        }
        if value.is_empty() {
            return Err(SelectorError::MissingValue);
        }
        Ok(Self { kind, value })
    }

    /// The type, the part before the first colon.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The value, all after the first colon.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for Selector {
    type Err = SelectorError;
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let (kind, value) = text.split_once(':').ok_or_else(|| SelectorError::NotTyped(text.to_owned()))?;
        Self::new(kind, value)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// Selectors without repetition, in order of type and value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SelectorSet(Vec<Selector>);

impl SelectorSet {
    /// Whether every selector of `other` is here too.
    pub fn is_superset(&self, other: &Self) -> bool {
        other.0.iter().all(|selector| self.contains(selector))
    }

    /// Whether `selector` is in the set.
    pub fn contains(&self, selector: &Selector) -> bool {
        self.0.binary_search(selector).is_ok()
    }

    /// The selectors in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Selector> {
        self.0.iter()
    }

    /// The selectors in order.
    pub fn as_slice(&self) -> &[Selector] {
        &self.0
    }

    /// Number of selectors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Selector> for SelectorSet {
    fn from_iter<I: IntoIterator<Item = Selector>>(selectors: I) -> Self {
        let mut all: Vec<Selector> = selectors.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }
}

impl IntoIterator for SelectorSet {
    type Item = Selector;
    type IntoIter = std::vec::IntoIter<Selector>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a SelectorSet {
    type Item = &'a Selector;
    type IntoIter = std::slice::Iter<'a, Selector>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_keeps_its_colons() {
        let selector: Selector = "k8s:pod-label:app:web".parse().unwrap();
        assert_eq!((selector.kind(), selector.value()), ("k8s", "pod-label:app:web"));
    }

    #[test]
    fn parts_must_be_there() {
        assert_eq!(":v".parse::<Selector>(), Err(SelectorError::MissingType));
        assert_eq!("t:".parse::<Selector>(), Err(SelectorError::MissingValue));
        assert_eq!("tv".parse::<Selector>(), Err(SelectorError::NotTyped("tv".into())));
        assert_eq!(Selector::new("a:b", "c"), Err(SelectorError::ColonInType));
    }

    #[test]
    fn sets_compare_without_order_or_repetition() {
        let of = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<SelectorSet>();
        assert_eq!(of(&["a:1", "b:2", "a:1"]), of(&["b:2", "a:1"]));
        assert!(of(&["a:1", "b:2"]).is_superset(&of(&["b:2"])));
        assert!(!of(&["b:2"]).is_superset(&of(&["a:1", "b:2"])));
    }
}
