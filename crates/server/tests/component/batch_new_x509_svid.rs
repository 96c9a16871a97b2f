//! `BatchNewX509SVID`.

use std::time::Duration;

use steeple_audit::EventKind;
use steeple_crypto::verify::verify_svid;
use steeple_crypto::x509::Certificate;
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Agent, Bench, at, csr, entry, refused, serial_of, spiffe_id};

async fn issue(bench: &Bench, agent: &Agent, asked: &[(&str, Vec<u8>)]) -> Vec<(i32, String, Option<types::X509svid>)> {
    let params = |(id, csr): &(&str, Vec<u8>)| pb::NewX509svidParams { entry_id: (*id).to_owned(), csr: csr.clone() };
    let request = pb::BatchNewX509svidRequest { params: asked.iter().map(params).collect() };
    let results = bench.remote(&agent.chain).svid().batch_new_x509svid(request).await.unwrap().into_inner().results;
    let plain = |result: pb::batch_new_x509svid_response::Result| {
        let status = result.status.unwrap();
        (status.code, status.message, result.svid)
    };
    results.into_iter().map(plain).collect()
}

#[tokio::test]
async fn names_come_from_the_entry_and_the_key_from_the_request() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let mut wanted = entry(&agent.id, "/w");
    (wanted.x509_svid_ttl, wanted.dns_names) = (600, vec!["w.example".to_owned(), "v.example".to_owned()]);
    let request = steeple_proto::spire::api::server::entry::v1::BatchCreateEntryRequest {
        entries: vec![wanted],
        output_mask: None,
    };
    let made = bench.local().entry().batch_create_entry(request).await.unwrap().into_inner().results.remove(0);
    let id = made.entry.unwrap().id;
    let results = issue(&bench, &agent, &[(&id, csr(&["spiffe://example.org/somebody-else"]))]).await;
    let (code, message, svid) = &results[0];
    let svid = svid.clone().unwrap();
    assert_eq!((*code, message.as_str(), svid.expires_at), (0, "OK", at(600).as_second()));
    assert_eq!(svid.id, Some(spiffe_id("/w")));
    let leaf = Certificate::from_der(&svid.cert_chain[0]).unwrap();
    assert_eq!(leaf.uris(), ["spiffe://example.org/w"]);
    assert_eq!(leaf.dns_names(), ["w.example", "v.example"]);

    let bundle = bench.remote(&[]).bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner();
    let authorities: Vec<Vec<u8>> = bundle.x509_authorities.iter().map(|a| a.asn1.clone()).collect();
    let chain: Vec<&[u8]> = svid.cert_chain.iter().map(Vec::as_slice).collect();
    verify_svid(&chain, |_| authorities.clone(), bench.clock.now()).unwrap();
    let recorded = |kind: &EventKind| matches!(kind, EventKind::X509SvidIssued { svid: issued, .. } if issued.issued_for.is_some() && issued.serial_number == serial_of(&svid.cert_chain));
    assert_eq!(bench.recorded.kinds().iter().filter(|kind| recorded(kind)).count(), 1);
}

#[tokio::test]
async fn svids_of_a_batch_are_recorded_together_and_each_by_its_serial_number() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let (one, two) = (bench.entry(&agent.id, "/one").await.id, bench.entry(&agent.id, "/two").await.id);
    let asked = [(one.as_str(), csr(&[])), ("nobody", csr(&[])), (two.as_str(), csr(&[])), (one.as_str(), csr(&[]))];
    let results = issue(&bench, &agent, &asked).await;
    assert_eq!(*bench.recorded.groups.lock(), [3]);
    let serials = results.iter().filter_map(|(_, _, svid)| Some(serial_of(&svid.as_ref()?.cert_chain)));
    let recorded = bench.recorded.kinds().into_iter().filter_map(|kind| match kind {
        EventKind::X509SvidIssued { svid, .. } if svid.issued_for.is_some() => Some(svid.serial_number),
        _ => None,
    });
    assert_eq!(serials.collect::<Vec<_>>(), recorded.collect::<Vec<_>>());
}

#[tokio::test]
async fn each_item_has_its_own_status() {
    let bench = Bench::new().await;
    let (agent, other) = (bench.agent().await, bench.agent().await);
    let mine = bench.entry(&agent.id, "/mine").await.id;
    let theirs = bench.entry(&other.id, "/theirs").await.id;
    let mut forged = csr(&[]);
    *forged.last_mut().unwrap() ^= 1;
    let asked = [
        (mine.as_str(), csr(&[])),
        (theirs.as_str(), csr(&[])),
        ("nobody", csr(&[])),
        ("", csr(&[])),
        (mine.as_str(), vec![]),
        (mine.as_str(), b"junk".to_vec()),
        (mine.as_str(), forged),
    ];
    let results = issue(&bench, &agent, &asked).await;
    let codes: Vec<i32> = results.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, [0, 5, 5, 3, 3, 3, 3]);
    for (at, text) in [
        (1, "entry not found or not authorized"),
        (2, "entry not found or not authorized"),
        (3, "missing entry ID"),
        (4, "missing CSR"),
    ] {
        assert_eq!(results[at].1, text);
    }
    assert!(results[5].1.starts_with("malformed CSR: "), "{}", results[5].1);
    assert!(results[6].1.starts_with("invalid CSR signature: "), "{}", results[6].1);
}

#[tokio::test]
async fn batches_without_items_and_beyond_the_limit_are_refused_whole() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let batch = async |count: usize| {
        let params = pb::NewX509svidParams { entry_id: "x".to_owned(), csr: vec![1] };
        let request = pb::BatchNewX509svidRequest { params: vec![params; count] };
        refused(bench.remote(&agent.chain).svid().batch_new_x509svid(request).await)
    };
    assert_eq!(batch(0).await, (Code::InvalidArgument, "missing parameters".to_owned()));
    let text = "rejecting request due to certificate signing rate limiting: rate (501) exceeds burst size (500)";
    assert_eq!(batch(501).await, (Code::ResourceExhausted, text.to_owned()));
}

#[tokio::test]
async fn without_an_audit_record_nothing_is_signed() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let id = bench.entry(&agent.id, "/w").await.id;
    bench.recorded.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let results = issue(&bench, &agent, &[(&id, csr(&[]))]).await;
    assert_eq!((results[0].0, results[0].2.is_none()), (13, true));
}

#[tokio::test]
async fn lifetime_is_cut_to_that_of_the_authority() {
    let bench = Bench::with(|settings| settings.ca_ttl = Duration::from_mins(30)).await;
    let agent = bench.agent().await;
    let id = bench.entry(&agent.id, "/w").await.id;
    let results = issue(&bench, &agent, &[(&id, csr(&[]))]).await;
    assert_eq!(results[0].2.as_ref().unwrap().expires_at, at(1800).as_second());
}
