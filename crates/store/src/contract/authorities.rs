//! Taint and revocation of authorities.

use super::Subject;
use super::samples::{at, bundle, domain};
use crate::units::{RevokeJwtAuthority, RevokeX509Authority, SetBundle, TaintJwtAuthority, TaintX509Authority};
use crate::{ErrorClass, StoreError, Unit, Written};
use steeple_types::{Bundle, JwtAuthority, TrustDomain, X509Authority};

fn own() -> TrustDomain {
    domain("example.org")
}

/// Two authorities of each kind, `1` and `2`.
fn fill(subject: &Subject) -> Bundle {
    let root = |byte| X509Authority { certificate: vec![byte], tainted: false };
    let key = |key_id: &str| JwtAuthority {
        key_id: key_id.to_owned(),
        public_key: Vec::new(),
        expires_at: Some(at(20)),
        tainted: false,
    };
    let full = Bundle {
        x509_authorities: vec![root(1), root(2)],
        jwt_authorities: vec![key("1"), key("2")],
        ..bundle("example.org")
    };
    subject.done(&SetBundle { bundle: full.clone() });
    full
}

fn taint_x509(authority_id: &str) -> TaintX509Authority {
    TaintX509Authority { trust_domain: own(), authority_id: authority_id.to_owned(), id_of }
}

fn revoke_x509(authority_id: &str) -> RevokeX509Authority {
    RevokeX509Authority { trust_domain: own(), authority_id: authority_id.to_owned(), id_of }
}

fn taint_jwt(authority_id: &str) -> TaintJwtAuthority {
    TaintJwtAuthority { trust_domain: own(), authority_id: authority_id.to_owned() }
}

fn revoke_jwt(authority_id: &str) -> RevokeJwtAuthority {
    RevokeJwtAuthority { trust_domain: own(), authority_id: authority_id.to_owned() }
}

fn id_of(authority: &X509Authority) -> Result<String, String> {
    authority.certificate.first().map(u8::to_string).ok_or_else(|| "there is no certificate".to_owned())
}

fn found(subject: &Subject) -> Bundle {
    subject.read(|tx| tx.bundle(&own())).unwrap()
}

fn refusal<T>(written: Result<Written<T>, StoreError>) -> (ErrorClass, String) {
    let error = written.err().unwrap();
    (error.class, error.message)
}

fn refused(subject: &Subject, unit: &impl Unit) -> (ErrorClass, String) {
    refusal(subject.write(unit))
}

/// The taint of an authority is a change of the bundle; one that is tainted or unknown can't be tainted.
pub fn taint_marks_one_authority_once(subject: &Subject) {
    let missing = (ErrorClass::NotFound, "datastore-sql: record not found".to_owned());
    assert_eq!(refused(subject, &taint_x509("1")), missing);
    assert_eq!(refused(subject, &taint_jwt("1")), missing);
    let mut expected = fill(subject);
    let before = subject.read(|tx| tx.last_revision());
    subject.done(&taint_x509("1"));
    subject.done(&taint_jwt("2"));
    assert_eq!(subject.changed_keys(before), ["example.org", "example.org"]);
    expected.x509_authorities[0].tainted = true;
    expected.jwt_authorities[1].tainted = true;
    expected.sequence_number += 2;
    assert_eq!(found(subject), expected);
    let malformed = |text: &str| (ErrorClass::Malformed, text.to_owned());
    assert_eq!(refused(subject, &taint_x509("1")), malformed("root CA is already tainted"));
    assert_eq!(refused(subject, &taint_jwt("2")), malformed("key is already tainted"));
    let missing = |text: &str| (ErrorClass::NotFound, text.to_owned());
    assert_eq!(refused(subject, &taint_x509("3")), missing("no ca found with provided subject key ID"));
    assert_eq!(refused(subject, &taint_jwt("3")), missing("no JWT Key found with provided key ID"));
    assert_eq!(found(subject), expected);
}

/// A revoked authority is gone; one that is not tainted stays.
pub fn only_tainted_authorities_are_revoked(subject: &Subject) {
    let mut expected = fill(subject);
    let malformed = |text: &str| (ErrorClass::Malformed, text.to_owned());
    let untainted = "it is not possible to revoke an untainted root CA";
    assert_eq!(refused(subject, &revoke_x509("1")), malformed(untainted));
    assert_eq!(refused(subject, &revoke_jwt("1")), malformed("it is not possible to revoke an untainted key"));
    subject.done(&taint_x509("1"));
    subject.done(&taint_jwt("1"));
    subject.done(&revoke_x509("1"));
    subject.done(&revoke_jwt("1"));
    expected.x509_authorities.remove(0);
    expected.jwt_authorities.remove(0);
    expected.sequence_number += 4;
    assert_eq!(found(subject), expected);
    let missing = |text: &str| (ErrorClass::NotFound, text.to_owned());
    assert_eq!(refused(subject, &revoke_x509("1")), missing("no root CA found with provided subject key ID"));
    assert_eq!(refused(subject, &revoke_jwt("1")), missing("no JWT Key found with provided key ID"));
}
