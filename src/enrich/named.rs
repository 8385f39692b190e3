//! What a commit names, and what is meant by a reference that was typed or looked for, as far as that is known of a repository: the one
//! place where settings, patterns and kinds of references come together. Pure.

use crate::facts::issues::{IssueKind, IssueRef};
use crate::locate::query::Query;
use crate::trackers::Target;
use crate::trackers::which::Home;

use super::home::Place;

/// What one commit names.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) issues: Vec<IssueRef>,
    pub(super) change_id: Option<String>,
    /// What else is in its message.
    pub(super) text: Text,
}

/// A message, as far as configured patterns (`bhfuil.tracker.<name>.pattern`) find something in it.
#[derive(Debug)]
pub(super) enum Text {
    /// All of it: which patterns there are isn't known yet.
    Unread(String),
    /// What they found, each with the words for it.
    Found(Vec<(Target, String)>),
}

impl Named {
    /// What a commit names in a repository of which `home` is known, or isn't yet. Its message is asked for only if there may be
    /// something in it.
    pub(super) fn of(
        issues: Vec<IssueRef>,
        change_id: Option<String>,
        home: Option<&Home>,
        message: (Option<&str>, Option<&str>),
    ) -> Self {
        let whole = || format!("{}\n\n{}", message.0.unwrap_or_default(), message.1.unwrap_or_default());
        let text = match home {
            None => Text::Unread(whole()),
            Some(home) if home.has_patterns() => Text::Found(home.in_message(&whole())),
            Some(_) => Text::Found(Vec::new()),
        };
        Self { issues, change_id, text }
    }

    /// Whether it is nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        let has_no_text = match &self.text {
            Text::Unread(text) => text.is_empty(),
            Text::Found(found) => found.is_empty(),
        };
        self.issues.is_empty() && self.change_id.is_none() && has_no_text
    }
}

/// The issue of a known tracker that was looked for by `text`, and how it is referred to (kind and key).
pub(super) fn meant(place: &Place, text: &str) -> Option<(Target, (&'static str, String))> {
    let by_pattern = || place.home.by_pattern(text).map(|target| (target, ("pattern", text.to_owned())));
    let (target, kind, key) = match Query::parse(text, &place.patterns) {
        Query::Issue(issue) => (place.home.target(&issue), issue.kind.as_str(), issue.key),
        Query::ChangeId(id) => (place.home.change(&id), "change-id", id),
        Query::Name(_) | Query::Words(_) => return by_pattern(),
    };
    target.map(|target| (target, (kind, key))).or_else(by_pattern)
}

/// As [`meant`], of what can be nothing but a reference: a bare key is one of Jira, and a pattern may fit a part of it.
pub(super) fn typed(place: &Place, text: &str) -> Option<(Target, (&'static str, String))> {
    let jira = || {
        let Query::Name(key) = Query::parse(text, &place.patterns) else { return None };
        let reference = IssueRef { kind: IssueKind::Jira, key };
        let target = place.home.target(&reference).filter(|target| target.ask(false).is_some())?;
        Some((target, ("jira", reference.key)))
    };
    let in_part = || {
        let (target, found) = place.home.in_message(text).into_iter().next()?;
        Some((target, ("pattern", found)))
    };
    meant(place, text).or_else(jira).or_else(in_part)
}
