//! Which version of the schema a file has, whether it is one of ours at all, and bringing it up to date. Migrations are only ever
//! appended, and a file of a newer version is left as it is.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::Kind;

/// Bytes of a database page.
const PAGE_SIZE: u32 = 16_384;

/// What makes a file ours: its number in the `SQLite` header and its migrations, in order. Migrations are only ever appended.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The `application_id` in the file's header.
    pub application_id: i32,
    /// SQL scripts; the n-th leads from version n-1 to n.
    pub migrations: &'static [&'static str],
}

impl Schema {
    pub(super) fn version(&self) -> i32 {
        i32::try_from(self.migrations.len()).unwrap_or(i32::MAX)
    }
}

/// A file that another program made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Foreign;

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is the database of another program")
    }
}

impl std::error::Error for Foreign {}

/// The version of an open database that is ours, or is nobody's yet (0). One transaction, so that a migration by another process
/// is seen wholly or not at all.
pub(super) fn own_version(connection: &mut Connection, schema: Schema) -> anyhow::Result<i32> {
    let reader = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let tables: i64 = reader.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version: i32 = reader.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application_id: i32 = reader.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let new = (tables, version, application_id) == (0, 0, 0);
    anyhow::ensure!(new || application_id == schema.application_id, Foreign);
    Ok(version)
}

/// Reads the version from the file's header (`SQLite` file format, offset 60) without opening it as a database, since merely
/// opening one could write to it. 0 if the file is absent, empty or no database of ours (offset 68).
pub(super) fn header_version(path: &Path, schema: Schema) -> anyhow::Result<i32> {
    let mut header = [0; 100];
    match fs::File::open(path).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) if !header.starts_with(b"SQLite format 3\0") => Ok(0),
        Ok(()) if header[68..72] != schema.application_id.to_be_bytes() => Ok(0),
        Ok(()) => Ok(i32::from_be_bytes([header[60], header[61], header[62], header[63]])),
        Err(cause) if matches!(cause.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::UnexpectedEof) => Ok(0),
        Err(cause) => Err(Kind::Cache.wrap(cause, format!("reading the cache {}", path.display()))),
    }
}

pub(super) fn refuse_newer(version: i32, schema: Schema, path: &Path) -> anyhow::Result<()> {
    if version <= schema.version() {
        return Ok(());
    }
    Err(Kind::CacheNewer.hinted(
        format!("the cache {} has version {version}, this program knows {}", path.display(), schema.version()),
        "update git-bhfuil, or let GIT_BHFUIL_CACHE name another folder",
    ))
}

pub(super) fn migrate(connection: &mut Connection, schema: Schema, path: &Path) -> anyhow::Result<()> {
    // Takes effect only while the file is empty. Most of a cache is blobs of many kilobytes: with the usual 4 KiB the pages of
    // their chains cost more in system calls than in bytes.
    connection.pragma_update(None, "page_size", PAGE_SIZE)?;
    if own_version(connection, schema)? == 0 {
        // There is nothing yet that a power cut could take.
        connection.pragma_update(None, "synchronous", "OFF")?;
    }
    log_ahead(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have migrated while this one waited.
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    refuse_newer(version, schema, path)?;
    let done = usize::try_from(version).context("a negative schema version")?;
    for (number, script) in schema.migrations.iter().enumerate().skip(done) {
        transaction.execute_batch(script).with_context(|| format!("migrating to version {}", number + 1))?;
    }
    transaction.pragma_update(None, "application_id", schema.application_id)?;
    transaction.pragma_update(None, "user_version", schema.version())?;
    transaction.commit()?;
    Ok(())
}

/// Has the file keep a write-ahead log.
pub(super) fn log_ahead(connection: &Connection) -> anyhow::Result<()> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    anyhow::ensure!(mode == "wal" || mode == "memory", "SQLite can't keep a write-ahead log there (it says {mode})");
    Ok(())
}
