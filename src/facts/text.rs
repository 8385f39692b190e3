//! From the bytes of a commit to text: the declared encoding, and where a message's subject ends and its body begins.
//!
//! Follows what `git log` prints with UTF-8 output (`repo_logmsg_reencode` and the `%s` and `%b` placeholders, see
//! `git help log`, "PRETTY FORMATS", and i18n under "DISCUSSION"). Refuses: to guess an encoding; bytes that neither UTF-8
//! nor the `encoding` header explains are shown lossily, and kept.

use std::{borrow::Cow, ops::Range};

use encoding_rs::{Encoding, UTF_8};
use memchr::memchr;

use super::commit::RawCommit;

/// Whether git's own `isspace` counts `byte` as white space: space, tab, LF and CR, but not VT and FF.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// [`is_space`] for a `char`, for trimming.
pub(super) const fn is_space_char(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Text for people, with the exact bytes beside it where the text can't stand for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text<'a> {
    /// UTF-8; where `exact` is set, undecodable sequences are U+FFFD.
    pub text: Cow<'a, str>,
    /// The bytes as they are in the object, only where `text` is lossy.
    pub exact: Option<Cow<'a, [u8]>>,
}

impl<'a> Text<'a> {
    /// `bytes` as UTF-8, or lossy with the exact bytes kept.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self::from_cow(Cow::Borrowed(bytes))
    }

    fn from_cow(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => Self { text: String::from_utf8_lossy(bytes), exact: Some(Cow::Borrowed(bytes)) },
            },
            Cow::Owned(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self { text: Cow::Owned(text), exact: None },
                Err(error) => Self {
                    text: Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
                    exact: Some(Cow::Owned(error.into_bytes())),
                },
            },
        }
    }

    /// The exact bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.exact.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// [`subject_and_body`] of a message, each with its own exact bytes where it is lossy.
    #[must_use]
    pub fn subject_and_body(&self) -> (Text<'_>, Text<'_>) {
        let Some(exact) = &self.exact else {
            let (subject, body) = subject_and_body(&self.text);
            return (Text { text: subject, exact: None }, body.into());
        };
        let layout = Layout::of(exact);
        let subject = &exact[layout.subject];
        let subject = if layout.folded { Cow::Owned(fold_bytes(subject)) } else { Cow::Borrowed(subject) };
        (Text::from_cow(subject), Text::from_bytes(&exact[layout.body]))
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self { text: Cow::Borrowed(text), exact: None }
    }
}

/// The parts of a commit that people wrote, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitText<'a> {
    /// The author header's value, for [`super::identity::Identity::parse`].
    pub author: Text<'a>,
    /// The committer header's value.
    pub committer: Text<'a>,
    /// The whole message, for [`Text::subject_and_body`] and [`super::trailers::trailers`].
    pub message: Text<'a>,
}

impl<'a> CommitText<'a> {
    /// Decodes `commit` by its `encoding` header. If that names no known encoding, or one of the parts can't be decoded by
    /// it, none is: git re-encodes a commit as a whole or shows the bytes as they are.
    #[must_use]
    pub fn decode(commit: &RawCommit<'a>) -> Self {
        commit.encoding.and_then(|name| Self::reencode(commit, Charset::named(name)?)).unwrap_or_else(|| Self {
            author: Text::from_bytes(commit.author),
            committer: Text::from_bytes(commit.committer),
            message: Text::from_bytes(commit.message),
        })
    }

    fn reencode(commit: &RawCommit<'a>, charset: Charset) -> Option<Self> {
        let part = |bytes| Some(Text { text: charset.decode(bytes)?, exact: None });
        Some(Self { author: part(commit.author)?, committer: part(commit.committer)?, message: part(commit.message)? })
    }
}

/// How an encoding name is to be read, so that the result is iconv's. The tables are those of the WHATWG Encoding
/// Standard, which takes some ISO names for the larger Windows code pages and fills their holes with control characters.
#[derive(Clone, Copy)]
enum Charset {
    /// The table as it is.
    Table(&'static Encoding),
    /// A Windows code page: bytes that it leaves undefined can't be decoded.
    CodePage(&'static Encoding),
    /// An ISO 8859 part that the standard reads as this Windows code page: 0x80 to 0x9f are control characters.
    Iso(&'static Encoding),
    /// Seven bits.
    Ascii,
}

/// Names that iconv knows and the Encoding Standard doesn't, with one that it knows.
const ALIASES: [(&str, &str); 12] = [
    ("latin-1", "iso-8859-1"),
    ("latin-9", "iso-8859-15"),
    ("iso_8859-14", "iso-8859-14"),
    ("iso_8859-16", "iso-8859-16"),
    ("cp932", "shift_jis"),
    ("eucjp", "euc-jp"),
    ("ujis", "euc-jp"),
    ("euckr", "euc-kr"),
    ("cp949", "euc-kr"),
    ("uhc", "euc-kr"),
    ("cp936", "gbk"),
    ("cp950", "big5"),
];

impl Charset {
    /// `None` for UTF-8 (nothing to do), for unknown names, and for encodings in which a commit object can't be written.
    fn named(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        let label = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, label)| label);
        if matches!(label, "ascii" | "us-ascii" | "ansi_x3.4-1968") {
            return Some(Self::Ascii);
        }
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        if encoding == UTF_8 || !(encoding.is_ascii_compatible() || encoding == encoding_rs::ISO_2022_JP) {
            return None;
        }
        Some(match encoding.name().starts_with("windows-") {
            false => Self::Table(encoding),
            true if label.contains("windows") || label.contains("cp") => Self::CodePage(encoding),
            true => Self::Iso(encoding),
        })
    }

    fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Table(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
            Self::CodePage(encoding) => encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .filter(|text| !text.chars().any(|c| matches!(c, '\u{80}'..='\u{9f}'))),
            Self::Iso(encoding) => decode_iso(encoding, bytes),
            Self::Ascii => std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(Cow::Borrowed),
        }
    }
}

fn decode_iso<'a>(code_page: &'static Encoding, bytes: &'a [u8]) -> Option<Cow<'a, str>> {
    let is_control = |byte: u8| matches!(byte, 0x80..=0x9f);
    if !bytes.iter().any(|&byte| is_control(byte)) {
        return code_page.decode_without_bom_handling_and_without_replacement(bytes);
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 2);
    for run in bytes.chunk_by(|&a, &b| is_control(a) == is_control(b)) {
        if is_control(run[0]) {
            text.extend(run.iter().map(|&byte| char::from(byte)));
        } else {
            text.push_str(&code_page.decode_without_bom_handling_and_without_replacement(run)?);
        }
    }
    Some(Cow::Owned(text))
}

/// A message's subject and body.
///
/// The subject is `%s`: the lines up to the first blank one, leading blank lines passed over, each without trailing white
/// space, joined by a space. The body is `%b` without its last newline: everything after the blank lines that follow,
/// trailers included, otherwise untouched. A line of white space is blank, so CRLF messages split alike.
#[must_use]
pub fn subject_and_body(message: &str) -> (Cow<'_, str>, &str) {
    let layout = Layout::of(message.as_bytes());
    let subject = &message[layout.subject];
    let subject = if layout.folded { Cow::Owned(fold(subject)) } else { Cow::Borrowed(subject) };
    (subject, &message[layout.body])
}

/// `message` without the blank lines at its start, from where git looks for trailers.
pub(super) fn skip_blank_lines(message: &str) -> &str {
    &message[after_blank_lines(message.as_bytes(), 0)..]
}

/// Where a message's parts are. All bounds lie beside ASCII bytes or at the ends, hence on character boundaries.
struct Layout {
    /// From the first line that isn't blank to the last visible byte of the paragraph.
    subject: Range<usize>,
    /// Whether the subject has several lines.
    folded: bool,
    body: Range<usize>,
}

impl Layout {
    fn of(message: &[u8]) -> Self {
        let start = after_blank_lines(message, 0);
        let (mut at, mut end, mut lines) = (start, start, 0);
        while at < message.len() {
            let next = next_line(message, at);
            let visible = visible_len(&message[at..next]);
            let line = at;
            at = next;
            if visible == 0 {
                break;
            }
            end = line + visible;
            lines += 1;
        }
        let body = after_blank_lines(message, at);
        let body_end = if message[body..].ends_with(b"\n") { message.len() - 1 } else { message.len() };
        Self { subject: start..end, folded: lines > 1, body: body..body_end }
    }
}

fn fold(lines: &str) -> String {
    let mut subject = String::with_capacity(lines.len());
    for line in lines.split('\n') {
        if !subject.is_empty() {
            subject.push(' ');
        }
        subject.push_str(line.trim_end_matches(is_space_char));
    }
    subject
}

fn fold_bytes(lines: &[u8]) -> Vec<u8> {
    let mut subject = Vec::with_capacity(lines.len());
    for line in lines.split(|&byte| byte == b'\n') {
        if !subject.is_empty() {
            subject.push(b' ');
        }
        subject.extend_from_slice(&line[..visible_len(line)]);
    }
    subject
}

/// Where the line after the one at `at` begins.
pub(super) fn next_line(bytes: &[u8], at: usize) -> usize {
    memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |length| at + length + 1)
}

/// The length of `line` without trailing white space.
fn visible_len(line: &[u8]) -> usize {
    line.iter().rposition(|&byte| !is_space(byte)).map_or(0, |last| last + 1)
}

fn after_blank_lines(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        let next = next_line(bytes, at);
        if visible_len(&bytes[at..next]) > 0 {
            break;
        }
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::commit::oracle::Git;

    /// Decodes as we do and as `git log` does; equal where the exact bytes are.
    fn agrees(git: &Git, headers: &[u8], message: &[u8]) -> bool {
        let (object, id) = git.commit(headers, message);
        let commit = RawCommit::parse(&object, 20).expect("a commit");
        let text = CommitText::decode(&commit);
        let (subject, body) = text.message.subject_and_body();
        let author = text.author.bytes().split(|&byte| byte == b' ').next().unwrap_or_default();
        let ours = [author, subject.bytes(), body.bytes()].join(&0);
        let mut shown = git.log(&id, "%an%x00%s%x00%b").expect("a commit");
        // `%b` keeps the message's last newline.
        shown.pop_if(|last| *last == b'\n');
        assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&shown), "{message:?}");
        ours == shown
    }

    #[test]
    fn decodes_by_the_encoding_header_as_git_does() {
        let git = Git::new();
        for (encoding, word) in [
            ("ISO-8859-1", &b"caf\xe9 \x80\x93"[..]),
            ("latin1", b"caf\xe9"),
            ("latin-1", b"caf\xe9"),
            ("iso-8859-9", b"\xfe\x85"),
            ("ISO-8859-15", b"\xa4"),
            ("KOI8-R", b"\xf0\xd2\xc9\xd7\xc5\xd4"),
            ("cp1252", b"\x80\x93"),
            ("cp1252", b"\x81"),
            ("windows-1251", b"\xcf\xf0"),
            ("SHIFT_JIS", b"\x93\xfa\x96\x7b"),
            ("EUC-JP", b"\xc6\xfc\xcb\xdc"),
            ("EUC-JP", b"\xc6"),
            ("ASCII", b"\xe9"),
            ("UTF-8", b"caf\xe9"),
            ("utf8", b"caf\xc3\xa9"),
            ("no-such-encoding", b"caf\xe9"),
            ("no-such-encoding", b"caf\xc3\xa9"),
        ] {
            let headers = [b"author ", word, b" <a> 1 +0000\nencoding ", encoding.as_bytes(), b"\n"].concat();
            let author = word.split(|&byte| byte == b' ').next().unwrap_or_default();
            let headers = if author == word { headers } else { format!("encoding {encoding}\n").into_bytes() };
            assert!(agrees(&git, &headers, &[word, b"\n\n", word, b"\n"].concat()), "{encoding}");
        }
    }

    #[test]
    fn decodes_a_commit_as_a_whole_or_not_at_all() {
        let object =
            b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor \xc6\xfc <a> 1 +0000\nencoding EUC-JP\n\n\xc6\n";
        let text = CommitText::decode(&RawCommit::parse(object, 20).expect("a commit"));
        assert_eq!(text.author.exact.as_deref(), Some(&b"\xc6\xfc <a> 1 +0000"[..]));
        assert_eq!(text.message.text, "\u{fffd}\n");
    }

    #[test]
    fn splits_messages_as_git_does() {
        let git = Git::new();
        for message in [
            "",
            "\n",
            " \n\t\n",
            "subject",
            "subject\n",
            "  indented subject \t\n\n  indented body \n\n\n",
            "\n\r\n \nsubject\n over\t \nlines\n \t\n\n\nbody\nKey: value\n",
            "subject\nmore",
            "subject\n\n\n\n",
            "subject\r\nmore\r\n\r\nbody\r\n",
            "subject\u{b}\n\u{c}\n\nbody",
            "\u{a0}\n\nbody é\n",
        ] {
            assert!(agrees(&git, b"", message.as_bytes()), "{message:?}");
            assert!(agrees(&git, b"", &[message.as_bytes(), b"\xe9\n"].concat()), "{message:?}");
        }
    }

    #[test]
    fn keeps_exact_bytes_only_for_the_part_that_is_lossy() {
        let message = Text::from_bytes(b"a\nsubject\n\nb\xf8dy\n");
        let (subject, body) = message.subject_and_body();
        assert_eq!(subject, Text { text: "a subject".into(), exact: None });
        assert_eq!((&*body.text, body.exact.as_deref()), ("b\u{fffd}dy", Some(&b"b\xf8dy"[..])));
    }
}
