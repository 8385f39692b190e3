//! A repository as this program works with it: its refs, what bends its history, and the graph of its commits, kept in the cache
//! and brought up to date here. Without a usable cache everything still works, only slower.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smol::future::zip;

use crate::cache::blocks::{BlockStore, Blocks, Content, Numbers, StoredBlocks};
use crate::cache::database::is_damaged;
use crate::cache::holders::MOST;
use crate::cache::placed::MANY;
use crate::cache::{Cache, LIGHT, Pass, Snapshot, StoredGraph, digest, location};
use crate::debug;
use crate::error::{self, Kind};
use crate::facts::Oid;
use crate::facts::oid::OidSet;
use crate::git::history::ObjectHistory;
use crate::git::refs::{Ref, RefList, RefStore, Selection};
use crate::git::repository::name_of;
use crate::git::state::Overlay;
use crate::git::{ObjectError, Repository};
use crate::gitcli;
use crate::graph::{Batch, Graph, Holders, Mark, Position};
use crate::monitor::{self, Outcome};
use crate::pipeline::discovery::{self, Discovery};
use crate::pipeline::{Handles, Pool};
use crate::shutdown::Token;

/// How often an update is tried again when another process has extended the graph meanwhile.
const TRIES: usize = 3;

/// The code of the warning that the cache can't be written. Each step that would keep something meets it anew, and one warning is enough.
pub const UNWRITTEN: &str = "cache-unwritten";

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
    /// Commits could not be read: the graph stays as it was, without those that could.
    Broken(Vec<ObjectError>, Batch),
    /// The token was cancelled.
    Cancelled,
}

/// An opened repository.
#[derive(Debug)]
pub struct Index {
    /// Where objects are read.
    pub handles: Handles,
    /// All refs, as read when it was opened.
    pub refs: Arc<RefStore>,
    /// HEAD, branches, remote branches and tags.
    pub usual: Arc<RefList>,
    /// Shallow, grafted and replaced commits.
    pub overlay: Arc<Overlay>,
    cache: Option<Cache>,
    /// Whether that was set aside in the middle, since it is damaged.
    is_aside: AtomicBool,
    commits: Commits,
    fresh: bool,
    /// How many commits, from the graph's first on, the usual refs are known to reach, each.
    whole: usize,
    /// Whether the graph is sure to be as it was stored.
    is_checked: bool,
    /// Which of the usual refs hold which commits, as far as that is kept.
    holders: Option<Arc<Holders>>,
    /// Whether that is kept, or that it is too much.
    is_held: bool,
    /// Many refs that were asked for, with the digest of what they lead to: where that is, isn't kept yet.
    unplaced: Option<(Selection, i64)>,
    troubles: Vec<Trouble>,
}

/// Whether the graph will be needed whatever the refs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// It will: it is read while the refs are.
    Read,
    /// It may not: where nothing is new a scan ends without it.
    Wait,
}

/// The commits indexed so far. While the refs stand as they stood, many a run ends without having asked for them.
#[derive(Debug)]
enum Commits {
    /// Read.
    Here(Arc<Graph>),
    /// In the cache, so many.
    Stored(usize),
}

impl Index {
    /// Reads the refs of `repository` and what the cache in `folder` knows of it; the graph `ahead` if that is known to be needed.
    ///
    /// # Errors
    /// If git refuses the repository as unsafe, if refs can't be read, or the cache is one of a newer version. A cache that can't be
    /// used otherwise is a [`Trouble`].
    pub async fn open(
        repository: Arc<Repository>,
        folder: Option<&Path>,
        ahead: Ahead,
        pool: &Pool,
    ) -> anyhow::Result<Self> {
        gitcli::check_safe(&repository).await?;
        let handles = Handles::new(Arc::clone(&repository));
        let listed = if repository.uses_reftable() { Some(gitcli::list_refs(&repository).await?) } else { None };
        let folder = folder.map(Path::to_owned);
        let (cached, of_cache) = (Arc::clone(&repository), handles.clone());
        let open = pool.submit(move || open_cache(&cached, folder.as_deref(), ahead)).await?;
        let (opened, seen) = zip(open.result(), pool.run(move || Seen::read(&of_cache, listed.as_ref()))).await;
        let (opened, seen) = (opened?, seen??);
        let index = pool.run(move || join(handles, opened, seen)).await??;
        debug::note("index", || {
            let state = if index.fresh { "as the refs are" } else { "behind the refs" };
            format!("{}: {} commits are indexed, {state}", index.repository().name, index.len())
        });
        Ok(index)
    }

    /// What went wrong since the last call.
    pub fn take_troubles(&mut self) -> Vec<Trouble> {
        std::mem::take(&mut self.troubles)
    }

    /// Whether something went wrong since then.
    #[must_use]
    pub fn has_troubles(&self) -> bool {
        !self.troubles.is_empty()
    }

    /// The commits indexed so far, read from the cache when they are first asked for. If the cache turns out to be damaged, it is
    /// set aside, which is a [`Trouble`], and a new one begun: then there are none.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn graph(&mut self, pool: &Pool) -> anyhow::Result<Arc<Graph>> {
        if let Commits::Stored(_) = self.commits {
            self.reload(pool).await?;
        }
        match &self.commits {
            Commits::Here(graph) => Ok(Arc::clone(graph)),
            Commits::Stored(_) => Ok(Arc::default()),
        }
    }

    /// How many commits, from the graph's first on, the usual refs are known to reach, each: all, unless some were pushed away.
    #[must_use]
    pub fn whole(&self) -> usize {
        self.whole
    }

    /// Which of the usual refs hold which commits, if that is kept for the refs as they stand.
    #[must_use]
    pub fn holders(&self) -> Option<&Arc<Holders>> {
        self.holders.as_ref()
    }

    /// Keeps what the next question about refs that stand is answered by without a sweep, or a look for each: which of the usual refs hold
    /// which commits, and where many others lead. While refs move it would be for nothing, and while others write it isn't waited for: what
    /// isn't kept is found out again.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn keep_for_the_next(&mut self, pool: &Pool) -> anyhow::Result<()> {
        self.keep_holders(pool).await?;
        self.keep_placed(pool).await
    }

    /// Keeps what was found out of the tags among the places with this number, likewise.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn keep_tagged(&mut self, places: i64, tagged: Vec<u8>, pool: &Pool) -> anyhow::Result<()> {
        let Some(cache) = self.cache().cloned() else { return Ok(()) };
        let mark = self.graph(pool).await?.mark();
        cache.keep_tagged(mark, places, tagged).await;
        Ok(())
    }

    /// As [`Self::keep_for_the_next`], of where many refs lead alone.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn keep_placed(&mut self, pool: &Pool) -> anyhow::Result<()> {
        let unplaced = self.unplaced.take().filter(|_| self.fresh);
        let Some((cache, (selection, digest))) = self.cache().cloned().zip(unplaced) else { return Ok(()) };
        let (graph, refs) = (self.graph(pool).await?, Arc::clone(&self.refs));
        let mark = graph.mark();
        let placed = pool.run(move || refs.choose(&selection).placed(&graph)).await?;
        cache.keep_placed(mark, digest, &placed).await;
        Ok(())
    }

    /// Only where it pays: of a small graph a sweep takes no time.
    async fn keep_holders(&mut self, pool: &Pool) -> anyhow::Result<()> {
        let is_wanted = self.fresh && !self.is_held && self.len() >= LIGHT;
        let Some(cache) = self.cache().cloned().filter(|_| is_wanted) else { return Ok(()) };
        let (graph, usual) = (self.graph(pool).await?, Arc::clone(&self.usual));
        let mark = graph.mark();
        let holders = pool.run(move || {
            let named = usual.iter().filter(|entry| entry.symbolic().is_none());
            let ids: Vec<Oid> = named.filter_map(Ref::commit).collect();
            let tips: Vec<Position> = graph.positions(&ids).into_iter().flatten().collect();
            // There are about as many sets as tips.
            let is_few = tips.len() * tips.len() / 8 <= MOST;
            if is_few { Holders::of(&graph, &tips).map(|holders| holders.stored()) } else { None }
        });
        cache.keep_holders(mark, holders.await?).await;
        Ok(())
    }

    /// Ends the reading of the cache that goes on as long as there is something left in it: others would wait for it. Of the graph there is
    /// then what has been read.
    pub(crate) fn let_go(&self) {
        if let Commits::Here(graph) = &self.commits {
            graph.let_go();
        }
    }

    /// How many commits are indexed so far.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.commits {
            Commits::Here(graph) => graph.len(),
            Commits::Stored(count) => *count,
        }
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Arc<Repository> {
        self.handles.repository()
    }

    /// The cache, if it can be used.
    #[must_use]
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref().filter(|_| !self.is_aside.load(Ordering::Acquire))
    }

    /// Whether the refs stand as the last complete pass saw them, so that the graph holds all that the usual refs reach.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The refs that `selection` asks for.
    ///
    /// # Errors
    /// If a worker panicked.
    pub async fn select(&mut self, selection: Selection, pool: &Pool) -> anyhow::Result<Arc<RefList>> {
        if selection == Selection::Usual {
            return Ok(Arc::clone(&self.usual));
        }
        let (refs, cache) = (Arc::clone(&self.refs), self.cache().cloned());
        let mark = self.mark();
        let look = move || {
            let chosen = refs.choose(&selection);
            let (count, digest) = chosen.digest();
            let many = (count >= MANY).then_some(cache).flatten();
            // What can't be read of it is looked up.
            let kept = many.as_ref().and_then(|cache| cache.placed(mark, digest, count).ok().flatten());
            let unplaced = (many.is_some() && kept.is_none()).then_some((selection, digest));
            (chosen, kept, unplaced, (count, digest))
        };
        let (chosen, kept, unplaced, (count, digest)) = pool.run(look).await?;
        self.unplaced = unplaced;
        let handles = self.handles.clone();
        let mut list = if let Some(placed) = kept {
            pool.run(move || handles.with(|handle| chosen.list(handle, mark, &placed))).await?
        } else {
            let graph = self.graph(pool).await?;
            let list = move || {
                let placed = chosen.placed(&graph);
                handles.with(|handle| chosen.list(handle, graph.mark(), &placed))
            };
            pool.run(list).await?
        };
        // What was looked up besides may be found another time, or not.
        list.digest = (count >= MANY && list.len() == count && list.is_as_said()).then_some(digest);
        Ok(Arc::new(list))
    }

    /// Whether the graph is the one with that `mark`, or grew from it, as far as that is known without reading it, and the usual refs stand: then
    /// nothing is to be read for it either.
    #[must_use]
    pub fn has_all_of(&self, mark: Mark) -> bool {
        self.fresh
            && match &self.commits {
                Commits::Here(graph) => graph.grew_from(mark),
                Commits::Stored(_) => self.usual.mark == mark,
            }
    }

    /// Tells the graph, which need not be at hand, from others.
    fn mark(&self) -> Mark {
        match &self.commits {
            Commits::Here(graph) => graph.mark(),
            // The usual refs were looked up in it, or in none.
            Commits::Stored(_) => self.usual.mark,
        }
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
    ) -> anyhow::Result<Update> {
        if self.fresh && tips.is_empty() {
            return Ok(Update::Fresh);
        }
        let mut wanted = self.usual.tips();
        if self.fresh {
            let known: OidSet = wanted.iter().copied().collect();
            if tips.iter().all(|tip| known.contains(tip)) {
                return Ok(Update::Fresh);
            }
        }
        wanted.extend_from_slice(tips);
        let seen = monitor::process().begin("index");
        let update = self.catch_up(&wanted, pool, stop, &mut progress).await;
        seen.end(match &update {
            Ok(Update::Broken(..)) => Outcome::Partial,
            Ok(Update::Cancelled) => Outcome::Cancelled,
            _ => Outcome::of(&update),
        });
        update
    }

    /// Adds to the graph what `wanted` reach and it hasn't.
    async fn catch_up(
        &mut self,
        wanted: &[Oid],
        pool: &Pool,
        stop: &Token,
        progress: &mut impl FnMut(usize),
    ) -> anyhow::Result<Update> {
        if !self.is_checked {
            self.reload(pool).await?;
        }
        let mut added = 0;
        for _ in 0..TRIES {
            let graph = self.graph(pool).await?;
            let new: Vec<Oid> = wanted.iter().filter(|id| graph.position(id).is_none()).copied().collect();
            if new.is_empty() && self.fresh {
                break;
            }
            let built = graph.is_empty();
            let history = self.objects(true);
            let store = self.block_store();
            let found = Box::pin(discovery::discover(pool, history, graph, new, store, stop, &mut *progress)).await?;
            let Discovery { commits, stored, broken } = found;
            if stop.is_cancelled() {
                return Ok(Update::Cancelled);
            }
            if !broken.is_empty() {
                return Ok(Update::Broken(broken, commits));
            }
            added += commits.len();
            match self.adopt(commits, stored, pool).await {
                Ok(true) if built => return Ok(Update::Built(added)),
                Ok(true) => return Ok(Update::Updated(added)),
                Ok(false) => self.reload(pool).await?,
                Err(cause) => {
                    let unwritten = self.unwritten(&cause);
                    self.troubles.push(unwritten);
                    return Ok(Update::Updated(added));
                }
            }
        }
        // Others have kept the graph up to date better than we could.
        Ok(if added == 0 { Update::Fresh } else { Update::Updated(added) })
    }

    /// Where what is kept of commits goes while a pass, or a stream, goes on; `None` without a cache.
    #[must_use]
    pub fn block_store(&self) -> Option<BlockStore> {
        Some(BlockStore::new(self.cache()?.clone(), self.overlay.fingerprint()))
    }

    /// Appends `commits` and stores the pass, unless what is kept of them could not be stored. `false` if another process was first.
    ///
    /// # Errors
    /// If the cache can't be written; the graph in memory is right all the same.
    pub async fn adopt(
        &mut self,
        commits: Batch,
        stored: anyhow::Result<StoredBlocks>,
        pool: &Pool,
    ) -> anyhow::Result<bool> {
        let base = self.graph(pool).await?.len();
        let Commits::Here(graph) = std::mem::replace(&mut self.commits, Commits::Stored(base)) else {
            return Ok(false);
        };
        let mut graph = Arc::unwrap_or_clone(graph);
        let usual = Arc::clone(&self.usual);
        let (graph, segment, stored, positions) = pool
            .run(move || {
                let numbers = stored.as_ref().map_or_else(|_| Numbers::default(), |it| it.numbers(commits.ids()));
                let segment = (!commits.is_empty()).then(|| (graph.append(&commits), numbers));
                let position = |entry: Ref<'_>| entry.commit().and_then(|id| graph.position(&id));
                let positions: Vec<Option<Position>> = usual.iter().map(position).collect();
                (graph, segment, stored, positions)
            })
            .await?;
        let whole = graph.reachable(positions.iter().copied().flatten()).count() == graph.len();
        self.whole = if whole { graph.len() } else { 0 };
        (self.holders, self.is_held) = (None, false);
        self.commits = Commits::Here(Arc::new(graph));
        let stored = stored?;
        let Some(cache) = self.cache() else { return Ok(true) };
        let refs = self.usual.iter().map(|entry| (entry.name().to_vec(), entry.id(), entry.commit())).collect();
        let overlay = self.overlay.fingerprint();
        let is_stored = cache.store(Pass { overlay, base, segment, stored, refs, positions, whole }).await?;
        self.fresh |= is_stored;
        Ok(is_stored)
    }

    /// Where the bytes of the graph's commits are kept; `None` without a cache.
    pub async fn texts(&self, pool: &Pool) -> Option<Arc<Blocks>> {
        self.blocks(Content::Texts, pool).await
    }

    /// Where what the graph's commits changed is kept; `None` without a cache.
    pub async fn changes(&self, pool: &Pool) -> Option<Arc<Blocks>> {
        self.blocks(Content::Changes, pool).await
    }

    async fn blocks(&self, content: Content, pool: &Pool) -> Option<Arc<Blocks>> {
        let cache = self.cache().cloned()?;
        let overlay = self.overlay.fingerprint();
        let blocks = pool.run(move || cache.blocks(content, overlay)).await;
        // What can't be read from the cache is read from git.
        blocks.ok()?.ok().map(Arc::new)
    }

    /// The warning for a cache that can't be written. Damage that shows only now is mended as at the opening: the file is set aside,
    /// this one goes on without, and the next begins a new one.
    #[must_use]
    pub fn unwritten(&self, cause: &anyhow::Error) -> Trouble {
        let damaged = self.cache().filter(|_| is_damaged(cause));
        if let Some(Ok(Some(aside))) = damaged.map(|cache| Cache::set_aside(cache.path())) {
            self.is_aside.store(true, Ordering::Release);
            return rebuilt(&aside);
        }
        Trouble {
            code: UNWRITTEN,
            message: format!("the cache was not updated: {}", error::message_of(cause)),
            hint: Some("the answer is right all the same; the next run does the work again".into()),
        }
    }

    async fn reload(&mut self, pool: &Pool) -> anyhow::Result<()> {
        let Some(cache) = self.cache.take() else { return Ok(()) };
        let repository = Arc::clone(self.repository());
        let read = move || {
            let mut troubles = Vec::new();
            let read = mended(cache, &repository, &mut troubles, Cache::graph);
            (read, troubles)
        };
        let (read, troubles) = pool.run(read).await?;
        self.troubles.extend(troubles);
        let found = match read {
            Ok((cache, found)) => {
                self.cache = Some(cache);
                found
            }
            Err(cause) => {
                self.troubles.push(unavailable(&cause));
                StoredGraph::default()
            }
        };
        self.is_checked = true;
        let (graph, snapshot) = found.under(self.overlay.fingerprint());
        let snapshot = snapshot.filter(|snapshot| snapshot.digest == digest_of(&self.usual));
        self.fresh = snapshot.is_some();
        self.whole = snapshot.as_ref().map_or(0, reached);
        self.is_held = snapshot.as_ref().is_some_and(|snapshot| snapshot.is_held);
        self.holders = snapshot.and_then(|snapshot| snapshot.holders);
        self.commits = Commits::Here(Arc::new(graph));
        Ok(())
    }
}

fn digest_of(list: &RefList) -> i64 {
    digest(list.iter().map(|entry| (entry.name(), entry.id())))
}

/// How many commits the refs of `snapshot` reach, each of them, as far as that is known.
fn reached(snapshot: &Snapshot) -> usize {
    if snapshot.whole { snapshot.commits } else { 0 }
}

/// What the repository says of itself.
struct Seen {
    refs: Arc<RefStore>,
    overlay: Overlay,
    /// The digest of the usual refs.
    digest: i64,
}

impl Seen {
    /// `listed` is what git says of the refs, where only git can read them.
    fn read(handles: &Handles, listed: Option<&(Vec<u8>, Option<Vec<u8>>)>) -> anyhow::Result<Self> {
        let repository = handles.repository();
        let refs = match listed {
            Some((listing, head)) => RefStore::from_listing(listing, head.as_deref()),
            None => RefStore::read(repository)?,
        };
        let overlay = handles.with(|handle| Overlay::read(repository, handle, &refs))?;
        let digest = digest(refs.usual_ids().map(|(name, id)| (name, *id)));
        Ok(Self { refs: Arc::new(refs), overlay, digest })
    }
}

/// What the cache says, if it can be used, and what went wrong with it.
struct Opened {
    cache: anyhow::Result<(Cache, Option<StoredGraph>)>,
    troubles: Vec<Trouble>,
}

fn open_cache(repository: &Repository, folder: Option<&Path>, ahead: Ahead) -> Opened {
    let mut troubles = Vec::new();
    let mut open = || {
        let folder =
            folder.ok_or_else(|| Kind::Cache.error("neither HOME, XDG_CACHE_HOME nor GIT_BHFUIL_CACHE is set"))?;
        let path = location::file(folder, &name_of(&repository.common_dir), &repository.common_dir);
        let (cache, aside) = Cache::open(&path, &repository.common_dir, repository.hash_len)?;
        troubles.extend(aside.iter().map(|aside| rebuilt(aside)));
        match ahead {
            Ahead::Wait => Ok((cache, None)),
            Ahead::Read => mended(cache, repository, &mut troubles, Cache::graph_at_rest)
                .map(|(cache, stored)| (cache, Some(stored))),
        }
    };
    let cache = open();
    Opened { cache, troubles }
}

/// Puts together what the repository says and what the cache does.
fn join(handles: Handles, opened: Opened, seen: Seen) -> anyhow::Result<Index> {
    let Opened { cache, mut troubles } = opened;
    let Seen { refs, overlay, digest } = seen;
    let fingerprint = overlay.fingerprint();
    let repository = handles.repository();
    // Where the refs stand as the last complete pass saw them, it has left what they lead to, and the graph can wait.
    let read = |cache: &Cache| match cache.snapshot(fingerprint, digest)? {
        Some(snapshot) => Ok((Commits::Stored(snapshot.commits), Some(snapshot))),
        None => cache.graph().map(|stored| under(stored, fingerprint)),
    };
    let mut is_checked = true;
    let known = cache.and_then(|(cache, stored)| match stored {
        Some(stored) => {
            is_checked = stored.is_checked();
            Ok((cache, under(stored, fingerprint)))
        }
        None => mended(cache, repository, &mut troubles, read),
    });
    let (cache, (commits, snapshot)) = match known {
        Ok((cache, known)) => (Some(cache), known),
        Err(cause) if error::kind_of(&cause) == Kind::CacheNewer => return Err(cause),
        Err(cause) => {
            troubles.push(unavailable(&cause));
            (None, (Commits::Here(Arc::default()), None))
        }
    };
    let select = |graph: &Graph| handles.with(|handle| refs.select(&Selection::Usual, handle, graph));
    let (usual, snapshot) = match (snapshot, &commits) {
        (Some(mut snapshot), _) if snapshot.digest == digest => {
            let peeled = std::mem::take(&mut snapshot.peeled).into_iter().zip(std::mem::take(&mut snapshot.positions));
            (refs.usual_peeled(peeled, snapshot.mark), Some(snapshot))
        }
        (snapshot, Commits::Here(graph)) => {
            // What a ref leads to can't be read at times, and then it isn't among those that were seen.
            let usual = select(graph);
            let snapshot = snapshot.filter(|snapshot| snapshot.digest == digest_of(&usual));
            (usual, snapshot)
        }
        (_, Commits::Stored(_)) => (select(&Graph::default()), None),
    };
    let (fresh, whole) = (snapshot.is_some(), snapshot.as_ref().map_or(0, reached));
    let is_held = snapshot.as_ref().is_some_and(|snapshot| snapshot.is_held);
    let holders = snapshot.and_then(|snapshot| snapshot.holders);
    let usual = Arc::new(usual);
    let overlay = Arc::new(overlay);
    Ok(Index {
        refs,
        usual,
        overlay,
        cache,
        is_aside: AtomicBool::new(false),
        commits,
        fresh,
        whole,
        is_checked,
        holders,
        is_held,
        unplaced: None,
        troubles,
        handles,
    })
}

/// The commits of `stored`, and the refs that they were found from, if history was bent as it is now.
fn under(stored: StoredGraph, overlay: i64) -> (Commits, Option<Snapshot>) {
    let (graph, snapshot) = stored.under(overlay);
    (Commits::Here(Arc::new(graph)), snapshot)
}

/// What `read` finds in `cache`. If that is damaged, it is set aside and a new one begun.
fn mended<T>(
    cache: Cache,
    repository: &Repository,
    troubles: &mut Vec<Trouble>,
    read: impl Fn(&Cache) -> anyhow::Result<T>,
) -> anyhow::Result<(Cache, T)> {
    match read(&cache) {
        Err(cause) if is_damaged(&cause) => {
            let path = cache.path().to_owned();
            // Its connections end here, lest they write to the file that takes its place.
            drop(cache);
            let aside = Cache::set_aside(&path)?;
            let (cache, _) = Cache::open(&path, &repository.common_dir, repository.hash_len)?;
            troubles.extend(aside.map(|aside| rebuilt(&aside)));
            let found = read(&cache)?;
            Ok((cache, found))
        }
        found => Ok((cache, found?)),
    }
}

fn unavailable(cause: &anyhow::Error) -> Trouble {
    Trouble {
        code: "cache-unavailable",
        message: format!("working without a cache: {}", error::message_of(cause)),
        hint: Some(error::hint_of(cause).unwrap_or("let GIT_BHFUIL_CACHE name a folder that can be written").into()),
    }
}

fn rebuilt(aside: &Path) -> Trouble {
    Trouble {
        code: "cache-rebuilt",
        message: format!("the cache was damaged and is made anew; the old file is kept as {}", aside.display()),
        hint: None,
    }
}
