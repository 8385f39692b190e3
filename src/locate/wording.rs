//! The messages of a repository, and which of them have some words: read from the cache or from git, with the words indexed in the
//! cache when a query first needs them, and for what came since. What isn't indexed (there is no cache, it can't be written, or
//! another process is at it with another graph) is read message by message, to the same result.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::gaps::Gaps;
use crate::cache::Cache;
use crate::cache::blocks::Blocks;
use crate::cache::words::{Batch, Rule};
use crate::facts::commit::RawCommit;
use crate::facts::text::CommitText;
use crate::facts::words::{RULES, index_text};
use crate::git::Handle;
use crate::graph::{Graph, Position, Reachable};
use crate::index::{Index, Trouble};
use crate::pipeline::{Handles, Pool};
use crate::shutdown::Token;

/// Commits whose words are found in one job on the pool.
const CHUNK: usize = 2048;
/// Commits that are indexed in one transaction, at the least.
const TOGETHER: usize = 4 * CHUNK;
/// Where fewer than one in so many commits are wanted, each is read from git: the cache would unpack the others with it.
const DENSE: usize = 16;

/// Where messages are read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) graph: Arc<Graph>,
    pub(super) gaps: Arc<Gaps>,
    pub(super) handles: Handles,
    texts: Option<Arc<Blocks>>,
}

/// The messages of the commits that are asked about, and an index of them.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    pub(super) source: Source,
    /// The commits that the refs reach which are asked about.
    pub(super) reachable: Reachable,
    index: Option<Cache>,
    rule: Rule,
    /// How many commits, from the first on, are indexed.
    indexed: usize,
}

impl Messages {
    /// Those of `index`, with their words indexed in `cache` as far as can be. `None` if `stop` was cancelled.
    ///
    /// # Errors
    /// If a worker panicked. An index that can't be used is a [`Trouble`].
    pub(super) async fn open(
        index: &Index,
        cache: Option<Cache>,
        (graph, gaps): (Arc<Graph>, Arc<Gaps>),
        reachable: Reachable,
        pool: &Pool,
        stop: &Token,
        progress: impl FnMut(usize, usize),
    ) -> anyhow::Result<Option<(Self, Option<Trouble>)>> {
        let texts = index.texts(pool).await;
        let source = Source { graph, gaps, handles: index.handles.clone(), texts };
        let rule = Rule { rules: RULES, overlay: index.overlay.fingerprint() };
        let mut messages = Self { source, reachable, index: cache, rule, indexed: 0 };
        let Some(cache) = messages.index.clone() else { return Ok(Some((messages, None))) };
        match bring_up_to_date(&messages.source, &cache, rule, pool, stop, progress).await {
            Ok(None) => return Ok(None),
            Ok(Some(indexed)) => messages.indexed = indexed,
            Err(cause) => return Ok(Some((messages.without_index(), Some(index.unwritten(&cause))))),
        }
        Ok(Some((messages, None)))
    }

    /// The same, each message to be read.
    pub(super) fn without_index(&self) -> Self {
        Self { index: None, indexed: 0, ..self.clone() }
    }

    /// The commits asked about that may have all of `keys`, newest first; and whether they are sure to have them. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub(super) fn with_keys(&self, keys: &[String]) -> anyhow::Result<(Vec<Position>, bool)> {
        let end = self.source.graph.len();
        let found = match self.index.as_ref().filter(|_| self.indexed > 0 && !keys.is_empty()) {
            Some(cache) => cache.with_words(self.rule, &self.source.graph, self.indexed, keys)?,
            None => None,
        };
        let is_sure = found.is_some() && self.indexed == end;
        let unknown = if found.is_some() { self.indexed } else { 0 };
        let rest = (unknown..end).filter_map(|position| Position::try_from(position).ok());
        Ok((self.newest_first(found.unwrap_or_default().into_iter().chain(rest)), is_sure))
    }

    /// Those of `commits` that are asked about, newest first; never in the order in which the cache met them.
    pub(super) fn newest_first(&self, commits: impl Iterator<Item = Position>) -> Vec<Position> {
        let graph = &self.source.graph;
        let mut list: Vec<Position> = commits.filter(|&position| self.reachable.contains(position)).collect();
        list.sort_unstable_by(|&a, &b| {
            graph.time(b).cmp(&graph.time(a)).then_with(|| graph.id(b).as_bytes().cmp(graph.id(a).as_bytes()))
        });
        list
    }
}

impl Source {
    /// Hands each of the commits at `positions`, which ascend, to `then`. One that can't be read, or is no commit as git
    /// understands one, has no words; whoever walks to it is told. Ends early when `stop` is cancelled.
    pub(super) fn each(
        &self,
        handle: &Handle,
        positions: &[Position],
        stop: &Token,
        mut then: impl FnMut(Position, &RawCommit<'_>),
    ) {
        let span = positions.last().zip(positions.first()).map_or(0, |(last, first)| (last - first) as usize);
        let is_dense = span < DENSE * positions.len();
        let mut kept = self.texts.as_ref().filter(|_| is_dense).map(Blocks::reader);
        let mut buffer = Vec::new();
        for &position in positions {
            if stop.is_cancelled() {
                return;
            }
            let id = self.graph.id(position);
            let known = kept.as_mut().and_then(|reader| reader.get(position, &id));
            let raw = match known {
                Some(raw) => Ok(raw),
                None => handle.commit(&id, &mut buffer),
            };
            if let Ok(raw) = raw
                && let Ok(commit) = RawCommit::parse(raw, id.as_bytes().len())
            {
                then(position, &commit);
            }
        }
    }

    fn index_texts(&self, chunk: &Range<usize>, stop: &Token) -> Vec<String> {
        let positions: Vec<Position> = chunk.clone().filter_map(|position| Position::try_from(position).ok()).collect();
        self.handles.with(|handle| {
            let mut texts = vec![String::new(); chunk.len()];
            self.each(handle, &positions, stop, |position, commit| {
                texts[position as usize - chunk.start] = index_text(&CommitText::decode(commit).message.text);
            });
            texts
        })
    }
}

/// Indexes what isn't yet, and returns how many commits are. `None` if `stop` was cancelled; what was done by then is kept.
async fn bring_up_to_date(
    source: &Source,
    cache: &Cache,
    rule: Rule,
    pool: &Pool,
    stop: &Token,
    mut progress: impl FnMut(usize, usize),
) -> anyhow::Result<Option<usize>> {
    let end = source.graph.len();
    let known = || {
        let (cache, graph) = (cache.clone(), Arc::clone(&source.graph));
        pool.run(move || cache.worded(rule, &graph))
    };
    let mut base = known().await??;
    let mut next = base;
    let mut pending = VecDeque::new();
    let mut texts: Vec<String> = Vec::new();
    while base < end {
        if stop.is_cancelled() {
            return Ok(None);
        }
        if next < end && pending.len() < 2 * pool.threads() {
            let chunk = next..(next + CHUNK).min(end);
            next = chunk.end;
            let (source, stop) = (source.clone(), stop.clone());
            pending.push_back(pool.submit(move || source.index_texts(&chunk, &stop)).await?);
            continue;
        }
        if let Some(job) = pending.pop_front() {
            texts.extend(job.result().await?);
        }
        // What was cut short is no index.
        if stop.is_cancelled() {
            return Ok(None);
        }
        let is_last = next == end && pending.is_empty();
        if texts.len() < TOGETHER && !is_last {
            continue;
        }
        let (graph, count) = (Arc::clone(&source.graph), texts.len());
        if cache.add_words(rule, graph, Batch { base, texts: std::mem::take(&mut texts) }).await? {
            base += count;
            progress(base, end);
            continue;
        }
        // Another process is at it. What it has done needn't be done again; where it is ahead of this graph, the rest is read.
        let theirs = known().await??;
        if theirs <= base {
            return Ok(Some(theirs));
        }
        pending.clear();
        (base, next) = (theirs, theirs);
    }
    Ok(Some(base))
}
