//! The answer to one query: the changes that it is about, every commit that is each change and why, and what each ref has of it.

use std::borrow::Cow;

use super::alike::{Alike, Failure};
use super::board::Family;
use super::closure::{Closure, account, close};
use super::desk::Desk;
use super::each::{Asked, Many};
use super::histories::Histories;
use super::kin::Tie;
use super::places::{Firsts, Place, PlaceKind};
use super::presence::State;
use super::ranges;
use super::resolve::Target;
use super::reverts::{Turn, turns};
use super::scope::Scope;
use super::seeds::{Seeds, seeds};
use super::{Options, Tags};
use crate::cache::patches::KeptPatch;
use crate::describe::{self, Told, lossy};
use crate::events::Event;
use crate::events::matching::{
    Candidate, CandidateReason, Fidelity, Match, Presence, PresenceHow, PresenceState, Rung, Signal, SignalKind,
    Strength,
};
use crate::facts::Oid;
use crate::git::ObjectError;
use crate::git::refs::short;
use crate::graph::{Containment, Position};
use crate::matching::groups::{Share, trailer_hops};
use crate::matching::{self, Verdict};

/// What the caller hears of an answer besides its events.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Whether anything was found.
    pub(super) found: bool,
    /// Whether the query may have meant several commits, and so was not answered.
    pub(super) is_ambiguous: bool,
    /// What was looked for, for people.
    pub(super) sought: String,
    /// Commits that the query is about, where they are many: nothing was told of them yet.
    pub(super) many: Option<Box<Many>>,
    /// How many changes were told.
    pub(super) changes: usize,
    /// The commits that are one of these changes and nothing else.
    pub(super) members: Vec<Position>,
    /// Origins that a message names and that aren't here: the commit, and the name.
    pub(super) dangling: Vec<(String, String)>,
    /// Why what resembles it could not be sought.
    pub(super) failure: Option<Failure>,
    /// Objects that could not be read.
    pub(super) broken: Vec<ObjectError>,
    /// Comparisons that lacked an object which a partial clone doesn't have.
    pub(super) absent: usize,
    /// What was found out of commits, to be kept.
    pub(super) found_out: Vec<KeptPatch>,
}

/// One change of an answer.
pub(super) struct Change<'c> {
    /// The commits that are it or hold it, oldest first.
    pub(super) members: Vec<Position>,
    /// Those of them that are it and nothing else: what is told of one of these is told of all.
    own: Vec<Position>,
    /// Commits that are it together, none of them alone.
    pub(super) parts: Vec<Position>,
    /// Those that the query named; empty if it named none.
    named: Vec<Position>,
    /// The one that gives it its name.
    pub(super) oldest: Position,
    closure: &'c Closure,
}

/// Answers `query`, which means `target` and resembles what is `alike`, and hands its events to `tell`, in order.
///
/// # Errors
/// If the cache can't be read.
pub(super) fn answer(
    desk: &mut Desk<'_>,
    query: &str,
    (target, alike): (&Target, &Alike),
    tell: &mut dyn FnMut(&Event<'_>),
) -> anyhow::Result<Outcome> {
    // One that nobody waits for any more.
    if desk.scope.stop.is_cancelled() {
        return Ok(Outcome::default());
    }
    let mut seeds = seeds(desk, target);
    let mut outcome = Outcome {
        found: !seeds.commits.is_empty(),
        is_ambiguous: seeds.is_ambiguous,
        sought: seeds.sought.clone(),
        ..Outcome::default()
    };
    tell_candidates(desk, query, &seeds, tell);
    if seeds.commits.len() > 1 {
        let mut commits = std::mem::take(&mut seeds.commits);
        if !seeds.is_commit {
            desk.sort_by_age(&mut commits);
        }
        let asked = Asked {
            commits: commits.iter().copied().collect(),
            is_commit: seeds.is_commit,
            sought: std::mem::take(&mut seeds.sought),
        };
        outcome.many = Some(Box::new(Many { commits, asked }));
    }
    let mut closure = close(desk, &seeds.commits, desk.scope.least);
    let is_known = |(seed, other, _): &(Position, Position, Verdict)| {
        closure.similar.iter().any(|known| (known.0, known.1) == (*seed, *other))
    };
    let more: Vec<_> = alike.pairs.iter().filter(|pair| !is_known(pair)).cloned().collect();
    closure.similar.extend(more);
    outcome.broken.extend_from_slice(&alike.broken);
    outcome.absent += alike.absent;
    outcome.failure.clone_from(&alike.failure);
    for change in changes(&closure, &seeds) {
        // What is half told isn't kept: the run ends as cancelled.
        if desk.scope.stop.is_cancelled() {
            break;
        }
        let id = desk.scope.graph.id(change.oldest);
        let mut answer = Answer { desk, query, change: &change, id: id.to_hex(), family: None, tell };
        answer.commit(&id, &mut outcome);
        answer.matches();
        answer.dangling(&mut outcome);
        answer.presence();
        outcome.changes += 1;
        outcome.members.extend_from_slice(&change.own);
    }
    finished(desk, outcome)
}

/// Tells `family`, the part that this repository has of a change of several.
///
/// # Errors
/// If the cache can't be read.
pub(super) fn answer_family(
    desk: &mut Desk<'_>,
    query: &str,
    family: &Family,
    tell: &mut dyn FnMut(&Event<'_>),
) -> anyhow::Result<Outcome> {
    let graph = &desk.scope.graph;
    let positions = |ids: &[Oid]| -> Vec<Position> { ids.iter().filter_map(|id| graph.position(id)).collect() };
    let (named, parts) = (positions(&family.named), positions(&family.parts));
    let mut commits = positions(&family.members);
    commits.extend_from_slice(&parts);
    let mut outcome = Outcome { found: !commits.is_empty(), ..Outcome::default() };
    let closure = close(desk, &commits, desk.scope.least);
    let seeds = Seeds { commits, ..Seeds::default() };
    // What is one change through a commit elsewhere may be several here.
    let mut all = changes(&closure, &seeds).into_iter();
    let Some(mut change) = all.next() else { return finished(desk, outcome) };
    let id = family.change;
    for other in all {
        change.members.extend(other.members);
        change.own.extend(other.own);
        change.parts.extend(other.parts);
    }
    change.parts.extend(parts);
    change.members.retain(|member| !change.parts.contains(member));
    desk.sort_by_age(&mut change.members);
    change.members.dedup();
    change.parts.sort_unstable();
    change.parts.dedup();
    change.named = named;
    let mut answer = Answer { desk, query, change: &change, id: id.to_hex(), family: Some(family), tell };
    if family.tells_commit {
        answer.commit(&id, &mut outcome);
    }
    answer.matches();
    answer.dangling(&mut outcome);
    answer.presence();
    finished(desk, outcome)
}

/// The outcome with what the desk has found out on the way.
fn finished(desk: &mut Desk<'_>, mut outcome: Outcome) -> anyhow::Result<Outcome> {
    outcome.broken.append(&mut desk.broken);
    outcome.absent += desk.absent;
    outcome.found_out = std::mem::take(&mut desk.found_out);
    match desk.take_failure() {
        Some(cause) => Err(cause),
        None => Ok(outcome),
    }
}

fn tell_candidates(desk: &mut Desk<'_>, query: &str, seeds: &Seeds, tell: &mut dyn FnMut(&Event<'_>)) {
    let why = if seeds.is_ambiguous { CandidateReason::Ambiguous } else { CandidateReason::Near };
    for &position in &seeds.candidates {
        if !desk.read(position) {
            continue;
        }
        let subject = desk.sketch(position).map(|sketch| sketch.subject.clone()).unwrap_or_default();
        tell(&Event::Candidate(Candidate {
            query: query.into(),
            repo: desk.scope.repo.as_str().into(),
            id: desk.scope.graph.id(position).to_hex().into(),
            subject: subject.into(),
            subject_b64: None,
            why,
        }));
    }
}

/// The changes that the seeds belong to, in the order of their oldest commits.
pub(super) fn changes<'c>(closure: &'c Closure, seeds: &Seeds) -> Vec<Change<'c>> {
    let mut changes = Vec::new();
    for group in &closure.changes.groups {
        let own = group.members.iter().filter(|(_, share)| *share == Share::Whole).map(|(node, _)| *node);
        let own: Vec<usize> = own.collect();
        let asked: Vec<usize> = own.iter().copied().filter(|&node| seeds.has(closure.nodes[node])).collect();
        let is_sought = asked.iter().any(|&node| seeds.commits.contains(&closure.nodes[node]));
        let Some(oldest) = group.oldest().filter(|_| is_sought) else { continue };
        let mut members: Vec<usize> = asked.clone();
        for &node in &asked {
            members.extend(closure.changes.equals_of(node).into_iter().map(|(member, _)| member));
        }
        members.sort_unstable();
        members.dedup();
        let squashes = closure.changes.squashes.iter().filter(|(whole, _)| asked.contains(whole));
        let parts: Vec<usize> = squashes.flat_map(|(_, parts)| parts).copied().collect();
        members.retain(|member| !parts.contains(member));
        let position = |node: &usize| closure.nodes[*node];
        let named = if seeds.is_commit { asked.iter().map(position).collect() } else { Vec::new() };
        changes.push(Change {
            own: members.iter().filter(|member| own.contains(member)).map(position).collect(),
            members: members.iter().map(position).collect(),
            parts: parts.iter().map(position).collect(),
            named,
            oldest: closure.nodes[oldest],
            closure,
        });
    }
    changes
}

struct Answer<'a, 'd, 's> {
    desk: &'a mut Desk<'d>,
    query: &'a str,
    change: &'a Change<'s>,
    /// The id of the change.
    id: String,
    /// What ties it to other repositories, if it isn't of this one alone.
    family: Option<&'a Family>,
    tell: &'a mut dyn FnMut(&Event<'_>),
}

impl Answer<'_, '_, '_> {
    /// The event of the commit that the change is named after.
    fn commit(&mut self, id: &Oid, outcome: &mut Outcome) {
        let (handle, wishes) = (self.desk.handle, &self.desk.scope.wishes);
        let mut describing = describe::Desk::new(handle);
        let mut buffer = Vec::new();
        let told = self.desk.scope.raw(handle, id, &mut buffer).and_then(|raw| {
            wishes.describe(handle, id, raw, None, &mut describing, |commit| (self.tell)(&Event::Commit(commit)))
        });
        outcome.broken.extend(told.err());
    }

    /// One `match` for each commit that is the change, and with `--similar` for those that resemble it.
    fn matches(&mut self) {
        let closure = self.change.closure;
        let Some(anchor) = closure.index(self.change.oldest) else { return };
        let hops = trailer_hops(closure.nodes.len(), &closure.edges, anchor);
        for &member in self.change.members.iter().chain(&self.change.parts) {
            // A commit that was asked about needs no evidence.
            if self.is_itself(member) {
                self.tell_match(member, None, None);
                continue;
            }
            if let Some(verdict) = self.tie(member).and_then(Tie::verdict) {
                self.tell_match(member, Some(verdict.clone()), None);
                continue;
            }
            let Some(node) = closure.index(member) else { continue };
            let Some((other, brief)) = self.best_link(node, anchor) else { continue };
            let mut full = account(self.desk, closure.nodes[other], member).unwrap_or(brief);
            if self.is_exactly_together(node) {
                full.fidelity = Some(matching::Fidelity::Exact);
            }
            self.tell_match(member, Some(full), hops[node]);
        }
        self.similar();
    }

    /// One `match` for each commit that resembles one that was asked about and isn't the change, the likeliest first.
    fn similar(&mut self) {
        let closure = self.change.closure;
        let is_own = |commit: &Position| self.change.members.contains(commit) || self.change.parts.contains(commit);
        let of_own = closure.similar.iter().filter(|(seed, ..)| self.change.members.contains(seed));
        let similar = of_own.filter(|(_, other, _)| !is_own(other));
        let mut similar: Vec<&(Position, Position, Verdict)> = similar.collect();
        let graph = &self.desk.scope.graph;
        similar.sort_by(|(_, a, one), (_, b, other)| {
            let by_age = || (graph.time(*a), graph.id(*a)).cmp(&(graph.time(*b), graph.id(*b)));
            other.confidence.total_cmp(&one.confidence).then_with(by_age)
        });
        for (seed, other, brief) in similar {
            // With everything that agrees, whatever was needed to find it.
            let full = account(self.desk, *seed, *other).unwrap_or_else(|| brief.clone());
            self.tell_match(*other, Some(Verdict { strength: brief.strength, ..full }), None);
        }
    }

    /// Whether a commit is the one that was asked about, or that the change is named after.
    fn is_itself(&self, member: Position) -> bool {
        if !self.change.named.is_empty() {
            return self.change.named.contains(&member);
        }
        match self.family {
            None => member == self.change.oldest,
            Some(family) => family.change == self.desk.scope.graph.id(member),
        }
    }

    /// What ties a commit to one of another repository.
    fn tie(&self, member: Position) -> Option<&'_ Tie> {
        self.family?.ties.get(&self.desk.scope.graph.id(member))
    }

    /// What speaks most for a commit: its match with the oldest, else with one that was asked about, else the surest.
    fn best_link(&self, node: usize, anchor: usize) -> Option<(usize, Verdict)> {
        let closure = self.change.closure;
        let other = |link: &super::closure::Link| if link.a == node { link.b } else { link.a };
        let links = closure.links.iter().filter(|link| link.a == node || link.b == node);
        let best = links.min_by(|one, two| {
            let rank = |link| {
                let other = other(link);
                (other != anchor, !self.change.named.contains(&closure.nodes[other]))
            };
            rank(one).cmp(&rank(two)).then(two.verdict.confidence.total_cmp(&one.verdict.confidence))
        })?;
        Some((other(best), best.verdict.clone()))
    }

    /// Whether a commit is the sum of several, or one of several whose sum is the change, to the letter.
    fn is_exactly_together(&mut self, node: usize) -> bool {
        let closure = self.change.closure;
        let squash = closure.changes.squashes.iter().find(|(whole, parts)| {
            *whole == node || (parts.contains(&node) && self.change.members.contains(&closure.nodes[*whole]))
        });
        let Some((whole, parts)) = squash.filter(|(_, parts)| parts.len() > 1) else { return false };
        let parts: Vec<Position> = parts.iter().map(|&part| closure.nodes[part]).collect();
        ranges::make_up(self.desk, closure.nodes[*whole], &parts)
    }

    fn tell_match(&mut self, member: Position, verdict: Option<Verdict>, hops: Option<u32>) {
        let itself = Verdict {
            rung: None,
            strength: matching::Strength::Equal,
            confidence: 1.0,
            fidelity: None,
            signals: vec![matching::Signal { kind: matching::SignalKind::Same, value: None, hops: None }],
            is_backed: false,
        };
        let is_itself = verdict.is_none();
        let verdict = verdict.unwrap_or(itself);
        let signals = verdict.signals.iter().map(|signal| Signal {
            kind: signal_kind(signal.kind),
            value: signal.value.as_deref().map(Cow::Borrowed),
            value_b64: None,
            hops: signal.hops.map(|own| hops.unwrap_or(own).max(own)),
        });
        (self.tell)(&Event::Match(Match {
            query: self.query.into(),
            repo: self.desk.scope.repo.as_str().into(),
            change: self.id.as_str().into(),
            id: self.desk.scope.graph.id(member).to_hex().into(),
            strength: strength(verdict.strength),
            confidence: verdict.confidence,
            rung: verdict.rung.map(wire_rung),
            fidelity: (!is_itself).then(|| verdict.fidelity.map(fidelity)),
            signals: signals.collect(),
        }));
    }

    /// Origins that the commits of the change name and that this repository doesn't have.
    fn dangling(&self, outcome: &mut Outcome) {
        let elsewhere = self.family.map_or(&[][..], |family| &family.elsewhere);
        for &member in &self.change.members {
            let Some(sketch) = self.desk.sketch(member) else { continue };
            let absent = sketch
                .origins
                .iter()
                .filter(|origin| origin.id.is_none() && self.desk.handle.commit_by_hex(&origin.text).is_none())
                .filter(|origin| !elsewhere.iter().any(|id| origin.names(id)));
            outcome.dangling.extend(absent.map(|origin| (sketch.id.to_hex(), origin.text.clone())));
        }
    }

    /// What each ref has of the change.
    fn presence(&mut self) {
        let scope = self.desk.scope;
        // What is to be named first goes first.
        let named = self.change.named.iter().filter(|named| !self.change.members.contains(named));
        let all = named.chain(&self.change.members).copied();
        let (mut members, others): (Vec<_>, Vec<_>) = all.partition(|&member| self.is_itself(member));
        // In one repository somebody is always the first.
        let own = if self.family.is_none() { members.len().max(1) } else { members.len() };
        members.extend(others);
        let turns = if scope.signals.is_plain_containment() {
            members.iter().map(|&position| Turn { position, brings: true }).collect()
        } else {
            turns(self.desk, &members)
        };
        let history = Histories::new(self.desk, &turns, &self.change.parts, &scope.places.tips);
        let lines = scope.options.tags != Tags::None || scope.places.list.iter().any(|place| place.line.is_some());
        let has =
            |place: &Place| matches!(history.of(place), State::Present(_) | State::Reapplied(_) | State::Together);
        let firsts = if lines { scope.firsts(has) } else { Vec::new() };
        for (index, place) in scope.places.list.iter().enumerate() {
            let found = history.of(place);
            if !is_reported(&scope.options, place, found, index, &firsts) {
                continue;
            }
            // What was taken away again came somehow, but isn't there.
            let how = has(place).then(|| history.how(place, own)).flatten();
            let mut presence = self.presence_of(place, found, how, &turns);
            if let Some(line) = place.line.map(|line| line as usize).or_else(|| line_of_tag(index, &firsts)) {
                self.add_line(&mut presence, line, &firsts);
            }
            if let (true, State::Present(turn) | State::Reapplied(turn), Some(tip)) =
                (scope.options.via, found, place.tip)
            {
                let merge = merge_that_brought(scope, turns[turn].position, scope.places.tips[tip as usize]);
                presence.via = merge.map(|merge| scope.graph.id(merge).to_hex().into());
            }
            if let Some(ear) = &scope.wishes.ear {
                ear.hear(Told::Presence(&presence));
            }
            (self.tell)(&Event::Presence(presence));
        }
    }

    fn presence_of<'e>(&self, place: &'e Place, found: State, how: Option<PresenceHow>, turns: &[Turn]) -> Presence<'e>
    where
        Self: 'e,
    {
        let scope = self.desk.scope;
        let (state, turn) = match found {
            State::Present(turn) => (PresenceState::Present, Some(turn)),
            State::Reverted(turn) => (PresenceState::Reverted, Some(turn)),
            State::Reapplied(turn) => (PresenceState::Reapplied, Some(turn)),
            State::Together => (PresenceState::Present, None),
            // History that is cut off, or isn't indexed, may have held it.
            State::Missing if scope.is_cut_off(place) => (PresenceState::Unknown, None),
            State::Missing => (PresenceState::Missing, None),
        };
        // Of several commits that bring it together the last completes it.
        let last_part = || self.change.parts.iter().max().copied().filter(|_| found == State::Together);
        let brought = turn.map(|turn| turns[turn].position).or_else(last_part);
        let (refname, refname_b64) = lossy(scope.places.name(place));
        let (short, short_b64) = lossy(short(scope.places.name(place)));
        Presence {
            query: self.query.to_owned().into(),
            repo: scope.repo.clone().into(),
            change: self.id.clone().into(),
            refname: refname.into(),
            refname_b64: refname_b64.map(Cow::Owned),
            short: short.into(),
            short_b64: short_b64.map(Cow::Owned),
            line: None,
            state,
            id: brought.map(|position| scope.graph.id(position).to_hex().into()),
            how,
            first_tag: None,
            first_release: None,
            via: None,
            affected: None,
            recorded: None,
            range: None,
        }
    }

    fn add_line(&self, presence: &mut Presence<'_>, line: usize, firsts: &[Firsts]) {
        let scope = self.desk.scope;
        presence.line = Some(scope.places.lines[line].name().to_owned().into());
        let name = |place: usize| lossy(short(scope.places.name(&scope.places.list[place]))).0;
        // Where history is cut off an earlier one may have it, or one that isn't here.
        let known = |place: Option<usize>, is_unsure: bool| match place {
            _ if is_unsure => Some(None),
            None if scope.overlay.shallow => Some(None),
            place => place.map(|place| Some(name(place).into())),
        };
        let first = firsts.get(line).copied().unwrap_or_default();
        presence.first_tag = known(first.tag, first.tag_is_unsure);
        presence.first_release = known(first.release, first.release_is_unsure);
    }
}

/// Whether a place is part of the answer.
fn is_reported(options: &Options, place: &Place, found: State, index: usize, firsts: &[Firsts]) -> bool {
    // What leads to a tree or a blob can have no change.
    if !place.chosen || !place.has_commit {
        return false;
    }
    let is_missing = found == State::Missing;
    match place.kind {
        PlaceKind::Tag => match options.tags {
            Tags::None => false,
            Tags::All => !is_missing || options.missing,
            Tags::First => firsts.iter().any(|first| first.tag == Some(index)),
        },
        PlaceKind::Branch | PlaceKind::Remote | PlaceKind::Other => {
            !is_missing || options.missing || place.line.is_some()
        }
    }
}

/// The line of which the tag at `index` is the first with the change.
fn line_of_tag(index: usize, firsts: &[Firsts]) -> Option<usize> {
    firsts.iter().position(|first| first.tag == Some(index))
}

/// The merge on the first-parent history of `tip` that brought `commit` there; `None` if it was made there itself, or history breaks
/// off on the way.
fn merge_that_brought(scope: &Scope, commit: Position, tip: Position) -> Option<Position> {
    let graph = &scope.graph;
    let mut chain = vec![tip];
    while let Some(&parent) = chain.last().and_then(|&last| graph.parents(last).first()) {
        if chain.last().is_some_and(|&last| scope.gaps.has(last)) {
            return None;
        }
        // Parents stand before their children: what is lower can't contain it.
        if parent < commit {
            break;
        }
        chain.push(parent);
    }
    let contained = Containment::sweep(graph, &[commit], &chain);
    let brought = (0..chain.len()).rev().find(|&at| contained.has(at, 0)).map(|at| chain[at])?;
    (brought != commit).then_some(brought)
}

fn strength(strength: matching::Strength) -> Strength {
    match strength {
        matching::Strength::Equal => Strength::Equal,
        matching::Strength::Weak => Strength::Weak,
        matching::Strength::Hint => Strength::Hint,
    }
}

/// A rung as the wire has it.
pub(crate) fn wire_rung(rung: matching::Rung) -> Rung {
    match rung {
        matching::Rung::Trailer => Rung::Trailer,
        matching::Rung::ChangeId => Rung::ChangeId,
        matching::Rung::PatchIdAuthorDate => Rung::PatchIdAuthorDate,
        matching::Rung::AuthorDate => Rung::AuthorDate,
        matching::Rung::PatchIdSubject => Rung::PatchIdSubject,
        matching::Rung::PullRequest => Rung::PullRequest,
        matching::Rung::Subject => Rung::Subject,
        matching::Rung::PatchId => Rung::PatchId,
    }
}

fn fidelity(fidelity: matching::Fidelity) -> Fidelity {
    match fidelity {
        matching::Fidelity::Exact => Fidelity::Exact,
        matching::Fidelity::Context => Fidelity::Context,
        matching::Fidelity::Adapted => Fidelity::Adapted,
        matching::Fidelity::Claimed => Fidelity::Claimed,
    }
}

fn signal_kind(kind: matching::SignalKind) -> SignalKind {
    match kind {
        matching::SignalKind::Same => SignalKind::Same,
        matching::SignalKind::Trailer => SignalKind::Trailer,
        matching::SignalKind::ChangeId => SignalKind::ChangeId,
        matching::SignalKind::PatchId => SignalKind::PatchId,
        matching::SignalKind::AuthorDate => SignalKind::AuthorDate,
        matching::SignalKind::PullRequest => SignalKind::PullRequest,
        matching::SignalKind::Subject => SignalKind::Subject,
        matching::SignalKind::Paths => SignalKind::Paths,
        matching::SignalKind::Lines => SignalKind::Lines,
        matching::SignalKind::Fuzzy => SignalKind::Fuzzy,
    }
}
