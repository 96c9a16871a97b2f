//! Sockets of pods: opened by the CSI driver, and what a pod gets there.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::Duration;

use steeple_client::connect_unix;
use steeple_proto::spire::api::types;
use steeple_proto::steeple::agent::podsockets::v1 as pb;
use steeple_proto::steeple::agent::podsockets::v1::pod_sockets_client::PodSocketsClient;
use tonic::{Code, Status};

use crate::bench::{Bench, Workload, entry, in_time, next};

const WEB: &str = "72f7f152-440c-66ac-9084-e0fc1d8a910c";
const DB: &str = "82f7f152-440c-66ac-9084-e0fc1d8a910c";

/// A pod as a kubelet tells of it.
fn pod(uid: &str) -> pb::Pod {
    let name = if uid == WEB { "web" } else { "db" };
    pb::Pod {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        service_account: "default".to_owned(),
    }
}

/// A server, an agent with sockets of pods, and the pods `web` and `db`, which the attestor knows by these names.
async fn bench() -> Bench {
    let mut bench = Bench::without_agent().await;
    bench.settings.pod_sockets = Some(folder(&bench));
    bench.labels.pod(WEB, &["web"]);
    bench.labels.pod(DB, &["db"]);
    bench.start().await;
    bench
}

fn folder(bench: &Bench) -> PathBuf {
    bench.folder().join("pods")
}

fn socket(bench: &Bench, uid: &str) -> PathBuf {
    folder(bench).join(uid).join("spire-agent.sock")
}

fn driver(bench: &Bench) -> PodSocketsClient<tonic::transport::Channel> {
    PodSocketsClient::new(connect_unix(&folder(bench).join("driver.sock")))
}

fn request(pod: pb::Pod, volume: &str, wait: Duration) -> pb::OpenPodSocketRequest {
    let wait_milliseconds = u32::try_from(wait.as_millis()).unwrap();
    pb::OpenPodSocketRequest { pod: Some(pod), volume_id: volume.to_owned(), wait_milliseconds }
}

async fn open(bench: &Bench, uid: &str, volume: &str) -> Result<(), Status> {
    let request = request(pod(uid), volume, Duration::from_secs(20));
    in_time(driver(bench).open_pod_socket(request)).await.map(drop)
}

async fn close(bench: &Bench, volume: &str) {
    let request = pb::ClosePodSocketRequest { volume_id: volume.to_owned() };
    in_time(driver(bench).close_pod_socket(request)).await.unwrap();
}

async fn retain(bench: &Bench, uids: &[&str]) -> Vec<String> {
    let request = pb::RetainPodSocketsRequest { pod_uids: uids.iter().map(|uid| (*uid).to_owned()).collect() };
    in_time(driver(bench).retain_pod_sockets(request)).await.unwrap().into_inner().closed
}

fn workload(bench: &Bench, uid: &str) -> Workload {
    Workload::at(&socket(bench, uid))
}

#[tokio::test]
async fn pod_gets_its_own_identity_and_no_others() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    bench.entry("db", &["db"]).await;
    bench.entry("w", &["w"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    open(&bench, DB, "v2").await.unwrap();
    assert_eq!(workload(&bench, WEB).ids().await, ["spiffe://example.org/web"]);
    assert_eq!(workload(&bench, DB).ids().await, ["spiffe://example.org/db"]);
    // The process that calls has the selector `w`, which does not count there.
    assert_eq!(bench.workload().ids().await, ["spiffe://example.org/w"]);
    let log = bench.log();
    assert!(log.contains(&format!("pod_uid={WEB}")), "{log}");
}

#[tokio::test]
async fn folder_is_roots_and_a_pods_socket_is_for_all_users_in_it() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder(&bench)), 0o700);
    assert_eq!(mode(folder(&bench).join("driver.sock")), 0o600);
    assert_eq!(mode(folder(&bench).join(WEB)), 0o755);
    assert_eq!(mode(socket(&bench, WEB)), 0o777);
}

#[tokio::test]
async fn folder_that_others_could_enter_is_closed_to_them() {
    let mut bench = Bench::without_agent().await;
    let folder = folder(&bench);
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    bench.settings.pod_sockets = Some(folder.clone());
    bench.start().await;
    assert_eq!(std::fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
}

/// While a mount waits, the server is asked twice a second: half a second passes only if the agent has something to do then.
#[tokio::test]
async fn mount_waits_for_the_entry_and_for_the_svid() {
    let mut bench = bench().await;
    let mut driver = driver(&bench);
    let opening = driver.open_pod_socket(request(pod(WEB), "v1", Duration::from_secs(20)));
    tokio::pin!(opening);
    tokio::select! {
        ended = &mut opening => panic!("it did not wait: {ended:?}"),
        () = pass(&mut bench) => {}
    }
    assert!(!socket(&bench, WEB).exists());
    bench.operator().create(entry("web", &["web"])).await;
    tokio::select! {
        opened = &mut opening => drop(opened.unwrap()),
        () = pass(&mut bench) => drop(in_time(&mut opening).await.unwrap()),
    }
    assert_eq!(workload(&bench, WEB).ids().await, ["spiffe://example.org/web"]);
}

/// Lets two seconds pass, less than the time between two looks of an agent for which nobody waits.
async fn pass(bench: &mut Bench) {
    for _ in 0..4 {
        bench.pass(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn mount_without_an_entry_fails_and_says_what_was_missing() {
    let bench = bench().await;
    let status = fails(&bench, request(pod(WEB), "v1", Duration::from_secs(20))).await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    for part in ["pod shop/web", "[test:web]", "in 20s", "ClusterSPIFFEID"] {
        assert!(status.message().contains(part), "{part}: {status:?}");
    }
    assert!(!folder(&bench).join(WEB).exists(), "nothing is left of it");
}

#[tokio::test]
async fn mount_of_a_pod_that_nobody_knows_fails_and_says_so() {
    let bench = bench().await;
    bench.labels.no_pod(WEB);
    let status = fails(&bench, request(pod(WEB), "v1", Duration::from_secs(3))).await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("pod shop/web could not be attested within 3s: "), "{status:?}");
    assert!(status.message().contains("no such pod"), "{status:?}");
}

#[tokio::test]
async fn mount_whose_svid_does_not_come_fails_and_says_so() {
    let mut bench = bench().await;
    let attributes = types::entry::AdditionalAttributes { disable_x509_svid_prefetch: true, ..Default::default() };
    let unfetched = types::Entry { additional_attributes: Some(attributes), ..entry("web", &["web"]) };
    bench.operator().create(unfetched).await;
    bench.settle().await;
    bench.wire.cut();
    let status = fails(&bench, request(pod(WEB), "v1", Duration::from_secs(3))).await;
    assert_eq!(status.code(), Code::Unavailable);
    let text = "the server issued no X.509-SVID within 3s: spiffe://example.org/web";
    assert!(status.message().contains(text), "{status:?}");
}

/// The answer to an opening that fails, while time passes.
async fn fails(bench: &Bench, request: pb::OpenPodSocketRequest) -> Status {
    let mut driver = driver(bench);
    let opening = driver.open_pod_socket(request);
    tokio::pin!(opening);
    let pass = async {
        loop {
            bench.hand.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    };
    let answer = async {
        tokio::select! {
            opened = &mut opening => opened.map(drop).unwrap_err(),
            () = pass => Status::ok(""),
        }
    };
    in_time(answer).await
}

#[tokio::test]
async fn socket_goes_with_the_last_volume_of_its_pod() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    open(&bench, WEB, "v2").await.unwrap();
    open(&bench, WEB, "v2").await.unwrap();
    let mut stream = workload(&bench, WEB).x509_stream().await.unwrap();
    next(&mut stream).await.unwrap();
    close(&bench, "v1").await;
    assert_eq!(workload(&bench, WEB).ids().await, ["spiffe://example.org/web"]);
    close(&bench, "v2").await;
    assert!(!folder(&bench).join(WEB).exists());
    assert!(std::fs::read_dir(folder(&bench).join(".records")).unwrap().next().is_none());
    close(&bench, "v2").await;
}

#[tokio::test]
async fn sockets_are_open_again_in_the_same_folder_after_a_restart_and_after_a_crash() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    let inode = |bench: &Bench| std::fs::metadata(folder(bench).join(WEB)).unwrap().ino();
    let before = inode(&bench);
    bench.stop().await;
    assert!(!socket(&bench, WEB).exists() && folder(&bench).join(WEB).exists());
    bench.start().await;
    assert_eq!(workload(&bench, WEB).ids().await, ["spiffe://example.org/web"]);
    bench.kill().await;
    bench.start().await;
    assert_eq!(workload(&bench, WEB).ids().await, ["spiffe://example.org/web"]);
    assert_eq!(inode(&bench), before, "what is mounted in the pod is still the folder");
    close(&bench, "v1").await;
    assert!(!folder(&bench).join(WEB).exists());
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed_and_records_that_are_none_are_named() {
    let mut bench = bench().await;
    bench.stop().await;
    let stray = folder(&bench).join(DB);
    std::fs::create_dir(&stray).unwrap();
    std::fs::write(stray.join("spire-agent.sock"), "").unwrap();
    let records = folder(&bench).join(".records");
    std::fs::write(records.join(format!("{WEB}.new")), "{").unwrap();
    std::fs::write(records.join(WEB), "{").unwrap();
    bench.start().await;
    assert!(!stray.exists() && !records.join(format!("{WEB}.new")).exists());
    assert!(records.join(WEB).exists() && bench.log().contains("Record of a pod's socket can't be read"));
}

#[tokio::test]
async fn uid_that_is_a_path_is_refused() {
    let bench = bench().await;
    for uid in ["", "..", "../x", "driver.sock", "72f7f152/440c-66ac-9084-e0fc1d8a910c"] {
        let status = in_time(driver(&bench).open_pod_socket(request(pod(uid), "v", Duration::ZERO))).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{uid}");
    }
    let mut named = pod(WEB);
    named.namespace = "../x".to_owned();
    let status = in_time(driver(&bench).open_pod_socket(request(named, "v", Duration::ZERO))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let status = in_time(driver(&bench).open_pod_socket(request(pod(WEB), "", Duration::ZERO))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn pod_cannot_have_the_socket_of_another() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    let mut other = pod(WEB);
    other.name = "thief".to_owned();
    let status =
        in_time(driver(&bench).open_pod_socket(request(other, "v2", Duration::from_secs(1)))).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("is that of shop/web"), "{status:?}");
}

#[tokio::test]
async fn pod_that_is_gone_gets_nothing_any_more() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    bench.labels.no_pod(WEB);
    let status = workload(&bench, WEB).x509().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "workload attestation failed"));
}

#[tokio::test]
async fn only_sockets_of_pods_that_are_gone_are_closed_when_they_are_compared() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    bench.entry("db", &["db"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    open(&bench, DB, "v2").await.unwrap();
    bench.labels.no_pod(WEB);
    assert!(retain(&bench, &[]).await.is_empty(), "they may be about to be mounted");
    bench.pass(Duration::from_secs(200)).await;
    assert!(retain(&bench, &[WEB]).await.is_empty(), "it is mounted");
    assert_eq!(retain(&bench, &[]).await, [WEB], "the other pod is there");
    assert!(!folder(&bench).join(WEB).exists() && socket(&bench, DB).exists());
}

#[tokio::test]
async fn stream_on_a_pods_socket_sees_renewals() {
    let mut bench = bench().await;
    bench.entry("web", &["web"]).await;
    open(&bench, WEB, "v1").await.unwrap();
    let mut stream = workload(&bench, WEB).x509_stream().await.unwrap();
    let first = next(&mut stream).await.unwrap();
    bench.pass(Duration::from_mins(45)).await;
    let second = next(&mut stream).await.unwrap();
    assert_ne!(first.svids[0].x509_svid, second.svids[0].x509_svid);
}
