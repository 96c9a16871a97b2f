//! How the calling user gets an identity: a token for the agent, an entry for the user, a fetch as of any workload.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use steeple_agent::state::Memory;
use steeple_client::{connect_unix, describe, workload_request};
use steeple_clock::Clock;
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::server::agent::v1::CreateJoinTokenRequest;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types;
use steeple_proto::workload as pb;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use tonic::Code;
use tonic::transport::Channel;

use super::Options;
use super::paths::Paths;

/// Longest the first identity may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A remembered SVID that ends sooner than this is as good as none.
const MARGIN: Duration = Duration::from_mins(1);
/// The audience of the token that is shown.
pub(super) const AUDIENCE: &str = "dev";

/// What came through the Workload API, and why.
pub(super) struct Identity {
    pub(super) svid: pb::X509svidResponse,
    pub(super) token: pb::Jwtsvid,
    pub(super) selectors: Vec<String>,
}

/// Whether the agent has joined in an earlier run and its SVID still holds. One that does not is forgotten: the agent joins
/// anew, under the same alias, so that entries stay as they are.
pub(super) fn is_joined(paths: &Paths, clock: &Clock) -> anyhow::Result<bool> {
    let remembered = Memory::new(&paths.agent_data).read()?;
    let leaf = remembered.svid.first().and_then(|der| Certificate::from_der(der).ok());
    let holds = leaf.is_some_and(|leaf| leaf.not_after() > clock.now() + MARGIN);
    if !holds {
        for file in ["agent-data.json", "keys.json"] {
            match std::fs::remove_file(paths.agent_data.join(file)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(holds)
}

/// The ID under which entries know the agent, whichever token it joined by.
fn agent_alias(options: &Options) -> types::Spiffeid {
    types::Spiffeid { trust_domain: options.trust_domain.name().to_owned(), path: "/agent".to_owned() }
}

/// A token for the agent. The server's socket is bound already, so the call waits until the server answers.
pub(super) async fn join_token(admin: &Channel, options: &Options) -> anyhow::Result<String> {
    let request = CreateJoinTokenRequest { ttl: 600, agent_id: Some(agent_alias(options)), ..Default::default() };
    let token = AgentClient::new(admin.clone()).create_join_token(request).await;
    Ok(token.map_err(|status| anyhow::anyhow!(describe(&status)))?.into_inner().value)
}

/// Registers the calling user, unless an earlier run did, and fetches its identity.
pub(super) async fn obtain(
    admin: &Channel,
    options: &Options,
    paths: &Paths,
    clock: &Clock,
) -> anyhow::Result<Identity> {
    let uid = rustix::process::geteuid().as_raw();
    let selectors = vec![types::Selector { r#type: "unix".to_owned(), value: format!("uid:{uid}") }];
    let trust_domain = options.trust_domain.name().to_owned();
    let entry = types::Entry {
        parent_id: Some(agent_alias(options)),
        spiffe_id: Some(types::Spiffeid { trust_domain, path: format!("/user/{uid}") }),
        selectors: selectors.clone(),
        ..types::Entry::default()
    };
    let request = BatchCreateEntryRequest { entries: vec![entry], output_mask: None };
    let created = EntryClient::new(admin.clone()).batch_create_entry(request).await;
    let created = created.map_err(|status| anyhow::anyhow!(describe(&status)))?.into_inner();
    let status = created.results.into_iter().next().and_then(|result| result.status).unwrap_or_default();
    if status.code != i32::from(Code::Ok) && status.code != i32::from(Code::AlreadyExists) {
        bail!("the entry was refused: {}", status.message);
    }
    let fetched = clock.timeout(PATIENCE, fetch(&paths.agent_socket, clock)).await;
    let (svid, token) =
        fetched.with_context(|| format!("no identity came within 30 s; see {}", paths.log.display()))??;
    let selectors = selectors.into_iter().map(|selector| format!("{}:{}", selector.r#type, selector.value)).collect();
    Ok(Identity { svid, token, selectors })
}

/// The identity, as any workload would fetch it; asked for again as long as the agent does not know it yet.
async fn fetch(socket: &Path, clock: &Clock) -> anyhow::Result<(pb::X509svidResponse, pb::Jwtsvid)> {
    loop {
        let mut client = SpiffeWorkloadApiClient::new(connect_unix(socket));
        let answer = client.fetch_x509svid(workload_request(pb::X509svidRequest {})).await;
        let svid = match answer {
            Ok(stream) => stream.into_inner().message().await,
            Err(status) => Err(status),
        };
        if let Ok(Some(svid)) = svid {
            let request = pb::JwtsvidRequest { audience: vec![AUDIENCE.to_owned()], spiffe_id: String::new() };
            let tokens = client.fetch_jwtsvid(workload_request(request)).await;
            let tokens = tokens.map_err(|status| anyhow::anyhow!(describe(&status)))?.into_inner().svids;
            let token = tokens.into_iter().next().context("no JWT-SVID came")?;
            return Ok((svid, token));
        }
        clock.sleep(Duration::from_millis(50)).await;
    }
}
