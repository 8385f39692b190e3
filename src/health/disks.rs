//! Where caches and mirrors lie: room, permission, type of file system.

use std::io;
use std::path::Path;

use super::{Check, Scene};
use crate::files::disk::{self, Space};

/// Less than this is soon used up by one large fetch.
const LEAST_FREE: u64 = 256 << 20;
/// A fetch may make so many files.
const LEAST_FILES: u64 = 1000;

pub(super) fn checks(scene: &Scene) -> Vec<Check> {
    let mut found = Vec::new();
    match &scene.caches {
        Some(folder) => {
            let there = disk::existing(folder);
            found.push(judge_folder("cache-folder", folder, disk::check_writable(&there), "GIT_BHFUIL_CACHE"));
            found.push(judge_space("cache-space", &there, disk::space(&there)));
            found.push(judge_type(folder, disk::file_system(&there).as_deref()));
        }
        None => found.push(Check::ill(
            "cache-folder",
            "there is no place for caches: each run begins from nothing",
            "set HOME, XDG_CACHE_HOME or GIT_BHFUIL_CACHE",
        )),
    }
    if let Some(folder) = &scene.mirrors {
        let there = disk::existing(folder);
        found.push(judge_folder("mirror-folder", folder, disk::check_writable(&there), "XDG_DATA_HOME"));
        found.push(judge_space("mirror-space", &there, disk::space(&there)));
    }
    found
}

fn judge_folder(name: &'static str, folder: &Path, writable: io::Result<()>, variable: &str) -> Check {
    let place = folder.display();
    match writable {
        Ok(()) => Check::well(name, place.to_string()),
        Err(cause) => Check::ill(
            name,
            format!("{place} can't be written: {cause}"),
            format!("make it a folder that you may write, or let {variable} name another"),
        ),
    }
}

fn judge_space(name: &'static str, place: &Path, space: io::Result<Space>) -> Check {
    let place = place.display();
    let remedy = "make room there; git bhfuil cache gc drops what is of no use, cache clear --all all that is kept";
    match space {
        // Nothing is known against it.
        Err(cause) => Check::well(name, format!("how much room there is at {place} isn't known: {cause}")),
        Ok(Space { free, total, .. }) if free < LEAST_FREE => {
            Check::ill(name, format!("{} of {} are free at {place}", megabytes(free), megabytes(total)), remedy)
        }
        Ok(Space { files: Some(files), .. }) if files < LEAST_FILES => {
            Check::ill(name, format!("only {files} more files can be made at {place}"), remedy)
        }
        Ok(Space { free, .. }) => Check::well(name, format!("{} are free", megabytes(free))),
    }
}

fn judge_type(folder: &Path, kind: Option<&str>) -> Check {
    const NAME: &str = "file-system";
    match kind {
        Some(kind) if disk::is_remote(kind) => Check::ill(
            NAME,
            format!("{} lies on another machine ({kind}), where SQLite's log can be damaged", folder.display()),
            "let GIT_BHFUIL_CACHE name a folder on a disk of this machine",
        ),
        Some(kind) => Check::well(NAME, kind),
        None => Check::well(NAME, "of a type that the system doesn't tell"),
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes >> 20 {
        mebibytes if mebibytes >= 10_240 => format!("{} GiB", mebibytes >> 10),
        mebibytes => format!("{mebibytes} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_with_what_makes_some() {
        let space =
            |free, files| judge_space("cache-space", Path::new("/c"), Ok(Space { free, total: 1 << 40, files }));
        let few = space(100 << 20, None);
        assert_eq!(few.message, "100 MiB of 1024 GiB are free at /c");
        assert!(few.remedy.is_some_and(|remedy| remedy.contains("cache gc")));
        assert!(!space(1 << 40, Some(3)).is_ok());
        assert!(space(LEAST_FREE, Some(LEAST_FILES)).is_ok() && space(1 << 30, None).is_ok());
        assert!(judge_space("cache-space", Path::new("/c"), Err(io::ErrorKind::Unsupported.into())).is_ok());
    }

    #[test]
    fn a_file_system_of_another_machine_is_no_place_for_a_cache() {
        let judge = |kind| judge_type(Path::new("/c"), kind);
        assert!(!judge(Some("nfs4")).is_ok() && judge(Some("btrfs")).is_ok() && judge(None).is_ok());
    }

    #[test]
    fn a_folder_that_can_not_be_written_names_the_variable_that_moves_it() {
        let found = judge_folder("cache-folder", Path::new("/c"), Err(io::ErrorKind::PermissionDenied.into()), "X");
        assert!(found.remedy.is_some_and(|remedy| remedy.contains('X')));
    }
}
