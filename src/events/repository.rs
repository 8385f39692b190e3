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
    /// The path of the git common directory that it is about. Absent where the file doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub git_dir: Option<Cow<'a, str>>,
    /// The exact bytes of `git_dir` in base64 (padded). Absent where `git_dir` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub git_dir_b64: Option<Cow<'a, str>>,
    /// How it stands, or what was done with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CacheState")]
    pub state: Option<CacheState>,
    /// Why it was removed: `asked`, `repository-gone`, `set-aside`, `too-large`, `unused`. An open set. Absent where it wasn't.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub because: Option<Cow<'a, str>>,
    /// How many bytes on disk this has freed. Absent where nothing was to be freed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub freed: Option<u64>,
    /// How many commits have their bytes in it. Absent where it can't be looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub texts: Option<u64>,
    /// Of how many commits it has the patch-id. Absent as `texts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub patch_ids: Option<u64>,
    /// Of how many commits it has the changed paths. Absent as `texts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub changes: Option<u64>,
    /// Of how many commits it has the words. Absent as `texts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub words: Option<u64>,
    /// How many consumers follow the stream under a name that is kept in it. Absent as `texts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub consumers: Option<u64>,
    /// When a command last used it (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub used_at: Option<Cow<'a, str>>,
    /// When it was last brought in line with the refs (RFC 3339). Absent as `texts`, and where it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub indexed_at: Option<Cow<'a, str>>,
}

/// How a cache stands, or what was done with it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum CacheState {
    /// It is there, and so is its repository.
    Kept,
    /// It is there, its repository isn't.
    Orphaned,
    /// It was set aside since it was damaged.
    Aside,
    /// It is no sound database: the next run sets it aside.
    Damaged,
    /// A newer version wrote it.
    Newer,
    /// It says what git says.
    Sound,
    /// It says something else than git.
    Wrong,
    /// What was of no use any more was taken out of it.
    Trimmed,
    /// It was removed.
    Removed,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}
