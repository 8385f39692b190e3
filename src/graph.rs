//! The commit graph: every commit that was ever indexed, parents before children, as flat arrays that are only ever appended to.
//! A commit's *position* (its index) never changes, refs only move over the graph, and commits that no ref reaches any more do no
//! harm. "Which refs contain X" is then one linear sweep. Knows no refs by name and no SQL.
//!
//! Tried and lost: a set of refs kept for each commit takes 600 MB and more at 60,000 refs and is slower to keep than to sweep. Of sets that
//! are equal one is enough: `Holders` makes them, where thousands of commits are asked about at once, and for the cache to keep as long as refs
//! stand. Then a question reads neither parents nor ids but those of its commits.

mod columns;
mod containment;
mod firsts;
mod holders;
mod links;
mod numbered;
mod reachable;
mod segment;

use std::cmp::Ordering;
use std::ops::Range;

pub use columns::Source;
use columns::{Columns, Here};
pub use containment::{Containment, Reach};
pub use firsts::{Firsts, corrected_times};
pub use holders::{Holders, StoredHolders};
use links::{Links, grown};
pub use numbered::Numbered;
pub use reachable::Reachable;
pub use segment::{Array, Batch, Damaged, Mark, Parent, Segment, parents_first};
use zerocopy::IntoBytes as _;

use crate::facts::Oid;
use crate::facts::oid::leading;

/// A commit's index in the graph; parents have smaller ones.
pub type Position = u32;

/// Looks at where an id should stand, before the rest is halved.
const GUESSES: usize = 12;
/// Steps along the sorted ids that take about as long as to look for one id among them.
const STEPS_A_LOOK_COSTS: usize = 64;

/// The arrays. `Default` is the empty graph; the first commit decides the length of ids.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    columns: Columns,
    /// Batches that were appended at once: where in the order of ids each has its own.
    runs: Vec<Range<usize>>,
    marks: Vec<Mark>,
}

impl Graph {
    /// A graph that stays in a store: [`Self::stands`] tells it of the segments there, then [`Self::reads`] from where.
    #[must_use]
    pub fn stored(hash_len: usize) -> Self {
        Self { columns: Columns::stored(hash_len), ..Self::default() }
    }

    /// A segment follows that is in the store, of `count` commits with `links` parents in all, and with the checksum `sum`.
    pub fn stands(&mut self, (count, links): (usize, usize), sum: u32) {
        let start = self.len();
        self.columns.lengthen(count, links);
        self.runs.push(start..start + count);
        self.marks.push(self.mark().with(count, sum));
    }

    /// What is needed is read from `source`.
    pub fn reads(&mut self, source: Source) {
        self.columns.reads(source);
    }

    /// Reads what is still in the store, and lets go of it.
    ///
    /// # Panics
    /// If it can't be read.
    pub fn settle(&self) {
        self.columns.settle();
    }

    /// How many commits there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many batches it consists of; lookups search each, so that many small ones are worth joining.
    #[must_use]
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// Whether the first so many commits of this graph are those of the one with that mark, each at the same position.
    #[must_use]
    pub fn grew_from(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    /// What tells it from others.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.marks.last().copied().unwrap_or_default()
    }

    /// The id of the commit at `position`.
    ///
    /// # Panics
    /// If there is no such position, or the store that it is in can't be read.
    #[must_use]
    pub fn id(&self, position: Position) -> Oid {
        self.columns.id(position)
    }

    /// The ids of all, one after another in the order of their positions.
    #[must_use]
    pub fn id_array(&self) -> &[u8] {
        self.columns.ids()
    }

    /// The committer's time of the commit at `position`.
    #[must_use]
    pub fn time(&self, position: Position) -> u64 {
        self.columns.time(position)
    }

    /// The positions of the parents of the commit at `position`.
    ///
    /// # Panics
    /// As [`Self::id`].
    #[must_use]
    pub fn parents(&self, position: Position) -> &[Position] {
        self.links().of(position)
    }

    /// The parents of all: a sweep needn't ask for each whether they are here.
    fn links(&self) -> &Links {
        self.columns.links()
    }

    /// Lets go of the store, of a graph that nobody asks any more.
    pub(crate) fn let_go(&self) {
        self.columns.let_go();
    }

    /// Where `id` is.
    #[must_use]
    pub fn position(&self, id: &Oid) -> Option<Position> {
        let wanted = id.as_bytes();
        if wanted.len() != self.columns.hash_len() {
            return None;
        }
        let ranked = || self.runs.iter().find_map(|run| self.rank(run, wanted).ok());
        self.columns.known_position(id).or_else(|| ranked().map(|rank| self.columns.at_rank(rank)))
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
        let (all, by_id, hash_len) = (self.columns.ids(), self.columns.by_id(), self.columns.hash_len());
        let bytes = |position: Position| &all[position as usize * hash_len..(position as usize + 1) * hash_len];
        let mut found = vec![None; ids.len()];
        for run in &self.runs {
            let by_id = &by_id[run.clone()];
            let mut at = 0;
            for &(key, index) in &order {
                while at < by_id.len() && leading(bytes(by_id[at])) < key {
                    at += 1;
                }
                // Those that begin alike stand together, in an order that `key` doesn't know.
                let alike = by_id[at..].iter().take_while(|&&position| leading(bytes(position)) == key);
                let own = alike.copied().find(|&position| bytes(position) == ids[index].as_bytes());
                found[index] = found[index].or(own);
            }
        }
        found
    }

    /// The rank of `wanted` among the ids of `run`, or else of the first that comes after it. Ids are spread evenly, so that their first
    /// bytes tell about where each stands: a handful of looks, where halving takes eighteen, and each look is a cache miss. After a
    /// few the rest is halved, should somebody have made ids that are not.
    fn rank(&self, run: &Range<usize>, wanted: &[u8]) -> Result<usize, usize> {
        let key = leading(wanted);
        // What is left, and the keys that bound it.
        let (mut low, mut high) = (run.start, run.end);
        let (mut least, mut most) = (0, u64::MAX);
        let mut looks = 0;
        while low < high {
            let share = u128::from(key.saturating_sub(least)) * (high - low) as u128 / (u128::from(most - least) + 1);
            let guess = if looks < GUESSES { low + usize::try_from(share).unwrap_or(0) } else { low.midpoint(high) };
            let at = guess.min(high - 1);
            looks += 1;
            let found = self.columns.id(self.columns.at_rank(at));
            match found.as_bytes().cmp(wanted) {
                Ordering::Equal => return Ok(at),
                Ordering::Less => (low, least) = (at + 1, leading(found.as_bytes())),
                Ordering::Greater => (high, most) = (at, leading(found.as_bytes())),
            }
        }
        Err(low)
    }

    /// The commits whose ids begin with the hexadecimal digits `prefix`, either case, in the order of their positions; none if
    /// it is empty or something else.
    #[must_use]
    pub fn beginning_with(&self, prefix: &str) -> Vec<Position> {
        let digits = 2 * self.columns.hash_len();
        if prefix.is_empty() || prefix.len() > digits {
            return Vec::new();
        }
        if prefix.len() == digits {
            return Oid::from_hex(prefix.as_bytes()).and_then(|id| self.position(&id)).into_iter().collect();
        }
        let padded = format!("{prefix:0<digits$}");
        let Some(lowest) = Oid::from_hex(padded.as_bytes()) else { return Vec::new() };
        let begins = |position: &Position| {
            self.id(*position).to_hex().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let mut found = Vec::new();
        for run in &self.runs {
            let start = self.rank(run, lowest.as_bytes()).unwrap_or_else(|after| after);
            found.extend((start..run.end).map(|rank| self.columns.at_rank(rank)).take_while(begins));
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
        let first_parent = self.links().count();
        let base = narrow(first);
        let hash_len = match (first, batch.ids.first()) {
            (0, Some(id)) => id.as_bytes().len(),
            _ => self.columns.hash_len(),
        };
        // Whom the graph has already is asked before anything is added to it.
        let known = batch.parents.iter().filter_map(|parent| match parent {
            Parent::Before(id) => Some(self.position(id)),
            Parent::Within(_) => None,
        });
        let mut before = known.collect::<Vec<_>>().into_iter();
        let mut start = 0;
        let Here { ids, times, by_id, links } = self.columns.add(hash_len, batch.len());
        for &end in &batch.ends {
            links.push(batch.parents[start..end].iter().filter_map(|parent| match parent {
                Parent::Within(index) => base.checked_add(*index),
                Parent::Before(_) => before.next().flatten(),
            }));
            start = end;
        }
        times.extend_from_slice(&batch.times);
        ids.reserve(batch.len() * hash_len);
        batch.ids.iter().for_each(|id| ids.extend_from_slice(id.as_bytes()));
        by_id.extend(sorted(ids, hash_len, base..base + narrow(batch.len())));
        let segment = self.segment(first, first_parent, &self.columns.by_id()[first..]);
        self.runs.push(first..self.len());
        self.marks.push(self.mark().with(batch.len(), segment.sum()));
        segment
    }

    fn segment(&self, first: usize, first_parent: usize, by_id: &[Position]) -> Segment {
        let (ids, times) = (self.columns.ids(), self.columns.times());
        let (edges, parents) = self.links().since(first, first_parent);
        Segment {
            ids: ids[first * self.columns.hash_len()..].to_vec(),
            times: times[first..].iter().flat_map(|time| time.to_le_bytes()).collect(),
            edges: edges.flat_map(u32::to_le_bytes).collect(),
            parents: parents.iter().flat_map(|parent| parent.to_le_bytes()).collect(),
            by_id: by_id.iter().flat_map(|position| position.to_le_bytes()).collect(),
        }
    }

    /// The whole graph as one segment, for storing many small ones anew.
    #[must_use]
    pub fn joined(&self) -> Segment {
        let by_id = sorted(self.columns.ids(), self.columns.hash_len(), self.columns.by_id().iter().copied());
        self.segment(0, 0, &by_id)
    }

    /// Extends the graph by a stored segment of `count` commits, with ids of `hash_len` bytes, `links` parents in all and the checksum
    /// `sum`. `read` fills array by array, in the order of [`Segment`], right where it is to stand: a graph is megabytes, and to copy
    /// them costs more than to read them.
    ///
    /// # Errors
    /// Those of `read`, and if the arrays don't fit each other or what is there already. The graph is then of no use any more.
    pub fn extend<E: From<Damaged>>(
        &mut self,
        (count, links, hash_len): (usize, usize, usize),
        sum: u32,
        mut read: impl FnMut(Array, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.is_empty() && self.columns.hash_len() != hash_len {
            return Err(Damaged.into());
        }
        let start = self.len();
        let ends = u32::try_from(start).ok().zip(u32::try_from(start + count).ok());
        let (first, last) = ends.ok_or(Damaged)?;
        let here = self.columns.add(hash_len, count);
        read(Array::Ids, grown(here.ids, count * hash_len))?;
        let times = grown(here.times, count);
        read(Array::Times, times.as_mut_bytes())?;
        for time in times {
            *time = u64::from_le(*time);
        }
        here.links.extend((count, links), |edges, parents| {
            read(Array::Edges, edges)?;
            read(Array::Parents, parents)
        })?;
        let by_id = grown(here.by_id, count);
        read(Array::ById, by_id.as_mut_bytes())?;
        for position in &mut *by_id {
            *position = Position::from_le(*position);
        }
        if !by_id.iter().all(|position| (first..last).contains(position)) {
            return Err(Damaged.into());
        }
        self.runs.push(start..start + count);
        self.marks.push(self.mark().with(count, sum));
        Ok(())
    }
}

/// # Panics
/// Beyond 2³².
fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("a repository has fewer than 2^32 commits")
}

/// `positions` in the order of their ids, which stand in `ids`. The first bytes of ids nearly always decide, and stand beside the
/// positions: looking each id up for each comparison takes ten times as long.
fn sorted(ids: &[u8], hash_len: usize, positions: impl IntoIterator<Item = Position>) -> Vec<Position> {
    let bytes = |position: Position| &ids[position as usize * hash_len..(position as usize + 1) * hash_len];
    let mut keyed: Vec<(u64, Position)> =
        positions.into_iter().map(|position| (leading(bytes(position)), position)).collect();
    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| bytes(a.1).cmp(bytes(b.1))));
    keyed.into_iter().map(|(_, position)| position).collect()
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
        let size = (segment.times.len() / 8, segment.parents.len() / 4, 20);
        graph.extend(size, segment.sum(), |array, into| {
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

    /// `graph` as it would be read from a store, and how often that was read.
    fn in_a_store(graph: &Graph) -> (Graph, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
        let whole = graph.joined();
        let mut stored = Graph::stored(20);
        stored.stands((whole.times.len() / 8, whole.parents.len() / 4), whole.sum());
        let reads = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let (counted, segment) = (std::sync::Arc::clone(&reads), whole.clone());
        stored.reads(Box::new(move |array, from, into| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            into.copy_from_slice(&segment.array(array)[from..from + into.len()]);
            Ok(())
        }));
        (stored, reads)
    }

    #[test]
    fn what_is_in_a_store_is_read_when_it_is_asked_for() {
        let mut graph = Graph::default();
        let mut many = Batch::default();
        let ids: Vec<Oid> = (0..5000)
            .map(|number: u64| {
                // Spread as ids are: SplitMix64.
                let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let mut bytes = [0; 20];
                bytes[..8].copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
                let id = Oid::from_bytes(&bytes).expect("20 bytes");
                many.push(
                    id,
                    number * 3,
                    (number > 0).then(|| Parent::Within(u32::try_from(number - 1).expect("few"))),
                );
                id
            })
            .collect();
        graph.append(&many);
        let (stored, reads) = in_a_store(&graph);
        let count = || reads.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!((stored.len(), count()), (5000, 0));
        assert_eq!((stored.parents(4999), count()), (&[4998][..], 2));
        assert_eq!((stored.position(&ids[77]), stored.id(4000), stored.time(9)), (Some(77), ids[4000], 27));
        assert_eq!(stored.position(&id(3)), None);
        let prefix = &ids[123].to_hex()[..10];
        assert_eq!(stored.beginning_with(prefix), [123]);
        assert!(count() < 100, "a few looks, each by itself: {}", count());
        for (position, id) in (0..).zip(&ids) {
            assert_eq!((stored.position(id), stored.id(position)), (Some(position), *id));
            assert_eq!(stored.time(position), u64::from(position) * 3);
        }
        assert!(count() < 400, "after some looks all is read at once: {}", count());
        stored.settle();
        let before = count();
        assert_eq!((stored.joined(), stored.clone().joined()), (graph.joined(), graph.joined()));
        assert_eq!(count(), before, "nothing is left to be read");
        assert!(stored.grew_from(graph.mark()) && !stored.grew_from(Graph::default().mark()));
    }

    #[test]
    fn a_graph_in_a_store_can_be_added_to() {
        let mut graph = Graph::default();
        graph.append(&batch(&[(1, &[]), (2, &[1])]));
        let (mut stored, _) = in_a_store(&graph);
        let mark = stored.mark();
        let more = batch(&[(3, &[2])]);
        assert_eq!(stored.append(&more), graph.append(&more));
        assert_eq!(stored.joined(), graph.joined());
        assert!(stored.grew_from(mark) && stored.mark() != mark && stored.mark() == graph.mark());
        let mut other = Graph::default();
        other.append(&batch(&[(2, &[]), (1, &[2])]));
        assert!(!other.grew_from(mark), "the same commits in another order");
    }

    #[test]
    fn reachability_is_that_of_the_parents() {
        let mut graph = Graph::default();
        graph.append(&batch(&[(1, &[]), (2, &[1]), (3, &[1]), (4, &[2])]));
        let set = graph.reachable([3]);
        assert_eq!((0..4).map(|position| set.contains(position)).collect::<Vec<_>>(), [true, true, false, true]);
    }
}
