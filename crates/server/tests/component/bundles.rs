//! `GetBundle`, `AppendBundle` and `CountBundles`.

use steeple_proto::spire::api::server::bundle::v1 as pb;
use steeple_proto::spire::api::types;
use tonic::Code;

use crate::bench::{Bench, refused};

#[tokio::test]
async fn own_bundle_grows_by_what_is_new_only() {
    let (bench, other) = (Bench::new().await, Bench::new().await);
    let get = async |bench: &Bench| {
        bench.remote(&[]).bundle().get_bundle(pb::GetBundleRequest::default()).await.unwrap().into_inner()
    };
    let (own, foreign) = (get(&bench).await, get(&other).await);
    assert_eq!(
        (own.trust_domain.as_str(), own.x509_authorities.len(), own.jwt_authorities.len()),
        ("example.org", 1, 1)
    );
    let append = async |x509_authorities: Vec<types::X509Certificate>, jwt_authorities: Vec<types::JwtKey>| {
        let request = pb::AppendBundleRequest { x509_authorities, jwt_authorities, ..Default::default() };
        bench.local().bundle().append_bundle(request).await.map(tonic::Response::into_inner)
    };
    let grown = append(foreign.x509_authorities.clone(), vec![]).await.unwrap();
    assert_eq!((grown.x509_authorities.len(), grown.sequence_number), (2, own.sequence_number + 1));
    let same = append(foreign.x509_authorities, foreign.jwt_authorities.clone()).await.unwrap();
    assert_eq!((same.x509_authorities.len(), same.jwt_authorities.len()), (2, 2));
    let again = append(vec![], foreign.jwt_authorities).await.unwrap();
    assert_eq!(again, same);

    let none = (Code::InvalidArgument, "no authorities to append".to_owned());
    assert_eq!(refused(append(vec![], vec![]).await), none);
    let junk = types::X509Certificate { asn1: b"junk".to_vec(), tainted: false };
    let (code, text) = refused(append(vec![junk], vec![]).await);
    assert_eq!(
        (code, text.starts_with("failed to convert X.509 authority: ")),
        (Code::InvalidArgument, true),
        "{text}"
    );
}

#[tokio::test]
async fn mask_leaves_out_what_was_not_asked_for() {
    let bench = Bench::new().await;
    let output_mask = Some(types::BundleMask::default());
    let bundle = bench.local().bundle().get_bundle(pb::GetBundleRequest { output_mask }).await.unwrap().into_inner();
    assert_eq!(bundle, types::Bundle { trust_domain: "example.org".to_owned(), ..Default::default() });
}
