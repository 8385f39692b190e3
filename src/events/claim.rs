//! `claim`: whether what an advisory's record says of commits is so.
//!
//! Owns this line. Refuses what a record looks like, and containment.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that a record says, and whether it is so.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Claim<'a> {
    /// The id of the record; what it was read from, if it has none.
    #[serde(borrow)]
    pub query: Cow<'a, str>,
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// Where in the record it is said, for instance `affected[0].ranges[0]`.
    #[serde(borrow)]
    pub range: Cow<'a, str>,
    /// What is claimed.
    pub claim: ClaimKind,
    /// The kind of the event that it is about. Absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RecordEvent")]
    pub event: Option<RecordEvent>,
    /// The commit that it is about, as the record has it; of one that it lacks the full id. Absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub id: Option<Cow<'a, str>>,
    /// Whether it is so; `null` where that can't be known.
    pub holds: Option<bool>,
    /// What the answer rests on.
    #[serde(borrow)]
    pub evidence: Cow<'a, str>,
}

/// What a record claims.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimKind {
    /// The commit of the event is here, on a branch or tag.
    Exists,
    /// The event fits the others: a fix comes after an introducer, an introducer before a fix.
    Descends,
    /// The record names this commit, which is the change of one that it names.
    Named,
    /// The branches and tags that are affected are those that the record says are.
    Refs,
    /// The versions listed are the tags that are affected.
    Versions,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// The kinds of events of a record.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum RecordEvent {
    /// From this commit on it is affected.
    Introduced,
    /// From this commit on no longer.
    Fixed,
    /// After this commit no longer.
    LastAffected,
    /// Only what comes before this commit is spoken of.
    Limit,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}
