//! Some commits, each with a number: a bit for each commit of the graph, and for each word of them how many come before. It takes a
//! few kilobytes, where a map of 60,000 takes megabytes.

use super::Position;

/// A set of commits, numbered in the order of their positions.
#[derive(Debug, Clone, Default)]
pub struct Numbered {
    words: Vec<u64>,
    /// How many are in the words before each.
    before: Vec<u32>,
}

impl Numbered {
    /// Those of a graph with `len` commits.
    ///
    /// # Panics
    /// If there is no such position.
    #[must_use]
    pub fn of(len: usize, commits: impl IntoIterator<Item = Position>) -> Self {
        let mut words = vec![0_u64; len.div_ceil(64)];
        for commit in commits {
            words[commit as usize / 64] |= 1 << (commit % 64);
        }
        let mut count = 0;
        let before = words
            .iter()
            .map(|word| {
                let before = count;
                count += word.count_ones();
                before
            })
            .collect();
        Self { words, before }
    }

    /// The number of `commit`, which is among them.
    #[must_use]
    pub fn number(&self, commit: Position) -> u32 {
        let (word, bit) = (commit as usize / 64, commit % 64);
        let lower = self.words[word] & ((1 << bit) - 1);
        self.before[word] + lower.count_ones()
    }

    /// The commits, by their numbers.
    #[must_use]
    pub fn commits(&self) -> Vec<Position> {
        let mut commits = Vec::new();
        for (&word, first) in self.words.iter().zip((0..).step_by(64)) {
            let mut left = word;
            while left != 0 {
                commits.push(first + left.trailing_zeros());
                left &= left - 1;
            }
        }
        commits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_number_of_its_place_in_order() {
        for commits in [&[][..], &[0], &[63, 64], &[130, 5, 5, 64, 127, 0, 199]] {
            let mut sorted = commits.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            let numbered = Numbered::of(200, commits.iter().copied());
            assert_eq!(numbered.commits(), sorted);
            for (number, &commit) in (0..).zip(&sorted) {
                assert_eq!(numbered.number(commit), number, "{commit} of {commits:?}");
            }
        }
    }
}
