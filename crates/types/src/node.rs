//! Attested nodes, which SPIRE's APIs call agents.

use jiff::Timestamp;

use crate::{SelectorSet, SpiffeId};

/// A node that attested, with the serial numbers of the agent SVIDs it may use.
///
/// Serial numbers are decimal text, as SPIRE stores and compares them. Both empty means banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedNode {
    /// ID of the agent, below `/spire/agent/`.
    pub id: SpiffeId,
    /// Name of the node attestor of the first attestation.
    pub attestation_type: String,
    /// Serial number of the agent SVID in use.
    pub serial_number: String,
    /// When the agent SVID in use expires.
    pub expires_at: Option<Timestamp>,
    /// Serial number of a renewed agent SVID that was not used yet; empty when there is none.
    pub new_serial_number: String,
    /// When the renewed agent SVID expires.
    pub new_expires_at: Option<Timestamp>,
    /// Whether the agent can attest again by the same means.
    pub can_reattest: bool,
    /// Version that the agent reported; empty when unknown.
    pub agent_version: String,
    /// Selectors that the attestation yielded.
    pub selectors: SelectorSet,
}

impl AttestedNode {
    /// Whether the node was banned: it has no serial number.
    pub fn is_banned(&self) -> bool {
        self.serial_number.is_empty() && self.new_serial_number.is_empty()
    }
}
