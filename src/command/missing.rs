//! `git bhfuil missing` and `followups`: what was typed becomes the options of a comparison, and its outcome an exit code.

use std::ffi::OsString;
use std::path::Path;

use crate::backlog::{self, Options};
use crate::cli::argv::RawArg;
use crate::cli::{FollowupsArgs, MissingArgs};
use crate::locate::{Sought, cache_folder};
use crate::report::Loudness;
use crate::shutdown::Token;

/// Runs `missing` and returns the exit code.
pub(super) async fn run(args: &MissingArgs, paths: Option<Vec<OsString>>, dir: &Path, token: &Token) -> u8 {
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    let look = (args.format, args.color, args.no_color);
    let options = Options {
        sought: Sought::here(dir),
        cache_folder: cache_folder(),
        threads: args.threads.map(Into::into),
        targets: names(&args.branches),
        source: args.from.as_ref().map(|name| name.0.clone()),
        since: args.since.as_ref().map(|since| since.0.clone()),
        paths: paths.unwrap_or_default(),
        requested: args.requested,
        security: args.security,
        fixes: args.fixes,
        check: args.check,
        gaps: args.gaps,
        exit_code: args.exit_code,
    };
    super::framed_aloud("missing", (look, loudness), dir, token, async |report| {
        backlog::missing(options, report, token).await
    })
    .await
}

/// Runs `followups` and returns the exit code.
pub(super) async fn run_followups(args: &FollowupsArgs, dir: &Path, token: &Token) -> u8 {
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    let look = (args.format, args.color, args.no_color);
    let options = Options {
        sought: Sought::here(dir),
        cache_folder: cache_folder(),
        threads: args.threads.map(Into::into),
        targets: names(&args.branches),
        source: args.from.as_ref().map(|name| name.0.clone()),
        exit_code: args.exit_code,
        ..Options::default()
    };
    super::framed_aloud("followups", (look, loudness), dir, token, async |report| {
        backlog::followups(options, report, token).await
    })
    .await
}

fn names(typed: &[RawArg]) -> Vec<OsString> {
    typed.iter().map(|name| name.0.clone()).collect()
}
