//! `Explain` and `WhoCan`: decisions that are told, not acted on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use steeple_policy::access::{
    Action, Asked, Binding, Granted, Lifetimes, Object, Policy, Refusal, Resource, TokenFacts, UnixFacts, Who, Why,
};
use steeple_proto::steeple::server::access::v1 as pb;
use steeple_store::units::EntryMask;
use steeple_types::{Entry, SelectorSet, SpiffeId, TrustDomain};
use tonic::{Code, Status};

use super::convert::{binding_to_pb, draft};
use crate::access::policy;
use crate::api::convert::{check_dns_name, entry_from_pb, workload_id_of};
use crate::api::status::Failure;
use crate::api::table::{Row, TABLE};
use crate::core::{Core, Settings};

pub(super) async fn explain(core: &Arc<Core>, request: &pb::ExplainRequest) -> Result<pb::Decision, Status> {
    let policy = policy(core, super::settings(core)?).await?;
    let mut objects = objects(&core.settings, &request.objects)?;
    with_selectors(core, &mut objects).await?;
    Ok(decision(&policy, core.settings.lifetimes(), core.clock.now(), request, &objects)?)
}

pub(super) async fn who_can(core: &Arc<Core>, request: &pb::WhoCanRequest) -> Result<pb::WhoCanResponse, Status> {
    let policy = policy(core, super::settings(core)?).await?;
    let unknown = |what: &str| Failure::new(Code::InvalidArgument, format!("{what} is unknown"));
    let action = Action::from_name(&request.action).ok_or_else(|| unknown(&format!("action {:?}", request.action)))?;
    let resource = Resource::from_name(&request.resource);
    let resource = resource.ok_or_else(|| unknown(&format!("resource {:?}", request.resource)))?;
    let mut about = objects(&core.settings, &request.objects)?;
    with_selectors(core, &mut about).await?;
    let about = seen(&about, Asked { action, resource }, core.settings.lifetimes());
    let now = core.clock.now();
    let bindings = policy.bindings().iter().filter(|binding| {
        let admits = about.iter().all(|object| binding.scope.admits(object).is_ok());
        binding.role.may(action, resource) && binding.is_open(now) && admits
    });
    Ok(pb::WhoCanResponse { bindings: bindings.map(|binding| binding_to_pb(binding)).collect() })
}

/// Decides by a configuration alone, without a server: what `Explain` would answer.
///
/// # Errors
/// What can't be read of the request.
pub fn explain_by(settings: &Settings, now: Timestamp, request: &pb::ExplainRequest) -> Result<pb::Decision, String> {
    let access = settings.access.as_ref().ok_or("the configuration has no block access with mode \"scoped\"")?;
    let policy = Policy::new(access.bindings.clone());
    let objects = objects(settings, &request.objects).map_err(|failure| failure.message())?;
    decision(&policy, settings.lifetimes(), now, request, &objects).map_err(|failure| failure.message())
}

/// An object of a request.
enum Held {
    Binding(Box<Binding>),
    Entry(Box<Entry>),
    Agent(SpiffeId, Option<SelectorSet>),
    Foreign(TrustDomain),
    Svid { id: SpiffeId, ttl: Duration, dns_names: Vec<String>, is_jwt: bool },
}

impl Held {
    fn object(&self, lifetimes: Lifetimes) -> Object<'_> {
        match self {
            Self::Binding(_) => Object::Whole,
            Self::Entry(entry) => Object::Entry(entry, lifetimes),
            Self::Agent(id, selectors) => Object::Agent(id, selectors.as_ref()),
            Self::Foreign(domain) => Object::Foreign(domain),
            Self::Svid { id, ttl, is_jwt: true, .. } => Object::JwtSvid { id, ttl: *ttl },
            Self::Svid { id, ttl, dns_names, .. } => Object::X509Svid { id, ttl: *ttl, dns_names },
        }
    }
}

fn objects(settings: &Settings, asked: &[pb::Object]) -> Result<Vec<Held>, Failure> {
    asked.iter().map(|object| held(settings, object)).collect()
}

fn held(settings: &Settings, object: &pb::Object) -> Result<Held, Failure> {
    use pb::object::About;
    let id = |text: &str| SpiffeId::parse(text).map_err(|error| Failure::malformed("malformed SPIFFE ID", error));
    match &object.about {
        Some(About::Entry(entry)) => {
            let entry = entry_from_pb(&settings.trust_domain, entry, &EntryMask::ALL, false);
            Ok(Held::Entry(Box::new(entry.map_err(|error| error.failure("malformed entry"))?)))
        }
        Some(About::Agent(agent)) => Ok(Held::Agent(id(agent)?, None)),
        Some(About::TrustDomain(name)) => {
            let domain = TrustDomain::parse(name);
            Ok(Held::Foreign(domain.map_err(|error| Failure::malformed("malformed trust domain", error))?))
        }
        Some(About::Svid(svid)) => {
            let of_svid = workload_id_of(&settings.trust_domain, id(&svid.spiffe_id)?);
            let of_svid = of_svid.map_err(|error| Failure::malformed("malformed SPIFFE ID", error))?;
            for name in &svid.dns_names {
                check_dns_name(name).map_err(|error| Failure::malformed("malformed DNS name", error))?;
            }
            let lifetimes = settings.lifetimes();
            let default = if svid.jwt { lifetimes.jwt_svid } else { lifetimes.x509_svid };
            let ttl = if svid.ttl == 0 { default } else { Duration::from_secs(svid.ttl.into()) };
            Ok(Held::Svid { id: of_svid, ttl, dns_names: svid.dns_names.clone(), is_jwt: svid.jwt })
        }
        Some(About::Binding(binding)) => {
            let binding = draft(binding).read().map_err(|error| Failure::malformed("malformed binding", error))?;
            Ok(Held::Binding(Box::new(binding)))
        }
        None => {
            Err(Failure::new(Code::InvalidArgument, "an object must be an entry, agent, trust domain, SVID or binding"))
        }
    }
}

/// Agents have the selectors that are stored.
async fn with_selectors(core: &Core, objects: &mut [Held]) -> Result<(), Failure> {
    for object in objects {
        if let Held::Agent(id, selectors) = object {
            let asked = id.clone();
            let node = core.store.read("node.fetch", move |tx| tx.node(&asked)).await;
            let node = node.map_err(|error| Failure::of(Code::Internal, "failed to fetch agent", error))?;
            *selectors = node.map(|node| node.selectors);
        }
    }
    Ok(())
}

/// The objects as the gate and the handlers see them.
fn seen(objects: &[Held], asked: Asked, lifetimes: Lifetimes) -> Vec<Object<'_>> {
    if asked.resource.is_whole() {
        return vec![Object::Whole];
    }
    // Entries that a bundle takes with it are looked at apart.
    let others = objects.iter().filter(|held| !is_taken_along(held, asked));
    others.map(|object| object.object(lifetimes)).collect()
}

fn is_taken_along(held: &Held, asked: Asked) -> bool {
    asked.resource == Resource::FederatedBundle && matches!(held, Held::Entry(_))
}

fn decision(
    policy: &Policy,
    lifetimes: Lifetimes,
    now: Timestamp,
    request: &pb::ExplainRequest,
    objects: &[Held],
) -> Result<pb::Decision, Failure> {
    let row = TABLE.iter().find(|row| row.method == request.method);
    let row =
        row.ok_or_else(|| Failure::new(Code::InvalidArgument, format!("method {:?} is unknown", request.method)))?;
    if row.asked.action == Action::Act {
        return Ok(for_itself(row));
    }
    let caller = request.caller.clone().unwrap_or_default();
    let svid = Some(caller.spiffe_id.as_str()).filter(|id| !id.is_empty()).map(SpiffeId::parse).transpose();
    let svid = svid.map_err(|error| Failure::malformed("malformed SPIFFE ID of the caller", error))?;
    let executable = Some(PathBuf::from(&caller.executable)).filter(|path| !path.as_os_str().is_empty());
    let unix = caller.uid.zip(caller.gid.or(caller.uid));
    let token = TokenFacts { issuer: caller.oidc.clone(), user: caller.user.clone(), groups: caller.groups.clone() };
    let who = Who {
        svid: svid.as_ref(),
        has_admin_entry: caller.has_admin_entry,
        unix: unix.map(|(uid, gid)| UnixFacts { uid, gid, executable: executable.as_deref() }),
        token: Some(&token).filter(|token| !token.issuer.is_empty()),
    };
    let about = seen(objects, row.asked, lifetimes);
    let decided = policy.granted(&who, row.asked, now).and_then(|granted| {
        let binding = granted.decide(&about)?;
        beyond(&granted, &who, row, objects).map_or(Ok(binding), |why| why)
    });
    Ok(match decided {
        Ok(binding) => pb::Decision {
            allowed: true,
            binding: binding.name.clone(),
            refused_by: String::new(),
            reason: format!("binding {:?} gives role {} within its scope", binding.name, binding.role),
        },
        Err(refusal) => pb::Decision {
            allowed: false,
            refused_by: refusal.why.part().to_owned(),
            reason: refusal.to_string(),
            binding: refusal.binding.unwrap_or_default(),
        },
    })
}

/// What is decided by more than the scope: what may be granted, and entries that a bundle takes with it.
fn beyond(granted: &Granted, who: &Who<'_>, row: &Row, objects: &[Held]) -> Option<Result<Arc<Binding>, Refusal>> {
    let refused = |why: Why, by: &Binding| Refusal { binding: Some(by.name.clone()), why };
    if row.asked == (Asked { action: Action::Create, resource: Resource::Binding }) {
        let new = objects.iter().find_map(|held| if let Held::Binding(new) = held { Some(new) } else { None })?;
        let mut outcome = None;
        for own in granted.bindings() {
            match own.may_grant(new, who) {
                Ok(()) => return Some(Ok(Arc::clone(own))),
                Err(error) => outcome = outcome.or(Some(Err(refused(Why::Grant(error), own)))),
            }
        }
        return outcome;
    }
    let takes_entries = row.asked == (Asked { action: Action::Delete, resource: Resource::FederatedBundle })
        && objects.iter().any(|held| matches!(held, Held::Entry(_)));
    if takes_entries && !granted.may_also(Action::Delete, Resource::Entry) {
        let own = granted.bindings().iter().find(|own| !own.role.may(Action::Delete, Resource::Entry))?;
        let asked = Asked { action: Action::Delete, resource: Resource::Entry };
        return Some(Err(refused(Why::Role(own.role, asked.to_string()), own)));
    }
    None
}

/// What no binding is asked about.
fn for_itself(row: &Row) -> pb::Decision {
    let callers = row.callers;
    let whose = [(callers.any, "anybody"), (callers.agent, "agents"), (callers.downstream, "downstream servers")];
    let whose: Vec<&str> = whose.into_iter().filter(|(is_open, _)| *is_open).map(|(_, name)| name).collect();
    let whose = if whose.is_empty() { "processes on the private socket".to_owned() } else { whose.join(", ") };
    pb::Decision {
        allowed: callers.any,
        binding: String::new(),
        refused_by: if callers.any { String::new() } else { "role".to_owned() },
        reason: format!("{} is for {whose}, for themselves; no binding gives it", row.method),
    }
}
