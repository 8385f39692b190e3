//! Trees that were read lately. History is walked commit after commit, and the tree that one commit has is what the next one is compared
//! with; most of what a scan with paths does is to inflate trees, so each is better inflated once. Of 520,000 trees that a scan of
//! systemd-stable asks for 273,000 are different, and with these few megabytes 293,000 are read. Sixteen times as many save another
//! 19,000 and are slower: what is kept has to fit into the processor's own cache, as does what others are made from.

use std::fmt;
use std::hash::BuildHasherDefault;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use clru::{CLruCache, CLruCacheConfig, WeightScale};

use super::handle::Handle;
use super::object::{ObjectError, ObjectKind};
use super::packs::Bytes;
use crate::facts::Oid;
use crate::facts::oid::FirstBytes;

/// Parts of the cache, each under a lock of its own, so that threads seldom wait for each other.
const PARTS: usize = 4;
/// Bytes of trees that each part keeps. Their memory may be up to twice as much, and is shared with what deltas are made from.
const PART_BYTES: NonZeroUsize = NonZeroUsize::new(1 << 20).expect("more than none");
/// Bytes that a tree takes beside its own: its id twice, and its places in a list and a table.
const OVERHEAD: usize = 160;

type Part = CLruCache<Oid, Bytes, BuildHasherDefault<FirstBytes>, Length>;

/// Trees by their ids, shared by all threads that read one repository; those that were used longest ago make room.
pub(super) struct Trees {
    parts: [Mutex<Part>; PARTS],
}

struct Length;

impl WeightScale<Oid, Bytes> for Length {
    fn weight(&self, _: &Oid, tree: &Bytes) -> usize {
        tree.len() + OVERHEAD
    }
}

impl Default for Trees {
    fn default() -> Self {
        let config = || CLruCacheConfig::new(PART_BYTES).with_hasher(BuildHasherDefault::default()).with_scale(Length);
        Self { parts: std::array::from_fn(|_| Mutex::new(CLruCache::with_config(config()))) }
    }
}

impl fmt::Debug for Trees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trees")
    }
}

impl Trees {
    fn part(&self, id: &Oid) -> &Mutex<Part> {
        // Not one of the first eight bytes: by those each part tells its ids apart.
        &self.parts[usize::from(id.as_bytes()[8]) % PARTS]
    }

    fn get(&self, id: &Oid) -> Option<Bytes> {
        self.part(id).lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn put(&self, id: Oid, tree: &Bytes) {
        let mut part = self.part(&id).lock().unwrap_or_else(PoisonError::into_inner);
        // One that is larger than all of the part is not kept.
        let _ = part.put_with_weight(id, Arc::clone(tree));
    }
}

impl Handle {
    /// The bytes of the tree `id`, read by way of `buffer`.
    ///
    /// # Errors
    /// If it is missing, unreadable or no tree.
    pub(super) fn tree(&self, id: &Oid, buffer: &mut Vec<u8>) -> Result<Bytes, ObjectError> {
        if let Some(known) = self.trees.get(id) {
            return Ok(known);
        }
        let tree = match self.packed(id, ObjectKind::Tree) {
            Some(tree) => tree,
            None => Arc::new(self.by_gix(id, ObjectKind::Tree, buffer)?.to_vec()),
        };
        self.trees.put(*id, &tree);
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use gix::objs::{Kind, Write as _};

    use super::*;
    use crate::git::Repository;
    use crate::git::handle::from_gix;

    #[test]
    fn trees_are_kept_until_others_need_the_room() {
        let dir = tempfile::tempdir().expect("a directory");
        gix::init_bare(dir.path()).expect("a repository");
        let repository = Repository::discover_alone(dir.path()).expect("a repository");
        let handle = repository.handle();
        let of_bytes = |bytes: &[u8]| {
            from_gix(&handle.repo.objects.write_buf(Kind::Tree, bytes).expect("written")).expect("an id")
        };
        let mut buffer = Vec::new();
        let first = of_bytes(b"first");
        let read = handle.tree(&first, &mut buffer).expect("there");
        assert_eq!(&*read, b"first");
        let again = repository.handle().tree(&first, &mut buffer).expect("there");
        assert!(Arc::ptr_eq(&read, &again), "another handle has it from the same place");
        let large = of_bytes(&vec![b'x'; PART_BYTES.get()]);
        let mut large = || handle.tree(&large, &mut buffer).expect("there");
        assert!(!Arc::ptr_eq(&large(), &large()), "what fills all of a part is not kept");
        for number in 0..200_u8 {
            let tree = of_bytes(&vec![number; 64 << 10]);
            handle.tree(&tree, &mut buffer).expect("there");
        }
        let kept = |part: &Mutex<Part>| part.lock().expect("no panic").weight();
        assert!(handle.trees.parts.iter().map(kept).sum::<usize>() <= PARTS * PART_BYTES.get());
        let anew = handle.tree(&first, &mut buffer).expect("there");
        assert!(!Arc::ptr_eq(&read, &anew) && read == anew, "it had to make room");
    }
}
