//! `ref`: a branch, a tag or another ref, and where it points.
//!
//! Owns the ref line. Refuses which refs are listed, and release lines (`lines`).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asked::asked;

/// A ref. Symbolic refs are left out.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Ref<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The full refname.
    #[serde(rename = "ref", borrow)]
    pub refname: Cow<'a, str>,
    /// The exact bytes of `ref` in base64 (padded). Absent where `ref` is exact.
    #[serde(rename = "ref_b64", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub refname_b64: Option<Cow<'a, str>>,
    /// The refname without `refs/heads/`, `refs/tags/` or `refs/remotes/`.
    #[serde(borrow)]
    pub short: Cow<'a, str>,
    /// The exact bytes of `short` in base64 (padded). Absent where `short` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub short_b64: Option<Cow<'a, str>>,
    /// The kind of ref, by its prefix.
    pub kind: RefKind,
    /// The full id of the object that the ref itself names (a tag object, say). Absent where the ref is gone (`old_id`
    /// then says where it was); `null` where it can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub id: Option<Option<Cow<'a, str>>>,
    /// The full id of the commit behind `id`. Absent where there is none (a tag of a tree, a ref that is gone); `null`
    /// where a tag object can't be read.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub peeled: Option<Option<Cow<'a, str>>>,
    /// The `id` at the cursor. Absent without a cursor, and where the ref is new or unchanged since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub old_id: Option<Cow<'a, str>>,
    /// The release line that the ref belongs to. Absent where it belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub line: Option<Cow<'a, str>>,
}

/// The kinds of ref.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RefKind {
    /// Under `refs/heads/`.
    Branch,
    /// Under `refs/remotes/`.
    Remote,
    /// Under `refs/tags/`.
    Tag,
    /// Anywhere else; also what a kind of a newer producer is read as.
    #[serde(other)]
    Other,
}
