//! The patch-id of a commit, equal to what `git log -p --no-renames --full-index -1 <commit> |
//! git patch-id --stable` prints, and the lines that it added and removed.
//!
//! Owns the rules of git-patch-id(1) as far as they show in git's own patches: white space and line
//! numbers don't count, a binary file counts by its two ids, and each file is hashed for itself
//! so that their order doesn't matter; with the program's oddities, since an id that differs is of
//! no use to anybody. Refuses to read objects: its caller hands it the contents. Attributes
//! (`-diff`, `binary`, `textconv`) and the settings that change a patch (`diff.context`,
//! `diff.algorithm`, `diff.noprefix`, `core.quotePath`) are taken to have git's defaults.
//!
//! Of git's own history all 63,854 ids equal those of git 2.47.3, of systemd-stable's all but 14 of 80,017. Those 14 are updates of
//! tables (hwdb) that change thousands of lines of one file, up to 98,948. There git's diff stops looking for the shortest script, and
//! so do we: `gix-imara-diff` keeps git's limits (lines that the other side lacks or has too often are set aside, a cost of 256
//! and then the square root of the length ends the search, a long enough run of equal lines is taken earlier). Past the limit the two
//! choose other places to split at, and the scripts differ: 2,075 removed lines beside 2,275, say, or more of git's than of ours.
//! Which place git takes no manual tells. To follow it means to take over its search as it is, which is under the LGPL, or to ask git
//! itself for commits with so large a change; the library doesn't tell whether it cut a search short.

use std::{fmt, ops::Range};

use memchr::memchr;
use sha1::{Digest, Sha1};
use sha2::Sha256;

use crate::facts::{
    changes::{Change, Entry, Mode},
    line_diff::{LineDiff, SIZE_LIMIT},
    line_table::hash_line,
    oid::{Oid, SHA1_LEN, SHA256_LEN},
};

/// How many common lines git shows around a difference.
const CONTEXT: usize = 3;
/// How far into a file git looks for the NUL byte that makes it binary.
const BINARY_WINDOW: usize = 8000;
/// How many bytes are gathered before they go to the hash function.
const BATCH: usize = 16 * 1024;
/// The key of the line hashes, part of what a cache may keep: never to be changed.
const LINE_KEY: u64 = 0x6268_6675_696c_0001;

/// The hash function of a repository: patch-ids use that of its object ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

/// What a path holds on one side of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing was read, as the path isn't there, or [`needs_content`] said that nobody will look.
    Unread,
    /// The bytes of the blob.
    Bytes(&'a [u8]),
    /// A blob larger than `core.bigFileThreshold` (512 MiB unless set), which git takes for binary.
    Big,
}

/// Why a commit has no patch-id although it changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPatchId {
    /// A text is so large that git itself refuses to compare it.
    TooLarge,
}

impl fmt::Display for NoPatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("a text of a gigabyte or more can't be compared"),
        }
    }
}

impl std::error::Error for NoPatchId {}

/// The lines that a commit added and removed, without white space and without empty ones, as
/// sorted 64-bit hashes. A line that occurs twice is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedLines {
    /// The hashes of the added lines.
    pub added: Vec<u64>,
    /// The hashes of the removed lines.
    pub removed: Vec<u64>,
}

/// Whether the contents of a change must be handed to [`PatchHasher::add`]: of the old side, and of
/// the new side.
#[must_use]
pub fn needs_content(change: &Change) -> (bool, bool) {
    let same = change.old.map(|side| side.oid) == change.new.map(|side| side.oid);
    let only_mode = same && !is_type_change(change);
    let needs = |side: Option<Entry>| !only_mode && side.is_some_and(|side| side.mode != Mode::Submodule);
    (needs(change.old), needs(change.new))
}

/// How the part of the patch before the next file ended, which `git patch-id` treats three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// At the start, or after a file without hunks: what follows is hashed together with it.
    Open,
    /// After hunks: the next file starts a hash of its own.
    Hunks,
    /// After a binary file, whose hash is done; the first header line of the next file is dropped.
    Binary,
}

/// Computes patch-ids, and keeps its buffers from one commit to the next. One for each thread.
#[derive(Debug)]
pub struct PatchHasher {
    kind: HashKind,
    diff: LineDiff,
    digest: PatchDigest,
    lines: ChangedLines,
    name: Vec<u8>,
    last: Last,
    is_empty: bool,
}

impl PatchHasher {
    /// A hasher for a repository whose object ids are of `kind`.
    #[must_use]
    pub fn new(kind: HashKind) -> Self {
        Self {
            kind,
            diff: LineDiff::new(),
            digest: PatchDigest::new(kind),
            lines: ChangedLines::default(),
            name: Vec::new(),
            last: Last::Open,
            is_empty: true,
        }
    }

    /// Forgets what was added, to begin with another commit.
    pub fn clear(&mut self) {
        self.digest = PatchDigest { batch: std::mem::take(&mut self.digest.batch), ..PatchDigest::new(self.kind) };
        self.digest.batch.clear();
        self.lines.added.clear();
        self.lines.removed.clear();
        self.last = Last::Open;
        self.is_empty = true;
    }

    /// Adds one changed path; they come in the order of `git log --raw`.
    ///
    /// # Errors
    ///
    /// Git couldn't compare the texts either; the commit has no patch-id then.
    pub fn add(&mut self, change: &Change, old: Content<'_>, new: Content<'_>) -> Result<(), NoPatchId> {
        self.is_empty = false;
        self.name.clear();
        push_name(&mut self.name, &change.path);
        if is_type_change(change) {
            self.add_file(change.old, None, old, Content::Unread)?;
            return self.add_file(None, change.new, Content::Unread, new);
        }
        self.add_file(change.old, change.new, old, new)
    }

    /// The patch-id of what was added; `None` if that was nothing. [`Self::clear`] comes next.
    pub fn finish(&mut self) -> Option<Oid> {
        if self.is_empty {
            return None;
        }
        self.digest.close();
        Oid::from_bytes(&self.digest.sum[..self.digest.length()])
    }

    /// The changed lines of what was added, leaving none behind.
    pub fn take_lines(&mut self) -> ChangedLines {
        let mut lines = std::mem::take(&mut self.lines);
        lines.added.sort_unstable();
        lines.removed.sort_unstable();
        lines
    }

    fn add_file(
        &mut self,
        old: Option<Entry>,
        new: Option<Entry>,
        old_content: Content<'_>,
        new_content: Content<'_>,
    ) -> Result<(), NoPatchId> {
        self.start_file(old, new);
        if old.map(|side| side.oid) == new.map(|side| side.oid) {
            return Ok(());
        }
        let (mut old_line, mut new_line) = (Vec::new(), Vec::new());
        let before = text(old, old_content, &mut old_line);
        let after = text(new, new_content, &mut new_line);
        let (Some(before), Some(after)) = (before, after) else {
            self.finish_binary(old, new);
            return Ok(());
        };
        if before.len().max(after.len()) >= SIZE_LIMIT {
            return Err(NoPatchId::TooLarge);
        }
        if before.is_empty() && after.is_empty() {
            return Ok(());
        }
        for (sign, side, prefix) in [(b"---", old, b"a/"), (b"+++", new, b"b/")] {
            self.digest.push(sign);
            match side {
                Some(_) => push_label(&mut self.digest, prefix, &self.name),
                None => self.digest.push(b"/dev/null"),
            }
        }
        self.hunks(before, after);
        self.last = Last::Hunks;
        Ok(())
    }

    /// The header lines, up to the index line that doesn't count.
    fn start_file(&mut self, old: Option<Entry>, new: Option<Entry>) {
        if self.last == Last::Hunks {
            self.digest.close();
        }
        if self.last != Last::Binary {
            self.digest.push(b"diff--git");
            push_label(&mut self.digest, b"a/", &self.name);
            push_label(&mut self.digest, b"b/", &self.name);
        }
        self.last = Last::Open;
        let mut mode = |what: &[u8], mode: Mode| {
            self.digest.push(what);
            self.digest.push(mode.octal().as_bytes());
        };
        match (old, new) {
            (Some(old), None) => mode(b"deletedfilemode", old.mode),
            (None, Some(new)) => mode(b"newfilemode", new.mode),
            (Some(old), Some(new)) if old.mode != new.mode => {
                mode(b"oldmode", old.mode);
                mode(b"newmode", new.mode);
            }
            _ => {}
        }
    }

    fn finish_binary(&mut self, old: Option<Entry>, new: Option<Entry>) {
        for side in [old, new] {
            match side {
                Some(side) => self.digest.push(side.oid.to_hex().as_bytes()),
                None => self.digest.push(&[b'0'; 2 * SHA256_LEN][..2 * self.digest.length()]),
            }
        }
        self.digest.close();
        self.last = Last::Binary;
    }

    fn hunks(&mut self, before: &[u8], after: &[u8]) {
        let (digest, lines) = (&mut self.digest, &mut self.lines);
        if before.is_empty() {
            return each_line(after, |line| lines.added.extend(digest.line(b"+", line)));
        }
        if after.is_empty() {
            return each_line(before, |line| lines.removed.extend(digest.line(b"-", line)));
        }
        self.diff.compare(before, after);
        let (old, new) = (self.diff.before(), self.diff.after());
        let mut common = 0;
        for (number, group) in self.diff.groups().iter().enumerate() {
            // Two differences with up to twice the context between them share a hunk.
            let start = group.before.start;
            let first = number == 0 || start - common > 2 * CONTEXT;
            if first && number > 0 {
                digest.context(before, &old[common..old.len().min(common + CONTEXT)]);
            }
            let from = if first { start.saturating_sub(CONTEXT).max(common) } else { common };
            digest.context(before, &old[from..start]);
            for line in &old[group.before.clone()] {
                lines.removed.extend(digest.line(b"-", &before[line.clone()]));
            }
            for line in &new[group.after.clone()] {
                lines.added.extend(digest.line(b"+", &after[line.clone()]));
            }
            common = group.before.end;
        }
        digest.context(before, &old[common..old.len().min(common + CONTEXT)]);
    }
}

/// The sum of the hashes of the parts of a patch, of which one is under way.
#[derive(Debug)]
struct PatchDigest {
    part: Part,
    sum: [u8; SHA256_LEN],
    batch: Vec<u8>,
}

#[derive(Debug)]
enum Part {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl PatchDigest {
    fn new(kind: HashKind) -> Self {
        let part = match kind {
            HashKind::Sha1 => Part::Sha1(Sha1::new()),
            HashKind::Sha256 => Part::Sha256(Sha256::new()),
        };
        Self { part, sum: [0; SHA256_LEN], batch: Vec::new() }
    }

    fn length(&self) -> usize {
        match self.part {
            Part::Sha1(_) => SHA1_LEN,
            Part::Sha256(_) => SHA256_LEN,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.batch.extend_from_slice(bytes);
    }

    /// Adds a line without its white space; its hash unless it has nothing else.
    fn line(&mut self, sign: &[u8], line: &[u8]) -> Option<u64> {
        self.push(sign);
        let start = self.batch.len();
        self.squeeze(line);
        let text = &self.batch[start..];
        let hash = (!text.is_empty()).then(|| hash_line(text, LINE_KEY));
        self.drain();
        hash
    }

    fn context(&mut self, text: &[u8], lines: &[Range<usize>]) {
        for line in lines {
            self.squeeze(&text[line.clone()]);
        }
        self.drain();
    }

    /// Appends what `git patch-id` sees of a line: up to the first NUL, and no white space.
    fn squeeze(&mut self, line: &[u8]) {
        let start = self.batch.len();
        self.batch.resize(start + line.len(), 0);
        let target = &mut self.batch[start..];
        let mut length = 0;
        for &byte in line {
            target[length] = byte;
            length += usize::from(!matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        }
        let end = memchr(0, &target[..length]).unwrap_or(length);
        self.batch.truncate(start + end);
    }

    fn drain(&mut self) {
        if self.batch.len() >= BATCH {
            self.update();
        }
    }

    fn update(&mut self) {
        match &mut self.part {
            Part::Sha1(hash) => hash.update(&self.batch),
            Part::Sha256(hash) => hash.update(&self.batch),
        }
        self.batch.clear();
    }

    /// Ends the part under way: its hash is added to the sum, the first byte the least significant.
    fn close(&mut self) {
        self.update();
        let mut hash = [0; SHA256_LEN];
        let length = self.length();
        match &mut self.part {
            Part::Sha1(part) => hash[..length].copy_from_slice(&part.finalize_reset()),
            Part::Sha256(part) => hash[..length].copy_from_slice(&part.finalize_reset()),
        }
        let mut carry = false;
        for (sum, byte) in self.sum.iter_mut().zip(hash).take(length) {
            let (partial, first) = sum.overflowing_add(byte);
            let (total, second) = partial.overflowing_add(u8::from(carry));
            *sum = total;
            carry = first || second;
        }
    }
}

fn is_type_change(change: &Change) -> bool {
    matches!((change.old, change.new), (Some(old), Some(new)) if old.mode.is_other_type_than(new.mode))
}

/// What git compares line by line; `None` if it is binary. `line` holds it for a submodule.
fn text<'a>(side: Option<Entry>, content: Content<'a>, line: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    match (side, content) {
        (Some(Entry { mode: Mode::Submodule, oid }), _) => {
            line.extend_from_slice(format!("Subproject commit {oid}\n").as_bytes());
            Some(line)
        }
        (Some(_), Content::Bytes(bytes)) => {
            memchr(0, &bytes[..bytes.len().min(BINARY_WINDOW)]).is_none().then_some(bytes)
        }
        (Some(_), Content::Big) => None,
        (None, _) | (_, Content::Unread) => Some(&[]),
    }
}

fn each_line(mut text: &[u8], mut take: impl FnMut(&[u8])) {
    while !text.is_empty() {
        let (line, rest) = text.split_at(memchr(b'\n', text).map_or(text.len(), |at| at + 1));
        take(line);
        text = rest;
    }
}

/// Appends a path without its spaces, and with a leading quote if git prints it as a C string.
fn push_name(name: &mut Vec<u8>, path: &[u8]) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let quoted = !path.iter().all(plain);
    if quoted {
        name.push(b'"');
    }
    for byte in path {
        let escape = match byte {
            b' ' => continue,
            7 => b'a',
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            11 => b'v',
            12 => b'f',
            b'\r' => b'r',
            b'"' | b'\\' => *byte,
            _ if plain(byte) => {
                name.push(*byte);
                continue;
            }
            _ => {
                name.extend([b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]);
                continue;
            }
        };
        name.extend([b'\\', escape]);
    }
}

/// Appends a name from [`push_name`] with its prefix, within the quotes if there are any.
fn push_label(digest: &mut PatchDigest, prefix: &[u8], name: &[u8]) {
    if let Some(quoted) = name.strip_prefix(b"\"") {
        for part in [b"\"", prefix, quoted, b"\""] {
            digest.push(part);
        }
    } else {
        digest.push(prefix);
        digest.push(name);
    }
}
