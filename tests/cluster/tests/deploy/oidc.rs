//! The OIDC discovery provider of a release, as a client of OpenID Connect sees it.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use steeple_tests_cluster::{Cluster, NAMESPACE, SLEEP, Workload, id, until};

use crate::svid::Pod;
use crate::{releases, restricted};

const HOST: &str = "steeple-oidc-discovery-provider.steeple.svc";
const WEB: Pod<'static> = Pod { name: "web-oidc", class: "", driver: "csi.spiffe.io", federates_with: None };
/// Somebody who knows no more than the issuer.
const CLIENT: Workload<'static> = Workload { namespace: "oidc", name: "client", script: SLEEP };

/// By document and keys, fetched through the Service, a pod's token is verified.
#[test]
fn token_is_verified_by_the_keys_that_the_provider_serves() {
    releases::case(|cluster| {
        cluster.ok(&["create", "namespace", CLIENT.namespace])?;
        CLIENT.start(cluster)?;
        WEB.start(cluster)?;
        let token = token(cluster)?;
        let document = get(cluster, "/.well-known/openid-configuration")?;
        ensure!(document["jwks_uri"] == format!("https://{HOST}/keys"), "{document}");
        // The server that signed may have made its key since the provider asked last.
        let claims = until::ok("the key of the token", || verified(&token, &get(cluster, "/keys")?))?;
        let expected = [("iss", &document["issuer"]), ("sub", &json!(id("web-oidc"))), ("aud", &json!(["bank"]))];
        for (claim, value) in expected {
            ensure!(claims[claim] == *value, "{claim} is not {value}: {claims}");
        }
        health_is_nobodys_business(cluster)?;
        restricted::admits(cluster, NAMESPACE, "deployment/steeple-oidc-discovery-provider")
    });
}

fn token(cluster: &Cluster) -> Result<String> {
    let fetched = WEB.fetch(cluster, &["jwt", "-audience", "bank"])?;
    let token = fetched.pointer("/0/svids/0/svid").and_then(Value::as_str);
    Ok(token.with_context(|| format!("no token in {fetched}"))?.to_owned())
}

fn get(cluster: &Cluster, path: &str) -> Result<Value> {
    let fetched = CLIENT.exec(cluster, &["busybox", "wget", "-q", "-O-", &format!("http://{HOST}{path}")])?;
    serde_json::from_str(&fetched.stdout).with_context(|| format!("{path}: {fetched}"))
}

/// The claims of a token whose signature is that of one of the keys (RFC 7518, section 3.4).
fn verified(token: &str, keys: &Value) -> Result<Value> {
    let (signed, signature) = token.rsplit_once('.').context("a token has a signature")?;
    let (header, claims) = signed.split_once('.').context("a token has claims")?;
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text);
    let header: Value = serde_json::from_slice(&decode(header)?)?;
    let mut all = keys["keys"].as_array().context("no keys")?.iter();
    let key =
        all.find(|key| key.get("kid") == header.get("kid")).with_context(|| format!("{header} is not of {keys}"))?;
    let coordinate = |name: &str| Ok::<_, anyhow::Error>(decode(key[name].as_str().context("no coordinate")?)?);
    let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    key.verify(signed.as_bytes(), &decode(signature)?).ok().context("the signature is another key's")?;
    Ok(serde_json::from_slice(&decode(claims)?)?)
}

/// Everybody may ask the provider, and nobody its health but the kubelet.
fn health_is_nobodys_business(cluster: &Cluster) -> Result<()> {
    let label = "app.kubernetes.io/name=steeple-oidc-discovery-provider";
    let pods = cluster.ok(&["-n", NAMESPACE, "get", "pods", "-l", label, "-o", "jsonpath={.items[0].status.podIP}"])?;
    let dial = |port: &str| CLIENT.exec(cluster, &["nc", "-w", "2", &pods, port, "-e", "true"]);
    let (web, health) = (dial("8080")?, dial("8008")?);
    ensure!(web.exit == 0 && health.exit != 0, "port 8080: {web}\nport 8008: {health}");
    Ok(())
}
