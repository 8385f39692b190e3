//! What the environment says of where a repository may be found and its objects lie, where gix doesn't go by it as git does (git(1)):
//! `GIT_CEILING_DIRECTORIES`, `GIT_OBJECT_DIRECTORY`, `GIT_ALTERNATE_OBJECT_DIRECTORIES`. Hooks that look at what is being pushed have
//! the latter two set. Opens no repository.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gix::discover::repository::Path as Found;
use gix::discover::upwards;
use tempfile::TempDir;

use crate::error::Kind;

/// How a repository is searched for. Ceilings may well be elsewhere.
pub(super) fn search() -> upwards::Options<'static> {
    upwards::Options { match_ceiling_dir_or_error: false, ..upwards::Options::default() }
}

/// Whether what a search from `dir`, whose links are followed, finds is at a ceiling, which git doesn't look at any more.
pub(super) fn is_at_a_ceiling(dir: &Path) -> bool {
    let Some(ceilings) = env::var_os("GIT_CEILING_DIRECTORIES") else { return false };
    let Some(ceiling) = ceiling_above(dir, &ceilings) else { return false };
    let found = match gix::discover::upwards_opts(dir, search()) {
        Ok((Found::LinkedWorkTree { work_dir, .. }, _)) => work_dir,
        Ok((Found::WorkTree(folder) | Found::Repository(folder), _)) => folder,
        Err(_) => return false,
    };
    found == ceiling || !found.starts_with(ceiling)
}

/// The lowest of the `ceilings` above `dir`; one that it is itself doesn't count. Their links are followed but for those after an empty one.
fn ceiling_above(dir: &Path, ceilings: &OsStr) -> Option<PathBuf> {
    let mut follow = true;
    let listed = env::split_paths(ceilings).filter_map(|ceiling| {
        follow &= !ceiling.as_os_str().is_empty();
        let real = follow.then(|| std::fs::canonicalize(&ceiling).ok()).flatten();
        Some(real.unwrap_or(ceiling)).filter(|ceiling| ceiling.is_absolute())
    });
    listed
        .filter(|ceiling| dir != ceiling && dir.starts_with(ceiling))
        .max_by_key(|ceiling| ceiling.components().count())
}

/// Where objects are read instead of in the repository, if the environment says so: a folder of ours that only refers to others, which is
/// gone with it.
///
/// # Errors
/// If there is no room for it.
pub(super) fn other_objects(usual: &Path) -> anyhow::Result<Option<TempDir>> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty());
    let (own, more) = (named("GIT_OBJECT_DIRECTORY"), named("GIT_ALTERNATE_OBJECT_DIRECTORIES"));
    if own.is_none() && more.is_none() {
        return Ok(None);
    }
    let mut folders = vec![own.map_or_else(|| usual.to_owned(), PathBuf::from)];
    folders
        .extend(more.as_deref().into_iter().flat_map(env::split_paths).filter(|folder| !folder.as_os_str().is_empty()));
    let make = || {
        let place = tempfile::Builder::new().prefix("git-bhfuil-objects-").tempdir()?;
        for folder in ["info", "pack"] {
            std::fs::create_dir(place.path().join(folder))?;
        }
        std::fs::write(place.path().join("info").join("alternates"), listing(&folders)?)?;
        Ok::<_, std::io::Error>(place)
    };
    let result = make().context("naming the folders of GIT_OBJECT_DIRECTORY and GIT_ALTERNATE_OBJECT_DIRECTORIES");
    result.map(Some).map_err(|cause| Kind::Io.wrap(cause, "its objects can't be read"))
}

/// `folders`, as `info/alternates` names them (gitrepository-layout(5)); those that aren't there are passed over, as git does.
fn listing(folders: &[PathBuf]) -> std::io::Result<Vec<u8>> {
    let mut lines = OsString::new();
    for folder in folders {
        match std::fs::canonicalize(folder) {
            Ok(folder) if folder.is_dir() => {
                lines.push(folder);
                lines.push("\n");
            }
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    Ok(lines.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_ceiling_above_counts() {
        for (dir, ceilings, ceiling) in [
            ("/nowhere/a/b", "/nowhere:/nowhere/a", Some("/nowhere/a")),
            ("/nowhere/a/b", "/nowhere/a/b", None),
            ("/nowhere/ab", "/nowhere/a", None),
            ("/nowhere/a", "nowhere:/elsewhere", None),
            ("/nowhere/a", ":/nowhere/", Some("/nowhere")),
            ("/nowhere/a", "/", Some("/")),
            ("/nowhere/a", "", None),
        ] {
            assert_eq!(
                ceiling_above(Path::new(dir), OsStr::new(ceilings)),
                ceiling.map(PathBuf::from),
                "{dir} {ceilings}"
            );
        }
    }
}
