//! Lines by number: equal lines get the same token, so that a search compares numbers.
//!
//! Owns the table and the hash of a line. Refuses to know what the lines are compared for.

use std::{
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use gix_imara_diff::Token;
use memchr::memchr;

/// The two texts that are compared: the old one, then the new one.
pub(crate) type Texts<'a> = [&'a [u8]; 2];

/// How many slots an empty table has; a power of two.
const FIRST_SLOTS: usize = 1024;

/// A line that has a token, as the place where it was first met.
#[derive(Debug)]
struct Line {
    hash: u64,
    side: usize,
    range: Range<usize>,
    times: u32,
    marked: bool,
}

/// The lines met so far. The hash takes a random key, so that nobody can prepare texts whose lines
/// all fall into one slot.
#[derive(Debug)]
pub(crate) struct KnownLines {
    key: u64,
    lines: Vec<Line>,
    slots: Vec<u32>,
}

impl Default for KnownLines {
    fn default() -> Self {
        Self { key: RandomState::new().hash_one(0_u8), lines: Vec::new(), slots: vec![0; FIRST_SLOTS] }
    }
}

impl KnownLines {
    /// Forgets all lines, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.slots.clear();
        self.slots.resize(FIRST_SLOTS, 0);
    }

    /// The number of different lines.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.lines.len()).unwrap_or(u32::MAX)
    }

    /// The token of the line at `range` of the text number `side`, a new one if need be.
    pub(crate) fn intern(&mut self, texts: Texts<'_>, side: usize, range: Range<usize>) -> Token {
        let text = &texts[side][range.clone()];
        let hash = hash_line(text, self.key);
        match self.slot(texts, text, hash) {
            Ok(token) => {
                self.count_again(token);
                token
            }
            Err(slot) => {
                let token = Token(self.count());
                self.lines.push(Line { hash, side, range, times: 1, marked: false });
                self.slots[slot] = self.count();
                if self.lines.len() * 2 > self.slots.len() {
                    self.grow();
                }
                token
            }
        }
    }

    /// Counts one more occurrence of a line.
    pub(crate) fn count_again(&mut self, token: Token) {
        if let Some(line) = self.lines.get_mut(token.0 as usize) {
            line.times += 1;
        }
    }

    /// Whether a line that both texts have was met no more than once in each.
    pub(crate) fn is_single(&self, token: Token) -> bool {
        self.lines.get(token.0 as usize).is_some_and(|line| line.times <= 2)
    }

    /// The text of a line; empty for one that isn't in the table.
    pub(crate) fn text<'a>(&self, texts: Texts<'a>, token: Token) -> &'a [u8] {
        self.lines.get(token.0 as usize).map_or(&[], |line| &texts[line.side][line.range.clone()])
    }

    /// Whether a line is on both lists.
    pub(crate) fn share_a_line(&mut self, left: &[Token], right: &[Token]) -> bool {
        if left.is_empty() || right.is_empty() {
            return false;
        }
        for token in left {
            self.lines[token.0 as usize].marked = true;
        }
        right.iter().any(|token| self.lines[token.0 as usize].marked)
    }

    /// Appends the token of each line in `range` of the old text, without taking in new lines: those
    /// share the token that the next new line would get, since the search counts in an array.
    pub(crate) fn find_all(&self, texts: Texts<'_>, range: Range<usize>, found: &mut Vec<Token>) {
        let stranger = Token(self.count());
        let mut rest = &texts[0][range];
        while !rest.is_empty() {
            let (line, after) = rest.split_at(memchr(b'\n', rest).map_or(rest.len(), |at| at + 1));
            found.push(self.slot(texts, line, hash_line(line, self.key)).unwrap_or(stranger));
            rest = after;
        }
    }

    /// The token of a known line, or else the free slot for it.
    fn slot(&self, texts: Texts<'_>, text: &[u8], hash: u64) -> Result<Token, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = low_bits(hash) & mask;
        while let Some(token) = self.slots[slot].checked_sub(1) {
            let line = &self.lines[token as usize];
            if line.hash == hash && texts[line.side][line.range.clone()] == *text {
                return Ok(Token(token));
            }
            slot = (slot + 1) & mask;
        }
        Err(slot)
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        self.slots.clear();
        self.slots.resize(size, 0);
        for (number, line) in (1..).zip(&self.lines) {
            let mut slot = low_bits(line.hash) & (size - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
const fn low_bits(hash: u64) -> usize {
    hash as usize
}

/// A 64-bit hash of a line: the same for every run and machine with the same `key`.
pub(crate) fn hash_line(line: &[u8], key: u64) -> u64 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd6e8_feb8_6659_fd93;
    let mut hash = key ^ A;
    let mut chunks = line.chunks_exact(16);
    for chunk in &mut chunks {
        let (low, high) = chunk.split_at(8);
        hash = fold(word(low) ^ hash, word(high) ^ B);
    }
    let rest = chunks.remainder();
    let (low, high) = rest.split_at(rest.len().min(8));
    let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
    fold(fold(word(low) ^ hash, word(high) ^ B), length ^ A)
}

/// Up to eight bytes as a number, the first the least significant.
fn word(bytes: &[u8]) -> u64 {
    match <[u8; 8]>::try_from(bytes) {
        Ok(bytes) => u64::from_le_bytes(bytes),
        Err(_) => bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of the product are wanted")]
const fn fold(left: u64, right: u64) -> u64 {
    let product = left as u128 * right as u128;
    product as u64 ^ (product >> 64) as u64
}
