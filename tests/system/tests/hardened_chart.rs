//! What SPIRE's hardened chart, version 0.30.0, wants of the images that it runs: their files, how they are called, and the
//! configurations that it renders unless told otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use steeple_tests_system::rig::binary;

const SERVER: &str = include_str!("hardened_chart/server.json");
const AGENT: &str = include_str!("hardened_chart/agent.json");

/// Paths that images have, and who owns them: the chart mounts over some, and runs the server as 1000.
const TREE: &[(&str, &str)] = &[
    ("/opt/spire/bin/spire-server", "0:0"),
    ("/opt/spire/bin/spire-agent", "0:0"),
    ("/opt/spire/bin/oidc-discovery-provider", "0:0"),
    ("/etc/ssl/certs/ca-certificates.crt", "0:0"),
    ("/tmp/spire-server/private", "1000:1000"),
    ("/tmp/spire-agent/public", "0:0"),
    ("/run/spire/server/private", "1000:1000"),
    ("/run/spire/agent/public", "0:0"),
    ("/etc/spire/server", "1000:1000"),
    ("/etc/spire/agent", "0:0"),
    ("/var/lib/spire/server", "1000:1000"),
    ("/var/lib/spire/agent", "0:0"),
];

/// Images that take the place of SPIRE's: who they run as, where, and what, since the chart gives arguments alone. It names
/// the controller's configuration relative to the root.
const IMAGES: &[(&str, &str, &str)] = &[
    ("steeple-server:local", "1000:1000", "/opt/spire /opt/spire/bin/spire-server run"),
    ("steeple-agent:local", "0:0", "/opt/spire /opt/spire/bin/spire-agent run"),
    ("steeple-controller:local", "1000:1000", "/ /opt/spire/bin/steeple controller"),
    ("steeple-csi:local", "0:0", "/opt/spire /opt/spire/bin/steeple csi"),
    ("steeple-oidc-discovery-provider:local", "1000:1000", "/opt/spire /opt/spire/bin/oidc-discovery-provider"),
];

/// The arguments behind the entry point, without the path of the configuration, and the configuration's ports.
const CALLS: &[(&str, &[&str], &str, &[&str])] = &[
    ("spire-server", &["-expandEnv", "-config"], SERVER, &["8081", "8080"]),
    ("spire-agent", &["-config"], AGENT, &["9982"]),
];

#[test]
fn images_have_what_the_chart_runs_and_mounts() -> Result<()> {
    let tree = rows("tree.txt")?;
    for (path, owner) in TREE {
        let row = tree.get(*path).with_context(|| format!("{path} is not in the images"))?;
        assert_eq!(row.get(1).map(String::as_str), Some(*owner), "{path}");
    }
    let images = rows("images.txt")?;
    for (name, user, what) in IMAGES {
        let row = images.get(*name).with_context(|| format!("there is no image {name}"))?;
        assert_eq!(row.join(" "), format!("{user} {what}"), "{name}");
    }
    Ok(())
}

#[test]
fn configurations_of_the_chart_are_taken() -> Result<()> {
    for (program, arguments, configuration, ports) in CALLS {
        for port in *ports {
            assert!(configuration.contains(&format!("\"bind_port\": \"{port}\"")), "{program}: {port}");
        }
        let output = validate(program, arguments, configuration)?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program}: {said}");
    }
    Ok(())
}

fn validate(program: &str, arguments: &[&str], configuration: &str) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("c.conf"), configuration)?;
    // Called by the name that the image's link has.
    symlink(binary()?, folder.path().join(program))?;
    let mut command = Command::new(folder.path().join(program));
    Ok(command.arg("validate").args(arguments).arg("c.conf").current_dir(folder.path()).output()?)
}

/// The lines of a table of `deploy/containers` by their first word.
fn rows(name: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/containers").join(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let rows = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Some((words.next()?, words.collect()))
    });
    Ok(rows.collect())
}
