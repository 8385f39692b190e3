//! Where is this change? `query` reads what is asked, `resolve` and `seeds` find the commits that it is about, `filing` keeps
//! commits under keys so that candidates are found without a walk, `closure` goes up the ladder with them (`ranges` tells squashes
//! and splits), `reverts` and `presence` tell what became of the change on each ref of `places`, and `answer` makes the events of
//! it all, on a worker with a `desk` of its own and a `scope` that all share. What is about many commits is answered change by
//! change (`each`). `words` finds those whose messages have words, by the index of `wording`, `patches` looks for a diff, `alike` for
//! what only resembles a commit. Where history can't be read to its end, `gaps` says what can be told of the rest. `search` drives the
//! run: answers come in the order of the queries, which `input` may read from a stream. Of several repositories asked at once (`across`)
//! each puts what it has on a `board`, and compares its commits with those of the others, its `kin`. `warm` does ahead of any query what
//! queries would have to. Knows nothing of the command line.

pub mod across;
mod alike;
mod answer;
mod board;
mod closure;
mod desk;
mod each;
mod filing;
mod gaps;
mod histories;
mod input;
mod kept;
mod kin;
pub(crate) mod pairs;
mod patches;
mod places;
mod presence;
pub mod query;
mod ranges;
mod resolve;
mod reverts;
mod scope;
mod search;
mod seeds;
pub(crate) mod study;
mod warm;
mod wording;
mod words;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use smol::future::zip;

pub(crate) use self::answer::wire_rung;
use self::filing::Filed;
pub use self::filing::keys_of;
use self::places::Places;
use self::query::Query;
use self::search::Search;
pub use self::warm::{Warmed, warm, warm_one_of_several};
use crate::announce::{self, Indexed};
use crate::cache::Cache;
use crate::clock::{Clock, Deadline};
use crate::config::{Settings, default_threads};
use crate::describe::Ear;
use crate::facts::Oid;
use crate::facts::oid::OidSet;
use crate::git::Repository;
pub use crate::git::Sought;
use crate::git::refs::RefList;
pub use crate::git::refs::Selection;
use crate::gitcli;
use crate::index::{Ahead, Index, Trouble};
pub use crate::matching::Signals;
use crate::pipeline::Pool;
use crate::report::{Ending, Strand};
use crate::shutdown::Token;
use crate::tasks::Tasks;

/// Which tags are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tags {
    /// The first of each release line that has the change.
    #[default]
    First,
    /// All that have it.
    All,
    /// None.
    None,
}

/// What is asked, and how.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Options {
    /// Where the repository is looked for.
    pub sought: Sought,
    /// The folder of all caches; `None` where there can be none.
    pub cache_folder: Option<PathBuf>,
    /// Threads for git work; `None` as configured.
    pub threads: Option<usize>,
    /// Threads that are shared with other repositories; without them there are some of its own.
    pub pool: Option<Pool>,
    /// The refs that are asked about.
    pub refs: Selection,
    /// The queries.
    pub queries: Vec<OsString>,
    /// Further queries are on standard input, each ended by this byte.
    pub stdin: Option<u8>,
    /// A file with patches that are looked for; `-` is standard input.
    pub patch: Option<OsString>,
    /// Which tags are told.
    pub tags: Tags,
    /// Tell every ref that lacks the change, not only those of release lines.
    pub missing: bool,
    /// Tell the merge that brought the change into each ref.
    pub via: bool,
    /// The signals that may be used.
    pub signals: Signals,
    /// Tell what only resembles the change too.
    pub similar: bool,
    /// Matches below this confidence are left out.
    pub min_confidence: f64,
    /// Answer from the cache as it is.
    pub no_update: bool,
    /// Changes that are told at most of one query; `None` for all, or the usual number where words are looked for.
    pub max_count: Option<usize>,
    /// Commits that the reader knows, with their repository, from what stands before in the stream: neither is told again to a program, and
    /// the repository's part of the stream is ended by the caller.
    pub told: Option<Arc<OidSet>>,
    /// The settings that hold, where the caller knows them; else they are read.
    pub settings: Option<Settings>,
    /// Objects that the repository was just seen not to have.
    pub known_absent: Arc<Vec<Oid>>,
    /// Tasks that give way while there is something to be answered, and go on while queries are waited for.
    pub background: Option<Tasks>,
    /// Who hears of the commits that are told.
    pub ear: Option<Ear>,
}

/// Globs of whole kinds of refs. Where several kinds are asked about, that there are none of one is no mistake.
const KINDS: [&[u8]; 3] = [b"refs/heads/*", b"refs/remotes/*", b"refs/tags/*"];

/// Says which globs of `asked` match none of the `refs` that it has selected.
async fn warn_of_globs(report: &mut Strand, repo: &str, asked: &Selection, refs: &RefList) -> anyhow::Result<()> {
    let is_bare = refs.is_empty() && refs.broken.is_empty();
    for glob in asked.unmatched(refs).into_iter().filter(|glob| is_bare || !KINDS.contains(glob)) {
        let trouble = Trouble {
            code: "no-ref",
            message: format!("no ref matches '{}'", String::from_utf8_lossy(glob)),
            hint: Some("globs begin at refs/, as heads/stable/* does; git for-each-ref lists the refs".into()),
        };
        announce::warn(report, repo, &trouble).await?;
    }
    Ok(())
}

/// The folder of all caches, as the environment names it.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    crate::cache::location::folder(|name| std::env::var_os(name))
}

/// Whether `query` is a Change-Id, an issue, or a revision or range of the repository at `dir`, rather than a word.
pub async fn names_something(dir: &Path, query: &OsString, token: &Token) -> bool {
    // Of a run that is stopped nothing is told but that it was.
    token.unless_cancelled(is_name(dir, query)).await.unwrap_or(true)
}

async fn is_name(dir: &Path, query: &OsString) -> bool {
    let Ok(repository) = Repository::discover(dir).map(Arc::new) else { return false };
    let Ok(settings) = Settings::read(&repository).await else { return false };
    let (Ok(patterns), Some(text)) = (settings.patterns(), query.to_str()) else { return false };
    // Whoever looks for it is told why nothing can be asked of this repository.
    if gitcli::check_safe(&repository).await.is_err() {
        return true;
    }
    match Query::parse(text, &patterns) {
        Query::ChangeId(_) | Query::Issue(_) => true,
        Query::Words(_) => false,
        Query::Name(name) => gitcli::rev_parse(&repository, &[name.into()]).await.is_ok(),
    }
}

/// Answers as `options` ask, on `report`, which has begun; ends early when `token` is cancelled.
///
/// # Errors
/// If nothing could be answered: no repository, a query that can't be understood, a setting that can't be used.
pub async fn run(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    run_keeping(options, report, token).await.map(|(ending, _)| ending)
}

/// What a search has opened and read.
#[derive(Default)]
pub(crate) struct Remains {
    index: Option<Index>,
    _others: Option<Others>,
}

type Others = (Pool, Arc<RefList>, Option<Arc<Places>>, Option<Filed>);

impl Remains {
    /// Leaves it to the system, which takes it apart in a fraction of the time, of a process that has only to write what it has. Nobody waits
    /// for it meanwhile: it reads no more. Where the cache was written to, it is closed, so that its log is brought in.
    pub(crate) fn leave(self) {
        let leaves = |index: &Index| {
            index.let_go();
            !index.cache().is_some_and(Cache::has_written) && !index.repository().ends_with_a_folder()
        };
        if self.index.as_ref().is_some_and(leaves) {
            std::mem::forget(self);
        }
    }
}

/// As [`run`], and hands over what was opened and read.
pub(crate) async fn run_keeping(
    options: Options,
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<(Ending, Remains)> {
    let goes_on = options.told.is_some();
    // Threads of a pool that others share leave a search alone that was given up.
    let part = token.part();
    let opened = token.unless_cancelled(Box::pin(open(Arc::new(options), report, part.token(), !goes_on))).await;
    let Some(opened) = opened else {
        return Ok((Ending { incomplete: true, ..Ending::default() }, Remains::default()));
    };
    let mut search = opened?;
    let (name, limit) = (search.name.clone(), search.settings.where_timeout);
    // Whatever is waited for when a signal comes, git or a reader that never ends, is dropped.
    let outcome = token.unless_cancelled(Box::pin(within(limit, &name, search.run()))).await;
    let Search { report, indexed, found, name, index, pool, refs, places, filed, .. } = search;
    let remains = Remains { index: Some(index), _others: Some((pool, refs, places, filed)) };
    outcome.transpose()?;
    if !goes_on {
        announce::end(report, &name, token.is_cancelled(), indexed).await?;
    }
    let ending = Ending { negative: found == Some(false), incomplete: token.is_cancelled(), ..Ending::default() };
    Ok((ending, remains))
}

/// What `work` on the repository `name` comes to, unless it takes longer than `limit`.
async fn within<T>(
    limit: Option<Duration>,
    name: &str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let deadline = Deadline::within(&Clock::Real, limit)
        .set_by("bhfuil.timeout.where")
        .bounding(format!("finding changes in {name}"));
    deadline.bound(&Clock::Real, work).await
}

/// Finds the repository that is sought, and reads what is set for it while it is opened.
async fn look(options: &Arc<Options>, pool: &Pool) -> anyhow::Result<(Arc<Repository>, Settings, Index)> {
    let asked = Arc::clone(options);
    let repository = Arc::new(pool.run(move || Repository::find(&asked.sought)).await??);
    let (asked, of) = (Arc::clone(options), Arc::clone(&repository));
    let read = move || match &asked.settings {
        Some(known) => {
            known.bind(&of);
            Ok(known.clone())
        }
        None => Settings::read_blocking(&of),
    };
    let opening = Index::open(Arc::clone(&repository), options.cache_folder.as_deref(), Ahead::Read, pool);
    let (settings, index) = zip(pool.run(read), opening).await;
    Ok((repository, settings??, index?))
}

/// A pool for whose jobs nobody waits, should they be given up: a file system may not answer.
struct Unwaited(Option<Pool>);

impl Unwaited {
    /// They have come to an end.
    fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Unwaited {
    fn drop(&mut self) {
        if let Some(pool) = &self.0 {
            pool.abandon();
        }
    }
}

/// Opens the repository that is sought, and tells of it if it `is_new` to the reader.
async fn open<'a>(
    options: Arc<Options>,
    report: &'a mut Strand,
    token: &'a Token,
    is_new: bool,
) -> anyhow::Result<Search<'a>> {
    // Of a thousand repositories none is looked for while another could be answered for.
    let mut pool = match &options.pool {
        Some(shared) => shared.clone(),
        None => Pool::new(options.threads.unwrap_or_else(default_threads)).context("starting worker threads")?,
    };
    let unwaited = Unwaited(options.pool.is_none().then(|| pool.clone()));
    let looked = look(&options, &pool).await;
    unwaited.over();
    let (repository, settings, mut index) = looked?;
    if options.pool.is_none() && options.threads.is_none() && settings.threads != pool.threads() {
        pool = Pool::new(settings.threads).context("starting worker threads")?;
    }
    let patterns = Arc::new(settings.patterns()?);
    let goes_first = options.background.as_ref().map(Tasks::foreground);
    let refs = index.select(options.refs.clone(), &pool).await?;
    if options.stdin.is_some() || options.queries.is_empty() {
        // What may take long must not hold the cache as it is.
        let graph = index.graph(&pool).await?;
        pool.run(move || graph.settle()).await?;
    }
    if is_new {
        let troubles = index.take_troubles();
        announce::repository(report, &index, &refs, troubles).await?;
        warn_of_globs(report, &repository.name, &options.refs, &refs).await?;
    }
    Ok(Search {
        name: repository.name.clone(),
        report,
        token,
        pool,
        patterns,
        settings,
        options,
        index,
        refs,
        indexed: Indexed::default(),
        places: None,
        filed: None,
        messages: None,
        under_way: VecDeque::new(),
        found: None,
        kept: Vec::new(),
        absent: 0,
        torn: None,
        has_warned: false,
        goes_first,
    })
}
