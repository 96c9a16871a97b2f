//! The only crate that names a crypto library: keys, X.509, JWS, bundles, chain verification.
