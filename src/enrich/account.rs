//! What came of a run: an `issue` line for each outcome, and at the end one warning for each server and cause, for what no tracker is known
//! of, and for what there was no room to ask about. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::question::Outcome;
use crate::describe::rfc3339;
use crate::error::Kind;
use crate::events::commit::IssueRef as WireRef;
use crate::events::{Issue, Warning};
use crate::facts::issues::IssueRef;
use crate::http::Refusal;
use crate::trackers::{Found, host};

/// References that no tracker is known of, of which people are shown some.
const EXAMPLES: usize = 3;

/// What came of it so far.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Issues that were found.
    found: u64,
    /// By server and cause, what was said first, and how often.
    troubles: BTreeMap<(String, &'static str), (Refusal, u64)>,
    /// What no tracker is known of: how much, and some of it.
    unknown: u64,
    examples: Vec<String>,
    /// What there was no room to ask about.
    left_out: u64,
}

impl Account {
    /// Takes in what has come of one issue.
    pub(super) fn take(&mut self, outcome: &Outcome) {
        self.found += u64::from(outcome.found.is_some());
        if let Some(trouble) = &outcome.trouble {
            let server = host(&outcome.sought.target.tracker.base).to_owned();
            let entry = self.troubles.entry((server, trouble.kind.code())).or_insert_with(|| (trouble.clone(), 0));
            entry.1 += 1;
        }
    }

    /// No tracker is known of `issue`.
    pub(super) fn knows_no_tracker(&mut self, issue: &IssueRef) {
        self.unknown += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(format!("{} {}", issue.kind.as_str(), issue.key));
        }
    }

    /// There was no room for one.
    pub(super) fn has_left_out(&mut self) {
        self.left_out += 1;
    }

    /// Issues that were found.
    pub(super) fn found(&self) -> u64 {
        self.found
    }

    /// Whether nothing was found, and every server that was asked has said so.
    pub(super) fn is_negative(&self) -> bool {
        self.found == 0 && self.troubles.keys().all(|(_, code)| *code == Kind::RemoteNotFound.code())
    }

    /// Whether less was told than was asked for.
    pub(super) fn has_failed(&self) -> bool {
        !self.troubles.is_empty() || self.left_out > 0
    }

    /// What servers failed at, each once, in the order of their names.
    pub(super) fn failures(&self) -> Vec<Warning<'static>> {
        let failures = self.troubles.iter().map(|((_, code), (refusal, count))| {
            let more = if *count > 1 { format!(" ({count} times)") } else { String::new() };
            let hint = refusal.hint.clone().map(Cow::Owned);
            Warning { hint, count: *count, ..warning(code, format!("{}{more}", refusal.message)) }
        });
        failures.collect()
    }

    /// What else is to be said, `most` being what may wait to be asked about.
    pub(super) fn remarks(&self, most: usize) -> Vec<Warning<'static>> {
        let mut remarks = Vec::new();
        if self.left_out > 0 {
            let message = format!("more than {most} issues were to be asked about at a time: some weren't");
            let hint = Some("what was brought is kept: another run asks for the rest".into());
            remarks.push(Warning { hint, count: self.left_out, ..warning("issues-left-out", message) });
        }
        if self.unknown > 0 {
            let more = if self.unknown > self.examples.len() as u64 { " and others" } else { "" };
            let message = format!("no tracker is known of {}{more}", self.examples.join(", "));
            let hint = Some("bhfuil.tracker.<name>.type and url set one".into());
            remarks.push(Warning { hint, count: self.unknown, ..warning("no-tracker", message) });
        }
        remarks
    }
}

/// A warning that is about no repository alone.
pub(super) fn warning(code: &'static str, message: String) -> Warning<'static> {
    Warning { repo: None, id: None, query: None, code: code.into(), message: message.into(), hint: None, count: 1 }
}

/// What has come of an issue, for the wire.
pub(super) fn issue(outcome: &Outcome) -> Issue<'_> {
    let Outcome { sought, found, cached, stale, fetched_at, .. } = outcome;
    let Found { state, title, url, labels } = found.clone().unwrap_or_default();
    let reference = sought.reference.as_ref();
    Issue {
        tracker: sought.target.tracker.software.word().into(),
        key: sought.target.key().into(),
        state: state.map(Cow::Owned),
        title: title.map(Cow::Owned),
        url: url.map(Cow::Owned),
        labels: labels.map(|labels| labels.into_iter().map(Cow::Owned).collect()),
        cached: *cached,
        stale: *stale,
        fetched_at: fetched_at.and_then(moment).map(Cow::Owned),
        repo: sought.repo.as_deref().map(Cow::Borrowed),
        reference: reference.map(|(kind, key)| WireRef { kind: (*kind).into(), key: key.as_str().into() }),
    }
}

/// A time in RFC 3339.
pub(super) fn moment(at: SystemTime) -> Option<String> {
    rfc3339(at.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
