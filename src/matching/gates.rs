//! What keeps two commits apart before any rung is tried.
//!
//! - A merge is nobody's pick.
//! - Exactly one of them takes the change back (an odd revert depth): a revert looks like its original in all but the sign.
//!   A re-land (depth 2, 4, …) has the original's patch-id and is the change again; two reverts may be one revert, picked.
//! - One ref contains both: a branch holds a change once, and its second commit of that subject is another change ("update
//!   todo", 1,349 times on one branch). Exempt are the two statements of intent, a trailer that names the other commit and
//!   the Change-Id: people do pick onto a branch that a merge then brings back.

use super::{evidence::Pair, signals::Signals, verdict::SignalKind};

/// Why no rung was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Both are the same commit.
    Same,
    /// One of them is a merge.
    Merge,
    /// Exactly one of them is a revert.
    Revert,
}

impl Gate {
    /// The reason as a phrase for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "it is the same commit",
            Self::Merge => "one of them is a merge",
            Self::Revert => "exactly one of them is a revert",
        }
    }
}

/// The signals that may be used for this pair.
pub(super) fn admit(pair: &Pair<'_>, signals: Signals) -> Result<Signals, Gate> {
    let (a, b) = (pair.a, pair.b);
    if a.id == b.id {
        return Err(Gate::Same);
    }
    if a.is_merge || b.is_merge {
        return Err(Gate::Merge);
    }
    if a.is_revert() != b.is_revert() {
        return Err(Gate::Revert);
    }
    let intent = Signals::SAME.with(SignalKind::Trailer).with(SignalKind::ChangeId);
    Ok(if pair.shared_ref { signals.and(intent) } else { signals })
}

#[cfg(test)]
mod tests {
    use super::{super::evidence::sample, *};

    #[test]
    fn merges_and_single_reverts_are_refused() {
        for (depth_a, depth_b, merge, expected) in [
            (0, 0, false, None),
            (0, 1, false, Some(Gate::Revert)),
            (1, 1, false, None),
            (1, 3, false, None),
            (0, 2, false, None),
            (1, 2, false, Some(Gate::Revert)),
            (0, 0, true, Some(Gate::Merge)),
        ] {
            let (mut a, mut b) = (sample(1), sample(2));
            (a.revert_depth, b.revert_depth, b.is_merge) = (depth_a, depth_b, merge);
            assert_eq!(admit(&Pair::new(&a, &b, false), Signals::ALL).err(), expected, "{depth_a} {depth_b} {merge}");
        }
        assert_eq!(admit(&Pair::new(&sample(1), &sample(1), false), Signals::ALL), Err(Gate::Same));
    }

    #[test]
    fn within_one_ref_only_stated_intent_counts() {
        let (a, b) = (sample(1), sample(2));
        let signals = admit(&Pair::new(&a, &b, true), Signals::ALL).expect("no gate");
        assert!(signals.has(SignalKind::Trailer) && signals.has(SignalKind::ChangeId));
        assert!(!signals.has(SignalKind::Subject) && !signals.has(SignalKind::PatchId));
    }
}
