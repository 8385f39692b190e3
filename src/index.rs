//! A repository as this program works with it: its refs, what bends its history, and the graph of its commits, kept in the cache
//! and brought up to date here. Without a usable cache everything still works, only slower.

use std::path::Path;
use std::sync::Arc;

use crate::cache::database::is_damaged;
use crate::cache::texts::{TextBlock, Texts};
use crate::cache::{Cache, Pass, Snapshot, digest, location};
use crate::error::{self, Kind};
use crate::facts::Oid;
use crate::git::history::ObjectHistory;
use crate::git::refs::{RefList, RefStore, Selection};
use crate::git::state::Overlay;
use crate::git::{ObjectError, Repository};
use crate::gitcli;
use crate::graph::{Graph, NewCommit};
use crate::pipeline::discovery::{self, Discovery};
use crate::pipeline::{Handles, Pool};
use crate::shutdown::Token;

/// How often an update is tried again when another process has extended the graph meanwhile.
const TRIES: usize = 3;

/// Something that the user should know and that makes no answer wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The warning's code on the wire.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// What can be done.
    pub hint: Option<String>,
}

/// What an update of the graph came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// No ref has moved since the last complete pass.
    Fresh,
    /// So many commits were added.
    Updated(usize),
    /// The graph was made from nothing, with so many commits.
    Built(usize),
    /// Commits could not be read: the graph stays as it was.
    Broken(Vec<ObjectError>),
    /// The token was cancelled.
    Cancelled,
}

/// An opened repository.
#[derive(Debug)]
pub struct Index {
    /// Where objects are read.
    pub handles: Handles,
    /// All refs, as read when it was opened.
    pub refs: RefStore,
    /// HEAD, branches, remote branches and tags.
    pub usual: RefList,
    /// Shallow, grafted and replaced commits.
    pub overlay: Arc<Overlay>,
    /// The commits indexed so far.
    pub graph: Arc<Graph>,
    cache: Option<Cache>,
    fresh: bool,
}

struct Opened {
    refs: RefStore,
    usual: RefList,
    overlay: Overlay,
    cache: Option<Cache>,
    snapshot: Snapshot,
    fresh: bool,
    troubles: Vec<Trouble>,
}

impl Index {
    /// Reads the refs of `repository` and what the cache in `folder` knows of it.
    ///
    /// # Errors
    /// If git refuses the repository for its owner, if refs can't be read, or the cache is one of a newer version. A cache that can't be used otherwise is a [`Trouble`].
    pub async fn open(
        repository: Arc<Repository>,
        folder: Option<&Path>,
        pool: &Pool,
    ) -> anyhow::Result<(Self, Vec<Trouble>)> {
        gitcli::check_owner(&repository).await?;
        let handles = Handles::new(Arc::clone(&repository));
        let listed = if repository.uses_reftable() { Some(gitcli::list_refs(&repository).await?) } else { None };
        let folder = folder.map(Path::to_owned);
        let shared = handles.clone();
        let opened = pool.run(move || open(&shared, folder.as_deref(), listed.as_ref())).await??;
        let Opened { refs, usual, overlay, cache, snapshot, fresh, troubles } = opened;
        let (overlay, graph) = (Arc::new(overlay), Arc::new(snapshot.graph));
        Ok((Self { handles, refs, usual, overlay, graph, cache, fresh }, troubles))
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Arc<Repository> {
        self.handles.repository()
    }

    /// The cache, if it can be used.
    #[must_use]
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Whether the refs stand as the last complete pass saw them, so that the graph holds all that the usual refs reach.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether the graph holds all of `ids`.
    #[must_use]
    pub fn knows<'a>(&self, ids: impl IntoIterator<Item = &'a Oid>) -> bool {
        ids.into_iter().all(|id| self.graph.position(id).is_some())
    }

    /// The refs that `selection` asks for.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn select(&self, selection: Selection, pool: &Pool) -> anyhow::Result<RefList> {
        if selection == Selection::Usual {
            return Ok(self.usual.clone());
        }
        let (refs, graph, handles) = (self.refs.clone(), Arc::clone(&self.graph), self.handles.clone());
        let select = move || handles.with(|handle| refs.select(&selection, handle, |id| graph.position(id).is_some()));
        Ok(pool.run(select).await?)
    }

    /// History as the object database has it; with `keep_raw` the bytes of commits can be taken over.
    #[must_use]
    pub fn objects(&self, keep_raw: bool) -> ObjectHistory {
        ObjectHistory::new(self.repository(), self.handles.take(), Arc::clone(&self.overlay), keep_raw)
    }

    /// Adds to the graph what the usual refs and `tips` reach, and stores it with the state of the refs.
    ///
    /// # Errors
    /// If a worker panicked. That the cache can't be written is a [`Trouble`].
    pub async fn update(
        &mut self,
        tips: &[Oid],
        pool: &Pool,
        stop: &Token,
        mut progress: impl FnMut(usize),
    ) -> anyhow::Result<(Update, Option<Trouble>)> {
        let mut wanted = self.usual.tips();
        wanted.extend_from_slice(tips);
        let mut added = 0;
        for _ in 0..TRIES {
            let new: Vec<Oid> = wanted.iter().filter(|id| self.graph.position(id).is_none()).copied().collect();
            if new.is_empty() && self.fresh {
                break;
            }
            let history = self.objects(true);
            let Discovery { commits, texts, broken } =
                discovery::discover(pool, history, Arc::clone(&self.graph), new, stop, &mut progress).await?;
            if stop.is_cancelled() {
                return Ok((Update::Cancelled, None));
            }
            if !broken.is_empty() {
                return Ok((Update::Broken(broken), None));
            }
            let built = self.graph.is_empty();
            added += commits.len();
            match self.adopt(commits, texts, pool).await {
                Ok(true) if built => return Ok((Update::Built(added), None)),
                Ok(true) => return Ok((Update::Updated(added), None)),
                Ok(false) => self.reload(pool).await?,
                Err(cause) => return Ok((Update::Updated(added), Some(self.unwritten(&cause)))),
            }
        }
        // Others have kept the graph up to date better than we could.
        Ok((if added == 0 { Update::Fresh } else { Update::Updated(added) }, None))
    }

    /// Appends `commits`, parents first, and stores the pass. `false` if another process was first.
    ///
    /// # Errors
    /// If the cache can't be written; the graph in memory is right all the same.
    pub async fn adopt(&mut self, commits: Vec<NewCommit>, texts: Vec<TextBlock>, pool: &Pool) -> anyhow::Result<bool> {
        let base = self.graph.len();
        let mut graph = Arc::unwrap_or_clone(std::mem::take(&mut self.graph));
        let (graph, segment) = pool
            .run(move || {
                let segment = (!commits.is_empty()).then(|| graph.append(&commits));
                (graph, segment)
            })
            .await?;
        self.graph = Arc::new(graph);
        let Some(cache) = &self.cache else { return Ok(true) };
        let refs = self.usual.refs.iter().map(|entry| (entry.name.clone(), entry.id, entry.commit)).collect();
        let stored = cache.store(Pass { overlay: self.overlay.fingerprint(), base, segment, texts, refs }).await?;
        self.fresh |= stored;
        Ok(stored)
    }

    /// Where the bytes of the graph's commits are kept; `None` without a cache.
    pub async fn texts(&self, pool: &Pool) -> Option<Arc<Texts>> {
        let cache = self.cache.clone()?;
        let overlay = self.overlay.fingerprint();
        let texts = pool.run(move || cache.texts(overlay)).await;
        // What can't be read from the cache is read from git.
        texts.ok()?.ok().map(Arc::new)
    }

    /// The warning for a cache that can't be written. Damage that shows only now is mended as at the opening: the file is set aside,
    /// and the next run begins a new one.
    #[must_use]
    pub fn unwritten(&self, cause: &anyhow::Error) -> Trouble {
        let damaged = self.cache.as_ref().filter(|_| is_damaged(cause));
        if let Some(Ok(Some(aside))) = damaged.map(|cache| Cache::set_aside(cache.path())) {
            return rebuilt(&aside);
        }
        Trouble {
            code: "cache-unwritten",
            message: format!("the cache was not updated: {}", error::message_of(cause)),
            hint: Some("the answer is right all the same; the next run does the work again".into()),
        }
    }

    async fn reload(&mut self, pool: &Pool) -> anyhow::Result<()> {
        let Some(cache) = self.cache.clone() else { return Ok(()) };
        let overlay = self.overlay.fingerprint();
        let snapshot = pool.run(move || cache.snapshot(overlay)).await??;
        self.fresh = snapshot.digest == Some(digest_of(&self.usual));
        self.graph = Arc::new(snapshot.graph);
        Ok(())
    }
}

fn digest_of(list: &RefList) -> i64 {
    digest(list.refs.iter().map(|entry| (entry.name.as_slice(), &entry.id)))
}

fn open(
    handles: &Handles,
    folder: Option<&Path>,
    listed: Option<&(Vec<u8>, Option<Vec<u8>>)>,
) -> anyhow::Result<Opened> {
    let repository = handles.repository();
    let refs = match listed {
        Some((listing, head)) => RefStore::from_listing(listing, head.as_deref()),
        None => RefStore::read(repository)?,
    };
    let overlay = handles.with(|handle| Overlay::read(repository, handle, &refs))?;
    let mut troubles = Vec::new();
    let (cache, snapshot) = match open_cache(repository, folder, overlay.fingerprint(), &mut troubles) {
        Ok((cache, snapshot)) => (Some(cache), snapshot),
        Err(cause) if error::kind_of(&cause) == Kind::CacheNewer => return Err(cause),
        Err(cause) => {
            troubles.push(Trouble {
                code: "cache-unavailable",
                message: format!("working without a cache: {}", error::message_of(&cause)),
                hint: Some("let GIT_BHFUIL_CACHE name a folder that can be written".into()),
            });
            (None, Snapshot::default())
        }
    };
    let known = |id: &Oid| snapshot.graph.position(id).is_some();
    let usual = handles.with(|handle| refs.select(&Selection::Usual, handle, known));
    let fresh = snapshot.digest == Some(digest_of(&usual));
    Ok(Opened { refs, usual, overlay, cache, snapshot, fresh, troubles })
}

fn open_cache(
    repository: &Repository,
    folder: Option<&Path>,
    overlay: i64,
    troubles: &mut Vec<Trouble>,
) -> anyhow::Result<(Cache, Snapshot)> {
    let folder = folder.ok_or_else(|| Kind::Cache.error("neither HOME, XDG_CACHE_HOME nor GIT_BHFUIL_CACHE is set"))?;
    let path = location::file(folder, &repository.name, &repository.common_dir);
    let mut open = || -> anyhow::Result<(Cache, Snapshot)> {
        let (cache, aside) = Cache::open(&path, &repository.common_dir, repository.hash_len)?;
        troubles.extend(aside.iter().map(|aside| rebuilt(aside)));
        let snapshot = cache.snapshot(overlay)?;
        Ok((cache, snapshot))
    };
    match open() {
        Err(cause) if is_damaged(&cause) => {
            let aside = Cache::set_aside(&path)?;
            let reopened = open()?;
            troubles.extend(aside.map(|aside| rebuilt(&aside)));
            Ok(reopened)
        }
        other => other,
    }
}

fn rebuilt(aside: &Path) -> Trouble {
    Trouble {
        code: "cache-rebuilt",
        message: format!("the cache was damaged and is made anew; the old file is kept as {}", aside.display()),
        hint: None,
    }
}
