//! `git bhfuil status`: what is registered and kept, how tasks stand, how operations have fared, which errors were met, and whether all is well.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::repositories::told_apart;
use super::{cache, framed, repo, task};
use crate::cli::StatusArgs;
use crate::clock::spoken;
use crate::config::{self, OwnFile, Settings, View};
use crate::describe::rfc3339;
use crate::enrich;
use crate::error::{Kind, hint_of, kind_of, message_of};
use crate::events::stream::ErrorClass;
use crate::events::{Error, Event, Health, Operation};
use crate::health::{self, Check, Scene};
use crate::http::{self, Server};
use crate::monitor::history::{self, History};
use crate::monitor::{Fault, FaultClass, Statistics};
use crate::report::{Ending, OverviewWriter, Strand};
use crate::repos::{Entry, Found};
use crate::shutdown::Token;
use crate::sync;
use crate::tasks::{self, Ledger, Record};
use crate::upkeep::{self, Kept};

/// How long caches may be looked through for damage.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &StatusArgs, dir: &Path, token: &Token) -> u8 {
    let look = (args.format, args.color, args.no_color);
    framed("status", look, dir, token, async |report| status(report).await).await
}

/// What there is to tell.
struct State {
    entries: Vec<(Entry, Option<Found>)>,
    kept: Vec<Kept>,
    tasks: Option<Noted>,
    history: History,
    checks: Vec<Check>,
}

async fn status(report: &mut Strand) -> anyhow::Result<Ending> {
    let state = gather().await;
    let mut overview = report.format().overview();
    for section in SECTIONS {
        section(&state, &mut overview);
    }
    let (bytes, counts) = overview.finish();
    report.batch(bytes, &counts).await?;
    Ok(Ending { negative: state.checks.iter().any(|check| !check.is_ok()), ..Ending::default() })
}

/// The sections in their order, each of which tells its part.
const SECTIONS: [fn(&State, &mut OverviewWriter); 6] = [repositories, caches, tasks, operations, errors, checks];

/// What can't be found out is a finding, and keeps nothing else from being told.
async fn gather() -> State {
    let mut trouble = Vec::new();
    let listed = match repo::registry() {
        Ok(registry) => registry.read().await.map(|listing| listing.entries().to_vec()),
        Err(cause) => Err(cause),
    };
    let entries = listed.unwrap_or_else(|cause| {
        trouble.push(ill("registry", &cause, "git bhfuil config validate tells what is wrong"));
        Vec::new()
    });
    let folder = upkeep::folder().ok();
    let kept = match folder.clone() {
        Some(folder) => smol::unblock(move || upkeep::all(&folder)).await,
        None => Ok(Vec::new()),
    };
    let kept = kept.unwrap_or_else(|cause| {
        trouble.push(ill("caches", &cause, "let GIT_BHFUIL_CACHE name a folder that you may read"));
        Vec::new()
    });
    let now = SystemTime::now();
    let scene = Scene {
        caches: folder.clone(),
        kept: kept.clone(),
        mirrors: sync::folder(|name| std::env::var_os(name)).ok(),
        config: OwnFile::of(&|name| std::env::var_os(name)).ok().map(|file| file.path().to_owned()),
        entries: entries.clone(),
        now,
        git_limit: git_limit().await,
        patience: PATIENCE,
    };
    let mut checks = health::checks(scene).await;
    // Only now: to read it mends a list that is damaged, which was to be told first.
    let tasks = match &folder {
        Some(folder) if folder.join("state.db").exists() => noted_tasks().await.map(Some),
        _ => Ok(None),
    };
    let tasks = tasks.unwrap_or_else(|cause| {
        if kind_of(&cause) != Kind::CacheNewer {
            trouble.push(ill("tasks", &cause, "what is wrong with the folder of the caches is told above"));
        }
        None
    });
    checks.extend(servers(folder.clone(), now).await);
    checks.extend(tasks.as_ref().map(|noted| stalled(&noted.ledger, &noted.records)));
    let told = match folder {
        Some(folder) => smol::unblock(move || history::read(&folder, seconds(now))).await,
        None => Ok(History::default()),
    };
    let history = told.unwrap_or_else(|cause| {
        // What a newer version wrote is told already.
        if kind_of(&cause) != Kind::CacheNewer {
            trouble.push(ill("history", &cause, "what is wrong with the folder of the caches is told above"));
        }
        History::default()
    });
    checks.append(&mut trouble);
    State { entries: looked_at(entries).await, kept, tasks, history, checks }
}

/// What is noted of tasks.
/// How long git may take to say its version. What is wrong with the settings is told by others.
async fn git_limit() -> Duration {
    let set = config::time_limit("git", None).await;
    set.ok().flatten().unwrap_or(Settings::default().git_timeout)
}

struct Noted {
    ledger: Ledger,
    records: Vec<Record>,
    /// Of each record, if it has one.
    logs: Vec<Option<PathBuf>>,
}

async fn noted_tasks() -> anyhow::Result<Noted> {
    let ledger = task::ledger().await?;
    let records = ledger.list().await?;
    let logs = task::logs(&ledger, &records).await;
    Ok(Noted { ledger, records, logs })
}

/// How the servers fare that trackers live on. One that is down is no more than told: it is others who have to mend it.
async fn servers(folder: Option<PathBuf>, now: SystemTime) -> Option<Check> {
    let folder = folder.filter(|folder| folder.join("state.db").exists())?;
    let known = smol::unblock(move || -> anyhow::Result<_> {
        let view = View::read_blocking(None, &|name| std::env::var_os(name))?;
        http::servers(&folder, &enrich::http_settings(&view, None)?, now)
    });
    // What is wrong with the folder or the settings is told by others.
    let known = known.await.ok()?;
    let told: Vec<String> = known.iter().map(|server| server_line(server, now)).collect();
    let message = if told.is_empty() { "none is left alone".to_owned() } else { told.join("; ") };
    Some(Check::well("servers", message))
}

fn server_line(server: &Server, now: SystemTime) -> String {
    let left = server.paused_until.and_then(|until| until.duration_since(now).ok());
    match left {
        Some(left) => format!(
            "{} wants to be left alone for another {}",
            server.origin,
            spoken(Duration::from_secs(left.as_secs() + 1))
        ),
        None => format!(
            "{} has failed {} times in a row, its breaker is {}",
            server.origin,
            server.failures,
            server.breaker.word()
        ),
    }
}

/// Whether all tasks that run get on.
fn stalled(ledger: &Ledger, records: &[Record]) -> Check {
    let is_stalled = |record: &&Record| record.is_stalled(ledger.now(), ledger.rules().stall_after);
    let stalled: Vec<&str> = records.iter().filter(is_stalled).map(|record| record.id.as_str()).collect();
    let running = records.iter().filter(|record| record.state() == tasks::State::Running).count();
    if stalled.is_empty() {
        return Check::well("tasks", format!("{running} tasks run, each gets on"));
    }
    let remedy = "git bhfuil task show tells where a task is and its log, git bhfuil task cancel stops it; bhfuil.stallAfter sets when it counts as stalled";
    Check::ill("tasks", format!("without progress: {}", stalled.join(", ")), remedy)
}

fn ill(name: &'static str, cause: &anyhow::Error, remedy: &str) -> Check {
    Check::ill(name, message_of(cause), hint_of(cause).unwrap_or(remedy))
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The entries, each with what its repository is like, if it is there.
async fn looked_at(entries: Vec<Entry>) -> Vec<(Entry, Option<Found>)> {
    let mut seen = Vec::with_capacity(entries.len());
    for entry in entries {
        let found = match &entry.path {
            Some(path) => repo::look(path).await.ok(),
            None => None,
        };
        seen.push((entry, found));
    }
    seen
}

fn repositories(state: &State, overview: &mut OverviewWriter) {
    for (entry, found) in &state.entries {
        overview.add(&Event::Repo(repo::event(entry, found.as_ref())));
    }
}

/// Those of registered repositories by their names, the others by names that tell them apart.
fn caches(state: &State, overview: &mut OverviewWriter) {
    let registered = |dir: &PathBuf| {
        state.entries.iter().find(|(_, found)| found.as_ref().is_some_and(|found| found.git_dir == *dir))
    };
    let taken: Vec<&str> = state.entries.iter().map(|(entry, _)| entry.name.as_str()).collect();
    let mut others: Vec<PathBuf> = state.kept.iter().filter_map(|kept| kept.common_dir.clone()).collect();
    others.retain(|dir| registered(dir).is_none());
    others.sort();
    others.dedup();
    let names = told_apart(&others, &taken);
    for kept in &state.kept {
        let dir = kept.common_dir.as_ref();
        let name = if let Some((entry, _)) = dir.and_then(registered) {
            entry.name.clone()
        } else {
            let at = dir.and_then(|dir| others.binary_search(dir).ok());
            at.and_then(|at| names.get(at).cloned()).unwrap_or_else(|| kept.name())
        };
        overview.add(&Event::Cache(cache::event(&name, kept)));
    }
}

fn tasks(state: &State, overview: &mut OverviewWriter) {
    if let Some(Noted { ledger, records, logs }) = &state.tasks {
        for (record, log) in records.iter().zip(logs) {
            overview.add(&Event::Task(task::event(record, ledger, log.as_deref())));
        }
    }
}

/// The slowest first.
fn operations(state: &State, overview: &mut OverviewWriter) {
    let mut slowest: Vec<&Statistics> = state.history.operations.iter().collect();
    slowest.sort_by_key(|it| std::cmp::Reverse(it.p95));
    for statistics in slowest {
        overview.add(&Event::Operation(operation_event(statistics)));
    }
}

fn operation_event(statistics: &Statistics) -> Operation<'_> {
    let milliseconds = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    Operation {
        operation: statistics.operation.as_str().into(),
        calls: statistics.calls,
        failed: statistics.failed,
        p50_ms: milliseconds(statistics.p50),
        p95_ms: milliseconds(statistics.p95),
        peak_bytes: Some(statistics.peak),
        longest_ms: milliseconds(statistics.longest),
        partial_calls: Some(statistics.partial),
        cancelled: Some(statistics.cancelled),
        success: statistics.success(),
        bytes: statistics.bytes,
        last_at: date(statistics.last),
    }
}

/// Those of earlier runs, the last first.
fn errors(state: &State, overview: &mut OverviewWriter) {
    for fault in &state.history.faults {
        overview.add(&Event::Error(error_event(fault)));
    }
}

fn error_event(fault: &Fault) -> Error<'_> {
    Error {
        repo: fault.repo.as_deref().map(Cow::Borrowed),
        id: None,
        query: None,
        code: fault.code.as_str().into(),
        class: match fault.class {
            FaultClass::Transient => ErrorClass::Transient,
            FaultClass::Permanent => ErrorClass::Permanent,
            FaultClass::User => ErrorClass::User,
            FaultClass::Internal => ErrorClass::Internal,
        },
        message: fault.message.as_str().into(),
        hint: fault.hint.as_deref().map(Cow::Borrowed),
        count: fault.count,
        fatal: false,
        first_at: date(fault.first_at),
        last_at: date(fault.last_at),
    }
}

fn checks(state: &State, overview: &mut OverviewWriter) {
    for check in &state.checks {
        overview.add(&Event::Health(Health {
            check: check.name.into(),
            ok: check.is_ok(),
            message: check.message.as_str().into(),
            remedy: check.remedy.as_deref().map(Cow::Borrowed),
        }));
    }
}

fn date(seconds: i64) -> Option<Cow<'static, str>> {
    rfc3339(u64::try_from(seconds).ok()?).map(Cow::Owned)
}
