//! A table of marks: a row for each change, a column for each place. Where the window is too narrow, columns that say the same
//! are folded into one, then the table is cut into bands.

use super::look::{BOLD, Look, YELLOW, blanks, columns};
use super::marks::Mark;

/// Blanks before each line.
const INDENT: usize = 2;
/// Blanks between columns.
const GAP: usize = 2;
/// The widest name of a release that stands in a cell.
const WIDEST_RELEASE: usize = 20;
/// As many columns in a row that say the same become one where there isn't room for all.
const FOLDED: usize = 4;

/// What is drawn. Texts are safe for a terminal already.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// One change. Without a label if there is but one.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) label: String,
    /// As many as there are columns; `None` where nothing was told.
    pub(super) cells: Vec<Option<Cell>>,
}

/// What one place has of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) mark: Mark,
    /// The first release that has it, where there is one. Where the branch itself hasn't got it, a tag has.
    pub(super) release: Option<String>,
}

/// The kinds of entries in a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) marks: Vec<Mark>,
    /// Whether a mark is followed by a release.
    pub(super) releases: bool,
    /// Whether a tag has what its branch hasn't.
    pub(super) tags_alone: bool,
}

impl Cell {
    /// What stands behind the mark.
    pub(super) fn note(&self) -> Option<String> {
        let release = self.release.as_ref().filter(|release| columns(release) <= WIDEST_RELEASE)?;
        Some(if self.mark.has() { release.clone() } else { format!("but {release}") })
    }

    fn width(&self) -> usize {
        1 + self.note().map_or(0, |note| 1 + columns(&note))
    }
}

impl Table {
    /// What a reader may ask the meaning of.
    pub(super) fn uses(&self) -> Uses {
        let cells = || self.rows.iter().flat_map(|row| row.cells.iter().flatten());
        let noted = |has| cells().any(|cell| cell.mark.has() == has && cell.note().is_some());
        let marks = Mark::ALL.into_iter().filter(|mark| cells().any(|cell| cell.mark == *mark));
        Uses { marks: marks.collect(), releases: noted(true), tags_alone: noted(false) }
    }

    pub(super) fn write(&self, look: Look, out: &mut Vec<u8>) {
        let label = self.rows.iter().map(|row| columns(&row.label)).max().unwrap_or(0);
        let stub = if label > 0 { INDENT + label + GAP } else { INDENT };
        if self.bands(look.width.saturating_sub(stub)).len() > 1
            && let Some(folded) = self.folded(look)
        {
            return folded.write(look, out);
        }
        for (place, band) in self.bands(look.width.saturating_sub(stub)).into_iter().enumerate() {
            if place > 0 {
                out.push(b'\n');
            }
            blanks(stub, out);
            let headings = band.iter().map(|&(column, width)| {
                let name = &self.columns[column];
                (width, columns(name), move |out: &mut Vec<u8>| look.paint(BOLD, name, out))
            });
            write_line(headings, out);
            for row in &self.rows {
                blanks(INDENT, out);
                if label > 0 {
                    look.paint(YELLOW, &row.label, out);
                    blanks(label - columns(&row.label) + GAP, out);
                }
                let cells = band.iter().map(|&(column, width)| {
                    let cell = row.cells.get(column).and_then(Option::as_ref);
                    (width, cell.map_or(0, Cell::width), move |out: &mut Vec<u8>| {
                        let Some(cell) = cell else { return };
                        cell.mark.write(look, out);
                        if let Some(note) = cell.note() {
                            out.push(b' ');
                            out.extend_from_slice(note.as_bytes());
                        }
                    })
                });
                write_line(cells, out);
            }
        }
    }

    /// The same with each run of columns that say the same, and nothing but a mark, as one; `None` if there is no such run.
    fn folded(&self, look: Look) -> Option<Self> {
        let cell = |row: &Row, column: usize| row.cells.get(column).cloned().flatten();
        let is_alike = |a: usize, b: usize| {
            let alike =
                |row: &Row| cell(row, a) == cell(row, b) && cell(row, a).is_none_or(|cell| cell.note().is_none());
            self.rows.iter().all(alike)
        };
        let mut folded = Self { columns: Vec::new(), rows: Vec::new() };
        folded.rows.extend(self.rows.iter().map(|row| Row { label: row.label.clone(), cells: Vec::new() }));
        let mut first = 0;
        while first < self.columns.len() {
            let run = (first..self.columns.len()).take_while(|&column| is_alike(first, column)).count();
            let taken = if run >= FOLDED { run } else { 1 };
            let (name, last) = (&self.columns[first], &self.columns[first + taken - 1]);
            folded.columns.push(match taken {
                1 => name.clone(),
                _ => format!("{name} {} {last} ({taken})", look.ellipsis()),
            });
            for (row, of) in folded.rows.iter_mut().zip(&self.rows) {
                row.cells.push(cell(of, first));
            }
            first += taken;
        }
        (folded.columns.len() < self.columns.len()).then_some(folded)
    }

    /// The columns and their widths, as many together as `room` holds, at least one.
    fn bands(&self, room: usize) -> Vec<Vec<(usize, usize)>> {
        let mut bands: Vec<Vec<(usize, usize)>> = Vec::new();
        let mut used = 0;
        for (column, name) in self.columns.iter().enumerate() {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(column)?.as_ref().map(Cell::width));
            let width = cells.chain([columns(name)]).max().unwrap_or(0);
            match bands.last_mut() {
                Some(band) if used + GAP + width <= room => {
                    band.push((column, width));
                    used += GAP + width;
                }
                _ => {
                    bands.push(vec![(column, width)]);
                    used = width;
                }
            }
        }
        bands
    }
}

/// Entries side by side, each with the width of its column, its own, and what writes it; no blanks at the end.
fn write_line<W: FnOnce(&mut Vec<u8>)>(entries: impl Iterator<Item = (usize, usize, W)>, out: &mut Vec<u8>) {
    let mut owed = 0;
    for (width, own, write) in entries {
        if own > 0 {
            blanks(owed, out);
            owed = 0;
            write(out);
        }
        owed += width - own + GAP;
    }
    while out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: Look = Look { color: false, unicode: false, width: 80, names: false, links: false };

    #[expect(clippy::unnecessary_wraps, reason = "as a row has it")]
    fn cell(mark: Mark, release: &str) -> Option<Cell> {
        Some(Cell { mark, release: (!release.is_empty()).then(|| release.to_owned()) })
    }

    fn table(columns: &[&str], rows: Vec<(&str, Vec<Option<Cell>>)>) -> Table {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        Table { columns, rows: rows.into_iter().map(|(label, cells)| Row { label: label.into(), cells }).collect() }
    }

    fn drawn(table: &Table, look: Look) -> String {
        let mut out = Vec::new();
        table.write(look, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn two_changes() -> Table {
        let first = vec![cell(Mark::Missing, "1.0.2"), cell(Mark::Equivalent, "2.0.0"), cell(Mark::Itself, "")];
        let second = vec![None, cell(Mark::Reverted, ""), cell(Mark::Reapplied, "")];
        table(&["1.0", "2.0", "mainline"], vec![("aaaaaaa", first), ("bbbbbbb", second)])
    }

    #[test]
    fn columns_line_up_under_their_headings() {
        let expected = "           1.0          2.0      mainline
  aaaaaaa  - but 1.0.2  + 2.0.0  *
  bbbbbbb               R        A
";
        assert_eq!(drawn(&two_changes(), ASCII), expected);
    }

    #[test]
    fn a_narrow_window_gets_bands() {
        let expected = "           1.0
  aaaaaaa  - but 1.0.2
  bbbbbbb

           2.0      mainline
  aaaaaaa  + 2.0.0  *
  bbbbbbb  R        A
";
        assert_eq!(drawn(&two_changes(), Look { width: 28, ..ASCII }), expected);
        // However narrow, nothing is lost.
        let narrow = drawn(&two_changes(), Look { width: 1, ..ASCII });
        assert_eq!(narrow.matches("aaaaaaa").count(), 3, "{narrow}");
    }

    #[test]
    fn columns_that_say_the_same_are_folded_where_room_is_short() {
        let names: Vec<String> = (1..=9).map(|number| format!("{number}.0")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut cells = vec![cell(Mark::Missing, ""); 5];
        cells.push(cell(Mark::Missing, "6.0.9"));
        cells.extend([cell(Mark::Itself, ""), cell(Mark::Itself, ""), cell(Mark::Itself, "9.0.1")]);
        let table = table(&names, vec![("", cells)]);
        let wide = "  1.0  2.0  3.0  4.0  5.0  6.0          7.0  8.0  9.0
  -    -    -    -    -    - but 6.0.9  *    *    * 9.0.1
";
        assert_eq!(drawn(&table, ASCII), wide);
        let narrow = "  1.0 ... 5.0 (5)  6.0          7.0  8.0
  -                - but 6.0.9  *    *

  9.0
  * 9.0.1
";
        assert_eq!(drawn(&table, Look { width: 45, ..ASCII }), narrow);
    }

    #[test]
    fn a_single_change_needs_no_label() {
        let table =
            table(&["train", "mainline"], vec![("", vec![cell(Mark::Equivalent, ""), cell(Mark::Itself, "9")])]);
        assert_eq!(drawn(&table, Look { unicode: true, ..ASCII }), "  train  mainline\n  ◐      ● 9\n");
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let table = table(&["日本", "b"], vec![("", vec![cell(Mark::Itself, ""), cell(Mark::Missing, "")])]);
        assert_eq!(drawn(&table, ASCII), "  日本  b\n  *     -\n");
    }

    #[test]
    fn a_release_that_is_too_long_is_left_out() {
        let long = "a-release-with-a-very-long-name";
        let table = table(&["1"], vec![("", vec![cell(Mark::Itself, long)])]);
        assert_eq!(drawn(&table, ASCII), "  1\n  *\n");
        assert_eq!(table.uses(), Uses { marks: vec![Mark::Itself], releases: false, tags_alone: false });
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let look = Look { color: true, ..ASCII };
        let table = table(&["1.0"], vec![("aaaaaaa", vec![cell(Mark::Itself, "1.0.1")])]);
        let expected = "           \u{1b}[1m1.0\u{1b}[m\n  \u{1b}[33maaaaaaa\u{1b}[m  \u{1b}[32m*\u{1b}[m 1.0.1\n";
        assert_eq!(drawn(&table, look), expected);
    }

    #[test]
    fn only_marks_that_are_used_need_a_meaning() {
        let marks = vec![Mark::Itself, Mark::Equivalent, Mark::Reapplied, Mark::Reverted, Mark::Missing];
        assert_eq!(two_changes().uses(), Uses { marks, releases: true, tags_alone: true });
    }
}
