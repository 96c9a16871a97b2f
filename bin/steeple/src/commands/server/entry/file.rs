//! Files of entries, in the fields of SPIRE's stored entries.

use serde::Deserialize;
use steeple_crypto::json::Object;
use steeple_proto::spire::api::types::entry::AdditionalAttributes;
use steeple_proto::spire::api::types::{Entry, Selector};
use steeple_types::TrustDomain;

use crate::commands::env::Env;
use crate::commands::failure::{Explain, Failure};
use crate::commands::files;
use crate::commands::server::parse::id;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    entries: Option<Vec<Object<FileEntry>>>,
}

/// Keys arrive in lower case.
#[derive(Deserialize, Default)]
#[serde(default)]
struct FileEntry {
    selectors: Vec<Object<FileSelector>>,
    parent_id: String,
    spiffe_id: String,
    x509_svid_ttl: i32,
    jwt_svid_ttl: i32,
    federates_with: Vec<String>,
    entry_id: String,
    admin: bool,
    downstream: bool,
    entryexpiry: i64,
    dns_names: Vec<String>,
    revision_number: i64,
    store_svid: bool,
    hint: String,
    created_at: i64,
    additional_attributes: Option<Object<FileAttributes>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FileSelector {
    r#type: String,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct FileAttributes {
    disable_x509_svid_prefetch: bool,
    jwt_svid_include_jti: bool,
}

/// Reads the entries of a file; `-` is standard input.
pub(super) fn read(path: &str, env: &mut Env) -> Result<Vec<Entry>, Failure> {
    let content = files::read(path, "-", env)?;
    let file: File = files::object(&content, "", "common.RegistrationEntries")?;
    file.entries.unwrap_or_default().into_iter().map(|Object(file)| entry(file)).collect()
}

fn entry(file: FileEntry) -> Result<Entry, Failure> {
    let spiffe_id = id(&file.spiffe_id).explain("invalid SPIFFE ID")?;
    let parent_id = id(&file.parent_id).explain("invalid parent ID")?;
    let federates_with = file.federates_with.iter().map(|text| {
        let trust_domain = TrustDomain::parse(text).explain("invalid federated trust domain")?;
        Ok(trust_domain.name().to_owned())
    });
    let selectors = file.selectors.into_iter();
    Ok(Entry {
        id: file.entry_id,
        spiffe_id: Some(spiffe_id),
        parent_id: Some(parent_id),
        selectors: selectors
            .map(|Object(selector)| Selector { r#type: selector.r#type, value: selector.value })
            .collect(),
        x509_svid_ttl: file.x509_svid_ttl,
        federates_with: federates_with.collect::<Result<_, Failure>>()?,
        admin: file.admin,
        downstream: file.downstream,
        expires_at: file.entryexpiry,
        dns_names: file.dns_names,
        revision_number: file.revision_number,
        store_svid: file.store_svid,
        jwt_svid_ttl: file.jwt_svid_ttl,
        hint: file.hint,
        created_at: file.created_at,
        additional_attributes: file.additional_attributes.map(|Object(attributes)| AdditionalAttributes {
            disable_x509_svid_prefetch: attributes.disable_x509_svid_prefetch,
            jwt_svid_include_jti: attributes.jwt_svid_include_jti,
        }),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::commands::testing::env;

    fn read_text(text: &str) -> Result<Vec<Entry>, Failure> {
        let mut env = env().0;
        env.stdin = Box::new(Cursor::new(text.as_bytes().to_vec()));
        read("-", &mut env)
    }

    #[test]
    fn every_field_is_read_in_any_case() {
        let entries = read_text(
            r#"{"entries":[{"selectors":[{"type":"unix","Value":"uid:1"}],"parent_id":"spiffe://td/host","spiffe_id":
            "spiffe://td/w","x509_svid_ttl":60,"jwt_svid_ttl":30,"federates_with":["spiffe://other"],"entry_id":"e",
            "admin":true,"downstream":true,"entryExpiry":7,"dns_names":["a"],"store_svid":true,"hint":"h","future":{},
            "additional_attributes":{"jwt_svid_include_jti":true}}]}"#,
        )
        .unwrap();
        let entry = &entries[0];
        assert_eq!((entry.id.as_str(), entry.expires_at, entry.x509_svid_ttl, entry.jwt_svid_ttl), ("e", 7, 60, 30));
        assert_eq!((entry.federates_with[0].as_str(), entry.selectors[0].value.as_str()), ("other", "uid:1"));
        assert!(entry.admin && entry.downstream && entry.store_svid);
        assert!(entry.additional_attributes.unwrap().jwt_svid_include_jti);
    }

    #[test]
    fn faults_are_named() {
        let text = r#"{"entries":[{"spiffe_id":"x","parent_id":"spiffe://td/host"}]}"#;
        assert_eq!(read_text(text), Err("invalid SPIFFE ID: scheme is missing or invalid".into()));
        assert_eq!(read_text(""), Err("unexpected end of JSON input".into()));
        assert_eq!(read_text("{}"), Ok(vec![]));
    }

    #[test]
    fn arrays_are_no_objects() {
        let entry = r#"{"spiffe_id":"spiffe://td/w","parent_id":"spiffe://td/host"}"#;
        let array = "json: cannot unmarshal array into Go value of type common.RegistrationEntries";
        for text in ["[]", &format!("[[{entry}]]"), &format!("[{{\"entries\":[{entry}]}}]")] {
            assert_eq!(read_text(text), Err(array.into()), "{text}");
        }
        let string = "json: cannot unmarshal string into Go value of type common.RegistrationEntries";
        assert_eq!(read_text("\"x\""), Err(string.into()));
        let with = |member: &str| format!(r#"{{"entries":[{},{member}}}]}}"#, entry.trim_end_matches('}'));
        for text in [
            r#"{"entries":[[[],"spiffe://td/host","spiffe://td/w"]]}"#,
            &with(r#""selectors":[["unix","uid:1"]]"#),
            &with(r#""additional_attributes":[true]"#),
        ] {
            assert!(read_text(text).unwrap_err().0.contains("expected a JSON object"), "{text}");
        }
    }
}
