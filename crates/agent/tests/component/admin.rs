//! The admin socket: Debug and Logger.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use steeple_proto::spire::agent::debug::v1::GetInfoRequest;
use steeple_proto::spire::agent::debug::v1::debug_client::DebugClient;
use steeple_proto::spire::api::agent::logger::v1 as logger;
use steeple_proto::spire::api::agent::logger::v1::logger_client::LoggerClient;
use steeple_proto::spire::api::types::LogLevel;
use tonic::Code;

use crate::bench::{Bench, in_time, refusal};

#[tokio::test]
async fn info_tells_svids_uptime_and_the_last_synchronisation() {
    let mut bench = Bench::new().await;
    bench.entry("a", &["w"]).await;
    bench.workload().jwt(&["x"], "").await.unwrap();
    bench.pass(Duration::from_mins(1)).await;
    let mut client = DebugClient::new(bench.admin_channel());
    let info = in_time(client.get_info(GetInfoRequest {})).await.unwrap().into_inner();
    assert_eq!((info.cached_x509_svids_count, info.cached_jwt_svids_count), (1, 1));
    assert_eq!(info.uptime, 72);
    assert_eq!(info.last_sync_success, bench.clock.now().as_second());
    let leaf = &info.svid_chain[0];
    assert_eq!(leaf.id.as_ref().unwrap().path, "/spire/agent/believing/node");
    assert!(leaf.expires_at > bench.clock.now().as_second());
}

#[tokio::test]
async fn level_of_the_log_is_told_set_and_reset() {
    let bench = Bench::new().await;
    let mut client = LoggerClient::new(bench.admin_channel());
    let told = in_time(client.get_logger(logger::GetLoggerRequest {})).await.unwrap().into_inner();
    assert_eq!((told.current_level(), told.launch_level()), (LogLevel::Debug, LogLevel::Debug));
    let warn = logger::SetLogLevelRequest { new_level: LogLevel::Warn.into() };
    let told = in_time(client.set_log_level(warn)).await.unwrap().into_inner();
    assert_eq!((told.current_level(), told.launch_level()), (LogLevel::Warn, LogLevel::Debug));
    let status = client.set_log_level(logger::SetLogLevelRequest { new_level: 0 }).await.unwrap_err();
    assert_eq!(refusal(&status), (Code::InvalidArgument, "newLevel value cannot be LogLevel_UNSPECIFIED"));
    let told = in_time(client.reset_log_level(logger::ResetLogLevelRequest {})).await.unwrap().into_inner();
    assert_eq!(told.current_level(), LogLevel::Debug);
}

#[tokio::test]
async fn sockets_have_the_modes_of_spire_and_go_with_the_agent() {
    let mut bench = Bench::new().await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (public, admin) = (bench.settings.socket_path.clone(), bench.settings.admin_socket_path.clone().unwrap());
    assert_eq!((mode(&public), mode(&admin)), (0o777, 0o770));
    bench.stop().await;
    assert!(!public.exists() && !admin.exists());
}
