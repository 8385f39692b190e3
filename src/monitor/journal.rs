//! The journal: a file in the cache folder to which every process appends what it has seen, and from which it is taken into `state.db` now
//! and then. Owns that nothing is lost and nothing counted twice; refuses what the lines are good for.
//!
//! Whoever appends holds a shared lock on the file (flock(2)) and has made sure that it still has its name. Whoever takes it over renames
//! it first and then waits for the exclusive lock: from then on nobody appends to it any more. It is removed once all is in the
//! database; if that process dies in between, the name tells the next whether it was.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The file that is appended to.
const NAME: &str = "operations.jsonl";
/// What a file is called that was taken over.
const TAKEN: (&str, &str) = ("operations-", ".taken");
/// How often it is tried to append, should the file be taken over at just that moment.
const TRIES: usize = 16;
/// More is not read of one file: nobody appends to a file that is far larger than when it is taken over.
const MOST_BYTES: u64 = 16 << 20;
/// How long is waited for those who are just appending.
const PATIENCE: Duration = Duration::from_secs(1);

/// Appends `lines` in one write and returns how large the journal is then. The folder is not made: where nothing is kept, this isn't
/// either.
///
/// # Errors
/// If it can't be written. Of what is written by halves the last line is lost, and no other.
pub(super) fn append(folder: &Path, lines: &[u8]) -> io::Result<u64> {
    let path = folder.join(NAME);
    for _ in 0..TRIES {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        // Where there are no locks, a line may be lost when it is taken over.
        if matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)) {
            continue;
        }
        let own = file.metadata()?;
        if !std::fs::metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
            continue;
        }
        // An earlier writer may have run out of space in the middle of its line.
        let bytes = [b"\n", lines].concat();
        if file.write(&bytes)? < bytes.len() {
            return Err(ErrorKind::WriteZero.into());
        }
        return Ok(own.len() + bytes.len() as u64);
    }
    Err(ErrorKind::WouldBlock.into())
}

/// Gives the journal, if there is one with anything in it, another name, so that it can be [taken](Taken::open).
///
/// # Errors
/// If it can't be renamed.
pub(super) fn take_over(folder: &Path) -> io::Result<()> {
    let path = folder.join(NAME);
    if std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let (begin, end) = TAKEN;
    let taken = folder.join(format!("{begin}{now:x}-{:x}{end}", std::process::id()));
    match std::fs::rename(path, taken) {
        // Somebody else was first.
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The files that were taken over and are still there, oldest first.
pub(super) fn taken(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let (begin, end) = TAKEN;
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(begin) && name.ends_with(end)))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// What is in the files that nobody has taken into the database yet, for whoever may only read.
pub(super) fn peek(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for path in taken(folder).into_iter().chain([folder.join(NAME)]) {
        if let Ok(file) = File::open(path) {
            let _ = file.take(MOST_BYTES).read_to_end(&mut bytes);
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Removes the journal: it could not be taken over for long.
pub(super) fn discard(folder: &Path) {
    for path in taken(folder).into_iter().chain([folder.join(NAME)]) {
        let _ = std::fs::remove_file(path);
    }
}

/// A file that was taken over, and that nobody else works on.
#[derive(Debug)]
pub(super) struct Taken {
    path: PathBuf,
    /// Carries the lock for as long as it is open.
    _file: File,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
}

impl Taken {
    /// The file at `path`; `None` if another process is busy with it, or has been.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn open(path: PathBuf) -> io::Result<Option<Self>> {
        let file = match File::open(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let begun = Instant::now();
        while let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            if begun.elapsed() > PATIENCE {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if !path.exists() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        (&file).take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(Self { path, _file: file, bytes }))
    }

    /// What tells it from all others.
    pub(super) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Removes it: all of it is in the database.
    pub(super) fn done(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
