//! The seam to the datastore: records, transactions, units of work, change log, contract tests.
