//! Where each entry falls out.

use steeple_types::{Entry, SelectorSet};

use super::{Judgement, Rank, selectors};
use crate::{
    AtAgent, Candidate, Cause, Distance, Finding, MAX_CANDIDATES, Parentage, RefusalReason, ServerFacts, SvidState, fix,
};

/// Judges the entries and yields those whose identities the workload has.
pub(super) fn judge<'a>(judgement: &mut Judgement<'a>) -> Vec<&'a Entry> {
    let facts = judgement.facts;
    let mut judged: Vec<(Distance, &Candidate, Vec<Finding>)> = Vec::new();
    for candidate in &facts.entries {
        let (steps, obstacles) = obstacles(judgement, candidate);
        judged.push((Distance::of(&candidate.entry, judgement.has(), &judgement.kinds, steps), candidate, obstacles));
    }
    judged.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let fits: Vec<&Entry> = judged
        .iter()
        .filter(|(.., obstacles)| obstacles.is_empty())
        .map(|(_, candidate, _)| &candidate.entry)
        .collect();
    let wanted = |entry: &Entry| facts.wanted.includes(entry);
    let mut is_told = false;
    for entry in fits.iter().filter(|entry| wanted(entry)) {
        let finding = match oldest_with_hint(entry, &fits) {
            Some(older) => hint(entry, older),
            None => issued(judgement, entry),
        };
        is_told |= finding.cause == Cause::Issued;
        judgement.find(Rank::Issued, about(entry, finding));
    }
    let mut near = judged.iter().filter(|(distance, candidate, obstacles)| {
        let is_meant = facts.wanted.is_certain() || distance.is_related();
        !obstacles.is_empty() && wanted(&candidate.entry) && is_meant
    });
    let mut count = 0;
    for (_, candidate, obstacles) in near.by_ref().take(MAX_CANDIDATES) {
        for obstacle in obstacles {
            judgement.find(Rank::Candidate, about(&candidate.entry, obstacle.clone()));
        }
        count += 1;
    }
    if !is_told {
        sync(judgement, count);
        elsewhere(judgement, count);
    }
    fits
}

fn about(entry: &Entry, finding: Finding) -> Finding {
    Finding { entry: Some((entry.id.clone(), entry.spiffe_id.clone())), ..finding }
}

/// Of several identities with the same hint, the oldest is given.
fn oldest_with_hint<'a>(entry: &Entry, fits: &[&'a Entry]) -> Option<&'a Entry> {
    let age = |entry: &Entry| (entry.created_at, entry.id.clone());
    let older = |other: &&&Entry| other.hint == entry.hint && age(other) < age(entry);
    fits.iter().filter(|_| !entry.hint.is_empty()).find(older).copied()
}

fn hint(entry: &Entry, older: &Entry) -> Finding {
    let text = format!(
        "the workload gets the identity of entry {} and not that of {}: both have the hint {:?}, and the older one is given",
        older.id, entry.id, entry.hint
    );
    Finding::new(Cause::HintTaken, text, format!("give entry {} a hint of its own", entry.id))
}

fn issued(judgement: &Judgement<'_>, entry: &Entry) -> Finding {
    let facts = judgement.facts;
    let text = match (&facts.agent, &facts.server) {
        (None, ServerFacts::Answered { agent: Some(node), .. }) => {
            format!(
                "agent {} is given entry {}, and a workload with these selectors gets {}",
                node.id, entry.id, entry.spiffe_id
            )
        }
        (None, _) => {
            format!(
                "entry {} gives a workload with these selectors {}, below {}",
                entry.id, entry.spiffe_id, entry.parent_id
            )
        }
        (Some(_), _) => format!("the workload gets {} by entry {}", entry.spiffe_id, entry.id),
    };
    let then = facts.call.as_ref().filter(|call| call.reason == RefusalReason::NoIdentity).map(|call| {
        let at = call.at;
        format!("{text}; when it called at {at} the agent did not have the entry in this form yet")
    });
    let fix = if then.is_some() { "call again: nothing is in the way now" } else { "" };
    Finding::new(Cause::Issued, then.unwrap_or(text), fix)
}

/// What is in the way of an entry, step by step, and how much that counts.
fn obstacles(judgement: &Judgement<'_>, candidate: &Candidate) -> (usize, Vec<Finding>) {
    let entry = &candidate.entry;
    let name = format!("entry {} ({})", entry.id, entry.spiffe_id);
    let mut found = Vec::new();
    let mut steps = 0;
    let mut add = |weight: usize, finding: Option<Finding>| {
        steps += finding.as_ref().map_or(0, |_| weight);
        found.extend(finding);
    };
    let ended = ended(judgement, candidate, &name);
    let is_gone = candidate.removed;
    add(1, ended);
    add(3, candidate.parentage.as_ref().and_then(|parentage| parent(judgement, candidate, parentage, &name)));
    let stored = entry.store_svid.then(|| {
        let fix = Entry { store_svid: false, ..entry.clone() };
        let fix =
            if candidate.is_whole { fix::update(&fix) } else { format!("take -storeSVID from entry {}", entry.id) };
        let text = format!("{name} is for a store of SVIDs (-storeSVID), so no workload is given it");
        Finding::new(Cause::StoredSvid, text, fix)
    });
    add(1, stored);
    add(0, selectors::judge(judgement, candidate, &name));
    if found.is_empty() && !is_gone {
        let last = candidate.at_agent.as_ref().and_then(|there| at_agent(judgement, candidate, there, &name));
        steps += usize::from(last.is_some());
        found.extend(last);
    }
    (steps, found)
}

/// Whether the entry has ended.
fn ended(judgement: &Judgement<'_>, candidate: &Candidate, name: &str) -> Option<Finding> {
    let entry = &candidate.entry;
    let anew = || {
        let selectors: Vec<_> = entry.selectors.iter().cloned().collect();
        fix::create(Some(&entry.parent_id), Some(&entry.spiffe_id), &selectors)
    };
    match entry.expires_at.filter(|end| *end <= judgement.facts.now) {
        Some(end) if candidate.removed => {
            Some(Finding::new(Cause::EntryExpired, format!("{name} ended at {end}, and the server removed it"), anew()))
        }
        Some(end) => {
            let fix = fix::update(&Entry { expires_at: None, ..entry.clone() });
            let text = format!("{name} ended at {end}; the server removes it within five minutes");
            Some(Finding::new(Cause::EntryExpired, text, fix))
        }
        None if candidate.removed => Some(Finding::new(Cause::EntryDeleted, format!("{name} was deleted"), anew())),
        None => None,
    }
}

/// Whether the entry is below the agent.
fn parent(judgement: &Judgement<'_>, candidate: &Candidate, parentage: &Parentage, name: &str) -> Option<Finding> {
    let entry = &candidate.entry;
    let agent = match (&judgement.facts.agent, &judgement.facts.server) {
        (Some(agent), _) => agent.id.clone(),
        (None, ServerFacts::Answered { agent, .. }) => agent.as_ref().map(|node| node.id.clone()),
        (None, _) => None,
    };
    let moved = || match &agent {
        Some(id) if candidate.is_whole => fix::update(&Entry { parent_id: id.clone(), ..entry.clone() }),
        _ => format!("make the agent the parent of entry {}", entry.id),
    };
    Some(match parentage {
        Parentage::Own => return None,
        Parentage::Nodes => {
            let text = format!("{name} has the server for its parent, so that it names nodes and not workloads");
            Finding::new(Cause::EntryIsAlias, text, moved())
        }
        Parentage::OtherAgent(id) => {
            Finding::new(Cause::OtherAgent, format!("{name} is below another agent, {id}"), moved())
        }
        Parentage::Nobody(id) => {
            let text = format!("{name} is below {id}, which is no agent that attested, and which no entry gives");
            Finding::new(Cause::UnknownParent, text, moved())
        }
        Parentage::Entry { id, entry_id } => {
            let text = format!("{name} is below {id} of entry {entry_id}, which this agent isn't given either");
            Finding::new(Cause::ParentNotGiven, text, moved())
        }
        Parentage::Alias { id, entry_id, missing } => {
            let wants: Vec<String> = missing.iter().map(|one| one.wanted.to_string()).collect();
            let has: Vec<String> =
                missing.iter().filter_map(|one| one.nearest.as_ref()).map(ToString::to_string).collect();
            let has =
                if has.is_empty() { "has none of the kind".to_owned() } else { format!("has {}", has.join(" and ")) };
            let text = format!(
                "{name} is below the alias {id}; its entry {entry_id} wants {} of the agent's node, which {has}",
                wants.join(" and ")
            );
            let fix = format!("give the alias's entry {entry_id} selectors of this node, or: {}", moved());
            Finding::new(Cause::AliasMismatch, text, fix)
        }
    })
}

/// How far an entry has come at the agent.
fn at_agent(judgement: &Judgement<'_>, candidate: &Candidate, there: &AtAgent, name: &str) -> Option<Finding> {
    let agent = judgement.facts.agent.as_ref()?;
    let synced = agent.synced.map_or_else(|| "never".to_owned(), |at| format!("at {at}"));
    let wait = || match &agent.sync_error {
        Some(trouble) => format!("see that the agent reaches its server: {}", trouble.text),
        None => "wait for the next synchronisation, some seconds".to_owned(),
    };
    match there {
        AtAgent::Absent => {
            let text = format!("{name} has not reached the agent yet, which heard from its server last {synced}");
            Some(Finding::new(Cause::NotSynced, text, wait()))
        }
        AtAgent::Present { revision_number, .. } if *revision_number < candidate.entry.revision_number => {
            let (there, now) = (revision_number, candidate.entry.revision_number);
            let text = format!(
                "{name} has revision {now}, and the agent still has {there}: it heard from its server last {synced}"
            );
            Some(Finding::new(Cause::OldRevision, text, wait()))
        }
        AtAgent::Present { svid: SvidState::Held, .. } => None,
        AtAgent::Present { svid: SvidState::Missing { failure, is_kept }, .. } => {
            let trouble = failure.as_ref().or(agent.svid_error.as_ref());
            Some(match (trouble, is_kept) {
                (Some(trouble), _) => Finding::new(
                    Cause::NotSigned,
                    format!("{name} fits, and the server does not sign its X.509-SVID: {}", trouble.text),
                    "see to what the server says; its log has more",
                ),
                (None, false) => Finding::new(
                    Cause::CacheLimit,
                    format!(
                        "{name} fits, and its X.509-SVID is not there: the agent keeps {} that nobody asks for, and fetches the \
                         others when a workload asks",
                        agent.cache_limit
                    ),
                    "let the workload ask; or raise x509_svid_cache_max_size in the agent's configuration",
                ),
                (None, true) => {
                    let text = format!("{name} fits, and its X.509-SVID is being fetched");
                    Finding::new(Cause::NotFetched, text, "wait some seconds")
                }
            })
        }
    }
}

/// What follows from an agent that does not hear from its server.
fn sync(judgement: &mut Judgement<'_>, near: usize) {
    let facts = judgement.facts;
    let Some(agent) = &facts.agent else { return };
    let error = match (&agent.sync_error, &facts.server) {
        (Some(trouble), _) => &trouble.text,
        (None, ServerFacts::Unreachable(error)) => error,
        (None, ServerFacts::Answered { .. } | ServerFacts::NotAsked) => return,
    };
    let last = agent.synced.map_or_else(|| "never".to_owned(), |at| format!("at {at}"));
    let text = format!("the agent heard from its server last {last}, and knows of no entry made since: {error}");
    let rank = if facts.wanted.is_certain() && near > 0 { Rank::Aside } else { Rank::Sync };
    let fix = "see that the agent reaches its server (server_address, server_port)";
    judgement.find(rank, Finding::new(Cause::ServerUnreachable, text, fix));
}

/// What there is that is not told of, and that there is nothing.
fn elsewhere(judgement: &mut Judgement<'_>, near: usize) {
    let facts = judgement.facts;
    let elsewhere = match &facts.server {
        ServerFacts::Answered { elsewhere, .. } => *elsewhere,
        ServerFacts::Unreachable(_) | ServerFacts::NotAsked => 0,
    };
    let agent = facts.agent.as_ref().and_then(|agent| agent.id.as_ref());
    if elsewhere > 0 {
        let entries = if elsewhere == 1 { "entry fits".to_owned() } else { "entries fit".to_owned() };
        let text = format!("{elsewhere} {entries} this workload, but not below this agent");
        let named = agent.map_or_else(|| "AGENT_ID".to_owned(), ToString::to_string);
        let fix = format!("on the server: steeple explain -agent {named}{}", flags(judgement.has()));
        judgement.find(Rank::Elsewhere, Finding::new(Cause::Elsewhere, text, fix));
    }
    if near > 0 || elsewhere > 0 {
        return;
    }
    let selectors: Vec<_> = judgement.has().iter().take(1).cloned().collect();
    let create = fix::create(agent, facts.wanted.spiffe_id.as_ref(), &selectors);
    let (cause, text) = match (&facts.wanted.entry_id, &facts.wanted.spiffe_id) {
        (Some(id), _) => (Cause::NoSuchEntry, format!("there is no entry {id} for this agent")),
        (None, Some(id)) => (Cause::NoSuchEntry, format!("no entry for this agent gives {id}")),
        (None, None) => (Cause::NoEntry, "no entry comes near to this workload".to_owned()),
    };
    judgement.find(Rank::Nothing, Finding::new(cause, text, create));
}

fn flags(selectors: &SelectorSet) -> String {
    let secret = |selector: &&steeple_types::Selector| selector.value().starts_with("env:");
    let shown = selectors.iter().filter(|one| !secret(one));
    shown.fold(String::new(), |flags, one| flags + " -selector " + &fix::quoted(&one.to_string()))
}
