//! What became of a change after it landed: the commits that took it back, those that took that back, and so on. What lands a change
//! again is that change as far as it is asked where it is, and so are the picks of either.

use super::closure::close;
use super::desk::Desk;
use crate::graph::Position;
use crate::matching::{Named, Strength, keys};

/// Reverts of reverts are followed so many times.
const DEPTH: usize = 16;

/// A commit that gives a ref the change, or takes it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) position: Position,
    /// Whether it brings the change.
    pub(super) brings: bool,
}

/// The turns of the change that `members` are: themselves first, then what else lands it and is one change with that, then whatever
/// takes one of all these back, by name.
pub(super) fn turns(desk: &mut Desk<'_>, members: &[Position]) -> Vec<Turn> {
    let landed = landings(desk, members);
    let mut turns: Vec<Turn> = landed.into_iter().map(|position| Turn { position, brings: true }).collect();
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
                    turns.push(Turn { position, brings });
                }
            }
        }
    }
    turns
}

/// The commits whose message says that they take `turn` back, or land it again. What `turn` took back may be landed again without a
/// word of `turn`.
fn answers_to(desk: &mut Desk<'_>, turn: Turn) -> Vec<(Position, bool)> {
    let id = desk.scope.graph.id(turn.position);
    let mut answers = Vec::new();
    for position in naming(desk, turn.position) {
        let Some(node) = desk.node(position) else { continue };
        if node.relands.iter().any(|named| named.names(&id)) {
            answers.push((position, true));
        } else if node.sketch.reverts.iter().any(|named| named.names(&id)) {
            answers.push((position, !turn.brings));
        }
    }
    let undone = desk.node(turn.position).and_then(|node| only(&node.sketch.reverts)?.id);
    if let Some(undone) = undone.and_then(|undone| desk.scope.graph.position(&undone)) {
        let again = answering(desk, undone, |node| &node.relands);
        answers.extend(again.into_iter().map(|position| (position, !turn.brings)));
    }
    answers
}

/// The commits filed as naming the one at `position`, read.
fn naming(desk: &mut Desk<'_>, position: Position) -> Vec<Position> {
    let id = desk.scope.graph.id(position);
    let mut filed = desk.filed(&keys::naming_commit(&id).into_iter().collect::<Vec<_>>());
    filed.retain(|&position| desk.read(position));
    filed
}

/// `members`, and every commit that lands the same change before or after one of them, with what is one change with that.
fn landings(desk: &mut Desk<'_>, members: &[Position]) -> Vec<Position> {
    let mut known = members.to_vec();
    let mut next = 0;
    let mut rounds = 0;
    while next < known.len() && !desk.scope.stop.is_cancelled() {
        let member = known[next];
        next += 1;
        let mut found = before(desk, member);
        found.extend(after(desk, member));
        found.retain(|landing| !known.contains(landing));
        for landing in found {
            rounds += 1;
            if rounds > DEPTH {
                return known;
            }
            for position in one_change_with(desk, landing) {
                if !known.contains(&position) {
                    known.push(position);
                }
            }
        }
    }
    known
}

/// The commits that are one change with `landing`, itself first.
fn one_change_with(desk: &mut Desk<'_>, landing: Position) -> Vec<Position> {
    let closure = close(desk, &[landing], Strength::Equal);
    let Some(node) = closure.index(landing) else { return Vec::new() };
    let group = closure.changes.groups.iter().find(|group| group.is_whole(node));
    let others = group.into_iter().flat_map(|group| &group.members).map(|(member, _)| *member);
    let whole = others.filter(|&member| member != node && group.is_some_and(|group| group.is_whole(member)));
    std::iter::once(landing).chain(whole.map(|member| closure.nodes[member])).collect()
}

/// What `member` says to land again: the one that it names, or the one that was taken back by the one that it takes back.
fn before(desk: &mut Desk<'_>, member: Position) -> Vec<Position> {
    let named = |desk: &mut Desk<'_>, position: Position, of: fn(&super::desk::Node) -> &[Named]| {
        desk.read(position).then_some(())?;
        only(of(desk.node(position)?))?.id.and_then(|id| desk.scope.graph.position(&id))
    };
    let again = named(desk, member, |node| &node.relands);
    let undone = named(desk, member, |node| &node.sketch.reverts);
    let first = undone.and_then(|revert| named(desk, revert, |node| &node.sketch.reverts));
    again.into_iter().chain(first).collect()
}

/// What says to land `member` again.
fn after(desk: &mut Desk<'_>, member: Position) -> Vec<Position> {
    let mut found = answering(desk, member, |node| &node.relands);
    for revert in answering(desk, member, |node| &node.sketch.reverts) {
        found.extend(answering(desk, revert, |node| &node.sketch.reverts));
    }
    found
}

/// The commits that name the one at `position` in one of two ways, and nothing else so.
fn answering(desk: &mut Desk<'_>, position: Position, of: fn(&super::desk::Node) -> &[Named]) -> Vec<Position> {
    let id = desk.scope.graph.id(position);
    let mut found = naming(desk, position);
    found.retain(|&other| desk.node(other).and_then(|node| only(of(node))).is_some_and(|named| named.names(&id)));
    found
}

/// One that takes several commits back, or lands several again, is no one change with any of them.
fn only(named: &[Named]) -> Option<&Named> {
    match named {
        [named] => Some(named),
        _ => None,
    }
}
