//! The workload attestor `systemd` over a private bus, on which the test is systemd.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use steeple_tests_interop::{AgentSettings, Join, OURS, Process, Rig, ServerSettings, peer, poll, run};
use zbus::{ObjectPath, OwnedObjectPath};

const UNIT: &str = "/org/freedesktop/systemd1/unit/web_2eservice";

#[test]
fn workload_is_known_by_its_unit_and_where_that_is_written() {
    run(OURS, &["dbus-daemon"], unit);
}

/// The manager of units, which puts every process into one.
struct Manager(&'static str);

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Manager {
    /// The unit of any process.
    #[zbus(name = "GetUnitByPID")]
    fn unit_by_pid(&self, pid: u32) -> zbus::fdo::Result<OwnedObjectPath> {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return Err(zbus::fdo::Error::UnixProcessIdUnknown(format!("no process {pid}")));
        }
        Ok(ObjectPath::from_static_str_unchecked(self.0).into())
    }
}

/// A unit.
struct Unit {
    id: &'static str,
    fragment_path: &'static str,
}

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn id(&self) -> &'static str {
        self.id
    }

    #[zbus(property)]
    fn fragment_path(&self) -> &'static str {
        self.fragment_path
    }
}

/// A bus of its own; its address.
fn bus(folder: &Path) -> Result<(Process, String)> {
    let address = format!("unix:path={}", folder.join("bus").display());
    let config = folder.join("bus.conf");
    std::fs::write(
        &config,
        format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"#
        ),
    )?;
    let mut daemon = Command::new(peer::path("dbus-daemon")?);
    daemon.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
    let process = Process::start(&mut daemon, &folder.join("bus.log"))?;
    poll::until("the bus", || Ok(folder.join("bus").exists().then_some(())))?;
    Ok((process, address))
}

fn unit(rig: &Rig) -> Result<()> {
    let (_bus, address) = bus(rig.folder())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let web = Unit { id: "web.service", fragment_path: "/etc/systemd/system/web.service" };
    let _systemd = runtime.block_on(async {
        let builder = zbus::connection::Builder::address(address.as_str()).name("org.freedesktop.systemd1");
        let builder = builder.serve_at("/org/freedesktop/systemd1", Manager(UNIT)).serve_at(UNIT, web);
        builder.build().await.context("becoming systemd")
    })?;
    let server = rig.server(&ServerSettings::default())?;
    let mut settings = AgentSettings::new(Join::Token(server.token("host")?));
    "  WorkloadAttestor \"systemd\" { plugin_data {} }".clone_into(&mut settings.plugins);
    settings.environment = vec![("DBUS_SYSTEM_BUS_ADDRESS".to_owned(), address)];
    let agent = rig.agent(&server, &settings)?;
    let path = ["-selector", "systemd:fragment_path:/etc/systemd/system/web.service"];
    server.entry("unit", "host", "systemd:id:web.service", &path)?;
    server.entry("other", "host", "systemd:id:db.service", &[])?;
    agent.await_svid("unit")?;
    ensure!(agent.x509_svids()?.len() == 1, "{:?}", agent.x509_svids()?);
    Ok(())
}
