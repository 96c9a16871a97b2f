//! The SVID service.

use serde_json::json;
use steeple_crypto::digest::sha256;
use steeple_crypto::x509::Certificate;
use steeple_net::Answers;
use steeple_proto::spire::api::server::svid::v1 as pb;

use super::unimplemented;
use crate::audit_trail::every_rpc::{Left, Rig, by_local, by_svid};
use crate::bench::{csr, serial_of, spiffe_id};

pub(super) async fn case<A: Answers>(name: &str, rig: &Rig<A>) -> Option<Vec<Left>> {
    let (mut local, mut agent) = (rig.local.svid(), rig.agent.svid());
    let audience = || vec!["a".to_owned()];
    rig.begin();
    Some(match name {
        "MintX509SVID" => {
            let request = pb::MintX509svidRequest { csr: csr(&["spiffe://example.org/m"]), ttl: 60 };
            let chain = local.mint_x509svid(request).await.unwrap().into_inner().svid.unwrap().cert_chain;
            let data = json!({
                "spiffe_id": "spiffe://example.org/m",
                "serial_num": serial_of(&chain),
                "key_fingerprint": key_fingerprint(&chain),
                "expires_at": not_after(&chain),
            });
            by_local("x509_svid_issued", data)
        }
        "MintJWTSVID" => {
            let request = pb::MintJwtsvidRequest { id: Some(spiffe_id("/m")), audience: audience(), ttl: 60 };
            local.mint_jwtsvid(request).await.unwrap();
            by_local("jwt_svid_issued", json!({ "spiffe_id": "spiffe://example.org/m", "expires_at": null }))
        }
        "MintWITSVID" => unimplemented(local.mint_witsvid(pb::MintWitsvidRequest::default()).await),
        "BatchNewX509SVID" => return Some(batch(rig).await),
        "NewJWTSVID" => {
            let entry_id = rig.entry.id.clone();
            agent
                .new_jwtsvid(pb::NewJwtsvidRequest { entry_id: entry_id.clone(), audience: audience() })
                .await
                .unwrap();
            let data = json!({
                "spiffe_id": "spiffe://example.org/w",
                "expires_at": null,
                "entry_id": entry_id,
                "entry_revision": 0,
            });
            by_svid("jwt_svid_issued", &rig.agent_id.path, data)
        }
        "BatchNewWITSVID" => unimplemented(agent.batch_new_witsvid(pb::BatchNewWitsvidRequest::default()).await),
        "NewDownstreamX509CA" => {
            let request = pb::NewDownstreamX509caRequest { csr: csr(&["spiffe://example.org"]), preferred_ttl: 7200 };
            let minted = rig.downstream.svid().new_downstream_x509ca(request).await.unwrap().into_inner();
            let data = json!({
                "spiffe_id": "spiffe://example.org",
                "serial_num": serial_of(&minted.ca_cert_chain),
                "key_fingerprint": key_fingerprint(&minted.ca_cert_chain),
                "expires_at": not_after(&minted.ca_cert_chain),
                "entry_id": null,
                "entry_revision": 0,
            });
            by_svid("x509_svid_issued", "/server", data)
        }
        _ => return None,
    })
}

/// Three items, of which one comes to nothing.
async fn batch<A: Answers>(rig: &Rig<A>) -> Vec<Left> {
    let entry_id = &rig.entry.id;
    let asked = [entry_id.as_str(), "nobody", entry_id.as_str()];
    let params = asked.map(|id| pb::NewX509svidParams { entry_id: id.to_owned(), csr: csr(&[]) }).to_vec();
    let results = rig.agent.svid().batch_new_x509svid(pb::BatchNewX509svidRequest { params }).await.unwrap();
    let chains = results.into_inner().results.into_iter().filter_map(|result| Some(result.svid?.cert_chain));
    let left = |chain: Vec<Vec<u8>>| {
        let data = json!({
            "spiffe_id": "spiffe://example.org/w",
            "serial_num": serial_of(&chain),
            "key_fingerprint": key_fingerprint(&chain),
            "expires_at": not_after(&chain),
            "entry_id": entry_id,
            "entry_revision": 0,
        });
        by_svid("x509_svid_issued", &rig.agent_id.path, data)
    };
    let left: Vec<Left> = chains.flat_map(left).collect();
    assert_eq!(left.len(), 2);
    left
}

fn key_fingerprint(chain: &[Vec<u8>]) -> String {
    hex::encode(sha256(Certificate::from_der(&chain[0]).unwrap().public_key().spki()))
}

fn not_after(chain: &[Vec<u8>]) -> String {
    Certificate::from_der(&chain[0]).unwrap().not_after().to_string()
}
