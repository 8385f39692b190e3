//! How far work is: reported by any thread without waiting, looked at by one reader who may be slow, or gone.
//!
//! Nothing is queued. Each operation is a node of a tree that its reports overwrite, and the reader is woken to look at what it is now;
//! so a report costs the worker the same whoever reads. An operation never goes backwards, and always ends: what is dropped without
//! having been completed has failed. Refuses to know what the work is, and how it is shown.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

use crate::clock::Clock;

/// A rate is what was done in about this time.
const LATELY: Duration = Duration::from_secs(3);
/// What was done in less time says nothing of a rate.
const FIRST: Duration = Duration::from_millis(200);
/// So many looks at it are kept for the rate.
const SAMPLES: usize = 8;

/// A handle on an operation; clones are the same operation. The last one that is dropped ends it, as failed if nobody said otherwise.
///
/// ```
/// use git_bhfuil::clock::Clock;
/// use git_bhfuil::progress::{self, State};
///
/// let (work, mut reader) = progress::begin(&Clock::Real, "sync");
/// let fetch = work.child("fetch", "objects");
/// let worker = std::thread::spawn(move || {
///     for done in 1..=1000 {
///         fetch.reach(done, Some(1000));
///     }
///     fetch.complete();
/// });
/// worker.join().expect("it doesn't panic");
/// work.complete();
/// smol::block_on(async {
///     let mut last = None;
///     while let Some(now) = reader.next().await {
///         last = Some(now);
///     }
///     let last = last.expect("it has begun");
///     assert_eq!((last.state, last.parts[0].done), (State::Completed, 1000));
/// });
/// ```
#[derive(Debug, Clone)]
pub struct Progress {
    handle: Arc<Handle>,
}

/// Ends its operation when it is dropped.
#[derive(Debug)]
struct Handle {
    node: Arc<Node>,
    bell: Sender<()>,
    clock: Clock,
}

#[derive(Debug)]
struct Node {
    operation: String,
    unit: &'static str,
    begun: Instant,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    done: u64,
    total: Option<u64>,
    message: Option<String>,
    ended: Option<(State, Instant)>,
    samples: Vec<(Instant, u64)>,
    parts: Vec<Arc<Node>>,
}

/// How an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    Running,
    /// It is done.
    Completed,
    /// It is not, and will not be.
    Failed,
}

/// An operation as it was when it was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// What it is called.
    pub operation: String,
    /// How it stands.
    pub state: State,
    /// How much is done.
    pub done: u64,
    /// Of how much, where that is known.
    pub total: Option<u64>,
    /// What is counted; empty for an operation that is only the sum of its parts.
    pub unit: &'static str,
    /// What it is at, for people.
    pub message: Option<String>,
    /// How long it has taken so far, or took.
    pub elapsed: Duration,
    /// How much is done in a second, lately; `None` before anything is known of it.
    pub per_second: Option<f64>,
    /// What it consists of, those that go on and those that ended last.
    pub parts: Vec<Self>,
}

impl Snapshot {
    /// How long it will take yet, as far as that can be told.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        let (total, rate) = (self.total?, self.per_second.filter(|rate| *rate > 0.0)?);
        #[expect(clippy::cast_precision_loss, reason = "nobody counts that far, and it is a guess")]
        let seconds = total.saturating_sub(self.done) as f64 / rate;
        (self.state == State::Running).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
    }
}

/// Begins an operation that consists of others, and gives who looks at it.
#[must_use]
pub fn begin(clock: &Clock, operation: &str) -> (Progress, Reader) {
    let (bell, rung) = async_channel::bounded(1);
    let node = Arc::new(Node::new(operation, "", clock.now()));
    let reader = Reader { node: Arc::clone(&node), clock: clock.clone(), rung, told_end: false };
    let progress = Progress { handle: Arc::new(Handle { node, bell, clock: clock.clone() }) };
    progress.ring();
    (progress, reader)
}

impl Node {
    fn new(operation: &str, unit: &'static str, begun: Instant) -> Self {
        let now =
            Now { done: 0, total: None, message: None, ended: None, samples: vec![(begun, 0)], parts: Vec::new() };
        Self { operation: operation.to_owned(), unit, begun, now: Mutex::new(now) }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Whatever panics under it leaves numbers that could have been reported.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.now().ended.is_some()
    }

    fn end(&self, state: State, at: Instant) {
        let mut now = self.now();
        // Who has ended once has ended so.
        if now.ended.is_none() {
            now.ended = Some((state, at));
        }
    }

    fn look(&self, at: Instant) -> Snapshot {
        let now = self.now();
        let (state, until) = now.ended.unwrap_or((State::Running, at));
        let first = now.samples.first().copied();
        let per_second = first.and_then(|(since, before)| {
            let seconds = until.saturating_duration_since(since).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "nobody counts that far, and it is a guess")]
            let done = now.done.saturating_sub(before) as f64;
            (seconds >= FIRST.as_secs_f64()).then(|| done / seconds)
        });
        Snapshot {
            operation: self.operation.clone(),
            state,
            done: now.done,
            total: now.total,
            unit: self.unit,
            message: now.message.clone(),
            elapsed: until.saturating_duration_since(self.begun),
            per_second,
            parts: now.parts.iter().map(|part| part.look(at)).collect(),
        }
    }
}

impl Progress {
    /// Begins a part of this operation, in which `unit` is counted.
    #[must_use]
    pub fn child(&self, operation: &str, unit: &'static str) -> Self {
        let Handle { node: parent, bell, clock } = &*self.handle;
        let node = Arc::new(Node::new(operation, unit, clock.now()));
        let mut now = parent.now();
        // Of ten thousand parts, one after the other, those that are over are no news.
        if now.parts.len() >= SAMPLES {
            let over = now.parts.iter().position(|part| part.is_over());
            over.map(|over| now.parts.remove(over));
        }
        now.parts.push(Arc::clone(&node));
        drop(now);
        let child = Self { handle: Arc::new(Handle { node, bell: bell.clone(), clock: clock.clone() }) };
        child.ring();
        child
    }

    /// `done` of `total` are done. Less than was done before is no news.
    pub fn reach(&self, done: u64, total: Option<u64>) {
        let at = self.handle.clock.now();
        let mut now = self.handle.node.now();
        now.done = now.done.max(done);
        now.total = total.map(|total| total.max(now.done));
        let newest = now.samples.last().copied();
        if newest.is_none_or(|(last, _)| at.saturating_duration_since(last) >= LATELY / 8) {
            let done = now.done;
            now.samples.push((at, done));
            if now.samples.len() > SAMPLES {
                now.samples.remove(0);
            }
        }
        drop(now);
        self.ring();
    }

    /// What it is at, for people.
    pub fn say(&self, message: &str) {
        self.handle.node.now().message = Some(message.to_owned());
        self.ring();
    }

    /// How far it is now.
    #[must_use]
    pub fn now(&self) -> Snapshot {
        self.handle.node.look(self.handle.clock.now())
    }

    /// It is done.
    pub fn complete(self) {
        self.end(State::Completed);
    }

    /// It failed; `why` is for people.
    pub fn fail(self, why: &str) {
        self.handle.node.now().message = Some(why.to_owned());
        self.end(State::Failed);
    }

    fn end(&self, state: State) {
        self.handle.node.end(state, self.handle.clock.now());
        self.ring();
    }

    /// Wakes the reader, if there is one and he is not awake anyway.
    fn ring(&self) {
        let _ = self.handle.bell.try_send(());
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.node.end(State::Failed, self.clock.now());
        let _ = self.bell.try_send(());
    }
}

/// Looks at an operation.
#[derive(Debug)]
pub struct Reader {
    node: Arc<Node>,
    clock: Clock,
    rung: Receiver<()>,
    told_end: bool,
}

impl Reader {
    /// How far it is now.
    #[must_use]
    pub fn now(&self) -> Snapshot {
        self.node.look(self.clock.now())
    }

    /// How far it is, once anything was reported since the last call; `None` after its end was told.
    pub async fn next(&mut self) -> Option<Snapshot> {
        if self.told_end {
            return None;
        }
        // That nobody can ring any more is news too: then it is over.
        let _ = self.rung.recv().await;
        let now = self.now();
        self.told_end = now.state != State::Running;
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn reports_that_nobody_reads_cost_nothing_and_leave_the_newest() {
        let (work, mut reader) = begin(&Clock::Real, "scan");
        let walk = work.child("walk", "commits");
        for done in 0..1_000_000 {
            walk.reach(done, Some(2_000_000));
        }
        let seen = smol::block_on(reader.next()).expect("it goes on");
        assert_eq!((seen.state, seen.parts[0].done, seen.parts[0].total), (State::Running, 999_999, Some(2_000_000)));
        assert!(walk.handle.node.now().samples.len() <= SAMPLES && reader.rung.is_empty());
        drop(reader);
        walk.reach(1_000_001, None);
        walk.complete();
    }

    #[test]
    fn nothing_goes_backwards_and_a_total_is_never_less_than_what_is_done() {
        let (work, reader) = begin(&Clock::Real, "scan");
        let seen = |done, total| {
            work.reach(done, total);
            (reader.now().done, reader.now().total)
        };
        assert_eq!(seen(5, Some(3)), (5, Some(5)));
        assert_eq!(seen(2, Some(9)), (5, Some(9)));
        assert_eq!(seen(6, None), (6, None));
    }

    #[test]
    fn every_operation_ends_one_way() {
        let ways: [(fn(Progress), State); 4] = [
            (Progress::complete, State::Completed),
            (|work| work.fail("no route"), State::Failed),
            (drop, State::Failed),
            (
                |work| {
                    let panicked = std::thread::spawn(move || {
                        work.reach(1, None);
                        panic!("in the middle of it");
                    });
                    assert!(panicked.join().is_err());
                },
                State::Failed,
            ),
        ];
        for (end, state) in ways {
            let (work, mut reader) = begin(&Clock::Real, "fetch");
            let other = work.clone();
            drop(other);
            assert_eq!(reader.now().state, State::Running, "somebody still has it");
            end(work);
            let mut last = None;
            while let Some(now) = smol::block_on(reader.next()) {
                last = Some(now.state);
            }
            assert_eq!(last, Some(state));
        }
        let (work, reader) = begin(&Clock::Real, "fetch");
        let other = work.clone();
        work.complete();
        other.fail("too late");
        assert_eq!(reader.now().state, State::Completed, "once and for all");
    }

    #[test]
    fn a_rate_is_that_of_late_and_tells_what_is_left() {
        let hands = ManualClock::new();
        let (work, reader) = begin(&Clock::from(&hands), "scan");
        assert_eq!(reader.now().per_second, None);
        // Ten in a second for a minute, then a hundred.
        for second in 1..=60 {
            hands.advance(Duration::from_secs(1));
            work.reach(second * 10, Some(2000));
        }
        let steady = reader.now();
        assert!((steady.per_second.expect("a rate") - 10.0).abs() < 0.001, "{steady:?}");
        assert_eq!(steady.left(), Some(Duration::from_secs(140)));
        for second in 1..=10 {
            hands.advance(Duration::from_secs(1));
            work.reach(600 + second * 100, Some(2000));
        }
        let fast = reader.now();
        assert!((fast.per_second.expect("a rate") - 100.0).abs() < 0.001, "{fast:?}");
        assert_eq!((fast.left(), fast.elapsed), (Some(Duration::from_secs(4)), Duration::from_secs(70)));
        work.complete();
        hands.advance(Duration::from_hours(1));
        assert_eq!((reader.now().left(), reader.now().elapsed), (None, Duration::from_secs(70)));
    }

    #[test]
    fn parts_that_are_over_make_room_and_those_that_go_on_stay() {
        let (work, reader) = begin(&Clock::Real, "sync");
        let stays = work.child("nova", "objects");
        for number in 0..10_000 {
            work.child(&number.to_string(), "objects").complete();
        }
        let names: Vec<String> = reader.now().parts.into_iter().map(|part| part.operation).collect();
        assert!(names.len() <= SAMPLES && names[0] == "nova" && names.contains(&"9999".to_owned()), "{names:?}");
        stays.complete();
    }
}
