//! Where is this change? `query` reads what is asked, `resolve` and `seeds` find the commits that it is about, `filing` keeps
//! commits under keys so that candidates are found without a walk, `closure` goes up the ladder with them, `reverts` and
//! `presence` tell what became of the change on each ref of `places`, and `answer` makes the events of it all, on a worker
//! with a `desk` of its own. `words` answers queries of words hit by hit, found by `wording`. Answers come in the order of the queries. Knows nothing of the command line.

mod answer;
mod closure;
mod desk;
mod filing;
mod input;
mod kept;
mod patches;
mod places;
mod presence;
pub mod query;
mod ranges;
mod resolve;
mod reverts;
mod seeds;
mod wording;
mod words;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;

use self::answer::Outcome;
use self::desk::Desk;
use self::filing::Filed;
use self::input::{Input, Line};
use self::places::Places;
use self::query::Query;
use self::resolve::Target;
use self::wording::Messages;
use crate::announce::{self, Indexed};
use crate::cache::Cache;
use crate::cache::patches::KeptPatch;
use crate::cache::postings::Postings;
use crate::config::Settings;
use crate::describe::Wishes;
use crate::error::{self, Kind};
use crate::events::Event;
use crate::events::repository::IndexState;
use crate::facts::Oid;
use crate::facts::patterns::Patterns;
use crate::git::Repository;
use crate::git::refs::RefList;
pub use crate::git::refs::Selection;
use crate::git::state::Overlay;
use crate::gitcli;
use crate::graph::Graph;
use crate::index::{Index, Trouble, Update};
use crate::lines::{LineSettings, Lines};
pub use crate::matching::Signals;
use crate::matching::Strength;
use crate::pipeline::{Handles, JobError, Pool};
use crate::report::{Ending, Format, Report};
use crate::shutdown::Token;

/// Answers that may be under way at once, for each thread.
const AHEAD: usize = 4;
/// Outcomes of diffs that are kept together.
const KEPT_TOGETHER: usize = 1024;
/// Paths that git is asked for at once.
const MOST_PATHS: usize = 250;

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
    /// The folder in which the repository is looked for.
    pub dir: PathBuf,
    /// The folder of all caches; `None` where there can be none.
    pub cache_folder: Option<PathBuf>,
    /// Threads for git work; `None` as configured.
    pub threads: Option<usize>,
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
    /// Changes that are told at most of a query of words; `None` for the usual number.
    pub max_count: Option<usize>,
}

/// Everything that answering takes, shared by the workers.
pub(crate) struct Scope {
    repo: String,
    partial: bool,
    graph: Arc<Graph>,
    overlay: Arc<Overlay>,
    handles: Handles,
    cache: Option<Cache>,
    filed: Filed,
    patterns: Arc<Patterns>,
    places: Arc<Places>,
    wishes: Wishes,
    signals: Signals,
    least: Strength,
    min_confidence: f64,
    options: Arc<Options>,
}

impl Scope {
    /// The one commit that hexadecimal digits begin, of those that some ref reaches.
    fn resolve(&self, text: &str) -> Option<Oid> {
        let mut found = self.graph.beginning_with(text).into_iter();
        let only = found.next().filter(|_| found.next().is_none())?;
        self.places.reach(&self.graph, only).then(|| self.graph.id(only))
    }
}

/// The folder of all caches, as the environment names it.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    crate::cache::location::folder(|name| std::env::var_os(name))
}

/// Whether `query` is a Change-Id, an issue, or a revision or range of the repository at `dir`, rather than a word.
pub async fn names_something(dir: &Path, query: &OsString) -> bool {
    let Ok(repository) = Repository::discover(dir) else { return false };
    let Ok(settings) = Settings::load(&repository.handle(), |name| std::env::var(name).ok()) else { return false };
    let (Ok(patterns), Some(text)) = (settings.patterns(), query.to_str()) else { return false };
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
pub async fn run(options: Options, report: &mut Report, token: &Token) -> anyhow::Result<Ending> {
    let repository = Arc::new(Repository::discover(&options.dir)?);
    let settings = Settings::load(&repository.handle(), |name| std::env::var(name).ok())?;
    let threads = options.threads.unwrap_or(settings.threads);
    let pool = Pool::new(threads).context("starting worker threads")?;
    let patterns = Arc::new(settings.patterns()?);
    let folder = options.cache_folder.clone();
    let mut index = Index::open(Arc::clone(&repository), folder.as_deref(), &pool).await?;
    let refs = index.select(options.refs.clone(), &pool).await?;
    let troubles = index.take_troubles();
    announce::repository(report, &index, &refs, troubles).await?;
    let options = Arc::new(options);
    let mut search = Search {
        name: repository.name.clone(),
        report,
        token,
        pool,
        patterns,
        settings,
        options,
        index,
        refs,
        indexed: Indexed { state: IndexState::Skipped, new: 0 },
        places: None,
        filed: None,
        messages: None,
        under_way: VecDeque::new(),
        found: false,
        kept: Vec::new(),
        absent: 0,
        is_broken: false,
        has_warned: false,
    };
    let outcome = search.run().await;
    let Search { report, indexed, found, name, .. } = search;
    outcome?;
    announce::end(report, &name, token.is_cancelled(), indexed).await?;
    Ok(Ending { negative: !found, incomplete: token.is_cancelled(), ..Ending::default() })
}

/// An answer that a worker makes.
struct UnderWay {
    query: String,
    answer: Pin<Box<dyn Future<Output = Result<anyhow::Result<Made>, JobError>>>>,
}

/// What comes first: an answer, or another query.
enum Next {
    Answer(Result<anyhow::Result<Made>, JobError>),
    Line(anyhow::Result<Option<Line>>),
}

/// An answer, written.
struct Made {
    bytes: Vec<u8>,
    counts: Vec<(&'static str, u64)>,
    outcome: Outcome,
}

struct Search<'a> {
    name: String,
    report: &'a mut Report,
    token: &'a Token,
    pool: Pool,
    patterns: Arc<Patterns>,
    settings: Settings,
    options: Arc<Options>,
    index: Index,
    refs: RefList,
    indexed: Indexed,
    places: Option<Arc<Places>>,
    filed: Option<Filed>,
    messages: Option<Arc<Messages>>,
    under_way: VecDeque<UnderWay>,
    found: bool,
    kept: Vec<KeptPatch>,
    /// Comparisons that lacked an object which a partial clone doesn't have.
    absent: usize,
    /// Whether history could not be read to its end, so that the index lacks what leads there.
    is_broken: bool,
    /// Whether it was said that history is cut off.
    has_warned: bool,
}

impl Search<'_> {
    async fn run(&mut self) -> anyhow::Result<()> {
        if !self.options.no_update {
            let tips = self.refs.tips();
            self.update(&tips).await?;
        }
        for query in self.options.queries.clone() {
            if self.token.is_cancelled() {
                break;
            }
            self.ask(query).await?;
        }
        if let Some(file) = self.options.patch.clone() {
            self.ask_for_patch(&file).await?;
        }
        if let Some(end) = self.options.stdin {
            self.read(end).await?;
        }
        while !self.token.is_cancelled() && self.tell_next().await? {}
        if self.absent > 0 {
            announce::warn_absent(self.report, &self.name, self.absent).await?;
        }
        self.keep().await
    }

    /// Asks what standard input names, as it comes.
    async fn read(&mut self, end: u8) -> anyhow::Result<()> {
        let mut input = Input::new(end);
        while !self.token.is_cancelled() {
            let is_full = self.under_way.len() >= AHEAD * self.pool.threads();
            // While nothing comes in, what is ready goes out.
            let ready = async {
                match self.under_way.front_mut() {
                    Some(first) => Next::Answer(first.answer.as_mut().await),
                    None => smol::future::pending().await,
                }
            };
            let line = async {
                if is_full {
                    return smol::future::pending().await;
                }
                Next::Line(input.next(self.token).await)
            };
            match smol::future::or(ready, line).await {
                Next::Answer(made) => {
                    let query = self.under_way.pop_front().map(|first| first.query).unwrap_or_default();
                    self.tell(&query, made??).await?;
                }
                Next::Line(line) => match line? {
                    None => break,
                    Some(Line::Query(query)) => self.ask_or_report(query).await?,
                    Some(Line::Fault(kind, message)) => self.fail_in_order(kind, &message).await?,
                    Some(Line::Nothing) => {}
                },
            }
        }
        Ok(())
    }

    async fn ask_or_report(&mut self, query: OsString) -> anyhow::Result<()> {
        match self.ask(query).await {
            Err(cause) if matches!(error::kind_of(&cause), Kind::BadRevision | Kind::BadValue) => {
                self.fail_in_order(error::kind_of(&cause), &error::message_of(&cause)).await
            }
            other => other,
        }
    }

    /// Reports what could not be answered, after the answers to what was asked before it.
    async fn fail_in_order(&mut self, kind: Kind, message: &str) -> anyhow::Result<()> {
        while self.tell_next().await? {}
        Ok(self.report.fail_part(&self.name, None, kind, message).await?)
    }

    /// Sets a worker to answer `query`.
    async fn ask(&mut self, query: OsString) -> anyhow::Result<()> {
        let graph = self.index.graph(&self.pool).await?;
        let mut target = resolve::resolve(&query, &self.index, &graph, &self.patterns).await?;
        if let Target::Commits(ids) | Target::Ambiguous(ids) = &target {
            let ids = ids.clone();
            if ids.iter().any(|id| graph.position(id).is_none()) {
                if self.options.no_update {
                    return Err(Kind::BadRevision.hinted(
                        format!("'{}' is not in the cache", query.to_string_lossy()),
                        "without --no-update it would be looked for in the repository",
                    ));
                }
                if !self.is_broken {
                    self.update(&ids).await?;
                }
                if self.is_broken {
                    let shown = query.to_string_lossy();
                    let message = format!("where '{shown}' is can't be told: history could not be read to its end");
                    return self.fail_in_order(Kind::MissingObject, &message).await;
                }
            }
        }
        if let Target::Words(words) = &target {
            return self.ask_words(&query, words).await;
        }
        if let Target::Digits(digits) = &target
            && !self.is_broken
            && let Some(id) = Oid::from_hex(digits.as_bytes())
        {
            let all = self.refs.tips().into_iter().map(|tip| (tip, false)).collect::<Vec<_>>();
            let commits = self.listed(&all, None).await?;
            let found = self.with_patch_id(&commits, &[id], None).await?;
            if !found.is_empty() {
                target = Target::Commits(found);
            }
        }
        self.answer(query.to_string_lossy().into_owned(), target).await
    }

    /// Looks for the patches in a file.
    async fn ask_for_patch(&mut self, file: &OsString) -> anyhow::Result<()> {
        let name = file.clone();
        let read = smol::unblock(move || {
            let mut text = Vec::new();
            if name == "-" {
                std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut text).map(|_| text)
            } else {
                std::fs::read(&name)
            }
        });
        let shown = if file == "-" { "standard input".into() } else { file.to_string_lossy() };
        let text = read.await.map_err(|cause| Kind::Io.wrap(cause, format!("reading the patch from {shown}")))?;
        let (ids, paths) = gitcli::read_patch(self.index.repository(), &text).await?;
        // What changes the same paths as one patch changes each of them: one is enough to ask for. Which paths are whose isn't
        // known of several; more than a command line holds are looked for everywhere.
        let longest = paths.iter().max_by_key(|path| path.len());
        let asked = match longest {
            Some(longest) if ids.len() == 1 => std::slice::from_ref(longest),
            _ if paths.len() > MOST_PATHS => &[],
            _ => &paths,
        };
        let spec = asked.iter().map(|path| gitcli::argument(&[b":(top,literal)".as_slice(), path].concat()));
        let spec: Vec<OsString> = spec.collect();
        let tips: Vec<(Oid, bool)> = self.refs.tips().into_iter().map(|tip| (tip, false)).collect();
        let commits = self.listed(&tips, Some(&spec)).await?;
        let paths = (ids.len() == 1).then_some(paths);
        for id in ids {
            let found = self.with_patch_id(&commits, &[id], paths.as_deref()).await?;
            self.answer(id.to_hex(), Target::Patch(found)).await?;
        }
        Ok(())
    }

    /// Every commit that `tips` reach and that changes a path of `paths`, without any simplification of history.
    async fn listed(&self, tips: &[(Oid, bool)], paths: Option<&[OsString]>) -> anyhow::Result<Vec<Oid>> {
        let options = ["--full-history".into(), "--no-merges".into()];
        gitcli::rev_list(self.index.repository(), tips, &options, paths).await
    }

    /// Those of `commits` that have one of `patch_ids`.
    async fn with_patch_id(
        &mut self,
        commits: &[Oid],
        patch_ids: &[Oid],
        paths: Option<&[Vec<u8>]>,
    ) -> anyhow::Result<Vec<Oid>> {
        let Some(scope) = self.scope().await? else { return Ok(Vec::new()) };
        let bar = self.report.bar();
        let show = |done: usize, total: usize| bar.show("comparing patches", done as u64, Some(total as u64));
        let found = patches::with_patch_id(&scope, commits, patch_ids, paths, &self.pool, self.token, show).await?;
        let found = found.unwrap_or_default();
        self.kept.extend(found.found_out);
        self.keep().await?;
        Ok(found.commits)
    }

    /// Sets a worker to answer for `target`.
    async fn answer(&mut self, shown: String, target: Target) -> anyhow::Result<()> {
        let Some(scope) = self.scope().await? else { return Ok(()) };
        let (format, asked) = (self.report.format(), shown.clone());
        let job = move || {
            let handles = scope.handles.clone();
            handles.with(|handle| make(&scope, handle, &asked, &target, format))
        };
        while self.under_way.len() >= AHEAD * self.pool.threads() {
            self.tell_next().await?;
        }
        let answer = self.pool.submit(job).await?;
        self.under_way.push_back(UnderWay { query: shown, answer: Box::pin(answer.result()) });
        Ok(())
    }

    /// Writes the answer that is next in order; `false` if there is none under way.
    async fn tell_next(&mut self) -> anyhow::Result<bool> {
        let Some(UnderWay { query, answer }) = self.under_way.pop_front() else { return Ok(false) };
        let stop = async {
            self.token.cancelled().await;
            None
        };
        let made = smol::future::or(async { Some(answer.await) }, stop).await;
        let Some(made) = made else { return Ok(false) };
        self.tell(&query, made??).await?;
        Ok(true)
    }

    async fn tell(&mut self, query: &str, made: Made) -> anyhow::Result<()> {
        let Made { bytes, counts, outcome } = made;
        self.report.batch(bytes, &counts).await?;
        self.found |= outcome.found;
        if outcome.is_ambiguous {
            let trouble = Trouble {
                code: "ambiguous-query",
                message: format!("'{query}' may mean several commits"),
                hint: Some("more digits tell them apart".into()),
            };
            announce::warn(self.report, &self.name, &trouble).await?;
        } else if !outcome.found {
            let count = self.index.len();
            let trouble = Trouble {
                code: "nothing-found",
                message: format!("'{query}' was not found: searched {count} commits for {}", outcome.sought),
                hint: self.index.overlay.shallow.then(|| UNSHALLOW.into()),
            };
            announce::warn(self.report, &self.name, &trouble).await?;
        } else if self.index.overlay.shallow && !self.has_warned {
            self.has_warned = true;
            let trouble = Trouble {
                code: "shallow-history",
                message: "history is cut off: that a ref lacks the change can't be known".into(),
                hint: Some(UNSHALLOW.into()),
            };
            announce::warn(self.report, &self.name, &trouble).await?;
        }
        for (id, origin) in &outcome.dangling {
            let trouble = Trouble {
                code: "origin-elsewhere",
                message: format!("{id} names its origin {origin}, which is not in this repository"),
                hint: Some("git fetch from the repository that has it".into()),
            };
            announce::warn(self.report, &self.name, &trouble).await?;
        }
        announce::broken(self.report, &self.name, outcome.broken).await?;
        self.absent += outcome.absent;
        self.kept.extend(outcome.found_out);
        if self.kept.len() >= KEPT_TOGETHER {
            self.keep().await?;
        }
        Ok(())
    }

    /// Keeps what was found out by diffs, so that the next time it needn't be.
    async fn keep(&mut self) -> anyhow::Result<()> {
        let kept = std::mem::take(&mut self.kept);
        let Some(cache) = self.index.cache().filter(|_| !kept.is_empty()) else { return Ok(()) };
        if let Err(cause) = cache.keep_patches(kept, self.index.overlay.fingerprint()).await {
            announce::warn(self.report, &self.name, &self.index.unwritten(&cause)).await?;
        }
        Ok(())
    }

    /// Brings the index up to date, with `tips` in it.
    async fn update(&mut self, tips: &[Oid]) -> anyhow::Result<()> {
        let bar = self.report.bar();
        let show = |count: usize| bar.show("indexing", count as u64, None);
        let update = self.index.update(tips, &self.pool, self.token, show).await?;
        for trouble in self.index.take_troubles() {
            announce::warn(self.report, &self.name, &trouble).await?;
        }
        let (state, new) = match update {
            Update::Fresh | Update::Cancelled => (IndexState::Fresh, 0),
            Update::Updated(new) => (IndexState::Updated, new),
            Update::Built(new) => (IndexState::Built, new),
            Update::Broken(broken) => {
                self.is_broken = true;
                announce::broken(self.report, &self.name, broken).await?;
                (IndexState::Skipped, 0)
            }
        };
        if new > 0 || self.indexed.new == 0 {
            self.indexed = Indexed { state, new: self.indexed.new + new };
        }
        self.places = None;
        self.filed = None;
        self.messages = None;
        Ok(())
    }

    /// What workers share; `None` if the run is to end.
    async fn scope(&mut self) -> anyhow::Result<Option<Arc<Scope>>> {
        let graph = self.index.graph(&self.pool).await?;
        let places = match &self.places {
            Some(places) => Arc::clone(places),
            None => {
                let (graph, usual, chosen) = (Arc::clone(&graph), self.index.usual.clone(), self.refs.clone());
                let rules = Lines::new(&line_settings(&self.settings));
                let places = self.pool.run(move || Places::new(&graph, &usual, &chosen, rules)).await?;
                Arc::clone(self.places.insert(Arc::new(places)))
            }
        };
        let filed = match &self.filed {
            Some(filed) => filed.clone(),
            None if self.options.signals.is_plain_containment() => Filed::Held(Arc::new(Postings::default())),
            None => {
                let bar = self.report.bar();
                let show = |done: usize, total: usize| bar.show("reading messages", done as u64, Some(total as u64));
                let jira = &self.settings.jira_projects;
                let filed =
                    filing::bring_up_to_date(&self.index, &graph, &self.patterns, jira, &self.pool, self.token, show)
                        .await?;
                let Some(filed) = filed else { return Ok(None) };
                self.filed.insert(filed).clone()
            }
        };
        let repository = self.index.repository();
        let wishes = Wishes {
            repo: self.name.clone(),
            hash_len: repository.hash_len,
            partial: repository.partial,
            overlay: Arc::clone(&self.index.overlay),
            patterns: Arc::clone(&self.patterns),
            mailmap: None,
            paths: false,
            patch_id: false,
            authors: Vec::new(),
            messages: Vec::new(),
        };
        Ok(Some(Arc::new(Scope {
            repo: self.name.clone(),
            partial: repository.partial,
            graph,
            overlay: Arc::clone(&self.index.overlay),
            handles: self.index.handles.clone(),
            cache: self.index.cache().cloned(),
            filed,
            patterns: Arc::clone(&self.patterns),
            places,
            wishes,
            signals: self.options.signals,
            least: if self.options.similar { Strength::Hint } else { Strength::Equal },
            min_confidence: self.options.min_confidence,
            options: Arc::clone(&self.options),
        })))
    }
}

/// The way out where history is cut off.
const UNSHALLOW: &str = "git fetch --unshallow brings the rest of it";

fn line_settings(settings: &Settings) -> LineSettings {
    LineSettings {
        stable: settings.stable.clone(),
        mainline: settings.mainline.clone(),
        release_tag: settings.release_tag.clone(),
        remotes: Vec::new(),
    }
}

/// One answer, written in `format`.
fn make(
    scope: &Scope,
    handle: &crate::git::Handle,
    query: &str,
    target: &Target,
    format: Format,
) -> anyhow::Result<Made> {
    let mut desk = Desk::new(scope, handle);
    let mut writing = format.answer();
    let outcome = answer::answer(&mut desk, query, target, &mut |event: &Event<'_>| writing.add(event))?;
    let (bytes, counts) = writing.finish();
    Ok(Made { bytes, counts, outcome })
}
