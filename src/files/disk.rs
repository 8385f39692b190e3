//! The file system that a folder lies on: how much room there is, whether it can be written, and of what type it is.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::Access;

/// The room on a file system, for whoever isn't its administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that can be made; `None` where their number isn't limited.
    pub files: Option<u64>,
}

/// The folder at `path`, or the nearest above it that is there.
#[must_use]
pub fn existing(path: &Path) -> PathBuf {
    let there = path.ancestors().find(|path| path.symlink_metadata().is_ok() && !path.as_os_str().is_empty());
    there.unwrap_or(Path::new("/")).to_owned()
}

/// How much room there is where `path` lies (statvfs(3)).
///
/// # Errors
/// If the system doesn't say.
pub fn space(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Space {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        total: found.f_blocks.saturating_mul(found.f_frsize),
        files: (found.f_files > 0).then_some(found.f_favail),
    })
}

/// Whether files can be made in the folder at `path` (access(2)).
///
/// # Errors
/// Why they can't.
pub fn check_writable(path: &Path) -> io::Result<()> {
    if !std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)?)
}

/// The type of the file system that `path` lies on, as the system calls it: `ext4`, `nfs4`, `fuse.sshfs`. `None` where it doesn't say.
/// Blocks.
#[must_use]
pub fn file_system(path: &Path) -> Option<String> {
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    type_in(&mounts, &std::fs::canonicalize(path).ok()?)
}

/// The type of the file system that `path` lies on, or will when it is made, if it is another machine's; see [`is_remote`]. Each folder is looked
/// up once. Blocks.
#[must_use]
pub fn remote(path: &Path) -> Option<String> {
    static KNOWN: Mutex<Vec<(PathBuf, Option<String>)>> = Mutex::new(Vec::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, kind)) = known().iter().find(|(folder, _)| folder == path) {
        return kind.clone();
    }
    // A mount that hangs holds up who asks about it and nobody else.
    let there = existing(path);
    let kind = if is_known_here(&there) { None } else { file_system(&there).filter(|kind| is_remote(kind)) };
    known().push((path.to_owned(), kind.clone()));
    kind
}

/// Whether `path` lies on a disk, or in the memory, of this machine, as nearly all do. One call tells of the usual types (statfs(2)), where the
/// list of mounts takes a tenth of a millisecond; `false` says nothing.
#[cfg(target_os = "linux")]
fn is_known_here(path: &Path) -> bool {
    // ext2 to ext4, xfs, btrfs, tmpfs, overlayfs, f2fs, zfs: linux/magic.h, and zfs's own.
    const HERE: [u32; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0xf2f5_2010, 0x2fc1_2fc1];
    let kind = rustix::fs::statfs(path).map(|found| u32::try_from(found.f_type));
    matches!(kind, Ok(Ok(kind)) if HERE.contains(&kind))
}

#[cfg(not(target_os = "linux"))]
fn is_known_here(_: &Path) -> bool {
    false
}

/// That of the mount (proc(5), `mountinfo`) that is nearest to `path`; of several at one place the last hides the others.
fn type_in(mounts: &[u8], path: &Path) -> Option<String> {
    let mut nearest: Option<(usize, String)> = None;
    for line in mounts.split(|&byte| byte == b'\n') {
        let mut words = line.split(|&byte| byte == b' ');
        let Some(place) = words.nth(4).map(unescaped) else { continue };
        let Some(kind) = words.skip_while(|word| *word != b"-").nth(1) else { continue };
        let length = place.as_os_str().len();
        if path.starts_with(&place) && nearest.as_ref().is_none_or(|(known, _)| *known <= length) {
            nearest = Some((length, String::from_utf8_lossy(kind).into_owned()));
        }
    }
    nearest.map(|(_, kind)| kind)
}

/// Blanks and the like are written as `\040`.
fn unescaped(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Whether a file system of this type is another machine's: locks and mapped memory, which `SQLite`'s log needs, don't work there as they
/// do on one's own disk ("Write-Ahead Logging", 2).
#[must_use]
pub fn is_remote(kind: &str) -> bool {
    const REMOTE: [&str; 18] = [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    ];
    REMOTE.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_tells_the_type() {
        let mounts = b"22 27 0:21 / /proc rw - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
30 27 0:27 / /home rw - xfs /dev/vdb rw
31 30 0:28 / /home/a\\040b rw - nfs4 host:/x rw
32 30 0:29 / /home/over rw - ext4 /dev/vdc rw
33 32 0:30 / /home/over rw - fuse.sshfs host: rw
rubbish
";
        for (path, kind) in [
            ("/", "ext4"),
            ("/homes", "ext4"),
            ("/home/me/.cache", "xfs"),
            ("/home/a b/c", "nfs4"),
            ("/home/over/x", "fuse.sshfs"),
        ] {
            assert_eq!(type_in(mounts, Path::new(path)).as_deref(), Some(kind), "{path}");
        }
        assert_eq!(type_in(b"", Path::new("/")), None);
        assert!(is_remote("nfs4") && is_remote("fuse.sshfs") && !is_remote("ext4") && !is_remote("tmpfs"));
    }

    #[test]
    fn what_is_not_there_yet_is_judged_by_what_is_above_it() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(existing(&folder.path().join("none/below")), folder.path());
        let space = space(folder.path()).expect("says");
        assert!(space.free <= space.total && space.total > 0);
        assert!(check_writable(folder.path()).is_ok());
        let file = folder.path().join("file");
        std::fs::write(&file, "").expect("writes");
        assert!(check_writable(&file).is_err());
    }
}
