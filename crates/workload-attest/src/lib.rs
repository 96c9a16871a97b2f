//! Workload attestors.
