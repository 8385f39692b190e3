//! Finding the commits that the cache's graph lacks: from the tips down to what is known already.

use std::collections::HashSet;
use std::sync::Arc;

use super::pool::{JobError, Pool};
use crate::cache::texts::{TextBlock, TextPacker};
use crate::facts::Oid;
use crate::git::ObjectError;
use crate::git::history::{History as _, ObjectHistory};
use crate::graph::{Graph, NewCommit};
use crate::shutdown::Token;

/// Commits that are read in one step on the pool.
const STEP: usize = 512;

/// What was found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// New commits, parents first.
    pub commits: Vec<NewCommit>,
    /// Their bytes.
    pub texts: Vec<TextBlock>,
    /// Commits that could not be read; with any the graph must not be stored as complete.
    pub broken: Vec<ObjectError>,
}

/// Reads every commit that `tips` reach and `graph` lacks. Ends early when `stop` is cancelled; the answer is then not complete.
///
/// # Errors
/// If a worker panicked.
pub async fn discover(
    pool: &Pool,
    history: ObjectHistory,
    graph: Arc<Graph>,
    tips: Vec<Oid>,
    stop: &Token,
    mut progress: impl FnMut(usize),
) -> Result<Discovery, JobError> {
    let mut search =
        Search { history, seen: HashSet::new(), stack: tips, broken: Vec::new(), texts: Vec::new(), graph };
    // The first tip is to be looked at first.
    search.stack.reverse();
    while !search.stack.is_empty() && !stop.is_cancelled() {
        search = pool.run(move || search.step()).await?;
        progress(search.seen.len());
    }
    let Search { history, broken, texts, .. } = search;
    let commits = pool.run(move || ordered(history)).await?;
    Ok(Discovery { commits, texts, broken })
}

/// Everything that `history` has read, parents first, oldest first where there is a choice.
#[must_use]
pub fn ordered(history: ObjectHistory) -> Vec<NewCommit> {
    let mut commits = history.into_commits();
    commits.reverse();
    crate::graph::parents_first(commits)
}

struct Search {
    history: ObjectHistory,
    graph: Arc<Graph>,
    seen: HashSet<Oid>,
    stack: Vec<Oid>,
    broken: Vec<ObjectError>,
    texts: Vec<TextBlock>,
}

impl Search {
    fn step(mut self) -> Self {
        let mut packer = TextPacker::default();
        for _ in 0..STEP {
            let Some(id) = self.stack.pop() else { break };
            if !self.seen.insert(id) || self.graph.position(&id).is_some() {
                continue;
            }
            if let Some(node) = self.history.node(&id) {
                self.stack.extend_from_slice(self.history.parent_ids(node));
                // Where git's commit-graph told the parents, the commit itself was not read.
                match self.history.raw(node) {
                    Ok(raw) => packer.add(id, &raw),
                    Err(cause) => self.broken.push(cause),
                }
            }
        }
        if !packer.is_empty() {
            self.texts.push(packer.pack());
        }
        self.broken.extend(self.history.take_broken());
        self
    }
}
