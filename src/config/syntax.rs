//! The syntax of git's configuration files (git-config(1), "Syntax"; `git_parse_source` in git's `config.c` where that is silent).
//!
//! Owns reading a text: what it sets, on which line, and where in the text each part stands, so that a change leaves the rest as it
//! is (`edit`). gix reads git's own files but tells neither lines nor places. Refuses to know what keys mean, and follows no
//! `include`: those are for git's files, as for `git config -f`.

use std::borrow::Cow;
use std::ops::Range;

/// A text that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    pub(super) text: Vec<u8>,
    pub(super) headers: Vec<Header>,
    pub(super) parts: Vec<Part>,
}

/// `[section]`, `[section "subsection"]` or `[section.subsection]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name up to the key: `section` or `section.subsection`, the former in lower case.
    pub stem: Vec<u8>,
    /// Its line, the first being 1.
    pub line: usize,
    pub(super) span: Range<usize>,
}

/// A key that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'d> {
    /// The name up to the key: `section` or `section.subsection`, the former in lower case; empty before the first header.
    pub stem: &'d [u8],
    /// Whether there is a header before it.
    pub has_header: bool,
    /// The last part of its name, as it is written; upper and lower case are the same.
    pub key: &'d str,
    /// Its line, the first being 1.
    pub line: usize,
    /// Its value as it is written, quotes and all.
    raw: Option<&'d [u8]>,
}

impl<'d> Entry<'d> {
    /// Its value; `None` where there is no `=`, which means true.
    #[must_use]
    pub fn value(&self) -> Option<Cow<'d, [u8]>> {
        self.raw.map(decoded)
    }

    /// Whether it is a value of `key` under `stem`.
    #[must_use]
    pub fn is(&self, stem: &[u8], key: &str) -> bool {
        self.stem == stem && self.key.eq_ignore_ascii_case(key)
    }
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// The place of its header among those of the document; `None` before the first.
    pub(super) header: Option<usize>,
    pub(super) line: usize,
    /// From the key to the end of the value.
    pub(super) span: Range<usize>,
    /// How many bytes the key has.
    pub(super) key: usize,
    /// The value, without the blanks and the comment around it.
    pub(super) value: Option<Range<usize>>,
}

/// A line that git would refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntaxError {
    /// The first being 1.
    pub line: usize,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "bad config line {}", self.line)
    }
}

impl std::error::Error for SyntaxError {}

impl Document {
    /// Reads `text`.
    ///
    /// # Errors
    /// The first line that git would refuse.
    pub fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        let mut reader = Reader { text, at: 0, line: 1 };
        let lines = || text.split_inclusive(|byte| *byte == b'\n').count();
        let bad = |line: usize| SyntaxError { line: line.min(lines()) };
        let mut document = Self { text: text.to_vec(), ..Self::default() };
        if text.starts_with(BYTE_ORDER_MARK) {
            reader.at = BYTE_ORDER_MARK.len();
        }
        loop {
            let (start, line) = (reader.at, reader.line);
            let Some(byte) = reader.next() else { return Ok(document) };
            match byte {
                byte if is_space(byte) => {}
                b'#' | b';' => while reader.next_in_line().is_some() {},
                b'[' => {
                    let stem = reader.header().ok_or_else(|| bad(line))?;
                    document.headers.push(Header { stem, line, span: start..reader.at });
                }
                byte if byte.is_ascii_alphabetic() => {
                    let (key, value) = reader.entry(start).ok_or_else(|| bad(reader.line))?;
                    let end = value.as_ref().map_or(start + key, |value| value.end);
                    let header = document.headers.len().checked_sub(1);
                    document.parts.push(Part { header, line, span: start..end, key, value });
                }
                _ => return Err(bad(line)),
            }
        }
    }

    /// The text as it was read.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Its headers, in order.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// What it sets, in order.
    #[must_use]
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> + ExactSizeIterator {
        self.parts.iter().map(|part| self.entry(part))
    }

    pub(super) fn entry(&self, part: &Part) -> Entry<'_> {
        let key = &self.text[part.span.start..part.span.start + part.key];
        Entry {
            stem: part.header.map_or(&[], |at| &self.headers[at].stem),
            has_header: part.header.is_some(),
            // Letters, digits and dashes.
            key: std::str::from_utf8(key).unwrap_or_default(),
            line: part.line,
            raw: part.value.clone().map(|span| &self.text[span]),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// As git's `isspace`: without vertical tab and form feed.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    /// The line that `at` is in.
    line: usize,
}

impl Reader<'_> {
    /// The next byte, CR LF being one LF.
    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        let ends = byte == b'\r' && self.text.get(self.at + 1) == Some(&b'\n');
        self.at += if ends { 2 } else { 1 };
        let byte = if ends { b'\n' } else { byte };
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    /// The next byte of the line; `None`, and nothing is read, at its end.
    fn next_in_line(&mut self) -> Option<u8> {
        let (at, line) = (self.at, self.line);
        let byte = self.next()?;
        if byte == b'\n' {
            (self.at, self.line) = (at, line);
            return None;
        }
        Some(byte)
    }

    /// What follows `[`, to the `]`.
    fn header(&mut self) -> Option<Vec<u8>> {
        let mut stem = Vec::new();
        loop {
            match self.next_in_line()? {
                b']' => return (!stem.is_empty()).then_some(stem),
                byte if is_space(byte) => break,
                byte if is_key(byte) || byte == b'.' => stem.push(byte.to_ascii_lowercase()),
                _ => return None,
            }
        }
        let mut byte = self.next_in_line()?;
        while is_space(byte) {
            byte = self.next_in_line()?;
        }
        if byte != b'"' {
            return None;
        }
        stem.push(b'.');
        loop {
            match self.next_in_line()? {
                b'"' => break,
                b'\\' => stem.push(self.next_in_line()?),
                byte => stem.push(byte),
            }
        }
        (self.next_in_line()? == b']').then_some(stem)
    }

    /// What follows the first letter of a key, which stands at `start`: the length of the key, and where its value stands.
    fn entry(&mut self, start: usize) -> Option<(usize, Option<Range<usize>>)> {
        let length = self.text[start..].iter().take_while(|byte| is_key(**byte)).count();
        self.at = start + length;
        loop {
            match self.next_in_line() {
                None => return Some((length, None)),
                Some(b' ' | b'\t') => {}
                Some(b'=') => return Some((length, Some(self.value()?))),
                Some(_) => return None,
            }
        }
    }

    /// Where the value stands that follows `=`, without the blanks and the comment around it.
    fn value(&mut self) -> Option<Range<usize>> {
        let mut quoted = false;
        let mut span: Option<Range<usize>> = None;
        let begins = self.at;
        loop {
            let before = self.at;
            let Some(byte) = self.next_in_line() else { break };
            if is_space(byte) && !quoted {
                continue;
            }
            if matches!(byte, b';' | b'#') && !quoted {
                while self.next_in_line().is_some() {}
                break;
            }
            match byte {
                b'\\' if !matches!(self.next(), None | Some(b'\n' | b't' | b'b' | b'n' | b'\\' | b'"')) => return None,
                b'"' => quoted = !quoted,
                _ => {}
            }
            span = Some(span.map_or(before, |span| span.start)..self.at);
        }
        (!quoted).then(|| span.unwrap_or(begins..begins))
    }
}

/// The value that is written as `raw`, whose first and last byte belong to it.
fn decoded(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.iter().any(|byte| matches!(byte, b'"' | b'\\')) {
        return Cow::Borrowed(raw);
    }
    let mut reader = Reader { text: raw, at: 0, line: 1 };
    let mut value = Vec::with_capacity(raw.len());
    let mut quoted = false;
    while let Some(byte) = reader.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' => match reader.next() {
                // The line goes on.
                None | Some(b'\n') => {}
                Some(b't') => value.push(b'\t'),
                Some(b'b') => value.push(8),
                Some(b'n') => value.push(b'\n'),
                Some(same) => value.push(same),
            },
            // Blanks before it are none of it, though quotes of nothing may stand before them.
            byte if is_space(byte) && !quoted && value.is_empty() => {}
            byte => value.push(byte),
        }
    }
    Cow::Owned(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `stem.key=value` of each entry, with its line.
    fn read(text: &str) -> Result<Vec<(String, usize)>, usize> {
        let document = Document::parse(text.as_bytes()).map_err(|error| error.line)?;
        let lossy = String::from_utf8_lossy;
        let shown = |entry: Entry<'_>| {
            let value = entry.value().map_or_else(String::new, |value| format!("={}", lossy(&value)));
            (format!("{}.{}{value}", lossy(entry.stem), entry.key.to_ascii_lowercase()), entry.line)
        };
        Ok(document.entries().map(shown).collect())
    }

    #[test]
    fn lines_are_told() {
        let text =
            "\u{feff}# first\n[A]\r\n  B = 1 ; c\r\n\tc\n[a \"X.y\\\"\"] d = 'e\\\n  f' # g\n[h.I]\n\n\nj=\"k # \"";
        let expected = [("a.b=1", 3), ("a.c", 4), ("a.X.y\".d='e  f'", 5), ("h.i.j=k # ", 10)];
        assert_eq!(read(text), Ok(expected.map(|(entry, line)| (entry.to_owned(), line)).to_vec()));
    }

    #[test]
    fn a_bad_line_is_told() {
        for (text, line) in [
            ("[a]\nb\n[c\nd", 3),
            ("[a]\n1 = b", 2),
            ("[a]\n\nb = \"c\nd", 3),
            ("[a]\nb = \\q", 2),
            ("[a]\nb c", 2),
            ("[a \"b\n\"]", 1),
            ("[a \"b\" ]", 1),
            ("[a b]", 1),
            ("[a_b]", 1),
            ("x[a]", 1),
        ] {
            assert_eq!(read(text), Err(line), "{text:?}");
        }
    }
}
