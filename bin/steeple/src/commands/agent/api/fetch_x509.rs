//! `api fetch x509`, also `api fetch`.

use std::path::Path;

use async_trait::async_trait;
use steeple_client::workload_request;
use steeple_crypto::pem;
use steeple_crypto::x509::Certificate;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_proto::workload::{X509svidRequest, X509svidResponse};
use zeroize::Zeroizing;

use super::identity::Identities;
use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::files::{self, Readers};
use crate::commands::goflag::FlagSet;
use crate::commands::output::Format;

/// Fetches the caller's X.509-SVIDs.
#[derive(Default)]
pub(crate) struct FetchX509 {
    silent: bool,
    write: String,
    format: Format,
}

#[async_trait(?Send)]
impl Command for FetchX509 {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.boolean(&mut self.silent, &["silent"], "Does not print the SVIDs.");
        flags.text(&mut self.write, &["write"], "Folder to write SVIDs, keys and bundles to (pretty output only).");
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let start = call.env.clock.monotonic();
        let response = fetch(call).await?;
        let took = call.env.clock.monotonic().saturating_sub(start);
        if self.format == Format::Json {
            return call.print_json(&response);
        }
        let identities = Identities::read(response, call.env.clock.now())?;
        if !self.silent {
            call.print(format_args!("{}", identities.text(took)))?;
        }
        if self.write.is_empty() { Ok(()) } else { write(&identities, Path::new(&self.write), call) }
    }
}

/// The first answer of the stream.
async fn fetch(call: &Call<'_>) -> Result<X509svidResponse, Failure> {
    let mut client = SpiffeWorkloadApiClient::new(call.channel.clone());
    let first = call.within(async {
        let stream = client.fetch_x509svid(workload_request(X509svidRequest {})).await?;
        stream.into_inner().message().await
    });
    first.await?.ok_or_else(|| "EOF".into())
}

fn write(identities: &Identities, folder: &Path, call: &mut Call<'_>) -> Result<(), Failure> {
    for (number, identity) in identities.identities.iter().enumerate() {
        let path = folder.join(format!("svid.{number}.pem"));
        announce(call, &format!("SVID #{number}"), &path)?;
        write_certificates(&path, &identity.chain)?;
        let path = folder.join(format!("svid.{number}.key"));
        announce(call, &format!("key #{number}"), &path)?;
        let key = Zeroizing::new(pem::encode("PRIVATE KEY", &identity.key));
        files::write(&path, key.as_bytes(), Readers::Owner)?;
        let path = folder.join(format!("bundle.{number}.pem"));
        announce(call, &format!("bundle #{number}"), &path)?;
        write_certificates(&path, &identity.bundle)?;
        for (other, (trust_domain, bundle)) in identities.federated.iter().enumerate() {
            let path = folder.join(format!("federated_bundle.{number}.{other}.pem"));
            announce(call, &format!("federated bundle #{other} for trust domain {trust_domain}"), &path)?;
            write_certificates(&path, bundle)?;
        }
    }
    Ok(())
}

fn announce(call: &mut Call<'_>, what: &str, path: &Path) -> Result<(), Failure> {
    call.print(format_args!("Writing {what} to file {}.\n", path.display()))
}

fn write_certificates(path: &Path, certificates: &[Certificate]) -> Result<(), Failure> {
    let text: String = certificates.iter().map(|one| pem::encode("CERTIFICATE", one.der())).collect();
    files::write(path, text.as_bytes(), Readers::All)
}
