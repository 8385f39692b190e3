//! Consecutive commits of one branch that together are another commit: a squash of them, or the commit that was split into them.
//! Told by the patch-id of their combined diff.

use super::desk::Desk;
use crate::facts::Oid;
use crate::graph::Position;
use crate::matching::groups::{Edge, Ground};
use crate::matching::squash::MOST_PARTS;

/// Of `parts`, those that lie within one run of first parents without merges, from the newest on, with that run, oldest first.
fn run_of(desk: &mut Desk<'_>, parts: &[Position]) -> (Vec<Position>, Vec<Position>) {
    let Some(&newest) = parts.iter().max() else { return (Vec::new(), Vec::new()) };
    let mut run = Vec::new();
    let mut at = newest;
    // Until the last of them that this run has.
    let mut length = 0;
    while run.len() < MOST_PARTS && desk.read(at) {
        if desk.sketch(at).is_none_or(|sketch| sketch.is_merge) {
            break;
        }
        run.push(at);
        if parts.contains(&at) {
            length = run.len();
        }
        match desk.scope.graph.parents(at).first() {
            Some(&parent) => at = parent,
            None => break,
        }
    }
    run.truncate(length);
    run.reverse();
    let within = parts.iter().copied().filter(|part| run.contains(part)).collect();
    (within, run)
}

/// Whether the combined diff of `run`, consecutive commits, has the patch-id of `whole`.
pub(super) fn is_whole(desk: &mut Desk<'_>, whole: Position, run: &[Position]) -> bool {
    let (Some(&first), Some(&last)) = (run.first(), run.last()) else { return false };
    run.len() > 1 && desk.patch_id(whole).is_some_and(|id| desk.patch_id_of_range(first, last) == Some(id))
}

/// Whether `parts` make up `whole` without anything between or besides them.
pub(super) fn make_up(desk: &mut Desk<'_>, whole: Position, parts: &[Position]) -> bool {
    let (within, run) = run_of(desk, parts);
    within.len() == parts.len() && is_whole(desk, whole, &run)
}

/// Those of `parts` that are, consecutive as they are, a commit with this patch-id that was split.
pub(super) fn split_of(desk: &mut Desk<'_>, patch_id: &Oid, parts: &[Position]) -> Vec<Position> {
    let mut left = parts.to_vec();
    let mut found = Vec::new();
    while left.len() > 1 {
        let (within, run) = run_of(desk, &left);
        left.retain(|part| !within.contains(part));
        let (Some(&first), Some(&last)) = (run.first(), run.last()) else { break };
        if within.len() > 1 && desk.patch_id_of_range(first, last) == Some(*patch_id) {
            found.extend(within);
        }
    }
    found
}

/// Finds the commits that were split: each of several consecutive commits names one, and together they are it. Their edges then
/// say that it holds them.
pub(super) fn split(desk: &mut Desk<'_>, nodes: &[Position], edges: &mut [Edge]) {
    for whole in 0..nodes.len() {
        let is_claim = |edge: &Edge| edge.to == whole && edge.ground == (Ground::Trailer { backed: false });
        let mut namers: Vec<Position> =
            edges.iter().filter(|edge| is_claim(edge)).map(|edge| nodes[edge.from]).collect();
        while namers.len() > 1 {
            let (within, run) = run_of(desk, &namers);
            if within.len() > 1 && is_whole(desk, nodes[whole], &run) {
                for edge in edges.iter_mut().filter(|edge| is_claim(edge) && within.contains(&nodes[edge.from])) {
                    *edge = Edge { from: edge.to, to: edge.from, ground: Ground::Part, ..*edge };
                }
            }
            namers.retain(|namer| !within.contains(namer));
        }
    }
}
