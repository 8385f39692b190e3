//! `git bhfuil mcp`: tools of the Model Context Protocol, each of which is the command of its name and answers with its events.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::repositories::Wanted;
use super::where_is;
use crate::backlog;
use crate::cli::argv::RawArg;
use crate::clock::Clock;
use crate::error::{Kind, exit, hint_of, message_of};
use crate::events::tool::{
    self, Answer, ExplainArguments, FollowupsArguments, HIGHEST_LIMIT, MissingArguments, TagChoice, WhereArguments,
};
use crate::locate::{self, Selection, Signals, Sought, Tags};
use crate::mcp::{self, Call, Offer, Outcome, Tool};
use crate::monitor::{self, Run};
use crate::report::{self, Ending, Messages, Report, Strand};
use crate::repos::Limit;
use crate::shutdown::Token;
use crate::upkeep;

/// Calls that run at a time, each with threads of its own; others wait.
const AT_ONCE: usize = 3;
/// Between looks whether somebody still reads.
const LOOK: Duration = Duration::from_millis(500);
/// How long a reader who doesn't read is waited for once the run is stopped.
const PATIENCE: Duration = Duration::from_secs(1);

const INSTRUCTIONS: &str = "git bhfuil finds where a change is in git repositories: on which branches, tags and releases, as itself or as an \
     equivalent commit (cherry-pick, backport), and where it is missing or was reverted. `where` answers for commits, issues such as \
     CVE-2024-1234, Change-Ids, patches and words; `missing` lists what a branch lacks; `followups` what should follow a fix that it has; \
     `explain` says why two commits are the same change or aren't. Answers are events: read `match`, `presence`, `missing`, `followup` and \
     `verdict`, and mind `warning` and `error`. `left_out` above zero means that there is more than was told: narrow the question, or raise \
     `limit`. Nothing is changed in any repository, and no server is asked.";

/// What every answer may have, whatever was asked.
const AROUND: [&str; 6] = ["begin", "repo", "warning", "error", "repo-end", "end"];

/// Runs the server and returns the exit code.
pub(super) async fn run(dir: &Path, token: &Token) -> u8 {
    if !dir.is_dir() {
        report::say_fatal(&format!("cannot change to '{}': no such directory", dir.display()), None);
        return exit::FATAL;
    }
    if std::io::stdin().is_terminal() {
        report::last_words(
            "note: this is for programs, which send messages of the Model Context Protocol; Ctrl-D ends it",
        );
    }
    let messages = match Messages::start() {
        Ok(messages) => messages,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    let sender = messages.sender();
    let (offer, limit, input) = (offer(), Limit::new(AT_ONCE), smol::Unblock::new(std::io::stdin()));
    let tools = async |call: Call| match limit.run_one(|_slot| answer(&call, dir)).await {
        Ok(outcome) => outcome,
        Err(panic) => Outcome::failed(format!("a defect of git-bhfuil: {panic}")),
    };
    let served =
        mcp::serve(&offer, input, async |message: &Value| sender.send(message).await, tools, (&Clock::Real, token));
    let outcome = smol::future::or(served, unread()).await;
    if token.is_cancelled() {
        // Whoever has stopped it may not read any more, and what is written is then of no use to anybody.
        let _ = smol::future::or(smol::unblock(move || messages.finish()), async {
            smol::Timer::after(PATIENCE).await;
            Ok(())
        })
        .await;
        return token.signal().and_then(|signal| u8::try_from(128 + signal).ok()).unwrap_or(exit::INTERRUPTED);
    }
    let written = smol::unblock(move || messages.finish()).await.context("writing the output");
    match outcome.and(written) {
        Ok(()) => exit::ANSWERED,
        Err(cause) => {
            report::say_fatal(&message_of(&cause), hint_of(&cause));
            exit::FATAL
        }
    }
}

/// Ends when nobody reads stdout any more: a client that is gone may leave its end of the input open in another process.
async fn unread() -> anyhow::Result<()> {
    while report::is_read() {
        smol::Timer::after(LOOK).await;
    }
    Ok(())
}

fn offer() -> Offer {
    Offer {
        name: "git-bhfuil",
        title: "git bhfuil",
        version: env!("CARGO_PKG_VERSION"),
        instructions: INSTRUCTIONS.split_whitespace().collect::<Vec<_>>().join(" "),
        tools: vec![
            offered("where", "Where is this change?", tool::asked::<WhereArguments>(), &WHERE),
            offered("missing", "What does a branch lack?", tool::asked::<MissingArguments>(), &["commit", "missing"]),
            offered(
                "followups",
                "What should follow to a branch?",
                tool::asked::<FollowupsArguments>(),
                &["commit", "followup"],
            ),
            offered(
                "explain",
                "Are two commits the same change?",
                tool::asked::<ExplainArguments>(),
                &["commit", "verdict", "interdiff"],
            ),
        ],
    }
}

/// The types of events that `where` answers with.
const WHERE: [&str; 4] = ["candidate", "commit", "match", "presence"];

fn offered(name: &'static str, title: &'static str, (description, input): (String, Value), types: &[&str]) -> Tool {
    let output = tool::answered(&[&AROUND, types].concat());
    Tool { name, title, description, input, output }
}

/// Answers a call.
async fn answer(call: &Call, dir: &Path) -> Outcome {
    match understood(call, dir).await {
        Ok(answer) => outcome(answer),
        // A model can mend it.
        Err(fault) => Outcome::failed(fault),
    }
}

/// What is answered, or what is wrong with the arguments.
async fn understood(call: &Call, dir: &Path) -> Result<Answer, String> {
    match call.tool {
        "where" => where_is(call, read(&call.arguments)?, dir).await,
        "missing" => missing(call, read(&call.arguments)?, dir).await,
        "followups" => followups(call, read(&call.arguments)?, dir).await,
        _ => explain(call, read(&call.arguments)?, dir).await,
    }
}

fn read<T: DeserializeOwned>(arguments: &Map<String, Value>) -> Result<T, String> {
    let arguments = Value::Object(arguments.clone());
    if has_nul(&arguments) {
        return Err("bad arguments: there is a NUL in a text".to_owned());
    }
    // A model mends what it is told by name.
    serde_path_to_error::deserialize(arguments).map_err(|cause| format!("bad arguments: {cause}"))
}

/// No argument of a program and no name of a file can have one.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.values().any(has_nul),
        _ => false,
    }
}

/// The number of events, if as many may be asked for.
fn limit(asked: u32) -> Result<usize, String> {
    let is_good = (1..=HIGHEST_LIMIT).contains(&asked);
    let number = usize::try_from(asked).ok().filter(|_| is_good);
    number.ok_or_else(|| format!("bad arguments: limit is a number from 1 to {HIGHEST_LIMIT}"))
}

async fn where_is(call: &Call, asked: WhereArguments, dir: &Path) -> Result<Answer, String> {
    let limit = limit(asked.limit)?;
    if asked.queries.is_empty() && asked.patch.is_none() {
        return Err("bad arguments: queries has one at least, unless there is a patch".to_owned());
    }
    if !asked.refs.is_empty() && (asked.branches || asked.remotes) {
        return Err("bad arguments: refs can't be used with branches or remotes".to_owned());
    }
    if !(0.0..=1.0).contains(&asked.min_confidence) || asked.max_count == Some(0) {
        return Err("bad arguments: min_confidence is a number from 0 to 1, max_count one above 0".to_owned());
    }
    let repo = typed(asked.repository.iter().chain(&asked.repositories));
    let (group, refs) = (typed(&asked.groups), selection(&asked));
    let wanted = Wanted {
        repo: &repo,
        group: &group,
        all: asked.all_repositories,
        jobs: None,
        threads: None,
        shard: None,
        refs: &refs,
    };
    if asked.patch.is_some() && (repo.len() > 1 || !group.is_empty() || asked.all_repositories) {
        return Err("bad arguments: a patch is looked for in one repository at a time".to_owned());
    }
    let options = options(&asked, &refs, dir)?;
    let queries = Some(asked.queries);
    Ok(told("where", queries, call, limit, async |report| {
        // It is there until the answer is.
        let patch = match asked.patch {
            Some(patch) => Some(smol::unblock(move || written(&patch)).await?),
            None => None,
        };
        let options = locate::Options { patch: patch.as_ref().map(|file| file.path().into()), ..options };
        if wanted.is_here() {
            return on_a_strand(report, async |strand| locate::run(options, strand, &call.token).await).await;
        }
        where_is::several(&wanted, &options, report, &call.token).await
    })
    .await)
}

fn options(asked: &WhereArguments, refs: &Selection, dir: &Path) -> Result<locate::Options, String> {
    let signals = if asked.signals.is_empty() {
        Signals::ALL
    } else {
        let names = asked.signals.iter().filter_map(|signal| serde_json::to_value(signal).ok());
        let names: Vec<String> = names.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        names.join(",").parse().map_err(|cause| format!("bad arguments: signals: {cause}"))?
    };
    Ok(locate::Options {
        sought: Sought::here(dir),
        cache_folder: locate::cache_folder(),
        refs: refs.clone(),
        queries: asked.queries.iter().map(OsString::from).collect(),
        tags: match asked.tags {
            None | Some(TagChoice::First) => Tags::First,
            Some(TagChoice::All) => Tags::All,
            Some(TagChoice::None) => Tags::None,
        },
        missing: asked.missing,
        via: asked.via,
        signals,
        similar: asked.similar,
        min_confidence: asked.min_confidence,
        no_update: asked.no_update,
        max_count: asked.max_count.and_then(|count| usize::try_from(count).ok()),
        ..locate::Options::default()
    })
}

/// The refs that are asked about, as the options of the command have it.
fn selection(asked: &WhereArguments) -> Selection {
    let kinds = where_is::Kinds { branches: asked.branches, remotes: asked.remotes, tags: asked.tags.is_some() };
    where_is::selection(asked.refs.iter().map(|glob| glob.clone().into_bytes()).collect(), kinds)
}

/// A file with the patch in it, gone when it is dropped.
fn written(patch: &str) -> anyhow::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("patch").tempfile().context("keeping the patch")?;
    file.write_all(patch.as_bytes()).context("keeping the patch")?;
    if !patch.ends_with('\n') {
        // A text that was passed on may have lost it, and git takes its last line for half of one.
        file.write_all(b"\n").context("keeping the patch")?;
    }
    Ok(file)
}

async fn missing(call: &Call, asked: MissingArguments, dir: &Path) -> Result<Answer, String> {
    let limit = limit(asked.limit)?;
    if asked.gaps && asked.from.is_some() {
        return Err("bad arguments: gaps compares release lines with each other: from can't be used with it".to_owned());
    }
    if asked.branches.is_empty() && !asked.gaps {
        return Err("bad arguments: branches has one at least, unless gaps are asked for".to_owned());
    }
    Ok(told("missing", None, call, limit, async |report| {
        let options = backlog::Options {
            since: asked.since.map(OsString::from),
            paths: asked.paths.into_iter().map(OsString::from).collect(),
            requested: asked.requested,
            security: asked.security,
            fixes: asked.fixes,
            check: asked.check,
            gaps: asked.gaps,
            ..compared(dir, asked.repository, asked.branches, asked.from).await?
        };
        on_a_strand(report, async |strand| backlog::missing(options, strand, &call.token).await).await
    })
    .await)
}

async fn followups(call: &Call, asked: FollowupsArguments, dir: &Path) -> Result<Answer, String> {
    let limit = limit(asked.limit)?;
    if asked.branches.is_empty() {
        return Err("bad arguments: branches has one at least".to_owned());
    }
    Ok(told("followups", None, call, limit, async |report| {
        let options = compared(dir, asked.repository, asked.branches, asked.from).await?;
        on_a_strand(report, async |strand| backlog::followups(options, strand, &call.token).await).await
    })
    .await)
}

async fn explain(call: &Call, asked: ExplainArguments, dir: &Path) -> Result<Answer, String> {
    let limit = limit(asked.limit)?;
    Ok(told("explain", None, call, limit, async |report| {
        let options = compared(dir, asked.repository, Vec::new(), None).await?;
        let options = backlog::Options { exit_code: true, ..options };
        let (one, other) = (OsString::from(asked.commit), OsString::from(asked.other));
        on_a_strand(report, async |strand| backlog::explain(options, &one, &other, strand, &call.token).await).await
    })
    .await)
}

/// The options of a comparison in the repository that was named, or in the one at `dir`.
async fn compared(
    dir: &Path,
    repository: Option<String>,
    branches: Vec<String>,
    from: Option<String>,
) -> anyhow::Result<backlog::Options> {
    let repo = typed(&repository);
    let refs = Selection::Usual;
    let wanted = Wanted { repo: &repo, group: &[], all: false, jobs: None, threads: None, shard: None, refs: &refs };
    let sought = if wanted.is_here() {
        Some(Sought::here(dir))
    } else {
        wanted.chosen().await?.pop().map(|chosen| chosen.sought)
    };
    Ok(backlog::Options {
        sought: sought.ok_or_else(|| Kind::NoRepository.error("no repository is meant"))?,
        cache_folder: locate::cache_folder(),
        targets: branches.into_iter().map(OsString::from).collect(),
        source: from.map(OsString::from),
        ..backlog::Options::default()
    })
}

fn typed<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<RawArg> {
    names.into_iter().map(|name| RawArg(name.into())).collect()
}

/// Lends `work` the only strand of a report.
async fn on_a_strand(
    report: &mut Report,
    work: impl AsyncFnOnce(&mut Strand) -> anyhow::Result<Ending>,
) -> anyhow::Result<Ending> {
    let mut strand = report.strand();
    let ending = work(&mut strand).await;
    report.join(strand);
    ending
}

/// The events of `command`, `limit` of them, with what `work` tells between the first line and the last.
async fn told(
    command: &'static str,
    queries: Option<Vec<String>>,
    call: &Call,
    limit: usize,
    work: impl AsyncFnOnce(&mut Report) -> anyhow::Result<Ending>,
) -> Answer {
    let seen = Run::begin(monitor::process(), command, upkeep::folder().ok());
    let (mut report, lines) = Report::begin_within(command, queries);
    if call.is_watched()
        && let Some(reader) = report.progress()
    {
        call.show(reader);
    }
    let work = async {
        let ending = work(&mut report).await;
        report.end(ending, None).await;
    };
    let (answer, ()) = smol::future::zip(mcp::gather(lines, limit), Box::pin(work)).await;
    seen.end(answer.exit_code);
    answer
}

/// A call has failed if nothing could be answered; a model is told then what is wrong in words.
fn outcome(answer: Answer) -> Outcome {
    let is_error = answer.exit_code >= exit::FATAL;
    let said = is_error.then(|| fatal(&answer.events));
    let structured = serde_json::to_value(answer).ok();
    Outcome { said, structured, is_error }
}

/// What the last error of the stream says, and what can be done about it.
fn fatal(events: &[Value]) -> String {
    let error = events.iter().rev().find(|event| event["type"] == "error");
    let text = |name: &str| error.and_then(|error| error.get(name)).and_then(Value::as_str);
    let message = text("message").unwrap_or("it failed");
    text("hint").map_or_else(|| message.to_owned(), |hint| format!("{message}\nhint: {hint}"))
}
