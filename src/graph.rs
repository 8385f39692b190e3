//! The commit graph: every commit that was ever indexed, parents before children, as flat arrays that are only ever appended to.
//! A commit's *position* (its index) never changes, refs only move over the graph, and commits that no ref reaches any more do no
//! harm. "Which refs contain X" is then one linear sweep. Knows no refs by name and no SQL.
//!
//! Tried and lost: a set of refs kept for each commit takes 600 MB and more at 60,000 refs and is slower to keep than to sweep.

mod containment;

pub use containment::{Containment, Reach};
use zerocopy::IntoBytes as _;

use crate::facts::Oid;

/// A commit's index in the graph; parents have smaller ones.
pub type Position = u32;

/// Commits to be appended, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    ids: Vec<Oid>,
    times: Vec<u64>,
    // The parents of the commit at `index` are `parents[ends[index-1]..ends[index]]`, with 0 before the first.
    ends: Vec<usize>,
    parents: Vec<Parent>,
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

/// Looks at where an id should stand, before the rest is halved.
const GUESSES: usize = 12;
/// Steps along the sorted ids that take about as long as to look for one id among them.
const STEPS_A_LOOK_COSTS: usize = 64;

/// The arrays. `Default` is the empty graph; the first commit decides the length of ids.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    hash_len: usize,
    ids: Vec<u8>,
    times: Vec<u64>,
    // The parents of `p` are `parents[edges[p-1]..edges[p]]`, with 0 before the first.
    edges: Vec<u32>,
    parents: Vec<Position>,
    runs: Vec<Run>,
}

/// A batch that was appended at once, with its positions in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    by_id: Vec<Position>,
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

impl Graph {
    /// How many commits there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// How many batches it consists of; lookups search each, so that many small ones are worth joining.
    #[must_use]
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// The id of the commit at `position`.
    ///
    /// # Panics
    /// If there is no such position.
    #[must_use]
    pub fn id(&self, position: Position) -> Oid {
        Oid::from_bytes(self.id_bytes(position)).expect("ids have one of the two lengths since the first append")
    }

    /// The ids of all, one after another in the order of their positions.
    #[must_use]
    pub fn id_array(&self) -> &[u8] {
        &self.ids
    }

    fn id_bytes(&self, position: Position) -> &[u8] {
        let start = position as usize * self.hash_len;
        &self.ids[start..start + self.hash_len]
    }

    /// The committer's time of the commit at `position`.
    #[must_use]
    pub fn time(&self, position: Position) -> u64 {
        self.times[position as usize]
    }

    /// The positions of the parents of the commit at `position`.
    #[must_use]
    pub fn parents(&self, position: Position) -> &[Position] {
        let index = position as usize;
        let start = if index == 0 { 0 } else { self.edges[index - 1] as usize };
        &self.parents[start..self.edges[index] as usize]
    }

    /// Where `id` is.
    #[must_use]
    pub fn position(&self, id: &Oid) -> Option<Position> {
        let wanted = id.as_bytes();
        if wanted.len() != self.hash_len {
            return None;
        }
        self.runs.iter().find_map(|run| self.find(&run.by_id, wanted))
    }

    /// Where each of `ids` is. Many are looked for together: sorted, they are met in one walk along the ids of the graph, whose
    /// reads don't wait for each other, where looking for each by itself is a chain of cache misses.
    #[must_use]
    pub fn positions(&self, ids: &[Oid]) -> Vec<Option<Position>> {
        if ids.len() < self.len() / STEPS_A_LOOK_COSTS {
            return ids.iter().map(|id| self.position(id)).collect();
        }
        let mut order: Vec<(u64, usize)> = ids.iter().map(|id| leading(id.as_bytes())).zip(0..).collect();
        order.sort_unstable();
        let mut found = vec![None; ids.len()];
        for run in &self.runs {
            let mut at = 0;
            for &(key, index) in &order {
                while at < run.by_id.len() && leading(self.id_bytes(run.by_id[at])) < key {
                    at += 1;
                }
                // Those that begin alike stand together, in an order that `key` doesn't know.
                let alike = run.by_id[at..].iter().take_while(|&&position| leading(self.id_bytes(position)) == key);
                let own = alike.copied().find(|&position| self.id_bytes(position) == ids[index].as_bytes());
                found[index] = found[index].or(own);
            }
        }
        found
    }

    /// Finds an id among `by_id`, positions in the order of their ids. Ids are spread evenly, so that their first bytes tell about
    /// where each stands: a handful of looks, where halving takes eighteen, and each look is a cache miss. After a few the rest is
    /// halved, should somebody have made ids that are not.
    fn find(&self, by_id: &[Position], wanted: &[u8]) -> Option<Position> {
        let key = leading(wanted);
        // What is left, and the keys that bound it.
        let (mut low, mut high) = (0, by_id.len());
        let (mut least, mut most) = (0, u64::MAX);
        let mut looks = 0;
        while low < high {
            let share = u128::from(key.saturating_sub(least)) * (high - low) as u128 / (u128::from(most - least) + 1);
            let guess = if looks < GUESSES { low + usize::try_from(share).unwrap_or(0) } else { low.midpoint(high) };
            let at = guess.min(high - 1);
            looks += 1;
            let found = self.id_bytes(by_id[at]);
            match leading(found).cmp(&key).then_with(|| found.cmp(wanted)) {
                std::cmp::Ordering::Equal => return Some(by_id[at]),
                std::cmp::Ordering::Less => (low, least) = (at + 1, leading(found)),
                std::cmp::Ordering::Greater => (high, most) = (at, leading(found)),
            }
        }
        None
    }

    /// The commits whose ids begin with the hexadecimal digits `prefix`, either case, in the order of their positions; none if
    /// it is empty or something else.
    #[must_use]
    pub fn beginning_with(&self, prefix: &str) -> Vec<Position> {
        if prefix.is_empty() || prefix.len() > 2 * self.hash_len {
            return Vec::new();
        }
        let padded = format!("{prefix:0<width$}", width = 2 * self.hash_len);
        let Some(lowest) = Oid::from_hex(padded.as_bytes()) else { return Vec::new() };
        let begins = |position: Position| {
            self.id(position).to_hex().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let mut found = Vec::new();
        for run in &self.runs {
            let start = run.by_id.partition_point(|&position| self.id_bytes(position) < lowest.as_bytes());
            found.extend(run.by_id[start..].iter().copied().take_while(|&position| begins(position)));
        }
        found.sort_unstable();
        found
    }

    /// Where the commits of `batch` will be that have a parent which is neither in the graph nor earlier in the batch, once it is
    /// appended.
    #[must_use]
    pub fn lacking(&self, batch: &Batch) -> Vec<Position> {
        let mut start = 0;
        let mut found = Vec::new();
        for (&end, position) in batch.ends.iter().zip(self.len()..) {
            let is_unknown = |parent: &Parent| matches!(parent, Parent::Before(id) if self.position(id).is_none());
            if batch.parents[start..end].iter().any(is_unknown) {
                found.extend(Position::try_from(position).ok());
            }
            start = end;
        }
        found
    }

    /// Appends `batch` and returns it as a segment to be stored. Parents that are neither in the graph nor earlier in the batch are
    /// left out: history is cut off there.
    ///
    /// # Panics
    /// Beyond 2³² commits or parents.
    pub fn append(&mut self, batch: &Batch) -> Segment {
        let first = self.len();
        let first_parent = self.parents.len();
        if let (0, Some(id)) = (first, batch.ids.first()) {
            self.hash_len = id.as_bytes().len();
        }
        let narrow = |index: usize| u32::try_from(index).expect("a repository has fewer than 2^32 commits");
        let base = narrow(first);
        self.times.extend_from_slice(&batch.times);
        self.ids.reserve(batch.len() * self.hash_len);
        let mut start = 0;
        for ((id, &end), own) in batch.ids.iter().zip(&batch.ends).zip(base..) {
            self.ids.extend_from_slice(id.as_bytes());
            for parent in &batch.parents[start..end] {
                let position = match parent {
                    Parent::Within(index) => base.checked_add(*index),
                    Parent::Before(id) => self.position(id),
                };
                self.parents.extend(position.filter(|&position| position < own));
            }
            self.edges.push(narrow(self.parents.len()));
            start = end;
        }
        let by_id = self.sorted(base..narrow(self.len()));
        let segment = self.segment(first, first_parent, &by_id);
        self.runs.push(Run { by_id });
        segment
    }

    fn segment(&self, first: usize, first_parent: usize, by_id: &[Position]) -> Segment {
        let base = u32::try_from(first_parent).expect("checked when it was appended");
        Segment {
            ids: self.ids[first * self.hash_len..].to_vec(),
            times: self.times[first..].iter().flat_map(|time| time.to_le_bytes()).collect(),
            edges: self.edges[first..].iter().flat_map(|edge| (edge - base).to_le_bytes()).collect(),
            parents: self.parents[first_parent..].iter().flat_map(|parent| parent.to_le_bytes()).collect(),
            by_id: by_id.iter().flat_map(|position| position.to_le_bytes()).collect(),
        }
    }

    /// The whole graph as one segment, for storing many small ones anew.
    #[must_use]
    pub fn joined(&self) -> Segment {
        let by_id = self.sorted(self.runs.iter().flat_map(|run| run.by_id.iter().copied()));
        self.segment(0, 0, &by_id)
    }

    /// `positions` in the order of their ids. The first bytes of ids nearly always decide, and stand beside the positions: looking
    /// each id up for each comparison takes ten times as long.
    fn sorted(&self, positions: impl IntoIterator<Item = Position>) -> Vec<Position> {
        let mut keyed: Vec<(u64, Position)> =
            positions.into_iter().map(|position| (leading(self.id_bytes(position)), position)).collect();
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| self.id_bytes(a.1).cmp(self.id_bytes(b.1))));
        keyed.into_iter().map(|(_, position)| position).collect()
    }

    /// Extends the graph by a stored segment of `count` commits, with ids of `hash_len` bytes and `links` parents in all. `read` fills
    /// array by array, in the order of [`Segment`], right where it is to stand: a graph is megabytes, and to copy them costs more
    /// than to read them.
    ///
    /// # Errors
    /// Those of `read`, and if the arrays don't fit each other or what is there already. The graph is then of no use any more.
    pub fn extend<E: From<Damaged>>(
        &mut self,
        count: usize,
        links: usize,
        hash_len: usize,
        mut read: impl FnMut(Array, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.is_empty() && self.hash_len != hash_len {
            return Err(Damaged.into());
        }
        let narrow = |length: usize| u32::try_from(length).map_err(|_| Damaged);
        let (start, first) = (self.len(), narrow(self.len())?);
        let base = narrow(self.parents.len())?;
        let last = narrow(start + count)?;
        self.hash_len = hash_len;
        let ids = grown(&mut self.ids, count * hash_len);
        read(Array::Ids, ids)?;
        let times = grown(&mut self.times, count);
        read(Array::Times, times.as_mut_bytes())?;
        let edges = grown(&mut self.edges, count);
        read(Array::Edges, edges.as_mut_bytes())?;
        let parents = grown(&mut self.parents, links);
        read(Array::Parents, parents.as_mut_bytes())?;
        let mut by_id = vec![0; count];
        read(Array::ById, by_id.as_mut_bytes())?;
        for time in times {
            *time = u64::from_le(*time);
        }
        for position in parents.iter_mut().chain(&mut by_id) {
            *position = Position::from_le(*position);
        }
        for edge in &mut *edges {
            *edge = u32::from_le(*edge).wrapping_add(base);
        }
        let ordered = edges.is_sorted()
            && edges.first().is_none_or(|&edge| edge >= base)
            && self.edges.last().is_none_or(|&end| end as usize == self.parents.len())
            && by_id.iter().all(|position| (first..last).contains(position))
            && (first..last).all(|position| self.parents(position).iter().all(|&parent| parent < position));
        if !ordered {
            return Err(Damaged.into());
        }
        self.runs.push(Run { by_id });
        Ok(())
    }

    /// What is reachable from `tips`, themselves included: one descending sweep.
    #[must_use]
    pub fn reachable(&self, tips: impl IntoIterator<Item = Position>) -> Reachable {
        let mut marks = vec![false; self.len()];
        let mut highest = 0;
        for tip in tips {
            marks[tip as usize] = true;
            highest = highest.max(tip + 1);
        }
        for position in (0..highest).rev() {
            if marks[position as usize] {
                for &parent in self.parents(position) {
                    marks[parent as usize] = true;
                }
            }
        }
        Reachable { marks }
    }
}

/// The first bytes of an id as a number that orders as ids do.
fn leading(id: &[u8]) -> u64 {
    id.first_chunk().map_or(0, |&bytes| u64::from_be_bytes(bytes))
}

/// Lengthens `array` by `more` zeros and returns them.
fn grown<T: Copy + Default>(array: &mut Vec<T>, more: usize) -> &mut [T] {
    let before = array.len();
    if before == 0 {
        // Fresh memory is zero already: it needn't be written twice.
        *array = vec![T::default(); more];
    } else {
        array.resize(before + more, T::default());
    }
    &mut array[before..]
}

/// A set of commits, by position.
#[derive(Debug, Clone)]
pub struct Reachable {
    marks: Vec<bool>,
}

impl Reachable {
    /// How many commits are in the set and not in `other`.
    #[must_use]
    pub fn count_without(&self, other: &Self) -> usize {
        self.marks.iter().zip(&other.marks).filter(|(own, others)| **own && !**others).count()
    }

    /// Whether the commit at `position` is in the set.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        self.marks.get(position as usize).copied().unwrap_or(false)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).expect("20 bytes")
    }

    /// Commits, each with a number, which is its time too, and the numbers of its parents.
    fn batch(commits: &[(u8, &[u8])]) -> Batch {
        let mut batch = Batch::default();
        for (number, parents) in commits {
            let known: Vec<Oid> = batch.ids().to_vec();
            let link = |parent: &u8| {
                let within = known.iter().zip(0..).find(|(known, _)| **known == id(*parent));
                within.map_or(Parent::Before(id(*parent)), |(_, index)| Parent::Within(index))
            };
            batch.push(id(*number), u64::from(*number), parents.iter().map(link));
        }
        batch
    }

    fn extend(graph: &mut Graph, segment: &Segment) -> Result<(), Damaged> {
        graph.extend(segment.times.len() / 8, segment.parents.len() / 4, 20, |array, into| {
            let stored = segment.array(array);
            if stored.len() != into.len() {
                return Err(Damaged);
            }
            into.copy_from_slice(stored);
            Ok(())
        })
    }

    #[test]
    fn a_stored_graph_is_the_graph() {
        let mut graph = Graph::default();
        let first = graph.append(&batch(&[(9, &[]), (3, &[9]), (7, &[9, 3])]));
        let second = graph.append(&batch(&[(1, &[7]), (2, &[1, 99])]));
        let mut read = Graph::default();
        extend(&mut read, &first).expect("whole");
        extend(&mut read, &second).expect("whole");
        let mut joined = Graph::default();
        extend(&mut joined, &graph.joined()).expect("whole");
        for copy in [&read, &joined] {
            assert_eq!(copy.len(), 5);
            for number in [9, 3, 7, 1, 2] {
                let position = graph.position(&id(number)).expect("appended");
                assert_eq!(copy.position(&id(number)), Some(position));
                assert_eq!(copy.parents(position), graph.parents(position));
                assert_eq!(copy.time(position), u64::from(number));
            }
        }
        assert_eq!(graph.parents(4), [3], "a parent that isn't there is cut off");
    }

    #[test]
    fn an_id_is_found_however_ids_are_spread() {
        let spread = |number: u64, by: u64| number.wrapping_mul(by).to_be_bytes();
        // Evenly, side by side at the lower and at the upper end, and all with the same start.
        for by in [0x9e37_79b9_7f4a_7c15, 1, u64::MAX, 0] {
            let id = |number: u64| {
                let mut bytes = [0; 20];
                bytes[..8].copy_from_slice(&spread(number, by));
                bytes[8..16].copy_from_slice(&number.to_be_bytes());
                Oid::from_bytes(&bytes).expect("20 bytes")
            };
            let mut graph = Graph::default();
            for chunk in [0..700_u64, 700..701, 701..1000] {
                let mut batch = Batch::default();
                chunk.for_each(|number| batch.push(id(2 * number), 0, []));
                graph.append(&batch);
            }
            for number in 0..1000_u32 {
                assert_eq!(graph.position(&id(2 * u64::from(number))), Some(number), "{number} by {by}");
                assert_eq!(graph.position(&id(2 * u64::from(number) + 1)), None, "{number} by {by}");
            }
            // Together it is the same, asked for all, for a few, and for one twice.
            let all: Vec<Oid> = (0..2000).map(id).chain([id(7), id(8), id(8)]).collect();
            for ids in [&all[..], &all[990..1000], &all[2000..]] {
                let alone: Vec<_> = ids.iter().map(|id| graph.position(id)).collect();
                assert_eq!(graph.positions(ids), alone, "by {by}");
            }
        }
        assert_eq!(Graph::default().position(&id(0)), None);
    }

    #[test]
    fn an_abbreviation_finds_every_commit_that_it_begins() {
        let mut graph = Graph::default();
        graph.append(&batch(&[(0x9a, &[]), (0x93, &[]), (0x70, &[])]));
        graph.append(&batch(&[(0x9b, &[])]));
        for (prefix, expected) in
            [("9", &[0, 1, 3][..]), ("9A9", &[0]), ("9a8", &[]), ("7", &[2]), ("", &[]), ("xyz", &[]), ("f", &[])]
        {
            assert_eq!(graph.beginning_with(prefix), expected, "{prefix}");
        }
        let whole = id(0x93).to_hex();
        assert_eq!(graph.beginning_with(&whole), [1]);
        assert_eq!(graph.beginning_with(&format!("{whole}0")), [0; 0]);
    }

    #[test]
    fn a_damaged_segment_is_refused() {
        let mut graph = Graph::default();
        let good = graph.append(&batch(&[(1, &[]), (2, &[1])]));
        let mut loops = good.clone();
        loops.parents = 1_u32.to_le_bytes().to_vec();
        let mut short = good.clone();
        short.ids.pop();
        let mut wild = good.clone();
        wild.by_id[0] = 200;
        for bad in [loops, short, wild] {
            assert_eq!(extend(&mut Graph::default(), &bad), Err(Damaged));
        }
    }

    #[test]
    fn parents_come_first_whatever_the_order_given() {
        // 0 has the parents 1 and 2, which have 3; 1 has one more, which isn't here.
        let order = parents_first(&[2, 4, 5, 5], &[Some(1), Some(2), Some(3), None, Some(3)]);
        assert_eq!(order, [3, 2, 1, 0]);
        assert_eq!(parents_first(&[0, 2, 3], &[Some(2), Some(0), Some(0)]), [0, 2, 1]);
    }

    #[test]
    fn reachability_is_that_of_the_parents() {
        let mut graph = Graph::default();
        graph.append(&batch(&[(1, &[]), (2, &[1]), (3, &[1]), (4, &[2])]));
        let set = graph.reachable([3]);
        assert_eq!((0..4).map(|position| set.contains(position)).collect::<Vec<_>>(), [true, true, false, true]);
    }
}
