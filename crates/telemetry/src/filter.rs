//! Which metrics are told, by SPIRE's keys `AllowedPrefixes`, `BlockedPrefixes`, `AllowedLabels` and `BlockedLabels`.

/// Holds back metrics by the beginnings of their names, and labels by their names.
#[derive(Clone, Debug, Default)]
pub struct MetricFilter {
    allowed: Vec<String>,
    blocked: Vec<String>,
    allowed_labels: Option<Vec<String>>,
    blocked_labels: Vec<String>,
}

impl MetricFilter {
    /// Of two prefixes that fit a name the longer one counts, and of equal ones the blocked; what none fits is told. They have
    /// dots in between, as SPIRE writes them, or underscores. Without `allowed_labels` all labels are told that are not blocked.
    pub fn new(
        allowed: &[String],
        blocked: &[String],
        allowed_labels: Option<Vec<String>>,
        blocked_labels: &[String],
    ) -> Self {
        let flattened = |prefixes: &[String]| prefixes.iter().map(|prefix| flat(prefix)).collect();
        let (allowed, blocked) = (flattened(allowed), flattened(blocked));
        Self { allowed, blocked, allowed_labels, blocked_labels: blocked_labels.to_vec() }
    }

    /// Whether the metric of this name is told.
    pub(crate) fn tells(&self, name: &str) -> bool {
        let longest = |prefixes: &[String]| {
            prefixes.iter().filter(|prefix| name.starts_with(prefix.as_str())).map(String::len).max()
        };
        let Some(blocked) = longest(&self.blocked) else { return true };
        longest(&self.allowed).is_some_and(|allowed| allowed > blocked)
    }

    /// Whether the label of this name is told.
    pub(crate) fn tells_label(&self, name: &str) -> bool {
        let is_in = |labels: &[String]| labels.iter().any(|label| label == name);
        !is_in(&self.blocked_labels) && self.allowed_labels.as_deref().is_none_or(is_in)
    }
}

/// A name as Prometheus has it: what go-metrics replaces in names is an underscore.
pub(crate) fn flat(name: &str) -> String {
    name.replace([' ', '.', '=', '-', '/'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn longest_prefix_counts() {
        let filter = MetricFilter::new(&texts(&["s.rpc.agent", "s.db", "s.x"]), &texts(&["s.rpc", "s.db"]), None, &[]);
        let told = ["s_rpc_agent_count", "s_started", "s_x", "other"];
        let held_back = ["s_rpc", "s_rpc_bundle", "s_db_query"];
        assert!(told.iter().all(|name| filter.tells(name)));
        assert!(held_back.iter().all(|name| !filter.tells(name)));
    }

    #[test]
    fn labels_are_told_by_name() {
        let told = |allowed: Option<&[&str]>, blocked: &[&str]| {
            let filter = MetricFilter::new(&[], &[], allowed.map(texts), &texts(blocked));
            ["host", "status"].map(|label| filter.tells_label(label))
        };
        assert_eq!(told(None, &[]), [true, true]);
        assert_eq!(told(None, &["host"]), [false, true]);
        assert_eq!(told(Some(&["host"]), &[]), [true, false]);
        assert_eq!(told(Some(&["host"]), &["host"]), [false, false]);
        assert_eq!(told(Some(&[]), &[]), [false, false]);
    }
}
