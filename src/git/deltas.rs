//! Objects that were put together from deltas lately: the next delta is made from one of them, as a rule. What `gix` has for that hashes
//! offsets against attacks and asks the system for memory for each object. This one keeps the memory of what makes room, and lends out what was
//! just put together: who keeps trees needn't copy it.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use clru::{CLruCache, CLruCacheConfig, WeightScale};
use gix::objs::Kind;
use gix::odb::pack::cache::DecodeEntry;

use crate::facts::oid::FirstBytes;

/// Bytes of objects that one thread keeps. A scan with paths takes as long with 1 to 24 MiB and a sixth longer with a quarter of one.
const MOST: NonZeroUsize = NonZeroUsize::new(8 << 20).expect("more than none");
/// Bytes that an object takes beside its own: its place, and its places in a list and a table.
const OVERHEAD: usize = 96;
/// Larger ones get memory of their own size, and give it back.
const LARGE: usize = 64 << 10;
/// Pieces of memory of one size that wait to be used again.
const SPARE: usize = 16;

/// The bytes of an object. Whoever holds it last may give its memory back.
pub(super) type Bytes = Arc<Vec<u8>>;

/// The object that was put together last, if any was since somebody took it.
#[derive(Debug, Clone, Default)]
pub(super) struct Last(Arc<Mutex<Option<Bytes>>>);

impl Last {
    pub(super) fn take(&self) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, bytes: &Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(bytes));
    }
}

/// Where an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    pack: u32,
    offset: u64,
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Spreads offsets that are near each other.
        state.write_u64((self.offset ^ u64::from(self.pack) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

struct Decoded {
    bytes: Bytes,
    kind: Kind,
    packed: usize,
}

struct Capacity;

impl WeightScale<Place, Decoded> for Capacity {
    fn weight(&self, _: &Place, decoded: &Decoded) -> usize {
        decoded.bytes.capacity() + OVERHEAD
    }
}

/// Those of one thread, by their places; the ones that were used longest ago make room.
pub(super) struct Deltas {
    kept: CLruCache<Place, Decoded, BuildHasherDefault<FirstBytes>, Capacity>,
    /// Memory for up to a power of two, by that.
    spare: [Vec<Bytes>; LARGE.ilog2() as usize + 1],
    last: Last,
}

impl Deltas {
    /// `last` is told of each object that is put together.
    pub(super) fn new(last: Last) -> Self {
        let config = CLruCacheConfig::new(MOST).with_hasher(BuildHasherDefault::default()).with_scale(Capacity);
        Self { kept: CLruCache::with_config(config), spare: Default::default(), last }
    }

    /// A copy of `data`, in memory that was used before where there is some.
    fn copied(&mut self, data: &[u8]) -> Bytes {
        if data.len() > LARGE {
            return Arc::new(data.to_vec());
        }
        let class = class(data.len());
        let mut bytes = self.spare[class].pop().unwrap_or_else(|| Arc::new(Vec::with_capacity(1 << class)));
        if let Some(own) = Arc::get_mut(&mut bytes) {
            own.clear();
            own.extend_from_slice(data);
            return bytes;
        }
        Arc::new(data.to_vec())
    }

    /// Takes out what was used longest ago, until there is room for so many bytes.
    fn make_room(&mut self, bytes: usize) {
        while self.kept.weight() + bytes > MOST.get()
            && let Some((_, Decoded { bytes: mut freed, .. })) = self.kept.pop_back()
        {
            let class = class(freed.capacity());
            let fits = freed.capacity() == 1 << class && class < self.spare.len();
            if fits && self.spare[class].len() < SPARE && Arc::get_mut(&mut freed).is_some() {
                self.spare[class].push(freed);
            }
        }
    }
}

/// The power of two that so many bytes go into.
fn class(bytes: usize) -> usize {
    bytes.max(1).next_power_of_two().ilog2() as usize
}

impl DecodeEntry for Deltas {
    fn put(&mut self, pack_id: u32, offset: u64, data: &[u8], kind: Kind, compressed_size: usize) {
        let room = if data.len() > LARGE { data.len() } else { 1 << class(data.len()) };
        if room + OVERHEAD > MOST.get() {
            return;
        }
        self.make_room(room + OVERHEAD);
        let bytes = self.copied(data);
        self.last.set(&bytes);
        let _ = self
            .kept
            .put_with_weight(Place { pack: pack_id, offset }, Decoded { bytes, kind, packed: compressed_size });
    }

    fn get(&mut self, pack_id: u32, offset: u64, out: &mut Vec<u8>) -> Option<(Kind, usize)> {
        let Decoded { bytes, kind, packed } = self.kept.get(&Place { pack: pack_id, offset })?;
        out.clear();
        out.try_reserve(bytes.len()).ok()?;
        out.extend_from_slice(bytes);
        Some((*kind, *packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(deltas: &mut Deltas, offset: u64) -> Option<Vec<u8>> {
        let mut out = b"from before".to_vec();
        let (kind, packed) = deltas.get(1, offset, &mut out)?;
        assert_eq!((kind, packed), (Kind::Tree, 7));
        Some(out)
    }

    #[test]
    fn what_was_used_longest_ago_makes_room_and_leaves_its_memory() {
        let last = Last::default();
        let mut deltas = Deltas::new(last.clone());
        assert!(last.take().is_none() && get(&mut deltas, 0).is_none());
        // Just over what 32 KiB hold: 64 KiB each.
        let bytes = |number: u64| vec![number.to_le_bytes()[0]; (32 << 10) + 1];
        let most = u64::try_from(MOST.get() / (64 << 10)).expect("few");
        for number in 0..most {
            deltas.put(1, number, &bytes(number), Kind::Tree, 7);
            assert_eq!(last.take().as_deref(), Some(&bytes(number)), "whoever asked for it needn't copy it");
            assert_eq!(get(&mut deltas, 0), Some(bytes(0)), "used time and again");
        }
        assert_eq!((get(&mut deltas, 1), get(&mut deltas, 2)), (None, Some(bytes(2))));
        assert!(deltas.get(2, 2, &mut Vec::new()).is_none(), "another pack");
        let spare = |deltas: &Deltas| deltas.spare.iter().map(Vec::len).sum::<usize>();
        assert_eq!(spare(&deltas), 0, "what made room was used at once");
        // A large one takes the place of many; what somebody still looks at is his.
        deltas.put(1, most, &vec![1; 4 << 20], Kind::Tree, 7);
        assert_eq!((spare(&deltas), get(&mut deltas, most).map(|it| it.len())), (SPARE, Some(4 << 20)));
        let held = last.take().expect("the large one");
        deltas.put(1, most + 1, &bytes(9), Kind::Tree, 7);
        assert_eq!((spare(&deltas), last.take().as_deref()), (SPARE - 1, Some(&bytes(9))));
        deltas.put(1, most + 2, &vec![2; MOST.get()], Kind::Tree, 7);
        assert!(get(&mut deltas, most + 2).is_none() && last.take().is_none(), "more than there is room for");
        assert_eq!((held.len(), deltas.kept.weight() <= MOST.get()), (4 << 20, true));
        for small in 0..1000 {
            deltas.put(1, most + 3 + small, &[], Kind::Tree, 7);
        }
        assert_eq!(get(&mut deltas, most + 3), Some(Vec::new()));
    }
}
