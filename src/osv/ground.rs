//! What the repository has of a range: where its commits are, which others are one change with them, and what each ref has of all these.

use std::collections::HashSet;
use std::ffi::OsString;
use std::sync::Arc;

use bytes::Bytes;

use super::judge::{self, Seen};
use super::record::{Event, GitRange, Kind};
use crate::error;
use crate::facts::Oid;
use crate::gitcli;
use crate::graph::{Containment, Graph, Position};
use crate::locate::study::{Has, Study};

/// Where the commit of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before every commit, or with a limit behind every one.
    Everywhere,
    At(Position),
    /// Nowhere that counts, and why.
    Nowhere(&'static str),
    /// It isn't here, where history is cut off.
    Unknown,
}

/// A branch or tag.
#[derive(Debug, Clone)]
pub(super) struct Tip {
    /// The full refname.
    pub(super) name: Bytes,
    pub(super) position: Position,
    /// The release line that it is of.
    pub(super) line: Option<String>,
}

/// Commits that are one change.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) oldest: Position,
    /// Those of the range.
    pub(super) named: Vec<Position>,
    /// All that some ref reaches, the oldest first.
    pub(super) members: Vec<Position>,
    /// What each tip has of the change; `None` where only the commits themselves are known.
    has: Option<Vec<Has>>,
}

/// A range and what there is of it.
#[derive(Debug)]
pub(super) struct Ground<'r> {
    range: &'r GitRange,
    places: Vec<Place>,
    pub(super) tips: Vec<Tip>,
    /// Whether it was there from the first commit on.
    pub(super) from_start: bool,
    pub(super) introduced: Vec<Group>,
    pub(super) fixed: Vec<Group>,
    last: Vec<Position>,
    /// All commits of the above.
    commits: Vec<Position>,
    /// Which of `commits` each tip contains, and behind the tips each of `commits`.
    contained: Containment,
    /// Whether each tip lies before a limit.
    within: Vec<bool>,
}

impl<'r> Ground<'r> {
    /// Looks up what `range` names.
    ///
    /// # Errors
    /// If git or the cache fails.
    pub(super) async fn of(study: &mut Study<'_>, range: &'r GitRange) -> anyhow::Result<Self> {
        let tips = tips(study);
        let at: Vec<Position> = tips.iter().map(|tip| tip.position).collect();
        let (graph, from) = (Arc::clone(study.graph()), at.clone());
        let reached = study.pool().run(move || graph.reachable(from)).await?;
        let mut places = Vec::new();
        for event in &range.events {
            let place = match place(study, event).await? {
                Place::At(position) if !reached.contains(position) => Place::Nowhere(NO_REF),
                place => place,
            };
            places.push(place);
        }
        let of_kind = |kind: Kind| -> Vec<Position> {
            let events = range.events.iter().zip(&places).filter(|(event, _)| event.kind == kind);
            events.filter_map(|(_, place)| if let Place::At(at) = place { Some(*at) } else { None }).collect()
        };
        let is_everywhere =
            |kind| range.events.iter().zip(&places).any(|(event, at)| event.kind == kind && *at == Place::Everywhere);
        let mut introduced = groups(study, &of_kind(Kind::Introduced), &at).await?;
        let mut fixed = groups(study, &of_kind(Kind::Fixed), &at).await?;
        let graph = Arc::clone(study.graph());
        for group in introduced.iter_mut().chain(&mut fixed) {
            group.members.retain(|&member| reached.contains(member));
            group.members.sort_by_key(|&member| (graph.time(member), graph.id(member)));
        }
        let (last, limits) = (of_kind(Kind::LastAffected), of_kind(Kind::Limit));
        let members = introduced.iter().chain(&fixed).flat_map(|group| &group.members).chain(&last).chain(&limits);
        let mut commits: Vec<Position> = members.copied().collect();
        commits.sort_unstable();
        commits.dedup();
        let is_limited = range.events.iter().any(|event| event.kind == Kind::Limit) && !is_everywhere(Kind::Limit);
        let swept = commits.clone();
        let sweep = move || {
            let within = within(&graph, &at, is_limited.then_some(&limits));
            let all: Vec<Position> = at.into_iter().chain(swept.iter().copied()).collect();
            (Containment::sweep(&graph, &swept, &all), within)
        };
        let (contained, within) = study.pool().run(sweep).await?;
        let from_start = is_everywhere(Kind::Introduced);
        Ok(Self { range, places, tips, from_start, introduced, fixed, last, commits, contained, within })
    }

    /// The events of the range, each with the place of its commit.
    pub(super) fn events(&self) -> impl Iterator<Item = (&'r Event, Place)> {
        self.range.events.iter().zip(self.places.iter().copied())
    }

    /// The events of `kind` whose commit is nowhere, and why.
    pub(super) fn faults(&self, kind: Kind) -> Vec<(&'r Event, &'static str)> {
        let of_kind = self.events().filter(|(event, _)| event.kind == kind);
        let fault = |(event, place)| match place {
            Place::Nowhere(why) => Some((event, why)),
            Place::Unknown => Some((event, CUT_OFF)),
            Place::Everywhere | Place::At(_) => None,
        };
        of_kind.filter_map(fault).collect()
    }

    /// The commits that are one change with one of `kind` and that the range doesn't name, each with one that it names; those left out
    /// that were taken back on every ref that has them.
    pub(super) fn unnamed(&self, kind: Kind) -> Vec<(Position, Position)> {
        let groups = match kind {
            Kind::Introduced => &self.introduced[..],
            Kind::Fixed => &self.fixed,
            Kind::LastAffected | Kind::Limit => &[],
        };
        // What hangs together with two that don't with each other is in both groups.
        let mut known: HashSet<Position> = groups.iter().flat_map(|group| &group.named).copied().collect();
        let picks = groups.iter().flat_map(|group| {
            let of = group.named.first();
            let counts = move |member: &&Position| self.is_good_somewhere(group, **member);
            group.members.iter().filter(counts).filter_map(move |&member| Some((member, *of?)))
        });
        picks.filter(|(pick, _)| known.insert(*pick)).collect()
    }

    /// Whether `commit` is `other` or in its history; both are commits of this range.
    pub(super) fn is_before(&self, commit: Position, other: Position) -> bool {
        let at = |one: Position| self.commits.binary_search(&one).ok();
        at(commit).zip(at(other)).is_some_and(|(one, other)| self.contained.has(self.tips.len() + other, one))
    }

    fn has(&self, tip: usize, commit: Position) -> bool {
        self.commits.binary_search(&commit).is_ok_and(|at| self.contained.has(tip, at))
    }

    /// Whether some tip has `member` and with it the change: one that was taken back wherever it is would make a record wrong.
    fn is_good_somewhere(&self, group: &Group, member: Position) -> bool {
        let Some(has) = &group.has else { return true };
        has.iter().enumerate().any(|(tip, has)| has.is_there() && self.has(tip, member))
    }

    /// Whether the tip at this index is affected; as the range has it, if `recorded`, else with all that is one change with what it names,
    /// and without what was taken back.
    pub(super) fn is_affected(&self, tip: usize, recorded: bool) -> bool {
        let is_there = |group: &Group| match &group.has {
            Some(has) if !recorded => has.get(tip).is_some_and(|has| has.is_there()),
            _ => group.named.iter().any(|&commit| self.has(tip, commit)),
        };
        let passed = |&last: &Position| self.has(tip, last) && self.tips[tip].position != last;
        let seen = Seen {
            introduced: self.introduced.iter().map(is_there).collect(),
            ended: self.fixed.iter().map(is_there).chain(self.last.iter().map(passed)).collect(),
            is_within: self.within[tip],
        };
        judge::is_affected(&seen, self.from_start, |introducer, end| {
            let ends: &[Position] = match self.fixed.get(end) {
                Some(group) if recorded => &group.named,
                Some(group) => &group.members,
                None => std::slice::from_ref(&self.last[end - self.fixed.len()]),
            };
            let begun = &self.introduced[introducer].named;
            begun.iter().any(|&begun| ends.iter().any(|&end| end != begun && self.is_before(end, begun)))
        })
    }

    /// What the tip at this index has of the fixes: of several what is there, else what was taken back.
    pub(super) fn fix_at(&self, tip: usize) -> Has {
        let of_group = |group: &Group| match &group.has {
            Some(has) => has.get(tip).copied().unwrap_or(Has::Nothing),
            None => group.named.iter().find(|&&commit| self.has(tip, commit)).map_or(Has::Nothing, |&at| Has::It(at)),
        };
        let found: Vec<Has> = self.fixed.iter().map(of_group).collect();
        let there = found.iter().find(|has| has.is_there());
        there.or_else(|| found.iter().find(|has| **has != Has::Nothing)).copied().unwrap_or(Has::Nothing)
    }

    /// Whether the range names `commit` as a fix.
    pub(super) fn names_fix(&self, commit: Position) -> bool {
        self.fixed.iter().any(|group| group.named.contains(&commit))
    }

    /// The commits that end it: fixes with what is one change with them, last affected ones, limits.
    pub(super) fn ends(&self) -> Vec<(Kind, Position)> {
        let fixes = self.fixed.iter().flat_map(|group| &group.members).map(|&at| (Kind::Fixed, at));
        let others = self.events().filter_map(|(event, place)| match (event.kind, place) {
            (kind @ (Kind::LastAffected | Kind::Limit), Place::At(at)) => Some((kind, at)),
            _ => None,
        });
        fixes.chain(others).collect()
    }
}

pub(super) const CUT_OFF: &str = "it isn't here; history is cut off";
const NO_REF: &str = "it is on no branch and no tag";

/// Branches, remote branches and tags that lead to commits.
fn tips(study: &Study<'_>) -> Vec<Tip> {
    let kinds = [&b"refs/heads/"[..], b"refs/remotes/", b"refs/tags/"];
    let refs = study
        .refs()
        .iter()
        .filter(|entry| entry.symbolic().is_none() && kinds.iter().any(|kind| entry.name().starts_with(kind)));
    let tip = |entry: crate::git::refs::Ref<'_>| {
        let position = study.graph().position(&entry.commit()?)?;
        let line = study.line_of(entry.name()).map(|line| line.name().to_owned());
        Some(Tip { name: Bytes::copy_from_slice(entry.name()), position, line })
    };
    refs.filter_map(tip).collect()
}

async fn place(study: &Study<'_>, event: &Event) -> anyhow::Result<Place> {
    match (event.kind, event.text.as_str()) {
        (Kind::Introduced, "0") | (Kind::Limit, "*") => return Ok(Place::Everywhere),
        _ => {}
    }
    let hex = event.text.to_ascii_lowercase();
    let Some(id) = Oid::from_hex(hex.as_bytes()).filter(|id| id.as_bytes().len() == study.repository().hash_len) else {
        return Ok(Place::Nowhere("it is no full id of a commit"));
    };
    if let Some(position) = study.graph().position(&id) {
        return Ok(Place::At(position));
    }
    let name: OsString = format!("{hex}^{{commit}}").into();
    match gitcli::rev_parse(study.repository(), &[name]).await {
        Ok(found) if found.tips.iter().any(|(peeled, _)| *peeled != id) => Ok(Place::Nowhere("it is a tag, no commit")),
        Ok(_) => Ok(Place::Nowhere(NO_REF)),
        Err(cause) if error::kind_of(&cause) != error::Kind::BadRevision => Err(cause),
        Err(_) if study.is_cut_off() => Ok(Place::Unknown),
        Err(_) => Ok(Place::Nowhere("it isn't in this repository")),
    }
}

/// The changes that `commits` are, each with what `tips` have of it.
async fn groups(study: &mut Study<'_>, commits: &[Position], tips: &[Position]) -> anyhow::Result<Vec<Group>> {
    let accounts = study.accounts(commits, tips).await?;
    let mut groups: Vec<Group> = Vec::new();
    for &commit in commits {
        if let Some(known) = groups.iter_mut().find(|group| group.members.contains(&commit)) {
            if !known.named.contains(&commit) {
                known.named.push(commit);
            }
            continue;
        }
        let account = accounts.iter().find(|account| account.brings.contains(&commit));
        groups.push(match account {
            Some(account) => Group {
                oldest: account.oldest,
                named: vec![commit],
                members: account.brings.clone(),
                has: Some(account.has.clone()),
            },
            None => Group { oldest: commit, named: vec![commit], members: vec![commit], has: None },
        });
    }
    Ok(groups)
}

/// Whether each of `tips` lies before one of `limits`; without any all do.
fn within(graph: &Graph, tips: &[Position], limits: Option<&Vec<Position>>) -> Vec<bool> {
    let Some(limits) = limits else { return vec![true; tips.len()] };
    let mut within = vec![false; tips.len()];
    for &limit in limits {
        let before = graph.reachable([limit]);
        for (is_within, &tip) in within.iter_mut().zip(tips) {
            *is_within |= tip != limit && before.contains(tip);
        }
    }
    within
}
