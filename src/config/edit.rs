//! Changing the text of a configuration file, so that all that isn't meant stays as it is: comments, order, blanks, line ends.
//!
//! Owns where a change goes: to the value where there is one, else behind the last of its section, else into a new section at the
//! end. Refuses files and locks (`files`) and what may be set (`keys`).

use std::ops::Range;

use super::syntax::{Document, Header, is_space};

/// A piece of the text, and what goes in its place.
type Splice = (Range<usize>, Vec<u8>);

impl Document {
    /// The text with `key` under `stem` (`section` or `section.subsection`) set to `values`, in order and to nothing else. The key is
    /// written as it is given here; where it stands already it stays as written.
    #[must_use]
    pub fn with(&self, stem: &[u8], key: &str, values: &[&[u8]]) -> Vec<u8> {
        let is_it = |at: &usize| self.entry(&self.parts[*at]).is(stem, key);
        let there: Vec<usize> = (0..self.parts.len()).filter(is_it).collect();
        let mut splices: Vec<Splice> = Vec::new();
        for (part, value) in there.iter().map(|&at| &self.parts[at]).zip(values) {
            match &part.value {
                Some(_) if self.entry(part).value().as_deref() == Some(*value) => {}
                Some(span) => splices.push((span.clone(), quoted(value))),
                None => splices.push((part.span.end..part.span.end, [b" = ", quoted(value).as_slice()].concat())),
            }
        }
        let surplus: Vec<usize> = there.iter().skip(values.len()).copied().collect();
        self.take_out(&surplus, &mut splices);
        let further: Vec<Vec<u8>> =
            values.iter().skip(there.len()).map(|value| [key.as_bytes(), b" = ", &quoted(value)].concat()).collect();
        if !further.is_empty() {
            splices.push(self.insertion(stem, there.last().copied(), &further));
        }
        self.spliced(splices)
    }

    /// The text with a new section at its end.
    #[must_use]
    pub fn with_section(&self, stem: &[u8], pairs: &[(&str, &[u8])]) -> Vec<u8> {
        let lines = pairs.iter().map(|(key, value)| [key.as_bytes(), b" = ", &quoted(value)].concat());
        self.spliced(vec![self.new_section(stem, &lines.collect::<Vec<_>>())])
    }

    /// The text without the sections whose stem `is_meant`. Comments that follow the last key of one stay: they may be about what
    /// comes next.
    #[must_use]
    pub fn without_sections(&self, is_meant: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut splices = Vec::new();
        for (at, header) in self.headers.iter().enumerate().filter(|(_, header)| is_meant(&header.stem)) {
            let last = self.parts.iter().rfind(|part| part.header == Some(at));
            let end = last.map_or(header.span.end, |entry| entry.span.end);
            splices.push((self.paragraph(header.span.start..end), Vec::new()));
        }
        self.spliced(splices)
    }

    /// Takes the entries at `places` out, and the header of a section that is then empty.
    fn take_out(&self, places: &[usize], splices: &mut Vec<Splice>) {
        for (at, header) in self.headers.iter().enumerate() {
            let own = || (0..self.parts.len()).filter(|&place| self.parts[place].header == Some(at));
            let gone: Vec<usize> = own().filter(|place| places.contains(place)).collect();
            let Some(last) = gone.last() else { continue };
            let whole = header.span.start..self.parts[*last].span.end;
            if gone.len() == own().count() && self.says_nothing_else(at, &gone) {
                splices.push((self.paragraph(whole), Vec::new()));
                continue;
            }
            for place in gone {
                let span = self.parts[place].span.clone();
                splices.push((self.lines_of(&span).unwrap_or(span), Vec::new()));
            }
        }
    }

    /// Whether a section has neither a comment in it nor one just above, and so means nothing without the entries `gone`.
    fn says_nothing_else(&self, header: usize, gone: &[usize]) -> bool {
        let own = &self.headers[header];
        let end = self.headers.get(header + 1).map_or(self.text.len(), |next| next.span.start);
        let mut at = own.span.end;
        for place in gone {
            let span = &self.parts[*place].span;
            if !self.text[at..span.start].iter().all(|byte| is_space(*byte)) {
                return false;
            }
            // A comment behind a value goes with it.
            at = self.lines_of(span).map_or(span.end, |lines| lines.end);
        }
        let above = self.line_above(own.span.start).unwrap_or_default();
        self.text[at..end].iter().all(|byte| is_space(*byte)) && !is_comment(above)
    }

    /// Where `lines` go: behind the entry `after`, else to the last section of that stem, else into a new one.
    fn insertion(&self, stem: &[u8], after: Option<usize>, lines: &[Vec<u8>]) -> Splice {
        let entry = || (0..self.parts.len()).rfind(|&at| self.entry(&self.parts[at]).stem == stem);
        if let Some(entry) = after.or_else(entry).map(|at| &self.parts[at]) {
            return self.below(entry.span.end, lines);
        }
        match self.headers.iter().rfind(|header| header.stem == stem) {
            Some(Header { span, .. }) => self.below(span.end, lines),
            None => self.new_section(stem, lines),
        }
    }

    /// `lines` below the line that goes on at `end`.
    fn below(&self, end: usize, lines: &[Vec<u8>]) -> Splice {
        let newline = self.newline();
        let rest = &self.text[end..];
        let line = rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_blank = line.trim_ascii().is_empty() || is_comment(line);
        // Another header on the same line goes to a line of its own.
        let at = if is_blank { end + line.len() } else { end };
        let mut text = if is_blank && !rest.is_empty() && line.ends_with(b"\n") {
            Vec::new()
        } else if rest.is_empty() {
            self.line_end()
        } else {
            newline.to_vec()
        };
        for line in lines {
            text.push(b'\t');
            text.extend_from_slice(line);
            text.extend_from_slice(newline);
        }
        (at..at, text)
    }

    fn new_section(&self, stem: &[u8], lines: &[Vec<u8>]) -> Splice {
        let newline = self.newline();
        let end = self.text.len();
        let mut text = self.line_end();
        // What is said at the end is not about this.
        if self.text.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().is_some_and(is_comment) && !self.ends_empty()
        {
            text.extend_from_slice(newline);
        }
        text.extend_from_slice(&header(stem));
        text.extend_from_slice(newline);
        for line in lines {
            text.push(b'\t');
            text.extend_from_slice(line);
            text.extend_from_slice(newline);
        }
        (end..end, text)
    }

    /// The lines that `span` stands on, if nothing but blanks and a comment shares them.
    fn lines_of(&self, span: &Range<usize>) -> Option<Range<usize>> {
        let before = &self.text[..span.start];
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = &self.text[span.end..];
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        let is_alone = before[start..].iter().all(|byte| is_space(*byte))
            && (rest[..end].trim_ascii().is_empty() || is_comment(&rest[..end]));
        is_alone.then_some(start..span.end + end)
    }

    /// The lines that `span` stands on, and one of two empty lines that would be neighbours without them.
    fn paragraph(&self, span: Range<usize>) -> Range<usize> {
        let Some(Range { mut start, mut end }) = self.lines_of(&span) else { return span };
        let above = self.line_above(start);
        let below = self.text[end..].split_inclusive(|byte| *byte == b'\n').next();
        let is_empty = |line: &[u8]| line.trim_ascii().is_empty();
        match (above, below) {
            (None, Some(below)) if is_empty(below) => end += below.len(),
            (Some(above), Some(below)) if is_empty(above) && is_empty(below) => end += below.len(),
            (Some(above), None) if is_empty(above) => start -= above.len(),
            _ => {}
        }
        start..end
    }

    /// The line above that which `at` stands on, with its end; `None` above the first.
    fn line_above(&self, at: usize) -> Option<&[u8]> {
        let before = &self.text[..at];
        let end = before.iter().rposition(|byte| *byte == b'\n')? + 1;
        before[..end].split_inclusive(|byte| *byte == b'\n').next_back()
    }

    /// What ends the last line of the text, if it isn't ended.
    fn line_end(&self) -> Vec<u8> {
        // A backslash at the end carries the last value over to what would be the next line.
        let goes_on = self.parts.last().is_some_and(|entry| entry.span.end == self.text.len());
        let count = match self.text.last() {
            Some(b'\\') if goes_on => 2,
            Some(b'\n') => usize::from(goes_on),
            Some(_) => 1,
            None => 0,
        };
        self.newline().repeat(count)
    }

    /// Whether the last line is an empty one.
    fn ends_empty(&self) -> bool {
        self.text.ends_with(b"\n\n") || self.text.ends_with(b"\n\r\n")
    }

    fn newline(&self) -> &'static [u8] {
        let first = self.text.iter().position(|byte| *byte == b'\n');
        if first.is_some_and(|at| self.text[..at].ends_with(b"\r")) { b"\r\n" } else { b"\n" }
    }

    /// The text with each range replaced; where two overlap, from the end of the first.
    fn spliced(&self, mut splices: Vec<Splice>) -> Vec<u8> {
        splices.sort_by_key(|(range, _)| range.start);
        let mut text = Vec::with_capacity(self.text.len() + 64);
        let mut at = 0;
        for (range, new) in splices {
            text.extend_from_slice(&self.text[at..range.start.max(at)]);
            text.extend_from_slice(&new);
            at = range.end.max(at);
        }
        text.extend_from_slice(&self.text[at..]);
        text
    }
}

fn is_comment(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), Some(b'#' | b';'))
}

/// `[section "subsection"]`.
fn header(stem: &[u8]) -> Vec<u8> {
    let mut text = vec![b'['];
    let mut parts = stem.splitn(2, |byte| *byte == b'.');
    text.extend_from_slice(parts.next().unwrap_or_default());
    if let Some(subsection) = parts.next() {
        text.extend_from_slice(b" \"");
        for byte in subsection {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(*byte);
        }
        text.push(b'"');
    }
    text.push(b']');
    text
}

/// A value as it is written: in quotes where blanks or comment signs would be lost.
fn quoted(value: &[u8]) -> Vec<u8> {
    let ends_blank = [value.first(), value.last()].into_iter().flatten().any(|byte| is_space(*byte));
    let needs = ends_blank || value.iter().any(|byte| matches!(byte, b';' | b'#' | b'\r'));
    let mut text = Vec::with_capacity(value.len() + 2);
    text.extend_from_slice(if needs { b"\"" } else { b"" });
    for byte in value {
        match byte {
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\t' => text.extend_from_slice(b"\\t"),
            8 => text.extend_from_slice(b"\\b"),
            b'"' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
            byte => text.push(*byte),
        }
    }
    text.extend_from_slice(if needs { b"\"" } else { b"" });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text.as_bytes()).expect("good syntax")
    }

    fn set(text: &str, stem: &str, key: &str, values: &[&str]) -> String {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        String::from_utf8(document(text).with(stem.as_bytes(), key, &values)).expect("UTF-8")
    }

    #[test]
    fn a_change_leaves_the_rest_alone() {
        let cases: &[(&str, &str, &[&str], &str)] = &[
            ("", "a", &["1"], "[a]\n\tk = 1\n"),
            ("[a]", "a", &["1"], "[a]\n\tk = 1\n"),
            ("[a] # why\n", "a", &["1"], "[a] # why\n\tk = 1\n"),
            ("[a][b]\nk = 2\n", "a", &["1"], "[a]\n\tk = 1\n[b]\nk = 2\n"),
            ("[a]\n  K=2 ; why\n", "a", &["1"], "[a]\n  K=1 ; why\n"),
            ("[a]\n  k =   \n", "a", &["1"], "[a]\n  k =1   \n"),
            ("[a]\nk\n", "a", &["1"], "[a]\nk = 1\n"),
            ("[a]\nk = x\\\ny # z\n", "a", &["1"], "[a]\nk = 1 # z\n"),
            ("[a]\r\nk = 2\r\n", "a.b", &["1"], "[a]\r\nk = 2\r\n[a \"b\"]\r\n\tk = 1\r\n"),
            ("[a]\nk = 1\nl = 2\n", "a", &["1", "3"], "[a]\nk = 1\n\tk = 3\nl = 2\n"),
            ("[a]\nk = 1\nk = 2\nl = 2\n", "a", &["3"], "[a]\nk = 3\nl = 2\n"),
            ("[a]\nk = 1 # x\n[b]\nk = 1\n", "a", &[], "[b]\nk = 1\n"),
            ("# about a\n[a]\nk = 1\n", "a", &[], "# about a\n[a]\n"),
            ("# all\n\n[a]\nk = 1\n", "a", &[], "# all\n"),
            ("# all", "a", &["1"], "# all\n\n[a]\n\tk = 1\n"),
            ("# all\r\n\r\n[a]\r\nk = 1\r\n\r\n[b]\r\n", "a", &[], "# all\r\n\r\n[b]\r\n"),
            ("[a]\n# about k\nk = 1\n", "a", &[], "[a]\n# about k\n"),
            ("[a] k = 1\nl = 2\n", "a", &[], "[a] \nl = 2\n"),
            ("[a] k = 1\n[b]\n", "a", &[], "[b]\n"),
            ("[b]\nk = 1", "a", &["1"], "[b]\nk = 1\n[a]\n\tk = 1\n"),
        ];
        for (text, stem, values, expected) in cases {
            assert_eq!(set(text, stem, "k", values), *expected, "{text:?} {values:?}");
        }
    }

    #[test]
    fn values_and_names_are_quoted_where_they_must_be() {
        for (value, written) in [
            ("plain", "plain"),
            ("", ""),
            (" a", "\" a\""),
            ("a ", "\"a \""),
            ("a  b", "a  b"),
            ("a#b", "\"a#b\""),
            ("a;b", "\"a;b\""),
            ("\"a\\b\"", "\\\"a\\\\b\\\""),
            ("a\nb\tc", "a\\nb\\tc"),
        ] {
            assert_eq!(set("", "a", "k", &[value]), format!("[a]\n\tk = {written}\n"), "{value:?}");
        }
        assert_eq!(set("", "a.x.\"y\\", "k", &["1"]), "[a \"x.\\\"y\\\\\"]\n\tk = 1\n");
    }

    #[test]
    fn sections_go_and_what_stands_between_them_stays() {
        let text = "# all\n\n[a]\nk = 1 # one\n\n# about b\n[b]\n# in b\nk = 2\n\n[a] k = 3\n";
        let without = |stem: &str| {
            let gone = document(text).without_sections(|found| found == stem.as_bytes());
            String::from_utf8(gone).expect("UTF-8")
        };
        assert_eq!(without("a"), "# all\n\n# about b\n[b]\n# in b\nk = 2\n");
        assert_eq!(without("b"), "# all\n\n[a]\nk = 1 # one\n\n# about b\n\n[a] k = 3\n");
        assert_eq!(without("c"), text);
        let twice = document("[a]\nk = 1\n\n[a]\nk = 2\n").without_sections(|_| true);
        assert_eq!(twice, b"");
    }
}
