//! The kinds of objects that are followed.

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Pods.
    Pod,
    /// Namespaces.
    Namespace,
    /// Nodes.
    Node,
    /// Which pods stand behind which service.
    EndpointSlice,
    /// Identities of pods, all over the cluster.
    ClusterSpiffeId,
    /// Entries written out.
    ClusterStaticEntry,
    /// Trust domains to federate with.
    ClusterFederatedTrustDomain,
    /// Identities of pods of one namespace.
    WorkloadIdentity,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pod,
        Self::Namespace,
        Self::Node,
        Self::EndpointSlice,
        Self::ClusterSpiffeId,
        Self::ClusterStaticEntry,
        Self::ClusterFederatedTrustDomain,
        Self::WorkloadIdentity,
    ];

    /// `apiVersion` of its objects.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Pod | Self::Namespace | Self::Node => "v1",
            Self::EndpointSlice => "discovery.k8s.io/v1",
            Self::ClusterSpiffeId | Self::ClusterStaticEntry | Self::ClusterFederatedTrustDomain => {
                "spire.spiffe.io/v1alpha1"
            }
            Self::WorkloadIdentity => "steeple.dev/v1alpha1",
        }
    }

    /// `kind` of its objects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::EndpointSlice => "EndpointSlice",
            Self::ClusterSpiffeId => "ClusterSPIFFEID",
            Self::ClusterStaticEntry => "ClusterStaticEntry",
            Self::ClusterFederatedTrustDomain => "ClusterFederatedTrustDomain",
            Self::WorkloadIdentity => "WorkloadIdentity",
        }
    }

    /// Its name in paths.
    pub fn plural(self) -> String {
        format!("{}s", self.name().to_lowercase()).replace("identitys", "identities").replace("entrys", "entries")
    }

    /// Path of all its objects.
    pub fn path(self) -> String {
        let root = if self.api_version().contains('/') { "apis" } else { "api" };
        format!("/{root}/{}/{}", self.api_version(), self.plural())
    }

    /// Whether its objects are in namespaces.
    pub fn is_namespaced(self) -> bool {
        matches!(self, Self::Pod | Self::EndpointSlice | Self::WorkloadIdentity)
    }

    /// Path of its objects in a namespace; of all when that is empty.
    pub fn path_in(self, namespace: &str) -> String {
        if namespace.is_empty() {
            return self.path();
        }
        let root = if self.api_version().contains('/') { "apis" } else { "api" };
        format!("/{root}/{}/namespaces/{namespace}/{}", self.api_version(), self.plural())
    }

    /// Path of one object.
    pub fn path_of(self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.path_in(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let paths = Kind::ALL.map(Kind::path);
        assert_eq!(
            paths,
            [
                "/api/v1/pods",
                "/api/v1/namespaces",
                "/api/v1/nodes",
                "/apis/discovery.k8s.io/v1/endpointslices",
                "/apis/spire.spiffe.io/v1alpha1/clusterspiffeids",
                "/apis/spire.spiffe.io/v1alpha1/clusterstaticentries",
                "/apis/spire.spiffe.io/v1alpha1/clusterfederatedtrustdomains",
                "/apis/steeple.dev/v1alpha1/workloadidentities",
            ]
        );
        assert_eq!(
            Kind::WorkloadIdentity.path_of("a", "b"),
            "/apis/steeple.dev/v1alpha1/namespaces/a/workloadidentities/b"
        );
    }
}
