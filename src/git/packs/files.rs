//! Packs and their indexes, mapped, and where in them an object lies.

use std::cmp;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use gix::ObjectId;
use gix::hash::oid;
use gix::odb::Store;
use gix::odb::pack::{FileData, MMap, data, index};

use crate::facts::Oid;
use crate::git::handle::to_gix;

/// As many packs are read here, the largest ones. Whoever has more is better served by an index of all of them (git-multi-pack-index(1)).
const PACKS: usize = 16;
/// Objects that are asked for before packs are opened: to map those, and to see that their indexes are sound, takes as long as to read some hundreds
/// (some thousands where there are ten million). None in debug builds, so that what is tested on small repositories is this.
const FEW: usize = if cfg!(debug_assertions) { 0 } else { 256 };
/// Guesses after which an id is searched for by halves.
const GUESSES: u32 = 12;

/// Where an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::git) struct Place {
    /// Which pack.
    pub(super) pack: usize,
    /// Where its entry begins.
    pub(super) offset: u64,
}

/// A pack and its index.
pub(in crate::git) struct Pack {
    index: index::File<MMap>,
    pub(super) data: data::File<MMap>,
}

/// The packs of a repository, shared by all threads, and opened once that is worth its while.
#[derive(Debug)]
pub(in crate::git) struct Packs {
    /// Objects that are asked for before.
    few: usize,
    /// How many were.
    asked: AtomicUsize,
    open: OnceLock<Mapped>,
}

/// Packs as they were when they were opened.
pub(in crate::git) struct Mapped {
    packs: Vec<Pack>,
    /// Objects that others stand for, in order: `gix` knows which.
    replaced: Vec<ObjectId>,
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mapped")
    }
}

impl Default for Packs {
    fn default() -> Self {
        Self::after(FEW)
    }
}

impl Packs {
    /// Packs that are opened after that many objects were asked for.
    pub(super) fn after(few: usize) -> Self {
        Self { few, asked: AtomicUsize::new(0), open: OnceLock::new() }
    }

    /// Those of `store`, whose replacements count unless they are to be passed over; `None` until enough objects were asked for.
    pub(in crate::git) fn of(&self, store: &Store) -> Option<&Mapped> {
        if self.asked.load(Ordering::Relaxed) < self.few {
            self.asked.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.open.get_or_init(|| Mapped::of(store)))
    }
}

impl Mapped {
    fn of(store: &Store) -> Self {
        let mut replaced: Vec<_> = store.replacements().map(|(id, _)| id).collect();
        replaced.sort_unstable();
        // Whoever limits what an object may take is better heard by who knows all objects.
        if std::env::var_os("GIT_ALLOC_LIMIT").is_some() {
            return Self { packs: Vec::new(), replaced };
        }
        let mut folders = store.alternate_db_paths().unwrap_or_default();
        folders.push(store.path().to_owned());
        let mut found: Vec<(u64, PathBuf)> =
            folders.iter().flat_map(|objects| packs_in(&objects.join("pack"))).collect();
        found.sort_unstable();
        let largest = found.iter().rev().take(PACKS);
        let packs = largest.filter_map(|(_, pack)| Pack::open(pack, store.object_hash())).collect();
        Self { packs, replaced }
    }

    /// Where `id` lies: looked for in the pack `recent` first, where the last one was.
    pub(super) fn find(&self, id: &Oid, recent: usize) -> Option<Place> {
        let id = to_gix(id);
        if self.replaced.binary_search(&id).is_ok() {
            return None;
        }
        let others = (0..self.packs.len()).filter(|pack| *pack != recent);
        let mut all = self.packs.get(recent).map(|_| recent).into_iter().chain(others);
        all.find_map(|pack| Some(Place { pack, offset: self.packs[pack].offset(&id)? }))
    }

    /// The pack that `place` is in.
    pub(super) fn pack(&self, place: Place) -> &Pack {
        &self.packs[place.pack]
    }
}

impl Pack {
    /// `None` where it can't be opened: whoever reads it by way of `gix` says why.
    fn open(pack: &Path, kind: gix::hash::Kind) -> Option<Self> {
        let index = index::File::at(pack.with_extension("idx"), kind).ok()?;
        let data = data::File::at(pack, kind).ok()?;
        // Where packs are rewritten the two may be of different ones for a moment, or for good.
        let are_one = index.num_objects() == data.num_objects() && index.pack_checksum() == data.checksum();
        are_one.then_some(Self { index, data })
    }

    /// Where the entry of `id` begins.
    pub(super) fn offset(&self, id: &oid) -> Option<u64> {
        // The index was looked at as a whole when it was opened: no entry of it leads out of it. Whoever uses the offset sees whether it leads
        // out of the pack.
        entry_of(&self.index, id).map(|entry| self.index.pack_offset_at_index(entry))
    }
}

/// The packs in `folder`, with their lengths.
fn packs_in(folder: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let packs =
        entries.filter_map(Result::ok).filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"));
    packs.filter_map(|entry| Some((entry.metadata().ok()?.len(), entry.path()))).collect()
}

/// Which entry of `index` is that of `id`. Ids are spread evenly, so where one lies can be guessed from those around it; halving what is left
/// takes three times as many looks, most of them at pages that nobody has looked at for long.
fn entry_of<Data: FileData>(index: &index::File<Data>, id: &oid) -> Option<u32> {
    let wanted = first_bytes(id);
    // Entries that may be it, and what ids before and after them begin with.
    let (mut low, mut high) = (0, index.num_objects());
    let (mut below, mut above) = (0, u64::MAX);
    for _ in 0..GUESSES {
        if low >= high {
            return None;
        }
        let part = u128::from(wanted - below) * u128::from(high - low) / (u128::from(above - below) + 1);
        let guess = low + u32::try_from(part).ok()?;
        let there = index.oid_at_index(guess);
        match there.cmp(id) {
            cmp::Ordering::Equal => return Some(guess),
            cmp::Ordering::Less => (low, below) = (guess + 1, first_bytes(there)),
            cmp::Ordering::Greater => (high, above) = (guess, first_bytes(there)),
        }
    }
    index.lookup(id)
}

fn first_bytes(id: &oid) -> u64 {
    id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// An index of objects with these ids, the second version of the format (gitformat-pack(5)).
    fn index(ids: &BTreeSet<[u8; 20]>) -> index::File<Vec<u8>> {
        let mut bytes = [&b"\xfftOc"[..], &2_u32.to_be_bytes()].concat();
        let count = |many: usize| u32::try_from(many).expect("few");
        let up_to = |first: u8| count(ids.iter().take_while(|id| id[0] <= first).count());
        bytes.extend((0..=255).flat_map(|first| up_to(first).to_be_bytes()));
        bytes.extend(ids.iter().flatten());
        bytes.extend((0..ids.len()).flat_map(|_| 0_u32.to_be_bytes()));
        bytes.extend((0..count(ids.len())).flat_map(u32::to_be_bytes));
        bytes.extend([0; 40]);
        index::File::from_data(bytes, PathBuf::new(), gix::hash::Kind::Sha1).expect("a sound one")
    }

    /// Ids that lie evenly, close together, or at the ends.
    fn id() -> impl Strategy<Value = [u8; 20]> {
        let byte = || prop_oneof![Just(0_u8), Just(0), Just(255), 7..9_u8];
        let few = prop::array::uniform20(byte());
        prop_oneof![any::<[u8; 20]>(), few]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn an_id_is_found_wherever_it_lies(ids in prop::collection::btree_set(id(), 0..100), others in prop::collection::vec(id(), 20)) {
            let index = index(&ids);
            for id in ids.iter().chain(&others).chain([&[0; 20], &[255; 20]]) {
                let id = gix::ObjectId::from_bytes_or_panic(id);
                prop_assert_eq!(entry_of(&index, &id), index.lookup(id));
            }
            for (at, id) in (0..).zip(&ids) {
                prop_assert_eq!(entry_of(&index, &gix::ObjectId::from_bytes_or_panic(id)), Some(at));
            }
        }
    }
}
