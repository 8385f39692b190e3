//! Writing to stdout on a thread of its own, so that a slow reader holds up neither the executor nor the answer to a signal.
//! The channel in front of it is short: whoever produces waits. Another part of the program may read it instead, and then nothing is written.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_channel::{Receiver, Sender};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::aside::Aside;
use super::bar::Bars;
use super::pager;

/// Pieces that may wait; each is at most a few hundred lines.
const WAITING: usize = 4;

/// Nobody reads the output any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl std::fmt::Display for Gone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for Gone {}

/// Where pieces of whole lines go in. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces {
    stdout: Option<Sender<Vec<u8>>>,
    aside: Option<Aside>,
}

impl Pieces {
    /// Where all is thrown away.
    pub(super) fn nowhere() -> Self {
        Self::default()
    }

    fn to(stdout: Sender<Vec<u8>>) -> Self {
        Self { stdout: Some(stdout), aside: None }
    }

    /// Where only what `aside` doesn't want goes to stdout, and that only if `rest` says so.
    pub(super) fn beside(&self, aside: Aside, rest: bool) -> Self {
        Self { stdout: self.stdout.clone().filter(|_| rest), aside: Some(aside) }
    }

    /// Whether events of this type come to somebody.
    pub(super) fn tells(&self, name: &str) -> bool {
        self.aside.as_ref().is_none_or(|aside| aside.tells(name))
    }

    pub(super) async fn write(&self, piece: Vec<u8>) -> Result<(), Gone> {
        let piece = match &self.aside {
            Some(aside) => aside.take(piece).await?,
            None => piece,
        };
        let Some(pieces) = &self.stdout else { return Ok(()) };
        if self.aside.is_some() {
            // Those who read stdout hear of it besides; that they have gone ends nothing.
            if !piece.is_empty() {
                let _ = pieces.send(piece).await;
            }
            return Ok(());
        }
        if piece.is_empty() {
            return if pieces.is_closed() { Err(Gone) } else { Ok(()) };
        }
        pieces.send(piece).await.map_err(|_| Gone)
    }
}

#[derive(Debug)]
pub(super) struct Output {
    queue: Sender<Vec<u8>>,
    pieces: Pieces,
    /// The pager to start with the first piece.
    pager: Arc<Mutex<Option<String>>>,
    /// `None` where another part of the program reads.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Output {
    /// One that is read by whoever has the receiver.
    pub(super) fn within() -> (Self, Receiver<Vec<u8>>) {
        let (pieces, queue) = async_channel::bounded(WAITING);
        (Self { pieces: Pieces::to(pieces.clone()), queue: pieces, pager: Arc::default(), thread: None }, queue)
    }

    pub(super) fn start(bars: Bars) -> io::Result<Self> {
        let (pieces, queue) = async_channel::bounded(WAITING);
        let pager = Arc::<Mutex<Option<String>>>::default();
        let wanted = Arc::clone(&pager);
        let write = move || write_all(&queue, &bars, &wanted);
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(write)?;
        Ok(Self { pieces: Pieces::to(pieces.clone()), queue: pieces, pager, thread: Some(thread) })
    }

    /// Has the pager `line` started when there is something to read.
    pub(super) fn page(&self, line: String) {
        *self.pager.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    }

    /// Puts in the first piece, for which there is always room.
    pub(super) fn start_with(&self, piece: Vec<u8>) {
        if !piece.is_empty() {
            let _ = self.queue.try_send(piece);
        }
    }

    /// Where what is to be written goes in.
    pub(super) fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// Waits until all is written, or says why it wasn't.
    pub(super) fn finish(self) -> io::Result<()> {
        // Strands that were forgotten would keep it open for ever.
        self.queue.close();
        let Some(thread) = self.thread else { return Ok(()) };
        let written = thread.join().unwrap_or_else(|_| Err(io::Error::other("the output thread panicked")));
        pager::leave_pager();
        written
    }
}

/// Whether somebody may still read stdout: who writes seldom would else hear only then that nobody does.
#[must_use]
pub fn is_read() -> bool {
    let stdout = io::stdout();
    let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Where it can't be asked, writing will tell.
    poll(&mut watched, Some(&now)).is_err() || !watched[0].revents().intersects(PollFlags::ERR)
}

fn write_all(queue: &Receiver<Vec<u8>>, bars: &Bars, pager: &Mutex<Option<String>>) -> io::Result<()> {
    let stdout = io::stdout();
    while let Ok(piece) = queue.recv_blocking() {
        let wanted = pager.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(line) = wanted {
            // It has the terminal to itself.
            bars.retire();
            pager::start(&line);
        }
        // A piece holds whole lines, and stdout's line buffer passes these through: what was written is visible at once.
        let written = bars.aside(|| {
            let mut out = stdout.lock();
            out.write_all(&piece).and_then(|()| if queue.is_empty() { out.flush() } else { Ok(()) })
        });
        if written.is_err() {
            // Closing the channel tells the producers before they prepare more.
            queue.close();
            return written;
        }
    }
    Ok(())
}
