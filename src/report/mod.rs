//! Everything that leaves the program: JSON Lines or text for people on stdout, bars and last words on stderr, all from the same
//! events. Only this room writes to stdout, and a reader that went away ends here. It computes nothing.

mod answer;
mod aside;
mod bar;
mod human;
mod jsonl;
mod listing;
mod look;
mod marks;
mod messages;
mod output;
mod overview;
mod page;
mod pager;
mod places;
mod safe;
mod sheet;
mod strand;
mod table;
mod why;
mod worklist;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use async_channel::Receiver;

use crate::error::{self, Class, Kind, exit};
use crate::events::stream::{ErrorClass, Status};
use crate::events::{Begin, End, Error, Event, SCHEMA};
use crate::monitor;
use crate::progress::Reader;
use crate::template::Template;

pub use answer::AnswerWriter;
pub use aside::Aside;
pub use bar::Bar;
use bar::Bars;
pub use listing::ListWriter;
pub use look::{Color, Look};
pub use messages::Messages;
use output::Output;
pub use output::{Gone, is_read};
pub use overview::OverviewWriter;
pub use pager::leave_pager;
pub use strand::{FailedPart, Strand};

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// Text for people.
    Human(Look),
    /// One page of HTML, of an answer that is a table.
    Html,
    /// A record of an advisory, which is made as a whole and passed on as it is.
    Osv,
    /// A line of one's own for each event that the template is for.
    Template {
        /// The template.
        template: &'static Template,
        /// Whether a terminal has to be kept from what commits hold.
        is_guarded: bool,
    },
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

    /// A line of one's own for each event: every byte of what it names, but on a terminal.
    #[must_use]
    pub fn template(template: &'static Template) -> Self {
        Self::Template { template, is_guarded: people_read_stdout() }
    }

    /// The same with the names of repositories, where there are several.
    #[must_use]
    pub fn naming_repositories(self) -> Self {
        match self {
            Self::Human(look) => Self::Human(Look { names: true, ..look }),
            other => other,
        }
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

    /// A writer for the state of everything, of which people see a section for each kind of event.
    #[must_use]
    pub fn overview(self) -> OverviewWriter {
        OverviewWriter::new(self)
    }

    /// Appends `event` to `out`, with its line end; nothing if this format doesn't show it.
    pub fn write(self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Jsonl => jsonl::write(event, out),
            Self::Human(look) => human::write(event, look, out),
            // These are written as a whole.
            Self::Html | Self::Osv => {}
            Self::Template { .. } => {
                // Only values that no event holds can't be told so.
                if let Ok(event) = serde_json::to_value(event) {
                    self.write_passing(&event, out);
                }
            }
        }
    }

    /// Appends what a template makes of a line of another stream, whatever its type; nothing in another format.
    pub fn write_passing(self, event: &serde_json::Value, out: &mut Vec<u8>) {
        if let Self::Template { template, is_guarded } = self {
            template.write(event, is_guarded.then_some(safe::lines), out);
        }
    }
}

/// `git -p` puts a pager behind stdout and says so in `GIT_PAGER_IN_USE`, a boolean; what is written is meant as for the terminal.
fn people_read_stdout() -> bool {
    let pager = std::env::var("GIT_PAGER_IN_USE").unwrap_or_default().to_ascii_lowercase();
    std::io::stdout().is_terminal() || ["true", "yes", "on", "1"].contains(&pager.as_str())
}

/// Whether what is written in `format` goes to a terminal, for people.
#[must_use]
pub fn is_for_a_terminal(format: Format) -> bool {
    format != Format::Jsonl && std::io::stdout().is_terminal()
}

/// How much is said on stderr, and whether progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loudness {
    /// `-q`: no warnings for people, no bars.
    pub quiet: bool,
    /// `--progress` or `--no-progress`; without either a terminal decides.
    pub progress: Option<bool>,
}

/// A stream from `begin` to `end`. What is told of a repository in between goes over a [`Strand`] of its own.
#[derive(Debug)]
pub struct Report {
    format: Format,
    loudness: Loudness,
    output: Output,
    aside: Option<Aside>,
    bars: Bars,
    counts: BTreeMap<&'static str, u64>,
    /// Whether an answer was written already.
    answered: Arc<AtomicBool>,
    status: Status,
    failure: Option<String>,
    exit_code: u8,
    started: Instant,
    /// Whether another part of the program reads it: nothing is said on stderr then.
    is_within: bool,
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
    /// Whether what can't be known is to count as a failure of a part.
    pub unknown: bool,
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
        let bars = Bars::new(command, loudness, format == Format::Jsonl);
        let output = Output::start(bars.clone())?;
        Ok(Self::with(command, queries, (format, loudness), (output, bars)))
    }

    /// Begins the stream of `command` for another part of the program: what would be written, JSON Lines, comes out of the receiver, in pieces
    /// of whole lines. Nothing is said on stderr. It has to be read: what produces waits. Once it is dropped, nobody reads any more.
    #[must_use]
    pub fn begin_within(command: &str, queries: Option<Vec<String>>) -> (Self, Receiver<Vec<u8>>) {
        let loudness = Loudness { quiet: true, progress: None };
        let bars = Bars::new(command, loudness, true);
        let (output, lines) = Output::within();
        let report = Self::with(command, queries, (Format::Jsonl, loudness), (output, bars));
        (Self { is_within: true, ..report }, lines)
    }

    fn with(
        command: &str,
        queries: Option<Vec<String>>,
        (format, loudness): (Format, Loudness),
        (output, bars): (Output, Bars),
    ) -> Self {
        let report = Self {
            format,
            loudness,
            output,
            aside: None,
            bars,
            counts: BTreeMap::new(),
            answered: Arc::default(),
            status: Status::Ok,
            failure: None,
            exit_code: exit::ANSWERED,
            started: Instant::now(),
            is_within: false,
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
        report
    }

    /// Lets people page what is written, once something is, by what is `configured` or else as git does it; for what [`is_for_a_terminal`].
    pub fn page(&self, configured: Option<String>) {
        if let Some(line) = pager::decide(|name| std::env::var_os(name), configured) {
            self.output.page(line);
        }
    }

    /// The format of the stream.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// What the first part that failed has said, of the strands that have ended.
    #[must_use]
    pub fn first_failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// A part of the stream, for one repository; [`Self::join`] takes it back.
    #[must_use]
    pub fn strand(&self) -> Strand {
        let new = |pieces| Strand::new(self.format, self.loudness, pieces, self.bars.bar(), Arc::clone(&self.answered));
        match &self.aside {
            None => new(self.output.pieces().clone()),
            Some(aside) => {
                let rest = self.format == Format::Jsonl;
                new(self.output.pieces().beside(aside.clone(), rest)).for_programs()
            }
        }
    }

    /// From now on lines of some types go to somebody else, or no longer do. People then see nothing of the others but warnings and errors.
    pub fn set_aside(&mut self, aside: Option<Aside>) {
        self.aside = aside;
    }

    /// The same for work that goes on side by side, each part of which ends by itself.
    #[must_use]
    pub fn strands(self) -> Strands {
        Strands { report: RefCell::new(self) }
    }

    /// So many repositories will be told of: people see how many are done.
    pub fn expect(&self, repositories: usize) {
        self.bars.expect(repositories);
    }

    /// How far the run is, for another part of the program; who asks first is the only one.
    #[must_use]
    pub fn progress(&self) -> Option<Reader> {
        self.bars.reader()
    }

    /// Counts what was told on `strand`, which has ended: the run is partial if it is.
    pub fn join(&mut self, strand: Strand) {
        let (counts, is_partial, failure) = strand.into_parts();
        self.failure = self.failure.take().or(failure);
        for (name, count) in counts {
            *self.counts.entry(name).or_default() += count;
        }
        if is_partial {
            self.status = Status::Partial;
            self.exit_code = exit::PARTIAL;
        }
    }

    async fn event(&mut self, event: &Event<'_>) -> Result<(), Gone> {
        let mut line = Vec::new();
        self.format.write(event, &mut line);
        if let Some(name) = counted(event) {
            *self.counts.entry(name).or_default() += 1;
        }
        self.output.pieces().write(line).await
    }

    /// Ends the stream: `outcome` decides status and exit code, `signal` is the number of the signal that stopped the run, if one
    /// did.
    pub async fn end(mut self, outcome: anyhow::Result<Ending>, signal: Option<i32>) -> Ended {
        self.bars.finish();
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
        if ending.unknown && self.exit_code == exit::ANSWERED {
            self.status = Status::Partial;
            self.exit_code = exit::PARTIAL;
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
        monitor::process().fault(kind, None, &message, hint, 1);
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
            first_at: None,
            last_at: None,
        };
        let _ = self.event(&Event::Error(event)).await;
        if !self.is_within {
            say_fatal(&message, hint);
        }
    }
}

/// Gives out the strands of a report, and takes them back, in whatever order.
#[derive(Debug)]
pub struct Strands {
    report: RefCell<Report>,
}

impl Strands {
    /// The report, once all are taken back.
    #[must_use]
    pub fn report(self) -> Report {
        self.report.into_inner()
    }

    /// Whether somebody may still read what is told.
    #[must_use]
    pub fn is_read(&self) -> bool {
        is_read()
    }

    /// As [`Report::strand`].
    #[must_use]
    pub fn strand(&self) -> Strand {
        self.report.borrow().strand()
    }

    /// As [`Report::join`].
    pub fn join(&self, strand: Strand) {
        self.report.borrow_mut().join(strand);
    }

    /// Lends `work` a strand, and takes it back.
    pub async fn lend<T>(&self, work: impl AsyncFnOnce(&mut Strand) -> T) -> T {
        let mut strand = self.strand();
        let done = work(&mut strand).await;
        self.join(strand);
        done
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
        Event::Missing(_) => "missing",
        Event::Followup(_) => "followup",
        Event::Verdict(_) => "verdict",
        Event::Interdiff(_) => "interdiff",
        Event::Claim(_) => "claim",
        Event::Setting(_) => "setting",
        Event::Installed(_) => "installed",
        Event::Exported(_) => "exported",
        Event::Cache(_) => "cache",
        Event::Operation(_) => "operation",
        Event::Health(_) => "health",
        Event::Task(_) => "task",
        Event::Issue(_) => "issue",
        Event::Metadata(_) => "metadata",
        Event::Release(_) => "release",
        Event::Contributor(_) => "contributor",
        Event::Warning(_) => "warning",
        Event::Error(_) => "error",
        _ => return None,
    })
}

/// The type of an event by its name on the wire, if it is one that `end` counts.
#[must_use]
pub fn counted_type(name: &str) -> Option<&'static str> {
    const TYPES: [&str; 23] = [
        "ref",
        "commit",
        "candidate",
        "match",
        "presence",
        "missing",
        "followup",
        "verdict",
        "interdiff",
        "claim",
        "setting",
        "installed",
        "exported",
        "cache",
        "operation",
        "health",
        "task",
        "issue",
        "metadata",
        "release",
        "contributor",
        "warning",
        "error",
    ];
    TYPES.into_iter().find(|known| *known == name)
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
