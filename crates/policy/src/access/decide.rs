//! Decisions.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::action::{Action, Resource};
use super::binding::Binding;
use super::grant::GrantError;
use super::object::Object;
use super::role::Role;
use super::scope::Outside;
use super::separation::{conflict, conflicting};
use super::subject::Who;

/// What a caller wants to do to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What.
    pub action: Action,
    /// To what.
    pub resource: Resource,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.resource)
    }
}

/// All bindings that count.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    bindings: Vec<Arc<Binding>>,
}

/// The bindings by which a caller may do something somewhere: one at least.
#[derive(Clone, Debug)]
pub struct Granted {
    asked: Asked,
    bindings: Vec<Arc<Binding>>,
}

/// A refusal, with the binding that came nearest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the nearest binding, if one is for the caller.
    pub binding: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why nothing allows what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// No binding names the caller.
    #[error("no binding is for {0}")]
    Subject(String),
    /// The role may not do it anywhere.
    #[error("role {0} may not {1}")]
    Role(Role, String),
    /// Its window has not begun.
    #[error("it does not count before {0}")]
    NotYet(Timestamp),
    /// Its window is over.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// The caller has roles that nobody may have together.
    #[error("roles {0} and {1} may not be held by one subject")]
    Separation(Role, Role),
    /// The object lies outside the scope.
    #[error(transparent)]
    Outside(Outside),
    /// What is to be granted is wider than what may be.
    #[error(transparent)]
    Grant(GrantError),
}

impl Why {
    /// How near the binding came, and the word for what refused.
    fn rank(&self) -> (u8, u8) {
        match self {
            Self::Subject(_) => (0, 0),
            Self::Role(..) => (1, 0),
            Self::Separation(..) => (2, 0),
            Self::NotYet(_) | Self::Expired(_) => (3, 0),
            Self::Outside(outside) => (4, outside.dimension as u8),
            Self::Grant(_) => (5, 0),
        }
    }

    /// The word for what refused: a dimension of the scope, or another part of the binding.
    pub fn part(&self) -> &'static str {
        match self {
            Self::Subject(_) => "subject",
            Self::Role(..) => "role",
            Self::Separation(..) => "separation",
            Self::NotYet(_) | Self::Expired(_) => "window",
            Self::Outside(outside) => outside.dimension.name(),
            Self::Grant(_) => "grants",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.binding {
            Some(binding) => write!(f, "binding {binding:?}: {}", self.why),
            None => write!(f, "{}", self.why),
        }
    }
}

impl Policy {
    /// The policy of these bindings.
    pub fn new(bindings: Vec<Arc<Binding>>) -> Self {
        Self { bindings }
    }

    /// The bindings.
    pub fn bindings(&self) -> &[Arc<Binding>] {
        &self.bindings
    }

    /// Two names that are the same, or two bindings that give one subject roles that nobody may have together.
    ///
    /// # Errors
    /// What is wrong, with the names.
    pub fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for binding in &self.bindings {
            if !names.insert(binding.name.as_str()) {
                return Err(format!("two bindings have the name {:?}", binding.name));
            }
        }
        let all: Vec<&Binding> = self.bindings.iter().map(AsRef::as_ref).collect();
        match conflicting(&all) {
            Some((one, other)) => Err(format!(
                "bindings {:?} and {:?} give one subject the roles {} and {}, which nobody may hold together",
                one.name, other.name, one.role, other.role
            )),
            None => Ok(()),
        }
    }

    /// The bindings by which `who` may do what is asked, somewhere.
    ///
    /// # Errors
    /// [`Refusal`] if there is none.
    pub fn granted(&self, who: &Who<'_>, asked: Asked, now: Timestamp) -> Result<Granted, Refusal> {
        let own: Vec<&Arc<Binding>> = self.bindings.iter().filter(|binding| binding.is_for(who)).collect();
        let open: Vec<Role> = own.iter().filter(|binding| binding.is_open(now)).map(|binding| binding.role).collect();
        let apart = conflict(&open);
        let mut granted = Vec::new();
        let mut nearest = Refusal { binding: None, why: Why::Subject(who.to_string()) };
        for binding in own {
            match judge(binding, asked, now, apart) {
                None => granted.push(Arc::clone(binding)),
                Some(why) => nearest.or(binding, why),
            }
        }
        if granted.is_empty() { Err(nearest) } else { Ok(Granted { asked, bindings: granted }) }
    }

    /// Decides at once: whether `who` may do what is asked to all of `objects`, by one binding.
    ///
    /// # Errors
    /// [`Refusal`] with what came nearest.
    pub fn decide(
        &self,
        who: &Who<'_>,
        asked: Asked,
        objects: &[Object<'_>],
        now: Timestamp,
    ) -> Result<Arc<Binding>, Refusal> {
        self.granted(who, asked, now)?.decide(objects)
    }
}

fn judge(binding: &Binding, asked: Asked, now: Timestamp, apart: Option<(Role, Role)>) -> Option<Why> {
    if !binding.role.may(asked.action, asked.resource) {
        return Some(Why::Role(binding.role, asked.to_string()));
    }
    if let Some(from) = binding.not_before.filter(|from| now < *from) {
        return Some(Why::NotYet(from));
    }
    if let Some(until) = binding.not_after.filter(|until| *until <= now) {
        return Some(Why::Expired(until));
    }
    let (one, other) = apart.filter(|(one, other)| binding.role == *one || binding.role == *other)?;
    Some(Why::Separation(one, other))
}

impl Refusal {
    fn or(&mut self, binding: &Binding, why: Why) {
        if self.binding.is_none() || why.rank() > self.why.rank() {
            *self = Self { binding: Some(binding.name.clone()), why };
        }
    }
}

impl Granted {
    /// What was asked.
    pub fn asked(&self) -> Asked {
        self.asked
    }

    /// The binding in whose scope all of `objects` lie: of an update the stored and the resulting one.
    ///
    /// # Errors
    /// [`Refusal`] with the binding that came nearest, and the dimension that refused.
    pub fn decide(&self, objects: &[Object<'_>]) -> Result<Arc<Binding>, Refusal> {
        let mut nearest: Option<Refusal> = None;
        for binding in &self.bindings {
            let Some(outside) = objects.iter().find_map(|object| binding.scope.admits(object).err()) else {
                return Ok(Arc::clone(binding));
            };
            let why = Why::Outside(outside);
            match &mut nearest {
                Some(nearest) => nearest.or(binding, why),
                None => nearest = Some(Refusal { binding: Some(binding.name.clone()), why }),
            }
        }
        Err(nearest.unwrap_or(Refusal { binding: None, why: Why::Subject("nobody".to_owned()) }))
    }

    /// The bindings.
    pub fn bindings(&self) -> &[Arc<Binding>] {
        &self.bindings
    }

    /// What is left of it for these objects: one binding.
    ///
    /// # Errors
    /// As [`decide`](Self::decide).
    pub fn narrowed(self, objects: &[Object<'_>]) -> Result<Self, Refusal> {
        let binding = self.decide(objects)?;
        Ok(Self { asked: self.asked, bindings: vec![binding] })
    }

    /// Whether each of the bindings has a role that may do this too.
    pub fn may_also(&self, action: Action, resource: Resource) -> bool {
        self.bindings.iter().all(|binding| binding.role.may(action, resource))
    }

    /// For logs: the role if it is one, and the names of the bindings.
    pub fn told(&self) -> (&'static str, String) {
        let names: Vec<&str> = self.bindings.iter().map(|binding| binding.name.as_str()).collect();
        let role = match self.bindings.as_slice() {
            [only] => only.role.name(),
            _ => "several",
        };
        (role, names.join(","))
    }
}
