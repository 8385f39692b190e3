//! Text for people. Shows the same facts as the JSON, the telling ones first.

use std::io::Write as _;

use super::safe;
use crate::events::{Commit, Event, Ref};

/// Digits of an id that are shown.
const SHORT: usize = 12;

pub(super) fn write(event: &Event<'_>, color: bool, out: &mut Vec<u8>) {
    let ink = Ink { color };
    match event {
        Event::Commit(commit) => write_commit(commit, ink, out),
        Event::Ref(entry) => write_ref(entry, ink, out),
        // The rest frames the stream for programs; warnings and errors go to stderr.
        _ => {}
    }
}

#[derive(Clone, Copy)]
struct Ink {
    color: bool,
}

impl Ink {
    /// `text` between the SGR sequence `code` and its end (ECMA-48), if colour is wanted.
    fn paint(self, code: &str, text: &str, out: &mut Vec<u8>) {
        let _ = if self.color { write!(out, "\x1b[{code}m{text}\x1b[m") } else { write!(out, "{text}") };
    }
}

const YELLOW: &str = "33";
const CYAN: &str = "36";
const GREEN: &str = "32";
const RED: &str = "31";
const DIM: &str = "2";

/// `<id> <date> <author>: <subject>`, then what the commit says of others, each on a line of its own.
fn write_commit(commit: &Commit<'_>, ink: Ink, out: &mut Vec<u8>) {
    ink.paint(YELLOW, short(&commit.id), out);
    let date = commit.author.date.as_deref().and_then(|date| date.get(..10)).unwrap_or("no date   ");
    out.push(b' ');
    ink.paint(DIM, date, out);
    let _ = writeln!(out, " {}: {}", safe::line(&commit.author.name), safe::line(&commit.subject));
    let mut note = |code: &str, word: &str, text: &str, id: Option<Option<&str>>| {
        out.extend_from_slice(b"    ");
        ink.paint(code, word, out);
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
        note(CYAN, &issue.kind, &issue.key, None);
    }
    for path in commit.paths.iter().flatten().flatten() {
        let status = serde_json::to_value(path.status).ok();
        note(DIM, status.as_ref().and_then(|status| status.as_str()).unwrap_or("?"), &path.path, None);
    }
}

fn write_ref(entry: &Ref<'_>, ink: Ink, out: &mut Vec<u8>) {
    ink.paint(YELLOW, entry.id.iter().flatten().next().map_or("", |id| short(id)), out);
    let _ = writeln!(out, " {}", safe::line(&entry.refname));
}

fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}
