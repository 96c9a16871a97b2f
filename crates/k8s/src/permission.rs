//! What a component asks of an API server, told beside the code that asks.

/// One rule of a role. Manifests and chart are generated from these, and compared with what an API server's audit log saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, with its subresource if any: `nodes/proxy`.
    pub resource: &'static str,
    /// Names of the objects; empty for all.
    pub names: &'static [&'static str],
    /// Verbs of the API, such as `get`.
    pub verbs: &'static [&'static str],
    /// Where it holds.
    pub scope: Scope,
    /// What it is for.
    pub reason: &'static str,
}

/// Where a permission holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the whole cluster.
    Cluster,
    /// In the component's own namespace.
    OwnNamespace,
}
