//! How a block looks: frames of a few commits, each packed by itself.

use std::ops::Range;

use super::{BLOCK, Content};
use crate::facts::Oid;
use crate::graph::Position;

/// Commits that are packed together, and unpacked for one of them: LZ4 looks 64 KiB back, which is about what the texts of so many take.
const FRAME: usize = 32;

/// What is kept of commits that were packed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub(super) content: Content,
    pub(super) ids: Vec<Oid>,
    /// Where the graph has them; `None` if one of them has no place there yet.
    pub(super) positions: Option<Vec<Position>>,
    pub(super) bytes: Vec<u8>,
}

/// Gathers commits for one block.
#[derive(Debug)]
pub struct Packer {
    content: Content,
    ids: Vec<Oid>,
    positions: Vec<Position>,
    raw: Vec<u8>,
    /// Where each commit ends in `raw`.
    ends: Vec<usize>,
}

impl Packer {
    /// For a block with this content.
    #[must_use]
    pub fn new(content: Content) -> Self {
        Self { content, ids: Vec::new(), positions: Vec::new(), raw: Vec::new(), ends: Vec::new() }
    }

    /// One that needn't grow while it is filled, as a rule.
    #[must_use]
    pub fn with_room(content: Content) -> Self {
        let raw = Vec::with_capacity(1024 * BLOCK);
        Self { ids: Vec::with_capacity(BLOCK), raw, ends: Vec::with_capacity(BLOCK), ..Self::new(content) }
    }

    /// Adds what is kept of the commit `id`, which the graph has at `position` if it has it yet, unless the block is full. `fill` appends it.
    pub fn add(&mut self, id: Oid, position: Option<Position>, fill: impl FnOnce(&mut Vec<u8>)) {
        if self.ids.len() == BLOCK {
            return;
        }
        fill(&mut self.raw);
        self.ends.push(self.raw.len());
        self.ids.push(id);
        self.positions.extend(position);
    }

    /// Bytes of what was added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether nothing was added, or nothing but of commits of which nothing is to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The block: the number of commits, where each frame ends, and the frames. `None` if there are no commits.
    #[must_use]
    pub fn pack(self) -> Option<Block> {
        if self.ids.is_empty() {
            return None;
        }
        let (mut ends, mut frames) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (ids, ends_within) in self.ids.chunks(FRAME).zip(self.ends.chunks(FRAME)) {
            let end = ends_within.last().copied().unwrap_or(start);
            let lengths = ends_within.iter().map(|end| end - start);
            frames.extend_from_slice(&packed(self.content, ids, lengths, &self.raw[start..end]));
            // A block ends long before 4 GiB: its commits were in memory at once.
            ends.extend_from_slice(&u32::try_from(frames.len()).unwrap_or(u32::MAX).to_le_bytes());
            start = end;
        }
        let count = u32::try_from(self.ids.len()).unwrap_or(0).to_le_bytes();
        let positions = (self.positions.len() == self.ids.len()).then_some(self.positions);
        let bytes = [&count[..], &ends, &frames].concat();
        Some(Block { content: self.content, ids: self.ids, positions, bytes })
    }
}

/// A frame: a checksum of the rest, and in LZ4 where what is kept of each commit ends, their ids, and what is kept.
fn packed(content: Content, ids: &[Oid], ends: impl Iterator<Item = usize>, raw: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = ends.flat_map(|end| u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes()).collect();
    plain.extend(ids.iter().flat_map(|id| id.as_bytes().iter().copied()));
    plain.extend_from_slice(raw);
    let packed = lz4_flex::compress_prepend_size(&plain);
    [&sum(content, &packed).to_le_bytes()[..], &packed].concat()
}

/// The checksum of a frame: by a wrong number one would find the same commit's other content else.
fn sum(content: Content, packed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(match content {
        Content::Texts => b"",
        Content::Changes => b"changes",
    });
    hasher.update(packed);
    hasher.finalize()
}

/// Where the frames of a block are.
pub(super) struct Directory {
    /// How many commits the block has.
    count: usize,
    /// Where each frame ends, in bytes from the first.
    ends: Vec<usize>,
}

impl Directory {
    /// Bytes that it takes at the most.
    pub(super) const MOST: usize = 4 + 4 * BLOCK.div_ceil(FRAME);

    /// That of the block which begins with `bytes`; `None` if it is damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at| usize::try_from(word(bytes, at)?).ok();
        let count = number(0).filter(|&count| count <= BLOCK)?;
        let ends = (0..count.div_ceil(FRAME)).map(|frame| number(4 + 4 * frame)).collect::<Option<Vec<_>>>()?;
        ends.is_sorted().then_some(Self { count, ends })
    }

    /// Where the frame with the commit at `index` is in the block, and how many commits it has; `None` if there is none.
    pub(super) fn frame_of(&self, index: usize) -> Option<(Range<usize>, usize)> {
        self.frame(index / FRAME)
    }

    fn frame(&self, number: usize) -> Option<(Range<usize>, usize)> {
        let end = *self.ends.get(number)?;
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        let first = 4 + 4 * self.ends.len();
        Some((first + start..first + end, FRAME.min(self.count - number * FRAME)))
    }
}

/// One frame, unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    count: usize,
    hash_len: usize,
    /// Where each commit ends, their ids, and what is kept.
    plain: Vec<u8>,
}

impl Frame {
    /// That of `count` commits; `None` if it is damaged, or has another content; git has the commits too.
    pub(super) fn unpack(bytes: &[u8], content: Content, count: usize, hash_len: usize) -> Option<Self> {
        let (told, packed) = bytes.split_at_checked(4)?;
        if sum(content, packed) != word(told, 0)? {
            return None;
        }
        let plain = lz4_flex::decompress_size_prepended(packed).ok()?;
        Some(Self { count, hash_len, plain })
    }

    /// What is kept of the commit `id`, if that is what stands at `index` of the block.
    pub(super) fn get(&self, index: usize, id: &Oid) -> Option<&[u8]> {
        let index = index % FRAME;
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
pub(in crate::cache) struct Unpacked {
    pub(super) number: u32,
    frames: Vec<Frame>,
}

impl Unpacked {
    /// `None` if the block is damaged, or has another content.
    pub(in crate::cache) fn new(number: u32, content: Content, hash_len: usize, bytes: &[u8]) -> Option<Self> {
        let directory = Directory::read(bytes)?;
        let frame = |number| {
            let (range, count) = directory.frame(number)?;
            Frame::unpack(bytes.get(range)?, content, count, hash_len)
        };
        Some(Self { number, frames: (0..directory.ends.len()).map(frame).collect::<Option<_>>()? })
    }

    /// What is kept of the commit `id`, if that is what stands at `index`.
    pub(in crate::cache) fn get(&self, index: usize, id: &Oid) -> Option<&[u8]> {
        self.frames.get(index / FRAME)?.get(index, id)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).expect("20 bytes")
    }

    fn block() -> Block {
        let mut packer = Packer::new(Content::Texts);
        packer.add(id(1), Some(1), |raw| raw.extend_from_slice(b"first"));
        packer.add(id(2), None, |_| ());
        packer.add(id(3), Some(3), |raw| raw.resize(raw.len() + 1000, b'x'));
        packer.pack().expect("three commits")
    }

    #[test]
    fn what_is_kept_comes_out_as_it_went_in() {
        assert_eq!(Packer::new(Content::Changes).pack(), None);
        let block = block();
        assert_eq!(block.positions, None, "one of them has no place yet");
        assert_eq!(Unpacked::new(7, Content::Changes, 20, &block.bytes), None, "it has texts");
        assert!(block.bytes.len() < 200, "a thousand equal bytes are packed");
        let unpacked = Unpacked::new(7, Content::Texts, 20, &block.bytes).expect("sound");
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
            if let Some(unpacked) = Unpacked::new(0, Content::Texts, 20, &bytes) {
                // Whatever the flipped byte was, what is given out is what went in.
                assert_eq!(unpacked, Unpacked::new(0, Content::Texts, 20, &sound).expect("sound"), "byte {at}");
            }
            assert!(Unpacked::new(0, Content::Texts, 20, &sound[..at]).is_none(), "cut at {at}");
        }
    }
}
