//! Envoy's secret discovery: `StreamSecrets` and `FetchSecrets`.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use prost_types::value::Kind;
use steeple_proto::envoy::config::core::v3 as core;
use steeple_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use steeple_proto::envoy::service::discovery::v3 as pb;
use steeple_proto::envoy::service::secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient;
use steeple_proto::google::rpc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::bench::{Bench, entry, in_time, next, refusal};
use crate::bundles::foreign_bundle;

pub(crate) type Client = SecretDiscoveryServiceClient<Channel>;

pub(crate) fn client(bench: &Bench) -> Client {
    SecretDiscoveryServiceClient::new(bench.channel())
}

fn asks(names: &[&str]) -> pb::DiscoveryRequest {
    let resource_names = names.iter().map(|name| (*name).to_owned()).collect();
    pb::DiscoveryRequest { resource_names, ..Default::default() }
}

/// The secrets of an answer by name.
fn secrets(answer: &pb::DiscoveryResponse) -> BTreeMap<String, tls::secret::Type> {
    let decode = |any: &prost_types::Any| {
        assert_eq!(any.type_url, "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret");
        let secret = tls::Secret::decode(any.value.as_slice()).unwrap();
        (secret.name, secret.r#type.unwrap())
    };
    answer.resources.iter().map(decode).collect()
}

fn names(answer: &pb::DiscoveryResponse) -> Vec<String> {
    secrets(answer).into_keys().collect()
}

/// Names that were refused, with code and reason.
pub(crate) fn refusals(errors: &[pb::ResourceError]) -> Vec<(String, Code, String)> {
    let told = |error: &pb::ResourceError| {
        let (name, status) = (error.resource_name.clone().unwrap(), error.error_detail.clone().unwrap());
        (name.name, Code::from_i32(status.code), status.message)
    };
    errors.iter().map(told).collect()
}

async fn fetch(bench: &Bench, request: pb::DiscoveryRequest) -> Result<pb::DiscoveryResponse, Status> {
    Ok(in_time(client(bench).fetch_secrets(request)).await?.into_inner())
}

/// One Envoy.
struct Envoy {
    requests: mpsc::Sender<pb::DiscoveryRequest>,
    answers: Streaming<pb::DiscoveryResponse>,
}

impl Envoy {
    async fn of(bench: &Bench, first: pb::DiscoveryRequest) -> Self {
        let (requests, receiver) = mpsc::channel(4);
        requests.send(first).await.unwrap();
        let answers = in_time(client(bench).stream_secrets(ReceiverStream::new(receiver))).await.unwrap().into_inner();
        Self { requests, answers }
    }

    async fn next(&mut self) -> pb::DiscoveryResponse {
        next(&mut self.answers).await.unwrap()
    }

    async fn reply(&self, to: &pb::DiscoveryResponse, names: &[&str]) {
        let (version_info, response_nonce) = (to.version_info.clone(), to.nonce.clone());
        let request = pb::DiscoveryRequest { version_info, response_nonce, ..asks(names) };
        self.requests.send(request).await.unwrap();
    }
}

async fn federated(bench: &mut Bench) {
    let (foreign, bundle) = foreign_bundle(bench).await;
    foreign.stop().await;
    bench.operator().federate(bundle).await;
    let mut made = entry("a", &["w"]);
    made.federates_with = vec!["other.test".to_owned()];
    bench.operator().create(made).await;
    bench.operator().create(entry("b", &["w"])).await;
    bench.settle().await;
}

#[tokio::test]
async fn names_stand_for_what_the_workload_has() {
    let mut bench = Bench::new().await;
    federated(&mut bench).await;
    let all = fetch(&bench, asks(&[])).await.unwrap();
    let ids = ["spiffe://example.org", "spiffe://example.org/a", "spiffe://example.org/b", "spiffe://other.test"];
    assert_eq!(names(&all), ids);
    let every = fetch(&bench, asks(&["default", "ROOTCA", "ALL", ids[0], ids[1], ids[2], ids[3]])).await.unwrap();
    let mut expected = ids.to_vec();
    expected.extend(["ALL", "ROOTCA", "default"]);
    expected.sort_unstable();
    assert_eq!(names(&every), expected, "aliases do not shut each other out");
    let every = secrets(&every);
    let (tls::secret::Type::TlsCertificate(default), tls::secret::Type::TlsCertificate(first)) =
        (&every["default"], &every[ids[1]])
    else {
        panic!("{every:?}")
    };
    assert_eq!(default, first, "the first identity");
    assert!(default.certificate_chain.is_some() && default.private_key.is_some());
}

#[tokio::test]
async fn unknown_name_does_not_spoil_the_others() {
    let mut bench = Bench::new().await;
    federated(&mut bench).await;
    let answer = fetch(&bench, asks(&["default", "spiffe://example.org/not-mine"])).await.unwrap();
    assert_eq!(names(&answer), ["default"]);
    let text = "workload is not authorized for the requested identities [\"spiffe://example.org/not-mine\"]";
    let expected = ("spiffe://example.org/not-mine".to_owned(), Code::PermissionDenied, text.to_owned());
    assert_eq!(refusals(&answer.resource_errors), [expected]);
    assert!(bench.log().contains("Workload is not authorized for the requested identity"));
}

/// What istio-agent serves from files reaches this agent when the sidecar was started without regard to the socket.
#[tokio::test]
async fn name_of_a_file_is_refused_with_the_way_out_and_the_stream_goes_on() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut envoy = Envoy::of(&bench, asks(&["file-root:system"])).await;
    let first = envoy.next().await;
    assert!(first.resources.is_empty());
    let [(name, code, text)] = refusals(&first.resource_errors).try_into().unwrap();
    assert_eq!((name.as_str(), code), ("file-root:system", Code::NotFound));
    assert!(text.contains("WORKLOAD_IDENTITY_SOCKET_FILE"), "{text}");
    envoy.reply(&first, &["file-root:system"]).await;
    let both = ["default", "file-cert:key.pem~cert.pem"];
    envoy.reply(&first, &both).await;
    let second = envoy.next().await;
    assert_eq!(names(&second), ["default"]);
    assert_eq!(refusals(&second.resource_errors)[0].0, "file-cert:key.pem~cert.pem");
    // A change of what was found is told; the refusal is in the log once.
    bench.pass(Duration::from_mins(33)).await;
    bench.settle().await;
    envoy.reply(&second, &both).await;
    assert_ne!(envoy.next().await.version_info, second.version_info);
    assert_eq!(bench.log().matches("Envoy asks for a file of its pod").count(), 2);
}

#[tokio::test]
async fn validator_names_each_trust_domain_and_can_be_left_out() {
    let mut bench = Bench::new().await;
    federated(&mut bench).await;
    let answer = secrets(&fetch(&bench, asks(&["ALL"])).await.unwrap());
    let tls::secret::Type::ValidationContext(context) = &answer["ALL"] else { panic!("{answer:?}") };
    let validator = context.custom_validator_config.as_ref().unwrap();
    assert_eq!(validator.name, "envoy.tls.cert_validator.spiffe");
    let typed = validator.typed_config.as_ref().unwrap();
    let config = tls::SpiffeCertValidatorConfig::decode(typed.value.as_slice()).unwrap();
    let mut domains: Vec<_> = config.trust_domains.iter().map(|domain| domain.name.as_str()).collect();
    domains.sort_unstable();
    assert_eq!(domains, ["example.org", "other.test"]);
    for off in [node(&[("disable_spiffe_cert_validation", Kind::BoolValue(true))]), old_envoy()] {
        let request = pb::DiscoveryRequest { node: Some(off.clone()), ..asks(&["ROOTCA"]) };
        let answer = secrets(&fetch(&bench, request).await.unwrap());
        let tls::secret::Type::ValidationContext(context) = &answer["ROOTCA"] else { panic!("{answer:?}") };
        assert!(context.custom_validator_config.is_none() && context.trusted_ca.is_some());
        let request = pb::DiscoveryRequest { node: Some(off), ..asks(&["ALL"]) };
        assert_eq!(fetch(&bench, request).await.unwrap_err().code(), Code::Internal);
    }
    bench.stop().await;
    bench.settings.sds.disable_spiffe_cert_validation = true;
    bench.start().await;
    let answer = secrets(&fetch(&bench, asks(&["ROOTCA"])).await.unwrap());
    let tls::secret::Type::ValidationContext(context) = &answer["ROOTCA"] else { panic!("{answer:?}") };
    assert!(context.custom_validator_config.is_none());
}

fn node(metadata: &[(&str, Kind)]) -> core::Node {
    let value = |kind: &Kind| prost_types::Value { kind: Some(kind.clone()) };
    let fields = metadata.iter().map(|(key, kind)| ((*key).to_owned(), value(kind))).collect();
    core::Node { metadata: Some(prost_types::Struct { fields }), ..Default::default() }
}

fn old_envoy() -> core::Node {
    use core::node::UserAgentVersionType::UserAgentBuildVersion;
    let version = Some(core::SemanticVersion { major_number: 1, minor_number: 17, patch: 0 });
    let build = core::BuildVersion { version, ..Default::default() };
    core::Node { user_agent_version_type: Some(UserAgentBuildVersion(build)), ..Default::default() }
}

#[tokio::test]
async fn names_follow_the_settings_and_the_metadata_of_the_node() {
    let mut bench = Bench::without_agent().await;
    bench.settings.sds.default_svid_name = "mine".to_owned();
    bench.settings.sds.default_bundle_name = "root".to_owned();
    bench.settings.sds.default_all_bundles_name = "roots".to_owned();
    bench.operator().create(entry("a", &["w"])).await;
    bench.start().await;
    let answer = fetch(&bench, asks(&["mine", "root", "roots", "default", "ROOTCA", "ALL"])).await.unwrap();
    assert_eq!(names(&answer), ["mine", "root", "roots"]);
    let metadata = [("default_svid_name", Kind::StringValue("other".to_owned()))];
    let request = pb::DiscoveryRequest { node: Some(node(&metadata)), ..asks(&["other", "mine", "root"]) };
    assert_eq!(names(&fetch(&bench, request).await.unwrap()), ["other", "root"]);
}

#[tokio::test]
async fn stream_tells_changes_and_the_version_is_that_of_the_content() {
    let mut bench = Bench::new().await;
    federated(&mut bench).await;
    let mut envoy = Envoy::of(&bench, asks(&["default"])).await;
    let first = envoy.next().await;
    assert_eq!(first.nonce.len(), 8);
    envoy.reply(&first, &["default"]).await;
    // What was asked for has not changed: nothing is told, whatever else changes.
    bench.entry("c", &["w"]).await;
    envoy.reply(&first, &["default", "ROOTCA"]).await;
    let second = envoy.next().await;
    assert_eq!(names(&second), ["ROOTCA", "default"]);
    assert_ne!(second.version_info, first.version_info);
    assert_ne!(second.nonce, first.nonce);
    let again = fetch(&bench, asks(&["default"])).await.unwrap();
    assert_eq!(again.version_info, first.version_info, "the same content has the same version on any stream");
    assert!(again.nonce.is_empty());
}

#[tokio::test]
async fn stale_nonce_is_ignored_and_a_refusal_is_logged() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    let mut envoy = Envoy::of(&bench, asks(&["default"])).await;
    let first = envoy.next().await;
    let stale = pb::DiscoveryRequest { response_nonce: "00000000".to_owned(), ..asks(&["ROOTCA"]) };
    envoy.requests.send(stale).await.unwrap();
    let refused = pb::DiscoveryRequest {
        response_nonce: first.nonce.clone(),
        error_detail: Some(rpc::Status { message: "no good".to_owned(), ..Default::default() }),
        ..asks(&["default", "spiffe://example.org"])
    };
    envoy.requests.send(refused).await.unwrap();
    let second = envoy.next().await;
    assert_eq!(names(&second), ["default", "spiffe://example.org"], "not what the stale request asked for");
    assert!(bench.log().contains("Envoy reported errors applying secrets"));
    assert!(bench.log().contains("no good"));
}

#[tokio::test]
async fn workload_without_identity_has_the_own_bundle_and_its_svid_when_it_comes() {
    let mut bench = Bench::new().await;
    assert_eq!(names(&fetch(&bench, asks(&["ROOTCA", "default"])).await.unwrap()), ["ROOTCA"]);
    let status = fetch(&bench, asks(&["default"])).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::PermissionDenied, "no identity issued"));
    let mut envoy = Envoy::of(&bench, asks(&["default"])).await;
    let refused = envoy.next().await;
    assert!(refused.resources.is_empty() && refused.resource_errors.len() == 1, "{refused:?}");
    bench.entry("a", &["w"]).await;
    let answer = envoy.next().await;
    assert_eq!(names(&answer), ["default"]);
    assert!(answer.resource_errors.is_empty());
}

#[tokio::test]
async fn hints_do_not_shut_identities_out() {
    let mut bench = Bench::new().await;
    for id in ["a", "b"] {
        let mut hinted = entry(id, &["w"]);
        hinted.hint = "same".to_owned();
        bench.operator().create(hinted).await;
    }
    bench.settle().await;
    let answer = fetch(&bench, asks(&["spiffe://example.org/a", "spiffe://example.org/b"])).await.unwrap();
    assert_eq!(answer.resources.len(), 2);
}
