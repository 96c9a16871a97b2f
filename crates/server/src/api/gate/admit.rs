//! Whether a call is let in: by the table, the caller's certificate, its entries or its node, and its rate.

use std::sync::Arc;

use steeple_audit::{Actor, EventKind, IssuedFor};
use steeple_net::Peer;
use steeple_policy::access::{self, Granted, Object, Refusal as Unbound, Resource};
use steeple_policy::{CallerFacts, Callers, Decision, EntryFacts, Role, decide, decide_by_entries, method};
use steeple_proto::spire::api::types::permission_denied_details::Reason;
use tonic::{Code, Status};
use tracing::{Instrument, Span, error, error_span, warn};

use crate::access::{AccessSettings, Facts, issuers, policy};
use crate::api::access_log::AccessLog;
use crate::api::call::{Bound, Call, Caller, CallerSvid, Right, issued_for, refusal};
use crate::api::limits;
use crate::api::status::{Failure, denied};
use crate::api::table::{Rate, Row};
use crate::core::Core;
use crate::ops::agent::activate;

/// Services that only the private socket has.
const PRIVATE: [&str; 3] = ["debug.v1.Debug", "Logger", "Health"];

/// Batches count their items themselves.
const COUNTED_PER_ITEM: [&str; 2] = ["BatchNewX509SVID", "BatchNewWITSVID"];

/// On what ground a call is let in.
struct Ground {
    role: &'static str,
    via: String,
    right: Right,
    downstream_entry: Option<IssuedFor>,
}

/// Why nobody lets a call in.
enum Refusal {
    /// The caller may not, for this reason if it is an agent that may not any more.
    Denied(Option<Reason>),
    /// No binding lets the caller.
    Unbound(Unbound),
    /// It can't be told.
    Failed(Failure),
}

/// The bearer token of a call's headers, or what is wrong with them; it is looked at only where bindings decide.
type Bearer = Result<Option<String>, String>;

/// Lets a call in, or says why not.
pub(super) async fn admit(core: &Arc<Core>, row: &'static Row, peer: &Peer, bearer: Bearer) -> Result<Call, Status> {
    let caller = Caller::of(peer)?;
    if !caller.is_local() && PRIVATE.contains(&row.service()) {
        return Err(Status::unimplemented(method::unknown_service(row.full_service())));
    }
    if let Some(svid) = caller.svid() {
        Span::current().record("caller_id", tracing::field::display(&svid.id));
    }
    let span = error_span!("role", authorized_as = Role::Nobody.name(), authorized_via = "");
    let ground = match authorize(core, row, &caller, bearer).instrument(span.clone()).await {
        Ok(ground) => ground,
        Err(Refusal::Denied(reason)) => return Err(refuse(&refusal(row, None), reason)),
        Err(Refusal::Unbound(why)) => return Err(refuse(&refusal(row, Some(&why)), None)),
        Err(Refusal::Failed(failure)) => return Err(failure.into()),
    };
    span.record("authorized_as", ground.role);
    span.record("authorized_via", ground.via.as_str());
    let access = core.settings.audit_log_enabled.then(|| Arc::new(AccessLog::new(row, &caller)));
    let Ground { right, downstream_entry, .. } = ground;
    let (denials, at) = (Arc::clone(&core.denials), core.clock.now());
    let call = Call { row, caller, right, downstream_entry, access, denials, at, span };
    if row.rate != Rate::Unlimited && !COUNTED_PER_ITEM.contains(&row.name()) {
        let turn = core.limit(&call, 1).await;
        turn.map_err(|status| Failure::of(status.code(), limits::refusal(row), status.message()))?;
    }
    Ok(call)
}

fn refuse(message: &str, reason: Option<Reason>) -> Status {
    let error = format!("rpc error: code = PermissionDenied desc = {message}");
    error!(error, "Failed to authenticate caller");
    match reason {
        Some(reason) => denied(message, reason),
        None => Status::permission_denied(message),
    }
}

async fn authorize(core: &Arc<Core>, row: &Row, caller: &Caller, bearer: Bearer) -> Result<Ground, Refusal> {
    match &core.settings.access {
        None => by_spires_rules(core, row.callers, caller, Right::Everything).await,
        Some(access) => by_bindings(core, access, row, caller, bearer).await,
    }
}

/// By scoped rights: what callers do for themselves is SPIRE's, all else is a matter of bindings.
async fn by_bindings(
    core: &Arc<Core>,
    access: &AccessSettings,
    row: &Row,
    caller: &Caller,
    bearer: Bearer,
) -> Result<Ground, Refusal> {
    let for_themselves = Callers { admin: false, local: row.asked.resource == Resource::Health, ..row.callers };
    if for_themselves == row.callers {
        return by_spires_rules(core, for_themselves, caller, Right::Itself).await;
    }
    let facts = facts(core, access, caller, bearer).await.map_err(failed)?;
    let policy = policy(core, access).await.map_err(failed)?;
    let now = core.clock.now();
    let granted = policy.granted(&facts.who(), row.asked, now);
    let granted = granted.and_then(|granted| {
        // What may be granted differs from binding to binding, so all of them count there.
        let is_one = row.asked.resource.is_whole() && row.asked.resource != Resource::Binding;
        if is_one { granted.narrowed(&[Object::Whole]) } else { Ok(granted) }
    });
    match granted {
        Ok(granted) => {
            record_emergency(core, row, facts.actor(caller), &granted).await?;
            let (role, via) = granted.told();
            let right = Right::Bound(Arc::new(Bound { granted, facts }));
            Ok(Ground { role, via, right, downstream_entry: None })
        }
        // What agents may read too.
        Err(why) => match by_spires_rules(core, for_themselves, caller, Right::Itself).await {
            Err(Refusal::Denied(None)) => Err(Refusal::Unbound(why)),
            outcome => outcome,
        },
    }
}

/// Who calls. A token that is not believed ends the call: whoever sends one does not want to be taken for somebody else.
async fn facts(core: &Core, access: &AccessSettings, caller: &Caller, bearer: Bearer) -> Result<Facts, Failure> {
    let unbelieved = |error: String| Failure::of(Code::Unauthenticated, "token is not accepted", error);
    if let Some(token) = bearer.map_err(unbelieved)? {
        return issuers::read(&access.issuers, &token, &core.clock).await.map(Facts::of_token).map_err(unbelieved);
    }
    let facts = Facts::of(core, caller).await;
    facts.map_err(|error| Failure::of(Code::Internal, "failed to fetch caller entries", error))
}

/// What is let in by nothing but a binding for emergencies leaves a record of its own, whatever it does then.
async fn record_emergency(core: &Core, row: &Row, actor: Actor, granted: &Granted) -> Result<(), Refusal> {
    let emergencies = granted.bindings().iter().all(|binding| binding.role == access::Role::BreakGlass);
    let Some(binding) = granted.bindings().first().filter(|_| emergencies) else { return Ok(()) };
    warn!(binding = binding.name, reason = binding.reason, method = row.method, "Break-glass binding is used");
    let event =
        EventKind::BreakGlassUsed { name: binding.name.clone(), reason: binding.reason.clone(), method: row.method };
    let actor = actor.authorized_by(&binding.name);
    let recorded = core.audit.record(core.clock.now(), actor, event).await;
    recorded.map_err(|error| failed(Failure::of(Code::Internal, "failed to record the use of break-glass", error)))?;
    Ok(())
}

/// Finds the ground on which the caller may call, the cheapest first.
async fn by_spires_rules(core: &Arc<Core>, callers: Callers, caller: &Caller, right: Right) -> Result<Ground, Refusal> {
    let svid = caller.svid();
    let facts = CallerFacts {
        is_local: caller.is_local(),
        has_id: svid.is_some(),
        is_listed_admin: svid.is_some_and(|svid| core.settings.admin_ids.contains(&svid.id)),
    };
    let mut decision = decide(callers, facts);
    let mut via = match decision {
        Decision::Allow(Role::Local) => "transport",
        Decision::Allow(Role::Admin) => "config",
        _ => "",
    };
    let mut downstream_entry = None;
    if decision == Decision::AskEntries
        && let Some(svid) = svid
    {
        let known = core.entries.read(|index| {
            let downstream = index.entries_of(&svid.id).find(|entry| entry.downstream);
            let admin = index.entries_of(&svid.id).any(|entry| entry.admin);
            (EntryFacts { admin, downstream: downstream.is_some() }, downstream.map(|entry| issued_for(entry)))
        });
        let (facts, downstream) = known
            .await
            .map_err(|error| Refusal::Failed(Failure::of(Code::Internal, "failed to fetch caller entries", error)))?;
        decision = decide_by_entries(callers, facts);
        downstream_entry = downstream;
        via = "entries";
    }
    if decision == Decision::AskNode
        && let Some(svid) = svid
    {
        authorize_agent(core, caller, svid).await?;
        decision = Decision::Allow(Role::Agent);
        via = "datastore";
    }
    match decision {
        Decision::Allow(role) => Ok(Ground { role: role.name(), via: via.to_owned(), right, downstream_entry }),
        _ => Err(Refusal::Denied(None)),
    }
}

fn failed(failure: Failure) -> Refusal {
    Refusal::Failed(failure)
}

/// Whether the caller is an agent that attested, was not banned, and shows its current SVID. The first use of a renewed SVID
/// makes it the current one.
async fn authorize_agent(core: &Arc<Core>, caller: &Caller, svid: &CallerSvid) -> Result<(), Refusal> {
    if svid.certificate.not_after() < core.clock.now() {
        error!("Agent SVID is expired");
        return Err(Refusal::Denied(Some(Reason::AgentExpired)));
    }
    let node = core.entries.read(|index| index.node(&svid.id).cloned()).await;
    let node =
        node.map_err(|error| failed(Failure::of(Code::Internal, "unable to look up agent information", error)))?;
    let Some(node) = node else {
        error!("Agent is not attested");
        return Err(Refusal::Denied(Some(Reason::AgentNotAttested)));
    };
    if node.serial_number.is_empty() {
        error!("Agent is banned");
        return Err(Refusal::Denied(Some(Reason::AgentBanned)));
    }
    let serial = svid.certificate.serial_decimal();
    if node.serial_number == serial {
        return Ok(());
    }
    let svid_serial_num = serial.as_str();
    if node.new_serial_number == serial {
        return activate::activate(core, caller.actor(), &svid.id, &serial).await.map_err(|failure| {
            let (serial_num, new_serial_num) = (&node.serial_number, &node.new_serial_number);
            warn!(svid_serial_num, serial_num, new_serial_num, "Unable to activate the new agent SVID");
            failed(failure)
        });
    }
    error!(svid_serial_num, serial_num = node.serial_number, "Agent SVID is not active");
    Err(Refusal::Denied(Some(Reason::AgentNotActive)))
}
