//! Which places stand in the table, in what order, and what of them doesn't. A place is a ref.
//!
//! Refs of one release line share a column. Its mark is the one that asks most for attention, so that it never says more than
//! holds for every branch of the line; where branches differ (a local one that lags behind its remote) a note names them. A
//! line's tags speak for it where it has no branch, and where the branch lacks what a tag has. Refs without a line get columns
//! behind the lines as long as they are few.

use super::look::{Look, blanks, columns, wrap};
use super::marks::Mark;
use super::sheet::{Change, INDENT, write_title};
use super::short;
use super::table::{Cell, Row, Table};
use crate::lines::Line;

/// Refs without a line that are given columns.
const FEW: usize = 6;

/// What one ref has of a change.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The refname without its prefix.
    pub(super) name: String,
    /// The release line.
    pub(super) line: Option<String>,
    pub(super) is_tag: bool,
    pub(super) mark: Mark,
    /// The first release of the line that has the change, else the first tag.
    pub(super) release: Option<String>,
    /// The commit that brought or took it.
    pub(super) id: Option<String>,
    /// The merge that brought it.
    pub(super) via: Option<String>,
}

impl Place {
    /// The name of the column that it belongs to.
    pub(super) fn column(&self) -> &str {
        self.line.as_deref().unwrap_or(&self.name)
    }

    /// Lines stand from old to new, then what is of none.
    pub(super) fn order(&self) -> (bool, Option<Line>) {
        (self.line.is_none(), self.line.as_deref().map(Line::of_name))
    }
}

/// Writes the table and what its marks mean.
pub(super) fn write(changes: &[Change], look: Look, out: &mut Vec<u8>) {
    let table = table(changes);
    if table.columns.is_empty() {
        return;
    }
    out.push(b'\n');
    table.write(look, out);
    out.push(b'\n');
    write_legend(&table, look, out);
}

fn write_legend(table: &Table, look: Look, out: &mut Vec<u8>) {
    let uses = table.uses();
    let mut filled = 0;
    let mut entry = |width: usize, write: &dyn Fn(&mut Vec<u8>)| {
        if filled > 0 && filled + 3 + width > look.width {
            out.push(b'\n');
            filled = 0;
        }
        let gap = if filled == 0 { INDENT } else { 3 };
        blanks(gap, out);
        write(out);
        filled += gap + width;
    };
    for mark in uses.marks {
        entry(2 + columns(mark.meaning()), &|out| {
            mark.write(look, out);
            out.push(b' ');
            out.extend_from_slice(mark.meaning().as_bytes());
        });
    }
    for (is_used, text) in
        [(uses.releases, "name: first release with it"), (uses.tags_alone, "but name: only a tag has it")]
    {
        if is_used {
            entry(columns(text), &|out| out.extend_from_slice(text.as_bytes()));
        }
    }
    out.push(b'\n');
}

fn table(changes: &[Change]) -> Table {
    let names = column_names(changes);
    let rows = changes.iter().map(|change| Row {
        label: if changes.len() > 1 { short(&change.id).to_owned() } else { String::new() },
        cells: names.iter().map(|name| cell(change, name)).collect(),
    });
    Table { rows: rows.collect(), columns: names }
}

/// The lines from old to new, then other refs as they were told, if they are few.
fn column_names(changes: &[Change]) -> Vec<String> {
    let places = || changes.iter().flat_map(|change| &change.places);
    let mut lines: Vec<String> = Vec::new();
    for line in places().filter_map(|place| place.line.as_ref()) {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    lines.sort_by_cached_key(|name| Line::of_name(name));
    let others = loose(changes);
    if others.len() <= FEW {
        lines.extend(others);
    }
    lines
}

/// The branches and other refs that are of no line, without tags.
fn loose(changes: &[Change]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for place in changes.iter().flat_map(|change| &change.places) {
        if place.line.is_none() && !place.is_tag && !names.contains(&place.name) {
            names.push(place.name.clone());
        }
    }
    names
}

/// What a column says of a change.
fn cell(change: &Change, column: &str) -> Option<Cell> {
    let (tags, branches): (Vec<&Place>, Vec<&Place>) = in_column(change, column).partition(|place| place.is_tag);
    let telling = if branches.is_empty() { &tags } else { &branches };
    let worst = telling.iter().max_by_key(|place| place.mark)?;
    let release = telling.iter().chain(&tags).find_map(|place| place.release.clone());
    Some(Cell { mark: worst.mark, release })
}

fn in_column<'c>(change: &'c Change, column: &str) -> impl Iterator<Item = &'c Place> {
    // A tag without a line may be called as a line is.
    change.places.iter().filter(move |place| place.column() == column && (place.line.is_some() || !place.is_tag))
}

/// Writes what the table doesn't show: branches that differ from their line, refs and tags that are too many for columns.
pub(super) fn write_rest(changes: &[Change], look: Look, out: &mut Vec<u8>) {
    let is_one = changes.len() == 1;
    let mut differing = Vec::new();
    for change in changes {
        for place in differing_from_line(change) {
            let name = format!("{} ({})", place.name, place.column());
            differing.push((change, place.mark, name));
        }
    }
    write_list("Branches of one line that differ:", &differing, is_one, look, out);
    if loose(changes).len() > FEW {
        let others = listed(changes, |place| place.line.is_none() && !place.is_tag);
        write_list("Other refs:", &others, is_one, look, out);
    }
    let all_tags = changes.iter().flat_map(|change| &change.places).any(|place| place.is_tag && place.line.is_none());
    if all_tags {
        write_list("Tags:", &listed(changes, |place| place.is_tag), is_one, look, out);
    }
}

fn differing_from_line(change: &Change) -> impl Iterator<Item = &Place> {
    let branches = || change.places.iter().filter(|place| place.line.is_some() && !place.is_tag);
    branches().filter(move |place| branches().any(|other| other.line == place.line && other.mark != place.mark))
}

fn listed(changes: &[Change], wanted: impl Fn(&Place) -> bool) -> Vec<(&Change, Mark, String)> {
    let mut found = Vec::new();
    for change in changes {
        found.extend(
            change.places.iter().filter(|place| wanted(place)).map(|place| (change, place.mark, place.name.clone())),
        );
    }
    found
}

/// A paragraph for each change and mark.
fn write_list(title: &str, entries: &[(&Change, Mark, String)], is_one: bool, look: Look, out: &mut Vec<u8>) {
    if entries.is_empty() {
        return;
    }
    write_title(title, look, out);
    let mut rest = entries;
    while let Some((change, ..)) = rest.first() {
        let (own, others) = rest.split_at(rest.iter().take_while(|(of, ..)| of.id == change.id).count());
        rest = others;
        for mark in Mark::ALL {
            let names: Vec<&str> =
                own.iter().filter(|(_, of, _)| *of == mark).map(|(.., name)| name.as_str()).collect();
            if names.is_empty() {
                continue;
            }
            blanks(INDENT, out);
            let mut indent = INDENT;
            if !is_one {
                look.paint(super::look::YELLOW, short(&change.id), out);
                out.extend_from_slice(b"  ");
                indent += columns(short(&change.id)) + 2;
            }
            mark.write(look, out);
            let separated: Vec<String> = with_commas(&names);
            let lines = wrap(separated.iter().map(String::as_str), look.width.saturating_sub(indent + 2));
            for (at, line) in lines.iter().enumerate() {
                blanks(if at == 0 { 1 } else { indent + 2 }, out);
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
        }
    }
}

fn with_commas(names: &[&str]) -> Vec<String> {
    let last = names.len().saturating_sub(1);
    names.iter().enumerate().map(|(at, name)| if at < last { format!("{name},") } else { (*name).to_owned() }).collect()
}
