//! A server behind a load balancer that tells by the PROXY protocol for whom it connects.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use anyhow::Result;
use steeple_tests_system::pair::Pair;

const AGENT: &str = "agent";
/// For whom the load balancer says that it connects.
const CLIENT: &str = "10.1.2.3:4242";

/// Starts a load balancer before the server on `port`; returns its own port.
fn balance(port: u16) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let own = listener.local_addr()?.port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let server = TcpStream::connect(("127.0.0.1", port));
            if let (Ok(client), Ok(server)) = (client, server) {
                thread::spawn(move || carry(&client, &server));
            }
        }
    });
    Ok(own)
}

fn carry(mut client: &TcpStream, mut server: &TcpStream) {
    if server.write_all(b"PROXY TCP4 10.1.2.3 10.9.9.9 4242 8081\r\n").is_err() {
        return;
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ended = std::io::copy(&mut &*client, &mut &*server);
            let _gone = server.shutdown(Shutdown::Write);
        });
        let _ended = std::io::copy(&mut server, &mut client);
        let _gone = client.shutdown(Shutdown::Write);
    });
}

/// A pair whose server trusts `networks`.
fn pair(networks: &str) -> Result<Pair> {
    let mut pair = Pair::new()?;
    pair.server_lines = format!("proxy_protocol_trusted_cidrs = [{networks}]\n  audit_log_enabled = true");
    Ok(pair)
}

#[test]
fn address_that_a_trusted_load_balancer_tells_is_the_callers() {
    let mut pair = pair("\"127.0.0.0/8\"").unwrap();
    let server = pair.start_server().unwrap();
    let token = pair.admit("direct").unwrap();
    let _direct = pair.start_agent("direct", Some(&token)).unwrap();
    assert!(!server.log().contains(CLIENT));
    let balancer = balance(pair.port()).unwrap();
    pair.agent_lines = format!("server_port = {balancer}");
    let token = pair.admit(AGENT).unwrap();
    let _agent = pair.start_agent(AGENT, Some(&token)).unwrap();
    let log = server.log();
    assert!(log.contains("PROXY protocol enabled on TCP listener") && log.contains("[127.0.0.0/8]"), "{log}");
    let audited = log.lines().find(|line| line.contains("method=AttestAgent") && line.contains(CLIENT));
    assert!(audited.is_some(), "{log}");
}

#[test]
fn header_of_a_load_balancer_that_is_not_trusted_is_refused() {
    let mut pair = pair("\"192.168.0.0/16\"").unwrap();
    let mut server = pair.start_server().unwrap();
    let balancer = balance(pair.port()).unwrap();
    pair.agent_lines = format!("server_port = {balancer}");
    let token = pair.admit(AGENT).unwrap();
    let mut agent = pair.launch_agent(AGENT, Some(&token)).unwrap();
    let log = server.log_path();
    let said = "sent a PROXY header and is not in proxy_protocol_trusted_cidrs";
    server.wait_for(|| Ok(fs::read_to_string(&log)?.contains(said))).unwrap();
    let log = agent.log_path();
    agent.wait_for(|| Ok(fs::read_to_string(&log)?.contains("Failed to retrieve attestation result"))).unwrap();
}
