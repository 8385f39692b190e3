//! Bars on stderr: one for each repository that is worked on, and one for all of them together. Shown only where a person watches, only
//! for work that takes a while, and never mixed up with output. What they say comes from the [`progress`] of the run, which others can
//! look at too, bars or not.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::look::columns;
use super::{Loudness, safe};
use crate::clock::Clock;
use crate::debug;
use crate::progress::{self, Progress, Reader, Snapshot};

/// Work that is done sooner gets no bar: it would only flicker.
const PATIENCE: Duration = Duration::from_millis(300);
/// A bar is made anew so often; the eye sees no more.
const EVERY: Duration = Duration::from_millis(80);

/// What all bars of a run share.
#[derive(Debug, Clone)]
pub(super) struct Bars {
    stage: Arc<Stage>,
}

#[derive(Debug)]
struct Stage {
    wanted: AtomicBool,
    /// Whether somebody looks at the progress without a bar.
    is_watched: AtomicBool,
    started: Instant,
    work: Progress,
    reader: Mutex<Option<Reader>>,
    multi: MultiProgress,
    /// The bar of all repositories, and how many of them are done.
    whole: Mutex<Option<Whole>>,
}

#[derive(Debug)]
struct Whole {
    bar: Option<ProgressBar>,
    progress: Progress,
    done: u64,
    total: u64,
}

/// A bar that may not be there. Clones share it.
#[derive(Debug, Clone)]
pub struct Bar {
    stage: Arc<Stage>,
    lane: Arc<Mutex<Lane>>,
}

/// What is shown of one part of the run.
#[derive(Debug, Default)]
struct Lane {
    /// Whose part it is, where there are several.
    name: Option<String>,
    phase: Option<Phase>,
    bar: Option<ProgressBar>,
    drawn: Option<Instant>,
}

#[derive(Debug)]
struct Phase {
    name: String,
    progress: Progress,
}

impl Bars {
    /// Bars if stderr is a terminal and stdout is a terminal or a regular file, or as `loudness` says. With `--progress` and JSON
    /// the stream tells the progress.
    pub(super) fn new(command: &str, loudness: Loudness, json: bool) -> Self {
        let wanted = match (loudness.quiet, loudness.progress) {
            (true, _) | (_, Some(false)) => false,
            // Lines and a bar can't share it.
            _ if debug::is_on_stderr() => false,
            (_, Some(true)) => !json || std::io::stderr().is_terminal(),
            (_, None) => std::io::stderr().is_terminal() && (std::io::stdout().is_terminal() || stdout_is_file()),
        };
        let (work, reader) = progress::begin(&Clock::Real, command);
        let stage = Stage {
            // On a terminal that can't go back a line every look would be one more line.
            wanted: AtomicBool::new(wanted && std::env::var_os("TERM").is_none_or(|term| term != "dumb")),
            is_watched: AtomicBool::new(false),
            started: Instant::now(),
            work,
            reader: Mutex::new(Some(reader)),
            multi: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)),
            whole: Mutex::default(),
        };
        Self { stage: Arc::new(stage) }
    }

    /// A bar for a part of the run.
    pub(super) fn bar(&self) -> Bar {
        Bar { stage: Arc::clone(&self.stage), lane: Arc::default() }
    }

    /// So many repositories will be told of, one after the other or together.
    pub(super) fn expect(&self, repositories: usize) {
        if repositories > 1 {
            let progress = self.stage.work.child("repositories", "repositories");
            progress.reach(0, Some(repositories as u64));
            *held(&self.stage.whole) = Some(Whole { bar: None, progress, done: 0, total: repositories as u64 });
        }
    }

    /// Lets somebody look at the progress, who is the only one.
    pub(super) fn reader(&self) -> Option<Reader> {
        self.stage.is_watched.store(true, Ordering::Relaxed);
        held(&self.stage.reader).take()
    }

    /// Does `write` while the bars are out of the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.stage.aside(write)
    }

    /// Takes all bars away for good, though the work goes on.
    pub(super) fn retire(&self) {
        self.stage.wanted.store(false, Ordering::Relaxed);
        let _ = self.stage.multi.clear();
        self.stage.multi.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// Takes all bars away.
    pub(super) fn finish(&self) {
        if let Some(Whole { progress, .. }) = held(&self.stage.whole).take() {
            progress.complete();
        }
        self.stage.work.clone().complete();
        // There is nowhere to say that it failed.
        let _ = self.stage.multi.clear();
    }
}

impl Stage {
    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.is_wanted() { self.multi.suspend(write) } else { write() }
    }

    fn is_due(&self) -> bool {
        self.is_wanted() && self.started.elapsed() >= PATIENCE
    }

    fn draw_whole(&self) {
        if !self.is_due() {
            return;
        }
        if let Some(Whole { bar, progress, .. }) = &mut *held(&self.whole) {
            // Below those of the repositories.
            let bar = bar.get_or_insert_with(|| self.multi.add(plain()));
            // One may be a thousand times as large as another: how many are done says nothing of when the rest will be.
            let now = Snapshot { per_second: None, ..progress.now() };
            bar.set_message(line(None, &now, width()));
        }
    }
}

impl Bar {
    /// Whether there will be one, if the work takes long enough, or whether somebody looks without one.
    pub(super) fn is_wanted(&self) -> bool {
        self.stage.is_wanted() || self.stage.is_watched.load(Ordering::Relaxed)
    }

    /// Whose part it is, where there are several.
    pub(super) fn call(&self, name: &str) {
        if !self.is_wanted() {
            return;
        }
        let mut lane = held(&self.lane);
        if lane.name.is_none() {
            lane.name = Some(name.to_owned());
        }
    }

    /// Shows that `done` of `total` (if known) is done; costs next to nothing where nobody looks.
    pub fn show(&self, phase: &str, done: u64, total: Option<u64>) {
        if !self.is_wanted() {
            return;
        }
        let mut lane = held(&self.lane);
        if lane.phase.as_ref().is_none_or(|running| running.name != phase) {
            if let Some(before) = lane.phase.take() {
                before.progress.complete();
            }
            lane.phase = Some(Phase { name: phase.to_owned(), progress: self.stage.work.child(phase, "") });
            lane.drawn = None;
        }
        let Lane { name, phase: Some(Phase { progress, .. }), bar, drawn } = &mut *lane else { return };
        progress.reach(done, total);
        if !self.stage.is_due() || drawn.is_some_and(|drawn| drawn.elapsed() < EVERY) {
            return;
        }
        *drawn = Some(Instant::now());
        let is_one_of_several = held(&self.stage.whole).is_some();
        let bar = bar.get_or_insert_with(|| {
            let whole = held(&self.stage.whole).as_ref().and_then(|whole| whole.bar.clone());
            match whole {
                Some(whole) => self.stage.multi.insert_before(&whole, plain()),
                None => self.stage.multi.add(plain()),
            }
        });
        let name = name.as_deref().filter(|_| is_one_of_several);
        bar.set_message(line(name, &progress.now(), width()));
        drop(lane);
        self.stage.draw_whole();
    }

    /// Writes a line to stderr beside the bars.
    pub(super) fn say(&self, line: &str) {
        self.stage.aside(|| super::last_words(line));
    }

    /// The part is done: of several repositories one.
    pub(super) fn count(&self) {
        if let Some(whole) = &mut *held(&self.stage.whole) {
            whole.done += 1;
            whole.progress.reach(whole.done, Some(whole.total));
        }
        self.finish();
        self.stage.draw_whole();
    }

    /// Takes it away: what it showed is done.
    pub(super) fn finish(&self) {
        let mut lane = held(&self.lane);
        if let Some(phase) = lane.phase.take() {
            phase.progress.complete();
        }
        if let Some(bar) = lane.bar.take() {
            bar.finish_and_clear();
            self.stage.multi.remove(&bar);
        }
    }
}

/// Nothing that is done under a lock of this room can leave it half done.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line that says what it is told to.
fn plain() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Columns of the window, of which the last stays free: a terminal may begin a line after it.
fn width() -> usize {
    let (_, columns) = console::Term::stderr().size();
    usize::from(columns).saturating_sub(1).max(10)
}

/// What a bar says in so many columns: what comes first matters most, and what doesn't fit is left out as a whole.
fn line(name: Option<&str>, now: &Snapshot, width: usize) -> String {
    let of = match now.total {
        Some(total) => {
            let percent = if total == 0 { 100 } else { u128::from(now.done) * 100 / u128::from(total) };
            format!(": {percent}% ({}/{})", grouped(now.done), grouped(total))
        }
        None => format!(": {}", grouped(now.done)),
    };
    let rate = now.per_second.filter(|rate| *rate >= 1.0).map(|rate| format!(", {}", per_second(rate)));
    let left = now.left().map(|left| format!(", {} left", short(left)));
    let name = name.map(|name| format!("{}: ", safe::line(name)));
    let parts = [name, Some(safe::line(&now.operation).into_owned()), Some(of), rate, left];
    let mut line = String::new();
    for part in parts.into_iter().flatten() {
        if columns(&line) + columns(&part) > width {
            break;
        }
        line += &part;
    }
    line
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate as people say it, four digits at most.
fn per_second(rate: f64) -> String {
    match rate {
        rate if rate < 1e4 => format!("{rate:.0}/s"),
        rate if rate < 1e7 => format!("{:.0}k/s", rate / 1e3),
        rate => format!("{:.0}M/s", rate / 1e6),
    }
}

/// A time in its largest unit, rounded up: nobody is told that nothing is left while something is.
fn short(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds.div_ceil(60)),
        3600..86_400 => format!("{}h", seconds.div_ceil(3600)),
        _ => format!("{}d", seconds.div_ceil(86_400)),
    }
}

fn stdout_is_file() -> bool {
    let copy = std::io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
    copy.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::State;

    fn snapshot(done: u64, total: Option<u64>, per_second: Option<f64>) -> Snapshot {
        Snapshot {
            operation: "indexing".into(),
            state: State::Running,
            done,
            total,
            unit: "commits",
            message: None,
            elapsed: Duration::from_secs(1),
            per_second,
            parts: Vec::new(),
        }
    }

    #[test]
    fn a_bar_says_as_much_as_fits() {
        let now = snapshot(12_345, Some(62_437), Some(5000.4));
        let says = |width| line(Some("nova"), &now, width);
        assert_eq!(says(80), "nova: indexing: 19% (12,345/62,437), 5000/s, 11s left");
        assert_eq!(says(45), "nova: indexing: 19% (12,345/62,437), 5000/s");
        assert_eq!(says(30), "nova: indexing");
        assert_eq!(says(5), "");
        assert_eq!(line(None, &snapshot(7, None, None), 80), "indexing: 7");
        assert_eq!(line(None, &snapshot(0, Some(0), None), 80), "indexing: 100% (0/0)");
    }

    #[test]
    fn nothing_in_a_name_reaches_the_terminal_as_it_is() {
        let shown = line(Some("no\x1b[2Jva"), &snapshot(1, None, None), 80);
        assert!(!shown.contains('\x1b'), "{shown:?}");
    }

    #[test]
    fn times_and_rates_are_short() {
        for (rate, shown) in [(0.0, "0/s"), (12.3456, "12/s"), (1430.2, "1430/s"), (52_317.8, "52k/s"), (24e6, "24M/s")]
        {
            assert_eq!(per_second(rate), shown);
        }
        let times = [0, 1, 999, 59_001, 60_000, 61_000, 3_600_001, 100_000_000].map(Duration::from_millis).map(short);
        assert_eq!(times, ["0s", "1s", "1s", "1m", "1m", "2m", "2h", "2d"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn who_looks_without_a_bar_sees_each_part_and_how_it_ends() {
        let bars = Bars::new("scan", Loudness { quiet: true, progress: None }, true);
        let bar = bars.bar();
        bar.show("before", 1, None);
        let reader = bars.reader().expect("the first");
        assert!(bars.reader().is_none(), "one alone");
        bar.show("walk", 5, Some(9));
        bar.show("walk", 3, Some(9));
        bar.clone().show("write", 1, None);
        let parts = |now: Snapshot| -> Vec<(String, u64, State)> {
            now.parts.into_iter().map(|part| (part.operation, part.done, part.state)).collect()
        };
        let expected = [("walk", 5, State::Completed), ("write", 1, State::Running)];
        assert_eq!(parts(reader.now()), expected.map(|(name, done, state)| (name.to_owned(), done, state)));
        bar.finish();
        bars.finish();
        let now = reader.now();
        assert_eq!(now.state, State::Completed);
        assert!(parts(now).iter().all(|(_, _, state)| *state == State::Completed));
    }
}
