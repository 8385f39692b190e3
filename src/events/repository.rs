//! `repo`, `repo-end`, `cache`: one repository's part of the stream, and what is stored of it.
//!
//! Owns these lines. Refuses discovery (`git`) and the database (`cache`).

use std::{borrow::Cow, collections::BTreeMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A repository, before anything else from it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Repo<'a> {
    /// Its name, unique within the stream.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The exact bytes of `repo` in base64 (padded). Absent where `repo` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub repo_b64: Option<Cow<'a, str>>,
    /// The path of its git common directory; `null` where there is no repository at the path that is registered.
    #[serde(borrow)]
    pub git_dir: Option<Cow<'a, str>>,
    /// The exact bytes of `git_dir` in base64 (padded). Absent where `git_dir` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub git_dir_b64: Option<Cow<'a, str>>,
    /// The hash function of its object ids; `null` as `git_dir`.
    pub object_format: Option<ObjectFormat>,
    /// Whether its history is cut off (`git clone --depth`); `null` as `git_dir`.
    pub shallow: Option<bool>,
    /// Whether it lacks objects that a server promised (`git clone --filter`); `null` as `git_dir`.
    pub partial: Option<bool>,
    /// How many refs it has, symbolic refs not counted; `null` as `git_dir`.
    pub ref_count: Option<u64>,
    /// Where it is registered to lie: the top of its work tree, or the folder of a bare one. Absent where the registry wasn't asked, or
    /// it isn't cloned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub path: Option<Cow<'a, str>>,
    /// The exact bytes of `path` in base64 (padded). Absent where `path` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub path_b64: Option<Cow<'a, str>>,
    /// The address that it is registered to come from. Absent where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub url: Option<Cow<'a, str>>,
    /// The groups that it is registered in. Absent where the registry wasn't asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub groups: Option<Vec<Cow<'a, str>>>,
    /// Globs of the refs that are asked about; empty for the usual ones. Absent where the registry wasn't asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub refs: Option<Vec<Cow<'a, str>>>,
}

/// The hash functions that git knows.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectFormat {
    /// SHA-1: ids of 40 digits.
    Sha1,
    /// SHA-256: ids of 64 digits.
    Sha256,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// The end of one repository's part of the stream.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct RepoEnd<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// How it went.
    pub status: super::stream::Status,
    /// What was done with the index. Absent where the command needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IndexState")]
    pub index: Option<IndexState>,
    /// How many commits were not in the index before. Absent where `index` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub new: Option<u64>,
    /// How many lines of each type the repository gave.
    #[serde(borrow)]
    pub counts: BTreeMap<Cow<'a, str>, u64>,
}

/// What was done with a repository's index.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum IndexState {
    /// It was up to date.
    Fresh,
    /// What was new came in.
    Updated,
    /// It was built from nothing.
    Built,
    /// It was left alone.
    Skipped,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// What is stored of one repository.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Cache<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The path of the database.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// The exact bytes of `path` in base64 (padded). Absent where `path` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub path_b64: Option<Cow<'a, str>>,
    /// Its size on disk in bytes.
    pub bytes: u64,
    /// How many commits it holds.
    pub commits: u64,
    /// The number of its database schema (not that of the stream).
    pub schema: u32,
}
