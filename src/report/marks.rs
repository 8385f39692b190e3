//! The marks of the table: what a place has of a change, at a glance.

use super::look::{CYAN, DIM, GREEN, Look, MAGENTA, RED, YELLOW};
use crate::events::matching::{PresenceHow, PresenceState};

/// What a place has of a change. Ordered from what is surest to what asks most for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Itself,
    Equivalent,
    Reapplied,
    NotApplicable,
    Dismissed,
    Unknown,
    Reverted,
    Missing,
}

impl Mark {
    pub(super) const ALL: [Self; 8] = [
        Self::Itself,
        Self::Equivalent,
        Self::Reapplied,
        Self::Reverted,
        Self::Missing,
        Self::NotApplicable,
        Self::Dismissed,
        Self::Unknown,
    ];

    pub(super) fn of(state: PresenceState, how: Option<PresenceHow>) -> Self {
        match (state, how) {
            (PresenceState::Present, Some(PresenceHow::Backport)) => Self::Equivalent,
            (PresenceState::Present, _) => Self::Itself,
            (PresenceState::Reverted, _) => Self::Reverted,
            (PresenceState::Reapplied, _) => Self::Reapplied,
            (PresenceState::Missing, _) => Self::Missing,
            (PresenceState::NotApplicable, _) => Self::NotApplicable,
            (PresenceState::Dismissed, _) => Self::Dismissed,
            (PresenceState::Unknown, _) => Self::Unknown,
        }
    }

    /// Whether the change is there.
    pub(super) fn has(self) -> bool {
        matches!(self, Self::Itself | Self::Equivalent | Self::Reapplied)
    }

    /// The mark itself, one column wide.
    pub(super) fn sign(self, look: Look) -> &'static str {
        let (unicode, ascii) = match self {
            Self::Itself => ("●", "*"),
            Self::Equivalent => ("◐", "+"),
            Self::Reapplied => ("↷", "A"),
            Self::Reverted => ("↶", "R"),
            Self::Missing => ("✗", "-"),
            Self::NotApplicable => ("∅", "."),
            Self::Dismissed => ("~", "~"),
            Self::Unknown => ("?", "?"),
        };
        if look.unicode { unicode } else { ascii }
    }

    /// What the mark means, as the legend has it and as it follows the name of a place.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Itself => "the commit itself",
            Self::Equivalent => "an equivalent commit",
            Self::Reapplied => "reverted and reapplied",
            Self::Reverted => "reverted",
            Self::Missing => "missing",
            Self::NotApplicable => "not applicable",
            Self::Dismissed => "dismissed",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn write(self, look: Look, out: &mut Vec<u8>) {
        let code = match self {
            Self::Itself | Self::Reapplied => GREEN,
            Self::Equivalent => CYAN,
            Self::Reverted => MAGENTA,
            Self::Missing => RED,
            Self::NotApplicable | Self::Dismissed => DIM,
            Self::Unknown => YELLOW,
        };
        look.paint(code, self.sign(look), out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::columns;
    use super::*;

    #[test]
    fn each_mark_is_one_column_wide_and_unlike_the_others() {
        for unicode in [true, false] {
            let look = Look { color: false, unicode, width: 80, names: false, links: false };
            let mut signs: Vec<&str> = Mark::ALL.iter().map(|mark| mark.sign(look)).collect();
            assert!(signs.iter().all(|sign| columns(sign) == 1), "{signs:?}");
            signs.sort_unstable();
            signs.dedup();
            assert_eq!(signs.len(), Mark::ALL.len());
        }
    }
}
