//! `git bhfuil scan`: what was typed becomes the options of a [`scan`], and its outcome an exit code.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use regex::{Regex, RegexBuilder};

use crate::cli::ScanArgs;
use crate::cli::argv::RawArg;
use crate::error::{Kind, exit, hint_of, message_of};
use crate::report::{self, Loudness, Report};
use crate::scan::{self, Options, Scanned, Selection, Sought};
use crate::shutdown::Token;

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &ScanArgs, paths: Option<Vec<OsString>>, dir: &Path, token: &Token) -> u8 {
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    let (format, configured) = super::format(args.format, args.color, args.no_color, dir).await;
    let mut report = match Report::begin("scan", None, format, loudness) {
        Ok(report) => report,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    let mut strand = report.strand();
    let outcome = match configured.and_then(|()| options(args, paths, dir)) {
        Ok(options) => scan::run(&options, &mut strand, token).await,
        Err(cause) => Err(cause),
    };
    report.join(strand);
    let (ending, consumer) = match outcome {
        Ok(Scanned { ending, consumer }) => (Ok(ending), consumer),
        Err(cause) => (Err(cause), None),
    };
    let ended = report.end(ending, token.signal()).await;
    if let (Some(consumer), true) = (consumer, ended.complete)
        && let Err(cause) = consumer.move_on().await
    {
        report::say_fatal(&message_of(&cause), hint_of(&cause));
        return exit::FATAL;
    }
    ended.exit_code
}

fn options(args: &ScanArgs, paths: Option<Vec<OsString>>, dir: &Path) -> anyhow::Result<Options> {
    let globs = args.refs.iter().map(|glob| glob.0.as_bytes().to_vec());
    Ok(Options {
        sought: Sought::here(dir),
        pool: None,
        cache_folder: scan::cache_folder(),
        threads: args.threads.map(usize::from),
        refs: if args.refs.is_empty() { Selection::Usual } else { Selection::Globs(globs.collect()) },
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
        consumer: args.new.as_ref().map(|text| text.0.clone()),
        reverse: args.reverse,
        no_commits: args.no_commits,
        show_refs: args.show_refs,
        changed_paths: args.paths,
        patch_id: args.patch_id,
        mailmap: args.mailmap,
        verbose: args.verbose > 0,
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
