//! Messages of another protocol on stdout, a line each, where there is no stream of events.

use std::io;

use super::bar::Bars;
use super::output::{Gone, Output, Pieces};
use super::{Loudness, jsonl};

/// Stdout, for messages and nothing else.
#[derive(Debug)]
pub struct Messages {
    output: Output,
}

/// Where messages go in. Clones share it.
#[derive(Debug, Clone)]
pub struct Sender(Pieces);

impl Messages {
    /// Begins with nothing.
    ///
    /// # Errors
    /// If the output thread can't be started.
    pub fn start() -> io::Result<Self> {
        let loudness = Loudness { quiet: true, progress: Some(false) };
        Ok(Self { output: Output::start(Bars::new("", loudness, true))? })
    }

    /// Where messages go in.
    #[must_use]
    pub fn sender(&self) -> Sender {
        Sender(self.output.pieces().clone())
    }

    /// Waits until all is written, or says why it wasn't. Blocks for as long as the reader doesn't read.
    ///
    /// # Errors
    /// If it can't be written; a reader that went away is no error.
    pub fn finish(self) -> io::Result<()> {
        match self.output.finish() {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}

impl Sender {
    /// Writes one message, safe for a terminal as events are.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn send(&self, message: &serde_json::Value) -> Result<(), Gone> {
        let mut line = Vec::new();
        jsonl::write_any(message, &mut line);
        self.0.write(line).await
    }
}
