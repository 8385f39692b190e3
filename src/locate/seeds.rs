//! The commits that a query is about, found among those filed under its keys and looked at again.

use std::sync::Arc;

use super::desk::Desk;
use super::each::Asked;
use super::resolve::Target;
use crate::facts::Oid;
use crate::facts::issues::{IssueKind, IssueRef};
use crate::graph::Position;
use crate::matching::keys;

/// What a query came to.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    /// The commits that it is about.
    pub(super) commits: Vec<Position>,
    /// If they are one of many: what the query is about in all.
    pub(super) asked: Option<Arc<Asked>>,
    /// Whether it named a commit, so that "the change itself" is that commit; otherwise it is the oldest of each change.
    pub(super) is_commit: bool,
    /// Commits that it may have meant: all of them if it is ambiguous, else near misses.
    pub(super) candidates: Vec<Position>,
    /// Whether it is ambiguous.
    pub(super) is_ambiguous: bool,
    /// What was looked for, for people.
    pub(super) sought: String,
}

impl Seeds {
    /// Whether the query is about `position`, or about it too.
    pub(super) fn has(&self, position: Position) -> bool {
        self.commits.contains(&position) || self.asked.as_ref().is_some_and(|asked| asked.commits.contains(&position))
    }
}

/// Finds the commits that `target` is about.
pub(super) fn seeds(desk: &mut Desk<'_>, target: &Target) -> Seeds {
    match target {
        Target::Commits(ids) => {
            let commits = positions(desk, ids);
            Seeds { commits, is_commit: true, sought: "a commit".into(), ..Seeds::default() }
        }
        Target::Patch(ids) => Seeds {
            commits: positions(desk, ids),
            sought: "the patch-id, among the commits that change the same paths".into(),
            ..Seeds::default()
        },
        Target::Ambiguous(ids) => Seeds {
            candidates: positions(desk, ids),
            is_ambiguous: true,
            sought: "a commit".into(),
            ..Seeds::default()
        },
        Target::ChangeId(id) => by_change_id(desk, id),
        Target::Issue(issue) => by_issue(desk, issue),
        Target::Digits(digits) => by_digits(desk, digits),
        Target::Nothing(_) => Seeds { sought: "a commit".into(), ..Seeds::default() },
        // Words are looked for before: see words.rs.
        Target::Words(_) => Seeds::default(),
        Target::OneOf { commit, asked } => Seeds {
            commits: vec![*commit],
            asked: Some(Arc::clone(asked)),
            is_commit: asked.is_commit,
            sought: asked.sought.clone(),
            ..Seeds::default()
        },
        Target::Near { commits, sought } => {
            Seeds { candidates: commits.clone(), sought: sought.clone(), ..Seeds::default() }
        }
    }
}

fn positions(desk: &Desk<'_>, ids: &[Oid]) -> Vec<Position> {
    ids.iter().filter_map(|id| desk.scope.graph.position(id)).collect()
}

/// Those of the commits filed under `key` that `is_meant` holds for, oldest first.
fn filed(desk: &mut Desk<'_>, key: Option<keys::Key>, is_meant: impl Fn(&super::desk::Node) -> bool) -> Vec<Position> {
    let mut found = desk.filed(&key.into_iter().collect::<Vec<_>>());
    found.retain(|&position| desk.read(position) && desk.node(position).is_some_and(&is_meant));
    found
}

fn by_change_id(desk: &mut Desk<'_>, id: &str) -> Seeds {
    let begins = |own: &str| own.get(..id.len()).is_some_and(|start| start.eq_ignore_ascii_case(id));
    let found = filed(desk, keys::of_change_id(id), |node| node.sketch.change_id.as_deref().is_some_and(begins));
    let mut distinct: Vec<String> = found
        .iter()
        .filter_map(|&position| desk.sketch(position)?.change_id.as_ref().map(|id| id.to_ascii_lowercase()))
        .collect();
    distinct.sort_unstable();
    distinct.dedup();
    let sought = "a Change-Id".into();
    if distinct.len() > 1 {
        return Seeds { candidates: found, is_ambiguous: true, sought, ..Seeds::default() };
    }
    Seeds { commits: found, sought, ..Seeds::default() }
}

/// An issue as people say it: where the key doesn't say of what kind it is, with the kind.
fn spoken(issue: &IssueRef) -> String {
    match issue.kind {
        IssueKind::Cve | IssueKind::Ghsa | IssueKind::Jira | IssueKind::Url => issue.key.clone(),
        IssueKind::Number => format!("#{}", issue.key),
        kind => format!("{} {}", kind.as_str(), issue.key),
    }
}

fn by_issue(desk: &mut Desk<'_>, issue: &IssueRef) -> Seeds {
    let has = |wanted: &IssueRef| {
        let wanted = wanted.clone();
        move |node: &super::desk::Node| {
            node.issues.iter().any(|own| own.kind == wanted.kind && own.key.eq_ignore_ascii_case(&wanted.key))
        }
    };
    let commits = filed(desk, Some(keys::of_issue(issue)), has(issue));
    let mut seeds = Seeds { commits, sought: format!("a reference to {}", spoken(issue)), ..Seeds::default() };
    if seeds.commits.is_empty() {
        // The same number in another tracker's spelling.
        let number = issue.key.rsplit(['#', '!', '-']).next().unwrap_or_default().to_owned();
        for kind in [IssueKind::Number, IssueKind::Bug, IssueKind::Launchpad, IssueKind::Debian] {
            let near = IssueRef { kind, key: number.clone() };
            if near != *issue {
                seeds.candidates.extend(filed(desk, Some(keys::of_issue(&near)), has(&near)));
            }
        }
        let near = IssueRef { kind: IssueKind::Bugzilla, key: format!("rhbz#{number}") };
        if near != *issue {
            seeds.candidates.extend(filed(desk, Some(keys::of_issue(&near)), has(&near)));
        }
    }
    seeds
}

/// Commits that name one which isn't here; it may be of another repository.
fn by_digits(desk: &mut Desk<'_>, digits: &str) -> Seeds {
    let is_it = |text: &str| {
        let length = text.len().min(digits.len());
        text.get(..length).zip(digits.get(..length)).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    let commits =
        filed(desk, keys::naming(digits), |node| node.sketch.origins.iter().any(|origin| is_it(&origin.text)));
    Seeds { commits, sought: "a commit, a trailer that names one, and a patch-id".into(), ..Seeds::default() }
}
