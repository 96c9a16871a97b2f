//! The workload attestor `docker` before the real daemons of Docker and podman.

use anyhow::{Result, ensure};
use steeple_tests_interop::container::{Engine, IMAGE};
use steeple_tests_interop::{Agent, AgentSettings, Join, Product, Rig, Server, ServerSettings, pairings, peer, rig_id};

pairings!(
    needs ["dockerd", "docker", "containerd", "runc", "podman", "busybox", "workload"];
    workload_in_docker_is_known_by_label_environment_and_image,
    workload_in_podman_is_known_by_label_environment_and_image,
);

/// A joined pair whose agent asks the engine behind `key` of the attestor's configuration.
fn joined(rig: &Rig, key: &str, engine: &Engine) -> Result<(Server, Agent)> {
    let server = rig.server(&ServerSettings::default())?;
    let mut settings = AgentSettings::new(Join::Token(server.token("host")?));
    let socket = format!("unix://{}", engine.socket.display());
    settings.plugins = format!("  WorkloadAttestor \"docker\" {{ plugin_data {{ {key} = {socket:?} }} }}");
    let agent = rig.agent(&server, &settings)?;
    Ok((server, agent))
}

fn workload_in_docker_is_known_by_label_environment_and_image(rig: &Rig) -> Result<()> {
    let engine = Engine::docker(rig.folder())?;
    let (server, agent) = joined(rig, "docker_socket_path", &engine)?;
    known(&engine, &server, &agent, IMAGE)
}

fn workload_in_podman_is_known_by_label_environment_and_image(rig: &Rig) -> Result<()> {
    let engine = Engine::podman(rig.folder())?;
    // 1.13 takes podman for Docker; 1.15 tells them apart by the cgroup.
    let key = if rig.agent_product() == Product::Go { "docker_socket_path" } else { "podman_socket_path" };
    let (server, agent) = joined(rig, key, &engine)?;
    known(&engine, &server, &agent, &format!("localhost/{IMAGE}"))
}

fn known(engine: &Engine, server: &Server, agent: &Agent, image: &str) -> Result<()> {
    let selectors =
        ["docker:label:tier:front".to_owned(), "docker:env:ROLE=web".to_owned(), format!("docker:image_id:{image}")];
    server.entry(
        "labelled",
        "host",
        "docker:label:tier:front",
        &["-selector", &selectors[1], "-selector", &selectors[2]],
    )?;
    server.entry("outside", "host", "unix:uid:0", &["-hint", "outside"])?;
    agent.await_svid("outside")?;
    ensure!(agent.x509_svids()?.len() == 1, "a process outside the container has its identity");
    let (program, folder) = (peer::path("workload")?.canonicalize()?, agent.socket().parent().map(ToOwned::to_owned));
    let folder = folder.unwrap_or_default();
    let socket = agent.socket().display().to_string();
    let words = [&program.display().to_string(), "ids", &socket];
    let inside = engine.run(&["--label", "tier=front", "--env", "ROLE=web"], &[&program, &folder], &words)?;
    ensure!(inside.contains(&rig_id("labelled")), "{inside}");
    let other = engine.run(&["--label", "tier=back", "--env", "ROLE=web"], &[&program, &folder], &words)?;
    ensure!(!other.contains(&rig_id("labelled")), "{other}");
    Ok(())
}
