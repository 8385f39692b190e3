//! Where a repository lies, and what it is like.

use std::path::{Path, PathBuf};

use crate::git::Repository;
use crate::git::refs::RefStore;
use crate::gitcli;

/// What somebody may name to have it registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder here.
    Path(PathBuf),
    /// An address to clone from.
    Url(String),
}

impl Source {
    /// What `typed` is to `git clone` (git-clone(1), GIT URLS): an address has `://` in it, or a colon before any slash, unless there is
    /// such a folder.
    #[must_use]
    pub fn of(typed: &std::ffi::OsStr) -> Self {
        let text = typed.to_string_lossy();
        let is_address = match text.split_once(':') {
            Some((_, rest)) if rest.starts_with("//") => true,
            Some((host, _)) => !host.is_empty() && !host.contains('/') && !Path::new(typed).exists(),
            None => false,
        };
        if is_address { Self::Url(text.into_owned()) } else { Self::Path(typed.into()) }
    }
}

/// Where a repository lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The top of its work tree, or the folder of a bare one: absolute, no symbolic links in it.
    pub path: PathBuf,
    /// The folder of what all its work trees share.
    pub common_dir: PathBuf,
}

/// The place of the repository that `path` lies in, whatever the environment names.
///
/// # Errors
/// [`NoRepository`](crate::error::Kind::NoRepository) if there is none, [`RepoOpen`](crate::error::Kind::RepoOpen) if it can't be opened.
pub async fn place_of(path: &Path) -> anyhow::Result<Place> {
    let path = path.to_owned();
    smol::unblock(move || Ok(place(&Repository::discover_alone(&path)?))).await
}

fn place(repository: &Repository) -> Place {
    let path = repository.work_tree.clone().unwrap_or_else(|| repository.git_dir.clone());
    Place { path, common_dir: repository.common_dir.clone() }
}

/// What a repository is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folder of what all its work trees share.
    pub git_dir: PathBuf,
    /// The length of its object ids in bytes, 20 or 32.
    pub hash_len: usize,
    /// Whether its history is cut off.
    pub shallow: bool,
    /// Whether it lacks objects that a server promised.
    pub partial: bool,
    /// How many refs it has, symbolic ones not counted.
    pub ref_count: usize,
}

/// Looks at the repository that lies at `path` itself, not at one around it.
///
/// # Errors
/// [`NoRepository`](crate::error::Kind::NoRepository) if there is none any more, [`RepoOpen`](crate::error::Kind::RepoOpen) if it can't be opened.
pub async fn look(path: &Path) -> anyhow::Result<Found> {
    let asked = path.to_owned();
    let (repository, found) = smol::unblock(move || open(&asked)).await?;
    if !repository.uses_reftable() {
        return Ok(found);
    }
    let (listing, head) = gitcli::list_refs(&repository).await?;
    let ref_count = RefStore::from_listing(&listing, head.as_deref()).usual_ids().count();
    Ok(Found { ref_count, ..found })
}

/// As [`look`], but for refs that only git can list. Blocks.
fn open(path: &Path) -> anyhow::Result<(Repository, Found)> {
    let repository = Repository::at(path)?;
    let ref_count = if repository.uses_reftable() { 0 } else { RefStore::read(&repository)?.usual_ids().count() };
    let found = Found {
        git_dir: repository.common_dir.clone(),
        hash_len: repository.hash_len,
        shallow: !repository.handle().shallow_commits()?.is_empty(),
        partial: repository.partial,
        ref_count,
    };
    Ok((repository, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        for (typed, is_address) in [
            ("https://example.com/nova.git", true),
            ("file:///srv/nova", true),
            ("git@example.com:openstack/nova", true),
            ("host:nova", true),
            ("/srv/nova", false),
            ("./a:b", false),
            ("../nova", false),
            ("nova", false),
            (":nova", false),
        ] {
            assert_eq!(matches!(Source::of(typed.as_ref()), Source::Url(_)), is_address, "{typed}");
        }
    }
}
