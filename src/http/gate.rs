//! What stands before each server: its breaker, its pace, and how many may ask at a time. A middleware of surf.
//!
//! Owns the waiting for one's turn, the time limits of one attempt, and reading an answer to its end, up to a bound: only then the next may
//! go. What is learnt of a server that isn't well is kept, so that the next run knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use smol::io::AsyncReadExt as _;
use smol::lock::Semaphore;
use surf::middleware::{Middleware, Next};
use surf::utils::async_trait;
use surf::{Client, Request, Response};

use super::breaker::{Breaker, Leave, Rules};
use super::limit::{Bucket, pause};
use super::refusal::{Refusal, counts, left, limited, of_status};
use super::request::{host, origin};
use super::{Settings, status};
use crate::cache::answers::ServerRow;
use crate::cache::state::State;
use crate::clock::{Clock, Deadline, spoken};
use crate::debug;
use crate::error::Kind;

/// Requests that are under way at a time, of all servers together: each takes a descriptor.
const AT_ONCE: usize = 128;
/// Bytes of an answer, at most.
pub(super) const LONGEST_BODY: usize = 8 << 20;

/// The gates of all servers.
#[derive(Debug)]
pub(super) struct Gates {
    settings: Settings,
    clock: Clock,
    state: Option<Arc<State>>,
    all: Semaphore,
    servers: Mutex<HashMap<String, Arc<Server>>>,
}

/// One server.
#[derive(Debug)]
struct Server {
    origin: String,
    places: Semaphore,
    manner: Mutex<Manner>,
}

/// How it wants to be treated.
#[derive(Debug)]
struct Manner {
    bucket: Bucket,
    breaker: Breaker,
    /// What the last failure of this run was.
    last_failure: Option<String>,
    paused_until: Option<SystemTime>,
}

impl Server {
    fn manner(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is kept.
    fn row(&self, now: u64) -> ServerRow {
        let manner = self.manner();
        ServerRow {
            origin: self.origin.clone(),
            failures: manner.breaker.failures(),
            opened_at: manner.breaker.opened_at(),
            paused_until: manner.paused_until.map(milliseconds).filter(|until| *until > now),
            changed_at: now,
        }
    }
}

/// Lets the next probe go if this one comes to no end.
struct Probe<'s> {
    server: &'s Server,
    is_settled: bool,
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.server.manner().breaker.gave_up();
        }
    }
}

impl Gates {
    pub(super) fn new(settings: Settings, clock: Clock, state: Option<Arc<State>>) -> Self {
        Self { settings, clock, state, all: Semaphore::new(AT_ONCE), servers: Mutex::default() }
    }

    fn rules(&self) -> Rules {
        self.settings.breaker
    }

    fn now(&self) -> u64 {
        milliseconds(self.clock.wall())
    }

    /// The server at `origin`, with what earlier runs have learnt of it.
    async fn server(&self, origin: &str) -> Arc<Server> {
        let known = || self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = known().get(origin) {
            return Arc::clone(server);
        }
        let row = match self.state.clone() {
            Some(state) => {
                let origin = origin.to_owned();
                // What can't be read is learnt anew.
                smol::unblock(move || state.server(&origin)).await.ok().flatten().unwrap_or_default()
            }
            None => ServerRow::default(),
        };
        let manner = Manner {
            bucket: Bucket::new(self.settings.rate),
            breaker: Breaker::known(row.failures, row.opened_at),
            last_failure: None,
            paused_until: row.paused_until.map(|until| UNIX_EPOCH + Duration::from_millis(until)),
        };
        let (places, manner) = (Semaphore::new(self.settings.per_host.max(1)), Mutex::new(manner));
        let server = Server { origin: origin.to_owned(), places, manner };
        Arc::clone(known().entry(origin.to_owned()).or_insert_with(|| Arc::new(server)))
    }

    /// Waits until the server may be asked; `true` if it is to be seen whether it is well again.
    async fn turn(&self, server: &Server, host: &str) -> anyhow::Result<bool> {
        let mut has_token = false;
        loop {
            let wait = {
                let mut manner = server.manner();
                if let Some(pause) = left(manner.paused_until, self.clock.wall()) {
                    if pause > self.settings.timeout {
                        return Err(limited(host, Some(pause)));
                    }
                    pause
                } else if manner.breaker.opened_at().is_none() && !has_token {
                    has_token = true;
                    manner.bucket.take(self.clock.now())
                } else {
                    match manner.breaker.leave(self.now(), self.rules()) {
                        Leave::Go => return Ok(false),
                        Leave::Probe => return Ok(true),
                        Leave::Not(until) => return Err(self.left_alone(host, &manner, until)),
                    }
                }
            };
            if !wait.is_zero() {
                self.clock.sleep(wait).await;
            }
        }
    }

    fn left_alone(&self, host: &str, manner: &Manner, until: u64) -> anyhow::Error {
        let seconds = until.saturating_sub(self.now()).div_ceil(1000).max(1);
        let left = spoken(Duration::from_secs(seconds));
        let failures = manner.breaker.failures();
        let why = manner.last_failure.as_ref().map_or_else(String::new, |why| format!("; at last {why}"));
        Kind::LeftAlone.hinted(
            format!("{host} has failed {failures} times in a row and is left alone for another {left}{why}"),
            "bhfuil.http.breakerThreshold and bhfuil.http.breakerCooldown set when and how long",
        )
    }

    /// One attempt, from the first byte sent to the last received.
    async fn attempt(&self, request: Request, client: Client, next: Next<'_>) -> anyhow::Result<Response> {
        let host = host(request.url());
        let what = format!("{host}: {}", request.url().path());
        let limits = &self.settings;
        let whole = Deadline::after(&self.clock, limits.timeout).set_by("bhfuil.http.timeout");
        let first = limits.first_byte_timeout.min(limits.timeout);
        let first = Deadline::after(&self.clock, first).set_by("bhfuil.http.firstByteTimeout");
        let answer = self.clock.within(first.left(&self.clock), next.run(request, client)).await;
        let mut response = match answer {
            Some(answer) => answer.map_err(surf::Error::into_inner)?,
            None => return Err(first.missed(&what)),
        };
        let body = response.take_body();
        let read = async {
            let mut bytes = Vec::new();
            let most = LONGEST_BODY as u64 + 1;
            let length = body.take(most).read_to_end(&mut bytes).await;
            length.map_err(|cause| broken_off(cause, &host))?;
            Ok::<_, anyhow::Error>(bytes)
        };
        let Some(bytes) = self.clock.within(whole.left(&self.clock), read).await else {
            return Err(whole.missed(&what));
        };
        let bytes = bytes?;
        if bytes.len() > LONGEST_BODY {
            return Err(Kind::BadAnswer.error(format!("{host} has answered more than {} MiB", LONGEST_BODY >> 20)));
        }
        response.set_body(bytes);
        Ok(response)
    }

    /// What an attempt teaches of the server.
    async fn learn(&self, server: &Server, outcome: &anyhow::Result<Response>) {
        let before = server.row(self.now());
        let host = server.origin.split_once("://").map_or(server.origin.as_str(), |(_, host)| host);
        let failure = match outcome {
            Ok(response) => {
                let header = |name: &str| response.header(name).map(|values| values.last().as_str());
                let until = pause(status(response), header, self.clock.wall());
                let mut manner = server.manner();
                manner.paused_until = until.max(manner.paused_until);
                of_status(status(response), host, None).map(|cause| Refusal::of(&cause))
            }
            Err(cause) => Some(Refusal::of(cause)),
        };
        {
            let mut manner = server.manner();
            match failure.filter(|failure| counts(failure.kind)) {
                Some(failure) => {
                    manner.breaker.failed(self.now(), self.rules());
                    manner.last_failure = Some(failure.message);
                }
                // It is there and answers, be it nonsense.
                None => manner.breaker.succeeded(),
            }
        }
        let after = server.row(self.now());
        let is_news = (before.failures, before.opened_at, before.paused_until)
            != (after.failures, after.opened_at, after.paused_until);
        if is_news
            && let Some(state) = &self.state
            && let Err(cause) = state.note_server(after).await
        {
            debug::warn("http", || format!("how {} fares can't be noted: {cause:#}", server.origin));
        }
    }
}

fn broken_off(cause: std::io::Error, host: &str) -> anyhow::Error {
    if cause.kind() == std::io::ErrorKind::TimedOut {
        let hint = "bhfuil.http.firstByteTimeout sets how long it may say nothing";
        return Kind::Timeout.wrap_hinted(cause, format!("{host} stopped in the middle of its answer"), hint);
    }
    Kind::Network.wrap(cause, format!("the connection to {host} broke off"))
}

/// The gates as surf wants them.
#[derive(Debug)]
pub(super) struct Gate(pub(super) Arc<Gates>);

#[async_trait]
impl Middleware for Gate {
    async fn handle(&self, request: Request, client: Client, next: Next<'_>) -> surf::Result<Response> {
        let gates = &self.0;
        let (host, url) = (host(request.url()), request.url().clone());
        let server = gates.server(&origin(&url)).await;
        let _place = server.places.acquire().await;
        let is_probe = gates.turn(&server, &host).await?;
        let mut probe = is_probe.then(|| Probe { server: &server, is_settled: false });
        let _one_of_all = gates.all.acquire().await;
        let begun = gates.clock.now();
        let outcome = gates.attempt(request, client, next).await;
        debug::note("http", || {
            let took = gates.clock.now().saturating_duration_since(begun);
            let said = match &outcome {
                Ok(response) => status(response).to_string(),
                Err(cause) => format!("{cause:#}"),
            };
            format!("{host}{} in {took:.1?}: {said}", url.path())
        });
        gates.learn(&server, &outcome).await;
        if let Some(probe) = &mut probe {
            probe.is_settled = true;
        }
        Ok(outcome?)
    }
}

pub(super) fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
