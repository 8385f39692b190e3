//! The history of operations and errors in `state.db`: what `monitor` has seen, bounded by number and age. A file of lines is taken in as
//! one transaction together with its name, so that it counts once however often somebody comes with it.

use std::collections::BTreeSet;

use rusqlite::{Transaction, params};

use super::state::State;

/// Calls that are kept of each operation, the newest.
pub const MOST_CALLS: u32 = 1000;
/// Calls that are kept of all operations together, the newest.
pub const MOST_CALLS_IN_ALL: u32 = 20_000;
/// Causes of errors that are kept, those that were met last.
pub const MOST_FAULTS: u32 = 500;
/// Seconds for which anything is kept.
pub const AGE: i64 = 90 * 86_400;

pub(super) const TABLES: &str = "
-- Operations that have ended: `at` in seconds since 1970, `took` in microseconds, `peak` the memory of the process in bytes.
CREATE TABLE call (
  number INTEGER PRIMARY KEY,
  operation TEXT NOT NULL,
  outcome TEXT NOT NULL,
  at INTEGER NOT NULL,
  took INTEGER NOT NULL,
  bytes INTEGER,
  peak INTEGER
);
CREATE INDEX call_of ON call (operation, number);
-- Errors by kind and cause; `repo` is empty where none is to blame, `cause` the message without what differs each time.
CREATE TABLE fault (
  code TEXT NOT NULL,
  repo TEXT NOT NULL,
  cause TEXT NOT NULL,
  class TEXT NOT NULL,
  message TEXT NOT NULL,
  hint TEXT,
  count INTEGER NOT NULL,
  first_at INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (code, repo, cause)
) WITHOUT ROWID;
-- Files whose lines are in these tables, and which may not be removed yet.
CREATE TABLE taken (
  file TEXT PRIMARY KEY
) WITHOUT ROWID;
";

/// An operation that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    /// Its name.
    pub operation: String,
    /// How it ended.
    pub outcome: String,
    /// When, in seconds since 1970.
    pub at: i64,
    /// How long it took, in microseconds.
    pub took: i64,
    /// Bytes that it received.
    pub bytes: Option<i64>,
    /// Bytes of memory that the process had at the most.
    pub peak: Option<i64>,
}

/// An error, as often as it was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRow {
    /// Its code.
    pub code: String,
    /// The repository, or nothing.
    pub repo: String,
    /// What tells it from others of its kind.
    pub cause: String,
    /// Its class.
    pub class: String,
    /// What was said of it last.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// How often it was met.
    pub count: i64,
    /// When first, in seconds since 1970.
    pub first_at: i64,
    /// When last.
    pub last_at: i64,
}

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Operations in the order in which they were taken in.
    pub calls: Vec<CallRow>,
    /// Errors, the ones that were met last first.
    pub faults: Vec<FaultRow>,
}

impl State {
    /// Takes in `rows`, which are those of `file`, unless they were before; what is beyond the bounds `now`, in seconds since 1970, goes.
    /// Files not among `there` are forgotten.
    ///
    /// # Errors
    /// If it can't be written.
    pub async fn take_in(&self, file: String, rows: Rows, there: BTreeSet<String>, now: i64) -> anyhow::Result<()> {
        let change = move |transaction: &Transaction<'_>| {
            if transaction.execute("INSERT OR IGNORE INTO taken VALUES (?1)", [&file])? > 0 {
                rows.write(transaction)?;
                prune(transaction, now)?;
            }
            forget_removed(transaction, &there)
        };
        self.database().write(change).await
    }

    /// All that is kept and no older than it may be `now`, in seconds since 1970. Blocks.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn history(&self, now: i64) -> anyhow::Result<Rows> {
        self.database().read(|reader| {
            let oldest = now.saturating_sub(AGE);
            let mut rows = Rows::default();
            let query = "SELECT operation, outcome, at, took, bytes, peak FROM call WHERE at >= ?1 ORDER BY number";
            let mut statement = reader.prepare(query)?;
            let calls = statement.query_map([oldest], |row| {
                let (operation, outcome, at, took) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(CallRow { operation, outcome, at, took, bytes: row.get(4)?, peak: row.get(5)? })
            })?;
            rows.calls = calls.collect::<Result<_, _>>()?;
            let query = "SELECT code, repo, cause, class, message, hint, count, first_at, last_at FROM fault
                         WHERE last_at >= ?1 ORDER BY last_at DESC, code, repo, cause";
            let mut statement = reader.prepare(query)?;
            let faults = statement.query_map([oldest], |row| {
                let (code, repo, cause, class) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                let (message, hint, count) = (row.get(4)?, row.get(5)?, row.get(6)?);
                let (first_at, last_at) = (row.get(7)?, row.get(8)?);
                Ok(FaultRow { code, repo, cause, class, message, hint, count, first_at, last_at })
            })?;
            rows.faults = faults.collect::<Result<_, _>>()?;
            Ok(rows)
        })
    }
}

impl Rows {
    fn write(&self, transaction: &Transaction<'_>) -> anyhow::Result<()> {
        let mut insert = transaction.prepare("INSERT INTO call VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6)")?;
        for CallRow { operation, outcome, at, took, bytes, peak } in &self.calls {
            insert.execute(params![operation, outcome, at, took, bytes, peak])?;
        }
        let mut insert = transaction.prepare(
            "INSERT INTO fault VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT DO UPDATE SET
               message = iif(excluded.last_at >= last_at, excluded.message, message),
               hint = iif(excluded.last_at >= last_at, excluded.hint, hint),
               class = excluded.class,
               count = count + excluded.count,
               first_at = min(first_at, excluded.first_at),
               last_at = max(last_at, excluded.last_at)",
        )?;
        for row in &self.faults {
            let FaultRow { code, repo, cause, class, message, hint, count, first_at, last_at } = row;
            insert.execute(params![code, repo, cause, class, message, hint, count, first_at, last_at])?;
        }
        Ok(())
    }
}

/// Drops what is too old, or of which there is too much.
fn prune(transaction: &Transaction<'_>, now: i64) -> anyhow::Result<()> {
    let oldest = now.saturating_sub(AGE);
    transaction.execute("DELETE FROM call WHERE at < ?1", [oldest])?;
    transaction.execute("DELETE FROM fault WHERE last_at < ?1", [oldest])?;
    let names: Vec<String> = {
        let mut statement = transaction.prepare("SELECT operation FROM call GROUP BY 1 HAVING count(*) > ?1")?;
        statement.query_map([MOST_CALLS], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    for name in names {
        let delete = "DELETE FROM call WHERE operation = ?1 AND number <=
                      (SELECT number FROM call WHERE operation = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";
        transaction.execute(delete, params![name, MOST_CALLS])?;
    }
    let delete = "DELETE FROM call WHERE number <= (SELECT number FROM call ORDER BY number DESC LIMIT 1 OFFSET ?1)";
    transaction.execute(delete, [MOST_CALLS_IN_ALL])?;
    let delete = "DELETE FROM fault WHERE (code, repo, cause) IN
                  (SELECT code, repo, cause FROM fault ORDER BY last_at DESC, code, repo, cause LIMIT -1 OFFSET ?1)";
    transaction.execute(delete, [MOST_FAULTS])?;
    Ok(())
}

fn forget_removed(transaction: &Transaction<'_>, there: &BTreeSet<String>) -> anyhow::Result<()> {
    let known: Vec<String> = {
        let mut statement = transaction.prepare("SELECT file FROM taken")?;
        statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
    };
    for file in known.iter().filter(|file| !there.contains(*file)) {
        transaction.execute("DELETE FROM taken WHERE file = ?1", [file])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::block_on;

    const NOW: i64 = 1_800_000_000;

    fn call(operation: &str, at: i64) -> CallRow {
        let operation = operation.to_owned();
        CallRow { operation, outcome: "ok".into(), at, took: 1, bytes: None, peak: None }
    }

    fn fault(cause: &str, at: i64, count: i64) -> FaultRow {
        FaultRow {
            code: "network".into(),
            repo: "nova".into(),
            cause: cause.into(),
            class: "transient".into(),
            message: format!("{cause} at {at}"),
            hint: None,
            count,
            first_at: at,
            last_at: at,
        }
    }

    fn state(folder: &tempfile::TempDir) -> State {
        State::open(folder.path()).expect("opens").0
    }

    fn take(state: &State, file: &str, calls: Vec<CallRow>, faults: Vec<FaultRow>) {
        let there = BTreeSet::from([file.to_owned()]);
        block_on(state.take_in(file.into(), Rows { calls, faults }, there, NOW)).expect("takes");
    }

    #[test]
    fn of_each_operation_the_newest_are_kept_and_nothing_that_is_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = state(&folder);
        let most = i64::from(MOST_CALLS);
        let old = NOW - AGE - 1;
        let many = (0..most + 50).map(|number| call("where", NOW - most + number)).chain([call("scan", old)]);
        take(&state, "1", many.collect(), vec![fault("old", old, 1), fault("young", NOW, 1)]);
        take(&state, "2", vec![call("rare", NOW - 5)], Vec::new());
        let Rows { calls, faults } = state.history(NOW).expect("reads");
        let of =
            |name: &str| calls.iter().filter(|call| call.operation == name).map(|call| call.at).collect::<Vec<_>>();
        let newest: Vec<i64> = (50..most + 50).map(|number| NOW - most + number).collect();
        assert_eq!((of("where"), of("scan"), of("rare")), (newest, vec![], vec![NOW - 5]));
        assert_eq!(faults.iter().map(|fault| fault.cause.as_str()).collect::<Vec<_>>(), ["young"]);
        assert_eq!(state.history(NOW + 2 * AGE).expect("reads"), Rows::default(), "it is old though nobody came by");
    }

    #[test]
    fn of_all_operations_and_causes_together_there_are_so_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = state(&folder);
        let calls = (0..MOST_CALLS_IN_ALL + 30).map(|number| call(&format!("name {}", number % 40), NOW));
        let faults = (0..i64::from(MOST_FAULTS) + 9).map(|number| fault(&format!("cause {number}"), NOW - number, 1));
        take(&state, "1", calls.collect(), faults.collect());
        let kept = state.history(NOW).expect("reads");
        assert_eq!(kept.calls.len(), MOST_CALLS_IN_ALL as usize);
        assert_eq!(kept.faults.len(), MOST_FAULTS as usize);
        assert_eq!(kept.faults[0].cause, "cause 0", "the ones that were met last");
    }

    #[test]
    fn a_file_counts_once_and_is_forgotten_when_it_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = state(&folder);
        for _ in 0..3 {
            take(&state, "1", vec![call("where", NOW)], vec![fault("reset", NOW, 2)]);
        }
        let kept = state.history(NOW).expect("reads");
        assert_eq!((kept.calls.len(), kept.faults[0].count), (1, 2));
        take(&state, "2", Vec::new(), Vec::new());
        let known: Vec<String> = state
            .database()
            .read(|reader| {
                let mut statement = reader.prepare("SELECT file FROM taken")?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
            })
            .expect("reads");
        assert_eq!(known, ["2"]);
    }

    #[test]
    fn the_same_cause_is_counted_with_its_first_and_last_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = state(&folder);
        take(&state, "1", Vec::new(), vec![fault("reset", NOW - 50, 3), fault("other", NOW - 70, 1)]);
        take(&state, "2", Vec::new(), vec![fault("reset", NOW - 90, 1)]);
        let faults = state.history(NOW).expect("reads").faults;
        let found: Vec<_> = faults.iter().map(|it| (it.cause.as_str(), it.count, it.first_at, it.last_at)).collect();
        assert_eq!(found, [("reset", 4, NOW - 90, NOW - 50), ("other", 1, NOW - 70, NOW - 70)]);
        assert_eq!(faults[0].message, format!("reset at {}", NOW - 50), "what was said last");
    }
}
