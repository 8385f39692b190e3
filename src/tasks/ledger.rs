//! The tasks of all processes, in `state.db`: who is registered there, whose turn it is, how far each is, who is to stop. Each task
//! lives in a process of its own, its owner; whoever looks buries those whose owners have died, and removes what has expired.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::id::Id;
use super::output;
use super::record::{Outcome, Priority, Progress, Record, Said, State, may_begin, now};
use crate::cache::state::State as StateDb;
use crate::cache::tasks::{TaskRow, Which};
use crate::clock::Clock;
use crate::error::Kind;
use crate::gitcli::Identity;

/// How many may wait for their turn: each is a process.
pub const MOST_WAITING: usize = 64;
/// How many that have ended are kept at most, whenever they ended: the oldest go first.
pub const MOST_KEPT: usize = 10_000;

/// What is configured of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How many run at once.
    pub at_once: usize,
    /// How many may wait.
    pub waiting: usize,
    /// How long one that has ended is kept.
    pub expiry: Duration,
    /// After what time without progress one counts as stalled.
    pub stall_after: Duration,
}

impl Default for Rules {
    /// As the settings are by default.
    fn default() -> Self {
        let (expiry, stall_after) = (Duration::from_hours(7 * 24), Duration::from_mins(1));
        Self { at_once: 4, waiting: MOST_WAITING, expiry, stall_after }
    }
}

/// The open ledger. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    state: Arc<StateDb>,
    folder: PathBuf,
    rules: Rules,
    clock: Clock,
    lives: fn(Identity) -> bool,
}

/// What one who waits is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is your turn: the task runs.
    Yours,
    /// Others come first.
    NotYet,
    /// It waits no more: it was cancelled, or removed.
    Over,
}

impl Ledger {
    /// Opens the ledger of the cache folder `folder`. Blocks.
    ///
    /// # Errors
    /// If `state.db` can't be opened.
    pub fn open(folder: &Path, rules: Rules, clock: Clock) -> anyhow::Result<Self> {
        let (state, _) = StateDb::open(folder)?;
        let folder = folder.join("tasks");
        Ok(Self { state: Arc::new(state), folder, rules, clock, lives: Identity::lives })
    }

    /// Where logs and long results are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is configured.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What time it is, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        now(&self.clock)
    }

    /// Registers a task, for now with this process as its owner. It waits.
    ///
    /// # Errors
    /// [`Kind::Busy`] if too many wait already; if the ledger can't be written.
    pub async fn register(&self, kind: &str, about: &str, priority: Priority) -> anyhow::Result<Record> {
        let folder = self.folder.clone();
        smol::unblock(move || std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder))
            .await
            .map_err(|cause| Kind::Io.wrap(cause, format!("making the folder {}", self.folder.display())))?;
        loop {
            let new = Record::new(kind, about, priority, self.now(), Identity::own());
            let refused = match self.add(new.clone()).await {
                Ok(()) => return Ok(new),
                Err(refused) => refused,
            };
            // Another process may have made the same id within the same millisecond, one time in a million.
            if self.get(&new.id).await?.is_none() {
                return Err(refused);
            }
        }
    }

    async fn add(&self, new: Record) -> anyhow::Result<()> {
        let (most, now, lives) = (self.rules.waiting, self.now(), self.lives);
        self.change(move |unended| {
            anyhow::ensure!(!unended.iter().any(|record| record.id == new.id), "the id {} is taken", new.id);
            bury(unended, now, lives);
            let waiting = unended.iter().filter(|record| record.state() == State::Pending).count();
            if waiting >= most {
                return Err(Kind::Busy.hinted(
                    format!("{waiting} tasks wait for their turn already"),
                    "git bhfuil task cancel stops some, bhfuil.taskLimit lets more run at a time",
                ));
            }
            unended.push(new);
            Ok(())
        })
        .await
    }

    /// Notes that the task lives in the process `owner`. `false` if it is over.
    ///
    /// # Errors
    /// If the ledger can't be written.
    pub async fn adopt(&self, id: &Id, owner: Identity) -> anyhow::Result<bool> {
        self.change_one(id, move |record| {
            record.owner = owner;
            true
        })
        .await
    }

    /// Whether it is the turn of `id`; then it runs from now on. For next to nothing while it isn't.
    ///
    /// # Errors
    /// If the ledger can't be read or written.
    pub async fn turn(&self, id: &Id) -> anyhow::Result<Turn> {
        let (ledger, own) = (self.clone(), id.clone());
        let seen = smol::unblock(move || {
            let unended = ledger.read(Which::Unended)?;
            anyhow::Ok(whose_turn(&unended, &own, ledger.rules.at_once, ledger.lives))
        });
        if let turn @ (Turn::NotYet | Turn::Over) = seen.await? {
            return Ok(turn);
        }
        let (own, now, limit, lives) = (id.clone(), self.now(), self.rules.at_once, self.lives);
        self.change(move |unended| {
            bury(unended, now, lives);
            let turn = whose_turn(unended, &own, limit, |_| true);
            if turn == Turn::Yours
                && let Some(record) = unended.iter_mut().find(|record| record.id == own)
            {
                record.begin(now);
            }
            Ok(turn)
        })
        .await
    }

    /// Notes how far `id` is: the sign that it gets on. `false` if it is over.
    ///
    /// # Errors
    /// If the ledger can't be written.
    pub async fn beat(&self, id: &Id, progress: Progress) -> anyhow::Result<bool> {
        let now = self.now();
        self.change_one(id, move |record| {
            record.beat(progress, now);
            true
        })
        .await
    }

    /// Notes how `id` has ended. `false` if it was over before.
    ///
    /// # Errors
    /// If the ledger can't be written.
    pub async fn end(&self, id: &Id, outcome: Outcome) -> anyhow::Result<bool> {
        let now = self.now();
        let outcome = match outcome {
            Outcome::Failed(reason) => Outcome::Failed(output::cut(&reason)),
            other => other,
        };
        self.change_one(id, move |record| record.end(outcome, now)).await
    }

    /// Asks that `id` stop: one that waits is cancelled, the owner of one that runs will see it. `false` if it is over.
    ///
    /// # Errors
    /// If the ledger can't be written.
    pub async fn ask_to_stop(&self, id: &Id) -> anyhow::Result<bool> {
        let now = self.now();
        self.change_one(id, move |record| record.ask_to_stop(now)).await
    }

    /// The task `id` as it stands, whoever owns it; `None` if there is none. Nothing is buried.
    ///
    /// # Errors
    /// If the ledger can't be read.
    pub async fn get(&self, id: &Id) -> anyhow::Result<Option<Record>> {
        let (ledger, id) = (self.clone(), id.clone());
        smol::unblock(move || Ok(ledger.state.task(id.as_str())?.map(|row| ledger.record(row)))).await
    }

    /// All tasks by their ids, oldest first, when those whose owners have died are buried and what has expired is gone.
    ///
    /// # Errors
    /// If the ledger can't be read or written.
    pub async fn list(&self) -> anyhow::Result<Vec<Record>> {
        let ledger = self.clone();
        let all = smol::unblock(move || ledger.read(Which::All)).await?;
        let now = self.now();
        let is_dead = |record: &Record| !record.state().is_over() && !(self.lives)(record.owner);
        if !all.iter().any(|record| is_dead(record) || record.is_expired(now, self.rules.expiry))
            && all.len() <= MOST_KEPT
        {
            return Ok(all);
        }
        let (expiry, lives) = (self.rules.expiry, self.lives);
        let (all, gone) = self
            .change_all(move |all| {
                bury(all, now, lives);
                let mut spare = all.iter().filter(|record| record.state().is_over()).count().saturating_sub(MOST_KEPT);
                let goes = |record: &mut Record| {
                    let is_spare = record.state().is_over() && spare > 0;
                    spare -= usize::from(is_spare);
                    is_spare || record.is_expired(now, expiry)
                };
                let gone: Vec<Record> = all.extract_if(.., goes).collect();
                (all.clone(), gone)
            })
            .await?;
        self.clear_away(gone).await;
        Ok(all)
    }

    /// Removes the tasks that have ended, with what they left behind, and gives them back.
    ///
    /// # Errors
    /// If the ledger can't be written.
    pub async fn clean(&self) -> anyhow::Result<Vec<Record>> {
        let (now, lives) = (self.now(), self.lives);
        let gone = self
            .change_all(move |all| {
                bury(all, now, lives);
                all.extract_if(.., |record| record.state().is_over()).collect::<Vec<_>>()
            })
            .await?;
        self.clear_away(gone.clone()).await;
        Ok(gone)
    }

    async fn clear_away(&self, gone: Vec<Record>) {
        let folder = self.folder.clone();
        smol::unblock(move || output::remove(&folder, &gone)).await;
    }

    fn read(&self, which: Which) -> anyhow::Result<Vec<Record>> {
        Ok(self.state.tasks(which)?.into_iter().map(|row| self.record(row)).collect())
    }

    /// Changes those that have not ended.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Vec<Record>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        self.change_which(Which::Unended, change).await
    }

    async fn change_all<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Vec<Record>) -> T + Send + 'static,
    ) -> anyhow::Result<T> {
        self.change_which(Which::All, |all| Ok(change(all))).await
    }

    /// Changes `id` if it hasn't ended; else `false`.
    async fn change_one(
        &self,
        id: &Id,
        change: impl FnOnce(&mut Record) -> bool + Send + 'static,
    ) -> anyhow::Result<bool> {
        let id = id.clone();
        self.change(move |unended| Ok(unended.iter_mut().find(|record| record.id == id).is_some_and(change))).await
    }

    async fn change_which<T: Send + 'static>(
        &self,
        which: Which,
        change: impl FnOnce(&mut Vec<Record>) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let ledger = self.clone();
        let change = move |rows: &mut Vec<TaskRow>| {
            let mut records: Vec<Record> = rows.drain(..).map(|row| ledger.record(row)).collect();
            let answer = change(&mut records)?;
            rows.extend(records.into_iter().map(row));
            Ok(answer)
        };
        self.state.change_tasks(which, change).await
    }

    fn record(&self, row: TaskRow) -> Record {
        let file = row.said_in.map(|name| Said::File(self.folder.join(name)));
        Record {
            id: Id::kept(row.id),
            kind: row.kind,
            about: row.about,
            priority: match row.priority {
                ..0 => Priority::Low,
                0 => Priority::Normal,
                1.. => Priority::High,
            },
            // The table takes no other words.
            state: State::of_word(&row.state).unwrap_or(State::Failed),
            made_at: row.made_at,
            begun_at: row.begun_at,
            ended_at: row.ended_at,
            beat_at: row.beat_at,
            progress: Progress { phase: row.phase, done: row.done, total: row.total },
            owner: Identity { pid: row.owner, began: row.owner_began },
            stop: row.stop,
            said: file.or(row.said.map(Said::Text)),
        }
    }
}

fn row(record: Record) -> TaskRow {
    let state = record.state().word().to_owned();
    let (said, said_in) = match record.said {
        None => (None, None),
        Some(Said::Text(text)) => (Some(text), None),
        Some(Said::File(path)) => (None, path.file_name().map(|name| name.to_string_lossy().into_owned())),
    };
    TaskRow {
        id: record.id.to_string(),
        kind: record.kind,
        about: record.about,
        priority: match record.priority {
            Priority::Low => -1,
            Priority::Normal => 0,
            Priority::High => 1,
        },
        state,
        made_at: record.made_at,
        begun_at: record.begun_at,
        ended_at: record.ended_at,
        beat_at: record.beat_at,
        phase: record.progress.phase,
        done: record.progress.done,
        total: record.progress.total,
        owner: record.owner.pid,
        owner_began: record.owner.began,
        stop: record.stop,
        said,
        said_in,
    }
}

/// Buries those whose owners have died.
fn bury(records: &mut [Record], now: u64, lives: fn(Identity) -> bool) {
    for record in records.iter_mut().filter(|record| !record.state().is_over() && !lives(record.owner)) {
        record.bury(now);
    }
}

/// Whether `id` may begin, those whose owners have died left out.
fn whose_turn(unended: &[Record], id: &Id, limit: usize, lives: impl Fn(Identity) -> bool) -> Turn {
    let waits = |record: &Record| record.id == *id && record.state() == State::Pending;
    if !unended.iter().any(waits) {
        return Turn::Over;
    }
    let living: Vec<Record> = unended.iter().filter(|record| lives(record.owner)).cloned().collect();
    if may_begin(&living, id, limit) { Turn::Yours } else { Turn::NotYet }
}

#[cfg(test)]
mod tests;
