//! At most so many at a time: jobs about whole repositories wait for their turn here. Each is a future, polled where
//! [`Limit::run`] is awaited, on whatever executor; the blocking work of all of them shares one [`Pool`](crate::pipeline::Pool).

use std::future::Future;
use std::sync::Arc;

use smol::future::FutureExt as _;
use smol::lock::{Semaphore, SemaphoreGuardArc};

use crate::executor::{LocalExecutor, Task};
use crate::panics::Panic;

/// The most that may be asked for.
pub const MOST: usize = 64;

/// So many jobs at a time. Clones share the number.
///
/// ```
/// use git_bhfuil::repos::Limit;
///
/// let limit = Limit::new(2);
/// let lengths = smol::block_on(limit.run(["nova", "git"].map(|name| move |_slot| async move { name.len() })));
/// assert_eq!(lengths.into_iter().collect::<Result<Vec<_>, _>>()?, [4, 3]);
/// smol::block_on(limit.close());
/// # Ok::<(), git_bhfuil::panics::Panic>(())
/// ```
#[derive(Debug, Clone)]
pub struct Limit {
    permits: Arc<Semaphore>,
    at_once: usize,
}

/// What a job runs in. A job that has jobs of its own gives them to its slot: at least one of them runs in the slot itself, so that
/// jobs which wait for each other's slots don't wait for ever.
#[derive(Debug)]
pub struct Slot {
    limit: Limit,
    _permit: Option<SemaphoreGuardArc>,
}

impl Limit {
    /// At most `at_once` at a time: one at least, [`MOST`] at most.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.clamp(1, MOST);
        Self { permits: Arc::new(Semaphore::new(at_once)), at_once }
    }

    /// How many at a time.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Runs all `jobs`, begun in this order, and returns what each came to, in this order. One that panics is its own error and leaves
    /// the others whole. Dropping the future drops those that have begun, and begins no other.
    pub async fn run<J, F, T>(&self, jobs: impl IntoIterator<Item = J>) -> Vec<Result<T, Panic>>
    where
        J: FnOnce(Slot) -> F,
        F: Future<Output = T>,
    {
        let executor = LocalExecutor::new();
        let all = async {
            let mut begun = Vec::new();
            for job in jobs {
                let permit = self.permits.acquire_arc().await;
                begun.push(executor.spawn(guarded(job, self.slot(Some(permit)))));
            }
            let mut outcomes = Vec::with_capacity(begun.len());
            for task in begun {
                outcomes.push(task.await);
            }
            outcomes
        };
        executor.run(all).await
    }

    /// Runs `job` when its turn comes. As for [`Self::run`], a panic is its error, and dropping the future drops it.
    ///
    /// # Errors
    /// The panic.
    pub async fn run_one<F: Future<Output = T>, T>(&self, job: impl FnOnce(Slot) -> F) -> Result<T, Panic> {
        let permit = self.permits.acquire_arc().await;
        guarded(job, self.slot(Some(permit))).await
    }

    /// Waits until nothing runs any more, and keeps anything from beginning.
    pub async fn close(&self) {
        for _ in 0..self.at_once {
            // Kept for good: a slot that is taken is never given again.
            self.permits.acquire_arc().await.forget();
        }
    }

    fn slot(&self, permit: Option<SemaphoreGuardArc>) -> Slot {
        Slot { limit: self.clone(), _permit: permit }
    }
}

impl Slot {
    /// As [`Limit::run`], for the jobs of a job.
    pub async fn run<J, F, T>(&self, jobs: impl IntoIterator<Item = J>) -> Vec<Result<T, Panic>>
    where
        J: FnOnce(Self) -> F,
        F: Future<Output = T>,
    {
        let executor = LocalExecutor::new();
        let all = async {
            let mut begun = Vec::new();
            for job in jobs {
                if let Some(permit) = self.limit.permits.try_acquire_arc() {
                    begun.push(Begun::Beside(executor.spawn(guarded(job, self.limit.slot(Some(permit))))));
                } else {
                    begun.push(Begun::Here(guarded(job, self.limit.slot(None)).await));
                }
            }
            let mut outcomes = Vec::with_capacity(begun.len());
            for one in begun {
                outcomes.push(match one {
                    Begun::Here(outcome) => outcome,
                    Begun::Beside(task) => task.await,
                });
            }
            outcomes
        };
        executor.run(all).await
    }
}

enum Begun<T> {
    /// Run in the slot of its parent.
    Here(Result<T, Panic>),
    /// Running in one of its own.
    Beside(Task<Result<T, Panic>>),
}

/// The job in its slot, which is free again when the job is over.
async fn guarded<F: Future<Output = T>, T>(job: impl FnOnce(Slot) -> F, slot: Slot) -> Result<T, Panic> {
    std::panic::AssertUnwindSafe(async { job(slot).await }).catch_unwind().await.map_err(Panic::from)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use super::*;

    /// Notes its number where it is dropped.
    struct Ended(usize, Rc<RefCell<Vec<usize>>>);

    impl Drop for Ended {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }

    /// A job that counts how many run while it does, through several turns of the executor.
    fn counting<'a>(now: &'a Cell<usize>, most: &'a Cell<usize>) -> impl AsyncFnOnce(Slot) + 'a {
        async |_slot| {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            for _ in 0..5 {
                smol::future::yield_now().await;
            }
            now.set(now.get() - 1);
        }
    }

    #[test]
    fn never_more_than_the_limit_at_once_and_as_many_as_it_allows() {
        for (asked, at_once) in [(0, 1), (1, 1), (3, 3), (1000, MOST)] {
            let limit = Limit::new(asked);
            let (now, most) = (Cell::new(0), Cell::new(0));
            let done = smol::block_on(limit.run((0..200).map(|_| {
                let job = counting(&now, &most);
                move |slot| job(slot)
            })));
            assert_eq!((done.len(), most.get()), (200, at_once));
        }
    }

    #[test]
    fn results_keep_their_order_and_a_panic_leaves_the_others_whole() {
        let limit = Limit::new(3);
        let jobs = (0..10_u32).map(|number| {
            move |_slot: Slot| async move {
                for _ in 0..10 - number {
                    smol::future::yield_now().await;
                }
                assert!(number != 4, "number {number}");
                number
            }
        });
        let outcomes = smol::block_on(limit.run(jobs));
        for (number, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(own) => assert_eq!(own, number),
                Err(panic) => assert_eq!((number, panic.message()), (4, "number 4")),
            }
        }
        let again = smol::block_on(limit.run([|_slot| async { 1 }]));
        assert!(matches!(again[..], [Ok(1)]), "its slot is free again");
    }

    #[test]
    fn nested_limits_do_not_deadlock() {
        let limit = Limit::new(2);
        let (now, most) = (Cell::new(0), Cell::new(0));
        let (now, most) = (&now, &most);
        let outer = (0..4).map(|_| {
            async move |slot: Slot| {
                let inner = (0..4).map(|_| {
                    let job = counting(now, most);
                    move |slot| job(slot)
                });
                slot.run(inner).await.len()
            }
        });
        let done = smol::block_on(limit.run(outer));
        assert!(done.iter().all(|count| matches!(count, Ok(4))));
        assert!(most.get() <= 2, "{} at once", most.get());
    }

    #[test]
    fn dropping_it_drops_what_has_begun_and_close_waits_for_the_rest() {
        let limit = Limit::new(2);
        let log = Rc::new(RefCell::new(Vec::new()));
        let jobs = (0..5).map(|number| {
            let log = Rc::clone(&log);
            async move |_slot: Slot| {
                let _ended = Ended(number, log);
                smol::future::pending::<()>().await;
            }
        });
        smol::block_on(smol::future::or(
            async {
                limit.run(jobs).await;
            },
            async {
                for _ in 0..100 {
                    smol::future::yield_now().await;
                }
            },
        ));
        log.borrow_mut().sort_unstable();
        assert_eq!(*log.borrow(), [0, 1], "two had begun");
        smol::block_on(limit.close());
        let late = smol::block_on(smol::future::or(async { Some(limit.run([|_slot| async { 1 }]).await) }, async {
            smol::future::yield_now().await;
            None
        }));
        assert!(late.is_none(), "nothing begins any more");
    }
}
