//! The answer to one query, made on a worker: line by line for programs, as a whole for people.

use super::sheet::Sheet;
use super::{Format, counted};
use crate::events::Event;

/// Gathers the events of one answer.
#[derive(Debug)]
pub struct AnswerWriter {
    format: Format,
    bytes: Vec<u8>,
    sheet: Sheet,
    counts: Vec<(&'static str, u64)>,
}

impl AnswerWriter {
    pub(super) fn new(format: Format) -> Self {
        Self { format, bytes: Vec::new(), sheet: Sheet::default(), counts: Vec::new() }
    }

    /// Takes the next event.
    pub fn add(&mut self, event: &Event<'_>) {
        match self.format {
            Format::Jsonl | Format::Template { .. } => self.format.write(event, &mut self.bytes),
            Format::Human(_) => self.sheet.take(event),
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
            self.sheet.write(look, &mut self.bytes);
        }
        (self.bytes, self.counts)
    }
}
