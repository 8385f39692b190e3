//! What some tips reach, as a set.

use super::{Graph, Position};

impl Graph {
    /// What is reachable from `tips`, themselves included: one descending sweep.
    #[must_use]
    pub fn reachable(&self, tips: impl IntoIterator<Item = Position>) -> Reachable {
        let mut marks = vec![false; self.len()];
        let links = self.links();
        let mut highest = 0;
        for tip in tips {
            marks[tip as usize] = true;
            highest = highest.max(tip + 1);
        }
        for position in (0..highest).rev() {
            if marks[position as usize] {
                for &parent in links.of(position) {
                    marks[parent as usize] = true;
                }
            }
        }
        Reachable { marks }
    }
}

/// A set of commits, by position.
#[derive(Debug, Clone)]
pub struct Reachable {
    marks: Vec<bool>,
}

impl Reachable {
    /// How many commits are in the set and not in `other`.
    #[must_use]
    pub fn count_without(&self, other: &Self) -> usize {
        self.marks.iter().zip(&other.marks).filter(|(own, others)| **own && !**others).count()
    }

    /// How many commits are in the set.
    #[must_use]
    pub fn count(&self) -> usize {
        self.marks.iter().filter(|is_in| **is_in).count()
    }

    /// Whether the commit at `position` is in the set.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        self.marks.get(position as usize).copied().unwrap_or(false)
    }
}
