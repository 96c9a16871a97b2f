//! `MintX509SVID`.

use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::x509::{Certificate, Name, self_signed_csr};
use steeple_proto::spire::api::server::svid::v1 as pb;
use tonic::Code;

use crate::bench::{Bench, at, csr, refused};

#[tokio::test]
async fn requested_names_are_signed_within_limits() {
    let bench = Bench::new().await;
    let mint = async |csr: Vec<u8>| {
        bench
            .local()
            .svid()
            .mint_x509svid(pb::MintX509svidRequest { csr, ttl: 120 })
            .await
            .map(tonic::Response::into_inner)
    };
    let named = |dns: &[&str]| {
        let key = PrivateKey::generate(KeyType::EcP256).unwrap();
        let names: Vec<String> = dns.iter().map(|name| (*name).to_owned()).collect();
        self_signed_csr(&key, &Name::of("DE", "Own"), &["spiffe://example.org/w".to_owned()], &names).unwrap()
    };
    let svid = mint(named(&["a.example"])).await.unwrap().svid.unwrap();
    let leaf = Certificate::from_der(&svid.cert_chain[0]).unwrap();
    assert_eq!((svid.expires_at, leaf.dns_names()), (at(120).as_second(), &["a.example".to_owned()][..]));
    assert_eq!(leaf.subject().to_string(), "CN=a.example,O=Own,C=DE");

    for (csr, text) in [
        (vec![], "missing CSR"),
        (csr(&[]), "CSR URI SAN is required"),
        (csr(&["spiffe://example.org/a", "spiffe://example.org/b"]), "only one URI SAN is expected"),
        (
            csr(&["spiffe://other.example/a"]),
            r#"CSR URI SAN is invalid: "spiffe://other.example/a" is not a member of trust domain "example.org""#,
        ),
    ] {
        assert_eq!(refused(mint(csr).await), (Code::InvalidArgument, text.to_owned()));
    }
    for (names, prefix) in [
        (&["a..b"][..], "CSR DNS name is invalid: "),
        (&["*.b.c", "a.b.c"][..], "CSR DNS name contains a wildcard that covers another non-wildcard name: "),
    ] {
        let (code, text) = refused(mint(named(names)).await);
        assert_eq!((code, text.starts_with(prefix)), (Code::InvalidArgument, true), "{text}");
    }
}
