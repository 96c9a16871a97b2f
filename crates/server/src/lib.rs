//! The SPIFFE server: APIs, operations, jobs.
