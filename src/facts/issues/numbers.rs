//! Numbers: `#12`, `owner/repo#12`, `bug 12`, `LP: #12`, `rhbz#12`, `group/project!12`.
//!
//! Owns what may stand before and behind a number that names an issue, and which word says whose it is. Refuses keys with a
//! dash in them (`keys`) and addresses (`url`).

use super::{IssueKind, IssueRef, before, digits, is_word, keys};
use crate::facts::once::end_of;
use crate::facts::patterns::Patterns;

/// Bytes before a number that are looked at: more than the words that announce one and the name of a project have.
const REACH: usize = 512;

/// The number at the start of `text`: no leading zero, at most 10 digits, no part of a longer word or a version.
pub(super) fn whole_number(text: &str) -> Option<&str> {
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
pub(super) fn hash(message: &str, at: usize) -> Option<IssueRef> {
    let number = whole_number(&message[at + 1..])?;
    let head = end_of(&message[..at], REACH);
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
pub(super) fn merge_request(message: &str, at: usize) -> Option<IssueRef> {
    let number = whole_number(&message[at + 1..])?;
    let head = end_of(&message[..at], REACH);
    let start =
        head.rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))).map_or(0, |i| i + 1);
    let project = head.get(start..)?;
    let named = project.contains('/') && !project.starts_with('/') && !project.ends_with('/');
    let announced = project.is_empty() && head.to_ascii_lowercase().ends_with("merge request ");
    (named || announced).then(|| IssueRef::new(IssueKind::Gitlab, format!("{project}!{number}")))
}

/// A digit at `at` that neither a `#` nor another digit precedes.
pub(super) fn number(message: &str, at: usize, patterns: &Patterns) -> Option<IssueRef> {
    let head = end_of(&message[..at], REACH);
    match before(message.as_bytes(), at) {
        b'-' => keys::dashed(head, &message[at..], patterns),
        b'p' | b'P' => glued_launchpad(head, &message[at..]),
        b' ' | b':' | b'/' => {
            if head.get(head.len().saturating_sub(4)..).is_some_and(|word| word.eq_ignore_ascii_case("cve ")) {
                return keys::cve(&message[at..]);
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
