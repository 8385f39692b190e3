//! What a query names: commits, where it is a revision or a range, or what has to be looked up in messages.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::each::Asked;
use super::query::{self, Query, Words};
use crate::error::{self, Kind};
use crate::facts::Oid;
use crate::facts::issues::IssueRef;
use crate::facts::patterns::Patterns;
use crate::git::refs::Ref;
use crate::git::{Handle, ObjectKind};
use crate::gitcli;
use crate::graph::{Graph, Position};
use crate::index::Index;
use crate::pipeline::Pool;

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
    /// No commit, as a range that is empty; and the way out.
    Nothing(String),
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
    (patterns, known_absent, pool): (&Patterns, &[Oid], &Pool),
) -> anyhow::Result<Target> {
    let Some(shown) = text.to_str() else { return named(text, index).await.map_err(|cause| not_utf8(text, cause)) };
    match Query::parse(shown, patterns) {
        Query::ChangeId(id) => Ok(Target::ChangeId(id)),
        Query::Issue(issue) => Ok(Target::Issue(issue)),
        Query::Words(words) => {
            if let Some(cause) = refusal(shown, &words) {
                return Err(cause);
            }
            if let Some(revisions) = query::revisions(shown) {
                refuse_several(shown, &revisions, index).await?;
            }
            Ok(Target::Words(words))
        }
        Query::Name(name) => {
            // Of a whole id git doesn't ask whether a ref is called so; of a part of one it does first.
            let is_whole = is_hex(&name) && name.len() == 2 * index.repository().hash_len;
            let tip = if is_whole { Tip::None } else { tip_of(index, name.as_bytes()) };
            if let Tip::One(id) = tip {
                return Ok(Target::Commits(vec![id]));
            }
            let is_absent = is_whole && Oid::from_hex(name.as_bytes()).is_some_and(|id| known_absent.contains(&id));
            if let Tip::None = tip
                && let Some(target) = digits(index, graph, &name, is_absent, pool).await?
            {
                return Ok(target);
            }
            // git would only say it back; among many repositories most don't have it.
            if is_whole {
                return Ok(fallback(&name));
            }
            let is_spelt = name.starts_with('-') || name.contains("..") || name.contains(['^', '~', ':', '{']);
            match named(&name.as_str().into(), index).await {
                Err(cause) if error::kind_of(&cause) == Kind::BadRevision => match index.refs.unborn_head() {
                    Some(branch) if names_head(&name) => Err(unborn(&name, branch)),
                    _ if is_spelt => Err(cause),
                    _ => Ok(fallback(&name)),
                },
                other => other,
            }
        }
    }
}

/// Why `words`, typed as `text`, can't be looked for.
fn refusal(text: &str, words: &Words) -> Option<anyhow::Error> {
    if let Some(field) = query::empty_field(text) {
        let what = if field == "path" { "path" } else { "word" };
        let hint = format!("{field}:<{what}>, without a blank between; \"quotes\" make words of a text with a colon");
        return Some(Kind::BadValue.hinted(format!("'{field}:' in '{text}' has nothing to look for after it"), hint));
    }
    words
        .is_empty()
        .then(|| Kind::BadValue.hinted("a query is empty", "ask for a revision, a Change-Id, an issue or words"))
}

/// Refuses `revisions`, typed as one query, if git knows them: as words they would find what nobody has asked for.
async fn refuse_several(text: &str, revisions: &[&str], index: &Index) -> anyhow::Result<()> {
    let words: Vec<OsString> = revisions.iter().map(OsString::from).collect();
    match gitcli::rev_parse(index.repository(), &words).await {
        Ok(_) => {}
        Err(cause) if error::kind_of(&cause) == Kind::BadRevision => return Ok(()),
        Err(cause) => return Err(cause),
    }
    let range = match *revisions {
        [start, end] | [end, start] if start.starts_with('^') && !end.starts_with('^') && !end.contains("..") => {
            format!("as a range it is '{}..{end}'", &start[1..])
        }
        _ => "'<new> ^<old>' is the range '<old>..<new>'".to_owned(),
    };
    Err(Kind::BadValue.hinted(
        format!("'{text}' is several revisions in one query"),
        format!("{range}; what is asked for apart is a query each"),
    ))
}

/// What is wrong with `text`, which git doesn't know for the reason of `cause`, and which can't be words.
fn not_utf8(text: &OsStr, cause: anyhow::Error) -> anyhow::Error {
    if error::kind_of(&cause) != Kind::BadRevision {
        return cause;
    }
    Kind::BadRevision.hinted(
        format!("'{}' is no revision or range here, and not UTF-8, as words have to be", text.to_string_lossy()),
        "write it in UTF-8 (iconv -t UTF-8 converts); messages are found so whatever their encoding",
    )
}

/// Whether the revision or range `name` begins somewhere at `HEAD`.
fn names_head(name: &str) -> bool {
    name.split("..").any(|side| {
        let side = side.trim_start_matches(['.', '^']);
        let base = side.split(['~', '^', '@', ':']).next().unwrap_or_default();
        base == "HEAD" || side.starts_with('@') || (side.is_empty() && name.contains(".."))
    })
}

fn unborn(name: &str, branch: &[u8]) -> anyhow::Error {
    let branch = String::from_utf8_lossy(branch.strip_prefix(b"refs/heads/").unwrap_or(branch));
    Kind::BadRevision.hinted(
        format!("'{name}' names no commit: the branch '{branch}' has no commit yet"),
        "git commit makes its first; git branch -a lists the branches that there are",
    )
}

/// The way out of the range `name`, which has no commits.
fn out_of_nothing(name: &str) -> String {
    let or_head = |side: &str| if side.is_empty() { "HEAD".to_owned() } else { side.to_owned() };
    if name.contains("...") {
        return "<a>...<b> are the commits that only one of the two has".to_owned();
    }
    match name.split_once("..").map(|(old, new)| (or_head(old), or_head(new))) {
        Some((old, new)) if old == new => {
            format!("'{old}' by itself is that commit; <old>..<new> is what <new> has more")
        }
        Some((old, new)) => format!("'{old}' has all that '{new}' has; the other way round it is '{new}..{old}'"),
        None if name.starts_with('^') => format!("say where it begins: {}..<revision>", &name[1..]),
        None => "git rev-list tells what is in a range".to_owned(),
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

/// The ref that a name means.
enum Tip {
    /// There is none of that name.
    None,
    /// The commit of the only one.
    One(Oid),
    /// git has to say which, or what it leads to.
    Doubtful,
}

/// What `name` means as a ref, by the rules of gitrevisions(7).
fn tip_of(index: &Index, name: &[u8]) -> Tip {
    let full = |prefix: &[u8]| [prefix, name].concat();
    let names = [full(b""), full(b"refs/"), full(b"refs/tags/"), full(b"refs/heads/"), full(b"refs/remotes/")];
    let mut meant = index.usual.iter().filter(|entry| names.iter().any(|name| name == entry.name()));
    match (meant.next().map(Ref::commit), meant.next()) {
        (None, _) => Tip::None,
        (Some(Some(commit)), None) => Tip::One(commit),
        _ => Tip::Doubtful,
    }
}

/// The commit, or commits, that hexadecimal digits begin. One that `is_absent` is not looked for among objects that no ref reaches.
async fn digits(
    index: &Index,
    graph: &Graph,
    name: &str,
    is_absent: bool,
    pool: &Pool,
) -> anyhow::Result<Option<Target>> {
    if name.len() < SHORTEST || !is_hex(name) {
        return Ok(None);
    }
    let known = graph.beginning_with(name);
    if let (&[only], true) = (known.as_slice(), name.len() == 2 * index.repository().hash_len) {
        return Ok(Some(Target::Commits(vec![graph.id(only)])));
    }
    if is_absent {
        return Ok(None);
    }
    // Commits that no ref reaches count too.
    let (handles, name) = (index.handles.clone(), name.to_owned());
    let look = move || {
        handles.with(|handle| {
            let peeled = |id: Oid| peel(handle, id);
            let mut commits: Vec<Oid> = handle.candidates(&name).into_iter().filter_map(peeled).collect();
            commits.dedup();
            commits
        })
    };
    let commits = pool.run(look).await?;
    Ok(match commits.len() {
        0 => None,
        1 => Some(Target::Commits(commits)),
        _ => Some(Target::Ambiguous(commits)),
    })
}

fn peel(handle: &Handle, id: Oid) -> Option<Oid> {
    handle.peel(&id).ok().filter(|(_, kind)| *kind == ObjectKind::Commit).map(|(commit, _)| commit)
}

/// What git understands by a name.
async fn named(name: &OsString, index: &Index) -> anyhow::Result<Target> {
    let tips = match gitcli::rev_parse(index.repository(), std::slice::from_ref(name)).await {
        // Its own hint is for command lines that may have paths.
        Err(cause) if error::kind_of(&cause) == Kind::BadRevision => {
            let hint = "git rev-parse must know it; words that are no revision are asked for in quotes, with a space";
            return Err(Kind::BadRevision.hinted(error::message_of(&cause), hint));
        }
        parsed => parsed?.tips,
    };
    // The parents of a commit that has none, say.
    let is_empty = tips.is_empty();
    let shown = name.to_string_lossy();
    let mut commits = Vec::new();
    for (id, excluded) in tips {
        match index.handles.with(|handle| handle.peel(&id)) {
            Ok((commit, ObjectKind::Commit)) => commits.push((commit, excluded)),
            Ok(_) => {}
            // git takes any id as it is typed, and so does whoever looks for one in messages.
            Err(_) if is_hex(&shown) => {}
            Err(cause) => {
                let kind = cause.kind();
                return Err(
                    kind.hinted(format!("'{shown}' can't be told: {cause}"), "git fsck tells what else is missing")
                );
            }
        }
    }
    if is_empty {
        return Ok(Target::Nothing(out_of_nothing(&shown)));
    }
    if commits.is_empty() {
        return Err(Kind::BadRevision.hinted(format!("'{shown}' names no commit"), "it leads to a tree or a blob"));
    }
    if commits.iter().any(|(_, excluded)| *excluded) {
        let listed = gitcli::rev_list(index.repository(), &commits, &[], None).await?;
        return Ok(if listed.is_empty() { Target::Nothing(out_of_nothing(&shown)) } else { Target::Commits(listed) });
    }
    Ok(Target::Commits(commits.into_iter().map(|(id, _)| id).collect()))
}
