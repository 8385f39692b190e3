//! Which paths differ between two trees.
//!
//! Owns the simultaneous walk over both. Refuses to find renames (`--no-renames`) and to say what a change means: `facts` does that.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use gix::objs::TreeRefIter;
use gix::objs::tree::{EntryRef, name_order};

use super::handle::{Handle, from_gix};
use super::object::ObjectError;
use super::packs::Bytes;
use crate::facts::Oid;
use crate::facts::changes::{Change, Entry, Mode};

/// How deep directories may be nested: git's default for `core.maxTreeDepth`.
const MAX_DEPTH: usize = 2048;
/// What may be found between two trees, in bytes of memory: some three million changed files. Ten small trees, each of which is named ten
/// times in the next, stand for ten thousand million; git takes them on until memory ends.
const MOST: usize = 512 << 20;
/// What a directory counts for among these, besides its bytes: its files may be none, and time is to end too.
const DIRECTORY: usize = 256;

/// Walks pairs of trees. One for each thread.
#[derive(Debug)]
pub struct TreeDiff {
    buffer: Vec<u8>,
    path: Vec<u8>,
    within: Option<Arc<BTreeSet<Vec<u8>>>>,
    /// What may be found, and what is left of that.
    most: usize,
    left: usize,
}

impl Default for TreeDiff {
    fn default() -> Self {
        Self { buffer: Vec::new(), path: Vec::new(), within: None, most: MOST, left: 0 }
    }
}

/// Why a walk ends early.
enum Halt {
    Object(ObjectError),
    /// A path differs that isn't one of those that the walk is kept within.
    Outside,
    /// More is found than memory should hold.
    TooMuch,
}

impl From<ObjectError> for Halt {
    fn from(cause: ObjectError) -> Self {
        Self::Object(cause)
    }
}

impl TreeDiff {
    /// A walker that has not read anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills `out` with the differences between two trees; `old` is `None` for the empty tree.
    ///
    /// # Errors
    ///
    /// An object is missing or damaged, or the trees differ in more than memory should hold; `out` then has only a part of the changes.
    pub fn of_trees(
        &mut self,
        handle: &Handle,
        old: Option<&Oid>,
        new: &Oid,
        out: &mut Vec<Change>,
    ) -> Result<(), ObjectError> {
        // Without bounds nothing is out of them.
        self.differences(handle, old, new, out).map(|_| ())
    }

    /// As [`Self::of_trees`], but only if no path differs that isn't in `within`: else `false`, as soon as that shows, with most trees
    /// unread.
    ///
    /// # Errors
    ///
    /// As [`Self::of_trees`].
    pub fn of_trees_within(
        &mut self,
        handle: &Handle,
        old: Option<&Oid>,
        new: &Oid,
        within: &Arc<BTreeSet<Vec<u8>>>,
        out: &mut Vec<Change>,
    ) -> Result<bool, ObjectError> {
        self.within = Some(Arc::clone(within));
        let is_within = self.differences(handle, old, new, out);
        self.within = None;
        is_within
    }

    fn differences(
        &mut self,
        handle: &Handle,
        old: Option<&Oid>,
        new: &Oid,
        out: &mut Vec<Change>,
    ) -> Result<bool, ObjectError> {
        out.clear();
        self.path.clear();
        self.left = self.most;
        if old == Some(new) {
            return Ok(true);
        }
        match self.walk(handle, old.copied(), *new, out) {
            Ok(()) => Ok(true),
            Err(Halt::Outside) => Ok(false),
            Err(Halt::Object(cause)) => Err(cause),
            Err(Halt::TooMuch) => {
                Err(ObjectError::Corrupt(*new, "it and the tree before it differ in too many files".to_owned()))
            }
        }
    }

    /// Takes `bytes` off what may be found.
    fn spend(&mut self, bytes: usize) -> Result<(), Halt> {
        self.left = self.left.checked_sub(bytes).ok_or(Halt::TooMuch)?;
        Ok(())
    }

    /// Whether the walk may go on at `self.path`: a file, or a directory with its `/`.
    fn admits(&self) -> bool {
        let Some(within) = &self.within else { return true };
        let next = within.range::<[u8], _>((Bound::Included(self.path.as_slice()), Bound::Unbounded)).next();
        let is_directory = self.path.ends_with(b"/");
        next.is_some_and(|path| if is_directory { path.starts_with(&self.path) } else { *path == self.path })
    }

    /// Compares two trees, and those within them. Nesting takes heap, not stack: a thread may have little of that.
    fn walk(&mut self, handle: &Handle, old: Option<Oid>, new: Oid, out: &mut Vec<Change>) -> Result<(), Halt> {
        let mut levels = vec![self.level(handle, old, Some(new))?];
        while let Some(level) = levels.last() {
            self.path.truncate(level.path_len);
            let Some([old, new]) = level.next()? else {
                levels.pop();
                continue;
            };
            let Some(either) = new.as_ref().or(old.as_ref()) else { continue };
            self.path.extend_from_slice(either.filename);
            let is_directory = either.mode.is_tree();
            if is_directory {
                self.path.push(b'/');
            }
            if !self.admits() {
                return Err(Halt::Outside);
            }
            if is_directory {
                let id = |entry: Option<EntryRef<'_>>| entry.and_then(|entry| from_gix(entry.oid));
                let (old, new) = (id(old), id(new));
                if let (true, Some(id)) = (levels.len() > MAX_DEPTH, new.or(old)) {
                    return Err(ObjectError::Corrupt(id, "its directories are nested too deep".to_owned()).into());
                }
                levels.push(self.level(handle, old, new)?);
            } else {
                out.extend(Change::new(self.path.clone(), old.as_ref().and_then(side), new.as_ref().and_then(side)));
                self.spend(self.path.len() + size_of::<Change>())?;
            }
        }
        Ok(())
    }

    /// The two trees at `self.path`.
    fn level(&mut self, handle: &Handle, old: Option<Oid>, new: Option<Oid>) -> Result<Level, Halt> {
        let (old, new) = (self.side(handle, old)?, self.side(handle, new)?);
        self.spend(DIRECTORY + old.rest().len() + new.rest().len())?;
        Ok(Level { old, new, equal: Cell::new(0), path_len: self.path.len() })
    }

    fn side(&mut self, handle: &Handle, tree: Option<Oid>) -> Result<Side, ObjectError> {
        // Git knows the empty tree without having it.
        let there = tree.filter(|tree| !gix_id(tree).is_empty_tree());
        let bytes = there.map(|tree| handle.tree(&tree, &mut self.buffer)).transpose()?;
        Ok(Side { tree, bytes, at: Cell::new(0) })
    }
}

/// Two trees of the same path.
struct Level {
    old: Side,
    new: Side,
    /// How many of the bytes that come next are known to be the same in both: none is to be looked at once for each entry.
    equal: Cell<usize>,
    /// Bytes of their path, with its `/`.
    path_len: usize,
}

impl Level {
    /// The next name that differs, as it was and as it is: directories both, or both none.
    fn next(&self) -> Result<Option<[Option<EntryRef<'_>>; 2]>, ObjectError> {
        loop {
            self.pass_what_is_equal();
            let (old, new) = (self.old.entry()?, self.new.entry()?);
            let order = match (&old, &new) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => entry_order(old, new),
            };
            let old = old.filter(|_| order.is_le()).map(|(entry, length)| (entry, self.old.pass(length)));
            let new = new.filter(|_| order.is_ge()).map(|(entry, length)| (entry, self.new.pass(length)));
            let passed = match (&old, &new) {
                (Some((_, old)), Some((_, new))) if old == new => self.equal.get().checked_sub(*old),
                _ => None,
            };
            self.equal.set(passed.unwrap_or(0));
            let [old, new] = [old, new].map(|side| side.map(|(entry, _)| entry));
            if !matches!((&old, &new), (Some(old), Some(new)) if old.oid == new.oid && same_mode(old, new)) {
                return Ok(Some([old, new]));
            }
        }
    }

    /// Passes over the entries that come next and are the same in both: by far the most of them, and to compare bytes is cheaper than to take
    /// entries apart. Only such as git writes, so that damage is met where entries are taken apart, also if both have it.
    fn pass_what_is_equal(&self) {
        let (Some(tree), Some(_)) = (self.old.tree, self.new.tree) else { return };
        let (old, new) = (self.old.rest(), self.new.rest());
        if self.equal.get() == 0 {
            self.equal.set(equal_bytes(old, new));
        }
        let equal = &old[..self.equal.get()];
        let mut end = 0;
        while let Some(length) = entry_length(&equal[end..], tree.as_bytes().len()) {
            end += length;
        }
        self.equal.set(equal.len() - self.old.pass(self.new.pass(end)));
    }
}

/// Bytes of the entry that `bytes` begin with, if it is whole and has a mode that git writes: that, a space, a name, NUL and an id.
fn entry_length(bytes: &[u8], id_len: usize) -> Option<usize> {
    let mode = match bytes.first_chunk() {
        Some(b"100644 " | b"100755 " | b"120000 " | b"160000 ") => 7,
        Some([b'4', b'0', b'0', b'0', b'0', b' ', _]) => 6,
        _ => return None,
    };
    let name = memchr::memchr(0, &bytes[mode..]).filter(|name| *name > 0)?;
    Some(mode + name + 1 + id_len).filter(|length| *length <= bytes.len())
}

/// One of two trees.
struct Side {
    /// `None` where there is none.
    tree: Option<Oid>,
    /// `None` of the empty one.
    bytes: Option<Bytes>,
    /// Where its next entry begins.
    at: Cell<usize>,
}

impl Side {
    fn rest(&self) -> &[u8] {
        self.bytes.as_ref().map_or(&[][..], |bytes| &bytes[self.at.get()..])
    }

    /// Goes on by `length` bytes, and returns how many these are.
    fn pass(&self, length: usize) -> usize {
        self.at.set(self.at.get() + length);
        length
    }

    /// The next entry, and how many bytes it has.
    fn entry(&self) -> Result<Option<(EntryRef<'_>, usize)>, ObjectError> {
        let Some(tree) = self.tree else { return Ok(None) };
        let rest = self.rest();
        let mut entries = TreeRefIter::from_bytes(rest, gix_id(&tree).kind());
        let Some(entry) = entries.next() else { return Ok(None) };
        let entry = entry.ok().filter(|entry| !entry.filename.is_empty());
        let entry = entry.ok_or_else(|| ObjectError::Corrupt(tree, "an entry of the tree is damaged".to_owned()))?;
        Ok(Some((entry, entries.offset_to_next_entry(rest))))
    }
}

/// Git's order of tree entries: a directory sorts as if its name ended in `/`.
fn entry_order(left: &EntryRef<'_>, right: &EntryRef<'_>) -> Ordering {
    name_order(left.filename, left.mode.is_tree(), right.filename, right.mode.is_tree())
}

fn same_mode(left: &EntryRef<'_>, right: &EntryRef<'_>) -> bool {
    left.mode == right.mode || mode(left) == mode(right)
}

fn mode(entry: &EntryRef<'_>) -> Option<Mode> {
    if entry.mode.is_tree() { None } else { Mode::from_bits(u32::from(entry.mode.value())) }
}

fn side(entry: &EntryRef<'_>) -> Option<Entry> {
    Some(Entry { mode: mode(entry)?, oid: from_gix(entry.oid)? })
}

fn gix_id(id: &Oid) -> &gix::oid {
    // `Oid` guarantees 20 or 32 bytes, exactly what gix takes.
    gix::oid::from_bytes_unchecked(id.as_bytes())
}

/// How many bytes are equal at the beginning of both.
fn equal_bytes(left: &[u8], right: &[u8]) -> usize {
    const MANY: usize = 32;
    let many = left.as_chunks::<MANY>().0.iter().zip(right.as_chunks::<MANY>().0);
    let at = MANY * many.take_while(|(left, right)| left == right).count();
    at + left[at..].iter().zip(&right[at..]).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests;
