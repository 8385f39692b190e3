//! Which tips contain which commits: a forward sweep over the graph, sixty-four commits at once in the bits of a word, so that the
//! cost grows with commits + tips and never with their product. For a few commits the words are narrower: a query is about one or
//! two as a rule, and memory that is touched for the first time costs more than the sweep itself.

use std::ops::BitOrAssign;

use super::{Graph, Holders, Position};

/// A set of as many commits as it has bits.
trait Mask: Copy + Default + PartialEq + BitOrAssign + Into<u64> {
    /// How many bits it has.
    const BITS: usize;
    /// The set of the one commit with this number.
    fn one(bit: usize) -> Self;
}

impl Mask for u8 {
    const BITS: usize = 8;
    fn one(bit: usize) -> Self {
        1 << bit
    }
}

impl Mask for u32 {
    const BITS: usize = 32;
    fn one(bit: usize) -> Self {
        1 << bit
    }
}

impl Mask for u64 {
    const BITS: usize = 64;
    fn one(bit: usize) -> Self {
        1 << bit
    }
}

/// For each of some tips, the set of some commits that it contains: itself and its ancestors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Containment {
    words: usize,
    masks: Vec<u64>,
}

impl Containment {
    /// Which of `commits` each of `tips` contains.
    #[must_use]
    pub fn sweep(graph: &Graph, commits: &[Position], tips: &[Position]) -> Self {
        if commits.len() <= u8::BITS as usize {
            Self::sweep_by::<u8>(graph, commits, tips)
        } else {
            Self::sweep_by::<u64>(graph, commits, tips)
        }
    }

    /// The same, of what `has` says of each commit and tip, by their indexes.
    #[must_use]
    pub fn told(commits: usize, tips: usize, has: impl Fn(usize, usize) -> bool) -> Self {
        let words = commits.div_ceil(64);
        let mut masks = vec![0; words * tips];
        for tip in 0..tips {
            for commit in (0..commits).filter(|&commit| has(commit, tip)) {
                masks[tip * words + commit / 64] |= 1 << (commit % 64);
            }
        }
        Self { words, masks }
    }

    fn sweep_by<M: Mask>(graph: &Graph, commits: &[Position], tips: &[Position]) -> Self {
        let words = commits.len().div_ceil(64);
        let mut masks = vec![0; words * tips.len()];
        let mut reached: Vec<M> = Vec::new();
        let highest = tips.iter().max().map_or(0, |&tip| tip as usize + 1);
        for (word, chunk) in commits.chunks(64).enumerate() {
            let first = mark(graph, chunk, highest, &mut reached);
            for (tip, position) in tips.iter().enumerate() {
                if let Some(at) = position.checked_sub(first) {
                    masks[tip * words + word] = reached[at as usize].into();
                }
            }
        }
        Self { words, masks }
    }

    /// The commits that the tip at this index of the list contains, as bits: commit `i` is bit `i % 64` of word `i / 64`.
    #[must_use]
    pub fn of(&self, tip: usize) -> &[u64] {
        &self.masks[tip * self.words..(tip + 1) * self.words]
    }

    /// Whether the tip at index `tip` contains the commit at index `commit`.
    #[must_use]
    pub fn has(&self, tip: usize, commit: usize) -> bool {
        bit(self.of(tip), commit)
    }

    /// The sets of the tips, each once, but for the empty one.
    #[must_use]
    pub fn distinct(&self) -> Vec<&[u64]> {
        if self.words == 0 {
            return Vec::new();
        }
        let mut sets: Vec<&[u64]> =
            self.masks.chunks_exact(self.words).filter(|set| set.iter().any(|word| *word != 0)).collect();
        sets.sort_unstable();
        sets.dedup();
        sets
    }
}

/// For each of some commits, the set of some groups of tips that reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    words: usize,
    masks: Vec<u64>,
}

impl Reach {
    /// Which of `groups` reach each of `commits`: some tip of the group contains it.
    #[must_use]
    pub fn sweep(graph: &Graph, groups: &[Vec<Position>], commits: &[Position]) -> Self {
        match groups.len() {
            0..=8 => Self::sweep_by::<u8>(graph, groups, commits),
            9..=32 => Self::sweep_by::<u32>(graph, groups, commits),
            _ => Self::sweep_by::<u64>(graph, groups, commits),
        }
    }

    /// The same, as `holders` have it, which know the tips of `groups`.
    #[must_use]
    pub fn told(holders: &Holders, groups: &[Vec<Position>], commits: &[Position]) -> Self {
        let words = groups.len().div_ceil(64);
        let mut masks = vec![0; words * commits.len()];
        let tips = groups.iter().zip(0..).flat_map(|(tips, group)| tips.iter().map(move |&tip| (tip, group)));
        let numbers: Vec<(usize, usize)> =
            tips.filter_map(|(tip, group)| Some((holders.number(tip)?, group))).collect();
        for (at, &commit) in commits.iter().enumerate() {
            let set = holders.set(commit);
            for &(_, group) in numbers.iter().filter(|(number, _)| bit(set, *number)) {
                masks[at * words + group / 64] |= 1 << (group % 64);
            }
        }
        Self { words, masks }
    }

    fn sweep_by<M: Mask>(graph: &Graph, groups: &[Vec<Position>], commits: &[Position]) -> Self {
        let words = groups.len().div_ceil(64);
        let mut masks = vec![0; words * commits.len()];
        let Some(&lowest) = commits.iter().min() else { return Self { words, masks } };
        let mut reaching = Vec::new();
        let links = graph.links();
        for (word, chunk) in groups.chunks(M::BITS).enumerate() {
            // Below the lowest commit that is asked about, and above the highest tip, there is nothing to be known.
            let highest = chunk.iter().flatten().max().map_or(0, |&tip| tip + 1);
            reaching.clear();
            reaching.resize(highest.saturating_sub(lowest) as usize, M::default());
            for (bit, tips) in chunk.iter().enumerate() {
                for at in tips.iter().filter_map(|tip| tip.checked_sub(lowest)) {
                    reaching[at as usize] |= M::one(bit);
                }
            }
            for at in (lowest..highest).rev() {
                let mark = reaching[(at - lowest) as usize];
                if mark != M::default() {
                    for parent in links.of(at).iter().filter_map(|parent| parent.checked_sub(lowest)) {
                        reaching[parent as usize] |= mark;
                    }
                }
            }
            for (commit, position) in commits.iter().enumerate() {
                let reached = reaching.get((position - lowest) as usize).copied().unwrap_or_default();
                masks[commit * words + word] = reached.into();
            }
        }
        Self { words, masks }
    }

    /// Whether the group at index `group` reaches the commit at index `commit`.
    #[must_use]
    pub fn has(&self, commit: usize, group: usize) -> bool {
        bit(&self.masks[commit * self.words..(commit + 1) * self.words], group)
    }
}

/// Whether `commit` is in `set`.
#[must_use]
fn bit(set: &[u64], commit: usize) -> bool {
    set[commit / 64] >> (commit % 64) & 1 == 1
}

/// Marks, from the lowest of `commits` to before `end`, each commit with those of them that it contains. Returns the lowest.
fn mark<M: Mask>(graph: &Graph, commits: &[Position], end: usize, marks: &mut Vec<M>) -> Position {
    marks.clear();
    let Some(&first) = commits.iter().min() else { return 0 };
    let count = end.saturating_sub(first as usize);
    marks.resize(count, M::default());
    for (bit, position) in commits.iter().enumerate().filter(|(_, position)| (**position as usize) < end) {
        marks[(position - first) as usize] |= M::one(bit);
    }
    let links = graph.links();
    for at in 1..count {
        let mut mark = marks[at];
        #[expect(clippy::cast_possible_truncation, reason = "positions are 32 bits wide")]
        for parent in links.of(first + at as Position) {
            if let Some(parent) = parent.checked_sub(first) {
                mark |= marks[parent as usize];
            }
        }
        marks[at] = mark;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Oid;
    use crate::graph::{Batch, Parent};

    fn graph(parents: &[&[usize]]) -> Graph {
        let id = |number: usize| {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Oid::from_bytes(&bytes).expect("20 bytes")
        };
        let mut batch = Batch::default();
        for (number, parents) in parents.iter().enumerate() {
            let parents = parents.iter().map(|&parent| Parent::Within(u32::try_from(parent).expect("small")));
            batch.push(id(number), number as u64, parents);
        }
        let mut graph = Graph::default();
        graph.append(&batch);
        graph
    }

    #[test]
    fn a_tip_contains_itself_and_its_ancestors() {
        // Two roots, a criss-cross of merges and a branch of its own.
        let graph = graph(&[&[], &[], &[0, 1], &[1, 0], &[2, 3], &[3], &[]]);
        let all: Vec<Position> = (0..7).collect();
        let found = Containment::sweep(&graph, &all, &all);
        let sets: Vec<u64> = (0..7).map(|tip| found.of(tip)[0]).collect();
        assert_eq!(sets, [1, 2, 0b111, 0b1011, 0b1_1111, 0b10_1011, 0b100_0000]);
        assert_eq!(found.distinct().len(), 7);
        let reachable = |tip: Position| graph.reachable([tip]);
        for tip in 0..7 {
            for commit in 0..7 {
                let expected = reachable(tip).contains(commit);
                assert_eq!(found.has(tip as usize, commit as usize), expected, "{commit} in {tip}");
            }
        }
    }

    #[test]
    fn a_group_reaches_what_one_of_its_tips_contains() {
        let graph = graph(&[&[], &[], &[0, 1], &[1, 0], &[2, 3], &[3], &[]]);
        let all: Vec<Position> = (0..7).collect();
        let groups: Vec<Vec<Position>> = (0..100).map(|group| vec![group % 7, (group + 3) % 7]).collect();
        let reach = Reach::sweep(&graph, &groups, &all);
        for (index, group) in groups.iter().enumerate() {
            let reachable = graph.reachable(group.iter().copied());
            for &commit in &all {
                assert_eq!(reach.has(commit as usize, index), reachable.contains(commit), "{commit} from {group:?}");
            }
        }
    }

    #[test]
    fn more_commits_than_a_word_has_bits() {
        let chain: Vec<Vec<usize>> = (0..200_usize).map(|number| number.checked_sub(1).into_iter().collect()).collect();
        let graph = graph(&chain.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let commits: Vec<Position> = (0..200).rev().collect();
        let found = Containment::sweep(&graph, &commits, &[150, 3]);
        for (index, position) in commits.iter().enumerate() {
            assert_eq!((found.has(0, index), found.has(1, index)), (*position <= 150, *position <= 3));
        }
        assert!(Containment::sweep(&graph, &[], &[1]).distinct().is_empty());
    }
}
