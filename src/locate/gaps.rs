//! A history that can't be read to its end. What could be read is answered from, in memory alone, and where it breaks off is known:
//! what may lie behind is told as unknown, and nothing is guessed.

use std::collections::HashSet;
use std::sync::Arc;

use super::search::Search;
use crate::announce;
use crate::cache::Cache;
use crate::facts::Oid;
use crate::git::ObjectError;
use crate::graph::{Batch, Graph, Position};
use crate::pipeline::discovery::{self, Discovery};

/// The commits at which history breaks off: those with a parent that can't be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    commits: HashSet<Position>,
}

impl Gaps {
    /// Whether history is whole.
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Whether the commit at `position` has a parent that the graph doesn't know.
    pub(super) fn has(&self, position: Position) -> bool {
        self.commits.contains(&position)
    }

    /// The commits with a parent that the graph doesn't know, in no order.
    pub(super) fn commits(&self) -> impl Iterator<Item = Position> {
        self.commits.iter().copied()
    }

    /// Which of `tips` lead to a gap; empty if history is whole.
    pub(super) fn below(&self, graph: &Graph, tips: &[Position]) -> Vec<bool> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut leads = vec![false; graph.len()];
        for at in (0..graph.len()).filter_map(|at| Position::try_from(at).ok()) {
            leads[at as usize] = self.has(at) || graph.parents(at).iter().any(|&parent| leads[parent as usize]);
        }
        tips.iter().map(|&tip| leads[tip as usize]).collect()
    }
}

/// What could be read of a history.
#[derive(Debug, Clone)]
pub(super) struct Torn {
    graph: Arc<Graph>,
    pub(super) gaps: Arc<Gaps>,
    /// Objects that could not be read, each told once.
    unreadable: HashSet<Oid>,
}

impl Torn {
    /// Whether it was told already that this object can't be read.
    pub(super) fn has_told(&self, id: &Oid) -> bool {
        self.unreadable.contains(id)
    }
}

impl Search<'_> {
    /// All commits that can be read.
    pub(super) async fn graph(&mut self) -> anyhow::Result<Arc<Graph>> {
        match &self.torn {
            Some(torn) => Ok(Arc::clone(&torn.graph)),
            None => self.index.graph(&self.pool).await,
        }
    }

    /// Goes on with what could be read: `commits`, besides those that are known, where `broken` couldn't.
    pub(super) async fn tear(&mut self, commits: Batch, broken: Vec<ObjectError>) -> anyhow::Result<()> {
        let known = self.graph().await?;
        let (gaps, unreadable) = self.torn.take().map(|torn| (torn.gaps, torn.unreadable)).unwrap_or_default();
        let (mut gaps, mut unreadable) = (Arc::unwrap_or_clone(gaps), unreadable);
        let append = move || {
            let mut graph = Arc::unwrap_or_clone(known);
            gaps.commits.extend(graph.lacking(&commits));
            if !commits.is_empty() {
                graph.append(&commits);
            }
            (Arc::new(graph), Arc::new(gaps))
        };
        let (graph, gaps) = self.pool.run(append).await?;
        let new: Vec<ObjectError> = broken.into_iter().filter(|cause| unreadable.insert(cause.id())).collect();
        self.torn = Some(Torn { graph, gaps, unreadable });
        self.forget();
        announce::broken(self.report, &self.name, None, new).await
    }

    /// Reads what `tips` reach and isn't known yet.
    pub(super) async fn read_on(&mut self, tips: &[Oid]) -> anyhow::Result<()> {
        let graph = self.graph().await?;
        let (history, tips) = (self.index.objects(false), tips.to_vec());
        let bar = self.report.bar();
        let show = |count: usize| bar.show("indexing", count as u64, None);
        let found = Box::pin(discovery::discover(&self.pool, history, graph, tips, None, self.token, show)).await?;
        let Discovery { commits, broken, .. } = found;
        self.tear(commits, broken).await
    }

    /// Every commit that `tips` reach, but for what those left out reach, as far as history can be read. git, which would list those that
    /// change some path, gives up where it breaks off.
    pub(super) async fn readable(&mut self, tips: &[(Oid, bool)]) -> anyhow::Result<Vec<Oid>> {
        let graph = self.graph().await?;
        let known = |left_out: bool| -> Vec<Position> {
            let tips = tips.iter().filter(|(_, excluded)| *excluded == left_out);
            tips.filter_map(|(tip, _)| graph.position(tip)).collect()
        };
        let (tips, left_out) = (known(false), known(true));
        let list = move || {
            let (reached, left_out) = (graph.reachable(tips), graph.reachable(left_out));
            let all = (0..graph.len()).filter_map(|at| Position::try_from(at).ok());
            all.filter(|&at| reached.contains(at) && !left_out.contains(at)).map(|at| graph.id(at)).collect()
        };
        Ok(self.pool.run(list).await?)
    }

    /// The cache, as far as what is made of the commits may be kept there: what could be read of a history that breaks off is known to
    /// this run alone.
    pub(super) fn lasting(&self) -> Option<&Cache> {
        self.index.cache().filter(|_| self.torn.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Parent;

    #[test]
    fn a_tip_leads_to_a_gap_by_any_way_down() {
        let id = |number: u8| Oid::from_bytes(&[number; 20]).expect("20 bytes");
        let mut first = Batch::default();
        first.push(id(0), 0, []);
        let mut graph = Graph::default();
        graph.append(&first);
        let mut batch = Batch::default();
        // 1 on 0; 2 on one that isn't there; 3 on 2; 4 merges 1 and 3; 5 merges 1 and another that isn't there; 6 on 1.
        batch.push(id(1), 1, [Parent::Before(id(0))]);
        batch.push(id(2), 2, [Parent::Before(id(99))]);
        batch.push(id(3), 3, [Parent::Within(1)]);
        batch.push(id(4), 4, [Parent::Within(0), Parent::Within(2)]);
        batch.push(id(5), 5, [Parent::Within(0), Parent::Before(id(98))]);
        batch.push(id(6), 6, [Parent::Within(0)]);
        let gaps = Gaps { commits: graph.lacking(&batch).into_iter().collect() };
        graph.append(&batch);
        assert_eq!(gaps.commits, HashSet::from([2, 5]));
        assert_eq!(gaps.below(&graph, &[0, 1, 2, 3, 4, 5, 6]), [false, false, true, true, true, true, false]);
        assert_eq!(Gaps::default().below(&graph, &[4]), [false; 0]);
    }
}
