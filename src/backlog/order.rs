//! The order in which commits can be picked one after another: parents before children, else the older first. Pure.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::facts::Oid;
use crate::graph::{Graph, Position};

/// `commits`, each after those of its parents that are among them; where that leaves a choice, by the committer's time and then by id, so
/// that it doesn't depend on when the cache met a commit.
pub(super) fn oldest_first(graph: &Graph, commits: &[Position]) -> Vec<Position> {
    let mut waits: HashMap<Position, usize> = commits.iter().map(|&commit| (commit, 0)).collect();
    let mut children: HashMap<Position, Vec<Position>> = HashMap::new();
    for &commit in commits {
        for &parent in graph.parents(commit).iter().filter(|parent| waits.contains_key(parent)) {
            children.entry(parent).or_default().push(commit);
        }
    }
    for &child in children.values().flatten() {
        *waits.entry(child).or_default() += 1;
    }
    let key =
        |commit: Position| -> Reverse<(u64, Oid, Position)> { Reverse((graph.time(commit), graph.id(commit), commit)) };
    let free = waits.iter().filter(|(_, parents)| **parents == 0).map(|(&commit, _)| key(commit));
    let mut ready: BinaryHeap<_> = free.collect();
    let mut order = Vec::with_capacity(commits.len());
    while let Some(Reverse((_, _, commit))) = ready.pop() {
        order.push(commit);
        for &child in children.get(&commit).into_iter().flatten() {
            if let Some(parents) = waits.get_mut(&child) {
                *parents -= 1;
                if *parents == 0 {
                    ready.push(key(child));
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Batch, Parent};

    #[test]
    fn parents_go_first_then_the_older_whatever_the_clock_of_a_child() {
        let id = |byte: u8| Oid::from_bytes(&[byte; 20]).expect("20 bytes");
        let mut batch = Batch::default();
        // 1 is the root; 2 and 3 follow it side by side; 4 merges them, its clock was slow.
        batch.push(id(1), 10, []);
        batch.push(id(2), 40, [Parent::Within(0)]);
        batch.push(id(3), 30, [Parent::Within(0)]);
        batch.push(id(4), 5, [Parent::Within(1), Parent::Within(2)]);
        let mut graph = Graph::default();
        graph.append(&batch);
        assert_eq!(oldest_first(&graph, &[3, 2, 1, 0]), [0, 2, 1, 3]);
        assert_eq!(oldest_first(&graph, &[3, 1]), [1, 3], "what isn't among them holds nobody up");
        assert_eq!(oldest_first(&graph, &[]), [0; 0]);
    }
}
