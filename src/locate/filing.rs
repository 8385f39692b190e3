//! Files commits under the keys of what their messages say, so that a query finds candidates without looking at all commits.
//! Done when a query first needs it, for what came since the last time, and kept in the cache.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::desk::{Reading, with_sketch};
use crate::cache::Cache;
use crate::cache::blocks::Blocks;
use crate::cache::database::is_damaged;
use crate::cache::postings::Postings;
use crate::facts::Oid;
use crate::facts::patterns::Patterns;
use crate::git::ObjectError;
use crate::graph::{Graph, Position};
use crate::index::Index;
use crate::matching::keys::{Key, keys, rules};
use crate::pipeline::{Handles, Pool};
use crate::shutdown::Token;

/// Commits that are filed in one job on the pool.
const CHUNK: usize = 2048;

/// Where commits are filed.
#[derive(Debug, Clone)]
pub(super) enum Filed {
    /// In the cache.
    Cached(Arc<Cached>),
    /// In memory, there being no cache; or none, for nothing is looked up.
    Held(Arc<Postings>),
}

impl Filed {
    /// The commits filed under each of `keys`.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub(super) fn under(&self, keys: &[Key]) -> anyhow::Result<Vec<Vec<Position>>> {
        Ok(match self {
            Self::Cached(cached) => cached.under(keys)?,
            Self::Held(held) => keys.iter().map(|&key| held.under(key)).collect(),
        })
    }

    /// Why the cache could not be read in the middle, since the last call.
    pub(super) fn take_damage(&self) -> Option<anyhow::Error> {
        match self {
            Self::Cached(cached) => cached.damage.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Self::Held(_) => None,
        }
    }
}

/// Commits that are filed in the cache, and what files them anew should it turn out to be damaged.
#[derive(Debug)]
pub(super) struct Cached {
    cache: Cache,
    filer: Filer,
    anew: OnceLock<Postings>,
    damage: Mutex<Option<anyhow::Error>>,
}

impl Cached {
    fn under(&self, keys: &[Key]) -> anyhow::Result<Vec<Vec<Position>>> {
        match self.cache.under(keys) {
            Err(cause) if is_damaged(&cause) => {
                self.damage.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause);
                let anew = self.anew.get_or_init(|| self.filer.file(0..self.filer.graph.len()));
                Ok(keys.iter().map(|&key| anew.under(key)).collect())
            }
            found => found,
        }
    }
}

/// What filing takes.
pub(super) struct Filing<'a> {
    pub(super) index: &'a Index,
    /// Where it is kept; `None` if it is for this run alone.
    pub(super) cache: Option<&'a Cache>,
    pub(super) patterns: &'a Arc<Patterns>,
    pub(super) pool: &'a Pool,
}

impl Filing<'_> {
    /// Files what isn't yet. `None` if `stop` was cancelled.
    ///
    /// # Errors
    /// If a worker panicked or the cache can't be read.
    pub(super) async fn bring_up_to_date(
        &self,
        graph: &Arc<Graph>,
        jira_projects: &[String],
        stop: &Token,
        mut progress: impl FnMut(usize, usize),
    ) -> anyhow::Result<Option<Filed>> {
        let rules = rules(jira_projects);
        let end = graph.len();
        if let Some(cache) = self.cache {
            let (reader, own) = (cache.clone(), Arc::clone(graph));
            // One that another process has just removed, say, can't be read: then all are filed anew, for this run alone.
            let base = self.pool.run(move || reader.filed(rules, &own)).await?.unwrap_or(0);
            if base >= end {
                return Ok(Some(self.cached(cache, graph, stop)));
            }
            // All ids will be asked for, and much is going to be written.
            let own = Arc::clone(graph);
            self.pool.run(move || own.settle()).await?;
            let Some(postings) = self.file(graph, base..end, stop, &mut progress).await? else { return Ok(None) };
            let stored = cache.file(base, Arc::clone(graph), rules, postings.clone()).await;
            if matches!(stored, Ok(true)) {
                return Ok(Some(self.cached(cache, graph, stop)));
            }
            // The cache can't be written, or another process has filed meanwhile, perhaps another graph.
            if base == 0 {
                return Ok(Some(Filed::Held(Arc::new(postings))));
            }
        }
        let postings = self.file(graph, 0..end, stop, &mut progress).await?;
        Ok(postings.map(|postings| Filed::Held(Arc::new(postings))))
    }

    fn cached(&self, cache: &Cache, graph: &Arc<Graph>, stop: &Token) -> Filed {
        let filer = self.filer(graph, None, stop);
        Filed::Cached(Arc::new(Cached { cache: cache.clone(), filer, anew: OnceLock::new(), damage: Mutex::default() }))
    }

    fn filer(&self, graph: &Arc<Graph>, texts: Option<Arc<Blocks>>, stop: &Token) -> Filer {
        let (graph, handles) = (Arc::clone(graph), self.index.handles.clone());
        Filer { graph, handles, texts, patterns: Arc::clone(self.patterns), stop: stop.clone() }
    }

    /// The commits of `range` and their keys.
    async fn file(
        &self,
        graph: &Arc<Graph>,
        range: Range<usize>,
        stop: &Token,
        progress: &mut impl FnMut(usize, usize),
    ) -> anyhow::Result<Option<Postings>> {
        let texts = self.index.texts(self.pool).await;
        let mut pending = VecDeque::new();
        let mut postings = Postings::default();
        let mut chunks = range.clone().step_by(CHUNK).map(|start| start..(start + CHUNK).min(range.end));
        let mut done = 0;
        loop {
            if stop.is_cancelled() {
                return Ok(None);
            }
            if pending.len() < 2 * self.pool.threads()
                && let Some(chunk) = chunks.next()
            {
                let filer = self.filer(graph, texts.clone(), stop);
                pending.push_back(self.pool.submit(move || filer.file(chunk)).await?);
                continue;
            }
            let Some(job) = pending.pop_front() else { return Ok(Some(postings)) };
            let filed = job.result().await?;
            if stop.is_cancelled() {
                return Ok(None);
            }
            postings.append(&filed);
            done += CHUNK;
            progress(done.min(range.len()), range.len());
        }
    }
}

/// The keys that a commit is filed under.
///
/// # Errors
/// If `raw` is no commit.
pub fn keys_of(patterns: &Arc<Patterns>, id: &Oid, raw: &[u8]) -> Result<Vec<Key>, ObjectError> {
    with_sketch(&Literal(patterns), id, raw, |sketch, found, _| keys(&sketch, found))
}

#[derive(Debug)]
struct Filer {
    graph: Arc<Graph>,
    handles: Handles,
    texts: Option<Arc<Blocks>>,
    patterns: Arc<Patterns>,
    stop: Token,
}

impl Filer {
    /// What was filed of `chunk` when the run is stopped is for nobody.
    fn file(&self, chunk: Range<usize>) -> Postings {
        let positions = chunk.filter_map(|position| Position::try_from(position).ok());
        let positions: Vec<Position> = positions.collect();
        self.handles.with(|handle| {
            let mut kept = self.texts.as_ref().map(Blocks::reader);
            let mut postings = Postings::default();
            let mut buffer = Vec::new();
            for &position in &positions {
                if self.stop.is_cancelled() {
                    break;
                }
                let id = self.graph.id(position);
                let known = kept.as_mut().and_then(|reader| reader.get(position, &id));
                let raw = match known {
                    Some(raw) => Ok(raw),
                    None => handle.commit(&id, &mut buffer),
                };
                // One that can't be read is found under no key; whoever walks to it is told.
                let keys = raw.and_then(|raw| keys_of(&self.patterns, &id, raw));
                for key in keys.unwrap_or_default() {
                    postings.add(key, position);
                }
            }
            postings
        })
    }
}

/// Keys are made of names as written: nothing is resolved.
struct Literal<'a>(&'a Patterns);

impl Reading for Literal<'_> {
    fn patterns(&self) -> &Patterns {
        self.0
    }

    fn resolve(&self, _text: &str) -> Option<Oid> {
        None
    }
}
