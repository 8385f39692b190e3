//! `issue`, `metadata`, `release`, `contributor`: what is known beyond the commits.
//!
//! Owns these lines. Refuses asking (`trackers`, `http`).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asked::asked;
use super::commit::IssueRef;

/// An issue as its tracker has it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Issue<'a> {
    /// The tracker, for instance `github`.
    #[serde(borrow)]
    pub tracker: Cow<'a, str>,
    /// The key there, for instance `openstack/nova#12`.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// Its state in the tracker's own words; `null` where the tracker couldn't be asked.
    pub state: Option<Cow<'a, str>>,
    /// Its title; `null` where the tracker couldn't be asked.
    pub title: Option<Cow<'a, str>>,
    /// Its address. Absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub url: Option<Cow<'a, str>>,
    /// Its labels. Absent where its tracker has none, or couldn't be asked.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>")]
    pub labels: Option<Vec<Cow<'a, str>>>,
    /// Whether the answer comes from the cache.
    pub cached: bool,
    /// Whether the answer is older than it should be.
    pub stale: bool,
    /// When the tracker gave the answer, in RFC 3339; `null` where it never did.
    pub fetched_at: Option<Cow<'a, str>>,
    /// The name of the repository whose commit referred to it first. Absent where it was asked for by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub repo: Option<Cow<'a, str>>,
    /// How it was referred to first: an entry of `issues`, a `change-id`, or what a `pattern` found.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IssueRef<'_>")]
    pub reference: Option<IssueRef<'a>>,
}

/// A project as the forge has it that a repository comes from.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Metadata<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The forge, for instance `github`.
    #[serde(borrow)]
    pub tracker: Cow<'a, str>,
    /// The key of the project there, for instance `openstack/nova`.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// What it is, in a few words; `null` where nothing is said.
    pub description: Option<Cow<'a, str>>,
    /// The branch that it is about, without `refs/heads/`; `null` where that isn't said.
    pub default_branch: Option<Cow<'a, str>>,
    /// Its address. Absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub url: Option<Cow<'a, str>>,
    /// Whether nobody works on it any more; `null` where that isn't said.
    pub archived: Option<bool>,
    /// When something was last pushed, in RFC 3339; `null` where that isn't said.
    pub pushed_at: Option<Cow<'a, str>>,
    /// When the forge gave the answer, in RFC 3339; `null` where that isn't known.
    pub fetched_at: Option<Cow<'a, str>>,
}

/// A release as its publisher has it.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Release<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The tag, without `refs/tags/`.
    #[serde(borrow)]
    pub tag: Cow<'a, str>,
    /// The exact bytes of `tag` in base64 (padded). Absent where `tag` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub tag_b64: Option<Cow<'a, str>>,
    /// When it was published, in RFC 3339. Absent where it never was; `null` where that isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub published_at: Option<Option<Cow<'a, str>>>,
    /// Its address. Absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub url: Option<Cow<'a, str>>,
}

/// Someone who has commits in a repository.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Contributor<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The name, by the mailmap where there is one.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The exact bytes of `name` in base64 (padded). Absent where `name` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub name_b64: Option<Cow<'a, str>>,
    /// The email address, by the mailmap where there is one.
    #[serde(borrow)]
    pub email: Cow<'a, str>,
    /// The exact bytes of `email` in base64 (padded). Absent where `email` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub email_b64: Option<Cow<'a, str>>,
    /// How many commits.
    pub commits: u64,
}
