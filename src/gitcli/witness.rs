//! What git itself says of commits, for whoever wants to know whether something else says the same: parents and times, what tags lead
//! to, changed paths, patch-ids. Read as it comes: git may have millions to tell.

use std::ffi::OsString;

use super::failure::last_words;
use super::process::{self, Work};
use super::program::{Bounds, Program};
use super::questions::git;
use crate::clock::Clock;
use crate::error::Kind;
use crate::facts::Oid;
use crate::facts::changes::{Change, Entry, Mode};
use crate::facts::oid::{OidMap, SHA1_LEN};
use crate::git::Repository;
use crate::shutdown::Token;

/// A commit as git has it, history bent as it is bent for git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: Oid,
    /// The committer's time in seconds since 1970.
    pub time: u64,
    /// Its parents.
    pub parents: Vec<Oid>,
}

/// Which commits are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Those that are named and all that they reach.
    Reached,
    /// Those that are named alone, as far as they are there.
    Named,
}

/// Hands every commit of the `span` of `ids` to `each`, one by one. The commits are read, not looked up in a commit-graph file.
///
/// # Errors
/// If git fails, or `token` is cancelled.
pub async fn commits(
    repository: &Repository,
    ids: &[Oid],
    span: Span,
    token: &Token,
    mut each: impl FnMut(Told) + Send,
) -> anyhow::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut args: Vec<OsString> =
        ["-c", "core.commitGraph=false", "rev-list", "--parents", "--timestamp"].map(OsString::from).into();
    if span == Span::Named {
        args.extend(["--no-walk=unsorted", "--ignore-missing"].map(OsString::from));
    }
    // What stands behind comes too late for what is read there.
    args.push("--stdin".into());
    by_line(repository, "git rev-list", &args, &lines(ids, ""), token, |line| each_commit(line, &mut each)).await
}

fn each_commit(line: &[u8], each: &mut impl FnMut(Told)) {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let time = words.next().and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    let id = words.next().and_then(Oid::from_hex);
    if let (Some(time), Some(id)) = (time, id) {
        each(Told { id, time, parents: words.filter_map(Oid::from_hex).collect() });
    }
}

/// The commit behind each of `ids`; `None` where there is none, or it isn't there.
///
/// # Errors
/// If git fails, or `token` is cancelled.
pub async fn peel(repository: &Repository, ids: &[Oid], token: &Token) -> anyhow::Result<Vec<Option<Oid>>> {
    let mut found = Vec::with_capacity(ids.len());
    if !ids.is_empty() {
        let args = ["cat-file", "--batch-check=%(objectname)"].map(OsString::from);
        let take = |line: &[u8]| found.push(Oid::from_hex(line));
        by_line(repository, "git cat-file", &args, &lines(ids, "^{commit}"), token, take).await?;
    }
    Ok(found)
}

/// The patch-ids of `ids`, each against its first parent: commits that change nothing, and merges, have none. As we have them:
/// whatever attributes and configuration say of how changes are shown.
///
/// # Errors
/// If git fails, or `token` is cancelled.
pub async fn patch_ids(repository: &Repository, ids: &[Oid], token: &Token) -> anyhow::Result<Vec<(Oid, Oid)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // Attributes of no tree at all, and none of the user's. git knows the empty tree without having it.
    let empty = if repository.hash_len == SHA1_LEN {
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    } else {
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
    };
    let settings = ["-c", "core.attributesFile=/dev/null", "-c", "diff.suppressBlankEmpty=false"];
    let options = [
        "diff-tree",
        "--stdin",
        "--root",
        "-r",
        "-p",
        "--full-index",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--diff-algorithm=default",
        "--ignore-submodules=none",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ];
    let args: Vec<OsString> = settings.into_iter().chain(options).map(OsString::from).collect();
    let mut diffs = Vec::new();
    let variables = [("GIT_ATTR_SOURCE", empty), ("GIT_ATTR_NOSYSTEM", "1")];
    let take = &mut |bytes: &[u8]| diffs.extend_from_slice(bytes);
    run(repository, "git diff-tree", (&args, &variables), &lines(ids, ""), token, take).await?;
    let mut found = Vec::new();
    if diffs.is_empty() {
        return Ok(found);
    }
    let take = |line: &[u8]| {
        let mut words = line.split(|&byte| byte == b' ').map(Oid::from_hex);
        if let (Some(Some(patch_id)), Some(Some(id))) = (words.next(), words.next()) {
            found.push((id, patch_id));
        }
    };
    by_line(repository, "git patch-id", &["patch-id".into(), "--stable".into()], &diffs, token, take).await?;
    Ok(found)
}

/// What `ids` changed, each against its first parent; those that changed nothing, and merges, are left out.
///
/// # Errors
/// If git fails, or `token` is cancelled.
pub async fn changes(repository: &Repository, ids: &[Oid], token: &Token) -> anyhow::Result<OidMap<Vec<Change>>> {
    let mut told = Vec::new();
    if !ids.is_empty() {
        let options = ["--stdin", "--root", "-r", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none"];
        let args: Vec<OsString> = ["diff-tree", "-z"].into_iter().chain(options).map(OsString::from).collect();
        let take = &mut |bytes: &[u8]| told.extend_from_slice(bytes);
        run(repository, "git diff-tree", (&args, &[]), &lines(ids, ""), token, take).await?;
    }
    let mut found = OidMap::<Vec<Change>>::default();
    let mut of = None;
    let mut words = told.split(|&byte| byte == 0);
    while let Some(word) = words.next() {
        let Some(raw) = word.strip_prefix(b":") else {
            of = Oid::from_hex(word);
            continue;
        };
        let change = words.next().and_then(|path| raw_change(raw, path));
        if let (Some(id), Some(change)) = (of, change) {
            found.entry(id).or_default().push(change);
        }
    }
    Ok(found)
}

/// The change that a line of raw output tells: modes and ids of both sides, and a letter (git-diff-tree(1)).
fn raw_change(raw: &[u8], path: &[u8]) -> Option<Change> {
    let mut words = raw.split(|&byte| byte == b' ').map(|word| std::str::from_utf8(word).ok());
    let mut next = || words.next().flatten();
    let modes = [next()?, next()?].map(|mode| u32::from_str_radix(mode, 8).ok().filter(|mode| *mode != 0));
    let ids = [next()?, next()?].map(|id| Oid::from_hex(id.as_bytes()));
    let side = |at: usize| Some(Entry { mode: Mode::from_bits(modes[at]?)?, oid: ids[at]? });
    Change::new(path.to_vec(), side(0), side(1))
}

fn lines(ids: &[Oid], suffix: &str) -> Vec<u8> {
    let mut lines = Vec::with_capacity(ids.len() * (2 * SHA1_LEN + suffix.len() + 1));
    for id in ids {
        lines.extend_from_slice(id.to_hex().as_bytes());
        lines.extend_from_slice(suffix.as_bytes());
        lines.push(b'\n');
    }
    lines
}

async fn by_line(
    repository: &Repository,
    operation: &str,
    args: &[OsString],
    input: &[u8],
    token: &Token,
    mut each: impl FnMut(&[u8]) + Send,
) -> anyhow::Result<()> {
    let mut begun: Vec<u8> = Vec::new();
    let mut take = |bytes: &[u8]| {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            begun.extend_from_slice(&rest[..end]);
            each(&begun);
            begun.clear();
            rest = &rest[end + 1..];
        }
        begun.extend_from_slice(rest);
    };
    run(repository, operation, (args, &[]), input, token, &mut take).await
}

async fn run(
    repository: &Repository,
    operation: &str,
    (args, variables): (&[OsString], &[(&str, &str)]),
    input: &[u8],
    token: &Token,
    each: &mut (dyn FnMut(&[u8]) + Send),
) -> anyhow::Result<()> {
    let mut command = git(repository);
    command.args(args).envs(variables.iter().copied());
    let bounds = Bounds { clock: &Clock::Real, token, deadline: None };
    let mut stderr = Vec::new();
    let grace = Program::default().grace();
    let work = Work { command, operation, input, wanted: true, apart: true, grace };
    let status = process::run_into(work, &bounds, each, &mut |bytes| stderr.extend_from_slice(bytes)).await?;
    if status.success() {
        return Ok(());
    }
    Err(Kind::Git.error(format!("{operation} failed: {}", last_words(&String::from_utf8_lossy(&stderr)))))
}
