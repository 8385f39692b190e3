//! What a ref has of a change, from which of its commits and reverts the ref contains. Pure.

/// What happened to a change on a ref, told by commits that the ref contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is there, by the turn of this index.
    Present(usize),
    /// The turn of this index took it away.
    Reverted(usize),
    /// The turn of this index brought it again after it was reverted.
    Reapplied(usize),
    /// It is there in several commits, none of which is the whole of it.
    Together,
    /// Nothing of it is there.
    Missing,
}

/// One commit that brings or takes the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Whether it brings it.
    pub(super) brings: bool,
    /// The order where history leaves it open: the committer's time.
    pub(super) time: u64,
}

/// What `steps`, of which a ref contains those in `contained`, come to there. `before(a, b)` tells whether step `a` is an
/// ancestor of `b`. Earlier steps are preferred as the one that brought it; the caller puts those first that it would rather name.
///
/// The last word has a step that no other contained step comes after; where merged branches leave several, the latest of them.
pub(super) fn state(steps: &[Step], contained: &[usize], before: impl Fn(usize, usize) -> bool) -> State {
    let last = contained
        .iter()
        .copied()
        .filter(|&step| !contained.iter().any(|&other| other != step && before(step, other)))
        .max_by_key(|&step| (steps[step].time, step));
    let Some(last) = last else { return State::Missing };
    if !steps[last].brings {
        return State::Reverted(last);
    }
    if contained.iter().any(|&step| !steps[step].brings) {
        return State::Reapplied(last);
    }
    State::Present(contained.first().copied().unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_has_the_last_word() {
        // original, pick, revert of the original, revert of the revert.
        let step = |brings, time| Step { brings, time };
        let steps = [step(true, 1), step(true, 2), step(false, 3), step(true, 4)];
        // The pick is on a branch of its own; the others follow each other.
        let before = |a: usize, b: usize| matches!((a, b), (0, 2 | 3) | (2, 3));
        for (contained, expected) in [
            (&[][..], State::Missing),
            (&[0], State::Present(0)),
            (&[0, 1], State::Present(0)),
            (&[1], State::Present(1)),
            (&[0, 2], State::Reverted(2)),
            (&[0, 2, 3], State::Reapplied(3)),
            // Merged: the revert is later than the pick beside it.
            (&[0, 1, 2], State::Reverted(2)),
            // A revert alone says that it was there.
            (&[2], State::Reverted(2)),
        ] {
            assert_eq!(state(&steps, contained, before), expected, "{contained:?}");
        }
    }
}
