//! An answer as one page of HTML: changes × branches, as `matrix` tells them. Nothing is loaded from elsewhere, and what the page may do is
//! said in it: its own script and style run, and no other. Without its script it is a plain table.

use std::borrow::Cow;
use std::collections::HashSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::look::Look;
use super::marks::Mark;
use super::{safe, short};
use crate::events::{Commit, Event, Presence};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// Where the signs of marks are taken from.
const SIGNS: Look = Look { color: false, unicode: true, width: 0, names: false, links: false };

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Page {
    repo: String,
    source: String,
    branches: Vec<Branch>,
    rows: Vec<Row>,
    /// What holds of all of it.
    remark: Option<&'static str>,
    /// The address of a commit's page, without its id.
    commits_at: Option<String>,
}

/// A column.
#[derive(Debug)]
struct Branch {
    /// What tells it from others, whose names may look the same.
    key: String,
    name: String,
}

/// One change.
#[derive(Debug, Default)]
struct Row {
    id: String,
    date: Option<String>,
    author: String,
    subject: String,
    /// In the order of the branches.
    cells: Vec<Option<Cell>>,
}

/// What one branch has of it.
#[derive(Debug)]
struct Cell {
    mark: Mark,
    /// The commit that brought or took it, where that is another one.
    by: Option<String>,
}

impl Page {
    /// Links commits to the pages whose addresses are `address` and an id.
    pub(super) fn link(&mut self, address: String) {
        self.commits_at = Some(address);
    }

    /// Says something that holds of all of it.
    pub(super) fn remark(&mut self, remark: &'static str) {
        self.remark = Some(remark);
    }

    pub(super) fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Commit(commit) => self.take_commit(commit),
            Event::Presence(presence) => self.take_presence(presence),
            _ => {}
        }
    }

    fn take_commit(&mut self, commit: &Commit<'_>) {
        let row = self.row(&commit.id);
        row.date = commit.author.date.as_deref().and_then(|date| date.get(..10)).map(str::to_owned);
        row.author = safe::line(&commit.author.name).into_owned();
        row.subject = safe::line(&commit.subject).into_owned();
    }

    fn take_presence(&mut self, presence: &Presence<'_>) {
        self.repo = presence.repo.clone().into_owned();
        self.source = presence.query.clone().into_owned();
        let key = presence.short_b64.as_deref().unwrap_or(&presence.short);
        let branch = self.branches.iter().position(|known| known.key == key).unwrap_or_else(|| {
            self.branches.push(Branch { key: key.to_owned(), name: safe::line(&presence.short).into_owned() });
            self.branches.len() - 1
        });
        let by = presence.id.as_deref().filter(|id| **id != *presence.change).map(str::to_owned);
        let cells = &mut self.row(&presence.change).cells;
        cells.resize_with(cells.len().max(branch + 1), || None);
        cells[branch] = Some(Cell { mark: Mark::of(presence.state, presence.how), by });
    }

    /// The row of the change that was told last, or a new one: a change is told as a whole.
    fn row(&mut self, id: &str) -> &mut Row {
        if self.rows.last().is_none_or(|last| last.id != id) {
            self.rows.push(Row { id: id.to_owned(), ..Row::default() });
        }
        self.rows.last_mut().expect("there is one by now")
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (repo, source) = (safe::line(&self.repo), safe::line(&self.source));
        let title = if self.rows.is_empty() { "changes".into() } else { format!("{repo}: changes of {source}") };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="generator" content=(concat!("git-bhfuil ", env!("CARGO_PKG_VERSION")));
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (title) }
                    @if self.rows.is_empty() {
                        p { "Nothing that one of the branches lacks or has picked." }
                    } @else {
                        p {
                            "What " code { (source) } " has and one of the branches lacks or has picked, and what each has of it."
                            @if let Some(remark) = self.remark { " " (remark) }
                        }
                        (self.controls())
                        div.frame { (self.table()) }
                        script { (PreEscaped(SCRIPT)) }
                    }
                }
            }
        };
        out.extend_from_slice(page.into_string().as_bytes());
        out.push(b'\n');
    }

    /// What narrows the table; of no use, and hidden, until the script runs.
    fn controls(&self) -> Markup {
        let marks = Mark::ALL.iter().filter(|mark| self.has(**mark));
        html! {
            form hidden {
                label { "Words" input name="q" type="search" autocomplete="off"; }
                label { "State"
                    select name="state" {
                        option value="" { "any" }
                        @for mark in marks { option value=(name(*mark)) { (mark.meaning()) } }
                    }
                }
                label { "On"
                    select name="on" {
                        option value="" { "any branch" }
                        @for branch in &self.branches { option value=(branch.key) { (branch.name) } }
                    }
                }
                output {}
            }
        }
    }

    fn table(&self) -> Markup {
        let own: HashSet<&str> = self.rows.iter().map(|row| row.id.as_str()).collect();
        html! {
            table {
                thead {
                    tr {
                        // No branch is called so: none has a colon in its name (git-check-ref-format(1)).
                        @for head in ["date", "commit", "author", "subject"] {
                            th scope="col" data-name=(format!(":{head}")) { (head) }
                        }
                        @for branch in &self.branches { th scope="col" data-name=(branch.key) { (branch.name) } }
                    }
                }
                tbody { @for row in &self.rows { (self.line(row, &own)) } }
            }
        }
    }

    fn line(&self, row: &Row, own: &HashSet<&str>) -> Markup {
        let commit = |id: &str| self.commit(id, own);
        let cell = |at: usize| row.cells.get(at).and_then(Option::as_ref);
        html! {
            tr id=(row.id) {
                td.date { (row.date.as_deref().unwrap_or("no date")) }
                td.id { (commit(&row.id)) }
                td.author { (row.author) }
                td.subject { (row.subject) }
                @for at in 0..self.branches.len() {
                    @match cell(at) {
                        None => td data-key="" {},
                        Some(Cell { mark, by }) => td data-state=(name(*mark)) data-key=(rank(*mark)) {
                            span class=(name(*mark)) { (mark.sign(SIGNS)) " " (mark.meaning()) }
                            @if let Some(by) = by { span.by { (commit(by)) } }
                        },
                    }
                }
            }
        }
    }

    /// The id of a commit: to its page, else to its row, if it is among those that have one.
    fn commit(&self, id: &str, own: &HashSet<&str>) -> Markup {
        let place = match &self.commits_at {
            Some(address) => Some(Cow::Owned(format!("{address}{id}"))),
            None if own.contains(id) => Some(Cow::Owned(format!("#{id}"))),
            None => None,
        };
        html! {
            @match place {
                Some(place) => a href=(place) title=(id) { (short(id)) },
                None => span title=(id) { (short(id)) },
            }
        }
    }

    fn has(&self, mark: Mark) -> bool {
        self.rows.iter().flat_map(|row| &row.cells).flatten().any(|cell| cell.mark == mark)
    }
}

/// The mark as a word without blanks.
fn name(mark: Mark) -> &'static str {
    match mark {
        Mark::Itself => "itself",
        Mark::Equivalent => "equivalent",
        Mark::Reapplied => "reapplied",
        Mark::NotApplicable => "not-applicable",
        Mark::Dismissed => "dismissed",
        Mark::Unknown => "unknown",
        Mark::Reverted => "reverted",
        Mark::Missing => "missing",
    }
}

/// What asks most for attention stands first.
fn rank(mark: Mark) -> String {
    (Mark::Missing as u8 - mark as u8).to_string()
}

/// That nothing is loaded, and that only this style and this script count (Content Security Policy Level 3).
fn policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
