//! Why each commit of an answer was matched, a line each: where it is, the rung of the ladder that held, how sure that is, how
//! much of the change arrived, and what else agrees.

use std::borrow::Cow;

use super::look::{Look, YELLOW, blanks, columns};
use super::marks::Mark;
use super::places::Place;
use super::sheet::{Change, INDENT, write_hanging, write_title};
use super::{safe, short};
use crate::events::matching::{Signal, SignalKind};

/// Lines that are named one by one; of more only the oldest and the newest.
const NAMED: usize = 3;
/// With less room than this the rest of a line goes below it.
const LEAST_ROOM: usize = 24;

/// One matched commit.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) id: String,
    /// `weak` or `hint`; `None` for what counts.
    pub(super) strength: Option<String>,
    /// Whether it is what was asked about.
    pub(super) itself: bool,
    pub(super) rung: String,
    pub(super) confidence: f64,
    /// Empty where it doesn't apply.
    pub(super) fidelity: String,
    pub(super) signals: Vec<SignalText>,
}

/// A signal, and what is worth telling of its value.
#[derive(Debug)]
pub(super) struct SignalText {
    name: String,
    detail: String,
}

/// What to show of a signal: of most the kind says it all.
pub(super) fn signal(signal: &Signal<'_>) -> SignalText {
    let value = signal.value.as_deref().map(safe::line).unwrap_or_default();
    let detail = match (signal.kind, signal.hops) {
        (SignalKind::PullRequest | SignalKind::Fuzzy, _) => value.into_owned(),
        (SignalKind::Lines, _) if value != "1.00" => value.into_owned(),
        (_, Some(hops)) if hops > 1 => format!("in {hops} steps"),
        _ => String::new(),
    };
    SignalText { name: super::word(signal.kind), detail }
}

/// A line of the section.
struct Line {
    mark: Option<Mark>,
    id: String,
    places: String,
    /// Cells that line up with those of other lines; empty where `text` says it all.
    cells: [String; 3],
    text: String,
}

/// Writes what counts, and apart from it what only resembles the change.
pub(super) fn write(changes: &[Change], look: Look, out: &mut Vec<u8>) {
    let counted: Vec<Line> = changes.iter().flat_map(|change| equal(change, look)).collect();
    write_section("Why:", &counted, look, out);
    let similar: Vec<Line> = changes.iter().flat_map(|change| similar(change, look)).collect();
    write_section("Similar, not counted:", &similar, look, out);
}

/// The commits that are the change, those that took it away, and the merges that brought it.
fn equal(change: &Change, look: Look) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    for evidence in change.evidence.iter().filter(|evidence| evidence.strength.is_none()) {
        known.push(&evidence.id);
        lines.push(evidence.line(change, look));
    }
    for place in &change.places {
        let Some(id) = place.id.as_deref().filter(|id| !known.contains(id)) else { continue };
        known.push(id);
        let text = if place.mark.has() { "brought it" } else { "reverted it" };
        lines.push(Line {
            mark: Some(place.mark),
            id: id.to_owned(),
            places: where_it_is(change, look, |place| place.id.as_deref() == Some(id)),
            cells: Default::default(),
            text: text.to_owned(),
        });
    }
    for place in &change.places {
        let Some(via) = place.via.as_deref().filter(|via| !known.contains(via)) else { continue };
        known.push(via);
        lines.push(Line {
            mark: None,
            id: via.to_owned(),
            places: where_it_is(change, look, |place| place.via.as_deref() == Some(via)),
            cells: Default::default(),
            text: format!("merged {}", place.id.as_deref().unwrap_or("it")),
        });
    }
    lines
}

fn similar(change: &Change, look: Look) -> Vec<Line> {
    let found = change.evidence.iter().filter(|evidence| evidence.strength.is_some());
    found
        .map(|evidence| {
            let mut line = evidence.line(change, look);
            line.mark = None;
            line.places = format!("like {}", short(&change.id));
            let fidelity = std::mem::replace(&mut line.cells[2], evidence.strength.clone().unwrap_or_default());
            line.text =
                [fidelity, line.text].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
            line
        })
        .collect()
}

impl Evidence {
    fn line(&self, change: &Change, look: Look) -> Line {
        let places = where_it_is(change, look, |place| place.id.as_deref() == Some(&self.id));
        let id = self.id.clone();
        if self.itself {
            let text = "the commit itself".to_owned();
            return Line { mark: Some(Mark::Itself), id, places, cells: Default::default(), text };
        }
        let cells = [self.rung.clone(), percent(self.confidence), self.fidelity.clone()];
        // What the rung's own name says needn't be said again.
        let also = self.signals.iter().filter(|signal| !signal.detail.is_empty() || !self.rung.contains(&signal.name));
        let also: Vec<String> = also
            .map(|signal| match signal.detail.as_str() {
                "" => signal.name.clone(),
                detail => format!("{} {detail}", signal.name),
            })
            .collect();
        let text = match (also.is_empty(), self.rung.is_empty()) {
            (true, _) => String::new(),
            (false, true) => also.join(", "),
            (false, false) => format!("also {}", also.join(", ")),
        };
        Line { mark: Some(Mark::Equivalent), id, places, cells, text }
    }
}

/// The lines and refs for which `holds`, of many the oldest and the newest.
fn where_it_is(change: &Change, look: Look, holds: impl Fn(&Place) -> bool) -> String {
    let mut found: Vec<(&Place, &str)> = Vec::new();
    for place in change.places.iter().filter(|place| holds(place)) {
        // Where the branch hasn't got it, a tag has it for itself alone.
        let for_line = |other: &Place| other.line == place.line && !other.is_tag && !other.mark.has();
        let is_alone = place.is_tag && change.places.iter().any(for_line);
        let name = if is_alone { &place.name } else { place.column() };
        // A tag that is of no line is named in a list of its own.
        let is_listed = place.line.is_none() && place.is_tag;
        if !is_listed && found.iter().all(|(_, known)| *known != name) {
            found.push((place, name));
        }
    }
    found.sort_by_cached_key(|(place, _)| place.order());
    let names: Vec<&str> = found.into_iter().map(|(_, name)| name).collect();
    match names.as_slice() {
        [first, .., last] if names.len() > NAMED => {
            format!("{first} {} {last} ({})", look.ellipsis(), names.len())
        }
        _ => names.join(", "),
    }
}

/// A probability as people write it, never rounded up to certainty.
fn percent(probability: f64) -> String {
    let tenths = (probability * 1000.0).round();
    if tenths >= 1000.0 && probability < 1.0 {
        return ">99.9%".to_owned();
    }
    if tenths % 10.0 == 0.0 { format!("{:.0}%", tenths / 10.0) } else { format!("{:.1}%", tenths / 10.0) }
}

fn write_section(title: &str, lines: &[Line], look: Look, out: &mut Vec<u8>) {
    if lines.is_empty() {
        return;
    }
    write_title(title, look, out);
    let widths = Widths::of(lines);
    for line in lines {
        line.write(&widths, look, out);
    }
}

/// The widths of what lines up.
struct Widths {
    marks: usize,
    places: usize,
    cells: [usize; 3],
}

impl Widths {
    fn of(lines: &[Line]) -> Self {
        let widest = |of: &dyn Fn(&Line) -> &str| lines.iter().map(|line| columns(of(line))).max().unwrap_or(0);
        Self {
            marks: if lines.iter().any(|line| line.mark.is_some()) { 2 } else { 0 },
            places: widest(&|line| &line.places),
            cells: [0, 1, 2].map(|cell| widest(&|line| &line.cells[cell])),
        }
    }
}

impl Line {
    fn write(&self, widths: &Widths, look: Look, out: &mut Vec<u8>) {
        blanks(INDENT, out);
        if let Some(mark) = self.mark {
            mark.write(look, out);
        }
        blanks(widths.marks - usize::from(self.mark.is_some()), out);
        look.paint(YELLOW, &self.id, out);
        let below = INDENT + widths.marks + columns(&self.id) + 2;
        let mut used = below - 2;
        let mut align = |text: &str, width: usize, is_number: bool| {
            if width == 0 {
                return;
            }
            let gap = width - columns(text);
            let (before, after) = if is_number { (gap, 0) } else { (0, gap) };
            blanks(2 + before, out);
            out.extend_from_slice(text.as_bytes());
            blanks(after, out);
            used += 2 + width;
        };
        align(&self.places, widths.places, false);
        let mut text = Cow::Borrowed(self.text.as_str());
        if self.cells.iter().any(|cell| !cell.is_empty()) {
            let all: usize = widths.cells.iter().filter(|width| **width > 0).map(|width| 2 + width).sum();
            if below - 2 + widths.places + 2 + all <= look.width {
                for (at, (cell, width)) in self.cells.iter().zip(widths.cells).enumerate() {
                    align(cell, width, at == 1);
                }
            } else {
                let cells = self.cells.iter().map(String::as_str).filter(|cell| !cell.is_empty());
                let cells = cells.collect::<Vec<_>>().join(" ");
                text = if text.is_empty() { cells.into() } else { format!("{cells}, {text}").into() };
            }
        }
        let needed = columns(&text);
        let fits = used + 2 + needed <= look.width || used + 2 + LEAST_ROOM <= look.width;
        if needed > 0 && fits {
            return write_hanging(&text, used + 2, look, out);
        }
        trim(out);
        out.push(b'\n');
        if needed > 0 {
            blanks(below - 2, out);
            write_hanging(&text, below, look, out);
        }
    }
}

fn trim(out: &mut Vec<u8>) {
    while out.last() == Some(&b' ') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_never_rounded_up_to_certainty() {
        for (probability, text) in
            [(1.0, "100%"), (0.9999, ">99.9%"), (0.995, "99.5%"), (0.97, "97%"), (0.5, "50%"), (0.0, "0%")]
        {
            assert_eq!(percent(probability), text);
        }
    }
}
