//! What a query names: commits, where it is a revision or a range, or what has to be looked up in messages.

use std::ffi::OsString;
use std::sync::Arc;

use super::each::Asked;
use super::query::{Query, Words};
use crate::error::{self, Kind};
use crate::facts::Oid;
use crate::facts::issues::IssueRef;
use crate::facts::patterns::Patterns;
use crate::git::{Handle, ObjectKind};
use crate::gitcli;
use crate::graph::{Graph, Position};
use crate::index::Index;

/// Digits of an abbreviated id at the least, as for git.
const SHORTEST: usize = 4;

/// What is to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// These commits.
    Commits(Vec<Oid>),
    /// These commits, which have the patch-id that was looked for.
    Patch(Vec<Oid>),
    /// One of these commits, whose ids all begin with what was asked.
    Ambiguous(Vec<Oid>),
    /// The commits with this Change-Id, or one that begins so.
    ChangeId(String),
    /// The commits that refer to this issue.
    Issue(IssueRef),
    /// The commits whose message names a commit that isn't here, by these digits; or whose patch-id they are.
    Digits(String),
    /// The commits whose message has these words.
    Words(Words),
    /// One of many commits that a query is about.
    OneOf {
        /// The one.
        commit: Position,
        /// What there is to know of the others.
        asked: Arc<Asked>,
    },
    /// Nothing; but commits that come near to it.
    Near {
        /// These.
        commits: Vec<Position>,
        /// What was looked for, for people.
        sought: String,
    },
}

/// Resolves `text`.
///
/// # Errors
/// If it is spelt as a revision or range and names nothing, or if git fails.
pub(super) async fn resolve(
    text: &OsString,
    index: &Index,
    graph: &Graph,
    patterns: &Patterns,
) -> anyhow::Result<Target> {
    let Some(shown) = text.to_str() else { return named(text, index).await };
    match Query::parse(shown, patterns) {
        Query::ChangeId(id) => Ok(Target::ChangeId(id)),
        Query::Issue(issue) => Ok(Target::Issue(issue)),
        Query::Words(words) if words.is_empty() => {
            Err(Kind::BadValue.hinted("a query is empty", "ask for a revision, a Change-Id, an issue or words"))
        }
        Query::Words(words) => Ok(Target::Words(words)),
        Query::Name(name) => {
            if let Some(id) = tip_of(index, name.as_bytes()) {
                return Ok(Target::Commits(vec![id]));
            }
            if let Some(target) = digits(index, graph, &name) {
                return Ok(target);
            }
            let is_spelt = name.starts_with('-') || name.contains("..") || name.contains(['^', '~', ':', '{']);
            match named(&name.as_str().into(), index).await {
                Err(cause) if error::kind_of(&cause) == Kind::BadRevision && !is_spelt => Ok(fallback(&name)),
                other => other,
            }
        }
    }
}

fn fallback(name: &str) -> Target {
    if is_hex(name) && name.len() >= 7 {
        Target::Digits(name.to_ascii_lowercase())
    } else {
        Target::Words(Words::parse(name))
    }
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The commit of the one ref that `name` means; `None` if git has to say which.
fn tip_of(index: &Index, name: &[u8]) -> Option<Oid> {
    let full = |prefix: &[u8]| [prefix, name].concat();
    let names = [full(b""), full(b"refs/"), full(b"refs/tags/"), full(b"refs/heads/"), full(b"refs/remotes/")];
    let mut meant = index.usual.refs.iter().filter(|entry| names.contains(&entry.name));
    let first = meant.next()?;
    if meant.next().is_some() { None } else { first.commit }
}

/// The commit, or commits, that hexadecimal digits begin.
fn digits(index: &Index, graph: &Graph, name: &str) -> Option<Target> {
    if name.len() < SHORTEST || !is_hex(name) {
        return None;
    }
    let known = graph.beginning_with(name);
    if let (&[only], true) = (known.as_slice(), name.len() == 2 * index.repository().hash_len) {
        return Some(Target::Commits(vec![graph.id(only)]));
    }
    // Commits that no ref reaches count too.
    let commits = index.handles.with(|handle| {
        let peeled = |id: Oid| peel(handle, id);
        let mut commits: Vec<Oid> = handle.candidates(name).into_iter().filter_map(peeled).collect();
        commits.dedup();
        commits
    });
    match commits.len() {
        0 => None,
        1 => Some(Target::Commits(commits)),
        _ => Some(Target::Ambiguous(commits)),
    }
}

fn peel(handle: &Handle, id: Oid) -> Option<Oid> {
    handle.peel(&id).ok().filter(|(_, kind)| *kind == ObjectKind::Commit).map(|(commit, _)| commit)
}

/// What git understands by a name.
async fn named(name: &OsString, index: &Index) -> anyhow::Result<Target> {
    let tips = gitcli::rev_parse(index.repository(), std::slice::from_ref(name)).await?.tips;
    let mut commits = Vec::new();
    for (id, excluded) in tips {
        if let Some(commit) = index.handles.with(|handle| peel(handle, id)) {
            commits.push((commit, excluded));
        }
    }
    if commits.is_empty() {
        let shown = name.to_string_lossy();
        return Err(Kind::BadRevision.hinted(format!("'{shown}' names no commit"), "it leads to a tree or a blob"));
    }
    if commits.iter().any(|(_, excluded)| *excluded) {
        return Ok(Target::Commits(gitcli::rev_list(index.repository(), &commits, &[], None).await?));
    }
    Ok(Target::Commits(commits.into_iter().map(|(id, _)| id).collect()))
}
