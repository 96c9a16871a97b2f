//! Metrics of our own: families of a catalogue, for Prometheus.
//!
//! Handles are made once, when a daemon starts; counting by one is an atomic operation. Labels have few values, which the
//! catalogue tells: never a SPIFFE ID, a pod or a process.

use std::fmt::Write as _;
use std::sync::Arc;

use ::metrics::{Key, KeyName, Label, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

pub use ::metrics::{Counter, Gauge, Histogram};

/// What a family counts, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Goes up, from 0 at the start.
    Counter,
    /// Is what it is now.
    Gauge,
    /// How often what was seen was not above each of these bounds.
    Histogram(&'static [f64]),
}

/// Metrics of one name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// The name, with its unit: `steeple_…_seconds`, `steeple_…_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, each with the values that it may have.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it tells.
    pub help: &'static str,
    /// The alerts that use it.
    pub alerts: &'static [&'static str],
}

const METADATA: Metadata<'static> = Metadata::new("steeple", Level::INFO, None);

/// The metrics of a catalogue. Clones count to the same place.
#[derive(Clone)]
pub struct Native(Option<On>);

#[derive(Clone)]
struct On {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl Native {
    /// Metrics of the `families`.
    ///
    /// # Errors
    /// When the bounds of a histogram are none.
    pub fn on(families: &[&Family]) -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for family in families {
            if let Kind::Histogram(bounds) = family.kind {
                builder = builder.set_buckets_for_metric(Matcher::Full(family.name.to_owned()), bounds)?;
            }
        }
        let recorder = builder.build_recorder();
        for family in families {
            let (name, help) = (KeyName::from_const_str(family.name), SharedString::const_str(family.help));
            match family.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
            }
        }
        let handle = recorder.handle();
        Ok(Self(Some(On { recorder: Arc::new(recorder), handle })))
    }

    /// Metrics that nobody reads: nothing is counted.
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether anything is counted.
    pub fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// A counter, which is shown from now on.
    pub fn counter(&self, family: &'static Family, labels: &[(&'static str, &str)]) -> Counter {
        let Some(on) = &self.0 else { return Counter::noop() };
        let counter = on.recorder.register_counter(&key(family, labels), &METADATA);
        counter.increment(0);
        counter
    }

    /// A gauge, which is shown once it is set.
    pub fn gauge(&self, family: &'static Family, labels: &[(&'static str, &str)]) -> Gauge {
        let Some(on) = &self.0 else { return Gauge::noop() };
        on.recorder.register_gauge(&key(family, labels), &METADATA)
    }

    /// A histogram, which is shown once something was seen.
    pub fn histogram(&self, family: &'static Family, labels: &[(&'static str, &str)]) -> Histogram {
        let Some(on) = &self.0 else { return Histogram::noop() };
        on.recorder.register_histogram(&key(family, labels), &METADATA)
    }

    /// Sums up what was seen since the last time; what is seen waits in memory until then.
    pub fn sum_up(&self) {
        if let Some(on) = &self.0 {
            on.handle.run_upkeep();
        }
    }

    /// All of it, in the text form of Prometheus.
    pub fn render(&self) -> String {
        let Some(on) = &self.0 else { return String::new() };
        on.handle.run_upkeep();
        on.handle.render()
    }
}

fn key(family: &'static Family, labels: &[(&'static str, &str)]) -> Key {
    let labels: Vec<Label> = labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(KeyName::from_const_str(family.name), labels)
}

/// The rows of the reference page for the `families`, in Markdown.
pub fn rows(families: &[&Family]) -> String {
    let mut rows = String::from("| metric | kind | labels | tells | alerts |\n| --- | --- | --- | --- | --- |\n");
    for family in families {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = family.labels.iter().map(|(name, values)| format!("`{name}`: {values}")).collect();
        let alerts: Vec<String> =
            family.alerts.iter().map(|alert| format!("[{alert}](../runbooks/{alert}.md)")).collect();
        // Writing into memory does not fail.
        let _ = writeln!(
            rows,
            "| `{}` | {kind} | {} | {} | {} |",
            family.name,
            labels.join("; "),
            family.help,
            alerts.join(", ")
        );
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Family = Family {
        name: "steeple_calls_total",
        kind: Kind::Counter,
        labels: &[("result", "`ok`, `failed`")],
        help: "calls",
        alerts: &["Failing"],
    };
    const TIMES: Family = Family {
        name: "steeple_times_seconds",
        kind: Kind::Histogram(&[0.1, 1.0]),
        labels: &[],
        help: "times",
        alerts: &[],
    };

    #[test]
    fn counters_are_shown_from_the_start_and_histograms_have_their_bounds() {
        let native = Native::on(&[&CALLS, &TIMES]).unwrap();
        let _ok = native.counter(&CALLS, &[("result", "ok")]);
        native.counter(&CALLS, &[("result", "failed")]).increment(2);
        native.histogram(&TIMES, &[]).record(0.5);
        let text = native.render();
        for line in [
            "# HELP steeple_calls_total calls\n",
            "# TYPE steeple_calls_total counter\n",
            "steeple_calls_total{result=\"ok\"} 0\n",
            "steeple_calls_total{result=\"failed\"} 2\n",
            "steeple_times_seconds_bucket{le=\"0.1\"} 0\n",
            "steeple_times_seconds_bucket{le=\"1\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn nothing_is_counted_when_nobody_reads() {
        let native = Native::off();
        native.counter(&CALLS, &[]).increment(1);
        native.histogram(&TIMES, &[]).record(1.0);
        native.gauge(&CALLS, &[]).set(1.0);
        native.sum_up();
        assert_eq!((native.render(), native.are_on()), (String::new(), false));
    }

    #[test]
    fn page_has_a_row_per_family() {
        let rows = rows(&[&CALLS]);
        let row = "| `steeple_calls_total` | counter | `result`: `ok`, `failed` | calls | [Failing](../runbooks/Failing.md) |\n";
        assert!(rows.ends_with(row), "{rows}");
    }
}
