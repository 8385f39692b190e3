//! What was found of one query in all the repositories that are asked, and which of it is one change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::kin::{About, Gathered, Kin, Tie};
use crate::facts::Oid;
use crate::matching::Strength;
use crate::matching::groups::{self, Edge, Ground, Share};

/// The commits that several repositories have of one query. Each repository adds what it has, and looks again as long as others
/// have added something that it hasn't seen.
#[derive(Debug, Default)]
pub(super) struct Board {
    kin: Vec<Arc<Kin>>,
    edges: Vec<Edge>,
    apart: Vec<(usize, usize)>,
    /// Why a commit of a repository is one change with one of another.
    ties: Vec<(usize, Oid, Tie)>,
}

/// A change, as far as one repository has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Family {
    /// The id of its oldest commit, in whichever repository.
    pub(super) change: Option<Oid>,
    /// Whether that commit is told here: in the first repository that has it.
    pub(super) tells_commit: bool,
    /// The commits here that are it.
    pub(super) members: Vec<Oid>,
    /// The commits here that are it together with others, here or elsewhere.
    pub(super) parts: Vec<Oid>,
    /// Those that the query named.
    pub(super) named: Vec<Oid>,
    /// The commits elsewhere that are it.
    pub(super) elsewhere: Vec<Oid>,
    /// Why a commit here is one change with one of another repository.
    pub(super) ties: HashMap<Oid, Tie>,
}

impl Board {
    /// How many commits there are.
    pub(super) fn len(&self) -> usize {
        self.kin.len()
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.kin.is_empty()
    }

    /// What others than `home` have added since there were `seen`: their places and themselves.
    pub(super) fn since(&self, seen: usize, home: usize) -> Vec<(usize, Arc<Kin>)> {
        let new = self.kin.iter().enumerate().skip(seen);
        new.filter(|(_, kin)| kin.home != home).map(|(place, kin)| (place, Arc::clone(kin))).collect()
    }

    /// Adds what `home` has found, `others` being the places of those that it was told of.
    pub(super) fn add(&mut self, home: usize, gathered: Gathered, others: &[usize]) {
        let places: Vec<usize> = gathered.kin.into_iter().map(|kin| self.place(kin)).collect();
        let edge = |edge: Edge| Edge { from: places[edge.from], to: places[edge.to], ..edge };
        self.edges.extend(gathered.edges.into_iter().map(edge));
        self.apart.extend(gathered.apart.into_iter().map(|(one, other)| (places[one], places[other])));
        for (id, index, tie) in gathered.ties {
            let own = self.kin.iter().position(|kin| kin.home == home && kin.sketch.id == id);
            let (Some(own), Some(&other)) = (own, others.get(index)) else { continue };
            self.edges.push(self.edge(own, other, &tie));
            if !self.ties.iter().any(|(of, known, _)| *of == home && *known == id) {
                self.ties.push((home, id, tie));
            }
        }
    }

    fn edge(&self, own: usize, other: usize, tie: &Tie) -> Edge {
        let names = |from: usize, to: usize| {
            let to = &self.kin[to].sketch.id;
            self.kin[from].sketch.origins.iter().any(|origin| origin.names(to))
        };
        let (from, to) = if names(other, own) { (other, own) } else { (own, other) };
        match tie {
            Tie::Judged(verdict) => Edge::new(from, to, verdict),
            Tie::Part(verdict) => Edge { ground: Ground::Part, ..Edge::new(other, own, verdict) },
            // Nothing is surer than the commit itself.
            Tie::Same => {
                let ground = Ground::Trailer { backed: true };
                Edge { from, to, strength: Strength::Equal, confidence: 1.0, ground }
            }
        }
    }

    /// The changes that `home` has commits of, the one with the oldest commit first.
    pub(super) fn families(&self, home: usize) -> Vec<Family> {
        // Of a commit that several repositories have the first stands before the others.
        let mut order: Vec<usize> = (0..self.kin.len()).collect();
        order.sort_by_key(|&place| (self.kin[place].time, self.kin[place].sketch.id, self.kin[place].home));
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &place)| rank[place] = at);
        let edge = |edge: &Edge| Edge { from: rank[edge.from], to: rank[edge.to], ..*edge };
        // That a commit is a part of another is found out where its other parts are, and only claimed elsewhere.
        let is_part = |edge: &Edge| edge.ground == Ground::Part;
        let parts: HashSet<(usize, usize)> =
            self.edges.iter().filter(|edge| is_part(edge)).map(|edge| (edge.from, edge.to)).collect();
        let only_claimed = |edge: &&Edge| !is_part(edge) && parts.contains(&(edge.to, edge.from));
        let edges: Vec<Edge> = self.edges.iter().filter(|edge| !only_claimed(edge)).map(edge).collect();
        let apart: Vec<(usize, usize)> = self.apart.iter().map(|&(one, other)| (rank[one], rank[other])).collect();
        let changes = groups::groups(order.len(), &edges, &apart);
        let kin = |node: usize| &self.kin[order[node]];
        let is_found = self.kin.iter().any(|kin| kin.about == About::Itself);
        let about = if is_found { About::Itself } else { About::Naming };
        let mut families = Vec::new();
        for group in &changes.groups {
            let whole = group.members.iter().filter(|(_, share)| *share == Share::Whole).map(|(node, _)| *node);
            let sought: Vec<usize> = whole.filter(|&node| kin(node).about == about).collect();
            let Some(oldest) = group.oldest().filter(|_| !sought.is_empty()) else { continue };
            let mut members = sought.clone();
            members.extend(sought.iter().flat_map(|&node| changes.equals_of(node)).map(|(node, _)| node));
            let squashes = changes.squashes.iter().filter(|(whole, _)| sought.contains(whole));
            let parts: Vec<usize> = squashes.flat_map(|(_, parts)| parts).copied().collect();
            members.extend_from_slice(&parts);
            members.sort_unstable();
            members.dedup();
            let (own, others): (Vec<usize>, Vec<usize>) = members.into_iter().partition(|&node| kin(node).home == home);
            if own.is_empty() {
                continue;
            }
            let (parts, own): (Vec<usize>, Vec<usize>) = own.into_iter().partition(|node| parts.contains(node));
            let id = |node: &usize| kin(*node).sketch.id;
            let tie = |id: &Oid| self.ties.iter().find(|(of, known, _)| *of == home && known == id);
            families.push(Family {
                change: Some(kin(oldest).sketch.id),
                tells_commit: kin(oldest).home == home,
                named: own.iter().filter(|node| kin(**node).is_named).map(id).collect(),
                ties: own.iter().chain(&parts).map(id).filter_map(|id| Some((id, tie(&id)?.2.clone()))).collect(),
                members: own.iter().map(id).collect(),
                parts: parts.iter().map(id).collect(),
                elsewhere: others.iter().map(id).collect(),
            });
        }
        families
    }

    /// The place of `kin`, which is added if it is new.
    fn place(&mut self, kin: Kin) -> usize {
        let known = self.kin.iter().position(|known| known.home == kin.home && known.sketch.id == kin.sketch.id);
        known.unwrap_or_else(|| {
            self.kin.push(Arc::new(kin));
            self.kin.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Sketch;

    fn id(byte: u8) -> Oid {
        Oid::from_bytes(&[byte; 20]).expect("20 bytes")
    }

    /// A commit that a query is about.
    fn kin(home: usize, byte: u8) -> Kin {
        Kin {
            home,
            sketch: Sketch::new(id(byte)),
            time: u64::from(byte),
            about: if home == 1 { About::Itself } else { About::Others },
            is_named: home == 1 && byte == 5,
        }
    }

    fn same(from: usize, to: usize) -> Edge {
        let ground = Ground::Trailer { backed: true };
        Edge { from, to, strength: Strength::Equal, confidence: 1.0, ground }
    }

    #[test]
    fn what_hangs_together_across_repositories_is_one_change_named_by_the_oldest() {
        let mut board = Board::default();
        let found = vec![kin(1, 5), kin(1, 7), kin(1, 9)];
        board.add(1, Gathered { kin: found, edges: vec![same(0, 1)], ..Gathered::default() }, &[]);
        let others = board.since(0, 0);
        assert_eq!(others.len(), 3);
        assert!(board.since(0, 1).is_empty(), "nobody is told of its own");
        let places: Vec<usize> = others.iter().map(|(place, _)| *place).collect();
        let ties = vec![(id(3), 0, Tie::Same), (id(5), 0, Tie::Same)];
        board.add(0, Gathered { kin: vec![kin(0, 3), kin(0, 5)], ties, ..Gathered::default() }, &places);
        let here = board.families(1);
        let told: Vec<_> =
            here.iter().map(|family| (family.change, family.tells_commit, family.members.len())).collect();
        assert_eq!(told, [(Some(id(3)), false, 2), (Some(id(9)), true, 1)]);
        assert_eq!((here[0].named.clone(), here[0].elsewhere.clone()), (vec![id(5)], vec![id(3), id(5)]));
        let there = board.families(0);
        assert_eq!(there.len(), 1);
        assert!(there[0].tells_commit && there[0].ties.len() == 2);
        assert!(board.families(2).is_empty());
    }
}
