//! `git bhfuil scan`: streams commits with all that is known of each, and leaves a cache that makes the next run cheap.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use regex::{Regex, RegexBuilder};

use crate::cache::Cache;
use crate::cache::texts::{TextBlock, TextPacker, Texts};
use crate::cli::ScanArgs;
use crate::cli::scan::Format as Asked;
use crate::config::Settings;
use crate::describe::{Desk, Wishes, lossy};
use crate::error::Kind;
use crate::events::refs::RefKind;
use crate::events::repository::{IndexState, ObjectFormat};
use crate::events::stream::Status;
use crate::events::{Event, Ref, Repo, RepoEnd, Warning};
use crate::facts::Oid;
use crate::facts::patterns::Patterns;
use crate::git::history::{History, ObjectHistory};
use crate::git::mailmap::Mailmap;
use crate::git::refs::{RefList, Selection};
use crate::git::walk::{Limits, Walk};
use crate::git::{Handle, ObjectError, ObjectKind, Repository};
use crate::gitcli;
use crate::graph::Graph;
use crate::index::{Index, Trouble, Update};
use crate::pipeline::discovery::ordered;
use crate::pipeline::stream::{Piece, Render, Stream};
use crate::pipeline::walker::{Item, Source, Walker};
use crate::pipeline::{Handles, Pool};
use crate::report::{Ending, Format, Loudness, Report};
use crate::shutdown::Token;

/// Unreadable objects that are reported one by one; the rest is counted.
const BROKEN_SHOWN: u64 = 20;

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &ScanArgs, paths: Option<Vec<OsString>>, dir: &Path, token: &Token) -> u8 {
    let format = match args.format {
        Asked::Auto => Format::automatic(),
        Asked::Jsonl => Format::Jsonl,
        Asked::Human => Format::human(),
    };
    let progress = if args.progress { Some(true) } else { args.no_progress.then_some(false) };
    let loudness = Loudness { quiet: args.quiet, progress };
    let report = Report::begin("scan", None, format, loudness);
    let mut report = match report {
        Ok(report) => report,
        Err(cause) => {
            crate::report::say_fatal(&format!("starting: {cause}"), None);
            return crate::error::exit::FATAL;
        }
    };
    let (outcome, consumer) = match (Scan { args, paths, dir, token, report: &mut report }).run().await {
        Ok((ending, consumer)) => (Ok(ending), consumer),
        Err(cause) => (Err(cause), None),
    };
    let ended = report.end(outcome, token.signal()).await;
    match consumer {
        Some(consumer) if ended.complete => consumer.move_on(ended.exit_code).await,
        _ => ended.exit_code,
    }
}

/// A consumer that has been sent everything up to `cursor`. It is moved on only once the last line is written: whatever happens
/// before leaves it where it was, and it gets the same again.
struct Consumer {
    cache: Cache,
    name: String,
    cursor: String,
}

impl Consumer {
    async fn move_on(self, exit_code: u8) -> u8 {
        match self.cache.move_consumer(self.name.clone(), self.cursor).await {
            Ok(()) => exit_code,
            Err(cause) => {
                let message = format!("'{}' was not moved on: {}", self.name, crate::error::message_of(&cause));
                crate::report::say_fatal(&message, Some("the next run streams the same commits again"));
                crate::error::exit::FATAL
            }
        }
    }
}

struct Scan<'a> {
    args: &'a ScanArgs,
    paths: Option<Vec<OsString>>,
    dir: &'a Path,
    token: &'a Token,
    report: &'a mut Report,
}

/// Where the stream begins and what bounds it, with everything resolved.
struct Plan {
    /// Commits to begin at, and commits to leave out with all that they reach.
    tips: Vec<(Oid, bool)>,
    limits: Limits,
    /// At most so many commits.
    count: Option<usize>,
    /// Whether all that the refs reach is wanted, so that the cache is brought up to date and the answer can have a cursor.
    whole: bool,
    /// The ids themselves, where they were not left to a walk.
    listed: Option<Vec<Oid>>,
}

/// How the index stood after the scan.
struct Indexed {
    state: IndexState,
    new: usize,
}

impl Scan<'_> {
    async fn run(self) -> anyhow::Result<(Ending, Option<Consumer>)> {
        let repository = Arc::new(Repository::discover(self.dir)?);
        let settings = Settings::load(&repository.handle(), |name| std::env::var(name).ok())?;
        let Some(limit) = settings.scan_timeout else { return self.scan(repository, settings).await };
        let expired = async {
            smol::Timer::after(limit).await;
            Err(Kind::Timeout.hinted(
                format!("scanning {} took longer than {limit:?}", repository.name),
                "bhfuil.timeout.scan sets the limit",
            ))
        };
        smol::future::or(self.scan(Arc::clone(&repository), settings), expired).await
    }

    async fn scan(
        mut self,
        repository: Arc<Repository>,
        settings: Settings,
    ) -> anyhow::Result<(Ending, Option<Consumer>)> {
        let pool =
            Pool::new(self.args.threads.map_or(settings.threads, usize::from)).context("starting worker threads")?;
        let folder = super::cache_folder();
        let (mut index, troubles) = Index::open(Arc::clone(&repository), folder.as_deref(), &pool).await?;
        let selection = self.selection();
        let refs = index.select(selection, &pool).await?;
        self.announce(&index, &refs, troubles).await?;
        let wishes = self.wishes(&index, &settings, &pool).await?;
        let plan = self.plan(&index, &refs, &pool).await?;
        let (indexed, outcome) = self.stream(&mut index, &plan, wishes, &pool).await?;
        let cursor = self.finish_cursor(&index, &refs, &plan, outcome).await?;
        self.close(&repository.name, &indexed).await?;
        if self.args.verbose > 0 {
            self.summarise(&index, &indexed);
        }
        let consumer = cursor.clone().zip(index.cache().cloned()).zip(self.args.new.as_ref());
        let consumer = consumer.map(|((cursor, cache), name)| Consumer { cache, name: name.0.clone(), cursor });
        Ok((Ending { cursor, incomplete: !plan.whole }, consumer))
    }

    fn selection(&self) -> Selection {
        use std::os::unix::ffi::OsStrExt as _;
        if self.args.refs.is_empty() {
            return Selection::Usual;
        }
        Selection::Globs(self.args.refs.iter().map(|glob| glob.0.as_bytes().to_vec()).collect())
    }

    /// The `repo` event, the refs if asked for, and what is wrong with them.
    async fn announce(&mut self, index: &Index, refs: &RefList, troubles: Vec<Trouble>) -> anyhow::Result<()> {
        let repository = index.repository();
        let (git_dir, git_dir_b64) = super::wire_path(&repository.git_dir);
        let event = Repo {
            repo: repository.name.as_str().into(),
            repo_b64: None,
            git_dir: git_dir.into(),
            git_dir_b64: git_dir_b64.map(Cow::Owned),
            object_format: if repository.hash_len == 20 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 },
            shallow: index.overlay.shallow,
            partial: repository.partial,
            ref_count: refs.refs.len() as u64,
        };
        self.report.event(&Event::Repo(event)).await?;
        for trouble in troubles {
            self.warn(&repository.name, &trouble).await?;
        }
        for broken in &refs.broken {
            let name = String::from_utf8_lossy(&broken.name);
            let trouble = Trouble {
                code: "broken-ref",
                message: format!("ignoring the ref {name}: it {}", broken.reason),
                hint: None,
            };
            self.warn(&repository.name, &trouble).await?;
        }
        if self.args.show_refs {
            for entry in &refs.refs {
                self.report.event(&Event::Ref(ref_event(&repository.name, entry))).await?;
            }
        }
        Ok(())
    }

    async fn warn(&mut self, repo: &str, trouble: &Trouble) -> anyhow::Result<()> {
        let warning = Warning {
            repo: Some(repo.into()),
            id: None,
            code: trouble.code.into(),
            message: trouble.message.as_str().into(),
            hint: trouble.hint.as_deref().map(Cow::Borrowed),
            count: 1,
        };
        Ok(self.report.warn(warning).await?)
    }

    async fn wishes(&self, index: &Index, settings: &Settings, pool: &Pool) -> anyhow::Result<Wishes> {
        let mailmap = if self.args.mailmap {
            let handles = index.handles.clone();
            Some(Arc::new(pool.run(move || handles.with(Mailmap::read)).await?))
        } else {
            None
        };
        let compile = |option: &str, patterns: &[crate::cli::argv::RawArg]| -> anyhow::Result<Vec<Regex>> {
            let text = patterns.iter().map(|pattern| pattern.0.to_string_lossy());
            text.map(|text| {
                // As for `git log --grep`, which looks at a message line by line.
                RegexBuilder::new(&text).multi_line(true).build().map_err(|cause| {
                    Kind::BadValue.hinted(
                        format!("bad value '{text}' for {option}: {}", last_line(&cause.to_string())),
                        "the syntax is that of Rust's regex crate; put a backslash before a literal . * + ? ( ) [ ] { } | ^ $",
                    )
                })
            })
            .collect()
        };
        Ok(Wishes {
            repo: index.repository().name.clone(),
            hash_len: index.repository().hash_len,
            partial: index.repository().partial,
            overlay: Arc::clone(&index.overlay),
            patterns: Arc::new(patterns(settings)?),
            mailmap,
            paths: self.args.paths,
            patch_id: self.args.patch_id,
            authors: compile("--author", &self.args.author)?,
            messages: compile("--grep", &self.args.grep)?,
        })
    }

    async fn plan(&mut self, index: &Index, refs: &RefList, pool: &Pool) -> anyhow::Result<Plan> {
        let repository = index.repository();
        let date = async |option: &Option<crate::cli::argv::TextArg>| match option {
            Some(text) => gitcli::date(repository, &text.0).await.map(Some),
            None => Ok(None),
        };
        let limits = Limits { since: date(&self.args.since).await?, until: date(&self.args.until).await? };
        let count = self.args.max_count.and_then(|count| usize::try_from(count).ok());
        let paths = self.paths.take().unwrap_or_default();
        let whole = self.args.revisions.is_empty()
            && !self.args.stdin
            && paths.is_empty()
            && count.is_none()
            && limits == Limits::default();
        let mut plan = Plan { tips: Vec::new(), limits, count, whole, listed: None };
        if self.args.stdin {
            let ids = self.read_stdin(index).await?;
            plan.listed =
                Some(if limits == Limits::default() { ids } else { in_time(ids, limits, index, pool).await? });
        } else if self.args.revisions.is_empty() {
            plan.tips = refs.tips().into_iter().map(|tip| (tip, false)).collect();
            if let Some(known) = self.cursor_tips(index).await? {
                plan.tips.extend(known.into_iter().map(|tip| (tip, true)));
            }
        } else {
            let words: Vec<OsString> = self.args.revisions.iter().map(|word| word.0.clone()).collect();
            plan.tips = peeled(gitcli::rev_parse(repository, &words).await?.tips, &index.handles)?;
        }
        if !paths.is_empty() {
            let options = [("--max-age", limits.since), ("--min-age", limits.until)];
            let options: Vec<OsString> =
                options.iter().filter_map(|(name, time)| Some(format!("{name}={}", (*time)?).into())).collect();
            plan.listed = Some(gitcli::rev_list(repository, &plan.tips, &options, Some((self.dir, &paths))).await?);
        }
        Ok(plan)
    }

    /// The tips that the cursor of `--after` or `--new` stands for; `None` without one, or for a consumer that is new.
    async fn cursor_tips(&self, index: &Index) -> anyhow::Result<Option<Vec<Oid>>> {
        let full = "run without --after for a full scan; its `end` event has the next cursor";
        let cache = index.cache();
        let need =
            || cache.cloned().ok_or_else(|| Kind::BadCursor.hinted("cursors need a cache, and there is none", full));
        let token = match (&self.args.after, &self.args.new) {
            (Some(after), _) => after.0.clone(),
            (_, Some(name)) => {
                let (cache, name) = (need()?, name.0.clone());
                let Some(token) = smol::unblock(move || cache.consumer(&name)).await? else { return Ok(None) };
                token
            }
            _ => return Ok(None),
        };
        let (cache, wanted) = (need()?, token.clone());
        let tips = smol::unblock(move || cache.cursor(&wanted)).await?;
        let tips =
            tips.ok_or_else(|| Kind::BadCursor.hinted(format!("the cursor '{token}' is not known here"), full))?;
        let handles = index.handles.clone();
        let lost = tips.iter().find(|tip| {
            index.graph.position(tip).is_none() && handles.with(|handle| handle.kind(tip) != Some(ObjectKind::Commit))
        });
        match lost {
            Some(lost) => Err(Kind::BadCursor.hinted(
                format!("the cursor '{token}' is no longer usable: its commit {lost} is gone from the repository"),
                full,
            )),
            None => Ok(Some(tips)),
        }
    }

    /// The commits that standard input names, one a line (or NUL-ended with `-z`), in its order: ids, other revisions, ranges.
    async fn read_stdin(&mut self, index: &Index) -> anyhow::Result<Vec<Oid>> {
        let read = smol::unblock(|| {
            let mut input = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut input).map(|_| input)
        });
        let stop = async {
            self.token.cancelled().await;
            Ok(Vec::new())
        };
        let input =
            smol::future::or(read, stop).await.map_err(|cause| Kind::Io.wrap(cause, "reading standard input"))?;
        let end = if self.args.null { 0 } else { b'\n' };
        let mut ids = Vec::new();
        for line in input.split(|&byte| byte == end) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if let Some(id) = id_on_a_line(index, line) {
                ids.push(id);
                continue;
            }
            match named_commits(index, line).await {
                Ok(named) => ids.extend(named),
                Err(cause) => {
                    let name = index.repository().name.clone();
                    self.report.fail_part(&name, None, Kind::BadRevision, &cause.to_string()).await?;
                }
            }
        }
        Ok(ids)
    }

    /// Brings the index up to date as far as the plan wants it, and streams the commits. The second value tells whether
    /// everything that the plan wanted was streamed.
    async fn stream(
        &mut self,
        index: &mut Index,
        plan: &Plan,
        wishes: Wishes,
        pool: &Pool,
    ) -> anyhow::Result<(Indexed, bool)> {
        let skipped = Indexed { state: IndexState::Skipped, new: 0 };
        if !plan.whole {
            let done = if self.args.no_commits { true } else { self.stream_limited(index, plan, wishes, pool).await? };
            return Ok((skipped, done));
        }
        let has_exclusions = plan.tips.iter().any(|(_, excluded)| *excluded);
        let first_ever = index.graph.is_empty() && !index.is_fresh();
        if first_ever && !has_exclusions && !self.args.reverse && !self.args.no_commits && self.args.refs.is_empty() {
            return self.stream_and_build(index, plan, wishes, pool).await;
        }
        let (update, trouble) = self.update(index, plan, pool).await?;
        if let Some(trouble) = trouble {
            self.warn(&index.repository().name.clone(), &trouble).await?;
        }
        let indexed = match update {
            Update::Fresh => Indexed { state: IndexState::Fresh, new: 0 },
            Update::Updated(new) => Indexed { state: IndexState::Updated, new },
            Update::Built(new) => Indexed { state: IndexState::Built, new },
            Update::Cancelled => return Ok((skipped, false)),
            Update::Broken(broken) => {
                if self.args.no_commits {
                    self.report_broken(&index.repository().name.clone(), broken).await?;
                    return Ok((skipped, false));
                }
                let done = self.stream_limited(index, plan, wishes, pool).await?;
                return Ok((skipped, done));
            }
        };
        let done = if self.args.no_commits { true } else { self.stream_limited(index, plan, wishes, pool).await? };
        Ok((indexed, done))
    }

    async fn update(
        &mut self,
        index: &mut Index,
        plan: &Plan,
        pool: &Pool,
    ) -> anyhow::Result<(Update, Option<Trouble>)> {
        let tips: Vec<Oid> = plan.tips.iter().map(|(tip, _)| *tip).collect();
        let name = index.repository().name.clone();
        let seen = std::cell::Cell::new(0);
        let update = index.update(&tips, pool, self.token, |count| seen.set(count)).await?;
        self.report.progress(&name, "index", seen.get() as u64, None).await?;
        Ok(update)
    }

    /// The first scan ever: what is read for the stream becomes the index.
    async fn stream_and_build(
        &mut self,
        index: &mut Index,
        plan: &Plan,
        wishes: Wishes,
        pool: &Pool,
    ) -> anyhow::Result<(Indexed, bool)> {
        let tips = plan.tips.clone();
        let limits = plan.limits;
        let history = index.objects(true);
        let walker = pool.run(move || objects_walker(history, &tips, limits, None)).await?;
        let (walker, done, texts) = self.emit(walker, index, wishes, None, index.cache().is_some(), pool).await?;
        let history = walker.and_then(Walker::into_history);
        let (true, false, Some(history)) = (done, self.report.is_partial(), history) else {
            return Ok((Indexed { state: IndexState::Skipped, new: 0 }, done));
        };
        let commits = pool.run(move || ordered(history)).await?;
        let new = commits.len();
        if let Err(cause) = index.adopt(commits, texts, pool).await {
            self.warn(&index.repository().name.clone(), &index.unwritten(&cause)).await?;
        }
        Ok((Indexed { state: IndexState::Built, new }, true))
    }

    async fn stream_limited(
        &mut self,
        index: &Index,
        plan: &Plan,
        wishes: Wishes,
        pool: &Pool,
    ) -> anyhow::Result<bool> {
        // A filter decides only after a commit was read; then the count can't bound the walk.
        let early = if wishes.filter() { None } else { plan.count };
        let late = if wishes.filter() { plan.count } else { None };
        let mut walker = match &plan.listed {
            Some(ids) => Walker::list(ids.iter().copied().take(early.unwrap_or(usize::MAX)).collect()),
            None if index.knows(plan.tips.iter().map(|(tip, _)| tip)) => {
                let (graph, tips, limits) = (Arc::clone(&index.graph), plan.tips.clone(), plan.limits);
                pool.run(move || graph_walker(graph, &tips, limits, early)).await?
            }
            None => {
                let history = index.objects(!self.args.reverse);
                let (tips, limits) = (plan.tips.clone(), plan.limits);
                pool.run(move || objects_walker(history, &tips, limits, early)).await?
            }
        };
        if self.args.reverse {
            let Some(ids) = self.reversed(walker, index, &wishes, late, pool).await? else { return Ok(false) };
            walker = Walker::list(ids);
            let (_, done, _) = self.emit(walker, index, wishes, None, false, pool).await?;
            return Ok(done);
        }
        let (_, done, _) = self.emit(walker, index, wishes, late, false, pool).await?;
        Ok(done)
    }

    /// All ids of `walker`, last first. As in git a count takes the newest and then turns them round, so that a filter has to be
    /// asked before.
    async fn reversed(
        &mut self,
        mut walker: Walker,
        index: &Index,
        wishes: &Wishes,
        late: Option<usize>,
        pool: &Pool,
    ) -> anyhow::Result<Option<Vec<Oid>>> {
        let mut ids = Vec::new();
        loop {
            let stop = self.token.clone();
            let (next, chunk) = pool
                .run(move || {
                    let chunk = walker.step(4096, &stop);
                    (walker, chunk)
                })
                .await?;
            walker = next;
            self.report_broken(&wishes.repo, chunk.broken).await?;
            let mut found: Vec<Oid> = chunk.items.iter().map(|item| item.id).collect();
            if late.is_some() {
                let (handles, wishes) = (index.handles.clone(), wishes.clone());
                found = pool.run(move || handles.with(|handle| wanted(handle, &wishes, &found))).await?;
            }
            ids.extend(found);
            if self.token.is_cancelled() {
                return Ok(None);
            }
            if chunk.done || late.is_some_and(|late| ids.len() >= late) {
                break;
            }
        }
        ids.truncate(late.unwrap_or(usize::MAX));
        ids.reverse();
        Ok(Some(ids))
    }

    /// Streams the commits of `walker`, at most `late` that pass the filters. Returns the walker, whether it came to its end, and
    /// with `keep` the bytes of all commits.
    async fn emit(
        &mut self,
        walker: Walker,
        index: &Index,
        wishes: Wishes,
        late: Option<usize>,
        keep: bool,
        pool: &Pool,
    ) -> anyhow::Result<(Option<Walker>, bool, Vec<TextBlock>)> {
        let name = wishes.repo.clone();
        let total = (index.is_fresh() && late.is_none()).then(|| index.graph.len() as u64);
        let texts = if keep { Keep::Gather } else { index.texts(pool).await.map_or(Keep::Nothing, Keep::Use) };
        let render = renderer(wishes, self.report.format(), texts);
        let mut stream = Stream::new(pool.clone(), index.handles.clone(), walker, render, self.token.clone());
        let mut left = late.unwrap_or(usize::MAX);
        let (mut done, mut absent, mut texts) = (0_u64, 0, Vec::new());
        while left > 0 {
            let stop = async {
                self.token.cancelled().await;
                Ok(None)
            };
            let Some(mut piece) = smol::future::or(stream.next(), stop).await? else { break };
            if piece.ends.len() > left {
                piece.bytes.truncate(piece.ends[left - 1]);
                piece.ends.truncate(left);
            }
            left -= piece.ends.len();
            done += piece.ends.len() as u64;
            absent += piece.absent;
            texts.extend(piece.texts.take());
            self.report_broken(&name, piece.broken).await?;
            self.report.lines(piece.bytes, "commit", piece.ends.len()).await?;
            self.report.progress(&name, "scan", done, total).await?;
        }
        if absent > 0 {
            self.warn_absent(&name, absent).await?;
        }
        let finished = !self.token.is_cancelled();
        Ok((if finished { stream.into_walker() } else { None }, finished, texts))
    }

    async fn warn_absent(&mut self, repo: &str, count: usize) -> anyhow::Result<()> {
        let warning = Warning {
            repo: Some(repo.into()),
            id: None,
            code: "absent-objects".into(),
            message: format!("{count} commits have facts that need objects which are not in this partial clone: null")
                .into(),
            hint: Some("git fetch --refetch --no-filter brings all objects".into()),
            count: count as u64,
        };
        Ok(self.report.warn(warning).await?)
    }

    async fn report_broken(&mut self, repo: &str, broken: Vec<ObjectError>) -> anyhow::Result<()> {
        for cause in broken {
            if self.report.counts().get("error").copied().unwrap_or(0) < BROKEN_SHOWN {
                self.report.fail_part(repo, Some(cause.id().to_hex()), cause.kind(), &cause.to_string()).await?;
            } else {
                self.report.count_failure(cause.kind());
            }
        }
        Ok(())
    }

    async fn finish_cursor(
        &mut self,
        index: &Index,
        refs: &RefList,
        plan: &Plan,
        done: bool,
    ) -> anyhow::Result<Option<String>> {
        let (Some(cache), true) = (index.cache(), done && plan.whole && !self.report.is_partial()) else {
            return Ok(None);
        };
        match cache.keep_cursor(refs.tips()).await {
            Ok(token) => Ok(Some(token)),
            Err(cause) => {
                self.warn(&index.repository().name.clone(), &index.unwritten(&cause)).await?;
                Ok(None)
            }
        }
    }

    /// What a person may want to know of the run itself, on stderr.
    fn summarise(&mut self, index: &Index, indexed: &Indexed) {
        let state = match indexed.state {
            IndexState::Fresh => "fresh",
            IndexState::Updated => "updated",
            IndexState::Built => "built",
            _ => "not used",
        };
        let cache = index.cache().map_or_else(|| "none".into(), |cache| cache.path().display().to_string());
        let known = index.graph.len();
        self.report.note(&format!("index {state}: {} new of {known} commits; cache: {cache}", indexed.new));
    }

    async fn close(&mut self, repo: &str, indexed: &Indexed) -> anyhow::Result<()> {
        self.report.sum_up_failures(repo).await?;
        let status = match (self.token.is_cancelled(), self.report.is_partial()) {
            (true, _) => Status::Cancelled,
            (_, true) => Status::Partial,
            _ => Status::Ok,
        };
        let counts: BTreeMap<Cow<'_, str>, u64> =
            self.report.counts().iter().map(|(name, count)| (Cow::Borrowed(*name), *count)).collect();
        let event =
            RepoEnd { repo: repo.into(), status, index: Some(indexed.state), new: Some(indexed.new as u64), counts };
        Ok(self.report.event(&Event::RepoEnd(event)).await?)
    }
}

fn patterns(settings: &Settings) -> anyhow::Result<Patterns> {
    Patterns::compile(&settings.security_patterns, &settings.request_patterns, &settings.jira_projects).map_err(
        |cause| {
            let key = if settings.request_patterns.contains(&cause.pattern) {
                "bhfuil.requestPattern"
            } else if settings.security_patterns.contains(&cause.pattern) {
                "bhfuil.securityPattern"
            } else {
                "bhfuil.jiraProject"
            };
            Kind::BadValue.hinted(
                format!("bad value '{}' for {key}: {}", cause.pattern, last_line(&cause.error.to_string())),
                "git config --get-regexp '^bhfuil\\.' shows where it is set",
            )
        },
    )
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// Commits behind the objects that revisions name; what is no commit in the end reaches none, as in `git log`.
fn peeled(tips: Vec<(Oid, bool)>, handles: &Handles) -> anyhow::Result<Vec<(Oid, bool)>> {
    let mut commits = Vec::new();
    for (id, excluded) in tips {
        let (id, kind) = handles
            .with(|handle| handle.peel(&id))
            .map_err(|cause| Kind::MissingObject.wrap(cause, "reading a revision"))?;
        if kind == ObjectKind::Commit {
            commits.push((id, excluded));
        }
    }
    Ok(commits)
}

/// Those of `ids` that `limits` hold, as for `git log --no-walk`. One that can't be read is kept: the stream will say so.
async fn in_time(mut ids: Vec<Oid>, limits: Limits, index: &Index, pool: &Pool) -> anyhow::Result<Vec<Oid>> {
    let (graph, mut history) = (Arc::clone(&index.graph), index.objects(false));
    let keep = move || {
        ids.retain(|id| {
            let known = graph.position(id).map(|position| graph.time(position));
            let time = known.or_else(|| history.node(id).map(|node| history.time(node)));
            time.is_none_or(|time| limits.hold(time))
        });
        ids
    };
    Ok(pool.run(keep).await?)
}

/// The commits that one line of standard input names in another spelling than an id: one commit, or those of a range.
async fn named_commits(index: &Index, line: &[u8]) -> anyhow::Result<Vec<Oid>> {
    let tips = gitcli::rev_parse(index.repository(), &[gitcli::argument(line)]).await?.tips;
    let tips = peeled(tips, &index.handles)?;
    if tips.iter().any(|(_, excluded)| *excluded) {
        return gitcli::rev_list(index.repository(), &tips, &[], None).await;
    }
    Ok(tips.into_iter().map(|(id, _)| id).collect())
}

fn graph_walker(graph: Arc<Graph>, tips: &[(Oid, bool)], limits: Limits, count: Option<usize>) -> Walker {
    let mut source = Arc::clone(&graph);
    let nodes = nodes(&mut source, tips);
    let walk = Walk::new(&mut source, nodes, limits);
    Walker::walk(Source::Graph(graph), walk, count)
}

fn objects_walker(mut history: ObjectHistory, tips: &[(Oid, bool)], limits: Limits, count: Option<usize>) -> Walker {
    let nodes = nodes(&mut history, tips);
    let walk = Walk::new(&mut history, nodes, limits);
    Walker::walk(Source::Objects(Box::new(history)), walk, count)
}

fn nodes(history: &mut impl History, tips: &[(Oid, bool)]) -> Vec<(u32, bool)> {
    // A tip that is named twice would be walked once anyway; duplicates only cost.
    let mut seen = HashSet::new();
    tips.iter()
        .filter(|tip| seen.insert(**tip))
        .filter_map(|(id, excluded)| Some((history.node(id)?, *excluded)))
        .collect()
}

/// What is done with the bytes of commits besides describing them.
enum Keep {
    /// They are taken from the cache where it has them.
    Use(Arc<Texts>),
    /// They are gathered for the cache.
    Gather,
    /// There is no cache.
    Nothing,
}

/// What workers do with a chunk of commits.
fn renderer(wishes: Wishes, format: Format, keep: Keep) -> Arc<Render> {
    Arc::new(move |handle: &Handle, items: &[Item]| {
        let mut piece = Piece::default();
        let mut desk = Desk::new(handle);
        let mut buffer = Vec::new();
        let mut kept = if let Keep::Use(texts) = &keep { Some(texts.reader()) } else { None };
        let mut packer = TextPacker::default();
        for item in items {
            let known = kept.as_mut().zip(item.position).and_then(|(reader, position)| reader.get(position));
            let raw = match item.raw.as_deref().or(known) {
                Some(raw) => Ok(raw),
                None => handle.commit(&item.id, &mut buffer),
            };
            if let (Keep::Gather, Ok(raw)) = (&keep, &raw) {
                packer.add(item.id, raw);
            }
            let bytes = &mut piece.bytes;
            let write = |commit: crate::events::Commit<'_>| format.write(&Event::Commit(commit), bytes);
            match raw.and_then(|raw| wishes.describe(handle, &item.id, raw, &mut desk, write)) {
                Ok(true) => piece.ends.push(piece.bytes.len()),
                Ok(false) => {}
                Err(cause) => piece.broken.push(cause),
            }
        }
        piece.absent = desk.absent;
        piece.broken.append(&mut desk.broken);
        piece.texts = (!packer.is_empty()).then(|| packer.pack());
        piece
    })
}

/// Those of `ids` that pass the filters.
fn wanted(handle: &Handle, wishes: &Wishes, ids: &[Oid]) -> Vec<Oid> {
    let wishes = Wishes { paths: false, patch_id: false, ..wishes.clone() };
    let mut desk = Desk::new(handle);
    let mut buffer = Vec::new();
    let mut passes = |id: &Oid| {
        let raw = handle.commit(id, &mut buffer)?;
        wishes.describe(handle, id, raw, &mut desk, |_| ())
    };
    // One that can't be read is kept: the stream will say so.
    ids.iter().filter(|id| passes(id).unwrap_or(true)).copied().collect()
}

fn id_on_a_line(index: &Index, line: &[u8]) -> Option<Oid> {
    let text = std::str::from_utf8(line).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let whole = Oid::from_hex(line).filter(|id| id.as_bytes().len() == index.repository().hash_len);
    match whole {
        Some(id) if index.graph.position(&id).is_some() => Some(id),
        Some(id) => match index.handles.with(|handle| handle.peel(&id)) {
            Ok((commit, ObjectKind::Commit)) => Some(commit),
            // Reading it will say what is wrong with it.
            _ => Some(id),
        },
        None => index.handles.with(|handle| handle.commit_by_hex(text)),
    }
}

fn ref_event<'a>(repo: &'a str, entry: &crate::git::refs::Ref) -> Ref<'a> {
    let (refname, refname_b64) = lossy(&entry.name);
    let (short, short_b64) = lossy(entry.short());
    Ref {
        repo: repo.into(),
        refname: refname.into(),
        refname_b64: refname_b64.map(Cow::Owned),
        short: short.into(),
        short_b64: short_b64.map(Cow::Owned),
        kind: kind(&entry.name),
        id: Some(Some(entry.id.to_hex().into())),
        peeled: Some(entry.commit.map(|id| id.to_hex().into())),
        old_id: None,
        line: None,
    }
}

fn kind(name: &[u8]) -> RefKind {
    match name {
        name if name.starts_with(b"refs/heads/") => RefKind::Branch,
        name if name.starts_with(b"refs/remotes/") => RefKind::Remote,
        name if name.starts_with(b"refs/tags/") => RefKind::Tag,
        _ => RefKind::Other,
    }
}
