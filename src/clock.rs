//! Time as a parameter: the real clock, and one that only a test moves, so that waits, deadlines and expiry are shown without
//! sleeping. Owns what time it is and how to wait for another; refuses what is waited for.
//!
//! The real one works on any executor. In both, time never goes backwards.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use crate::error::Kind;

/// A clock, cheap to clone; clones of a manual one share its hands.
///
/// ```
/// use std::time::Duration;
/// use git_bhfuil::clock::{Clock, ManualClock};
///
/// let hands = ManualClock::new();
/// let clock = Clock::from(&hands);
/// let begin = clock.now();
/// let nap = clock.sleep(Duration::from_hours(1));
/// smol::block_on(smol::future::zip(nap, async {
///     hands.until_asleep(1).await;
///     hands.advance(Duration::from_hours(1));
/// }));
/// assert_eq!(clock.now() - begin, Duration::from_hours(1));
/// ```
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's monotonic clock.
    #[default]
    Real,
    /// One that stands still until it is moved.
    Manual(ManualClock),
}

impl From<&ManualClock> for Clock {
    fn from(hands: &ManualClock) -> Self {
        Self::Manual(hands.clone())
    }
}

impl Clock {
    /// What time it is. Good for differences only.
    #[must_use]
    pub fn now(&self) -> Instant {
        match self {
            Self::Real => Instant::now(),
            Self::Manual(hands) => hands.start + hands.state().passed,
        }
    }

    /// The time of day, for what other processes read; the system may set it, also back.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        match self {
            Self::Real => SystemTime::now(),
            Self::Manual(hands) => {
                let state = hands.state();
                hands.wall + state.passed + state.suspended
            }
        }
    }

    /// Waits for `time`; one too long to be counted is waited for in vain.
    pub async fn sleep(&self, time: Duration) {
        match self {
            Self::Real => drop(smol::Timer::after(time).await),
            Self::Manual(hands) => hands.sleep(time).await,
        }
    }

    /// What `work` gives if that comes within `time`; else `work` is dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use git_bhfuil::clock::Clock;
    ///
    /// smol::block_on(async {
    ///     let clock = Clock::Real;
    ///     assert_eq!(clock.within(Duration::from_hours(1), async { 7 }).await, Some(7));
    ///     assert_eq!(clock.within(Duration::ZERO, std::future::pending::<u8>()).await, None);
    /// });
    /// ```
    pub async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        let expired = async {
            self.sleep(time).await;
            None
        };
        smol::future::or(async { Some(work.await) }, expired).await
    }
}

/// The hands of a manual clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    start: Instant,
    wall: SystemTime,
    state: Arc<Mutex<Hands>>,
}

#[derive(Debug, Default)]
struct Hands {
    passed: Duration,
    /// How long the machine was suspended.
    suspended: Duration,
    /// When each sleeper wants to be woken, since the start, and how.
    sleepers: BTreeMap<u64, (Duration, Waker)>,
    last: u64,
    /// Those who wait for sleepers.
    watchers: Vec<Waker>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self { start: Instant::now(), wall: SystemTime::now(), state: Arc::default() }
    }
}

impl ManualClock {
    /// A clock that stands still.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves it on by `time` and wakes those whose time has come.
    pub fn advance(&self, time: Duration) {
        let mut state = self.state();
        state.passed = state.passed.saturating_add(time);
        let passed = state.passed;
        let due = state.sleepers.extract_if(.., |_, (until, _)| *until <= passed).map(|(_, (_, waker))| waker);
        let due: Vec<Waker> = due.collect();
        // A waker may run its task at once, which would find the state locked.
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }

    /// Suspends the machine for `time`: the time of day goes on, and nobody is woken.
    pub fn suspend(&self, time: Duration) {
        let mut state = self.state();
        state.suspended = state.suspended.saturating_add(time);
    }

    /// Moves it on to the time that the next sleeper waits for. How far that was; `None` if nobody sleeps.
    #[must_use]
    pub fn advance_to_next(&self) -> Option<Duration> {
        let step = {
            let state = self.state();
            let next = state.sleepers.values().map(|(until, _)| *until).min()?;
            next.saturating_sub(state.passed)
        };
        self.advance(step);
        Some(step)
    }

    /// How many sleep.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }

    /// Waits until at least `count` sleep: then there is somebody whom [`ManualClock::advance`] can wake.
    pub async fn until_asleep(&self, count: usize) {
        poll_fn(|context| {
            let mut state = self.state();
            if state.sleepers.len() >= count {
                return Poll::Ready(());
            }
            state.watchers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    async fn sleep(&self, time: Duration) {
        let (id, until) = {
            let mut state = self.state();
            state.last += 1;
            (state.last, state.passed.saturating_add(time))
        };
        let _bed = Bed { hands: self, id };
        poll_fn(|context| {
            let mut state = self.state();
            if state.passed >= until {
                return Poll::Ready(());
            }
            state.sleepers.insert(id, (until, context.waker().clone()));
            let watchers = std::mem::take(&mut state.watchers);
            drop(state);
            watchers.into_iter().for_each(Waker::wake);
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, Hands> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sleeper who gives up counts no more.
struct Bed<'c> {
    hands: &'c ManualClock,
    id: u64,
}

impl Drop for Bed<'_> {
    fn drop(&mut self) {
        let waker = self.hands.state().sleepers.remove(&self.id);
        drop(waker);
    }
}

/// When an operation, with all that it tries again, has to be done; and what to say if it isn't.
///
/// ```
/// use std::time::Duration;
/// use git_bhfuil::clock::{Clock, Deadline};
/// use git_bhfuil::error;
///
/// let deadline = Deadline::after(&Clock::Real, Duration::from_mins(10)).set_by("bhfuil.timeout.clone");
/// let error = deadline.missed("cloning nova");
/// assert_eq!(error.to_string(), "cloning nova took longer than 10 min");
/// assert_eq!(error::hint_of(&error), Some("bhfuil.timeout.clone sets how long it may take"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// `None` if it lies too far away to be counted.
    at: Option<Instant>,
    allowed: Duration,
    setting: Option<Cow<'static, str>>,
    whole: Option<Cow<'static, str>>,
}

impl Deadline {
    /// The one that lies `allowed` from now.
    #[must_use]
    pub fn after(clock: &Clock, allowed: Duration) -> Self {
        Self { at: clock.now().checked_add(allowed), allowed, setting: None, whole: None }
    }

    /// As [`Self::after`], where there may be no limit: then it never comes.
    #[must_use]
    pub fn within(clock: &Clock, limit: Option<Duration>) -> Self {
        Self::after(clock, limit.unwrap_or(Duration::MAX))
    }

    /// The same, as `setting` has it, a key of the configuration.
    #[must_use]
    pub fn set_by(self, setting: impl Into<Cow<'static, str>>) -> Self {
        Self { setting: Some(setting.into()), ..self }
    }

    /// The same, for all of `operation` (`cloning nova`): whichever step of that misses it, it is the whole that took too long.
    #[must_use]
    pub fn bounding(self, operation: impl Into<Cow<'static, str>>) -> Self {
        Self { whole: Some(operation.into()), ..self }
    }

    /// The time that is left of it; zero if it is over.
    #[must_use]
    pub fn left(&self, clock: &Clock) -> Duration {
        self.at.map_or(Duration::MAX, |at| at.saturating_duration_since(clock.now()))
    }

    /// Waits until it is over.
    pub async fn over(&self, clock: &Clock) {
        clock.sleep(self.left(clock)).await;
    }

    /// What `work` comes to if that is before it is over; else `work` is dropped, and has missed it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use git_bhfuil::clock::{Clock, Deadline};
    ///
    /// let deadline = Deadline::after(&Clock::Real, Duration::ZERO).bounding("counting sheep");
    /// let counted = smol::block_on(deadline.bound(&Clock::Real, std::future::pending::<anyhow::Result<u8>>()));
    /// assert_eq!(counted.unwrap_err().to_string(), "counting sheep took longer than 0 ms");
    /// ```
    ///
    /// # Errors
    /// That of `work`, or of [`Self::missed`].
    pub async fn bound<T>(&self, clock: &Clock, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let missed = async {
            self.over(clock).await;
            Err(self.missed("the operation"))
        };
        smol::future::or(work, missed).await
    }

    /// The error of `operation` (`cloning nova`), or of the whole that it is a step of, which missed it: [`Kind::Timeout`], and the
    /// setting as a hint.
    #[must_use]
    pub fn missed(&self, operation: &str) -> anyhow::Error {
        let operation = self.whole.as_deref().unwrap_or(operation);
        let message = format!("{operation} took longer than {}", spoken(self.allowed));
        match &self.setting {
            Some(setting) => Kind::Timeout.hinted(message, format!("{setting} sets how long it may take")),
            None => Kind::Timeout.error(message),
        }
    }
}

/// A time in the largest unit that says it in whole numbers, `90 s` or `2 h`.
#[must_use]
pub fn spoken(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let units = [(3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let unit = units.into_iter().find(|(length, _)| milliseconds >= *length && milliseconds.is_multiple_of(*length));
    let (length, name) = unit.unwrap_or((1, "ms"));
    format!("{} {name}", milliseconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::{block_on, poll_once, zip};

    #[test]
    fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let hands = ManualClock::new();
        let clock = Clock::from(&hands);
        block_on(async {
            let mut nap = std::pin::pin!(clock.sleep(Duration::from_secs(2)));
            assert_eq!(poll_once(nap.as_mut()).await, None);
            hands.advance(Duration::from_secs(1));
            assert_eq!(poll_once(nap.as_mut()).await, None);
            hands.advance(Duration::from_secs(1));
            assert_eq!(poll_once(nap.as_mut()).await, Some(()));
        });
        assert_eq!(hands.sleepers(), 0);
    }

    #[test]
    fn sleepers_wake_in_the_order_of_their_time() {
        let hands = ManualClock::new();
        let clock = Clock::from(&hands);
        let order = Mutex::new(Vec::new());
        let sleeper = async |seconds: u64| {
            clock.sleep(Duration::from_secs(seconds)).await;
            order.lock().expect("no panic").push(seconds);
        };
        let mover = async {
            hands.until_asleep(2).await;
            assert_eq!(hands.advance_to_next(), Some(Duration::from_secs(1)));
            // The one that was woken has its turn.
            smol::future::yield_now().await;
            assert_eq!(hands.advance_to_next(), Some(Duration::from_secs(2)));
        };
        block_on(zip(zip(sleeper(3), sleeper(1)), mover));
        assert_eq!(*order.lock().expect("no panic"), [1, 3]);
        assert_eq!(hands.advance_to_next(), None);
    }

    #[test]
    fn a_sleep_that_is_dropped_leaves_nothing_behind() {
        let hands = ManualClock::new();
        let clock = Clock::from(&hands);
        let first = block_on(clock.within(Duration::from_secs(9), async { "work" }));
        assert_eq!(first, Some("work"));
        let mut nap = Box::pin(clock.sleep(Duration::from_secs(1)));
        assert_eq!(block_on(poll_once(&mut nap)), None);
        assert_eq!(hands.sleepers(), 1);
        drop(nap);
        assert_eq!(hands.sleepers(), 0);
    }

    #[test]
    fn while_the_machine_is_suspended_only_the_time_of_day_goes_on() {
        let hands = ManualClock::new();
        let clock = Clock::from(&hands);
        let (now, wall) = (clock.now(), clock.wall());
        hands.suspend(Duration::from_hours(1));
        hands.advance(Duration::from_secs(1));
        assert_eq!(clock.now() - now, Duration::from_secs(1));
        assert_eq!(clock.wall().duration_since(wall).ok(), Some(Duration::from_secs(3601)));
    }

    #[test]
    fn a_deadline_counts_down_and_never_below_zero() {
        let hands = ManualClock::new();
        let clock = Clock::from(&hands);
        let deadline = Deadline::after(&clock, Duration::from_secs(90));
        hands.advance(Duration::from_mins(1));
        assert_eq!(deadline.left(&clock), Duration::from_secs(30));
        hands.advance(Duration::from_mins(1));
        assert_eq!(deadline.left(&clock), Duration::ZERO);
        block_on(deadline.over(&clock));
        assert_eq!(crate::error::kind_of(&deadline.missed("x")), Kind::Timeout);
        let never = Deadline::within(&clock, None);
        assert_eq!(never.left(&clock), Duration::MAX);
        assert_eq!(block_on(never.bound(&clock, async { Ok(7) })).ok(), Some(7));
    }

    #[test]
    fn times_are_spoken_in_whole_units() {
        for (milliseconds, text) in
            [(0, "0 ms"), (250, "250 ms"), (90_000, "90 s"), (600_000, "10 min"), (7_200_000, "2 h"), (1500, "1500 ms")]
        {
            assert_eq!(spoken(Duration::from_millis(milliseconds)), text);
        }
    }
}
