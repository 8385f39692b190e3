//! The branches that are compared: found by their names, and, where none is named, the one that a branch's picks come from.

use std::collections::HashMap;

use bytes::Bytes;

use crate::error::Kind;
use crate::git::refs::{Ref, RefList, short};
use crate::graph::{Containment, Position};
use crate::lines::Line;
use crate::locate::study::{Notice, Study};
use crate::spelling::nearest;

/// Picks, the newest, that are looked at to learn where a branch takes its changes from.
const LOOKED_AT: usize = 200;

/// A branch, or a tag, that is compared with another.
#[derive(Debug, Clone)]
pub(super) struct End {
    /// The full refname.
    pub(super) name: Bytes,
    pub(super) tip: Position,
    /// The release line that it is of.
    pub(super) line: Option<Line>,
}

impl End {
    /// Its name as people say it.
    pub(super) fn short(&self) -> String {
        String::from_utf8_lossy(short(&self.name)).into_owned()
    }
}

/// What is lacking for want of a branch.
const NO_BRANCH: &str = "git branch --all lists the branches";

/// The ref that `name` means: in full, or as a branch, a remote branch or a tag, in this order, as a branch is what is worked on.
///
/// # Errors
/// [`Kind::BadRevision`] if there is none, with the one that is meant, perhaps.
pub(super) fn named(study: &Study<'_>, name: &[u8]) -> anyhow::Result<End> {
    let refs = study.refs();
    let find = |full: &[u8]| refs.iter().find(|entry| entry.name() == full);
    let prefixes = [&b""[..], b"refs/heads/", b"refs/remotes/", b"refs/tags/", b"refs/"];
    let found = prefixes.iter().find_map(|prefix| find(&[prefix, name].concat()));
    // A symbolic ref is a name of another: HEAD, origin/HEAD.
    let followed = |entry: Ref<'_>| entry.symbolic().and_then(find);
    match found.map(|entry| followed(entry).unwrap_or(entry)) {
        Some(entry) => end(study, entry),
        None => Err(unknown(refs, name)),
    }
}

fn unknown(refs: &RefList, name: &[u8]) -> anyhow::Error {
    let typed = String::from_utf8_lossy(name);
    let branches = refs.iter().filter(|entry| !entry.name().starts_with(b"refs/tags/"));
    let names: Vec<String> = branches.map(|entry| String::from_utf8_lossy(entry.short()).into_owned()).collect();
    // What lies on a remote is called so there, and here only once it was checked out.
    let remote = names.iter().map(String::as_str).find(|known| {
        let before = known.strip_suffix(&*typed);
        before.is_some_and(|before| before.ends_with('/'))
    });
    let near = remote.or_else(|| nearest(&typed, names.iter().map(String::as_str)));
    let hint = near.map_or_else(|| NO_BRANCH.to_owned(), |near| format!("did you mean '{near}'? {NO_BRANCH}"));
    Kind::BadRevision.hinted(format!("'{typed}' is no branch here"), hint)
}

fn end(study: &Study<'_>, entry: Ref<'_>) -> anyhow::Result<End> {
    let tip = entry.commit().and_then(|id| study.graph().position(&id));
    let Some(tip) = tip else {
        let name = String::from_utf8_lossy(entry.name());
        return Err(Kind::BadRevision.error(format!("'{name}' leads to no commit that can be read")));
    };
    Ok(End { name: Bytes::copy_from_slice(entry.name()), tip, line: study.line_of(entry.name()).cloned() })
}

/// Every branch of a release line, from old to new, the mainline last; of two for one line, a local and a remote one, the local.
pub(super) fn of_lines(study: &Study<'_>) -> Vec<End> {
    let branches = branches(study);
    let mut found: Vec<End> = branches.into_iter().filter(|end| end.line.is_some()).collect();
    found.sort_by(|one, other| {
        let key = |end: &End| (end.line.clone(), !end.name.starts_with(b"refs/heads/"), end.name.clone());
        key(one).cmp(&key(other))
    });
    found.dedup_by(|later, first| later.line == first.line);
    found
}

fn branches(study: &Study<'_>) -> Vec<End> {
    let is_branch = |entry: &Ref<'_>| {
        entry.symbolic().is_none()
            && [&b"refs/heads/"[..], b"refs/remotes/"].iter().any(|kind| entry.name().starts_with(kind))
    };
    study.refs().iter().filter(is_branch).filter_map(|entry| end(study, entry).ok()).collect()
}

/// The branch that most of the picks on `target` come from: the mainline, as a rule.
///
/// # Errors
/// [`Kind::BadRevision`] if nothing says which.
pub(super) async fn source_of(study: &mut Study<'_>, target: &End) -> anyhow::Result<End> {
    let branches: Vec<End> = branches(study).into_iter().filter(|end| end.name != target.name).collect();
    let origins = origins(study, target).await?;
    let graph = study.graph();
    let tips: Vec<Position> = branches.iter().map(|branch| branch.tip).collect();
    let contained = Containment::sweep(graph, &origins, &tips);
    let counts = (0..tips.len()).map(|tip| (0..origins.len()).filter(|&commit| contained.has(tip, commit)).count());
    let is_mainline = |end: &End| end.line.as_ref().is_some_and(Line::is_mainline);
    let best = branches.iter().zip(counts).max_by(|(one, count), (other, more)| {
        let key = |end: &End, count: usize| (count, is_mainline(end), end.name.starts_with(b"refs/heads/"));
        // Of equals the first by name.
        key(one, *count).cmp(&key(other, *more)).then_with(|| other.name.cmp(&one.name))
    });
    match best {
        Some((branch, count)) if count > 0 || is_mainline(branch) => Ok(branch.clone()),
        _ => Err(Kind::BadRevision.hinted(
            format!("nothing says which branch {} takes its changes from", target.short()),
            "--from=<branch> names it",
        )),
    }
}

/// The commits that the newest picks on `target` name as their origins, and that it hasn't got itself.
async fn origins(study: &mut Study<'_>, target: &End) -> anyhow::Result<Vec<Position>> {
    let graph = std::sync::Arc::clone(study.graph());
    let mut newest: Vec<Position> = Vec::new();
    let mut at = Some(target.tip);
    // Its own history, the first parents.
    while let Some(position) = at.filter(|_| newest.len() < LOOKED_AT) {
        newest.push(position);
        at = graph.parents(position).first().copied();
    }
    let notices: Vec<Notice> = study.notices(&newest).await?;
    let reach = graph.reachable([target.tip]);
    let mut times: HashMap<Position, usize> = HashMap::new();
    for origin in notices.iter().flat_map(|notice| &notice.origins).filter_map(|origin| origin.position) {
        if !reach.contains(origin) {
            *times.entry(origin).or_default() += 1;
        }
    }
    let mut origins: Vec<Position> = times.into_keys().collect();
    origins.sort_unstable();
    Ok(origins)
}
