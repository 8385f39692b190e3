//! The answer to one query, made on a worker: line by line for programs, as a whole for people.

use super::page::Page;
use super::sheet::Sheet;
use super::{Format, counted};
use crate::events::Event;

/// Gathers the events of one answer.
#[derive(Debug)]
pub struct AnswerWriter {
    format: Format,
    bytes: Vec<u8>,
    sheet: Sheet,
    page: Page,
    counts: Vec<(&'static str, u64)>,
}

impl AnswerWriter {
    pub(super) fn new(format: Format) -> Self {
        Self { format, bytes: Vec::new(), sheet: Sheet::default(), page: Page::default(), counts: Vec::new() }
    }

    /// Has a page link commits to the pages whose addresses are `address` and an id.
    pub fn link(&mut self, address: String) {
        self.page.link(address);
    }

    /// Says something on a page that holds of all of it. Elsewhere it is a warning.
    pub fn remark(&mut self, remark: &'static str) {
        self.page.remark(remark);
    }

    /// Takes the next event.
    pub fn add(&mut self, event: &Event<'_>) {
        match self.format {
            Format::Jsonl | Format::Template { .. } => self.format.write(event, &mut self.bytes),
            Format::Human(_) => self.sheet.take(event),
            Format::Html => self.page.take(event),
            Format::Osv => {}
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
        match self.format {
            Format::Jsonl | Format::Template { .. } | Format::Osv => {}
            Format::Human(look) => self.sheet.write(look, &mut self.bytes),
            Format::Html => self.page.write(&mut self.bytes),
        }
        (self.bytes, self.counts)
    }
}
