//! `x509 mint`.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::pem;
use steeple_crypto::x509::{Name, self_signed_csr};
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::bundle::v1::bundle_client::BundleClient;
use steeple_proto::spire::api::server::svid::v1::MintX509svidRequest;
use steeple_proto::spire::api::server::svid::v1::svid_client::SvidClient;
use steeple_types::SpiffeId;
use zeroize::Zeroizing;

use super::parse::seconds_up;
use crate::commands::call::{Call, Command};
use crate::commands::date;
use crate::commands::failure::{Explain, Failure};
use crate::commands::files::{self, Readers};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Mints an X.509-SVID for a new key.
#[derive(Default)]
pub(crate) struct Mint {
    spiffe_id: String,
    ttl: Duration,
    dns_names: Vec<String>,
    write: String,
    format: Format,
}

/// What was minted, DER.
struct Minted {
    chain: Vec<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    authorities: Vec<Vec<u8>>,
}

/// The same as JSON, base64.
#[derive(Serialize)]
struct MintedJson {
    x509_svid: Vec<String>,
    private_key: Zeroizing<String>,
    root_cas: Vec<String>,
}

#[async_trait(?Send)]
impl Command for Mint {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.text(&mut self.spiffe_id, &["spiffeID"], "SPIFFE ID of the SVID.");
        flags.duration(&mut self.ttl, &["ttl"], "Lifetime of the SVID.");
        flags.repeated(&mut self.dns_names, &["dns"], "A DNS name for the SVID. May be repeated.");
        flags.text(&mut self.write, &["write"], "Folder to write files to, instead of printing.");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        if self.spiffe_id.is_empty() {
            return Err("spiffeID must be specified".into());
        }
        let id = SpiffeId::parse(&self.spiffe_id)?;
        let minted = self.mint(&id, call).await?;
        match (self.write.is_empty(), self.format) {
            (false, _) => write_files(&minted, Path::new(&self.write), call),
            (true, Format::Json) => {
                let text = Zeroizing::new(json(&minted)?);
                call.print(format_args!("{}\n", text.as_str()))
            }
            (true, Format::Pretty) => {
                let [svid, key, bundle] = pem_texts(&minted);
                let (svid, key, bundle) = (svid.as_str(), key.as_str(), bundle.as_str());
                call.print(format_args!("X509-SVID:\n{svid}\nPrivate key:\n{key}\nRoot CAs:\n{bundle}\n"))
            }
        }
    }
}

impl Mint {
    async fn mint(&self, id: &SpiffeId, call: &mut Call<'_>) -> Result<Minted, Failure> {
        let ttl = seconds_up(self.ttl)?;
        let key = PrivateKey::generate(KeyType::EcP256).map_err(|error| format!("unable to generate key: {error}"))?;
        let csr = self_signed_csr(&key, &Name::default(), &[id.to_string()], &self.dns_names);
        let csr = csr.map_err(|error| format!("unable to generate CSR: {error}"))?;
        let request = MintX509svidRequest { csr, ttl };
        let reply = call.reply(SvidClient::new(call.channel.clone()).mint_x509svid(request)).await;
        let svid = reply.explain("unable to mint SVID")?.svid.unwrap_or_default();
        if svid.cert_chain.is_empty() {
            return Err("server response missing SVID chain".into());
        }
        let mut client = BundleClient::new(call.channel.clone());
        let bundle =
            call.reply(client.get_bundle(GetBundleRequest::default())).await.explain("unable to get bundle")?;
        if bundle.x509_authorities.is_empty() {
            return Err("server response missing X509 Authorities".into());
        }
        if is_capped(svid.expires_at, self.ttl, call) {
            let end = date::rfc3339(svid.expires_at);
            call.complain(format_args!(
                "X509-SVID lifetime was capped shorter than specified ttl; expires \"{end}\"\n"
            ));
        }
        Ok(Minted {
            chain: svid.cert_chain,
            key: key.to_pkcs8().map_err(|error| error.to_string())?,
            authorities: bundle.x509_authorities.into_iter().map(|authority| authority.asn1).collect(),
        })
    }
}

/// Whether less than `wanted` is left until `expires_at`.
pub(super) fn is_capped(expires_at: i64, wanted: Duration, call: &Call<'_>) -> bool {
    let now = call.env.clock.now().as_nanosecond();
    let left = i128::from(expires_at) * 1_000_000_000 - now;
    left < i128::try_from(wanted.as_nanos()).unwrap_or(i128::MAX)
}

fn json(minted: &Minted) -> Result<String, Failure> {
    let encoded = |ders: &[Vec<u8>]| ders.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
    let minted = MintedJson {
        x509_svid: encoded(&minted.chain),
        private_key: Zeroizing::new(BASE64_STANDARD.encode(&*minted.key)),
        root_cas: encoded(&minted.authorities),
    };
    serde_json::to_string(&minted).map_err(|error| Failure(error.to_string()))
}

/// The chain, the key and the authorities in PEM.
fn pem_texts(minted: &Minted) -> [Zeroizing<String>; 3] {
    let certificates = |ders: &[Vec<u8>]| ders.iter().map(|der| pem::encode("CERTIFICATE", der)).collect::<String>();
    [certificates(&minted.chain), pem::encode("PRIVATE KEY", &minted.key), certificates(&minted.authorities)]
        .map(Zeroizing::new)
}

fn write_files(minted: &Minted, folder: &Path, call: &mut Call<'_>) -> Result<(), Failure> {
    let [svid, key, bundle] = pem_texts(minted);
    for (what, label, name, text, readers) in [
        ("SVID", "X509-SVID", "svid.pem", svid, Readers::All),
        ("key", "Private key", "key.pem", key, Readers::Owner),
        ("bundle", "Root CAs", "bundle.pem", bundle, Readers::All),
    ] {
        let path = folder.join(name);
        files::write(&path, text.as_bytes(), readers).explain(format_args!("unable to write {what}"))?;
        call.print(format_args!("{label} written to {}\n", path.display()))?;
    }
    Ok(())
}
