//! One run: it has what is named asked about, each issue once, and what becomes known told. What is known of repositories is `places`', what
//! passes `upstream`'s, what came of it `account`'s; who asks is the `desk`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::Options;
use super::account::{self, Account};
use super::desk::{self, Ask, Desk};
use super::home::Place;
use super::named::{self, Named, Text};
use super::news::{News, Piece};
use super::places::Places;
use super::question::Sought;
use super::upstream::{Fault, Passed, Step, Upstream};
use crate::cache::state::State;
use crate::clock::Clock;
use crate::debug;
use crate::error::{Kind, message_of};
use crate::events::Event;
use crate::executor::{LocalExecutor, Task};
use crate::http::{self, Client};
use crate::report::{Ending, FailedPart, Strand};
use crate::shutdown::Token;
use crate::trackers::{Project, Release, Target, Tracker};

/// What a forge says of a project.
#[derive(Debug)]
pub(super) struct About {
    pub(super) tracker: Tracker,
    /// What it is called there.
    pub(super) key: String,
    pub(super) project: Project,
    pub(super) fetched_at: SystemTime,
}

/// What was met before is known by 128 bits of a digest, some forty bytes of memory: a stream may name millions of issues.
type Key = [u8; 16];

fn key(parts: [&str; 3]) -> Key {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize()[..16]);
    key
}

/// A run.
pub(super) struct Round<'r> {
    report: &'r mut Strand,
    executor: Rc<LocalExecutor<'static>>,
    desk: Desk,
    pub(super) news: News,
    places: Places,
    upstream: Upstream,
    account: Account,
    /// What was met, and what was asked about.
    seen: HashSet<Key>,
    asked: HashSet<Key>,
    strict: bool,
    is_typed: bool,
}

impl<'r> Round<'r> {
    pub(super) async fn begin(
        here: Arc<Place>,
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
        let rules = desk::Rules {
            per_host: settings.per_host,
            most: options.room.unwrap_or(desk::MOST),
            git_limit: here.git_limit,
        };
        let (desk, outcomes) = Desk::new(client, rules, token);
        let (places, looked_at) = Places::new(here);
        Self {
            report,
            executor: Rc::clone(executor),
            desk,
            news: News::new(outcomes, looked_at),
            places,
            upstream: Upstream::default(),
            account: Account::default(),
            seen: HashSet::new(),
            asked: HashSet::new(),
            strict: options.strict,
            is_typed: !options.references.is_empty(),
        }
    }

    /// Writes an event.
    pub(super) async fn event(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        Ok(self.report.event(event).await?)
    }

    /// What came of it so far.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Says what the trackers of a repository are, before anything of it is filed.
    pub(super) async fn know(&mut self, repo: String, dir: PathBuf) -> anyhow::Result<()> {
        self.places.know(repo, dir).await
    }

    /// Whether no more of the stream should come for now.
    pub(super) fn is_behind(&self) -> bool {
        self.places.is_behind()
    }

    /// The releases of a repository as far as they are kept.
    pub(super) async fn kept_releases(&self, repo: &str) -> Vec<Release> {
        let place = self.places.of(repo);
        match place.home.project() {
            Some((tracker, project)) => {
                let source = place.source_at(&tracker);
                self.desk.releases(tracker, project, source, Ask::Nobody).await.unwrap_or_default()
            }
            None => Vec::new(),
        }
    }

    /// Has the releases of a repository asked for, if it is known where.
    pub(super) fn ask_for_releases(&self, repo: &str) -> Option<Task<anyhow::Result<Vec<Release>>>> {
        let place = self.places.of(repo);
        let (tracker, project) = place.home.project()?;
        let (desk, source) = (self.desk.clone(), place.source_at(&tracker));
        Some(self.executor.spawn(async move { desk.releases(tracker, project, source, Ask::Server).await }))
    }

    /// Has the forges of a repository asked what they say of it.
    pub(super) fn ask_for_projects(&self, repo: &str) -> Vec<Task<anyhow::Result<Option<About>>>> {
        let place = self.places.of(repo);
        let ask = |(tracker, key): (Tracker, String)| {
            let (desk, source) = (self.desk.clone(), place.source_at(&tracker));
            self.executor.spawn(async move {
                let said = desk.project(&tracker, &key, source).await?;
                Ok(said.map(|(project, fetched_at)| About { tracker, key, project, fetched_at }))
            })
        };
        place.home.projects().into_iter().map(ask).collect()
    }

    /// Asks about what was looked for in `repos`, or where one stands if that is none, where it is an issue of a tracker that is known.
    pub(super) fn query(&mut self, query: &str, repos: &[String]) {
        let meant = |place: &Arc<Place>| named::meant(place, query).map(|meant| (Arc::clone(place), meant));
        let mut all: Vec<_> = repos.iter().filter_map(|repo| meant(self.places.of(repo))).collect();
        if all.is_empty() {
            all.extend(meant(self.places.here()));
        }
        for (place, (target, reference)) in all {
            self.ask(&place, target, None, reference);
        }
    }

    /// Asks about what was typed.
    pub(super) async fn typed(&mut self, typed: &str) -> anyhow::Result<()> {
        let here = Arc::clone(self.places.here());
        if let Some((target, reference)) = named::typed(&here, typed) {
            self.ask(&here, target, None, reference);
            return Ok(());
        }
        let message = format!("{typed} names no issue of a tracker that is known here");
        let hint =
            "bhfuil.tracker.<name>.type and url set a tracker; a bare number takes a repository that comes from one";
        let (query, hint) = (Some(typed), Some(hint));
        Ok(self.report.fail(FailedPart { id: None, query, kind: Kind::BadRevision, message: &message, hint }).await?)
    }

    /// Passes on whole lines, and puts into the queues what their commits name.
    pub(super) async fn pass(&mut self, lines: &[u8]) -> anyhow::Result<()> {
        let places = &self.places;
        let passed = self.upstream.pass(lines, self.report.format(), |repo| places.home(repo));
        let Passed { out, counts, steps, typed, faults } = passed;
        let counts: Vec<(&'static str, u64)> = counts.into_iter().collect();
        self.report.pass(out, &counts).await?;
        for fault in faults {
            self.fault(fault).await?;
        }
        for step in steps {
            match step {
                Step::Meet(repo, dir) => self.places.meet(repo, dir, &self.executor),
                Step::File(repo, named) => self.file(repo.as_deref(), named),
            }
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
        if !rest.is_empty() && (!rest.starts_with(b"{") || super::stream::Line::parse(rest).is_some()) {
            self.pass(&[rest, b"\n"].concat()).await?;
        }
        match self.upstream.is_over() {
            Some(fault) => self.fault(fault).await,
            None => Ok(()),
        }
    }

    /// Says what makes the stream less than it should be.
    async fn fault(&mut self, (kind, message): Fault) -> anyhow::Result<()> {
        Ok(self.report.fail(FailedPart { id: None, query: None, kind, message: &message, hint: None }).await?)
    }

    /// Asks about what a commit of `repo` names, now or as soon as the repository is known.
    pub(super) fn file(&mut self, repo: Option<&str>, named: Named) {
        if let Some((place, named)) = self.places.ready(repo, named) {
            self.ask_all(&place, repo, named);
        }
    }

    fn ask_all(&mut self, place: &Place, repo: Option<&str>, named: Named) {
        for issue in named.issues {
            let key = key([repo.unwrap_or_default(), issue.kind.as_str(), &issue.key]);
            if self.seen.contains(&key) {
                continue;
            }
            // What finds no room may find some when it is met again.
            let is_done = if let Some(target) = place.home.target(&issue) {
                self.ask(place, target, repo, (issue.kind.as_str(), issue.key))
            } else {
                self.account.knows_no_tracker(&issue);
                true
            };
            if is_done {
                self.seen.insert(key);
            }
        }
        if let Some(id) = named.change_id
            && let Some(target) = place.home.change(&id)
        {
            self.ask(place, target, repo, ("change-id", id));
        }
        let found = match named.text {
            Text::Unread(message) => place.home.in_message(&message),
            Text::Found(found) => found,
        };
        for (target, text) in found {
            self.ask(place, target, repo, ("pattern", text));
        }
    }

    /// Asks about an issue, unless that was done; `false` if there is no room for it.
    fn ask(&mut self, place: &Place, target: Target, repo: Option<&str>, reference: (&'static str, String)) -> bool {
        let key = key([target.tracker.software.word(), &target.tracker.base, &target.local]);
        if self.asked.contains(&key) {
            return true;
        }
        let source = place.source(&target);
        let sought = Sought { target, source, repo: repo.map(Into::into), reference: Some(reference) };
        let has_room = self.desk.ask(sought, &self.executor);
        if has_room {
            self.asked.insert(key);
        } else {
            self.account.has_left_out();
        }
        has_room
    }

    /// Tells what has become known, without waiting for more.
    pub(super) async fn tell_news(&mut self) -> anyhow::Result<()> {
        while let Some(piece) = self.news.take() {
            match piece {
                Piece::Outcome(outcome) => {
                    self.account.take(&outcome);
                    self.report.event(&Event::Issue(account::issue(&outcome))).await?;
                }
                Piece::Placed((repo, read)) => {
                    if let Err(cause) = &read {
                        self.report.warn(account::warning("settings", message_of(cause))).await?;
                    }
                    let (place, waiting) = self.places.take_in(&repo, read.ok());
                    for named in waiting {
                        self.ask_all(&place, Some(&repo), named);
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for what is still open, and says what went wrong.
    pub(super) async fn finish(&mut self) -> anyhow::Result<Ending> {
        self.tell_news().await?;
        while self.desk.open() > 0 || self.places.is_looking() {
            self.news.wait().await;
            self.tell_news().await?;
        }
        self.tell_news().await?;
        for warning in self.account.failures() {
            self.report.warn(warning).await?;
        }
        if self.strict && self.account.has_failed() {
            self.report.mark_partial();
        }
        for warning in self.account.remarks(self.desk.most()) {
            self.report.warn(warning).await?;
        }
        let negative = self.is_typed && self.account.is_negative();
        Ok(Ending { negative, ..self.upstream.ending() })
    }
}
