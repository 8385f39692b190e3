//! The bar on stderr: shown only where a person watches, only for work that takes a while, and never mixed up with output.

use std::fmt::Write;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::Loudness;
use crate::debug;

/// Work that is done sooner gets no bar: it would only flicker.
const PATIENCE: Duration = Duration::from_millis(300);

/// A bar that may not be there. Clones share it.
#[derive(Debug, Clone)]
pub struct Bar {
    wanted: bool,
    started: Instant,
    shown: Arc<Mutex<Option<ProgressBar>>>,
}

impl Bar {
    /// A bar if stderr is a terminal and stdout is a terminal or a regular file, or as `loudness` says. With `--progress` and JSON
    /// the stream tells the progress.
    pub(super) fn new(loudness: Loudness, json: bool) -> Self {
        let wanted = match (loudness.quiet, loudness.progress) {
            (true, _) | (_, Some(false)) => false,
            // Lines and a bar can't share it.
            _ if debug::is_on_stderr() => false,
            (_, Some(true)) => !json || std::io::stderr().is_terminal(),
            (_, None) => std::io::stderr().is_terminal() && (std::io::stdout().is_terminal() || stdout_is_file()),
        };
        Self { wanted, started: Instant::now(), shown: Arc::default() }
    }

    /// Whether there will be one, if the work takes long enough.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Shows that `done` of `total` (if known) is done; costs next to nothing where there is no bar.
    pub fn show(&self, phase: &str, done: u64, total: Option<u64>) {
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        let Ok(mut shown) = self.shown.lock() else { return };
        let bar = shown.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(ProgressStyle::default_spinner());
            bar
        });
        let template = if total.is_some() {
            "{msg}: {percent}% ({human_pos}/{human_len}), {rate}, {eta} left"
        } else {
            "{msg}: {human_pos}, {rate}"
        };
        if bar.length() != total || bar.position() == 0 {
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                    let _ = out.write_str(&per_second(state.per_sec()));
                }));
            }
            if let Some(total) = total {
                bar.set_length(total);
            }
        }
        bar.set_message(phase.to_owned());
        bar.set_position(done);
    }

    /// Writes a line to stderr beside the bar.
    pub(super) fn say(&self, line: &str) {
        self.aside(|| super::last_words(line));
    }

    /// Does `write` while the bar is out of the way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        let bar = self.shown.lock().ok().and_then(|shown| shown.clone());
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = self.shown.lock().ok().and_then(|mut shown| shown.take()) {
            bar.finish_and_clear();
        }
    }
}

/// A rate as people say it, four digits at most.
fn per_second(rate: f64) -> String {
    match rate {
        rate if rate < 1e4 => format!("{rate:.0}/s"),
        rate if rate < 1e7 => format!("{:.0}k/s", rate / 1e3),
        rate => format!("{:.0}M/s", rate / 1e6),
    }
}

fn stdout_is_file() -> bool {
    let copy = std::io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
    copy.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_short() {
        for (rate, shown) in [(0.0, "0/s"), (12.3456, "12/s"), (1430.2, "1430/s"), (52_317.8, "52k/s"), (24e6, "24M/s")]
        {
            assert_eq!(per_second(rate), shown);
        }
    }
}
