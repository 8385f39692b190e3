//! `commit`: one commit with every fact read from it.
//!
//! Owns the commit line and the objects nested in it. Refuses how the facts are found (`facts`).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asked::asked;

/// A commit. Its lists of relations are always there, empty where the message names none.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Commit<'a> {
    /// The name of the repository, as in its `repo` line.
    #[serde(borrow)]
    pub repo: Cow<'a, str>,
    /// The full object id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The full ids of the parents, in the order of the commit object; `[]` for a root.
    pub parents: Vec<Cow<'a, str>>,
    /// The full id of the tree.
    #[serde(borrow)]
    pub tree: Cow<'a, str>,
    /// The subject: the first paragraph of the message in one line, as `git log --format=%s` has it.
    #[serde(borrow)]
    pub subject: Cow<'a, str>,
    /// The exact bytes of `subject` in base64 (padded). Absent where `subject` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub subject_b64: Option<Cow<'a, str>>,
    /// What follows the subject, trailers included, without the last newline.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// The exact bytes of `body` in base64 (padded). Absent where `body` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub body_b64: Option<Cow<'a, str>>,
    /// Who wrote the change.
    #[serde(borrow)]
    pub author: Person<'a>,
    /// Who made this commit.
    #[serde(borrow)]
    pub committer: Person<'a>,
    /// The trailers in order, as `git log --format=%(trailers:only,unfold)` shows them.
    #[serde(borrow)]
    pub trailers: Vec<Trailer<'a>>,
    /// The Gerrit Change-Id. Absent where the message has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub change_id: Option<Cow<'a, str>>,
    /// The issues that the message refers to.
    #[serde(borrow)]
    pub issues: Vec<IssueRef<'a>>,
    /// The commits that this one says it was picked or ported from.
    #[serde(borrow)]
    pub origins: Vec<Origin<'a>>,
    /// The commits that this one says it reverts.
    #[serde(borrow)]
    pub reverts: Vec<Relation<'a>>,
    /// The commits that this one says it lands again.
    #[serde(borrow)]
    pub relands: Vec<Relation<'a>>,
    /// The commits that this one says it repairs (`Fixes:`).
    #[serde(borrow)]
    pub fixes: Vec<Relation<'a>>,
    /// What the message asks for, say a backport to a stable line.
    #[serde(borrow)]
    pub requests: Vec<Request<'a>>,
    /// The patch id, as `git patch-id --stable` computes it. Absent unless asked for, and where a commit has none (a
    /// merge, an empty change); `null` where an object it needs is not here.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub patch_id: Option<Option<Cow<'a, str>>>,
    /// The first tag that has the commit: of those whose history it is in, the one on the oldest commit, dates read so that no commit is
    /// younger than its children. Absent unless asked for, and where no tag has it; `null` where history is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub tagged: Option<Option<Cow<'a, str>>>,
    /// The changed paths against the first parent, renames not looked for. Absent unless asked for; `null` where a tree
    /// it needs is not here.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "asked")]
    pub paths: Option<Option<Vec<ChangedPath<'a>>>>,
}

/// An author or a committer.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Person<'a> {
    /// The name as the commit has it.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The exact bytes of `name` in base64 (padded). Absent where `name` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub name_b64: Option<Cow<'a, str>>,
    /// The email address as the commit has it, without the angle brackets.
    #[serde(borrow)]
    pub email: Cow<'a, str>,
    /// The exact bytes of `email` in base64 (padded). Absent where `email` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub email_b64: Option<Cow<'a, str>>,
    /// The time in RFC 3339, with the person's own offset; `null` where RFC 3339 can't say it.
    pub date: Option<Cow<'a, str>>,
    /// The date as the commit has it. Absent where `date` is not `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub date_raw: Option<Cow<'a, str>>,
    /// The name by the mailmap. Absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub mapped_name: Option<Cow<'a, str>>,
    /// The exact bytes of `mapped_name` in base64 (padded). Absent where `mapped_name` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub mapped_name_b64: Option<Cow<'a, str>>,
    /// The email address by the mailmap. Absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub mapped_email: Option<Cow<'a, str>>,
    /// The exact bytes of `mapped_email` in base64 (padded). Absent where `mapped_email` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub mapped_email_b64: Option<Cow<'a, str>>,
}

/// One trailer, for instance `Reviewed-by: A U Thor <author@example.com>`.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Trailer<'a> {
    /// What stands before the separator, spelled as in the message.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// What follows the separator, unfolded to one line.
    #[serde(borrow)]
    pub value: Cow<'a, str>,
    /// The exact bytes of `value` in base64 (padded). Absent where `value` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub value_b64: Option<Cow<'a, str>>,
}

/// A reference to an issue.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct IssueRef<'a> {
    /// The kind of reference, for instance `cve`, or the tracker. An open set.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// The issue's key there, for instance `CVE-2024-1234`.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
}

/// Where a change came from, by the words of its message.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Origin<'a> {
    /// How it is said, for instance `cherry-pick`. An open set.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// The id as written, often abbreviated.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// The exact bytes of `text` in base64 (padded). Absent where `text` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub text_b64: Option<Cow<'a, str>>,
    /// The full id of the commit found in this repository; `null` where there is none (dangling) or more than one.
    pub id: Option<Cow<'a, str>>,
}

/// Another commit that the message names.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Relation<'a> {
    /// The id as written, often abbreviated.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// The exact bytes of `text` in base64 (padded). Absent where `text` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub text_b64: Option<Cow<'a, str>>,
    /// The full id of the commit found in this repository; `null` where there is none (dangling) or more than one.
    pub id: Option<Cow<'a, str>>,
}

/// What a message asks of the people who maintain other lines.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The kind of request, for instance `cc-stable`. An open set.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// What it says about where, for instance `5.10+`; may be empty.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// The exact bytes of `text` in base64 (padded). Absent where `text` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub text_b64: Option<Cow<'a, str>>,
}

/// One path of `git diff-tree --raw --no-renames`.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
pub struct ChangedPath<'a> {
    /// What happened to the path.
    pub status: PathStatus,
    /// The path from the root of the tree, with `/`, not quoted.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// The exact bytes of `path` in base64 (padded). Absent where `path` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub path_b64: Option<Cow<'a, str>>,
    /// The file mode before, six octal digits. Absent where the path was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub old_mode: Option<Cow<'a, str>>,
    /// The file mode after, six octal digits. Absent where the path was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub new_mode: Option<Cow<'a, str>>,
    /// The full id of the blob (of the commit, for a submodule) before. Absent where the path was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub old_blob: Option<Cow<'a, str>>,
    /// The full id of the blob (of the commit, for a submodule) after. Absent where the path was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub new_blob: Option<Cow<'a, str>>,
}

/// The status letter of git's raw diff format.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum PathStatus {
    /// Added.
    #[serde(rename = "A")]
    Added,
    /// Deleted.
    #[serde(rename = "D")]
    Deleted,
    /// Content or mode modified.
    #[serde(rename = "M")]
    Modified,
    /// The type changed, say from file to symbolic link.
    #[serde(rename = "T")]
    TypeChanged,
    /// A value that a newer producer knows and this crate doesn't. Only read, never written: serialising it fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}
