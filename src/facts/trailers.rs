//! The trailers of a message: those that `git log --format='%(trailers:only,unfold)'` prints, under git's default
//! configuration (separator `:`, comment character `#`, no `trailer.<name>` settings).
//!
//! Owns the rule of what is a trailer block (`git help interpret-trailers`, and git's `trailer.c` where the page is silent).
//! Refuses: what a trailer means, lines such as `(cherry picked from commit …)` that make a block but have no key, and the
//! divider `---`, which `git log` doesn't heed.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::{memchr, memmem, memrchr};

use super::text::{is_space, is_space_char, next_line, skip_blank_lines};

/// A key and its value, as git prints them with `: ` in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer<'a> {
    /// ASCII letters, digits and `-`, as written, without the blanks that may stand before the colon.
    pub key: &'a str,
    /// On one line, trimmed; may be empty.
    pub value: Cow<'a, str>,
}

/// Lines that git itself writes; one of them makes a block of a paragraph that is a quarter trailers.
const GENERATED: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];
/// What `git commit --cleanup=scissors` puts above the text to be dropped.
const CUT_LINE: &str = "\n# ------------------------ >8 ------------------------\n";
// Built once: building costs more than the search.
static CUT: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(CUT_LINE));

/// The trailers of `message`, in order, repetitions included. The first paragraph never holds any.
#[must_use]
pub fn trailers(message: &str) -> Vec<Trailer<'_>> {
    let message = skip_blank_lines(message);
    let message = &message[..message_end(message)];
    let Some(start) = block_start(message.as_bytes()) else { return Vec::new() };
    collect(&message[start..])
}

/// The values of [`trailers`] for a `message` that is not UTF-8, in the bytes that it has.
#[must_use]
pub fn exact_values(message: &[u8]) -> Vec<Vec<u8>> {
    // Only ASCII decides what a trailer is, so that every other byte can stand for itself as the character of its number.
    let text: String = message.iter().copied().map(char::from).collect();
    let bytes = |trailer: &Trailer<'_>| trailer.value.chars().filter_map(|letter| u8::try_from(letter).ok()).collect();
    trailers(&text).iter().map(bytes).collect()
}

/// Reads the lines of a trailer block; those that are no trailers are left out.
fn collect(block: &str) -> Vec<Trailer<'_>> {
    let bytes = block.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < block.len() {
        let line = at;
        at = next_line(bytes, at);
        let Some(colon) = separator(&bytes[line..at]).filter(|colon| *colon > 0) else { continue };
        while at < block.len() && is_space(bytes[at]) {
            at = next_line(bytes, at);
        }
        found.push(Trailer {
            key: block[line..line + colon].trim_matches(is_space_char),
            value: unfold(block[line + colon + 1..at].trim_matches(is_space_char)),
        });
    }
    found
}

/// Each newline and the white space after it become one space.
fn unfold(value: &str) -> Cow<'_, str> {
    let Some(first) = memchr(b'\n', value.as_bytes()) else { return Cow::Borrowed(value) };
    let mut line = String::with_capacity(value.len());
    line.push_str(&value[..first]);
    for more in value[first..].split('\n').skip(1) {
        let more = more.trim_start_matches(is_space_char);
        // White space may go on over further newlines; they all count as one.
        if !more.is_empty() {
            line.push(' ');
            line.push_str(more);
        }
    }
    Cow::Owned(line)
}

/// Where the `:` of a line is that begins with a key, blanks before the colon allowed; 0 if the line begins with it.
fn separator(line: &[u8]) -> Option<usize> {
    let key = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let blanks = match key {
        0 => 0,
        _ => line[key..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count(),
    };
    (line.get(key + blanks) == Some(&b':')).then_some(key + blanks)
}

/// Where a message ends once what git ignores is cut off: all from a scissors line on, and at the end blank lines, comments
/// and an old-style `Conflicts:` list.
fn message_end(message: &str) -> usize {
    let bytes = message.as_bytes();
    let cutoff = if message.starts_with(&CUT_LINE[1..]) { 0 } else { CUT.find(bytes).map_or(bytes.len(), |at| at + 1) };
    // The forward pass below ends in an ignored run only if the last line is one that may belong to it.
    let Some(last) = last_line(bytes, cutoff) else { return cutoff };
    if !matches!(bytes[last], b'#' | b'\n' | b'\t' | b'C') {
        return cutoff;
    }
    ignored_run(&bytes[..cutoff]).unwrap_or(cutoff)
}

/// Where the run of ignored lines that ends `message` begins. A run at offset 0 doesn't count, as in git.
fn ignored_run(message: &[u8]) -> Option<usize> {
    let mut run = None;
    let mut in_conflicts = false;
    let mut at = 0;
    while at < message.len() {
        let next = next_line(message, at);
        let line = &message[at..next];
        let conflicts = line == b"Conflicts:\n";
        if conflicts || line[0] == b'#' || line[0] == b'\n' {
            in_conflicts |= conflicts;
            run = run.or((at > 0).then_some(at));
        } else if !(in_conflicts && line[0] == b'\t') && run.is_some() {
            run = None;
            in_conflicts = false;
        }
        at = next;
    }
    run
}

/// Counts of the lines of a paragraph, read from its end.
#[derive(Default)]
struct Tally {
    trailers: usize,
    others: usize,
    /// Indented lines whose trailer, if any, is still to come.
    pending: usize,
    generated: bool,
}

impl Tally {
    fn add(&mut self, line: &[u8]) {
        let generated = GENERATED.iter().any(|prefix| line.starts_with(prefix.as_bytes()));
        if generated || separator(line).is_some_and(|colon| colon > 0) {
            self.generated |= generated;
            self.trailers += 1;
            self.pending = 0;
        } else if is_space(line[0]) {
            self.pending += 1;
        } else {
            self.others += 1;
            self.settle();
        }
    }

    /// The pending lines continue no trailer.
    fn settle(&mut self) {
        self.others += self.pending;
        self.pending = 0;
    }

    /// All trailers, or one that git wrote and at least a quarter trailers.
    fn is_block(&self) -> bool {
        if self.generated { self.trailers * 3 >= self.others } else { self.trailers > 0 && self.others == 0 }
    }
}

/// Where the trailer block of `message` begins: its last paragraph, comment lines apart, unless that is the first.
fn block_start(message: &[u8]) -> Option<usize> {
    let title_end = title_end(message);
    let mut tally = Tally::default();
    let mut seen = false;
    let mut end = message.len();
    while let Some(at) = last_line(message, end) {
        if at < title_end {
            break;
        }
        let line = &message[at..end];
        end = at;
        if line.starts_with(b"#") {
            tally.settle();
        } else if !line.iter().all(|&byte| is_space(byte)) {
            seen = true;
            tally.add(line);
        } else if seen {
            tally.settle();
            return tally.is_block().then_some(at + line.len());
        }
    }
    None
}

/// Where the blank line after the first paragraph begins.
fn title_end(message: &[u8]) -> usize {
    let mut at = 0;
    while at < message.len() {
        let next = next_line(message, at);
        if message[at] != b'#' && message[at..next].iter().all(|&byte| is_space(byte)) {
            break;
        }
        at = next;
    }
    at
}

/// Where the last line of `bytes[..end]` begins; a newline at the very end belongs to it.
fn last_line(bytes: &[u8], end: usize) -> Option<usize> {
    let before = end.checked_sub(1)?;
    Some(memrchr(b'\n', &bytes[..before]).map_or(0, |newline| newline + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::commit::oracle::Git;

    #[test]
    fn finds_the_trailers_that_git_log_prints() {
        const SIGNED: &str = "Signed-off-by: A U Thor <author@example.com>";
        let git = Git::new();
        for message in [
            "",
            "Subject: only\n",
            "Key: no\nSigned-off-by: title\n",
            "subject\n\nKey: value\nOther-Key:  two  \n",
            "\n \nsubject\n\nKey: value",
            "subject\n\nKey: value\nnot a trailer\n",
            "subject\n\nbody\n\nKey:\nkey2 \t: blank value before\n: no key\n",
            "subject\n\nKey: value\na b: two words\n",
            &format!("subject\n\none\ntwo\nthree\n{SIGNED}\n"),
            &format!("subject\n\none\ntwo\nthree\nfour\n{SIGNED}\n"),
            &format!("subject\n\none\n  two\n\tthree\nfour\nfive\nKey: x\n{SIGNED}\n"),
            &format!("subject\n\n{SIGNED}\n(cherry picked from commit 1234)\n"),
            "subject\n\n(cherry picked from commit 1234)\n",
            "subject\n\nprose\nKey: x\n(cherry picked from commit 1234)\n",
            "subject\n\nKey: first\n  second \n\n",
            "subject\n\nKey: first \n\tsecond\n   \n  third\nKey: other\n",
            "subject\n\n  indented\nKey: value\n",
            "subject\n\nKey: value\n# comment\n more\nOther: value\n#Hidden: value\n",
            "subject\n\n# comment\nKey: value\n",
            "# comment\nsubject\n\nKey: value\n",
            "#one\n#two\n",
            "subject\n\nKey: value\n\n# comment\n\n#another\n",
            "subject\n\nKey: value\n\nConflicts:\n\tfile.c\n\tother.c\n",
            "subject\n\nKey: value\n\nConflicts:\n\tfile.c\nnot a file\n",
            "Conflicts:\n\tfile.c\n\nKey: value\n",
            "subject\n\nKey: value\n---\n file | 1 +\n",
            "subject\n\nKey: value\n\n---\n\nOther: value\n",
            "subject\n\nKey: value\n# ------------------------ >8 ------------------------\nother: text\n\nA: b\n",
            "# ------------------------ >8 ------------------------\nsubject\n\nA: b\n",
            "subject\r\n\r\nKey: value\r\nOther: first\r\n second\r\n",
            "subject\n\nKey: value\n\u{b}\nOther: value\n",
            "subject\n\nClé: value\nKey: é\n",
            "subject\n\nKey: value\n\u{c}\n",
        ] {
            let (_, id) = git.commit(b"author A <a> 1 +0000\ncommitter A <a> 1 +0000\n", message.as_bytes());
            let ours: Vec<_> =
                trailers(message).iter().map(|found| format!("{}: {}\n", found.key, found.value)).collect();
            let shown = git.log(&id, "%(trailers:only,unfold)").expect("a commit");
            assert_eq!(ours.concat(), String::from_utf8_lossy(&shown), "{message:?}");
        }
    }

    #[test]
    fn borrows_what_stands_on_one_line_and_trims_what_does_not() {
        let found = trailers("subject\n\nKey : one\nFolded: a\n b\n");
        assert_eq!(found[0], Trailer { key: "Key", value: Cow::Borrowed("one") });
        assert!(matches!(found[0].value, Cow::Borrowed(_)));
        assert_eq!(found[1], Trailer { key: "Folded", value: Cow::Borrowed("a b") });
        assert!(found.iter().all(|found| !found.value.ends_with(is_space_char)));
    }
}
