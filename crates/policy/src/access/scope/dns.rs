//! Patterns of DNS names.

use std::fmt;

/// A name, or `*.` and the end of names. `*.a.example` fits `b.a.example`, `c.b.a.example` and the wildcard `*.a.example`, not
/// `a.example`. Case does not count; a dot at the end does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsPattern {
    /// In lower case, without `*.`.
    name: String,
    is_end: bool,
}

impl DnsPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (is_end, name) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.is_empty() || name.split('.').any(str::is_empty) || !name.bytes().all(fits) {
            return Err(format!("DNS pattern {text:?} is neither a name nor *. and the end of names"));
        }
        Ok(Self { name: name.to_ascii_lowercase(), is_end })
    }

    /// Whether a name, or all that a wildcard stands for, fits.
    pub fn fits(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        if !self.is_end {
            return name == self.name;
        }
        let front = name.strip_suffix(&self.name).and_then(|front| front.strip_suffix('.'));
        front.is_some_and(|front| !front.is_empty())
    }

    /// Whether all that fits `other` fits this one too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        if !other.is_end {
            return self.fits(&other.name);
        }
        self.is_end && (other.name == self.name || self.fits(&other.name))
    }
}

impl fmt::Display for DnsPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_end { "*." } else { "" }, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> DnsPattern {
        DnsPattern::parse(text).unwrap()
    }

    #[test]
    fn ends_fit_whole_labels() {
        let ours = pattern("*.shop.svc");
        for name in ["a.shop.svc", "A.Shop.SVC", "b.a.shop.svc", "*.shop.svc"] {
            assert!(ours.fits(name), "{name}");
        }
        for name in ["shop.svc", ".shop.svc", "xshop.svc", "a.xshop.svc", "a.shop.svc.", "*.svc", "a.shop.svc.evil"] {
            assert!(!ours.fits(name), "{name}");
        }
        assert!(pattern("a.b").fits("A.b") && !pattern("a.b").fits("x.a.b"));
    }

    #[test]
    fn coverage_is_that_of_names() {
        assert!(pattern("*.b").covers(&pattern("*.a.b")) && pattern("*.b").covers(&pattern("*.b")));
        assert!(pattern("*.b").covers(&pattern("a.b")) && !pattern("*.b").covers(&pattern("b")));
        assert!(!pattern("*.a.b").covers(&pattern("*.b")) && !pattern("a.b").covers(&pattern("*.a.b")));
        for bad in ["", "*", "*.", "a.*", "a..b", ".a", "a.", "*.*.a", "a b"] {
            assert!(DnsPattern::parse(bad).is_err(), "{bad:?}");
        }
    }
}
