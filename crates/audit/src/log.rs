//! The recorder of those who keep no trail: the process log.

use async_trait::async_trait;
use serde_json::Value;

use crate::fields::fields;
use crate::{AuditError, Event, Recorder};

/// Records to the process log at debug level, and keeps nothing of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogRecorder;

#[async_trait]
impl Recorder for LogRecorder {
    async fn record(&self, event: &Event) -> Result<(), AuditError> {
        let extra = Value::Object(fields(&event.actor, &event.kind));
        tracing::debug!(target: "steeple::audit", subsystem_name = "audit", %extra, "Audit event");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;

    use super::*;
    use crate::{Actor, Audit, EventKind};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn first_recorder_writes_to_the_log() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = subscriber.with_max_level(tracing::Level::DEBUG).finish();
        let _log = tracing::subscriber::set_default(subscriber);
        let kind = EventKind::LogLevelSet { level: "debug".to_owned() };
        let actor = Actor::Local { uid: 7, pid: 8 };
        Audit::new(Arc::new(LogRecorder)).record(Timestamp::UNIX_EPOCH, actor, kind).await.unwrap();
        let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(said.contains("Audit event") && said.contains("subsystem_name=\"audit\""), "{said}");
        let extra =
            r#"extra={"event":"log_level_set","new_level":"debug","actor":"local","caller_uid":"7","caller_pid":"8"}"#;
        assert!(said.contains(extra), "{said}");
    }
}
