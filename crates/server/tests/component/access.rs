//! Scoped rights: bindings as the configuration has them, decided by the server.

mod approvals;
mod escalation;
mod grants;
mod lists;
mod questions;
mod rules;
mod tokens;

use steeple_config::Flags;
use steeple_proto::spire::api::server as pb;
use steeple_proto::spire::api::types;
use steeple_server::AccessSettings;
use tonic::{Code, Status};

use crate::bench::{Bench, spiffe_id};

/// By which the tests set things up: user 1000 on the private socket.
const SETUP: &str = r#"
  binding "setup" {
    role = "break-glass"
    reason = "the tests set things up"
    not_after = "2030-01-01T00:00:00Z"
    subject { uid = 1000 }
    scope { flags = ["admin", "downstream", "store_svid", "alias"] }
  }
"#;

/// The block `access` with these bindings, as a configuration file has it.
fn access(bindings: &str) -> Result<AccessSettings, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = folder.path().join("server.conf");
    let text = format!(
        "server {{ trust_domain = \"example.org\" data_dir = \"/d\" }}\nplugins {{}}\n\
         access {{ mode = \"scoped\"\n{bindings}\n}}\n"
    );
    std::fs::write(&path, text).map_err(|error| error.to_string())?;
    let config = steeple_server::config::load(path.to_str().unwrap_or_default(), None, &Flags::default());
    config.map_err(|error| error.to_string())?.settings.access.ok_or_else(|| "no scoped rights".to_owned())
}

/// A server with these bindings and the one of the tests.
async fn scoped(bindings: &str) -> Bench {
    let access = access(&format!("{SETUP}{bindings}")).unwrap();
    Bench::with(|settings| settings.access = Some(access)).await
}

/// A binding of a person, `spiffe://example.org/people/<name>`.
fn person(name: &str, role: &str, scope: &str) -> String {
    format!(
        "binding \"{name}\" {{\n role = \"{role}\"\n subject {{ spiffe_id = \"spiffe://example.org/people/{name}\" }}\n \
         scope {{ {scope} }}\n}}\n"
    )
}

/// The certificates of an SVID with this path.
async fn chain(bench: &Bench, path: &str) -> Vec<Vec<u8>> {
    let csr = crate::bench::csr(&[&format!("spiffe://example.org{path}")]);
    let request = pb::svid::v1::MintX509svidRequest { csr, ttl: 3_600 };
    bench.local().svid().mint_x509svid(request).await.unwrap().into_inner().svid.unwrap().cert_chain
}

/// An entry of a pod in a namespace, below an agent of the cluster `demo`.
fn pod(path: &str, namespace: &str) -> types::Entry {
    let selector = |value: String| types::Selector { r#type: "k8s".to_owned(), value };
    types::Entry {
        spiffe_id: Some(spiffe_id(path)),
        parent_id: Some(spiffe_id("/spire/agent/k8s_psat/demo/1")),
        selectors: vec![selector(format!("ns:{namespace}")), selector(format!("sa:{}", path.replace('/', "-")))],
        ..types::Entry::default()
    }
}

/// Stores an entry as the tests may.
async fn stored(bench: &Bench, entry: types::Entry) -> types::Entry {
    let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
    let results = bench.local().entry().batch_create_entry(request).await.unwrap().into_inner().results;
    let said = results[0].status.clone().unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    results[0].entry.clone().unwrap()
}

/// What an item of a batch came to.
fn item(status: Option<types::Status>) -> Result<(), Status> {
    let status = status.unwrap_or_default();
    match Code::from(status.code) {
        Code::Ok => Ok(()),
        code => Err(Status::new(code, status.message)),
    }
}
