//! One number of how far a call is, which only grows, of an operation that consists of phases, each of which is counted from nothing.

use serde_json::{Value, json};

use crate::progress::Snapshot;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Pace {
    phase: Option<String>,
    /// How much of that phase was done.
    done: u64,
    /// How much the phases before it have come to.
    before: u64,
    told: Option<u64>,
}

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    done: u64,
    total: Option<u64>,
    phase: String,
}

impl Step {
    /// The parameters of the notification whose token is `name`.
    pub(super) fn told(&self, name: &Value) -> Value {
        let mut params = json!({"progressToken": name, "progress": self.done, "message": self.phase});
        if let Some(total) = self.total {
            params["total"] = total.into();
        }
        params
    }
}

impl Pace {
    /// How far it is `now`; `None` if that is no news.
    pub(super) fn step(&mut self, now: &Snapshot) -> Option<Step> {
        let newest = now.parts.last()?;
        if self.phase.as_ref() != Some(&newest.operation) || newest.done < self.done {
            self.before = self.told.unwrap_or(0);
            self.phase = Some(newest.operation.clone());
        }
        self.done = newest.done;
        let done = self.before + newest.done;
        if self.told.is_some_and(|told| done <= told) {
            return None;
        }
        self.told = Some(done);
        let total = newest.total.map(|total| self.before + total);
        Some(Step { done, total, phase: newest.operation.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::progress;

    #[test]
    fn it_grows_through_all_phases_and_says_nothing_twice() {
        let (work, reader) = progress::begin(&Clock::Real, "where");
        let mut pace = Pace::default();
        let mut step = || pace.step(&reader.now()).map(|step| (step.done, step.total));
        assert_eq!(step(), None, "there is no phase yet");
        let index = work.child("index", "commits");
        index.reach(0, Some(10));
        assert_eq!((step(), step()), (Some((0, Some(10))), None));
        index.reach(7, Some(10));
        assert_eq!(step(), Some((7, Some(10))));
        let words = work.child("words", "commits");
        words.reach(0, None);
        assert_eq!(step(), None, "seven are done as before");
        words.reach(2, None);
        assert_eq!(step(), Some((9, None)));
        // Another repository's, of the same name.
        let other = work.child("words", "commits");
        other.reach(1, Some(3));
        assert_eq!(step(), Some((10, Some(12))));
    }

    #[test]
    fn a_total_that_is_not_known_is_not_told() {
        let step = Step { done: 3, total: None, phase: "index".into() };
        assert_eq!(step.told(&"t".into()), json!({"progressToken": "t", "progress": 3, "message": "index"}));
        let step = Step { total: Some(4), ..step };
        assert_eq!(step.told(&1.into())["total"], 4);
    }
}
