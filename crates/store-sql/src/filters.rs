//! Filters of lists as SQL conditions.

use jiff::Timestamp;
use steeple_store::{EntryFilter, Match, NodeFilter};

use crate::connection::Value;
use crate::dialect::Dialect;

/// Conditions that rows must all meet, with the values of their `?` in order.
pub(crate) struct Conditions<'a> {
    dialect: Dialect,
    clauses: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, clauses: Vec::new(), values: Vec::new() }
    }

    /// The one condition that `column` holds a text, byte for byte.
    pub(crate) fn exactly(dialect: Dialect, column: &str, text: &'a str) -> Self {
        let mut conditions = Self::new(dialect);
        conditions.add_exactly(column, text);
        conditions
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn add(&mut self, clause: impl Into<String>, values: impl IntoIterator<Item = Value<'a>>) {
        self.clauses.push(clause.into());
        self.values.extend(values);
    }

    pub(crate) fn add_exactly(&mut self, column: &str, text: &'a str) {
        let (clause, times) = self.dialect.exactly(column);
        self.add(clause, std::iter::repeat_n(text, times).map(Value::Text));
    }

    pub(crate) fn add_before(&mut self, column: &str, time: Timestamp) {
        let (clause, value) = self.dialect.before(column, time);
        self.add(clause, [value]);
    }

    /// The `WHERE`, empty when there are no conditions.
    pub(crate) fn sql(&self) -> String {
        if self.clauses.is_empty() { String::new() } else { format!(" WHERE {}", self.clauses.join(" AND ")) }
    }

    pub(crate) fn values(&self) -> &[Value<'a>] {
        &self.values
    }

    /// The values, those of an `UPDATE` before them.
    pub(crate) fn after(&self, values: impl IntoIterator<Item = Value<'a>>) -> Vec<Value<'a>> {
        values.into_iter().chain(self.values.iter().cloned()).collect()
    }

    /// Compares the set that hangs on each row to the set that was asked for, which has no repetitions.
    fn add_match(&mut self, sets: &Sets, how: Match, asked: &[Vec<Value<'a>>]) {
        let Sets { from, owner, item, key } = sets;
        let (among, times) = self.dialect.among(item, asked.len());
        let shared = format!("SELECT {owner} FROM {from} WHERE {among}");
        let values = || std::iter::repeat_n(asked, times).flatten().flatten().cloned();
        match how {
            Match::Any | Match::Subset => self.add(format!("{key} IN ({shared})"), values()),
            Match::Superset | Match::Exact => {
                let count = asked.len();
                self.add(format!("{key} IN ({shared} GROUP BY {owner} HAVING COUNT(*) = {count})"), values());
            }
        }
        match how {
            Match::Any | Match::Superset => {}
            Match::Subset => {
                let others = format!("SELECT 1 FROM {from} WHERE {owner} = {key} AND NOT {among}");
                self.add(format!("NOT EXISTS ({others})"), values());
            }
            Match::Exact => {
                let size = format!("SELECT COUNT(*) FROM {from} WHERE {owner} = {key}");
                self.add(format!("({size}) = {}", asked.len()), []);
            }
        }
    }
}

/// Where the sets that hang on rows are found.
struct Sets {
    from: &'static str,
    owner: &'static str,
    item: &'static [&'static str],
    key: &'static str,
}

const ENTRY_SELECTORS: Sets = Sets {
    from: "selectors S",
    owner: "S.registered_entry_id",
    item: &["S.type", "S.value"],
    key: "registered_entries.id",
};

const ENTRY_TRUST_DOMAINS: Sets = Sets {
    from: "federated_registration_entries F INNER JOIN bundles B ON B.id = F.bundle_id",
    owner: "F.registered_entry_id",
    item: &["B.trust_domain"],
    key: "registered_entries.id",
};

const NODE_SELECTORS: Sets = Sets {
    from: "node_resolver_map_entries S",
    owner: "S.spiffe_id",
    item: &["S.type", "S.value"],
    key: "attested_node_entries.spiffe_id",
};

/// The conditions of an entry filter.
pub(crate) fn of_entries(dialect: Dialect, filter: &EntryFilter) -> Conditions<'_> {
    let mut conditions = Conditions::new(dialect);
    if let Some(id) = &filter.spiffe_id {
        conditions.add_exactly("spiffe_id", id.as_str());
    }
    if let Some(id) = &filter.parent_id {
        conditions.add_exactly("parent_id", id.as_str());
    }
    if let Some(hint) = &filter.hint {
        conditions.add_exactly("hint", hint);
    }
    if filter.downstream == Some(true) {
        conditions.add("downstream = ?", [true.into()]);
    }
    if let Some((selectors, how)) = &filter.selectors {
        let asked: Vec<_> = selectors.iter().map(|s| vec![s.kind().into(), s.value().into()]).collect();
        conditions.add_match(&ENTRY_SELECTORS, *how, &asked);
    }
    if let Some(federates) = &filter.federates_with {
        let asked: Vec<_> = federates.trust_domains.iter().map(|domain| vec![domain.id_string().into()]).collect();
        conditions.add_match(&ENTRY_TRUST_DOMAINS, federates.behavior, &asked);
    }
    conditions
}

/// The conditions of a node filter.
pub(crate) fn of_nodes(dialect: Dialect, filter: &NodeFilter) -> Conditions<'_> {
    let mut conditions = Conditions::new(dialect);
    if let Some(kind) = &filter.attestation_type {
        conditions.add_exactly("data_type", kind);
    }
    if let Some(banned) = filter.banned {
        conditions.add(if banned { "serial_number = ''" } else { "serial_number <> ''" }, []);
    }
    if let Some(can_reattest) = filter.can_reattest {
        conditions.add("can_reattest = ?", [can_reattest.into()]);
    }
    if let Some(time) = filter.expires_before {
        conditions.add_before("expires_at", time);
    }
    if let Some((selectors, how)) = &filter.selectors {
        let asked: Vec<_> = selectors.iter().map(|s| vec![s.kind().into(), s.value().into()]).collect();
        conditions.add_match(&NODE_SELECTORS, *how, &asked);
    }
    conditions
}
