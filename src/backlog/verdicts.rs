//! What is to be told of each commit that a target lacks, or why nothing is. Pure.

use super::comparison::{Comparison, Standing};
use super::dismissed::Dismissal;
use super::ends::End;
use crate::graph::Graph;
use crate::locate::study::Notice;

/// Whether a commit is to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call<'d> {
    /// It is missing, in this way.
    Missing(Standing),
    /// It is there, or needs no telling.
    Nothing,
    /// What it mends was never there.
    NotApplicable,
    /// Somebody decided against it.
    Dismissed(&'d Dismissal),
}

/// What is to be told of the commit of `notice`, one that only the source has.
pub(super) fn call<'d>(
    graph: &Graph,
    comparison: &Comparison,
    notice: &Notice,
    target: &End,
    dismissals: &'d [Dismissal],
) -> Call<'d> {
    let standing = comparison.standing(notice.position);
    if matches!(standing, Standing::Present | Standing::Gone | Standing::Settled) {
        return Call::Nothing;
    }
    if let Some(dismissal) = dismissal(graph, comparison, notice, target, dismissals) {
        return Call::Dismissed(dismissal);
    }
    if standing == Standing::Missing && comparison.lacks_the_culprit_of(notice).is_some() {
        return Call::NotApplicable;
    }
    Call::Missing(standing)
}

/// The dismissal of the change that a commit is, on `target`.
fn dismissal<'d>(
    graph: &Graph,
    comparison: &Comparison,
    notice: &Notice,
    target: &End,
    dismissals: &'d [Dismissal],
) -> Option<&'d Dismissal> {
    let mut here = dismissals.iter().filter(|dismissal| dismissal.is_on(&target.name)).peekable();
    here.peek()?;
    let ids: Vec<String> =
        comparison.of_change(notice.position).into_iter().map(|commit| graph.id(commit).to_hex()).collect();
    here.find(|dismissal| {
        let by_change_id = notice.change_id.as_deref().is_some_and(|id| dismissal.names_change(id));
        by_change_id || ids.iter().any(|id| dismissal.names(id))
    })
}
