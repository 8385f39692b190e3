//! What became of a change on some tips, by sweeps over the graph.

use super::desk::Desk;
use super::places::Place;
use super::presence::{State, Step, state};
use super::reverts::Turn;
use crate::events::matching::PresenceHow;
use crate::graph::{Containment, Position};

/// What became of a change on each tip.
pub(super) struct Histories {
    contained: Containment,
    steps: Vec<Step>,
    of_tip: Vec<State>,
}

impl Histories {
    /// What the commits of `turns` come to on each of `tips`; `parts` are commits that bring the change together.
    pub(super) fn new(desk: &Desk<'_>, turns: &[Turn], parts: &[Position], tips: &[Position]) -> Self {
        let scope = desk.scope;
        let partial = scope.contained(parts, tips);
        let has_all = |tip: usize| !parts.is_empty() && (0..parts.len()).all(|part| partial.has(tip, part));
        let commits: Vec<Position> = turns.iter().map(|turn| turn.position).collect();
        let contained = scope.contained(&commits, tips);
        // Where a tip has but one of them, none has to be put in order.
        let has_several =
            (0..tips.len()).any(|tip| contained.of(tip).iter().map(|word| word.count_ones()).sum::<u32>() > 1);
        let asked = if has_several { commits.as_slice() } else { &[] };
        let ancestry = Containment::sweep(&scope.graph, asked, asked);
        let steps: Vec<Step> =
            turns.iter().map(|turn| Step { brings: turn.brings, time: scope.graph.time(turn.position) }).collect();
        let of_tip = (0..tips.len())
            .map(|tip| {
                if contained.of(tip).iter().all(|word| *word == 0) {
                    return if has_all(tip) { State::Together } else { State::Missing };
                }
                let has: Vec<usize> = (0..steps.len()).filter(|&step| contained.has(tip, step)).collect();
                state(&steps, &has, |a, b| a != b && ancestry.has(b, a))
            })
            .collect();
        Self { contained, steps, of_tip }
    }

    /// What the tip at this index of the list has.
    pub(super) fn at(&self, tip: usize) -> State {
        self.of_tip[tip]
    }

    /// What a place has, if the tips are those of all places.
    pub(super) fn of(&self, place: &Place) -> State {
        place.tip.map_or(State::Missing, |tip| self.of_tip[tip as usize])
    }

    /// How the change came to a place; the first `own` steps are the commits that it is asked about.
    pub(super) fn how(&self, place: &Place, own: usize) -> Option<PresenceHow> {
        let tip = place.tip? as usize;
        let mut brought =
            (0..self.steps.len()).filter(|&step| self.steps[step].brings && self.contained.has(tip, step));
        let Some(first) = brought.next() else {
            return (self.of_tip[tip] == State::Together).then_some(PresenceHow::Backport);
        };
        Some(if first < own { PresenceHow::Ancestor } else { PresenceHow::Backport })
    }
}
