//! What was found of one query in all the repositories that are asked, and which of it is one change.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::kin::{About, Gathered, Kin, Tie};
use crate::facts::Oid;
use crate::matching::groups::{self, Changes, Edge, Ground, Share};

/// The commits that several repositories have of one query, each commit once, whoever has it. Each repository adds what it has, and
/// looks again as long as others have added something that it hasn't seen. What comes of it doesn't depend on who was first.
#[derive(Debug, Default)]
pub(super) struct Board {
    commits: Vec<Posted>,
    places: HashMap<Oid, usize>,
    edges: Vec<Edge>,
    apart: Vec<(usize, usize)>,
    /// Why a commit of a repository is one change with one that it hasn't got.
    ties: Vec<Found>,
}

/// A commit on the board.
#[derive(Debug)]
struct Posted {
    kin: Arc<Kin>,
    about: About,
    is_named: bool,
    /// The repositories that have it.
    homes: Vec<usize>,
}

#[derive(Debug)]
struct Found {
    home: usize,
    own: usize,
    other: usize,
    tie: Tie,
}

/// A change, as far as one repository has it.
#[derive(Debug, Clone)]
pub(super) struct Family {
    /// The id of its oldest commit, in whichever repository.
    pub(super) change: Oid,
    /// Whether that commit is told here: in the first repository that has it.
    pub(super) tells_commit: bool,
    /// The commits here that are it.
    pub(super) members: Vec<Oid>,
    /// The commits here that are it together with others, here or elsewhere.
    pub(super) parts: Vec<Oid>,
    /// Those that the query named.
    pub(super) named: Vec<Oid>,
    /// The commits that are it and that only others have.
    pub(super) elsewhere: Vec<Oid>,
    /// Why a commit here is one change with one of another repository.
    pub(super) ties: HashMap<Oid, Tie>,
}

impl Board {
    /// How many commits there are.
    pub(super) fn len(&self) -> usize {
        self.commits.len()
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// What was added since there were `seen` that `home` hasn't got: their places and themselves.
    pub(super) fn since(&self, seen: usize, home: usize) -> impl Iterator<Item = (usize, Arc<Kin>)> {
        let new = self.commits.iter().enumerate().skip(seen);
        new.filter(move |(_, posted)| !posted.homes.contains(&home))
            .map(|(place, posted)| (place, Arc::clone(&posted.kin)))
    }

    /// Adds what `home` has found, `others` being the places of those that it was told of.
    pub(super) fn add(&mut self, home: usize, gathered: Gathered, others: &[usize]) {
        let places: Vec<usize> = gathered.kin.into_iter().map(|kin| self.place(home, kin)).collect();
        let edge = |edge: Edge| Edge { from: places[edge.from], to: places[edge.to], ..edge };
        self.edges.extend(gathered.edges.into_iter().map(edge));
        self.apart.extend(gathered.apart.into_iter().map(|(one, other)| (places[one], places[other])));
        for (id, index, tie) in gathered.ties {
            let (Some(&own), Some(&other)) = (self.places.get(&id), others.get(index)) else { continue };
            self.edges.extend(self.edge(own, other, &tie));
            self.ties.push(Found { home, own, other, tie });
        }
    }

    fn edge(&self, own: usize, other: usize, tie: &Tie) -> Option<Edge> {
        let sketch = |place: usize| &self.commits[place].kin.sketch;
        let names = |from: usize, to: usize| sketch(from).origins.iter().any(|origin| origin.names(&sketch(to).id));
        let (from, to) = if names(other, own) { (other, own) } else { (own, other) };
        match tie {
            Tie::Same => None,
            Tie::Judged(verdict) => Some(Edge::new(from, to, verdict)),
            Tie::Part(verdict) => Some(Edge { ground: Ground::Part, ..Edge::new(other, own, verdict) }),
        }
    }

    /// The place of `kin`, which `home` has.
    fn place(&mut self, home: usize, kin: Kin) -> usize {
        let place = *self.places.entry(kin.sketch.id).or_insert(self.commits.len());
        let (about, is_named) = (kin.about, kin.is_named);
        if place == self.commits.len() {
            self.commits.push(Posted { kin: Arc::new(kin), about, is_named, homes: Vec::new() });
        }
        let posted = &mut self.commits[place];
        posted.about = posted.about.max(about);
        posted.is_named |= is_named;
        if !posted.homes.contains(&home) {
            posted.homes.push(home);
        }
        place
    }

    /// The changes that each repository has commits of, the one with the oldest commit first.
    pub(super) fn families(&self) -> BTreeMap<usize, Vec<Family>> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_unstable_by_key(|&place| (self.commits[place].kin.time, self.commits[place].kin.sketch.id));
        let changes = self.changes(&order);
        let posted = |node: usize| &self.commits[order[node]];
        let is_found = self.commits.iter().any(|posted| posted.about == About::Itself);
        let about = if is_found { About::Itself } else { About::Naming };
        let mut families: BTreeMap<usize, Vec<Family>> = BTreeMap::new();
        for group in &changes.groups {
            let whole = group.members.iter().filter(|(_, share)| *share == Share::Whole).map(|(node, _)| *node);
            let sought: Vec<usize> = whole.filter(|&node| posted(node).about == about).collect();
            let Some(oldest) = group.oldest().filter(|_| !sought.is_empty()) else { continue };
            let mut members = sought.clone();
            members.extend(sought.iter().flat_map(|&node| changes.equals_of(node)).map(|(node, _)| node));
            let squashes = changes.squashes.iter().filter(|(whole, _)| sought.contains(whole));
            let parts: HashSet<usize> = squashes.flat_map(|(_, parts)| parts).copied().collect();
            members.extend(&parts);
            members.sort_unstable();
            members.dedup();
            let homes: HashSet<usize> = members.iter().flat_map(|&node| &posted(node).homes).copied().collect();
            for home in homes {
                families.entry(home).or_default().push(self.family(home, oldest, &members, &parts, &order));
            }
        }
        families
    }

    /// What `home` has of the change of `members`, some of them `parts`; nodes of `order`.
    fn family(&self, home: usize, oldest: usize, members: &[usize], parts: &HashSet<usize>, order: &[usize]) -> Family {
        let posted = |node: usize| &self.commits[order[node]];
        let ids = |nodes: &[usize]| nodes.iter().map(|&node| posted(node).kin.sketch.id).collect::<Vec<Oid>>();
        let (here, elsewhere): (Vec<usize>, Vec<usize>) =
            members.iter().partition(|&&node| posted(node).homes.contains(&home));
        let named: Vec<usize> = here.iter().copied().filter(|&node| posted(node).is_named).collect();
        let tie = |&node: &usize| {
            let found = self.ties.iter().filter(|found| found.home == home && found.own == order[node]);
            // As within one repository: the oldest convinces most, then one that was asked about, then the surest.
            let best = found.min_by(|one, two| {
                let rank = |found: &Found| (found.other != order[oldest], Reverse(self.commits[found.other].is_named));
                let sure = |found: &Found| found.tie.verdict().map_or(1.0, |verdict| verdict.confidence);
                let id = |found: &Found| self.commits[found.other].kin.sketch.id;
                rank(one).cmp(&rank(two)).then(sure(two).total_cmp(&sure(one))).then(id(one).cmp(&id(two)))
            })?;
            Some((posted(node).kin.sketch.id, best.tie.clone()))
        };
        let ties = here.iter().filter_map(tie).collect();
        let (parts, members): (Vec<usize>, Vec<usize>) = here.iter().partition(|node| parts.contains(node));
        Family {
            change: posted(oldest).kin.sketch.id,
            tells_commit: posted(oldest).homes.iter().min() == Some(&home),
            members: ids(&members),
            parts: ids(&parts),
            named: ids(&named),
            elsewhere: ids(&elsewhere),
            ties,
        }
    }

    /// Which commits are one change; nodes of `order`.
    fn changes(&self, order: &[usize]) -> Changes {
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &place)| rank[place] = at);
        let mut edges: Vec<Edge> =
            self.edges.iter().map(|edge| Edge { from: rank[edge.from], to: rank[edge.to], ..*edge }).collect();
        // Every repository that has both tells of the same two commits, each time that it is asked. What is told twice is no surer for
        // it: the firmest counts. But that a commit is a part of another is found out where its other parts are, and only claimed
        // elsewhere.
        let pair = |edge: &Edge| (edge.from.min(edge.to), edge.from.max(edge.to));
        edges.sort_by(|a, b| {
            let key = |edge: &Edge| (pair(edge), edge.ground != Ground::Part, edge.ground, edge.from);
            key(a).cmp(&key(b)).then(b.confidence.total_cmp(&a.confidence))
        });
        edges.dedup_by_key(|edge| pair(edge));
        let apart: Vec<(usize, usize)> = self.apart.iter().map(|&(one, other)| (rank[one], rank[other])).collect();
        groups::groups(order.len(), &edges, &apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{Sketch, Strength};

    fn id(byte: u8) -> Oid {
        Oid::from_bytes(&[byte; 20]).expect("20 bytes")
    }

    /// A commit that a query is about, if `about` says so.
    fn kin(byte: u8, about: About) -> Kin {
        Kin {
            sketch: Sketch::new(id(byte)),
            time: u64::from(byte),
            about,
            is_named: about == About::Itself && byte == 5,
        }
    }

    fn sure(from: usize, to: usize) -> Edge {
        let ground = Ground::Trailer { backed: true };
        Edge { from, to, strength: Strength::Equal, confidence: 1.0, ground }
    }

    #[test]
    fn what_hangs_together_across_repositories_is_one_change_named_by_the_oldest() {
        let mut board = Board::default();
        let found = [5, 7, 9].map(|byte| kin(byte, About::Itself)).into();
        board.add(1, Gathered { kin: found, edges: vec![sure(0, 1)], ..Gathered::default() }, &[]);
        assert_eq!(board.since(0, 0).count(), 3);
        assert_eq!(board.since(0, 1).count(), 0, "nobody is told of its own");
        let found = [3, 5].map(|byte| kin(byte, About::Others)).into();
        board.add(0, Gathered { kin: found, edges: vec![sure(0, 1)], ..Gathered::default() }, &[]);
        let families = board.families();
        let here: Vec<_> = families[&1].iter().map(|own| (own.change, own.tells_commit, own.members.len())).collect();
        assert_eq!(here, [(id(3), false, 2), (id(9), true, 1)]);
        let (there, first) = (&families[&0], &families[&1][0]);
        assert_eq!((&first.named, &first.elsewhere), (&vec![id(5)], &vec![id(3)]));
        assert!(there.len() == 1 && there[0].tells_commit);
        assert_eq!((&there[0].members, &there[0].elsewhere), (&vec![id(3), id(5)], &vec![id(7)]));
    }

    #[test]
    fn what_two_repositories_say_of_the_same_commits_counts_once() {
        // Two changes of two commits each, and a doubtful edge between them: one alone joins no groups.
        let edges = vec![sure(0, 1), sure(2, 3), Edge { ground: Ground::Named, confidence: 0.92, ..sure(1, 2) }];
        let mut board = Board::default();
        for home in [0, 1, 0] {
            let found = [1, 2, 3, 4].map(|byte| kin(byte, About::Itself)).into();
            board.add(home, Gathered { kin: found, edges: edges.clone(), ..Gathered::default() }, &[]);
        }
        assert_eq!(board.len(), 4);
        let families = board.families();
        let changes = |home: usize| families[&home].iter().map(|family| family.change).collect::<Vec<_>>();
        assert_eq!(changes(0), [id(1), id(3)]);
        assert_eq!(changes(1), changes(0));
    }
}
