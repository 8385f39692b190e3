//! `git bhfuil enrich`: what trackers know of issues, typed or in the stream of another run.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::cli::{self, EnrichArgs};
use crate::enrich::{self, Options};
use crate::error::exit;
use crate::report::{self, Loudness, Report};
use crate::shutdown::Token;
use crate::upkeep;

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &EnrichArgs, dir: &Path, token: &Token) -> u8 {
    let references: Vec<String> = args.references.iter().map(|it| it.0.to_string_lossy().into_owned()).collect();
    if references.is_empty() && std::io::stdin().is_terminal() {
        let message = "a reference is missing, or the stream of another run on standard input".to_owned();
        return super::refused(&cli::refusal(Some("enrich"), message));
    }
    let loudness = Loudness { quiet: args.quiet, progress: Some(false) };
    let (format, configured) = super::format(args.format, args.color, args.no_color, dir).await;
    let queries = (!references.is_empty()).then(|| references.clone());
    let mut report = match Report::begin("enrich", queries, format, loudness) {
        Ok(report) => report,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    super::page(&report, "enrich", dir).await;
    let options = Options {
        dir: dir.to_owned(),
        references,
        offline: args.offline,
        strict: args.strict,
        cache_folder: upkeep::folder().ok(),
        room: None,
    };
    let mut strand = report.strand();
    let ending = match configured {
        Ok(()) => enrich::run(options, &mut strand, token).await,
        Err(cause) => Err(cause),
    };
    report.join(strand);
    report.end(ending, token.signal()).await.exit_code
}
