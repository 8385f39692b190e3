//! The signals that a search may use: the value of `--signals=`.
//!
//! Owns their names and the set. Refuses what they mean: a rung that needs a signal outside the set doesn't hold. `paths` and
//! `lines` confirm, and are always allowed.

use std::{fmt, str::FromStr};

use super::verdict::SignalKind;

/// A set of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signals(u16);

/// The kinds that can be chosen, as named on the command line and on the wire.
const CHOICES: [SignalKind; 7] = [
    SignalKind::Same,
    SignalKind::Trailer,
    SignalKind::ChangeId,
    SignalKind::PatchId,
    SignalKind::AuthorDate,
    SignalKind::PullRequest,
    SignalKind::Subject,
];

impl Signals {
    /// Every signal.
    pub const ALL: Self = Self(u16::MAX);
    /// Nothing but the commit itself: plain containment.
    pub const SAME: Self = Self::NONE.with(SignalKind::Same);

    const NONE: Self = Self(bit(SignalKind::Paths) | bit(SignalKind::Lines) | bit(SignalKind::Fuzzy));

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: SignalKind) -> Self {
        Self(self.0 | bit(kind))
    }

    /// This set without `kind`.
    #[must_use]
    pub const fn without(self, kind: SignalKind) -> Self {
        Self(self.0 & !bit(kind))
    }

    /// Whether `kind` may be used.
    #[must_use]
    pub const fn has(self, kind: SignalKind) -> bool {
        self.0 & bit(kind) != 0
    }

    /// Whether no other commit can ever match, since only the commit itself counts.
    #[must_use]
    pub fn is_plain_containment(self) -> bool {
        CHOICES.iter().all(|&kind| kind == SignalKind::Same || !self.has(kind))
    }

    /// What both sets have.
    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

const fn bit(kind: SignalKind) -> u16 {
    1 << kind as u16
}

impl Default for Signals {
    fn default() -> Self {
        Self::ALL
    }
}

/// Names with commas between them, in any order; white space around a name and a repeated name do no harm. `paths` and
/// `lines`, which are always allowed, may be named.
impl FromStr for Signals {
    type Err = UnknownSignal;

    fn from_str(list: &str) -> Result<Self, UnknownSignal> {
        list.split(',').map(str::trim).try_fold(Self::NONE, |set, name| {
            let named = |kind: &&SignalKind| kind.as_str() == name;
            let confirming = [SignalKind::Paths, SignalKind::Lines];
            let kind = CHOICES.iter().find(named).or_else(|| confirming.iter().find(named));
            kind.map(|kind| set.with(*kind)).ok_or_else(|| UnknownSignal { name: name.to_owned() })
        })
    }
}

/// A word in `--signals=` that names no signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSignal {
    /// The word; empty where one was left out.
    pub name: String,
}

impl fmt::Display for UnknownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            f.write_str("a signal is missing; choose from ")?;
        } else {
            write!(f, "unknown signal '{}'; choose from ", self.name)?;
        }
        for (at, kind) in CHOICES.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { ", " }, kind.as_str())?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownSignal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_chooses_and_paths_and_lines_always_confirm() {
        let signals: Signals = "change-id, patch-id,author-date".parse().expect("known names");
        for (kind, has) in [
            (SignalKind::ChangeId, true),
            (SignalKind::PatchId, true),
            (SignalKind::AuthorDate, true),
            (SignalKind::Trailer, false),
            (SignalKind::Subject, false),
            (SignalKind::Paths, true),
            (SignalKind::Lines, true),
        ] {
            assert_eq!(signals.has(kind), has, "{kind:?}");
        }
        assert!(!signals.is_plain_containment());
        assert_eq!("same".parse(), Ok(Signals::SAME));
        assert!(Signals::SAME.is_plain_containment());
        assert!(CHOICES.iter().all(|&kind| Signals::ALL.has(kind)));
        assert!(!Signals::ALL.without(SignalKind::Trailer).has(SignalKind::Trailer));
    }

    #[test]
    fn an_unknown_name_is_told_with_the_choice() {
        for (list, name) in [("", ""), ("same,", ""), ("patchid", "patchid"), ("trailer,Subject", "Subject")] {
            let error = list.parse::<Signals>().expect_err(list);
            assert_eq!(error.name, name, "{list}");
            assert!(
                error
                    .to_string()
                    .ends_with("choose from same, trailer, change-id, patch-id, author-date, pull-request, subject")
            );
        }
    }
}
