//! The bytes of commit objects, kept so that streaming them again needs no inflating: half the time of a scan goes into that,
//! since git compresses every commit by itself. Here some hundred commits share one block, packed by LZ4 in frames of a few, which
//! unpacks ten times as fast and takes about 270 bytes a commit. A stream reads whole blocks, and who asks for one commit a single
//! frame: sooner than git's pack is opened, of whose index every offset is looked at. An object's bytes change only when it is
//! replaced, and then all of this is made anew.

use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, MAIN_DB, OptionalExtension as _, Transaction, params};

use super::database::PendingWrite;
use super::repository::Cache;
use super::segments::{text_number, text_numbers};
use crate::facts::Oid;
use crate::facts::oid::OidMap;
use crate::graph::Position;

/// The most commits that one block can hold. A commit's number is that of its block times this, plus its place in it.
pub const BLOCK: usize = 1 << BLOCK_BITS;
pub(super) const BLOCK_BITS: u32 = 9;
/// Commits that are packed together, and unpacked for one of them: LZ4 looks 64 KiB back, which is about what they take.
const FRAME: usize = 32;
/// Unpacked blocks that a reader keeps.
const OPEN_BLOCKS: usize = 4;
/// The number of a commit whose bytes are not kept.
pub(super) const NONE: u32 = u32::MAX;
/// Bytes that are gathered for one transaction.
const BATCH: usize = 2 << 20;

/// Commits that were packed together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextBlock {
    ids: Vec<Oid>,
    bytes: Vec<u8>,
}

/// Gathers commits for one block.
#[derive(Debug, Default)]
pub struct TextPacker {
    ids: Vec<Oid>,
    raw: Vec<u8>,
    /// Where each commit ends in `raw`.
    ends: Vec<usize>,
}

impl TextPacker {
    /// One that needn't grow while it is filled, as a rule.
    #[must_use]
    pub fn with_room() -> Self {
        Self { ids: Vec::with_capacity(BLOCK), raw: Vec::with_capacity(1024 * BLOCK), ends: Vec::with_capacity(BLOCK) }
    }

    /// Adds the commit `id`, whose bytes are `raw`, unless the block is full.
    pub fn add(&mut self, id: Oid, raw: &[u8]) {
        if self.ids.len() == BLOCK {
            return;
        }
        self.raw.extend_from_slice(raw);
        self.ends.push(self.raw.len());
        self.ids.push(id);
    }

    /// How many commits it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The block: the number of commits, where each frame ends, and the frames.
    #[must_use]
    pub fn pack(self) -> TextBlock {
        let (mut ends, mut frames) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (ids, ends_within) in self.ids.chunks(FRAME).zip(self.ends.chunks(FRAME)) {
            let end = ends_within.last().copied().unwrap_or(start);
            let lengths = ends_within.iter().map(|end| end - start);
            frames.extend_from_slice(&packed(ids, lengths, &self.raw[start..end]));
            // A block ends long before 4 GiB: its commits were in memory at once.
            ends.extend_from_slice(&u32::try_from(frames.len()).unwrap_or(u32::MAX).to_le_bytes());
            start = end;
        }
        let count = u32::try_from(self.ids.len()).unwrap_or(0).to_le_bytes();
        TextBlock { ids: self.ids, bytes: [&count[..], &ends, &frames].concat() }
    }
}

/// A frame: a checksum of the rest, and in LZ4 where each commit ends in the text, their ids, and the text.
fn packed(ids: &[Oid], ends: impl Iterator<Item = usize>, raw: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = ends.flat_map(|end| u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes()).collect();
    plain.extend(ids.iter().flat_map(|id| id.as_bytes().iter().copied()));
    plain.extend_from_slice(raw);
    let packed = lz4_flex::compress_prepend_size(&plain);
    [&crc32fast::hash(&packed).to_le_bytes()[..], &packed].concat()
}

/// Writes blocks to the cache while a pass goes on. Until a segment that names them is stored they are nobody's: a pass that is
/// cut off costs nothing but their space, and that only until the next one ends.
#[derive(Debug)]
pub struct TextStore {
    cache: Cache,
    waiting: Vec<TextBlock>,
    bytes: usize,
    writing: Option<PendingWrite<StoredTexts>>,
    stored: anyhow::Result<StoredTexts>,
}

/// Where the blocks of a pass were stored: the number of each, and its commits.
#[derive(Debug, Default)]
pub struct StoredTexts {
    blocks: Vec<(u32, Vec<Oid>)>,
}

impl TextStore {
    /// For one pass.
    #[must_use]
    pub fn new(cache: Cache) -> Self {
        Self { cache, waiting: Vec::new(), bytes: 0, writing: None, stored: Ok(StoredTexts::default()) }
    }

    /// Takes `block` over. Waits only where the cache is slower than the pass; that it can't be written shows at the end.
    pub async fn add(&mut self, block: TextBlock) {
        self.bytes += block.bytes.len();
        self.waiting.push(block);
        if self.bytes >= BATCH {
            self.write().await;
        }
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn finish(mut self) -> anyhow::Result<StoredTexts> {
        self.write().await;
        self.settle().await;
        self.stored
    }

    async fn write(&mut self) {
        self.settle().await;
        let blocks = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        if blocks.is_empty() || self.stored.is_err() {
            return;
        }
        match self.cache.database().submit(move |transaction| insert(transaction, blocks)).await {
            Ok(writing) => self.writing = Some(writing),
            Err(cause) => self.stored = Err(cause),
        }
    }

    /// Waits for the transaction that is under way.
    async fn settle(&mut self) {
        let Some(writing) = self.writing.take() else { return };
        match (writing.result().await, &mut self.stored) {
            (Ok(more), Ok(stored)) => stored.blocks.extend(more.blocks),
            (Err(cause), Ok(_)) => self.stored = Err(cause),
            (_, Err(_)) => {}
        }
    }
}

impl StoredTexts {
    /// The number of the text of each of `ids`, in this order.
    #[must_use]
    pub fn numbers(&self, ids: &[Oid]) -> Vec<u32> {
        let mut numbers = OidMap::with_capacity_and_hasher(ids.len(), std::hash::BuildHasherDefault::default());
        for (block, ids) in &self.blocks {
            // Beyond 2²³ blocks nothing more is kept: git has the commits too.
            if *block < NONE >> BLOCK_BITS {
                numbers.extend(ids.iter().copied().zip(block << BLOCK_BITS..));
            }
        }
        ids.iter().map(|id| numbers.get(id).copied().unwrap_or(NONE)).collect()
    }

    /// The numbers of the blocks.
    pub(super) fn blocks(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().map(|(number, _)| *number)
    }
}

fn insert(transaction: &Transaction<'_>, blocks: Vec<TextBlock>) -> anyhow::Result<StoredTexts> {
    let mut insert = transaction.prepare("INSERT INTO text (block) VALUES (?1)")?;
    let mut note = transaction.prepare("INSERT INTO unclaimed VALUES (?1)")?;
    let mut stored = StoredTexts::default();
    for TextBlock { ids, bytes } in blocks {
        let number = insert.insert([bytes])?;
        note.execute([number])?;
        stored.blocks.push((u32::try_from(number)?, ids));
    }
    Ok(stored)
}

/// Makes the blocks of a pass its own, since its segment was stored. Whatever else is nobody's belongs to passes that were cut
/// off, or that began from the same commits and won't be stored any more.
pub(super) fn claim(transaction: &Transaction<'_>, texts: &StoredTexts) -> anyhow::Result<()> {
    let mut claim = transaction.prepare("DELETE FROM unclaimed WHERE text = ?1")?;
    for number in texts.blocks() {
        claim.execute([number])?;
    }
    transaction.execute("DELETE FROM text WHERE number IN (SELECT text FROM unclaimed)", [])?;
    Ok(())
}

/// Forgets the blocks of a pass that is not to be stored.
pub(super) fn discard(transaction: &Transaction<'_>, texts: &StoredTexts) -> anyhow::Result<()> {
    let mut discard =
        transaction.prepare("DELETE FROM text WHERE number = (SELECT text FROM unclaimed WHERE text = ?1)")?;
    for number in texts.blocks() {
        discard.execute([number])?;
    }
    Ok(())
}

/// Where the frames of a block are.
struct Directory {
    /// How many commits the block has.
    count: usize,
    /// Where each frame ends, in bytes from the first.
    ends: Vec<usize>,
}

impl Directory {
    /// Bytes that it takes at the most.
    const MOST: usize = 4 + 4 * BLOCK.div_ceil(FRAME);

    /// That of the block which begins with `bytes`; `None` if it is damaged.
    fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at| usize::try_from(word(bytes, at)?).ok();
        let count = number(0).filter(|&count| count <= BLOCK)?;
        let ends = (0..count.div_ceil(FRAME)).map(|frame| number(4 + 4 * frame)).collect::<Option<Vec<_>>>()?;
        ends.is_sorted().then_some(Self { count, ends })
    }

    /// Where the frame with this number is in the block, and how many commits it has; `None` if there is none.
    fn frame(&self, number: usize) -> Option<(Range<usize>, usize)> {
        let end = *self.ends.get(number)?;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        let first = 4 + 4 * self.ends.len();
        Some((first + start..first + end, FRAME.min(self.count - number * FRAME)))
    }
}

/// One frame, unpacked.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    count: usize,
    hash_len: usize,
    /// Where each commit ends, their ids, and the text.
    plain: Vec<u8>,
}

impl Frame {
    /// That of `count` commits; `None` if it is damaged; git has the commits too.
    fn unpack(bytes: &[u8], count: usize, hash_len: usize) -> Option<Self> {
        let (sum, packed) = bytes.split_at_checked(4)?;
        if crc32fast::hash(packed) != word(sum, 0)? {
            return None;
        }
        let plain = lz4_flex::decompress_size_prepended(packed).ok()?;
        Some(Self { count, hash_len, plain })
    }

    /// The bytes of the commit `id`, if that is what stands at `index`.
    fn get(&self, index: usize, id: &Oid) -> Option<&[u8]> {
        let (ids, raw) = self.plain.get(4 * self.count..)?.split_at_checked(self.count * self.hash_len)?;
        if ids.chunks_exact(self.hash_len).nth(index)? != id.as_bytes() {
            return None;
        }
        let end = |index: usize| word(&self.plain, 4 * index).and_then(|end| usize::try_from(end).ok());
        raw.get(if index == 0 { 0 } else { end(index - 1)? }..end(index)?)
    }
}

/// One block, unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unpacked {
    number: u32,
    frames: Vec<Frame>,
}

impl Unpacked {
    /// `None` if the block is damaged.
    pub(super) fn new(number: u32, hash_len: usize, bytes: &[u8]) -> Option<Self> {
        let directory = Directory::read(bytes)?;
        let frame = |number| {
            let (range, count) = directory.frame(number)?;
            Frame::unpack(bytes.get(range)?, count, hash_len)
        };
        Some(Self { number, frames: (0..directory.ends.len()).map(frame).collect::<Option<_>>()? })
    }

    /// The bytes of the commit `id`, if that is what stands at `index`.
    pub(super) fn get(&self, index: usize, id: &Oid) -> Option<&[u8]> {
        self.frames.get(index / FRAME)?.get(index % FRAME, id)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Where the bytes of each commit of a graph are kept. Shared by the threads that read.
#[derive(Debug)]
pub struct Texts {
    cache: Cache,
    // The state of history under which these bytes were read: replaced objects have others.
    overlay: i64,
    // For each position the number of its text.
    numbers: Vec<u32>,
}

impl Texts {
    /// A reader for one chunk of commits that are near each other in history.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> TextReader {
        TextReader { texts: Arc::clone(self), open: Vec::new() }
    }

    /// The number of the text of each commit.
    pub(super) fn into_numbers(self) -> Vec<u32> {
        self.numbers
    }

    fn block(&self, number: u32) -> Option<Unpacked> {
        let read = self.cache.database().read(|reader| {
            // Another process may have made the cache anew meanwhile: each block is asked whose it is.
            let query = "SELECT block FROM text, repository WHERE number = ?1 AND overlay = ?2";
            let mut statement = reader.prepare_cached(query)?;
            let bytes: Option<Vec<u8>> =
                statement.query_row(params![number, self.overlay], |row| row.get(0)).optional()?;
            Ok(bytes.and_then(|bytes| Unpacked::new(number, self.cache.hash_len(), &bytes)))
        });
        read.ok().flatten()
    }
}

/// Reads texts and keeps the blocks that it unpacked last.
#[derive(Debug)]
pub struct TextReader {
    texts: Arc<Texts>,
    open: Vec<Unpacked>,
}

impl TextReader {
    /// The bytes of the commit `id` at `position`; `None` if they are not kept, or can't be read.
    pub fn get(&mut self, position: Position, id: &Oid) -> Option<&[u8]> {
        let number = self.texts.numbers.get(position as usize).copied().filter(|&number| number != NONE)?;
        let (block, index) = (number >> BLOCK_BITS, number as usize % BLOCK);
        if let Some(at) = self.open.iter().position(|open| open.number == block) {
            self.open[at..].rotate_left(1);
        } else {
            let unpacked = self.texts.block(block)?;
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

    /// The bytes of the commit `id`, if its text is the one with this number.
    fn frame(&self, reader: &Connection, number: u32, id: &Oid) -> anyhow::Result<Option<Vec<u8>>> {
        let (block, index) = (number >> BLOCK_BITS, number as usize % BLOCK);
        let block = reader.blob_open(MAIN_DB, "text", "block", i64::from(block), true)?;
        let mut head = [0; Directory::MOST];
        let head = &mut head[..Directory::MOST.min(block.len())];
        block.read_at_exact(head, 0)?;
        let place = Directory::read(head).and_then(|directory| directory.frame(index / FRAME));
        let Some((range, count)) = place.filter(|(range, _)| range.end <= block.len()) else { return Ok(None) };
        let mut bytes = vec![0; range.len()];
        block.read_at_exact(&mut bytes, range.start)?;
        let frame = Frame::unpack(&bytes, count, self.hash_len());
        Ok(frame.and_then(|frame| frame.get(index % FRAME, id).map(<[u8]>::to_vec)))
    }

    /// Where the bytes of commits are kept that were read under `overlay`. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn texts(&self, overlay: i64) -> anyhow::Result<Texts> {
        self.database().read(|reader| {
            let numbers = text_numbers(reader)?;
            let numbers = numbers.as_chunks().0.iter().map(|&four| u32::from_le_bytes(four)).collect();
            Ok(Texts { cache: self.clone(), overlay, numbers })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).expect("20 bytes")
    }

    fn block() -> TextBlock {
        let mut packer = TextPacker::default();
        packer.add(id(1), b"first");
        packer.add(id(2), b"");
        packer.add(id(3), &[b'x'; 1000]);
        packer.pack()
    }

    #[test]
    fn texts_come_out_as_they_went_in() {
        let block = block();
        assert!(block.bytes.len() < 200, "a thousand equal bytes are packed");
        let unpacked = Unpacked::new(7, 20, &block.bytes).expect("sound");
        let got: Vec<_> = (0..4).zip(1..).map(|(index, own)| unpacked.get(index, &id(own)).map(<[u8]>::len)).collect();
        assert_eq!(got, [Some(5), Some(0), Some(1000), None]);
        assert_eq!(unpacked.get(0, &id(2)), None, "what stands there is another commit's");
    }

    #[test]
    fn a_damaged_block_is_no_block() {
        let sound = block().bytes;
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x55;
            if let Some(unpacked) = Unpacked::new(0, 20, &bytes) {
                // Whatever the flipped byte was, what is given out is what went in.
                assert_eq!(unpacked, Unpacked::new(0, 20, &sound).expect("sound"), "byte {at}");
            }
            assert!(Unpacked::new(0, 20, &sound[..at]).is_none(), "cut at {at}");
        }
    }
}
