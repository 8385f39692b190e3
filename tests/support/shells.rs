//! A shell on a terminal, typed into and read from. script(1) of util-linux makes the terminal.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// No shell needs that long to answer; one that does hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A terminal in which a shell runs.
pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    pieces: Receiver<Vec<u8>>,
    /// What was shown, and how much of its plain text was looked at.
    shown: Vec<u8>,
    seen: usize,
}

impl Terminal {
    /// Starts `line`, which `furnish` may furnish.
    pub(crate) fn start(line: &str, furnish: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--flush", "--command"]);
        command.arg(format!("stty rows 50 cols 100; {line}")).arg("/dev/null");
        furnish(&mut command);
        command.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("script(1) starts");
        let keys = child.stdin.take().expect("a pipe");
        let mut screen = child.stdout.take().expect("a pipe");
        let (send, pieces) = channel();
        // Ends with the terminal, which ends with this.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keys, pieces, shown: Vec::new(), seen: 0 }
    }

    /// Types `keys`.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("it is typed");
    }

    /// Waits until `wanted` is shown, but for colours and the like, behind what was waited for before, and returns what was shown before it.
    pub(crate) fn until(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let new = plain(&self.shown)[self.seen..].to_owned();
            if let Some(at) = new.find(wanted) {
                self.seen += at + wanted.len();
                return new[..at].to_owned();
            }
            match self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.shown.extend(piece),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{wanted:?} isn't shown: {new:?}");
                }
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was written to a terminal without the sequences that move or colour (ECMA-48). One that isn't whole yet ends it.
fn plain(shown: &[u8]) -> String {
    let text = String::from_utf8_lossy(shown);
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\u{1b}' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('[') => drop(letters.find(|letter| ('@'..='~').contains(letter))),
            // A set of letters is chosen.
            Some('(') => drop(letters.next()),
            _ => {}
        }
    }
    plain
}
