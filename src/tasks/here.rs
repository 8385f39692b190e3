//! The tasks of one process: futures with a name, of which so many run at once while their owner drives them. Nothing is detached:
//! they are polled where [`Tasks::drive`] is awaited, on whatever executor, and when that ends, all of them do. Blocking work of
//! theirs is for a pool.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;

use smol::Executor;
use smol::future::{FutureExt as _, block_on, poll_fn};

use super::id::Id;
use super::ledger::Rules;
use super::output;
use super::record::{Outcome, Priority, Progress, Record, Said, now};
use crate::clock::Clock;
use crate::error::{Kind, message_of};
use crate::gitcli::Identity;
use crate::panics::Panic;
use crate::shutdown::Token;

type Work = Pin<Box<dyn Future<Output = anyhow::Result<String>> + Send>>;
type Begin = Box<dyn FnOnce(Hand) -> Work + Send>;

/// The tasks of one process. Clones share them.
///
/// ```
/// use git_bhfuil::clock::Clock;
/// use git_bhfuil::tasks::{Priority, Rules, Said, State, Tasks};
///
/// let tasks = Tasks::new(Rules::default(), 100, Clock::Real, None);
/// let record = smol::block_on(tasks.drive(async {
///     let id = tasks.spawn("greet", Priority::Normal, |_hand| async { Ok("hello".to_owned()) })?;
///     Ok::<_, anyhow::Error>(tasks.wait(&id).await)
/// }))?;
/// let record = record.expect("it is kept");
/// assert_eq!((record.state(), record.said), (State::Completed, Some(Said::Text("hello".into()))));
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rules: Rules,
    /// How many that have ended are kept at most.
    kept: usize,
    clock: Clock,
    folder: Option<PathBuf>,
    book: Mutex<Book>,
    // After the book, whose entries hold tasks of it.
    executor: Executor<'static>,
}

/// What is known of all tasks.
#[derive(Debug, Default)]
struct Book {
    entries: BTreeMap<Id, Entry>,
    waiting: BTreeSet<(Reverse<Priority>, Id)>,
    running: usize,
    /// Those that have ended, the first to end first.
    over: BTreeSet<(u64, Id)>,
    /// Work that goes before: how much of it there is, and who is told when there is none.
    foreground: Option<(usize, Token)>,
}

struct Entry {
    record: Record,
    stop: Token,
    over: Token,
    begin: Option<Begin>,
    running: Option<smol::Task<()>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("record", &self.record).finish_non_exhaustive()
    }
}

/// What a task is given to work with.
#[derive(Debug, Clone)]
pub struct Hand {
    /// What it is called.
    pub id: Id,
    /// Cancelled when it is to stop. Its future is dropped then anyway; threads that work for it look here.
    pub stop: Token,
    shared: Weak<Shared>,
}

/// Work that goes before the tasks, for as long as this is held.
#[derive(Debug)]
pub struct Foreground(Tasks);

impl Tasks {
    /// No tasks yet. `rules` bound them; of those that have ended `kept` are kept at most, and until they expire. Long results go to files
    /// in `folder`, which is made if need be; without one they are cut.
    #[must_use]
    pub fn new(rules: Rules, kept: usize, clock: Clock, folder: Option<PathBuf>) -> Self {
        let (book, executor) = (Mutex::default(), Executor::new());
        Self { shared: Arc::new(Shared { rules, kept, clock, folder, book, executor }) }
    }

    /// Runs `work`, and the tasks meanwhile. When it has ended, or is dropped, those that have not ended are cancelled: their futures are
    /// dropped by then. For one owner at a time, and not for one of the tasks themselves, whose end it would wait for.
    pub async fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let _end = End(self);
        self.shared.executor.run(work).await
    }

    /// Registers `work` under the name `kind`. It begins when it is its turn, as long as somebody drives the tasks.
    ///
    /// # Errors
    /// [`Kind::Busy`] if too many wait already.
    pub fn spawn<F>(
        &self,
        kind: &str,
        priority: Priority,
        work: impl FnOnce(Hand) -> F + Send + 'static,
    ) -> anyhow::Result<Id>
    where
        F: Future<Output = anyhow::Result<String>> + Send + 'static,
    {
        let now = self.shared.now();
        let mut book = self.shared.book();
        if book.waiting.len() >= self.shared.rules.waiting {
            let message = format!("{} tasks wait for their turn already", book.waiting.len());
            return Err(Kind::Busy.hinted(message, "try again when some are done"));
        }
        let record = Record::new(kind, "", priority, now, Identity::own());
        let id = record.id.clone();
        let begin: Option<Begin> = Some(Box::new(move |hand| Box::pin(work(hand))));
        let entry = Entry { record, stop: Token::new(), over: Token::new(), begin, running: None };
        book.waiting.insert((Reverse(priority), id.clone()));
        book.entries.insert(id.clone(), entry);
        let gone = self.shared.expire(&mut book, now);
        Shared::fill(&self.shared, &mut book);
        drop(book);
        self.shared.clear_away(&gone);
        Ok(id)
    }

    /// How a task stands; `None` if there is none, or no longer.
    #[must_use]
    pub fn status(&self, id: &Id) -> Option<Record> {
        self.look(|book| book.entries.get(id).map(|entry| entry.record.clone()))
    }

    /// What a task has come to, as text: its result, or why it failed. `None` if it has not ended, or is kept no longer. Blocks for
    /// a result in a file.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn result(&self, id: &Id) -> anyhow::Result<Option<String>> {
        let said = self.status(id).and_then(|record| record.said);
        Ok(said.map(|said| output::read(&said)).transpose()?.flatten())
    }

    /// Waits until a task has ended; somebody has to drive it. `None` if there is none.
    pub async fn wait(&self, id: &Id) -> Option<Record> {
        let over = self.look(|book| book.entries.get(id).map(|entry| entry.over.clone()))?;
        over.cancelled().await;
        self.status(id)
    }

    /// Stops a task: one that waits never begins, the future of one that runs is dropped at its next step. `false` if it is over, or
    /// there is none.
    #[must_use]
    pub fn cancel(&self, id: &Id) -> bool {
        let now = self.shared.now();
        let mut book = self.shared.book();
        let Some(entry) = book.entries.get_mut(id) else { return false };
        if !entry.record.ask_to_stop(now) {
            return false;
        }
        entry.stop.cancel();
        let never_began = entry.record.state().is_over().then(|| entry.begin.take());
        let gone = if never_began.is_some() {
            entry.over.cancel();
            let place = (Reverse(entry.record.priority), id.clone());
            book.waiting.remove(&place);
            book.over.insert((now, id.clone()));
            self.shared.expire(&mut book, now)
        } else {
            Vec::new()
        };
        drop(book);
        drop(never_began);
        self.shared.clear_away(&gone);
        true
    }

    /// All tasks that are kept, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Record> {
        self.look(|book| book.entries.values().map(|entry| entry.record.clone()).collect())
    }

    /// Forgets those that have ended, and says how many they were.
    #[must_use]
    pub fn clean(&self) -> usize {
        let mut book = self.shared.book();
        let gone: Vec<Record> = book
            .entries
            .extract_if(.., |_, entry| entry.record.state().is_over())
            .map(|(_, entry)| entry.record)
            .collect();
        book.over.clear();
        drop(book);
        self.shared.clear_away(&gone);
        gone.len()
    }

    /// Lets tasks wait at their next [`Hand::give_way`] until this is dropped.
    #[must_use]
    pub fn foreground(&self) -> Foreground {
        let mut book = self.shared.book();
        book.foreground.get_or_insert_with(|| (0, Token::new())).0 += 1;
        drop(book);
        Foreground(self.clone())
    }

    /// Looks into the book when what has expired is gone.
    fn look<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        let now = self.shared.now();
        let mut book = self.shared.book();
        let gone = self.shared.expire(&mut book, now);
        let answer = look(&book);
        drop(book);
        self.shared.clear_away(&gone);
        answer
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let mut book = self.0.shared.book();
        let Some((count, free)) = book.foreground.take() else { return };
        if count > 1 {
            book.foreground = Some((count - 1, free));
            return;
        }
        drop(book);
        free.cancel();
    }
}

impl Hand {
    /// Notes how far the task is. That it gets on shows by this.
    pub fn progress(&self, phase: &str, done: u64, total: Option<u64>) {
        let Some(shared) = self.shared.upgrade() else { return };
        let now = shared.now();
        if let Some(entry) = shared.book().entries.get_mut(&self.id) {
            entry.record.beat(Progress { phase: phase.to_owned(), done, total }, now);
        }
    }

    /// Waits until nothing goes before the tasks. To be called between steps.
    pub async fn give_way(&self) {
        loop {
            let Some(shared) = self.shared.upgrade() else { return };
            let free = shared.book().foreground.as_ref().map(|(_, free)| free.clone());
            drop(shared);
            match free {
                Some(free) => free.cancelled().await,
                None => return,
            }
        }
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        now(&self.clock)
    }

    /// Begins those whose turn it is.
    fn fill(shared: &Arc<Self>, book: &mut Book) {
        while book.running < shared.rules.at_once.max(1)
            && let Some((_, id)) = book.waiting.pop_first()
        {
            let Some(entry) = book.entries.get_mut(&id) else { continue };
            let Some(begin) = entry.begin.take() else { continue };
            entry.record.begin(shared.now());
            let hand = Hand { id: id.clone(), stop: entry.stop.clone(), shared: Arc::downgrade(shared) };
            entry.running = Some(shared.executor.spawn(run(hand, begin, shared.folder.clone())));
            book.running += 1;
        }
    }

    /// Notes how `id` has ended, and begins the next.
    fn finish(shared: &Arc<Self>, id: &Id, outcome: Outcome) {
        let now = shared.now();
        let mut book = shared.book();
        let Some(entry) = book.entries.get_mut(id) else { return };
        // It is this very task that is being polled: it ends by itself.
        if let Some(running) = entry.running.take() {
            running.detach();
        }
        // Its owner may have ended meanwhile, on another thread.
        if !entry.record.end(outcome, now) {
            return;
        }
        entry.over.cancel();
        book.over.insert((now, id.clone()));
        book.running -= 1;
        let gone = shared.expire(&mut book, now);
        Self::fill(shared, &mut book);
        drop(book);
        shared.clear_away(&gone);
    }

    /// Takes out those that ended too long ago, and the first to end of too many.
    fn expire(&self, book: &mut Book, now: u64) -> Vec<Record> {
        let expiry = u64::try_from(self.rules.expiry.as_millis()).unwrap_or(u64::MAX);
        let mut gone = Vec::new();
        while let Some((ended, id)) = book.over.first().cloned() {
            if book.over.len() <= self.kept && now.saturating_sub(ended) < expiry {
                break;
            }
            book.over.pop_first();
            gone.extend(book.entries.remove(&id).map(|entry| entry.record));
        }
        gone
    }

    fn clear_away(&self, gone: &[Record]) {
        let in_files = gone.iter().filter(|record| matches!(record.said, Some(Said::File(_))));
        if let Some(folder) = &self.folder {
            output::remove(folder, in_files);
        }
    }
}

/// A task from its begin to its end.
async fn run(hand: Hand, begin: Begin, folder: Option<PathBuf>) {
    let (id, stop, shared) = (hand.id.clone(), hand.stop.clone(), hand.shared.clone());
    let outcome = outcome(&stop, async move { begin(hand).await }).await;
    let outcome = match outcome {
        Ok(text) => Outcome::Completed(output::keep(folder.as_deref(), &id, text).await),
        Err(outcome) => outcome,
    };
    if let Some(shared) = shared.upgrade() {
        Shared::finish(&shared, &id, outcome);
    }
}

/// What `work` comes to, unless `stop` comes first, which drops it: its result, or how else it ended. A panic is a failure.
///
/// # Errors
/// The way that it ended if it wasn't completed.
pub async fn outcome<T>(stop: &Token, work: impl Future<Output = anyhow::Result<T>>) -> Result<T, Outcome> {
    let caught = AssertUnwindSafe(work).catch_unwind();
    match stop.unless_cancelled(caught).await {
        None => Err(Outcome::Cancelled),
        Some(Ok(Ok(result))) => Ok(result),
        // Whatever it says, it was told to stop.
        Some(Ok(Err(_))) if stop.is_cancelled() => Err(Outcome::Cancelled),
        Some(Ok(Err(cause))) => Err(Outcome::Failed(output::cut(&message_of(&cause)))),
        Some(Err(payload)) => Err(Outcome::Failed(output::cut(&Panic::from(payload).to_string()))),
    }
}

/// The end of driving.
struct End<'a>(&'a Tasks);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let now = self.0.shared.now();
        let mut left = Vec::new();
        let mut book = self.0.shared.book();
        let Book { entries, over, .. } = &mut *book;
        for (id, entry) in entries.iter_mut().filter(|(_, entry)| !entry.record.state().is_over()) {
            entry.stop.cancel();
            entry.record.end(Outcome::Cancelled, now);
            entry.over.cancel();
            over.insert((now, id.clone()));
            left.push((entry.begin.take(), entry.running.take()));
        }
        book.waiting.clear();
        book.running = 0;
        let gone = self.0.shared.expire(&mut book, now);
        drop(book);
        self.0.shared.clear_away(&gone);
        // A task that is told to end does so when it would be polled next, and another thread may be about to see to that.
        let (begins, running): (Vec<_>, Vec<_>) = left.into_iter().unzip();
        drop(begins);
        let mut ending: Vec<_> = running.into_iter().flatten().map(|task| Box::pin(task.cancel())).collect();
        block_on(self.0.shared.executor.run(poll_fn(|context| {
            ending.retain_mut(|task| task.as_mut().poll(context).is_pending());
            if ending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })));
    }
}

#[cfg(test)]
mod tests;
