//! `git bhfuil scan`: what was typed becomes the options of a [`scan`], and its outcome an exit code.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;

use regex::{Regex, RegexBuilder};

use super::repositories::{self, Chosen, Shared, Wanted};
use crate::cli::ScanArgs;
use crate::cli::argv::RawArg;
use crate::enrich::Overheard;
use crate::error::{Kind, exit, hint_of, message_of};
use crate::report::{self, Ending, Loudness, Report};
use crate::scan::{self, Consumer, Options, Scanned, Selection, Sought};
use crate::shutdown::Token;

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &ScanArgs, paths: Option<Vec<OsString>>, dir: &Path, token: &Token) -> u8 {
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    let (format, configured) = super::format(args.format, args.color, args.no_color, dir).await;
    let format = if args.is_about_several() { format.naming_repositories() } else { format };
    let mut report = match Report::begin("scan", None, format, loudness) {
        Ok(report) => report,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    if !(args.stdin && std::io::stdin().is_terminal()) {
        super::page(&report, "scan", dir).await;
    }
    let refs = repositories::refs(&args.refs);
    let overheard = if args.issues { Some(super::where_is::overheard(dir, &wanted(args, &refs)).await) } else { None };
    let ear = overheard.as_ref().map(Overheard::ear);
    let outcome = match configured.and_then(|()| options(args, paths, dir)).map(|options| Options { ear, ..options }) {
        Ok(options) if wanted(args, &refs).is_here() => here(&options, &mut report, token).await,
        Ok(options) => several(&wanted(args, &refs), &options, &mut report, token).await,
        Err(cause) => Err(cause),
    };
    let (ending, consumers) = match outcome {
        Ok((ending, consumers)) => {
            let told = match &overheard {
                Some(overheard) => {
                    super::where_is::issues_after(overheard, dir, &wanted(args, &refs), &mut report, token).await
                }
                None => Ok(()),
            };
            (told.map(|()| ending), consumers)
        }
        Err(cause) => (Err(cause), Vec::new()),
    };
    let ended = report.end(ending, token.signal()).await;
    // A reader who takes the stream for cut off must get all of it again, of every repository.
    for consumer in consumers.into_iter().filter(|_| ended.complete) {
        if let Err(cause) = consumer.move_on().await {
            report::say_fatal(&message_of(&cause), hint_of(&cause));
            return exit::FATAL;
        }
    }
    ended.exit_code
}

fn wanted<'a>(args: &'a ScanArgs, refs: &'a Selection) -> Wanted<'a> {
    Wanted {
        repo: &args.repo,
        group: &args.group,
        all: args.all_repos,
        shard: repositories::shard(args.shard),
        jobs: args.jobs,
        threads: args.threads,
        refs,
    }
}

pub(super) async fn here(
    options: &Options,
    report: &mut Report,
    token: &Token,
) -> anyhow::Result<(Ending, Vec<Consumer>)> {
    let mut strand = report.strand();
    let outcome = scan::run(options, &mut strand, token).await;
    report.join(strand);
    let Scanned { ending, consumer, .. } = outcome?;
    Ok((ending, consumer.into_iter().collect()))
}

/// Scans the repositories that are `wanted`. A consumer follows each of them by itself, in the cache of each.
pub(super) async fn several(
    wanted: &Wanted<'_>,
    options: &Options,
    report: &mut Report,
    token: &Token,
) -> anyhow::Result<(Ending, Vec<Consumer>)> {
    let chosen = wanted.chosen().await?;
    let Shared { limit, pool } = wanted.shared().await?;
    // Of a part it is all the same how many there are.
    let is_alone = chosen.len() == 1 && wanted.shard.is_none();
    report.expect(chosen.len());
    let from = &*report;
    let jobs = chosen.into_iter().map(|Chosen { sought, refs }| {
        let options = Options { sought, refs, pool: Some(pool.clone()), ..options.clone() };
        async move |_slot| {
            let mut strand = from.strand();
            let scanned = if is_alone {
                scan::run(&options, &mut strand, token).await.map(Some)
            } else {
                scan::run_one_of_several(&options, &mut strand, token).await
            };
            (strand, scanned)
        }
    });
    let outcomes = limit.run(jobs).await;
    let mut all = Ending { incomplete: token.is_cancelled(), ..Ending::default() };
    let mut consumers = Vec::new();
    let mut failure = None;
    for outcome in outcomes {
        let (strand, scanned) = outcome.map_err(|panic| Kind::Internal.error(panic.to_string()))?;
        report.join(strand);
        match scanned {
            Ok(Some(Scanned { ending, consumer, .. })) => {
                all.incomplete |= ending.incomplete;
                all.cursor = ending.cursor.filter(|_| is_alone);
                consumers.extend(consumer);
            }
            Ok(None) => all.incomplete = true,
            Err(cause) => failure = Some(cause),
        }
    }
    match failure {
        Some(cause) => Err(cause),
        None => Ok((all, consumers)),
    }
}

fn options(args: &ScanArgs, paths: Option<Vec<OsString>>, dir: &Path) -> anyhow::Result<Options> {
    Ok(Options {
        sought: Sought::here(dir),
        pool: None,
        cache_folder: scan::cache_folder(),
        threads: args.threads.map(usize::from),
        refs: repositories::refs(&args.refs),
        revisions: args.revisions.iter().map(|word| word.0.clone()).collect(),
        stdin: args.stdin.then_some(if args.null { 0 } else { b'\n' }),
        paths: paths.unwrap_or_default(),
        since: args.since.as_ref().map(|text| text.0.clone()),
        until: args.until.as_ref().map(|text| text.0.clone()),
        // As in git a negative number is no limit.
        count: args.max_count.and_then(|count| usize::try_from(count).ok()),
        authors: regexes("--author", &args.author)?,
        messages: regexes("--grep", &args.grep)?,
        after: args.after.as_ref().map(|text| text.0.clone()),
        known: None,
        seen: Vec::new(),
        settings: None,
        goes_on: false,
        consumer: args.new.as_ref().map(|text| text.0.clone()),
        reverse: args.reverse,
        no_commits: args.no_commits,
        show_refs: args.show_refs,
        changed_paths: args.paths,
        patch_id: args.patch_id,
        tagged: args.tagged,
        mailmap: args.mailmap,
        verbose: args.verbose > 0,
        ear: None,
    })
}

/// The patterns of an option. `^` and `$` match at each line, as for `git log --grep`, which looks at a message line by line.
fn regexes(option: &str, patterns: &[RawArg]) -> anyhow::Result<Vec<Regex>> {
    let compile = |pattern: &RawArg| {
        let text = pattern.0.to_string_lossy();
        RegexBuilder::new(&text).multi_line(true).build().map_err(|cause| {
            Kind::BadValue.hinted(
                format!("bad value '{text}' for {option}: {}", scan::last_line(&cause.to_string())),
                "the syntax is that of Rust's regex crate; put a backslash before a literal . * + ? ( ) [ ] { } | ^ $",
            )
        })
    };
    patterns.iter().map(compile).collect()
}
