//! Taking out of a cache what no run will use any more: blocks of passes that never ended, cursors that nobody has come back to for long.
//! In short transactions, so that nobody waits for long; the file is made smaller only where much of it is empty.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::database::{alone_with, is_busy, is_damaged};
use super::folder::CacheFile;
use super::repository::now;
use super::schema::REPOSITORY;
use crate::error::Kind;

/// Seconds after which a cursor that no consumer holds is forgotten: who comes back with it later gets everything again.
const FORGOTTEN: i64 = 180 * 86_400;
/// Blocks that go in one transaction: some ten megabytes.
const BLOCKS: i64 = 64;
/// How long a transaction waits for another process's. Then it is left for the next time.
const BUSY: Duration = Duration::from_secs(5);
/// Pages that must be empty for the file to be written anew, and how many of all, one in so many.
const EMPTY_PAGES: i64 = 256;
const EMPTY_SHARE: i64 = 4;

/// Steps of `SQLite`'s virtual machine after which it is asked whether it is to stop: a step may copy a block.
const STEPS: i32 = 100;

/// Says whether nobody waits any more for what is being done. Asked by the thread that does it, between steps.
pub type Stopped = Arc<dyn Fn() -> bool + Send + Sync>;

/// What was taken out of a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Blocks of texts or changes.
    pub blocks: usize,
    /// Cursors.
    pub cursors: usize,
    /// Bytes that the file has become smaller by.
    pub freed: u64,
}

impl CacheFile {
    /// Takes out what is of no use any more. A file of more than `largest` bytes is not written anew to make it smaller. One of another
    /// version is left alone, as is the time of its last use. Blocks; when it `is_stopped`, what is being done is undone, and nothing else
    /// begun.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn trim(&self, largest: u64, is_stopped: &Stopped) -> anyhow::Result<Trimmed> {
        if self.aside.is_some() || usize::try_from(self.version) != Ok(REPOSITORY.migrations.len()) {
            return Ok(Trimmed::default());
        }
        let trimmed = match trim(&self.path, self.bytes <= largest, is_stopped) {
            // Whoever is at work here has no time for it now, and what is damaged the next run sets aside.
            Err(cause) if is_busy(&cause) || is_damaged(&cause) || is_interrupted(&cause) => Ok(Trimmed::default()),
            other => other.map_err(|cause| Kind::Cache.wrap(cause, format!("trimming {}", self.path.display()))),
        };
        if !self.exists() {
            return Ok(Trimmed::default());
        }
        let file = std::fs::OpenOptions::new().append(true).open(&self.path);
        let _ = file.and_then(|file| file.set_modified(self.used));
        let freed = self.bytes.saturating_sub(std::fs::metadata(&self.path).map_or(self.bytes, |file| file.len()));
        Ok(Trimmed { freed, ..trimmed? })
    }
}

fn is_interrupted(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    code == Some(ErrorCode::OperationInterrupted)
}

fn trim(path: &Path, may_shrink: bool, is_stopped: &Stopped) -> anyhow::Result<Trimmed> {
    // While nobody has it open no pass is going on. Numbers are never used again: those of passes that begin later are higher.
    let dead: Option<i64> = if has_unclaimed(path)? {
        let last = |reader: &Connection| {
            Ok(reader.query_row("SELECT coalesce(max(block), 0) FROM unclaimed", [], |row| row.get(0))?)
        };
        alone_with(path, last)?
    } else {
        None
    };
    let mut connection = open(path)?;
    let interrupted = Arc::clone(is_stopped);
    connection.progress_handler(STEPS, Some(move || interrupted()))?;
    let mut trimmed = Trimmed::default();
    if let Some(dead) = dead {
        loop {
            let gone = change(
                &mut connection,
                "DELETE FROM block WHERE number IN (SELECT block FROM unclaimed WHERE block <= ?1 ORDER BY block LIMIT ?2)",
                params![dead, BLOCKS],
            )?;
            trimmed.blocks += gone;
            if gone == 0 {
                break;
            }
        }
        // Those whose block is gone already.
        change(&mut connection, "DELETE FROM unclaimed WHERE block <= ?1", [dead])?;
    }
    let forgotten = "DELETE FROM cursor WHERE used_at < ?1 AND token NOT IN (SELECT token FROM consumer)";
    trimmed.cursors = change(&mut connection, forgotten, [now() - FORGOTTEN])?;
    if may_shrink && is_worth_shrinking(&connection)? {
        // Readers see the file as it was meanwhile; the new one is in the log until they have ended.
        connection.execute_batch("VACUUM")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(trimmed)
}

fn has_unclaimed(path: &Path) -> anyhow::Result<bool> {
    Ok(open(path)?.query_row("SELECT count(*) > 0 FROM unclaimed", [], |row| row.get(0))?)
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}

fn change(connection: &mut Connection, statement: &str, with: impl rusqlite::Params) -> anyhow::Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let changed = transaction.execute(statement, with)?;
    transaction.commit()?;
    Ok(changed)
}

fn is_worth_shrinking(connection: &Connection) -> anyhow::Result<bool> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (empty, all) = (number("freelist_count")?, number("page_count")?);
    Ok(empty >= EMPTY_PAGES && empty >= all / EMPTY_SHARE)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use super::super::cursors::{Consumer, Cursor, token};
    use super::super::folder::of;
    use super::super::{Cache, location};
    use super::*;
    use crate::facts::Oid;

    fn cursor(number: u8) -> Cursor {
        Cursor { tips: vec![Oid::from_bytes(&[number; 20]).expect("20 bytes")], overlay: 0 }
    }

    fn execute(path: &Path, script: &str) {
        let connection = open(path).expect("opens");
        connection.execute_batch(script).expect("works");
    }

    fn count(path: &Path, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        open(path).expect("opens").query_row(&query, [], |row| row.get(0)).expect("counts")
    }

    #[test]
    fn what_no_run_will_use_any_more_goes_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = location::file(folder.path(), "nova", Path::new("/nova"));
        let cache = Cache::open(&path, Path::new("/nova"), 20).expect("opens").0;
        smol::block_on(async {
            for number in 1..=3 {
                let Cursor { tips, overlay } = cursor(number);
                cache.keep_cursor(overlay, None, || tips).await.expect("kept");
            }
            let to = Consumer { filters: String::new(), token: token(&cursor(1)) };
            cache.move_consumer("ci".into(), to).await.expect("moved");
        });
        // 200 blocks of a pass that was cut off, and 10 that belong to commits.
        let blocks = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 210)
                      INSERT INTO block (bytes) SELECT zeroblob(100000) FROM n;
                      INSERT INTO unclaimed SELECT number FROM block WHERE number > 10";
        execute(&path, blocks);
        let (first, second) = (token(&cursor(1)), token(&cursor(2)));
        execute(&path, &format!("UPDATE cursor SET used_at = 7 WHERE token IN ('{first}', '{second}')"));
        let file = || of(&path).expect("looks").remove(0);
        let never: Stopped = Arc::new(|| false);
        let busy = file().trim(u64::MAX, &never).expect("trims");
        assert_eq!((busy.blocks, busy.cursors), (0, 1), "who has it open may be in the middle of a pass");
        drop(cache);
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        std::fs::File::options().append(true).open(&path).and_then(|it| it.set_modified(long_ago)).expect("set");
        let before = file();
        let trimmed = before.trim(0, &never).expect("trims");
        assert_eq!((trimmed.blocks, trimmed.cursors, trimmed.freed), (200, 0, 0));
        assert_eq!((count(&path, "block"), count(&path, "unclaimed"), count(&path, "cursor")), (10, 0, 2));
        // Asked while it is being written anew: it is as it was.
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let soon: Stopped = Arc::new(move || counted.fetch_add(1, Ordering::SeqCst) > 2);
        assert_eq!(file().trim(u64::MAX, &soon).expect("nothing has failed"), Trimmed::default());
        assert!(asked.load(Ordering::SeqCst) > 3, "it would have been done else");
        assert_eq!(file().bytes, before.bytes);
        assert_eq!(count(&path, &format!("cursor WHERE token = '{first}'")), 1, "a consumer is there");
        let shrunk = file().trim(u64::MAX, &never).expect("trims");
        assert!(shrunk.freed > 15_000_000, "{shrunk:?}");
        assert_eq!((file().used, file().bytes < 3_000_000), (long_ago, true), "that is no use of it");
        assert_eq!(file().trim(u64::MAX, &never).expect("trims"), Trimmed::default());
        assert_eq!(count(&path, "block"), 10);
        let cache = Cache::open_as_it_is(&path).expect("opens").expect("is there");
        assert_eq!(cache.complaints().expect("reads"), [""; 0]);
    }
}
