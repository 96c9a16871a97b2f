//! Envoy takes its certificates from the agent over SDS and feels no rotation.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use steeple_tests_interop::{Agent, Process, Rig, TRUST_DOMAIN, command, free_port, pairings, peer, poll, rig_id};

use crate::clients::workload;
use crate::identities::joined;

pairings!(
    needs ["envoy", "workload", "openssl"];
    tls_listener_rotates_under_load,
    mtls_listener_rotates_under_load,
    mtls_listener_refuses_a_client_without_svid,
);

/// Envoy before an echo server, and the port of its one TLS listener.
struct Proxy {
    port: u16,
    _envoy: Process,
    _echo: Process,
}

/// How the listener treats clients.
#[derive(Clone, Copy, PartialEq)]
enum Listener {
    Tls,
    Mtls,
}

fn proxy(rig: &Rig, agent: &Agent, listener: Listener) -> Result<Proxy> {
    let (port, echo_port, admin) = (free_port()?, free_port()?, free_port()?);
    let log = |name: &str| rig.folder().join(name);
    let mut serve = Command::new(peer::path("workload")?);
    let echo = Process::start(serve.args(["echo", &format!("127.0.0.1:{echo_port}")]), &log("echo.log"))?;
    let config = log("envoy.yaml");
    std::fs::write(&config, configuration(agent.socket(), listener, port, echo_port, admin))?;
    let mut run = envoy(&config)?;
    let mut envoy = Process::start(run.args(["--concurrency", "1", "--disable-hot-restart"]), &log("envoy.log"))?;
    poll::until_ok("a listening Envoy", || {
        ensure!(envoy.ended()?.is_none(), "Envoy ended");
        std::net::TcpStream::connect(("127.0.0.1", port)).context("connecting")
    })?;
    Ok(Proxy { port, _envoy: envoy, _echo: echo })
}

fn envoy(config: &Path) -> Result<Command> {
    let mut envoy = Command::new(peer::path("envoy")?);
    envoy.arg("-c").arg(config).args(["--log-level", "warning"]);
    Ok(envoy)
}

fn tls_listener_rotates_under_load(rig: &Rig) -> Result<()> {
    rotates(rig, Listener::Tls)
}

fn mtls_listener_rotates_under_load(rig: &Rig) -> Result<()> {
    rotates(rig, Listener::Mtls)
}

/// Connections go on, each with a handshake, until Envoy has shown four certificates; none may fail.
fn rotates(rig: &Rig, listener: Listener) -> Result<()> {
    let (server, agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &["-x509SVIDTTL", "10"])?;
    agent.await_svid("w")?;
    let proxy = proxy(rig, &agent, listener)?;
    let address = format!("127.0.0.1:{}", proxy.port);
    let calls = command::stdout(&mut workload(&agent, "call", &[&address, "4"])?)?;
    ensure!(calls.contains(" 4 certificates"), "{calls}");
    let anonymous = anonymous(&address)?.contains("hello");
    ensure!(anonymous == (listener == Listener::Tls), "a client without a certificate was answered: {anonymous}");
    Ok(())
}

fn mtls_listener_refuses_a_client_without_svid(rig: &Rig) -> Result<()> {
    let (server, agent) = joined(rig)?;
    server.entry("w", "host", "unix:uid:0", &[])?;
    agent.await_svid("w")?;
    let proxy = proxy(rig, &agent, Listener::Mtls)?;
    let address = format!("127.0.0.1:{}", proxy.port);
    let answered = command::stdout(&mut workload(&agent, "call", &[&address, "1"])?)?;
    ensure!(answered.contains(" 1 certificates"), "{answered}");
    let said = anonymous(&address)?;
    ensure!(!said.contains("hello"), "a client without a certificate was answered: {said}");
    Ok(())
}

/// What a TLS client without a certificate gets back after it said hello.
fn anonymous(address: &str) -> Result<String> {
    let mut openssl = Command::new(peer::path("openssl")?);
    openssl.args(["s_client", "-quiet", "-connect", address]);
    let mut client = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut input = client.stdin.take().context("no standard input")?;
    // The connection may be closed before the line is written, which is what is hoped for.
    let _ = input.write_all(b"hello\n");
    let output = client.wait_with_output()?;
    drop(input);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The fields of a listener's TLS context.
fn context(listener: Listener) -> String {
    let identity = format!("tls_certificate_sds_secret_configs: [{{ name: {:?}, {SOURCE} }}]", rig_id("w"));
    let plain = format!("\n          common_tls_context:\n            {identity}");
    if listener == Listener::Tls {
        return plain;
    }
    format!(
        r#"{plain}
            combined_validation_context:
              default_validation_context:
                match_typed_subject_alt_names:
                - {{ san_type: URI, matcher: {{ exact: "{}" }} }}
              validation_context_sds_secret_config: {{ name: ROOTCA, {SOURCE} }}
          require_client_certificate: true"#,
        rig_id("w")
    )
}

fn configuration(socket: &Path, listener: Listener, port: u16, echo: u16, admin: u16) -> String {
    let (context, socket) = (context(listener), socket.display());
    format!(
        r#"node: {{ id: envoy, cluster: {TRUST_DOMAIN} }}
admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {admin} }} }} }}
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext{context}
      filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: echo
          cluster: echo
  clusters:
  - name: echo
    load_assignment:
      cluster_name: echo
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {echo} }} }} }}
  - name: agent
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: agent
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ pipe: {{ path: {socket} }} }} }}
"#
    )
}

const SOURCE: &str = r"sds_config: { resource_api_version: V3, api_config_source: { api_type: GRPC, transport_api_version: V3, grpc_services: [{ envoy_grpc: { cluster_name: agent } }] } }";
