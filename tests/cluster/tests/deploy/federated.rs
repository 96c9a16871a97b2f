//! Releases of two trust domains: one federates by an object of the cluster, the other by its values.

use anyhow::{Context as _, Result};
use serde_json::json;
use steeple_tests_cluster::{Cluster, NAMESPACE, id};

use crate::releases::{self, OTHER};
use crate::svid::{Pod, is_verified};

const OURS: Pod<'static> =
    Pod { name: "web-ours", class: "", driver: "csi.spiffe.io", federates_with: Some("other.test") };
const THEIRS: Pod<'static> =
    Pod { name: "web-theirs", class: "other", driver: "other.csi.spiffe.io", federates_with: Some("example.org") };

/// A workload of each trust domain holds the bundle by which the other one's is verified.
#[test]
fn workloads_of_two_trust_domains_verify_each_other() {
    releases::case(|cluster| {
        let theirs = document(cluster, OTHER)?;
        let relationship = json!({
            "apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterFederatedTrustDomain",
            "metadata": {"name": "other"},
            "spec": {
                "trustDomain": "other.test", "bundleEndpointURL": "https://steeple-server.other.svc:8443",
                "bundleEndpointProfile": {"type": "https_spiffe", "endpointSPIFFEID": "spiffe://other.test/spire/server"},
                "trustDomainBundle": theirs,
            },
        });
        cluster.apply(&relationship.to_string(), &[])?;
        trust(cluster, "spiffe://example.org", &document(cluster, NAMESPACE)?)?;
        // Each way over the network: the endpoint is verified by what was told first.
        refreshes(cluster, NAMESPACE, "other.test")?;
        refreshes(cluster, OTHER, "example.org")?;
        OURS.start(cluster)?;
        THEIRS.start(cluster)?;
        let (ours, theirs) = (OURS.x509(cluster)?, THEIRS.x509(cluster)?);
        let of_theirs = ours.federated.as_deref().context("no bundle of other.test")?;
        is_verified(&theirs, of_theirs, "spiffe://other.test/web-theirs")?;
        let of_ours = theirs.federated.as_deref().context("no bundle of example.org")?;
        is_verified(&ours, of_ours, &id("web-ours"))
    });
}

/// The bundle of a release, as others are told it.
fn document(cluster: &Cluster, namespace: &str) -> Result<String> {
    server(cluster, namespace, &["bundle", "show", "-format", "spiffe"])
}

/// The first bundle of a trust domain, brought by hand to the other release.
fn trust(cluster: &Cluster, domain: &str, document: &str) -> Result<()> {
    let set = ["exec", "-i", "steeple-server-0", "-c", "steeple-server", "--", "/opt/spire/bin/spire-server"];
    let set = [&["-n", OTHER], &set[..], &["bundle", "set", "-id", domain, "-format", "spiffe"]].concat();
    cluster.ok_with(&set, document).map(drop)
}

/// The server fetches the bundle when it knows of the relationship.
fn refreshes(cluster: &Cluster, namespace: &str, domain: &str) -> Result<()> {
    steeple_tests_cluster::until::ok("the bundle of the other trust domain", || {
        server(cluster, namespace, &["federation", "refresh", "-id", domain])
    })
    .map(drop)
}

fn server(cluster: &Cluster, namespace: &str, arguments: &[&str]) -> Result<String> {
    let exec = ["exec", "steeple-server-0", "-c", "steeple-server", "--", "/opt/spire/bin/spire-server"];
    cluster.ok(&[&["-n", namespace], &exec[..], arguments].concat())
}
