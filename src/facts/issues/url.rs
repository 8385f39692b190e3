//! Addresses of issues, one method for each kind of tracker.
//!
//! Owns where a URL ends in running text, and which part of it is the issue. Credentials and fragments are no part of a key.

use std::borrow::Cow;

use super::keys::{cve, ghsa};
use super::{IssueKind, IssueRef, digits, is_word};
use crate::facts::once::start_of;

/// Bytes of the longest URL that is read; no issue has such an address.
const LONGEST: usize = 4096;

/// The URL whose `://` is at `at`, and where it ends.
pub(super) fn url(message: &str, at: usize) -> (Option<IssueRef>, usize) {
    let scheme = message[..at].bytes().rev().take(6).take_while(u8::is_ascii_alphanumeric).count();
    let rest = start_of(&message[at + 3..], LONGEST);
    // Markdown: `[https://…](https://…)`.
    let rest = rest.split("](").next().unwrap_or(rest);
    let is_outside = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '`' | '\\' | '|');
    let end = rest.find(is_outside).unwrap_or(rest.len());
    let mut text = &rest[..end];
    let (opened, mut closed) = (text.matches('(').count(), text.matches(')').count());
    loop {
        let trimmed = text.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ']', '*', '}']);
        let unbalanced = trimmed.ends_with(')') && opened < closed;
        closed -= usize::from(unbalanced);
        let next = if unbalanced { &trimmed[..trimmed.len() - 1] } else { trimmed };
        if next.len() == text.len() {
            break;
        }
        text = next;
    }
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
