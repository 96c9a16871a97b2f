//! Datastore in SQL, in the schema of SPIRE.
