//! Looking after what is kept: which caches there are and of which repositories, whether they say what git says, and which may go.
//! Refuses what is in them, which is `cache`'s, and how it is told.

pub mod audit;
pub mod sweep;

use std::path::{Path, PathBuf};

pub use crate::cache::folder::Closed;
use crate::cache::folder::{self, CacheFile, Contents};
use crate::cache::location;
pub use crate::cache::views::SQL as VIEWS;
use crate::error::Kind;
use crate::git::Repository;
pub use crate::git::Sought;
use crate::git::repository::name_of as last_part;

/// A cache, or one that was set aside.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The file.
    pub file: CacheFile,
    /// What it holds, or why that can't be said.
    pub contents: Result<Contents, Closed>,
    /// The common directory of its repository, as far as anybody knows.
    pub common_dir: Option<PathBuf>,
    /// Whether its repository is gone. One that can't be looked at, on a disk that answers no more, isn't.
    pub is_orphaned: bool,
}

/// Where the cache of a repository is, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of the repository.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// The folder of all caches.
///
/// # Errors
/// [`Kind::Cache`] if the environment names none.
pub fn folder() -> anyhow::Result<PathBuf> {
    location::folder(|name| std::env::var_os(name))
        .ok_or_else(|| Kind::Cache.error("neither HOME, XDG_CACHE_HOME nor GIT_BHFUIL_CACHE is set"))
}

/// Where the cache of the repository is that is sought. Of one that is gone it is found by what the caches say. Blocks.
///
/// # Errors
/// If there is no such repository, and no cache of one.
pub fn place(sought: &Sought, folder: &Path) -> anyhow::Result<Place> {
    match Repository::find(sought) {
        Ok(found) => {
            let path = location::file(folder, &last_part(&found.common_dir), &found.common_dir);
            Ok(Place { name: found.name, path })
        }
        Err(cause) => {
            let is_its_own = |kept: &Kept| {
                let dir = kept.common_dir.as_deref();
                kept.file.aside.is_none() && (dir == Some(&sought.dir) || dir == Some(&sought.dir.join(".git")))
            };
            let gone = all(folder)?.into_iter().find(|kept| kept.is_orphaned && is_its_own(kept)).ok_or(cause)?;
            let name = sought.name.clone().unwrap_or_else(|| gone.name());
            Ok(Place { name, path: gone.file.path })
        }
    }
}

/// The name of the repository that is sought. Blocks.
///
/// # Errors
/// If there is no such repository.
pub fn name_of(sought: &Sought) -> anyhow::Result<String> {
    Ok(Repository::find(sought)?.name)
}

/// All caches in `folder` and what was set aside. Blocks.
///
/// # Errors
/// If the folder or one of them can't be read.
pub fn all(folder: &Path) -> anyhow::Result<Vec<Kept>> {
    folder::list(folder)?.into_iter().filter_map(|file| look(file, folder).transpose()).collect()
}

/// The cache at `path`, if there is one, and what was set aside of it. Blocks.
///
/// # Errors
/// If one of them can't be read.
pub fn of(path: &Path) -> anyhow::Result<Vec<Kept>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    folder::of(path)?.into_iter().filter_map(|file| look(file, folder).transpose()).collect()
}

/// Removes `kept`, whoever uses it.
///
/// # Errors
/// If it can't be removed.
pub async fn remove(kept: &Kept) -> anyhow::Result<()> {
    let file = kept.file.clone();
    smol::unblock(move || file.remove()).await?;
    forget_missing(&kept.file.path).await;
    Ok(())
}

/// Takes what is gone from the list of the caches that lie beside `path`. It is no more than a note: without it nothing is wrong.
async fn forget_missing(path: &Path) {
    if let Some(folder) = path.parent() {
        let _ = folder::forget_missing(folder).await;
    }
}

/// `None` if the file was removed meanwhile.
fn look(file: CacheFile, folder: &Path) -> anyhow::Result<Option<Kept>> {
    // What was set aside is damaged whatever it says.
    let contents = if file.aside.is_some() { Ok(Err(Closed::Damaged)) } else { file.contents() };
    if contents.is_err() && !file.exists() {
        return Ok(None);
    }
    let contents = contents?;
    let said = contents.as_ref().ok().and_then(|contents| contents.common_dir.clone());
    let common_dir = said.or_else(|| folder::noted(folder, &file));
    let is_orphaned = common_dir.as_deref().is_some_and(is_gone);
    Ok(Some(Kept { file, contents, common_dir, is_orphaned }))
}

/// Whether there is no repository at `common_dir` any more.
fn is_gone(common_dir: &Path) -> bool {
    let is_missing = |path: &Path| {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        std::fs::symlink_metadata(path).is_err_and(|cause| matches!(cause.kind(), NotFound | NotADirectory))
    };
    // git itself takes no folder for a repository that lacks one of these (gitrepository-layout(5)).
    is_missing(&common_dir.join("HEAD")) || is_missing(&common_dir.join("objects"))
}

impl Kept {
    /// The last part of the repository's path, or that of the file.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.common_dir {
            Some(dir) => last_part(dir),
            None => self.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }
}
