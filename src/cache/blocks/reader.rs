//! Reading what is kept: blocks for a stream, single frames for who asks for one commit.

use std::sync::Arc;

use rusqlite::{Connection, MAIN_DB, OptionalExtension as _, params};

use super::format::{Directory, Frame, Unpacked};
use super::{BLOCK, BLOCK_BITS, Content, NONE};
use crate::cache::repository::Cache;
use crate::cache::segments::{numbers, text_number};
use crate::facts::Oid;
use crate::graph::Position;

/// Unpacked blocks that a reader keeps.
const OPEN_BLOCKS: usize = 4;

/// Where something is kept of each commit of a graph. Shared by the threads that read.
#[derive(Debug)]
pub struct Blocks {
    cache: Cache,
    content: Content,
    // The state of history under which this was kept: replaced commits have other bytes, grafted ones other changes.
    overlay: i64,
    // For each position the number under which it is kept.
    numbers: Vec<u32>,
}

impl Blocks {
    /// A reader for one chunk of commits that are near each other in history.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> BlockReader {
        BlockReader { blocks: Arc::clone(self), open: Vec::new() }
    }

    /// Whether anything seems to be kept of the commit at `position`.
    #[must_use]
    pub fn has(&self, position: Position) -> bool {
        self.number(position).is_some()
    }

    /// The number under which each commit is kept.
    pub(in crate::cache) fn into_numbers(self) -> Vec<u32> {
        self.numbers
    }

    fn number(&self, position: Position) -> Option<u32> {
        self.numbers.get(position as usize).copied().filter(|&number| number != NONE)
    }

    fn block(&self, number: u32) -> Option<Unpacked> {
        let read = self.cache.database().read(|reader| {
            // Another process may have made the cache anew meanwhile: each block is asked whose it is.
            let query = "SELECT bytes FROM block, repository WHERE number = ?1 AND overlay = ?2";
            let mut statement = reader.prepare_cached(query)?;
            let bytes: Option<Vec<u8>> =
                statement.query_row(params![number, self.overlay], |row| row.get(0)).optional()?;
            Ok(bytes.and_then(|bytes| Unpacked::new(number, self.content, self.cache.hash_len(), &bytes)))
        });
        read.ok().flatten()
    }
}

/// Reads what is kept, and holds the blocks that it unpacked last.
#[derive(Debug)]
pub struct BlockReader {
    blocks: Arc<Blocks>,
    open: Vec<Unpacked>,
}

impl BlockReader {
    /// What is kept of the commit `id` at `position`; `None` if nothing is, or it can't be read.
    pub fn get(&mut self, position: Position, id: &Oid) -> Option<&[u8]> {
        let number = self.blocks.number(position)?;
        let (block, index) = (number >> BLOCK_BITS, number as usize % BLOCK);
        if let Some(at) = self.open.iter().position(|open| open.number == block) {
            self.open[at..].rotate_left(1);
        } else {
            let unpacked = self.blocks.block(block)?;
            if self.open.len() == OPEN_BLOCKS {
                self.open.remove(0);
            }
            self.open.push(unpacked);
        }
        self.open.last()?.get(index, id)
    }
}

impl Cache {
    /// The bytes of the one commit `id` at `position` of the graph, read under `overlay`; `None` if they are not kept. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn text(&self, overlay: i64, position: Position, id: &Oid) -> anyhow::Result<Option<Vec<u8>>> {
        self.database().read(|reader| {
            let query =
                "SELECT first FROM segment, repository WHERE first <= ?1 AND overlay = ?2 ORDER BY first DESC LIMIT 1";
            let mut segment = reader.prepare_cached(query)?;
            let first = segment.query_row(params![position, overlay], |row| row.get::<_, Position>(0)).optional()?;
            let Some(first) = first else { return Ok(None) };
            match text_number(reader, first, position)? {
                NONE => Ok(None),
                number => self.frame(reader, number, id),
            }
        })
    }

    /// The text of the commit `id`, if it is under this number.
    fn frame(&self, reader: &Connection, number: u32, id: &Oid) -> anyhow::Result<Option<Vec<u8>>> {
        let (block, index) = (number >> BLOCK_BITS, number as usize % BLOCK);
        let block = reader.blob_open(MAIN_DB, "block", "bytes", i64::from(block), true)?;
        let mut head = [0; Directory::MOST];
        let head = &mut head[..Directory::MOST.min(block.len())];
        block.read_at_exact(head, 0)?;
        let place = Directory::read(head).and_then(|directory| directory.frame_of(index));
        let Some((range, count)) = place.filter(|(range, _)| range.end <= block.len()) else { return Ok(None) };
        let mut bytes = vec![0; range.len()];
        block.read_at_exact(&mut bytes, range.start)?;
        let frame = Frame::unpack(&bytes, Content::Texts, count, self.hash_len());
        Ok(frame.and_then(|frame| frame.get(index, id).map(<[u8]>::to_vec)))
    }

    /// Where this `content` is kept that was read under `overlay`. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn blocks(&self, content: Content, overlay: i64) -> anyhow::Result<Blocks> {
        self.database().read(|reader| {
            let numbers = numbers(reader, content)?;
            let numbers = numbers.as_chunks().0.iter().map(|&four| u32::from_le_bytes(four)).collect();
            Ok(Blocks { cache: self.clone(), content, overlay, numbers })
        })
    }
}
