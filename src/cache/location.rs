//! Where the cache of a repository lies.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The folder of all caches: `GIT_BHFUIL_CACHE`, else `$XDG_CACHE_HOME/git-bhfuil`, else `~/.cache/git-bhfuil` (XDG Base Directory
/// Specification: a relative `XDG_CACHE_HOME` is ignored). `None` if none of the variables is set.
#[must_use]
pub fn folder(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("GIT_BHFUIL_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("git-bhfuil")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/git-bhfuil")))
}

/// The file for the repository whose common directory is `common_dir`: a name for people, and a hash that tells two
/// repositories of one name apart.
#[must_use]
pub fn file(folder: &Path, name: &str, common_dir: &Path) -> PathBuf {
    // The name must stay the same for as long as the repository stays where it is, whatever built this program.
    let digest = Sha256::digest(common_dir.as_os_str().as_bytes());
    let hash = digest.iter().take(8).fold(0_u64, |hash, &byte| hash << 8 | u64::from(byte));
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let name: String = name.chars().map(plain).take(64).collect();
    folder.join(format!("{}-{hash:016x}.db", name.trim_start_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_follows_the_environment() {
        let with = |pairs: &'static [(&str, &str)]| {
            folder(move |name| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.into()))
        };
        assert_eq!(with(&[("GIT_BHFUIL_CACHE", "here"), ("HOME", "/h")]), Some("here".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/git-bhfuil".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]), Some("/h/.cache/git-bhfuil".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn repositories_of_one_name_have_different_files() {
        let one = file(Path::new("/c"), "nova", Path::new("/a/nova/.git"));
        let other = file(Path::new("/c"), "nova", Path::new("/b/nova/.git"));
        assert_ne!(one, other);
        assert!(one.to_string_lossy().starts_with("/c/nova-"));
        let odd = file(Path::new("/c"), "../x y", Path::new("/a"));
        assert_eq!(odd.parent(), Some(Path::new("/c")), "a name never leaves the folder: {}", odd.display());
    }
}
