//! Files that several processes read and write: reading, replacing as a whole, lock files, seeing that one has changed.
//!
//! Owns how a file is changed so that no reader ever sees half of one, and no writer's change is lost. Refuses to know what is in
//! them. Nothing here blocks the executor: what waits for a disk runs on the threads of `smol::unblock`.

pub mod disk;
mod lock;

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use lock::{Found, Lock, MOST_HOLDERS, find};

/// As git has it for its own files; the umask takes from it.
const MODE: u32 = 0o666;

/// The bytes of the file at `path`; `None` if there is none.
///
/// # Errors
/// If it is there and can't be read.
pub async fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let path = path.to_owned();
    smol::unblock(move || read_blocking(&path)).await
}

/// As [`read`], for a thread that may block.
///
/// # Errors
/// If it is there and can't be read.
pub fn read_blocking(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        // What should be a folder on the way is none: then there is no such file either.
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Puts `bytes` in the place of the file at `path`, or of what the symbolic link there leads to: whoever reads it sees all of the
/// old or all of the new, also after a crash. Its permissions stay; its folder is made if need be. Of two that replace it at once
/// one is lost: a [`Lock`] is for those who read first.
///
/// # Errors
/// If it can't be written, or is no regular file.
pub async fn replace(path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    let path = path.to_owned();
    smol::unblock(move || {
        let target = followed(&path);
        let folder = folder(&target);
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::Builder::new();
        let new = new.prefix(".bhfuil-").permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
        fill(new.as_file(), &target, &bytes)?;
        new.persist(&target).map_err(|failed| failed.error)?;
        sync(folder);
        Ok(())
    })
    .await
}

/// As [`replace`], of what lies at `path` itself and be it a symbolic link, and with the permissions `mode`, from which the umask takes; for a
/// thread that may block.
///
/// # Errors
/// If it can't be written.
pub fn put_blocking(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = folder(path);
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new();
    let mut new = new.prefix(".bhfuil-").permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|failed| failed.error)?;
    sync(folder);
    Ok(())
}

/// A file that is written bit by bit beside the one that it is to replace. Until it is [put there](Self::put) nobody sees it; dropped before,
/// it is gone. For a thread that may block.
#[derive(Debug)]
pub struct Draft {
    file: tempfile::NamedTempFile,
    target: PathBuf,
}

impl Draft {
    /// One that is to be the file at `path`, or what the symbolic link there leads to. Its folder is made if need be.
    ///
    /// # Errors
    /// If it can't be made, or what is there is no regular file.
    pub fn of(path: &Path) -> io::Result<Self> {
        let target = followed(path);
        let folder = folder(&target);
        std::fs::create_dir_all(folder)?;
        let mut new = tempfile::Builder::new();
        let file = new.prefix(".bhfuil-").permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
        fill(file.as_file(), &target, &[])?;
        Ok(Self { file, target })
    }

    /// Puts it in the place of the file, once it is on the disk, and returns its size in bytes.
    ///
    /// # Errors
    /// If that fails; the file is then as it was.
    pub fn put(self) -> io::Result<u64> {
        self.file.as_file().sync_all()?;
        let bytes = self.file.as_file().metadata()?.len();
        self.file.persist(&self.target).map_err(|failed| failed.error)?;
        sync(folder(&self.target));
        Ok(bytes)
    }
}

impl io::Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What tells one state of a file from another without reading it. A file that is changed in place within a tick of the file system's
/// clock keeps it: see [`Stamp::is_settled`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Option<[i64; 7]>);

impl Stamp {
    /// The state of the file at `path`, for a thread that may block; being absent is a state too.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Self(metadata.map(|it| {
            let [device, inode, size] = [it.dev(), it.ino(), it.size()].map(u64::cast_signed);
            [device, inode, size, it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()]
        }))
    }

    /// Whether a change from `now` on is sure to show: the last one is longer ago than any file system's clock takes for a tick.
    #[must_use]
    pub fn is_settled(&self, now: SystemTime) -> bool {
        const LONGEST_TICK: i64 = 2;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        self.0.is_none_or(|[_, _, _, modified, ..]| modified + LONGEST_TICK < now)
    }
}

/// Writes `bytes` to `new`, which is to become `target`, and waits until they are on the disk.
fn fill(mut new: &File, target: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Ok(old) = std::fs::metadata(target) {
        if !old.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
        }
        new.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
    }
    new.write_all(bytes)?;
    new.sync_all()
}

/// Opens the file `path` to be written anew.
fn open_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)
}

/// Waits until `folder` says on the disk too what is in it. Not every file system can be asked; the file itself is whole anyway.
fn sync(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What `path` leads to through symbolic links, as far as git follows them.
fn followed(path: &Path) -> PathBuf {
    const MOST_LINKS: usize = 5;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::read_link(&path) {
            Ok(next) => path = folder(&path).join(next),
            Err(_) => break,
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(folder: &tempfile::TempDir, name: &str) -> PathBuf {
        folder.path().join(name)
    }

    #[test]
    fn a_file_that_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(at(&folder, "file"), "x").expect("written");
        for (name, found) in [("file", true), ("none", false), ("none/below", false), ("file/below", false)] {
            let read = smol::block_on(read(&at(&folder, name))).expect(name);
            assert_eq!(read.is_some(), found, "{name}");
        }
        assert!(smol::block_on(read(folder.path())).is_err(), "a folder is no file");
    }

    #[test]
    fn a_reader_sees_all_of_one_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = at(&folder, "below/file");
        smol::block_on(replace(&path, vec![0; 1 << 16])).expect("written");
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let bytes = std::fs::read(&path).expect("there is always one");
                    assert!(bytes.len() == 1 << 16 && bytes.iter().all(|byte| *byte == bytes[0]), "half a file");
                    seen += 1;
                }
                seen
            });
            for version in 1..60 {
                smol::block_on(replace(&path, vec![version; 1 << 16])).expect("written");
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(reader.join().expect("no half file") > 0);
        });
        let left: Vec<_> = std::fs::read_dir(at(&folder, "below")).expect("a folder").collect();
        assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
    }

    #[test]
    fn a_draft_is_seen_once_it_is_put_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = at(&folder, "below/file");
        smol::block_on(replace(&path, b"old".to_vec())).expect("written");
        let mut draft = Draft::of(&path).expect("begun");
        draft.write_all(b"one").expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"old");
        drop(draft);
        let mut draft = Draft::of(&path).expect("begun");
        draft.write_all(b"another").expect("written");
        assert_eq!(draft.put().expect("put"), 7);
        assert_eq!(std::fs::read(&path).expect("there"), b"another");
        assert_eq!(std::fs::read_dir(at(&folder, "below")).expect("a folder").count(), 1, "nothing else is left");
        assert!(Draft::of(folder.path()).is_err(), "a folder is no file");
    }

    #[test]
    fn permissions_and_links_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (at(&folder, "file"), at(&folder, "link"));
        std::fs::write(&path, "old").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("set");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        smol::block_on(replace(&link, b"new".to_vec())).expect("replaced");
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(std::fs::read(&path).expect("there"), b"new");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o640);
    }

    #[test]
    fn what_is_no_regular_file_is_not_replaced() {
        let refused = smol::block_on(replace(Path::new("/dev/null"), b"x".to_vec()));
        assert!(refused.is_err());
        assert!(!std::fs::metadata("/dev/null").expect("still there").is_file());
    }

    #[test]
    fn a_stamp_tells_versions_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = at(&folder, "file");
        let absent = Stamp::of(&path);
        smol::block_on(replace(&path, b"one".to_vec())).expect("written");
        let one = Stamp::of(&path);
        assert_eq!(one, Stamp::of(&path));
        smol::block_on(replace(&path, b"two".to_vec())).expect("written");
        let two = Stamp::of(&path);
        assert!(absent != one && one != two);
        // In place and of the same size it may not show at once.
        let now = SystemTime::now();
        assert!(absent.is_settled(now) && !two.is_settled(now) && two.is_settled(now + Duration::from_secs(4)));
    }
}
