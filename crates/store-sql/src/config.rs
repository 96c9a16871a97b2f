//! Configuration of the datastore: the keys of SPIRE's `DataStore "sql"` block that concern SQLite.

use steeple_store::{ErrorClass, StoreError};

use crate::connection::Result;

/// Where the database is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlConfig {
    /// `sqlite3`; SPIRE's other types are refused by name.
    pub database_type: String,
    /// A path, or a `file:` URI.
    pub connection_string: String,
    /// Leaves a schema that is older than ours as it is, and refuses it.
    pub disable_migration: bool,
}

impl SqlConfig {
    /// An SQLite database in `connection_string`.
    pub fn sqlite(connection_string: impl Into<String>) -> Self {
        Self {
            database_type: "sqlite3".to_owned(),
            connection_string: connection_string.into(),
            disable_migration: false,
        }
    }

    /// Checks the configuration without opening anything.
    ///
    /// # Errors
    /// [`ErrorClass::Malformed`] with the reason.
    pub fn validate(&self) -> Result<()> {
        let refuse = |reason: String| Err(StoreError::new(ErrorClass::Malformed, format!("datastore-sql: {reason}")));
        match self.database_type.as_str() {
            "" => return refuse("database_type must be set".to_owned()),
            "sqlite3" => {}
            later @ ("postgres" | "mysql" | "aws_postgres" | "aws_mysql") => {
                return refuse(format!("database_type \"{later}\" is not available yet; \"sqlite3\" is"));
            }
            unknown => return refuse(format!("unsupported database_type: {unknown}")),
        }
        if self.connection_string.is_empty() {
            return refuse("connection_string must be set".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_is_refused_by_name() {
        let text = |database_type: &str, connection_string: &str| {
            let config = SqlConfig {
                database_type: database_type.to_owned(),
                connection_string: connection_string.to_owned(),
                disable_migration: false,
            };
            config.validate().map_err(|error| error.message)
        };
        assert_eq!(text("sqlite3", "x"), Ok(()));
        assert_eq!(text("", "x").unwrap_err(), "datastore-sql: database_type must be set");
        assert_eq!(text("sqlite3", "").unwrap_err(), "datastore-sql: connection_string must be set");
        assert_eq!(text("oracle", "x").unwrap_err(), "datastore-sql: unsupported database_type: oracle");
        assert!(text("postgres", "x").unwrap_err().contains("\"postgres\" is not available yet"));
    }
}
