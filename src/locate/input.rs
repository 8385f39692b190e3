//! Queries on standard input, one a line, or the stream of another run: of its `commit` lines the id is the query, the rest
//! frames it and is dropped.

use std::ffi::OsString;

use serde::Deserialize;
use smol::io::{AsyncBufReadExt as _, BufReader};

use crate::error::Kind;
use crate::gitcli;
use crate::shutdown::Token;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A query.
    Query(OsString),
    /// Nothing to ask.
    Nothing,
    /// The stream that was read has ended without its last line.
    Unfinished,
}

/// As much of an event as matters here.
#[derive(Deserialize)]
struct Streamed {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
}

/// Standard input, read by a thread of its own.
pub(super) struct Input {
    reader: BufReader<smol::Unblock<std::io::Stdin>>,
    end: u8,
    line: Vec<u8>,
    is_stream: bool,
    has_end: bool,
    is_over: bool,
}

impl Input {
    /// Lines end with the byte `end`.
    pub(super) fn new(end: u8) -> Self {
        let reader = BufReader::new(smol::Unblock::new(std::io::stdin()));
        Self { reader, end, line: Vec::new(), is_stream: false, has_end: false, is_over: false }
    }

    /// The next line; `None` at the end, and when `stop` is cancelled.
    pub(super) async fn next(&mut self, stop: &Token) -> anyhow::Result<Option<Line>> {
        let cancelled = async {
            stop.cancelled().await;
            Ok(None)
        };
        smol::future::or(self.read(), cancelled).await
    }

    async fn read(&mut self) -> anyhow::Result<Option<Line>> {
        if self.is_over {
            return Ok(None);
        }
        // What a cancelled read has taken stays in `line`.
        let read = self.reader.read_until(self.end, &mut self.line).await;
        read.map_err(|cause| Kind::Io.wrap(cause, "reading standard input"))?;
        let mut line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.is_over = true;
            return Ok((self.is_stream && !self.has_end).then_some(Line::Unfinished));
        }
        if line.last() == Some(&self.end) {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        self.understand(&line).map(Some)
    }

    fn understand(&mut self, line: &[u8]) -> anyhow::Result<Line> {
        if line.trim_ascii().is_empty() {
            return Ok(Line::Nothing);
        }
        if !line.starts_with(b"{") {
            return Ok(Line::Query(gitcli::argument(line)));
        }
        let Ok(Streamed { kind, id }) = serde_json::from_slice(line) else {
            return Err(Kind::BadValue.hinted(
                format!("standard input is no stream of events: {}", String::from_utf8_lossy(line)),
                "lines that begin with '{' are read as events of another run",
            ));
        };
        self.is_stream = true;
        self.has_end |= kind == "end";
        Ok(match (kind.as_str(), id) {
            ("commit", Some(id)) => Line::Query(id.into()),
            _ => Line::Nothing,
        })
    }
}
