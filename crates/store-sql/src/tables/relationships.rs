//! Federation relationships: `federated_trust_domains`.

use jiff::Timestamp;
use steeple_store::{Page, Paged};
use steeple_types::{EndpointProfile, FederationRelationship, TrustDomain};

use super::{readable_rows, spiffe_id, trust_domain, unreadable};
use crate::connection::{Connection, Result, Row, Value, first};
use crate::filters::Conditions;
use crate::paging;

const COLUMNS: &str = "id, trust_domain, bundle_endpoint_url, bundle_endpoint_profile, endpoint_spiffe_id";

pub(crate) fn by_trust_domain(
    connection: &mut dyn Connection,
    trust_domain: &TrustDomain,
) -> Result<Option<FederationRelationship>> {
    let lock = connection.lock();
    let statement = format!("SELECT {COLUMNS} FROM federated_trust_domains WHERE trust_domain = ?{lock}");
    first(connection, &statement, &[trust_domain.name().into()], read)
}

pub(crate) fn list(connection: &mut dyn Connection, page: &Page) -> Result<Paged<FederationRelationship>> {
    let mut conditions = Conditions::new(connection.dialect());
    let limit = paging::limit(&mut conditions, page, "id")?;
    let statement = format!("SELECT {COLUMNS} FROM federated_trust_domains{}{limit}", conditions.sql());
    Ok(paging::paged(readable_rows(connection, &statement, conditions.values(), read)?, page))
}

pub(crate) fn put(
    connection: &mut dyn Connection,
    relationship: &FederationRelationship,
    now: Timestamp,
) -> Result<()> {
    let (profile, endpoint_id) = match &relationship.profile {
        EndpointProfile::HttpsWeb => ("https_web", ""),
        EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } => ("https_spiffe", endpoint_spiffe_id.as_str()),
    };
    let mut values: Vec<Value<'_>> = vec![
        relationship.bundle_endpoint_url.as_str().into(),
        profile.into(),
        endpoint_id.into(),
        now.into(),
        relationship.trust_domain.name().into(),
    ];
    let update = "UPDATE federated_trust_domains SET bundle_endpoint_url = ?, bundle_endpoint_profile = ?, \
                  endpoint_spiffe_id = ?, updated_at = ? WHERE trust_domain = ?";
    if connection.execute(update, &values)? == 0 {
        let insert = "INSERT INTO federated_trust_domains (bundle_endpoint_url, bundle_endpoint_profile, \
                      endpoint_spiffe_id, updated_at, trust_domain, created_at, implicit) \
                      VALUES (?, ?, ?, ?, ?, ?, ?)";
        values.extend([now.into(), false.into()]);
        connection.insert(insert, &values)?;
    }
    Ok(())
}

pub(crate) fn remove(connection: &mut dyn Connection, trust_domain: &TrustDomain) -> Result<()> {
    connection.execute("DELETE FROM federated_trust_domains WHERE trust_domain = ?", &[trust_domain.name().into()])?;
    Ok(())
}

fn read(row: &dyn Row) -> Result<FederationRelationship> {
    let key = row.text(1)?;
    let profile = match row.text(3)? {
        "https_web" => EndpointProfile::HttpsWeb,
        "https_spiffe" => EndpointProfile::HttpsSpiffe {
            endpoint_spiffe_id: spiffe_id(row.text(4)?, "federation relationship", key)?,
        },
        unknown => {
            let reason = format!("unknown bundle endpoint profile type: \"{unknown}\"");
            return Err(unreadable("federation relationship", key, reason));
        }
    };
    Ok(FederationRelationship {
        trust_domain: trust_domain(key, "federation relationship", key)?,
        bundle_endpoint_url: row.text(2)?.to_owned(),
        profile,
    })
}
