//! Bundles: `bundles`, whose `data` is a protobuf `spire.common.Bundle`.

use jiff::Timestamp;
use prost::Message;
use steeple_proto::spire::common as pb;
use steeple_store::{Page, Paged};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

use super::{readable_rows, trust_domain, unreadable};
use crate::connection::{Connection, Result, Row, first, number};
use crate::filters::Conditions;
use crate::{paging, time};

pub(crate) fn by_trust_domain(connection: &mut dyn Connection, trust_domain: &TrustDomain) -> Result<Option<Bundle>> {
    let statement = format!("SELECT id, trust_domain, data FROM bundles WHERE trust_domain = ?{}", connection.lock());
    first(connection, &statement, &[trust_domain.id_string().into()], read)
}

pub(crate) fn list(connection: &mut dyn Connection, page: &Page) -> Result<Paged<Bundle>> {
    let mut conditions = Conditions::new(connection.dialect());
    let limit = paging::limit(&mut conditions, page, "id")?;
    let statement = format!("SELECT id, trust_domain, data FROM bundles{}{limit}", conditions.sql());
    Ok(paging::paged(readable_rows(connection, &statement, conditions.values(), read)?, page))
}

pub(crate) fn names(connection: &mut dyn Connection) -> Result<Vec<TrustDomain>> {
    let statement = "SELECT id, trust_domain FROM bundles ORDER BY id";
    let rows = readable_rows(connection, statement, &[], |row| trust_domain(row.text(1)?, "bundle", row.text(1)?))?;
    Ok(rows.passing_over().into_iter().map(|(_, name)| name).collect())
}

pub(crate) fn count(connection: &mut dyn Connection) -> Result<u64> {
    number(connection, "SELECT COUNT(*) FROM bundles", &[]).map(i64::unsigned_abs)
}

pub(crate) fn put(connection: &mut dyn Connection, bundle: &Bundle, now: Timestamp) -> Result<()> {
    let id = bundle.trust_domain.id_string();
    let stored = first(
        connection,
        "SELECT id, trust_domain, data FROM bundles WHERE trust_domain = ?",
        &[id.as_str().into()],
        decode,
    )?;
    if let Some(stored) = stored {
        let data = encode(bundle, stored.wit_signing_keys).encode_to_vec();
        let values = [data.as_slice().into(), now.into(), id.as_str().into()];
        connection.execute("UPDATE bundles SET data = ?, updated_at = ? WHERE trust_domain = ?", &values)?;
    } else {
        let data = encode(bundle, Vec::new()).encode_to_vec();
        let insert = "INSERT INTO bundles (created_at, updated_at, trust_domain, data) VALUES (?, ?, ?, ?)";
        connection.insert(insert, &[now.into(), now.into(), id.as_str().into(), data.as_slice().into()])?;
    }
    Ok(())
}

pub(crate) fn remove(connection: &mut dyn Connection, trust_domain: &TrustDomain) -> Result<()> {
    let id = trust_domain.id_string();
    let links = "DELETE FROM federated_registration_entries \
                 WHERE bundle_id IN (SELECT id FROM bundles WHERE trust_domain = ?)";
    connection.execute(links, &[id.as_str().into()])?;
    connection.execute("DELETE FROM bundles WHERE trust_domain = ?", &[id.as_str().into()])?;
    Ok(())
}

fn decode(row: &dyn Row) -> Result<pb::Bundle> {
    pb::Bundle::decode(row.blob(2)?).map_err(|error| unreadable("bundle", row.text(1).unwrap_or_default(), error))
}

fn read(row: &dyn Row) -> Result<Bundle> {
    let stored = decode(row)?;
    let id = row.text(1)?;
    let x509_authorities = stored.root_cas.into_iter();
    let jwt_authorities = stored.jwt_signing_keys.into_iter();
    Ok(Bundle {
        trust_domain: trust_domain(id, "bundle", id)?,
        x509_authorities: x509_authorities
            .map(|root| X509Authority { certificate: root.der_bytes, tainted: root.tainted_key })
            .collect(),
        jwt_authorities: jwt_authorities
            .map(|key| JwtAuthority {
                key_id: key.kid,
                public_key: key.pkix_bytes,
                expires_at: time::from_seconds(key.not_after),
                tainted: key.tainted_key,
            })
            .collect(),
        refresh_hint: stored.refresh_hint,
        sequence_number: stored.sequence_number,
    })
}

/// The stored form. WIT keys, which a SPIRE server may have put there, stay as they are.
fn encode(bundle: &Bundle, wit_signing_keys: Vec<pb::PublicKey>) -> pb::Bundle {
    let x509_authorities = bundle.x509_authorities.iter();
    let jwt_authorities = bundle.jwt_authorities.iter();
    pb::Bundle {
        trust_domain_id: bundle.trust_domain.id_string(),
        root_cas: x509_authorities
            .map(|root| pb::Certificate { der_bytes: root.certificate.clone(), tainted_key: root.tainted })
            .collect(),
        jwt_signing_keys: jwt_authorities
            .map(|key| pb::PublicKey {
                pkix_bytes: key.public_key.clone(),
                kid: key.key_id.clone(),
                not_after: time::to_seconds(key.expires_at),
                tainted_key: key.tainted,
            })
            .collect(),
        refresh_hint: bundle.refresh_hint,
        sequence_number: bundle.sequence_number,
        wit_signing_keys,
    }
}
