//! The verbs, a file each: they resolve options, start the work and hand events to `report`. They know no git, no SQL and no HTTP.

mod backlog;
mod cache;
mod complete;
mod config;
mod enrich;
mod errand;
mod export;
mod install;
mod mcp;
mod osv;
mod repo;
mod repositories;
mod scan;
mod schema;
mod status;
mod task;
mod watch;
mod where_is;

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli;
use crate::cli::argv::{RawArg, TextArg};
use crate::cli::scan::{Color as AskedColor, Format as Asked};
use crate::cli::{Command, Exit, Invocation, RepoCommand, UsageError};
use crate::clock::{Clock, Deadline};
use crate::config::{self as settings, Color as Configured};
use crate::error::{Kind, exit};
use crate::monitor::{self, Run};
use crate::report::{self, Color, Ending, Format, Loudness, Report, Strand};
use crate::shutdown::Token;
use crate::upkeep::{self, Sought};

/// Runs what was typed and returns the exit code.
pub async fn run(invocation: Result<Invocation, Exit>, token: &Token) -> u8 {
    let invocation = match invocation {
        Ok(invocation) => invocation,
        Err(Exit::Help(text)) => return printed(text),
        Err(Exit::Usage(error)) => return refused(&error),
    };
    let dir = invocation.dir.map_or_else(|| PathBuf::from("."), entered);
    if let (Some(refusal), Command::Where(args)) = (&invocation.implied, &invocation.command)
        && !where_is::is_meant(args, &dir, token).await
    {
        return refused(refusal);
    }
    let begun = std::time::SystemTime::now();
    let keeps = matches!(
        &invocation.command,
        Command::Scan(_)
            | Command::Where(_)
            | Command::Missing(_)
            | Command::Followups(_)
            | Command::Matrix(_)
            | Command::Verify(_)
            | Command::Explain(_)
            | Command::Mcp(_)
            | Command::Osv(_)
            | Command::Export(_)
            | Command::Repo(RepoCommand::Sync(_))
    );
    let is_seen = !matches!(&invocation.command, Command::Version | Command::Schema(_) | Command::Complete);
    let seen = is_seen.then(|| Run::begin(monitor::process(), invocation.name, upkeep::folder().ok()));
    let code = match invocation.command {
        Command::Version => printed(format!("git-bhfuil version {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Schema(_) => schema::run(),
        Command::Complete => Box::pin(complete::run(&invocation.paths.unwrap_or_default(), dir)).await,
        Command::Install(args) => Box::pin(install::run(&args, &dir, token)).await,
        Command::Status(args) => Box::pin(status::run(&args, &dir, token)).await,
        Command::Cache(command) => Box::pin(cache::run(&command, &dir, token)).await,
        Command::Config(command) => Box::pin(config::run(&command, &dir, token)).await,
        Command::Enrich(args) => Box::pin(enrich::run(&args, &dir, token)).await,
        Command::Export(args) => Box::pin(export::run(&args, &dir, token)).await,
        Command::Osv(command) => Box::pin(osv::run(&command, &dir, token)).await,
        Command::Repo(command) => Box::pin(repo::run(&command, &dir, token)).await,
        Command::Task(command) => Box::pin(task::run(&command, &dir, token)).await,
        Command::Watch(args) => Box::pin(watch::run(&args, &dir, token)).await,
        Command::Where(args) => Box::pin(where_is::run(&args, &dir, token)).await,
        Command::Missing(args) => Box::pin(backlog::missing(&args, invocation.paths, &dir, token)).await,
        Command::Followups(args) => Box::pin(backlog::followups(&args, &dir, token)).await,
        Command::Matrix(args) => Box::pin(backlog::matrix(&args, &dir, token)).await,
        Command::Mcp(_) => Box::pin(mcp::run(&dir, token)).await,
        Command::Verify(args) => Box::pin(backlog::verify(&args, &dir, token)).await,
        Command::Explain(args) => Box::pin(backlog::explain(&args, &dir, token)).await,
        Command::Dismiss(args) => Box::pin(backlog::dismiss(&args, &dir, token)).await,
        Command::Scan(args) => Box::pin(scan::run(&args, invocation.paths, &dir, token)).await,
    };
    if keeps && code < exit::FATAL {
        // What is half done when it is stopped is as it was.
        let _ = token.unless_cancelled(cache::tidy(begun)).await;
    }
    if let Some(run) = seen {
        run.end(code);
    }
    code
}

/// Says what is wrong with the command line.
fn refused(error: &UsageError) -> u8 {
    report::last_words(&format!("fatal: {}", error.message));
    report::last_words(&error.usage);
    exit::USAGE
}

/// The form of the output that was asked for, in colour as was typed or is configured for the repository at `dir`; and what is
/// wrong with the configuration. As in git, `--no-color` is `--color=never`.
async fn format(asked: Asked, color: Option<AskedColor>, no_color: bool, dir: &Path) -> (Format, anyhow::Result<()>) {
    let with = |color| match asked {
        Asked::Auto => Format::automatic(color),
        Asked::Jsonl => Format::Jsonl,
        Asked::Human => Format::human(color),
        Asked::Html => Format::Html,
        Asked::Osv => Format::Osv,
        Asked::Template(template) => Format::template(template),
    };
    let color = match color {
        _ if no_color => Color::Never,
        Some(AskedColor::Auto) => Color::Auto,
        Some(AskedColor::Always) => Color::Always,
        Some(AskedColor::Never) => Color::Never,
        // Programs are told the same in any colour.
        None if !matches!(with(Color::Auto), Format::Human(_)) => Color::Auto,
        None => match settings::color(dir).await {
            Ok(None | Some(Configured::Auto)) => Color::Auto,
            Ok(Some(Configured::Always)) => Color::Preferred,
            Ok(Some(Configured::Never)) => Color::Never,
            Err(cause) => return (with(Color::Auto), Err(cause)),
        },
    };
    (with(color), Ok(()))
}

/// Runs `work` between the first line of the stream of `command` and its last, and returns the exit code. `look` is the form of the
/// output that was asked for, and colour.
async fn framed(
    command: &str,
    look: (Asked, Option<AskedColor>, bool),
    dir: &Path,
    token: &Token,
    work: impl AsyncFnOnce(&mut Strand) -> anyhow::Result<Ending>,
) -> u8 {
    framed_aloud(command, (look, Loudness::default()), dir, token, work).await
}

/// As [`framed`], with what is said beside the output.
async fn framed_aloud(
    command: &str,
    (look, loudness): ((Asked, Option<AskedColor>, bool), Loudness),
    dir: &Path,
    token: &Token,
    work: impl AsyncFnOnce(&mut Strand) -> anyhow::Result<Ending>,
) -> u8 {
    let (asked, color, no_color) = look;
    // A bad value for the colour must not keep it from being mended.
    let (format, _) = format(asked, color, no_color, dir).await;
    let mut report = match Report::begin(command, None, format, loudness) {
        Ok(report) => report,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    page(&report, command, dir).await;
    let stop = async {
        token.cancelled().await;
        Err(Kind::Cancelled.error("stopped"))
    };
    let mut strand = report.strand();
    let ending = smol::future::or(work(&mut strand), stop).await;
    report.join(strand);
    report.end(ending, token.signal()).await.exit_code
}

/// Lets people page the output of `command`, if that is something to read and not to watch. What is wrong with the configuration is for others to
/// say.
async fn page(report: &Report, command: &str, dir: &Path) {
    const READ: [&str; 15] = [
        "where",
        "scan",
        "missing",
        "followups",
        "matrix",
        "verify",
        "explain",
        "osv verify",
        "enrich",
        "status",
        "repo list",
        "repo show",
        "cache info",
        "task list",
        "task show",
    ];
    if READ.contains(&command) && report::is_for_a_terminal(report.format()) {
        report.page(settings::pager(dir).await.unwrap_or_default());
    }
}

/// The length of time that was typed for `option` of `command`, if one was; or what is wrong with it.
fn time(command: &str, option: &str, typed: Option<&TextArg>) -> Result<Option<Duration>, UsageError> {
    let Some(TextArg(text)) = typed else { return Ok(None) };
    let refusal = || {
        let message =
            format!("bad value '{text}' for {option}: expected a time above zero, such as 500ms, 90s, 15m or 2h");
        cli::refusal(Some(command), message)
    };
    settings::values::time(text).map(Some).ok_or_else(refusal)
}

/// By when `operation` has to be done, which is called `whole` (`looking at nova`), as configured for the repository that is `sought` or for
/// all.
async fn deadline(operation: &'static str, sought: Option<Sought>, whole: String) -> anyhow::Result<Deadline> {
    let limit = settings::time_limit(operation, sought).await?;
    Ok(Deadline::within(&Clock::Real, limit).set_by(format!("bhfuil.timeout.{operation}")).bounding(whole))
}

/// Whether progress was asked for, either way.
fn progress(wanted: bool, unwanted: bool) -> Option<bool> {
    if wanted { Some(true) } else { unwanted.then_some(false) }
}

/// The globs of an option, byte for byte.
fn globs(typed: &[RawArg]) -> Vec<Vec<u8>> {
    typed.iter().map(|glob| glob.0.as_bytes().to_vec()).collect()
}

/// Goes into `dir`, as git does for `-C`: what the environment names, a `GIT_DIR` say, is then meant from there. Where it can't
/// be entered it is named, for the message.
fn entered(dir: PathBuf) -> PathBuf {
    if std::env::set_current_dir(&dir).is_ok() { PathBuf::from(".") } else { dir }
}

fn printed(text: impl AsRef<[u8]>) -> u8 {
    match report::print(text.as_ref()) {
        Ok(()) => exit::ANSWERED,
        Err(cause) => {
            report::say_fatal(&format!("writing the output: {cause}"), None);
            exit::FATAL
        }
    }
}
