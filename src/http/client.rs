//! The client as others see it: what is kept and fresh comes from there, what two ask for at a time is asked once, and where a server
//! can't be reached what is kept is shown as stale.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use surf::http::Method;
use surf::{HttpClient, Request as Sent, Response};

use super::breaker::{Breaker, State as BreakerState};
use super::follow::Follow;
use super::gate::{Gate, Gates, milliseconds};
use super::patient::Patient;
use super::refusal::{Refusal, is_outage};
use super::request::{Answer, Login, Request};
use super::transport::Transport;
use super::{Settings, status};
use crate::cache::answers::AnswerRow;
use crate::cache::state::State;
use crate::clock::Clock;
use crate::debug;
use crate::error::Kind;
use crate::retry::Chance;
use crate::shutdown::Token;

/// What the program calls itself.
const USER_AGENT: &str = concat!("git-bhfuil/", env!("CARGO_PKG_VERSION"));

/// A client, cheap to clone; clones share all. No thread and no socket is there before the first request, nor when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    surf: surf::Client,
    settings: Settings,
    state: Option<Arc<State>>,
    clock: Clock,
    token: Token,
    /// What is being asked. Whoever asks holds the key; who comes later waits for it and finds what came.
    flights: Mutex<HashMap<[u8; 32], Weak<Flight>>>,
}

type Flight = smol::lock::Mutex<Option<Result<Answer, Refusal>>>;

impl Client {
    /// A client that keeps answers in `state`, or none, and stops when `token` is cancelled.
    #[must_use]
    pub fn new(settings: Settings, state: Option<Arc<State>>, clock: Clock, token: Token) -> Self {
        let transport = Transport::new(settings);
        Self::over(transport, settings, state, clock, token, Chance::new())
    }

    pub(super) fn over(
        transport: impl HttpClient,
        settings: Settings,
        state: Option<Arc<State>>,
        clock: Clock,
        token: Token,
        chance: Chance,
    ) -> Self {
        let gates = Arc::new(Gates::new(settings, clock.clone(), state.clone()));
        let patient = Patient { settings, clock: clock.clone(), token: token.clone(), chance };
        let surf = surf::Client::with_http_client(transport).with(patient).with(Gate(gates)).with(Follow);
        Self(Arc::new(Inner { surf, settings, state, clock, token, flights: Mutex::default() }))
    }

    /// The server at `base`, an address that paths are put behind.
    #[must_use]
    pub fn at(&self, base: &str) -> Site {
        let base = base.trim_end_matches('/').to_owned();
        Site { client: self.clone(), base, headers: Vec::new(), login: None }
    }

    /// What there is to say to `request`: from what is kept if that is fresh, else from the server; if that can't be reached from what is
    /// kept all the same, and marked as stale.
    ///
    /// # Errors
    /// [`Kind::Network`], [`Kind::Timeout`], [`Kind::RateLimited`], [`Kind::LeftAlone`] or [`Kind::Offline`] if there is no answer to be
    /// had now, [`Kind::Authentication`], [`Kind::Remote`] or [`Kind::BadAnswer`] if there will be none; [`Kind::Cancelled`].
    pub async fn send(&self, request: &Request) -> anyhow::Result<Answer> {
        let key = request.key();
        let flight = self.flight(key);
        let work = async {
            let mut place = flight.lock().await;
            if let Some(outcome) = &*place {
                return outcome.clone();
            }
            let outcome = self.answer(request, key).await;
            *place = Some(outcome.clone());
            outcome
        };
        let outcome = self.0.token.unless_cancelled(work).await;
        outcome
            .unwrap_or_else(|| Err(Refusal::of(&Kind::Cancelled.error("stopped"))))
            .map_err(|refusal| refusal.error())
    }

    /// What is kept for `request` and fresh, or of any age where no request may be made.
    pub async fn kept(&self, request: &Request) -> Option<Answer> {
        self.kept_at_all(request).await.filter(|answer| !answer.stale || self.0.settings.offline)
    }

    /// What is kept for `request`, of any age; stale if it isn't fresh.
    pub async fn kept_at_all(&self, request: &Request) -> Option<Answer> {
        let row = self.read(request.key()).await?;
        Some(Answer { stale: !self.is_fresh(row.fetched_at), ..Self::shown(&row) })
    }

    /// Forgets what is kept for `request`.
    pub async fn forget(&self, request: &Request) {
        let Some(state) = &self.0.state else { return };
        if let Err(cause) = state.forget_answer(request.key()).await {
            debug::warn("http", || format!("an answer can't be forgotten: {cause:#}"));
        }
    }

    /// Keeps `body` as the answer to `request`, which came in another way.
    pub async fn keep(&self, request: &Request, status: u16, body: &[u8]) {
        let fetched_at = milliseconds(self.0.clock.wall());
        let row = AnswerRow { key: request.key(), status, etag: None, modified: None, body: body.to_vec(), fetched_at };
        self.write(row).await;
    }

    fn flight(&self, key: [u8; 32]) -> Arc<Flight> {
        let mut flights = self.0.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade) {
            return flight;
        }
        if flights.len() > 1000 {
            flights.retain(|_, flight| flight.strong_count() > 0);
        }
        let flight = Arc::<Flight>::default();
        flights.insert(key, Arc::downgrade(&flight));
        flight
    }

    async fn answer(&self, request: &Request, key: [u8; 32]) -> Result<Answer, Refusal> {
        let row = self.read(key).await;
        if let Some(row) = &row
            && self.is_fresh(row.fetched_at)
        {
            self.used(row, false).await;
            return Ok(Self::shown(row));
        }
        let asked = if self.0.settings.offline {
            let hint = "without --offline it would be asked";
            Err(Kind::Offline.hinted(format!("nothing is kept of {}", request.host()), hint))
        } else {
            match sent(request, row.as_ref()) {
                Ok(sent) => self.0.surf.send(sent).await.map_err(surf::Error::into_inner),
                Err(cause) => Err(cause),
            }
        };
        match (asked, row) {
            (Ok(response), Some(row)) if status(&response) == 304 => {
                let row = AnswerRow { fetched_at: self.used(&row, true).await, ..row };
                Ok(Self::shown(&row))
            }
            (Ok(response), _) => self.received(request, key, response).await.map_err(|cause| Refusal::of(&cause)),
            (Err(cause), Some(row)) if is_outage(crate::error::kind_of(&cause)) => {
                // That nothing may be asked is what was wanted.
                let trouble = (!self.0.settings.offline).then(|| Refusal::of(&cause));
                Ok(Answer { stale: true, trouble, ..Self::shown(&row) })
            }
            (Err(cause), _) => Err(Refusal::of(&cause)),
        }
    }

    async fn received(&self, request: &Request, key: [u8; 32], mut response: Response) -> anyhow::Result<Answer> {
        let status = status(&response);
        if status == 304 {
            return Err(Kind::BadAnswer
                .error(format!("{} says that nothing has changed, and wasn't asked that", request.host())));
        }
        let body = response.body_bytes().await.map_err(surf::Error::into_inner)?;
        let header = |name: &str| response.header(name).map(|values| values.last().as_str().to_owned());
        let now = self.0.clock.wall();
        let may_be_kept = !header("cache-control").is_some_and(|value| value.to_ascii_lowercase().contains("no-store"));
        if may_be_kept {
            let (etag, modified) = (header("etag"), header("last-modified"));
            let fetched_at = milliseconds(now);
            self.write(AnswerRow { key, status, etag, modified, body: body.clone(), fetched_at }).await;
        }
        Ok(Answer { status, body: body.into(), cached: false, stale: false, fetched_at: now, trouble: None })
    }

    fn is_fresh(&self, fetched_at: u64) -> bool {
        let now = milliseconds(self.0.clock.wall());
        let ttl = u64::try_from(self.0.settings.ttl.as_millis()).unwrap_or(u64::MAX);
        fetched_at <= now && now - fetched_at < ttl
    }

    fn shown(row: &AnswerRow) -> Answer {
        let fetched_at = UNIX_EPOCH + Duration::from_millis(row.fetched_at);
        Answer {
            status: row.status,
            body: row.body.clone().into(),
            cached: true,
            stale: false,
            fetched_at,
            trouble: None,
        }
    }

    async fn read(&self, key: [u8; 32]) -> Option<AnswerRow> {
        let state = self.0.state.clone()?;
        let read = smol::unblock(move || state.answer(&key)).await;
        read.unwrap_or_else(|cause| {
            debug::warn("http", || format!("what is kept can't be read: {cause:#}"));
            None
        })
    }

    async fn write(&self, row: AnswerRow) {
        let Some(state) = &self.0.state else { return };
        if let Err(cause) = state.keep_answer(row).await {
            debug::warn("http", || format!("an answer can't be kept: {cause:#}"));
        }
    }

    /// Notes that what is kept was used; when that was.
    async fn used(&self, row: &AnswerRow, confirmed: bool) -> u64 {
        let now = milliseconds(self.0.clock.wall());
        // An hour more or less doesn't count for what is dropped first.
        let is_worth_it = confirmed || now.saturating_sub(row.fetched_at) > 3_600_000;
        if let Some(state) = self.0.state.as_ref().filter(|_| is_worth_it)
            && let Err(cause) = state.use_answer(row.key, now, confirmed).await
        {
            debug::warn("http", || format!("that an answer was used can't be noted: {cause:#}"));
        }
        now
    }
}

/// `request` as surf has it; with what tells the server which answer is kept.
fn sent(request: &Request, row: Option<&AnswerRow>) -> anyhow::Result<Sent> {
    let method = if request.body.is_some() { Method::Post } else { Method::Get };
    let mut sent = Sent::new(method, request.url.clone());
    if let Some(body) = &request.body {
        sent.set_body(body.clone());
        sent.insert_header("content-type", "application/json");
    }
    let login = request.login.as_ref().map(|login| (login.header, login.secret.expose()));
    let etag = row.and_then(|row| row.etag.as_deref()).map(|etag| ("if-none-match", etag));
    let modified = row.and_then(|row| row.modified.as_deref()).map(|modified| ("if-modified-since", modified));
    let own = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in [("user-agent", USER_AGENT)].into_iter().chain(own).chain(login).chain(etag).chain(modified) {
        // It may be a secret: the value isn't told.
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !name.is_ascii() {
            let of =
                request.login.as_ref().filter(|login| login.header == name).map_or(name, |login| login.name.as_str());
            return Err(Kind::BadValue
                .error(format!("the value of {of} can't be sent: it takes letters, digits and signs of ASCII")));
        }
        sent.insert_header(name, value);
    }
    Ok(sent)
}

/// One server, with headers that go with every request.
#[derive(Debug, Clone)]
pub struct Site {
    client: Client,
    base: String,
    headers: Vec<(String, String)>,
    login: Option<Login>,
}

impl Site {
    /// With a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// For somebody whom the server may know.
    #[must_use]
    pub fn by(self, login: Login) -> Self {
        Self { login: Some(login), ..self }
    }

    /// What is at `path`, which begins with a slash.
    ///
    /// # Errors
    /// Those of [`Request::get`] and [`Client::send`].
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Request::get(&self.url(path))?).await
    }

    /// What there is to say at `path` to the query in `body`.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub async fn post(&self, path: &str, body: Vec<u8>) -> anyhow::Result<Answer> {
        self.send(Request::post(&self.url(path), body)?).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(&self, request: Request) -> anyhow::Result<Answer> {
        let request = self.headers.iter().fold(request, |request, (name, value)| request.with(name, value));
        self.client.send(&request.by(self.login.clone())).await
    }
}

/// A server that isn't well, or wants to be left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Scheme, name and port.
    pub origin: String,
    /// What its breaker is like.
    pub breaker: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// Until when it wants to be left alone.
    pub paused_until: Option<SystemTime>,
}

/// The servers of which something is kept in the folder of the caches, by name. Blocks.
///
/// # Errors
/// If it can't be read.
pub fn servers(folder: &Path, settings: &Settings, now: SystemTime) -> anyhow::Result<Vec<Server>> {
    let (state, _) = State::open(folder)?;
    let at = milliseconds(now);
    let rows = state.servers()?.into_iter();
    Ok(rows
        .map(|row| Server {
            breaker: Breaker::known(row.failures, row.opened_at).state(at, settings.breaker),
            failures: row.failures,
            paused_until: row
                .paused_until
                .filter(|until| *until > at)
                .map(|until| UNIX_EPOCH + Duration::from_millis(until)),
            origin: row.origin,
        })
        .collect())
}
