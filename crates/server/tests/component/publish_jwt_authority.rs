//! `PublishJWTAuthority`.

use steeple_audit::EventKind;
use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_server::{Rate, TABLE};
use tonic::Code;

use crate::bench::{Bench, at, refused};
use crate::new_downstream_x509_ca::downstream_server;

pub(crate) fn key(id: &str) -> types::JwtKey {
    let public_key = PrivateKey::generate(KeyType::EcP256).unwrap().public_key().spki().to_vec();
    types::JwtKey { public_key, key_id: id.to_owned(), expires_at: at(60).as_second(), tainted: true }
}

#[tokio::test]
async fn key_of_a_downstream_server_is_published_beside_the_others() {
    let bench = Bench::new().await;
    let agent = bench.agent().await;
    let chain = downstream_server(&bench, &agent.id).await;
    let publish = async |chain: &[Vec<u8>], jwt_authority: Option<types::JwtKey>| {
        let request = pb::PublishJwtAuthorityRequest { jwt_authority };
        let answer = bench.remote(chain).bundle().publish_jwt_authority(request).await;
        answer.map(|answer| answer.into_inner().jwt_authorities)
    };
    let bundle =
        async || bench.local().bundle().get_bundle(pb::GetBundleRequest::default()).await.unwrap().into_inner();
    let own = bundle().await.jwt_authorities.remove(0);
    // Taint is not the caller's to say.
    let told = key("below");
    let published = types::JwtKey { tainted: false, ..told.clone() };
    assert_eq!(publish(&chain, Some(told.clone())).await.unwrap(), [own.clone(), published.clone()]);
    assert_eq!(bundle().await.jwt_authorities, [own.clone(), published.clone()]);
    let sequence = bundle().await.sequence_number;
    assert_eq!(publish(&chain, Some(told)).await.unwrap(), [own.clone(), published.clone()]);
    assert_eq!(bundle().await.sequence_number, sequence, "what is known changes nothing");
    let record = EventKind::JwtKeyPublished { authority_id: "below".to_owned() };
    assert!(bench.recorded.kinds().contains(&record));

    let missing = (Code::InvalidArgument, "missing JWT authority".to_owned());
    assert_eq!(refused(publish(&chain, None).await), missing);
    let nameless = (Code::InvalidArgument, "invalid JWT authority: missing key ID".to_owned());
    assert_eq!(refused(publish(&chain, Some(key(""))).await), nameless);
    assert_eq!(refused(publish(&agent.chain, Some(key("other"))).await).0, Code::PermissionDenied);
    bench.recorded.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    let (code, text) = refused(publish(&chain, Some(key("unrecorded"))).await);
    assert_eq!((code, text.starts_with("failed to publish JWT key: ")), (Code::Internal, true), "{text}");
    assert_eq!(bundle().await.jwt_authorities, [own, published]);
}

#[test]
fn publishing_has_a_rate_of_its_own() {
    let rates = TABLE.iter().filter(|row| row.name().starts_with("Publish")).map(|row| row.rate);
    assert_eq!(rates.collect::<Vec<_>>(), [Rate::PushKey, Rate::PushKey]);
}
