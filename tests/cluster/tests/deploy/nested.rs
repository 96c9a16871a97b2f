//! A release whose server stands below that of another namespace, on the same nodes.

use anyhow::ensure;
use steeple_tests_cluster::{NAMESPACE, id};

use crate::releases::{self, LOWER};
use crate::restricted;
use crate::svid::{Pod, bundle, is_verified};

const WEB: Pod<'static> =
    Pod { name: "web-lower", class: "lower", driver: "lower.csi.spiffe.io", federates_with: None };

/// What the server below issues is verified by the roots above, which are the only ones of its own bundle.
#[test]
fn workload_below_is_verified_by_the_root_above() {
    releases::case(|cluster| {
        WEB.start(cluster)?;
        let svid = WEB.x509(cluster)?;
        let above = bundle(cluster, NAMESPACE)?;
        is_verified(&svid, &above, &id("web-lower"))?;
        ensure!(svid.chain.matches("BEGIN CERTIFICATE").count() == 2, "not by the server below:\n{}", svid.chain);
        let below = bundle(cluster, LOWER)?;
        ensure!(below == above, "other roots below:\n{below}above:\n{above}");
        restricted::admits(cluster, LOWER, "statefulset/steeple-server")
    });
}
