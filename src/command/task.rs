//! `git bhfuil task`: work in the background, seen from the outside. What the process of a task does is in `errand`.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::config::warn;
use super::repositories::Wanted;
use super::{errand, framed, framed_aloud, progress};
use crate::cli::TaskCommand;
use crate::cli::argv::TextArg;
use crate::cli::task::{TaskKind, TaskPriority, TaskStartArgs, TaskWaitArgs};
use crate::clock::{Clock, Deadline, spoken};
use crate::config::View;
use crate::describe::{lossy, rfc3339};
use crate::error::Kind;
use crate::events::work::TaskState;
use crate::events::{Event, Task};
use crate::gitcli::session;
use crate::report::{Ending, Loudness, Strand};
use crate::scan::Selection as Refs;
use crate::shutdown::Token;
use crate::tasks::{Id, Ledger, MOST_WAITING, Priority, Record, Rules, Said, State, find, log};
use crate::upkeep;

/// Between looks at the tasks that are waited for.
const LOOK: Duration = Duration::from_millis(50);
/// How long a task that is to stop is given to do so by itself; it looks ten times a second, and then has to come to an end.
const GRACE: Duration = Duration::from_secs(3);
/// How long its processes are then given between SIGTERM and SIGKILL.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// Runs the command and returns the exit code.
pub(super) async fn run(command: &TaskCommand, dir: &Path, token: &Token) -> u8 {
    match command {
        TaskCommand::Start(args) => {
            if let Some(id) = &args.carry_out {
                return errand::run(args, Id::kept(id.0.clone()), dir, token).await;
            }
            let look = (args.format, args.color, args.no_color);
            framed("task start", look, dir, token, async |report| start(args, dir, report).await).await
        }
        TaskCommand::List(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("task list", look, dir, token, async |report| list(report).await).await
        }
        TaskCommand::Show(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("task show", look, dir, token, async |report| show(&args.ids, report).await).await
        }
        TaskCommand::Wait(args) => {
            let timeout = match super::time("task wait", "--timeout", args.timeout.as_ref()) {
                Ok(timeout) => timeout,
                Err(refusal) => return super::refused(&refusal),
            };
            let look = (args.format, args.color, args.no_color);
            let loudness = Loudness { quiet: false, progress: progress(args.progress, args.no_progress) };
            framed_aloud("task wait", (look, loudness), dir, token, async |report| wait(args, timeout, report).await)
                .await
        }
        TaskCommand::Cancel(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("task cancel", look, dir, token, async |report| cancel(&args.ids, report).await).await
        }
        TaskCommand::Clean(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("task clean", look, dir, token, async |report| clean(report).await).await
        }
    }
}

/// The ledger of the cache folder, with what is configured of tasks.
pub(super) async fn ledger() -> anyhow::Result<Ledger> {
    smol::unblock(|| {
        let view = View::read_blocking(None, &|name| std::env::var_os(name))?;
        let usual = Rules::default();
        let rules = Rules {
            at_once: usize::try_from(view.number("taskLimit", None)?)?,
            waiting: MOST_WAITING,
            expiry: view.time("taskExpiry", None)?.unwrap_or(usual.expiry),
            stall_after: view.time("stallAfter", None)?.unwrap_or(usual.stall_after),
        };
        Ledger::open(&upkeep::folder()?, rules, Clock::Real)
    })
    .await
}

/// The repositories that `args` name.
pub(super) fn wanted<'a>(args: &'a TaskStartArgs, refs: &'a Refs) -> Wanted<'a> {
    Wanted {
        repo: &args.repo,
        group: &args.group,
        all: args.all_repos,
        shard: None,
        jobs: args.jobs,
        threads: args.threads,
        refs,
    }
}

async fn start(args: &TaskStartArgs, dir: &Path, report: &mut Strand) -> anyhow::Result<Ending> {
    let about = about(args, dir).await?;
    let ledger = ledger().await?;
    let priority = match args.priority {
        TaskPriority::Low => Priority::Low,
        TaskPriority::Normal => Priority::Normal,
        TaskPriority::High => Priority::High,
    };
    let record = ledger.register(args.kind.word(), &about, priority).await?;
    let log = log(ledger.folder(), &record.id);
    let command = carry_out(args, &record.id)?;
    match smol::unblock(move || session::start(command, &log)).await {
        Ok(owner) => drop(ledger.adopt(&record.id, owner).await?),
        Err(cause) => {
            let failed = Kind::Io.wrap(cause, "starting a process for the task");
            let outcome = crate::tasks::Outcome::Failed(crate::error::message_of(&failed));
            ledger.end(&record.id, outcome).await?;
            return Err(failed);
        }
    }
    // As it was registered; by now it may run.
    tell(&ledger, &[record], report).await
}

/// What a task is about, for people: who names a repository that there isn't is told so now, and not by a log.
async fn about(args: &TaskStartArgs, dir: &Path) -> anyhow::Result<String> {
    let names: Vec<String> = match args.kind {
        TaskKind::Gc => Vec::new(),
        TaskKind::Sync => {
            let entries = super::repo::registry()?.select(&errand::selection(args)).await?;
            entries.into_iter().map(|entry| entry.name).collect()
        }
        TaskKind::Scan | TaskKind::PatchIds | TaskKind::Prefetch => {
            let chosen = errand::chosen(args, dir, &Refs::Usual).await?;
            let sought = chosen.into_iter().map(|chosen| chosen.sought);
            smol::unblock(move || -> anyhow::Result<_> { sought.map(|it| upkeep::name_of(&it)).collect() }).await?
        }
    };
    Ok(names.join(", "))
}

/// This program, as the process of the task `id`.
fn carry_out(args: &TaskStartArgs, id: &Id) -> anyhow::Result<Command> {
    let program = std::env::current_exe().map_err(|cause| Kind::Io.wrap(cause, "finding this program"))?;
    let mut command = Command::new(program);
    command.args(["task", "start", "--format=jsonl", "--carry-out", id.as_str()]);
    for group in &args.group {
        command.arg("--group").arg(&group.0);
    }
    if args.all_repos {
        command.arg("--all-repos");
    }
    let numbers = [("--jobs", args.jobs), ("--threads", args.threads)];
    for (option, number) in numbers.into_iter().filter_map(|(option, number)| Some((option, number?))) {
        command.arg(format!("{option}={number}"));
    }
    command.arg(args.kind.word()).args(args.repo.iter().map(|repo| &repo.0));
    Ok(command)
}

async fn list(report: &mut Strand) -> anyhow::Result<Ending> {
    let ledger = ledger().await?;
    let all = ledger.list().await?;
    tell(&ledger, &all, report).await
}

async fn show(typed: &[TextArg], report: &mut Strand) -> anyhow::Result<Ending> {
    let ledger = ledger().await?;
    let all = ledger.list().await?;
    let found = meant(&all, typed)?;
    tell(&ledger, &picked(&all, &found), report).await
}

async fn wait(args: &TaskWaitArgs, timeout: Option<Duration>, report: &mut Strand) -> anyhow::Result<Ending> {
    let deadline = Deadline::within(&Clock::Real, timeout);
    let ledger = ledger().await?;
    let found = meant(&ledger.list().await?, &args.ids)?;
    let waited = loop {
        let all = ledger.list().await?;
        let ours = picked(&all, &found);
        let Some(first) = ours.iter().find(|record| !record.state().is_over()) else { break ours };
        if deadline.left(&Clock::Real).is_zero() {
            let message = format!("task {} has not ended in {}", first.id, spoken(timeout.unwrap_or_default()));
            let hint = "without --timeout it is waited for as long as it takes";
            warn(report, "still-running", &message, hint).await?;
            break ours;
        }
        show_progress(first, report).await?;
        smol::Timer::after(LOOK).await;
    };
    tell_gone(&found, &waited, report).await?;
    let all_completed = waited.len() == found.len() && waited.iter().all(|record| record.state() == State::Completed);
    let ending = tell(&ledger, &waited, report).await?;
    Ok(Ending { negative: !all_completed, ..ending })
}

/// Shows how far `record` is, if it has said so.
async fn show_progress(record: &Record, report: &mut Strand) -> anyhow::Result<()> {
    let Record { about, progress, .. } = record;
    if record.state() == State::Running && !progress.phase.is_empty() {
        report.progress_in("items", about, &progress.phase, progress.done, progress.total).await?;
    }
    Ok(())
}

/// Tells which of `ids` were waited for in vain: they aren't among `records` any more.
async fn tell_gone(ids: &[Id], records: &[Record], report: &mut Strand) -> anyhow::Result<()> {
    for id in ids.iter().filter(|id| !records.iter().any(|record| record.id == **id)) {
        let message = format!("task {id} is gone: it was forgotten before it was seen how it ended");
        let hint = "git bhfuil task clean, or bhfuil.taskExpiry, has taken it and its log away; start it again to know";
        report.finding(Kind::BadValue, &message, Some(hint)).await?;
    }
    Ok(())
}

async fn cancel(typed: &[TextArg], report: &mut Strand) -> anyhow::Result<Ending> {
    let ledger = ledger().await?;
    let found = meant(&ledger.list().await?, typed)?;
    for id in &found {
        if !ledger.ask_to_stop(id).await? {
            let message = format!("task {id} has ended already");
            warn(report, "task-over", &message, "git bhfuil task show tells how").await?;
        }
    }
    // With its process, so that nothing works on once this says so.
    let lives = |record: &&Record| !record.state().is_over() || record.owner.lives();
    let deadline = Deadline::after(&Clock::Real, GRACE);
    loop {
        let all = ledger.list().await?;
        let ours = picked(&all, &found);
        if !ours.iter().any(|record| lives(&record)) {
            break;
        }
        if deadline.left(&Clock::Real).is_zero() {
            for record in ours.iter().filter(lives) {
                session::end(record.owner, LAST_GRACE).await;
            }
            break;
        }
        smol::Timer::after(LOOK).await;
    }
    let all = ledger.list().await?;
    tell(&ledger, &picked(&all, &found), report).await
}

async fn clean(report: &mut Strand) -> anyhow::Result<Ending> {
    let ledger = ledger().await?;
    let gone = ledger.clean().await?;
    tell(&ledger, &gone, report).await
}

/// The ids that are typed, each once.
fn meant(all: &[Record], typed: &[TextArg]) -> anyhow::Result<Vec<Id>> {
    let mut found = Vec::new();
    for text in typed {
        let id = find(all.iter().map(|record| &record.id), &text.0)?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Those of `all` that have these ids, in the order of the ids.
fn picked(all: &[Record], ids: &[Id]) -> Vec<Record> {
    ids.iter().filter_map(|id| all.iter().find(|record| record.id == *id).cloned()).collect()
}

async fn tell(ledger: &Ledger, records: &[Record], report: &mut Strand) -> anyhow::Result<Ending> {
    let mut listing = report.format().listing();
    for (record, log) in records.iter().zip(logs(ledger, records).await) {
        listing.add(&Event::Task(event(record, ledger, log.as_deref())));
    }
    let (bytes, counts) = listing.finish();
    report.batch(bytes, &counts).await?;
    Ok(Ending::default())
}

/// The log of each of `records` that has one.
pub(super) async fn logs(ledger: &Ledger, records: &[Record]) -> Vec<Option<PathBuf>> {
    let places: Vec<PathBuf> = records.iter().map(|record| log(ledger.folder(), &record.id)).collect();
    smol::unblock(move || places.into_iter().map(|place| Some(place).filter(|place| place.exists())).collect()).await
}

pub(super) fn event<'a>(record: &'a Record, ledger: &Ledger, log: Option<&Path>) -> Task<'a> {
    let (now, rules) = (ledger.now(), ledger.rules());
    let date = |time: Option<u64>| time.and_then(|time| rfc3339(time / 1000)).map(Cow::Owned);
    let place = |path: &Path| Cow::Owned(lossy(path.as_os_str().as_bytes()).0);
    let stalled = record.is_stalled(now, rules.stall_after);
    let progress = &record.progress;
    let has_phase = !progress.phase.is_empty();
    Task {
        id: record.id.as_str().into(),
        kind: record.kind.as_str().into(),
        state: match record.state() {
            State::Pending => TaskState::Pending,
            State::Running => TaskState::Running,
            State::Completed => TaskState::Completed,
            State::Failed => TaskState::Failed,
            State::Cancelled => TaskState::Cancelled,
        },
        stalled,
        detail: detail(record, now, stalled),
        about: (!record.about.is_empty()).then(|| record.about.as_str().into()),
        priority: Some(record.priority.word().into()),
        made_at: date(Some(record.made_at)),
        begun_at: date(record.begun_at),
        ended_at: date(record.ended_at),
        age_ms: Some(now.saturating_sub(record.made_at)),
        phase: has_phase.then(|| progress.phase.as_str().into()),
        done: has_phase.then_some(progress.done),
        total: progress.total.filter(|_| has_phase),
        pid: Some(record.owner.pid),
        log: log.map(place),
        result_file: match &record.said {
            Some(Said::File(path)) => Some(place(path)),
            _ => None,
        },
    }
}

/// What there is to say of a task.
fn detail(record: &Record, now: u64, stalled: bool) -> Option<Cow<'_, str>> {
    let progress = &record.progress;
    let at = match (progress.phase.as_str(), progress.total) {
        ("", _) => String::new(),
        (phase, None) => format!("{phase}: {}", progress.done),
        (phase, Some(total)) => format!("{phase}: {} of {total}", progress.done),
    };
    match (record.state(), &record.said) {
        (_, Some(Said::Text(text))) => Some(text.as_str().into()),
        (_, Some(Said::File(path))) => Some(format!("its result is in {}", path.display()).into()),
        (State::Pending, _) => Some("waits for its turn".into()),
        (State::Running, _) if stalled => {
            let since = Duration::from_secs(record.beat_at.map_or(0, |beat| now.saturating_sub(beat)) / 1000);
            let at = if at.is_empty() { at } else { format!("; {at}") };
            Some(format!("no progress for {}{at}", spoken(since)).into())
        }
        (State::Running, _) if record.stop => Some("is being stopped".into()),
        (State::Running, _) if !at.is_empty() => Some(at.into()),
        _ => None,
    }
}
