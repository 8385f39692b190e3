//! What was found of one query in all the repositories that are asked, and which of it is one change.

use std::collections::HashMap;
use std::sync::Arc;

use super::kin::{Gathered, Kin, Tie};
use crate::facts::Oid;

/// The commits that several repositories have of one query. Each repository adds what it has, and looks again as long as others
/// have added something that it hasn't seen.
#[derive(Debug, Default)]
pub(super) struct Board {
    kin: Vec<Arc<Kin>>,
    /// For each of `kin` another that it is one change with, or itself.
    joined: Vec<usize>,
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
        for change in gathered.changes {
            let mut first = None;
            for kin in change {
                let place = self.place(kin);
                let first = *first.get_or_insert(place);
                self.join(first, place);
            }
        }
        for (id, index, tie) in gathered.ties {
            let own = self.kin.iter().position(|kin| kin.home == home && kin.sketch.id == id);
            let (Some(own), Some(&other)) = (own, others.get(index)) else { continue };
            self.join(own, other);
            if !self.ties.iter().any(|(of, known, _)| *of == home && *known == id) {
                self.ties.push((home, id, tie));
            }
        }
    }

    /// The changes that `home` has commits of, the one with the oldest commit first.
    pub(super) fn families(&self, home: usize) -> Vec<Family> {
        let mut families: HashMap<usize, Family> = HashMap::new();
        for (place, kin) in self.kin.iter().enumerate().filter(|(_, kin)| kin.home == home) {
            let family = families.entry(self.root(place)).or_default();
            family.members.push(kin.sketch.id);
            if kin.is_named {
                family.named.push(kin.sketch.id);
            }
            let tie = self.ties.iter().find(|(of, id, _)| *of == home && *id == kin.sketch.id);
            family.ties.extend(tie.map(|(_, id, tie)| (*id, tie.clone())));
        }
        let mut ordered: Vec<((u64, Oid), Family)> = families
            .into_iter()
            .filter_map(|(root, mut family)| {
                let all = (0..self.kin.len()).filter(|&place| self.root(place) == root).map(|place| &self.kin[place]);
                family.elsewhere = all.clone().filter(|kin| kin.home != home).map(|kin| kin.sketch.id).collect();
                // Of a commit that several repositories have the first tells.
                let oldest = all.min_by_key(|kin| (kin.time, kin.sketch.id, kin.home))?;
                family.change = Some(oldest.sketch.id);
                family.tells_commit = oldest.home == home;
                Some(((oldest.time, oldest.sketch.id), family))
            })
            .collect();
        ordered.sort_unstable_by_key(|(age, _)| *age);
        ordered.into_iter().map(|(_, family)| family).collect()
    }

    /// The place of `kin`, which is added if it is new.
    fn place(&mut self, kin: Kin) -> usize {
        let known = self.kin.iter().position(|known| known.home == kin.home && known.sketch.id == kin.sketch.id);
        known.unwrap_or_else(|| {
            self.joined.push(self.kin.len());
            self.kin.push(Arc::new(kin));
            self.kin.len() - 1
        })
    }

    fn root(&self, mut place: usize) -> usize {
        while self.joined[place] != place {
            place = self.joined[place];
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.joined[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Sketch;

    fn id(byte: u8) -> Oid {
        Oid::from_bytes(&[byte; 20]).expect("20 bytes")
    }

    fn kin(home: usize, byte: u8) -> Kin {
        Kin { home, sketch: Sketch::new(id(byte)), time: u64::from(byte), is_named: byte == 5 }
    }

    #[test]
    fn what_hangs_together_across_repositories_is_one_change_named_by_the_oldest() {
        let mut board = Board::default();
        let changes = vec![vec![kin(1, 5), kin(1, 7)], vec![kin(1, 9)]];
        board.add(1, Gathered { changes, ..Gathered::default() }, &[]);
        let others = board.since(0, 0);
        assert_eq!(others.len(), 3);
        assert!(board.since(0, 1).is_empty(), "nobody is told of its own");
        let places: Vec<usize> = others.iter().map(|(place, _)| *place).collect();
        let ties = vec![(id(3), 0, None), (id(5), 0, None)];
        let changes = vec![vec![kin(0, 3)], vec![kin(0, 5)]];
        board.add(0, Gathered { changes, ties, ..Gathered::default() }, &places);
        let here = board.families(1);
        let told: Vec<_> =
            here.iter().map(|family| (family.change, family.tells_commit, family.members.len())).collect();
        assert_eq!(told, [(Some(id(3)), false, 2), (Some(id(9)), true, 1)]);
        assert_eq!(here[0].named, [id(5)]);
        let there = board.families(0);
        assert_eq!(there.len(), 1);
        assert!(there[0].tells_commit && there[0].ties.len() == 2);
        assert!(board.families(2).is_empty());
    }
}
