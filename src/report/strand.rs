//! The part of the stream that is one repository's: several are told at once, each event as a whole, and each strand knows what
//! was told on it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::output::{Gone, Pieces};
use super::worklist;
use super::{Bar, Bars, Format, Loudness, class, counted, safe};
use crate::error::Kind;
use crate::events::{Error, Event, Progress, Warning};
use crate::monitor;

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

/// One repository's part of the stream.
#[derive(Debug)]
pub struct Strand {
    format: Format,
    /// Whether warnings and errors are said on stderr: those who read events have them there.
    aloud: bool,
    loudness: Loudness,
    output: Pieces,
    bar: Bar,
    answered: Arc<AtomicBool>,
    counts: BTreeMap<&'static str, u64>,
    uncounted: Vec<(Kind, u64)>,
    is_partial: bool,
    failure: Option<String>,
    last_progress: Option<(String, Instant)>,
    /// The codes of what [`Self::warn_once`] has told.
    told_once: BTreeSet<String>,
}

impl Strand {
    pub(super) fn new(format: Format, loudness: Loudness, output: Pieces, bar: Bar, answered: Arc<AtomicBool>) -> Self {
        Self {
            format,
            aloud: format != Format::Jsonl,
            loudness,
            output,
            bar,
            answered,
            counts: BTreeMap::new(),
            uncounted: Vec::new(),
            is_partial: false,
            failure: None,
            last_progress: None,
            told_once: BTreeSet::new(),
        }
    }

    /// One of which nothing is written or shown: for work that nobody has asked for.
    #[must_use]
    pub fn mute() -> Self {
        let loudness = Loudness { quiet: true, progress: Some(false) };
        let bar = Bars::new("", loudness, true).bar();
        Self::new(Format::Jsonl, loudness, Pieces::nowhere(), bar, Arc::default())
    }

    /// One whose lines are for programs, whoever reads what is said beside them.
    pub(super) fn for_programs(self) -> Self {
        Self { format: Format::Jsonl, ..self }
    }

    /// How often each type of event was told, whether a part failed, and what the first that did has said.
    pub(super) fn into_parts(self) -> (BTreeMap<&'static str, u64>, bool, Option<String>) {
        self.bar.finish();
        (self.counts, self.is_partial, self.failure)
    }

    /// The format, for workers that write events themselves.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    fn count(&mut self, name: &'static str, count: u64) {
        if count > 0 && self.output.tells(name) {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// Writes one event.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more: the run should end.
    pub async fn event(&mut self, event: &Event<'_>) -> Result<(), Gone> {
        let mut line = Vec::new();
        self.format.write(event, &mut line);
        self.output.write(line).await?;
        if let Some(name) = counted(event) {
            self.count(name, 1);
        }
        if let Event::RepoEnd(_) = event {
            self.bar.count();
        }
        Ok(())
    }

    /// Writes what a worker has made of `count` events of the type `name`.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn lines(&mut self, bytes: Vec<u8>, name: &'static str, count: usize) -> Result<(), Gone> {
        self.output.write(bytes).await?;
        self.count(name, count as u64);
        Ok(())
    }

    /// Writes what a worker has made of events of several types, and how many there were of each.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn batch(&mut self, bytes: Vec<u8>, counts: &[(&'static str, u64)]) -> Result<(), Gone> {
        let bytes = self.apart(bytes);
        self.output.write(bytes).await?;
        for &(name, count) in counts {
            self.count(name, count);
        }
        Ok(())
    }

    /// For people, the commands that pick `commits` to `branch`, after a list of them. Programs make their own.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn picks(&mut self, branch: &str, commits: &[String]) -> Result<(), Gone> {
        let mut bytes = Vec::new();
        if let Format::Human(look) = self.format {
            worklist::write_picks(branch, commits, look, &mut bytes);
        }
        self.output.write(bytes).await
    }

    /// Writes lines of another stream as they are, and how many there are of each type.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn pass(&mut self, bytes: Vec<u8>, counts: &[(&'static str, u64)]) -> Result<(), Gone> {
        self.output.write(bytes).await?;
        for &(name, count) in counts {
            self.count(name, count);
        }
        Ok(())
    }

    /// For people, what was made of an answer with an empty line between it and the answer before.
    fn apart(&self, bytes: Vec<u8>) -> Vec<u8> {
        if !matches!(self.format, Format::Human(_)) || bytes.is_empty() {
            return bytes;
        }
        let is_first = !self.answered.swap(true, Ordering::Relaxed);
        if is_first { bytes } else { [b"\n", bytes.as_slice()].concat() }
    }

    /// Reports something that the reader should know and that makes nothing wrong.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn warn(&mut self, warning: Warning<'_>) -> Result<(), Gone> {
        if self.aloud && !self.loudness.quiet {
            self.bar.say(&format!("warning: {}", warning.message));
            if let Some(hint) = &warning.hint {
                self.bar.say(&format!("hint: {hint}"));
            }
        }
        self.event(&Event::Warning(warning)).await
    }

    /// As [`Self::warn`], unless one with the same code was told by this before: for what is met at every turn and the reader learns
    /// nothing new from.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn warn_once(&mut self, warning: Warning<'_>) -> Result<(), Gone> {
        if self.told_once.insert(warning.code.to_string()) { self.warn(warning).await } else { Ok(()) }
    }

    /// Reports that a part of the answer failed: the repository's part ends as partial.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn fail_part(&mut self, repo: &str, part: FailedPart<'_>) -> Result<(), Gone> {
        self.fail_of(Some(repo), part).await
    }

    /// As [`Self::fail_part`], of no repository.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn fail(&mut self, part: FailedPart<'_>) -> Result<(), Gone> {
        self.fail_of(None, part).await
    }

    async fn fail_of(&mut self, repo: Option<&str>, part: FailedPart<'_>) -> Result<(), Gone> {
        let FailedPart { id, query, kind, message, hint } = part;
        self.is_partial = true;
        self.failure.get_or_insert_with(|| message.to_owned());
        monitor::process().fault(kind, repo, message, hint, 1);
        if self.aloud {
            self.bar.say(&format!("error: {message}"));
            if let Some(hint) = hint {
                self.bar.say(&format!("hint: {hint}"));
            }
        }
        let error = Error {
            repo: repo.map(Cow::Borrowed),
            id: id.map(Cow::Owned),
            query: query.map(Cow::Borrowed),
            code: kind.code().into(),
            class: class(kind),
            message: message.into(),
            hint: hint.map(Cow::Borrowed),
            count: 1,
            fatal: false,
            first_at: None,
            last_at: None,
        };
        self.event(&Event::Error(error)).await
    }

    /// Reports something that is wrong and was looked for: it is the answer, no failure of the run.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn finding(&mut self, kind: Kind, message: &str, hint: Option<&str>) -> Result<(), Gone> {
        self.find(None, kind, message, hint).await
    }

    /// As [`Self::finding`], of one repository.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn finding_of(&mut self, repo: &str, kind: Kind, message: &str, hint: &str) -> Result<(), Gone> {
        self.find(Some(repo), kind, message, Some(hint)).await
    }

    async fn find(&mut self, repo: Option<&str>, kind: Kind, message: &str, hint: Option<&str>) -> Result<(), Gone> {
        if self.aloud {
            self.bar.say(&format!("error: {message}"));
            if let Some(hint) = hint {
                self.bar.say(&format!("hint: {hint}"));
            }
        }
        let error = Error {
            repo: repo.map(Cow::Borrowed),
            id: None,
            query: None,
            code: kind.code().into(),
            class: class(kind),
            message: message.into(),
            hint: hint.map(Cow::Borrowed),
            count: 1,
            fatal: false,
            first_at: None,
            last_at: None,
        };
        self.event(&Event::Error(error)).await
    }

    /// Counts a further failure of `kind` that isn't worth a line of its own.
    pub fn count_failure(&mut self, kind: Kind) {
        self.is_partial = true;
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
            monitor::process().fault(kind, Some(repo), &message, None, count);
            if self.aloud {
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
                first_at: None,
                last_at: None,
            };
            self.event(&Event::Error(error)).await?;
        }
        Ok(())
    }

    /// Says something about the run itself on stderr, for a person who asked for it.
    pub fn note(&self, line: &str) {
        if !self.loudness.quiet {
            self.bar.say(&safe::line(line));
        }
    }

    /// Lets the run end as partial, though no part of it has failed.
    pub fn mark_partial(&mut self) {
        self.is_partial = true;
    }

    /// Whether a part has failed so far.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Shows how far the work is: on the bar, and as `progress` events where they were asked for, at most ten a
    /// second of each phase.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn progress(&mut self, repo: &str, phase: &str, done: u64, total: Option<u64>) -> Result<(), Gone> {
        self.progress_in("commits", repo, phase, done, total).await
    }

    /// As [`Self::progress`], of something else than commits.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn progress_in(
        &mut self,
        unit: &str,
        repo: &str,
        phase: &str,
        done: u64,
        total: Option<u64>,
    ) -> Result<(), Gone> {
        self.bar.call(repo);
        self.bar.show(phase, done, total);
        if self.loudness.progress != Some(true) || self.aloud {
            return Ok(());
        }
        let now = Instant::now();
        let lately = |(of, at): &(String, Instant)| of == phase && now.duration_since(*at).as_millis() < 100;
        if self.last_progress.as_ref().is_some_and(lately) {
            return Ok(());
        }
        self.last_progress = Some((phase.to_owned(), now));
        let progress = Progress { repo: Some(repo.into()), phase: phase.into(), done, total, unit: unit.into() };
        self.event(&Event::Progress(progress)).await
    }

    /// Whether anybody is shown how far the work is.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        self.bar.is_wanted() || (self.loudness.progress == Some(true) && !self.aloud)
    }

    /// Says whose part it is, for people who see several.
    pub fn call(&self, repo: &str) {
        self.bar.call(repo);
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
}
