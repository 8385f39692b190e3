//! What workers make of a chunk of commits.

use std::sync::Arc;

use super::first_tag::FirstTags;
use crate::cache::Cache;
use crate::cache::blocks::{BlockReader, Blocks, Content, Packer};
use crate::cache::patches::{KeptPatch, Terms};
use crate::describe::{Desk, FoundOut, Wishes};
use crate::events::Event;
use crate::facts::Oid;
use crate::facts::changes::encode;
use crate::git::Handle;
use crate::pipeline::stream::{Piece, Render};
use crate::pipeline::walker::{FULL, Item, Listed};
use crate::report::Format;
use crate::shutdown::Token;

/// Bytes that the line of a commit takes, as a rule.
const LINE: usize = 1024;

/// Bytes of changes that end a block, and beyond which those of one commit aren't kept, some ten thousand paths: who reads one commit of a
/// block has all of it in memory.
const MOST_CHANGES: usize = 1 << 20;
/// Bytes that a change takes beside its path.
const CHANGE: usize = 64;

/// What the cache has of commits, and what is gathered for it.
#[derive(Default)]
pub(super) struct Keep {
    /// Their bytes.
    pub(super) texts: Kept,
    /// What they changed.
    pub(super) changes: Kept,
}

/// One content of the cache.
#[derive(Default)]
pub(super) struct Kept {
    /// What it has.
    pub(super) blocks: Option<Arc<Blocks>>,
    /// Of which commits what it hasn't is gathered.
    pub(super) gathers: Gathers,
}

/// Which commits something is gathered of.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathers {
    #[default]
    None,
    /// Those that the graph has.
    Placed,
    /// All: the graph is made of them.
    All,
}

impl Gathers {
    fn has(self, item: &Item) -> bool {
        self == Self::All || self == Self::Placed && item.position.is_some()
    }
}

/// What workers do with a chunk of commits. What is kept is taken from there, patch-ids from `cache`. Once `stop` is cancelled nobody takes the
/// rest of a chunk any more: its diffs may be worth half a second.
pub(super) fn renderer(
    wishes: Wishes,
    format: Format,
    keep: Keep,
    tags: Option<FirstTags>,
    cache: Option<Cache>,
    stop: Token,
) -> Arc<Render> {
    let cache = cache.filter(|_| wishes.patch_id);
    let overlay = wishes.overlay.fingerprint();
    Arc::new(move |handle: &Handle, items: &[Item]| {
        // Room for most chunks at once: what grows is copied time and again.
        let mut piece = Piece { bytes: Vec::with_capacity(items.len() * LINE), ..Piece::default() };
        let mut desk = Desk::new(handle);
        if let Some(cache) = &cache {
            know_patches(&mut desk, cache, overlay, items);
        }
        let mut buffer = Vec::new();
        let mut texts = keep.texts.blocks.as_ref().map(Blocks::reader);
        let mut kept_changes = keep.changes.blocks.as_ref().map(Blocks::reader);
        let has_patch_id = |item: &Item| desk.known.contains_key(&item.id);
        let has_changes = |item: &Item| {
            keep.changes.blocks.as_ref().zip(item.position).is_some_and(|(blocks, position)| blocks.has(position))
        };
        if (wishes.paths && !items.iter().all(has_changes)) || (wishes.patch_id && !items.iter().all(has_patch_id)) {
            know_trees(&mut desk, &mut texts, items);
        }
        let (mut new_texts, mut new_changes) = (Packer::new(Content::Texts), Packer::new(Content::Changes));
        if keep.texts.gathers == Gathers::All {
            new_texts = Packer::with_room(Content::Texts);
        }
        for item in items {
            if stop.is_cancelled() || piece.is_full() || new_changes.len() >= MOST_CHANGES {
                break;
            }
            piece.seen += 1;
            let raw = match item.raw.as_deref().or_else(|| known(&mut texts, item)) {
                Some(raw) => Ok(raw),
                None => handle.commit(&item.id, &mut buffer),
            };
            if keep.texts.gathers.has(item)
                && let Ok(raw) = &raw
            {
                new_texts.add(item.id, item.position, |bytes| bytes.extend_from_slice(raw));
            }
            let changes = known(&mut kept_changes, item);
            let bytes = &mut piece.bytes;
            let write = |mut commit: crate::events::Commit<'_>| {
                let tag = tags.as_ref().and_then(|tags| tags.of(&item.id));
                commit.tagged = tag.map(|tag| tag.map(|tag| tag.to_owned().into()));
                format.write(&Event::Commit(commit), bytes);
            };
            match raw.and_then(|raw| wishes.describe(handle, &item.id, raw, changes, &mut desk, write)) {
                Ok(true) => piece.ends.push(piece.bytes.len()),
                Ok(false) => {}
                Err(cause) => piece.broken.push(cause),
            }
            // Also where it isn't gathered: it is this commit's.
            let found = desk.changes.take();
            if keep.changes.gathers.has(item)
                && let Some(found) = found
                && found.iter().map(|change| change.path.len() + CHANGE).sum::<usize>() <= MOST_CHANGES
            {
                new_changes.add(item.id, item.position, |bytes| encode(&found, bytes));
            }
        }
        piece.absent = desk.absent;
        piece.huge = desk.huge;
        piece.broken.append(&mut desk.broken);
        piece.patches = desk.found_out.drain(..).map(kept_patch).collect();
        piece.blocks = [new_texts, new_changes].into_iter().filter_map(Packer::pack).collect();
        piece
    })
}

/// What is kept of a commit.
fn known<'reader>(kept: &'reader mut Option<BlockReader>, item: &Item) -> Option<&'reader [u8]> {
    kept.as_mut()?.get(item.position?, &item.id)
}

/// Tells `desk` the trees of `items` whose bytes are at hand, as far as one piece goes: what is large is better read once.
fn know_trees(desk: &mut Desk, texts: &mut Option<BlockReader>, items: &[Item]) {
    let mut bytes = 0;
    for item in items {
        let Some(raw) = item.raw.as_deref().or_else(|| known(texts, item)) else { continue };
        desk.know_tree(&item.id, raw);
        bytes += raw.len();
        if bytes >= FULL {
            break;
        }
    }
}

/// Tells `desk` the patch-ids that are kept. Where they can't be read they are found out anew.
fn know_patches(desk: &mut Desk, cache: &Cache, overlay: i64, items: &[Item]) {
    let ids: Vec<Oid> = items.iter().map(|item| item.id).collect();
    let terms = Terms { overlay, threshold: desk.threshold() };
    let kept = cache.patch_ids(&ids, terms).unwrap_or_default();
    desk.known.extend(ids.into_iter().zip(kept).filter_map(|(id, kept)| Some((id, kept?))));
}

fn kept_patch(found: FoundOut) -> KeptPatch {
    let FoundOut { id, patch_id, largest } = found;
    KeptPatch { id, patch_id, largest, facts: None }
}

/// Those of `items` that pass the filters.
pub(super) fn wanted(handle: &Handle, wishes: &Wishes, items: &[Listed]) -> Vec<Listed> {
    let wishes = Wishes { paths: false, patch_id: false, ear: None, ..wishes.clone() };
    let mut desk = Desk::new(handle);
    let mut buffer = Vec::new();
    let mut passes = |id: &Oid| {
        let raw = handle.commit(id, &mut buffer)?;
        wishes.describe(handle, id, raw, None, &mut desk, |_| ())
    };
    // One that can't be read is kept: the stream will say so.
    items.iter().filter(|(id, _)| passes(id).unwrap_or(true)).copied().collect()
}
