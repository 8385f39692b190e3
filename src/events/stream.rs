//! `begin`, `end`, `progress`, `warning`, `error`: the stream itself and how it goes.
//!
//! Owns these lines. Refuses exit codes and messages (`error`), bars (`report`).

use std::{borrow::Cow, collections::BTreeMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first line of a stream.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Begin<'a> {
    /// The schema number. Within one, types, fields and values are only added.
    pub schema: u32,
    /// The version of the program that writes.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// The command, for instance `scan`.
    #[serde(borrow)]
    pub command: Cow<'a, str>,
    /// The queries in the order asked. Absent where the command takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub queries: Option<Vec<Cow<'a, str>>>,
}

/// The last line of a stream, also after a failure; a stream without it was cut off.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct End<'a> {
    /// How it went.
    pub status: Status,
    /// Whether nothing is left out of the answer.
    pub complete: bool,
    /// The exit code of the process.
    pub exit_code: u8,
    /// The state of the refs, for `--after`. Absent where the command gives none or the stream is incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub cursor: Option<Cow<'a, str>>,
    /// How many lines of each type were written, without `begin` and `end`.
    #[serde(borrow)]
    pub counts: BTreeMap<Cow<'a, str>, u64>,
    /// How long it took in milliseconds.
    pub elapsed_ms: u64,
}

/// How a run, or one repository's part of it, went.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All was done.
    Ok,
    /// Some of it was done.
    Partial,
    /// It failed.
    Failed,
    /// It was stopped from outside.
    Cancelled,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// How far something has come. How often it is written is not promised.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Progress<'a> {
    /// The name of the repository. Absent where it is about more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub repo: Option<Cow<'a, str>>,
    /// What is being done, for instance `walk`.
    #[serde(borrow)]
    pub phase: Cow<'a, str>,
    /// How much is done.
    pub done: u64,
    /// How much there is to do; `null` where that isn't known yet.
    pub total: Option<u64>,
    /// What is counted, for instance `commits`.
    #[serde(borrow)]
    pub unit: Cow<'a, str>,
}

/// Something that may make the answer less than it seems.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Warning<'a> {
    /// The name of the repository. Absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub repo: Option<Cow<'a, str>>,
    /// The object in question. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub id: Option<Cow<'a, str>>,
    /// The query that it is about. Absent where it is about none, or about more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub query: Option<Cow<'a, str>>,
    /// What is the matter, for programs, for instance `shallow-history`.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// What is the matter, for people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// What can be done about it. Absent where nothing comes to mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub hint: Option<Cow<'a, str>>,
    /// How many times it happened.
    pub count: u64,
}

/// Something that failed.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Error<'a> {
    /// The name of the repository. Absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub repo: Option<Cow<'a, str>>,
    /// The full id of the object that could not be read (for a missing parent, the parent). Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub id: Option<Cow<'a, str>>,
    /// The query that it kept from being answered, or from being answered in full. Absent where it is about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub query: Option<Cow<'a, str>>,
    /// What failed, for programs, for instance `repo-open`.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// Whose fault it is, and whether trying again helps.
    pub class: ErrorClass,
    /// What failed, for people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// What can be done about it. Absent where nothing comes to mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub hint: Option<Cow<'a, str>>,
    /// How many times it happened.
    pub count: u64,
    /// Whether it ended the run.
    pub fatal: bool,
    /// When it was met first (RFC 3339), where errors of earlier runs are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub first_at: Option<Cow<'a, str>>,
    /// When it was met last. Absent as `first_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_at: Option<Cow<'a, str>>,
}

/// The classes of error.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// Trying again may help.
    Transient,
    /// Trying again won't help.
    Permanent,
    /// The user asked for something that can't be.
    User,
    /// A mistake of ours.
    Internal,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}
