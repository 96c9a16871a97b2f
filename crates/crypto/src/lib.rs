//! The only crate that names a crypto library: keys, X.509, JWS, bundle documents, verification, TLS settings.
//!
//! Private keys live in types without `Debug` or `Clone`; untrusted bytes are parsed strictly and with bounds.

pub mod bundle;
pub mod der;
pub mod digest;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod keys;
pub mod pem;
mod pss;
pub mod random;
pub mod taint;
pub mod tls;
pub mod verify;
pub mod x509;
