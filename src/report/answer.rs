//! The answer to one query, made on a worker: line by line for programs, as a whole for people.

use super::{Format, counted};
use crate::events::Event;

/// Gathers the events of one answer.
#[derive(Debug)]
pub struct AnswerWriter {
    format: Format,
    bytes: Vec<u8>,
    counts: Vec<(&'static str, u64)>,
}

impl AnswerWriter {
    pub(super) fn new(format: Format) -> Self {
        Self { format, bytes: Vec::new(), counts: Vec::new() }
    }

    /// Takes the next event.
    pub fn add(&mut self, event: &Event<'_>) {
        self.format.write(event, &mut self.bytes);
        if let Some(name) = counted(event) {
            match self.counts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => self.counts.push((name, 1)),
            }
        }
    }

    /// What is to be written, and how many events there were of each type.
    #[must_use]
    pub fn finish(self) -> (Vec<u8>, Vec<(&'static str, u64)>) {
        (self.bytes, self.counts)
    }
}
