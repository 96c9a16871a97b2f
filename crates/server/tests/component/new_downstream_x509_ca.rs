//! `NewDownstreamX509CA`.

use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::types::Spiffeid;
use tonic::Code;

use crate::bench::{Bench, at, csr, entry, refused};

/// The X.509-SVID of a downstream server, whose entry is below `parent`.
pub(crate) async fn downstream_server(bench: &Bench, parent: &Spiffeid) -> Vec<Vec<u8>> {
    let mut downstream = entry(parent, "/server");
    downstream.downstream = true;
    let request = BatchCreateEntryRequest { entries: vec![downstream], output_mask: None };
    bench.local().entry().batch_create_entry(request).await.unwrap();
    let request = pb::MintX509svidRequest { csr: csr(&["spiffe://example.org/server"]), ttl: 0 };
    bench.local().svid().mint_x509svid(request).await.unwrap().into_inner().svid.unwrap().cert_chain
}

#[tokio::test]
async fn downstream_server_gets_an_intermediate_and_all_roots() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let chain = downstream_server(&bench, &agent.id).await;
    let ask = async |chain: &[Vec<u8>], csr: Vec<u8>| {
        let request = pb::NewDownstreamX509caRequest { csr, preferred_ttl: 7200 };
        bench.remote(chain).svid().new_downstream_x509ca(request).await.map(tonic::Response::into_inner)
    };
    let minted = ask(&chain, csr(&["spiffe://elsewhere.example"])).await.unwrap();
    let ca = Certificate::from_der(&minted.ca_cert_chain[0]).unwrap();
    assert_eq!((ca.uris(), ca.not_after()), (&["spiffe://example.org".to_owned()][..], at(7200)));
    assert!(ca.subject().to_string().contains("OU=DOWNSTREAM-1"), "{}", ca.subject());
    assert_eq!(minted.x509_authorities.len(), 1);
    let (code, text) = refused(ask(&chain, b"junk".to_vec()).await);
    assert_eq!((code, text.starts_with("malformed CSR: ")), (Code::InvalidArgument, true));
    assert_eq!(refused(ask(&agent.chain, csr(&[])).await).0, Code::PermissionDenied);
}
