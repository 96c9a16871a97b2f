//! SPIFFE IDs and trust domains: one text for one ID, and its parts make it again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steeple_types::{SpiffeId, TrustDomain};

fuzz_target!(|text: &str| {
    if let Ok(trust_domain) = TrustDomain::parse(text) {
        assert_eq!(TrustDomain::from_name(trust_domain.name()).as_ref(), Ok(&trust_domain));
        assert_eq!(SpiffeId::parse(&trust_domain.id_string()).as_ref(), Ok(&trust_domain.id()));
    }
    let Ok(id) = SpiffeId::parse(text) else { return };
    assert_eq!(id.as_str(), text);
    assert!(text.is_ascii() && text.len() <= 2048);
    let segments = id.path().strip_prefix('/').into_iter().flat_map(|path| path.split('/'));
    assert!(segments.into_iter().all(|segment| !matches!(segment, "" | "." | "..")));
    let trust_domain = id.trust_domain();
    assert!(id.member_of(&trust_domain));
    assert_eq!(SpiffeId::from_path(&trust_domain, id.path()).as_ref(), Ok(&id));
    assert!(!id.is_agent() || id.is_reserved());
});
