//! An executor of one thread, with which its tasks end. smol's drops them too, unless another thread wakes one at that very moment: what is
//! put into its queue then is read by nobody, and keeps what it holds for ever, such as the threads of a pool. Refuses tasks that move
//! between threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use smol::future::or;

use crate::shutdown::Token;

/// Polls tasks while [`Self::run`] is awaited, on the thread that made it. Dropped, it drops what they are at before it is gone itself.
#[derive(Debug, Default)]
pub struct LocalExecutor<'a> {
    tasks: smol::LocalExecutor<'a>,
    end: Token,
}

impl<'a> LocalExecutor<'a> {
    /// One without tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins `work` at the next turn.
    pub fn spawn<T: 'a>(&self, work: impl Future<Output = T> + 'a) -> Task<T> {
        let end = self.end.clone();
        let ended = async move {
            end.cancelled().await;
            None
        };
        // The end is asked first: what is dropped is not begun, and does nothing more.
        Task(self.tasks.spawn(or(ended, async { Some(work.await) })))
    }

    /// Runs the tasks until `work` has ended.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.tasks.run(work).await
    }

    /// Polls one task that has something to do; `false` if there is none.
    pub fn try_tick(&self) -> bool {
        self.tasks.try_tick()
    }
}

impl Drop for LocalExecutor<'_> {
    fn drop(&mut self) {
        self.end.cancel();
        while !self.tasks.is_empty() {
            if !self.tasks.try_tick() {
                // Another thread is between waking a task and putting it into the queue.
                std::thread::yield_now();
            }
        }
    }
}

/// What is spawned. It is awaited for its result, and cancelled if it is dropped. One whose executor is gone never ends.
#[derive(Debug)]
#[must_use = "it is cancelled when it is dropped"]
pub struct Task<T>(smol::Task<Option<T>>);

impl<T> Task<T> {
    /// Lets it go on by itself.
    pub fn detach(self) {
        self.0.detach();
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.0).poll(context) {
            Poll::Ready(Some(result)) => Poll::Ready(result),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;

    use smol::future::{block_on, pending};

    use super::*;

    #[test]
    fn what_another_thread_wakes_while_it_is_dropped_goes_with_it() {
        // smol's own keeps one of ten thousand.
        let (give, given) = async_channel::bounded::<async_channel::Sender<()>>(1);
        let waker = std::thread::spawn(move || {
            while let Ok(tell) = given.recv_blocking() {
                let _ = tell.try_send(());
            }
        });
        for round in 0..30_000 {
            let (executor, held) = (LocalExecutor::new(), Arc::new(()));
            let (tell, told) = async_channel::bounded::<()>(1);
            let kept = Arc::clone(&held);
            let work = async move {
                let _ = told.recv().await;
                pending::<()>().await;
                drop(kept);
            };
            let task = executor.spawn(work);
            executor.try_tick();
            give.send_blocking(tell).expect("it listens");
            (0..round % 400).for_each(|_| std::hint::spin_loop());
            if round % 2 == 0 {
                drop(task);
            } else {
                task.detach();
            }
            drop(executor);
            assert_eq!(Arc::strong_count(&held), 1, "in round {round}");
        }
        drop(give);
        waker.join().expect("it ends");
    }

    #[test]
    fn what_has_not_begun_never_does_and_what_has_does_nothing_more() {
        let (executor, steps) = (LocalExecutor::new(), Rc::new(Cell::new(0)));
        let count = || {
            let steps = Rc::clone(&steps);
            async move {
                loop {
                    steps.set(steps.get() + 1);
                    smol::future::yield_now().await;
                }
            }
        };
        executor.spawn::<()>(count()).detach();
        assert!(executor.try_tick());
        executor.spawn::<()>(count()).detach();
        let task = executor.spawn::<()>(count());
        drop(executor);
        assert_eq!((steps.get(), Rc::strong_count(&steps), task.is_finished()), (1, 1, true));
    }

    #[test]
    fn a_task_gives_its_result_and_is_cancelled_when_it_is_dropped() {
        let (executor, held) = (LocalExecutor::new(), Rc::new(()));
        let (task, kept) = (executor.spawn(async { 7 }), Rc::clone(&held));
        let dropped = executor.spawn(async move {
            pending::<()>().await;
            drop(kept);
        });
        assert!(!task.is_finished());
        assert_eq!(block_on(executor.run(task)), 7);
        drop(dropped);
        while executor.try_tick() {}
        assert_eq!(Rc::strong_count(&held), 1);
    }
}
