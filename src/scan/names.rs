//! The names of a repository's refs, for those who are about to type one. No object is read and no cache touched.

use std::path::Path;

use crate::git::Repository;
use crate::git::refs::RefStore;
use crate::gitcli;

/// The full names of all refs of the repository at `dir`, sorted.
///
/// # Errors
/// If there is none, git would not work in it, or its refs can't be read.
pub async fn ref_names(dir: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let repository = Repository::discover(dir)?;
    gitcli::check_safe(&repository).await?;
    let refs = if repository.uses_reftable() {
        let (listed, head) = gitcli::list_refs(&repository).await?;
        RefStore::from_listing(&listed, head.as_deref())
    } else {
        RefStore::read(&repository)?
    };
    Ok(refs.names().map(<[u8]>::to_vec).collect())
}

/// A full refname as people type it, where that means the same.
#[must_use]
pub fn short_name(name: &[u8]) -> &[u8] {
    crate::git::refs::short(name)
}
