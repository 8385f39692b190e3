//! For every commit, which of some tips contain it. Long stretches of history are held by the same tips, so that there are few different
//! sets, a few thousand where there are as many refs; each is kept once, and made once of the two that it joins.
//!
//! One question is answered faster by a sweep ([`super::Containment`]); this is for thousands of them.

use std::collections::HashMap;

use super::{Graph, Position};

/// Words of all sets beyond which they are too many to be kept (64 MiB).
const MOST_WORDS: usize = 8 << 20;

/// The number of the empty set.
const NOBODY: u32 = 0;

/// Which tips hold which commits.
#[derive(Debug, Clone)]
pub struct Holders {
    words: usize,
    /// The number of each commit's set.
    of: Vec<u32>,
    /// The sets, one after another: tip `i` is bit `i % 64` of word `i / 64`.
    sets: Vec<u64>,
}

impl Holders {
    /// Which of `tips` hold each commit of `graph`. `None` if there are too many different sets.
    #[must_use]
    pub fn of(graph: &Graph, tips: &[Position]) -> Option<Self> {
        let mut making = Making::new(tips.len().div_ceil(64));
        let mut at_tip: HashMap<Position, Vec<usize>> = HashMap::new();
        for (index, &tip) in tips.iter().enumerate() {
            at_tip.entry(tip).or_default().push(index);
        }
        let mut of = vec![NOBODY; graph.len()];
        for at in (0..of.len()).rev() {
            let position = Position::try_from(at).ok()?;
            for &tip in at_tip.get(&position).into_iter().flatten() {
                of[at] = making.with(of[at], tip)?;
            }
            // All its children were there before.
            let own = of[at];
            for &parent in graph.parents(position) {
                of[parent as usize] = making.join(of[parent as usize], own)?;
            }
        }
        Some(Self { words: making.words, of, sets: making.sets })
    }

    /// Whether the tip at the index `tip` contains `commit`.
    #[must_use]
    pub fn has(&self, tip: usize, commit: Position) -> bool {
        self.set(commit)[tip / 64] >> (tip % 64) & 1 == 1
    }

    /// Whether some tip contains both.
    #[must_use]
    pub fn share(&self, one: Position, other: Position) -> bool {
        self.set(one).iter().zip(self.set(other)).any(|(one, other)| one & other != 0)
    }

    fn set(&self, commit: Position) -> &[u64] {
        let start = self.of[commit as usize] as usize * self.words;
        &self.sets[start..start + self.words]
    }
}

/// Sets that are made one of another.
struct Making {
    words: usize,
    sets: Vec<u64>,
    known: HashMap<Box<[u64]>, u32>,
    joined: HashMap<(u32, u32), u32>,
}

impl Making {
    fn new(words: usize) -> Self {
        let nobody = vec![0; words];
        let known = HashMap::from([(nobody.clone().into_boxed_slice(), NOBODY)]);
        Self { words, sets: nobody, known, joined: HashMap::new() }
    }

    fn get(&self, set: u32) -> &[u64] {
        &self.sets[set as usize * self.words..(set as usize + 1) * self.words]
    }

    /// `set` with one tip more.
    fn with(&mut self, set: u32, tip: usize) -> Option<u32> {
        let mut more = self.get(set).to_vec();
        more[tip / 64] |= 1 << (tip % 64);
        self.number(more)
    }

    /// What is in one of two sets.
    fn join(&mut self, a: u32, b: u32) -> Option<u32> {
        if a == b || b == NOBODY {
            return Some(a);
        }
        if a == NOBODY {
            return Some(b);
        }
        let pair = (a.min(b), a.max(b));
        if let Some(&known) = self.joined.get(&pair) {
            return Some(known);
        }
        let both = self.get(a).iter().zip(self.get(b)).map(|(a, b)| a | b).collect();
        let number = self.number(both)?;
        self.joined.insert(pair, number);
        Some(number)
    }

    fn number(&mut self, set: Vec<u64>) -> Option<u32> {
        if let Some(&known) = self.known.get(set.as_slice()) {
            return Some(known);
        }
        if self.sets.len() + self.words > MOST_WORDS {
            return None;
        }
        let number = u32::try_from(self.known.len()).ok()?;
        self.sets.extend_from_slice(&set);
        self.known.insert(set.into_boxed_slice(), number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Containment, Parent};
    use super::*;
    use crate::facts::Oid;

    /// Commits with parents that a generator picks among those before.
    fn tangled(count: u32) -> Graph {
        let mut state = 1_u64;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 33).expect("31 bits") % below
        };
        let mut batch = Batch::default();
        for number in 0..count {
            let mut bytes = [0; 20];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            let parents: Vec<Parent> = match number {
                0 => Vec::new(),
                _ => (0..random(4)).map(|_| Parent::Within(number.saturating_sub(1 + random(9)))).collect(),
            };
            batch.push(Oid::from_bytes(&bytes).expect("20 bytes"), 0, parents);
        }
        let mut graph = Graph::default();
        graph.append(&batch);
        graph
    }

    #[test]
    fn every_commit_is_held_by_the_tips_that_a_sweep_finds() {
        let graph = tangled(300);
        let tips: Vec<Position> = (0..300).step_by(3).chain([299, 0]).collect();
        let commits: Vec<Position> = (0..300).collect();
        let (holders, swept) =
            (Holders::of(&graph, &tips).expect("few sets"), Containment::sweep(&graph, &commits, &tips));
        for &commit in &commits {
            for (tip, position) in tips.iter().enumerate() {
                let expected = swept.has(tip, commit as usize);
                assert_eq!(holders.has(tip, commit), expected, "{commit} in {position}");
            }
            for &other in &commits {
                let shared =
                    (0..tips.len()).any(|tip| swept.has(tip, commit as usize) && swept.has(tip, other as usize));
                assert_eq!(holders.share(commit, other), shared, "{commit} and {other}");
            }
        }
    }

    #[test]
    fn without_tips_nobody_holds_anything() {
        let graph = tangled(10);
        let holders = Holders::of(&graph, &[]).expect("no sets");
        assert!(!holders.share(0, 0));
    }
}
