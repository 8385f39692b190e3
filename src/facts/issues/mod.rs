//! References to issues: `#12`, `owner/repo#12`, `bug 12`, `LP: #12`, `rhbz#12`, CVE and GHSA ids, Jira keys, tracker URLs.
//!
//! Owns what counts as a reference, and its key. Refuses: which tracker a bare number belongs to, and to ask any (`trackers`).
//! One pass over the bytes stops at what can begin a reference: a digit, `#`, `!`, `://`, `GHSA-`. From there `numbers` reads on, `keys`
//! (with a dash in them) or `url`.
//!
//! Not references: `&#39;`, `C#7`, `#include`, colours in quotes or after "color", frames of a backtrace and numbered lists
//! (`#1` and `#12` before other text at the start of a line or after wide space), "step #2" and its like unless in a bracket
//! ("option (#12)"), Coverity's `CID#12`.
//!
//! Counted beside patterns for each notation. Numbers, `#12` or GH-12: systemd-stable 20,619 / 19,198 (308 left:
//! Coverity's, backtraces), ansible 40,042 / 40,000 (7 left: "attempt #2"), nova 14,582 / 9,943 (4), redis 6,174 / 6,101
//! (0), haproxy 1,863 / 1,881 (44: backtraces, sections of RFCs), git 372 / 449 (128: cases of tests, backtraces).
//! `owner/repo#12` and URLs of GitHub: 3,182 / 3,181 in all (6 left: names of branches, URLs without `https://`). CVE 467 /
//! 467, GHSA 6 / 6, Jira URLs 3 / 3, `rhbz#12` and Bugzilla 1,846 / 1,815 (2 left: names of branches), Debian 194 / 195,
//! Launchpad in nova 10,515 / 10,247 (32 left: misspelt footers, names of branches and merge proposals).

mod keys;
mod numbers;
mod url;

use serde::{Deserialize, Serialize};

use super::{once::Once, patterns::Patterns};

/// Which tracker, or which notation, a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueKind {
    /// `#12`, `GH-12`, `issue 12`, `(#12)`: an issue or pull request of the repository's own tracker. Key `12`.
    Number,
    /// `owner/repo#12` or a URL of GitHub. Key `owner/repo#12`.
    Github,
    /// Key `CVE-2024-1234`.
    Cve,
    /// Key `GHSA-` in capitals, the rest in small letters, as GitHub writes it.
    Ghsa,
    /// `bug 12`, `Bug: 12`, `BZ 12`: of a tracker that isn't named. Key `12`.
    Bug,
    /// `LP: #12`, `lp123456`, `Closes-Bug: #12` and its like, or a URL. Key `12`.
    Launchpad,
    /// Key `rhbz#12` for Red Hat's, `host#12` for others.
    Bugzilla,
    /// Key `PROJ-12`.
    Jira,
    /// Key `group/project#12` (issue) or `group/project!12` (merge request), after `host/` unless that is gitlab.com.
    Gitlab,
    /// A URL or "Debian bug #12". Key `12`.
    Debian,
    /// Another tracker's. Key: the URL without credentials and fragment.
    Url,
}

impl IssueKind {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Github => "github",
            Self::Cve => "cve",
            Self::Ghsa => "ghsa",
            Self::Bug => "bug",
            Self::Launchpad => "launchpad",
            Self::Bugzilla => "bugzilla",
            Self::Jira => "jira",
            Self::Gitlab => "gitlab",
            Self::Debian => "debian",
            Self::Url => "url",
        }
    }
}

/// A reference to an issue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IssueRef {
    /// Which tracker or notation.
    pub kind: IssueKind,
    /// The issue's name there; see the kind.
    pub key: String,
}

impl IssueRef {
    fn new(kind: IssueKind, key: impl Into<String>) -> Self {
        Self { kind, key: key.into() }
    }
}

/// The number of the pull request that brought this commit: the last `(#12)` that ends the subject, as GitHub's squash
/// writes it, or that of "Merge pull request #12".
#[must_use]
pub fn pull_request_number(subject: &str, message: &str) -> Option<u64> {
    let squash = subject.trim_end().strip_suffix(')').and_then(|open| open.rsplit_once("(#"));
    let merge = || {
        ["Merge pull request #", "Merged pull request #"]
            .iter()
            .find_map(|form| message.trim_start().strip_prefix(form))
    };
    let number = match squash {
        Some((_, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => number,
        _ => merge().map(|rest| &rest[..digits(rest)])?,
    };
    number.parse().ok()
}

/// Bytes at which a reference can be told; nearly all text is passed over by one look-up a byte.
const BEGINS: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"#!:Gg0123456789";
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
};

/// The issues that `message` refers to, in order of appearance, each once.
pub(super) fn issues(message: &str, patterns: &Patterns) -> Vec<IssueRef> {
    let bytes = message.as_bytes();
    let mut found = Once::new();
    let mut at = 0;
    while let Some(skipped) = bytes[at..].iter().position(|&byte| BEGINS[usize::from(byte)]) {
        at += skipped;
        let (issue, next) = match bytes[at] {
            b'#' => (numbers::hash(message, at), at + 1 + digits(&message[at + 1..])),
            b'!' => (numbers::merge_request(message, at), at + 1 + digits(&message[at + 1..])),
            b':' if message[at..].starts_with("://") => url::url(message, at),
            b'0'..=b'9' => (numbers::number(message, at, patterns), at + digits(&message[at..])),
            b'G' | b'g' => (keys::ghsa(&message[at..]).filter(|_| !is_word(before(bytes, at))), at + 1),
            _ => (None, at + 1),
        };
        at = next;
        if let Some(issue) = issue {
            found.push(issue);
        }
    }
    found.into_vec()
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn before(bytes: &[u8], at: usize) -> u8 {
    at.checked_sub(1).map_or(b'\n', |i| bytes[i])
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests;
