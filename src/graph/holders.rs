//! For every commit, which of some tips contain it. Long stretches of history are held by the same tips, so that there are few different
//! sets, a few thousand where there are as many refs; each is kept once, and made once of the two that it joins.
//!
//! One question is answered faster by a sweep ([`super::Containment`]); this is for thousands of them, or for those that come again and
//! again, for which a store may keep it: what a question then takes doesn't grow with history.

use std::collections::HashMap;

use super::{Damaged, Graph, Position};

/// Words of all sets beyond which they are too many to be kept (64 MiB).
const MOST_WORDS: usize = 8 << 20;

/// The number of the empty set.
const NOBODY: u32 = 0;

/// Which tips hold which commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holders {
    /// Each once, ascending.
    tips: Vec<Position>,
    words: usize,
    /// Commits that follow each other mostly have the same set: the first of each such stretch, ascending.
    starts: Vec<Position>,
    /// The number of its set.
    numbers: Vec<u32>,
    /// The sets, one after another: tip `i` is bit `i % 64` of word `i / 64`.
    sets: Vec<u64>,
}

/// [`Holders`] as they are stored: little-endian arrays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredHolders<Bytes = Vec<u8>> {
    /// The positions of the tips, ascending, 4 bytes each.
    pub tips: Bytes,
    /// The positions of the first commits of stretches that have the same set, ascending, 4 bytes each.
    pub starts: Bytes,
    /// For each stretch the number of its set, 4 bytes each.
    pub numbers: Bytes,
    /// The sets, as many words of 8 bytes each as have a bit for each tip.
    pub sets: Bytes,
}

impl<Bytes: AsRef<[u8]>> StoredHolders<Bytes> {
    /// How many bytes they have.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none are empty but those of nothing")]
    pub fn len(&self) -> usize {
        self.arrays().map(<[u8]>::len).iter().sum()
    }

    /// The arrays, in the order of the fields.
    #[must_use]
    pub fn arrays(&self) -> [&[u8]; 4] {
        [&self.tips, &self.starts, &self.numbers, &self.sets].map(AsRef::as_ref)
    }
}

impl Holders {
    /// Which of `tips` hold each commit of `graph`. `None` if there are too many different sets.
    #[must_use]
    pub fn of(graph: &Graph, tips: &[Position]) -> Option<Self> {
        let mut tips = tips.to_vec();
        tips.sort_unstable();
        tips.dedup();
        let mut making = Making::new(tips.len().div_ceil(64));
        let mut left = tips.as_slice();
        let mut of = vec![NOBODY; graph.len()];
        let links = graph.links();
        for at in (0..of.len()).rev() {
            let position = Position::try_from(at).ok()?;
            if let Some((&last, before)) = left.split_last()
                && last == position
            {
                of[at] = making.with(of[at], before.len())?;
                left = before;
            }
            // All its children were there before.
            let own = of[at];
            for &parent in links.of(position) {
                of[parent as usize] = making.join(of[parent as usize], own)?;
            }
        }
        let mut stretches: Vec<(Position, u32)> = (0..).zip(of).collect();
        stretches.dedup_by_key(|&mut (_, number)| number);
        let (starts, numbers) = stretches.into_iter().unzip();
        Some(Self { tips, words: making.words, starts, numbers, sets: making.sets })
    }

    /// The tips, ascending.
    #[must_use]
    pub fn tips(&self) -> &[Position] {
        &self.tips
    }

    /// Whether it is known of `tips`, and of no others. Each stands there once.
    #[must_use]
    pub fn are_of(&self, tips: &[Position]) -> bool {
        tips.len() == self.tips.len() && tips.iter().all(|&tip| self.number(tip).is_some())
    }

    /// The number of `tip` here.
    #[must_use]
    pub fn number(&self, tip: Position) -> Option<usize> {
        self.tips.binary_search(&tip).ok()
    }

    /// Whether the tip with this number contains `commit`.
    #[must_use]
    pub fn has(&self, tip: usize, commit: Position) -> bool {
        self.set(commit)[tip / 64] >> (tip % 64) & 1 == 1
    }

    /// Whether some tip contains both.
    #[must_use]
    pub fn share(&self, one: Position, other: Position) -> bool {
        self.set(one).iter().zip(self.set(other)).any(|(one, other)| one & other != 0)
    }

    /// The tips that contain `commit`: the one with the number `i` is bit `i % 64` of word `i / 64`.
    pub(super) fn set(&self, commit: Position) -> &[u64] {
        let stretch = self.starts.partition_point(|&start| start <= commit) - 1;
        let start = self.numbers[stretch] as usize * self.words;
        &self.sets[start..start + self.words]
    }

    /// As they are to be stored.
    #[must_use]
    pub fn stored(&self) -> StoredHolders {
        let bytes = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        StoredHolders {
            tips: bytes(&self.tips),
            starts: bytes(&self.starts),
            numbers: bytes(&self.numbers),
            sets: self.sets.iter().flat_map(|word| word.to_le_bytes()).collect(),
        }
    }

    /// Reads what was [stored](Self::stored).
    ///
    /// # Errors
    /// If the arrays don't fit each other.
    pub fn read<Bytes: AsRef<[u8]>>(stored: &StoredHolders<Bytes>) -> Result<Self, Damaged> {
        let read =
            |bytes: &[u8]| -> Vec<u32> { bytes.as_chunks().0.iter().map(|&four| u32::from_le_bytes(four)).collect() };
        let [tips, starts, numbers, sets] = stored.arrays();
        let (tips, starts, numbers) = (read(tips), read(starts), read(numbers));
        let sets: Vec<u64> = sets.as_chunks().0.iter().map(|&eight| u64::from_le_bytes(eight)).collect();
        let words = tips.len().div_ceil(64);
        let highest = numbers.iter().max().map_or(0, |&most| most as usize);
        let fits = starts.first() == Some(&0)
            && starts.is_sorted()
            && tips.is_sorted()
            && starts.len() == numbers.len()
            && sets.len() >= (highest + 1) * words;
        if fits { Ok(Self { tips, words, starts, numbers, sets }) } else { Err(Damaged) }
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
        let made = Holders::of(&graph, &tips).expect("few sets");
        assert_eq!(Holders::read(&made.stored()), Ok(made.clone()));
        assert!(!made.are_of(&tips[2..]), "others");
        let tips: Vec<Position> = (0..300).step_by(3).chain([299]).collect();
        let (holders, swept) = (made, Containment::sweep(&graph, &commits, &tips));
        assert!(holders.are_of(&tips));
        let numbers: Vec<usize> = tips.iter().filter_map(|&tip| holders.number(tip)).collect();
        for &commit in &commits {
            for (tip, position) in tips.iter().enumerate() {
                let expected = swept.has(tip, commit as usize);
                assert_eq!(holders.has(numbers[tip], commit), expected, "{commit} in {position}");
            }
            for &other in &commits {
                let shared =
                    (0..tips.len()).any(|tip| swept.has(tip, commit as usize) && swept.has(tip, other as usize));
                assert_eq!(holders.share(commit, other), shared, "{commit} and {other}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let made = Holders::of(&tangled(100), &[99, 50, 7]).expect("few sets");
        let good = made.stored();
        for bad in [
            StoredHolders { numbers: vec![0xff; good.numbers.len()], ..good.clone() },
            StoredHolders { numbers: good.numbers[4..].to_vec(), ..good.clone() },
            StoredHolders { starts: good.starts[4..].to_vec(), numbers: good.numbers[4..].to_vec(), ..good.clone() },
            StoredHolders::default(),
            StoredHolders { sets: good.sets[8..].to_vec(), ..good.clone() },
            StoredHolders { tips: good.tips.repeat(30), ..good.clone() },
        ] {
            assert_eq!(Holders::read(&bad), Err(Damaged));
        }
    }

    #[test]
    fn too_many_sets_are_not_kept() {
        let mut batch = Batch::default();
        for number in 0..40_000_u32 {
            let mut bytes = [0; 20];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            let parent = number.checked_sub(1).map(Parent::Within);
            batch.push(Oid::from_bytes(&bytes).expect("20 bytes"), 0, parent);
        }
        let mut graph = Graph::default();
        graph.append(&batch);
        assert!(Holders::of(&graph, &(0..40_000).collect::<Vec<_>>()).is_none(), "200 MB");
    }

    #[test]
    fn without_tips_nobody_holds_anything() {
        let graph = tangled(10);
        let holders = Holders::of(&graph, &[]).expect("no sets");
        assert!(!holders.share(0, 0));
    }
}
