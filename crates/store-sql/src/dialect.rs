//! In what the SQL of the engines differs; all other statements are the same for all.

use jiff::Timestamp;

use crate::connection::Value;

/// Whose SQL a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
    /// MariaDB too.
    MySql,
}

impl Dialect {
    /// What ends a `SELECT` of rows that the transaction will change, so that no other server changes them in between. An SQLite
    /// file has one writer at a time.
    pub(crate) fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres | Self::MySql => " FOR UPDATE",
        }
    }

    /// The condition that `column` holds a text, byte for byte, and how many times it takes the text.
    ///
    /// SPIRE's columns in MySQL take capital and small letters for the same, as its unique keys do. The first comparison finds
    /// the row by its key, the second one tells it from one that only looks alike.
    pub(crate) fn exactly(self, column: &str) -> (String, usize) {
        match self {
            Self::Sqlite | Self::Postgres => (format!("{column} = ?"), 1),
            Self::MySql => (format!("{column} = ? AND CAST({column} AS BINARY) = ?"), 2),
        }
    }

    /// The condition that the texts in `columns` are one of `count` tuples, and how many times it takes all tuples.
    pub(crate) fn among(self, columns: &[&str], count: usize) -> (String, usize) {
        let row = |items: &[String]| match items {
            [only] => only.clone(),
            items => format!("({})", items.join(", ")),
        };
        let names: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
        let places = vec!["?".to_owned(); columns.len()];
        match self {
            Self::Sqlite | Self::Postgres => {
                let tuples = vec![format!("({})", places.join(", ")); count].join(", ");
                (format!("{} IN (VALUES {tuples})", row(&names)), 1)
            }
            Self::MySql => {
                let tuples = vec![row(&places); count].join(", ");
                let bytes: Vec<String> = columns.iter().map(|column| format!("CAST({column} AS BINARY)")).collect();
                (format!("({} IN ({tuples}) AND {} IN ({tuples}))", row(&names), row(&bytes)), 2)
            }
        }
    }

    /// The condition that the time in `column` is before `time`.
    pub(crate) fn before(self, column: &str, time: Timestamp) -> (String, Value<'static>) {
        match self {
            // Servers write times as text in their own zone; comparing texts would be wrong by the difference.
            Self::Sqlite => (format!("unixepoch({column}) < ?"), time.as_second().into()),
            Self::Postgres | Self::MySql => (format!("{column} < ?"), time.into()),
        }
    }

    /// What ends the statement that makes a table of ours.
    pub(crate) fn table_options(self) -> &'static str {
        match self {
            Self::Sqlite | Self::Postgres => "",
            Self::MySql => " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        }
    }

    /// The greatest ID that a row of SPIRE's tables can have.
    pub(crate) fn last_row(self) -> i64 {
        match self {
            Self::Sqlite => i64::MAX,
            Self::Postgres => i64::from(i32::MAX),
            Self::MySql => i64::from(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuples_are_written_as_each_engine_reads_them() {
        let (two, one) = (["a", "b"], ["a"]);
        assert_eq!(Dialect::Sqlite.among(&two, 2), ("(a, b) IN (VALUES (?, ?), (?, ?))".to_owned(), 1));
        assert_eq!(Dialect::Postgres.among(&one, 1), ("a IN (VALUES (?))".to_owned(), 1));
        let bytes = "(a, b) IN ((?, ?)) AND (CAST(a AS BINARY), CAST(b AS BINARY)) IN ((?, ?))";
        assert_eq!(Dialect::MySql.among(&two, 1), (format!("({bytes})"), 2));
        assert_eq!(Dialect::MySql.among(&one, 2), ("(a IN (?, ?) AND CAST(a AS BINARY) IN (?, ?))".to_owned(), 2));
    }
}
