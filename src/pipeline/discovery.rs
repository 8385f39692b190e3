//! Finding the commits that the cache's graph lacks: from the tips down to what is known already.

use std::sync::Arc;

use super::pool::{JobError, Pool};
use crate::cache::blocks::{BLOCK, Block, BlockStore, Content, Packer, StoredBlocks};
use crate::facts::Oid;
use crate::facts::oid::OidSet;
use crate::git::ObjectError;
use crate::git::history::{History as _, ObjectHistory};
use crate::graph::{Batch, Graph};
use crate::shutdown::Token;

/// Commits that are read in one step on the pool.
const STEP: usize = BLOCK;

/// What was found.
#[derive(Debug)]
pub struct Discovery {
    /// New commits, parents first.
    pub commits: Batch,
    /// Where their bytes were stored, or why they weren't.
    pub stored: anyhow::Result<StoredBlocks>,
    /// Commits that could not be read; with any the graph must not be stored as complete.
    pub broken: Vec<ObjectError>,
}

/// Reads every commit that `tips` reach and `graph` lacks, and stores their bytes on the way. Ends early when `stop` is cancelled;
/// the answer is then not complete.
///
/// # Errors
/// If a worker panicked.
pub async fn discover(
    pool: &Pool,
    history: ObjectHistory,
    graph: Arc<Graph>,
    tips: Vec<Oid>,
    mut store: Option<BlockStore>,
    stop: &Token,
    mut progress: impl FnMut(usize),
) -> Result<Discovery, JobError> {
    let mut search =
        Search { history, seen: OidSet::default(), stack: tips, broken: Vec::new(), keep: store.is_some(), graph };
    // The first tip is to be looked at first.
    search.stack.reverse();
    while !search.stack.is_empty() && !stop.is_cancelled() {
        let (next, block) = pool.run(move || search.step()).await?;
        search = next;
        if let (Some(store), Some(block)) = (&mut store, block) {
            store.add(block).await;
        }
        progress(search.seen.len());
    }
    let Search { history, broken, .. } = search;
    if stop.is_cancelled() {
        return Ok(Discovery { commits: Batch::default(), stored: Ok(StoredBlocks::default()), broken });
    }
    let commits = pool.run(move || history.into_batch()).await?;
    let stored = match store {
        Some(store) => store.finish().await,
        None => Ok(StoredBlocks::default()),
    };
    Ok(Discovery { commits, stored, broken })
}

struct Search {
    history: ObjectHistory,
    graph: Arc<Graph>,
    seen: OidSet,
    stack: Vec<Oid>,
    broken: Vec<ObjectError>,
    keep: bool,
}

impl Search {
    /// Reads some more; with the block of their bytes, if it is to be kept.
    fn step(mut self) -> (Self, Option<Block>) {
        let mut packer = Packer::new(Content::Texts);
        for _ in 0..STEP {
            let Some(id) = self.stack.pop() else { break };
            if !self.seen.insert(id) || self.graph.position(&id).is_some() {
                continue;
            }
            if let Some(node) = self.history.node(&id) {
                self.stack.extend_from_slice(self.history.parent_ids(node));
                // Where git's commit-graph told the parents, the commit itself was not read.
                match self.history.raw(node) {
                    Ok(raw) if self.keep => packer.add(id, None, |bytes| bytes.extend_from_slice(&raw)),
                    Ok(_) => {}
                    Err(cause) => self.broken.push(cause),
                }
            }
        }
        self.broken.extend(self.history.take_broken());
        (self, packer.pack())
    }
}
