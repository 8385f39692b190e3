//! Walking history in the order of `git rev-list`: newest committer time first, first come first served among equals, and with
//! git's own rules for what an exclusion takes away. Nothing is read here; a [`History`] gives times and parents.
//!
//! The rules follow git's documentation of rev-list (git-rev-list(1), "Commit Ordering") and the behaviour of git 2.47 at its
//! edges: a parent that is older or newer than its child, equal times, an exclusion that reaches a commit late.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::history::{History, Node};

/// git looks this many commits further before it believes that nothing interesting is left.
const SLOP: u32 = 5;

/// Commits between two questions whether to give up.
const STOP_EVERY: u32 = 256;

const SEEN: u8 = 1;
const EXCLUDED: u8 = 2;
/// The parents of this commit were already put in the queue.
const EXPANDED: u8 = 4;
/// The parents of this commit are known to the walk, as git's "parsed" says.
const PARSED: u8 = 8;

/// What limits a walk by itself, before any filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Stop at commits older than this time (`--since`).
    pub since: Option<u64>,
    /// Pass over commits newer than this time (`--until`).
    pub until: Option<u64>,
}

impl Limits {
    /// Whether a commit of this time is one of those asked for.
    #[must_use]
    pub fn hold(&self, time: u64) -> bool {
        self.until.is_none_or(|until| time <= until) && self.since.is_none_or(|since| time >= since)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    time: u64,
    number: u64,
    node: Node,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.time.cmp(&other.time).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A walk from tips, without what the exclusions reach.
#[derive(Debug)]
pub struct Walk {
    queue: BinaryHeap<Entry>,
    number: u64,
    flags: Vec<u8>,
    limits: Limits,
    // With exclusions the whole answer is worked out first, as git does ("limited"); then it is handed out from here.
    limited: Option<std::vec::IntoIter<Node>>,
    has_exclusions: bool,
    scratch: Vec<Node>,
    // Of the entries in the queue, how many are not excluded: answers "is everything left uninteresting?" without a search.
    interesting: usize,
}

impl Walk {
    /// A walk over `history` from `tips` (commits to begin at, each with whether it is excluded), in the order in which git would
    /// have been told them.
    pub fn new(history: &mut impl History, tips: impl IntoIterator<Item = (Node, bool)>, limits: Limits) -> Self {
        let mut walk = Self {
            queue: BinaryHeap::new(),
            number: 0,
            flags: Vec::new(),
            limits,
            limited: None,
            has_exclusions: false,
            scratch: Vec::new(),
            interesting: 0,
        };
        let tips: Vec<(Node, bool)> = tips.into_iter().collect();
        for &(node, _) in &tips {
            walk.set(node, PARSED);
        }
        for &(node, excluded) in &tips {
            if excluded {
                walk.has_exclusions = true;
                walk.set(node, EXCLUDED);
                walk.exclude_parents(history, node);
            }
        }
        for (node, _) in tips {
            walk.push(history, node);
        }
        walk
    }

    /// The next commit; `None` at the end. With exclusions the first call works the whole answer out; `stop` is asked now and then
    /// whether to give up.
    pub fn next(&mut self, history: &mut impl History, stop: impl Fn() -> bool) -> Option<Node> {
        if self.has_exclusions && self.limited.is_none() {
            let list = self.limit(history, &stop);
            self.limited = Some(list.into_iter());
        }
        let mut visited = 0_u32;
        loop {
            let node = if let Some(list) = &mut self.limited {
                list.next()?
            } else {
                visited += 1;
                if visited.is_multiple_of(STOP_EVERY) && stop() {
                    return None;
                }
                let node = self.pop()?;
                if self.limits.since.is_some_and(|since| history.time(node) < since) {
                    continue;
                }
                self.expand(history, node);
                node
            };
            if !self.has(node, EXCLUDED) && self.limits.hold(history.time(node)) {
                return Some(node);
            }
        }
    }

    fn limit(&mut self, history: &mut impl History, stop: impl Fn() -> bool) -> Vec<Node> {
        let mut list = Vec::new();
        let mut patience = SLOP;
        let mut date = u64::MAX;
        let mut visited = 0_u32;
        while let Some(node) = self.pop() {
            visited += 1;
            if visited.is_multiple_of(STOP_EVERY) && stop() {
                break;
            }
            let time = history.time(node);
            if self.limits.since.is_some_and(|since| time < since) {
                self.exclude(node, false);
            }
            self.expand(history, node);
            if self.has(node, EXCLUDED) {
                self.exclude_parents(history, node);
                patience = self.still_interesting(date, patience);
                if patience == 0 {
                    break;
                }
                continue;
            }
            if self.limits.until.is_some_and(|until| time > until) {
                continue;
            }
            date = time;
            list.push(node);
        }
        list
    }

    fn still_interesting(&self, date: u64, patience: u32) -> u32 {
        match self.queue.peek() {
            None => 0,
            Some(next) if date <= next.time => SLOP,
            Some(_) if self.interesting > 0 => SLOP,
            Some(_) => patience - 1,
        }
    }

    /// Puts the parents of `node` into the queue, once; those of an excluded commit become excluded.
    fn expand(&mut self, history: &mut impl History, node: Node) {
        if self.has(node, EXPANDED) {
            return;
        }
        self.set(node, EXPANDED);
        let mut parents = std::mem::take(&mut self.scratch);
        parents.clear();
        history.parents(node, &mut parents);
        let excluded = self.has(node, EXCLUDED);
        for &parent in &parents {
            if excluded {
                self.exclude(parent, true);
                self.set(parent, PARSED);
                self.exclude_parents(history, parent);
            }
            self.set(parent, PARSED);
            self.push(history, parent);
        }
        self.scratch = parents;
    }

    /// Excludes the ancestors of `node` as far as the walk has got to know them.
    fn exclude_parents(&mut self, history: &mut impl History, node: Node) {
        let mut pending = Vec::new();
        history.parents(node, &mut pending);
        let mut parents = Vec::new();
        while let Some(node) = pending.pop() {
            if self.has(node, EXCLUDED) {
                continue;
            }
            self.exclude(node, true);
            if self.has(node, PARSED) {
                parents.clear();
                history.parents(node, &mut parents);
                pending.extend_from_slice(&parents);
            }
        }
    }

    fn exclude(&mut self, node: Node, may_be_queued: bool) {
        if may_be_queued && !self.has(node, EXCLUDED) && self.has(node, SEEN) && !self.has(node, EXPANDED) {
            self.interesting -= 1;
        }
        self.set(node, EXCLUDED);
    }

    fn push(&mut self, history: &impl History, node: Node) {
        if self.has(node, SEEN) {
            return;
        }
        self.set(node, SEEN);
        if !self.has(node, EXCLUDED) {
            self.interesting += 1;
        }
        self.queue.push(Entry { time: history.time(node), number: self.number, node });
        self.number += 1;
    }

    fn pop(&mut self) -> Option<Node> {
        let node = self.queue.pop()?.node;
        if !self.has(node, EXCLUDED) {
            self.interesting -= 1;
        }
        Some(node)
    }

    fn has(&self, node: Node, flag: u8) -> bool {
        self.flags.get(node as usize).is_some_and(|flags| flags & flag != 0)
    }

    fn set(&mut self, node: Node, flag: u8) {
        let index = node as usize;
        if index >= self.flags.len() {
            self.flags.resize((index + 1).next_power_of_two(), 0);
        }
        self.flags[index] |= flag;
    }
}
