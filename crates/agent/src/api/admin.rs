//! What the admin socket offers: Debug and Logger.

use std::sync::Arc;

use steeple_proto::spire::agent::debug::v1 as debug;
use steeple_proto::spire::api::agent::logger::v1 as logger;
use steeple_proto::spire::api::types;
use steeple_telemetry::Level;
use tonic::{Request, Response, Status};
use tracing::info;

use crate::core::Core;

pub(super) struct DebugService(pub(super) Arc<Core>);

#[tonic::async_trait]
impl debug::debug_server::Debug for DebugService {
    async fn get_info(
        &self,
        _request: Request<debug::GetInfoRequest>,
    ) -> Result<Response<debug::GetInfoResponse>, Status> {
        let core = &self.0;
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let svids = count(core.cache.snapshot().svid_count());
        let uptime = core.clock.monotonic().saturating_sub(core.started).as_secs();
        #[expect(deprecated, reason = "older clients read this field")]
        let answer = debug::GetInfoResponse {
            svid_chain: self.chain(),
            uptime: i32::try_from(uptime).unwrap_or(i32::MAX),
            svids_count: svids,
            last_sync_success: core.progress.borrow().synced.map_or(0, jiff::Timestamp::as_second),
            cached_x509_svids_count: svids,
            cached_jwt_svids_count: count(core.tokens.len()),
            cached_svidstore_x509_svids_count: 0,
        };
        Ok(Response::new(answer))
    }
}

impl DebugService {
    fn chain(&self) -> Vec<debug::get_info_response::Cert> {
        let Some(svid) = self.0.tls.svid() else { return Vec::new() };
        let to_pb = |certificate: &steeple_crypto::x509::Certificate| debug::get_info_response::Cert {
            id: certificate.spiffe_id().ok().map(|id| types::Spiffeid {
                trust_domain: id.trust_domain_name().to_owned(),
                path: id.path().to_owned(),
            }),
            expires_at: certificate.not_after().as_second(),
            subject: certificate.subject().to_string(),
        };
        svid.certificates.iter().map(to_pb).collect()
    }
}

pub(super) struct LoggerService(pub(super) Arc<Core>);

impl LoggerService {
    fn state(&self) -> types::Logger {
        let level = |level: Level| {
            Level::ALL.iter().position(|other| *other == level).and_then(|at| i32::try_from(at + 1).ok())
        };
        types::Logger {
            current_level: level(self.0.log.level()).unwrap_or_default(),
            launch_level: level(self.0.log.launch_level()).unwrap_or_default(),
        }
    }
}

#[tonic::async_trait]
impl logger::logger_server::Logger for LoggerService {
    async fn get_logger(&self, _request: Request<logger::GetLoggerRequest>) -> Result<Response<types::Logger>, Status> {
        info!("GetLogger Called");
        Ok(Response::new(self.state()))
    }

    async fn set_log_level(
        &self,
        request: Request<logger::SetLogLevelRequest>,
    ) -> Result<Response<types::Logger>, Status> {
        let number = usize::try_from(request.get_ref().new_level).unwrap_or_default();
        let level = number.checked_sub(1).and_then(|at| Level::ALL.get(at));
        let level = level.ok_or_else(|| Status::invalid_argument("newLevel value cannot be LogLevel_UNSPECIFIED"))?;
        info!(new_log_level = level.name(), "SetLogLevel Called");
        self.0.log.set_level(*level);
        Ok(Response::new(self.state()))
    }

    async fn reset_log_level(
        &self,
        _request: Request<logger::ResetLogLevelRequest>,
    ) -> Result<Response<types::Logger>, Status> {
        info!(launch_log_level = self.0.log.launch_level().name(), "ResetLogLevel Called");
        self.0.log.set_level(self.0.log.launch_level());
        Ok(Response::new(self.state()))
    }
}
