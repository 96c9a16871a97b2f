//! Which authorities were tainted since one last looked.

use std::collections::BTreeSet;

use steeple_types::X509Authority;

use crate::x509::Certificate;

/// The tainted X.509 authorities that were seen already: each is acted on once.
#[derive(Clone, Debug, Default)]
pub struct SeenTaints(BTreeSet<Vec<u8>>);

impl SeenTaints {
    /// The authorities that are tainted and were not when this was last asked. What can't be read is left out.
    pub fn news(&mut self, authorities: &[X509Authority]) -> Vec<Certificate> {
        let tainted: BTreeSet<Vec<u8>> =
            authorities.iter().filter(|authority| authority.tainted).map(|found| found.certificate.clone()).collect();
        let news = tainted.difference(&self.0).filter_map(|der| Certificate::from_der(der).ok()).collect();
        self.0 = tainted;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taint_is_news_once() {
        let bundle = include_str!("../../../tests/golden/takeover/bundle.pem");
        let root = crate::pem::certificates(bundle).unwrap().remove(0);
        let authority = |tainted| X509Authority { certificate: root.clone(), tainted };
        let mut seen = SeenTaints::default();
        assert_eq!(seen.news(&[authority(false)]).len(), 0);
        assert_eq!(seen.news(&[authority(true)]).len(), 1);
        assert_eq!(seen.news(&[authority(true)]).len(), 0);
        assert_eq!(seen.news(&[X509Authority { certificate: b"junk".to_vec(), tainted: true }]).len(), 0);
        assert_eq!(seen.news(&[authority(true)]).len(), 1, "it was gone in between");
    }
}
