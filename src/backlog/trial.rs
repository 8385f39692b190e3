//! Whether commits would apply to a branch, one after another, as `git cherry-pick` would apply them. Nothing is written to the repository.

use std::sync::Arc;

use crate::facts::Oid;
use crate::git::Repository;
use crate::gitcli::merge_tree::{MergeTree, Merged};
use crate::shutdown::Token;

/// What came of a pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It applies.
    Clean,
    /// It applies and changes nothing.
    Empty,
    /// It conflicts in these paths.
    Conflict(Vec<Vec<u8>>),
    /// It could not be tried.
    Unknown,
}

/// A branch as it would be with the commits that applied so far.
pub(super) struct Trial {
    merging: MergeTree,
    tree: Oid,
}

impl Trial {
    /// Begins at `tip`.
    ///
    /// # Errors
    /// If there is no room for temporary objects, or git fails.
    pub(super) async fn begin(repository: &Arc<Repository>, tip: Oid) -> anyhow::Result<Self> {
        let merging = MergeTree::begin(repository).await?;
        let tree = merging.tree_of(&tip).await?;
        Ok(Self { merging, tree })
    }

    /// Picks `commit`, whose first parent is `parent`. One that doesn't apply is left out.
    ///
    /// # Errors
    /// If git can't be run.
    pub(super) async fn pick(&mut self, token: &Token, commit: &Oid, parent: Option<Oid>) -> anyhow::Result<Outcome> {
        Ok(match self.merging.merge(token, parent.as_ref(), &self.tree, commit).await? {
            Merged::Clean(tree) if tree == self.tree => Outcome::Empty,
            Merged::Clean(tree) => {
                self.tree = tree;
                Outcome::Clean
            }
            Merged::Conflict(paths) => Outcome::Conflict(paths),
            Merged::Failed => Outcome::Unknown,
        })
    }
}
