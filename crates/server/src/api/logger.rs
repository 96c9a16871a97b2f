//! The Logger service.

use std::sync::Arc;

use steeple_audit::EventKind;
use steeple_policy::access::Object;
use steeple_proto::spire::api::server::logger::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_telemetry::Level;
use tonic::{Code, Request, Response, Status};
use tracing::info;

use super::call::Call;
use super::status::Failure;
use crate::core::Core;

pub(super) struct Service(pub(super) Arc<Core>);

impl Service {
    fn state(&self) -> types::Logger {
        types::Logger {
            current_level: level_to_pb(self.0.log.level()).into(),
            launch_level: level_to_pb(self.0.log.launch_level()).into(),
        }
    }

    async fn set(&self, call: &Call, level: Level) -> Result<types::Logger, Status> {
        let event = EventKind::LogLevelSet { level: level.name().to_owned() };
        let recorded = self.0.audit.record(self.0.clock.now(), call.may(&[Object::Whole])?, event).await;
        recorded.map_err(|error| Failure::of(Code::Internal, "failed to set the log level", error))?;
        self.0.log.set_level(level);
        Ok(self.state())
    }
}

#[tonic::async_trait]
impl pb::logger_server::Logger for Service {
    async fn get_logger(&self, _request: Request<pb::GetLoggerRequest>) -> Result<Response<types::Logger>, Status> {
        info!("GetLogger Called");
        Ok(Response::new(self.state()))
    }

    async fn set_log_level(&self, request: Request<pb::SetLogLevelRequest>) -> Result<Response<types::Logger>, Status> {
        let call = Call::of(&request)?;
        let asked = request.into_inner().new_level();
        call.asks("new_log_level", asked.as_str_name());
        let level = level_from_pb(asked)
            .ok_or_else(|| Failure::new(Code::InvalidArgument, "newLevel value cannot be LogLevel_UNSPECIFIED"))?;
        info!(new_log_level = level.name(), "SetLogLevel Called");
        self.set(&call, level).await.map(Response::new)
    }

    async fn reset_log_level(
        &self,
        request: Request<pb::ResetLogLevelRequest>,
    ) -> Result<Response<types::Logger>, Status> {
        let call = Call::of(&request)?;
        let level = self.0.log.launch_level();
        info!(launch_log_level = level.name(), "ResetLogLevel Called");
        self.set(&call, level).await.map(Response::new)
    }
}

fn level_to_pb(level: Level) -> types::LogLevel {
    match level {
        Level::Panic => types::LogLevel::Panic,
        Level::Fatal => types::LogLevel::Fatal,
        Level::Error => types::LogLevel::Error,
        Level::Warn => types::LogLevel::Warn,
        Level::Info => types::LogLevel::Info,
        Level::Debug => types::LogLevel::Debug,
        Level::Trace => types::LogLevel::Trace,
    }
}

fn level_from_pb(level: types::LogLevel) -> Option<Level> {
    Some(match level {
        types::LogLevel::Unspecified => return None,
        types::LogLevel::Panic => Level::Panic,
        types::LogLevel::Fatal => Level::Fatal,
        types::LogLevel::Error => Level::Error,
        types::LogLevel::Warn => Level::Warn,
        types::LogLevel::Info => Level::Info,
        types::LogLevel::Debug => Level::Debug,
        types::LogLevel::Trace => Level::Trace,
    })
}
