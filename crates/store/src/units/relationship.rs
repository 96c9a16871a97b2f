//! Writes of federation relationships.

use steeple_types::{Bundle, FederationRelationship, TrustDomain};

use crate::{ChangeKind, ErrorClass, StoreError, Unit, WriteTx};

/// Adds a relationship, and the bundle that came with it.
pub struct CreateRelationship {
    /// The relationship.
    pub relationship: FederationRelationship,
    /// The other trust domain's bundle.
    pub bundle: Option<Bundle>,
}

impl Unit for CreateRelationship {
    type Output = FederationRelationship;
    const NAME: &'static str = "federation_relationship.create";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<FederationRelationship, StoreError> {
        if tx.relationship(&self.relationship.trust_domain)?.is_some() {
            return Err(StoreError::not_unique("federated_trust_domains.trust_domain"));
        }
        put(tx, &self.relationship, self.bundle.as_ref())?;
        Ok(self.relationship.clone())
    }
}

/// Which fields an update replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of a relationship")]
pub struct RelationshipMask {
    pub bundle_endpoint_url: bool,
    pub bundle_endpoint_profile: bool,
    pub trust_domain_bundle: bool,
}

impl RelationshipMask {
    /// All fields.
    pub const ALL: Self = Self { bundle_endpoint_url: true, bundle_endpoint_profile: true, trust_domain_bundle: true };
}

/// Replaces fields of a relationship.
pub struct UpdateRelationship {
    /// The relationship with its new fields.
    pub relationship: FederationRelationship,
    /// The other trust domain's bundle.
    pub bundle: Option<Bundle>,
    /// Which fields to replace.
    pub mask: RelationshipMask,
}

impl Unit for UpdateRelationship {
    type Output = FederationRelationship;
    const NAME: &'static str = "federation_relationship.update";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<FederationRelationship, StoreError> {
        let trust_domain = &self.relationship.trust_domain;
        let mut relationship = tx.relationship(trust_domain)?.ok_or_else(|| {
            let message = "unable to fetch federation relationship: record not found";
            StoreError::new(ErrorClass::Internal, message)
        })?;
        if self.mask.bundle_endpoint_url {
            relationship.bundle_endpoint_url.clone_from(&self.relationship.bundle_endpoint_url);
        }
        if self.mask.bundle_endpoint_profile {
            relationship.profile = self.relationship.profile.clone();
        }
        let bundle = self.bundle.as_ref().filter(|_| self.mask.trust_domain_bundle);
        put(tx, &relationship, bundle)?;
        Ok(relationship)
    }
}

/// Removes a relationship; its bundle stays.
pub struct DeleteRelationship {
    /// With whom.
    pub trust_domain: TrustDomain,
}

impl Unit for DeleteRelationship {
    type Output = ();
    const NAME: &'static str = "federation_relationship.delete";

    fn run(&self, tx: &mut dyn WriteTx) -> Result<(), StoreError> {
        tx.relationship(&self.trust_domain)?.ok_or_else(StoreError::not_found)?;
        tx.remove_relationship(&self.trust_domain)?;
        tx.record_change(ChangeKind::Relationship, self.trust_domain.name())?;
        Ok(())
    }
}

fn put(tx: &mut dyn WriteTx, relationship: &FederationRelationship, bundle: Option<&Bundle>) -> Result<(), StoreError> {
    if let Some(bundle) = bundle {
        tx.put_bundle(bundle)?;
        tx.record_change(ChangeKind::Bundle, bundle.trust_domain.name())?;
    }
    tx.put_relationship(relationship)?;
    tx.record_change(ChangeKind::Relationship, relationship.trust_domain.name())?;
    Ok(())
}
