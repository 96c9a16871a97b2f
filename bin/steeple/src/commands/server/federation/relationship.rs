//! Relationships from flags or from a file.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use steeple_client::os_text;
use steeple_crypto::json::Object;
use steeple_proto::spire::api::types::federation_relationship::BundleEndpointProfile;
use steeple_proto::spire::api::types::{Bundle, FederationRelationship, HttpsWebProfile, HttpsspiffeProfile};
use steeple_types::SpiffeId;

use crate::commands::env::Env;
use crate::commands::failure::{Explain, Failure, on_file};
use crate::commands::files;
use crate::commands::goflag::FlagSet;
use crate::commands::quote::quote;
use crate::commands::server::bundle::document::{BundleFormat, parse};

/// Where the name of a bundle's text stands in a file, in lower case; what is below it keeps its case.
const BUNDLE_KEY: &str = "trustdomainbundle";

/// The flags of `federation create` and `federation update`.
pub(super) struct RelationshipFlags {
    data: String,
    fields: Fields,
    bundle_path: String,
}

/// Fields of a relationship. Keys of a file arrive in lower case.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fields {
    trustdomain: String,
    bundleendpointurl: String,
    bundleendpointprofile: String,
    endpointspiffeid: String,
    trustdomainbundle: Option<Value>,
    trustdomainbundleformat: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    federationrelationships: Vec<Object<Fields>>,
}

impl Default for RelationshipFlags {
    fn default() -> Self {
        let fields = Fields { trustdomainbundleformat: BundleFormat::DEFAULT.to_owned(), ..Fields::default() };
        Self { data: String::new(), fields, bundle_path: String::new() }
    }
}

impl RelationshipFlags {
    pub(super) fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        let fields = &mut self.fields;
        let usage = "File with relationships in JSON, instead of the other flags; - is standard input.";
        flags.text(&mut self.data, &["data"], usage);
        flags.text(&mut fields.trustdomain, &["trustDomain"], "Name of the foreign trust domain.");
        flags.text(&mut fields.bundleendpointurl, &["bundleEndpointURL"], "Where its bundle is fetched, by HTTPS.");
        let usage = "How the endpoint is authenticated: https_web or https_spiffe.";
        flags.text(&mut fields.bundleendpointprofile, &["bundleEndpointProfile"], usage);
        let usage = "SPIFFE ID of the endpoint, for https_spiffe.";
        flags.text(&mut fields.endpointspiffeid, &["endpointSpiffeID"], usage);
        flags.text(&mut self.bundle_path, &["trustDomainBundlePath"], "File with its first bundle.");
        let usage = "Form of the bundle: pem or spiffe.";
        flags.text(&mut fields.trustdomainbundleformat, &["trustDomainBundleFormat"], usage);
    }

    /// The relationships.
    pub(super) fn read(&self, env: &mut Env) -> Result<Vec<FederationRelationship>, Failure> {
        if self.data.is_empty() {
            return Ok(vec![relationship(&self.fields, &self.bundle_path)?]);
        }
        if !self.only_data() {
            return Err("cannot use other flags to specify relationship fields when 'data' flag is set".into());
        }
        let content = files::read(&self.data, "-", env)?;
        let file = files::object::<File>(&content, BUNDLE_KEY, "federation.federationRelationships");
        let file = file.explain("failed to parse JSON")?;
        let numbered = file.federationrelationships.iter().enumerate();
        let read = |(position, Object(fields)): (usize, &Object<Fields>)| {
            relationship(fields, "").explain(format_args!("could not parse item {position}"))
        };
        numbered.map(read).collect()
    }

    fn only_data(&self) -> bool {
        let fields = &self.fields;
        let texts = [
            &fields.trustdomain,
            &fields.bundleendpointurl,
            &fields.bundleendpointprofile,
            &fields.endpointspiffeid,
            &self.bundle_path,
        ];
        texts.into_iter().all(String::is_empty) && fields.trustdomainbundleformat == BundleFormat::DEFAULT
    }
}

fn relationship(fields: &Fields, bundle_path: &str) -> Result<FederationRelationship, Failure> {
    if fields.trustdomain.is_empty() {
        return Err("trust domain is required".into());
    }
    if fields.bundleendpointurl.is_empty() {
        return Err("bundle endpoint URL is required".into());
    }
    let (profile, bundle_trust_domain) = profile(fields)?;
    let format = &fields.trustdomainbundleformat;
    let bundle = if !bundle_path.is_empty() {
        Some(bundle_of_file(Path::new(bundle_path), format, &bundle_trust_domain)?)
    } else if let Some(value) = &fields.trustdomainbundle {
        let bundle = bundle_of_value(value, format, &bundle_trust_domain);
        Some(bundle.explain("cannot parse bundle raw message")?)
    } else {
        None
    };
    Ok(FederationRelationship {
        trust_domain: fields.trustdomain.clone(),
        bundle_endpoint_url: fields.bundleendpointurl.clone(),
        bundle_endpoint_profile: Some(profile),
        trust_domain_bundle: bundle,
    })
}

/// The profile, and the trust domain that SPIRE reads the bundle for.
fn profile(fields: &Fields) -> Result<(BundleEndpointProfile, String), Failure> {
    match fields.bundleendpointprofile.as_str() {
        "https_web" => Ok((BundleEndpointProfile::HttpsWeb(HttpsWebProfile {}), fields.trustdomain.clone())),
        "https_spiffe" if fields.endpointspiffeid.is_empty() => {
            Err("endpoint SPIFFE ID is required if 'https_spiffe' endpoint profile is set".into())
        }
        "https_spiffe" => {
            let endpoint_spiffe_id = fields.endpointspiffeid.clone();
            let id = SpiffeId::parse(&endpoint_spiffe_id).explain("cannot parse bundle endpoint SPIFFE ID")?;
            let profile = HttpsspiffeProfile { endpoint_spiffe_id };
            Ok((BundleEndpointProfile::HttpsSpiffe(profile), id.trust_domain_name().to_owned()))
        }
        other => Err(format!("unknown bundle endpoint profile type: {}", quote(other)).into()),
    }
}

fn bundle_of_file(path: &Path, format: &str, trust_domain: &str) -> Result<Bundle, Failure> {
    let content = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::IsADirectory => Failure(format!("read {}: {}", path.display(), os_text(&error))),
        _ => on_file("open", path, &error),
    });
    let content = content.explain("cannot read bundle file")?;
    let format = if format == BundleFormat::DEFAULT { BundleFormat::Pem } else { BundleFormat::Spiffe };
    parse(&content, format, trust_domain).explain("cannot parse bundle file")
}

fn bundle_of_value(value: &Value, format: &str, trust_domain: &str) -> Result<Bundle, Failure> {
    match (format, value) {
        ("pem", Value::String(text)) => parse(text.as_bytes(), BundleFormat::Pem, trust_domain),
        ("pem", _) => Err("failed to unmarshal json: a PEM bundle must be a string".into()),
        ("spiffe", value) => parse(value.to_string().as_bytes(), BundleFormat::Spiffe, trust_domain),
        (other, _) => Err(format!("bundle format {} is unsupported", quote(other)).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::commands::testing::env;

    fn read(arguments: &[&str], input: &str) -> Result<Vec<FederationRelationship>, Failure> {
        let mut env = env().0;
        env.stdin = Box::new(Cursor::new(input.as_bytes().to_vec()));
        let mut relationship = RelationshipFlags::default();
        let mut flags = FlagSet::new();
        relationship.flags(&mut flags);
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        flags.parse(&arguments).unwrap();
        relationship.read(&mut env)
    }

    #[test]
    fn relationships_are_read_from_flags_and_files() {
        let flags = ["-trustDomain", "fed", "-bundleEndpointURL", "https://a", "-bundleEndpointProfile", "https_web"];
        let from_flags = read(&flags, "").unwrap();
        let document = include_str!("../../../../../../tests/golden/bundle.json");
        let file = format!(
            r#"{{"federationRelationships":[{{"trustDomain":"fed","bundleEndpointURL":"https://a",
            "BundleEndpointProfile":"https_web","trustDomainBundle":{document},"trustDomainBundleFormat":"spiffe"}}]}}"#
        );
        let mut from_file = read(&["-data", "-"], &file).unwrap();
        let bundle = from_file[0].trust_domain_bundle.take().unwrap();
        assert_eq!(from_file, from_flags);
        assert_eq!((bundle.trust_domain.as_str(), bundle.jwt_authorities.len()), ("fed", 1));
    }

    #[test]
    fn faults_are_named() {
        let failure = |arguments: &[&str], input: &str| read(arguments, input).err().map(|failure| failure.0).unwrap();
        assert_eq!(failure(&[], ""), "trust domain is required");
        assert_eq!(
            failure(&["-trustDomain", "a", "-bundleEndpointURL", "b", "-bundleEndpointProfile", "nope"], ""),
            "unknown bundle endpoint profile type: \"nope\""
        );
        assert_eq!(
            failure(&["-data", "-", "-trustDomain", "x"], ""),
            "cannot use other flags to specify relationship fields when 'data' flag is set"
        );
        assert_eq!(
            failure(&["-data", "-"], r#"{"federationRelationships":[{"trustDomain":"x"}]}"#),
            "could not parse item 0: bundle endpoint URL is required"
        );
        for file in ["[]", "[[]]"] {
            assert_eq!(
                failure(&["-data", "-"], file),
                "failed to parse JSON: json: cannot unmarshal array into Go value of type \
                 federation.federationRelationships"
            );
        }
        let item = failure(&["-data", "-"], r#"{"federationRelationships":[["fed","https://a","https_web"]]}"#);
        assert!(item.contains("expected a JSON object"), "{item}");
    }
}
