//! The wire: one JSON object a line (JSON Lines), UTF-8, `type` first. The rustdoc of these types is the specification;
//! [`schema()`] makes a JSON Schema of it.
//!
//! - Within one [`SCHEMA`] number, types, fields and enumerated values are only added. A reader ignores the fields it
//!   doesn't know; types and values it doesn't know are read as `Unrecognised` (a ref's kind as `Other`, a state as
//!   `Unknown`, where these exist anyway). `Unrecognised` can't be written: pass a foreign line on as it came.
//! - A field that is **absent** was not asked for or doesn't apply; **`null`** was asked for and could not be known. Where
//!   a field can be both, its type is `Option<Option<T>>`: `None` is absent, `Some(None)` is `null`.
//! - Text that isn't UTF-8 is written lossily, and `<field>_b64` then carries its exact bytes. A date that RFC 3339 can't
//!   say is `null`, and `<field>_raw` carries it as written.
//! - A field name has one type in all lines.
//!
//! Owns the shape of every line. Refuses behaviour: writing, ordering and flushing are `report`'s.

mod asked;
pub mod claim;
pub mod commit;
pub mod matching;
pub mod refs;
pub mod repository;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod tool;
pub mod tracker;
pub mod work;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};

pub use self::{
    claim::Claim,
    commit::Commit,
    matching::{Candidate, Followup, Interdiff, Match, Missing, Presence, Verdict},
    refs::Ref,
    repository::{Cache, Repo, RepoEnd},
    stream::{Begin, End, Error, Progress, Warning},
    tracker::{Contributor, Issue, Metadata, Release},
    work::{Exported, Health, Installed, Operation, Setting, Task},
};

/// The number of the schema that these types describe; `begin.schema` carries it.
pub const SCHEMA: u32 = 1;

/// One line of the stream.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, PartialEq)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "nearly every line is a commit; a box would cost an allocation for each")]
pub enum Event<'a> {
    /// The first line.
    #[serde(borrow)]
    Begin(Begin<'a>),
    /// A repository, before anything else from it.
    #[serde(borrow)]
    Repo(Repo<'a>),
    /// A branch, a tag or another ref.
    #[serde(borrow)]
    Ref(Ref<'a>),
    /// How far something has come.
    #[serde(borrow)]
    Progress(Progress<'a>),
    /// A commit.
    #[serde(borrow)]
    Commit(Commit<'a>),
    /// A commit that a query may have meant.
    #[serde(borrow)]
    Candidate(Candidate<'a>),
    /// A commit that is a given change.
    #[serde(borrow)]
    Match(Match<'a>),
    /// Whether a ref has a change.
    #[serde(borrow)]
    Presence(Presence<'a>),
    /// A change that a ref should have and hasn't.
    #[serde(borrow)]
    Missing(Missing<'a>),
    /// A commit that should follow another to a ref.
    #[serde(borrow)]
    Followup(Followup<'a>),
    /// One rung's answer for a pair of commits.
    #[serde(borrow)]
    Verdict(Verdict<'a>),
    /// How the diffs of two commits differ.
    #[serde(borrow)]
    Interdiff(Interdiff<'a>),
    /// Whether something that an advisory's record says is so.
    #[serde(borrow)]
    Claim(Claim<'a>),
    /// An issue as its tracker has it.
    #[serde(borrow)]
    Issue(Issue<'a>),
    /// A project as the forge has it that a repository comes from.
    #[serde(borrow)]
    Metadata(Metadata<'a>),
    /// A release as its publisher has it.
    #[serde(borrow)]
    Release(Release<'a>),
    /// Someone who has commits in a repository.
    #[serde(borrow)]
    Contributor(Contributor<'a>),
    /// A background task.
    #[serde(borrow)]
    Task(Task<'a>),
    /// A setting and where it comes from.
    #[serde(borrow)]
    Setting(Setting<'a>),
    /// A file of the program that was put in place, or taken away.
    #[serde(borrow)]
    Installed(Installed<'a>),
    /// A table that was written to a file.
    #[serde(borrow)]
    Exported(Exported<'a>),
    /// How an operation has fared.
    #[serde(borrow)]
    Operation(Operation<'a>),
    /// What is stored of a repository.
    #[serde(borrow)]
    Cache(Cache<'a>),
    /// The result of a health check.
    #[serde(borrow)]
    Health(Health<'a>),
    /// Something that may make the answer less than it seems.
    #[serde(borrow)]
    Warning(Warning<'a>),
    /// Something that failed.
    #[serde(borrow)]
    Error(Error<'a>),
    /// The end of one repository's part of the stream.
    #[serde(borrow)]
    RepoEnd(RepoEnd<'a>),
    /// The last line.
    #[serde(borrow)]
    End(End<'a>),
    /// A line of a type that a newer producer knows and this crate doesn't. Only read, never written: serialising it
    /// fails.
    #[serde(other, skip_serializing)]
    #[schemars(skip)]
    Unrecognised,
}

/// The JSON Schema (2020-12) of one line, as this version writes it: a `oneOf` over the types. Further properties are
/// allowed, since fields get added.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Event<'_>>();
    schema.insert("title".to_owned(), format!("git bhfuil, one line of schema {SCHEMA}").into());
    schema.to_value()
}
