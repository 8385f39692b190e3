//! The process of a background task: it waits for its turn, does the work, says how far it is, and stops when that is wanted. What it
//! writes, the stream of the work as for programs, goes into the log of the task.

use std::cell::{OnceCell, RefCell};
use std::path::Path;
use std::time::{Duration, Instant};

use super::repositories::{Chosen, Shared};
use super::task::{ledger, wanted};
use crate::cli::task::{TaskKind, TaskStartArgs};
use crate::clock::Clock;
use crate::enrich::{self, Overheard, People, Subject};
use crate::error::{Kind, exit, hint_of, kind_of, message_of};
use crate::gitcli::{Identity, session};
use crate::locate::{self, Warmed};
use crate::progress::Reader;
use crate::report::{self, Ending, FailedPart, Format, Loudness, Report, Strand};
use crate::repos::Selection;
use crate::scan::{self, Selection as Refs, Sought};
use crate::shutdown::Token;
use crate::tasks::{self, Id, Ledger, Outcome, Progress, Turn};
use crate::upkeep;

/// Between looks whether it is its turn.
const TURN: Duration = Duration::from_millis(200);
/// Between looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Between notes of how far it is.
const BEAT: Duration = Duration::from_millis(400);
/// Commits whose issues are asked for ahead, the newest.
const NEWEST: usize = 500;
/// How long work that is to stop may go on, to keep what it has.
const GRACE: Duration = Duration::from_secs(2);

/// Sees how far the work is.
#[derive(Debug, Default)]
struct Witness {
    reader: OnceCell<Reader>,
    /// What it was at when it was last looked, and how much of that was done.
    last: RefCell<Option<(String, u64)>>,
}

impl Witness {
    fn of(&self, report: &Report) {
        if let Some(reader) = report.progress() {
            // There is one report in a task.
            let _ = self.reader.set(reader);
        }
    }

    /// How far it is, if it has got on since the last call.
    fn news(&self) -> Option<Progress> {
        let now = self.reader.get()?.now().parts.pop()?;
        let newest = Some((now.operation.clone(), now.done));
        let before = self.last.replace(newest.clone());
        (before != newest).then_some(Progress { phase: now.operation, done: now.done, total: now.total })
    }
}

/// Carries the task `id` out and returns the exit code.
pub(super) async fn run(args: &TaskStartArgs, id: Id, dir: &Path, token: &Token) -> u8 {
    match carry_out(args, &id, dir, token).await {
        Ok(()) => exit::ANSWERED,
        Err(cause) => {
            report::say_fatal(&message_of(&cause), hint_of(&cause));
            exit::FATAL
        }
    }
}

/// Carries the task out. Where that can't be done at all, the ledger has why.
async fn carry_out(args: &TaskStartArgs, id: &Id, dir: &Path, token: &Token) -> anyhow::Result<()> {
    let ledger = ledger().await?;
    let carried = attempt(&ledger, args, id, dir, token).await;
    if let Err(cause) = &carried {
        // Where nothing can be written, whoever looks next finds that the process is gone.
        let _ = ledger.end(id, Outcome::Failed(told(cause))).await;
    }
    carried
}

async fn attempt(ledger: &Ledger, args: &TaskStartArgs, id: &Id, dir: &Path, token: &Token) -> anyhow::Result<()> {
    session::lead().map_err(|cause| Kind::Io.wrap(cause, "leaving the terminal"))?;
    if !ledger.adopt(id, Identity::own()).await? || !is_our_turn(ledger, id, token).await? {
        return Ok(());
    }
    let (witness, hard) = (Witness::default(), Token::new());
    let work = tasks::outcome(&hard, work(args, dir, &witness, token));
    let oversight = async {
        oversee(ledger, id, &witness, token).await;
        // It ends by itself, or is ended.
        smol::Timer::after(GRACE).await;
        hard.cancel();
        std::future::pending().await
    };
    let ended = Box::pin(smol::future::or(work, oversight)).await;
    note(ledger, id, &witness).await;
    let outcome = match ended {
        Ok(result) => Outcome::Completed(tasks::keep(Some(ledger.folder()), id, result).await),
        Err(_) if token.is_cancelled() => Outcome::Cancelled,
        Err(outcome) => outcome,
    };
    ledger.end(id, outcome).await.map(drop)
}

/// Waits for the turn of `id`; `false` if it isn't to run any more.
async fn is_our_turn(ledger: &Ledger, id: &Id, token: &Token) -> anyhow::Result<bool> {
    loop {
        match ledger.turn(id).await? {
            Turn::Yours => return Ok(true),
            Turn::Over => return Ok(false),
            Turn::NotYet => {}
        }
        if token.unless_cancelled(smol::Timer::after(TURN)).await.is_none() {
            ledger.end(id, Outcome::Cancelled).await?;
            return Ok(false);
        }
    }
}

/// Passes on how far the work is, until it is to stop.
async fn oversee(ledger: &Ledger, id: &Id, witness: &Witness, token: &Token) {
    let mut last = Instant::now();
    while !token.is_cancelled() {
        smol::Timer::after(LOOK).await;
        // Where the ledger can't be read or written for now, the work goes on.
        if let Ok(record) = ledger.get(id).await
            && record.is_none_or(|record| record.stop || record.state().is_over())
        {
            token.cancel();
        }
        if last.elapsed() >= BEAT && note(ledger, id, witness).await {
            last = Instant::now();
        }
    }
}

/// Notes how far the work is, if it has got on since the last time. Where that can't be written, the work goes on.
async fn note(ledger: &Ledger, id: &Id, witness: &Witness) -> bool {
    let Some(progress) = witness.news() else { return false };
    let _ = ledger.beat(id, progress).await;
    true
}

/// Does the work; what has come of it, in a few words.
async fn work(args: &TaskStartArgs, dir: &Path, witness: &Witness, token: &Token) -> anyhow::Result<String> {
    let loudness = Loudness { quiet: true, progress: None };
    let name = format!("task {}", args.kind.word());
    let mut report = Report::begin(&name, None, Format::Jsonl, loudness)
        .map_err(|cause| Kind::Io.wrap(cause, "beginning the log"))?;
    witness.of(&report);
    let outcome = match super::deadline("task", None, name).await {
        Ok(deadline) => deadline.bound(&Clock::Real, Box::pin(do_it(args, dir, &mut report, token))).await,
        Err(cause) => Err(cause),
    };
    let failure = report.first_failure().map(str::to_owned);
    let (ending, outcome) = match outcome {
        Ok((ending, said)) => (Ok(ending), Ok(said)),
        Err(cause) => {
            let told = told(&cause);
            (Err(cause), Err(told))
        }
    };
    let ended = report.end(ending, token.signal()).await;
    match (outcome, failure) {
        (Err(message), _) | (Ok(_), Some(message)) => Err(Kind::Internal.error(message)),
        (Ok(_), None) if !ended.complete => Err(Kind::Cancelled.error("it was stopped")),
        (Ok(said), None) => Ok(said),
    }
}

async fn do_it(args: &TaskStartArgs, dir: &Path, report: &mut Report, token: &Token) -> Done {
    match args.kind {
        TaskKind::Scan => scan_some(args, dir, report, token).await,
        TaskKind::PatchIds => warm_some(args, dir, report, token).await,
        TaskKind::Prefetch => prefetch_some(args, dir, report, token).await,
        TaskKind::Sync => sync_some(args, report, token).await,
        TaskKind::Gc => gc(report).await,
    }
}

/// What went wrong, and what to do about it, in a line.
fn told(cause: &anyhow::Error) -> String {
    let message = message_of(cause);
    hint_of(cause).map_or_else(|| message.clone(), |hint| format!("{message}; {hint}"))
}

/// The repositories to be worked on: those that were named, or the one that the user stands in.
pub(super) async fn chosen(args: &TaskStartArgs, dir: &Path, refs: &Refs) -> anyhow::Result<Vec<Chosen>> {
    let wanted = wanted(args, refs);
    if wanted.is_here() {
        return Ok(vec![Chosen { sought: Sought::here(dir), refs: refs.clone() }]);
    }
    wanted.chosen().await
}

/// The registered repositories that were named.
pub(super) fn selection(args: &TaskStartArgs) -> Selection {
    let texts = |typed: &[crate::cli::argv::RawArg]| -> Vec<String> {
        typed.iter().map(|text| text.0.to_string_lossy().into_owned()).collect()
    };
    Selection { names: texts(&args.repo), groups: texts(&args.group), all: args.all_repos, shard: None }
}

type Done = anyhow::Result<(Ending, String)>;

async fn scan_some(args: &TaskStartArgs, dir: &Path, report: &mut Report, token: &Token) -> Done {
    let options = scan::Options {
        sought: Sought::here(dir),
        cache_folder: scan::cache_folder(),
        threads: args.threads.map(usize::from),
        no_commits: true,
        ..scan::Options::default()
    };
    let refs = Refs::Usual;
    let wanted = wanted(args, &refs);
    let (ending, _) = if wanted.is_here() {
        super::scan::here(&options, report, token).await?
    } else {
        super::scan::several(&wanted, &options, report, token).await?
    };
    let ending = Ending { incomplete: token.is_cancelled(), cursor: None, ..ending };
    Ok((ending, "the index is up to date".into()))
}

async fn warm_some(args: &TaskStartArgs, dir: &Path, report: &mut Report, token: &Token) -> Done {
    let chosen = chosen(args, dir, &Refs::Usual).await?;
    let Shared { limit, pool } = Shared::of(args.jobs, args.threads).await?;
    let from = &*report;
    let jobs = chosen.into_iter().map(|Chosen { sought, refs }| {
        let options = locate::Options {
            sought,
            refs,
            cache_folder: locate::cache_folder(),
            pool: Some(pool.clone()),
            ..locate::Options::default()
        };
        async move |_slot| {
            let mut strand = from.strand();
            let warmed = locate::warm_one_of_several(options, &mut strand, token).await;
            (strand, warmed)
        }
    });
    let outcomes = limit.run(jobs).await;
    let mut all = Warmed::default();
    for outcome in outcomes {
        let (strand, warmed) = outcome.map_err(|panic| Kind::Internal.error(panic.to_string()))?;
        report.join(strand);
        let warmed = warmed?;
        all.likely += warmed.likely;
        all.worked_out += warmed.worked_out;
        all.left_out += warmed.left_out;
    }
    let Warmed { likely, worked_out, left_out } = all;
    let known = likely.saturating_sub(worked_out + left_out);
    let said = format!("of {likely} likely picks {worked_out} worked out, {known} known before, {left_out} left out");
    Ok((Ending { incomplete: token.is_cancelled(), ..Ending::default() }, said))
}

/// Reads the histories, and asks the trackers for what they name.
async fn prefetch_some(args: &TaskStartArgs, dir: &Path, report: &mut Report, token: &Token) -> Done {
    let chosen = chosen(args, dir, &Refs::Usual).await?;
    let Shared { limit, pool } = Shared::of(args.jobs, args.threads).await?;
    let from = &*report;
    let jobs = chosen.into_iter().map(|Chosen { sought, refs }| {
        let options = scan::Options {
            sought: sought.clone(),
            refs,
            cache_folder: scan::cache_folder(),
            pool: Some(pool.clone()),
            mailmap: true,
            ..scan::Options::default()
        };
        async move |_slot| {
            // Of these lines nobody needs one in the log.
            let (mut strand, mut mute) = (from.strand(), Strand::mute());
            let people = People::default();
            let all = scan::Options { ear: Some(people.ear()), ..options.clone() };
            let read = async {
                let name = smol::unblock({
                    let sought = sought.clone();
                    move || upkeep::name_of(&sought)
                })
                .await?;
                strand.call(&name);
                let overheard = Overheard::of(sought.dir.clone(), [(name.clone(), sought.dir.clone())]);
                let newest = scan::Options { count: Some(NEWEST), ear: Some(overheard.ear()), ..options.clone() };
                scan::run(&newest, &mut mute, token).await?;
                scan::run(&all, &mut mute, token).await?;
                Ok::<_, anyhow::Error>(Subject { repo: name, dir: sought.dir, overheard, people })
            };
            let read = read.await;
            if let Err(cause) = &read {
                let message = message_of(cause);
                let part =
                    FailedPart { id: None, query: None, kind: kind_of(cause), message: &message, hint: hint_of(cause) };
                // Whoever reads no more needs no news.
                let _ = strand.fail(part).await;
            }
            (strand, read.ok())
        }
    });
    let mut subjects = Vec::new();
    for outcome in limit.run(jobs).await {
        let (strand, subject) = outcome.map_err(|panic| Kind::Internal.error(panic.to_string()))?;
        report.join(strand);
        subjects.extend(subject);
    }
    let options =
        enrich::Options { dir: dir.to_owned(), cache_folder: upkeep::folder().ok(), ..enrich::Options::default() };
    let mut strand = report.strand();
    let fetched = enrich::prefetch(subjects, options, &mut strand, token).await;
    report.join(strand);
    Ok((Ending::default(), fetched?.to_string()))
}

async fn sync_some(args: &TaskStartArgs, report: &mut Report, token: &Token) -> Done {
    let ending = super::repo::sync_each(&selection(args), (args.jobs, args.threads), report, token).await?;
    Ok((ending, "clones and index are up to date".into()))
}

async fn gc(report: &mut Report) -> Done {
    let mut strand = report.strand();
    let outcome = super::cache::gc(&mut strand).await;
    let count = strand.counts().get("cache").copied().unwrap_or(0);
    report.join(strand);
    Ok((outcome?, format!("{count} caches removed or made smaller")))
}
