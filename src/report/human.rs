//! Text for people. Shows the same facts as the JSON, the telling ones first.

use std::io::Write as _;

use super::look::{CYAN, DIM, GREEN, Look, MAGENTA, RED, YELLOW};
use super::{safe, short, word, worklist};
use crate::events::{Commit, Event, Issue, Ref, Setting};

pub(super) fn write(event: &Event<'_>, look: Look, out: &mut Vec<u8>) {
    match event {
        Event::Commit(commit) => write_commit(commit, look, out),
        Event::Ref(entry) => write_ref(entry, look, out),
        Event::Setting(setting) => write_setting(setting, look, out),
        Event::Missing(missing) => worklist::write_missing(missing, look, out),
        Event::Verdict(verdict) => worklist::write_verdict(verdict, look, out),
        Event::Interdiff(interdiff) => worklist::write_interdiff(interdiff, look, out),
        Event::Claim(claim) => worklist::write_claim(claim, look, out),
        Event::Followup(followup) => worklist::write_followup(followup, look, out),
        Event::Issue(issue) => write_issue(issue, look, out),
        // The rest frames the stream for programs; warnings and errors go to stderr.
        _ => {}
    }
}

/// `<id> <date> <author>: <subject>`, then what the commit says of others, each on a line of its own.
fn write_commit(commit: &Commit<'_>, look: Look, out: &mut Vec<u8>) {
    if look.names {
        look.paint(MAGENTA, &safe::line(&commit.repo), out);
        out.push(b' ');
    }
    look.paint(YELLOW, short(&commit.id), out);
    let date = commit.author.date.as_deref().and_then(|date| date.get(..10)).unwrap_or("no date   ");
    out.push(b' ');
    look.paint(DIM, date, out);
    let _ = writeln!(out, " {}: {}", safe::line(&commit.author.name), safe::line(&commit.subject));
    let mut note = |code: &str, word: &str, text: &str, id: Option<Option<&str>>| {
        out.extend_from_slice(b"    ");
        look.paint(code, word, out);
        let _ = write!(out, " {}", safe::line(text));
        if id == Some(None) {
            out.extend_from_slice(b" (not in this repository)");
        }
        out.push(b'\n');
    };
    for origin in &commit.origins {
        note(GREEN, &origin.kind, &origin.text, Some(origin.id.as_deref()));
    }
    for (code, word, relations) in
        [(RED, "reverts", &commit.reverts), (GREEN, "relands", &commit.relands), (CYAN, "fixes", &commit.fixes)]
    {
        for relation in relations {
            note(code, word, &relation.text, Some(relation.id.as_deref()));
        }
    }
    for request in &commit.requests {
        note(CYAN, &request.kind, &request.text, None);
    }
    for issue in &commit.issues {
        // Most keys say of what kind they are.
        let named = match &*issue.kind {
            "number" => format!("#{}", issue.key),
            "cve" | "ghsa" | "jira" | "url" => issue.key.to_string(),
            kind => format!("{kind} {}", issue.key),
        };
        note(CYAN, "names", &named, None);
    }
    for path in commit.paths.iter().flatten().flatten() {
        note(DIM, &word(path.status), &path.path, None);
    }
}

/// `<key> = <value> (<origin>)`.
fn write_setting(setting: &Setting<'_>, look: Look, out: &mut Vec<u8>) {
    look.paint(YELLOW, &safe::line(&setting.key), out);
    let _ = write!(out, " = {} ", safe::line(&setting.value));
    look.paint(DIM, &format!("({})", safe::line(&setting.origin)), out);
    out.push(b'\n');
}

/// `<tracker> <key> [<state>] <title>`, and where it is: below it, or as a link.
fn write_issue(issue: &Issue<'_>, look: Look, out: &mut Vec<u8>) {
    look.paint(DIM, &safe::line(&issue.tracker), out);
    out.push(b' ');
    let mut key = Vec::new();
    look.paint(CYAN, &safe::line(&issue.key), &mut key);
    look.link(issue.url.as_deref().unwrap_or_default(), &key, out);
    let note = match (&issue.state, issue.stale) {
        (Some(state), false) => format!("[{}]", safe::line(state)),
        (Some(state), true) => format!("[{}, as of {}]", safe::line(state), day(issue)),
        (None, _) => "[not known]".to_owned(),
    };
    out.push(b' ');
    look.paint(if issue.state.is_some() { GREEN } else { RED }, &note, out);
    if let Some(title) = &issue.title {
        let _ = write!(out, " {}", safe::line(title));
    }
    out.push(b'\n');
    if let Some(url) = issue.url.as_ref().filter(|_| !look.links) {
        out.extend_from_slice(b"    ");
        look.paint(DIM, &safe::line(url), out);
        out.push(b'\n');
    }
}

fn day<'i>(issue: &'i Issue<'_>) -> &'i str {
    issue.fetched_at.as_deref().and_then(|at| at.get(..10)).unwrap_or("no date")
}

fn write_ref(entry: &Ref<'_>, look: Look, out: &mut Vec<u8>) {
    if look.names {
        look.paint(MAGENTA, &safe::line(&entry.repo), out);
        out.push(b' ');
    }
    // Where it was and where it is, as git fetch says it.
    if let Some(old) = &entry.old_id {
        look.paint(DIM, short(old), out);
        out.extend_from_slice(b"..");
    }
    let gone = if entry.id.is_none() { "gone" } else { "" };
    look.paint(YELLOW, entry.id.iter().flatten().next().map_or(gone, |id| short(id)), out);
    let _ = writeln!(out, " {}", safe::line(&entry.refname));
}
