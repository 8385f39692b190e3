//! References to issues: `#12`, `owner/repo#12`, `bug 12`, `LP: #12`, `rhbz#12`, CVE and GHSA ids, Jira keys, tracker URLs.
//!
//! Owns what counts as a reference, and its key. Refuses: which tracker a bare number belongs to, and to ask any (`trackers`).
//! One pass over the bytes stops at what can begin a reference: a digit, `#`, `!`, `://`, `GHSA-`.
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

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::patterns::Patterns;

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
    let mut found: Vec<IssueRef> = Vec::new();
    let mut at = 0;
    while let Some(skipped) = bytes[at..].iter().position(|&byte| BEGINS[usize::from(byte)]) {
        at += skipped;
        let (issue, next) = match bytes[at] {
            b'#' => (hash(message, at), at + 1 + digits(&message[at + 1..])),
            b'!' => (merge_request(message, at), at + 1 + digits(&message[at + 1..])),
            b':' if message[at..].starts_with("://") => url(message, at),
            b'0'..=b'9' => (number(message, at, patterns), at + digits(&message[at..])),
            b'G' | b'g' => (ghsa(&message[at..]).filter(|_| !is_word(before(bytes, at))), at + 1),
            _ => (None, at + 1),
        };
        at = next;
        if let Some(issue) = issue.filter(|issue| !found.contains(issue)) {
            found.push(issue);
        }
    }
    found
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

/// The number at the start of `text`: no leading zero, at most 10 digits, no part of a longer word or a version.
fn whole_number(text: &str) -> Option<&str> {
    let length = digits(text);
    let (number, rest) = text.split_at(length);
    let mut rest = rest.bytes();
    let (next, later) = (rest.next().unwrap_or(b' '), rest.next().unwrap_or(b' '));
    let joined = (is_word(next) && next < 0x80) || (matches!(next, b'.' | b'-') && later.is_ascii_digit());
    ((1..=10).contains(&length) && !number.starts_with('0') && !joined).then_some(number)
}

/// The word that ends `text`, without the punctuation around it; `None` at the start of a line.
fn last_word(text: &str) -> Option<&str> {
    let line = &text[text.rfind('\n').map_or(0, |newline| newline + 1)..];
    let line = line.trim_end_matches(|c: char| !c.is_alphanumeric());
    let word = line.rsplit([' ', '\t', '(', '[', '/']).next()?.trim_start_matches(|c: char| !c.is_alphanumeric());
    (!word.is_empty()).then_some(word)
}

/// What kind of number a word announces, and whether it does so without a `#` too.
fn announced(word: &str, earlier: &str) -> Option<IssueKind> {
    let is = |words: &[&str]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    if is(&["lp", "launchpad"]) || is_bug_footer(word) {
        return Some(IssueKind::Launchpad);
    }
    if is(&["rhbz"]) {
        return Some(IssueKind::Bugzilla);
    }
    if is(&["bug", "bugs", "bz", "bugzilla"]) {
        let of = last_word(earlier).unwrap_or_default();
        let named = |names: &[&str]| names.iter().any(|name| of.eq_ignore_ascii_case(name));
        return Some(match () {
            () if named(&["lp", "launchpad"]) => IssueKind::Launchpad,
            () if named(&["debian"]) => IssueKind::Debian,
            () => IssueKind::Bug,
        });
    }
    if is(&["debian"]) {
        return Some(IssueKind::Debian);
    }
    is(&["issue", "gh", "gh-issue", "pr", "pull"]).then_some(IssueKind::Number)
}

/// `OpenStack`'s footers `Closes-Bug`, `Related-Bug`, `Partial-Bug`, and what else is written in their place.
fn is_bug_footer(word: &str) -> bool {
    const VERBS: [&str; 14] = [
        "closes",
        "close",
        "closed",
        "fixes",
        "fix",
        "fixed",
        "resolves",
        "related",
        "relates",
        "partial",
        "partially",
        "partially-closes",
        "partially-fixes",
        "depends",
    ];
    let verb = word.len().checked_sub(4).and_then(|at| Some((word.get(..at)?, word.get(at..)?)));
    verb.is_some_and(|(verb, bug)| {
        bug.eq_ignore_ascii_case("-bug") && VERBS.iter().any(|other| verb.eq_ignore_ascii_case(other))
    })
}

/// `lp123456` as one word, `head` ending with the `p`: six digits or more, for `LP64` is no bug.
fn glued_launchpad(head: &str, tail: &str) -> Option<IssueRef> {
    let prefix = head.len().checked_sub(2)?;
    let before = before(head.as_bytes(), prefix);
    let named = head.get(prefix..)?.eq_ignore_ascii_case("lp") && !is_word(before) && !matches!(before, b'/' | b'-');
    let number = whole_number(tail).filter(|number| named && number.len() >= 6)?;
    Some(IssueRef::new(IssueKind::Launchpad, number))
}

fn key_of(kind: IssueKind, number: &str) -> IssueRef {
    IssueRef::new(kind, if kind == IssueKind::Bugzilla { format!("rhbz#{number}") } else { number.to_owned() })
}

/// A `#` at `at`.
fn hash(message: &str, at: usize) -> Option<IssueRef> {
    let number = whole_number(&message[at + 1..])?;
    let head = &message[..at];
    let tail = &message[at + 1 + number.len()..];
    let last = before(message.as_bytes(), at);
    if matches!(last, b'&' | b'#' | b'/' | b'\\' | b'$' | b'"' | b'\'' | b'=') || last >= 0x80 || head.ends_with("](") {
        return None;
    }
    if is_word(last) || last == b'-' {
        return glued(head, number);
    }
    let Some(word) = last_word(head) else {
        return (!is_list_item(head, number, tail)).then(|| key_of(IssueKind::Number, number));
    };
    if head.ends_with("  ") && number.len() <= 2 || (is_counter(word) && last != b'(') {
        return None;
    }
    let earlier = &head[..head.rfind(word).unwrap_or(0)];
    // "on Debian (#12)" is no bug of Debian's.
    let kind = announced(word, earlier).filter(|kind| *kind != IssueKind::Debian || last != b'(');
    Some(key_of(kind.unwrap_or(IssueKind::Number), number))
}

/// Words after which `#2` counts things, or names a colour or a defect of Coverity Scan.
fn is_counter(word: &str) -> bool {
    const COUNTERS: [&str; 27] = [
        "frame",
        "comment",
        "step",
        "iter",
        "rule",
        "note",
        "thread",
        "option",
        "item",
        "point",
        "number",
        "line",
        "attempt",
        "cpu",
        "core",
        "node",
        "cid",
        "cids",
        "coverity",
        "color",
        "colour",
        "background",
        "chapter",
        "case",
        "slot",
        "version",
        "patchset",
    ];
    COUNTERS.iter().any(|counter| word.eq_ignore_ascii_case(counter))
}

/// `#1 text` at the start of a line: a list or a backtrace, unless the number is long, or the line isn't indented and ends there.
fn is_list_item(head: &str, number: &str, tail: &str) -> bool {
    let indented = head.ends_with([' ', '\t']);
    let more = tail.starts_with([' ', '\t', ':', ')']);
    number.len() <= 2 && (indented || more)
}

/// `owner/repo#12`, `rhbz#12`, `GH#12`; the word is glued to the `#`.
fn glued(head: &str, number: &str) -> Option<IssueRef> {
    let start =
        head.rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))).map_or(0, |i| i + 1);
    let word = head.get(start..)?;
    if let Some((owner, repository)) = word.split_once('/') {
        if let Some(kind) = announced(repository, "").filter(|_| owner.chars().all(char::is_alphabetic)) {
            return Some(key_of(kind, number));
        }
        let valid =
            !owner.is_empty() && !repository.is_empty() && !repository.contains('/') && !head[..start].ends_with('@');
        return valid.then(|| IssueRef::new(IssueKind::Github, format!("{word}#{number}")));
    }
    announced(word, &head[..start]).map(|kind| key_of(kind, number)).or_else(|| {
        let verb =
            ["fixes", "closes", "resolves", "see", "fix", "close"].iter().any(|verb| word.eq_ignore_ascii_case(verb));
        verb.then(|| key_of(IssueKind::Number, number))
    })
}

/// A `!` at `at`: GitLab's `group/project!12`, or `!12` after "merge request".
fn merge_request(message: &str, at: usize) -> Option<IssueRef> {
    let number = whole_number(&message[at + 1..])?;
    let head = &message[..at];
    let start =
        head.rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))).map_or(0, |i| i + 1);
    let project = head.get(start..)?;
    let named = project.contains('/') && !project.starts_with('/') && !project.ends_with('/');
    let announced = project.is_empty() && head.to_ascii_lowercase().ends_with("merge request ");
    (named || announced).then(|| IssueRef::new(IssueKind::Gitlab, format!("{project}!{number}")))
}

/// A digit at `at` that neither a `#` nor another digit precedes.
fn number(message: &str, at: usize, patterns: &Patterns) -> Option<IssueRef> {
    let head = &message[..at];
    match before(message.as_bytes(), at) {
        b'-' => dashed(head, &message[at..], patterns),
        b'p' | b'P' => glued_launchpad(head, &message[at..]),
        b' ' | b':' | b'/' => {
            if head.get(head.len().saturating_sub(4)..).is_some_and(|word| word.eq_ignore_ascii_case("cve ")) {
                return cve(&message[at..]);
            }
            let number = whole_number(&message[at..])?;
            let word = last_word(head.trim_end_matches('/'))?;
            let kind = announced(word, &head[..head.rfind(word)?])?;
            let explicit = head.trim_end().ends_with(':');
            if kind == IssueKind::Debian && word.eq_ignore_ascii_case("debian") {
                // A release.
                return None;
            }
            let slash = head.ends_with('/') && !(kind == IssueKind::Bug && word.eq_ignore_ascii_case("bug"));
            let prose = !explicit && (number.len() < 2 || message[at + number.len()..].starts_with(" of "));
            let plain =
                ["issue", "gh", "pr", "pull", "gh-issue", "bugs"].iter().any(|other| word.eq_ignore_ascii_case(other))
                    && !(word.eq_ignore_ascii_case("issue") && number.len() > 1)
                    && !(word.eq_ignore_ascii_case("bugs") && number.len() > 2);
            (!slash && !prose && !plain).then(|| key_of(kind, number))
        }
        _ => None,
    }
}

/// `CVE-2024-1234`, `GH-12`, and `PROJ-12` of a configured project; `head` ends with the dash.
fn dashed(head: &str, tail: &str, patterns: &Patterns) -> Option<IssueRef> {
    let word = head.strip_suffix('-')?;
    let start = word
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .map_or(0, |i| i + word[i..].chars().next().map_or(1, char::len_utf8));
    let word = &word[start..];
    if word.eq_ignore_ascii_case("cve") {
        return cve(tail);
    }
    let number = whole_number(tail)?;
    if head[..start].ends_with(['-', '/', '.']) {
        return None;
    }
    if word.eq_ignore_ascii_case("gh") {
        return Some(IssueRef::new(IssueKind::Number, number));
    }
    patterns.is_jira_project(word).then(|| IssueRef::new(IssueKind::Jira, format!("{word}-{number}")))
}

/// `2024-1234…`, what follows `CVE-`: a year and four digits or more.
fn cve(tail: &str) -> Option<IssueRef> {
    let (year, rest) = tail.split_at_checked(4)?;
    let serial = rest.strip_prefix('-')?;
    let length = digits(serial);
    let valid =
        digits(year) == 4 && (4..=9).contains(&length) && !is_word(*serial.as_bytes().get(length).unwrap_or(&b' '));
    valid.then(|| IssueRef::new(IssueKind::Cve, format!("CVE-{year}-{}", &serial[..length])))
}

/// `GHSA-xxxx-xxxx-xxxx` at the start of `text`, either case.
fn ghsa(text: &str) -> Option<IssueRef> {
    let id = text.get(..19).filter(|id| id.as_bytes()[..5].eq_ignore_ascii_case(b"GHSA-"))?;
    let mut groups = id[5..].split('-');
    let fits = |group: &str| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let valid = groups.clone().count() == 3 && groups.all(fits) && !is_word(*text.as_bytes().get(19).unwrap_or(&b' '));
    valid.then(|| IssueRef::new(IssueKind::Ghsa, format!("GHSA-{}", id[5..].to_ascii_lowercase())))
}

/// The URL whose `://` is at `at`, and where it ends.
fn url(message: &str, at: usize) -> (Option<IssueRef>, usize) {
    let scheme = message[..at].bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
    let rest = &message[at + 3..];
    let end =
        rest.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | '\\' | '|')).unwrap_or(rest.len());
    let mut text = &rest[..end];
    loop {
        let trimmed = text.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ']', '*', '}']);
        let unbalanced = trimmed.ends_with(')') && trimmed.matches('(').count() < trimmed.matches(')').count();
        let next = if unbalanced { &trimmed[..trimmed.len() - 1] } else { trimmed };
        if next.len() == text.len() {
            break;
        }
        text = next;
    }
    // Markdown: `[https://…](https://…)`.
    text = text.split("](").next().unwrap_or(text);
    let scheme = &message[at - scheme..at];
    let issue = matches!(scheme, "http" | "https").then(|| Address::parse(scheme, text).issue()).flatten();
    (issue, at + 3 + text.len())
}

/// The parts of a URL, credentials dropped.
struct Address<'u> {
    scheme: &'u str,
    host: Cow<'u, str>,
    path: &'u str,
    query: &'u str,
}

impl<'u> Address<'u> {
    fn parse(scheme: &'u str, rest: &'u str) -> Self {
        let rest = rest.split('#').next().unwrap_or(rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = host.strip_prefix("www.").unwrap_or(host);
        let upper = host.bytes().any(|byte| byte.is_ascii_uppercase());
        Self {
            scheme,
            host: if upper { host.to_ascii_lowercase().into() } else { host.into() },
            path: path.trim_matches('/'),
            query,
        }
    }

    fn issue(&self) -> Option<IssueRef> {
        self.advisory()
            .or_else(|| self.github())
            .or_else(|| self.launchpad())
            .or_else(|| self.bugzilla())
            .or_else(|| self.debian())
            .or_else(|| self.jira())
            .or_else(|| self.gitlab())
            .or_else(|| self.other())
    }

    fn advisory(&self) -> Option<IssueRef> {
        let parts = || self.path.split('/').chain(self.query.split(['=', '&']));
        parts()
            .find_map(|part| part.strip_prefix("CVE-").or_else(|| part.strip_prefix("cve-")).and_then(cve))
            .or_else(|| parts().find_map(ghsa))
    }

    fn github(&self) -> Option<IssueRef> {
        if !matches!(&*self.host, "github.com" | "redirect.github.com") {
            return None;
        }
        let mut parts = self.path.split('/');
        let (owner, repository, kind, number) =
            (parts.next()?, parts.next()?, parts.next()?, leading_number(parts.next()?)?);
        let known = matches!(kind, "issues" | "pull" | "pulls" | "discussions" | "issue");
        known.then(|| IssueRef::new(IssueKind::Github, format!("{owner}/{repository}#{number}")))
    }

    fn launchpad(&self) -> Option<IssueRef> {
        let number = match &*self.host {
            "pad.lv" => self.path,
            host if host == "launchpad.net" || host.ends_with(".launchpad.net") => {
                // `bugs/12`, `nova/+bug/12`, `nova/+bug/12/comments/3`, or the number alone.
                let mut parts = self.path.split('/').peekable();
                let named = std::iter::from_fn(|| parts.next()).find(|part| matches!(*part, "bugs" | "+bug"));
                if named.is_some() { parts.next()? } else { self.path }
            }
            _ => return None,
        };
        Some(IssueRef::new(IssueKind::Launchpad, leading_number(number)?))
    }

    fn bugzilla(&self) -> Option<IssueRef> {
        let short = || {
            self.host
                .starts_with("bugzilla.")
                .then_some(self.path)
                .or_else(|| (self.host == "bugs.gentoo.org").then_some(self.path))
        };
        let number = if self.path.ends_with("show_bug.cgi") { self.parameter("id") } else { short() };
        let number = leading_number(number?)?;
        let tracker = if self.host == "bugzilla.redhat.com" { "rhbz" } else { &*self.host };
        Some(IssueRef::new(IssueKind::Bugzilla, format!("{tracker}#{number}")))
    }

    fn debian(&self) -> Option<IssueRef> {
        let number = if self.path.ends_with("bugreport.cgi") { self.parameter("bug")? } else { self.path };
        let number = leading_number(number.strip_prefix("%23").unwrap_or(number))?;
        (self.host == "bugs.debian.org").then(|| IssueRef::new(IssueKind::Debian, number))
    }

    fn jira(&self) -> Option<IssueRef> {
        let key = self.path.strip_prefix("browse/").or_else(|| self.path.split_once("/browse/").map(|(_, key)| key))?;
        let (project, number) = key.split_once('-')?;
        let valid = project.starts_with(|c: char| c.is_ascii_uppercase())
            && project.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        valid.then_some(())?;
        Some(IssueRef::new(IssueKind::Jira, format!("{project}-{}", leading_number(number)?)))
    }

    fn gitlab(&self) -> Option<IssueRef> {
        let (mark, project, number) =
            [("issues", '#'), ("work_items", '#'), ("merge_requests", '!')].iter().find_map(|(word, mark)| {
                let (project, number) =
                    self.path.split_once(word).filter(|(p, n)| p.ends_with('/') && n.starts_with('/'))?;
                let dashed = project.ends_with("/-/");
                let known = dashed || (self.host.contains("gitlab") || *mark == '!');
                known.then(|| (*mark, project.trim_end_matches("/-/").trim_end_matches('/'), &number[1..]))
            })?;
        let host = if self.host == "gitlab.com" { String::new() } else { format!("{}/", self.host) };
        Some(IssueRef::new(IssueKind::Gitlab, format!("{host}{project}{mark}{}", leading_number(number)?)))
    }

    /// A path such as `…/issues/12`, `…/issue/12/its-title`, or Google Code's `issues/detail?id=12`.
    fn other(&self) -> Option<IssueRef> {
        const TRACKERS: [&str; 9] = ["issues", "issue", "bugs", "bug", "ticket", "tickets", "pull", "pulls", "T"];
        let url = |path: &str| format!("{}://{}/{path}", self.scheme, self.host);
        if self.path.ends_with("issues/detail") && self.parameter("id").and_then(leading_number).is_some() {
            return Some(IssueRef::new(IssueKind::Url, format!("{}?{}", url(self.path), self.query)));
        }
        // After the tracker a number (or several), and at most a title, which isn't part of the key.
        let (mut at, mut end) = (0, 0);
        let (mut tracker, mut numbers, mut others) = (false, 0, 0);
        for part in self.path.split('/') {
            let number = !part.is_empty() && part.len() == digits(part);
            if tracker && number && others == 0 {
                numbers += 1;
                end = at + part.len();
            } else if numbers > 0 {
                others += 1;
            } else {
                tracker = TRACKERS.contains(&part);
            }
            at += part.len() + 1;
        }
        (numbers > 0 && others <= 1).then(|| IssueRef::new(IssueKind::Url, url(&self.path[..end])))
    }

    fn parameter(&self, name: &str) -> Option<&'u str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// The digits that `text` begins with, if nothing but a further path or punctuation follows.
fn leading_number(text: &str) -> Option<&str> {
    let length = digits(text);
    let ends = !is_word(*text.as_bytes().get(length).unwrap_or(&b' '));
    ((1..=10).contains(&length) && ends).then(|| &text[..length])
}

#[cfg(test)]
mod tests {
    use super::{IssueKind::*, *};

    fn read(text: &str) -> Vec<(IssueKind, String)> {
        let patterns = Patterns::compile(&[], &["PROJ".to_owned()]).expect("no patterns");
        issues(text, &patterns).into_iter().map(|issue| (issue.kind, issue.key)).collect()
    }

    #[test]
    fn each_notation_has_its_kind_and_key() {
        for (text, kind, key) in [
            ("Fixes #12.", Number, "12"),
            ("Fixes: #12 and more", Number, "12"),
            ("fix (#12)", Number, "12"),
            ("add an option (#1234)", Number, "1234"),
            ("reword a comment (#12)", Number, "12"),
            ("Fixes:#12", Number, "12"),
            ("#1234 is fixed", Number, "1234"),
            ("GH-12: foo", Number, "12"),
            ("issue 12: foo", Number, "12"),
            ("Fixes o-w/re.po#12.", Github, "o-w/re.po#12"),
            ("https://github.com/o/r/pull/12#issuecomment-34.", Github, "o/r#12"),
            ("(https://user:secret@github.com/o/r/issues/12)", Github, "o/r#12"),
            ("cve-2024-1234", Cve, "CVE-2024-1234"),
            ("(CVE-2024-12345)", Cve, "CVE-2024-12345"),
            ("https://nvd.nist.gov/vuln/detail/CVE-2024-1234", Cve, "CVE-2024-1234"),
            ("GHSA-ABCD-12cd-ef34", Ghsa, "GHSA-abcd-12cd-ef34"),
            ("https://github.com/o/r/security/advisories/GHSA-abcd-12cd-ef34", Ghsa, "GHSA-abcd-12cd-ef34"),
            ("Fixes bug 12345.", Bug, "12345"),
            ("Bug: 12", Bug, "12"),
            ("BZ 12", Bug, "12"),
            ("Fix bug #12", Bug, "12"),
            ("Bug#12", Bug, "12"),
            ("bug/12345", Bug, "12345"),
            ("LP: #12", Launchpad, "12"),
            ("Fixes LP bug 1234", Launchpad, "1234"),
            ("Closes-Bug:#12", Launchpad, "12"),
            ("Closes-bug: 12", Launchpad, "12"),
            ("Related-Bug: #12", Launchpad, "12"),
            ("LP#12", Launchpad, "12"),
            ("Fixes lp123456.", Launchpad, "123456"),
            ("LP1234567", Launchpad, "1234567"),
            ("Fixes-Bug: #12", Launchpad, "12"),
            ("Resolves-bug: 1234567", Launchpad, "1234567"),
            ("Closed-Bug: 1234567", Launchpad, "1234567"),
            ("https://bugs.launchpad.net/ubuntu/+source/x/+bug/12/comments/4", Launchpad, "12"),
            ("https://launchpad.net/123456", Launchpad, "123456"),
            ("https://bugs.launchpad.net/nova/+bug/12", Launchpad, "12"),
            ("https://launchpad.net/bugs/12.", Launchpad, "12"),
            ("rhbz#12", Bugzilla, "rhbz#12"),
            ("RHBZ #12", Bugzilla, "rhbz#12"),
            ("https://bugzilla.redhat.com/show_bug.cgi?id=12.", Bugzilla, "rhbz#12"),
            ("https://bugzilla.redhat.com/12", Bugzilla, "rhbz#12"),
            ("https://bugs.freedesktop.org/show_bug.cgi?id=12#c3", Bugzilla, "bugs.freedesktop.org#12"),
            ("PROJ-12", Jira, "PROJ-12"),
            ("https://issues.example.com/browse/OTHER-12", Jira, "OTHER-12"),
            ("https://gitlab.com/g/s/p/-/issues/12", Gitlab, "g/s/p#12"),
            ("https://gitlab.example.com/g/p/merge_requests/12", Gitlab, "gitlab.example.com/g/p!12"),
            ("See merge request g/p!12", Gitlab, "g/p!12"),
            ("https://bugs.debian.org/cgi-bin/bugreport.cgi?bug=12", Debian, "12"),
            ("http://bugs.debian.org/12", Debian, "12"),
            ("http://bugs.debian.org/cgi-bin/bugreport.cgi?bug=%2312", Debian, "12"),
            ("Closes Debian bug #12", Debian, "12"),
            ("Debian #123456", Debian, "123456"),
            ("build it on Debian (#1234)", Number, "1234"),
            ("a CVE 2024-1234", Cve, "CVE-2024-1234"),
            ("https://example.com/o/r/issues/12/a-title-5", Url, "https://example.com/o/r/issues/12"),
            ("https://example.com/v2/issue/12/34.", Url, "https://example.com/v2/issue/12/34"),
            ("https://me:pw@codeberg.org/o/r/issues/12#x", Url, "https://codeberg.org/o/r/issues/12"),
        ] {
            assert_eq!(read(text), [(kind, key.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_issue_is_none() {
        for text in [
            "#include <x>",
            "#1 first thing\n#2 second",
            "  #12 0x1234 in main ()",
            "color: #123456;",
            "\"#123456\"",
            "#12ab34",
            "bug 2 of 3",
            "C#7",
            "[x](#1-anchor",
            "it&#39;s",
            "step #2",
            "LP64",
            "Debian 13",
            "alp123456",
            "nc -lp8080",
            "https://code.example.net/nova/lp123456/+merge/12",
            "https://example.com/issues/new",
            "https://example.com/issues/a/12",
            "CID#12345",
            "OTHER-12",
            "UTF-8",
            "debug 12",
            "#0",
            "https://example.com/x#12",
            "https://review.example.org/#/c/12",
            "a CVE-2024-x",
            "x!12",
            "bug 2.5",
            "v1.2-12",
            "## 12",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
    }

    #[test]
    fn issues_come_in_order_and_once() {
        let found = read("Fix #3 (#2)\n\nFixes #3, #1234 and LP: #5\nhttps://github.com/o/r/issues/3");
        let keys: Vec<_> = found.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, ["3", "2", "1234", "5", "o/r#3"]);
    }

    #[test]
    fn a_pull_request_is_named_by_subject_or_merge() {
        for (subject, message, number) in [
            ("Fix (#12)", "", Some(12)),
            ("[2.x] Fix (#12) (#34)", "", Some(34)),
            ("Merge pull request #12 from o/b", "Merge pull request #12 from o/b\n\nFix", Some(12)),
            ("Fix #12", "Fix #12", None),
            ("Fix (#x)", "", None),
        ] {
            assert_eq!(pull_request_number(subject, message), number, "{subject}");
        }
    }
}
