//! Background tasks in `state.db`, a row each: read as they are, changed as a whole in one transaction. What a row means, and which may
//! follow which, is for `tasks` to say.

use rusqlite::{Connection, Row, Transaction, params};

use super::state::State;

/// The table of tasks. Times are milliseconds since 1970.
pub(super) const TABLE: &str = "
-- Background tasks, see tasks.rs. What has no ended_at is still to end.
CREATE TABLE task (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  about TEXT NOT NULL,
  priority INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed', 'cancelled')),
  made_at INTEGER NOT NULL,
  begun_at INTEGER,
  ended_at INTEGER,
  -- When it was last seen to get on, and with what.
  beat_at INTEGER,
  phase TEXT NOT NULL,
  done INTEGER NOT NULL,
  total INTEGER,
  -- The process that it lives in, and when that began: see gitcli/tree.rs.
  owner INTEGER NOT NULL,
  owner_began INTEGER NOT NULL,
  -- Whether somebody wants it to stop.
  stop INTEGER NOT NULL,
  -- Its result or why it failed: the text, or the name of a file in the folder of tasks.
  said TEXT,
  said_in TEXT
) WITHOUT ROWID;
CREATE INDEX task_unended ON task (id) WHERE ended_at IS NULL;
";

const COLUMNS: &str = "id, kind, about, priority, state, made_at, begun_at, ended_at, beat_at, phase, done, total, owner, \
                       owner_began, stop, said, said_in";

/// A row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table, which says what they are")]
pub struct TaskRow {
    pub id: String,
    pub kind: String,
    pub about: String,
    pub priority: i64,
    pub state: String,
    pub made_at: u64,
    pub begun_at: Option<u64>,
    pub ended_at: Option<u64>,
    pub beat_at: Option<u64>,
    pub phase: String,
    pub done: u64,
    pub total: Option<u64>,
    pub owner: u32,
    pub owner_began: u64,
    pub stop: bool,
    pub said: Option<String>,
    pub said_in: Option<String>,
}

/// Which rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of tasks that have not ended.
    Unended,
}

impl State {
    /// The tasks, by their ids. Blocks.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn tasks(&self, which: Which) -> anyhow::Result<Vec<TaskRow>> {
        self.database().read(|reader| read(reader, which))
    }

    /// The task `id`, if there is one. Blocks.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn task(&self, id: &str) -> anyhow::Result<Option<TaskRow>> {
        self.database().read(|reader| {
            let mut statement = reader.prepare_cached(&format!("SELECT {COLUMNS} FROM task WHERE id = ?1"))?;
            let mut rows = statement.query_map([id], row)?;
            Ok(rows.next().transpose()?)
        })
    }

    /// Lets `change` work on the tasks, by their ids, and keeps what it leaves: rows changed, new or taken out. All in one transaction;
    /// nothing is kept if it fails.
    ///
    /// # Errors
    /// Those of `change`; if a new row has the id of one that is there; if they can't be read or written.
    pub async fn change_tasks<T: Send + 'static>(
        &self,
        which: Which,
        change: impl FnOnce(&mut Vec<TaskRow>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let work = move |transaction: &Transaction<'_>| {
            let before = read(transaction, which)?;
            let mut after = before.clone();
            let answer = change(&mut after)?;
            let known = |rows: &[TaskRow], id: &str| rows.iter().position(|row| row.id == id);
            for gone in before.iter().filter(|row| known(&after, &row.id).is_none()) {
                transaction.execute("DELETE FROM task WHERE id = ?1", [&gone.id])?;
            }
            for row in &after {
                match known(&before, &row.id) {
                    Some(at) if before[at] == *row => {}
                    Some(_) => write(transaction, "INSERT OR REPLACE", row)?,
                    None => write(transaction, "INSERT", row)?,
                }
            }
            Ok(answer)
        };
        self.database().write(work).await
    }
}

fn read(reader: &Connection, which: Which) -> anyhow::Result<Vec<TaskRow>> {
    let those = match which {
        Which::All => "",
        Which::Unended => "WHERE ended_at IS NULL",
    };
    let mut statement = reader.prepare_cached(&format!("SELECT {COLUMNS} FROM task {those} ORDER BY id"))?;
    Ok(statement.query_map([], row)?.collect::<Result<_, _>>()?)
}

fn row(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    let number = |at: usize| -> rusqlite::Result<u64> { Ok(row.get::<_, i64>(at)?.cast_unsigned()) };
    let perhaps =
        |at: usize| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned)) };
    Ok(TaskRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        about: row.get(2)?,
        priority: row.get(3)?,
        state: row.get(4)?,
        made_at: number(5)?,
        begun_at: perhaps(6)?,
        ended_at: perhaps(7)?,
        beat_at: perhaps(8)?,
        phase: row.get(9)?,
        done: number(10)?,
        total: perhaps(11)?,
        owner: row.get(12)?,
        owner_began: number(13)?,
        stop: row.get(14)?,
        said: row.get(15)?,
        said_in: row.get(16)?,
    })
}

fn write(transaction: &Transaction<'_>, verb: &str, row: &TaskRow) -> anyhow::Result<()> {
    let marks = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17";
    let mut statement = transaction.prepare_cached(&format!("{verb} INTO task ({COLUMNS}) VALUES ({marks})"))?;
    let perhaps = |number: Option<u64>| number.map(u64::cast_signed);
    statement.execute(params![
        row.id,
        row.kind,
        row.about,
        row.priority,
        row.state,
        row.made_at.cast_signed(),
        perhaps(row.begun_at),
        perhaps(row.ended_at),
        perhaps(row.beat_at),
        row.phase,
        row.done.cast_signed(),
        perhaps(row.total),
        row.owner,
        row.owner_began.cast_signed(),
        row.stop,
        row.said,
        row.said_in,
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, ended_at: Option<u64>) -> TaskRow {
        TaskRow {
            id: id.into(),
            kind: "scan".into(),
            state: "pending".into(),
            ended_at,
            total: Some(u64::MAX),
            said: Some("caf\u{e9}".into()),
            ..TaskRow::default()
        }
    }

    #[test]
    fn what_a_change_leaves_is_kept_and_nothing_of_one_that_fails() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, _) = State::open(folder.path()).expect("opens");
        let all = |state: &State| state.tasks(Which::All).expect("reads");
        let add = |rows: &mut Vec<TaskRow>| {
            rows.extend([task("b", None), task("a", Some(7)), task("c", None)]);
            Ok(rows.len())
        };
        assert_eq!(smol::block_on(state.change_tasks(Which::All, add)).expect("kept"), 3);
        assert_eq!(all(&state), [task("a", Some(7)), task("b", None), task("c", None)]);
        let change = |rows: &mut Vec<TaskRow>| {
            assert_eq!(rows.len(), 2, "one has ended");
            rows.remove(0);
            rows[0].phase = "walk".into();
            Ok(())
        };
        smol::block_on(state.change_tasks(Which::Unended, change)).expect("kept");
        let changed = TaskRow { phase: "walk".into(), ..task("c", None) };
        assert_eq!(all(&state), [task("a", Some(7)), changed.clone()]);
        let failed = smol::block_on(state.change_tasks(Which::All, |rows| -> anyhow::Result<()> {
            rows.clear();
            anyhow::bail!("no")
        }));
        let taken = smol::block_on(state.change_tasks(Which::Unended, |rows| {
            rows.push(task("a", None));
            Ok(())
        }));
        assert!(failed.is_err() && taken.is_err());
        assert_eq!(all(&state), [task("a", Some(7)), changed.clone()]);
        assert_eq!((state.task("c").expect("reads"), state.task("x").expect("reads")), (Some(changed), None));
    }
}
