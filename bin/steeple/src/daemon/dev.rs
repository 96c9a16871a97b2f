//! `dev`: a server and an agent in one process, to try and to develop.
//!
//! The agent joins by a token, the calling user gets an entry, and its identity is fetched through the real Workload API
//! socket, shown, and kept fresh until Ctrl-C.

mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use steeple_client::{connect_unix, describe, workload_request};
use steeple_clock::Clock;
use steeple_proto::spire::api::server::agent::v1::CreateJoinTokenRequest;
use steeple_proto::spire::api::server::agent::v1::agent_client::AgentClient;
use steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest;
use steeple_proto::spire::api::server::entry::v1::entry_client::EntryClient;
use steeple_proto::spire::api::types;
use steeple_proto::workload as pb;
use steeple_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use steeple_runtime::{Shutdown, Signals, tighten_umask};
use steeple_telemetry::{Format, Level, Log, LogConfig};
use tonic::Code;
use tonic::transport::Channel;

use super::{agent, server, signals};
use crate::commands::{Env, SPIRE_VERSION};

/// Longest the first identity may take.
const PATIENCE: Duration = Duration::from_secs(30);

struct Options {
    state_dir: PathBuf,
    trust_domain: String,
    port: u16,
    once: bool,
}

/// `steeple dev`.
pub(crate) fn dev(env: &mut Env, arguments: &[String]) -> u8 {
    match options(env, arguments).and_then(|options| run(env, &options)) {
        Ok(()) => 0,
        Err(error) => {
            env.complain(&format!("Error: {error:#}\n"));
            1
        }
    }
}

fn options(env: &Env, arguments: &[String]) -> anyhow::Result<Options> {
    let state_home = match (env.var("XDG_STATE_HOME"), env.var("HOME")) {
        ("", "") => PathBuf::from("/tmp"),
        ("", home) => Path::new(home).join(".local/state"),
        (state, _) => PathBuf::from(state),
    };
    let mut options = Options {
        state_dir: state_home.join("steeple"),
        trust_domain: "example.org".to_owned(),
        port: 8081,
        once: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, inline) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
        let mut value =
            || inline.clone().or_else(|| rest.next().cloned()).with_context(|| format!("{name} needs a value"));
        match name {
            "--once" => options.once = true,
            "--state-dir" => options.state_dir = PathBuf::from(value()?),
            "--trust-domain" => options.trust_domain = value()?,
            "--port" => options.port = value()?.parse().context("--port needs a port number")?,
            other => bail!("unknown option {other}; there are --once, --state-dir DIR, --trust-domain NAME, --port N"),
        }
    }
    Ok(options)
}

fn run(env: &mut Env, options: &Options) -> anyhow::Result<()> {
    tighten_umask();
    let state = &options.state_dir;
    std::fs::create_dir_all(state)
        .with_context(|| format!("unable to create {}; choose another folder with --state-dir", state.display()))?;
    let clock = Clock::system();
    let log = LogConfig {
        level: Level::Info,
        format: Format::Text,
        file: Some(state.join("steeple.log")),
        source_location: false,
    };
    let (log, subscriber) = Log::new(&log, clock.clone())?;
    tracing::subscriber::set_global_default(subscriber)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(env, options, clock, log))
}

async fn serve(env: &mut Env, options: &Options, clock: Clock, log: Log) -> anyhow::Result<()> {
    let began = clock.monotonic();
    let paths = Paths::of(&options.state_dir);
    let shutdown = Shutdown::new();
    let signals = Signals::listen()?;
    let server_config = paths.server_config(options)?;
    let server = server::start(&server_config, clock.clone(), log.clone()).await.map_err(explain)?;
    let address = server.address()?;
    let work = async {
        let admin = connect_unix(&paths.server_socket);
        let token = join_token(&admin, &paths).await?;
        let agent_config = paths.agent_config(options, address.port(), &token)?;
        let agent = agent::start(&agent_config, clock.clone(), log.clone(), None)?;
        let agent_id = paths.remembered_agent(options, &token);
        tokio::select! {
            ended = agent.run(shutdown.child()) => { ended?; bail!("the agent stopped") }
            shown = show(env, options, &paths, &admin, agent_id, &clock, began) => {
                shown?;
                if options.once { shutdown.trigger(); return Ok(()); }
                shutdown.triggered().await;
                Ok(())
            }
        }
    };
    tokio::select! {
        ended = server.run(shutdown.clone()) => Ok(ended?),
        ended = async {
            let ended = work.await;
            shutdown.trigger();
            if ended.is_ok() { std::future::pending::<()>().await; }
            ended
        } => ended,
        () = signals::follow(signals, log.clone(), shutdown.clone()) => Ok(()),
    }
}

/// Says how to choose another port or socket when one is taken.
fn explain(error: anyhow::Error) -> anyhow::Error {
    let text = format!("{error:#}");
    if text.contains("in use") {
        return anyhow::anyhow!(
            "{text}; another `steeple dev` or server runs here: choose --port N and --state-dir DIR"
        );
    }
    error
}

/// A token for the agent, unless it has joined in an earlier run.
async fn join_token(admin: &Channel, paths: &Paths) -> anyhow::Result<String> {
    if paths.agent_memory.exists() {
        return Ok(String::new());
    }
    let request = CreateJoinTokenRequest { ttl: 600, ..Default::default() };
    let token = AgentClient::new(admin.clone()).create_join_token(request).await;
    let token = token.map_err(|status| anyhow::anyhow!(describe(&status)))?.into_inner().value;
    if let Some(folder) = paths.token.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&paths.token, &token)?;
    Ok(token)
}

/// Registers the calling user and shows its identity as it comes through the Workload API.
async fn show(
    env: &mut Env,
    options: &Options,
    paths: &Paths,
    admin: &Channel,
    agent_id: types::Spiffeid,
    clock: &Clock,
    began: Duration,
) -> anyhow::Result<()> {
    let uid = rustix::process::geteuid().as_raw();
    let selector = types::Selector { r#type: "unix".to_owned(), value: format!("uid:{uid}") };
    let entry = types::Entry {
        parent_id: Some(agent_id),
        spiffe_id: Some(types::Spiffeid { trust_domain: options.trust_domain.clone(), path: format!("/user/{uid}") }),
        selectors: vec![selector.clone()],
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
    let (svid, token) = fetched.with_context(|| {
        format!("no identity came within 30 s; see {}", options.state_dir.join("steeple.log").display())
    })??;
    let took = clock.monotonic().saturating_sub(began);
    let text = report::render(
        &svid,
        &token,
        &report::Surroundings {
            version: SPIRE_VERSION,
            selector: format!("{}:{}", selector.r#type, selector.value),
            server_socket: &paths.server_socket,
            agent_socket: &paths.agent_socket,
            log: &options.state_dir.join("steeple.log"),
            took,
            stays: !options.once,
        },
    )?;
    std::io::Write::write_all(&mut env.stdout, text.as_bytes())?;
    Ok(())
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
            let request = pb::JwtsvidRequest { audience: vec!["dev".to_owned()], spiffe_id: String::new() };
            let tokens = client.fetch_jwtsvid(workload_request(request)).await;
            let tokens = tokens.map_err(|status| anyhow::anyhow!(describe(&status)))?.into_inner().svids;
            let token = tokens.into_iter().next().context("no JWT-SVID came")?;
            return Ok((svid, token));
        }
        clock.sleep(Duration::from_millis(50)).await;
    }
}

/// Where everything is in the state folder.
struct Paths {
    folder: PathBuf,
    server_socket: PathBuf,
    agent_socket: PathBuf,
    agent_memory: PathBuf,
    token: PathBuf,
}

impl Paths {
    fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            server_socket: folder.join("server/private/api.sock"),
            agent_socket: folder.join("agent/public/api.sock"),
            agent_memory: folder.join("agent/data/agent-data.json"),
            token: folder.join("agent/data/join-token"),
        }
    }

    fn server_config(&self, options: &Options) -> anyhow::Result<steeple_server::config::ServerConfig> {
        let data = self.folder.join("server/data");
        std::fs::create_dir_all(&data)?;
        let text = serde_json::json!({
            "server": {
                "bind_address": "127.0.0.1", "bind_port": options.port, "socket_path": self.server_socket,
                "trust_domain": options.trust_domain, "data_dir": data, "default_jwt_svid_ttl": "5m",
            },
            "plugins": {
                "DataStore": { "sql": { "plugin_data": {
                    "database_type": "sqlite3", "connection_string": data.join("datastore.sqlite3") } } },
                "KeyManager": { "disk": { "plugin_data": { "keys_path": data.join("keys.json") } } },
                "NodeAttestor": { "join_token": { "plugin_data": {} } },
            },
        });
        let path = self.folder.join("server/server.conf");
        std::fs::write(&path, serde_json::to_string_pretty(&text)?)?;
        Ok(steeple_server::config::load(&path.to_string_lossy(), None, &BTreeMap::default())?)
    }

    fn agent_config(
        &self,
        options: &Options,
        port: u16,
        token: &str,
    ) -> anyhow::Result<steeple_agent::config::AgentConfig> {
        let data = self.folder.join("agent/data");
        std::fs::create_dir_all(&data)?;
        let text = serde_json::json!({
            "agent": {
                "server_address": "127.0.0.1", "server_port": port, "socket_path": self.agent_socket,
                "trust_domain": options.trust_domain, "data_dir": data, "insecure_bootstrap": true,
                "experimental": { "sync_interval": "1s" },
            },
            "plugins": {
                "KeyManager": { "disk": { "plugin_data": { "directory": data } } },
                "NodeAttestor": { "join_token": { "plugin_data": {} } },
                "WorkloadAttestor": { "unix": { "plugin_data": {} } },
            },
        });
        let path = self.folder.join("agent/agent.conf");
        std::fs::write(&path, serde_json::to_string_pretty(&text)?)?;
        let flags = [("join_token", token.to_owned())].into();
        Ok(steeple_agent::config::load(&path.to_string_lossy(), None, &flags, SPIRE_VERSION)?)
    }

    /// The ID under which the agent joined, now or in an earlier run.
    fn remembered_agent(&self, options: &Options, token: &str) -> types::Spiffeid {
        let token =
            if token.is_empty() { std::fs::read_to_string(&self.token).unwrap_or_default() } else { token.to_owned() };
        types::Spiffeid {
            trust_domain: options.trust_domain.clone(),
            path: format!("/spire/agent/join_token/{}", token.trim()),
        }
    }
}
