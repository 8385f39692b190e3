//! Changes and branches: for each change of the source that one of the branches lacks or has picked, what each branch has of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::comparison::{Comparison, Standing};
use super::dismissed::Dismissal;
use super::ends::End;
use super::verdicts::{Call, call};
use super::{Found, Options, dismissals, order, pairs, run};
use crate::describe::lossy;
use crate::error::Kind;
use crate::events::Event;
use crate::events::matching::{Presence, PresenceHow, PresenceState};
use crate::git::refs::short;
use crate::graph::{Graph, Position};
use crate::locate::study::{Has, Notice, Study};
use crate::report::{Ending, Strand};
use crate::shutdown::Token;

/// Tells what each of the targets of `options` has of the changes of their common source.
///
/// # Errors
/// As those of [`super::missing()`], and if no one source is common to all.
pub async fn matrix(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    run(&options, report, token, "comparing branches", async |study| {
        let pairs = pairs(study, &options).await?;
        let Some((source, _)) = pairs.first().cloned() else { return Ok(Found::default()) };
        if let Some((other, target)) = pairs.iter().find(|(other, _)| other.name != source.name) {
            let (one, other, target) = (source.short(), other.short(), target.short());
            return Err(Kind::BadRevision.hinted(
                format!("the changes of {target} come from {other}, and others' from {one}"),
                "--from=<branch> names the one to compare with",
            ));
        }
        let mut columns = Vec::new();
        let dismissals = dismissals(study, &source).await?;
        let mut found = Found::default();
        for (source, target) in pairs {
            let comparison = Comparison::of(study, &source, &target).await?;
            found.is_unsure |= comparison.is_unsure;
            columns.push(Column { target, comparison });
        }
        tell(study, &source, columns, dismissals, (options.commits_at.clone(), found.is_unsure)).await?;
        Ok(found)
    })
    .await
}

/// A branch and what it has.
struct Column {
    target: End,
    comparison: Comparison,
}

async fn tell(
    study: &mut Study<'_>,
    source: &End,
    columns: Vec<Column>,
    dismissals: Vec<Dismissal>,
    (commits_at, is_unsure): (Option<String>, bool),
) -> anyhow::Result<()> {
    let (graph, scribe) = (Arc::clone(study.graph()), study.scribe());
    let (repo, query, format) = (study.name().to_owned(), source.short(), study.report().format());
    let write = move || {
        let mut writing = format.answer();
        if let Some(address) = commits_at {
            writing.link(address);
        }
        if is_unsure {
            writing.remark("History is cut off: what a branch has from before isn't known.");
        }
        // One row for each change: the commit of it that is to be taken.
        let mut rows: BTreeMap<Position, &Notice> = BTreeMap::new();
        for column in &columns {
            for notice in &column.comparison.commits {
                if !matches!(column.comparison.standing(notice.position), Standing::Settled | Standing::Gone) {
                    rows.insert(notice.position, notice);
                }
            }
        }
        let commits: Vec<Position> = rows.keys().copied().collect();
        scribe.each(&order::oldest_first(&graph, &commits), |commit, event| {
            let Some(notice) = rows.get(&commit) else { return };
            if let Some(event) = event {
                writing.add(event);
            }
            let change = graph.id(commit).to_hex();
            for column in &columns {
                let presence = presence(&graph, column, notice, &dismissals, (&query, &repo, &change));
                writing.add(&Event::Presence(presence));
            }
        });
        writing.finish()
    };
    let (bytes, counts) = study.pool().run(write).await?;
    Ok(study.report().batch(bytes, &counts).await?)
}

/// What the branch of `column` has of the change that is the commit of `notice`.
fn presence<'e>(
    graph: &Graph,
    column: &'e Column,
    notice: &Notice,
    dismissals: &[Dismissal],
    (query, repo, change): (&'e str, &'e str, &'e str),
) -> Presence<'e> {
    let Column { target, comparison } = column;
    let hex = |commit: Position| -> Cow<'e, str> { graph.id(commit).to_hex().into() };
    let is_undone = matches!(comparison.standing(notice.position), Standing::Reverted(_));
    let (state, how, id) = if comparison.has_itself(notice.position) && !is_undone {
        (PresenceState::Present, Some(PresenceHow::Ancestor), Some(hex(notice.position)))
    } else {
        match (call(graph, comparison, notice, target, dismissals), comparison.brought_by(notice.position)) {
            (Call::Nothing, Some(Has::It(by))) => (PresenceState::Present, Some(PresenceHow::Backport), Some(hex(by))),
            (Call::Nothing, Some(Has::ItAgain(by))) => {
                (PresenceState::Reapplied, Some(PresenceHow::Backport), Some(hex(by)))
            }
            (Call::NotApplicable, _) => (PresenceState::NotApplicable, None, None),
            (Call::Dismissed(_), _) => (PresenceState::Dismissed, None, None),
            (Call::Missing(Standing::Reverted(by)), _) => (PresenceState::Reverted, None, Some(hex(by))),
            (Call::Missing(Standing::SamePatch(by) | Standing::InPart(by)), _) => {
                (PresenceState::Unknown, None, Some(hex(by)))
            }
            (Call::Nothing | Call::Missing(_), _) => (PresenceState::Missing, None, None),
        }
    };
    let (refname, refname_b64) = lossy(&target.name);
    let (short, short_b64) = lossy(short(&target.name));
    Presence {
        query: query.into(),
        repo: repo.into(),
        change: change.into(),
        refname: refname.into(),
        refname_b64: refname_b64.map(Cow::Owned),
        short: short.into(),
        short_b64: short_b64.map(Cow::Owned),
        line: target.line.as_ref().map(|line| line.name().into()),
        state,
        id,
        how,
        first_tag: None,
        first_release: None,
        via: None,
        affected: None,
        recorded: None,
        range: None,
    }
}
