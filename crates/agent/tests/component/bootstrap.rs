//! How an agent trusts its server at first.

use std::time::Duration;

use steeple_agent::Bootstrap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::bench::{Bench, in_time};
use crate::servers::TestServer;

/// A server that is none of ours, at the other end of the wire.
pub(crate) async fn impostor(bench: &Bench) -> TestServer {
    let server = TestServer::start_as(&bench.folder(), bench.clock.clone(), "impostor", "example.org").await;
    bench.wire.lay(server.address);
    server
}

/// What an attempt to attest comes to that is given up.
async fn outcome(bench: &mut Bench) -> String {
    bench.spawn();
    for attempt in 1.. {
        while bench.log().matches("Failed to retrieve attestation result").count() < attempt && !bench.is_over() {
            tokio::task::yield_now().await;
        }
        if bench.is_over() {
            break;
        }
        bench.hand.advance(Duration::from_secs(30));
    }
    bench.ended().await
}

#[tokio::test]
async fn file_is_what_the_server_is_verified_by() {
    let mut bench = Bench::without_agent().await;
    let _impostor = impostor(&bench).await;
    let reason = outcome(&mut bench).await;
    assert!(reason.contains("invalid peer certificate: UnknownIssuer"), "{reason}");
    assert!(bench.remembered().svid.is_empty());
    bench.wire.lay(bench.server.address);
    bench.start().await;
}

#[tokio::test]
async fn bundle_document_is_read_too() {
    let mut bench = Bench::without_agent().await;
    let bundle = bench.operator().get_bundle(Default::default()).await.unwrap();
    let authority = |authority: steeple_proto::spire::api::types::X509Certificate| steeple_types::X509Authority {
        certificate: authority.asn1,
        tainted: false,
    };
    let bundle = steeple_types::Bundle {
        x509_authorities: bundle.x509_authorities.into_iter().map(authority).collect(),
        ..steeple_types::Bundle::empty("example.org".parse().unwrap())
    };
    let path = bench.folder().join("bundle.json");
    std::fs::write(&path, steeple_crypto::bundle::to_document(&bundle).unwrap()).unwrap();
    bench.settings.bootstrap = Bootstrap::SpiffeFile(path);
    bench.start().await;
}

#[tokio::test]
async fn insecure_bootstrap_believes_once_and_verifies_from_then_on() {
    let mut bench = Bench::without_agent().await;
    bench.settings.bootstrap = Bootstrap::Insecure;
    bench.start().await;
    assert!(bench.log().contains("Insecure bootstrap enabled; skipping server certificate verification"));
    assert!(!bench.remembered().bundle.is_empty());
    let _impostor = impostor(&bench).await;
    bench.settle().await;
    assert!(bench.log().contains("invalid peer certificate: UnknownIssuer"), "the impostor is not believed");
    bench.stop().await;
    std::fs::remove_file(bench.settings.data_dir.join("keys.json")).unwrap();
    let reason = outcome(&mut bench).await;
    assert!(reason.contains("invalid peer certificate: UnknownIssuer"), "{reason}");
}

#[tokio::test]
async fn bundle_of_an_earlier_run_outweighs_the_file() {
    let mut bench = Bench::new().await;
    bench.stop().await;
    bench.settings.bootstrap = Bootstrap::PemFile(bench.folder().join("none.pem"));
    bench.start().await;
}

#[tokio::test]
async fn what_cannot_be_trusted_is_named() {
    let mut bench = Bench::without_agent().await;
    let path = bench.folder().join("none.pem");
    let shown = path.display();
    let (pem, spiffe) = (Bootstrap::PemFile(path.clone()), Bootstrap::SpiffeFile(path.clone()));
    for (from, content, said) in [
        (&pem, None, format!("unable to load trust bundle {shown}: No such file or directory (os error 2)")),
        (&pem, Some("nothing here"), format!("no certificates found in trust bundle {shown}")),
        (&spiffe, Some("nothing here"), format!("unable to parse SPIFFE trust bundle {shown}: ")),
        (&spiffe, Some("{\"keys\":[]}"), format!("no certificates found in trust bundle {shown}")),
    ] {
        bench.settings.bootstrap = from.clone();
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let seen = bench.log().len();
        bench.spawn();
        let mut log = String::new();
        while !log.contains("Failed to retrieve attestation result") {
            tokio::task::yield_now().await;
            log = bench.log().split_off(seen);
        }
        assert!(log.contains(&said), "no {said:?} in\n{log}");
        bench.kill().await;
    }
}

#[tokio::test]
async fn file_is_read_anew_for_each_attempt() {
    let mut bench = Bench::without_agent().await;
    let Bootstrap::PemFile(path) = bench.settings.bootstrap.clone() else { panic!("no file") };
    let good = std::fs::read(&path).unwrap();
    let foreign = TestServer::start_as(&bench.folder(), bench.clock.clone(), "foreign", "example.org").await;
    std::fs::write(&path, foreign.operator().bundle_pem().await).unwrap();
    bench.spawn();
    while !bench.log().contains("Trust Bundle and Server don't agree, bootstrapping again") {
        tokio::task::yield_now().await;
    }
    std::fs::write(&path, good).unwrap();
    bench.hand.wait_for_sleepers(1).await;
    bench.hand.advance(Duration::from_secs(6));
    bench.served().await;
}

#[tokio::test]
async fn url_that_yields_nothing_is_tried_again_and_named() {
    let mut bench = Bench::without_agent().await;
    let url = format!("https://127.0.0.1:{}/bundle.pem", bench.wire.port());
    bench.settings.bootstrap = Bootstrap::Url { url: url.clone(), socket: None, spiffe: false };
    let reason = outcome(&mut bench).await;
    assert!(reason.starts_with(&format!("unable to fetch trust bundle URL {url}: ")), "{reason}");
}

/// Answers one HTTP request on `listener` with `body`; yields the request's first line.
pub(crate) async fn answer_one(listener: &UnixListener, body: &str) -> String {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await.unwrap());
    }
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    String::from_utf8(request).unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn who_serves_the_bundle_on_a_socket_learns_of_the_attempt() {
    let mut bench = Bench::without_agent().await;
    let socket = bench.folder().join("bundles");
    let listener = UnixListener::bind(&socket).unwrap();
    let bundle = bench.operator().bundle_pem().await;
    bench.settings.bootstrap =
        Bootstrap::Url { url: "http://b/c?d=e#f".to_owned(), socket: Some(socket), spiffe: false };
    let port = bench.settings.server_port;
    let line = |number: u32| {
        format!(
            "GET /c?d=e&spiffe-trust-domain=example.org&spire-attest-mode=bootstrap\
             &spire-attest-start-time=2026-01-01T00%3A00%3A00Z&spire-connection-attempts={number}\
             &spire-server-address=127.0.0.1&spire-server-port={port} HTTP/1.1"
        )
    };
    bench.spawn();
    assert_eq!(in_time(answer_one(&listener, "no bundle")).await, line(1));
    while !bench.log().contains("no certificates found in trust bundle http://b/c?d=e#f") {
        tokio::task::yield_now().await;
    }
    bench.hand.advance(Duration::from_secs(6));
    assert_eq!(in_time(answer_one(&listener, &bundle)).await, line(2));
    bench.served().await;
}
