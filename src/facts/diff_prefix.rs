//! What a diff puts before its paths: `a/` and `b/` (git-diff(1), `--src-prefix`), or whatever was asked for or configured.
//!
//! Owns telling a prefix from a path, and putting the usual ones in its place, so that `git patch-id`, which hashes the paths as
//! they stand, and `git apply`, which drops one folder of each, say the same of one change however it was written. Refuses to read
//! hunks beyond their number of lines: a removed line that begins with `-- ` is none of a header.
//!
//! One name stands in each header twice, with two prefixes (`i/` and `w/`, say) or with none (`--no-prefix`). Where they differ the
//! name is what both have in common from some `/` on; where a file was renamed, the names stand beside it without prefixes. Only
//! configuration tells two prefixes that are the same, or that don't end with a slash.

use std::borrow::Cow;

/// What stands before the old path, and before the new one.
pub type Prefixes = (Vec<u8>, Vec<u8>);

const OLD: &[u8] = b"a/";
const NEW: &[u8] = b"b/";
const HEADER: &[u8] = b"diff --git ";

/// `diff`, which may have any text around it, with the usual prefixes. `configured` are those that may have been used.
#[must_use]
pub fn with_usual_prefixes<'d>(diff: &'d [u8], configured: &[Prefixes]) -> Cow<'d, [u8]> {
    let mut rewritten = Vec::new();
    // What is in `rewritten` already, up to which byte of `diff`.
    let mut copied = 0;
    let mut lines = Lines { rest: diff, at: 0 };
    while let Some(line) = lines.next() {
        let Some(names) = line.text.strip_prefix(HEADER) else { continue };
        let header = Header::read(names, &mut lines);
        let Some(paths) = header.paths(configured).filter(|paths| !paths.are_usual()) else { continue };
        rewritten.extend_from_slice(&diff[copied..line.at]);
        rewritten.extend_from_slice(HEADER);
        paths.old.write(OLD, &mut rewritten);
        rewritten.push(b' ');
        paths.new.write(NEW, &mut rewritten);
        rewritten.extend_from_slice(line.end);
        header.lines.iter().for_each(|line| paths.write(line, &mut rewritten));
        copied = header.end;
    }
    if copied == 0 {
        return Cow::Borrowed(diff);
    }
    rewritten.extend_from_slice(&diff[copied..]);
    Cow::Owned(rewritten)
}

/// One line of the diff.
#[derive(Clone, Copy)]
struct Line<'d> {
    /// Where it begins.
    at: usize,
    /// Without its end.
    text: &'d [u8],
    /// Its end: a newline, perhaps with a carriage return before it; none at the end of the diff.
    end: &'d [u8],
}

/// The lines of a diff, in order.
#[derive(Clone)]
struct Lines<'d> {
    rest: &'d [u8],
    at: usize,
}

impl<'d> Iterator for Lines<'d> {
    type Item = Line<'d>;

    fn next(&mut self) -> Option<Line<'d>> {
        if self.rest.is_empty() {
            return None;
        }
        let length = memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |newline| newline + 1);
        let (line, rest) = self.rest.split_at(length);
        let text = line.strip_suffix(b"\n").map_or(line, |text| text.strip_suffix(b"\r").unwrap_or(text));
        let found = Line { at: self.at, text, end: &line[text.len()..] };
        (self.rest, self.at) = (rest, self.at + length);
        Some(found)
    }
}

/// A path as it stands in a header: with its prefix, in quotes if git has put it in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'d> {
    quoted: bool,
    text: &'d [u8],
}

impl<'d> Token<'d> {
    /// A whole piece of a header.
    fn of(text: &'d [u8]) -> Self {
        match text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
            Some(text) => Self { quoted: true, text },
            None => Self { quoted: false, text },
        }
    }

    /// What stands after `--- ` or `+++ `, but for `/dev/null`. A tab ends a path that has blanks in it.
    fn of_side(text: &'d [u8]) -> Option<Self> {
        let text = text.split(|&byte| byte == b'\t').next().unwrap_or(text);
        (text != b"/dev/null").then(|| Self::of(text))
    }

    /// Of which the name is the last `length` bytes.
    fn with_name(self, length: usize) -> Path<'d> {
        let (prefix, name) = self.text.split_at(self.text.len() - length);
        Path { quoted: self.quoted, prefix, name }
    }
}

/// A path of which it is known where its prefix ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Path<'d> {
    quoted: bool,
    prefix: &'d [u8],
    name: &'d [u8],
}

impl Path<'_> {
    /// Appends it with another prefix.
    fn write(&self, prefix: &[u8], out: &mut Vec<u8>) {
        let quote: &[u8] = if self.quoted { b"\"" } else { b"" };
        out.extend([quote, prefix, self.name, quote].concat());
    }
}

/// Both paths of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Paths<'d> {
    old: Path<'d>,
    new: Path<'d>,
}

impl Paths<'_> {
    fn are_usual(&self) -> bool {
        self.old.prefix == OLD && self.new.prefix == NEW
    }

    /// Appends a line of the header, with the usual prefixes.
    fn write(&self, line: &Line<'_>, out: &mut Vec<u8>) {
        let sides = [(&b"--- "[..], &self.old, OLD), (b"+++ ", &self.new, NEW)];
        let side = sides.into_iter().find_map(|(word, path, usual)| {
            let token = Token::of_side(line.text.strip_prefix(word)?)?;
            // What follows the path: a tab, if anything.
            let length = word.len() + token.text.len() + 2 * usize::from(token.quoted);
            Some((word, path, usual, &line.text[length..]))
        });
        match side {
            Some((word, path, usual, rest)) => {
                out.extend_from_slice(word);
                path.write(usual, out);
                out.extend_from_slice(rest);
            }
            None => out.extend_from_slice(line.text),
        }
        out.extend_from_slice(line.end);
    }
}

/// What stands before the hunks of one file.
struct Header<'d> {
    lines: Vec<Line<'d>>,
    /// What the two paths may be.
    pairs: Vec<(Token<'d>, Token<'d>)>,
    /// The names of a file that was renamed or copied, without prefixes.
    moved: (Option<Token<'d>>, Option<Token<'d>>),
    /// Where it ends.
    end: usize,
}

impl<'d> Header<'d> {
    /// Reads the rest of a header of which the first line has `names`, and passes over its hunks.
    fn read(names: &'d [u8], lines: &mut Lines<'d>) -> Self {
        let mut header = Self { lines: Vec::new(), pairs: Vec::new(), moved: (None, None), end: lines.at };
        let (mut old, mut new) = (None, None);
        let mut ahead = lines.clone();
        while let Some(line) = ahead.next() {
            let after = |word: &[u8]| line.text.strip_prefix(word);
            if let Some(text) = after(b"--- ") {
                old = Token::of_side(text);
            } else if let Some(text) = after(b"+++ ") {
                new = Token::of_side(text);
            } else if let Some(text) = after(b"rename from ").or_else(|| after(b"copy from ")) {
                header.moved.0 = Some(Token::of(text));
            } else if let Some(text) = after(b"rename to ").or_else(|| after(b"copy to ")) {
                header.moved.1 = Some(Token::of(text));
            } else if !EXTENDED.iter().any(|word| line.text.starts_with(word)) {
                break;
            }
            header.lines.push(line);
            *lines = ahead.clone();
            header.end = lines.at;
        }
        header.pairs = pairs(names);
        header.pairs.retain(|pair| old.is_none_or(|old| old == pair.0) && new.is_none_or(|new| new == pair.1));
        pass_hunks(lines);
        header
    }

    /// The two paths; `None` if it can't be told what stands before them.
    fn paths(&self, configured: &[Prefixes]) -> Option<Paths<'d>> {
        let of = |&(old, new): &(Token<'d>, Token<'d>)| {
            let (in_old, in_new) = self.names(old, new, configured)?;
            Some(Paths { old: old.with_name(in_old), new: new.with_name(in_new) })
        };
        // Where blanks leave open where the first path ends, the longest name is right: it is there twice.
        self.pairs.iter().filter_map(of).max_by_key(|paths| paths.old.name.len() + paths.new.name.len())
    }

    /// The lengths of the names in two paths.
    fn names(&self, old: Token<'d>, new: Token<'d>, configured: &[Prefixes]) -> Option<(usize, usize)> {
        let (old, new) = (old.text, new.text);
        if let (Some(from), Some(to)) = self.moved {
            let fits = old.ends_with(from.text) && new.ends_with(to.text);
            return fits.then_some((from.text.len(), to.text.len()));
        }
        let name_behind = |(before_old, before_new): (&[u8], &[u8])| {
            let name = old.strip_prefix(before_old).filter(|name| !name.is_empty())?;
            (new.strip_prefix(before_new) == Some(name)).then_some(name.len())
        };
        let configured = configured.iter().map(|(old, new)| (old.as_slice(), new.as_slice()));
        let known = std::iter::once((OLD, NEW)).chain(configured).find_map(name_behind);
        let same = || (old == new).then_some(old.len());
        let name = known.or_else(same).or_else(|| common_name(old, new))?;
        Some((name, name))
    }
}

/// What the other lines of a header begin with (git-diff(1), "Generating patch text with -p").
const EXTENDED: [&[u8]; 8] = [
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"similarity index ",
    b"dissimilarity index ",
    b"index ",
    b"Binary files ",
];

/// The two paths of a header's first line; several where blanks leave open where the first ends.
fn pairs(names: &[u8]) -> Vec<(Token<'_>, Token<'_>)> {
    let split = |at: usize| Some((Token::of(names.get(..at)?), Token::of(names.get(at + 1..)?)));
    if names.starts_with(b"\"") {
        return closing_quote(names).and_then(|quote| split(quote + 1)).into_iter().collect();
    }
    if names.ends_with(b"\"") {
        let at = names.windows(2).position(|pair| pair == b" \"");
        return at.and_then(split).into_iter().collect();
    }
    memchr::memchr_iter(b' ', names).filter_map(split).collect()
}

/// Where the quote ends that `text` begins with.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The length of what two unlike paths end with, from the beginning of some part of both on.
fn common_name(old: &[u8], new: &[u8]) -> Option<usize> {
    let begins = |path: &[u8], length: usize| length == path.len() || path[path.len() - length - 1] == b'/';
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    (1..=same).rev().find(|&length| begins(old, length) && begins(new, length))
}

/// Passes over the hunks that come next.
fn pass_hunks(lines: &mut Lines<'_>) {
    let mut ahead = lines.clone();
    while let Some((mut old, mut new)) = ahead.next().and_then(|line| hunk(line.text)) {
        *lines = ahead.clone();
        while old + new > 0 {
            let Some(line) = ahead.next() else { return };
            match line.text.first() {
                Some(b'-') => old = old.saturating_sub(1),
                Some(b'+') => new = new.saturating_sub(1),
                Some(b'\\') => {}
                // Mailers take the blank from an empty line.
                Some(b' ') | None => (old, new) = (old.saturating_sub(1), new.saturating_sub(1)),
                // No line of a hunk, whatever its first says.
                Some(_) => return,
            }
            *lines = ahead.clone();
        }
    }
}

/// How many old and new lines a hunk has, told by its first: `@@ -1,2 +3,4 @@`.
fn hunk(line: &[u8]) -> Option<(usize, usize)> {
    let text = std::str::from_utf8(line.strip_prefix(b"@@ -")?.split(|&byte| byte == b'@').next()?).ok()?;
    let (old, new) = text.trim_end().split_once(" +")?;
    let count = |range: &str| range.split_once(',').map_or(Some(1), |(_, count)| count.parse().ok());
    Some((count(old)?, count(new)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A diff with each kind of header: `o` stands before old paths and `n` before new ones, and `inside` what hunks say.
    fn diff(o: &str, n: &str, inside: &str) -> String {
        format!(
            "commit 1\n\n    diff --git x y\n\n\
             diff --git {o}src/a.c {n}src/a.c\nindex 1..2 100644\n--- {o}src/a.c\n+++ {n}src/a.c\n\
             @@ -1,3 +1,4 @@ diff --git {inside}q {inside}q\n one\n--- {inside}two\n+++ {inside}two\n+diff --git {inside}r {inside}r\n three\n\
             diff --git {o}b {n}b\nold mode 100644\nnew mode 100755\n\
             diff --git {o}with space/c d {n}with space/c d\nnew file mode 100644\nindex 0..1\n--- /dev/null\n\
             +++ {n}with space/c d\t\n@@ -0,0 +1 @@\n+x\n\
             diff --git \"{o}caf\\303\\251 \\\" e\" \"{n}caf\\303\\251 \\\" e\"\ndeleted file mode 100644\n\
             --- \"{o}caf\\303\\251 \\\" e\"\t\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n\
             diff --git {o}blob {n}blob\nindex 1..2 100644\nBinary files differ\n\
             diff --git {o}old/name {n}new/name\nsimilarity index 90%\nrename from old/name\nrename to new/name\n\
             --- {o}old/name\n+++ {n}new/name\n@@ -1 +1 @@\n-x\n+y\n-- \n2.47.3\n"
        )
    }

    fn usual(text: &str, configured: &[(&str, &str)]) -> String {
        let configured: Vec<Prefixes> =
            configured.iter().map(|(old, new)| (old.as_bytes().to_vec(), new.as_bytes().to_vec())).collect();
        String::from_utf8(with_usual_prefixes(text.as_bytes(), &configured).into_owned()).expect("UTF-8")
    }

    #[test]
    fn whatever_stands_before_a_path_is_replaced_in_headers_and_nowhere_else() {
        assert!(matches!(with_usual_prefixes(diff("a/", "b/", "i/").as_bytes(), &[]), Cow::Borrowed(_)));
        for (o, n, configured) in [
            ("", "", &[][..]),
            ("i/", "w/", &[]),
            ("1/", "2/", &[]),
            ("x/y/", "z/", &[]),
            ("old-", "new-", &[("old-", "new-")]),
            ("one/src/", "two/src/", &[("one/src/", "two/src/")]),
            ("same/", "same/", &[("same/", "same/")]),
        ] {
            assert_eq!(usual(&diff(o, n, o), configured), diff("a/", "b/", o), "{o} {n}");
        }
        assert_eq!(
            usual("diff --git i/a w/a\r\n--- i/a\r\n+++ w/a\r\n", &[]),
            "diff --git a/a b/a\r\n--- a/a\r\n+++ b/a\r\n"
        );
    }

    #[test]
    fn what_is_no_diff_stays_as_it_is() {
        for text in
            ["", "diff", "diff --git ", "diff --git a", "diff --git \"a b\n", "diff --git x y\n", "@@ -1 +1 @@\n-a\n"]
        {
            assert_eq!(usual(text, &[]), text);
        }
        // A hunk that is cut off swallows no header.
        let cut = |o: &str, n: &str| format!("@@ -1,9 +1,9 @@\n a\ndiff --git {o}f {n}f\n");
        let head = |o: &str, n: &str| format!("diff --git {o}e {n}e\n{}", cut(o, n));
        assert_eq!(usual(&head("i/", "w/"), &[]), head("a/", "b/"));
    }
}
