//! Setting a damaged database aside: it is renamed and kept, so that a new one can be begun and somebody can look at the old one.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::database::{Database, Schema, is_damaged};
use crate::debug;
use crate::error::Kind;

/// Damaged files of one database that are kept, the newest.
pub(super) const KEPT: u32 = 3;

/// Stands between the name of a database and the number of a damaged file.
const MARK: &[u8] = b".damaged-";

/// Whoever sets a file aside holds the lock on this file of the folder. It stays: to remove it would let two in.
const LOCK: &str = "rebuild.lock";

/// A database, and its journals (`SQLite`, "Temporary Files").
pub(super) const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// Renames the damaged file at `path` with its journals, unless it turns out to be `sound`: then another process has just done so,
/// and the answer is `None`.
///
/// # Errors
/// If it can't be renamed.
pub(super) fn set_aside(
    path: &Path,
    schema: Schema,
    sound: impl FnOnce(&Connection) -> anyhow::Result<()>,
) -> anyhow::Result<Option<PathBuf>> {
    let describe = || format!("setting the damaged cache {} aside", path.display());
    let failed = |cause: std::io::Error| Kind::Cache.wrap(cause, describe());
    let _lock = lock(path).map_err(failed)?;
    // Whoever held the lock before may have replaced the file already.
    match Database::open(path, schema).and_then(|database| database.read(sound)) {
        Ok(()) => return Ok(None),
        Err(cause) if is_damaged(&cause) => {}
        Err(cause) => return Err(cause),
    }
    let numbers = numbers(path).map_err(failed)?;
    let next = numbers.iter().max().map_or(1, |last| last + 1);
    let aside = damaged(path, next);
    debug::warn("cache", || format!("{} is damaged and becomes {}", path.display(), aside.display()));
    for suffix in SUFFIXES {
        match std::fs::rename(with(path, suffix), with(&aside, suffix)) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(failed(cause)),
            _ => {}
        }
    }
    for number in numbers.into_iter().filter(|number| number + KEPT <= next) {
        for suffix in SUFFIXES {
            // One that stays does no harm.
            let _ = std::fs::remove_file(with(&damaged(path, number), suffix));
        }
    }
    Ok(Some(aside))
}

/// Waits for its turn to take the file at `path` from its place; the turn ends when the answer is dropped.
pub(super) fn lock(path: &Path) -> std::io::Result<std::fs::File> {
    let lock = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path.with_file_name(LOCK))?;
    lock.lock()?;
    Ok(lock)
}

/// The name of a database of which the file `name` was set aside, and which of them it is.
pub(super) fn parse_damaged(name: &[u8]) -> Option<(&[u8], u32)> {
    let at = name.windows(MARK.len()).rposition(|part| part == MARK)?;
    let number = std::str::from_utf8(&name[at + MARK.len()..]).ok()?.parse().ok()?;
    Some((&name[..at], number))
}

pub(super) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn damaged(path: &Path, number: u32) -> PathBuf {
    with(path, &format!(".damaged-{number}"))
}

/// The numbers of the files that were set aside before.
fn numbers(path: &Path) -> std::io::Result<Vec<u32>> {
    let Some(folder) = path.parent() else { return Ok(Vec::new()) };
    let own = path.file_name().unwrap_or_default().as_bytes();
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(parse_damaged(name.as_bytes()).filter(|(of, _)| *of == own).map(|(_, number)| number));
    }
    Ok(numbers)
}
