//! Leaving a server alone that isn't well, as pure state: closed (it is asked) → open (it isn't, for a while) → half-open (one probe is
//! let through) → closed again, or open.
//!
//! Times are milliseconds since 1970, for the state outlives the process. Refuses to know what a failure is.

use std::time::Duration;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// So many failures in a row open it; zero counts as one.
    pub threshold: u32,
    /// So long nobody is let through.
    pub cooldown: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { threshold: 5, cooldown: Duration::from_secs(30) }
    }
}

/// What it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All are let through.
    Closed,
    /// Nobody is.
    Open,
    /// One is, to see whether the server is well again.
    HalfOpen,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Whether somebody may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Like everybody.
    Go,
    /// Alone: [`Breaker::succeeded`], [`Breaker::failed`] or [`Breaker::gave_up`] has to follow.
    Probe,
    /// Not before this time.
    Not(u64),
}

/// The breaker of one server.
///
/// ```
/// use std::time::Duration;
/// use git_bhfuil::http::breaker::{Breaker, Leave, Rules, State};
///
/// let rules = Rules { threshold: 2, cooldown: Duration::from_secs(30) };
/// let mut breaker = Breaker::default();
/// breaker.failed(1_000, rules);
/// breaker.failed(2_000, rules);
/// assert_eq!((breaker.state(2_000, rules), breaker.leave(2_000, rules)), (State::Open, Leave::Not(32_000)));
/// assert_eq!(breaker.leave(32_000, rules), Leave::Probe);
/// assert_eq!(breaker.leave(32_000, rules), Leave::Not(62_000), "one alone");
/// breaker.succeeded();
/// assert_eq!(breaker.leave(32_000, rules), Leave::Go);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    opened_at: Option<u64>,
    probed_at: Option<u64>,
}

impl Breaker {
    /// One of which is known how many failures in a row there were, and when it opened.
    #[must_use]
    pub fn known(failures: u32, opened_at: Option<u64>) -> Self {
        Self { failures, opened_at, probed_at: None }
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When it opened, if it isn't closed.
    #[must_use]
    pub fn opened_at(&self) -> Option<u64> {
        self.opened_at
    }

    /// What it is like.
    #[must_use]
    pub fn state(&self, now: u64, rules: Rules) -> State {
        match self.opened_at {
            None => State::Closed,
            Some(at) if is_over(at, now, rules) => State::HalfOpen,
            Some(_) => State::Open,
        }
    }

    /// Whether somebody may go now.
    pub fn leave(&mut self, now: u64, rules: Rules) -> Leave {
        let Some(opened_at) = self.opened_at else { return Leave::Go };
        // A probe of which nothing is heard for a whole cool-down holds nobody up.
        match self.probed_at {
            Some(at) if !is_over(at, now, rules) => Leave::Not(end(at, rules)),
            _ if is_over(opened_at, now, rules) => {
                self.probed_at = Some(now);
                Leave::Probe
            }
            _ => Leave::Not(end(opened_at, rules)),
        }
    }

    /// The server has answered: it is closed.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The server has failed.
    pub fn failed(&mut self, now: u64, rules: Rules) {
        self.failures = self.failures.saturating_add(1);
        self.probed_at = None;
        let opens = match self.opened_at {
            // What fails then was on its way when it opened.
            Some(at) => is_over(at, now, rules),
            None => self.failures >= rules.threshold.max(1),
        };
        if opens {
            self.opened_at = Some(now);
        }
    }

    /// A probe has come to no end: the next may be one.
    pub fn gave_up(&mut self) {
        self.probed_at = None;
    }
}

/// A time that is still to come is one of a clock that was wrong.
fn is_over(at: u64, now: u64, rules: Rules) -> bool {
    now < at || now >= end(at, rules)
}

fn end(at: u64, rules: Rules) -> u64 {
    at.saturating_add(u64::try_from(rules.cooldown.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { threshold: 3, cooldown: Duration::from_secs(10) };

    #[test]
    fn it_opens_at_the_threshold_of_failures_in_a_row() {
        let mut breaker = Breaker::default();
        breaker.failed(0, RULES);
        breaker.failed(0, RULES);
        breaker.succeeded();
        breaker.failed(1, RULES);
        breaker.failed(2, RULES);
        assert_eq!((breaker.state(2, RULES), breaker.leave(2, RULES)), (State::Closed, Leave::Go));
        breaker.failed(3, RULES);
        assert_eq!((breaker.state(3, RULES), breaker.leave(9_999, RULES)), (State::Open, Leave::Not(10_003)));
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let mut breaker = Breaker::known(3, Some(0));
        assert_eq!(breaker.state(10_000, RULES), State::HalfOpen);
        assert_eq!(breaker.leave(10_000, RULES), Leave::Probe);
        assert_eq!(breaker.leave(10_001, RULES), Leave::Not(20_000));
        breaker.failed(11_000, RULES);
        assert_eq!((breaker.leave(20_999, RULES), breaker.leave(21_000, RULES)), (Leave::Not(21_000), Leave::Probe));
        breaker.gave_up();
        assert_eq!(breaker.leave(21_001, RULES), Leave::Probe, "the other came to no end");
        breaker.succeeded();
        assert_eq!((breaker.state(21_002, RULES), breaker.failures()), (State::Closed, 0));
    }

    #[test]
    fn what_went_out_before_it_opened_and_fails_later_doesn_t_keep_it_shut_longer() {
        let mut breaker = Breaker::known(2, None);
        breaker.failed(0, RULES);
        let opened = breaker.opened_at();
        assert_eq!(opened, Some(0));
        // Six were on their way.
        breaker.failed(9_000, RULES);
        assert_eq!(breaker.opened_at(), Some(0));
    }

    #[test]
    fn neither_a_lost_probe_nor_a_clock_that_was_wrong_shuts_it_for_ever() {
        let mut breaker = Breaker::known(3, Some(0));
        assert_eq!(breaker.leave(10_000, RULES), Leave::Probe);
        assert_eq!(breaker.leave(20_000, RULES), Leave::Probe);
        assert_eq!(Breaker::known(3, Some(900_000)).leave(5, RULES), Leave::Probe);
    }
}
