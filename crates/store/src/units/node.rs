//! Writes of attested nodes.

use jiff::Timestamp;
use steeple_types::{AttestedNode, Selector, SelectorSet, SpiffeId};

use crate::{ChangeKind, EntryFilter, ErrorClass, Match, Page, StoreError, Unit, WriteTx};

/// Records an attestation: the node, its selectors and serial number, and the use of its join token, in one commit.
pub struct RecordAttestation {
    /// The node as attested; the attestation type of a node that is known already stays.
    pub node: AttestedNode,
    /// The join token that the attestation uses up.
    pub join_token: Option<String>,
    /// Whether this agent used up that token a moment ago: then it may do so again as long as its node is there, since it
    /// may never have had the answer.
    pub is_repeated: bool,
}

/// Why an attestation could not be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttestationOutcome {
    /// It was.
    Recorded,
    /// There is no such join token.
    UnknownToken,
    /// The join token was past its expiry; it is used up all the same.
    ExpiredToken,
    /// The node is banned.
    Banned,
}

impl Unit for RecordAttestation {
    type Output = AttestationOutcome;
    const NAME: &'static str = "node.create";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<AttestationOutcome, StoreError> {
        if let Some(token) = &self.join_token {
            match tx.join_token(token)? {
                Some(known) => {
                    tx.remove_join_token(token)?;
                    if known.expires_at < tx.now() {
                        return Ok(AttestationOutcome::ExpiredToken);
                    }
                }
                None if self.is_repeated && tx.node(&self.node.id)?.is_some() => {}
                None => return Ok(AttestationOutcome::UnknownToken),
            }
        }
        let mut node = self.node.clone();
        if let Some(known) = tx.node(&node.id)? {
            if known.is_banned() {
                return Ok(AttestationOutcome::Banned);
            }
            node.attestation_type = known.attestation_type;
            node.agent_version = known.agent_version;
        }
        put(tx, &node)?;
        Ok(AttestationOutcome::Recorded)
    }
}

/// Records a renewal: the new serial number counts from its first use on.
pub struct RecordRenewal {
    /// Which node.
    pub id: SpiffeId,
    /// Serial number of the new agent SVID, decimal.
    pub serial_number: String,
    /// When the new agent SVID expires.
    pub expires_at: Timestamp,
}

impl Unit for RecordRenewal {
    type Output = AttestedNode;
    const NAME: &'static str = "node.update";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<AttestedNode, StoreError> {
        // A node that was banned since the caller looked stays banned.
        if tx.node(&self.id)?.is_some_and(|node| node.is_banned()) {
            return Err(StoreError::new(ErrorClass::Unfit, "agent is banned"));
        }
        update(tx, &self.id, |node| {
            node.new_serial_number.clone_from(&self.serial_number);
            node.new_expires_at = Some(self.expires_at);
        })
    }
}

/// Makes the pending serial number of a node the current one.
pub struct ActivateSerial {
    /// Which node.
    pub id: SpiffeId,
    /// The serial number that was used.
    pub serial_number: String,
}

impl Unit for ActivateSerial {
    type Output = AttestedNode;
    const NAME: &'static str = "node.update";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<AttestedNode, StoreError> {
        let node = tx.node(&self.id)?.ok_or_else(StoreError::not_found)?;
        if node.serial_number == self.serial_number {
            return Ok(node);
        }
        // Banned or renewed again since the caller looked: what it used is not pending any more.
        if self.serial_number.is_empty() || node.new_serial_number != self.serial_number {
            return Err(StoreError::new(ErrorClass::Unfit, "serial number is not pending"));
        }
        update(tx, &self.id, |node| {
            node.serial_number = std::mem::take(&mut node.new_serial_number);
            node.expires_at = node.new_expires_at.take();
        })
    }
}

/// Bans a node: it keeps its row and loses its serial numbers.
pub struct BanNode {
    /// Which node.
    pub id: SpiffeId,
}

impl Unit for BanNode {
    type Output = AttestedNode;
    const NAME: &'static str = "node.update";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<AttestedNode, StoreError> {
        update(tx, &self.id, |node| {
            node.serial_number.clear();
            node.new_serial_number.clear();
        })
    }
}

/// Removes a node, and the entry that gave it a SPIFFE ID of its own when its join token was made.
pub struct DeleteNode {
    /// Which node.
    pub id: SpiffeId,
}

impl Unit for DeleteNode {
    type Output = AttestedNode;
    const NAME: &'static str = "node.delete";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<AttestedNode, StoreError> {
        let node = tx.node(&self.id)?.ok_or_else(StoreError::not_found)?;
        remove(tx, &node)?;
        Ok(node)
    }
}

/// Records the version that an agent reported.
pub struct SetAgentVersion {
    /// Which node.
    pub id: SpiffeId,
    /// The version, at most 255 bytes.
    pub agent_version: String,
}

impl Unit for SetAgentVersion {
    type Output = AttestedNode;
    const NAME: &'static str = "node.update";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<AttestedNode, StoreError> {
        update(tx, &self.id, |node| node.agent_version.clone_from(&self.agent_version))
    }
}

fn update(
    tx: &mut dyn WriteTx,
    id: &SpiffeId,
    change: impl FnOnce(&mut AttestedNode),
) -> Result<AttestedNode, StoreError> {
    let mut node = tx.node(id)?.ok_or_else(StoreError::not_found)?;
    change(&mut node);
    put(tx, &node)?;
    Ok(node)
}

fn put(tx: &mut dyn WriteTx, node: &AttestedNode) -> Result<(), StoreError> {
    tx.put_node(node)?;
    tx.record_change(ChangeKind::Node, node.id.as_str())?;
    Ok(())
}

/// Removes a node. With one that came by join token goes the entry that was made with the token: the child whose one
/// selector is the node's own ID; other children are the operator's and stay.
pub(super) fn remove(tx: &mut dyn WriteTx, node: &AttestedNode) -> Result<(), StoreError> {
    tx.remove_node(&node.id)?;
    tx.record_change(ChangeKind::Node, node.id.as_str())?;
    if node.attestation_type != "join_token" {
        return Ok(());
    }
    let Ok(selector) = Selector::new("spiffe_id", node.id.as_str()) else { return Ok(()) };
    let filter = EntryFilter {
        parent_id: Some(node.id.clone()),
        selectors: Some((SelectorSet::from_iter([selector]), Match::Exact)),
        ..EntryFilter::default()
    };
    for entry in tx.entries(&filter, &Page::default())?.items {
        tx.remove_entry(&entry.id)?;
        tx.record_change(ChangeKind::Entry, entry.id.as_str())?;
    }
    Ok(())
}
