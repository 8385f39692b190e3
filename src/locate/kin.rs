//! Commits of other repositories: projects that keep their stable trees apart have the original in one and its picks in others.
//! What the ladder may ask of a commit is carried over, and the commits here climb it with that.

use std::sync::Arc;

use super::closure::{apart, close};
use super::desk::Desk;
use super::ranges;
use super::resolve::Target;
use super::seeds::{Seeds, seeds};
use crate::cache::patches::KeptPatch;
use crate::facts::Oid;
use crate::git::ObjectError;
use crate::graph::Position;
use crate::matching::groups::Edge;
use crate::matching::{Fact, Judgement, Need, Pair, Rung, SignalKind, Sketch, Strength, Verdict, judge, keys};

/// Of more commits than this of one query no diff is made: what costs none has to tell.
const MOST_DIFFS: usize = 256;

/// A commit, with everything that the ladder may ask of it.
#[derive(Debug)]
pub(super) struct Kin {
    pub(super) sketch: Sketch,
    /// The committer's time.
    pub(super) time: u64,
    /// Whether the query is about it.
    pub(super) about: About,
    /// Whether the query named it.
    pub(super) is_named: bool,
}

/// Whether a query is about a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    /// Only through others.
    Others,
    /// Its message names what is asked about, which wasn't found where it is: it counts if that is found nowhere.
    Naming,
    /// It is.
    Itself,
}

/// Why a commit here is one change with one of another repository.
#[derive(Debug, Clone)]
pub(super) enum Tie {
    /// It is the same commit.
    Same,
    /// The ladder says so.
    Judged(Verdict),
    /// Together with others here it is the one there, which was split.
    Part(Verdict),
}

impl Tie {
    /// What the ladder says.
    pub(super) fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Same => None,
            Self::Judged(verdict) | Self::Part(verdict) => Some(verdict),
        }
    }
}

/// What one repository has of a query.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Its commits, the oldest first.
    pub(super) kin: Vec<Kin>,
    /// What joins them; indices in `kin`.
    pub(super) edges: Vec<Edge>,
    /// Which of them are no one change; indices in `kin`.
    pub(super) apart: Vec<(usize, usize)>,
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
    gathered.apart = apart(desk, &closure.nodes);
    let has_diffs = closure.nodes.len() <= MOST_DIFFS;
    for &position in &closure.nodes {
        let is_sought = asked.commits.contains(&position) || hits.contains(&position);
        let about = match target {
            _ if !is_sought => About::Others,
            Some(Target::Digits(_)) => About::Naming,
            _ => About::Itself,
        };
        gathered.kin.push(Kin {
            sketch: carried(desk, position, has_diffs),
            time: desk.scope.graph.time(position),
            about,
            is_named: is_sought && asked.is_commit,
        });
    }
    gathered.edges = closure.edges;
    gathered.found_out = std::mem::take(&mut desk.found_out);
    gathered.broken = std::mem::take(&mut desk.broken);
    gathered.absent = desk.absent;
    match desk.take_failure() {
        Some(cause) => Err(cause),
        None => Ok(gathered),
    }
}

/// The commit at `position` as it is for others: nothing can be asked of it there.
fn carried(desk: &mut Desk<'_>, position: Position, has_diffs: bool) -> Sketch {
    if has_diffs {
        for need in [Need::PatchId, Need::Paths, Need::Lines] {
            desk.fill(position, need);
        }
    }
    // Every commit of a closure was read.
    let mut sketch = desk.sketch(position).cloned().unwrap_or_else(|| Sketch::new(desk.scope.graph.id(position)));
    settle(&mut sketch.patch_id);
    settle(&mut sketch.paths);
    settle(&mut sketch.lines);
    sketch
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
        return vec![(position, Tie::Same)];
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
        Some((position, verdict?))
    });
    let judged: Vec<(Position, Verdict)> = judged.collect();
    let claims = judged.iter().filter(|(_, verdict)| verdict.rung == Some(Rung::Trailer) && !verdict.is_backed);
    let claims: Vec<Position> = claims.map(|(position, _)| *position).collect();
    let parts = match other.patch_id.known() {
        Some(Some(patch_id)) => ranges::split_of(desk, patch_id, &claims),
        _ => Vec::new(),
    };
    let tie = |(position, verdict)| {
        (position, if parts.contains(&position) { Tie::Part(verdict) } else { Tie::Judged(verdict) })
    };
    judged.into_iter().map(tie).collect()
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
