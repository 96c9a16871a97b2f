//! `ValidateJWTSVID`: whether a token holds, by the bundles that the caller may verify by.

use std::sync::Arc;

use prost_types::value::Kind;
use serde_json::Value;
use steeple_crypto::jws::{Token, TokenError};
use steeple_crypto::keys::PublicKey;
use steeple_proto::workload as pb;
use steeple_types::Selector;
use tonic::Status;

use crate::core::Core;

/// Claims of foreign tokens that are handed on in any case.
const STANDARD: [&str; 3] = ["sub", "exp", "aud"];

pub(super) fn handle(
    core: &Arc<Core>,
    selectors: &[Selector],
    request: &pb::ValidateJwtsvidRequest,
) -> Result<pb::ValidateJwtsvidResponse, Status> {
    if request.audience.is_empty() {
        return Err(Status::invalid_argument("audience must be specified"));
    }
    if request.svid.is_empty() {
        return Err(Status::invalid_argument("svid must be specified"));
    }
    let refused = |error: TokenError| Status::invalid_argument(error.to_string());
    let token = Token::parse(&request.svid).map_err(refused)?;
    let snapshot = core.cache.snapshot();
    let trust_domain = token.subject().trust_domain();
    let federated = snapshot.federated(&snapshot.matching(selectors));
    let own = snapshot.own_bundle().filter(|_| trust_domain == snapshot.trust_domain);
    let bundle = own.or_else(|| federated.get(&trust_domain));
    let bundle = bundle.ok_or_else(|| refused(TokenError::UnknownTrustDomain(trust_domain.name().to_owned())))?;
    let unknown = || {
        let (key_id, trust_domain) = (token.key_id().to_owned(), trust_domain.name().to_owned());
        refused(TokenError::UnknownKey { key_id, trust_domain })
    };
    let authority = bundle.jwt_authority(token.key_id()).ok_or_else(unknown)?;
    let key = PublicKey::from_spki(&authority.public_key).map_err(|_| unknown())?;
    let (id, mut claims) = token.verify(&key, &request.audience, core.clock.now()).map_err(refused)?;
    if !id.member_of(&snapshot.trust_domain) {
        let allowed = &core.settings.allowed_foreign_jwt_claims;
        claims.retain(|name, _| STANDARD.contains(&name.as_str()) || allowed.contains(name));
    }
    if let Some(Value::String(one)) = claims.get("aud").cloned() {
        claims.insert("aud".to_owned(), Value::Array(vec![Value::String(one)]));
    }
    let fields = claims.into_iter().map(|(name, value)| (name, to_struct(value))).collect();
    Ok(pb::ValidateJwtsvidResponse { spiffe_id: id.to_string(), claims: Some(prost_types::Struct { fields }) })
}

fn to_struct(value: Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => {
            Kind::ListValue(prost_types::ListValue { values: values.into_iter().map(to_struct).collect() })
        }
        Value::Object(members) => {
            let fields = members.into_iter().map(|(name, value)| (name, to_struct(value))).collect();
            Kind::StructValue(prost_types::Struct { fields })
        }
    };
    prost_types::Value { kind: Some(kind) }
}
