//! Panics that are caught: they are told to whoever catches them, and not to stderr. What panics here is mostly an object database
//! whose files a `git gc` moves under its reader; trying again with a fresh view of it helps. Refuses to hide what nobody catches.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    /// How many callers on this thread's stack catch panics.
    static CATCHERS: Cell<usize> = const { Cell::new(0) };
}

/// A panic that was caught.
#[derive(Debug)]
pub struct Panic(Box<dyn Any + Send>);

impl Panic {
    /// What it said.
    #[must_use]
    pub fn message(&self) -> &str {
        let text = self.0.downcast_ref::<&str>().copied();
        text.or_else(|| self.0.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
    }

    /// Lets it go on to the next who catches.
    pub fn resume(self) -> ! {
        resume_unwind(self.0)
    }
}

impl From<Box<dyn Any + Send>> for Panic {
    /// What `catch_unwind` gives.
    fn from(payload: Box<dyn Any + Send>) -> Self {
        Self(payload)
    }
}

impl std::fmt::Display for Panic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it panicked: {}", self.message())
    }
}

impl std::error::Error for Panic {}

/// Lets the usual hook say nothing of panics that [`caught`] catches. For the start of a program.
pub fn hush_caught() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if CATCHERS.get() == 0 {
            usual(info);
        }
    }));
}

/// Runs `work`. What it leaves half done must not be used after a panic.
///
/// # Errors
/// If it panicked.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    CATCHERS.set(CATCHERS.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHERS.set(CATCHERS.get() - 1);
    outcome.map_err(Panic)
}

/// Runs `step`, and once more after `renew` if it panics; the second panic goes on.
pub fn twice<S, T>(state: &mut S, step: impl Fn(&mut S) -> T, renew: impl FnOnce(&mut S)) -> T {
    caught(|| step(state)).unwrap_or_else(|_| {
        renew(state);
        caught(|| step(state)).unwrap_or_else(|panic| panic.resume())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_callers_error_with_its_message() {
        assert_eq!(caught(|| 7).ok(), Some(7));
        assert_eq!(
            caught(|| panic!("pack {}", 3)).map_err(|panic| panic.message().to_owned()),
            Err::<(), _>("pack 3".into())
        );
    }

    #[test]
    fn a_step_that_panics_is_done_again_once() {
        let step = |broken: &mut u32| {
            assert!(*broken == 0, "still broken");
            "done"
        };
        assert_eq!(twice(&mut 1, step, |broken| *broken -= 1), "done");
        let failed = caught(|| twice(&mut 2, step, |broken| *broken -= 1));
        assert_eq!(failed.map_err(|panic| panic.message().to_owned()), Err("still broken".into()));
        assert_eq!(CATCHERS.get(), 0);
    }
}
