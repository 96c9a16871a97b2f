//! `oidc-discovery-provider`: the OIDC discovery provider, with the flags of SPIRE's.

use steeple_clock::Clock;
use steeple_config::{LogSettings, LookUp, os_text};
use steeple_oidc::{OidcConfig, Provider};
use steeple_runtime::{Shutdown, Signals};
use steeple_telemetry::Log;
use tracing::info;

use super::{crashed, log_config, notify_ready, signals};
use crate::commands::{Env, FlagError, FlagSet, SPIRE_VERSION};

struct Flags {
    config: String,
    expand_env: bool,
    version: bool,
}

/// `steeple oidc-discovery-provider`.
pub(crate) fn oidc(env: &mut Env, arguments: &[String]) -> u8 {
    let flags = match read(env, arguments) {
        Ok(flags) => flags,
        Err(status) => return status,
    };
    if flags.version {
        let _ = std::io::Write::write_all(&mut env.stdout, format!("{SPIRE_VERSION}\n").as_bytes());
        return 0;
    }
    let started = load(env, &flags).and_then(|config| {
        let clock = Clock::system();
        let log = start_log(&config.log, &clock)?;
        Ok((config, clock, log))
    });
    match started {
        Ok((config, clock, log)) => match run(env, config, clock, log) {
            Ok(()) => 0,
            Err(error) => crashed(env, "Provider crashed", &error),
        },
        Err(error) => {
            env.complain(&format!("{error}\n"));
            1
        }
    }
}

/// Reads the flags; `Err` is the exit status, the user having been told.
fn read(env: &mut Env, arguments: &[String]) -> Result<Flags, u8> {
    let mut flags = Flags { config: "oidc-discovery-provider.conf".to_owned(), expand_env: false, version: false };
    let mut set = FlagSet::new();
    set.text(&mut flags.config, &["config"], "Configuration file.");
    let expand = "Puts environment variables into the text of the configuration.";
    set.boolean(&mut flags.expand_env, &["expandEnv"], expand);
    set.boolean(&mut flags.version, &["version"], "Prints the version and ends.");
    let (fault, status) = match set.parse(arguments) {
        Ok([]) => {
            drop(set);
            return Ok(flags);
        }
        Ok(words) => (format!("Error: unexpected arguments: [{}]\n", words.join(" ")), 1),
        Err(FlagError::Help) => (String::new(), 0),
        Err(error) => (format!("{error}\n"), 2),
    };
    env.complain(&format!("{fault}Usage of oidc-discovery-provider:\n{}", set.usage()));
    Err(status)
}

fn load(env: &Env, flags: &Flags) -> anyhow::Result<OidcConfig> {
    let look_up = |name: &str| env.vars.get(name).cloned();
    let expand: Option<&LookUp<'_>> = if flags.expand_env { Some(&look_up) } else { None };
    Ok(steeple_oidc::load(&flags.config, expand)?)
}

/// Starts the process's log; a fault is told as SPIRE's provider tells it.
fn start_log(settings: &LogSettings, clock: &Clock) -> anyhow::Result<Log> {
    let config = log_config(settings).map_err(anyhow::Error::msg)?;
    let unopened = |error: steeple_telemetry::LogError| {
        anyhow::Error::msg(format!("open {}: {}", error.path.display(), os_text(&error.source)))
    };
    let (log, subscriber) = Log::new(&config, clock.clone()).map_err(unopened)?;
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(log)
}

fn run(env: &Env, config: OidcConfig, clock: Clock, log: Log) -> anyhow::Result<()> {
    // A provider answers seldom, so one thread is enough.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        let signals = Signals::listen()?;
        let provider = Provider::start(config, clock).await?;
        notify_ready(&env.vars);
        tokio::select! {
            ended = provider.run(shutdown.clone()) => ended?,
            () = signals::follow(signals, log, shutdown.clone()) => {}
        }
        info!("Provider stopped gracefully");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::env;

    /// Exit status, standard output, standard error.
    fn told(arguments: &[&str]) -> (u8, String, String) {
        let (mut env, streams) = env();
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let status = oidc(&mut env, &arguments);
        (status, streams.out(), streams.err())
    }

    #[test]
    fn command_line_is_that_of_spires_provider() {
        assert_eq!(told(&["-version"]), (0, format!("{SPIRE_VERSION}\n"), String::new()));
        let (status, _, said) = told(&["-config", "x", "some", "words"]);
        assert_eq!(status, 1);
        assert!(said.starts_with("Error: unexpected arguments: [some words]\nUsage of "), "{said}");
        for word in ["-config string", "(default \"oidc-discovery-provider.conf\")", "-expandEnv", "-version"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        let (status, _, said) = told(&["-nope"]);
        assert_eq!(status, 2);
        assert!(said.starts_with("flag provided but not defined: -nope\nUsage of "), "{said}");
        for help in ["-h", "--help"] {
            let (status, _, said) = told(&[help]);
            assert!(status == 0 && said.starts_with("Usage of "), "{said}");
        }
    }

    #[test]
    fn configuration_that_is_of_no_use_is_told_in_spires_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.conf").display().to_string();
        let refused = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let (status, _, said) = told(&["-config", &path]);
            assert_eq!(status, 1);
            said
        };
        assert_eq!(refused(""), "at least one domain must be configured\n");
        let least = "domains = [\"d\"]\nlisten_socket_path = \"/l\"\nfile {}\n";
        assert_eq!(refused(&format!("{least}log_level = \"loud\"")), "not a valid logrus Level: \"loud\"\n");
        assert_eq!(refused(&format!("{least}log_format = \"xml\"")), "unknown logger format: \"xml\"\n");
        let said = refused(&format!("{least}log_path = \"/nowhere/log\""));
        assert_eq!(said, "open /nowhere/log: no such file or directory\n");
    }
}
