//! One run: what passes, what is asked, what is told.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_channel::{Receiver, Sender};
use smol::LocalExecutor;

use super::Options;
use super::desk::{Ask, Desk, Outcome, Sought};
use super::home::Place;
use super::stream::Line;
use crate::cache::state::State;
use crate::clock::Clock;
use crate::debug;
use crate::describe::rfc3339;
use crate::error::{Kind, message_of};
use crate::events::commit::IssueRef as WireRef;
use crate::events::{Event, Issue, Warning};
use crate::facts::issues::{IssueKind, IssueRef};
use crate::http::{self, Client, Refusal};
use crate::locate::query::Query;
use crate::report::{Ending, FailedPart, Format, Strand, counted_type};
use crate::shutdown::Token;
use crate::trackers::{Found, Release, Target, host};

/// References that no tracker is known of, of which people are shown some.
const EXAMPLES: usize = 3;

/// What one commit names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) issues: Vec<IssueRef>,
    pub(super) change_id: Option<String>,
    /// The whole message, where patterns may find more in it.
    pub(super) message: Option<String>,
}

/// A repository of the stream.
#[derive(Debug)]
enum Known {
    /// It is being looked at; what its commits name meanwhile.
    Soon(Vec<Named>),
    Now(Rc<Place>),
}

type Placed = (String, anyhow::Result<Rc<Place>>);

/// What becomes known beside the stream.
#[derive(Debug)]
pub(super) struct News {
    outcomes: Receiver<Outcome>,
    placed: Receiver<Placed>,
    /// What was waited for and not taken yet.
    first: std::cell::RefCell<Option<Piece>>,
}

#[derive(Debug)]
enum Piece {
    Outcome(Box<Outcome>),
    Placed(Placed),
}

impl News {
    /// Waits until there is some.
    pub(super) async fn wait(&self) {
        if self.first.borrow().is_none() {
            let outcome = async { self.outcomes.recv().await.map(|outcome| Piece::Outcome(Box::new(outcome))) };
            let placed = async { self.placed.recv().await.map(Piece::Placed) };
            match smol::future::or(outcome, placed).await {
                Ok(piece) => *self.first.borrow_mut() = Some(piece),
                // Both ends are here as long as this is.
                Err(_) => std::future::pending().await,
            }
        }
    }

    fn take(&self) -> Option<Piece> {
        let outcome = || self.outcomes.try_recv().ok().map(|outcome| Piece::Outcome(Box::new(outcome)));
        self.first.borrow_mut().take().or_else(|| self.placed.try_recv().ok().map(Piece::Placed)).or_else(outcome)
    }
}

/// What was told of servers that failed: by server and cause, what was said first, and how often.
type Troubles = BTreeMap<(String, &'static str), (Refusal, u64)>;

/// A run.
pub(super) struct Round<'r> {
    report: &'r mut Strand,
    executor: Rc<LocalExecutor<'static>>,
    here: Rc<Place>,
    desk: Desk,
    pub(super) news: News,
    place: Sender<Placed>,
    places: HashMap<String, Known>,
    seen: HashSet<(Option<String>, IssueKind, String)>,
    asked: HashSet<Target>,
    troubles: Troubles,
    /// What of these was told.
    failures: Vec<String>,
    /// What no tracker is known of: how much, and some of it.
    unknown: (u64, Vec<String>),
    strict: bool,
    is_typed: bool,
    found: u64,
    upstream: Upstream,
}

/// What the run whose stream is read has said of itself.
#[derive(Debug, Default)]
struct Upstream {
    is_stream: bool,
    end: Option<UpstreamEnd>,
    /// Whether it was said that a line is no event.
    has_bad_line: bool,
}

#[derive(Debug)]
struct UpstreamEnd {
    is_complete: bool,
    cursor: Option<String>,
}

impl<'r> Round<'r> {
    pub(super) async fn begin(
        here: Rc<Place>,
        options: &Options,
        report: &'r mut Strand,
        executor: &Rc<LocalExecutor<'static>>,
        token: &Token,
    ) -> Self {
        let settings = http::Settings { offline: options.offline, ..here.http };
        let state = match options.cache_folder.clone() {
            Some(folder) => smol::unblock(move || State::open(&folder)).await.map(|(state, _)| Arc::new(state)),
            None => Err(Kind::Cache.error("there is no folder for caches")),
        };
        let state = state.inspect_err(|cause| debug::warn("enrich", || format!("no answer is kept: {cause:#}"))).ok();
        let client = Client::new(settings, state, Clock::Real, token.clone());
        let (desk, outcomes) = Desk::new(client, settings.per_host, token);
        let (place, placed) = async_channel::bounded(16);
        Self {
            report,
            executor: Rc::clone(executor),
            here,
            desk,
            news: News { outcomes, placed, first: std::cell::RefCell::default() },
            place,
            places: HashMap::new(),
            seen: HashSet::new(),
            asked: HashSet::new(),
            troubles: Troubles::new(),
            failures: Vec::new(),
            unknown: (0, Vec::new()),
            strict: options.strict,
            is_typed: !options.references.is_empty(),
            found: 0,
            upstream: Upstream::default(),
        }
    }

    /// Asks about a query of a local answer, if it is an issue of a tracker that is known.
    pub(super) fn query(&mut self, query: &str) {
        let here = Rc::clone(&self.here);
        let (target, reference) = match Query::parse(query, &here.patterns) {
            Query::Issue(issue) => (here.home.target(&issue), (issue.kind.as_str().to_owned(), issue.key)),
            Query::ChangeId(id) => (here.home.change(&id), ("change-id".to_owned(), id)),
            Query::Name(_) | Query::Words(_) => return,
        };
        if let Some(target) = target {
            self.ask(&here, target, None, Some(reference));
        }
    }

    /// Writes an event.
    pub(super) async fn event(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        Ok(self.report.event(event).await?)
    }

    /// Issues that were found.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    /// What went wrong, in words, once the run is finished.
    pub(super) fn failures(&mut self) -> Vec<String> {
        std::mem::take(&mut self.failures)
    }

    /// What is known of a repository.
    fn known(&self, repo: &str) -> Rc<Place> {
        match self.places.get(repo) {
            Some(Known::Now(place)) => Rc::clone(place),
            _ => Rc::clone(&self.here),
        }
    }

    /// The releases of a repository as far as they are kept.
    pub(super) async fn kept_releases(&self, repo: &str) -> Vec<Release> {
        let place = self.known(repo);
        match place.home.project() {
            Some((tracker, project)) => {
                let source = place.source_at(&tracker);
                self.desk.releases(tracker, project, source, Ask::Nobody).await.unwrap_or_default()
            }
            None => Vec::new(),
        }
    }

    /// Has the releases of a repository asked for, if it is known where.
    pub(super) fn ask_for_releases(&self, repo: &str) -> Option<smol::Task<anyhow::Result<Vec<Release>>>> {
        let place = self.known(repo);
        let (tracker, project) = place.home.project()?;
        let (desk, source) = (self.desk.clone(), place.source_at(&tracker));
        Some(self.executor.spawn(async move { desk.releases(tracker, project, source, Ask::Server).await }))
    }

    /// Says what the trackers of a repository are, before anything of it is filed.
    pub(super) async fn know(&mut self, repo: String, dir: PathBuf) -> anyhow::Result<()> {
        let place = Place::read(dir, Some(repo.clone())).await?;
        self.places.insert(repo, Known::Now(place));
        Ok(())
    }

    /// Asks about what was typed.
    pub(super) async fn typed(&mut self, typed: &str) -> anyhow::Result<()> {
        let here = Rc::clone(&self.here);
        let (target, reference) = match Query::parse(typed, &here.patterns) {
            Query::Issue(issue) => (here.home.target(&issue), Some((issue.kind.as_str().to_owned(), issue.key))),
            Query::ChangeId(id) => (here.home.change(&id), Some(("change-id".to_owned(), id))),
            Query::Name(name) => {
                let jira = IssueRef { kind: IssueKind::Jira, key: name };
                (
                    here.home.target(&jira).filter(|target| target.ask(false).is_some()),
                    Some(("jira".to_owned(), jira.key)),
                )
            }
            Query::Words(_) => (None, None),
        };
        let by_pattern = || here.home.in_message(typed).into_iter().next().map(|(target, _)| target);
        let Some(target) = target.or_else(by_pattern) else {
            let message = format!("{typed} names no issue of a tracker that is known here");
            let hint = "bhfuil.tracker.<name>.type and url set a tracker; a bare number takes a repository that comes from one";
            let part = FailedPart {
                id: None,
                query: Some(typed),
                kind: Kind::BadRevision,
                message: &message,
                hint: Some(hint),
            };
            return Ok(self.report.fail(part).await?);
        };
        self.ask(&here, target, None, reference);
        Ok(())
    }

    /// Passes on whole lines, and puts into the queues what their commits name.
    pub(super) async fn pass(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        let format = self.report.format();
        let (mut out, mut counts) = (Vec::with_capacity(lines.len()), BTreeMap::new());
        let (mut named, mut typed, mut faults) = (Vec::new(), Vec::new(), Vec::<(Kind, String)>::new());
        for whole in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = whole.trim_ascii();
            if !line.starts_with(b"{") {
                typed.extend((!line.is_empty()).then(|| String::from_utf8_lossy(line).into_owned()));
                continue;
            }
            let Some(event) = Line::parse(line) else {
                if !std::mem::replace(&mut self.upstream.has_bad_line, true) {
                    let shown: String = String::from_utf8_lossy(line).chars().take(80).collect();
                    let message = format!("a line on standard input begins as an event and is none: {shown}");
                    faults.push((Kind::BadValue, message));
                }
                out.extend_from_slice(whole);
                continue;
            };
            self.upstream.is_stream = true;
            match &*event.kind {
                "begin" => continue,
                "end" => {
                    faults.extend(self.end_of_upstream(&event));
                    continue;
                }
                "repo" => self.meet(&event),
                "commit" => named.push((event.repo.as_deref().map(str::to_owned), self.names(&event))),
                _ => {}
            }
            show(format, line, whole, &mut out);
            if let Some(name) = counted_type(&event.kind) {
                *counts.entry(name).or_default() += 1;
            }
        }
        let counts: Vec<(&'static str, u64)> = counts.into_iter().collect();
        self.report.pass(out, &counts).await?;
        for (kind, message) in faults {
            self.fault(kind, &message).await?;
        }
        for (repo, named) in named {
            self.file(repo.as_deref(), named);
        }
        for typed in typed {
            self.typed(&typed).await?;
        }
        self.tell_news().await
    }

    /// The end of standard input, and what stood before it.
    pub(super) async fn end_of_input(&mut self, rest: &[u8]) -> anyhow::Result<()> {
        let rest = rest.trim_ascii();
        // Half a line would spoil what we add.
        if !rest.is_empty() && (!rest.starts_with(b"{") || Line::parse(rest).is_some()) {
            self.pass(&[rest, b"\n"].concat()).await?;
        }
        if self.upstream.is_stream && self.upstream.end.is_none() {
            self.fault(Kind::Io, "the stream on standard input has no `end`: it was cut off").await?;
        }
        Ok(())
    }

    /// Keeps what the other run says of its end; what is wrong with it.
    fn end_of_upstream(&mut self, event: &Line<'_>) -> Option<(Kind, String)> {
        let cursor = event.cursor.as_deref().map(str::to_owned);
        self.upstream.end = Some(UpstreamEnd { is_complete: event.complete != Some(false), cursor });
        let status = event.status.as_deref().filter(|status| *status != "ok")?;
        Some((Kind::Io, format!("the run whose stream is on standard input has ended as {status}")))
    }

    /// Says what makes the stream less than it should be.
    async fn fault(&mut self, kind: Kind, message: &str) -> anyhow::Result<()> {
        Ok(self.report.fail(FailedPart { id: None, query: None, kind, message, hint: None }).await?)
    }

    /// Has a repository looked at that the stream is about.
    fn meet(&mut self, event: &Line<'_>) {
        let (Some(repo), Some(dir)) = (event.repo.as_deref(), event.git_dir.as_deref()) else { return };
        if self.places.contains_key(repo) {
            return;
        }
        self.places.insert(repo.to_owned(), Known::Soon(Vec::new()));
        let (repo, dir, place) = (repo.to_owned(), PathBuf::from(dir), self.place.clone());
        let look = async move {
            let read = Place::read(dir, Some(repo.clone())).await;
            // Whoever listens no more needs no news.
            let _ = place.send((repo, read)).await;
        };
        // The executor owns it, and ends before the run does.
        self.executor.spawn(look).detach();
    }

    /// What a commit names.
    fn names(&self, event: &Line<'_>) -> Named {
        let wants_message = match event.repo.as_deref().and_then(|repo| self.places.get(repo)) {
            Some(Known::Now(place)) => place.home.has_patterns(),
            Some(Known::Soon(_)) => true,
            None => self.here.home.has_patterns(),
        };
        let text = |part: &Option<Cow<'_, str>>| part.as_deref().unwrap_or_default().to_owned();
        Named {
            issues: event.issues().collect(),
            change_id: event.change_id.as_deref().map(str::to_owned),
            message: wants_message.then(|| format!("{}\n\n{}", text(&event.subject), text(&event.body))),
        }
    }

    /// Asks about what a commit of `repo` names, now or as soon as the repository is known.
    pub(super) fn file(&mut self, repo: Option<&str>, named: Named) {
        let place = match repo.and_then(|repo| self.places.get_mut(repo)) {
            Some(Known::Soon(waiting)) => return waiting.push(named),
            Some(Known::Now(place)) => Rc::clone(place),
            None => Rc::clone(&self.here),
        };
        self.ask_all(&place, repo, named);
    }

    fn ask_all(&mut self, place: &Rc<Place>, repo: Option<&str>, named: Named) {
        for issue in named.issues {
            let is_new = self.seen.insert((repo.map(str::to_owned), issue.kind, issue.key.clone()));
            if !is_new {
                continue;
            }
            if let Some(target) = place.home.target(&issue) {
                self.ask(place, target, repo, Some((issue.kind.as_str().to_owned(), issue.key)));
                continue;
            }
            self.unknown.0 += 1;
            if self.unknown.1.len() < EXAMPLES {
                self.unknown.1.push(format!("{} {}", issue.kind.as_str(), issue.key));
            }
        }
        if let Some(id) = named.change_id
            && let Some(target) = place.home.change(&id)
        {
            self.ask(place, target, repo, Some(("change-id".to_owned(), id)));
        }
        for (target, text) in named.message.iter().flat_map(|message| place.home.in_message(message)) {
            self.ask(place, target, repo, Some(("pattern".to_owned(), text)));
        }
    }

    fn ask(&mut self, place: &Place, target: Target, repo: Option<&str>, reference: Option<(String, String)>) {
        if self.asked.insert(target.clone()) {
            let source = place.source(&target);
            let sought = Sought { target, source, repo: repo.map(str::to_owned), reference };
            self.desk.ask(sought, &self.executor);
        }
    }

    /// Tells what has become known, without waiting for more.
    pub(super) async fn tell_news(&mut self) -> anyhow::Result<()> {
        while let Some(piece) = self.news.take() {
            self.hear(piece).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, piece: Piece) -> anyhow::Result<()> {
        match piece {
            Piece::Outcome(outcome) => self.tell(&outcome).await,
            Piece::Placed((repo, read)) => {
                let place = match read {
                    Ok(place) => place,
                    Err(cause) => {
                        // What holds where one stands is better than nothing.
                        self.warn_once("settings", &message_of(&cause)).await?;
                        Rc::clone(&self.here)
                    }
                };
                let before = self.places.insert(repo.clone(), Known::Now(Rc::clone(&place)));
                if let Some(Known::Soon(waiting)) = before {
                    for named in waiting {
                        self.ask_all(&place, Some(&repo), named);
                    }
                }
                Ok(())
            }
        }
    }

    async fn warn_once(&mut self, code: &str, message: &str) -> anyhow::Result<()> {
        let warning = Warning {
            repo: None,
            id: None,
            query: None,
            code: code.into(),
            message: message.into(),
            hint: None,
            count: 1,
        };
        Ok(self.report.warn(warning).await?)
    }

    /// An `issue` line, and what went wrong kept for the end.
    async fn tell(&mut self, outcome: &Outcome) -> anyhow::Result<()> {
        let Outcome { sought, found, cached, stale, fetched_at, trouble } = outcome;
        if let Some(trouble) = trouble {
            let server = host(&sought.target.tracker.base).to_owned();
            let entry = self.troubles.entry((server, trouble.kind.code())).or_insert_with(|| (trouble.clone(), 0));
            entry.1 += 1;
        }
        self.found += u64::from(found.is_some());
        let fetched = fetched_at.and_then(|at| rfc3339(at.duration_since(UNIX_EPOCH).ok()?.as_secs()));
        let Found { state, title, url } = found.clone().unwrap_or_default();
        let event = Issue {
            tracker: sought.target.tracker.software.word().into(),
            key: sought.target.key().into(),
            state: state.map(Cow::Owned),
            title: title.map(Cow::Owned),
            url: url.map(Cow::Owned),
            cached: *cached,
            stale: *stale,
            fetched_at: fetched.map(Cow::Owned),
            repo: sought.repo.as_deref().map(Cow::Borrowed),
            reference: sought
                .reference
                .as_ref()
                .map(|(kind, key)| WireRef { kind: kind.as_str().into(), key: key.as_str().into() }),
        };
        Ok(self.report.event(&Event::Issue(event)).await?)
    }

    /// Waits for what is still open, and says what went wrong.
    pub(super) async fn finish(&mut self) -> anyhow::Result<Ending> {
        self.tell_news().await?;
        while self.desk.open() > 0 || self.places.values().any(|place| matches!(place, Known::Soon(_))) {
            self.news.wait().await;
            self.tell_news().await?;
        }
        self.tell_news().await?;
        let only_negative = self.troubles.keys().all(|(_, code)| *code == Kind::RemoteNotFound.code());
        let troubles = std::mem::take(&mut self.troubles);
        let has_failed = !troubles.is_empty();
        for ((_, code), (refusal, count)) in troubles {
            let more = if count > 1 { format!(" ({count} times)") } else { String::new() };
            let warning = Warning {
                repo: None,
                id: None,
                query: None,
                code: code.into(),
                message: format!("{}{more}", refusal.message).into(),
                hint: refusal.hint.map(Cow::Owned),
                count,
            };
            self.failures.push(warning.message.to_string());
            self.report.warn(warning).await?;
        }
        if self.strict && has_failed {
            self.report.mark_partial();
        }
        self.tell_unknown().await?;
        let negative = self.is_typed && self.found == 0 && only_negative;
        let end = self.upstream.end.take();
        let incomplete = end.as_ref().is_some_and(|end| !end.is_complete);
        Ok(Ending { cursor: end.and_then(|end| end.cursor), incomplete, negative, ..Ending::default() })
    }

    async fn tell_unknown(&mut self) -> anyhow::Result<()> {
        let (count, examples) = std::mem::take(&mut self.unknown);
        if count == 0 {
            return Ok(());
        }
        let more = if count > examples.len() as u64 { " and others" } else { "" };
        let message = format!("no tracker is known of {}{more}", examples.join(", "));
        let warning = Warning {
            repo: None,
            id: None,
            query: None,
            code: "no-tracker".into(),
            message: message.into(),
            hint: Some("bhfuil.tracker.<name>.type and url set one".into()),
            count,
        };
        Ok(self.report.warn(warning).await?)
    }
}

/// Appends a line of the stream in `format`: unchanged for programs.
fn show(format: Format, line: &[u8], whole: &[u8], out: &mut Vec<u8>) {
    match format {
        Format::Jsonl => {
            out.extend_from_slice(whole);
        }
        Format::Template { .. } => {
            if let Ok(event) = serde_json::from_slice(line) {
                format.write_passing(&event, out);
            }
        }
        Format::Human(_) => {
            if let Ok(event) = serde_json::from_slice::<Event<'_>>(line) {
                format.write(&event, out);
            }
        }
    }
}
