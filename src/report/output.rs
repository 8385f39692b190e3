//! Writing to stdout on a thread of its own, so that a slow reader holds up neither the executor nor the answer to a signal.
//! The channel in front of it is short: whoever produces waits.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_channel::{Receiver, Sender};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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

    /// Where only what `aside` doesn't want goes to stdout, and that only if `rest` says so.
    pub(super) fn beside(&self, aside: Aside, rest: bool) -> Self {
        Self { stdout: self.stdout.clone().filter(|_| rest), aside: Some(aside) }
    }

    /// Whether events of this type come to somebody.
    pub(super) fn tells(&self, name: &str) -> bool {
        self.aside.as_ref().is_none_or(|aside| !aside.mute.contains(&name))
    }

    pub(super) async fn write(&self, piece: Vec<u8>) -> Result<(), Gone> {
        let piece = match &self.aside {
            Some(aside) => aside.take(piece).await?,
            None => piece,
        };
        let Some(pieces) = &self.stdout else { return Ok(()) };
        if piece.is_empty() {
            return if pieces.is_closed() { Err(Gone) } else { Ok(()) };
        }
        pieces.send(piece).await.map_err(|_| Gone)
    }
}

/// Who gets the lines of some types of events, as JSON Lines, instead of those who read stdout.
#[derive(Debug, Clone)]
pub struct Aside {
    /// The types, as the wire names them.
    pub types: &'static [&'static str],
    /// Types of which nobody gets anything, nor are they counted.
    pub mute: &'static [&'static str],
    /// Where whole lines go in, many at once. Closed it ends the run, as a reader of stdout does who goes away.
    pub lines: Sender<Vec<u8>>,
}

impl Aside {
    /// Sends the lines that are wanted, and returns the others.
    async fn take(&self, piece: Vec<u8>) -> Result<Vec<u8>, Gone> {
        if piece.is_empty() {
            return if self.lines.is_closed() { Err(Gone) } else { Ok(piece) };
        }
        let (wanted, rest) = self.sort(piece);
        if !wanted.is_empty() {
            self.lines.send(wanted).await.map_err(|_| Gone)?;
        }
        Ok(rest)
    }

    fn sort(&self, piece: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        let lines = || piece.split_inclusive(|&byte| byte == b'\n');
        if lines().all(|line| self.wants(line)) {
            return (piece, Vec::new());
        }
        let told = lines().filter(|line| !is_of(self.mute, line));
        let (wanted, rest): (Vec<&[u8]>, Vec<&[u8]>) = told.partition(|line| self.wants(line));
        (wanted.concat(), rest.concat())
    }

    fn wants(&self, line: &[u8]) -> bool {
        is_of(self.types, line) && !is_of(self.mute, line)
    }
}

/// Whether `line` is of one of `types`. The type stands first in every line.
fn is_of(types: &[&str], line: &[u8]) -> bool {
    let name = line.strip_prefix(br#"{"type":""#).and_then(|rest| rest.split(|&byte| byte == b'"').next());
    name.is_some_and(|name| types.iter().any(|known| known.as_bytes() == name))
}

#[derive(Debug)]
pub(super) struct Output {
    queue: Sender<Vec<u8>>,
    pieces: Pieces,
    /// The pager to start with the first piece.
    pager: Arc<Mutex<Option<String>>>,
    thread: JoinHandle<io::Result<()>>,
}

impl Output {
    pub(super) fn start(bars: Bars) -> io::Result<Self> {
        let (pieces, queue) = async_channel::bounded(WAITING);
        let pager = Arc::<Mutex<Option<String>>>::default();
        let wanted = Arc::clone(&pager);
        let write = move || write_all(&queue, &bars, &wanted);
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(write)?;
        Ok(Self { pieces: Pieces { stdout: Some(pieces.clone()), aside: None }, queue: pieces, pager, thread })
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
        let written = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the output thread panicked")));
        pager::leave_pager();
        written
    }
}

/// Whether somebody may still read stdout: who writes seldom would else hear only then that nobody does.
pub(super) fn is_read() -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_types_that_are_wanted_go_aside() {
        let (lines, taken) = async_channel::bounded(4);
        let aside = Aside { types: &["ref", "commit", "match"], mute: &["match"], lines };
        let commit: &[u8] = b"{\"type\":\"commit\",\"subject\":\"a\\nb\"}\n";
        let warning: &[u8] = b"{\"type\":\"warning\",\"message\":\"\\\"type\\\":\\\"commit\\\"\"}\n";
        let hit: &[u8] = b"{\"type\":\"match\"}\n";
        let end: &[u8] = b"{\"type\":\"repo-end\"}\n";
        for (piece, wanted, rest) in [
            ([commit, warning, commit, end].concat(), [commit, commit].concat(), [warning, end].concat()),
            ([commit, commit].concat(), [commit, commit].concat(), Vec::new()),
            (warning.to_vec(), Vec::new(), warning.to_vec()),
            ([hit, warning].concat(), Vec::new(), warning.to_vec()),
            (hit.to_vec(), Vec::new(), Vec::new()),
        ] {
            assert_eq!(smol::block_on(aside.take(piece)), Ok(rest));
            assert_eq!(taken.try_recv().unwrap_or_default(), wanted);
        }
        drop(taken);
        assert_eq!(smol::block_on(aside.take(commit.to_vec())), Err(Gone));
        assert_eq!(smol::block_on(aside.take(Vec::new())), Err(Gone), "who writes seldom hears of it too");
    }
}
