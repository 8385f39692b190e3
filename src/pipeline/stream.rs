//! Commits in, finished pieces of output out, in the order of the walk whatever the number of threads. While the reader of the
//! output is slow nothing new is begun, so that memory stays flat.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::handles::Handles;
use super::pool::{JobError, Pending, Pool};
use super::walker::{Chunk, FULL, Item, Walker};
use crate::cache::blocks::{BLOCK, Block};
use crate::cache::patches::KeptPatch;
use crate::git::{Handle, ObjectError};
use crate::panics;
use crate::shutdown::Token;

/// The first step is small, so that the first line comes at once; each is twice the one before up to the last size, at which
/// handing work over costs next to nothing and a step still takes only some milliseconds.
const FIRST_STEP: usize = 16;
const LARGEST_STEP: usize = BLOCK;
/// Pieces that may wait for their turn, for each thread: enough to keep the workers busy while the cache's disk is waited for.
const AHEAD: usize = 6;
/// Bytes of commits of one repository, and of what was made of them, that may wait. So much is never reached but where messages take megabytes: then fewer
/// pieces wait.
const MOST: usize = 64 << 20;

/// What a chunk of commits became.
#[derive(Debug, Default)]
pub struct Piece {
    /// The finished output of all commits of the chunk, one after another.
    pub bytes: Vec<u8>,
    /// Where the output of each commit ends in `bytes`. A commit that a filter passed over has none.
    pub ends: Vec<usize>,
    /// How many commits of the chunk it is made of, from its first on: fewer than all once it is [full](Self::is_full).
    pub seen: usize,
    /// Commits that could not be read.
    pub broken: Vec<ObjectError>,
    /// Facts that could not be known because an object isn't here.
    pub absent: usize,
    /// Patch-ids that were not computed because a blob is too large.
    pub huge: usize,
    /// What of the commits is to be kept, for the cache.
    pub blocks: Vec<Block>,
    /// What was found out by diffs, for the cache.
    pub patches: Vec<KeptPatch>,
}

impl Piece {
    /// Whether it is to be passed on before the next commit is looked at.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }
}

/// What is rendered, or waits for its turn.
struct Rendering {
    made: Pending<(Piece, Chunk)>,
    /// Bytes of the commits that it began with.
    load: usize,
}

/// Turns commits into output, on a worker. Where it panics it is asked again, for fewer of the same.
pub type Render = dyn Fn(&Handle, &[Item]) -> Piece + Send + Sync;

/// A running stream; [`Stream::next`] gives its pieces.
pub struct Stream {
    pool: Pool,
    handles: Handles,
    render: Arc<Render>,
    stop: Token,
    begun: bool,
    step: usize,
    walking: Option<Pending<(Walker, Chunk)>>,
    walker: Option<Walker>,
    rendering: VecDeque<Rendering>,
    /// Bytes of pieces that are made and not taken yet.
    waiting: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("rendering", &self.rendering.len()).finish_non_exhaustive()
    }
}

impl Stream {
    /// A stream of what `render` makes of the commits of `walker`.
    #[must_use]
    pub fn new(pool: Pool, handles: Handles, walker: Walker, render: Arc<Render>, stop: Token) -> Self {
        Self {
            pool,
            handles,
            render,
            stop,
            begun: false,
            step: FIRST_STEP,
            walking: None,
            walker: Some(walker),
            rendering: VecDeque::new(),
            waiting: Arc::default(),
        }
    }

    /// The next piece; `None` at the end, and soon after the token was cancelled.
    ///
    /// # Errors
    /// If a worker panicked in the walk itself.
    pub async fn next(&mut self) -> Result<Option<Piece>, JobError> {
        if !self.begun {
            self.begun = true;
            self.start_step().await?;
        }
        while self.rendering.len() < AHEAD * self.pool.threads() && self.load() < MOST {
            let Some(walking) = self.walking.take() else { break };
            let (walker, chunk) = walking.result().await?;
            self.walker = Some(walker);
            if !chunk.done {
                self.start_step().await?;
            }
            let rendering = self.start_rendering(chunk, false).await?;
            self.rendering.push_back(rendering);
        }
        while let Some(first) = self.rendering.pop_front() {
            if self.stop.is_cancelled() {
                break;
            }
            let (piece, rest) = first.made.result().await?;
            self.waiting.fetch_sub(piece.bytes.len(), Ordering::Relaxed);
            let is_put_off = piece.seen == 0 && !rest.items.is_empty();
            if !rest.items.is_empty() {
                let rest = self.start_rendering(rest, true).await?;
                self.rendering.push_front(rest);
            }
            if !is_put_off {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// Bytes of commits that wait to be rendered, or are just being.
    fn load(&self) -> usize {
        self.rendering.iter().map(|rendering| rendering.load).sum()
    }

    /// The walker, once the stream has ended; `None` while a step of it is still running.
    #[must_use]
    pub fn into_walker(self) -> Option<Walker> {
        self.walker
    }

    async fn start_step(&mut self) -> Result<(), JobError> {
        let Some(mut walker) = self.walker.take() else { return Ok(()) };
        let (size, stop) = (self.step, self.stop.clone());
        self.step = (size * 2).min(LARGEST_STEP);
        let walk = move || {
            let chunk = walker.step(size, &stop);
            (walker, chunk)
        };
        self.walking = Some(self.pool.submit(walk).await?);
        Ok(())
    }

    /// Has `chunk` rendered, as far as that makes one piece; put off where enough waits already, unless it `is_first` in line.
    async fn start_rendering(&self, mut chunk: Chunk, is_first: bool) -> Result<Rendering, JobError> {
        let (handles, render, stop) = (self.handles.clone(), Arc::clone(&self.render), self.stop.clone());
        let (waiting, load) = (Arc::clone(&self.waiting), chunk.bytes());
        let work = move || {
            // Nobody takes what was still waiting for its turn.
            if stop.is_cancelled() || (!is_first && waiting.load(Ordering::Relaxed) >= MOST) {
                return (Piece::default(), chunk);
            }
            let mut piece = rendered(&handles, &*render, &chunk.items);
            piece.broken.splice(0..0, chunk.broken.drain(..));
            chunk.items.drain(..piece.seen);
            waiting.fetch_add(piece.bytes.len(), Ordering::Relaxed);
            (piece, chunk)
        };
        Ok(Rendering { made: self.pool.submit(work).await?, load })
    }
}

/// What `render` makes of `items`. Where it panics it is asked for half of them, and so on: one that makes it panic by itself is told as broken.
fn rendered(handles: &Handles, render: &Render, items: &[Item]) -> Piece {
    let mut asked = items;
    loop {
        match (panics::caught(|| handles.with(|handle| render(handle, asked))), asked) {
            (Ok(piece), _) => return piece,
            (Err(panic), [] | [_]) => {
                let broken = asked.iter().map(|item| ObjectError::Defeating(item.id, panic.to_string())).collect();
                return Piece { seen: asked.len(), broken, ..Piece::default() };
            }
            (Err(_), _) => asked = &asked[..asked.len() / 2],
        }
    }
}
