//! For every commit the first of some tips that contains it, in one sweep over the graph, and an order for them that follows history.

use super::{Graph, Position, narrow};

/// Of no tip.
const NOBODY: u32 = u32::MAX;

/// The first of some tips that contains each commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firsts(Vec<u32>);

impl Firsts {
    /// For each commit of `graph` the first of `tips` that contains it.
    #[must_use]
    pub fn of(graph: &Graph, tips: &[Position]) -> Self {
        let mut firsts = vec![NOBODY; graph.len()];
        for (&tip, rank) in tips.iter().zip(0..NOBODY) {
            let known = &mut firsts[tip as usize];
            *known = rank.min(*known);
        }
        let links = graph.links();
        for at in (0..firsts.len()).rev() {
            let own = firsts[at];
            // All its children were there before.
            for &parent in links.of(narrow(at)) {
                let known = &mut firsts[parent as usize];
                *known = own.min(*known);
            }
        }
        Self(firsts)
    }

    /// The index among the tips of the first that contains `commit`; `None` if none does.
    #[must_use]
    pub fn first(&self, commit: Position) -> Option<usize> {
        let first = self.0.get(commit as usize).copied().filter(|&first| first != NOBODY)?;
        usize::try_from(first).ok()
    }
}

/// The committers' times of all commits, in seconds, but none earlier than one second after its parents': clocks go wrong, history
/// doesn't (git's "corrected commit date", gitformat-commit-graph(5)).
#[must_use]
pub fn corrected_times(graph: &Graph) -> Vec<u64> {
    let links = graph.links();
    let mut times: Vec<u64> = Vec::with_capacity(graph.len());
    for position in 0..narrow(graph.len()) {
        let parents = links.of(position).iter().map(|&parent| times[parent as usize].saturating_add(1)).max();
        times.push(graph.time(position).max(parents.unwrap_or(0)));
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Oid;
    use crate::graph::{Batch, Parent};

    fn graph(commits: &[(u64, &[u32])]) -> Graph {
        let mut batch = Batch::default();
        for (number, (time, parents)) in commits.iter().enumerate() {
            let mut bytes = [0; 20];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            let id = Oid::from_bytes(&bytes).expect("20 bytes");
            batch.push(id, *time, parents.iter().map(|&parent| Parent::Within(parent)));
        }
        let mut graph = Graph::default();
        graph.append(&batch);
        graph
    }

    #[test]
    fn the_first_tip_that_contains_a_commit_is_what_reachability_says() {
        let graph = graph(&[(0, &[]), (1, &[]), (2, &[0, 1]), (3, &[1, 0]), (4, &[2, 3]), (5, &[3]), (6, &[])]);
        for tips in [vec![], vec![4, 5], vec![5, 4], vec![3, 3, 4], vec![6, 0, 4]] {
            let firsts = Firsts::of(&graph, &tips);
            for commit in 0..7 {
                let expected = tips.iter().position(|&tip| graph.reachable([tip]).contains(commit));
                assert_eq!(firsts.first(commit), expected, "{commit} of {tips:?}");
            }
        }
        assert_eq!(Firsts::default().first(0), None);
    }

    #[test]
    fn no_commit_is_younger_than_its_children() {
        let graph = graph(&[(50, &[]), (10, &[0]), (60, &[]), (55, &[1, 2])]);
        assert_eq!(corrected_times(&graph), [50, 51, 60, 61]);
    }
}
