//! What the workload attestors of this product can say.

use steeple_types::Selector;

use crate::nearest::{edits, key};

/// Keys of selectors by their type.
const KEYS: &[(&str, &[&str])] = &[
    ("unix", &["uid", "user", "gid", "group", "supplementary_gid", "supplementary_group", "path", "sha256"]),
    ("docker", &["label", "env", "image_id", "image_config_digest"]),
    ("systemd", &["id", "fragment_path"]),
    (
        "k8s",
        &[
            "sa",
            "ns",
            "node-name",
            "pod-uid",
            "pod-name",
            "pod-image-count",
            "pod-init-image-count",
            "pod-image",
            "pod-init-image",
            "pod-label",
            "pod-owner",
            "pod-owner-uid",
            "ns-label",
            "container-name",
            "container-image",
        ],
    ),
];

/// Words that people write for a key that has another name.
const MEANT: &[(&str, &str, &str)] = &[
    ("k8s", "namespace", "ns"),
    ("k8s", "service-account", "sa"),
    ("k8s", "serviceaccount", "sa"),
    ("k8s", "label", "pod-label"),
    ("k8s", "image", "container-image"),
    ("k8s", "container", "container-name"),
    ("k8s", "node", "node-name"),
    ("k8s", "pod", "pod-name"),
    ("docker", "image", "image_id"),
    ("docker", "image-id", "image_id"),
    ("unix", "exe", "path"),
    ("unix", "sha", "sha256"),
];

/// Types of selectors that node attestors give.
const OF_NODES: &[&str] = &[
    "aws_iid",
    "azure_imds",
    "azure_msi",
    "gcp_iit",
    "http_challenge",
    "join_token",
    "k8s_psat",
    "k8s_sat",
    "spiffe_id",
    "sshpop",
    "tpm_devid",
    "x509pop",
];

/// The key that was meant, when no attestor says what `selector` is about.
pub(crate) fn meant(selector: &Selector) -> Option<&'static str> {
    let (_, keys) = KEYS.iter().find(|(kind, _)| *kind == selector.kind())?;
    let said = key(selector);
    if keys.contains(&said) {
        return None;
    }
    let lower = said.to_lowercase();
    let by_word =
        MEANT.iter().find(|(kind, word, _)| *kind == selector.kind() && *word == lower).map(|(_, _, key)| *key);
    by_word.or_else(|| keys.iter().copied().min_by_key(|key| edits(key, &lower)))
}

/// Whether `kind` is said of nodes.
pub(crate) fn is_of_nodes(kind: &str) -> bool {
    OF_NODES.contains(&kind)
}

/// What has to be configured so that an attestor says what `selector` is about, when it says nothing of the kind.
pub(crate) fn option(selector: &Selector) -> Option<&'static str> {
    match (selector.kind(), key(selector)) {
        ("unix", "path" | "sha256") => Some("discover_workload_path = true"),
        ("k8s", "ns-label") => Some("enable_namespace_labels = true"),
        _ => None,
    }
}

/// Why an attestor may have nothing to say of what `selector` is about.
pub(crate) fn silence(selector: &Selector) -> Option<&'static str> {
    match (selector.kind(), key(selector)) {
        ("unix", "user") => Some("the agent finds no name for its user in /etc/passwd"),
        ("unix", "group") => Some("the agent finds no name for its group in /etc/group"),
        ("unix", "supplementary_gid") => Some("it has no supplementary groups"),
        ("unix", "supplementary_group") => {
            Some("it has no supplementary groups, or the agent finds no names for them in /etc/group")
        }
        ("docker", "label") => Some("it runs in no container, or in one without labels"),
        ("docker", "env") => Some("it runs in no container, or in one without variables"),
        ("docker", _) => Some("it runs in no container, or its container tells no image"),
        ("k8s", "container-name" | "container-image") => Some(
            "its container is not told: disable_container_selectors is set, or it calls on a socket of its pod's own",
        ),
        ("k8s", "pod-label") => Some("its pod has no labels"),
        ("k8s", "pod-owner" | "pod-owner-uid") => Some("nothing owns its pod"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_nobody_says_have_one_that_was_meant() {
        let of = |text: &str| meant(&text.parse().unwrap());
        assert_eq!(of("k8s:namespace:shop"), Some("ns"));
        assert_eq!(of("unix:UID:1"), Some("uid"));
        assert_eq!(of("docker:lable:a:b"), Some("label"));
        assert_eq!(of("k8s:ns:shop"), None);
        assert_eq!(of("other:thing:1"), None);
    }
}
