//! When a repository is to be looked at. Pure: time is passed in.

use std::time::{Duration, Instant, SystemTime};

use super::Times;

/// The time of day is set by so much now and then, a little at a time.
const ADJUSTED: Duration = Duration::from_secs(5);

/// What has happened to a repository since it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// When a look last began or ended; `None` if never.
    looked: Option<Instant>,
    /// When it was made known.
    begun: Instant,
    /// When something happened first, and last.
    noticed: Option<(Instant, Instant)>,
}

impl Pace {
    /// Of one that is to be looked at now.
    pub(super) fn new(now: Instant) -> Self {
        Self { looked: None, begun: now, noticed: None }
    }

    /// Something has happened.
    pub(super) fn noticed(&mut self, now: Instant) {
        let first = self.noticed.map_or(now, |(first, _)| first);
        self.noticed = Some((first, now));
    }

    /// A look begins: what happens from now on is for the next.
    pub(super) fn look_begins(&mut self, now: Instant) {
        *self = Self { looked: Some(now), noticed: None, ..*self };
    }

    /// A look has ended: however long it took, there is a pause before the next that nothing calls for.
    pub(super) fn look_ends(&mut self, now: Instant) {
        self.looked = Some(now);
    }

    /// When it is to be looked at next. `is_noticed`: whether the file system says when something happens.
    pub(super) fn due(&self, times: &Times, is_noticed: bool) -> Instant {
        let every = if is_noticed { times.noticed } else { times.unnoticed };
        let in_any_case = self.looked.map_or(self.begun, |looked| looked + every);
        match self.noticed {
            Some((first, last)) => in_any_case.min((last + times.quiet).min(first + times.longest)),
            None => in_any_case,
        }
    }
}

/// Tells whether the machine has slept: then the time of day has gone on, and nothing else has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walls {
    now: Instant,
    wall: SystemTime,
}

impl Walls {
    pub(super) fn new(now: Instant, wall: SystemTime) -> Self {
        Self { now, wall }
    }

    /// Whether it has since the last call.
    pub(super) fn has_slept(&mut self, now: Instant, wall: SystemTime) -> bool {
        let passed = now.saturating_duration_since(self.now);
        // A clock that was set back hasn't slept.
        let on_the_wall = wall.duration_since(self.wall).unwrap_or_default();
        *self = Self { now, wall };
        on_the_wall > passed + ADJUSTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        quiet: Duration::from_millis(200),
        longest: Duration::from_secs(2),
        noticed: Duration::from_mins(1),
        unnoticed: Duration::from_secs(3),
    };

    #[test]
    fn a_repository_is_looked_at_when_it_has_been_quiet_for_a_while() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::new(start);
        assert_eq!(pace.due(&TIMES, true), start, "at once for the first time");
        pace.look_begins(at(5));
        pace.look_ends(at(10));
        assert_eq!(pace.due(&TIMES, true), at(60_010), "a net under what gets lost");
        assert_eq!(pace.due(&TIMES, false), at(3010), "the only way");
        pace.noticed(at(100));
        assert_eq!(pace.due(&TIMES, true), at(300));
        pace.noticed(at(250));
        assert_eq!(pace.due(&TIMES, true), at(450), "it goes on");
        for millis in (300..2000).step_by(100) {
            pace.noticed(at(millis));
        }
        assert_eq!(pace.due(&TIMES, true), at(2100), "but not for ever");
        pace.look_begins(at(2100));
        assert_eq!(pace.due(&TIMES, true), at(62_100));
        pace.noticed(at(2200));
        pace.look_ends(at(9000));
        assert_eq!(pace.due(&TIMES, true), at(2400), "what happened while it was looked");
    }

    #[test]
    fn a_machine_that_has_slept_is_told_from_a_clock_that_was_set() {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let mut walls = Walls::new(start, wall);
        let seconds = Duration::from_secs;
        assert!(!walls.has_slept(start + seconds(60), wall + seconds(61)));
        assert!(walls.has_slept(start + seconds(61), wall + seconds(3661)), "an hour");
        assert!(!walls.has_slept(start + seconds(62), wall + seconds(3662)), "told once");
        assert!(!walls.has_slept(start + seconds(63), wall), "set back");
        assert!(!walls.has_slept(start + seconds(64), wall + seconds(1)));
    }
}
