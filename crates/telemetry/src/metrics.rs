//! Metrics under SPIRE's names, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::filter::{MetricFilter, flat};

/// Counts and times, in memory. Clones count to the same place.
#[derive(Clone)]
pub struct Metrics(Option<Counted>);

#[derive(Clone)]
struct Counted {
    prefix: Arc<str>,
    filter: Arc<MetricFilter>,
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
    pub fn new(prefix: &str, labels: Vec<(&'static str, String)>) -> Self {
        Self::filtered(prefix, labels, MetricFilter::default())
    }

    /// The same, but for what `filter` holds back.
    pub fn filtered(prefix: &str, labels: Vec<(&'static str, String)>, filter: MetricFilter) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let labels = labels.into_iter().map(|(name, value)| Label::new(name, value)).collect();
        let (prefix, filter) = (flat(prefix).into(), Arc::new(filter));
        Self(Some(Counted { prefix, filter, recorder: Arc::new(recorder), handle, labels, waiting: Arc::default() }))
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
        counted.count(key, &labels, 1);
        counted.sample(&format!("{key}_elapsed_time"), &labels, elapsed.as_secs_f64() * 1_000.0);
    }

    /// Takes a sample.
    pub fn sample(&self, key: &str, value: f64) {
        let Some(counted) = &self.0 else { return };
        counted.sample(key, &[], value);
    }

    /// Sets a gauge.
    pub fn gauge(&self, key: &str, labels: &[(&'static str, String)], value: f64) {
        let Some(counted) = &self.0 else { return };
        let Some(key) = counted.key(key, &own(labels)) else { return };
        counted.recorder.register_gauge(&key, &METADATA).set(value);
    }

    /// Counts up.
    pub fn count(&self, key: &str, labels: &[(&'static str, String)]) {
        self.add(key, labels, 1);
    }

    /// Counts up by `amount`; by none, the counter is shown all the same.
    pub fn add(&self, key: &str, labels: &[(&'static str, String)], amount: usize) {
        let Some(counted) = &self.0 else { return };
        counted.count(key, &own(labels), amount as u64);
    }

    /// All that was counted, in the text form of Prometheus.
    pub fn render(&self) -> String {
        let Some(counted) = &self.0 else { return String::new() };
        counted.sum_up();
        counted.handle.render()
    }
}

impl Counted {
    fn count(&self, key: &str, labels: &[Label], amount: u64) {
        let Some(key) = self.key(key, labels) else { return };
        self.recorder.register_counter(&key, &METADATA).increment(amount);
    }

    fn sample(&self, key: &str, labels: &[Label], value: f64) {
        let Some(key) = self.key(key, labels) else { return };
        self.recorder.register_histogram(&key, &METADATA).record(value);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            self.sum_up();
        }
    }

    fn sum_up(&self) {
        self.waiting.store(0, Ordering::Relaxed);
        self.handle.run_upkeep();
    }

    /// The key of a metric, unless the filter holds it back.
    fn key(&self, key: &str, labels: &[Label]) -> Option<Key> {
        let name = format!("{}_{key}", self.prefix);
        if !self.filter.tells(&name) {
            return None;
        }
        let labels = self.labels.iter().chain(labels).filter(|label| self.filter.tells_label(label.key()));
        Some(Key::from_parts(KeyName::from(name), labels.cloned().collect::<Vec<_>>()))
    }
}

fn own(labels: &[(&'static str, String)]) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect()
}

/// The value of a label as SPIRE writes it: letters, digits and underscores of ASCII, a single `_` for what stands between.
pub fn label(text: &str) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut letters = text.chars().peekable();
    let mut out = String::new();
    while let Some(letter) = letters.next() {
        if is_word(letter) {
            out.push(letter);
            continue;
        }
        while letters.next_if(|next| !is_word(*next)).is_some() {}
        // SPIRE's pattern takes one underscore behind along.
        letters.next_if_eq(&'_');
        out.push('_');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_those_of_spire() {
        for (text, value) in
            [("1.15.3-dev_unk", "1_15_3_dev_unk"), ("a--b", "a_b"), ("a-_b", "a_b"), ("a__b", "a__b"), ("é", "_")]
        {
            assert_eq!(label(text), value);
        }
    }

    #[test]
    fn calls_are_counted_under_plain_names() {
        let metrics = Metrics::new("spire_server", vec![("host", "h".into())]);
        metrics.call("rpc_bundle_v1_bundle_get_bundle", "OK", Duration::from_millis(2));
        let text = metrics.render();
        assert!(text.contains("spire_server_rpc_bundle_v1_bundle_get_bundle{host=\"h\",status=\"OK\"} 1\n"), "{text}");
        assert!(text.contains("spire_server_rpc_bundle_v1_bundle_get_bundle_elapsed_time_count"), "{text}");
    }

    #[test]
    fn what_the_filter_holds_back_is_not_counted() {
        let filter = MetricFilter::new(&[], &["spire_server.rpc".into()], None, &["status".into()]);
        let metrics = Metrics::filtered("spire_server", vec![("host", "h".into())], filter);
        metrics.call("rpc_a", "OK", Duration::from_millis(2));
        metrics.call("job", "OK", Duration::from_millis(2));
        metrics.gauge("rpc_g", &[], 1.0);
        metrics.sample("rpc_s", 1.0);
        let text = metrics.render();
        assert!(text.contains("spire_server_job{host=\"h\"} 1\n"), "{text}");
        assert!(!text.contains("rpc") && !text.contains("status"), "{text}");
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
