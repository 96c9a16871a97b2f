//! Metrics under SPIRE's names, for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Counts and times, in memory. Clones count to the same place.
#[derive(Clone)]
pub struct Metrics {
    prefix: &'static str,
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    labels: Vec<Label>,
}

const METADATA: Metadata<'static> = Metadata::new("steeple", Level::INFO, None);

impl Metrics {
    /// Metrics whose names begin with `prefix` (`spire_server`, `spire_agent`); each has the `labels`, such as `host`.
    pub fn new(prefix: &'static str, labels: Vec<(&'static str, String)>) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let labels = labels.into_iter().map(|(name, value)| Label::new(name, value)).collect();
        Self { prefix, recorder: Arc::new(recorder), handle, labels }
    }

    /// Counts a call under `key` and its time in milliseconds under `<key>_elapsed_time`, both with its `status`.
    pub fn call(&self, key: &str, status: &str, elapsed: Duration) {
        let labels = [Label::new("status", status.to_owned())];
        self.recorder.register_counter(&self.key(key, &labels), &METADATA).increment(1);
        let timer = self.key(&format!("{key}_elapsed_time"), &labels);
        self.recorder.register_histogram(&timer, &METADATA).record(elapsed.as_secs_f64() * 1_000.0);
    }

    /// Sets a gauge.
    pub fn gauge(&self, key: &str, labels: &[(&'static str, String)], value: f64) {
        let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect();
        self.recorder.register_gauge(&self.key(key, &labels), &METADATA).set(value);
    }

    /// Counts up.
    pub fn count(&self, key: &str, labels: &[(&'static str, String)]) {
        let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect();
        self.recorder.register_counter(&self.key(key, &labels), &METADATA).increment(1);
    }

    /// All that was counted, in the text form of Prometheus.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }

    fn key(&self, key: &str, labels: &[Label]) -> Key {
        let name = KeyName::from(format!("{}_{key}", self.prefix));
        Key::from_parts(name, self.labels.iter().chain(labels).cloned().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_under_plain_names() {
        let metrics = Metrics::new("spire_server", vec![("host", "h".into())]);
        metrics.call("rpc_bundle_v1_bundle_get_bundle", "OK", Duration::from_millis(2));
        let text = metrics.render();
        assert!(text.contains("spire_server_rpc_bundle_v1_bundle_get_bundle{host=\"h\",status=\"OK\"} 1\n"), "{text}");
        assert!(text.contains("spire_server_rpc_bundle_v1_bundle_get_bundle_elapsed_time_count"), "{text}");
    }
}
