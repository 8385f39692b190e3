//! What became of a change after it landed: the commits that took it back, those that took that back, and so on.

use super::desk::Desk;
use crate::graph::Position;
use crate::matching::keys;

/// Reverts of reverts are followed so many times.
const DEPTH: usize = 16;

/// A commit that gives a ref the change, or takes it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) position: Position,
    /// Whether it brings the change.
    pub(super) brings: bool,
    /// Whether it is a commit of the change itself, not one that lands it again.
    pub(super) is_member: bool,
}

/// The turns of the change that `members` are: themselves first, then whatever takes one of them back, by name.
pub(super) fn turns(desk: &mut Desk<'_>, members: &[Position]) -> Vec<Turn> {
    let mut turns: Vec<Turn> =
        members.iter().map(|&position| Turn { position, brings: true, is_member: true }).collect();
    let mut next = 0;
    for _ in 0..DEPTH {
        let level = next..turns.len();
        if level.is_empty() {
            break;
        }
        next = level.end;
        for at in level {
            let turn = turns[at];
            for (position, brings) in answers_to(desk, turn) {
                if !turns.iter().any(|known| known.position == position) {
                    turns.push(Turn { position, brings, is_member: false });
                }
            }
        }
    }
    turns
}

/// The commits whose message says that they take `turn` back, or land it again.
fn answers_to(desk: &mut Desk<'_>, turn: Turn) -> Vec<(Position, bool)> {
    let id = desk.scope.graph.id(turn.position);
    let filed = desk.filed(&keys::naming_commit(&id).into_iter().collect::<Vec<_>>());
    let mut answers = Vec::new();
    for position in filed {
        if !desk.read(position) {
            continue;
        }
        let Some(node) = desk.node(position) else { continue };
        if node.relands.iter().any(|named| named.names(&id)) {
            answers.push((position, true));
        } else if node.sketch.reverts.iter().any(|named| named.names(&id)) {
            answers.push((position, !turn.brings));
        }
    }
    answers
}
