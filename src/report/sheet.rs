//! One answer as people see it, gathered from its events: the commits that are asked about, the table, a legend of the marks in
//! it, why each commit was matched, then what has no room in a table. There is no pager: `git config pager.bhfuil true` gives
//! it git's.

use std::borrow::Cow;

use super::look::{BOLD, DIM, Look, MAGENTA, YELLOW, blanks, columns, wrap};
use super::marks::Mark;
use super::places::{self, Place};
use super::why::{self, Evidence};
use super::{safe, short, word};
use crate::events::matching::{CandidateReason, SignalKind, Strength};
use crate::events::{Candidate, Commit, Event, Match, Presence};

/// Blanks before what belongs to a heading.
pub(super) const INDENT: usize = 2;

/// What was told so far. Texts are safe for a terminal already.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    query: String,
    repo: String,
    candidates: Vec<Candidacy>,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Candidacy {
    id: String,
    subject: String,
    why: CandidateReason,
}

/// One change of the answer.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// The full id of the commit that it is named after.
    pub(super) id: String,
    commit: Option<Headline>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) places: Vec<Place>,
}

#[derive(Debug)]
struct Headline {
    date: Option<String>,
    author: String,
    subject: String,
}

impl Sheet {
    pub(super) fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Candidate(candidate) => self.take_candidate(candidate),
            Event::Commit(commit) => self.change(&commit.id).commit = Some(Headline::of(commit)),
            Event::Match(found) => self.take_match(found),
            Event::Presence(presence) => self.take_presence(presence),
            _ => {}
        }
    }

    fn take_candidate(&mut self, candidate: &Candidate<'_>) {
        self.query = safe_text(&candidate.query);
        let (id, subject) = (candidate.id.clone().into_owned(), safe_text(&candidate.subject));
        self.candidates.push(Candidacy { id, subject, why: candidate.why });
    }

    fn take_match(&mut self, found: &Match<'_>) {
        self.query = safe_text(&found.query);
        self.repo = safe_text(&found.repo);
        self.change(&found.change).evidence.push(Evidence {
            id: short(&found.id).to_owned(),
            strength: (found.strength != Strength::Equal).then(|| word(found.strength)),
            itself: found.signals.iter().any(|signal| signal.kind == SignalKind::Same),
            rung: found.rung.map(word).unwrap_or_default(),
            confidence: found.confidence,
            fidelity: found.fidelity.map(|fidelity| fidelity.map_or_else(|| "?".to_owned(), word)).unwrap_or_default(),
            signals: found.signals.iter().map(why::signal).collect(),
        });
    }

    fn take_presence(&mut self, presence: &Presence<'_>) {
        self.query = safe_text(&presence.query);
        self.repo = safe_text(&presence.repo);
        let id = |id: &Option<Cow<'_, str>>| id.as_deref().map(|id| short(id).to_owned());
        let known = |tag: &Option<Option<Cow<'_, str>>>| tag.as_ref()?.as_deref().map(safe_text);
        self.change(&presence.change).places.push(Place {
            name: safe_text(&presence.short),
            line: presence.line.as_deref().map(safe_text),
            is_tag: presence.refname.starts_with("refs/tags/"),
            mark: Mark::of(presence.state, presence.how),
            release: known(&presence.first_release).or_else(|| known(&presence.first_tag)),
            id: id(&presence.id),
            via: id(&presence.via),
        });
    }

    fn change(&mut self, id: &str) -> &mut Change {
        let known = self.changes.iter().position(|change| change.id == id);
        let place = known.unwrap_or_else(|| {
            self.changes.push(Change { id: id.to_owned(), ..Change::default() });
            self.changes.len() - 1
        });
        &mut self.changes[place]
    }

    pub(super) fn write(&self, look: Look, out: &mut Vec<u8>) {
        if !self.changes.is_empty() {
            self.write_heading(look, out);
            for change in self.changes.iter().filter(|change| !look.names || change.commit.is_some()) {
                change.write_headline(look, out);
            }
            places::write(&self.changes, look, out);
            why::write(&self.changes, look, out);
            places::write_rest(&self.changes, look, out);
        }
        self.write_candidates(look, out);
    }

    /// The query, unless it is the id of the one commit that follows.
    fn write_heading(&self, look: Look, out: &mut Vec<u8>) {
        let count = self.changes.len();
        if look.names {
            look.paint(MAGENTA, &self.repo, out);
            out.extend_from_slice(b": ");
            look.paint(BOLD, &self.query, out);
            if count == 1 && self.changes[0].commit.is_none() && !self.changes[0].id.starts_with(&self.query) {
                out.extend_from_slice(format!(", that is {}", short(&self.changes[0].id)).as_bytes());
            }
            out.push(b'\n');
            return;
        }
        if count == 1 && self.changes[0].id.starts_with(&self.query) {
            return;
        }
        look.paint(BOLD, &self.query, out);
        if count > 1 {
            out.extend_from_slice(format!(": {count} changes").as_bytes());
        }
        out.push(b'\n');
    }

    fn write_candidates(&self, look: Look, out: &mut Vec<u8>) {
        let Some(first) = self.candidates.first() else { return };
        if !self.changes.is_empty() {
            out.push(b'\n');
        }
        look.paint(BOLD, &self.query, out);
        let what = match first.why {
            CandidateReason::Ambiguous => "fits more than one commit",
            CandidateReason::Near | CandidateReason::Unrecognised => "fits no commit exactly",
        };
        out.extend_from_slice(format!(" {what}; did you mean\n").as_bytes());
        let digits = distinct(&self.candidates);
        for candidate in &self.candidates {
            blanks(INDENT, out);
            let id = candidate.id.get(..digits).unwrap_or(&candidate.id);
            look.paint(YELLOW, id, out);
            write_hanging(&candidate.subject, INDENT + columns(id) + 2, look, out);
        }
    }
}

impl Headline {
    fn of(commit: &Commit<'_>) -> Self {
        Self {
            date: commit.author.date.as_deref().and_then(|date| date.get(..10)).map(str::to_owned),
            author: safe_text(&commit.author.name),
            subject: safe_text(&commit.subject),
        }
    }
}

impl Change {
    /// `<id>  <date>  <author>  <subject>`, the subject on lines of its own where it doesn't fit.
    fn write_headline(&self, look: Look, out: &mut Vec<u8>) {
        let id = short(&self.id);
        look.paint(YELLOW, id, out);
        let Some(commit) = &self.commit else { return out.push(b'\n') };
        let date = commit.date.as_deref().unwrap_or("no date   ");
        out.extend_from_slice(b"  ");
        look.paint(DIM, date, out);
        blanks(2, out);
        out.extend_from_slice(commit.author.as_bytes());
        let used = columns(id) + 2 + columns(date) + 2 + columns(&commit.author);
        if used + 2 + columns(&commit.subject) <= look.width {
            blanks(2, out);
            look.paint(BOLD, &commit.subject, out);
            out.push(b'\n');
            return;
        }
        out.push(b'\n');
        for line in wrap(commit.subject.split(' '), look.width.saturating_sub(columns(id) + 2)) {
            blanks(columns(id) + 2, out);
            look.paint(BOLD, &line, out);
            out.push(b'\n');
        }
    }
}

/// `text` from column `indent` on, where the cursor is two columns before, and further lines below its first.
pub(super) fn write_hanging(text: &str, indent: usize, look: Look, out: &mut Vec<u8>) {
    let mut gap = 2;
    for line in wrap(text.split(' '), look.width.saturating_sub(indent)) {
        blanks(gap, out);
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
        gap = indent;
    }
}

/// The heading of a section, after an empty line.
pub(super) fn write_title(title: &str, look: Look, out: &mut Vec<u8>) {
    out.push(b'\n');
    blanks(INDENT, out);
    look.paint(BOLD, title, out);
    out.push(b'\n');
}

/// Digits that tell all candidates apart.
fn distinct(candidates: &[Candidacy]) -> usize {
    let longest = candidates.iter().map(|candidate| candidate.id.len()).max().unwrap_or(0);
    let differ = |digits: &usize| {
        let mut heads: Vec<_> = candidates.iter().map(|candidate| candidate.id.get(..*digits)).collect();
        heads.sort_unstable();
        heads.windows(2).all(|pair| pair[0] != pair[1])
    };
    (super::SHORT..longest).find(differ).unwrap_or(longest)
}

fn safe_text(text: &str) -> String {
    safe::line(text).into_owned()
}

#[cfg(test)]
mod tests;
