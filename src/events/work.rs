//! `task`, `operation`, `health`, `setting`: the program's own affairs.
//!
//! Owns these lines. Refuses scheduling (`tasks`), measuring (`monitor`) and where settings come from (`config`).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asked::asked;

/// A background task.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Task<'a> {
    /// Its id, unique across processes.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// What it does, for instance `prefetch`. An open set.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// How far it is.
    pub state: TaskState,
    /// Whether it has been running without progress for too long.
    pub stalled: bool,
    /// More about it, for people: what it has come to, why it failed, or what it is at. Absent where there is nothing to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub detail: Option<Cow<'a, str>>,
    /// The repositories that it is about, as they were named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub about: Option<Cow<'a, str>>,
    /// Whether it goes before others that wait: `low`, `normal` or `high`. An open set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub priority: Option<Cow<'a, str>>,
    /// When it was registered (RFC 3339, UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub made_at: Option<Cow<'a, str>>,
    /// When it began to run. Absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub begun_at: Option<Cow<'a, str>>,
    /// When it ended. Absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub ended_at: Option<Cow<'a, str>>,
    /// How long ago it was registered, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub age_ms: Option<u64>,
    /// What it is at, or was at last. Absent before it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub phase: Option<Cow<'a, str>>,
    /// How much of that is done; with `phase`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub done: Option<u64>,
    /// Of how much. Absent where that isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub total: Option<u64>,
    /// The process that it lives in, or lived in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub pid: Option<u32>,
    /// The file that it writes its stream to, and what else it has to say. It goes with the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub log: Option<Cow<'a, str>>,
    /// The file that holds a result too long for `detail`. It goes with the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub result_file: Option<Cow<'a, str>>,
}

/// The states of a task: pending, running, then one of the others for good.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// It waits for its turn.
    Pending,
    /// It runs.
    Running,
    /// It is done.
    Completed,
    /// It failed.
    Failed,
    /// It was stopped.
    Cancelled,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// A table that was written to a file.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Exported<'a> {
    /// What is in it: `commits`, `refs`, `matches` or `presence`. An open set.
    #[serde(borrow)]
    pub table: Cow<'a, str>,
    /// The file.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// The exact bytes of `path` in base64 (padded). Absent where `path` is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub path_b64: Option<Cow<'a, str>>,
    /// How many rows it has.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A file of the program that was put where others look for it, or taken away.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Installed<'a> {
    /// The file.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// Its exact bytes, base64, where `path` is lossy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub path_b64: Option<Cow<'a, str>>,
    /// What it is.
    pub part: InstalledPart,
    /// What has become of it.
    pub state: InstalledState,
}

/// What a file that is put somewhere is.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum InstalledPart {
    /// The program.
    Program,
    /// A page of the manual.
    Manual,
    /// What a shell reads to complete command lines.
    Completion,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// What has become of a file that is put somewhere.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum InstalledState {
    /// It is new, or has changed.
    Written,
    /// It was there already, just so.
    Unchanged,
    /// It is gone.
    Removed,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// How an operation has fared, over the history that is kept.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Operation<'a> {
    /// Its name, for instance `scan`.
    #[serde(borrow)]
    pub operation: Cow<'a, str>,
    /// How many times it ran.
    pub calls: u64,
    /// How many of these failed.
    pub failed: u64,
    /// The median time in milliseconds. Absent where it never ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub p50_ms: Option<u64>,
    /// The time in milliseconds that 95 of 100 calls kept within. Absent where it never ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub p95_ms: Option<u64>,
    /// The highest memory use in bytes; `null` where the system doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub peak_bytes: Option<Option<u64>>,
    /// The longest time in milliseconds. As `p50_ms`, of the calls that weren't stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub longest_ms: Option<u64>,
    /// How many did a part of what was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub partial_calls: Option<u64>,
    /// How many were stopped from outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub cancelled: Option<u64>,
    /// How many of those that weren't stopped did all that was asked, from 0 to 1. Absent where all were stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub success: Option<f64>,
    /// How many bytes all together received. Absent where that isn't known of any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub bytes: Option<u64>,
    /// When the last one ended (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_at: Option<Cow<'a, str>>,
}

/// The result of one health check.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Health<'a> {
    /// The check, for instance `cache-integrity`.
    #[serde(borrow)]
    pub check: Cow<'a, str>,
    /// Whether all is well.
    pub ok: bool,
    /// What was found, for people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// What to do about it. Absent where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub remedy: Option<Cow<'a, str>>,
}

/// A setting and where it comes from.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Setting<'a> {
    /// Its key as in git config, for instance `bhfuil.jobs`.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// Its value, as text.
    #[serde(borrow)]
    pub value: Cow<'a, str>,
    /// The exact bytes of `value` in base64 (padded). Absent where `value` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub value_b64: Option<Cow<'a, str>>,
    /// The file and line, the variable or the option that sets it; `default` where nothing does.
    #[serde(borrow)]
    pub origin: Cow<'a, str>,
    /// The exact bytes of `origin` in base64 (padded). Absent where `origin` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub origin_b64: Option<Cow<'a, str>>,
    /// The level that it comes from: `default`, `own` (our own file), git's `system`, `global`, `local`, `worktree` and `command`, or
    /// `environment`. An open set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub scope: Option<Cow<'a, str>>,
    /// The repository that was asked for. Absent where all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub repo: Option<Cow<'a, str>>,
}
