//! X.509-SVIDs of an answer: read, verified and shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use steeple_config::format_duration;
use steeple_crypto::keys::PrivateKey;
use steeple_crypto::verify::verify_chain;
use steeple_crypto::x509::{Certificate, X509Error};
use steeple_proto::workload::{X509svid, X509svidResponse};
use steeple_types::SpiffeId;
use zeroize::Zeroizing;

use crate::commands::date;
use crate::commands::failure::{Explain, Failure};
use crate::commands::quote::quote;

/// An X.509-SVID that its bundle vouches for.
pub(super) struct Identity {
    pub(super) spiffe_id: String,
    pub(super) hint: String,
    pub(super) chain: Vec<Certificate>,
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) bundle: Vec<Certificate>,
}

/// All identities of an answer.
pub(super) struct Identities {
    pub(super) identities: Vec<Identity>,
    /// Bundles of foreign trust domains by their IDs.
    pub(super) federated: BTreeMap<String, Vec<Certificate>>,
}

impl Identities {
    /// Reads an answer and verifies each SVID against its bundle.
    pub(super) fn read(response: X509svidResponse, now: Timestamp) -> Result<Self, Failure> {
        if response.svids.is_empty() {
            return Err("workload response contains no svids".into());
        }
        let mut federated = BTreeMap::new();
        for (trust_domain, der) in response.federated_bundles {
            let quoted = quote(&trust_domain);
            let bundle =
                certificates(&der).explain(format_args!("failed to parse bundle for federated domain {quoted}"))?;
            if bundle.is_empty() {
                return Err(format!("no certificates in bundle for federated domain {quoted}").into());
            }
            federated.insert(trust_domain, bundle);
        }
        let mut identities = Vec::new();
        for (position, svid) in response.svids.into_iter().enumerate() {
            let what = format!("failed to parse svid entry {position} for spiffe id {}", quote(&svid.spiffe_id));
            identities.push(Identity::read(svid).explain(what)?);
        }
        for identity in &identities {
            identity.verify(now)?;
        }
        Ok(Self { identities, federated })
    }

    /// The same, with no hint shown.
    pub(super) fn without_hints(mut self) -> Self {
        for identity in &mut self.identities {
            identity.hint.clear();
        }
        self
    }

    /// All of them for people.
    pub(super) fn text(&self, after: Duration) -> String {
        let count = self.identities.len();
        let plural = if count == 1 { "" } else { "s" };
        let mut text = format!("Received {count} svid{plural} after {}\n", format_duration(after));
        for identity in &self.identities {
            text.push('\n');
            text.push_str(&identity.text());
            for (trust_domain, bundle) in &self.federated {
                validity(&mut text, bundle, |number| format!("[{trust_domain}] CA #{number}"));
            }
        }
        text + "\n"
    }
}

impl Identity {
    fn read(svid: X509svid) -> Result<Self, Failure> {
        let key = Zeroizing::new(svid.x509_svid_key);
        let chain = certificates(&svid.x509_svid)?;
        if chain.is_empty() {
            return Err("no certificates found".into());
        }
        PrivateKey::from_pkcs8(&key).map_err(|error| format!("failed to parse private key: {error}"))?;
        let bundle = certificates(&svid.bundle).explain("failed to parse trust bundle")?;
        if bundle.is_empty() {
            return Err("no certificates in trust bundle".into());
        }
        Ok(Self { spiffe_id: svid.spiffe_id, hint: svid.hint, chain, key, bundle })
    }

    fn verify(&self, now: Timestamp) -> Result<(), Failure> {
        SpiffeId::parse(&self.spiffe_id)?;
        let chain: Vec<&[u8]> = self.chain.iter().map(Certificate::der).collect();
        let bundle: Vec<&[u8]> = self.bundle.iter().map(Certificate::der).collect();
        verify_chain(&chain, &bundle, now).map(|_| ()).map_err(|error| {
            Failure(format!("{} SVID failed verification against bundle: {error}", quote(&self.spiffe_id)))
        })
    }

    fn text(&self) -> String {
        let mut text = format!("SPIFFE ID:\t\t{}\n", self.spiffe_id);
        if !self.hint.is_empty() {
            let _ = writeln!(text, "Hint:\t\t\t{}", self.hint);
        }
        let (leaf, intermediates) = self.chain.split_at(self.chain.len().min(1));
        validity(&mut text, leaf, |_| "SVID".to_owned());
        validity(&mut text, intermediates, |number| format!("Intermediate #{number}"));
        validity(&mut text, &self.bundle, |number| format!("CA #{number}"));
        text
    }
}

fn validity(text: &mut String, certificates: &[Certificate], label: impl Fn(usize) -> String) {
    for (position, certificate) in certificates.iter().enumerate() {
        let label = label(position + 1);
        let _ = writeln!(text, "{label} Valid After:\t{}", date::utc(certificate.not_before().as_second()));
        let _ = writeln!(text, "{label} Valid Until:\t{}", date::utc(certificate.not_after().as_second()));
    }
}

fn certificates(der: &[u8]) -> Result<Vec<Certificate>, Failure> {
    Certificate::many_from_der(der).map_err(|error: X509Error| Failure(error.to_string()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::Value;

    use super::*;

    /// The answer of an agent of SPIRE.
    fn answer() -> X509svidResponse {
        let documents: Value =
            serde_json::from_str(include_str!("../../../../../../tests/golden/documents.json")).unwrap();
        let answer: Value = serde_json::from_str(documents["workload_fetch_x509_json"].as_str().unwrap()).unwrap();
        let svid = &answer["svids"][0];
        let bytes = |field: &str| BASE64_STANDARD.decode(svid[field].as_str().unwrap()).unwrap();
        let svid = X509svid {
            spiffe_id: svid["spiffe_id"].as_str().unwrap().to_owned(),
            x509_svid: bytes("x509_svid"),
            x509_svid_key: bytes("x509_svid_key"),
            bundle: bytes("bundle"),
            hint: "h0".to_owned(),
        };
        X509svidResponse { svids: vec![svid], ..X509svidResponse::default() }
    }

    fn within_validity() -> Timestamp {
        "2026-11-23T19:17:00Z".parse().unwrap()
    }

    #[test]
    fn an_answer_of_spire_is_verified_and_shown() {
        let identities = Identities::read(answer(), within_validity()).unwrap();
        assert_eq!(
            identities.text(Duration::from_micros(1500)),
            "Received 1 svid after 1.5ms\n\n\
             SPIFFE ID:\t\tspiffe://rig.example/w\n\
             Hint:\t\t\th0\n\
             SVID Valid After:\t2026-11-23 19:16:53 +0000 UTC\n\
             SVID Valid Until:\t2026-11-23 19:17:23 +0000 UTC\n\
             CA #1 Valid After:\t2026-11-23 19:16:43 +0000 UTC\n\
             CA #1 Valid Until:\t2026-11-23 19:21:53 +0000 UTC\n\n"
        );
    }

    #[test]
    fn an_identity_that_its_bundle_does_not_vouch_for_is_refused() {
        let late = "2026-11-23T19:18:00Z".parse().unwrap();
        let failure = Identities::read(answer(), late).err().unwrap().0;
        assert!(
            failure.starts_with("\"spiffe://rig.example/w\" SVID failed verification against bundle: "),
            "{failure}"
        );
        let mut empty = answer();
        empty.svids.clear();
        let failure = Identities::read(empty, within_validity()).err().unwrap();
        assert_eq!(failure, "workload response contains no svids".into());
    }
}
