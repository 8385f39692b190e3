//! Which lines differ between two texts, exactly as git tells it: Myers' algorithm with the cut-offs
//! of git's xdiff, then the groups slid into place by the indent heuristic.
//!
//! Owns the search, and the trick that makes it cheap: it looks at a window around what differs,
//! since the common lines at both ends matter in only three ways. Their number and how often they
//! repeat a line of the middle decide which lines git ignores in its search (so they are counted
//! when there is a search); a group of changed lines may slide into them (so the window reaches
//! past a line that nothing can slide over, or else is the whole text); and they are context.
//! Refuses to say what is text, and how a difference is written down.

use std::ops::Range;

use gix_imara_diff::{Algorithm, Diff, IndentHeuristic, IndentLevel, Token};
use memchr::{memchr, memrchr};

use crate::facts::line_table::{KnownLines, Texts};

/// The size in bytes from which git refuses to compare texts line by line (just below 1 GiB).
pub const SIZE_LIMIT: usize = 1024 * 1024 * 1023;

/// How many common lines the window first takes at each end.
const MARGIN: usize = 64;
/// How many lines at an end of the window must not be slid into: the indent heuristic looks at up
/// to 20 blank lines and one more, and a hunk shows 3.
const GUARD: usize = 25;
/// How many columns a tab stands for in git's indent heuristic.
const TAB_WIDTH: u8 = 8;

/// Lines that were replaced: at least one side isn't empty. Numbers count the lines of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The lines that are gone, in [`LineDiff::before`].
    pub before: Range<usize>,
    /// The lines in their place, in [`LineDiff::after`].
    pub after: Range<usize>,
}

/// Compares texts, and keeps its buffers from one pair to the next. One for each thread.
#[derive(Debug, Default)]
pub struct LineDiff {
    known: KnownLines,
    before: Side,
    after: Side,
    far: Vec<Token>,
    diff: Diff,
    groups: Vec<Group>,
}

/// One text as it lies in the window.
#[derive(Debug, Default)]
struct Side {
    ranges: Vec<Range<usize>>,
    tokens: Vec<Token>,
}

/// Where the two texts differ, in bytes: `lead` common ones, then the middle, then `trail` common
/// ones, of which the window holds those from `start` and the first `reach`.
#[derive(Debug, Clone, Copy)]
struct Window {
    lead: usize,
    trail: usize,
    start: usize,
    reach: usize,
}

impl LineDiff {
    /// A comparer with no buffers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares two texts, each smaller than [`SIZE_LIMIT`]. The answer lies in [`Self::groups`],
    /// [`Self::before`] and [`Self::after`] until the next call.
    pub fn compare(&mut self, before: &[u8], after: &[u8]) {
        let (lead, trail) = common_ends(before, after);
        let start = lines_back(&before[..lead], MARGIN);
        let reach = lines_forward(&before[before.len() - trail..], MARGIN);
        let window = Window { lead, trail, start, reach };
        let texts = [before, after];
        if !self.compare_window(texts, window) {
            // With nothing outside the window there is nothing to guard.
            self.compare_window(texts, Window { start: 0, reach: trail, ..window });
        }
    }

    /// The differences in ascending order, with at least one common line between two of them.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The lines of the window in the first text, as byte ranges that include the newline. The
    /// window holds every difference and at least three lines around each, unless the text ends.
    #[must_use]
    pub fn before(&self) -> &[Range<usize>] {
        &self.before.ranges
    }

    /// The lines of the window in the second text, as byte ranges that include the newline.
    #[must_use]
    pub fn after(&self) -> &[Range<usize>] {
        &self.after.ranges
    }

    /// Compares through `window`; `false` if a group could slide out of it.
    fn compare_window(&mut self, texts: Texts<'_>, window: Window) -> bool {
        let Window { lead, trail, start, reach } = window;
        let before_end = texts[0].len() - trail;
        self.known.clear();
        self.before.clear();
        self.after.clear();
        self.before.append(&mut self.known, texts, 0, start..lead);
        let lead_lines = self.before.ranges.len();
        self.after.copy(&mut self.known, &self.before, 0..lead_lines);
        self.before.append(&mut self.known, texts, 0, lead..before_end);
        self.after.append(&mut self.known, texts, 1, lead..texts[1].len() - trail);
        let (removed_end, added_end) = (self.before.ranges.len(), self.after.ranges.len());
        self.before.append(&mut self.known, texts, 0, before_end..before_end + reach);
        let end = self.before.ranges.len();
        self.after.copy(&mut self.known, &self.before, removed_end..end);

        let guards = |lines: Range<usize>| {
            self.before.tokens.get(lines).is_some_and(|lines| lines.iter().any(|&line| self.known.is_single(line)))
        };
        if (start > 0 && !guards(GUARD..lead_lines)) || (reach < trail && !guards(removed_end..end - GUARD)) {
            return false;
        }
        self.far.clear();
        let removed = &self.before.tokens[lead_lines..removed_end];
        let added = &self.after.tokens[lead_lines..added_end];
        if self.known.share_a_line(removed, added) {
            self.known.find_all(texts, 0..start, &mut self.far);
            self.known.find_all(texts, before_end + reach..texts[0].len(), &mut self.far);
        }
        self.search(texts, start == 0);
        true
    }

    /// The search proper. What `far` holds are the common lines outside the window: as far as git's
    /// search minds, they may as well stand together at an end that isn't the text's.
    fn search(&mut self, texts: Texts<'_>, starts: bool) {
        let shift = if starts { 0 } else { self.far.len() };
        for side in [&mut self.before, &mut self.after] {
            let at = if starts { side.tokens.len() } else { 0 };
            side.tokens.splice(at..at, self.far.iter().copied());
        }
        let (before, after) = (&self.before.tokens, &self.after.tokens);
        self.diff.compute_with(Algorithm::Myers, before, after, self.known.count());
        let known = &self.known;
        let indent = IndentHeuristic::new(|token| indent_level(known.text(texts, token)));
        self.diff.postprocess_with(before, after, indent);
        let place = |range: Range<u32>| range.start as usize - shift..range.end as usize - shift;
        self.groups.clear();
        self.groups
            .extend(self.diff.hunks().map(|hunk| Group { before: place(hunk.before), after: place(hunk.after) }));
    }
}

impl Side {
    fn clear(&mut self) {
        self.ranges.clear();
        self.tokens.clear();
    }

    /// Adds the lines that make up `range` of the text number `side`.
    fn append(&mut self, known: &mut KnownLines, texts: Texts<'_>, side: usize, range: Range<usize>) {
        let mut start = range.start;
        while start < range.end {
            let end = memchr(b'\n', &texts[side][start..range.end]).map_or(range.end, |at| start + at + 1);
            self.tokens.push(known.intern(texts, side, start..end));
            self.ranges.push(start..end);
            start = end;
        }
    }

    /// Adds `lines` of the first text, which follow in the second one as well.
    fn copy(&mut self, known: &mut KnownLines, first: &Self, lines: Range<usize>) {
        let (Some(line), end) = (first.ranges.get(lines.start), self.ranges.last().map(|line| line.end)) else {
            return;
        };
        let (from, to) = (line.start, end.unwrap_or(line.start));
        for (line, &token) in first.ranges[lines.clone()].iter().zip(&first.tokens[lines]) {
            known.count_again(token);
            self.tokens.push(token);
            self.ranges.push(line.start - from + to..line.end - from + to);
        }
    }
}

/// The lengths in bytes of the whole lines that both texts have in common at their ends.
fn common_ends(before: &[u8], after: &[u8]) -> (usize, usize) {
    let same = common_prefix(before, after);
    let ends_both = same == before.len() && same == after.len();
    let lead = if ends_both { same } else { memrchr(b'\n', &before[..same]).map_or(0, |at| at + 1) };
    let (before, after) = (&before[lead..], &after[lead..]);
    let same = common_suffix(before, after);
    let starts_line = |text: &[u8]| same == text.len() || text[text.len() - same - 1] == b'\n';
    if starts_line(before) && starts_line(after) {
        return (lead, same);
    }
    let tail = &before[before.len() - same..];
    (lead, memchr(b'\n', tail).map_or(0, |at| tail.len() - at - 1))
}

fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = left.chunks_exact(BLOCK).zip(right.chunks_exact(BLOCK)).take_while(|(a, b)| a == b).count();
    let same = blocks * BLOCK;
    same + left[same..].iter().zip(&right[same..]).take_while(|(a, b)| a == b).count()
}

fn common_suffix(left: &[u8], right: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let blocks = left.rchunks_exact(BLOCK).zip(right.rchunks_exact(BLOCK)).take_while(|(a, b)| a == b).count();
    let same = blocks * BLOCK;
    let (left, right) = (&left[..left.len() - same], &right[..right.len() - same]);
    same + left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Where the last `count` lines of `text`, which ends in a newline or is empty, begin.
fn lines_back(text: &[u8], count: usize) -> usize {
    let mut start = text.len();
    for _ in 0..count {
        let Some(line) = text[..start].len().checked_sub(1) else { return 0 };
        start = memrchr(b'\n', &text[..line]).map_or(0, |at| at + 1);
    }
    start
}

/// Where the first `count` lines of `text` end.
fn lines_forward(text: &[u8], count: usize) -> usize {
    let mut end = 0;
    for _ in 0..count {
        match memchr(b'\n', &text[end..]) {
            Some(at) => end += at + 1,
            None => return text.len(),
        }
    }
    end
}

/// The indentation that git sees, to whom a form feed is no white space.
fn indent_level(line: &[u8]) -> IndentLevel {
    let seen = line.iter().map(|&byte| if byte == 0x0c { b'x' } else { byte });
    IndentLevel::for_ascii_line(seen, TAB_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ranges = Vec<Range<usize>>;

    /// The changed lines as byte ranges of both texts.
    fn bytes(diff: &LineDiff) -> Vec<(Ranges, Ranges)> {
        let lines =
            |group: &Group| (diff.before()[group.before.clone()].to_vec(), diff.after()[group.after.clone()].to_vec());
        diff.groups().iter().map(lines).collect()
    }

    #[test]
    fn a_window_finds_what_the_whole_text_shows() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut diff = LineDiff::new();
        for round in 0..400 {
            let kinds = [2, 5, 40, 5000][round % 4];
            let mut lines: Vec<String> = (0..random(700)).map(|_| format!("{}\n", random(kinds))).collect();
            let before = lines.concat();
            let at = usize::try_from(random(1 + lines.len() as u64)).expect("small");
            for _ in 0..random(12) {
                let near = (at + usize::try_from(random(30)).expect("small")).min(lines.len());
                if random(2) == 0 && near < lines.len() {
                    lines.remove(near);
                } else {
                    lines.insert(near, format!("{}\n", random(kinds)));
                }
            }
            let after = lines.concat();
            let texts = [before.as_bytes(), after.as_bytes()];
            diff.compare(texts[0], texts[1]);
            let windowed = bytes(&diff);
            let (lead, trail) = common_ends(texts[0], texts[1]);
            assert!(diff.compare_window(texts, Window { lead, trail, start: 0, reach: trail }));
            assert_eq!(windowed, bytes(&diff), "round {round}");
        }
    }
}
