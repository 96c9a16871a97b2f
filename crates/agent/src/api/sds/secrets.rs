//! Which secrets a workload has, under which names.

use std::collections::BTreeMap;

use prost::Message;
use steeple_crypto::{digest, pem};
use steeple_proto::envoy::config::core::v3 as core;
use steeple_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use steeple_types::{Bundle, TrustDomain};
use tonic::Status;

use super::SECRET;
use crate::settings::SdsNames;
use crate::svid::{Identity, Snapshot};

/// A secret, encoded, with the hash of its content as its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) any: prost_types::Any,
    pub(super) version: String,
}

/// Secrets by name.
pub(super) type Secrets = BTreeMap<String, Encoded>;

/// The names in force for one Envoy: the agent's, unless the Envoy's metadata say otherwise.
#[derive(Clone, Debug)]
pub(super) struct Names {
    svid: String,
    bundle: String,
    all_bundles: String,
    spiffe_validator: bool,
}

impl Names {
    pub(super) fn of(names: &SdsNames, node: Option<&core::Node>) -> Self {
        use prost_types::value::Kind;
        let metadata = |key: &str| node?.metadata.as_ref()?.fields.get(key)?.kind.clone();
        let text = |key: &str, default: &String| match metadata(key) {
            Some(Kind::StringValue(text)) => text,
            _ => default.clone(),
        };
        let disabled = match metadata("disable_spiffe_cert_validation") {
            Some(Kind::StringValue(text)) => text == "true",
            Some(Kind::BoolValue(value)) => value,
            _ => names.disable_spiffe_cert_validation,
        };
        Self {
            svid: text("default_svid_name", &names.default_svid_name),
            bundle: text("default_bundle_name", &names.default_bundle_name),
            all_bundles: text("default_all_bundles_name", &names.default_all_bundles_name),
            spiffe_validator: !disabled && supports_spiffe_validator(node),
        }
    }
}

/// Envoy has its SPIFFE validator since 1.18; what does not tell its version is taken to be newer.
fn supports_spiffe_validator(node: Option<&core::Node>) -> bool {
    use core::node::UserAgentVersionType as Version;
    let Some(Version::UserAgentBuildVersion(build)) = node.and_then(|node| node.user_agent_version_type.as_ref())
    else {
        return true;
    };
    let Some(version) = &build.version else { return true };
    (version.major_number, version.minor_number) > (1, 17)
}

/// The secrets of a workload: those asked for, or all without names. Names that stand for nothing are left out, so that one
/// of them does not spoil the others.
pub(super) fn secrets(
    snapshot: &Snapshot,
    mine: &[Identity],
    names: &Names,
    asked: &[String],
) -> Result<Secrets, Status> {
    let all = asked.is_empty();
    let wants = |name: &str| all || asked.iter().any(|asked| asked == name);
    let mut found = Secrets::new();
    for (index, identity) in mine.iter().enumerate() {
        let id = identity.entry.spiffe_id.as_str();
        if wants(id) && !found.contains_key(id) {
            found.extend(certificate(id, identity).map(|secret| (id.to_owned(), secret)));
        }
        if index == 0 && !all && wants(&names.svid) {
            found.extend(certificate(&names.svid, identity).map(|secret| (names.svid.clone(), secret)));
        }
    }
    let mut bundles = snapshot.federated(mine);
    bundles.extend(snapshot.own_bundle().map(|bundle| (snapshot.trust_domain.clone(), bundle.clone())));
    let every: Vec<(&TrustDomain, &Bundle)> = bundles.iter().map(|(td, bundle)| (td, &**bundle)).collect();
    for (trust_domain, bundle) in &every {
        let name = trust_domain.id_string();
        if wants(&name) {
            found.insert(name.clone(), validation(&name, &[(trust_domain, bundle)], names.spiffe_validator));
        }
        if !all && **trust_domain == snapshot.trust_domain && wants(&names.bundle) {
            let secret = validation(&names.bundle, &[(trust_domain, bundle)], names.spiffe_validator);
            found.insert(names.bundle.clone(), secret);
        }
    }
    if !all && wants(&names.all_bundles) {
        if !names.spiffe_validator {
            let message = format!(
                "unable to use \"SPIFFE validator\" for {}: it is disabled or not supported",
                names.all_bundles
            );
            return Err(Status::internal(message));
        }
        found.insert(names.all_bundles.clone(), validation(&names.all_bundles, &every, true));
    }
    Ok(found)
}

fn certificate(name: &str, identity: &Identity) -> Option<Encoded> {
    let svid = identity.svid.as_ref()?;
    let chain: String = svid.chain.iter().map(|der| pem::encode("CERTIFICATE", der)).collect();
    let certificate = tls::TlsCertificate {
        certificate_chain: Some(inline(chain)),
        private_key: Some(inline(pem::encode("PRIVATE KEY", &svid.key))),
    };
    Some(encode(name, tls::secret::Type::TlsCertificate(certificate)))
}

fn validation(name: &str, bundles: &[(&TrustDomain, &Bundle)], spiffe_validator: bool) -> Encoded {
    let context = if spiffe_validator {
        let domain =
            |(trust_domain, bundle): &(&TrustDomain, &Bundle)| tls::spiffe_cert_validator_config::TrustDomain {
                name: trust_domain.name().to_owned(),
                trust_bundle: Some(inline(authorities(bundle))),
            };
        let config = tls::SpiffeCertValidatorConfig { trust_domains: bundles.iter().map(domain).collect() };
        let typed = prost_types::Any {
            type_url: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"
                .to_owned(),
            value: config.encode_to_vec(),
        };
        tls::CertificateValidationContext {
            trusted_ca: None,
            custom_validator_config: Some(core::TypedExtensionConfig {
                name: "envoy.tls.cert_validator.spiffe".to_owned(),
                typed_config: Some(typed),
            }),
        }
    } else {
        let all = bundles.iter().map(|(_, bundle)| authorities(bundle)).collect();
        tls::CertificateValidationContext { trusted_ca: Some(inline(all)), custom_validator_config: None }
    };
    encode(name, tls::secret::Type::ValidationContext(context))
}

fn authorities(bundle: &Bundle) -> String {
    bundle.x509_authorities.iter().map(|authority| pem::encode("CERTIFICATE", &authority.certificate)).collect()
}

fn inline(text: String) -> core::DataSource {
    core::DataSource { specifier: Some(core::data_source::Specifier::InlineBytes(text.into_bytes())) }
}

fn encode(name: &str, kind: tls::secret::Type) -> Encoded {
    let value = tls::Secret { name: name.to_owned(), r#type: Some(kind) }.encode_to_vec();
    let hash = digest::sha256(&value);
    let version = hex::encode(hash.get(..8).unwrap_or(&hash));
    Encoded { any: prost_types::Any { type_url: SECRET.to_owned(), value }, version }
}
