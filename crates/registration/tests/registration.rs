//! Rules and index over objects as an API server tells them.

#[cfg(test)]
#[path = "registration/changes.rs"]
mod changes;
#[cfg(test)]
#[path = "registration/common.rs"]
mod common;
#[cfg(test)]
#[path = "registration/config.rs"]
mod config;
#[cfg(test)]
#[path = "registration/table.rs"]
mod table;
