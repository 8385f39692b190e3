//! The stream of another run as it passes: what of each piece goes on, what there is to do about it, and what the other run says of its own
//! end. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::named::Named;
use super::stream::Line;
use crate::error::Kind;
use crate::events::Event;
use crate::report::{Ending, Format, counted_type};
use crate::trackers::which::Home;

/// Characters of a line that is none that are shown.
const SHOWN: usize = 80;

/// What the run whose stream is read has said of itself.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    is_stream: bool,
    end: Option<End>,
    /// Whether it was said that a line is no event.
    has_bad_line: bool,
}

#[derive(Debug)]
struct End {
    is_complete: bool,
    cursor: Option<String>,
}

/// What is wrong with a stream.
pub(super) type Fault = (Kind, String);

/// What is done about a line, in its place among the others.
#[derive(Debug)]
pub(super) enum Step {
    /// A repository is to be looked at, by its name on the wire.
    Meet(String, PathBuf),
    /// A commit of a repository, if that is named, names this.
    File(Option<String>, Named),
}

/// A piece of the stream, taken apart.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// What goes on: every line but the frame, unchanged and in order.
    pub(super) out: Vec<u8>,
    /// How many lines of each type are in that.
    pub(super) counts: BTreeMap<&'static str, u64>,
    pub(super) steps: Vec<Step>,
    /// References, one a line, as if they were typed.
    pub(super) typed: Vec<String>,
    pub(super) faults: Vec<Fault>,
}

impl Upstream {
    /// Takes whole lines apart. `home` says what is known of the repository that is named, and is not asked about one that this piece
    /// is the first to name.
    pub(super) fn pass<'h>(
        &mut self,
        lines: &[u8],
        format: Format,
        home: impl Fn(Option<&str>) -> Option<&'h Home>,
    ) -> Passed {
        let mut met = Vec::new();
        let mut passed = Passed { out: Vec::with_capacity(lines.len()), ..Passed::default() };
        for whole in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = whole.trim_ascii();
            if !line.starts_with(b"{") {
                passed.typed.extend((!line.is_empty()).then(|| String::from_utf8_lossy(line).into_owned()));
                continue;
            }
            let Some(event) = Line::parse(line) else {
                passed.faults.extend(self.bad_line(line));
                passed.out.extend_from_slice(whole);
                continue;
            };
            self.is_stream = true;
            match &*event.kind {
                "begin" => continue,
                "end" => {
                    passed.faults.extend(self.ends(&event));
                    continue;
                }
                "repo" => {
                    met.extend(event.repo.as_deref().map(str::to_owned));
                    passed.steps.extend(meet(&event));
                }
                "commit" => {
                    let repo = event.repo.as_deref();
                    let is_new = met.iter().any(|met| Some(met.as_str()) == repo);
                    let home = if is_new { None } else { home(repo) };
                    passed.steps.push(Step::File(repo.map(str::to_owned), names(&event, home)));
                }
                _ => {}
            }
            show(format, line, whole, &mut passed.out);
            if let Some(name) = counted_type(&event.kind) {
                *passed.counts.entry(name).or_default() += 1;
            }
        }
        passed
    }

    /// What is wrong with a line that begins as an event, the first time.
    fn bad_line(&mut self, line: &[u8]) -> Option<Fault> {
        let is_told = std::mem::replace(&mut self.has_bad_line, true);
        let shown: String = String::from_utf8_lossy(line).chars().take(SHOWN).collect();
        (!is_told)
            .then(|| (Kind::BadValue, format!("a line on standard input begins as an event and is none: {shown}")))
    }

    /// Keeps what the other run says of its end; what is wrong with it.
    fn ends(&mut self, event: &Line<'_>) -> Option<Fault> {
        let cursor = event.cursor.as_deref().map(str::to_owned);
        self.end = Some(End { is_complete: event.complete != Some(false), cursor });
        let status = event.status.as_deref().filter(|status| *status != "ok")?;
        Some((Kind::Io, format!("the run whose stream is on standard input has ended as {status}")))
    }

    /// What is wrong where nothing more comes.
    pub(super) fn is_over(&self) -> Option<Fault> {
        let is_cut = self.is_stream && self.end.is_none();
        is_cut.then(|| (Kind::Io, "the stream on standard input has no `end`: it was cut off".to_owned()))
    }

    /// What its end makes of ours.
    pub(super) fn ending(&mut self) -> Ending {
        let end = self.end.take();
        let incomplete = end.as_ref().is_some_and(|end| !end.is_complete);
        Ending { cursor: end.and_then(|end| end.cursor), incomplete, ..Ending::default() }
    }
}

fn meet(event: &Line<'_>) -> Option<Step> {
    Some(Step::Meet(event.repo.as_deref()?.to_owned(), PathBuf::from(event.git_dir.as_deref()?)))
}

/// What a commit names.
fn names(event: &Line<'_>, home: Option<&Home>) -> Named {
    let text = |part: &'_ Option<Cow<'_, str>>| part.as_deref().map(str::to_owned);
    let (subject, body) = (event.subject.as_deref(), event.body.as_deref());
    Named::of(event.issues().collect(), text(&event.change_id), home, (subject, body))
}

/// Appends a line of the stream in `format`: unchanged for programs.
fn show(format: Format, line: &[u8], whole: &[u8], out: &mut Vec<u8>) {
    match format {
        Format::Jsonl => out.extend_from_slice(whole),
        Format::Template { .. } => {
            if let Ok(event) = serde_json::from_slice(line) {
                format.write_passing(&event, out);
            }
        }
        Format::Human(_) | Format::Html | Format::Osv => {
            if let Ok(event) = serde_json::from_slice::<Event<'_>>(line) {
                format.write(&event, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::enrich::mutations::{config, mutated};

    proptest! {
        #![proptest_config(config(300))]

        #[test]
        fn fuzz_what_passes_is_what_came_without_the_frame(lines in mutated("events"), cut in any::<prop::sample::Index>()) {
            // No more of it is read: what else there is may be no text.
            #[derive(serde::Deserialize)]
            struct Typed {
                r#type: String,
            }
            let kind = |line: &[u8]| serde_json::from_slice(line).ok().map(|Typed { r#type }| r#type);
            let goes_on = |line: &&[u8]| {
                let event = line.trim_ascii();
                event.starts_with(b"{") && (Line::parse(event).is_none() || !matches!(kind(event).as_deref(), Some("begin" | "end")))
            };
            let all: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
            let expected = all.iter().copied().filter(goes_on).collect::<Vec<_>>().concat();
            let half: usize = all[..cut.index(all.len() + 1)].iter().map(|line| line.len()).sum();
            let mut upstream = Upstream::default();
            let (mut out, mut typed) = (Vec::new(), 0);
            for piece in [&lines[..half], &lines[half..]] {
                let passed = upstream.pass(piece, Format::Jsonl, |_| None);
                out.extend(passed.out);
                typed += passed.typed.len();
                prop_assert!(passed.faults.iter().all(|(_, said)| said.chars().count() < 200));
                prop_assert!(passed.counts.values().sum::<u64>() <= piece.len() as u64);
            }
            prop_assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
            prop_assert!(typed <= all.len());
            let _ = (upstream.is_over(), upstream.ending());
        }
    }
}
