//! What servers have said, in `state.db`: answers to be shown again or asked about with their `ETag`, and how each server fares. Bounded by
//! age, number and bytes. What a key stands for is `http`'s to say: no address, and no secret, is in these tables.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::state::State;

/// Answers that are kept, those that were used last.
pub const MOST: u32 = 20_000;
/// Bytes that their bodies take at the most, as they are kept.
pub const MOST_BYTES: i64 = 64 << 20;
/// Milliseconds for which anything is kept that nobody uses.
pub const AGE: u64 = 90 * 86_400_000;
/// Answers after which is looked whether there are too many.
const EVERY: i64 = 256;

/// Times are milliseconds since 1970.
pub(super) const TABLES: &str = "
CREATE TABLE answer (
  key BLOB PRIMARY KEY,
  status INTEGER NOT NULL,
  etag TEXT,
  modified TEXT,
  -- Compressed by LZ4, its length before it.
  body BLOB NOT NULL,
  fetched_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answer_used ON answer (used_at);
-- Servers that aren't well, or want to be left alone for a while: scheme, name and port.
CREATE TABLE server (
  origin TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  opened_at INTEGER,
  paused_until INTEGER,
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;
";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRow {
    /// What it answers.
    pub key: [u8; 32],
    /// Its status.
    pub status: u16,
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub modified: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
    /// When the server gave it, or has said last that it still holds.
    pub fetched_at: u64,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerRow {
    /// `https://api.example.com`, with the port if that isn't the usual one.
    pub origin: String,
    /// Failures in a row.
    pub failures: u32,
    /// When it was given up for a while.
    pub opened_at: Option<u64>,
    /// Until when it wants to be left alone.
    pub paused_until: Option<u64>,
    /// When that was noted.
    pub changed_at: u64,
}

impl State {
    /// The answer that is kept under `key`. One that can't be read is none. Blocks.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn answer(&self, key: &[u8; 32]) -> anyhow::Result<Option<AnswerRow>> {
        self.database().read(|reader| {
            let query = "SELECT status, etag, modified, body, fetched_at FROM answer WHERE key = ?1";
            let mut statement = reader.prepare_cached(query)?;
            let row = statement.query_row([key.as_slice()], |row| answer(*key, row)).optional()?;
            Ok(row.flatten())
        })
    }

    /// Keeps an answer, in the place of the one before.
    ///
    /// # Errors
    /// If it can't be written.
    pub async fn keep_answer(&self, row: AnswerRow) -> anyhow::Result<()> {
        let packed = lz4_flex::compress_prepend_size(&row.body);
        let change = move |transaction: &Transaction<'_>| {
            let AnswerRow { key, status, etag, modified, fetched_at, .. } = &row;
            let at = fetched_at.cast_signed();
            transaction
                .prepare_cached("INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)")?
                .execute(params![key.as_slice(), status, etag, modified, packed, at])?;
            let count: i64 = transaction.query_row("SELECT count(*) FROM answer", [], |row| row.get(0))?;
            if count % EVERY == 0 || count > i64::from(MOST) {
                prune(transaction, *fetched_at)?;
            }
            Ok(())
        };
        self.database().write(change).await
    }

    /// Notes that what is kept under `key` was used `at` this time, and, where the server `confirmed` it, is as of then.
    ///
    /// # Errors
    /// If it can't be written.
    pub async fn use_answer(&self, key: [u8; 32], at: u64, confirmed: bool) -> anyhow::Result<()> {
        let change = move |transaction: &Transaction<'_>| {
            let query = "UPDATE answer SET used_at = ?2, fetched_at = iif(?3, ?2, fetched_at) WHERE key = ?1";
            transaction.prepare_cached(query)?.execute(params![key.as_slice(), at.cast_signed(), confirmed])?;
            Ok(())
        };
        self.database().write(change).await
    }

    /// Forgets the answer under `key`.
    ///
    /// # Errors
    /// If it can't be written.
    pub async fn forget_answer(&self, key: [u8; 32]) -> anyhow::Result<()> {
        let change = move |transaction: &Transaction<'_>| {
            transaction.prepare_cached("DELETE FROM answer WHERE key = ?1")?.execute([key.as_slice()])?;
            Ok(())
        };
        self.database().write(change).await
    }

    /// What is known of the server at `origin`. Blocks.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn server(&self, origin: &str) -> anyhow::Result<Option<ServerRow>> {
        self.database().read(|reader| {
            let query = "SELECT origin, failures, opened_at, paused_until, changed_at FROM server WHERE origin = ?1";
            Ok(reader.prepare_cached(query)?.query_row([origin], server).optional()?)
        })
    }

    /// The servers that aren't well or want to be left alone, by name. Blocks.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn servers(&self) -> anyhow::Result<Vec<ServerRow>> {
        self.database().read(|reader| {
            let query = "SELECT origin, failures, opened_at, paused_until, changed_at FROM server ORDER BY origin";
            let mut statement = reader.prepare(query)?;
            Ok(statement.query_map([], server)?.collect::<Result<_, _>>()?)
        })
    }

    /// Notes how a server fares; one of which there is nothing to tell is forgotten.
    ///
    /// # Errors
    /// If it can't be written.
    pub async fn note_server(&self, row: ServerRow) -> anyhow::Result<()> {
        let change = move |transaction: &Transaction<'_>| {
            let ServerRow { origin, failures, opened_at, paused_until, changed_at } = row;
            if failures == 0 && opened_at.is_none() && paused_until.is_none() {
                transaction.execute("DELETE FROM server WHERE origin = ?1", [origin])?;
                return Ok(());
            }
            let oldest = changed_at.saturating_sub(AGE).cast_signed();
            transaction.execute("DELETE FROM server WHERE changed_at < ?1", [oldest])?;
            let number = |time: Option<u64>| time.map(u64::cast_signed);
            let values = params![origin, failures, number(opened_at), number(paused_until), changed_at.cast_signed()];
            transaction.execute("INSERT OR REPLACE INTO server VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
            Ok(())
        };
        self.database().write(change).await
    }
}

fn answer(key: [u8; 32], row: &Row<'_>) -> rusqlite::Result<Option<AnswerRow>> {
    let packed: Vec<u8> = row.get(3)?;
    let (status, etag, modified) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let fetched_at = row.get::<_, i64>(4)?.cast_unsigned();
    let body = lz4_flex::decompress_size_prepended(&packed).ok();
    Ok(body.map(|body| AnswerRow { key, status, etag, modified, body, fetched_at }))
}

fn server(row: &Row<'_>) -> rusqlite::Result<ServerRow> {
    let time =
        |at: usize| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned)) };
    Ok(ServerRow {
        origin: row.get(0)?,
        failures: row.get(1)?,
        opened_at: time(2)?,
        paused_until: time(3)?,
        changed_at: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}

/// Drops what nobody has used for long, and of too much what was used longest ago.
fn prune(transaction: &Transaction<'_>, now: u64) -> anyhow::Result<()> {
    transaction.execute("DELETE FROM answer WHERE used_at < ?1", [now.saturating_sub(AGE).cast_signed()])?;
    let delete = "DELETE FROM answer WHERE key IN (SELECT key FROM answer ORDER BY used_at DESC LIMIT -1 OFFSET ?1)";
    transaction.execute(delete, [MOST])?;
    let delete = "DELETE FROM answer WHERE key IN (SELECT key FROM
                    (SELECT key, sum(length(body)) OVER (ORDER BY used_at DESC, key) AS bytes FROM answer)
                  WHERE bytes > ?1)";
    transaction.execute(delete, [MOST_BYTES])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::block_on;

    fn row(number: u32, body: Vec<u8>, fetched_at: u64) -> AnswerRow {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        AnswerRow { key, status: 200, etag: Some(format!("\"{number}\"")), modified: None, body, fetched_at }
    }

    fn state(folder: &tempfile::TempDir) -> State {
        State::open(folder.path()).expect("opens").0
    }

    fn count(state: &State) -> i64 {
        let count =
            |reader: &rusqlite::Connection| Ok(reader.query_row("SELECT count(*) FROM answer", [], |row| row.get(0))?);
        state.database().read(count).expect("reads")
    }

    #[test]
    fn an_answer_comes_back_as_it_was_and_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = state(&folder);
        let first = row(1, b"{\"title\":\"caf\xc3\xa9\"}".repeat(50), 7);
        block_on(state.keep_answer(first.clone())).expect("keeps");
        assert_eq!(state.answer(&first.key).expect("reads"), Some(first.clone()));
        block_on(state.use_answer(first.key, 9, false)).expect("notes");
        assert_eq!(state.answer(&first.key).expect("reads").map(|row| row.fetched_at), Some(7));
        block_on(state.use_answer(first.key, 9, true)).expect("notes");
        assert_eq!(state.answer(&first.key).expect("reads").map(|row| row.fetched_at), Some(9));
        let second = AnswerRow { etag: None, body: Vec::new(), status: 404, ..first };
        block_on(state.keep_answer(second.clone())).expect("keeps");
        assert_eq!(state.answer(&second.key).expect("reads"), Some(second));
        assert_eq!(state.answer(&[9; 32]).expect("reads"), None);
    }

    #[test]
    fn what_is_kept_is_bounded_by_age_number_and_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = state(&folder);
        // By what is in the database, since twenty thousand transactions take their time.
        let fill = |numbers: std::ops::Range<u32>, bytes: i64| {
            let change = move |transaction: &Transaction<'_>| {
                for number in numbers {
                    let insert = "INSERT INTO answer VALUES (?1, 200, NULL, NULL, zeroblob(?2), ?3, ?3)";
                    let at = (2 * AGE + u64::from(number)).cast_signed();
                    transaction.prepare_cached(insert)?.execute(params![row(number, Vec::new(), 0).key, bytes, at])?;
                }
                prune(transaction, 3 * AGE)
            };
            block_on(state.database().write(change)).expect("writes");
        };
        let there = |number: u32| state.answer(&row(number, Vec::new(), 0).key).expect("reads").is_some();
        fill(0..MOST + 3, 0);
        assert_eq!(count(&state), i64::from(MOST));
        fill(MOST + 3..MOST + 73, 1 << 20);
        assert_eq!(count(&state), MOST_BYTES >> 20, "the newest that fit");
        block_on(state.keep_answer(row(9, Vec::new(), 3 * AGE + 200_000))).expect("keeps");
        block_on(state.database().write(|change| prune(change, 3 * AGE + 200_000))).expect("prunes");
        assert!(there(9) && count(&state) == 1, "the others are old");
    }

    #[test]
    fn a_server_is_known_as_long_as_there_is_something_to_tell() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = state(&folder);
        let origin = "https://example.com".to_owned();
        let ill = ServerRow { origin, failures: 5, opened_at: Some(8), paused_until: None, changed_at: 9 };
        block_on(state.note_server(ill.clone())).expect("notes");
        assert_eq!(state.server(&ill.origin).expect("reads"), Some(ill.clone()));
        assert_eq!(state.servers().expect("reads"), std::slice::from_ref(&ill));
        block_on(state.note_server(ServerRow { failures: 0, opened_at: None, ..ill })).expect("notes");
        assert_eq!(state.servers().expect("reads"), []);
    }
}
