//! Metrics under SPIRE's names, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Counts and times, in memory. Clones count to the same place.
#[derive(Clone)]
pub struct Metrics(Option<Counted>);

#[derive(Clone)]
struct Counted {
    prefix: &'static str,
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    labels: Vec<Label>,
    /// Times that wait to be summed up.
    waiting: Arc<AtomicUsize>,
}

const METADATA: Metadata<'static> = Metadata::new("steeple", Level::INFO, None);

/// Times are kept one by one until somebody reads them; after so many they are summed up in any case.
const MOST_WAITING: usize = 10_000;

impl Metrics {
    /// Metrics whose names begin with `prefix` (`spire_server`, `spire_agent`); each has the `labels`, such as `host`.
    pub fn new(prefix: &'static str, labels: Vec<(&'static str, String)>) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let labels = labels.into_iter().map(|(name, value)| Label::new(name, value)).collect();
        Self(Some(Counted { prefix, recorder: Arc::new(recorder), handle, labels, waiting: Arc::default() }))
    }

    /// Metrics that nobody reads: nothing is counted.
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether anything is counted.
    pub fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Counts a call under `key` and its time in milliseconds under `<key>_elapsed_time`, both with its `status`.
    pub fn call(&self, key: &str, status: &str, elapsed: Duration) {
        self.call_of(key, &[], status, elapsed);
    }

    /// The same with further labels.
    pub fn call_of(&self, key: &str, labels: &[(&'static str, String)], status: &str, elapsed: Duration) {
        let Some(counted) = &self.0 else { return };
        let labels = labels.iter().map(|(name, value)| Label::new(*name, value.clone()));
        let labels: Vec<Label> = labels.chain([Label::new("status", status.to_owned())]).collect();
        counted.recorder.register_counter(&counted.key(key, &labels), &METADATA).increment(1);
        let timer = counted.key(&format!("{key}_elapsed_time"), &labels);
        counted.sample(&timer, elapsed.as_secs_f64() * 1_000.0);
    }

    /// Takes a sample.
    pub fn sample(&self, key: &str, value: f64) {
        let Some(counted) = &self.0 else { return };
        counted.sample(&counted.key(key, &[]), value);
    }

    /// Sets a gauge.
    pub fn gauge(&self, key: &str, labels: &[(&'static str, String)], value: f64) {
        let Some(counted) = &self.0 else { return };
        counted.recorder.register_gauge(&counted.labelled(key, labels), &METADATA).set(value);
    }

    /// Counts up.
    pub fn count(&self, key: &str, labels: &[(&'static str, String)]) {
        let Some(counted) = &self.0 else { return };
        counted.recorder.register_counter(&counted.labelled(key, labels), &METADATA).increment(1);
    }

    /// All that was counted, in the text form of Prometheus.
    pub fn render(&self) -> String {
        let Some(counted) = &self.0 else { return String::new() };
        counted.sum_up();
        counted.handle.render()
    }
}

impl Counted {
    fn sample(&self, key: &Key, value: f64) {
        self.recorder.register_histogram(key, &METADATA).record(value);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            self.sum_up();
        }
    }

    fn sum_up(&self) {
        self.waiting.store(0, Ordering::Relaxed);
        self.handle.run_upkeep();
    }

    fn labelled(&self, key: &str, labels: &[(&'static str, String)]) -> Key {
        let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect();
        self.key(key, &labels)
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
    #[test]
    fn times_are_summed_up_when_nobody_reads_them() {
        let metrics = Metrics::new("spire_server", vec![]);
        for _ in 0..=MOST_WAITING {
            metrics.call("rpc", "OK", Duration::from_millis(2));
        }
        let waiting = metrics.0.as_ref().unwrap().waiting.load(Ordering::Relaxed);
        assert_eq!(waiting, 0);
        let text = metrics.render();
        assert!(
            text.contains(&format!("spire_server_rpc_elapsed_time_count{{status=\"OK\"}} {}\n", MOST_WAITING + 1)),
            "{text}"
        );
    }

    #[test]
    fn metrics_that_are_off_say_nothing() {
        let metrics = Metrics::off();
        metrics.call("rpc", "OK", Duration::from_millis(2));
        assert!(!metrics.are_on());
        assert_eq!(metrics.render(), "");
    }
}
