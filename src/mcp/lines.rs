//! Lines of a stream of bytes, none of which may be longer than is good for us.

use std::io;
use std::ops::Range;

use memchr::memchr;
use smol::io::{AsyncRead, AsyncReadExt as _};

/// The bytes that a line may have; a question is far shorter.
pub(super) const LONGEST: usize = 1 << 20;
/// The bytes that are read at a time.
const CHUNK: usize = 8 << 10;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// It had more than [`LONGEST`] bytes, which were passed over.
    TooLong,
}

/// Reads lines, of which at most one is held.
pub(super) struct Lines<R> {
    input: R,
    /// What was read last, and how much of it is left.
    chunk: Box<[u8]>,
    left: Range<usize>,
    line: Vec<u8>,
    is_too_long: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, chunk: vec![0; CHUNK].into(), left: 0..0, line: Vec::new(), is_too_long: false }
    }

    /// The next line, the last one with or without its end; `None` after that. What a call has read that was dropped is not lost.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if self.left.is_empty() {
                // fill_buf of futures-lite asks twice, and panics at the end of an input that then has to wait, as standard input has.
                let count = self.input.read(&mut self.chunk).await?;
                self.left = 0..count;
                if count == 0 {
                    let is_nothing = self.line.is_empty() && !self.is_too_long;
                    return Ok((!is_nothing).then(|| self.take()));
                }
            }
            let chunk = &self.chunk[self.left.clone()];
            let end = memchr(b'\n', chunk);
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            if self.is_too_long || self.line.len() + piece.len() > LONGEST {
                self.is_too_long = true;
                self.line = Vec::new();
            } else {
                self.line.extend_from_slice(piece);
            }
            self.left.start += end.map_or(chunk.len(), |end| end + 1);
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Line {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) { Line::TooLong } else { Line::Whole(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(input);
        smol::block_on(async {
            let mut found = Vec::new();
            while let Some(line) = lines.next().await.expect("it can be read") {
                found.push(line);
            }
            found
        })
    }

    #[test]
    fn the_last_line_needs_no_end() {
        let whole = |text: &[u8]| Line::Whole(text.to_vec());
        assert_eq!(all(b""), []);
        assert_eq!(all(b"one\n\ntwo"), [whole(b"one"), whole(b""), whole(b"two")]);
        assert_eq!(all(b"one\n"), [whole(b"one")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let long = vec![b'x'; LONGEST + 1];
        let input = [&long[1..], b"\n", &long, b"\nafter\n", &long].concat();
        let found = all(&input);
        assert_eq!(found[1..], [Line::TooLong, Line::Whole(b"after".to_vec()), Line::TooLong]);
        assert_eq!(found[0], Line::Whole(long[1..].to_vec()));
    }
}
