//! The main job: streaming a repository's commits with all that is known of each, and leaving a cache that makes the next run
//! cheap. `plan` finds out where the stream begins and what bounds it, `stream` drives the pipeline, `render` is what workers
//! make of each commit, `frame` tells what stands around the stream. Knows nothing of the command line.

mod first_tag;
mod frame;
mod names;
mod plan;
mod render;
mod stream;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use regex::Regex;

pub use self::names::{ref_names, short_name};
use self::plan::Plan;
use crate::announce::{self, Indexed};
use crate::cache::Cache;
use crate::cache::cursors;
use crate::clock::{Clock, Deadline};
use crate::config::Settings;
use crate::describe::{Ear, Wishes};
use crate::error::Kind;
use crate::events::repository::IndexState;
use crate::facts::Oid;
use crate::git::Repository;
pub use crate::git::Sought;
use crate::git::mailmap::Mailmap;
use crate::git::refs::RefList;
pub use crate::git::refs::Selection;
use crate::index::{Ahead, Index};
use crate::pipeline::Pool;
use crate::report::{Ending, Format, Gone, Strand};
use crate::shutdown::Token;

/// What is to be scanned, and what is wanted of it.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Options {
    /// Where the repository is looked for; paths are understood from that folder.
    pub sought: Sought,
    /// The folder of all caches; `None` where there can be none.
    pub cache_folder: Option<PathBuf>,
    /// Threads for git work; `None` as configured.
    pub threads: Option<usize>,
    /// Threads that are shared with other repositories; without them there are some of its own.
    pub pool: Option<Pool>,
    /// The refs to begin at where nothing else says where.
    pub refs: Selection,
    /// Revisions and ranges to begin at.
    pub revisions: Vec<OsString>,
    /// Commits are named on standard input, each ended by this byte.
    pub stdin: Option<u8>,
    /// Only commits that change these paths, with history simplified as `git rev-list -- <path>` does.
    pub paths: Vec<OsString>,
    /// Dates in git's spellings.
    pub since: Option<String>,
    /// As `since`.
    pub until: Option<String>,
    /// At most so many commits.
    pub count: Option<usize>,
    /// Only commits whose `name <email>` of the author matches one of these; all if there are none.
    pub authors: Vec<Regex>,
    /// Only commits whose message matches one of these; all if there are none.
    pub messages: Vec<Regex>,
    /// Only what came since the state that this cursor names.
    pub after: Option<String>,
    /// Only what came since this consumer was last moved on.
    pub consumer: Option<String>,
    /// Only what came since the refs were these: those that have moved since, and the commits that these didn't reach.
    pub known: Option<Arc<RefList>>,
    /// With `known`, further commits that are nothing new, with all that they reach.
    pub seen: Vec<Oid>,
    /// The settings that hold, where the caller knows them; else they are read.
    pub settings: Option<Settings>,
    /// The repository's part of the stream goes on afterwards, and is ended by the caller.
    pub goes_on: bool,
    /// Oldest first.
    pub reverse: bool,
    /// Only bring the cache up to date.
    pub no_commits: bool,
    /// Tell the refs too.
    pub show_refs: bool,
    /// Tell the changed paths of each commit.
    pub changed_paths: bool,
    /// Tell the patch-id of each commit.
    pub patch_id: bool,
    /// Tell the first tag that has each commit.
    pub tagged: bool,
    /// Tell the mapped identities.
    pub mailmap: bool,
    /// Say on stderr how the run went.
    pub verbose: bool,
    /// Who hears of each commit besides.
    pub ear: Option<Ear>,
}

impl Options {
    /// What decides commit by commit, as options are spelled; the same whatever their order.
    fn filters(&self) -> String {
        let spelled = |name: &str, patterns: &[Regex]| -> Vec<String> {
            patterns.iter().map(|pattern| format!("--{name}={pattern}")).collect()
        };
        let mut all = spelled("author", &self.authors);
        all.extend(spelled("grep", &self.messages));
        all.sort_unstable();
        all.dedup();
        all.join(" ")
    }
}

/// How a scan ended.
#[derive(Debug, Default)]
pub struct Scanned {
    /// For the last line.
    pub ending: Ending,
    /// The refs that it began at.
    pub refs: Arc<RefList>,
    /// How the index stood at the end.
    pub indexed: Indexed,
    /// Who is to be moved on once the last line is written.
    pub consumer: Option<Consumer>,
}

/// A consumer that has been sent everything up to `cursor`. It is moved on only once the last line is written: whatever happens
/// before leaves it where it was, and it gets the same again.
#[derive(Debug)]
pub struct Consumer {
    cache: Cache,
    name: String,
    to: cursors::Consumer,
}

impl Consumer {
    /// Moves it on.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn move_on(self) -> anyhow::Result<()> {
        let moved = self.cache.move_consumer(self.name.clone(), self.to).await;
        moved.map_err(|cause| {
            let kind = crate::error::kind_of(&cause);
            kind.hinted(
                format!("'{}' was not moved on: {}", self.name, crate::error::message_of(&cause)),
                "the next run streams the same commits again",
            )
        })
    }
}

/// The folder of all caches, as the environment names it.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    crate::cache::location::folder(|name| std::env::var_os(name))
}

/// Scans as `options` say and reports on `report`, which has begun; ends early when `token` is cancelled.
///
/// # Errors
/// If nothing could be answered: no repository, a revision that isn't one, a setting that can't be used, the time limit.
pub async fn run(options: &Options, report: &mut Strand, token: &Token) -> anyhow::Result<Scanned> {
    let repository = Arc::new(Repository::find(&options.sought)?);
    let settings = match &options.settings {
        Some(known) => {
            known.bind(&repository);
            known.clone()
        }
        None => Settings::read(&repository).await?,
    };
    let pool = match &options.pool {
        Some(shared) => shared.clone(),
        None => Pool::new(options.threads.unwrap_or(settings.threads)).context("starting worker threads")?,
    };
    let deadline = Deadline::within(&Clock::Real, settings.scan_timeout)
        .set_by("bhfuil.timeout.scan")
        .bounding(format!("scanning {}", repository.name));
    // Threads of a pool that others share leave a scan alone that was given up.
    let part = token.part();
    let scan = Scan { options, report, token: part.token(), pool, settings, keeps: true };
    deadline.bound(&Clock::Real, Box::pin(scan.run(repository))).await
}

/// As [`run`], for one of several repositories: why it could not be scanned is told on its own strand, and the others go on.
///
/// # Errors
/// If nobody reads any more.
pub async fn run_one_of_several(
    options: &Options,
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<Option<Scanned>> {
    let name = options.sought.name.clone().unwrap_or_default();
    match run(options, report, token).await {
        Ok(scanned) => Ok(Some(scanned)),
        Err(cause) if cause.downcast_ref::<Gone>().is_some() => Err(cause),
        Err(_) if token.is_cancelled() => Ok(None),
        Err(cause) => announce::failed(report, &name, &cause).await.map(|()| None),
    }
}

struct Scan<'a> {
    options: &'a Options,
    report: &'a mut Strand,
    token: &'a Token,
    pool: Pool,
    settings: Settings,
    /// Whether the cache can be written, as far as is known: one warning that it can't is enough.
    keeps: bool,
}

impl Scan<'_> {
    async fn run(mut self, repository: Arc<Repository>) -> anyhow::Result<Scanned> {
        let begun = self.token.unless_cancelled(Box::pin(self.begin(&repository))).await;
        let (mut index, refs, wishes, plan) = begun.unwrap_or_else(|| Err(Kind::Cancelled.error("stopped")))?;
        self.warn_of_troubles(&mut index).await?;
        let (indexed, done) = self.stream(&mut index, &plan, wishes).await?;
        // Where the commits could not be kept the cursor can't be either; one warning is enough.
        let kept = indexed.state != IndexState::Skipped;
        // Whoever knows the refs needs no name for them.
        let named = done && plan.whole && kept && self.options.known.is_none();
        let cursor = if named { self.finish_cursor(&index, &refs).await? } else { None };
        if !self.options.goes_on {
            announce::end(self.report, &repository.name, self.token.is_cancelled(), indexed).await?;
        }
        let is_person = self.report.format() != Format::Jsonl;
        let watched = self.options.no_commits && is_person && !self.options.goes_on;
        if self.options.verbose || watched {
            self.summarise(&index, indexed);
        } else if self.options.goes_on && self.options.no_commits && is_person {
            let (name, count) = (&repository.name, refs.len());
            self.report.note(&format!("following {name}: {count} refs; Ctrl-C ends it"));
        }
        let consumer = cursor.clone().zip(index.cache().cloned()).zip(self.options.consumer.clone());
        let filters = self.options.filters();
        let consumer = consumer.map(|((token, cache), name)| {
            let to = cursors::Consumer { filters, token };
            Consumer { cache, name, to }
        });
        if named && indexed.state == IndexState::Fresh {
            index.keep_placed(&self.pool).await?;
        }
        let incomplete = !plan.whole || !done;
        Ok(Scanned { ending: Ending { cursor, incomplete, ..Ending::default() }, refs, indexed, consumer })
    }

    /// Opens what is to be scanned, tells what it is, and finds out where the stream begins.
    async fn begin(&mut self, repository: &Arc<Repository>) -> anyhow::Result<(Index, Arc<RefList>, Wishes, Plan)> {
        let folder = self.options.cache_folder.as_deref();
        let mut index = Index::open(Arc::clone(repository), folder, Ahead::Wait, &self.pool).await?;
        let refs = index.select(self.options.refs.clone(), &self.pool).await?;
        self.announce(&mut index, &refs).await?;
        let wishes = self.wishes(&index).await?;
        let plan = self.plan(&mut index, &refs).await?;
        Ok((index, refs, wishes, plan))
    }

    async fn wishes(&self, index: &Index) -> anyhow::Result<Wishes> {
        let mailmap = if self.options.mailmap {
            let handles = index.handles.clone();
            Some(Arc::new(self.pool.run(move || handles.with(Mailmap::read)).await?))
        } else {
            None
        };
        Ok(Wishes {
            repo: index.repository().name.clone(),
            hash_len: index.repository().hash_len,
            partial: index.repository().partial,
            overlay: Arc::clone(&index.overlay),
            patterns: Arc::new(self.settings.patterns()?),
            mailmap,
            paths: self.options.changed_paths,
            patch_id: self.options.patch_id,
            authors: self.options.authors.clone(),
            messages: self.options.messages.clone(),
            ear: self.options.ear.clone(),
            known: None,
        })
    }

    /// The cursor for `refs`, of which everything was streamed. Others may write for long: who is to stop doesn't wait for it.
    async fn finish_cursor(&mut self, index: &Index, refs: &RefList) -> anyhow::Result<Option<String>> {
        let (Some(cache), false) = (index.cache(), self.report.is_partial()) else { return Ok(None) };
        let kept = cache.keep_cursor(index.overlay.fingerprint(), refs.digest, || refs.tips());
        let Some(kept) = self.token.unless_cancelled(Box::pin(kept)).await else { return Ok(None) };
        match kept {
            Ok(token) => Ok(Some(token)),
            Err(cause) => {
                if self.keeps {
                    announce::warn(self.report, &index.repository().name, &index.unwritten(&cause)).await?;
                }
                Ok(None)
            }
        }
    }
}

/// What a regex error says in the end; the lines before it draw the pattern.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}
