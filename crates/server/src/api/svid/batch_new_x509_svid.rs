//! `BatchNewX509SVID`: the hot path of a server.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_audit::{EventKind, Intent};
use steeple_ca::{SvidProfile, X509Request};
use steeple_crypto::x509::Csr;
use steeple_proto::spire::api::server::svid::v1 as pb;
use steeple_proto::spire::api::types;
use steeple_types::{Entry, EntryId};
use tonic::{Code, Status};
use tracing::debug;

use super::x509_to_pb;
use crate::api::access_log::Fields;
use crate::api::access_log::fields::{digest, fields};
use crate::api::call::{Call, issued_for};
use crate::api::convert::id_from_pb;
use crate::api::limits::refusal;
use crate::api::status::{Failure, ok};
use crate::core::Core;
use crate::native::Svid;
use crate::ops::svid::issue_x509::{self, Prepared};

const WHAT: &str = "failed to sign X509-SVID";

pub(super) async fn handle(
    core: &Arc<Core>,
    call: &Call,
    request: pb::BatchNewX509svidRequest,
) -> Result<pb::BatchNewX509svidResponse, Status> {
    if request.params.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing parameters").into());
    }
    let turn = core.limit(call, request.params.len()).await;
    turn.map_err(|status| Failure::of(status.code(), refusal(call.row), status.message()))?;
    let agent = call.caller_id()?;
    let entries = core.entries.read(|index| {
        let find = |params: &pb::NewX509svidParams| {
            let id = EntryId::parse(&params.entry_id).ok()?;
            index.authorized_entry(agent, &id)
        };
        request.params.iter().map(find).collect::<Vec<_>>()
    });
    let entries =
        entries.await.map_err(|error| Failure::of(Code::Internal, "failed to fetch registration entries", error))?;
    let now = core.clock.now();
    let mut events = Vec::with_capacity(request.params.len());
    let mut prepare_one = |params, entry: Option<Arc<Entry>>| {
        let (prepared, event) = prepare(core, now, params, entry.as_deref())?;
        events.push(event);
        Ok((prepared, entry))
    };
    let prepared: Vec<_> =
        request.params.iter().zip(entries).map(|(params, entry)| prepare_one(params, entry)).collect();
    // All become durable at once, before any is signed.
    let intents = core.audit.record_all(now, &call.own_actor()?, events).await;
    let mut intents = intents.map(Vec::into_iter).map_err(|error| Failure::of(Code::Internal, WHAT, error));
    let mut results = Vec::with_capacity(request.params.len());
    for (params, prepared) in request.params.iter().zip(prepared) {
        let signed = match (prepared, &mut intents) {
            (Ok((prepared, entry)), Ok(intents)) => sign(core, prepared, intents.next(), entry.as_deref()).await,
            (Ok(_), Err(failure)) => Err(failure.clone()),
            (Err(failure), _) => Err(failure),
        };
        core.measures.item(Svid::X509, signed.as_ref().err().map_or(Code::Ok, Failure::code));
        let result = match signed {
            Ok(svid) => pb::batch_new_x509svid_response::Result { status: Some(ok()), svid: Some(svid) },
            Err(failure) => pb::batch_new_x509svid_response::Result { status: Some(failure.item()), svid: None },
        };
        call.item(result.status.as_ref(), || item_fields(params, result.svid.as_ref()));
        results.push(result);
    }
    Ok(pb::BatchNewX509svidResponse { results })
}

fn item_fields(params: &pb::NewX509svidParams, svid: Option<&types::X509svid>) -> Fields {
    let id = svid.and_then(|svid| id_from_pb(svid.id.as_ref()).ok()).map(|id| id.to_string()).unwrap_or_default();
    let mut told = fields([
        ("csr", digest(&params.csr).into()),
        ("entry_id", params.entry_id.as_str().into()),
        ("spiffe_id", id.into()),
    ]);
    if let Some(svid) = svid {
        told.insert("expires_at".to_owned(), svid.expires_at.into());
    }
    told
}

fn prepare(
    core: &Arc<Core>,
    now: Timestamp,
    params: &pb::NewX509svidParams,
    entry: Option<&Entry>,
) -> Result<(Prepared, EventKind), Failure> {
    if params.entry_id.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing entry ID"));
    }
    if params.csr.is_empty() {
        return Err(Failure::new(Code::InvalidArgument, "missing CSR"));
    }
    let entry = entry.ok_or_else(|| Failure::new(Code::NotFound, "entry not found or not authorized"))?;
    let csr = Csr::from_der(&params.csr).map_err(|error| Failure::malformed("malformed CSR", error))?;
    csr.verify_signature().map_err(|error| Failure::malformed("invalid CSR signature", error))?;
    let ttl = match entry.x509_svid_ttl {
        0 => core.settings.default_x509_svid_ttl,
        seconds => Duration::from_secs(seconds.into()),
    };
    // Only the key of the request is used; the names are the entry's.
    let request = X509Request {
        id: entry.spiffe_id.clone(),
        public_key: csr.public_key(),
        dns_names: &entry.dns_names,
        ttl,
        subject: None,
        profile: SvidProfile::Svid,
    };
    issue_x509::prepare(core, now, request, Some(issued_for(entry)), WHAT)
}

async fn sign(
    core: &Arc<Core>,
    prepared: Prepared,
    intent: Option<Intent>,
    entry: Option<&Entry>,
) -> Result<types::X509svid, Failure> {
    let recorded = intent.zip(entry).ok_or_else(|| Failure::new(Code::Internal, WHAT));
    let (intent, entry) = recorded?;
    let svid = prepared.sign(core, &intent, WHAT).await?;
    debug!(
        entry_id = %entry.id,
        expiration = %svid.expires_at,
        revision_number = entry.revision_number,
        serial_num = svid.serial_number,
        spiffe_id = %svid.id,
        "Signed X509 SVID"
    );
    Ok(x509_to_pb(svid))
}
