//! What a git leaves in a mirror that was killed: packs half written, which fill the disk, and locks, which stop the next one
//! (gitrepository-layout(5)). Only what is younger than the work that was broken off is taken away, and locks only where no git
//! of ours can hold them any more.

use std::path::Path;
use std::time::SystemTime;

/// What to take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Debris {
    /// Packs half written: git failed, and has let go of its locks.
    Packs,
    /// These, and locks: git was killed.
    All,
}

/// Takes away from the mirror at `git_dir` what was left since then. What can't be, is left to git's own `gc`.
pub(super) fn clear(git_dir: &Path, since: SystemTime, debris: Debris) {
    let young = |path: &Path| {
        let changed = path.symlink_metadata().and_then(|metadata| metadata.modified());
        changed.is_ok_and(|changed| changed >= since)
    };
    let begins = |name: &str, prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    each(&git_dir.join("objects/pack"), false, &mut |path, name| {
        if begins(name, &["tmp_", ".tmp-"]) && young(path) {
            let _ = std::fs::remove_file(path);
        }
    });
    each(&git_dir.join("objects"), false, &mut |path, name| {
        if begins(name, &["tmp_objdir-", "incoming-"]) && young(path) {
            let _ = std::fs::remove_dir_all(path);
        }
    });
    if debris == Debris::Packs {
        return;
    }
    let mut unlock = |path: &Path, name: &str| {
        // A ref can't have such a name (git-check-ref-format(1)).
        let is_lock = path.extension().is_some_and(|end| end == "lock") || name == "packed-refs.new";
        if is_lock && young(path) {
            let _ = std::fs::remove_file(path);
        }
    };
    each(git_dir, false, &mut unlock);
    for folder in ["refs", "reftable", "objects/info"] {
        each(&git_dir.join(folder), true, &mut unlock);
    }
    each(&git_dir.join("objects"), false, &mut unlock);
    each(&git_dir.join("objects/pack"), false, &mut unlock);
}

/// What is in `folder`, and below it if `deep`.
fn each(folder: &Path, deep: bool, found: &mut dyn FnMut(&Path, &str)) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if deep && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            each(&entry.path(), true, found);
        } else {
            found(&entry.path(), &entry.file_name().to_string_lossy());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    const PACKS: [&str; 3] = ["objects/pack/tmp_pack_x", "objects/pack/.tmp-1-pack-x.pack", "objects/tmp_objdir-x/y"];
    const LOCKS: [&str; 7] = [
        "packed-refs.lock",
        "packed-refs.new",
        "HEAD.lock",
        "refs/heads/a/b.lock",
        "reftable/tables.list.lock",
        "objects/info/commit-graphs/commit-graph-chain.lock",
        "objects/pack/multi-pack-index.lock",
    ];
    const GOOD: [&str; 5] =
        ["HEAD", "packed-refs", "refs/heads/a/c", "objects/pack/pack-1.pack", "objects/ab/tmp_objdir-is-no-name-here"];

    fn mirror() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for name in PACKS.iter().chain(&LOCKS).chain(&GOOD) {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, "").expect("a file");
        }
        folder
    }

    fn files(folder: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        each(folder, true, &mut |path, _| {
            found.insert(path.strip_prefix(folder).expect("inside").to_string_lossy().into_owned());
        });
        found
    }

    fn set(names: &[&[&str]]) -> BTreeSet<String> {
        names.iter().flat_map(|names| names.iter().map(|name| (*name).to_owned())).collect()
    }

    #[test]
    fn only_what_a_killed_git_leaves_is_taken_away() {
        let folder = mirror();
        let since = SystemTime::now() - Duration::from_mins(1);
        clear(folder.path(), since, Debris::Packs);
        assert_eq!(files(folder.path()), set(&[&LOCKS, &GOOD]));
        clear(folder.path(), since, Debris::All);
        assert_eq!(files(folder.path()), set(&[&GOOD]));
    }

    #[test]
    fn what_is_older_belongs_to_somebody_else() {
        let folder = mirror();
        clear(folder.path(), SystemTime::now() + Duration::from_mins(1), Debris::All);
        assert_eq!(files(folder.path()), set(&[&PACKS, &LOCKS, &GOOD]));
    }
}
