//! The desk where issues are asked about: a queue for each server, and a few who work at it.
//!
//! Nobody who puts something into a queue waits, for a stream must not be as slow as the slowest server: so the queues are bounded together
//! ([`MOST`]), and what doesn't find room is left out, which is told. Where there is a login for a GitHub, what waits is asked for together.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use async_channel::{Receiver, Sender};

use super::login::{Logins, Source};
use super::question::{Outcome, Sought, not_found, note_of, read, request};
use crate::error::Kind;
use crate::executor::LocalExecutor;
use crate::http::{Answer, Client, Login, Refusal, Request};
use crate::shutdown::Token;
use crate::trackers::github::{self, Batch, Part};
use crate::trackers::{Project, Release, Software, Tracker, host};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The server, unless what is kept is fresh.
    Server,
    /// Nobody: what is kept is enough.
    Nobody,
}

/// Issues that wait in all queues together, some 400 bytes each (measured, with what tells that one was met before: a hundred thousand
/// CVEs, or issues of GitHub, make the process 40 MB larger). At the usual ten requests a second a server works at as many for nearly
/// three hours.
pub const MOST: usize = 100_000;

/// Outcomes that wait to be told; then nothing more is asked.
const UNTOLD: usize = 64;

/// Pages of releases that are asked for.
const MOST_PAGES: u32 = 10;

/// How a desk works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Issues that one server is asked about at a time.
    pub(super) per_host: usize,
    /// Issues that may wait.
    pub(super) most: usize,
    /// How long git's credential helpers may take.
    pub(super) git_limit: Duration,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Sought>,
    workers: usize,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    logins: Logins,
    per_host: usize,
    queues: RefCell<HashMap<String, Queue>>,
    /// Trackers of which it was noted by what login their answers are kept.
    noted: RefCell<HashSet<Tracker>>,
    /// Issues that may wait in them, and those that do.
    most: usize,
    waiting: Cell<usize>,
    /// Issues of which nothing has come yet.
    open: Cell<usize>,
    told: Sender<Outcome>,
}

/// The desk. Its workers live in the executor, and end with it.
#[derive(Debug, Clone)]
pub(super) struct Desk(Rc<Inner>);

impl Desk {
    /// A desk of these rules, whose outcomes come out of the channel.
    pub(super) fn new(client: Client, rules: Rules, token: &Token) -> (Self, Receiver<Outcome>) {
        let (told, outcomes) = async_channel::bounded(UNTOLD);
        let inner = Inner {
            client,
            logins: Logins::new(token.clone(), rules.git_limit),
            per_host: rules.per_host.max(1),
            queues: RefCell::default(),
            noted: RefCell::default(),
            most: rules.most,
            waiting: Cell::new(0),
            open: Cell::new(0),
            told,
        };
        (Self(Rc::new(inner)), outcomes)
    }

    /// Issues that may wait.
    pub(super) fn most(&self) -> usize {
        self.0.most
    }

    /// Issues of which nothing has come yet.
    pub(super) fn open(&self) -> usize {
        self.0.open.get()
    }

    /// The releases of `project`, the newest first, at most a thousand.
    ///
    /// # Errors
    /// If the server can't be asked, or says nothing of releases.
    pub(super) async fn releases(
        &self,
        tracker: Tracker,
        project: String,
        source: Option<Source>,
        ask: Ask,
    ) -> anyhow::Result<Vec<Release>> {
        let login = match &source {
            Some(source) => Some(self.0.logins.of(&tracker, source).await?),
            None => None,
        };
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let Some(asked) = tracker.releases(&project, page) else { break };
            let request = Request::get(&asked.url)?.with("accept", asked.accept).by(login.clone());
            let answer = match ask {
                Ask::Server => Some(self.0.client.send(&request).await?),
                Ask::Nobody => self.0.client.kept_at_all(&request).await,
            };
            let Some(answer) = answer.filter(Answer::is_found) else { break };
            let (mut releases, has_more) = tracker.read_releases(&answer.body)?;
            all.append(&mut releases);
            if !has_more {
                break;
            }
        }
        Ok(all)
    }

    /// What the forge says of `project`, and when it did; `None` if it says that there is none, or can't say anything of the kind.
    ///
    /// # Errors
    /// If the server can't be asked, or says nothing of a project.
    pub(super) async fn project(
        &self,
        tracker: &Tracker,
        project: &str,
        source: Option<Source>,
    ) -> anyhow::Result<Option<(Project, SystemTime)>> {
        let Some(asked) = tracker.project(project) else { return Ok(None) };
        let login = match &source {
            Some(source) => Some(self.0.logins.of(tracker, source).await?),
            None => None,
        };
        let request = Request::get(&asked.url)?.with("accept", asked.accept).by(login);
        let answer = self.0.client.send(&request).await?;
        if !answer.is_found() {
            return Ok(None);
        }
        Ok(Some((tracker.read_project(&answer.body)?, answer.fetched_at)))
    }

    /// Puts an issue into the queue of its server; an outcome will follow. `false` if there is no room for it.
    pub(super) fn ask(&self, sought: Sought, executor: &LocalExecutor<'static>) -> bool {
        if self.0.waiting.get() >= self.0.most {
            return false;
        }
        self.0.waiting.set(self.0.waiting.get() + 1);
        self.0.open.set(self.0.open.get() + 1);
        let server = host(&sought.target.tracker.base).to_owned();
        let needs_worker = {
            let mut queues = self.0.queues.borrow_mut();
            let queue = queues.entry(server.clone()).or_default();
            queue.waiting.push_back(sought);
            let needs_worker = queue.workers < self.0.per_host;
            queue.workers += usize::from(needs_worker);
            needs_worker
        };
        if needs_worker {
            let inner = Rc::clone(&self.0);
            // The executor owns it: dropped, it takes along who still works.
            executor.spawn(async move { inner.work(&server).await }).detach();
        }
        true
    }
}

impl Inner {
    /// Works at the queue of `server` until it is empty.
    async fn work(&self, server: &str) {
        loop {
            let batch = {
                let mut queues = self.queues.borrow_mut();
                let Some(queue) = queues.get_mut(server) else { return };
                let batch = next(&mut queue.waiting);
                if batch.is_empty() {
                    queue.workers -= 1;
                    return;
                }
                batch
            };
            self.waiting.set(self.waiting.get() - batch.len());
            for outcome in self.ask(batch).await {
                // Whoever listens no more needs no news.
                let _ = self.told.send(outcome).await;
                self.open.set(self.open.get() - 1);
            }
        }
    }

    /// Asks about issues that have tracker and login in common.
    async fn ask(&self, batch: Vec<Sought>) -> Vec<Outcome> {
        let Some(first) = batch.first() else { return Vec::new() };
        let login = match &first.source {
            Some(source) => match self.logins.of(&first.target.tracker, source).await {
                Ok(login) => {
                    self.note(&first.target.tracker, source, &login).await;
                    Some(login)
                }
                Err(cause) => return all_failed(batch, &Refusal::of(&cause)),
            },
            None => None,
        };
        let mut outcomes = Vec::new();
        let mut rest = Vec::new();
        let is_single = batch.len() == 1;
        for sought in batch {
            let Some(request) = request(&sought.target, login.clone()) else {
                let trouble = not_found(&sought.target);
                outcomes.push(Outcome::failed(sought, trouble));
                continue;
            };
            match self.client.kept(&request).await.filter(|_| !is_single) {
                Some(answer) => outcomes.push(read(sought, answer)),
                None => rest.push((sought, request)),
            }
        }
        if rest.len() > 1 {
            outcomes.extend(self.ask_together(rest, login.as_ref()).await);
        } else if let Some((sought, request)) = rest.pop() {
            outcomes.push(self.ask_one(sought, &request).await);
        }
        outcomes
    }

    /// Notes by what login the answers of `tracker` are kept, where that can't be known without asking git's helpers.
    async fn note(&self, tracker: &Tracker, source: &Source, login: &Login) {
        let is_new = *source == Source::Git && self.noted.borrow_mut().insert(tracker.clone());
        if let Some(request) = is_new.then(|| note_of(tracker)).flatten() {
            self.client.keep(&request, 200, login.name.as_bytes()).await;
        }
    }

    async fn ask_one(&self, sought: Sought, request: &Request) -> Outcome {
        let answer = self.client.send(request).await;
        self.judge_login(&sought, answer.as_ref().err()).await;
        match answer {
            Ok(answer) => {
                let outcome = read(sought, answer);
                if outcome.trouble.as_ref().is_some_and(|trouble| trouble.kind == Kind::BadAnswer) {
                    // It may be a page that asks to log in, or comes while a server is being mended.
                    self.client.forget(request).await;
                }
                outcome
            }
            Err(cause) => Outcome::failed(sought, Refusal::of(&cause)),
        }
    }

    async fn ask_together(&self, batch: Vec<(Sought, Request)>, login: Option<&Login>) -> Vec<Outcome> {
        let keys: Vec<&str> = batch.iter().map(|(sought, _)| sought.target.local.as_str()).collect();
        let base = batch[0].0.target.tracker.base.clone();
        let (url, body) = github::batch(&base, &keys);
        let asked = async {
            let request = Request::post(&url, body)?.with("accept", "application/json").by(login.cloned());
            let answer = self.client.send(&request).await;
            // What is kept is kept of each alone.
            self.client.forget(&request).await;
            answer
        };
        let answer = asked.await;
        self.judge_login(&batch[0].0, answer.as_ref().err()).await;
        let refused = |kind: Kind, why: &str| Refusal::of(&kind.error(format!("{} {why}", host(&base))));
        let nothing = || refused(Kind::BadAnswer, "has answered what says nothing of issues");
        let (parts, fetched_at) = match answer {
            Ok(answer) => match github::parts(&answer.body, batch.len()) {
                Batch::Parts(parts) => (parts, answer.fetched_at),
                Batch::Limited => {
                    let limited = refused(Kind::RateLimited, "wants to be asked less often");
                    return self.without_server(batch, &limited).await;
                }
                Batch::Nothing => {
                    return failed(batch, &nothing());
                }
            },
            Err(cause) => return self.without_server(batch, &Refusal::of(&cause)).await,
        };
        let mut outcomes = Vec::with_capacity(batch.len());
        for ((sought, request), part) in batch.into_iter().zip(parts) {
            let (status, body) = match part {
                Part::Told(body) => (200, body),
                Part::Missing => (404, Vec::new()),
                Part::Failed => {
                    outcomes.push(Outcome::failed(sought, nothing()));
                    continue;
                }
            };
            self.client.keep(&request, status, &body).await;
            let answer = Answer { status, body: body.into(), cached: false, stale: false, fetched_at, trouble: None };
            outcomes.push(read(sought, answer));
        }
        outcomes
    }

    /// Of each what is kept, if anything is, where the server can't be asked.
    async fn without_server(&self, batch: Vec<(Sought, Request)>, trouble: &Refusal) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for (sought, request) in batch {
            let kept = if trouble.is_outage() { self.client.kept_at_all(&request).await } else { None };
            outcomes.push(match kept {
                Some(answer) => read(sought, Answer { trouble: Some(trouble.clone()), ..answer }),
                None => Outcome::failed(sought, trouble.clone()),
            });
        }
        outcomes
    }

    async fn judge_login(&self, sought: &Sought, error: Option<&anyhow::Error>) {
        let Some(source) = &sought.source else { return };
        match error.map(crate::error::kind_of) {
            None => self.logins.was(true, &sought.target.tracker, source).await,
            Some(Kind::Authentication) => self.logins.was(false, &sought.target.tracker, source).await,
            Some(_) => {}
        }
    }
}

/// The next that can be asked about together: one, or of a GitHub with a login as many as wait in a row.
fn next(waiting: &mut VecDeque<Sought>) -> Vec<Sought> {
    let Some(first) = waiting.pop_front() else { return Vec::new() };
    let joins = |sought: &Sought| {
        sought.source.is_some()
            && sought.target.tracker.software == Software::Github
            && github::is_batched(&sought.target.local)
    };
    let mut batch = vec![first];
    while batch.len() < github::BATCH
        && joins(&batch[0])
        && let Some(next) = waiting.pop_front_if(|next| {
            joins(next) && next.target.tracker == batch[0].target.tracker && next.source == batch[0].source
        })
    {
        batch.push(next);
    }
    batch
}

fn failed(batch: Vec<(Sought, Request)>, trouble: &Refusal) -> Vec<Outcome> {
    all_failed(batch.into_iter().map(|(sought, _)| sought), trouble)
}

fn all_failed(batch: impl IntoIterator<Item = Sought>, trouble: &Refusal) -> Vec<Outcome> {
    batch.into_iter().map(|sought| Outcome::failed(sought, trouble.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::http::Settings;
    use crate::trackers::Target;

    fn rules(per_host: usize, most: usize) -> Rules {
        Rules { per_host, most, git_limit: Duration::from_mins(1) }
    }

    fn sought(number: usize) -> Sought {
        let tracker = Tracker { software: Software::Osv, base: "https://osv.example".into() };
        let target = Target { tracker, local: format!("CVE-2024-{number}") };
        Sought { target, source: None, repo: None, reference: None }
    }

    #[test]
    fn what_finds_no_room_is_left_out_until_there_is_some() {
        let (executor, token) = (LocalExecutor::new(), Token::new());
        let settings = Settings { offline: true, ..Settings::default() };
        let client = Client::new(settings, None, Clock::Real, token.clone());
        let (desk, outcomes) = Desk::new(client, rules(2, 3), &token);
        let fits: Vec<bool> = (0..5).map(|number| desk.ask(sought(number), &executor)).collect();
        assert_eq!((fits, desk.open()), (vec![true, true, true, false, false], 3));
        let all = smol::block_on(executor.run(async {
            let mut all = Vec::new();
            while desk.open() > 0 {
                all.extend(outcomes.recv().await.map(|outcome| outcome.sought.target.local));
            }
            while let Ok(outcome) = outcomes.try_recv() {
                all.push(outcome.sought.target.local);
            }
            all
        }));
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(desk.ask(sought(4), &executor), "there is room again");
    }

    #[test]
    fn outcomes_that_nobody_takes_stop_the_asking() {
        let (executor, token) = (LocalExecutor::new(), Token::new());
        let settings = Settings { offline: true, ..Settings::default() };
        let client = Client::new(settings, None, Clock::Real, token.clone());
        let (desk, outcomes) = Desk::new(client, rules(1, 10 * UNTOLD), &token);
        assert!((0..10 * UNTOLD).all(|number| desk.ask(sought(number), &executor)));
        while executor.try_tick() {}
        assert_eq!((outcomes.len(), desk.open()), (UNTOLD, 9 * UNTOLD));
    }
}
