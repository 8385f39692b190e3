//! `candidate`, `match`, `presence`, `missing`, `followup`, `verdict`, `interdiff`: where a change is, and why we say so.
//!
//! Owns these lines. Refuses the ladder itself (`matching`) and containment (`graph`).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asked::asked;

/// A commit that a query may have meant.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Candidate<'a> {
    /// The query as asked.
    #[serde(borrow)]
    pub query: Cow<'a, str>,
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The full object id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The subject of the commit.
    #[serde(borrow)]
    pub subject: Cow<'a, str>,
    /// The exact bytes of `subject` in base64 (padded). Absent where `subject` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub subject_b64: Option<Cow<'a, str>>,
    /// Why it was not simply taken.
    pub why: CandidateReason,
}

/// Why a commit is only a candidate.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateReason {
    /// The query fits more than one commit.
    Ambiguous,
    /// The query fits no commit exactly, this one nearly.
    Near,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// One commit that is a given change.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Match<'a> {
    /// The query as asked.
    #[serde(borrow)]
    pub query: Cow<'a, str>,
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The change: the full id of its oldest commit known here.
    #[serde(borrow)]
    pub change: Cow<'a, str>,
    /// The full id of this commit.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// How much the match counts for. Only `equal` counts for `presence`.
    pub strength: Strength,
    /// The probability that both are one change, from 0 to 1, as measured for the rung.
    pub confidence: f64,
    /// The first rung that held. Absent where none was needed (the commit itself) or none held (a hint).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rung")]
    pub rung: Option<Rung>,
    /// How much of the change arrived. Absent for the commit itself; `null` where a diff can't be made.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub fidelity: Option<Option<Fidelity>>,
    /// All signals that agree.
    #[serde(borrow)]
    pub signals: Vec<Signal<'a>>,
}

/// How much a match counts for.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// One change.
    Equal,
    /// Shown, not counted.
    Weak,
    /// Worth a look.
    Hint,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// The rungs of the ladder, in the order they are tried.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// 0: a trailer names the other commit.
    Trailer,
    /// 1: the same Change-Id.
    ChangeId,
    /// 2: the same patch id, author and author date.
    PatchIdAuthorDate,
    /// 3: the same author and author date, and the subject or the lines agree.
    AuthorDate,
    /// 4: the same patch id, and the subject or the pull request agrees.
    PatchIdSubject,
    /// 5: the same pull request, and the lines agree.
    PullRequest,
    /// 6: the same subject, and the lines agree.
    Subject,
    /// 7: the same patch id and nothing else: `weak`.
    PatchId,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// How much of a change arrived.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Fidelity {
    /// The patch ids are equal.
    Exact,
    /// The same lines are added and removed, in other surroundings.
    Context,
    /// The change was altered.
    Adapted,
    /// Nothing but a trailer says so.
    Claimed,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// A piece of evidence that two commits are one change.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Signal<'a> {
    /// What agrees.
    pub kind: SignalKind,
    /// What it agrees on, for instance the patch id. Absent where the kind says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub value: Option<Cow<'a, str>>,
    /// The exact bytes of `value` in base64 (padded). Absent where `value` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub value_b64: Option<Cow<'a, str>>,
    /// How many steps from commit to commit the evidence takes, from 1. Absent where it compares the two directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub hops: Option<u32>,
}

/// The kinds of evidence.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SignalKind {
    /// It is the commit itself.
    Same,
    /// A trailer names the other commit.
    Trailer,
    /// The Change-Id.
    ChangeId,
    /// The patch id.
    PatchId,
    /// The author and the author date.
    AuthorDate,
    /// The pull request number.
    PullRequest,
    /// The normalised subject.
    Subject,
    /// The set of changed paths.
    Paths,
    /// The changed lines, as far as containment asks.
    Lines,
    /// The changed lines, nearly.
    Fuzzy,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// Whether one ref has a change. Final: written once for each ref reported, after all its evidence is in.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Presence<'a> {
    /// The query as asked.
    #[serde(borrow)]
    pub query: Cow<'a, str>,
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The change: the full id of its oldest commit known here.
    #[serde(borrow)]
    pub change: Cow<'a, str>,
    /// The full refname.
    #[serde(rename = "ref", borrow)]
    pub refname: Cow<'a, str>,
    /// The exact bytes of `ref` in base64 (padded). Absent where `ref` is exact.
    #[serde(rename = "ref_b64", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub refname_b64: Option<Cow<'a, str>>,
    /// The refname without its prefix.
    #[serde(borrow)]
    pub short: Cow<'a, str>,
    /// The exact bytes of `short` in base64 (padded). Absent where `short` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub short_b64: Option<Cow<'a, str>>,
    /// The release line that the ref belongs to. Absent where it belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub line: Option<Cow<'a, str>>,
    /// What the ref has of the change.
    pub state: PresenceState,
    /// The full id of the commit that brings the change to the ref, or last took it away. Absent where no commit does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub id: Option<Cow<'a, str>>,
    /// How the change is there. Absent where it isn't, as where it was reverted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PresenceHow")]
    pub how: Option<PresenceHow>,
    /// The first tag of the line that has it. Absent where none has it; `null` where history is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub first_tag: Option<Option<Cow<'a, str>>>,
    /// The first release of the line that has it. Absent where none has it; `null` where history is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub first_release: Option<Option<Cow<'a, str>>>,
    /// What brought the answer about beyond the commit itself, for instance a merged branch. Absent where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub via: Option<Cow<'a, str>>,
    /// Whether what an advisory is about is there, every commit counted that is one change with one of its record. Absent unless a record
    /// was asked about, whose fix the change is; `null` where history is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub affected: Option<Option<bool>>,
    /// The same, of the commits alone that the record names. Absent as `affected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub recorded: Option<bool>,
    /// The range of the record, for instance `affected[0].ranges[0]`. Absent as `affected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub range: Option<Cow<'a, str>>,
}

/// What a ref has of a change.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PresenceState {
    /// It has it.
    Present,
    /// It had it, and a revert took it away.
    Reverted,
    /// It was reverted and landed again.
    Reapplied,
    /// It doesn't have it.
    Missing,
    /// It doesn't need it: what the change repairs isn't there.
    NotApplicable,
    /// Someone decided that it doesn't need it.
    Dismissed,
    /// History is cut off, so that it can't be known; also what a state of a newer producer is read as.
    #[serde(other)]
    Unknown,
}

/// How a change came to a ref.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PresenceHow {
    /// The commit itself is an ancestor.
    Ancestor,
    /// An equal commit is an ancestor.
    Backport,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// A change that a ref should have and hasn't.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Missing<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The change: the full id of its oldest commit known here.
    #[serde(borrow)]
    pub change: Cow<'a, str>,
    /// The full id of the commit to take.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The full refname.
    #[serde(rename = "ref", borrow)]
    pub refname: Cow<'a, str>,
    /// The exact bytes of `ref` in base64 (padded). Absent where `ref` is exact.
    #[serde(rename = "ref_b64", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub refname_b64: Option<Cow<'a, str>>,
    /// The refname without its prefix.
    #[serde(borrow)]
    pub short: Cow<'a, str>,
    /// The exact bytes of `short` in base64 (padded). Absent where `short` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub short_b64: Option<Cow<'a, str>>,
    /// The subject of the commit to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub subject: Option<Cow<'a, str>>,
    /// The exact bytes of `subject` in base64 (padded). Absent where `subject` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub subject_b64: Option<Cow<'a, str>>,
    /// What the ref has of the change.
    pub state: MissingState,
    /// Why it should be there.
    #[serde(borrow)]
    pub because: Cow<'a, str>,
    /// The exact bytes of `because` in base64 (padded). Absent where `because` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub because_b64: Option<Cow<'a, str>>,
    /// Whether it would apply. Absent unless asked for; `null` where it couldn't be tried.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub apply: Option<Option<Apply>>,
    /// The paths in conflict. Absent unless `apply` is `conflict`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub conflicts: Option<Vec<Cow<'a, str>>>,
    /// The exact bytes of each of `conflicts` in base64 (padded). Absent where all are exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub conflicts_b64: Option<Vec<Cow<'a, str>>>,
}

/// In what way a change is missing.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum MissingState {
    /// It was never there.
    Missing,
    /// It was reverted.
    Reverted,
    /// It can't be known; also what a state of a newer producer is read as.
    #[serde(other)]
    Unknown,
}

/// What a trial merge says.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Apply {
    /// It applies.
    Clean,
    /// It conflicts.
    Conflict,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// A commit that should follow another to a ref.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Followup<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The full id of the follow-up.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The full id of the commit that it follows.
    #[serde(borrow)]
    pub of: Cow<'a, str>,
    /// What it does to that commit.
    pub relation: FollowupRelation,
    /// The full refname.
    #[serde(rename = "ref", borrow)]
    pub refname: Cow<'a, str>,
    /// The exact bytes of `ref` in base64 (padded). Absent where `ref` is exact.
    #[serde(rename = "ref_b64", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub refname_b64: Option<Cow<'a, str>>,
    /// The refname without its prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub short: Option<Cow<'a, str>>,
    /// The exact bytes of `short` in base64 (padded). Absent where `short` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub short_b64: Option<Cow<'a, str>>,
    /// The subject of the follow-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub subject: Option<Cow<'a, str>>,
    /// The exact bytes of `subject` in base64 (padded). Absent where `subject` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub subject_b64: Option<Cow<'a, str>>,
    /// Whether the ref has the follow-up.
    pub state: FollowupState,
}

/// What a follow-up does.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum FollowupRelation {
    /// It repairs the commit.
    Fixes,
    /// It reverts the commit.
    Reverts,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// Whether a ref has a follow-up.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum FollowupState {
    /// It hasn't.
    Missing,
    /// It has.
    Present,
    /// Someone decided that it doesn't need it.
    Dismissed,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// One rung's answer for a pair of commits.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Verdict<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The full id of the commit in question.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The full id of the commit that it is compared with.
    #[serde(borrow)]
    pub other: Cow<'a, str>,
    /// The rung.
    pub rung: Rung,
    /// Whether the rung holds; `null` where that can't be known.
    pub holds: Option<bool>,
    /// What the answer rests on.
    #[serde(borrow)]
    pub evidence: Cow<'a, str>,
    /// The exact bytes of `evidence` in base64 (padded). Absent where `evidence` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub evidence_b64: Option<Cow<'a, str>>,
}

/// How the diffs of two commits differ.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Interdiff<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The full id of the commit in question.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The full id of the commit that it is compared with.
    #[serde(borrow)]
    pub other: Cow<'a, str>,
    /// The difference, a diff of two diffs; empty where they are alike.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// The exact bytes of `text` in base64 (padded). Absent where `text` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub text_b64: Option<Cow<'a, str>>,
}
