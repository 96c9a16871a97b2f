//! The gate that every call passes: who calls, may he, is it his turn. What has no row does not pass.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use steeple_net::Peer;
use steeple_policy::{CallerFacts, Decision, EntryFacts, Role, decide, decide_by_entries};
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower_service::Service;
use tracing::{Instrument, error, info_span};
use uuid::Uuid;

use crate::api::call::{Call, Caller, CallerSvid};
use crate::api::status::denied;
use crate::api::table::{Availability, Rate, Row, TABLE};
use crate::core::Core;
use crate::ops::agent::activate;

/// Services that only the private socket has.
const PRIVATE: [&str; 3] = ["debug.v1.Debug", "logger.v1.Logger", "grpc.health.v1.Health"];

/// Batches count their items themselves.
const COUNTED_PER_ITEM: [&str; 2] = ["BatchNewX509SVID", "BatchNewWITSVID"];

/// gRPC routes behind their gate.
#[derive(Clone)]
pub(crate) struct Gate {
    core: Arc<Core>,
    routes: Routes,
    rows: Arc<HashMap<&'static str, &'static Row>>,
}

impl Gate {
    pub(crate) fn new(core: Arc<Core>, routes: Routes) -> Self {
        let rows = TABLE.iter().map(|row| (row.method, row)).collect();
        Self { core, routes, rows: Arc::new(rows) }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let row = self.rows.get(request.uri().path()).copied();
        let (core, mut routes) = (Arc::clone(&self.core), self.routes.clone());
        Box::pin(async move {
            let Some(row) = row else {
                return Ok(Status::unimplemented(format!("unknown method {}", request.uri().path())).into_http());
            };
            let Some(peer) = request.extensions().get::<Peer>().cloned() else {
                return Ok(Status::internal("no peer information available").into_http());
            };
            let request_id = Uuid::new_v4();
            let span = span(row, &peer, request_id);
            let answer = async {
                match admit(&core, row, &peer).await {
                    Ok(call) => {
                        request.extensions_mut().insert(call);
                        routes.call(request).await
                    }
                    Err(status) => Ok(status.into_http()),
                }
            };
            let began = core.clock.monotonic();
            let answer = answer.instrument(span).await;
            core.metrics.rpc(row, code_of(&answer), core.clock.monotonic().saturating_sub(began));
            answer
        })
    }
}

/// The status of an answer, as far as its head tells.
fn code_of(answer: &Result<Response<Body>, Infallible>) -> Code {
    match answer {
        Ok(response) => Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code()),
        Err(never) => match *never {},
    }
}

fn span(row: &Row, peer: &Peer, request_id: Uuid) -> tracing::Span {
    let span = info_span!(
        "call",
        service = row.service(),
        method = row.name(),
        %request_id,
        subsystem_name = "api",
        caller_addr = tracing::field::Empty,
        caller_id = tracing::field::Empty,
        authorized_as = tracing::field::Empty,
        authorized_via = tracing::field::Empty,
    );
    if let Peer::Tls { address, .. } = peer {
        span.record("caller_addr", tracing::field::display(address));
    }
    span
}

async fn admit(core: &Arc<Core>, row: &'static Row, peer: &Peer) -> Result<Call, Status> {
    let caller = Caller::of(peer)?;
    if !caller.is_local() && PRIVATE.contains(&row.service()) {
        return Err(Status::unimplemented(format!("unknown service {}", row.service())));
    }
    if let Some(svid) = caller.svid() {
        tracing::Span::current().record("caller_id", tracing::field::display(&svid.id));
    }
    let mut call = Call { row, caller, role: Role::Nobody, downstream_entry: None };
    authorize(core, &mut call).await?;
    if let Availability::Later(_) = row.availability {
        let method = row.method.trim_start_matches('/');
        return Err(Status::unimplemented(format!("not available yet: {method}")));
    }
    if row.rate != Rate::Unlimited && !COUNTED_PER_ITEM.contains(&row.name()) {
        core.limit(&call, 1).await?;
    }
    Ok(call)
}

async fn authorize(core: &Arc<Core>, call: &mut Call) -> Result<(), Status> {
    let svid = call.caller.svid();
    let facts = CallerFacts {
        is_local: call.caller.is_local(),
        has_id: svid.is_some(),
        is_listed_admin: svid.is_some_and(|svid| core.settings.admin_ids.contains(&svid.id)),
    };
    let mut decision = decide(call.row.callers, facts);
    let mut via = match decision {
        Decision::Allow(Role::Local) => "transport",
        Decision::Allow(Role::Admin) => "config",
        _ => "",
    };
    if decision == Decision::AskEntries
        && let Some(svid) = call.caller.svid()
    {
        let entries = core.entries.read(|index| index.entries_of(&svid.id)).await;
        let entries = entries.map_err(|error| Status::internal(format!("failed to fetch caller entries: {error}")))?;
        let downstream = entries.iter().find(|entry| entry.downstream);
        let facts = EntryFacts { admin: entries.iter().any(|entry| entry.admin), downstream: downstream.is_some() };
        decision = decide_by_entries(call.row.callers, facts);
        call.downstream_entry = downstream.map(|entry| entry.id.clone());
        via = "entries";
    }
    if decision == Decision::AskNode
        && let Some(svid) = call.caller.svid()
    {
        authorize_agent(core, svid).await?;
        decision = Decision::Allow(Role::Agent);
        via = "datastore";
    }
    let Decision::Allow(role) = decision else {
        let message = format!("authorization denied for method {}", call.row.method);
        return Err(Status::permission_denied(message));
    };
    call.role = role;
    let span = tracing::Span::current();
    span.record("authorized_as", role.name());
    span.record("authorized_via", via);
    Ok(())
}

/// Whether the caller is an agent that attested, was not banned, and shows its current SVID. The first use of a renewed SVID
/// makes it the current one.
async fn authorize_agent(core: &Arc<Core>, svid: &CallerSvid) -> Result<(), Status> {
    let refuse = |text: &str, reason| {
        error!("{}", text);
        denied(&text.to_lowercase(), reason)
    };
    if svid.certificate.not_after() < core.clock.now() {
        return Err(refuse("Agent SVID is expired", Reason::AgentExpired));
    }
    let node = core.entries.read(|index| index.node(&svid.id).cloned()).await;
    let node = node.map_err(|error| Status::internal(format!("unable to look up agent information: {error}")))?;
    let Some(node) = node.filter(|_| svid.id.is_agent()) else {
        return Err(refuse("Agent is not attested", Reason::AgentNotAttested));
    };
    let serial = svid.certificate.serial_decimal();
    if node.serial_number.is_empty() {
        return Err(refuse("Agent is banned", Reason::AgentBanned));
    }
    if node.serial_number == serial {
        return Ok(());
    }
    if node.new_serial_number == serial {
        return activate::activate(core, &svid.id, &serial).await.map_err(|failure| {
            error!(error = failure.message, "Unable to activate the new agent SVID");
            Status::from(failure)
        });
    }
    error!(agent_id = %svid.id, serial_num = serial, serial_number = node.serial_number, "Agent SVID is not active");
    Err(denied(
        &format!(
            "agent {:?} expected to have serial number {:?}; has {serial:?}",
            svid.id.as_str(),
            node.serial_number
        ),
        Reason::AgentNotActive,
    ))
}
