//! Everything that leaves the program: JSON Lines or text for people on stdout, bars and last words on stderr, all from the same
//! events. Only this room writes to stdout, and a reader that went away ends here. It computes nothing.

mod answer;
mod bar;
mod human;
mod jsonl;
mod listing;
mod look;
mod marks;
mod output;
mod places;
mod safe;
mod sheet;
mod table;
mod why;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use crate::error::{self, Class, Kind, exit};
use crate::events::stream::{ErrorClass, Status};
use crate::events::{Begin, End, Error, Event, Progress, SCHEMA, Warning};

pub use answer::AnswerWriter;
pub use bar::Bar;
pub use listing::ListWriter;
pub use look::{Color, Look};
pub use output::Gone;
use output::Output;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Text for people.
    Human(Look),
}

impl Format {
    /// What is meant where nothing was said: people read terminals, and the pager that git has started before one; programs read
    /// everything else.
    #[must_use]
    pub fn automatic(color: Color) -> Self {
        if people_read_stdout() { Self::human(color) } else { Self::Jsonl }
    }

    /// Text for people, as it fits stdout and the environment.
    #[must_use]
    pub fn human(color: Color) -> Self {
        Self::Human(Look::of_stdout(color, people_read_stdout()))
    }

    /// A writer for the events of one answer, which people see as a whole.
    #[must_use]
    pub fn answer(self) -> AnswerWriter {
        AnswerWriter::new(self)
    }

    /// A writer for a list, of which people see columns.
    #[must_use]
    pub fn listing(self) -> ListWriter {
        ListWriter::new(self)
    }

    /// Appends `event` to `out`, with its line end; nothing if this format doesn't show it.
    pub fn write(self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Jsonl => jsonl::write(event, out),
            Self::Human(look) => human::write(event, look, out),
        }
    }
}

/// `git -p` puts a pager behind stdout and says so in `GIT_PAGER_IN_USE`, a boolean; what is written is meant as for the terminal.
fn people_read_stdout() -> bool {
    let pager = std::env::var("GIT_PAGER_IN_USE").unwrap_or_default().to_ascii_lowercase();
    std::io::stdout().is_terminal() || ["true", "yes", "on", "1"].contains(&pager.as_str())
}

/// How much is said on stderr, and whether progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loudness {
    /// `-q`: no warnings for people, no bars.
    pub quiet: bool,
    /// `--progress` or `--no-progress`; without either a terminal decides.
    pub progress: Option<bool>,
}

/// A stream from `begin` to `end`.
#[derive(Debug)]
pub struct Report {
    format: Format,
    loudness: Loudness,
    output: Output,
    bar: Bar,
    counts: BTreeMap<&'static str, u64>,
    uncounted: Vec<(Kind, u64)>,
    answered: bool,
    status: Status,
    exit_code: u8,
    started: Instant,
    last_progress: Option<(String, Instant)>,
}

/// How the stream ends, for the last line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// The cursor that names the state of the refs.
    pub cursor: Option<String>,
    /// Whether everything that was asked for is in the answer. A failure or cancellation overrules it.
    pub incomplete: bool,
    /// Whether the answer is no. A failure overrules it.
    pub negative: bool,
}

/// A part of the answer that failed.
#[derive(Debug, Clone)]
pub struct FailedPart<'a> {
    /// The object that could not be read.
    pub id: Option<String>,
    /// The query that it is about.
    pub query: Option<&'a str>,
    /// What kind of failure.
    pub kind: Kind,
    /// What happened.
    pub message: &'a str,
    /// What can be done.
    pub hint: Option<&'a str>,
}

/// How the stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The exit code of the run.
    pub exit_code: u8,
    /// Whether everything that was asked for was answered and written, `end` included.
    pub complete: bool,
}

impl Report {
    /// Begins the stream of `command`.
    ///
    /// # Errors
    /// If the output thread can't be started.
    pub fn begin(
        command: &str,
        queries: Option<Vec<String>>,
        format: Format,
        loudness: Loudness,
    ) -> std::io::Result<Self> {
        let bar = Bar::new(loudness, format == Format::Jsonl);
        let output = Output::start(bar.clone())?;
        let report = Self {
            format,
            loudness,
            output,
            bar,
            counts: BTreeMap::new(),
            uncounted: Vec::new(),
            answered: false,
            status: Status::Ok,
            exit_code: exit::ANSWERED,
            started: Instant::now(),
            last_progress: None,
        };
        let begin = Begin {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            command: command.into(),
            queries: queries.map(|queries| queries.into_iter().map(Cow::Owned).collect()),
        };
        let mut line = Vec::new();
        report.format.write(&Event::Begin(begin), &mut line);
        // The channel is empty: there is room.
        report.output.start_with(line);
        Ok(report)
    }

    /// The format, for workers that write events themselves.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes one event.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more: the run should end.
    pub async fn event(&mut self, event: &Event<'_>) -> Result<(), Gone> {
        let mut line = Vec::new();
        self.format.write(event, &mut line);
        if let Some(name) = counted(event) {
            *self.counts.entry(name).or_default() += 1;
        }
        self.output.write(line).await
    }

    /// Writes what a worker has made of `count` events of the type `name`.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn lines(&mut self, bytes: Vec<u8>, name: &'static str, count: usize) -> Result<(), Gone> {
        if count > 0 {
            *self.counts.entry(name).or_default() += count as u64;
        }
        self.output.write(bytes).await
    }

    /// Writes what a worker has made of events of several types, and how many there were of each.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn batch(&mut self, bytes: Vec<u8>, counts: &[(&'static str, u64)]) -> Result<(), Gone> {
        for (name, count) in counts {
            *self.counts.entry(name).or_default() += count;
        }
        let bytes = self.apart(bytes);
        self.output.write(bytes).await
    }

    /// For people, what was made of an answer with an empty line between it and the answer before.
    fn apart(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if self.format == Format::Jsonl || bytes.is_empty() {
            return bytes;
        }
        let is_first = !std::mem::replace(&mut self.answered, true);
        if is_first { bytes } else { [b"\n", bytes.as_slice()].concat() }
    }

    /// Reports something that the reader should know and that makes nothing wrong.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn warn(&mut self, warning: Warning<'_>) -> Result<(), Gone> {
        if self.format != Format::Jsonl && !self.loudness.quiet {
            self.bar.say(&format!("warning: {}", warning.message));
            if let Some(hint) = &warning.hint {
                self.bar.say(&format!("hint: {hint}"));
            }
        }
        self.event(&Event::Warning(warning)).await
    }

    /// Reports that a part of the answer failed: the run ends as partial.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn fail_part(&mut self, repo: &str, part: FailedPart<'_>) -> Result<(), Gone> {
        let FailedPart { id, query, kind, message, hint } = part;
        self.status = Status::Partial;
        self.exit_code = exit::PARTIAL;
        if self.format != Format::Jsonl {
            self.bar.say(&format!("error: {message}"));
            if let Some(hint) = hint {
                self.bar.say(&format!("hint: {hint}"));
            }
        }
        let error = Error {
            repo: Some(repo.into()),
            id: id.map(Cow::Owned),
            query: query.map(Cow::Borrowed),
            code: kind.code().into(),
            class: class(kind),
            message: message.into(),
            hint: hint.map(Cow::Borrowed),
            count: 1,
            fatal: false,
        };
        self.event(&Event::Error(error)).await
    }

    /// Reports something that is wrong and was looked for: it is the answer, no failure of the run.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn finding(&mut self, kind: Kind, message: &str, hint: Option<&str>) -> Result<(), Gone> {
        if self.format != Format::Jsonl {
            self.bar.say(&format!("error: {message}"));
            if let Some(hint) = hint {
                self.bar.say(&format!("hint: {hint}"));
            }
        }
        let error = Error {
            repo: None,
            id: None,
            query: None,
            code: kind.code().into(),
            class: class(kind),
            message: message.into(),
            hint: hint.map(Cow::Borrowed),
            count: 1,
            fatal: false,
        };
        self.event(&Event::Error(error)).await
    }

    /// Counts a further failure of `kind` that isn't worth a line of its own.
    pub fn count_failure(&mut self, kind: Kind) {
        self.status = Status::Partial;
        self.exit_code = exit::PARTIAL;
        match self.uncounted.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.uncounted.push((kind, 1)),
        }
    }

    /// One `error` for each kind of failure that was only counted.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn sum_up_failures(&mut self, repo: &str) -> Result<(), Gone> {
        for (kind, count) in std::mem::take(&mut self.uncounted) {
            let message = format!("{count} more of this kind");
            if self.format != Format::Jsonl {
                self.bar.say(&format!("error: {}: {message}", kind.code()));
            }
            let error = Error {
                repo: Some(repo.into()),
                id: None,
                query: None,
                code: kind.code().into(),
                class: class(kind),
                message: message.into(),
                hint: None,
                count,
                fatal: false,
            };
            self.event(&Event::Error(error)).await?;
        }
        Ok(())
    }

    /// Says something about the run itself on stderr, for a person who asked for it.
    pub fn note(&self, line: &str) {
        self.bar.say(&safe::line(line));
    }

    /// Whether a part has failed so far.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.status == Status::Partial
    }

    /// Shows how far the work is: on the bar, and as `progress` events where they were asked for, at most ten a
    /// second of each phase.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn progress(&mut self, repo: &str, phase: &str, done: u64, total: Option<u64>) -> Result<(), Gone> {
        self.bar.show(phase, done, total);
        if self.loudness.progress != Some(true) || self.format != Format::Jsonl {
            return Ok(());
        }
        let now = Instant::now();
        let lately = |(of, at): &(String, Instant)| of == phase && now.duration_since(*at).as_millis() < 100;
        if self.last_progress.as_ref().is_some_and(lately) {
            return Ok(());
        }
        self.last_progress = Some((phase.to_owned(), now));
        let progress = Progress { repo: Some(repo.into()), phase: phase.into(), done, total, unit: "commits".into() };
        self.event(&Event::Progress(progress)).await
    }

    /// Whether anybody is shown how far the work is.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        self.bar.is_wanted() || (self.loudness.progress == Some(true) && self.format == Format::Jsonl)
    }

    /// The bar, for work that reports from where it can't wait.
    #[must_use]
    pub fn bar(&self) -> Bar {
        self.bar.clone()
    }

    /// How often each type of event was written so far.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// Ends the stream: `outcome` decides status and exit code, `signal` is the number of the signal that stopped the run, if one
    /// did.
    pub async fn end(mut self, outcome: anyhow::Result<Ending>, signal: Option<i32>) -> Ended {
        self.bar.finish();
        let ending = match outcome {
            Ok(ending) => ending,
            Err(cause) if cause.downcast_ref::<Gone>().is_some() => Ending::default(),
            // What fails while the run is being stopped (a git that got the same signal) is no news.
            Err(_) if signal.is_some() => Ending { incomplete: true, ..Ending::default() },
            Err(cause) => {
                self.fail(&cause).await;
                Ending { incomplete: true, ..Ending::default() }
            }
        };
        if let (Some(signal), false) = (signal, self.status == Status::Failed) {
            self.status = Status::Cancelled;
            self.exit_code = u8::try_from(128 + signal).unwrap_or(exit::INTERRUPTED);
        }
        if ending.negative && self.exit_code == exit::ANSWERED {
            self.exit_code = exit::NEGATIVE;
        }
        let complete = self.status == Status::Ok && !ending.incomplete;
        let end = End {
            status: self.status,
            complete,
            exit_code: self.exit_code,
            cursor: ending.cursor.filter(|_| complete).map(Cow::Owned),
            counts: self.counts.iter().map(|(name, count)| (Cow::Borrowed(*name), *count)).collect(),
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        // A reader that is gone shows in the result of `finish`.
        let _ = self.event(&Event::End(end)).await;
        match self.output.finish() {
            Ok(()) => Ended { exit_code: self.exit_code, complete },
            Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => {
                Ended { exit_code: exit::ANSWERED, complete: false }
            }
            Err(cause) => {
                last_words(&format!("fatal: writing the output: {cause}"));
                Ended { exit_code: exit::FATAL, complete: false }
            }
        }
    }

    async fn fail(&mut self, cause: &anyhow::Error) {
        let kind = error::kind_of(cause);
        self.status = Status::Failed;
        self.exit_code = kind.exit_code();
        let message = error::message_of(cause);
        let hint = error::hint_of(cause);
        let event = Error {
            repo: None,
            id: None,
            query: error::query_of(cause).map(Cow::Borrowed),
            code: kind.code().into(),
            class: class(kind),
            message: message.as_str().into(),
            hint: hint.map(Cow::Borrowed),
            count: 1,
            fatal: true,
        };
        let _ = self.event(&Event::Error(event)).await;
        say_fatal(&message, hint);
    }
}

fn class(kind: Kind) -> ErrorClass {
    match kind.class() {
        Class::Transient => ErrorClass::Transient,
        Class::Permanent => ErrorClass::Permanent,
        Class::User => ErrorClass::User,
        Class::Internal => ErrorClass::Internal,
    }
}

/// The types of events that `end` counts: those that are part of the answer.
fn counted(event: &Event<'_>) -> Option<&'static str> {
    Some(match event {
        Event::Ref(_) => "ref",
        Event::Commit(_) => "commit",
        Event::Candidate(_) => "candidate",
        Event::Match(_) => "match",
        Event::Presence(_) => "presence",
        Event::Setting(_) => "setting",
        Event::Warning(_) => "warning",
        Event::Error(_) => "error",
        _ => return None,
    })
}

/// Digits of an id that people are shown.
const SHORT: usize = 12;

fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// The word that the wire has for a value.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.as_ref().and_then(serde_json::Value::as_str).unwrap_or("?").to_owned()
}

/// Says in git's manner why nothing was answered.
pub fn say_fatal(message: &str, hint: Option<&str>) {
    last_words(&format!("fatal: {message}"));
    if let Some(hint) = hint {
        last_words(&format!("hint: {hint}"));
    }
}

/// A line on stderr, made safe for a terminal. There is nowhere to report that it failed.
pub fn last_words(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", safe::line(line));
}

/// Text on stdout that is no stream: help, a version, the schema.
///
/// # Errors
/// If it can't be written; a reader that went away is no error.
pub fn print(text: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
