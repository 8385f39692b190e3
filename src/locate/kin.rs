//! Commits of other repositories: projects that keep their stable trees apart have the original in one and its picks in others.
//! What the ladder may ask of a commit is carried over, and the commits here climb it with that.

use std::sync::Arc;

use super::answer::changes;
use super::closure::close;
use super::desk::Desk;
use super::resolve::Target;
use super::seeds::{Seeds, seeds};
use crate::cache::patches::KeptPatch;
use crate::facts::Oid;
use crate::git::ObjectError;
use crate::graph::Position;
use crate::matching::{Fact, Judgement, Need, Pair, SignalKind, Sketch, Strength, Verdict, judge, keys};

/// Of more commits than this of one query no diff is made: what costs none has to tell.
const MOST_DIFFS: usize = 256;

/// A commit, with everything that the ladder may ask of it.
#[derive(Debug)]
pub(super) struct Kin {
    /// The repository that it is of, by its place among those that are asked.
    pub(super) home: usize,
    pub(super) sketch: Sketch,
    /// The committer's time.
    pub(super) time: u64,
    /// Whether the query named it.
    pub(super) is_named: bool,
}

/// Why a commit here is one change with one of another repository; `None` if it is the same commit.
pub(super) type Tie = Option<Verdict>;

/// What one repository has of a query.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Its changes, the commits of each.
    pub(super) changes: Vec<Vec<Kin>>,
    /// A commit here, which of the others', and why they are one change.
    pub(super) ties: Vec<(Oid, usize, Tie)>,
    pub(super) found_out: Vec<KeptPatch>,
    pub(super) broken: Vec<ObjectError>,
    pub(super) absent: usize,
}

/// Finds the commits here that `target` or `hits` are about, and those that are one change with one of `others`.
///
/// # Errors
/// If the cache can't be read.
pub(super) fn gather(
    desk: &mut Desk<'_>,
    home: usize,
    target: Option<&Target>,
    hits: &[Position],
    others: &[Arc<Kin>],
) -> anyhow::Result<Gathered> {
    let asked = target.map_or_else(Seeds::default, |target| seeds(desk, target));
    let mut gathered = Gathered::default();
    let mut commits: Vec<Position> = asked.commits.iter().chain(hits).copied().collect();
    for (index, other) in others.iter().enumerate() {
        for (position, tie) in equals(desk, &other.sketch) {
            gathered.ties.push((desk.scope.graph.id(position), index, tie));
            commits.push(position);
        }
    }
    commits.sort_unstable();
    commits.dedup();
    let closure = close(desk, &commits, Strength::Equal);
    let has_diffs = commits.len() <= MOST_DIFFS;
    let all = Seeds { commits, ..Seeds::default() };
    for change in changes(&closure, &all) {
        let kin = change.members.iter().filter_map(|&position| {
            let sketch = carried(desk, position, has_diffs)?;
            let is_named = asked.is_commit && asked.commits.contains(&position);
            Some(Kin { home, sketch, time: desk.scope.graph.time(position), is_named })
        });
        gathered.changes.push(kin.collect());
    }
    gathered.found_out = std::mem::take(&mut desk.found_out);
    gathered.broken = std::mem::take(&mut desk.broken);
    gathered.absent = desk.absent;
    match desk.take_failure() {
        Some(cause) => Err(cause),
        None => Ok(gathered),
    }
}

/// The commit at `position` as it is for others: nothing can be asked of it there.
fn carried(desk: &mut Desk<'_>, position: Position, has_diffs: bool) -> Option<Sketch> {
    if has_diffs {
        for need in [Need::PatchId, Need::Paths, Need::Lines] {
            desk.fill(position, need);
        }
    }
    let mut sketch = desk.sketch(position)?.clone();
    settle(&mut sketch.patch_id);
    settle(&mut sketch.paths);
    settle(&mut sketch.lines);
    Some(sketch)
}

fn settle<T>(fact: &mut Fact<T>) {
    if fact.is_unasked() {
        *fact = Fact::Unknowable;
    }
}

/// The commits here that are one change with `other`, a commit of another repository. Where that very commit is here it stands for
/// all: what else is here is found from it.
fn equals(desk: &mut Desk<'_>, other: &Sketch) -> Vec<(Position, Tie)> {
    let scope = desk.scope;
    let itself = scope.graph.position(&other.id).filter(|&position| scope.places.reach(&scope.graph, position));
    if let Some(position) = itself {
        return vec![(position, None)];
    }
    if scope.signals.is_plain_containment() || other.is_merge {
        return Vec::new();
    }
    let mut candidates = desk.candidates(&keys::sought(other, scope.signals));
    if scope.signals.has(SignalKind::Trailer) {
        let named = other.origins.iter().filter_map(|origin| scope.resolve(&origin.text));
        candidates.extend(named.filter_map(|id| scope.graph.position(&id)));
        candidates.sort_unstable();
        candidates.dedup();
    }
    let judged = candidates.into_iter().filter_map(|position| {
        let verdict = if desk.read(position) { verdict(desk, other, position) } else { None };
        Some((position, Some(verdict?)))
    });
    judged.collect()
}

fn verdict(desk: &mut Desk<'_>, other: &Sketch, position: Position) -> Option<Verdict> {
    let signals = desk.scope.signals;
    loop {
        // No ref here has the other.
        let pair = Pair::new(other, desk.sketch(position)?, false);
        let need = match (judge(&pair, signals, Strength::Equal), pair.lacks()) {
            (Judgement::NoMatch(_), _) => return None,
            (Judgement::Matched(verdict), None) => {
                let is_sure = verdict.strength == Strength::Equal && verdict.confidence >= desk.scope.min_confidence;
                return is_sure.then_some(verdict);
            }
            (Judgement::Matched(_), Some(need)) | (Judgement::Needs(need), _) => need,
        };
        desk.fill(position, need);
    }
}
