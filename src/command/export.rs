//! `git bhfuil export`: a scan, and a search where there are queries, whose lines become tables.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::repositories::{self, Wanted};
use super::{scan as scanned, where_is};
use crate::cli::ExportArgs;
use crate::cli::export::{FileForm, SqlEngine};
use crate::cli::scan::{Color, Format as Asked};
use crate::describe::lossy;
use crate::error::exit;
use crate::events::{Event, Exported};
use crate::export::sql::{self, Engine};
use crate::export::{Export, Files, Form, TYPES, Written};
use crate::locate;
use crate::report::{self, Aside, Ending, Loudness, Report};
use crate::scan::{self, Selection, Sought};
use crate::shutdown::Token;

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &ExportArgs, dir: &Path, token: &Token) -> u8 {
    let folder = args.output.as_ref().map(|folder| PathBuf::from(&folder.0)).unwrap_or_default();
    if let Some(engine) = args.sql {
        let engine = match engine {
            SqlEngine::DuckDb => Engine::DuckDb,
            SqlEngine::Spark => Engine::Spark,
        };
        return super::printed(sql::script(engine, &folder));
    }
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    let queries: Vec<String> = args.queries.iter().map(|query| query.0.to_string_lossy().into_owned()).collect();
    let (format, configured) = super::format(Asked::Auto, None::<Color>, false, dir).await;
    let mut report = match Report::begin("export", Some(queries), format.naming_repositories(), loudness) {
        Ok(report) => report,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    let ending = match configured {
        // Where it could be entered it is the current folder.
        Ok(()) => {
            let folder = if dir == Path::new(".") { folder } else { dir.join(folder) };
            Box::pin(export(args, (&folder, dir), &mut report, token)).await
        }
        Err(cause) => Err(cause),
    };
    report.end(ending, token.signal()).await.exit_code
}

/// Writes the tables into `folder`; nothing is replaced unless the stream came to its end.
async fn export(
    args: &ExportArgs,
    (folder, dir): (&Path, &Path),
    report: &mut Report,
    token: &Token,
) -> anyhow::Result<Ending> {
    let form = match args.format {
        FileForm::Parquet => Form::Parquet,
        FileForm::Jsonl => Form::Jsonl,
    };
    let begun = folder.to_owned();
    let export = smol::unblock(move || Export::begin(&begun, form)).await?;
    let told = tell(args, (&export, dir), report, token).await;
    report.set_aside(None);
    // Why nobody takes the lines any more comes before that nobody did.
    let files = export.end().await?;
    let ending = told?;
    if token.is_cancelled() {
        return Ok(Ending { incomplete: true, ..ending });
    }
    list(files, report).await?;
    Ok(ending)
}

/// Puts the files in place, and says which there are.
async fn list(files: Files, report: &mut Report) -> anyhow::Result<()> {
    let mut list = report.format().listing();
    for Written { table, path, rows, bytes } in files.put().await? {
        let (path, path_b64) = lossy(path.as_os_str().as_bytes());
        let (path, path_b64) = (path.into(), path_b64.map(Into::into));
        list.add(&Event::Exported(Exported { table: table.into(), path, path_b64, rows, bytes }));
    }
    let (bytes, counts) = list.finish();
    let mut strand = report.strand();
    let told = strand.batch(bytes, &counts).await;
    report.join(strand);
    Ok(told?)
}

/// Tells commits and refs, then what the queries find.
async fn tell(
    args: &ExportArgs,
    (export, dir): (&Export, &Path),
    report: &mut Report,
    token: &Token,
) -> anyhow::Result<Ending> {
    let refs = repositories::refs(&args.refs);
    let wanted = Wanted {
        repo: &args.repo,
        group: &args.group,
        all: args.all_repos,
        shard: repositories::shard(args.shard),
        jobs: args.jobs,
        threads: args.threads,
        refs: &refs,
    };
    report.set_aside(Some(Aside { types: TYPES, mute: &[], lines: export.lines() }));
    let options = scan_options(args, refs.clone(), dir);
    let (ending, _) = if wanted.is_here() {
        scanned::here(&options, report, token).await?
    } else {
        scanned::several(&wanted, &options, report, token).await?
    };
    if (args.queries.is_empty() && !args.stdin) || token.is_cancelled() {
        return Ok(Ending { cursor: None, ..ending });
    }
    // The commits of an answer are there already, and each repository was told of.
    report.set_aside(Some(Aside { types: TYPES, mute: &["commit", "repo", "repo-end"], lines: export.lines() }));
    let options = where_options(args, refs.clone(), dir);
    let asked = if wanted.is_here() {
        let mut strand = report.strand();
        let asked = Box::pin(locate::run(options, &mut strand, token)).await;
        report.join(strand);
        asked?
    } else {
        where_is::several(&wanted, &options, report, token).await?
    };
    Ok(Ending { incomplete: ending.incomplete || asked.incomplete, cursor: None, ..asked })
}

fn scan_options(args: &ExportArgs, refs: Selection, dir: &Path) -> scan::Options {
    scan::Options {
        sought: Sought::here(dir),
        cache_folder: scan::cache_folder(),
        threads: args.threads.map(usize::from),
        refs,
        show_refs: true,
        changed_paths: args.paths,
        patch_id: args.patch_id,
        tagged: args.tagged,
        mailmap: args.mailmap,
        ..scan::Options::default()
    }
}

/// Every ref is told of, also one that lacks a change: a table has no use for what goes without saying.
fn where_options(args: &ExportArgs, refs: Selection, dir: &Path) -> locate::Options {
    locate::Options {
        sought: Sought::here(dir),
        cache_folder: locate::cache_folder(),
        threads: args.threads.map(usize::from),
        refs,
        queries: args.queries.iter().map(|query| query.0.clone()).collect(),
        stdin: args.stdin.then_some(b'\n'),
        missing: true,
        ..locate::Options::default()
    }
}
