//! What a database needs of the file system that it lies on: to be this machine's, since the log is mapped by all who use it
//! ("Write-Ahead Logging", 2), and locks.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::database::is_busy;
use crate::error::Kind;
use crate::files::disk;

const HINT: &str = "let GIT_BHFUIL_CACHE name a folder on a disk of this machine";

/// # Errors
/// If `folder` lies, or would lie, on another machine.
pub(super) fn check_own(folder: &Path) -> anyhow::Result<()> {
    let Some(kind) = disk::remote(folder) else { return Ok(()) };
    Err(Kind::Cache.hinted(format!("the cache folder {} lies on another machine ({kind})", folder.display()), HINT))
}

/// To `SQLite` a lock that there is no such thing as is one that another holds, for which it waits. So this locks a file that nobody else has.
///
/// # Errors
/// If that can't be locked either.
pub(super) fn check_locks(folder: &Path) -> anyhow::Result<()> {
    let own = tempfile::Builder::new().prefix(".locks-").tempfile_in(folder)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(own.path(), flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    match connection.execute_batch("BEGIN EXCLUSIVE; ROLLBACK").map_err(anyhow::Error::from) {
        Err(cause) if is_busy(&cause) => {
            Err(Kind::Cache.hinted(format!("the file system of {} has no locks", folder.display()), HINT))
        }
        tried => tried,
    }
}
