//! The state of everything, as `status` tells it: line by line for programs, a section for each kind of event for people.

use std::io::Write as _;

use super::listing::{Cell, size, task_row, write_rows};
use super::look::{BOLD, CYAN, DIM, GREEN, Look, RED, YELLOW, wrap};
use super::{Format, counted, safe, word};
use crate::events::repository::CacheState;
use crate::events::stream::ErrorClass;
use crate::events::{Cache, Error, Event, Health, Operation, Repo};

/// Errors that people are shown; programs are told all.
const MOST_ERRORS: usize = 10;

/// Gathers the events of one overview.
#[derive(Debug)]
pub struct OverviewWriter {
    format: Format,
    bytes: Vec<u8>,
    counts: Vec<(&'static str, u64)>,
    rows: Rows,
}

/// What people are shown, section by section.
#[derive(Debug, Default)]
struct Rows {
    repositories: Vec<Repository>,
    caches: Vec<Vec<Cell>>,
    /// How many caches there are, and their bytes.
    kept: (u64, u64),
    tasks: Vec<Vec<Cell>>,
    operations: Vec<Vec<Cell>>,
    /// What somebody typed wrong stands last, and is left out first: it is done with.
    errors: Vec<(bool, Remark)>,
    health: Vec<Remark>,
}

#[derive(Debug)]
struct Repository {
    git_dir: Option<String>,
    name: String,
    place: String,
    state: Cell,
    /// Commits, size and the day of the last update, once its cache is told.
    cache: Option<[Cell; 3]>,
}

/// A line with what to do about it.
#[derive(Debug)]
struct Remark {
    row: Vec<Cell>,
    text: String,
    remedy: Option<String>,
}

impl OverviewWriter {
    pub(super) fn new(format: Format) -> Self {
        Self { format, bytes: Vec::new(), counts: Vec::new(), rows: Rows::default() }
    }

    /// Takes the next event: a repository before its cache.
    pub fn add(&mut self, event: &Event<'_>) {
        match (self.format, event) {
            (Format::Jsonl | Format::Template { .. }, event) => self.format.write(event, &mut self.bytes),
            (Format::Human(_), Event::Repo(repo)) => self.rows.repositories.push(Repository::of(repo)),
            (Format::Human(_), Event::Cache(cache)) => self.rows.cache(cache),
            (Format::Human(_), Event::Task(task)) => self.rows.tasks.push(task_row(task)),
            (Format::Human(_), Event::Operation(operation)) => self.rows.operations.push(operation_row(operation)),
            (Format::Human(look), Event::Error(error)) => {
                self.rows.errors.push((error.class == ErrorClass::User, error_remark(error, look)));
            }
            (Format::Human(look), Event::Health(health)) => self.rows.health.push(health_remark(health, look)),
            _ => {}
        }
        if let Some(name) = counted(event) {
            match self.counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => self.counts.push((name, 1)),
            }
        }
    }

    /// What is to be written, and how many events there were of each type.
    #[must_use]
    pub fn finish(mut self) -> (Vec<u8>, Vec<(&'static str, u64)>) {
        if let Format::Human(look) = self.format {
            self.rows.write(look, &mut self.bytes);
        }
        (self.bytes, self.counts)
    }
}

impl Repository {
    fn of(repo: &Repo<'_>) -> Self {
        let state = match (&repo.git_dir, &repo.path) {
            (None, Some(_)) => Cell::new(RED, "not there"),
            (None, None) => Cell::new(CYAN, "not cloned"),
            _ => Cell::new("", ""),
        };
        Self {
            git_dir: repo.git_dir.as_deref().map(str::to_owned),
            name: repo.repo.to_string(),
            place: repo.path.as_deref().or(repo.url.as_deref()).unwrap_or_default().to_owned(),
            state,
            cache: None,
        }
    }

    fn row(self) -> Vec<Cell> {
        let unseen = || [Cell::new(DIM, "not indexed"), Cell::new("", ""), Cell::new("", "")];
        let is_there = self.git_dir.is_some();
        let none = || [Cell::new("", ""), Cell::new("", ""), Cell::new("", "")];
        let cells = self.cache.unwrap_or_else(if is_there { unseen } else { none });
        let mut row = vec![Cell::new(GREEN, &self.name)];
        row.extend(cells);
        row.extend([Cell::new(DIM, &self.place), self.state]);
        row
    }
}

impl Rows {
    fn cache(&mut self, cache: &Cache<'_>) {
        self.kept.0 += 1;
        self.kept.1 += cache.bytes;
        let state = match cache.state {
            None | Some(CacheState::Kept) => Cell::new("", ""),
            Some(CacheState::Orphaned) => Cell::new(YELLOW, "its repository is gone"),
            Some(CacheState::Aside) => Cell::new(YELLOW, "set aside"),
            Some(state) => Cell::new(RED, &word(state)),
        };
        let cells = [
            Cell::number("", &format!("{} commits", cache.commits)),
            Cell::number("", &size(cache.bytes)),
            Cell::new(DIM, day(cache.indexed_at.as_deref())),
        ];
        let git_dir = cache.git_dir.as_deref();
        let own = self.repositories.iter_mut().find(|it| git_dir.is_some() && it.git_dir.as_deref() == git_dir);
        match own {
            // What was set aside of one stands with the caches that are nobody's.
            Some(repository) if cache.state != Some(CacheState::Aside) => {
                repository.cache = Some(cells);
                if cache.state != Some(CacheState::Kept) {
                    repository.state = state;
                }
            }
            _ => {
                let mut row = vec![Cell::new("", &cache.repo)];
                row.extend(cells);
                row.extend([Cell::new(DIM, git_dir.unwrap_or(&cache.path)), state]);
                self.caches.push(row);
            }
        }
    }

    fn write(self, look: Look, out: &mut Vec<u8>) {
        heading("Repositories", look, out);
        if self.repositories.is_empty() {
            note("none is registered; git bhfuil repo add registers one", look, out);
        }
        indented(&self.repositories.into_iter().map(Repository::row).collect::<Vec<_>>(), look, out);

        heading("Caches", look, out);
        indented(&self.caches, look, out);
        let (count, bytes) = self.kept;
        let total = if count == 0 { "none".to_owned() } else { format!("{count} in all, {}", size(bytes)) };
        note(&total, look, out);

        if !self.tasks.is_empty() {
            heading("Tasks", look, out);
            indented(&self.tasks, look, out);
        }
        if !self.operations.is_empty() {
            heading("Operations", look, out);
            let titles = ["", "calls", "success", "half in", "95 % in", "longest", "received", "memory", "last"];
            let number = |title: &&str| Cell::number(DIM, title);
            let mut rows = vec![titles.iter().map(number).collect::<Vec<_>>()];
            rows.extend(self.operations);
            indented(&fitting(rows, look), look, out);
        }
        if !self.errors.is_empty() {
            heading("Errors", look, out);
            let more = self.errors.len().saturating_sub(MOST_ERRORS);
            let mut errors = self.errors;
            errors.sort_by_key(|(is_users, _)| *is_users);
            remarks(errors.into_iter().map(|(_, remark)| remark).take(MOST_ERRORS), look, out);
            if more > 0 {
                note(&format!("{more} more causes; --format=jsonl tells all"), look, out);
            }
        }
        heading("Health", look, out);
        remarks(self.health.into_iter(), look, out);
    }
}

/// A name above what belongs to it, apart from what is before.
fn heading(title: &str, look: Look, out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b'\n');
    }
    look.paint(BOLD, title, out);
    out.push(b'\n');
}

fn note(text: &str, look: Look, out: &mut Vec<u8>) {
    out.extend_from_slice(b"  ");
    look.paint(DIM, text, out);
    out.push(b'\n');
}

fn indented(rows: &[Vec<Cell>], look: Look, out: &mut Vec<u8>) {
    let mut lines = Vec::new();
    write_rows(rows, look, &mut lines);
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        out.extend_from_slice(b"  ");
        out.extend_from_slice(line);
    }
}

/// Columns of the table of operations that are shown however narrow the window is: the name, calls, success.
const LEAST_COLUMNS: usize = 3;

/// `rows`, the first of which has the titles, without columns that have nothing below theirs, and without the last ones where all don't fit.
fn fitting(mut rows: Vec<Vec<Cell>>, look: Look) -> Vec<Vec<Cell>> {
    let count = rows.first().map_or(0, Vec::len);
    for at in (0..count).rev() {
        if rows.iter().skip(1).all(|row| row[at].is_empty()) {
            for row in &mut rows {
                row.remove(at);
            }
        }
    }
    let is_too_wide = |rows: &[Vec<Cell>]| align(rows, look).first().is_some_and(|row| row.columns + 2 > look.width);
    while rows.first().is_some_and(|row| row.len() > LEAST_COLUMNS) && is_too_wide(&rows) {
        for row in &mut rows {
            row.pop();
        }
    }
    rows
}

/// Rows, each with its text behind it, or below where that needs more than the rest of the line, and the remedy below that.
fn remarks(remarks: impl Iterator<Item = Remark>, look: Look, out: &mut Vec<u8>) {
    let (rows, texts): (Vec<_>, Vec<_>) = remarks.map(|it| (it.row, (it.text, it.remedy))).unzip();
    let width = look.width.saturating_sub(6);
    for (row, (text, remedy)) in align(&rows, look).into_iter().zip(texts) {
        out.extend_from_slice(b"  ");
        out.extend_from_slice(&row.bytes);
        let text = safe::line(&text).into_owned();
        if row.columns + 4 + super::look::columns(&text) <= look.width {
            let _ = writeln!(out, "  {text}");
        } else {
            out.truncate(out.trim_ascii_end().len());
            out.push(b'\n');
            for line in wrap(text.split(' '), width) {
                let _ = writeln!(out, "      {line}");
            }
        }
        let Some(remedy) = remedy else { continue };
        let arrow = if look.unicode { "→" } else { "->" };
        for (at, line) in wrap(safe::line(&remedy).split(' '), width.saturating_sub(3)).iter().enumerate() {
            let begin = if at == 0 { arrow } else { "" };
            let _ = write!(out, "      {begin:<2} ");
            look.paint(CYAN, line, out);
            out.push(b'\n');
        }
    }
}

struct Aligned {
    bytes: Vec<u8>,
    columns: usize,
}

/// The rows, each as wide as the widest.
fn align(rows: &[Vec<Cell>], look: Look) -> Vec<Aligned> {
    let mut plain = Vec::new();
    write_rows(rows, Look { color: false, ..look }, &mut plain);
    let widths: Vec<usize> = String::from_utf8_lossy(&plain).lines().map(super::look::columns).collect();
    let widest = widths.iter().copied().max().unwrap_or(0);
    let mut lines = Vec::new();
    write_rows(rows, look, &mut lines);
    let lines = lines.split(|&byte| byte == b'\n').zip(widths);
    lines
        .map(|(line, width)| {
            let mut bytes = line.to_vec();
            bytes.resize(bytes.len() + widest - width, b' ');
            Aligned { bytes, columns: widest }
        })
        .collect()
}

/// The name, how often, how well, how long, how much, and when last.
fn operation_row(operation: &Operation<'_>) -> Vec<Cell> {
    let milliseconds = |time: Option<u64>| Cell::number("", &time.map(spoken).unwrap_or_default());
    let bytes = |bytes: Option<u64>| Cell::number("", &bytes.map(size).unwrap_or_default());
    let success = operation.success.map_or_else(String::new, percent);
    let color = if operation.success.is_none_or(|success| success >= 1.0) { "" } else { RED };
    vec![
        Cell::new(GREEN, &operation.operation),
        Cell::number("", &operation.calls.to_string()),
        Cell::number(color, &success),
        milliseconds(operation.p50_ms),
        milliseconds(operation.p95_ms),
        milliseconds(operation.longest_ms),
        bytes(operation.bytes),
        bytes(operation.peak_bytes.flatten()),
        Cell::number(DIM, day(operation.last_at.as_deref())),
    ]
}

/// A share that isn't whole is never shown as if it were.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if (99.5..100.0).contains(&percent) { "> 99 %".to_owned() } else { format!("{percent:.0} %") }
}

/// A time in the unit that fits.
fn spoken(milliseconds: u64) -> String {
    match milliseconds {
        0 => "< 1 ms".to_owned(),
        time if time < 1000 => format!("{time} ms"),
        time if time < 100_000 => format!("{}.{} s", time / 1000, time / 100 % 10),
        time if time < 6_000_000 => format!("{} min", time / 60_000),
        time => format!("{} h", time / 3_600_000),
    }
}

fn error_remark(error: &Error<'_>, look: Look) -> Remark {
    let times = if look.unicode { "×" } else { "x" };
    let (first, last) = (day(error.first_at.as_deref()), day(error.last_at.as_deref()));
    let when = if first == last { last.to_owned() } else { format!("{first} to {last}") };
    let row = vec![
        Cell::number("", &format!("{}{times}", error.count)),
        Cell::new(RED, &error.code),
        Cell::new(GREEN, error.repo.as_deref().unwrap_or_default()),
        Cell::new(DIM, &when),
    ];
    Remark { row, text: error.message.to_string(), remedy: error.hint.as_deref().map(str::to_owned) }
}

fn health_remark(health: &Health<'_>, look: Look) -> Remark {
    let (color, sign) = match (health.ok, look.unicode) {
        (true, true) => (GREEN, "✓"),
        (true, false) => (GREEN, "+"),
        (false, true) => (RED, "✗"),
        (false, false) => (RED, "!"),
    };
    let row = vec![Cell::new(color, sign), Cell::new(if health.ok { "" } else { RED }, &health.check)];
    Remark { row, text: health.message.to_string(), remedy: health.remedy.as_deref().map(str::to_owned) }
}

fn day(date: Option<&str>) -> &str {
    date.and_then(|date| date.get(..10)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: Look = Look { color: false, unicode: false, width: 60, names: false, links: false };

    fn shown(lines: &[&str], look: Look) -> String {
        let mut overview = OverviewWriter::new(Format::Human(look));
        for line in lines {
            overview.add(&serde_json::from_str(line).expect("an event"));
        }
        String::from_utf8(overview.finish().0).expect("UTF-8")
    }

    const LINES: [&str; 8] = [
        r#"{"type":"repo","repo":"nova","git_dir":"/srv/nova.git","path":"/srv/nova.git"}"#,
        r#"{"type":"repo","repo":"glance","path":"/srv/glance"}"#,
        r#"{"type":"cache","repo":"nova","path":"/c/n.db","bytes":2048,"commits":12,"schema":5,"git_dir":"/srv/nova.git","state":"kept","indexed_at":"2026-01-02T03:04:05Z"}"#,
        r#"{"type":"cache","repo":"old","path":"/c/o.db","bytes":500,"commits":3,"schema":5,"git_dir":"/srv/old","state":"orphaned"}"#,
        r#"{"type":"operation","operation":"fetch","calls":3,"failed":1,"p50_ms":900,"p95_ms":65000,"longest_ms":65000,"success":0.5,"bytes":5000000,"last_at":"2026-01-02T03:04:05Z"}"#,
        r#"{"type":"error","repo":"nova","code":"network","class":"transient","message":"reset by peer","hint":"is the network there?","count":3,"fatal":false,"first_at":"2026-01-01T00:00:00Z","last_at":"2026-01-02T00:00:00Z"}"#,
        r#"{"type":"health","check":"clock","ok":true,"message":"no file comes from the future"}"#,
        r#"{"type":"health","check":"git-version","ok":false,"message":"git 2.1 is too old","remedy":"install git 2.29 or later, on PATH before this one"}"#,
    ];

    #[test]
    fn each_kind_of_event_has_its_section() {
        let expected = "\
Repositories
  nova    12 commits  2.0 KiB  2026-01-02  /srv/nova.git
  glance                                   /srv/glance    not there

Caches
  old  3 commits  500 B  /srv/old  its repository is gone
  2 in all, 2.4 KiB

Operations
         calls  success  half in  95 % in  longest  received
  fetch      3     50 %   900 ms   65.0 s   65.0 s   4.7 MiB

Errors
  3x  network  nova  2026-01-01 to 2026-01-02  reset by peer
      -> is the network there?

Health
  +  clock        no file comes from the future
  !  git-version  git 2.1 is too old
      -> install git 2.29 or later, on PATH before this one
";
        let shown = shown(&LINES, ASCII);
        assert_eq!(shown, expected, "{shown}");
    }

    #[test]
    fn marks_are_letters_where_there_are_no_others() {
        let shown = shown(&LINES, Look { unicode: true, width: 200, ..ASCII });
        assert!(shown.contains("✗  git-version") && shown.contains("3×") && shown.contains("→  install"), "{shown}");
    }

    #[test]
    fn columns_that_are_empty_or_do_not_fit_are_left_out() {
        let titles = |width| {
            let shown = shown(&LINES, Look { width, ..ASCII });
            shown.lines().find(|line| line.contains("calls")).unwrap_or_default().trim().to_owned()
        };
        assert_eq!(titles(200), "calls  success  half in  95 % in  longest  received        last");
        assert_eq!([titles(45), titles(20)], ["calls  success  half in  95 % in", "calls  success"]);
    }

    #[test]
    fn a_share_and_a_time_are_told_as_people_say_them() {
        assert_eq!([1.0, 0.999, 0.5, 0.0].map(percent), ["100 %", "> 99 %", "50 %", "0 %"]);
        assert_eq!(
            [0, 999, 1500, 99_950, 120_000, 7_200_000].map(spoken),
            ["< 1 ms", "999 ms", "1.5 s", "99.9 s", "2 min", "2 h"]
        );
    }

    #[test]
    fn what_comes_from_outside_moves_no_cursor() {
        let line = r#"{"type":"health","check":"locks","ok":false,"message":"a\u001b[31mb","remedy":"c\u001b[0m"}"#;
        assert!(!shown(&[line], ASCII).contains('\u{1b}'));
    }
}
