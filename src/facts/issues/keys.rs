//! Keys with dashes: CVE and GHSA ids, `GH-12`, and `PROJ-12` of a Jira project.
//!
//! Owns their form. Refuses to guess which word before a dash is a project: those are configured.

use super::numbers::whole_number;
use super::{IssueKind, IssueRef, digits, is_word};
use crate::facts::patterns::Patterns;

/// `CVE-2024-1234`, `GH-12`, and `PROJ-12` of a configured project; `head` ends with the dash.
pub(super) fn dashed(head: &str, tail: &str, patterns: &Patterns) -> Option<IssueRef> {
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
pub(super) fn cve(tail: &str) -> Option<IssueRef> {
    let (year, rest) = tail.split_at_checked(4)?;
    let serial = rest.strip_prefix('-')?;
    let length = digits(serial);
    let valid =
        digits(year) == 4 && (4..=9).contains(&length) && !is_word(*serial.as_bytes().get(length).unwrap_or(&b' '));
    valid.then(|| IssueRef::new(IssueKind::Cve, format!("CVE-{year}-{}", &serial[..length])))
}

/// `GHSA-xxxx-xxxx-xxxx` at the start of `text`, either case.
pub(super) fn ghsa(text: &str) -> Option<IssueRef> {
    let id = text.get(..19).filter(|id| id.as_bytes()[..5].eq_ignore_ascii_case(b"GHSA-"))?;
    let mut groups = id[5..].split('-');
    let fits = |group: &str| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let valid = groups.clone().count() == 3 && groups.all(fits) && !is_word(*text.as_bytes().get(19).unwrap_or(&b' '));
    valid.then(|| IssueRef::new(IssueKind::Ghsa, format!("GHSA-{}", id[5..].to_ascii_lowercase())))
}
