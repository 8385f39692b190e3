//! What many calls of an operation come to. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Call, Outcome};

/// How an operation has fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Its name.
    pub operation: String,
    /// How many times it ran.
    pub calls: u64,
    /// How many of these failed.
    pub failed: u64,
    /// How many did a part of what was asked.
    pub partial: u64,
    /// How many were stopped before they were done.
    pub cancelled: u64,
    /// The time that half of those that weren't cancelled kept within; `None` if all were.
    pub p50: Option<Duration>,
    /// The time that 95 of 100 of them kept within.
    pub p95: Option<Duration>,
    /// The longest of them.
    pub longest: Option<Duration>,
    /// What all together received, where that is known of any.
    pub bytes: Option<u64>,
    /// The highest memory use of a process in bytes, where the system says it.
    pub peak: Option<u64>,
    /// When the last one ended, in seconds since 1970.
    pub last: i64,
}

impl Statistics {
    /// Those of `calls`, by the names of their operations.
    #[must_use]
    pub fn of<'c>(calls: impl IntoIterator<Item = &'c Call>) -> Vec<Self> {
        let mut by_name: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        for call in calls {
            by_name.entry(&call.operation).or_default().push(call);
        }
        by_name.into_iter().map(|(name, calls)| Self::of_one(name, &calls)).collect()
    }

    fn of_one(name: &str, calls: &[&Call]) -> Self {
        let count = |outcome| calls.iter().filter(|call| call.outcome == outcome).count() as u64;
        let mut times: Vec<Duration> =
            calls.iter().filter(|call| call.outcome != Outcome::Cancelled).map(|call| call.took).collect();
        times.sort_unstable();
        Self {
            operation: name.to_owned(),
            calls: calls.len() as u64,
            failed: count(Outcome::Failed),
            partial: count(Outcome::Partial),
            cancelled: count(Outcome::Cancelled),
            p50: percentile(&times, 50),
            p95: percentile(&times, 95),
            longest: times.last().copied(),
            bytes: calls.iter().filter_map(|call| call.bytes).reduce(u64::saturating_add),
            peak: calls.iter().filter_map(|call| call.peak).max(),
            last: calls.iter().map(|call| call.at).max().unwrap_or(0),
        }
    }

    /// How many of those that nobody stopped did all that was asked, from 0 to 1; `None` if all were stopped.
    #[must_use]
    pub fn success(&self) -> Option<f64> {
        let ended = self.calls - self.cancelled;
        #[expect(clippy::cast_precision_loss, reason = "a history has thousands of calls at most")]
        let share = |count: u64| count as f64 / ended as f64;
        (ended > 0).then(|| share(ended - self.failed - self.partial))
    }
}

/// The least of `sorted` that so many in a hundred don't exceed: the nearest rank.
fn percentile(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, outcome: Outcome, milliseconds: u64) -> Call {
        let took = Duration::from_millis(milliseconds);
        Call { operation: operation.to_owned(), outcome, took, at: 0, bytes: None, peak: None }
    }

    #[test]
    fn a_percentile_is_the_least_time_that_so_many_kept_within() {
        for count in 1..=250_usize {
            // In an order of no meaning.
            let times: Vec<u64> = (0..count as u64).map(|number| number * 7919 % 1009).collect();
            let calls: Vec<Call> = times.iter().map(|&time| call("x", Outcome::Ok, time)).collect();
            let told = &Statistics::of(&calls)[0];
            for (percent, told) in [(50, told.p50), (95, told.p95), (100, told.longest)] {
                let within = |limit: u64| times.iter().filter(|time| **time <= limit).count() * 100 >= percent * count;
                let mut plain = times.clone();
                plain.sort_unstable();
                let least = plain.into_iter().find(|time| within(*time));
                assert_eq!(told, least.map(Duration::from_millis), "{percent} of {count}");
            }
        }
    }

    #[test]
    fn who_was_stopped_is_no_failure_and_has_no_time() {
        let calls = [
            call("b", Outcome::Ok, 10),
            call("a", Outcome::Cancelled, 9000),
            call("b", Outcome::Failed, 30),
            call("b", Outcome::Partial, 20),
            call("b", Outcome::Cancelled, 9000),
            call("b", Outcome::Ok, 40),
        ];
        let told = Statistics::of(&calls);
        let [stopped, other] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((stopped.calls, stopped.cancelled, stopped.p50, stopped.success()), (1, 1, None, None));
        assert_eq!((other.calls, other.failed, other.partial, other.cancelled), (5, 1, 1, 1));
        assert_eq!((other.longest, other.success()), (Some(Duration::from_millis(40)), Some(0.5)));
    }

    #[test]
    fn bytes_add_up_and_of_memory_the_most_counts() {
        let calls = [
            Call { bytes: Some(3), peak: Some(70), at: 8, ..call("x", Outcome::Ok, 1) },
            Call { bytes: None, peak: Some(90), at: 9, ..call("x", Outcome::Ok, 1) },
            Call { bytes: Some(4), peak: None, at: 7, ..call("x", Outcome::Ok, 1) },
        ];
        let told = &Statistics::of(&calls)[0];
        assert_eq!((told.bytes, told.peak, told.last), (Some(7), Some(90), 9));
    }
}
