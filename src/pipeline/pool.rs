//! The bounded pool of threads on which blocking git work runs. A job is one short step (a few hundred commits), so that
//! several repositories share the pool fairly: whoever asks next is served next, and a small job waits for one step, not for a
//! whole walk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use async_channel::{Receiver, Sender};

use crate::panics;

/// Jobs that may wait for each thread before `run` waits too.
const QUEUED_PER_THREAD: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that run closures, and a bounded queue in front of them. Clones share it; when the last is dropped, waiting jobs are
/// still run and the threads are joined.
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
    is_abandoned: AtomicBool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.jobs.close();
        if self.is_abandoned.load(Ordering::Acquire) {
            return;
        }
        let own = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // The last owner may be a job on the pool itself, which can't wait for its own end.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

/// Why a job has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobError {
    /// The closure panicked with this message; the thread lives on.
    Panicked(String),
    /// The pool was shut down before the job ran.
    Closed,
}

impl std::fmt::Display for JobError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panicked(message) => write!(f, "a worker panicked: {message}"),
            Self::Closed => f.write_str("the worker pool is closed"),
        }
    }
}

impl std::error::Error for JobError {}

impl Pool {
    /// A pool of `threads` threads (at least one).
    ///
    /// # Errors
    /// If a thread can't be started.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let (jobs, queue) = async_channel::bounded::<Job>(threads * QUEUED_PER_THREAD);
        let start = |number: usize| {
            let queue = queue.clone();
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || work(&queue))
        };
        let threads = (0..threads).map(start).collect::<Result<_, _>>()?;
        Ok(Self { shared: Arc::new(Shared { jobs, threads, is_abandoned: AtomicBool::new(false) }) })
    }

    /// Has nobody wait for the threads: a job of theirs may be stuck where a file system doesn't answer. They end when they get on.
    pub fn abandon(&self) {
        self.shared.is_abandoned.store(true, Ordering::Release);
    }

    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.threads.len()
    }

    /// Runs `job` on the pool and waits for its result; waits for room in the queue first. A job that has begun runs to its end,
    /// also if the future is dropped.
    ///
    /// # Errors
    /// If the job panicked, or the pool is closed.
    ///
    /// ```
    /// let pool = git_bhfuil::pipeline::Pool::new(2)?;
    /// let sum: u32 = smol::block_on(pool.run(|| (1..=4).sum()))?;
    /// assert_eq!(sum, 10);
    /// let failed = smol::block_on(pool.run(|| -> u32 { panic!("no luck") }));
    /// assert!(failed.is_err_and(|cause| cause.to_string().contains("no luck")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, JobError> {
        self.submit(job).await?.result().await
    }

    /// Puts `job` into the queue, waiting for room there, and returns without waiting for the job itself.
    ///
    /// # Errors
    /// If the pool is closed.
    pub async fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Pending<T>, JobError> {
        let (answer, answered) = async_channel::bounded(1);
        let job: Job = Box::new(move || {
            let outcome = panics::caught(job).map_err(|panic| JobError::Panicked(panic.message().to_owned()));
            // Nobody waits for it any more if its future was dropped.
            let _ = answer.try_send(outcome);
        });
        self.shared.jobs.send(job).await.map_err(|_| JobError::Closed)?;
        Ok(Pending { answered })
    }
}

/// A job that was submitted. Dropping it doesn't stop the job.
#[derive(Debug)]
pub struct Pending<T> {
    answered: Receiver<Result<T, JobError>>,
}

impl<T> Pending<T> {
    /// Waits for the job's result.
    ///
    /// # Errors
    /// If the job panicked, or the pool was closed before it ran.
    pub async fn result(self) -> Result<T, JobError> {
        self.answered.recv().await.unwrap_or(Err(JobError::Closed))
    }
}

fn work(queue: &Receiver<Job>) {
    while let Ok(job) = queue.recv_blocking() {
        job();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::LocalExecutor;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_panic_is_that_jobs_error_and_the_worker_lives_on() {
        let pool = Pool::new(1).expect("a thread");
        let failed = smol::block_on(pool.run(|| panic!("job {}", 7)));
        assert_eq!(failed, Err::<(), _>(JobError::Panicked("job 7".into())));
        assert_eq!(smol::block_on(pool.run(|| 7)), Ok(7));
    }

    #[test]
    fn never_more_jobs_at_once_than_threads() {
        let pool = Pool::new(2).expect("threads");
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let job = || {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            pool.run(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let executor = LocalExecutor::new();
        smol::block_on(executor.run(async {
            let tasks: Vec<_> = (0..100).map(|_| executor.spawn(job())).collect();
            for task in tasks {
                assert_eq!(task.await, Ok(()));
            }
        }));
        assert!(most.load(Ordering::SeqCst) <= 2);
    }

    #[test]
    fn the_queue_is_bounded_and_a_drop_runs_what_waits() {
        let pool = Pool::new(1).expect("a thread");
        let (gate, wait) = async_channel::bounded::<()>(1);
        let (started, has_started) = async_channel::bounded::<()>(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let executor = LocalExecutor::new();
        let block = smol::block_on(pool.submit(move || {
            started.close();
            let _ = wait.recv_blocking();
        }));
        assert!(has_started.recv_blocking().is_err(), "the only worker is busy now");
        let count = |ran: &Arc<AtomicUsize>| {
            let (pool, ran) = (pool.clone(), Arc::clone(ran));
            executor.spawn(async move { pool.run(move || ran.fetch_add(1, Ordering::SeqCst)).await })
        };
        let waiting: Vec<_> = (0..50).map(|_| count(&ran)).collect();
        while executor.try_tick() {}
        let queued = pool.shared.jobs.len();
        assert_eq!(queued, QUEUED_PER_THREAD, "the rest waits outside the queue");
        drop((waiting, block, executor));
        gate.close();
        drop(pool);
        assert_eq!(ran.load(Ordering::SeqCst), queued, "what was queued has run before the drop returns");
    }

    #[test]
    fn a_small_job_waits_for_one_step_not_for_a_whole_walk() {
        let pool = Pool::new(1).expect("a thread");
        let steps = Arc::new(AtomicUsize::new(0));
        let executor = LocalExecutor::new();
        smol::block_on(executor.run(async {
            let large = executor.spawn({
                let (pool, steps) = (pool.clone(), Arc::clone(&steps));
                async move {
                    for _ in 0..1000 {
                        let steps = Arc::clone(&steps);
                        pool.run(move || steps.fetch_add(1, Ordering::SeqCst)).await.expect("a step");
                    }
                }
            });
            while steps.load(Ordering::SeqCst) == 0 {
                smol::future::yield_now().await;
            }
            let seen = Arc::clone(&steps);
            let at = pool.run(move || seen.load(Ordering::SeqCst)).await.expect("the small job");
            assert!(at < 1000, "it ran at step {at}");
            large.await;
        }));
    }
}
