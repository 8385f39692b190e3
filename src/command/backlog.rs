//! `git bhfuil missing`, `followups`, `matrix`, `verify`, `explain` and `dismiss`: what was typed becomes the options of a comparison,
//! and its outcome an exit code.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::Path;

use crate::backlog::{self, Options};
use crate::cli::argv::RawArg;
use crate::cli::{DismissArgs, ExplainArgs, FollowupsArgs, MatrixArgs, MissingArgs, VerifyArgs};
use crate::enrich;
use crate::error::{Kind, exit};
use crate::locate::{Sought, cache_folder};
use crate::report::{self, Format, Loudness};
use crate::shutdown::Token;

/// How it is told, of options that all of these commands have.
macro_rules! telling {
    ($args:expr) => {
        (
            ($args.format, $args.color, $args.no_color),
            Loudness { quiet: $args.quiet, progress: super::progress($args.progress, $args.no_progress) },
        )
    };
}

/// Runs `missing` and returns the exit code.
pub(super) async fn missing(args: &MissingArgs, paths: Option<Vec<OsString>>, dir: &Path, token: &Token) -> u8 {
    let options = Options {
        since: args.since.as_ref().map(|since| since.0.clone()),
        paths: paths.unwrap_or_default(),
        requested: args.requested,
        security: args.security,
        fixes: args.fixes,
        check: args.check,
        gaps: args.gaps,
        exit_code: args.exit_code,
        ..options(dir, args.threads, &args.branches, args.from.as_ref())
    };
    super::framed_aloud("missing", telling!(args), dir, token, async |report| {
        backlog::missing(options, report, token).await
    })
    .await
}

/// Runs `followups` and returns the exit code.
pub(super) async fn followups(args: &FollowupsArgs, dir: &Path, token: &Token) -> u8 {
    let options =
        Options { exit_code: args.exit_code, ..options(dir, args.threads, &args.branches, args.from.as_ref()) };
    super::framed_aloud("followups", telling!(args), dir, token, async |report| {
        backlog::followups(options, report, token).await
    })
    .await
}

/// Runs `matrix` and returns the exit code.
pub(super) async fn matrix(args: &MatrixArgs, dir: &Path, token: &Token) -> u8 {
    let options = options(dir, args.threads, &args.branches, args.from.as_ref());
    super::framed_aloud("matrix", telling!(args), dir, token, async |report| {
        // Only a page can link anywhere.
        let is_page = report.format() == Format::Html;
        let commits_at = if is_page { enrich::commits_at(dir.to_owned()).await? } else { None };
        backlog::matrix(Options { commits_at, ..options }, report, token).await
    })
    .await
}

/// Runs `verify` and returns the exit code.
pub(super) async fn verify(args: &VerifyArgs, dir: &Path, token: &Token) -> u8 {
    let options = Options { exit_code: true, ..options(dir, args.threads, &[], None) };
    super::framed_aloud("verify", telling!(args), dir, token, async |report| {
        backlog::verify(options, &names(&args.ranges), report, token).await
    })
    .await
}

/// Runs `explain` and returns the exit code.
pub(super) async fn explain(args: &ExplainArgs, dir: &Path, token: &Token) -> u8 {
    let options = Options { exit_code: true, ..options(dir, args.threads, &[], None) };
    super::framed_aloud("explain", telling!(args), dir, token, async |report| match &args.commits[..] {
        [one, other] => backlog::explain(options, &one.0, &other.0, report, token).await,
        _ => Err(Kind::Usage.error("two commits are needed")),
    })
    .await
}

/// Runs `dismiss` and returns the exit code.
pub(super) async fn dismiss(args: &DismissArgs, dir: &Path, token: &Token) -> u8 {
    let dismissed = backlog::dismiss(dir, &args.change.0, &args.on.0, &args.because.0);
    let outcome = match token.unless_cancelled(Box::pin(dismissed)).await {
        Some(outcome) => outcome,
        None => Err(Kind::Cancelled.error("stopped")),
    };
    match outcome {
        Ok((path, line)) => super::printed(format!("{}: {line}\n", path.display())),
        Err(cause) => {
            report::say_fatal(&crate::error::message_of(&cause), crate::error::hint_of(&cause));
            token.signal().and_then(|signal| u8::try_from(128 + signal).ok()).unwrap_or(exit::FATAL)
        }
    }
}

fn options(dir: &Path, threads: Option<NonZeroUsize>, branches: &[RawArg], from: Option<&RawArg>) -> Options {
    Options {
        sought: Sought::here(dir),
        cache_folder: cache_folder(),
        threads: threads.map(Into::into),
        targets: names(branches),
        source: from.map(|name| name.0.clone()),
        ..Options::default()
    }
}

fn names(typed: &[RawArg]) -> Vec<OsString> {
    typed.iter().map(|name| name.0.clone()).collect()
}
