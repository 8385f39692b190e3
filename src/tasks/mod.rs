//! Background tasks: what is done while nobody waits for it. [`Record`] is a task's life, decided in pure functions; [`Tasks`] are those
//! of one process, futures that end with their owner; the [`Ledger`] has those that outlive the terminal, each a process of its own.
//! Both keep to the same [`Rules`]: so many run at once and so many wait, by priority and then first come, first served; what has
//! ended is kept until it expires.
//!
//! Owns what a task's life is: its id, its states, whose turn it is, whether it has stalled, what is left of it. Refuses what a task does,
//! and how its process is started.
//!
//! The heartbeat of a task is its progress and nothing else: a process that lives, whose work stands still, has stalled.

mod here;
mod id;
mod ledger;
mod output;
mod record;

pub use here::{Foreground, Hand, Tasks, outcome};
pub use id::{Id, find};
pub use ledger::{Ledger, MOST_KEPT, MOST_WAITING, Rules, Turn};
pub use output::{MOST_SAID, keep, log, read};
pub use record::{Outcome, Priority, Progress, Record, Said, State, may_begin};
