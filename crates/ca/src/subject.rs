//! Subject of the server's CA.

use steeple_crypto::x509::Name;

/// The `ca_subject` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaSubject(pub Name);

impl Default for CaSubject {
    fn default() -> Self {
        Self(Name::of("US", "SPIFFE"))
    }
}

impl CaSubject {
    /// The subject of a CA with a serial number, which is an attribute of it unless the configuration gives another.
    pub(crate) fn with_serial(&self, serial_decimal: String) -> Name {
        let mut name = self.0.clone();
        name.serial_number.get_or_insert(serial_decimal);
        name
    }
}
