//! The guide's page on Kubernetes, as its reader goes through it.

use std::path::Path;

use anyhow::{Context as _, Result};
use steeple_tests_cluster::{Cluster, empty, guide, pack_steeple, peer};

/// What is not done as the page says: a static build takes many minutes, so the image that is loaded is of the program
/// under test, packed beforehand.
const IMAGE: &str = r#"
cargo() {
    case $* in
    'xtask image --dev') ;;
    'xtask cluster load-image target/images/steeple.tar') command cargo xtask cluster load-image "$ARCHIVE" ;;
    *) command cargo "$@" ;;
    esac
}
"#;

#[test]
fn page_leads_from_nothing_to_identities() {
    empty("guide", &["helm"], |cluster| {
        let folder = tempfile::tempdir()?;
        let archive = folder.path().join("steeple.tar");
        pack_steeple(cluster, &archive)?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        guide::follow(&root, "docs/guide/kubernetes.md", &prelude(cluster, &archive)?)
    });
}

/// The cluster that `cargo xtask cluster up` would make is there already, under a name of its own; helm is where peers are.
fn prelude(cluster: &Cluster, archive: &Path) -> Result<String> {
    let helm = peer::path("helm")?.canonicalize()?;
    let folder = helm.parent().context("helm is in a folder")?;
    let (name, folder, archive) = (cluster.name(), folder.display(), archive.display());
    Ok(format!("export STEEPLE_CLUSTER='{name}' PATH=\"$PATH:{folder}\" ARCHIVE='{archive}'\n{IMAGE}"))
}
