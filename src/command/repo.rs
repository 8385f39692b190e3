//! `git bhfuil repo`: which repositories are registered.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::RepoCommand;
use crate::cli::argv::TextArg;
use crate::cli::repo::{RepoAddArgs, RepoListArgs, RepoSyncArgs};
use crate::clock::{Clock, Deadline};
use crate::config::{OwnFile, View};
use crate::describe::lossy;
use crate::error::{Kind, exit, hint_of, kind_of, message_of};
use crate::events::repository::ObjectFormat;
use crate::events::{Event, Repo};
use crate::pipeline::Pool;
use crate::report::{self, Ending, FailedPart, Loudness, Report, Strand};
use crate::repos::{self, Entry, Found, Registry, Selection, Source, mirror};
use crate::shutdown::Token;
use crate::sync::{self, Mirrors};

use super::framed;
use super::repositories::Shared;

/// Runs the command and returns the exit code.
pub(super) async fn run(command: &RepoCommand, dir: &Path, token: &Token) -> u8 {
    match command {
        RepoCommand::Add(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo add", look, dir, token, async |report| add(args, report, token).await).await
        }
        RepoCommand::List(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo list", look, dir, token, async |report| list(args, report).await).await
        }
        RepoCommand::Show(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo show", look, dir, token, async |report| show(&args.names, report).await).await
        }
        RepoCommand::Sync(args) => sync_some(args, dir, token).await,
        RepoCommand::Remove(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo remove", look, dir, token, async |report| remove(&args.names, report).await).await
        }
    }
}

pub(super) fn registry() -> anyhow::Result<Registry> {
    Ok(Registry::new(OwnFile::of(&|name| std::env::var_os(name))?))
}

fn texts(typed: &[TextArg]) -> Vec<String> {
    typed.iter().map(|text| text.0.clone()).collect()
}

/// What mirrors share, as configured, with so many threads.
pub(super) async fn mirrors(pool: Pool, token: &Token) -> anyhow::Result<Mirrors> {
    let view = smol::unblock(|| View::read_blocking(None, &|name| std::env::var_os(name))).await?;
    Ok(Mirrors {
        registry: registry()?,
        folder: sync::folder(|name| std::env::var_os(name))?,
        view: Arc::new(view),
        pool,
        token: token.clone(),
    })
}

/// Brings some up to date, at most so many at a time.
async fn sync_some(args: &RepoSyncArgs, dir: &Path, token: &Token) -> u8 {
    let loudness = Loudness { quiet: args.quiet, progress: super::progress(args.progress, args.no_progress) };
    let (format, configured) = super::format(args.format, args.color, args.no_color, dir).await;
    let mut report = match Report::begin("repo sync", None, format.naming_repositories(), loudness) {
        Ok(report) => report,
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    let ending = match configured {
        Ok(()) => {
            let shard = super::repositories::shard(args.shard);
            let selection = Selection { names: texts(&args.names), groups: texts(&args.group), all: args.all, shard };
            sync_each(&selection, (args.jobs, args.threads), &mut report, token).await
        }
        Err(cause) => Err(cause),
    };
    report.end(ending, token.signal()).await.exit_code
}

/// Brings those of `selection` up to date, so many at a time and on so many threads as typed or configured.
pub(super) async fn sync_each(
    selection: &Selection,
    (jobs, threads): (Option<NonZeroUsize>, Option<NonZeroUsize>),
    report: &mut Report,
    token: &Token,
) -> anyhow::Result<Ending> {
    let entries = registry()?.select(selection).await?;
    let Shared { limit, pool } = Shared::of(jobs, threads).await?;
    let sync = mirrors(pool, token).await?;
    report.expect(entries.len());
    let (from, sync) = (&*report, &sync);
    let jobs = entries.iter().map(|entry| {
        async move |_slot| {
            let mut strand = from.strand();
            let outcome = sync.run(entry, &mut strand).await;
            (strand, outcome)
        }
    });
    let outcomes = limit.run(jobs).await;
    for outcome in outcomes {
        let (strand, outcome) = outcome.map_err(|panic| Kind::Internal.error(panic.to_string()))?;
        report.join(strand);
        outcome?;
    }
    Ok(Ending { incomplete: token.is_cancelled(), ..Ending::default() })
}

async fn add(args: &RepoAddArgs, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    if args.name.as_ref().is_some_and(|name| name.0.is_empty()) {
        return Err(Kind::BadValue.error("'' can be no name of a repository: it is empty"));
    }
    let entry = Entry {
        name: args.name.as_ref().map(|name| name.0.clone()).unwrap_or_default(),
        refs: texts(&args.refs),
        groups: texts(&args.group),
        ..Entry::default()
    };
    let added = match Source::of(&args.source.0) {
        Source::Path(path) => {
            let deadline = looking(&path).await?;
            let path = Some(deadline.bound(&Clock::Real, repos::place_of(&path)).await?.path);
            registry()?.add(Entry { path, ..entry }).await?
        }
        Source::Url(url) => {
            let pool = Pool::new(1).context("starting a worker thread")?;
            mirrors(pool, token).await?.add(Entry { url: Some(url), ..entry }, report).await?
        }
    };
    tell(&[added], Gone::Failed, report).await
}

async fn list(args: &RepoListArgs, report: &mut Strand) -> anyhow::Result<Ending> {
    let groups = texts(&args.group);
    let selection = Selection { all: groups.is_empty(), groups, ..Selection::default() };
    let entries = registry()?.select(&selection).await?;
    tell(&entries, Gone::Failed, report).await
}

async fn show(names: &[TextArg], report: &mut Strand) -> anyhow::Result<Ending> {
    let selection = Selection { names: texts(names), ..Selection::default() };
    let entries = registry()?.select(&selection).await?;
    tell(&entries, Gone::Failed, report).await
}

async fn remove(names: &[TextArg], report: &mut Strand) -> anyhow::Result<Ending> {
    let removed = registry()?.remove(&texts(names)).await?;
    let folder = sync::folder(|name| std::env::var_os(name));
    for entry in &removed {
        // A clone that was made here is of no use without its registration.
        if let (Some(path), Some(_), Ok(folder)) = (&entry.path, &entry.url, &folder)
            && path.starts_with(folder)
        {
            mirror::remove(path, &mirror::Options::for_fetch()).await?;
        }
    }
    tell(&removed, Gone::Expected, report).await
}

/// What a repository that isn't where it is registered means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// A part of the answer is missing.
    Failed,
    /// Nothing.
    Expected,
}

/// By when it has to be found out what lies at `path`: a disk may never answer.
async fn looking(path: &Path) -> anyhow::Result<Deadline> {
    super::deadline("look", None, format!("looking at {}", path.display())).await
}

/// What the repository is like that lies at `path`.
pub(super) async fn look(path: &Path) -> anyhow::Result<Found> {
    looking(path).await?.bound(&Clock::Real, repos::look(path)).await
}

/// Tells the entries, each with what its repository is like.
async fn tell(entries: &[Entry], gone: Gone, report: &mut Strand) -> anyhow::Result<Ending> {
    let mut listing = report.format().listing();
    let mut failed = Vec::new();
    for entry in entries {
        let found = match &entry.path {
            Some(path) => look(path).await.map(Some),
            None => Ok(None),
        };
        let found = found.unwrap_or_else(|cause| {
            failed.push((&entry.name, cause));
            None
        });
        listing.add(&Event::Repo(event(entry, found.as_ref())));
    }
    let (bytes, counts) = listing.finish();
    report.batch(bytes, &counts).await?;
    for (name, cause) in failed.iter().filter(|_| gone == Gone::Failed) {
        let message = message_of(cause);
        let part = FailedPart { id: None, query: None, kind: kind_of(cause), message: &message, hint: hint_of(cause) };
        report.fail_part(name, part).await?;
    }
    Ok(Ending::default())
}

pub(super) fn event<'a>(entry: &'a Entry, found: Option<&Found>) -> Repo<'a> {
    let git_dir = found.map(|found| lossy(found.git_dir.as_os_str().as_bytes()));
    let path = entry.path.as_ref().map(|path| lossy(path.as_os_str().as_bytes()));
    let owned = |text: (String, Option<String>)| (Some(Cow::Owned(text.0)), text.1.map(Cow::Owned));
    let (git_dir, git_dir_b64) = git_dir.map(owned).unwrap_or_default();
    let (path, path_b64) = path.map(owned).unwrap_or_default();
    Repo {
        repo: entry.name.as_str().into(),
        repo_b64: None,
        git_dir,
        git_dir_b64,
        object_format: found.map(|it| if it.hash_len == 20 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 }),
        shallow: found.map(|found| found.shallow),
        partial: found.map(|found| found.partial),
        ref_count: found.map(|found| found.ref_count as u64),
        path,
        path_b64,
        url: entry.url.as_deref().map(Cow::Borrowed),
        groups: Some(entry.groups.iter().map(|group| group.as_str().into()).collect()),
        refs: Some(entry.refs.iter().map(|glob| glob.as_str().into()).collect()),
    }
}
