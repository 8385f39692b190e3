//! `git bhfuil osv`: records are verified on a stream, or printed complete.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::OsvCommand;
use crate::cli::osv::{OsvCompleteArgs, OsvVerifyArgs};
use crate::error::{self, Kind, exit};
use crate::locate::{Sought, cache_folder};
use crate::osv::{self, Completed, Options};
use crate::report::{self, Loudness};
use crate::shutdown::Token;

/// Runs it and returns the exit code.
pub(super) async fn run(command: &OsvCommand, dir: &Path, token: &Token) -> u8 {
    match command {
        OsvCommand::Verify(args) => verify(args, dir, token).await,
        OsvCommand::Complete(args) => complete(args, dir, token).await,
    }
}

async fn verify(args: &OsvVerifyArgs, dir: &Path, token: &Token) -> u8 {
    let options = Options {
        sought: Sought::here(dir),
        cache_folder: cache_folder(),
        threads: args.threads.map(Into::into),
        records: args.records.iter().map(|record| record.0.clone()).collect(),
        all_ranges: args.all_ranges,
    };
    let look = (args.format, args.color, args.no_color);
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    super::framed_aloud("osv verify", (look, loudness), dir, token, async |report| {
        osv::verify(options, report, token).await
    })
    .await
}

/// Every record is completed before the first is written.
async fn complete(args: &OsvCompleteArgs, dir: &Path, token: &Token) -> u8 {
    let records: Vec<OsString> = args.records.iter().map(|record| record.0.clone()).collect();
    let options = Options {
        sought: Sought::here(dir),
        cache_folder: cache_folder(),
        threads: args.threads.map(Into::into),
        records: records.clone(),
        all_ranges: args.all_ranges,
    };
    let completed = token.unless_cancelled(Box::pin(osv::complete(options, token))).await;
    let completed = match completed.unwrap_or_else(|| Err(Kind::Cancelled.error("stopped"))) {
        Ok(completed) => completed,
        Err(cause) => return failed(&cause, token),
    };
    let mut code = exit::ANSWERED;
    for (name, Completed { text, added, faults, is_unsure, is_elsewhere }) in records.iter().zip(completed) {
        for fault in &faults {
            report::last_words(&format!("warning: {fault}"));
        }
        if !args.in_place {
            code = super::printed(text);
        } else if added > 0
            && let Err(cause) = osv::put_back(name, text).await
        {
            return failed(&cause, token);
        }
        code = match (is_unsure, is_elsewhere) {
            _ if code >= exit::FATAL => return code,
            (true, _) => exit::PARTIAL,
            (false, true) => code.max(exit::NEGATIVE),
            (false, false) => code,
        };
    }
    code
}

fn failed(cause: &anyhow::Error, token: &Token) -> u8 {
    report::say_fatal(&error::message_of(cause), error::hint_of(cause));
    let signal = token.signal().and_then(|signal| u8::try_from(128 + signal).ok());
    signal.unwrap_or_else(|| error::kind_of(cause).exit_code())
}
