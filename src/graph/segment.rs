//! What a graph is made of, piece by piece: batches of commits as they are found, and the arrays that a store keeps of each.

use crate::facts::Oid;

/// Commits to be appended, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    pub(super) ids: Vec<Oid>,
    pub(super) times: Vec<u64>,
    // The parents of the commit at `index` are `parents[ends[index-1]..ends[index]]`, with 0 before the first.
    pub(super) ends: Vec<usize>,
    pub(super) parents: Vec<Parent>,
}

/// A parent of a commit in a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// An earlier commit of the same batch, by its index.
    Within(u32),
    /// A commit that the graph has already.
    Before(Oid),
}

impl Batch {
    /// Adds a commit. `time` is the committer's in seconds since 1970, as git reads it.
    pub fn push(&mut self, id: Oid, time: u64, parents: impl IntoIterator<Item = Parent>) {
        self.ids.push(id);
        self.times.push(time);
        self.parents.extend(parents);
        self.ends.push(self.parents.len());
    }

    /// The ids of its commits.
    #[must_use]
    pub fn ids(&self) -> &[Oid] {
        &self.ids
    }

    /// How many commits it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// One batch as it is stored: little-endian arrays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segment {
    /// The ids, one after another.
    pub ids: Vec<u8>,
    /// The committer times, 8 bytes each.
    pub times: Vec<u8>,
    /// For each commit where its parents end in `parents`, counted from the segment's first; 4 bytes each.
    pub edges: Vec<u8>,
    /// The positions of parents, 4 bytes each.
    pub parents: Vec<u8>,
    /// Positions in the order of ids, 4 bytes each.
    pub by_id: Vec<u8>,
}

/// An array of a [`Segment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Array {
    /// [`Segment::ids`]
    Ids,
    /// [`Segment::times`]
    Times,
    /// [`Segment::edges`]
    Edges,
    /// [`Segment::parents`]
    Parents,
    /// [`Segment::by_id`]
    ById,
}

impl Array {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Ids, Self::Times, Self::Edges, Self::Parents, Self::ById];
}

impl Segment {
    /// One of its arrays.
    #[must_use]
    pub fn array(&self, array: Array) -> &[u8] {
        match array {
            Array::Ids => &self.ids,
            Array::Times => &self.times,
            Array::Edges => &self.edges,
            Array::Parents => &self.parents,
            Array::ById => &self.by_id,
        }
    }

    /// The checksum of its arrays, in their order (CRC-32).
    #[must_use]
    pub fn sum(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for array in Array::ALL {
            hasher.update(self.array(array));
        }
        hasher.finalize()
    }
}

/// A stored segment doesn't fit the graph that it was to extend: the store is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a graph segment is damaged")
    }
}

impl std::error::Error for Damaged {}

/// Tells one graph from another: a graph that was made by adding to one with this mark has its commits at the same positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// That of a graph to which a segment of `count` commits was added, with that checksum.
    #[must_use]
    pub fn with(self, count: usize, sum: u32) -> Self {
        // Two primes of FNV-1a and xxHash: that two graphs of one repository share a mark is a matter of 1 in 2⁶⁴.
        let mixed = (self.0 ^ count as u64).wrapping_mul(0x0000_0100_0000_01b3) ^ u64::from(sum);
        Self(mixed.wrapping_mul(0x9e37_79b1_85eb_ca87).rotate_left(31))
    }

    /// As a number to be stored.
    #[must_use]
    pub fn number(self) -> i64 {
        self.0.cast_signed()
    }
}

/// The numbers of commits in an order in which parents come before children; where there is a choice, higher numbers first. The
/// parents of the commit `number` are `parents[ends[number-1]..ends[number]]`, with 0 before the first and `None` for one that
/// isn't among them.
#[must_use]
pub fn parents_first(ends: &[usize], parents: &[Option<u32>]) -> Vec<u32> {
    let start = |number: u32| number.checked_sub(1).map_or(0, |before| ends[before as usize]);
    let mut placed = vec![false; ends.len()];
    let mut order = Vec::with_capacity(ends.len());
    // A depth-first visit without recursion: history can be deeper than a stack. Each entry has the parent to look at next.
    let mut stack: Vec<(u32, usize)> = Vec::new();
    for tip in (0..u32::try_from(ends.len()).unwrap_or(u32::MAX)).rev() {
        if std::mem::replace(&mut placed[tip as usize], true) {
            continue;
        }
        stack.push((tip, start(tip)));
        while let Some((number, next)) = stack.pop() {
            if next == ends[number as usize] {
                order.push(number);
                continue;
            }
            stack.push((number, next + 1));
            if let Some(parent) = parents[next]
                && !std::mem::replace(&mut placed[parent as usize], true)
            {
                stack.push((parent, start(parent)));
            }
        }
    }
    order
}
