//! A list of settings, repositories, caches, tasks or files: line by line for programs, in columns for people.

use super::look::{CYAN, DIM, GREEN, Look, RED, YELLOW, blanks, columns};
use super::{Format, safe, word};
use crate::events::repository::CacheState;
use crate::events::work::InstalledState;
use crate::events::work::TaskState;
use crate::events::{Cache, Event, Exported, Installed, Repo, Setting, Task};

/// Blanks between columns.
const GAP: usize = 2;

/// Gathers the events of one list.
#[derive(Debug)]
pub struct ListWriter {
    format: Format,
    bytes: Vec<u8>,
    rows: Vec<Vec<Cell>>,
    counts: Vec<(&'static str, u64)>,
}

#[derive(Debug)]
pub(super) struct Cell {
    color: &'static str,
    text: String,
    is_number: bool,
}

impl Cell {
    pub(super) fn new(color: &'static str, text: &str) -> Self {
        Self { color, text: safe::line(text).into_owned(), is_number: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// One that ends where its column does.
    pub(super) fn number(color: &'static str, text: &str) -> Self {
        Self { is_number: true, ..Self::new(color, text) }
    }
}

impl ListWriter {
    pub(super) fn new(format: Format) -> Self {
        Self { format, bytes: Vec::new(), rows: Vec::new(), counts: Vec::new() }
    }

    /// Takes the next event; one of another kind than the list has is left out.
    pub fn add(&mut self, event: &Event<'_>) {
        let (name, row) = match event {
            Event::Setting(setting) => ("setting", setting_row(setting)),
            Event::Installed(file) => ("installed", installed_row(file)),
            Event::Exported(table) => ("exported", exported_row(table)),
            Event::Repo(repo) => ("repo", repo_row(repo)),
            Event::Cache(cache) => ("cache", cache_row(cache)),
            Event::Task(task) => ("task", task_row(task)),
            _ => return,
        };
        match self.format {
            Format::Jsonl | Format::Template { .. } => self.format.write(event, &mut self.bytes),
            Format::Human(_) | Format::Html | Format::Osv => self.rows.push(row),
        }
        match self.counts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((name, 1)),
        }
    }

    /// What is to be written, and how many events there were of each type.
    #[must_use]
    pub fn finish(mut self) -> (Vec<u8>, Vec<(&'static str, u64)>) {
        if let Format::Human(look) = self.format {
            write_rows(&self.rows, look, &mut self.bytes);
        }
        (self.bytes, self.counts)
    }
}

fn setting_row(setting: &Setting<'_>) -> Vec<Cell> {
    vec![Cell::new(YELLOW, &setting.key), Cell::new("", &setting.value), Cell::new(DIM, &setting.origin)]
}

/// What has become of a file, and where it is.
fn installed_row(file: &Installed<'_>) -> Vec<Cell> {
    let color = match file.state {
        InstalledState::Written => GREEN,
        InstalledState::Removed => YELLOW,
        _ => DIM,
    };
    vec![Cell::new(color, &word(file.state)), Cell::new("", &file.path)]
}

/// The name, how much there is of it, and where.
fn exported_row(table: &Exported<'_>) -> Vec<Cell> {
    let rows = format!("{} {}", table.rows, if table.rows == 1 { "row" } else { "rows" });
    let bytes = format!("{} bytes", table.bytes);
    vec![Cell::new(GREEN, &table.table), Cell::number("", &rows), Cell::number(DIM, &bytes), Cell::new("", &table.path)]
}

/// The name, where it lies or comes from, what it is in, and whether it is there.
fn repo_row(repo: &Repo<'_>) -> Vec<Cell> {
    let place = repo.path.as_deref().or(repo.url.as_deref()).unwrap_or_default();
    let groups = repo.groups.as_deref().unwrap_or_default().join(", ");
    let state = match (&repo.git_dir, &repo.path) {
        (None, Some(_)) => Cell::new(RED, "not there"),
        (None, None) => Cell::new(CYAN, "not cloned"),
        _ => Cell::new("", ""),
    };
    vec![Cell::new(GREEN, &repo.repo), Cell::new("", place), Cell::new(CYAN, &groups), state]
}

/// The name, what it takes and holds, when it was last used, the repository's folder, and how it stands.
fn cache_row(cache: &Cache<'_>) -> Vec<Cell> {
    let count = |count: Option<u64>, unit: &str| match count {
        None | Some(0) => Cell::new("", ""),
        Some(count) => Cell::new("", &format!("{count} {unit}")),
    };
    let color = match cache.state {
        None | Some(CacheState::Kept | CacheState::Sound) => GREEN,
        Some(CacheState::Removed | CacheState::Trimmed | CacheState::Aside) => YELLOW,
        _ => RED,
    };
    let state = match (cache.state, &cache.because) {
        (None | Some(CacheState::Kept), _) => String::new(),
        (Some(CacheState::Orphaned), _) => "its repository is gone".to_owned(),
        (Some(state), None) => word(state),
        (Some(state), Some(because)) => format!("{}: {because}", word(state)),
    };
    let freed = cache.freed.map(|freed| format!("{} freed", size(freed)));
    vec![
        Cell::new(GREEN, &cache.repo),
        Cell::new("", &freed.unwrap_or_else(|| size(cache.bytes))),
        count(Some(cache.commits), "commits"),
        count(cache.patch_ids, "patch-ids"),
        Cell::new(DIM, cache.used_at.as_deref().and_then(|date| date.get(..10)).unwrap_or_default()),
        Cell::new(color, &state),
        // What may need more than the rest of a line stands last.
        Cell::new("", cache.git_dir.as_deref().unwrap_or(&cache.path)),
    ]
}

/// The id, what it does and of what, how it stands, how old it is, and what there is to say.
pub(super) fn task_row(task: &Task<'_>) -> Vec<Cell> {
    let (color, state) = match task.state {
        _ if task.stalled => (RED, "stalled".to_owned()),
        TaskState::Running | TaskState::Completed => (GREEN, word(task.state)),
        TaskState::Failed => (RED, word(task.state)),
        state => (YELLOW, word(state)),
    };
    vec![
        Cell::new(YELLOW, &task.id),
        Cell::new("", &task.kind),
        Cell::new(CYAN, task.about.as_deref().unwrap_or_default()),
        Cell::new(color, &state),
        Cell::new(DIM, &task.age_ms.map(age).unwrap_or_default()),
        Cell::new("", task.detail.as_deref().unwrap_or_default()),
    ]
}

/// A time that has passed, in the largest unit of which there is one.
fn age(milliseconds: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min")];
    let unit = units.into_iter().find(|(length, _)| milliseconds >= *length);
    let (length, name) = unit.unwrap_or((1000, "s"));
    format!("{} {name} ago", milliseconds / length)
}

/// Bytes in the unit that leaves three digits or fewer.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]) }
}

/// Writes rows whose columns line up.
pub(super) fn write_rows(rows: &[Vec<Cell>], look: Look, out: &mut Vec<u8>) {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(&cell.text)).max();
    let widths: Vec<usize> = (0..count).map(|at| widest(at).unwrap_or(0)).collect();
    for row in rows {
        let last = row.iter().rposition(|cell| !cell.text.is_empty());
        let shown = last.map_or(0, |last| last + 1);
        for (at, cell) in row.iter().take(shown).enumerate() {
            let missing = widths[at] - columns(&cell.text);
            blanks(if cell.is_number { missing } else { 0 }, out);
            look.paint(cell.color, &cell.text, out);
            if at + 1 < shown {
                let gap = if widths[at] == 0 { 0 } else { GAP };
                blanks(if cell.is_number { gap } else { missing + gap }, out);
            }
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let sizes = [0, 999, 1000, 16_384, 1 << 20, 3 << 29, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "0.9 KiB", "16.0 KiB", "1.0 MiB", "1.5 GiB", "16777215.9 TiB"]);
    }

    #[test]
    fn ages_are_told_in_whole_units() {
        let ages = [0, 999, 59_999, 60_000, 3_599_999, 3_600_000, 200_000_000].map(age);
        assert_eq!(ages, ["0 s ago", "0 s ago", "59 s ago", "1 min ago", "59 min ago", "1 h ago", "2 d ago"]);
    }

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let cell = |text: &str| Cell::new("", text);
        let rows = [
            vec![cell("a"), cell(""), cell("日本"), cell("x")],
            vec![cell("long"), cell(""), cell("b"), cell("")],
            vec![cell("c"), cell(""), cell("d"), cell("y")],
        ];
        let mut out = Vec::new();
        write_rows(&rows, Look { color: false, unicode: true, width: 80, names: false, links: false }, &mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "a     日本  x\nlong  b\nc     d     y\n");
        let number = |text: &str| Cell::number("", text);
        let mut out = Vec::new();
        let rows = [vec![cell("a"), number("7"), number("日")], vec![cell("bc"), number("1000"), number("b")]];
        write_rows(&rows, Look { color: false, unicode: true, width: 80, names: false, links: false }, &mut out);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "a      7  日\nbc  1000   b\n");
    }
}
