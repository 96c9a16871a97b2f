//! Which of the server's entries are this controller's.
//!
//! An entry bears its owner in its ID: what this controller makes has an ID that begins with its prefix. Entries of others
//! are neither changed nor deleted, with one exception that the configuration must ask for (`entryIDPrefixCleanup`): entries
//! of a controller that was here before are taken over.

use crate::key::EntryKey;
use steeple_crypto::digest::sha256;
use steeple_proto::spire::api::types;

/// The selector that every entry of a pod has.
const POD_UID: &str = "pod-uid:";

/// How own entries are told from those of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    prefix: String,
    predecessor: Option<Predecessor>,
    trust_domain: String,
    nodes: String,
}

/// Whose entries are taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Predecessor {
    /// Of a controller whose IDs had this prefix.
    Prefixed(String),
    /// Of a controller whose IDs had none. Operators' entries have none either, so an entry must look like a controller's.
    Plain,
}

/// Whose an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// This controller's.
    This,
    /// A predecessor's, and so this controller's too.
    Predecessor,
    /// Of a predecessor that gave its entries no mark: this controller's if it asks for the very entry.
    Unclear,
    /// Somebody else's.
    Other,
}

impl Ownership {
    /// `prefix` and `cleanup` as the configuration has them, without the dot at their ends. Without a prefix the controller
    /// has one by the names of cluster and class, so that two controllers of one server never share it.
    pub fn new(prefix: &str, cleanup: Option<&str>, trust_domain: &str, cluster: &str, class: &str) -> Self {
        let prefix = match prefix {
            "" => default_prefix(cluster, class),
            given => format!("{}.", given.trim_end_matches('.')),
        };
        let predecessor = cleanup.map(|cleanup| match cleanup.trim_end_matches('.') {
            "" => Predecessor::Plain,
            given => Predecessor::Prefixed(format!("{given}.")),
        });
        let nodes = format!("/spire/agent/k8s_psat/{cluster}/");
        Self { prefix, predecessor, trust_domain: trust_domain.to_owned(), nodes }
    }

    /// What begins the IDs of own entries.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The ID of an own entry that is to be made. The same key yields the same ID, so an entry whose making was not
    /// confirmed is found again.
    pub fn id_of(&self, key: &EntryKey) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whose an entry is that has this ID, if the ID alone tells.
    pub fn by_id(&self, id: &str) -> Option<Owner> {
        match &self.predecessor {
            _ if id.starts_with(&self.prefix) => Some(Owner::This),
            Some(Predecessor::Prefixed(prefix)) if id.starts_with(prefix) => Some(Owner::Predecessor),
            Some(Predecessor::Plain) if !id.contains('.') => None,
            _ => Some(Owner::Other),
        }
    }

    /// Whose an entry is. Of entries without a mark those count as a predecessor's which are for a pod on a node of this
    /// cluster.
    pub fn of(&self, entry: &types::Entry) -> Owner {
        self.by_id(&entry.id).unwrap_or_else(|| {
            let of_pod = entry.selectors.iter().any(|s| s.r#type == "k8s" && s.value.starts_with(POD_UID));
            let on_node = entry
                .parent_id
                .as_ref()
                .is_some_and(|parent| parent.trust_domain == self.trust_domain && parent.path.starts_with(&self.nodes));
            if of_pod && on_node { Owner::Predecessor } else { Owner::Unclear }
        })
    }
}

/// Cluster and class in readable form, and a digest of both, since what is readable may be the same for two.
fn default_prefix(cluster: &str, class: &str) -> String {
    let readable: String = cluster.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    let digest = sha256(format!("{cluster}\0{class}").as_bytes());
    let digest = digest.iter().take(4).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("steeple-{readable}-{digest}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, parent: &str, selector: &str) -> types::Entry {
        let spiffe_id = |path: &str| types::Spiffeid { trust_domain: "example.org".to_owned(), path: path.to_owned() };
        types::Entry {
            id: id.to_owned(),
            spiffe_id: Some(spiffe_id("/a")),
            parent_id: Some(spiffe_id(parent)),
            selectors: vec![types::Selector { r#type: "k8s".to_owned(), value: selector.to_owned() }],
            ..types::Entry::default()
        }
    }

    fn owners(prefix: &str, cleanup: Option<&str>) -> [Owner; 5] {
        let ownership = Ownership::new(prefix, cleanup, "example.org", "demo", "");
        let node = "/spire/agent/k8s_psat/demo/1";
        [
            entry("own.1", node, "pod-uid:1"),
            entry("ownother.1", node, "pod-uid:1"),
            entry("8e1c", node, "pod-uid:1"),
            entry("8e1c", node, "ns:shop"),
            entry("8e1c", "/spire/agent/k8s_psat/another/1", "pod-uid:1"),
        ]
        .map(|entry| ownership.of(&entry))
    }

    #[test]
    fn without_cleanup_only_the_prefix_counts() {
        use Owner::{Other, This};
        assert_eq!(owners("own", None), [This, Other, Other, Other, Other]);
        assert_eq!(owners("", None), [Other; 5]);
    }

    #[test]
    fn cleanup_of_unmarked_entries_takes_those_of_pods_of_the_cluster() {
        use Owner::{Other, Predecessor, This, Unclear};
        assert_eq!(owners("own.", Some("")), [This, Other, Predecessor, Unclear, Unclear]);
        assert_eq!(owners("new", Some("own")), [Predecessor, Other, Other, Other, Other]);
    }

    #[test]
    fn controllers_of_other_clusters_and_classes_have_other_prefixes() {
        let prefix = |cluster, class| Ownership::new("", None, "example.org", cluster, class).prefix().to_owned();
        let all = [prefix("a", ""), prefix("a", "b"), prefix("a.", ""), prefix("A/b", ""), prefix("", "")];
        for (at, one) in all.iter().enumerate() {
            assert!(
                all.iter()
                    .skip(at + 1)
                    .all(|other| !other.starts_with(one.as_str()) && !one.starts_with(other.as_str()))
            );
            assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')), "{one}");
        }
    }
}
