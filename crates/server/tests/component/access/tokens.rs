//! People with tokens of an OIDC issuer.

use serde_json::{Value, json};
use steeple_audit::Actor;
use steeple_crypto::jwk::Jwk;
use steeple_crypto::jws::sign;
use steeple_crypto::keys::{KeyType, LocalSigner, PrivateKey, Signer};
use steeple_proto::spire::api::server as pb;
use tempfile::TempDir;
use tonic::{Code, Status};

use super::{access, chain, item, person, pod, scoped};
use crate::bench::{Bench, Calls};

/// An issuer, its keys in a file.
struct Idp {
    signer: LocalSigner,
    folder: TempDir,
}

impl Idp {
    fn new() -> Self {
        let idp = Self {
            signer: LocalSigner(PrivateKey::generate(KeyType::EcP256).unwrap()),
            folder: tempfile::tempdir().unwrap(),
        };
        idp.publishes("k");
        idp
    }

    fn publishes(&self, key_id: &str) {
        let jwk = Jwk { kid: key_id.to_owned(), ..Jwk::from_key(self.signer.public_key()).unwrap() };
        std::fs::write(self.folder.path().join("jwks"), json!({ "keys": [jwk] }).to_string()).unwrap();
    }

    fn block(&self) -> String {
        let path = self.folder.path().join("jwks");
        format!(
            "issuer \"corp\" {{\n issuer = \"https://idp.example\"\n audience = \"steeple\"\n jwks_path = \"{}\"\n}}\n",
            path.display()
        )
    }

    async fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = json!({
            "iss": "https://idp.example", "aud": "steeple", "sub": "mia", "exp": 1_767_229_200, "groups": ["shop-editors"],
        });
        change(&mut claims);
        sign(&self.signer, "k", &claims).await.unwrap()
    }
}

const SHOP: &str = r#"binding "shop" {
  role = "entry-editor"
  subject { oidc = "corp" group = "shop-editors" }
  scope { path = ["/ns/shop"] }
}
"#;

async fn writes<A: steeple_net::Answers>(calls: &Calls<A>, path: &str) -> Result<(), Status> {
    let request = pb::entry::v1::BatchCreateEntryRequest { entries: vec![pod(path, "shop")], output_mask: None };
    item(calls.entry().batch_create_entry(request).await?.into_inner().results[0].status.clone())
}

async fn count<A: steeple_net::Answers>(calls: &Calls<A>) -> Result<(), Status> {
    calls.entry().count_entries(pb::entry::v1::CountEntriesRequest::default()).await.map(|_| ())
}

async fn shop() -> (Idp, Bench) {
    let idp = Idp::new();
    let bindings = format!("{}{SHOP}{}", idp.block(), person("ann", "entry-editor", ""));
    let bench = scoped(&bindings).await;
    (idp, bench)
}

#[tokio::test]
async fn groups_of_a_token_give_roles_and_the_record_names_the_person() {
    let (idp, bench) = shop().await;
    let token = idp.token(|_| {}).await;
    let mia = bench.remote(&[]).with_token(&token);
    writes(&mia, "/ns/shop/x").await.unwrap();
    let refused = writes(&mia, "/ns/bank/x").await.unwrap_err();
    assert!(refused.message().ends_with("binding \"shop\": path: /ns/bank/x lies not under /ns/shop"), "{refused:?}");
    let actor = bench.recorded.actors().pop().unwrap();
    let Actor::Bound { actor, by } = actor else { panic!("{actor:?}") };
    assert_eq!(&*by, "shop");
    assert!(
        matches!(&*actor, Actor::Token { issuer, user, .. } if &**issuer == "corp" && &**user == "mia"),
        "{actor:?}"
    );
    let other = idp.token(|claims| claims["groups"] = json!(["shop-editors-too"])).await;
    let refused = count(&bench.remote(&[]).with_token(&other)).await.unwrap_err();
    assert!(refused.message().ends_with("no binding is for corp user mia"), "{refused:?}");
}

#[tokio::test]
async fn token_that_is_not_believed_ends_the_call_whoever_brings_it() {
    let (idp, bench) = shop().await;
    let mallory = Idp::new();
    let forged = mallory.token(|_| {}).await;
    let expired = idp.token(|claims| claims["exp"] = json!(1_767_220_000)).await;
    let elsewhere = idp.token(|claims| claims["aud"] = json!("mail")).await;
    let stranger = idp.token(|claims| claims["iss"] = json!("https://other.example")).await;
    let odd = idp.token(|claims| claims["groups"] = json!("shop-editors")).await;
    let ann = chain(&bench, "/people/ann").await;
    count(&bench.remote(&ann)).await.unwrap();
    for (token, reason) in [
        (forged.as_str(), "cryptographic primitive"),
        (&expired, "token has expired"),
        (&elsewhere, "expected audience"),
        (&stranger, "no issuer \"https://other.example\" is configured"),
        (&odd, "claim \"groups\" is not a list"),
        ("a.b", "a token has three parts"),
    ] {
        for chain in [&[][..], &ann] {
            let refused = count(&bench.remote(chain).with_token(token)).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{reason}: {refused:?}");
            assert!(refused.message().contains(reason), "{reason}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn token_counts_alone_and_keys_that_are_taken_back_end() {
    let (idp, bench) = shop().await;
    let token = idp.token(|_| {}).await;
    let ann = chain(&bench, "/people/ann").await;
    writes(&bench.remote(&ann), "/ns/bank/x").await.unwrap();
    let both = bench.remote(&ann).with_token(&token);
    assert!(writes(&both, "/ns/bank/y").await.is_err(), "the SVID of who brings the token gives nothing");
    writes(&both, "/ns/shop/y").await.unwrap();
    idp.publishes("another");
    let refused = count(&both).await.unwrap_err();
    assert!(refused.message().ends_with("issuer \"corp\" has no key \"k\""), "{refused:?}");
}

#[test]
fn issuers_are_configured_wholly_or_refused() {
    let local = r#"binding "a" { role = "viewer" subject { uid = 1 } }"#;
    let of = |keys: &str| format!("{local}\nissuer \"corp\" {{ issuer = \"https://i\" audience = \"a\" {keys} }}\n");
    for (bindings, reason) in [
        (format!("{local}\n{SHOP}"), "binding \"shop\": no issuer \"corp\" is configured"),
        (of(""), "one of jwks_path and jwks_url must be configured"),
        (of(r#"jwks_path = "/a" jwks_url = "https://b""#), "one of jwks_path and jwks_url must be configured"),
        (of(r#"jwks_url = "http://b""#), "jwks_url \"http://b\" must start with https://"),
        (of(r#"jwks_path = "/a" algs = ["none"]"#), "unknown key \"algs\""),
        (
            format!("{local}\nissuer \"corp\" {{ issuer = \"https://i\" jwks_path = \"/a\" }}\n"),
            "audience must be configured",
        ),
    ] {
        let error = access(&bindings).unwrap_err();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    access(&of(r#"jwks_url = "https://b""#)).unwrap();
}
