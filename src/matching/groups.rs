//! Verdicts joined to changes: two picks that equal one original are one change, however little they look alike.
//!
//! Owns the transitive closure, its order and the steps of a trailer chain. Refuses to judge pairs.
//!
//! A closure spreads mistakes, so not every edge may join; one that may not still counts for its own two commits
//! ([`Changes::pairs`]).
//!
//! - Only `equal` edges count. The surest join first, so that the doubtful ones meet groups that are complete.
//! - *Squashes*: a commit whose trailers name several commits that aren't one change by other evidence is a part of several
//!   changes. It belongs to each of them ([`Share::Part`]), and doesn't join them. Where the sources are one change (a chain
//!   "picked from A", "picked from B", B being a pick of A) it is a pick like any other. An edge that rests on more than the
//!   trailer, on what a squash doesn't share with its parts, joins as usual.
//! - *Folded in*: a pick may have taken in another commit of the same branch as its original, and equal both. Two commits that
//!   one ref contains and that aren't alike (`apart`, the caller's to find: pairs with a shared ref that aren't equal though the
//!   gate be lifted, see [`is_apart`]) stay apart, unless a trailer or Change-Id says otherwise. Edges that name what they are
//!   (by a trailer, Change-Id, patch-id, pull request or subject) go first, so that the pick stays with its original. A change
//!   that was split in two on a branch is the same, seen from the other side.
//! - A *doubtful* edge (confidence below .95: the subject's rung, 5 false in 63) brings a single commit into a group; two
//!   groups of several commits are joined only by two such edges or more.
//! - No group grows beyond [`LARGEST`] commits: an edge that would make it so is left out. A change picked to every branch of a
//!   project of 100 branches stays far below; what grows beyond is not one change, but a subject or Change-Id that was reused.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet, VecDeque},
};

use super::{
    evidence::{Answer, Pair},
    is_equal,
    signals::Signals,
    verdict::{Rung, SignalKind, Strength, Verdict},
};

/// The most commits of one change.
pub const LARGEST: usize = 512;
/// Edges below this confidence are doubtful.
const DOUBTFUL: f64 = 0.95;

/// A commit's index in the list that the caller made, the oldest first.
pub type Node = usize;

/// Two commits that match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// The commit whose trailer names the other, where that is the evidence; either commit otherwise.
    pub from: Node,
    /// The other one.
    pub to: Node,
    /// As judged.
    pub strength: Strength,
    /// As judged.
    pub confidence: f64,
    /// What it rests on.
    pub ground: Ground,
}

/// What an edge rests on; the firmest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ground {
    /// A trailer of `from` names `to`.
    Trailer {
        /// Whether anything else says that the one is the other ([`Verdict::is_backed`]).
        backed: bool,
    },
    /// The Change-Id.
    ChangeId,
    /// Something else that names the change: patch-id, pull request or subject.
    Named,
    /// Author, date and lines alone.
    Circumstance,
    /// `from` holds `to` among other changes (`squash::holds`): it is no join at all.
    Part,
}

impl Ground {
    /// Whether somebody stated it.
    fn is_stated(self) -> bool {
        self <= Self::ChangeId
    }

    fn is_trailer(self) -> bool {
        matches!(self, Self::Trailer { .. })
    }

    /// 0 stated, 1 named, 2 neither.
    fn class(self) -> u8 {
        match self {
            Self::Trailer { .. } | Self::ChangeId => 0,
            Self::Named => 1,
            Self::Circumstance | Self::Part => 2,
        }
    }
}

impl Edge {
    /// The edge of a verdict; `from` is the commit with the trailer, if one has it.
    #[must_use]
    pub fn new(from: Node, to: Node, verdict: &Verdict) -> Self {
        let is_name =
            |kind| !matches!(kind, SignalKind::AuthorDate | SignalKind::Paths | SignalKind::Lines | SignalKind::Fuzzy);
        let ground = match verdict.rung {
            Some(Rung::Trailer) => Ground::Trailer { backed: verdict.is_backed },
            Some(Rung::ChangeId) => Ground::ChangeId,
            _ if verdict.signals.iter().any(|signal| is_name(signal.kind)) => Ground::Named,
            _ => Ground::Circumstance,
        };
        Self { from, to, strength: verdict.strength, confidence: verdict.confidence, ground }
    }

    /// What joins first.
    fn rank(&self, other: &Self) -> Ordering {
        self.ground.class().cmp(&other.ground.class()).then(other.confidence.total_cmp(&self.confidence))
    }
}

/// Whether two commits are different changes of one branch: one ref contains both, and not even without that gate are they
/// equal. `Needs` as in [`is_equal`].
#[must_use]
pub fn is_apart(pair: &Pair<'_>, signals: Signals) -> Answer {
    if !pair.shared_ref {
        return Answer::No;
    }
    match is_equal(&Pair::new(pair.a, pair.b, false), signals) {
        Answer::Yes => Answer::No,
        Answer::No => Answer::Yes,
        answer => answer,
    }
}

/// Whether a commit is the change or only holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// It is the change.
    Whole,
    /// It holds the change among others: a squash.
    Part,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its commits, the oldest first; the first that is whole gives the change its name.
    pub members: Vec<(Node, Share)>,
}

impl Group {
    /// The oldest commit that is the change.
    #[must_use]
    pub fn oldest(&self) -> Option<Node> {
        self.members.iter().find(|(_, whole)| *whole == Share::Whole).map(|(node, _)| *node)
    }

    /// Whether `node` is the change, not a squash that holds it.
    #[must_use]
    pub fn is_whole(&self, node: Node) -> bool {
        self.members.contains(&(node, Share::Whole))
    }
}

/// What [`groups`] finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The changes, in the order of their oldest commits. Every commit is whole in exactly one of them.
    pub groups: Vec<Group>,
    /// Commits that hold several others, and those that each holds.
    pub squashes: Vec<(Node, Vec<Node>)>,
    /// Commits that equal one another and yet weren't joined: true of these two, and of no third. The older first.
    pub pairs: Vec<(Node, Node)>,
}

impl Changes {
    /// Every commit that equals `node`, the oldest first: those of its change, and those that only it equals (as parts).
    #[must_use]
    pub fn equals_of(&self, node: Node) -> Vec<(Node, Share)> {
        let group = self.groups.iter().find(|group| group.is_whole(node));
        let mut equals: Vec<(Node, Share)> =
            group.into_iter().flat_map(|group| &group.members).copied().filter(|(member, _)| *member != node).collect();
        for &(a, b) in self.pairs.iter().filter(|(a, b)| *a == node || *b == node) {
            let other = if a == node { b } else { a };
            if !equals.iter().any(|(member, _)| *member == other) {
                equals.push((other, Share::Part));
            }
        }
        equals.sort_by_key(|(member, _)| *member);
        equals
    }
}

/// The changes among `count` commits. `apart` are the pairs, in either order, for which [`is_apart`] holds.
#[must_use]
pub fn groups(count: usize, edges: &[Edge], apart: &[(Node, Node)]) -> Changes {
    let mut union = Union::new(count, apart);
    let (parts, equal): (Vec<&Edge>, Vec<&Edge>) =
        edges.iter().filter(|edge| edge.strength == Strength::Equal).partition(|edge| edge.ground == Ground::Part);
    let claims = claims(&equal);
    let is_claim_of_many = |edge: &Edge| {
        edge.ground == (Ground::Trailer { backed: false })
            && claims.get(&edge.from).is_some_and(|sources| sources.len() > 1)
    };

    let mut sure: Vec<&Edge> = equal.iter().copied().filter(|edge| edge.confidence >= DOUBTFUL).collect();
    sure.sort_by(|a, b| a.rank(b));
    for edge in sure.iter().filter(|edge| edge.ground != Ground::Circumstance && !is_claim_of_many(edge)) {
        union.join(edge.from, edge.to, edge.ground.is_stated());
    }
    // Oldest first, since a pick of a pick is decided by the pick.
    let mut many: Vec<(&Node, &Vec<Node>)> = claims.iter().filter(|(_, sources)| sources.len() > 1).collect();
    many.sort();
    let mut squashes = Vec::new();
    for (node, sources) in many {
        let one_change = sources.iter().all(|source| union.root(*source) == union.root(sources[0]));
        if one_change {
            union.join(*node, sources[0], true);
        } else {
            squashes.push((*node, sources.clone()));
        }
    }
    join_doubtful(&mut union, equal.iter().copied().filter(|edge| edge.confidence < DOUBTFUL));
    for edge in sure.iter().filter(|edge| edge.ground == Ground::Circumstance) {
        union.join(edge.from, edge.to, false);
    }

    hold(&mut squashes, &parts);
    // What it is, it doesn't hold.
    for (node, sources) in &mut squashes {
        let own = union.root(*node);
        sources.retain(|source| union.root(*source) != own);
    }
    squashes.retain(|(_, sources)| !sources.is_empty());

    let mut by_root: HashMap<Node, Vec<(Node, Share)>> = HashMap::new();
    for node in 0..count {
        by_root.entry(union.root(node)).or_default().push((node, Share::Whole));
    }
    for (node, sources) in &squashes {
        let node = *node;
        for source in sources {
            let members = by_root.entry(union.root(*source)).or_default();
            if !members.iter().any(|(member, _)| *member == node) {
                members.push((node, Share::Part));
            }
        }
    }
    let mut groups: Vec<Group> = by_root.into_values().map(|members| Group { members }).collect();
    for group in &mut groups {
        group.members.sort_by_key(|(node, _)| *node);
    }
    groups.sort_by_key(Group::oldest);
    let mut pairs: Vec<(Node, Node)> = equal
        .iter()
        .chain(&parts)
        .filter(|edge| union.root(edge.from) != union.root(edge.to))
        .map(|edge| (edge.from.min(edge.to), edge.from.max(edge.to)))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    Changes { groups, squashes, pairs }
}

/// Adds what holds what to the squashes that trailers tell of.
fn hold(squashes: &mut Vec<(Node, Vec<Node>)>, parts: &[&Edge]) {
    for edge in parts {
        match squashes.iter_mut().find(|(node, _)| *node == edge.from) {
            Some((_, held)) if held.contains(&edge.to) => {}
            Some((_, held)) => held.push(edge.to),
            None => squashes.push((edge.from, vec![edge.to])),
        }
    }
    squashes.sort();
}

/// The distinct commits that each commit's trailers name.
fn claims(equal: &[&Edge]) -> HashMap<Node, Vec<Node>> {
    let mut claims: HashMap<Node, Vec<Node>> = HashMap::new();
    for edge in equal.iter().filter(|edge| edge.ground.is_trailer()) {
        let sources = claims.entry(edge.from).or_default();
        if !sources.contains(&edge.to) {
            sources.push(edge.to);
        }
    }
    for sources in claims.values_mut() {
        sources.sort_unstable();
    }
    claims
}

fn join_doubtful<'e>(union: &mut Union, edges: impl Iterator<Item = &'e Edge>) {
    let mut edges: Vec<&Edge> = edges.collect();
    edges.sort_by(|a, b| a.rank(b));
    let mut between: HashMap<(Node, Node), usize> = HashMap::new();
    for edge in &edges {
        *between.entry(union.ends(edge)).or_default() += 1;
    }
    // Counted before any of them joins, lest two groups be glued by edges of a third.
    let joins: Vec<bool> = edges
        .iter()
        .map(|edge| {
            let (a, b) = union.ends(edge);
            union.size[a].min(union.size[b]) == 1 || between[&(a, b)] > 1
        })
        .collect();
    for (edge, _) in edges.iter().zip(joins).filter(|(_, joins)| *joins) {
        let (a, b) = union.ends(edge);
        // A single that has joined a group since brings no second group with it, unless both ends still allow it.
        if union.size[a].min(union.size[b]) == 1 || between.get(&(a, b)).is_some_and(|count| *count > 1) {
            union.join(edge.from, edge.to, false);
        }
    }
}

/// How many trailers the way from `start` to each of `count` commits takes, in either direction; `None` where there is no way
/// by trailers alone, 0 for `start`.
#[must_use]
pub fn trailer_hops(count: usize, edges: &[Edge], start: Node) -> Vec<Option<u32>> {
    let mut next: Vec<Vec<Node>> = vec![Vec::new(); count];
    for edge in edges.iter().filter(|edge| edge.ground.is_trailer()) {
        next[edge.from].push(edge.to);
        next[edge.to].push(edge.from);
    }
    let mut hops = vec![None; count];
    hops[start] = Some(0);
    let mut queue = VecDeque::from([(start, 0)]);
    while let Some((node, steps)) = queue.pop_front() {
        for &neighbour in &next[node] {
            if hops[neighbour].is_none() {
                hops[neighbour] = Some(steps + 1);
                queue.push_back((neighbour, steps + 1));
            }
        }
    }
    hops
}

/// Disjoint sets; the root of a set is its oldest commit.
struct Union {
    parent: Vec<Node>,
    size: Vec<usize>,
    apart: HashSet<(Node, Node)>,
}

impl Union {
    fn new(count: usize, apart: &[(Node, Node)]) -> Self {
        let apart = apart.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
        Self { parent: (0..count).collect(), size: vec![1; count], apart }
    }

    fn root(&mut self, mut node: Node) -> Node {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    fn ends(&mut self, edge: &Edge) -> (Node, Node) {
        let (a, b) = (self.root(edge.from), self.root(edge.to));
        (a.min(b), a.max(b))
    }

    fn join(&mut self, a: Node, b: Node, is_stated: bool) {
        let (a, b) = (self.root(a), self.root(b));
        let (old, young) = (a.min(b), a.max(b));
        if old == young || self.size[old] + self.size[young] > LARGEST || (!is_stated && self.are_apart(old, young)) {
            return;
        }
        self.parent[young] = old;
        self.size[old] += self.size[young];
    }

    /// Whether one of each set are apart.
    fn are_apart(&mut self, old: Node, young: Node) -> bool {
        let apart = std::mem::take(&mut self.apart);
        let found = apart.iter().any(|&(a, b)| {
            let (a, b) = (self.root(a), self.root(b));
            (a.min(b), a.max(b)) == (old, young)
        });
        self.apart = apart;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{Share::*, *};

    fn backed(from: Node, to: Node, confidence: f64) -> Edge {
        Edge { from, to, strength: Strength::Equal, confidence, ground: Ground::Named }
    }

    fn claim(from: Node, to: Node) -> Edge {
        Edge { ground: Ground::Trailer { backed: false }, ..backed(from, to, 1.0) }
    }

    fn members(count: usize, edges: &[Edge]) -> Vec<Vec<(Node, Share)>> {
        groups(count, edges, &[]).groups.into_iter().map(|group| group.members).collect()
    }

    #[test]
    fn equal_edges_join_and_weak_ones_dont() {
        let weak = Edge { strength: Strength::Weak, ..backed(2, 3, 0.83) };
        let joined = members(4, &[backed(2, 0, 1.0), backed(1, 2, 0.99), weak]);
        assert_eq!(joined, [vec![(0, Whole), (1, Whole), (2, Whole)], vec![(3, Whole)]]);
    }

    #[test]
    fn a_chain_of_picks_is_one_change() {
        // 2 was picked from 1, itself picked from 0, and names both; 3 names all three.
        let edges = [claim(1, 0), claim(2, 0), claim(2, 1), claim(3, 0), claim(3, 1), claim(3, 2)];
        assert_eq!(members(4, &edges), [vec![(0, Whole), (1, Whole), (2, Whole), (3, Whole)]]);
    }

    #[test]
    fn a_squash_is_a_part_of_each_change_and_joins_none() {
        // 3 squashes 0 and 1; 4 is a pick of the squash, with its trailers and its patch-id.
        let edges = [claim(2, 0), claim(3, 0), claim(3, 1), claim(4, 0), claim(4, 1), backed(4, 3, 1.0)];
        assert_eq!(
            members(5, &edges),
            [
                vec![(0, Whole), (2, Whole), (3, Part), (4, Part)],
                vec![(1, Whole), (3, Part), (4, Part)],
                vec![(3, Whole), (4, Whole)],
            ]
        );
    }

    #[test]
    fn a_squash_with_the_change_id_of_one_source_is_that_change_and_holds_the_other() {
        let first = Edge { ground: Ground::Trailer { backed: true }, ..claim(2, 0) };
        let found = groups(3, &[first, claim(2, 1)], &[]);
        let members: Vec<_> = found.groups.iter().map(|group| group.members.clone()).collect();
        assert_eq!(members, [vec![(0, Whole), (2, Whole)], vec![(1, Whole), (2, Part)]]);
        assert_eq!(found.squashes, [(2, vec![1])]);
    }

    #[test]
    fn what_holds_a_change_is_a_part_of_it_and_joins_nothing() {
        // 0 and its pick 1; 2 holds 0; 3 is a pick of 2.
        let held = Edge { ground: Ground::Part, ..backed(2, 0, 0.97) };
        let found = groups(4, &[backed(1, 0, 1.0), held, backed(3, 2, 1.0)], &[]);
        let members: Vec<_> = found.groups.iter().map(|group| group.members.clone()).collect();
        assert_eq!(members, [vec![(0, Whole), (1, Whole), (2, Part)], vec![(2, Whole), (3, Whole)]]);
        assert_eq!(found.squashes, [(2, vec![0])]);
        assert_eq!(found.equals_of(2), [(0, Part), (3, Whole)]);
    }

    #[test]
    fn one_doubtful_edge_brings_a_commit_but_joins_no_groups() {
        let pairs = [backed(0, 1, 1.0), backed(2, 3, 1.0)];
        for (doubtful, count) in [
            (vec![backed(4, 0, 0.92)], 2),
            (vec![backed(0, 2, 0.92)], 3),
            (vec![backed(0, 2, 0.92), backed(1, 3, 0.92)], 2),
            // Through a single in the middle.
            (vec![backed(4, 0, 0.92), backed(4, 2, 0.92)], 2),
        ] {
            let edges = [&pairs[..], &doubtful[..]].concat();
            assert_eq!(members(5, &edges).len(), count, "{doubtful:?}");
        }
    }

    #[test]
    fn a_pick_that_took_in_another_commit_stays_with_its_original() {
        // 0 and 1 are of one branch; 2 is the pick of 0, by its subject, with 1 folded in, by author, date and lines.
        let folded = Edge { ground: Ground::Circumstance, ..backed(1, 2, 0.995) };
        let found = groups(3, &[folded, backed(0, 2, 0.92)], &[(1, 0)]);
        assert_eq!(found.groups[0].members, [(0, Whole), (2, Whole)]);
        // The pick holds the other, the original doesn't.
        for (node, equals) in [(0, vec![(2, Whole)]), (1, vec![(2, Part)]), (2, vec![(0, Whole), (1, Part)])] {
            assert_eq!(found.equals_of(node), equals, "{node}");
        }
        // Two picks onto one branch that are alike aren't apart, and a trailer says more than a branch.
        assert_eq!(groups(3, &[folded, backed(0, 2, 0.92)], &[]).groups.len(), 1);
        assert_eq!(groups(3, &[claim(2, 0), claim(1, 0)], &[(2, 1)]).groups.len(), 1);
    }

    #[test]
    fn no_change_grows_without_end() {
        let edges: Vec<Edge> = (1..2 * LARGEST).map(|node| backed(node, 0, 1.0)).collect();
        assert_eq!(groups(2 * LARGEST, &edges, &[]).groups[0].members.len(), LARGEST);
    }

    #[test]
    fn hops_are_counted_along_trailers() {
        let edges = [claim(1, 0), claim(2, 1), claim(3, 0), backed(4, 0, 1.0)];
        assert_eq!(trailer_hops(5, &edges, 0), [Some(0), Some(1), Some(2), Some(1), None]);
        assert_eq!(trailer_hops(5, &edges, 2), [Some(2), Some(1), Some(0), Some(3), None]);
    }
}
