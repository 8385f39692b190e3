//! What a commit did: the paths that it changed, and its patch-id, from the objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::diff::TreeDiff;
use super::handle::Handle;
use super::object::{ObjectError, ObjectKind};
use crate::facts::Oid;
use crate::facts::changes::{Change, Entry};
use crate::facts::oid::OidMap;
use crate::facts::patch_id::{ChangedLines, Content, HashKind, PatchHasher, needs_content};

/// Blobs beyond this size aren't compared; they are binary to git (`core.bigFileThreshold`, git-config(1)) unless configured.
const BIG_FILE: u64 = 512 << 20;

/// A patch as far as matching wants to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// What `git patch-id --stable` says; `None` for a commit that changes nothing.
    pub id: Option<Oid>,
    /// Whether a blob is too large to be compared, beyond `core.bigFileThreshold` or what git's diff takes. There is no id then,
    /// nor are there lines.
    pub huge: bool,
    /// Bytes of the largest blob that was compared.
    pub largest: u64,
    /// The lines added and removed.
    pub lines: ChangedLines,
}

/// Reads patches, one after another, and keeps its buffers. One for each thread.
#[derive(Debug)]
pub struct Patches {
    trees: TreeDiff,
    /// The trees of commits that somebody has read already.
    trees_of: OidMap<Oid>,
    hasher: PatchHasher,
    changes: Vec<Change>,
    old: Vec<u8>,
    new: Vec<u8>,
    big: u64,
}

impl Patches {
    /// For the repository behind `handle`.
    #[must_use]
    pub fn new(handle: &Handle) -> Self {
        let kind = if handle.hash_len() == crate::facts::oid::SHA1_LEN { HashKind::Sha1 } else { HashKind::Sha256 };
        Self {
            trees: TreeDiff::new(),
            trees_of: OidMap::default(),
            hasher: PatchHasher::new(kind),
            changes: Vec::new(),
            old: Vec::new(),
            new: Vec::new(),
            big: handle.big_file_threshold().unwrap_or(BIG_FILE),
        }
    }

    /// What the commit with this `tree` changed against its first parent (the empty tree if there is none): the lines of
    /// `git log --raw --no-renames`, in their order.
    ///
    /// # Errors
    /// If the parent or a tree is missing or damaged.
    pub fn changes(&mut self, handle: &Handle, tree: &Oid, parent: Option<&Oid>) -> Result<&[Change], ObjectError> {
        let old = match parent {
            None => None,
            Some(parent) => Some(self.tree_of(handle, parent)?),
        };
        self.trees.of_trees(handle, old.as_ref(), tree, &mut self.changes)?;
        Ok(&self.changes)
    }

    /// As [`Self::changes`], if the commit changes only paths that are in `within`; else `None`, with most trees unread.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub fn changes_within(
        &mut self,
        handle: &Handle,
        tree: &Oid,
        parent: Option<&Oid>,
        within: &Arc<BTreeSet<Vec<u8>>>,
    ) -> Result<Option<&[Change]>, ObjectError> {
        let old = match parent {
            None => None,
            Some(parent) => Some(self.tree_of(handle, parent)?),
        };
        let is_within = self.trees.of_trees_within(handle, old.as_ref(), tree, within, &mut self.changes)?;
        Ok(is_within.then_some(&self.changes))
    }

    /// Takes down which tree the commit `id` has, whose bytes are `raw`: it is the parent of another, as a rule, and needn't be read once
    /// more for that.
    pub fn know_tree(&mut self, id: &Oid, raw: &[u8]) {
        self.trees_of.extend(tree_in(id, raw).map(|tree| (*id, tree)));
    }

    fn tree_of(&mut self, handle: &Handle, commit: &Oid) -> Result<Oid, ObjectError> {
        if let Some(known) = self.trees_of.get(commit) {
            return Ok(*known);
        }
        let raw = handle.commit(commit, &mut self.old)?;
        tree_in(commit, raw).ok_or_else(|| ObjectError::Corrupt(*commit, "a commit without a tree".into()))
    }

    /// Blobs with more bytes than this are not compared.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        self.big
    }

    /// As [`Self::changes`], to be kept.
    ///
    /// # Errors
    /// As [`Self::changes`].
    pub fn take_changes(
        &mut self,
        handle: &Handle,
        tree: &Oid,
        parent: Option<&Oid>,
    ) -> Result<Vec<Change>, ObjectError> {
        self.changes(handle, tree, parent)?;
        Ok(std::mem::take(&mut self.changes))
    }

    /// What the commit that was looked at last changed.
    #[must_use]
    pub fn last_changes(&self) -> &[Change] {
        &self.changes
    }

    /// The patch of the commit with this `tree` against its first parent. A blob is read before its size is known: asking for
    /// the size first would cost every blob another lookup.
    ///
    /// # Errors
    /// If an object that it needs is missing or damaged.
    pub fn patch(&mut self, handle: &Handle, tree: &Oid, parent: Option<&Oid>) -> Result<Patch, ObjectError> {
        self.changes(handle, tree, parent)?;
        self.hasher.clear();
        let mut largest = 0;
        for change in &self.changes {
            let (wants_old, wants_new) = needs_content(change);
            let old = content(handle, change.old.filter(|_| wants_old), self.big, &mut self.old)?;
            let new = content(handle, change.new.filter(|_| wants_new), self.big, &mut self.new)?;
            let huge = old == Content::Big || new == Content::Big;
            if huge || self.hasher.add(change, old, new).is_err() {
                return Ok(Patch { huge: true, ..Patch::default() });
            }
            largest = largest.max(size(old)).max(size(new));
        }
        Ok(Patch { id: self.hasher.finish(), huge: false, largest, lines: self.hasher.take_lines() })
    }
}

fn content<'a>(
    handle: &Handle,
    side: Option<Entry>,
    big: u64,
    buffer: &'a mut Vec<u8>,
) -> Result<Content<'a>, ObjectError> {
    let Some(side) = side else { return Ok(Content::Unread) };
    let bytes = match handle.object_of(&side.oid, ObjectKind::Blob, buffer) {
        Ok(bytes) => bytes,
        Err(cause @ ObjectError::Missing(_)) => return Err(cause),
        // One that is too large to be read at all is too large to be compared.
        Err(_) if handle.size(&side.oid).is_some_and(|size| size > big) => return Ok(Content::Big),
        Err(cause) => return Err(cause),
    };
    Ok(if bytes.len() as u64 > big { Content::Big } else { Content::Bytes(bytes) })
}

fn size(content: Content<'_>) -> u64 {
    if let Content::Bytes(bytes) = content { bytes.len() as u64 } else { 0 }
}

fn tree_in(commit: &Oid, raw: &[u8]) -> Option<Oid> {
    let hex = raw.strip_prefix(b"tree ")?.get(..2 * commit.as_bytes().len())?;
    Oid::from_hex(hex)
}
