//! What operations take: how long each took, how it ended, how many bytes it received, the memory of the process, and which errors were
//! told. Owns that it is seen, counted and kept within bounds; refuses what an operation does, and what is to be done about it.
//!
//! A [`Monitor`] gathers, in bounded memory. The process has [one](process) that every room may name, as it may a clock: to hand one down
//! to each place that takes time would cost more in every signature than it is worth, and what it knows never changes an answer. A program
//! that uses the library can have its own.
//!
//! What was gathered outlives the process: at its end it is appended, in one write, to a small journal in the cache folder, and taken from
//! there into `state.db` ([`history`]) when the journal has grown, or when somebody looks. To open a database costs a twentieth of a whole
//! `where`; to append costs a two-hundredth. Where there is no cache folder, or it can't be written, nothing is kept, which is no error. Of a
//! run that is killed, or ended in a hurry by a second signal, nothing is kept either.

pub mod history;
mod journal;
mod statistics;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub use self::statistics::Statistics;
use crate::clock::Clock;
use crate::debug;
use crate::error::{self, Class, Kind, exit};

/// Calls that are gathered at most before they are written; the oldest go.
const MOST_CALLS: usize = 1024;
/// Causes of errors that are told apart in one process; further ones are counted together by kind.
const MOST_FAULTS: usize = 64;
/// Bytes of a message that are kept.
const LONGEST: usize = 400;
/// In an operation that took no longer than this memory won't have grown much: only a run as a whole is worth a look then.
const BRIEF: Duration = Duration::from_millis(10);

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All was done.
    Ok,
    /// Some of it was done.
    Partial,
    /// It failed.
    Failed,
    /// It was stopped, or nobody waited for it any more.
    Cancelled,
}

impl Outcome {
    /// That of a run that ends with this exit code.
    #[must_use]
    pub fn of_exit(code: u8) -> Self {
        match code {
            exit::ANSWERED | exit::NEGATIVE => Self::Ok,
            exit::PARTIAL => Self::Partial,
            code if code >= exit::INTERRUPTED => Self::Cancelled,
            _ => Self::Failed,
        }
    }

    /// That of an operation with this result.
    #[must_use]
    pub fn of<T>(result: &anyhow::Result<T>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(cause) if error::kind_of(cause) == Kind::Cancelled => Self::Cancelled,
            Err(_) => Self::Failed,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An operation that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub operation: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// When it ended, in seconds since 1970.
    pub at: i64,
    /// Bytes that it received, where that is known.
    pub bytes: Option<u64>,
    /// Bytes of memory that the process had at the most until then, where the system says it and it was looked at.
    pub peak: Option<u64>,
}

/// An error, counted by its kind, repository and cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The code of its kind.
    pub code: String,
    /// Who can act on it.
    pub class: FaultClass,
    /// The repository, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// What was said of it last.
    pub message: String,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How often it was met.
    pub count: u64,
    /// When first, in seconds since 1970.
    pub first_at: i64,
    /// When last.
    pub last_at: i64,
}

/// The [`Class`] of an error as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as those of Class")]
pub enum FaultClass {
    Transient,
    Permanent,
    User,
    Internal,
}

impl From<Class> for FaultClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Transient => Self::Transient,
            Class::Permanent => Self::Permanent,
            Class::User => Self::User,
            Class::Internal => Self::Internal,
        }
    }
}

impl Fault {
    /// What tells it from others of its kind: the message without what differs each time it is told, ids and numbers.
    fn cause(&self) -> String {
        let mut cause = String::with_capacity(self.message.len());
        // Hyphens and dots belong to words that have digits in them: names of branches and hosts.
        for word in self.message.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()) {
            let (plain, end) = match word.char_indices().next_back() {
                Some((at, letter)) if !letter.is_ascii_alphanumeric() => word.split_at(at),
                _ => (word, ""),
            };
            let is_id = plain.len() >= 7 && plain.bytes().all(|byte| byte.is_ascii_hexdigit());
            let is_number = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit());
            cause.push_str(if is_id || is_number { "#" } else { plain });
            cause.push_str(end);
        }
        cause
    }

    fn is_alike(&self, other: &Self) -> bool {
        self.code == other.code && self.repo == other.repo && self.cause() == other.cause()
    }

    fn add(&mut self, newer: &Self) {
        self.count = self.count.saturating_add(newer.count);
        self.first_at = self.first_at.min(newer.first_at);
        if newer.last_at >= self.last_at {
            self.last_at = newer.last_at;
            self.message.clone_from(&newer.message);
            self.hint.clone_from(&newer.hint);
        }
    }
}

/// Gathers what operations take. Clones share it.
///
/// ```
/// use std::time::Duration;
/// use git_bhfuil::clock::{Clock, ManualClock};
/// use git_bhfuil::monitor::{Monitor, Outcome};
///
/// let hands = ManualClock::new();
/// let monitor = Monitor::new(Clock::from(&hands));
/// // As a guard, from any thread: one that is dropped was cancelled.
/// let mut fetch = monitor.begin("fetch");
/// hands.advance(Duration::from_secs(2));
/// fetch.received(1024);
/// fetch.end(Outcome::Ok);
/// drop(monitor.begin("fetch"));
///
/// let told = &monitor.statistics()[0];
/// assert_eq!((told.calls, told.cancelled, told.p95, told.bytes), (2, 1, Some(Duration::from_secs(2)), Some(1024)));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    clock: Clock,
    gathered: Arc<Mutex<Gathered>>,
}

#[derive(Debug, Default)]
struct Gathered {
    calls: VecDeque<Call>,
    faults: Vec<Fault>,
}

/// That of this process, which its run writes down at the end.
pub fn process() -> &'static Monitor {
    static PROCESS: OnceLock<Monitor> = OnceLock::new();
    PROCESS.get_or_init(Monitor::default)
}

impl Monitor {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, gathered: Arc::default() }
    }

    /// Begins an operation, which ends when the answer is told how it ended, or is dropped.
    #[must_use]
    pub fn begin(&self, operation: impl Into<Cow<'static, str>>) -> Operation {
        let operation = operation.into();
        debug::note("operation", || format!("{operation} begins"));
        Operation {
            monitor: self.clone(),
            name: operation,
            begun: self.clock.now(),
            bytes: None,
            outcome: None,
            brief: BRIEF,
        }
    }

    /// What `work` comes to, seen as `operation`; on any executor. It was cancelled if that is its error, or if this future is dropped.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn time<T>(
        &self,
        operation: impl Into<Cow<'static, str>>,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let operation = self.begin(operation);
        let result = work.await;
        operation.end(Outcome::of(&result));
        result
    }

    /// As [`Self::time`], of work that blocks.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn time_blocking<T>(
        &self,
        operation: impl Into<Cow<'static, str>>,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let operation = self.begin(operation);
        let result = work();
        operation.end(Outcome::of(&result));
        result
    }

    /// Counts an error that is told, `count` times.
    pub fn fault(&self, kind: Kind, repo: Option<&str>, message: &str, hint: Option<&str>, count: u64) {
        let at = now();
        self.take_fault(Fault {
            code: kind.code().to_owned(),
            class: kind.class().into(),
            repo: repo.map(cut),
            message: cut(message),
            hint: hint.map(cut),
            count,
            first_at: at,
            last_at: at,
        });
    }

    fn take_fault(&self, fault: Fault) {
        let mut gathered = self.gathered();
        if let Some(known) = gathered.faults.iter_mut().find(|known| known.is_alike(&fault)) {
            known.add(&fault);
            return;
        }
        if gathered.faults.len() < MOST_FAULTS {
            gathered.faults.push(fault);
            return;
        }
        let fault = Fault { repo: None, message: "many causes".to_owned(), hint: None, ..fault };
        match gathered.faults.iter_mut().find(|known| known.is_alike(&fault)) {
            Some(known) => known.add(&fault),
            None => gathered.faults.push(fault),
        }
    }

    fn take_call(&self, call: Call) {
        let mut gathered = self.gathered();
        if gathered.calls.len() == MOST_CALLS {
            gathered.calls.pop_front();
        }
        gathered.calls.push_back(call);
    }

    /// What the operations that have ended since the last [writing](Self::write) come to, by their names.
    #[must_use]
    pub fn statistics(&self) -> Vec<Statistics> {
        Statistics::of(&self.gathered().calls)
    }

    /// The errors that were counted since then.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.gathered().faults.clone()
    }

    /// Writes down in the cache folder `folder` what was gathered, and forgets it. Blocks, for microseconds; now and then for as long as it
    /// takes to bring some hundred lines into a database.
    ///
    /// # Errors
    /// If it can't be written; it is forgotten all the same. Nothing can be done about it, and nothing need be.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        let Gathered { calls, faults } = std::mem::take(&mut *self.gathered());
        if calls.is_empty() && faults.is_empty() {
            return Ok(());
        }
        history::append(folder, calls.iter(), faults.iter())
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation that is going on. Dropped before it is told how it ended, it was cancelled, or has failed if the thread panics.
#[derive(Debug)]
pub struct Operation {
    monitor: Monitor,
    name: Cow<'static, str>,
    begun: Instant,
    bytes: Option<u64>,
    outcome: Option<Outcome>,
    brief: Duration,
}

impl Operation {
    /// Notes that so many bytes have come in all.
    pub fn received(&mut self, bytes: u64) {
        self.bytes = Some(bytes);
    }

    /// Ends it.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let lost = if std::thread::panicking() { Outcome::Failed } else { Outcome::Cancelled };
        let outcome = self.outcome.unwrap_or(lost);
        let took = self.monitor.clock.now().saturating_duration_since(self.begun);
        debug::info("operation", || format!("{} ended after {took:.3?}: {}", self.name, outcome.word()));
        let peak = (took >= self.brief).then(peak_memory).flatten();
        let operation = std::mem::take(&mut self.name).into_owned();
        self.monitor.take_call(Call { operation, outcome, took, at: now(), bytes: self.bytes, peak });
    }
}

/// A whole run of the program, as an operation, which is written down with all that was gathered in it when it ends, however that is.
#[derive(Debug)]
pub struct Run {
    monitor: Monitor,
    operation: Option<Operation>,
    folder: Option<PathBuf>,
}

impl Run {
    /// Begins the run of `command`; without a folder it is seen and not written down.
    #[must_use]
    pub fn begin(monitor: &Monitor, command: impl Into<Cow<'static, str>>, folder: Option<PathBuf>) -> Self {
        let mut operation = monitor.begin(command);
        operation.brief = Duration::ZERO;
        Self { monitor: monitor.clone(), operation: Some(operation), folder }
    }

    /// Ends it with this exit code.
    pub fn end(mut self, code: u8) {
        if let Some(operation) = self.operation.take() {
            operation.end(Outcome::of_exit(code));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.operation.take());
        if let Some(folder) = &self.folder
            && let Err(cause) = self.monitor.write(folder)
        {
            debug::note("monitor", || format!("nothing was written down in {}: {cause}", folder.display()));
        }
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The memory that this process had at the most so far, in bytes (proc(5), `VmHWM`). `None` where the system doesn't say.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    // One read: the file is made anew at its beginning, and what is asked for stands in its first third.
    let mut status = [0; 4096];
    let length = std::fs::File::open("/proc/self/status").and_then(|mut file| file.read(&mut status)).ok()?;
    let status = String::from_utf8_lossy(status.get(..length)?);
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// As much of `text` as is kept.
fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST)])
}

#[cfg(test)]
mod tests;
