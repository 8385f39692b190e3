//! Objects out of packs. Most of what is read to see what commits did is put together from deltas: trees, and what files had in them. `gix` keeps
//! the end of a chain of deltas and not its links, so that for each of Nova's trees it applies four; and it hands objects over in a buffer: what
//! a delta is made from is copied there, room for what it makes is filled with zeros, and what it made is copied away again for the next. Here
//! each link is kept, in memory that was used before, and lent to who only looks at it. What isn't found here, or isn't sound, is left to `gix`:
//! it knows loose objects, and what to say.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;

use clru::{CLruCache, CLruCacheConfig, WeightScale};
use gix::objs::Kind;
use gix::odb::pack::data::Entry;
use gix::odb::pack::data::entry::Header;
use gix_zlib::Inflate;

use self::delta::Delta;
use self::files::{Mapped, Pack, Place};
use crate::facts::Oid;
use crate::facts::oid::FirstBytes;

mod delta;
pub(super) mod files;

/// Bytes of objects that one thread keeps to make others from. All patch-ids of redis take 15.3 to 16.3 s of processor time with 4 MiB, 14.4 with
/// 8, 12.5 to 13.2 with 16 and 11.3 with 32.
const MOST: NonZeroUsize = NonZeroUsize::new(24 << 20).expect("more than none");
/// As many until a blob is among them: a scan with paths takes a tenth longer with half as many, and no less with more.
const MOST_OF_TREES: usize = 8 << 20;
/// Bytes that an object takes beside its own: its place, and its places in a list and a table.
const OVERHEAD: usize = 96;
/// Bytes of the largest object, or delta, that is read here.
const LARGEST: usize = 4 << 20;
/// Deltas of the longest chain that is followed. `git pack-objects` makes one of 4,095 at the most, `git fast-import` one of 8,191.
const LONGEST_CHAIN: usize = 8191;
/// Memory for more bytes is given back to the system. What is no delta is kept at once if it has no more, else when something is made from it: an
/// image would take the place of many trees, and for nothing.
const SMALL: usize = 64 << 10;
/// Pieces of memory of one size that wait to be used again.
const SPARE: usize = 16;

/// The bytes of an object, shared with the reader that lent them: it uses their memory again once nobody else does.
pub(super) type Bytes = Arc<Vec<u8>>;

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Spreads offsets that are near each other.
        state.write_u64((self.offset ^ (self.pack as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

/// One that was read.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) bytes: Bytes,
}

struct Capacity;

impl WeightScale<Place, Object> for Capacity {
    fn weight(&self, _: &Place, object: &Object) -> usize {
        object.bytes.capacity() + OVERHEAD
    }
}

/// What one thread reads packs with.
pub(super) struct PackReader {
    /// Those that were put together lately; the ones that were used longest ago make room.
    kept: CLruCache<Place, Object, BuildHasherDefault<FirstBytes>, Capacity>,
    /// Bytes that they may take.
    budget: usize,
    /// Memory for up to a power of two, by that.
    spare: [Vec<Bytes>; SMALL.ilog2() as usize + 1],
    /// The pack that the last one lay in.
    recent: usize,
    inflate: Inflate,
    /// For the delta at hand.
    delta: Vec<u8>,
    /// What the object at hand is made by, the last one first.
    chain: Vec<(Place, Entry)>,
}

impl Default for PackReader {
    fn default() -> Self {
        let config = CLruCacheConfig::new(MOST).with_hasher(BuildHasherDefault::default()).with_scale(Capacity);
        Self {
            kept: CLruCache::with_config(config),
            budget: MOST_OF_TREES,
            spare: std::array::from_fn(|_| Vec::new()),
            recent: 0,
            inflate: Inflate::default(),
            delta: Vec::new(),
            chain: Vec::new(),
        }
    }
}

impl PackReader {
    /// The object `id`, if it lies in one of `packs`, is sound as far as that is seen, and isn't too large.
    pub(super) fn object(&mut self, packs: &Mapped, id: &Oid) -> Option<Object> {
        let mut place = packs.find(id, self.recent)?;
        self.recent = place.pack;
        self.chain.clear();
        let mut object = loop {
            if let Some(kept) = self.kept.get(&place) {
                break kept.clone();
            }
            let pack = packs.pack(place);
            let entry = pack.data.entry(place.offset).ok()?;
            let base = match entry.header {
                Header::OfsDelta { base_distance } => {
                    Place { offset: entry.checked_base_pack_offset(base_distance)?, ..place }
                }
                Header::RefDelta { base_id } => Place { offset: pack.offset(&base_id)?, ..place },
                whole => {
                    let object = Object { kind: whole.as_kind()?, bytes: self.whole(pack, &entry)? };
                    if object.kind == Kind::Blob {
                        self.budget = MOST.get();
                    }
                    if object.bytes.len() <= SMALL || !self.chain.is_empty() {
                        self.keep(place, &object);
                    }
                    break object;
                }
            };
            if self.chain.len() == LONGEST_CHAIN {
                return None;
            }
            self.chain.push((place, entry));
            place = base;
        };
        while let Some((place, entry)) = self.chain.pop() {
            object.bytes = self.made(packs.pack(place), &entry, &object.bytes)?;
            self.keep(place, &object);
        }
        Some(object)
    }

    /// One that is no delta.
    fn whole(&mut self, pack: &Pack, entry: &Entry) -> Option<Bytes> {
        let len = len_of(entry)?;
        let mut bytes = self.memory(len);
        let own = Arc::get_mut(&mut bytes)?;
        own.resize(len, 0);
        pack.data.decompress_entry(entry, &mut self.inflate, own).ok()?;
        Some(bytes)
    }

    /// What the delta `entry` makes from `base`.
    fn made(&mut self, pack: &Pack, entry: &Entry, base: &[u8]) -> Option<Bytes> {
        let len = len_of(entry)?;
        let mut delta = std::mem::take(&mut self.delta);
        if delta.len() < len {
            delta.resize(len, 0);
        }
        let inflated = pack.data.decompress_entry(entry, &mut self.inflate, &mut delta[..len]);
        let made = inflated.ok().and_then(|_| self.applied(&delta[..len], base));
        self.delta = delta;
        made
    }

    fn applied(&mut self, delta: &[u8], base: &[u8]) -> Option<Bytes> {
        let delta = Delta::of(delta).filter(|delta| delta.base_len == base.len() && delta.len <= LARGEST)?;
        let mut bytes = self.memory(delta.len);
        let own = Arc::get_mut(&mut bytes)?;
        own.clear();
        delta.apply(base, own)?;
        Some(bytes)
    }

    /// Memory for `len` bytes, with whatever was in it before, once there is room for them.
    fn memory(&mut self, len: usize) -> Bytes {
        let class = class(len);
        let capacity = if len > SMALL { len } else { 1 << class };
        while self.kept.weight() + capacity + OVERHEAD > self.budget
            && let Some((_, Object { bytes, .. })) = self.kept.pop_back()
        {
            self.take_back(bytes);
        }
        let spare = self.spare.get_mut(class).and_then(Vec::pop);
        spare.unwrap_or_else(|| Arc::new(Vec::with_capacity(capacity)))
    }

    /// Takes back the memory of what makes room, unless somebody still looks at it, or there is enough.
    fn take_back(&mut self, mut bytes: Bytes) {
        let class = class(bytes.capacity());
        if bytes.capacity() == 1 << class
            && let Some(spare) = self.spare.get_mut(class).filter(|spare| spare.len() < SPARE)
            && Arc::get_mut(&mut bytes).is_some()
        {
            spare.push(bytes);
        }
    }

    fn keep(&mut self, place: Place, object: &Object) {
        // One that is larger than all that may be kept is not.
        let _ = self.kept.put_with_weight(place, object.clone());
    }
}

/// The bytes that `entry` has when it is inflated, unless they are too many.
fn len_of(entry: &Entry) -> Option<usize> {
    usize::try_from(entry.decompressed_size).ok().filter(|len| *len <= LARGEST)
}

/// The power of two that so many bytes go into.
fn class(bytes: usize) -> usize {
    bytes.max(1).next_power_of_two().ilog2() as usize
}

#[cfg(test)]
mod tests;
