//! `git bhfuil where`: what was typed becomes the options of a search, and its outcome an exit code.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::repositories::{self, Chosen, Shared, Wanted};
use crate::cli::where_is::Tags as Asked;
use crate::cli::{self, WhereArgs};
use crate::clock::Clock;
use crate::enrich::{self, After, Overheard};
use crate::error::exit;
use crate::locate::across::{self, Member};
use crate::locate::{self, Options, Selection, Signals, Sought, Tags};
use crate::osv;
use crate::report::{self, Ending, Loudness, Report, Strand};
use crate::shutdown::Token;
use crate::tasks::{Priority, Rules, Tasks};

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &WhereArgs, dir: &Path, token: &Token) -> u8 {
    let signals = match signals(args) {
        Ok(signals) => signals,
        Err(message) => return super::refused(&cli::refusal(Some("where"), message)),
    };
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    let queries = args.queries.iter().map(|query| query.0.to_string_lossy().into_owned()).collect();
    let (format, configured) = super::format(args.format, args.color, args.no_color, dir).await;
    let format = if args.is_about_several() { format.naming_repositories() } else { format };
    let mut report = match Report::begin("where", Some(queries), format, loudness) {
        Ok(report) => report,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    if !(args.stdin && std::io::stdin().is_terminal()) {
        super::page(&report, "where", dir).await;
    }
    let refs = asked_for(args);
    let wanted = Wanted {
        repo: &args.repo,
        group: &args.group,
        all: args.all_repos,
        shard: repositories::shard(args.shard),
        jobs: args.jobs,
        threads: args.threads,
        refs: &refs,
    };
    let overheard = if args.issues { Some(overheard(dir, &wanted).await) } else { None };
    let options = Options { ear: overheard.as_ref().map(Overheard::ear), ..options(args, signals, dir) };
    let ending = match configured {
        Ok(()) if wanted.is_here() => {
            let mut strand = report.strand();
            let ending = if args.warm {
                run_warming(options, &mut strand, token).await
            } else if report.format() == report::Format::Osv {
                one(options, &mut strand, token).await
            } else {
                // People may read on in a pager, and issues are asked for afterwards.
                let is_last = overheard.is_none() && !matches!(report.format(), report::Format::Human(_));
                locate::run_keeping(options, &mut strand, token).await.map(|(ending, remains)| {
                    if is_last {
                        remains.leave();
                    }
                    ending
                })
            };
            report.join(strand);
            ending
        }
        Ok(()) => several(&wanted, &options, &mut report, token).await,
        Err(cause) => Err(cause),
    };
    let ending = match (ending, overheard) {
        (Ok(ending), Some(overheard)) => {
            let told = issues_after(&overheard, dir, &wanted, &mut report, token).await;
            told.map(|()| ending)
        }
        (ending, _) => ending,
    };
    report.end(ending, token.signal()).await.exit_code
}

/// Asks one repository, for what it has of the changes or for the record of an advisory that begins with them.
async fn one(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    if report.format() != report::Format::Osv {
        return locate::run(options, report, token).await;
    }
    let web = enrich::on_the_web(options.sought.dir.clone()).await?;
    Box::pin(osv::start(options, &web, report, token)).await
}

/// Notes what an answer is about. That the repositories can't be found is said by the answer itself.
pub(super) async fn overheard(dir: &Path, wanted: &Wanted<'_>) -> Overheard {
    Overheard::of(dir.to_owned(), places(wanted).await.unwrap_or_default())
}

/// The repositories that are asked, by their names on the wire; none for the one where the user stands.
async fn places(wanted: &Wanted<'_>) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if wanted.is_here() {
        return Ok(Vec::new());
    }
    let chosen = wanted.chosen().await?.into_iter();
    Ok(chosen.filter_map(|chosen| Some((chosen.sought.name?, chosen.sought.dir))).collect())
}

/// Tells of the issues of an answer that was given.
pub(super) async fn issues_after(
    overheard: &Overheard,
    dir: &Path,
    wanted: &Wanted<'_>,
    report: &mut Report,
    token: &Token,
) -> anyhow::Result<()> {
    let places = places(wanted).await?;
    let after = After { dir: dir.to_owned(), places, cache_folder: locate::cache_folder() };
    let mut strand = report.strand();
    let told = enrich::after(overheard, after, &mut strand, token).await;
    report.join(strand);
    told
}

/// Answers, and works out ahead what may be asked for while queries are waited for.
async fn run_warming(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    let tasks = Tasks::new(Rules { at_once: 1, ..Rules::default() }, 1, Clock::Real, None);
    let ahead = Options {
        sought: options.sought.clone(),
        cache_folder: options.cache_folder.clone(),
        threads: Some(1),
        ..Options::default()
    };
    let options = Options { background: Some(tasks.clone()), ..options };
    tasks
        .drive(async {
            tasks.spawn("patch-ids", Priority::Low, |hand| async move {
                let warmed = locate::warm(ahead, Some(&hand), &mut Strand::mute(), &hand.stop).await?;
                Ok(format!("{} worked out", warmed.worked_out))
            })?;
            Box::pin(locate::run(options, report, token)).await
        })
        .await
}

/// Asks the repositories that are `wanted`, together where they are several.
pub(super) async fn several(
    wanted: &Wanted<'_>,
    options: &Options,
    report: &mut Report,
    token: &Token,
) -> anyhow::Result<Ending> {
    let mut chosen = wanted.chosen().await?;
    let Shared { limit, pool } = wanted.shared().await?;
    let options = Options { pool: Some(pool), ..options.clone() };
    let (strands, ending) = if chosen.len() == 1
        && wanted.shard.is_none()
        && let Some(Chosen { sought, refs }) = chosen.pop()
    {
        let mut strand = report.strand();
        let ending = one(Options { sought, refs, ..options }, &mut strand, token).await;
        (vec![strand], ending)
    } else {
        report.expect(chosen.len());
        let member = |Chosen { sought, refs }| Member { sought, refs, strand: report.strand() };
        across::run(options, chosen.into_iter().map(member).collect(), &limit, token).await
    };
    for strand in strands {
        report.join(strand);
    }
    ending
}

/// Whether the first word, which was typed without a command, is something to look for and no mistyped command.
pub(super) async fn is_meant(args: &WhereArgs, dir: &Path, token: &Token) -> bool {
    match args.queries.first() {
        Some(query) => Box::pin(locate::names_something(dir, &query.0, token)).await,
        None => false,
    }
}

/// The signals that may be used, or what is wrong with the list of them.
fn signals(args: &WhereArgs) -> Result<Signals, String> {
    let Some(list) = &args.signals else { return Ok(Signals::ALL) };
    list.0.parse().map_err(|cause| format!("bad value '{}' for --signals: {cause}", list.0))
}

fn options(args: &WhereArgs, signals: Signals, dir: &Path) -> Options {
    Options {
        sought: Sought::here(dir),
        pool: None,
        cache_folder: locate::cache_folder(),
        threads: args.threads.map(Into::into),
        refs: asked_for(args),
        queries: args.queries.iter().map(|query| query.0.clone()).collect(),
        stdin: args.stdin.then_some(if args.null { 0 } else { b'\n' }),
        patch: args.patch.as_ref().map(|file| file.0.clone()),
        tags: match args.tags {
            None | Some(Asked::First) => Tags::First,
            Some(Asked::All) => Tags::All,
            Some(Asked::None) => Tags::None,
        },
        missing: args.missing,
        via: args.via,
        signals,
        similar: args.similar,
        min_confidence: args.min_confidence.unwrap_or(0.0),
        no_update: args.no_update,
        max_count: args.max_count.map(|count| usize::try_from(count).unwrap_or(usize::MAX)),
        told: None,
        settings: None,
        known_absent: Arc::default(),
        background: None,
        ear: None,
    }
}

/// The kinds of refs that are asked about.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    /// Branches.
    pub(super) branches: bool,
    /// Remote branches.
    pub(super) remotes: bool,
    /// Whether it was said which tags are told.
    pub(super) tags: bool,
}

/// The refs that `args` ask about.
fn asked_for(args: &WhereArgs) -> Selection {
    let kinds = Kinds { branches: args.branches, remotes: args.remotes, tags: args.tags.is_some() };
    selection(super::globs(&args.refs), kinds)
}

/// The refs that are asked about: those that match, else those of the kinds. These leave tags to what is said of tags.
pub(super) fn selection(globs: Vec<Vec<u8>>, kinds: Kinds) -> Selection {
    if !globs.is_empty() {
        return Selection::Globs(globs);
    }
    let Kinds { branches, remotes, tags } = kinds;
    if !branches && !remotes {
        return Selection::Usual;
    }
    let kinds = [(branches, "refs/heads/*"), (remotes, "refs/remotes/*"), (tags, "refs/tags/*")];
    Selection::Globs(kinds.iter().filter(|(asked, _)| *asked).map(|(_, glob)| glob.as_bytes().to_vec()).collect())
}
