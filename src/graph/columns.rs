//! The columns of a graph: ids, times, the order of ids, and parents.
//!
//! Those of a stored graph stay in the store until they are asked for, parents at all and more than a few of the others: many a run
//! hardly looks at them, and memory that is touched for the first time costs more than what is read into it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use zerocopy::{FromBytes, IntoBytes};

use super::{Array, Damaged, Links, Position};
use crate::facts::Oid;

/// Entries that are read one by one, in all, before a column is read whole.
const FEW: usize = 256;
/// Commits whose ids are remembered of those that were read one by one. A question asks for the same few again and again, and each look
/// follows the chain of the store's pages from its first.
const REMEMBERED: usize = 64;

/// Reads bytes of a stored column, from a place on, counted in bytes from its first: those of any
/// array, segment after segment.
pub type Source = Box<dyn FnMut(Array, usize, &mut [u8]) -> anyhow::Result<()> + Send>;

/// The columns. `Default` has none of any commit.
#[derive(Default)]
pub(super) struct Columns {
    hash_len: usize,
    /// How many commits there are.
    len: usize,
    ids: OnceLock<Vec<u8>>,
    times: OnceLock<Vec<u64>>,
    by_id: OnceLock<Vec<Position>>,
    links: OnceLock<Links>,
    /// The segments in the store: how many commits each has, and how many parents those have.
    segments: Vec<(usize, usize)>,
    /// Which reads that store.
    source: Mutex<Option<Source>>,
    looks: AtomicUsize,
    seen: Mutex<Vec<(Position, Oid)>>,
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Columns").field("len", &self.len).finish_non_exhaustive()
    }
}

/// To copy them reads all of them.
impl Clone for Columns {
    fn clone(&self) -> Self {
        self.settle();
        Self {
            hash_len: self.hash_len,
            len: self.len,
            ids: self.ids().to_vec().into(),
            times: self.times().to_vec().into(),
            by_id: self.by_id().to_vec().into(),
            links: self.links().clone().into(),
            segments: Vec::new(),
            source: Mutex::default(),
            looks: AtomicUsize::new(0),
            seen: Mutex::default(),
        }
    }
}

/// All columns, to be added to.
pub(super) struct Here<'c> {
    pub(super) ids: &'c mut Vec<u8>,
    pub(super) times: &'c mut Vec<u64>,
    pub(super) by_id: &'c mut Vec<Position>,
    pub(super) links: &'c mut Links,
}

impl Columns {
    /// Those of a store, with ids of `hash_len` bytes; of no commit so far.
    pub(super) fn stored(hash_len: usize) -> Self {
        Self { hash_len, ..Self::default() }
    }

    /// `source` reads that store.
    pub(super) fn reads(&mut self, source: Source) {
        self.source = Mutex::new(Some(source));
    }

    pub(super) fn hash_len(&self) -> usize {
        self.hash_len
    }

    /// How many commits there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// There are `more` commits in the store, a segment, with so many parents.
    pub(super) fn lengthen(&mut self, more: usize, links: usize) {
        self.len += more;
        self.segments.push((more, links));
    }

    /// Reads what isn't here, and lets go of the store.
    ///
    /// # Panics
    /// As [`Self::id`].
    pub(super) fn settle(&self) {
        self.ids();
        self.times();
        self.by_id();
        self.links();
        self.let_go();
    }

    /// Lets go of the store. What wasn't read can't be any more.
    pub(super) fn let_go(&self) {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// All of them, for ids of `hash_len` bytes, to which `more` commits are to be added.
    pub(super) fn add(&mut self, hash_len: usize, more: usize) -> Here<'_> {
        self.settle();
        self.hash_len = hash_len;
        self.len += more;
        let here = "it was read just now";
        Here {
            ids: self.ids.get_mut().expect(here),
            times: self.times.get_mut().expect(here),
            by_id: self.by_id.get_mut().expect(here),
            links: self.links.get_mut().expect(here),
        }
    }

    /// The id of the commit at `position`.
    ///
    /// # Panics
    /// If there is no such position, or the store can't be read any more.
    pub(super) fn id(&self, position: Position) -> Oid {
        let start = position as usize * self.hash_len;
        let of = |bytes| Oid::from_bytes(bytes).expect("ids have one of the two lengths since the first append");
        if let Some(ids) = self.ids.get() {
            return of(&ids[start..start + self.hash_len]);
        }
        if let Some((_, id)) = self.remembered().iter().find(|(seen, _)| *seen == position) {
            return *id;
        }
        let mut buffer = [0; crate::facts::oid::SHA256_LEN];
        let bytes = &mut buffer[..self.hash_len];
        if !self.peek(Array::Ids, start, bytes) {
            return of(&self.ids()[start..start + self.hash_len]);
        }
        let id = of(bytes);
        let mut seen = self.remembered();
        if seen.len() < REMEMBERED {
            seen.push((position, id));
        }
        id
    }

    /// The position of the commit `id`, if that was read not long ago.
    pub(super) fn known_position(&self, id: &Oid) -> Option<Position> {
        if self.ids.get().is_some() {
            return None;
        }
        self.remembered().iter().find(|(_, seen)| seen == id).map(|(position, _)| *position)
    }

    fn remembered(&self) -> MutexGuard<'_, Vec<(Position, Oid)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the commit at `position`.
    pub(super) fn time(&self, position: Position) -> u64 {
        let at = position as usize;
        let mut bytes = [0; size_of::<u64>()];
        match self.times.get() {
            Some(times) => times[at],
            None if self.peek(Array::Times, at * bytes.len(), &mut bytes) => u64::from_le_bytes(bytes),
            None => self.times()[at],
        }
    }

    /// The commit that stands at `rank` in the order of ids.
    pub(super) fn at_rank(&self, rank: usize) -> Position {
        let mut bytes = [0; size_of::<Position>()];
        match self.by_id.get() {
            Some(by_id) => by_id[rank],
            None if self.peek(Array::ById, rank * bytes.len(), &mut bytes) => Position::from_le_bytes(bytes),
            None => self.by_id()[rank],
        }
    }

    /// The ids of all, one after another.
    pub(super) fn ids(&self) -> &[u8] {
        self.ids.get_or_init(|| self.whole(Array::Ids, self.len * self.hash_len))
    }

    pub(super) fn times(&self) -> &[u64] {
        self.times.get_or_init(|| {
            let mut times: Vec<u64> = self.whole(Array::Times, self.len);
            for time in &mut times {
                *time = u64::from_le(*time);
            }
            times
        })
    }

    /// Positions in the order of ids, batch after batch.
    pub(super) fn by_id(&self) -> &[Position] {
        self.by_id.get_or_init(|| {
            let mut by_id: Vec<Position> = self.whole(Array::ById, self.len);
            for position in &mut by_id {
                *position = Position::from_le(*position);
            }
            by_id
        })
    }

    /// The parents of all.
    ///
    /// # Panics
    /// As [`Self::id`].
    pub(super) fn links(&self) -> &Links {
        self.links.get_or_init(|| {
            let (mut links, mut at) = (Links::default(), (0, 0));
            for &size in &self.segments {
                let read = |edges: &mut [u8], parents: &mut [u8]| {
                    let is_there = self.read(Array::Edges, at.0, edges) && self.read(Array::Parents, at.1, parents);
                    at = (at.0 + edges.len(), at.1 + parents.len());
                    if is_there { Ok(()) } else { Err(Damaged) }
                };
                links.extend(size, read).expect("it was sound when it was opened");
            }
            links
        })
    }

    fn whole<T: Copy + Default + FromBytes + IntoBytes>(&self, array: Array, count: usize) -> Vec<T> {
        // Fresh memory is zero already.
        let mut all = vec![T::default(); count];
        if count > 0 {
            assert!(self.read(array, 0, all.as_mut_slice().as_mut_bytes()), "a column is here or in the store");
        }
        all
    }

    /// Reads a single entry, if not too many were. `false` if the column is to be taken whole.
    fn peek(&self, array: Array, from: usize, into: &mut [u8]) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed) < FEW && self.read(array, from, into)
    }

    /// `false` if nothing is stored elsewhere any more.
    fn read(&self, array: Array, from: usize, into: &mut [u8]) -> bool {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(source) = source.as_mut() else { return false };
        // It was whole when it was opened, and nobody can change what this reads: the disk fails.
        source(array, from, into).unwrap_or_else(|cause| panic!("the cache can't be read any more: {cause:#}"));
        true
    }
}
