//! The stream of another run on standard input: whole lines as they come, and as much of each as matters here.

use std::borrow::Cow;

use serde::Deserialize;
use smol::io::AsyncReadExt as _;

use crate::error::Kind;
use crate::facts::issues::{IssueKind, IssueRef};

/// Bytes of input that are taken at once, at most.
const CHUNK: usize = 64 << 10;
/// Bytes of the longest line: one that never ends must not take all memory. No commit has such a message.
const LONGEST: usize = 256 << 20;

/// As much of an event as matters here. What isn't as expected is passed over: a newer version may have written it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'l> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'l, str>,
    #[serde(borrow)]
    pub(super) repo: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub(super) git_dir: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub(super) change_id: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub(super) subject: Option<Cow<'l, str>>,
    #[serde(borrow)]
    pub(super) body: Option<Cow<'l, str>>,
    #[serde(borrow)]
    issues: Vec<Reference<'l>>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'l, str>>,
    pub(super) complete: Option<bool>,
    #[serde(borrow)]
    pub(super) cursor: Option<Cow<'l, str>>,
}

#[derive(Debug, Deserialize)]
struct Reference<'l> {
    #[serde(borrow)]
    kind: Cow<'l, str>,
    #[serde(borrow)]
    key: Cow<'l, str>,
}

impl<'l> Line<'l> {
    /// What a line says that is an event; `None` of one that isn't.
    pub(super) fn parse(line: &'l [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The issues that a commit refers to, those of a kind that is known here.
    pub(super) fn issues(&self) -> impl Iterator<Item = IssueRef> + '_ {
        self.issues.iter().filter_map(|reference| known(&reference.kind, &reference.key))
    }
}

/// A reference as it stands on the wire, if its kind is one that is known here.
pub(super) fn known(kind: &str, key: &str) -> Option<IssueRef> {
    let kind = KINDS.into_iter().find(|known| known.as_str() == kind)?;
    Some(IssueRef { kind, key: key.to_owned() })
}

const KINDS: [IssueKind; 11] = [
    IssueKind::Number,
    IssueKind::Github,
    IssueKind::Cve,
    IssueKind::Ghsa,
    IssueKind::Bug,
    IssueKind::Launchpad,
    IssueKind::Bugzilla,
    IssueKind::Jira,
    IssueKind::Gitlab,
    IssueKind::Debian,
    IssueKind::Url,
];

/// Reads whole lines.
pub(super) struct Input<R> {
    reader: R,
    chunk: Vec<u8>,
    /// The beginning of a line whose end hasn't come yet.
    rest: Vec<u8>,
    /// It has no more bytes than this.
    longest: usize,
    is_over: bool,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Whole lines, each with its end.
    Lines(Vec<u8>),
    /// The end of the input, and what stood before it without an end of its own.
    End(Vec<u8>),
}

impl<R: smol::io::AsyncRead + Unpin> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, chunk: vec![0; CHUNK], rest: Vec::new(), longest: LONGEST, is_over: false }
    }

    /// Whatever whole lines there are, as soon as there is one. What a call has taken that was dropped is not lost.
    ///
    /// # Errors
    /// If it can't be read; [`Kind::BadValue`] if a line has no end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Came> {
        while !self.is_over {
            let read = self.reader.read(&mut self.chunk).await;
            let length = read.map_err(|cause| Kind::Io.wrap(cause, "reading standard input"))?;
            let chunk = &self.chunk[..length];
            self.is_over = length == 0;
            let whole = memchr::memrchr(b'\n', chunk).map_or(0, |at| at + 1);
            let mut lines = if whole > 0 { std::mem::take(&mut self.rest) } else { Vec::new() };
            lines.extend_from_slice(&chunk[..whole]);
            self.rest.extend_from_slice(&chunk[whole..]);
            if whole > 0 {
                return Ok(Came::Lines(lines));
            }
            if self.rest.len() > self.longest {
                let message = format!("a line on standard input is longer than {} bytes", self.longest);
                return Err(
                    Kind::BadValue.hinted(message, "the stream of git bhfuil scan or where is read, a line each")
                );
            }
        }
        Ok(Came::End(std::mem::take(&mut self.rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::block_on;
    use smol::io::Cursor;

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let text = format!("{{\"a\":1}}\n{}\n\nlast", "x".repeat(3 * CHUNK));
        let mut input = Input::new(Cursor::new(text.clone().into_bytes()));
        let mut all = Vec::new();
        let rest = loop {
            match block_on(input.next()).expect("reads") {
                Came::Lines(lines) => {
                    assert_eq!(lines.last(), Some(&b'\n'));
                    all.extend_from_slice(&lines);
                }
                Came::End(rest) => break rest,
            }
        };
        assert_eq!(rest, b"last");
        assert_eq!([all, rest].concat(), text.into_bytes());
        assert_eq!(block_on(input.next()).expect("reads"), Came::End(Vec::new()));
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        let mut input = Input { longest: 3 * CHUNK, ..Input::new(smol::io::repeat(b'x')) };
        let cause = block_on(input.next()).expect_err("it has no end");
        assert_eq!(crate::error::kind_of(&cause), Kind::BadValue);
        let mut input =
            Input { longest: 3 * CHUNK, ..Input::new(Cursor::new([vec![b'x'; 2 * CHUNK], b"\n".into()].concat())) };
        assert!(matches!(block_on(input.next()), Ok(Came::Lines(lines)) if lines.len() == 2 * CHUNK + 1));
    }

    #[test]
    fn what_a_newer_version_writes_is_passed_over() {
        let line = br#"{"type":"commit","new":[1],"repo":"a\u00e9","issues":[{"kind":"cve","key":"CVE-2024-1"},{"kind":"oracle","key":"7","x":1}]}"#;
        let line = Line::parse(line).expect("an event");
        assert_eq!((&*line.kind, line.repo.as_deref()), ("commit", Some("a\u{e9}")));
        assert_eq!(line.issues().map(|issue| issue.key).collect::<Vec<_>>(), ["CVE-2024-1"]);
        assert!(Line::parse(b"{\"type\":\"commit\"").is_none());
    }

    #[test]
    fn every_kind_of_issue_is_known() {
        for kind in KINDS {
            let text = serde_json::to_string(&kind).expect("text");
            assert_eq!(text, format!("\"{}\"", kind.as_str()));
        }
    }
}
