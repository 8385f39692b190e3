//! The commits that are one change with those asked about: from each commit to what is filed under its keys, pair by pair up
//! the ladder, and on from every commit that was found, so that a pick of a pick is found too.

use std::collections::HashSet;

use super::desk::Desk;
use super::ranges;
use crate::graph::{Containment, Holders, Position};
use crate::matching::groups::{self, Changes, Edge, Ground, LARGEST};
use crate::matching::{Answer, Judgement, Pair, SignalKind, Strength, Verdict, judge, keys, squash};

/// More commits than this are not pursued further: what grows so is not one change.
const MOST: usize = LARGEST + LARGEST / 4;
/// Among more commits than this it isn't asked which of them are apart.
const MOST_APART: usize = 100;

/// Two commits that match; indices into [`Closure::nodes`].
#[derive(Debug)]
pub(super) struct Link {
    pub(super) a: usize,
    pub(super) b: usize,
    pub(super) verdict: Verdict,
}

/// Commits, oldest first, and how they hang together.
#[derive(Debug, Default)]
pub(super) struct Closure {
    pub(super) nodes: Vec<Position>,
    pub(super) links: Vec<Link>,
    pub(super) edges: Vec<Edge>,
    pub(super) changes: Changes,
    /// What only resembles one that was asked about: that one, the other, and why. Never counted.
    pub(super) similar: Vec<(Position, Position, Verdict)>,
}

impl Closure {
    /// The index of a commit in `nodes`.
    pub(super) fn index(&self, position: Position) -> Option<usize> {
        self.nodes.iter().position(|&node| node == position)
    }

    /// Whether a commit is known to hold several changes.
    pub(super) fn holds_others(&self, position: Position) -> bool {
        let node = self.index(position);
        self.changes.squashes.iter().any(|(whole, _)| Some(*whole) == node)
    }
}

/// Finds everything that is one change with one of `seeds`, and what matches one of them at least as weakly as `least`.
pub(super) fn close(desk: &mut Desk<'_>, seeds: &[Position], least: Strength) -> Closure {
    let mut nodes: Vec<Position> = Vec::new();
    for &seed in seeds {
        if !nodes.contains(&seed) && desk.read(seed) {
            nodes.push(seed);
        }
    }
    let mut found: Vec<(Position, Position, Verdict)> = Vec::new();
    let mut parts: Vec<(Position, Position, Verdict)> = Vec::new();
    let mut similar = Vec::new();
    // Those that were asked about count for nothing, however many they are.
    let most = nodes.len() + MOST;
    if !desk.scope.signals.is_plain_containment() {
        let mut judged = HashSet::new();
        let mut level = nodes.clone();
        let mut is_first = true;
        while !level.is_empty() && !desk.scope.stop.is_cancelled() {
            let pairs = raise(desk, &level, &mut judged);
            let shared = Shared::of(desk, &pairs);
            let least = if is_first { least } else { Strength::Equal };
            level.clear();
            for (a, b) in pairs {
                if desk.scope.stop.is_cancelled() {
                    break;
                }
                let is_shared = shared.both(a, b);
                let Some(verdict) = verdict(desk, a, b, is_shared, least) else {
                    // A squash and its parts are looked at, and pursued no further.
                    if let Some(held) = held(desk, a, b, is_shared) {
                        if !nodes.contains(&b) && nodes.len() < most {
                            nodes.push(b);
                        }
                        parts.push(held);
                    }
                    continue;
                };
                if verdict.confidence < desk.scope.min_confidence {
                    continue;
                }
                if verdict.strength != Strength::Equal {
                    similar.push((a, b, verdict));
                    continue;
                }
                found.push((a, b, verdict));
                if !nodes.contains(&b) && nodes.len() < most {
                    nodes.push(b);
                    level.push(b);
                }
            }
            is_first = false;
        }
    }
    arrange(desk, nodes, found, parts, similar)
}

/// The pairs, of one of `level` and another commit, that are worth judging.
fn raise(
    desk: &mut Desk<'_>,
    level: &[Position],
    judged: &mut HashSet<(Position, Position)>,
) -> Vec<(Position, Position)> {
    let signals = desk.scope.signals;
    let mut pairs = Vec::new();
    for &from in level {
        if desk.scope.stop.is_cancelled() {
            break;
        }
        let Some(sketch) = desk.sketch(from).filter(|sketch| !sketch.is_merge) else { continue };
        let mut candidates = desk.candidates(&keys::sought(sketch, signals));
        if signals.has(SignalKind::Trailer) {
            let named = sketch.origins.iter().filter_map(|origin| origin.id);
            candidates.extend(named.filter_map(|id| desk.scope.graph.position(&id)));
            candidates.sort_unstable();
            candidates.dedup();
        }
        for to in candidates {
            if to != from && judged.insert((from.min(to), from.max(to))) && desk.read(to) {
                pairs.push((from, to));
            }
        }
    }
    pairs
}

/// Which commits lie in one ref.
struct Shared<'s> {
    order: Vec<Position>,
    sets: Vec<Vec<u64>>,
    /// What was found out of all commits at once, if it was.
    holders: Option<&'s Holders>,
}

impl<'s> Shared<'s> {
    fn of(desk: &Desk<'s>, pairs: &[(Position, Position)]) -> Self {
        let holders = desk.scope.holders();
        if holders.is_some() || pairs.is_empty() {
            return Self { order: Vec::new(), sets: Vec::new(), holders };
        }
        let mut order: Vec<Position> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
        order.sort_unstable();
        order.dedup();
        let swept = Containment::sweep(&desk.scope.graph, &order, &desk.scope.places.tips);
        let sets = swept.distinct().into_iter().map(<[u64]>::to_vec).collect();
        Self { order, sets, holders: None }
    }

    fn both(&self, a: Position, b: Position) -> bool {
        if let Some(holders) = self.holders {
            return holders.share(a, b);
        }
        let (Ok(a), Ok(b)) = (self.order.binary_search(&a), self.order.binary_search(&b)) else { return false };
        let has = |set: &[u64], at: usize| set[at / 64] >> (at % 64) & 1 == 1;
        self.sets.iter().any(|set| has(set, a) && has(set, b))
    }
}

/// Judges a pair, finding out what that takes.
pub(super) fn verdict(desk: &mut Desk<'_>, a: Position, b: Position, shared: bool, least: Strength) -> Option<Verdict> {
    loop {
        let pair = Pair::new(desk.sketch(a)?, desk.sketch(b)?, shared);
        match judge(&pair, desk.scope.signals, least) {
            Judgement::Matched(verdict) => return Some(verdict),
            Judgement::NoMatch(_) => return None,
            Judgement::Needs(need) => {
                desk.fill(a, need);
                desk.fill(b, need);
            }
        }
    }
}

/// Whether one of a pair holds the other: the whole, the part, and why.
fn held(desk: &mut Desk<'_>, a: Position, b: Position, shared: bool) -> Option<(Position, Position, Verdict)> {
    for (whole, part) in [(a, b), (b, a)] {
        loop {
            let (answer, kind) = squash::holds(desk.sketch(whole)?, desk.sketch(part)?, shared, desk.scope.signals);
            match answer {
                Answer::Yes => {
                    let pair = Pair::new(desk.sketch(whole)?, desk.sketch(part)?, shared);
                    return Some((whole, part, squash::verdict(&pair, kind)));
                }
                Answer::Needs(need) => {
                    desk.fill(whole, need);
                    desk.fill(part, need);
                }
                Answer::No | Answer::Unknowable => break,
            }
        }
    }
    None
}

/// Judges a pair once more with everything that there is to know, for an account of it.
pub(super) fn account(desk: &mut Desk<'_>, a: Position, b: Position) -> Option<Verdict> {
    let shared = Shared::of(desk, &[(a, b)]).both(a, b);
    loop {
        let pair = Pair::new(desk.sketch(a)?, desk.sketch(b)?, shared);
        let need = match (judge(&pair, desk.scope.signals, desk.scope.least), pair.lacks()) {
            (Judgement::NoMatch(_), _) => return None,
            (Judgement::Matched(verdict), None) => return Some(verdict),
            (Judgement::Matched(_), Some(need)) | (Judgement::Needs(need), _) => need,
        };
        desk.fill(a, need);
        desk.fill(b, need);
    }
}

/// Puts what was found in order and makes changes of it.
fn arrange(
    desk: &mut Desk<'_>,
    mut nodes: Vec<Position>,
    found: Vec<(Position, Position, Verdict)>,
    parts: Vec<(Position, Position, Verdict)>,
    similar: Vec<(Position, Position, Verdict)>,
) -> Closure {
    desk.sort_by_age(&mut nodes);
    let mut closure = Closure { nodes, similar, ..Closure::default() };
    for (a, b, verdict) in found {
        let (Some(at), Some(bt)) = (closure.index(a), closure.index(b)) else { continue };
        let names = |from: Position, to: Position| {
            let to = desk.scope.graph.id(to);
            desk.sketch(from).is_some_and(|sketch| sketch.origins.iter().any(|origin| origin.names(&to)))
        };
        let (from, to) = if names(b, a) { (bt, at) } else { (at, bt) };
        closure.edges.push(Edge::new(from, to, &verdict));
        closure.links.push(Link { a: at, b: bt, verdict });
    }
    for (whole, part, verdict) in parts {
        let (Some(from), Some(to)) = (closure.index(whole), closure.index(part)) else { continue };
        closure.edges.push(Edge { ground: Ground::Part, ..Edge::new(from, to, &verdict) });
        closure.links.push(Link { a: from, b: to, verdict });
    }
    ranges::split(desk, &closure.nodes, &mut closure.edges);
    // Two can only be made one by a third.
    let apart = if closure.nodes.len() < 3 { Vec::new() } else { apart(desk, &closure.nodes) };
    closure.changes = groups::groups(closure.nodes.len(), &closure.edges, &apart);
    closure
}

/// Commits of one ref that are no one change; as indices.
pub(super) fn apart(desk: &mut Desk<'_>, nodes: &[Position]) -> Vec<(usize, usize)> {
    if nodes.len() > MOST_APART {
        return Vec::new();
    }
    let pairs: Vec<(usize, usize)> = (0..nodes.len()).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
    let positions: Vec<(Position, Position)> = pairs.iter().map(|&(a, b)| (nodes[a], nodes[b])).collect();
    let shared = Shared::of(desk, &positions);
    let mut apart = Vec::new();
    for ((a, b), (at, bt)) in pairs.into_iter().zip(positions) {
        if !shared.both(at, bt) {
            continue;
        }
        while let (Some(one), Some(other)) = (desk.sketch(at), desk.sketch(bt)) {
            match groups::is_apart(&Pair::new(one, other, true), desk.scope.signals) {
                Answer::Needs(need) => {
                    desk.fill(at, need);
                    desk.fill(bt, need);
                    continue;
                }
                Answer::Yes => apart.push((a, b)),
                Answer::No | Answer::Unknowable => {}
            }
            break;
        }
    }
    apart
}
