//! Prefixes of the paths of SPIFFE IDs, compared segment by segment.

use std::fmt;

use steeple_types::SelectorSet;

/// A prefix of paths: `/ns/a` is the prefix of `/ns/a` and `/ns/a/b`, not of `/ns/ab`. A segment `{k8s:ns}` stands for the value
/// of the selector `k8s:ns:<value>` of the entry itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathPrefix(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Text(String),
    /// Type of the selector, and what begins its value, without the colon behind it.
    Selector(String, String),
}

impl PathPrefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or_else(|| format!("path {text:?} must begin with a slash"))?;
        let segments: Result<Vec<Segment>, String> =
            rest.split('/').map(|segment| Segment::parse(segment).map_err(|e| format!("path {text:?}: {e}"))).collect();
        segments.map(Self)
    }

    /// Whether it has no segment that stands for a selector.
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|segment| matches!(segment, Segment::Text(_)))
    }

    /// Whether `path`, of something with these selectors, is the prefix or lies below it.
    pub fn holds(&self, path: &str, selectors: Option<&SelectorSet>) -> bool {
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut parts = rest.split('/');
        self.0.iter().all(|segment| parts.next().is_some_and(|part| segment.is(part, selectors)))
    }

    /// Whether all that lies below `other` lies below this one too. `only` is the namespace if all that `other` is about is of one.
    pub(crate) fn covers(&self, other: &Self, only: Option<&str>) -> bool {
        self.0.len() <= other.0.len()
            && self.0.iter().zip(&other.0).all(|(own, others)| {
                let of_namespace = own.is_namespace() || others.is_namespace();
                own == others || (of_namespace && own.text(only).is_some() && own.text(only) == others.text(only))
            })
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let parts = inner.split_once(':').filter(|(kind, name)| !kind.is_empty() && !name.is_empty());
            let (kind, name) = parts.ok_or_else(|| format!("{text:?} does not name a selector as {{k8s:ns}} does"))?;
            return Ok(Self::Selector(kind.to_owned(), name.to_owned()));
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        match text {
            "" => Err("it has an empty segment".to_owned()),
            "." | ".." => Err("it has a dot segment".to_owned()),
            _ if !text.bytes().all(fits) => Err(format!(
                "segment {text:?} has other characters than letters, numbers, dots, dashes and underscores"
            )),
            _ => Ok(Self::Text(text.to_owned())),
        }
    }

    /// Every selector that the segment stands for must say `part`, and one must be there.
    fn is(&self, part: &str, selectors: Option<&SelectorSet>) -> bool {
        match self {
            Self::Text(text) => text == part,
            Self::Selector(kind, name) => {
                let mut values = values(selectors, kind, name).peekable();
                values.peek().is_some() && values.all(|value| value == part)
            }
        }
    }

    fn is_namespace(&self) -> bool {
        matches!(self, Self::Selector(kind, name) if kind == "k8s" && name == "ns")
    }

    fn text<'a>(&'a self, only: Option<&'a str>) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Selector(..) if self.is_namespace() => only,
            Self::Selector(..) => None,
        }
    }
}

/// The values of selectors `kind:name:<value>`.
pub(crate) fn values<'a>(
    selectors: Option<&'a SelectorSet>,
    kind: &'a str,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    let of_kind = selectors.into_iter().flatten().filter(move |selector| selector.kind() == kind);
    of_kind.filter_map(move |selector| selector.value().strip_prefix(name)?.strip_prefix(':'))
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Text(text) => write!(f, "/{text}"),
            Segment::Selector(kind, name) => write!(f, "/{{{kind}:{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        PathPrefix::parse(text).unwrap()
    }

    #[test]
    fn segments_are_compared_whole() {
        let own = prefix("/ns/a");
        assert!(own.holds("/ns/a", None) && own.holds("/ns/a/b/c", None));
        for other in ["/ns/ab", "/ns", "/ns/A", "/ns/b/a", "", "/", "ns/a", "/ns//a", "/x/ns/a"] {
            assert!(!own.holds(other, None), "{other}");
        }
    }

    #[test]
    fn template_is_the_value_of_the_own_selector() {
        let own = prefix("/ns/{k8s:ns}");
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<SelectorSet>();
        assert!(own.holds("/ns/a/x", Some(&of(&["k8s:ns:a", "k8s:sa:b"]))));
        for selectors in [&["k8s:ns:b"][..], &["k8s:ns:a", "k8s:ns:b"], &["k8s:sa:a"], &["K8S:ns:a"], &["k8s:nsx:a"]] {
            assert!(!own.holds("/ns/a/x", Some(&of(selectors))), "{selectors:?}");
        }
        assert!(!own.holds("/ns/a/x", None));
    }

    #[test]
    fn bad_prefixes_are_refused() {
        for bad in ["", "/", "a", "/a/", "/a//b", "/a/../b", "/a/%41", "/a/*", "/{ns}", "/{:ns}", "/a b"] {
            assert!(PathPrefix::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(prefix("/ns/{k8s:ns}/x").to_string(), "/ns/{k8s:ns}/x");
    }

    #[test]
    fn coverage_is_that_of_what_lies_below() {
        assert!(prefix("/a").covers(&prefix("/a/b"), None) && !prefix("/a/b").covers(&prefix("/a"), None));
        assert!(!prefix("/a").covers(&prefix("/ab"), None));
        let (template, fixed) = (prefix("/ns/{k8s:ns}"), prefix("/ns/a"));
        assert!(template.covers(&template, None) && !template.covers(&fixed, None) && !fixed.covers(&template, None));
        assert!(template.covers(&fixed, Some("a")) && fixed.covers(&template, Some("a")));
        assert!(!template.covers(&fixed, Some("b")) && !fixed.covers(&template, Some("b")));
    }
}
