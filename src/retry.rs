//! Trying again: how often, after what wait, and which errors are worth it. The policy is pure; [`Tries`] walks through it, on a
//! clock and with a source of chance that are passed in. Refuses what is tried, and to log: whoever tries is told of every
//! attempt.
//!
//! The wait after the *n*-th failure is drawn from zero up to `first_wait · 2ⁿ⁻¹`, but no more than `longest_wait` ("full jitter"):
//! many who fail together don't come back together. The total is bounded twice: by the number of attempts, and by a
//! [`Deadline`] that no attempt and no wait is begun beyond; an attempt itself keeps within what is [left](Attempt::left) of it.
//!
//! ```
//! use std::time::Duration;
//! use git_bhfuil::clock::{Clock, ManualClock};
//! use git_bhfuil::error::Kind;
//! use git_bhfuil::retry::{Chance, Strategy, Tries, retry};
//! use git_bhfuil::shutdown::Token;
//!
//! let strategy = Strategy { attempts: 3, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(30) };
//! let (hands, token) = (ManualClock::new(), Token::new());
//! let clock = Clock::from(&hands);
//! let tries = Tries::new(strategy, &clock, &token, None, Chance::seeded(7));
//! let mut log = Vec::new();
//! let answer = retry(
//!     tries,
//!     |tried| log.push((tried.attempt.number, tried.error.is_some())),
//!     |attempt| async move {
//!         if attempt.number < 2 { Err(Kind::Network.error("connection reset")) } else { Ok(42) }
//!     },
//! );
//! // The clock stands still until it is moved.
//! let (answer, _) = smol::block_on(smol::future::zip(answer, async {
//!     hands.until_asleep(1).await;
//!     hands.advance_to_next()
//! }));
//! assert_eq!(answer?, 42);
//! assert_eq!(log, [(1, true), (2, false)]);
//! # Ok::<(), anyhow::Error>(())
//! ```

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

use crate::clock::{Clock, Deadline};
use crate::debug;
use crate::error::{self, Class, Kind};
use crate::shutdown::Token;

/// How often something is tried, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strategy {
    /// How often in all; one or zero: never again.
    pub attempts: u32,
    /// The longest that the first wait may be.
    pub first_wait: Duration,
    /// The longest that any may be.
    pub longest_wait: Duration,
}

/// What is tried. Each kind has its own settings, `bhfuil.retry.<name>.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A repository is cloned.
    Clone,
    /// A repository is brought up to date.
    Fetch,
    /// A web server is asked.
    Http,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Clone, Self::Fetch, Self::Http];

    /// Its name in the keys of the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Fetch => "fetch",
            Self::Http => "http",
        }
    }
}

impl From<Operation> for Strategy {
    /// The defaults. A clone costs the server most, so it is repeated least.
    fn from(operation: Operation) -> Self {
        let (attempts, first, longest) = match operation {
            Operation::Clone => (3, 2000, 60_000),
            Operation::Fetch => (4, 1000, 30_000),
            Operation::Http => (4, 250, 10_000),
        };
        Self { attempts, first_wait: Duration::from_millis(first), longest_wait: Duration::from_millis(longest) }
    }
}

impl Strategy {
    /// The longest wait after so many failures.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).filter(|_| failures <= 32);
        let grown = doubled.and_then(|factor| self.first_wait.checked_mul(factor));
        grown.unwrap_or(Duration::MAX).min(self.longest_wait)
    }

    /// The wait after so many failures: the part `chance`, from 0 to 1, of the longest.
    #[must_use]
    pub fn wait(&self, failures: u32, chance: f64) -> Duration {
        self.ceiling(failures).mul_f64(chance.clamp(0.0, 1.0))
    }

    /// The most that all waits together may be.
    #[must_use]
    pub fn longest_total(&self) -> Duration {
        let waits = (1..self.attempts).map(|failures| self.ceiling(failures));
        waits.fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// Where the part of a wait is drawn from.
#[derive(Debug, Clone)]
pub struct Chance(fastrand::Rng);

impl Chance {
    /// One that nobody can foresee.
    #[must_use]
    pub fn new() -> Self {
        Self(fastrand::Rng::new())
    }

    /// One that gives the same for the same `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// One that goes its own way for each `name`, foreseeable if this one is.
    #[must_use]
    pub fn apart(&self, name: impl Hash) -> Self {
        let mut hash = DefaultHasher::new();
        self.0.get_seed().hash(&mut hash);
        name.hash(&mut hash);
        Self::seeded(hash.finish())
    }

    fn draw(&mut self) -> f64 {
        self.0.f64()
    }
}

impl Default for Chance {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an error is worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It would fail in the same way.
    Never,
    /// It may succeed.
    Soon,
    /// It may succeed, but not before so long: the server said so.
    After(Duration),
}

/// The usual answer: what is [transient](Class::Transient), but neither cancelled nor out of time.
#[must_use]
pub fn transient(error: &anyhow::Error) -> Again {
    let kind = error::kind_of(error);
    let worth = kind.class() == Class::Transient && !matches!(kind, Kind::Cancelled | Kind::Timeout);
    if worth { Again::Soon } else { Again::Never }
}

/// One attempt of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The first is 1.
    pub number: u32,
    /// How many there may be.
    pub of: u32,
    /// The time that is left for it, if that is limited.
    pub left: Option<Duration>,
}

/// How an attempt went.
#[derive(Debug)]
pub struct Tried<'e> {
    /// Which one it was.
    pub attempt: Attempt,
    /// Why it failed, if it did.
    pub error: Option<&'e anyhow::Error>,
    /// How long is waited before the next; `None` if there is none.
    pub wait: Option<Duration>,
}

/// The attempts at one thing.
#[derive(Debug)]
pub struct Tries<'a> {
    strategy: Strategy,
    clock: &'a Clock,
    token: &'a Token,
    deadline: Option<&'a Deadline>,
    chance: Chance,
    begun: u32,
}

impl<'a> Tries<'a> {
    /// Nothing has been tried yet.
    #[must_use]
    pub fn new(
        strategy: Strategy,
        clock: &'a Clock,
        token: &'a Token,
        deadline: Option<&'a Deadline>,
        chance: Chance,
    ) -> Self {
        Self { strategy, clock, token, deadline, chance, begun: 0 }
    }

    /// Begins the next attempt.
    pub fn begin(&mut self) -> Attempt {
        self.begun += 1;
        self.attempt()
    }

    fn attempt(&self) -> Attempt {
        let left = self.deadline.map(|deadline| deadline.left(self.clock));
        Attempt { number: self.begun, of: self.strategy.attempts.max(1), left }
    }

    /// The wait after an attempt that failed, `None` if it was the last: the error is not worth another, there were as many as
    /// there may be, somebody cancelled, or the wait would end beyond the deadline.
    pub fn wait_after(&mut self, again: Again) -> Option<Duration> {
        let least = match again {
            Again::Never => return None,
            Again::Soon => Duration::ZERO,
            Again::After(least) => least,
        };
        let wait = self.strategy.wait(self.begun, self.chance.draw()).max(least);
        let attempt = self.attempt();
        let worth = attempt.number < attempt.of && attempt.left.is_none_or(|left| wait < left);
        (worth && !self.token.is_cancelled()).then_some(wait)
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// [`Kind::Cancelled`], with `cause` below it, as soon as the token is cancelled.
    pub async fn wait(&self, wait: Duration, cause: anyhow::Error) -> anyhow::Result<()> {
        debug::warn("retry", || {
            format!("attempt {} of {} failed, the next in {wait:.1?}: {cause:#}", self.begun, self.strategy.attempts)
        });
        let cancelled = async {
            self.token.cancelled().await;
            true
        };
        let slept = async {
            self.clock.sleep(wait).await;
            false
        };
        if smol::future::or(cancelled, slept).await {
            return Err(Kind::Cancelled.wrap(cause, "cancelled before it was tried again"));
        }
        Ok(())
    }

    /// The last error, with how often it was tried if that was more than once.
    #[must_use]
    pub fn give_up(&self, error: anyhow::Error) -> anyhow::Error {
        if self.begun < 2 { error } else { error.context(format!("tried {} times", self.begun)) }
    }
}

/// Does `work` until it succeeds, its error isn't [transient], or it isn't to be tried again; `report` hears of every attempt.
/// Where the two need the same things, or another sort of error is worth trying again, use [`Tries`] in a loop.
///
/// # Errors
/// The last error of `work`, and [`Kind::Cancelled`] as soon as the token is cancelled during a wait.
pub async fn retry<T, Work: Future<Output = anyhow::Result<T>>>(
    mut tries: Tries<'_>,
    mut report: impl FnMut(&Tried<'_>),
    mut work: impl FnMut(Attempt) -> Work,
) -> anyhow::Result<T> {
    loop {
        let attempt = tries.begin();
        let error = match work(attempt).await {
            Ok(done) => {
                report(&Tried { attempt, error: None, wait: None });
                return Ok(done);
            }
            Err(error) => error,
        };
        let wait = tries.wait_after(transient(&error));
        report(&Tried { attempt, error: Some(&error), wait });
        match wait {
            Some(wait) => tries.wait(wait, error).await?,
            None => return Err(tries.give_up(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use smol::future::{block_on, or, zip};

    const STRATEGY: Strategy =
        Strategy { attempts: 4, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(3) };

    fn reset() -> anyhow::Error {
        Kind::Network.error("connection reset")
    }

    /// Runs `work` under [`STRATEGY`], the clock going from one wait to the next, and gives the result and what was reported.
    fn run<T, W: Future<Output = anyhow::Result<T>>>(
        token: &Token,
        allowed: Option<Duration>,
        work: impl FnMut(Attempt) -> W,
    ) -> (anyhow::Result<T>, Vec<(u32, Option<Duration>)>) {
        let hands = ManualClock::new();
        let clock = Clock::from(&hands);
        let deadline = allowed.map(|allowed| Deadline::after(&clock, allowed));
        let tries = Tries::new(STRATEGY, &clock, token, deadline.as_ref(), Chance::seeded(1));
        let mut seen = Vec::new();
        let result = retry(tries, |tried| seen.push((tried.attempt.number, tried.wait)), work);
        let time = async {
            loop {
                hands.until_asleep(1).await;
                let _ = hands.advance_to_next();
                smol::future::yield_now().await;
            }
        };
        let result = block_on(or(result, time));
        (result, seen)
    }

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        let ceilings: Vec<u64> = [1, 2, 3, 4, 40, u32::MAX].map(|failures| STRATEGY.ceiling(failures).as_secs()).into();
        assert_eq!(ceilings, [1, 2, 3, 3, 3, 3]);
        assert_eq!(STRATEGY.wait(2, 0.25), Duration::from_millis(500));
        assert_eq!((STRATEGY.wait(2, -1.0), STRATEGY.wait(2, 7.0)), (Duration::ZERO, Duration::from_secs(2)));
        assert_eq!(STRATEGY.longest_total(), Duration::from_secs(1 + 2 + 3));
        let unbounded = Strategy { longest_wait: Duration::MAX, ..STRATEGY };
        assert_eq!(unbounded.ceiling(33), Duration::MAX);
    }

    #[test]
    fn waits_spread_over_all_that_is_allowed() {
        let mut chance = Chance::seeded(3);
        let waits: Vec<Duration> = (0..1000).map(|_| STRATEGY.wait(3, chance.draw())).collect();
        let quarter = |part: u32| {
            let (low, high) = (STRATEGY.longest_wait * part / 4, STRATEGY.longest_wait * (part + 1) / 4);
            waits.iter().filter(|&&wait| (low..high).contains(&wait)).count()
        };
        assert!((0..4).all(|part| quarter(part) > 150), "{:?}", [0, 1, 2, 3].map(quarter));
        let mut again = Chance::seeded(3);
        assert_eq!(waits[0], STRATEGY.wait(3, again.draw()), "the seed decides");
        let apart = |name: &str| Chance::seeded(3).apart(name).draw().to_bits();
        assert_eq!(apart("nova"), apart("nova"));
        assert_ne!(apart("nova"), apart("neutron"), "the same options, and not the same waits");
    }

    #[test]
    fn a_transient_error_is_tried_again_as_often_as_allowed_and_told() {
        let (result, seen) = run(&Token::new(), None, |_| async { Err::<(), _>(reset()) });
        let error = result.expect_err("it never succeeds");
        assert_eq!(error::kind_of(&error), Kind::Network);
        assert_eq!(error::message_of(&error), "tried 4 times: connection reset");
        assert_eq!(seen.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        for (number, wait) in &seen[..3] {
            assert!(wait.expect("there is another") <= STRATEGY.ceiling(*number), "{seen:?}");
        }
        assert_eq!(seen[3].1, None);
    }

    #[test]
    fn what_will_fail_again_is_not_tried_again() {
        for kind in [Kind::Authentication, Kind::RemoteNotFound, Kind::BadUrl, Kind::DiskFull, Kind::Timeout, Kind::Git]
        {
            let (result, seen) = run(&Token::new(), None, |_| async move { Err::<(), _>(kind.error("no")) });
            let error = result.expect_err("it fails");
            assert_eq!((seen.len(), error::kind_of(&error)), (1, kind));
            assert_eq!(error::message_of(&error), "no");
        }
    }

    #[test]
    fn no_wait_goes_beyond_the_deadline_and_each_attempt_knows_what_is_left() {
        let allowed = Duration::from_secs(2);
        let mut left = Vec::new();
        let (result, seen) = run(&Token::new(), Some(allowed), |attempt| {
            left.push(attempt.left.expect("it is limited"));
            async { Err::<(), _>(reset()) }
        });
        assert_eq!(error::kind_of(&result.expect_err("it never succeeds")), Kind::Network);
        let waited: Duration = seen.iter().filter_map(|(_, wait)| *wait).sum();
        assert!(waited < allowed, "{seen:?}");
        assert_eq!(left[0], allowed);
        assert_eq!(left.last(), Some(&allowed.saturating_sub(waited)));
    }

    #[test]
    fn a_server_that_names_a_time_is_not_asked_before() {
        let (hands, token) = (ManualClock::new(), Token::new());
        let clock = Clock::from(&hands);
        let deadline = Deadline::after(&clock, Duration::from_mins(1));
        let mut tries = Tries::new(STRATEGY, &clock, &token, Some(&deadline), Chance::seeded(1));
        tries.begin();
        assert_eq!(tries.wait_after(Again::After(Duration::from_secs(50))), Some(Duration::from_secs(50)));
        assert_eq!(tries.wait_after(Again::After(Duration::from_mins(2))), None);
        assert!(tries.wait_after(Again::Soon).is_some_and(|wait| wait <= STRATEGY.first_wait));
    }

    #[test]
    fn a_wait_ends_when_somebody_cancels() {
        let (hands, token) = (ManualClock::new(), Token::new());
        let clock = Clock::from(&hands);
        let tries = Tries::new(STRATEGY, &clock, &token, None, Chance::seeded(1));
        let result = retry(tries, |_| {}, |_| async { Err::<(), _>(reset()) });
        let cancel = async {
            hands.until_asleep(1).await;
            token.cancel();
        };
        let error = block_on(zip(result, cancel)).0.expect_err("it was cancelled");
        assert_eq!(error::kind_of(&error), Kind::Cancelled);
        assert_eq!(error::message_of(&error), "cancelled before it was tried again: connection reset");
        let (result, seen) = run(&token, None, |_| async { Err::<(), _>(reset()) });
        assert_eq!((result.is_err(), seen.len()), (true, 1), "who is cancelled doesn't begin to wait");
    }
}
