//! The list of what mends or takes back something that a branch has: the forgotten fix of a fix, the revert that never came.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::comparison::{Comparison, Standing};
use super::ends::End;
use super::verdicts::{Call, call};
use super::{Found, Options, dismissals, pairs, remark, run};
use crate::describe::lossy;
use crate::events::Event;
use crate::events::matching::{Followup, FollowupRelation, FollowupState};
use crate::git::refs::short;
use crate::graph::{Graph, Position};
use crate::locate::study::{Mentioned, Notice, Study};
use crate::report::{Ending, Strand};
use crate::shutdown::Token;

/// Tells what the sources have that follows up something on each of the targets of `options` and isn't there.
///
/// # Errors
/// As those of [`super::missing()`].
pub async fn followups(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    run(&options, report, token, "finding follow-ups", async |study| {
        let mut found = Found::default();
        for (source, target) in pairs(study, &options).await? {
            if study.token().is_cancelled() {
                break;
            }
            found |= tell(study, &source, &target).await?;
        }
        Ok(found)
    })
    .await
}

async fn tell(study: &mut Study<'_>, source: &End, target: &End) -> anyhow::Result<Found> {
    let dismissals = dismissals(study, source).await?;
    let comparison = Comparison::of(study, source, target).await?;
    let (graph, repo) = (Arc::clone(study.graph()), study.name().to_owned());
    let mut found = Found { any: false, is_unsure: comparison.is_unsure };
    // What is listed is as good as there for what follows it up in turn. A fix comes after what it mends.
    let mut listed: HashSet<Position> = HashSet::new();
    let mut picks = Vec::new();
    for notice in &comparison.commits {
        let Some((of, relation)) = followed(&comparison, notice, &listed) else { continue };
        let is_missing = match call(&graph, &comparison, notice, target, &dismissals) {
            Call::Missing(Standing::Missing | Standing::Reverted(_)) => true,
            // What it follows up may be on the list, and not yet there.
            Call::NotApplicable => listed.contains(&of),
            Call::Missing(_) | Call::Nothing | Call::Dismissed(_) => false,
        };
        if !is_missing {
            continue;
        }
        listed.insert(notice.position);
        found.any = true;
        picks.push(graph.id(notice.position).to_hex());
        let event = event(&repo, &graph, target, notice, of, relation);
        study.report().event(&Event::Followup(event)).await?;
    }
    study.report().picks(&target.short(), &picks).await?;
    if picks.is_empty() {
        remark(study, &format!("nothing on {} is to be followed up from {}", target.short(), source.short()));
    }
    Ok(found)
}

/// The commit that `notice` follows up and that the target has, or that is `listed`; and how.
fn followed(
    comparison: &Comparison,
    notice: &Notice,
    listed: &HashSet<Position>,
) -> Option<(Position, FollowupRelation)> {
    let is_there = |culprit: &&Mentioned| {
        comparison.target_has(culprit) || culprit.position.is_some_and(|position| listed.contains(&position))
    };
    let first = |culprits: &[Mentioned]| culprits.iter().find(is_there).and_then(|culprit| culprit.position);
    let reverted = first(&notice.reverts).map(|of| (of, FollowupRelation::Reverts));
    reverted.or_else(|| first(&notice.fixes).map(|of| (of, FollowupRelation::Fixes)))
}

fn event<'e>(
    repo: &'e str,
    graph: &Graph,
    target: &'e End,
    notice: &'e Notice,
    of: Position,
    relation: FollowupRelation,
) -> Followup<'e> {
    let (refname, refname_b64) = lossy(&target.name);
    let (short, short_b64) = lossy(short(&target.name));
    Followup {
        repo: repo.into(),
        id: graph.id(notice.position).to_hex().into(),
        of: graph.id(of).to_hex().into(),
        relation,
        refname: refname.into(),
        refname_b64: refname_b64.map(Cow::Owned),
        short: Some(short.into()),
        short_b64: short_b64.map(Cow::Owned),
        subject: Some(notice.subject.as_str().into()),
        subject_b64: notice.subject_b64.as_deref().map(Cow::Borrowed),
        state: FollowupState::Missing,
    }
}
