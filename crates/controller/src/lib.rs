//! The Kubernetes controller: makes the server's entries what pods and custom resources ask for.
//!
//! Followers put what the API server tells into an inbox; one actor takes it up, asks the [`Rules`] what that changes, and has
//! the reconciler write the difference to the server. So a change costs work for what it concerns, and there is one writer.

mod actor;
mod controller;
mod election;
mod entries;
mod events;
mod federation;
mod follow;
mod inbox;
mod key;
mod kind;
mod ledger;
mod ownership;
mod reconcile;
mod record;
mod registered;
mod rules;
mod status;
mod time;
mod webhook;

pub use actor::Planned;
pub use controller::{Controller, ControllerError, HealthSettings, Settings};
pub use election::{DEFAULT_NAME as DEFAULT_LEASE, ElectionSettings};
pub use follow::{Follow, Within};
pub use key::EntryKey;
pub use kind::Kind;
pub use ownership::{Owner, Ownership};
pub use registered::{Object, Registered};
pub use rules::{Condition, Fate, Notice, ObjectKey, Relationship, Report, Rules, Seen};
pub use webhook::{PERMISSIONS as WEBHOOK_PERMISSIONS, WebhookSettings};

/// What the controller asks of the API server, each beside the code that asks.
pub const PERMISSIONS: &[&[steeple_k8s::Permission]] =
    &[follow::PERMISSIONS, status::PERMISSIONS, events::PERMISSIONS, election::PERMISSIONS, record::PERMISSIONS];
