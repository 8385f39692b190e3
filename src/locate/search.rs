//! One run: queries come in, workers answer them, and the answers go out in the order of the queries.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::pin::Pin;
use std::sync::Arc;

use super::Options;
use super::alike::{Alike, Failure};
use super::answer::{self, Outcome};
use super::desk::Desk;
use super::filing::Filed;
use super::gaps::Torn;
use super::input::{Input, Line};
use super::places::Places;
use super::resolve::{self, Target};
use super::scope::Scope;
use super::seeds;
use super::wording::Messages;
use crate::announce::{self, Indexed};
use crate::cache::patches::KeptPatch;
use crate::config::Settings;
use crate::describe::Told;
use crate::error::{self, Kind};
use crate::events::Event;
use crate::events::repository::IndexState;
use crate::facts::Oid;
use crate::facts::patterns::Patterns;
use crate::git::ObjectError;
use crate::git::refs::RefList;
use crate::index::{Index, Trouble};
use crate::pipeline::{JobError, Pool};
use crate::report::{FailedPart, Format, Strand};
use crate::shutdown::Token;
use crate::tasks::{Foreground, Tasks};

/// Answers that may be under way at once, for each thread.
pub(super) const AHEAD: usize = 4;
/// Outcomes of diffs that are kept together.
pub(super) const KEPT_TOGETHER: usize = 64;

/// An answer that a worker makes.
pub(super) struct UnderWay {
    query: String,
    answer: Pin<Box<dyn Future<Output = Result<anyhow::Result<Made>, JobError>> + Send>>,
}

/// What the command line asks for.
enum Typed<'o> {
    /// A query.
    Query(&'o OsString),
    /// The patches in a file.
    Patch(&'o OsString),
}

/// What comes first: an answer, or another query.
enum Next {
    Answer(Result<anyhow::Result<Made>, JobError>),
    Line(anyhow::Result<Option<Line>>),
}

/// An answer, written.
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    pub(super) counts: Vec<(&'static str, u64)>,
    pub(super) outcome: Outcome,
}

/// One run.
pub(super) struct Search<'a> {
    pub(super) name: String,
    pub(super) report: &'a mut Strand,
    pub(super) token: &'a Token,
    pub(super) pool: Pool,
    pub(super) patterns: Arc<Patterns>,
    pub(super) settings: Settings,
    pub(super) options: Arc<Options>,
    pub(super) index: Index,
    pub(super) refs: Arc<RefList>,
    pub(super) indexed: Indexed,
    pub(super) places: Option<Arc<Places>>,
    pub(super) filed: Option<Filed>,
    pub(super) messages: Option<Arc<Messages>>,
    pub(super) under_way: VecDeque<UnderWay>,
    /// Whether a query has found anything; `None` before the first answer.
    pub(super) found: Option<bool>,
    pub(super) kept: Vec<KeptPatch>,
    /// Comparisons that lacked an object which a partial clone doesn't have.
    pub(super) absent: usize,
    /// What could be read of history, if that wasn't all.
    pub(super) torn: Option<Torn>,
    /// Whether it was said that history is cut off.
    pub(super) has_warned: bool,
    /// Held while there is something to be answered.
    pub(super) goes_first: Option<Foreground>,
}

impl Search<'_> {
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        self.catch_up().await?;
        self.ask_all().await?;
        if let Some(end) = self.options.stdin {
            self.read(end).await?;
        }
        while !self.token.is_cancelled() && self.tell_next().await? {}
        self.mend().await?;
        if !self.options.no_update && self.indexed.state == IndexState::Fresh && self.torn.is_none() {
            self.index.keep_for_the_next(&self.pool).await?;
            self.keep_tags().await?;
        }
        self.wind_up().await
    }

    /// Brings the index up to date, unless that isn't wanted.
    pub(super) async fn catch_up(&mut self) -> anyhow::Result<()> {
        if self.options.no_update {
            return Ok(());
        }
        // The usual refs are brought in anyway, and mostly all others are there already.
        let is_usual = Arc::ptr_eq(&self.refs, &self.index.usual);
        let tips = if is_usual || self.refs.is_known() { Vec::new() } else { self.refs.tips() };
        self.update(&tips).await
    }

    /// Has what files commits made anew, if it turned out to be damaged.
    async fn mend(&mut self) -> anyhow::Result<()> {
        let Some(damage) = self.filed.as_ref().and_then(Filed::take_damage) else { return Ok(()) };
        // One that was set aside meanwhile was told of then.
        if self.index.cache().is_none() {
            return Ok(());
        }
        let mut trouble = self.index.unwritten(&damage);
        // Where all else is sound, the file stays.
        if let Some(cache) = self.index.cache().cloned()
            && cache.unfile().await.is_ok()
        {
            let message = "what files commits in the cache was damaged and is made anew".into();
            trouble = Trouble { code: "cache-rebuilt", message, hint: None };
        }
        announce::warn(self.report, &self.name, &trouble).await
    }

    /// Keeps what was found out, and says what could not be.
    pub(super) async fn wind_up(&mut self) -> anyhow::Result<()> {
        self.mend().await?;
        if self.absent > 0 {
            announce::warn_absent(self.report, &self.name, None, std::mem::take(&mut self.absent)).await?;
        }
        self.keep().await
    }

    /// Asks what the command line names. One bad query doesn't keep the others from being answered; where each of them is bad and
    /// nothing else is asked, the last is the end of the run.
    async fn ask_all(&mut self) -> anyhow::Result<()> {
        let options = Arc::clone(&self.options);
        let queries = options.queries.iter().map(Typed::Query).chain(options.patch.iter().map(Typed::Patch));
        let queries: Vec<Typed<'_>> = queries.collect();
        let mut bad = 0;
        for query in &queries {
            if self.token.is_cancelled() {
                break;
            }
            let (typed, outcome) = match *query {
                Typed::Query(typed) => (typed, self.ask(typed.clone()).await),
                Typed::Patch(file) => (file, self.ask_for_patch(file).await),
            };
            let Err(cause) = outcome else { continue };
            bad += 1;
            if options.stdin.is_none() && bad == queries.len() {
                return Err(error::about(cause, &typed.to_string_lossy()));
            }
            self.report_bad(typed, cause).await?;
        }
        Ok(())
    }

    /// Asks what standard input names, as it comes.
    async fn read(&mut self, end: u8) -> anyhow::Result<()> {
        let mut input = Input::new(end);
        while !self.token.is_cancelled() {
            let is_idle = self.under_way.is_empty();
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
                Next::Line(input.next().await)
            };
            if is_idle {
                self.goes_first = None;
            }
            let next = smol::future::or(ready, line).await;
            self.goes_first = self.options.background.as_ref().map(Tasks::foreground);
            match next {
                Next::Answer(made) => {
                    let query = self.under_way.pop_front().map(|first| first.query).unwrap_or_default();
                    self.tell(&query, made).await?;
                }
                Next::Line(line) => match line? {
                    None => break,
                    Some(Line::Query(query)) => self.ask_or_report(query).await?,
                    Some(Line::Fault(kind, message)) => {
                        let part = FailedPart { id: None, query: None, kind, message: &message, hint: None };
                        self.fail_in_order(part).await?;
                    }
                    Some(Line::Nothing) => {}
                },
            }
        }
        Ok(())
    }

    async fn ask_or_report(&mut self, query: OsString) -> anyhow::Result<()> {
        match self.ask(query.clone()).await {
            Err(cause) => self.report_bad(&query, cause).await,
            Ok(()) => Ok(()),
        }
    }

    /// Reports that `query` can't be answered as it is; what else went wrong ends the run.
    async fn report_bad(&mut self, query: &OsString, cause: anyhow::Error) -> anyhow::Result<()> {
        let kind = error::kind_of(&cause);
        let asked_wrongly = matches!(kind, Kind::BadRevision | Kind::BadValue);
        let cant_be_told =
            matches!(kind, Kind::Io | Kind::Git | Kind::Timeout | Kind::MissingObject | Kind::CorruptObject);
        if !asked_wrongly && !cant_be_told && !is_own_fault(&cause) {
            return Err(cause);
        }
        let (query, message) = (query.to_string_lossy(), error::message_of(&cause));
        let hint = error::hint_of(&cause);
        self.fail_in_order(FailedPart { id: None, query: Some(&query), kind, message: &message, hint }).await
    }

    /// Reports what could not be answered, after the answers to what was asked before it.
    async fn fail_in_order(&mut self, part: FailedPart<'_>) -> anyhow::Result<()> {
        while self.tell_next().await? {}
        Ok(self.report.fail_part(&self.name, part).await?)
    }

    /// Sets a worker to answer `query`.
    pub(super) async fn ask(&mut self, query: OsString) -> anyhow::Result<()> {
        if let Some(ear) = &self.options.ear {
            ear.hear(Told::Query(&query.to_string_lossy()));
        }
        match self.target(&query).await? {
            None => Ok(()),
            Some(Target::Nothing(way_out)) => self.tell_nothing(&query.to_string_lossy(), way_out).await,
            Some(Target::Words(words)) => self.ask_words(&query, &words).await,
            Some(target) => {
                let target = self.or_patch_id(target).await?;
                self.answer(query.to_string_lossy().into_owned(), target).await
            }
        }
    }

    /// What `query` means, with all of it in the index; `None` if that can't be, which is then told.
    pub(super) async fn target(&mut self, query: &OsString) -> anyhow::Result<Option<Target>> {
        let graph = self.graph().await?;
        let target = {
            let more = (&*self.patterns, &self.options.known_absent[..], &self.pool);
            resolve::resolve(query, &self.index, &graph, more).await?
        };
        if let Target::Commits(ids) | Target::Ambiguous(ids) = &target {
            let ids = ids.clone();
            if ids.iter().any(|id| graph.position(id).is_none()) {
                if self.options.no_update {
                    return Err(Kind::BadRevision.hinted(
                        format!("'{}' is not in the cache", query.to_string_lossy()),
                        "without --no-update it would be looked for in the repository",
                    ));
                }
                self.learn(&ids).await?;
                if !self.report_unreadable(query, &ids).await? {
                    return Ok(None);
                }
            }
        }
        if let Target::Digits(digits) = &target
            && let Some(id) = Oid::from_hex(digits.as_bytes())
            && self.torn.as_ref().is_some_and(|torn| torn.has_told(&id))
        {
            self.report_unreadable(query, &[id]).await?;
            return Ok(None);
        }
        Ok(Some(target))
    }

    /// What `target` means after all, if it may be a patch-id. To look through all patches is the last resort: a message may name the
    /// commit, and then it is none.
    async fn or_patch_id(&mut self, target: Target) -> anyhow::Result<Target> {
        if let Target::Digits(digits) = &target
            && let Some(id) = Oid::from_hex(digits.as_bytes())
            && !self.is_named(&target).await?
        {
            let all = self.refs.tips().into_iter().map(|tip| (tip, false)).collect::<Vec<_>>();
            let commits = self.listed(&all, None).await?;
            let found = self.with_patch_id(digits, &commits, &[id], None).await?;
            if !found.is_empty() {
                return Ok(Target::Commits(found));
            }
        }
        Ok(target)
    }

    /// Brings `ids` into the index, or as much of them as can be read.
    async fn learn(&mut self, ids: &[Oid]) -> anyhow::Result<()> {
        match self.torn {
            Some(_) => self.read_on(ids).await,
            None => self.update(ids).await,
        }
    }

    /// Reports those of `ids`, which `query` means, that can't be read; `false` if none can.
    async fn report_unreadable(&mut self, query: &OsString, ids: &[Oid]) -> anyhow::Result<bool> {
        let graph = self.graph().await?;
        let lost: Vec<&Oid> = ids.iter().filter(|id| graph.position(id).is_none()).collect();
        if self.token.is_cancelled() {
            return Ok(false);
        }
        let shown = query.to_string_lossy();
        for id in &lost {
            let message = format!("where '{shown}' is can't be told: {id} can't be read");
            let kind = Kind::MissingObject;
            let part = FailedPart { id: Some(id.to_hex()), query: Some(&shown), kind, message: &message, hint: None };
            self.fail_in_order(part).await?;
        }
        Ok(lost.len() < ids.len())
    }

    /// Whether some commit is what `target` means.
    async fn is_named(&mut self, target: &Target) -> anyhow::Result<bool> {
        let Some(scope) = self.scope().await? else { return Ok(false) };
        let target = target.clone();
        let look = move || {
            scope.handles.with(|handle| {
                let mut desk = Desk::new(&scope, handle);
                !seeds::seeds(&mut desk, &target).commits.is_empty()
            })
        };
        Ok(self.pool.run(look).await?)
    }

    /// Sets a worker to answer for `target`.
    pub(super) async fn answer(&mut self, shown: String, target: Target) -> anyhow::Result<()> {
        let Some(scope) = self.scope().await? else { return Ok(()) };
        let alike = self.alike(&shown, &target).await?;
        let (format, asked) = (self.report.format(), shown.clone());
        let job = move || {
            let handles = scope.handles.clone();
            handles.with(|handle| make(&scope, handle, &asked, (&target, &alike), format))
        };
        while self.under_way.len() >= AHEAD * self.pool.threads() {
            self.tell_next().await?;
        }
        let answer = self.pool.submit(job).await?;
        self.under_way.push_back(UnderWay { query: shown, answer: Box::pin(answer.result()) });
        Ok(())
    }

    /// Writes the answer that is next in order; `false` if there is none under way.
    pub(super) async fn tell_next(&mut self) -> anyhow::Result<bool> {
        let Some(UnderWay { query, answer }) = self.under_way.pop_front() else { return Ok(false) };
        let made = answer.await;
        self.tell(&query, made).await?;
        Ok(true)
    }

    /// Tells what a worker made, and of many commits each one's change.
    async fn tell(&mut self, query: &str, made: Result<anyhow::Result<Made>, JobError>) -> anyhow::Result<()> {
        match self.tell_whole(query, made).await {
            Err(cause) if is_own_fault(&cause) && !self.is_only_one() => {
                let message = format!("'{query}' can't be answered: {cause}; please report it");
                let (query, kind) = (Some(query), Kind::Internal);
                let part = FailedPart { id: None, query, kind, message: &message, hint: None };
                Ok(self.report.fail_part(&self.name, part).await?)
            }
            told => told,
        }
    }

    async fn tell_whole(&mut self, query: &str, made: Result<anyhow::Result<Made>, JobError>) -> anyhow::Result<()> {
        let mut made = made??;
        let many = made.outcome.many.take();
        self.tell_made(query, made).await?;
        match many {
            Some(many) => self.tell_many(query, *many).await,
            None => Ok(()),
        }
    }

    /// Whether nothing is asked but one query: what it fails with is the end of the run.
    fn is_only_one(&self) -> bool {
        self.options.stdin.is_none() && self.options.queries.len() == 1
    }

    /// The ref that somebody may have meant who typed a word that nothing has.
    fn near_ref(&self, query: &str) -> Option<String> {
        let near = if query.contains(' ') { None } else { self.refs.nearest(query) };
        near.map(|near| format!("did you mean '{near}'?"))
    }

    /// Tells what a worker made.
    pub(super) async fn tell_made(&mut self, query: &str, made: Made) -> anyhow::Result<()> {
        let Made { bytes, counts, outcome } = made;
        self.report.batch(bytes, &counts).await?;
        self.found = Some(self.found.unwrap_or(false) | outcome.found);
        if outcome.is_ambiguous {
            let trouble = Trouble {
                code: "ambiguous-query",
                message: format!("'{query}' may mean several commits"),
                hint: Some("more digits tell them apart".into()),
            };
            announce::warn_about(self.report, &self.name, query, &trouble).await?;
        } else if !outcome.found {
            let count = self.graph().await?.len();
            let trouble = Trouble {
                code: "nothing-found",
                message: format!("'{query}' was not found: searched {count} commits for {}", outcome.sought),
                hint: self.near_ref(query).or_else(|| self.index.overlay.shallow.then(|| UNSHALLOW.into())),
            };
            announce::warn_about(self.report, &self.name, query, &trouble).await?;
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
            announce::warn_about(self.report, &self.name, query, &trouble).await?;
        }
        if let Some(Failure { kind, message }) = &outcome.failure {
            let part = FailedPart { id: None, query: Some(query), kind: *kind, message, hint: None };
            self.report.fail_part(&self.name, part).await?;
        }
        self.tell_broken(query, outcome.broken).await?;
        self.absent += outcome.absent;
        self.kept.extend(outcome.found_out);
        if self.kept.len() >= KEPT_TOGETHER {
            self.keep().await?;
        }
        Ok(())
    }

    /// Tells what could not be read for `query`, but for what is told of history itself.
    pub(super) async fn tell_broken(&mut self, query: &str, mut broken: Vec<ObjectError>) -> anyhow::Result<()> {
        broken.retain(|cause| !self.torn.as_ref().is_some_and(|torn| torn.has_told(&cause.id())));
        announce::broken(self.report, &self.name, Some(query), broken).await
    }

    /// Answers `query`, a range without commits: with nothing.
    async fn tell_nothing(&mut self, query: &str, way_out: String) -> anyhow::Result<()> {
        while self.tell_next().await? {}
        self.found.get_or_insert(false);
        let message = format!("'{query}' names no commit: the range is empty");
        let trouble = Trouble { code: "nothing-found", message, hint: Some(way_out) };
        announce::warn_about(self.report, &self.name, query, &trouble).await
    }

    /// Keeps what was found out by diffs, so that the next time it needn't be.
    pub(super) async fn keep(&mut self) -> anyhow::Result<()> {
        let kept = std::mem::take(&mut self.kept);
        let Some(cache) = self.index.cache().filter(|_| !kept.is_empty()) else { return Ok(()) };
        if let Err(cause) = cache.keep_patches(kept, self.index.overlay.fingerprint()).await {
            announce::warn(self.report, &self.name, &self.index.unwritten(&cause)).await?;
        }
        Ok(())
    }
}

/// The way out where history is cut off.
const UNSHALLOW: &str = "git fetch --unshallow brings the rest of it";

/// Whether a worker panicked: what this program fails at costs no other query its answer.
fn is_own_fault(cause: &anyhow::Error) -> bool {
    matches!(cause.downcast_ref(), Some(JobError::Panicked(_)))
}

/// One answer, written in `format`: what `target` means, with what only resembles it.
pub(super) fn make(
    scope: &Scope,
    handle: &crate::git::Handle,
    query: &str,
    (target, alike): (&Target, &Alike),
    format: Format,
) -> anyhow::Result<Made> {
    let mut desk = Desk::new(scope, handle);
    let mut writing = format.answer();
    // What people see is made of all of it.
    let told = scope.options.told.as_deref().filter(|_| !matches!(format, Format::Human(_)));
    let is_told = |event: &Event<'_>| match event {
        Event::Commit(commit) => {
            Oid::from_hex(commit.id.as_bytes()).is_some_and(|id| told.is_some_and(|it| it.contains(&id)))
        }
        _ => false,
    };
    let mut tell = |event: &Event<'_>| {
        if !is_told(event) {
            writing.add(event);
        }
    };
    let outcome = answer::answer(&mut desk, query, (target, alike), &mut tell)?;
    let (bytes, counts) = writing.finish();
    Ok(Made { bytes, counts, outcome })
}
