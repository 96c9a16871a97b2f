//! Tombstones: what is left of records that were kept as long as was promised.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::merkle::Hash;

/// The event of a tombstone.
pub(crate) const EVENT: &str = "trail_pruned";

/// Which records were taken away, and what they were: enough to verify all that came after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The first of them.
    pub first: u64,
    /// The first that is still there.
    pub until: u64,
    /// The root of the tree over all records before `until`.
    pub root: Hash,
    /// Fingerprint of the last of them.
    pub head: Hash,
    /// By which rule.
    pub policy: String,
}

impl Tombstone {
    /// What records tell of it.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        vec![
            ("first_record", self.first.to_string()),
            ("last_record", self.until.saturating_sub(1).to_string()),
            ("records", self.until.saturating_sub(self.first).to_string()),
            ("root", BASE64_STANDARD.encode(self.root)),
            ("head", hex::encode(self.head)),
            ("policy", self.policy.clone()),
        ]
    }

    /// The tombstone that an event is; none if it is of another kind, came to nothing, or is not in order.
    pub(crate) fn of(event: &Map<String, Value>) -> Option<Self> {
        let code = event.get("metadata")?.get("event_code")?.as_str()?;
        if code != EVENT || event.get("status_id")?.as_u64() != Some(1) {
            return None;
        }
        let data = event.get("entity")?.get("data")?;
        let text = |name: &str| data.get(name)?.as_str();
        let number = |name: &str| text(name)?.parse().ok();
        let (first, last): (u64, u64) = (number("first_record")?, number("last_record")?);
        let until = last.checked_add(1)?;
        let records: u64 = number("records")?;
        if until.checked_sub(first)? != records {
            return None;
        }
        Some(Self {
            first,
            until,
            root: BASE64_STANDARD.decode(text("root")?).ok()?.try_into().ok()?,
            head: hex::decode(text("head")?).ok()?.try_into().ok()?,
            policy: text("policy")?.to_owned(),
        })
    }
}
