//! Cancellation: one token handed down, cancelled by the first signal or by an owner that gives up. Work looks at it between
//! steps; async code awaits it. The second signal ends the process at once, whatever it is doing.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

use async_channel::{Receiver, Sender};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};

/// A cheap handle that tells work to stop. Clones share one state; once cancelled it stays so.
#[derive(Debug, Clone)]
pub struct Token {
    // Nothing is ever sent: closing the channel is the signal, which any number of threads and tasks can see.
    close: Sender<Infallible>,
    closed: Receiver<Infallible>,
    signal: Arc<AtomicI32>,
    /// That of the work which this is a part of.
    whole: Option<Arc<Token>>,
}

impl Default for Token {
    fn default() -> Self {
        let (close, closed) = async_channel::bounded(1);
        Self { close, closed, signal: Arc::default(), whole: None }
    }
}

impl Token {
    /// A token that nobody has cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells all holders to stop.
    pub fn cancel(&self) {
        self.close.close();
    }

    /// Whether the work should stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.closed.is_closed() || self.whole.as_ref().is_some_and(|whole| whole.is_cancelled())
    }

    /// The token of a part of the work: cancelled with this one, and when the part is over or given up. Threads that are at it still
    /// see that between their steps, where nobody waits for them any more.
    ///
    /// ```
    /// let whole = git_bhfuil::shutdown::Token::new();
    /// let part = whole.part();
    /// let (seen, other) = (part.token().clone(), whole.part());
    /// drop(part);
    /// assert!(seen.is_cancelled() && !whole.is_cancelled());
    /// whole.cancel();
    /// smol::block_on(other.token().cancelled());
    /// assert!(other.token().is_cancelled());
    /// ```
    #[must_use]
    pub fn part(&self) -> Part {
        Part(Self { signal: Arc::clone(&self.signal), whole: Some(Arc::new(self.clone())), ..Self::default() })
    }

    /// Waits until the token is cancelled.
    ///
    /// ```
    /// let token = git_bhfuil::shutdown::Token::new();
    /// let worker = token.clone();
    /// std::thread::spawn(move || worker.cancel());
    /// smol::block_on(token.cancelled());
    /// assert!(token.is_cancelled());
    /// ```
    pub async fn cancelled(&self) {
        // An empty type can't arrive: this ends when the channel is closed.
        let own = async {
            let _ = self.closed.recv().await;
        };
        match &self.whole {
            Some(whole) => smol::future::or(own, Box::pin(whole.cancelled())).await,
            None => own.await,
        }
    }

    /// What `work` comes to; `None` as soon as the token is cancelled. `work` is dropped then, and what it holds with it: a child
    /// process, a transaction, a reader that waits.
    ///
    /// ```
    /// let token = git_bhfuil::shutdown::Token::new();
    /// assert_eq!(smol::block_on(token.unless_cancelled(async { 7 })), Some(7));
    /// token.cancel();
    /// assert_eq!(smol::block_on(token.unless_cancelled(std::future::pending::<u8>())), None);
    /// ```
    pub async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let stop = async {
            self.cancelled().await;
            None
        };
        smol::future::or(async { Some(work.await) }, stop).await
    }

    /// The number of the signal that cancelled it, if it was a signal.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self.signal.load(Ordering::Acquire) {
            0 => None,
            number => Some(number),
        }
    }
}

/// A part of the work, whose token is cancelled when this is dropped.
#[derive(Debug)]
pub struct Part(Token);

impl Part {
    /// Its token.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.0
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Listens for SIGINT and SIGTERM on a thread of its own, so that the second signal works even if the executor is stuck.
#[derive(Debug)]
pub struct SignalWatch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Starts listening: the first signal cancels `token`, the second calls `quit` with 128 + the signal's number.
    ///
    /// # Errors
    /// If the handlers can't be installed.
    pub fn start(token: Token, quit: impl Fn(i32) + Send + 'static) -> std::io::Result<Self> {
        // A file that may not grow further (`ulimit -f`) is an error of that file, EFBIG, for whoever catches this; else it is the end.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if token.is_cancelled() {
                    quit(128 + signal);
                }
                token.signal.store(signal, Ordering::Release);
                token.cancel();
            }
        })?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic in the listener has nothing left to break here.
            let _ = thread.join();
        }
    }
}
