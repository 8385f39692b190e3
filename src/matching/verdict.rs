//! What the ladder says of a pair, in the terms of the wire.
//!
//! Owns the words (rung, strength, fidelity, signal) and their order. Refuses to reach a verdict, and to write one.

/// The rungs, in the order they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rung {
    /// A trailer names the other commit.
    Trailer,
    /// The same Change-Id.
    ChangeId,
    /// The same patch-id, author and author date.
    PatchIdAuthorDate,
    /// The same author and author date, and the subject or the lines agree.
    AuthorDate,
    /// The same patch-id, and the subject or the pull request agrees.
    PatchIdSubject,
    /// The same pull request, and the lines agree.
    PullRequest,
    /// The same subject, and the lines agree.
    Subject,
    /// The same patch-id and nothing else: weak.
    PatchId,
}

impl Rung {
    /// All of them, the first to be tried first.
    pub const ALL: [Self; 8] = [
        Self::Trailer,
        Self::ChangeId,
        Self::PatchIdAuthorDate,
        Self::AuthorDate,
        Self::PatchIdSubject,
        Self::PullRequest,
        Self::Subject,
        Self::PatchId,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trailer => "trailer",
            Self::ChangeId => "change-id",
            Self::PatchIdAuthorDate => "patch-id-author-date",
            Self::AuthorDate => "author-date",
            Self::PatchIdSubject => "patch-id-subject",
            Self::PullRequest => "pull-request",
            Self::Subject => "subject",
            Self::PatchId => "patch-id",
        }
    }

    /// What a match on this rung counts for.
    #[must_use]
    pub const fn strength(self) -> Strength {
        match self {
            Self::PatchId => Strength::Weak,
            _ => Strength::Equal,
        }
    }
}

/// What a match counts for; the weakest is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Worth a look.
    Hint,
    /// Shown, not counted.
    Weak,
    /// One change.
    Equal,
}

/// How much of a change arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fidelity {
    /// The patch-ids are equal.
    Exact,
    /// The same lines are added and removed, in other surroundings.
    Context,
    /// The change was altered.
    Adapted,
    /// Nothing but a trailer says so.
    Claimed,
}

/// The kinds of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignalKind {
    /// It is the commit itself.
    Same,
    /// A trailer names the other commit.
    Trailer,
    /// The Change-Id.
    ChangeId,
    /// The patch-id.
    PatchId,
    /// The author and the author date.
    AuthorDate,
    /// The pull request.
    PullRequest,
    /// The normalised subject.
    Subject,
    /// The set of changed paths.
    Paths,
    /// The changed lines, as far as containment asks.
    Lines,
    /// The changed lines, nearly.
    Fuzzy,
}

impl SignalKind {
    /// The name on the wire, and in `--signals=`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Trailer => "trailer",
            Self::ChangeId => "change-id",
            Self::PatchId => "patch-id",
            Self::AuthorDate => "author-date",
            Self::PullRequest => "pull-request",
            Self::Subject => "subject",
            Self::Paths => "paths",
            Self::Lines => "lines",
            Self::Fuzzy => "fuzzy",
        }
    }
}

/// A piece of evidence that two commits are one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// What agrees.
    pub kind: SignalKind,
    /// What it agrees on: the id as the trailer has it, the Change-Id, the patch-id, `name <email> date` (RFC 3339), `#12`,
    /// the normalised subject, the number of common paths, the line containment (`0.83`).
    pub value: Option<String>,
    /// How many trailers the way from one commit to the other takes, from 1; only for `Trailer`. A pair alone knows
    /// 1; `groups` counts the rest.
    pub hops: Option<u32>,
}

/// Two commits match.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The first rung that held; `None` for a hint.
    pub rung: Option<Rung>,
    /// What it counts for.
    pub strength: Strength,
    /// The probability that both are one change, from 0 to 1, as measured for the rung.
    pub confidence: f64,
    /// How much arrived; `None` where the diffs aren't known (see `Pair::lacks`) or can't be.
    pub fidelity: Option<Fidelity>,
    /// All signals that agree, in the order of their kinds, as far as the facts are known (see `Pair::lacks`).
    pub signals: Vec<Signal>,
    /// Whether the one is the other and no more than it, whatever a trailer says: what tells a pick from a squash that holds it.
    pub is_backed: bool,
}
