//! What Envoy shows of its certificates on its page `/certs`.

use anyhow::{Context, Result};
use serde_json::Value;

/// The certificates and authorities that an Envoy holds.
#[derive(Debug, Clone)]
pub struct Certificates(Vec<Value>);

impl Certificates {
    /// Reads what Envoy answers.
    ///
    /// # Errors
    /// When it is not what Envoy answers.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let page: Value = serde_json::from_str(text).with_context(|| format!("/certs: {text}"))?;
        Ok(Self(page.get("certificates").and_then(Value::as_array).cloned().unwrap_or_default()))
    }

    /// The URIs of the certificates that Envoy shows to others, each once.
    pub fn ids(&self) -> Vec<String> {
        self.shown("cert_chain", |certificate| {
            let names = certificate.get("subject_alt_names").and_then(Value::as_array);
            names.into_iter().flatten().find_map(|name| name.get("uri").and_then(Value::as_str))
        })
    }

    /// The serial numbers of the certificates that Envoy shows to others, each once.
    pub fn serials(&self) -> Vec<String> {
        self.shown("cert_chain", |certificate| certificate.get("serial_number").and_then(Value::as_str))
    }

    fn shown(&self, kind: &str, what: impl Fn(&Value) -> Option<&str>) -> Vec<String> {
        let chains = self.0.iter().filter_map(|pair| pair.get(kind).and_then(Value::as_array)).flatten();
        // One without the field would be a certificate of somebody else's.
        let mut found: Vec<String> = chains.map(|one| what(one).unwrap_or("none").to_owned()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}
