//! What the controller asks of the rules that turn objects into entries.

use std::convert::Infallible;

use steeple_proto::spire::api::types;

use crate::follow::Follow;
use crate::key::EntryKey;
use crate::kind::Kind;

/// An object: kind, namespace (empty for objects of the cluster) and name.
pub type ObjectKey = (Kind, Box<str>, Box<str>);

/// What the rules say of an object, for its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// The status that the object has.
    pub present: serde_json::Value,
    /// The status that it is to have, without conditions.
    pub status: serde_json::Value,
    /// Conditions.
    pub conditions: Vec<Condition>,
}

/// A condition of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its name.
    pub kind: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

/// Something that people should know of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The object.
    pub about: ObjectKey,
    /// Its UID.
    pub uid: String,
    /// Whether somebody should act.
    pub is_warning: bool,
    /// What, in one word.
    pub reason: &'static str,
    /// What, for people.
    pub message: String,
}

/// What has become of a wanted entry or relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// The server has it.
    Set,
    /// It is not known yet.
    Waiting,
    /// It was refused.
    Refused(&'a str),
}

/// What is known of the server's part, for a report on an object.
pub struct Seen<'a> {
    /// What has become of the entry of a key.
    pub fate: &'a dyn Fn(&EntryKey) -> Fate<'a>,
    /// What has become of the relationship with a trust domain.
    pub relationship: &'a dyn Fn(&str) -> Fate<'a>,
    /// How many of the object's entries were refused.
    pub refused: usize,
    /// Why one of them was.
    pub reason: Option<&'a str>,
}

/// A federation relationship that an object wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Relationship {
    /// The object.
    pub owner: ObjectKey,
    /// The relationship.
    pub relationship: types::FederationRelationship,
}

/// Rules that turn objects into entries. They keep what they were given, and tell what a change changes; each change costs
/// work for what it concerns.
pub trait Rules: Send + Sync + 'static {
    /// What is kept of an object.
    type Object: Send + 'static;

    /// Reads the objects of a kind for ever, as `follow` has them.
    fn follow(kind: Kind, follow: Follow<Self::Object>) -> impl Future<Output = Infallible> + Send;

    /// An object is so now, or is no more.
    fn put(&mut self, key: &ObjectKey, object: Option<Self::Object>);

    /// The entry that is wanted for a key, without an ID.
    fn wanted(&self, key: &EntryKey) -> Option<types::Entry>;

    /// Keys of all wanted entries.
    fn wanted_keys(&self) -> Vec<EntryKey>;

    /// Keys for which another entry is wanted than before, or none any more, since the last call.
    fn take_changed_entries(&mut self) -> Vec<EntryKey>;

    /// The object for whose sake an entry is wanted.
    fn owner(&self, key: &EntryKey) -> Option<ObjectKey>;

    /// Objects of which the rules say something else than before, since the last call.
    fn take_changed_objects(&mut self) -> Vec<ObjectKey>;

    /// What is to be said of an object; `None` for objects without a status.
    fn report(&self, object: &ObjectKey, seen: &Seen<'_>) -> Option<Report>;

    /// What people should know, since the last call.
    fn take_notices(&mut self) -> Vec<Notice>;

    /// Whether a pod that mounts the Workload API is selected by no object.
    fn is_unserved(&self, pod: &ObjectKey) -> bool;

    /// Whether other relationships are wanted than at the last call.
    fn take_federation_changed(&mut self) -> bool;

    /// Relationships that are wanted, one for each trust domain.
    fn relationships(&self) -> Vec<Relationship>;
}
