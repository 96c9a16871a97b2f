//! `dev`: a server and an agent in one process, to try and to develop.
//!
//! The agent joins by a token, the calling user gets an entry, and its identity is fetched through the real Workload API
//! socket, shown, and kept fresh until Ctrl-C.

mod holder;
mod identity;
mod paths;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use steeple_audit::{Audit, LogRecorder};
use steeple_client::connect_unix;
use steeple_clock::Clock;
use steeple_runtime::{Shutdown, Signals, tighten_umask};
use steeple_telemetry::{Format, Level, Log, LogConfig};
use steeple_types::TrustDomain;

use self::identity::{Identity, is_joined, join_token, obtain};
use self::paths::Paths;
use super::{agent, server, signals};
use crate::commands::{Env, HELP as ASKED, SPIRE_VERSION};

const USAGE: &str = "there are --once, --state-dir DIR, --trust-domain NAME, --port N";
const HELP: &str = concat!(
    "    --once                 Shows the identity and ends.\n",
    "    --state-dir DIR        Folder of everything that is kept (~/.local/state/steeple).\n",
    "    --trust-domain NAME    Trust domain (example.org).\n",
    "    --port N               TCP port of the server, on the loopback interface (8081).\n",
);

struct Options {
    state_dir: PathBuf,
    trust_domain: TrustDomain,
    port: u16,
    once: bool,
    /// The arguments that make the same server and agent stay.
    lasting: Vec<String>,
}

/// `steeple dev`.
pub(crate) fn dev(env: &mut Env, arguments: &[String]) -> u8 {
    if arguments == [ASKED] {
        env.complain(HELP);
        return 0;
    }
    match options(env, arguments).and_then(|options| run(env, &options)) {
        Ok(()) => 0,
        Err(error) => {
            env.complain(&format!("Error: {}\n", super::reason(&error)));
            1
        }
    }
}

fn options(env: &Env, arguments: &[String]) -> anyhow::Result<Options> {
    let state_home = match (env.var("XDG_STATE_HOME"), env.var("HOME")) {
        ("", "") => None,
        ("", home) => Some(Path::new(home).join(".local/state")),
        (state, _) => Some(PathBuf::from(state)),
    };
    let mut state_dir = state_home.map(|home| home.join("steeple"));
    let mut trust_domain = "example.org".to_owned();
    let (mut port, mut once) = (8081, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, inline) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
        let mut value =
            || inline.clone().or_else(|| rest.next().cloned()).with_context(|| format!("{name} needs a value"));
        match name {
            "--once" if inline.is_none() => once = true,
            "--state-dir" => state_dir = Some(PathBuf::from(value()?)),
            "--trust-domain" => trust_domain = value()?,
            "--port" => {
                let value = value()?;
                port = value.parse().with_context(|| format!("--port {value:?} is not a port number"))?;
            }
            other => bail!("unknown option {other}; {USAGE}"),
        }
    }
    let trust_domain = TrustDomain::parse(&trust_domain).with_context(|| format!("--trust-domain {trust_domain:?}"))?;
    let state_dir = state_dir
        .context("neither HOME nor XDG_STATE_HOME is set: choose a folder of your own with --state-dir DIR")?;
    // Commands are shown with these paths, and may be run from anywhere.
    let state_dir = std::path::absolute(&state_dir).with_context(|| format!("--state-dir {}", state_dir.display()))?;
    let lasting = arguments.iter().filter(|argument| *argument != "--once").cloned().collect();
    Ok(Options { state_dir, trust_domain, port, once, lasting })
}

fn run(env: &mut Env, options: &Options) -> anyhow::Result<()> {
    tighten_umask();
    let paths = Paths::of(&options.state_dir);
    paths.make().with_context(|| {
        format!("unable to use {}; choose another folder with --state-dir DIR", options.state_dir.display())
    })?;
    paths.check_trust_domain(&options.trust_domain)?;
    holder::check_port(options.port)?;
    holder::check_socket(&paths.server_socket)?;
    holder::check_socket(&paths.agent_socket)?;
    let clock = Clock::system();
    let log =
        LogConfig { level: Level::Info, format: Format::Text, file: Some(paths.log.clone()), source_location: false };
    let (log, subscriber) = Log::new(&log, clock.clone())?;
    tracing::subscriber::set_global_default(subscriber)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(env, options, &paths, clock, log))
}

async fn serve(env: &mut Env, options: &Options, paths: &Paths, clock: Clock, log: Log) -> anyhow::Result<()> {
    let began = clock.monotonic();
    let shutdown = Shutdown::new();
    let signals = Signals::listen()?;
    let config = paths.server_config(&options.trust_domain, options.port)?;
    let server =
        server::start(&config, clock.clone(), log.clone(), (Audit::new(Arc::new(LogRecorder)), Vec::new())).await?;
    let port = server.address()?.port();
    let agent = async {
        let worked = work(env, options, paths, port, &clock, &log, began, &shutdown).await;
        // Without its agent the server is of no use, and after the show it is not needed.
        shutdown.trigger();
        worked
    };
    let both = async {
        let (served, worked) = tokio::join!(server.run(shutdown.clone()), agent);
        worked?;
        Ok(served?)
    };
    tokio::select! {
        ended = both => ended,
        () = signals::follow(signals, log.clone(), shutdown.clone()) => Ok(()),
    }
}

/// Runs the agent, and shows the identity that it gives; until the shutdown, or until it was shown once.
#[expect(clippy::too_many_arguments, reason = "all that a run consists of, used once")]
async fn work(
    env: &mut Env,
    options: &Options,
    paths: &Paths,
    port: u16,
    clock: &Clock,
    log: &Log,
    began: Duration,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    let admin = connect_unix(&paths.server_socket);
    let token = if is_joined(paths, clock)? { String::new() } else { join_token(&admin, options).await? };
    let config = paths.agent_config(&options.trust_domain, port, &token)?;
    let agent = agent::start(&config, clock.clone(), log.clone(), &BTreeMap::new())?;
    let mut running = pin!(agent.run(shutdown.clone()));
    let shown = async {
        let identity = obtain(&admin, options, paths, clock).await?;
        show(env, options, paths, &identity, clock.monotonic().saturating_sub(began))
    };
    tokio::select! {
        ended = running.as_mut() => {
            ended?;
            if shutdown.is_triggered() { return Ok(()); }
            bail!("the agent stopped; see {}", paths.log.display());
        }
        shown = shown => {
            if options.once || shown.is_err() { shutdown.trigger(); }
            let ended = running.await;
            shown?;
            Ok(ended?)
        }
    }
}

fn show(env: &mut Env, options: &Options, paths: &Paths, identity: &Identity, took: Duration) -> anyhow::Result<()> {
    let around = report::Surroundings {
        version: SPIRE_VERSION,
        server_socket: &paths.server_socket,
        agent_socket: &paths.agent_socket,
        log: &paths.log,
        took,
        stays: !options.once,
        lasting: &options.lasting,
    };
    std::io::Write::write_all(&mut env.stdout, report::render(identity, &around)?.as_bytes())?;
    Ok(())
}
