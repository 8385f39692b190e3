//! `git bhfuil repo`: which repositories are registered.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::cli::RepoCommand;
use crate::cli::argv::TextArg;
use crate::cli::repo::{RepoAddArgs, RepoListArgs};
use crate::config::OwnFile;
use crate::describe::lossy;
use crate::error::{Kind, hint_of, kind_of, message_of};
use crate::events::repository::ObjectFormat;
use crate::events::{Event, Repo};
use crate::report::{Ending, FailedPart, Strand};
use crate::repos::{self, Entry, Found, Registry, Selection, Source};
use crate::shutdown::Token;

use super::framed;

/// Runs the command and returns the exit code.
pub(super) async fn run(command: &RepoCommand, dir: &Path, token: &Token) -> u8 {
    match command {
        RepoCommand::Add(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo add", look, dir, token, async |report| add(args, report).await).await
        }
        RepoCommand::List(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo list", look, dir, token, async |report| list(args, report).await).await
        }
        RepoCommand::Show(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo show", look, dir, token, async |report| show(&args.names, report).await).await
        }
        RepoCommand::Remove(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("repo remove", look, dir, token, async |report| remove(&args.names, report).await).await
        }
    }
}

fn registry() -> anyhow::Result<Registry> {
    Ok(Registry::new(OwnFile::of(&|name| std::env::var_os(name))?))
}

fn texts(typed: &[TextArg]) -> Vec<String> {
    typed.iter().map(|text| text.0.clone()).collect()
}

async fn add(args: &RepoAddArgs, report: &mut Strand) -> anyhow::Result<Ending> {
    if args.name.as_ref().is_some_and(|name| name.0.is_empty()) {
        return Err(Kind::BadValue.error("'' can be no name of a repository: it is empty"));
    }
    let entry = Entry {
        name: args.name.as_ref().map(|name| name.0.clone()).unwrap_or_default(),
        refs: texts(&args.refs),
        groups: texts(&args.group),
        ..Entry::default()
    };
    let entry = match Source::of(&args.source.0) {
        Source::Path(path) => Entry { path: Some(repos::place_of(&path).await?.path), ..entry },
        // The seam: once there is cloning, the clone goes before the registration, and `path` is where it lies.
        Source::Url(url) => {
            return Err(Kind::Usage.hinted(
                format!("cloning is not built: {url} can't be registered"),
                "clone it with git, and register the clone",
            ));
        }
    };
    let added = registry()?.add(entry).await?;
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

/// Tells the entries, each with what its repository is like.
async fn tell(entries: &[Entry], gone: Gone, report: &mut Strand) -> anyhow::Result<Ending> {
    let mut listing = report.format().listing();
    let mut failed = Vec::new();
    for entry in entries {
        let found = match &entry.path {
            Some(path) => repos::look(path).await.map(Some),
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

fn event<'a>(entry: &'a Entry, found: Option<&Found>) -> Repo<'a> {
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
