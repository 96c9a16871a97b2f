//! What is kept of the API's objects, and what the rules' results are called on the wire.

use k8s_openapi::api::core::v1::{Endpoints, Namespace, Node, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::DeserializeOwned;
use serde_json::Value;
use steeple_proto::spire::api::types;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_registration::crd::{ClusterFederatedTrustDomain, ClusterSpiffeId, ClusterStaticEntry, WorkloadIdentity};
use steeple_registration::{
    DesiredEntry, DesiredRelationship, EndpointsObject, NamespaceObject, NodeObject, PodObject, static_entry,
};
use steeple_types::{Bundle, EndpointProfile, SpiffeId};

use crate::key::EntryKey;
use crate::kind::Kind;

/// The CSI driver that hands out the Workload API.
const CSI_DRIVER: &str = "csi.spiffe.io";

/// What is kept of an object.
pub enum Object {
    /// A pod, and whether it mounts the Workload API.
    Pod(Box<PodObject>, bool),
    /// A node.
    Node(NodeObject),
    /// A namespace.
    Namespace(NamespaceObject),
    /// Pods behind a service.
    Slice(EndpointsObject),
    /// An identity of pods.
    ClusterSpiffeId(Box<ClusterSpiffeId>, Told),
    /// An identity of pods of a namespace.
    WorkloadIdentity(Box<WorkloadIdentity>, Told),
    /// An entry written out.
    ClusterStaticEntry(Box<ClusterStaticEntry>, Told),
    /// A trust domain to federate with.
    ClusterFederatedTrustDomain(Box<ClusterFederatedTrustDomain>, Told),
    /// An identity object that does not fit its schema.
    Unreadable(Told),
    /// An object that says nothing.
    Nothing,
}

/// What is told of an identity object.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub(super) uid: String,
    pub(super) generation: i64,
    /// The status that it has.
    pub(super) status: Value,
    /// What is wrong with it.
    pub(super) problem: Option<String>,
    /// The entry of a ClusterStaticEntry.
    pub(super) entry: Option<EntryKey>,
}

/// Takes what is kept out of an object of the API.
pub(super) fn kept(kind: Kind, mut object: Value) -> (Box<str>, Box<str>, Object) {
    let word = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (namespace, name, uid) = (word("/metadata/namespace"), word("/metadata/name"), word("/metadata/uid"));
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    let status = object.get_mut("status").map(Value::take).unwrap_or_default();
    let told = Told { uid, generation, status, problem: None, entry: None };
    let kept = match kind {
        Kind::Pod => read(object).map(|pod: Pod| Object::Pod(Box::new(PodObject::new(&pod)), mounts(&pod))),
        Kind::Node => read(object).map(|node: Node| Object::Node(NodeObject::new(&node))),
        Kind::Namespace => read(object).map(|it: Namespace| Object::Namespace(NamespaceObject::new(&it))),
        // What an API server lists bears no kind; slices alone have a type of addresses.
        Kind::EndpointSlice if object.get("addressType").is_none() => {
            read(object).map(|endpoints: Endpoints| Object::Slice(EndpointsObject::of_endpoints(&endpoints)))
        }
        Kind::EndpointSlice => read(object)
            .map(|slice: EndpointSlice| EndpointsObject::of_slice(&slice).map_or(Object::Nothing, Object::Slice)),
        Kind::ClusterSpiffeId => Ok(ruled(object, told, Object::ClusterSpiffeId)),
        Kind::WorkloadIdentity => Ok(ruled(object, told, Object::WorkloadIdentity)),
        Kind::ClusterStaticEntry => Ok(ruled(object, told, |object: Box<ClusterStaticEntry>, told| {
            let entry = static_entry(&object.spec).ok().map(|entry| digest(&entry.key));
            Object::ClusterStaticEntry(object, Told { entry, ..told })
        })),
        Kind::ClusterFederatedTrustDomain => Ok(ruled(object, told, Object::ClusterFederatedTrustDomain)),
    };
    let kept = kept.unwrap_or_else(|error| {
        tracing::warn!(kind = kind.name(), namespace, name, error, "Unable to read an object; it counts as absent");
        Object::Nothing
    });
    (namespace.into(), name.into(), kept)
}

fn ruled<T: DeserializeOwned>(object: Value, told: Told, with: impl FnOnce(Box<T>, Told) -> Object) -> Object {
    match read(object) {
        Ok(object) => with(Box::new(object), told),
        Err(problem) => Object::Unreadable(Told { problem: Some(problem), ..told }),
    }
}

fn read<T: DeserializeOwned>(object: Value) -> Result<T, String> {
    serde_json::from_value(object).map_err(|error| error.to_string())
}

fn mounts(pod: &Pod) -> bool {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| volume.csi.as_ref()).any(|csi| csi.driver == CSI_DRIVER)
}

/// The digest of a key of the rules.
pub(super) fn digest(key: &steeple_registration::EntryKey) -> EntryKey {
    EntryKey::of(&types::Entry {
        spiffe_id: Some(id_of(&key.spiffe_id)),
        parent_id: Some(id_of(&key.parent_id)),
        selectors: selectors_of(key),
        ..types::Entry::default()
    })
}

/// An entry that the rules want, without an ID.
pub(super) fn entry_of(wanted: &DesiredEntry) -> types::Entry {
    let ttl = |seconds: u32| i32::try_from(seconds).unwrap_or(i32::MAX);
    types::Entry {
        spiffe_id: Some(id_of(&wanted.key.spiffe_id)),
        parent_id: Some(id_of(&wanted.key.parent_id)),
        selectors: selectors_of(&wanted.key),
        x509_svid_ttl: ttl(wanted.x509_svid_ttl),
        jwt_svid_ttl: ttl(wanted.jwt_svid_ttl),
        federates_with: wanted.federates_with.iter().map(|name| name.name().to_owned()).collect(),
        admin: wanted.admin,
        downstream: wanted.downstream,
        dns_names: wanted.dns_names.clone(),
        hint: wanted.hint.clone(),
        store_svid: wanted.store_svid,
        ..types::Entry::default()
    }
}

/// A relationship that the rules want.
pub(super) fn relationship_of(wanted: &DesiredRelationship) -> types::FederationRelationship {
    let relationship = &wanted.relationship;
    let profile = match &relationship.profile {
        EndpointProfile::HttpsWeb => BundleEndpointProfile::HttpsWeb(types::HttpsWebProfile {}),
        EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } => {
            let endpoint_spiffe_id = endpoint_spiffe_id.to_string();
            BundleEndpointProfile::HttpsSpiffe(types::HttpsspiffeProfile { endpoint_spiffe_id })
        }
    };
    types::FederationRelationship {
        trust_domain: relationship.trust_domain.name().to_owned(),
        bundle_endpoint_url: relationship.bundle_endpoint_url.clone(),
        bundle_endpoint_profile: Some(profile),
        trust_domain_bundle: wanted.bundle.as_ref().map(bundle_of),
    }
}

fn bundle_of(bundle: &Bundle) -> types::Bundle {
    let x509 = bundle.x509_authorities.iter();
    let jwt = bundle.jwt_authorities.iter();
    types::Bundle {
        trust_domain: bundle.trust_domain.name().to_owned(),
        x509_authorities: x509
            .map(|authority| types::X509Certificate { asn1: authority.certificate.clone(), tainted: authority.tainted })
            .collect(),
        jwt_authorities: jwt
            .map(|authority| types::JwtKey {
                public_key: authority.public_key.clone(),
                key_id: authority.key_id.clone(),
                expires_at: authority.expires_at.map_or(0, jiff::Timestamp::as_second),
                tainted: authority.tainted,
            })
            .collect(),
        refresh_hint: bundle.refresh_hint,
        sequence_number: bundle.sequence_number,
        ..types::Bundle::default()
    }
}

fn selectors_of(key: &steeple_registration::EntryKey) -> Vec<types::Selector> {
    let selectors = key.selectors.iter();
    let to_pb = |selector: &steeple_types::Selector| types::Selector {
        r#type: selector.kind().to_owned(),
        value: selector.value().to_owned(),
    };
    selectors.map(to_pb).collect()
}

fn id_of(id: &SpiffeId) -> types::Spiffeid {
    types::Spiffeid { trust_domain: id.trust_domain().name().to_owned(), path: id.path().to_owned() }
}
