//! The syntax of git's configuration files (git-config(1), "Syntax"; `git_parse_source` in git's `config.c` where that is silent).
//!
//! Owns reading a text: what it sets, on which line, and where in the text each part stands, so that a change leaves the rest as it
//! is (`edit`). gix reads git's own files but tells neither lines nor places. Refuses to know what keys mean, and follows no
//! `include`: those are for git's files, as for `git config -f`.

use std::ops::Range;

/// A text that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    pub(super) text: Vec<u8>,
    pub(super) headers: Vec<Header>,
    pub(super) entries: Vec<Entry>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The place of its header among those of the document; `None` before the first.
    pub header: Option<usize>,
    /// Its last part, in lower case.
    pub key: String,
    /// The bytes of its value; `None` where there is no `=`, which means true.
    pub value: Option<Vec<u8>>,
    /// Its line, the first being 1.
    pub line: usize,
    /// From the key to the end of the value.
    pub(super) span: Range<usize>,
    /// The value as it is written, quotes and all.
    pub(super) value_span: Option<Range<usize>>,
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
                    let mut entry = reader.entry(start).ok_or_else(|| bad(reader.line))?;
                    entry.header = document.headers.len().checked_sub(1);
                    entry.line = line;
                    document.entries.push(entry);
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

    /// What it sets, in order: the stem (`section` or `section.subsection`) and the entry. The stem is empty before the first header.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.entries.iter().map(|entry| (self.stem(entry), entry))
    }

    pub(super) fn stem(&self, entry: &Entry) -> &[u8] {
        entry.header.map_or(&[], |at| &self.headers[at].stem)
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

    /// What follows the first letter of a key, which stands at `start`.
    fn entry(&mut self, start: usize) -> Option<Entry> {
        let length = self.text[start..].iter().take_while(|byte| is_key(**byte)).count();
        self.at = start + length;
        let key = String::from_utf8_lossy(&self.text[start..self.at]).to_ascii_lowercase();
        let mut entry = Entry { header: None, key, value: None, line: 0, span: start..self.at, value_span: None };
        loop {
            match self.next_in_line() {
                None => return Some(entry),
                Some(b' ' | b'\t') => {}
                Some(b'=') => break,
                Some(_) => return None,
            }
        }
        let (value, span) = self.value()?;
        entry.span.end = span.end;
        entry.value = Some(value);
        entry.value_span = Some(span);
        Some(entry)
    }

    /// What follows `=`, and where it stands without the blanks and the comment around it.
    fn value(&mut self) -> Option<(Vec<u8>, Range<usize>)> {
        let mut value = Vec::new();
        let mut quoted = false;
        // How long the value is without the blanks that end it so far; 0 where none do.
        let mut trimmed = 0;
        let mut span = self.at..self.at;
        let mut begun = false;
        loop {
            let before = self.at;
            let Some(byte) = self.next_in_line() else { break };
            if is_space(byte) && !quoted {
                if trimmed == 0 {
                    trimmed = value.len();
                }
                if !value.is_empty() {
                    value.push(byte);
                }
                continue;
            }
            if matches!(byte, b';' | b'#') && !quoted {
                while self.next_in_line().is_some() {}
                break;
            }
            trimmed = 0;
            if !begun {
                (begun, span.start) = (true, before);
            }
            match byte {
                b'\\' => match self.next() {
                    // The line goes on.
                    None | Some(b'\n') => {}
                    Some(b't') => value.push(b'\t'),
                    Some(b'b') => value.push(8),
                    Some(b'n') => value.push(b'\n'),
                    Some(same @ (b'\\' | b'"')) => value.push(same),
                    Some(_) => return None,
                },
                b'"' => quoted = !quoted,
                byte => value.push(byte),
            }
            span.end = self.at;
        }
        if trimmed > 0 {
            value.truncate(trimmed);
        }
        if !begun {
            span = span.start..span.start;
        }
        (!quoted).then_some((value, span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `stem.key=value` of each entry, with its line.
    fn read(text: &str) -> Result<Vec<(String, usize)>, usize> {
        let document = Document::parse(text.as_bytes()).map_err(|error| error.line)?;
        let lossy = String::from_utf8_lossy;
        let shown = |(stem, entry): (&[u8], &Entry)| {
            let value = entry.value.as_ref().map_or_else(String::new, |value| format!("={}", lossy(value)));
            (format!("{}.{}{value}", lossy(stem), entry.key), entry.line)
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
