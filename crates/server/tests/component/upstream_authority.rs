//! A server below a CA in files, whose root is replaced, tainted and revoked.

use std::path::Path;
use std::sync::Arc;

use steeple_crypto::keys::{KeyType, PrivateKey};
use steeple_crypto::pem;
use steeple_crypto::x509::{Certificate, CertificateTemplate, Name, Purpose};
use steeple_proto::spire::api::server::bundle::v1::GetBundleRequest;
use steeple_proto::spire::api::server::localauthority::v1 as pb;
use steeple_upstream::{DiskAuthority, DiskAuthorityConfig};
use tonic::Code;

use crate::bench::{Bench, refused, serve};

/// Puts a new root into the files; yields its ID.
pub(crate) fn new_root(folder: &Path, name: &str) -> String {
    let (key, name) = (PrivateKey::generate(KeyType::EcP256).unwrap(), Name::of("US", name));
    let template = CertificateTemplate {
        serial: &[1],
        issuer: &name.to_der(),
        subject: &name,
        not_before: "2025-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2030-01-01T00:00:00Z".parse().unwrap(),
        public_key: key.public_key(),
        authority_key_id: &[],
        purpose: Purpose::Ca,
        uris: &[],
        dns_names: &[],
        signature: key.public_key().certificate_signature().unwrap(),
    };
    let certificate = template.encode().sign(&key).unwrap();
    std::fs::write(folder.join("ca.crt"), pem::encode("CERTIFICATE", &certificate)).unwrap();
    std::fs::write(folder.join("ca.key"), pem::encode("PRIVATE KEY", &key.to_pkcs8().unwrap())).unwrap();
    hex::encode(Certificate::from_der(&certificate).unwrap().subject_key_id())
}

/// The CA in the files.
pub(crate) fn disk_authority(folder: &Path) -> DiskAuthority {
    let config = DiskAuthorityConfig {
        cert_file_path: folder.join("ca.crt"),
        key_file_path: folder.join("ca.key"),
        bundle_file_path: None,
    };
    let clock = steeple_clock::Clock::manual(crate::bench::START.parse().unwrap()).0;
    DiskAuthority::new(config, "example.org".parse().unwrap(), clock).unwrap()
}

#[tokio::test]
async fn root_is_replaced_tainted_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let first = new_root(folder.path(), "FIRST");
    let bench = Bench::below(Arc::new(disk_authority(folder.path()))).await;
    let calls = bench.local();
    let roots = async || {
        let bundle = calls.bundle().get_bundle(GetBundleRequest::default()).await.unwrap().into_inner();
        let id = |der: &[u8]| hex::encode(Certificate::from_der(der).unwrap().subject_key_id());
        let roots = bundle.x509_authorities.iter().map(|authority| (id(&authority.asn1), authority.tainted));
        roots.collect::<Vec<_>>()
    };
    let drive = async {
        let mut service = calls.local_authority();
        let taint = pb::TaintX509UpstreamAuthorityRequest { subject_key_id: first.to_uppercase() };
        let text = "provided subject key id is not valid: unable to use upstream authority singing current authority";
        let refusal = refused(service.taint_x509_upstream_authority(taint.clone()).await);
        assert_eq!(refusal, (Code::InvalidArgument, text.to_owned()));

        let second = new_root(folder.path(), "SECOND");
        let prepared = service.prepare_x509_authority(pb::PrepareX509AuthorityRequest {}).await.unwrap();
        let prepared = prepared.into_inner().prepared_authority.unwrap();
        assert_eq!(prepared.upstream_authority_subject_key_id, second);
        let request = pb::ActivateX509AuthorityRequest { authority_id: prepared.authority_id };
        service.activate_x509_authority(request).await.unwrap();

        let tainted = service.taint_x509_upstream_authority(taint).await.unwrap().into_inner();
        assert_eq!(tainted.upstream_authority_subject_key_id, first);
        assert_eq!(roots().await, [(first.clone(), true), (second.clone(), false)]);
        let old = service.get_x509_authority_state(pb::GetX509AuthorityStateRequest {}).await.unwrap().into_inner();
        let request = pb::TaintX509AuthorityRequest { authority_id: old.old.unwrap().authority_id };
        let text = "local authority can't be tainted if there is an upstream authority";
        let refusal = refused(service.taint_x509_authority(request).await);
        assert_eq!(refusal, (Code::FailedPrecondition, text.to_owned()));

        let revoke = pb::RevokeX509UpstreamAuthorityRequest { subject_key_id: first.clone() };
        service.revoke_x509_upstream_authority(revoke).await.unwrap();
        assert_eq!(roots().await, [(second, false)]);
    };
    serve(bench.server, drive).await;
}
