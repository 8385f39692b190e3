//! A task's life, decided in pure functions: what it is called and about, how far it is, and which state may follow which. Times are
//! milliseconds since 1970 and are passed in.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::id::Id;
use crate::clock::Clock;
use crate::gitcli::Identity;

/// How far a task is: pending, running, then one of the others for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    Pending,
    /// It runs.
    Running,
    /// It is done.
    Completed,
    /// It failed.
    Failed,
    /// It was stopped.
    Cancelled,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Cancelled];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether nothing follows it.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether `next` may follow it. One that never began can't be completed.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Running | Self::Failed | Self::Cancelled),
            Self::Running => next.is_over(),
            _ => false,
        }
    }
}

/// Who goes first of those that wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// When nothing else is to be done.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Before the others.
    High,
}

impl Priority {
    /// All of them, the last first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// How much of a task is done, in the task's own terms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it is at; empty before it has said so.
    pub phase: String,
    /// How much is done.
    pub done: u64,
    /// Of how much, if that is known.
    pub total: Option<u64>,
}

/// What a task has come to: a short text, or the file that holds a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The text.
    Text(String),
    /// The file.
    File(PathBuf),
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was to do, with this result.
    Completed(Said),
    /// It could not, for this reason.
    Failed(String),
    /// It was stopped.
    Cancelled,
}

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is called.
    pub id: Id,
    /// What it does: `scan`, say.
    pub kind: String,
    /// What it is about, for people.
    pub about: String,
    /// Whether it goes before others.
    pub priority: Priority,
    pub(super) state: State,
    /// When it was registered.
    pub made_at: u64,
    /// When it began to run.
    pub begun_at: Option<u64>,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// When it was last seen to get on.
    pub beat_at: Option<u64>,
    /// How far it was then.
    pub progress: Progress,
    /// The process that it lives in.
    pub owner: Identity,
    /// Whether somebody wants it to stop.
    pub stop: bool,
    /// Its result, or why it failed.
    pub said: Option<Said>,
}

impl Record {
    /// A new one, which waits.
    #[must_use]
    pub fn new(kind: &str, about: &str, priority: Priority, now: u64, owner: Identity) -> Self {
        Self {
            id: Id::new(now),
            kind: kind.to_owned(),
            about: about.to_owned(),
            priority,
            state: State::Pending,
            made_at: now,
            begun_at: None,
            ended_at: None,
            beat_at: None,
            progress: Progress::default(),
            owner,
            stop: false,
            said: None,
        }
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The only way from one state to another; `false` if there is none.
    fn turn(&mut self, next: State, now: u64) -> bool {
        if !self.state.may_become(next) {
            return false;
        }
        self.state = next;
        self.beat_at = Some(now);
        if next == State::Running {
            self.begun_at = Some(now);
        } else {
            self.ended_at = Some(now);
        }
        true
    }

    /// It runs from now on, unless it no longer waits.
    pub fn begin(&mut self, now: u64) -> bool {
        self.turn(State::Running, now)
    }

    /// It has got on.
    pub fn beat(&mut self, progress: Progress, now: u64) {
        if self.state == State::Running {
            (self.progress, self.beat_at) = (progress, Some(now));
        }
    }

    /// It has ended, unless it had before. What completes although it was to stop is completed.
    pub fn end(&mut self, outcome: Outcome, now: u64) -> bool {
        let (next, said) = match outcome {
            Outcome::Completed(said) => (State::Completed, Some(said)),
            Outcome::Failed(reason) => (State::Failed, Some(Said::Text(reason))),
            Outcome::Cancelled => (State::Cancelled, None),
        };
        let turned = self.turn(next, now);
        if turned {
            self.said = said;
        }
        turned
    }

    /// Somebody wants it to stop. One that waits is cancelled at once; `false` if it is over anyway.
    pub fn ask_to_stop(&mut self, now: u64) -> bool {
        if self.state == State::Running {
            self.stop = true;
            return true;
        }
        self.turn(State::Cancelled, now)
    }

    /// Its process is gone: it failed, or was stopped if somebody wanted that. `false` if it was over before.
    pub fn bury(&mut self, now: u64) -> bool {
        if self.stop {
            return self.end(Outcome::Cancelled, now);
        }
        let pid = self.owner.pid;
        let reason = match (self.state, self.progress.phase.as_str()) {
            (State::Pending, _) => format!("process {pid} ended before it began"),
            (_, "") => format!("process {pid} ended before it was done"),
            (_, phase) => format!("process {pid} ended before it was done, while {phase}"),
        };
        self.end(Outcome::Failed(reason), now)
    }

    /// Whether it runs and hasn't got on for as long as `after`.
    #[must_use]
    pub fn is_stalled(&self, now: u64, after: Duration) -> bool {
        let since = self.beat_at.map_or(0, |beat| now.saturating_sub(beat));
        self.state == State::Running && u128::from(since) >= after.as_millis()
    }

    /// Whether it ended as long ago as `expiry`, so that its result is kept no longer.
    #[must_use]
    pub fn is_expired(&self, now: u64, expiry: Duration) -> bool {
        self.ended_at.is_some_and(|ended| u128::from(now.saturating_sub(ended)) >= expiry.as_millis())
    }
}

/// What time it is by `clock`, as records have it.
pub(super) fn now(clock: &Clock) -> u64 {
    let since = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whether `id` may begin, of all those that have not ended: as long as fewer than `limit` run, those that wait go by priority, then first
/// come, first served.
#[must_use]
pub fn may_begin(unended: &[Record], id: &Id, limit: usize) -> bool {
    let running = unended.iter().filter(|record| record.state == State::Running).count();
    let mut waiting: Vec<&Record> = unended.iter().filter(|record| record.state == State::Pending).collect();
    waiting.sort_by_key(|record| (std::cmp::Reverse(record.priority), &record.id));
    waiting.iter().take(limit.saturating_sub(running)).any(|record| record.id == *id)
}

#[cfg(test)]
mod tests;
