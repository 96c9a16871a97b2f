//! Pods that hold the identities of a release, and what Go's crypto/x509 says of those.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use steeple_tests_cluster::{Cluster, peer};

const SOCKET: &str = "/spiffe/spire-agent.sock";

/// A pod of the namespace `default`, and the identity that it gets, `spiffe://<trust domain>/<name>`.
pub(crate) struct Pod<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Of what class the controller is that gives it.
    pub(crate) class: &'a str,
    /// The release's CSI driver.
    pub(crate) driver: &'a str,
    /// Whose bundle it gets beside its own.
    pub(crate) federates_with: Option<&'a str>,
}

/// What a pod was told, in PEM.
pub(crate) struct X509 {
    /// The X.509-SVID, and what it was issued by up to the root.
    pub(crate) chain: String,
    key: String,
    /// The bundle that was told of the other trust domain, if one was.
    pub(crate) federated: Option<String>,
}

impl Pod<'_> {
    /// Makes it, and waits until it holds its identity.
    pub(crate) fn start(&self, cluster: &Cluster) -> Result<()> {
        let Self { name, class, driver, federates_with } = self;
        let identity = json!({
            "apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterSPIFFEID", "metadata": {"name": name},
            "spec": {
                "spiffeIDTemplate": format!("spiffe://{{{{ .TrustDomain }}}}/{name}"), "className": class,
                "podSelector": {"matchLabels": {"app": name}},
                "federatesWith": federates_with.iter().collect::<Vec<_>>(),
            },
        });
        cluster.apply(&identity.to_string(), &[])?;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{
                    "name": "web", "image": "steeple:local", "imagePullPolicy": "Never",
                    "command": ["/opt/spire/bin/spire-agent", "api", "watch", "-socketPath", SOCKET],
                    "volumeMounts": [{"name": "spiffe", "mountPath": "/spiffe", "readOnly": true}],
                }],
                "volumes": [{
                    "name": "spiffe",
                    "csi": {"driver": driver, "readOnly": true, "volumeAttributes": {"steeple.dev/socket": "pod"}},
                }],
            },
        });
        cluster.apply(&pod.to_string(), &[])?;
        cluster.ok(&["wait", "--for=condition=Ready", &format!("pod/{name}"), "--timeout=180s"]).map(drop)
    }

    /// What the Workload API answers, as `spire-agent api fetch` prints it.
    pub(crate) fn fetch(&self, cluster: &Cluster, what: &[&str]) -> Result<Value> {
        let fetch = ["exec", self.name, "--", "/opt/spire/bin/spire-agent", "api", "fetch"];
        let text = cluster.ok(&[&fetch, what, &["-output", "json", "-socketPath", SOCKET]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("{what:?} printed {text}"))
    }

    pub(crate) fn x509(&self, cluster: &Cluster) -> Result<X509> {
        let answer = self.fetch(cluster, &["x509"])?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let svid = |key: &str| text(answer.pointer(&format!("/svids/0/{key}"))).with_context(|| answer.to_string());
        let federated = self.federates_with.and_then(|domain| {
            text(answer.get("federated_bundles").and_then(|bundles| bundles.get(format!("spiffe://{domain}"))))
        });
        Ok(X509 {
            chain: certificates(&svid("x509_svid")?)?,
            key: format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", svid("x509_svid_key")?),
            federated: federated.map(|bundle| certificates(&bundle)).transpose()?,
        })
    }
}

/// The SVID is one of `id` by the SPIFFE profile, and its chain ends in `bundle`.
pub(crate) fn is_verified(svid: &X509, bundle: &str, id: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut oracle = Command::new(peer::path("oracle")?);
    oracle.arg("svid");
    for (name, text) in [("chain", &*svid.chain), ("key", &svid.key), ("bundle", bundle)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text)?;
        oracle.arg(path);
    }
    let output = oracle.arg(id).output()?;
    ensure!(output.status.success(), "{id}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The bundle of a release's server, in PEM.
pub(crate) fn bundle(cluster: &Cluster, namespace: &str) -> Result<String> {
    let show =
        ["exec", "steeple-server-0", "-c", "steeple-server", "--", "/opt/spire/bin/spire-server", "bundle", "show"];
    cluster.ok(&[&["-n", namespace], &show[..]].concat())
}

/// Certificates that stand one behind the other, DER in base64, as PEM.
fn certificates(base64: &str) -> Result<String> {
    let der = BASE64_STANDARD.decode(base64)?;
    let (mut rest, mut pem) = (der.as_slice(), String::new());
    while let [0x30, 0x82, high, low, ..] = *rest {
        let length = 4 + usize::from(u16::from_be_bytes([high, low]));
        let (certificate, others) = rest.split_at_checked(length).context("a certificate that is cut off")?;
        let text = BASE64_STANDARD.encode(certificate);
        pem.extend(["-----BEGIN CERTIFICATE-----\n", &text, "\n-----END CERTIFICATE-----\n"]);
        rest = others;
    }
    ensure!(rest.is_empty() && !pem.is_empty(), "not certificates: {base64}");
    Ok(pem)
}
