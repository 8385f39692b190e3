//! A raw commit object taken apart, header by header, as git itself reads it.
//!
//! Owns the object format. No manual page says what a broken object means, so git's `parse_commit_buffer`,
//! `parse_commit_date` (`commit.c`) and `parse_commit_header` (`pretty.c`) are the rule. It is as tolerant as they are: only
//! the tree and the parents must be well formed; unknown and multi-line headers (`gpgsig`, `mergetag`) are passed over.
//! Refuses: what a header value or the message means (`identity`, `text`, `trailers`), grafts and replacements.

use std::fmt;

use memchr::{memchr, memchr2, memrchr};

use super::{oid::Oid, text::is_space};

/// A commit object, borrowed from its bytes. Nothing is decoded: see [`super::text::CommitText`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCommit<'a> {
    /// The tree.
    pub tree: Oid,
    /// The parents in the order written, repetitions included.
    pub parents: Vec<Oid>,
    /// The value of the last `author` header; empty if there is none.
    pub author: &'a [u8],
    /// The value of the last `committer` header; empty if there is none.
    pub committer: &'a [u8],
    /// The value of the first `encoding` header.
    pub encoding: Option<&'a [u8]>,
    /// What follows the blank line that ends the headers, up to the first NUL.
    pub message: &'a [u8],
    /// Whether a NUL byte hides the rest of the message. Git writes none, but it reads messages as C strings, so that
    /// `git log` shows nothing from there on; nor does `message` hold it.
    pub cut_at_nul: bool,
}

impl<'a> RawCommit<'a> {
    /// Takes a commit object (without its `commit <size>\0` preamble) apart; `hash_len` is 20 or 32.
    ///
    /// # Errors
    /// Where git says "bogus commit object", "bad tree pointer" or "bad parents in commit".
    pub fn parse(bytes: &'a [u8], hash_len: usize) -> Result<Self, MalformedCommit> {
        let mut parents = Vec::new();
        let (tree, rest) = tree_line(bytes, hash_len)?;
        let tree = Oid::from_hex(tree).ok_or(MalformedCommit::Tree)?;
        let rest = parent_lines(rest, hash_len, &mut parents)?;
        let mut commit =
            Self { tree, parents, author: b"", committer: b"", encoding: None, message: b"", cut_at_nul: false };
        let message = commit.read_headers(rest);
        let nul = memchr(0, message);
        commit.message = &message[..nul.unwrap_or(message.len())];
        commit.cut_at_nul = nul.is_some();
        Ok(commit)
    }

    /// Takes the headers after the parents and returns what follows the blank line. A NUL ends a header as a newline does,
    /// since git steps over it; one that begins a line ends everything, and no `encoding` is looked for behind one.
    fn read_headers(&mut self, mut rest: &'a [u8]) -> &'a [u8] {
        let mut past_nul = false;
        while !rest.is_empty() {
            let end = memchr2(b'\n', 0, rest).unwrap_or(rest.len());
            let line = &rest[..end];
            if rest[0] == 0 {
                break;
            }
            let nul = rest.get(end) == Some(&0);
            rest = rest.get(end + 1..).unwrap_or_default();
            match line.first() {
                None => break,
                Some(b'a') => self.author = line.strip_prefix(b"author ").unwrap_or(self.author),
                Some(b'c') => self.committer = line.strip_prefix(b"committer ").unwrap_or(self.committer),
                Some(b'e') if self.encoding.is_none() && !past_nul => self.encoding = line.strip_prefix(b"encoding "),
                Some(_) => {}
            }
            past_nul |= nul;
        }
        rest
    }
}

/// What a history walk needs, and no more: appends the parents to `parents` and returns the committer's timestamp in
/// seconds since 1970, by which `git rev-list` orders. `None` where [`RawCommit::parse`] fails (`parents` may then have
/// grown).
///
/// The timestamp is git's, an unsigned number: what follows the last `>` of the committer line that directly follows the
/// author line. It is 0 where that can't be read, `u64::MAX` where it is too large, and `-1` wraps around to the far
/// future, as `strtoumax` has it. `%ct` is stricter (see [`super::identity`]) and shows nothing in some of these cases.
#[must_use]
pub fn parents_and_time(bytes: &[u8], hash_len: usize, parents: &mut Vec<Oid>) -> Option<u64> {
    let (tree, rest) = tree_line(bytes, hash_len).ok()?;
    if !tree.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let rest = parent_lines(rest, hash_len, parents).ok()?;
    Some(committer_time(rest).unwrap_or(0))
}

/// The hexadecimal digits of the first line (not yet checked), and what follows the line. At least one byte must follow.
fn tree_line(bytes: &[u8], hash_len: usize) -> Result<(&[u8], &[u8]), MalformedCommit> {
    let line_len = "tree ".len() + 2 * hash_len + 1;
    if bytes.len() <= line_len || !bytes.starts_with(b"tree ") || bytes[line_len - 1] != b'\n' {
        return Err(MalformedCommit::Tree);
    }
    Ok((&bytes["tree ".len()..line_len - 1], &bytes[line_len..]))
}

/// Appends the ids of the `parent` lines at the start of `rest` and returns what follows them. A last line too short to
/// hold an id ends the list quietly, as in git.
fn parent_lines<'a>(mut rest: &'a [u8], hash_len: usize, parents: &mut Vec<Oid>) -> Result<&'a [u8], MalformedCommit> {
    let line_len = "parent ".len() + 2 * hash_len + 1;
    while rest.len() >= line_len && rest.starts_with(b"parent ") {
        if rest.len() == line_len || rest[line_len - 1] != b'\n' {
            return Err(MalformedCommit::Parents);
        }
        let parent = Oid::from_hex(&rest["parent ".len()..line_len - 1]).ok_or(MalformedCommit::Parents)?;
        parents.push(parent);
        rest = &rest[line_len..];
    }
    Ok(rest)
}

/// The committer's timestamp, if the two identity lines stand where git looks for them.
fn committer_time(headers: &[u8]) -> Option<u64> {
    if !headers.starts_with(b"author") {
        return None;
    }
    let committer = &headers[memchr(b'\n', headers)? + 1..];
    if !committer.starts_with(b"committer") {
        return None;
    }
    let line = &committer[..memchr(b'\n', committer)?];
    let after = &line[memrchr(b'>', line)? + 1..];
    let start = after.iter().position(|&byte| !is_space(byte))?;
    Some(timestamp(&after[start..]))
}

/// `strtoumax` on text without leading white space: digits up to the first other byte, an overflow saturates, and a minus
/// sign negates modulo 2⁶⁴.
fn timestamp(text: &[u8]) -> u64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let mut value = 0_u64;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let Some(next) = value.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0'))) else {
            return u64::MAX;
        };
        value = next;
    }
    if negative { value.wrapping_neg() } else { value }
}

/// Why an object is no commit that git would read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MalformedCommit {
    /// The first line isn't `tree <full id>`, or nothing follows it.
    Tree,
    /// A `parent` line doesn't hold a full id.
    Parents,
}

impl fmt::Display for MalformedCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "the commit object doesn't begin with a tree",
            Self::Parents => "the commit object has a malformed parent line",
        })
    }
}

impl std::error::Error for MalformedCommit {}

/// git itself, to be asked in the tests of this room: a sealed repository for commit objects of any make.
#[cfg(test)]
pub(super) mod oracle {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use tempfile::TempDir;

    /// The empty tree, which git knows without its being stored.
    pub(in super::super) const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";

    pub(in super::super) struct Git(TempDir);

    impl Git {
        pub(in super::super) fn new() -> Self {
            let git = Self(TempDir::new().expect("a temporary directory"));
            git.run(&["init", "--quiet", "--bare"], b"").expect("git init");
            git
        }

        /// Stores a commit with `headers` after the tree, however broken, and returns its bytes and its id.
        pub(in super::super) fn commit(&self, headers: &[u8], message: &[u8]) -> (Vec<u8>, String) {
            let object = [TREE.as_bytes(), headers, b"\n", message].concat();
            let id = self.store(&object);
            (object, id)
        }

        pub(in super::super) fn store(&self, object: &[u8]) -> String {
            let id = self.run(&["hash-object", "-t", "commit", "-w", "--literally", "--stdin"], object);
            String::from_utf8(id.expect("an object id")).expect("hexadecimal").trim().to_owned()
        }

        /// What `git log` shows of one commit, without the newline that ends it.
        pub(in super::super) fn log(&self, id: &str, format: &str) -> Option<Vec<u8>> {
            let mut shown = self.run(&["log", "--no-walk", "--no-mailmap", &format!("--format={format}"), id], b"")?;
            shown.pop();
            Some(shown)
        }

        pub(in super::super) fn run(&self, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
            let mut child = Command::new("git")
                .args(args)
                .current_dir(self.0.path())
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", self.0.path())
                .env("XDG_CONFIG_HOME", self.0.path())
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("git runs");
            child.stdin.take().expect("a pipe").write_all(input).expect("git reads");
            let output = child.wait_with_output().expect("git ends");
            output.status.success().then_some(output.stdout)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        oracle::{Git, TREE},
        *,
    };

    const PEOPLE: &str = "author A U Thor <author@example.com> 1 +0000\ncommitter C O Mitter <c@example.com> 2 +0000\n";

    #[test]
    fn accepts_and_refuses_the_objects_that_git_does() {
        let git = Git::new();
        let parent = git.store(format!("{TREE}{PEOPLE}\nparent\n").as_bytes());
        let line = format!("parent {parent}\n");
        for (object, refused) in [
            (format!("{TREE}{line}{PEOPLE}\nfine\n"), None),
            (format!("{TREE}{line}{line}{PEOPLE}\nthe same parent twice\n"), None),
            (format!("{TREE}\n"), None),
            (format!("{TREE}{PEOPLE}{line}\na parent too late\n"), None),
            (format!("{TREE}parent {}\n", &parent[..30]), None),
            (TREE.to_owned(), Some(MalformedCommit::Tree)),
            (format!("tree{TREE}{PEOPLE}"), Some(MalformedCommit::Tree)),
            (format!("{}\n{PEOPLE}", TREE.to_uppercase()), Some(MalformedCommit::Tree)),
            (TREE.replace('4', "x") + PEOPLE, Some(MalformedCommit::Tree)),
            (format!("{TREE}{line}"), Some(MalformedCommit::Parents)),
            (format!("{TREE}{}{PEOPLE}\n", line.replace('\n', " \n")), Some(MalformedCommit::Parents)),
            (format!("{TREE}parent {}\n{PEOPLE}\n", "x".repeat(40)), Some(MalformedCommit::Parents)),
        ] {
            let id = git.store(object.as_bytes());
            let commit = RawCommit::parse(object.as_bytes(), 20);
            let shown = git.log(&id, "%T %P").map(|shown| String::from_utf8(shown).expect("hexadecimal"));
            let ours = commit.as_ref().ok().map(|commit| {
                let parents: Vec<_> = commit.parents.iter().map(Oid::to_hex).collect();
                format!("{} {}", commit.tree, parents.join(" "))
            });
            assert_eq!(ours, shown, "{object}");
            assert_eq!(commit.as_ref().err(), refused.as_ref(), "{object}");
            let mut parents = Vec::new();
            assert_eq!(parents_and_time(object.as_bytes(), 20, &mut parents).is_none(), refused.is_some(), "{object}");
            if let Ok(commit) = commit {
                assert_eq!(parents, commit.parents, "{object}");
            }
        }
    }

    #[test]
    fn reads_the_time_by_which_rev_list_orders() {
        let git = Git::new();
        for headers in [
            PEOPLE,
            "",
            "author\ncommitter C <c> 5 +0000\n",
            "author A <a> 4 +0000\n",
            "committer C <c> 5 +0000\nauthor A <a> 4 +0000\n",
            "author A <a> 4 +0000\nencoding x\ncommitter C <c> 5 +0000\n",
            "author A <a> 4 +0000\ncommitter C c 5 +0000\n",
            "author A <a> 4 +0000\ncommitter C <c> > 6 +0000\n",
            "author A <a> 4 +0000\ncommitter C <c>\t7foo\n",
            "author A <a> 4 +0000\ncommitter C <c> foo\n",
            "author A <a> 4 +0000\ncommitter C <c>\n",
            "author A <a> 4 +0000\ncommitter C <c> -1 +0000\n",
            "author A <a> 4 +0000\ncommitter C <c> - 1 +0000\n",
            "author A <a> 4 +0000\ncommitter C <c> 18446744073709551615 +0000\n",
            "author A <a> 4 +0000\ncommitter C <c> 18446744073709551616 +0000\n",
            "author A <a> 4 +0000\ncommitter C <c> -18446744073709551616 +0000\n",
        ] {
            let (object, id) = git.commit(headers.as_bytes(), b"subject\n");
            let shown = git.run(&["rev-list", "--no-walk", "--timestamp", &id], b"").expect("a commit");
            let time = parents_and_time(&object, 20, &mut Vec::new()).expect("a commit");
            assert_eq!(format!("{time} {id}\n").into_bytes(), shown, "{headers}");
        }
    }

    #[test]
    fn passes_over_signatures_and_takes_the_headers_that_git_takes() {
        let object = format!(
            "{TREE}author A <a> 1 +0000\nauthor B <b> 2 +0000\ngpgsig -----BEGIN\n author X\n \n -----END\n\
             encoding one\nencoding two\ncommitter C <c> 3 +0000\n\nsubject\n\nauthor Y\n"
        );
        let commit = RawCommit::parse(object.as_bytes(), 20).expect("a commit");
        assert_eq!(commit.author, b"B <b> 2 +0000");
        assert_eq!(commit.committer, b"C <c> 3 +0000");
        assert_eq!(commit.encoding, Some(&b"one"[..]));
        assert_eq!(commit.message, b"subject\n\nauthor Y\n");
        assert!(!commit.cut_at_nul);
    }

    #[test]
    fn a_nul_ends_the_message_and_is_reported() {
        let git = Git::new();
        let (object, id) = git.commit(PEOPLE.as_bytes(), b"subject\n\nbo\0dy\n");
        let commit = RawCommit::parse(&object, 20).expect("a commit");
        assert_eq!(commit.message, b"subject\n\nbo");
        assert!(commit.cut_at_nul);
        assert_eq!(git.log(&id, "%B"), Some(b"subject\n\nbo\n".to_vec()).map(|shown| shown[..11].to_vec()));
    }
}
