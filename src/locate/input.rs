//! Queries on standard input, one a line, or the stream of another run: of its `commit` lines the id is the query, the rest
//! frames it and is dropped.

use std::ffi::OsString;

use serde::Deserialize;
use smol::io::{AsyncBufReadExt as _, BufReader};

use crate::error::Kind;
use crate::gitcli;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A query.
    Query(OsString),
    /// Nothing to ask.
    Nothing,
    /// Something that makes the answer partial, and why.
    Fault(Kind, String),
}

impl Line {
    fn cut_off() -> Self {
        Self::Fault(Kind::Io, "the stream on standard input has no `end`: it was cut off".into())
    }
}

/// As much of an event as matters here.
#[derive(Deserialize)]
struct Streamed {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    status: Option<String>,
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

    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Line>> {
        if self.is_over {
            return Ok(None);
        }
        // What a read has taken that was dropped stays in `line`.
        let read = self.reader.read_until(self.end, &mut self.line).await;
        read.map_err(|cause| Kind::Io.wrap(cause, "reading standard input"))?;
        let mut line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.is_over = true;
            return Ok((self.is_stream && !self.has_end).then(Line::cut_off));
        }
        let is_whole = line.last() == Some(&self.end);
        if is_whole {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(self.understand(&line, is_whole)))
    }

    fn understand(&mut self, line: &[u8], is_whole: bool) -> Line {
        if line.trim_ascii().is_empty() {
            return Line::Nothing;
        }
        if !line.starts_with(b"{") {
            return Line::Query(gitcli::argument(line));
        }
        let Ok(Streamed { kind, id, status }) = serde_json::from_slice(line) else {
            if !is_whole && self.is_stream {
                // That it is cut off is said once, at the end.
                return Line::Nothing;
            }
            let shown = String::from_utf8_lossy(line);
            return Line::Fault(
                Kind::BadValue,
                format!("a line on standard input begins as an event and is none: {shown}"),
            );
        };
        self.is_stream = true;
        self.has_end |= kind == "end";
        match (kind.as_str(), id) {
            ("commit", Some(id)) => Line::Query(id.into()),
            ("end", _) if status.as_deref().is_some_and(|status| status != "ok") => {
                let status = status.unwrap_or_default();
                Line::Fault(Kind::Io, format!("the run whose stream is on standard input has ended as {status}"))
            }
            _ => Line::Nothing,
        }
    }
}
