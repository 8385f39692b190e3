//! Driving the pipeline: which walk, over the graph or the object database, and what becomes of its pieces.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Scan;
use super::plan::Plan;
use super::render::{Gathers, Keep, Kept, renderer, wanted};
use crate::announce::{self, Indexed};
use crate::cache::blocks::{BlockStore, StoredBlocks};
use crate::cache::patches::PatchStore;
use crate::describe::Wishes;
use crate::events::repository::IndexState;
use crate::facts::Oid;
use crate::git::history::{History, ObjectHistory};
use crate::git::refs::Selection;
use crate::git::walk::{Limits, Walk};
use crate::graph::Graph;
use crate::index::{Index, Update};
use crate::monitor::{self, Outcome};
use crate::pipeline::stream::{Render, Stream};
use crate::pipeline::walker::{Listed, Source, Walker};

/// What somebody who has it stopped may be let wait.
const SOON: Duration = Duration::from_millis(50);

impl Scan<'_> {
    /// Brings the index up to date as far as the plan wants it, and streams the commits. The second value tells whether
    /// everything that the plan wanted was streamed.
    pub(super) async fn stream(
        &mut self,
        index: &mut Index,
        plan: &Plan,
        wishes: Wishes,
    ) -> anyhow::Result<(Indexed, bool)> {
        let skipped = Indexed::default();
        if !plan.whole {
            if self.options.tagged && !self.options.no_commits {
                // Who has a commit is known only once all that tags reach is.
                self.update(index, &[]).await?;
                self.warn_of_troubles(index).await?;
            }
            let done = if self.options.no_commits { true } else { self.stream_limited(index, plan, wishes).await? };
            return Ok((skipped, done));
        }
        if !self.options.no_commits && plan.listed.is_none() {
            // The stream needs the graph. That it is damaged has to show before: then it is made anew.
            index.graph(&self.pool).await?;
            self.warn_of_troubles(index).await?;
        }
        let has_exclusions = plan.tips.iter().any(|(_, excluded)| *excluded);
        let first_ever = index.is_empty() && !index.is_fresh();
        if first_ever
            && plan.listed.is_none()
            && !has_exclusions
            && !self.options.reverse
            && !self.options.no_commits
            && !self.options.tagged
            && self.options.refs == Selection::Usual
            // Before the graph is there the cache keeps no patch-id but those of plain history.
            && (!self.options.patch_id || index.overlay.is_plain())
        {
            return self.stream_and_build(index, plan, wishes).await;
        }
        let is_known = plan.known.is_some_and(|mark| index.has_all_of(mark));
        let tips = if is_known { Vec::new() } else { plan.tips.iter().map(|(tip, _)| *tip).collect() };
        let update = self.update(index, &tips).await?;
        // What could not be kept is nothing that the next run finds.
        let kept = !index.has_troubles() && index.cache().is_some();
        self.keeps &= kept;
        self.warn_of_troubles(index).await?;
        let indexed = match update {
            Update::Fresh | Update::Updated(_) | Update::Built(_) if !kept => skipped,
            Update::Fresh => Indexed { state: IndexState::Fresh, new: 0 },
            Update::Updated(new) => Indexed { state: IndexState::Updated, new },
            Update::Built(new) => Indexed { state: IndexState::Built, new },
            Update::Cancelled => return Ok((skipped, false)),
            Update::Broken(broken, _) => {
                if self.options.no_commits {
                    announce::broken(self.report, &index.repository().name.clone(), None, broken).await?;
                    return Ok((skipped, false));
                }
                let done = self.stream_limited(index, plan, wishes).await?;
                return Ok((skipped, done));
            }
        };
        let done = if self.options.no_commits { true } else { self.stream_limited(index, plan, wishes).await? };
        Ok((indexed, done))
    }

    async fn update(&mut self, index: &mut Index, tips: &[Oid]) -> anyhow::Result<Update> {
        let name = index.repository().name.clone();
        let (bar, seen) = (self.report.bar(), std::cell::Cell::new(0));
        let show = |count: usize| {
            seen.set(count as u64);
            bar.show("indexing", count as u64, None);
        };
        // Others may write for long: who is to stop doesn't wait for them.
        let update = self.token.unless_cancelled(Box::pin(index.update(tips, &self.pool, self.token, show))).await;
        let update = update.unwrap_or(Ok(Update::Cancelled))?;
        if seen.get() > 0 {
            self.report.progress(&name, "index", seen.get(), None).await?;
        }
        Ok(update)
    }

    /// The first scan ever: what is read for the stream becomes the index.
    async fn stream_and_build(
        &mut self,
        index: &mut Index,
        plan: &Plan,
        wishes: Wishes,
    ) -> anyhow::Result<(Indexed, bool)> {
        let skipped = Indexed::default();
        let tips = plan.tips.clone();
        let limits = plan.limits;
        let history = index.objects(true);
        let walker = self.pool.run(move || objects_walker(history, &tips, limits, None)).await?;
        let mut store = index.block_store();
        let gathers = |wanted: bool| if wanted && store.is_some() { Gathers::All } else { Gathers::None };
        let texts = Kept { blocks: None, gathers: gathers(true) };
        let keep = Keep { texts, changes: Kept { blocks: None, gathers: gathers(wishes.paths) } };
        let render = renderer(wishes, self.report.format(), keep, None, index.cache().cloned(), self.token.clone());
        let (walker, done) = self.emit(walker, index, render, None, store.as_mut()).await?;
        let history = walker.and_then(Walker::into_history);
        let (true, false, Some(history)) = (done, self.report.is_partial(), history) else {
            return Ok((skipped, done));
        };
        // The walk itself was the stream's; from here on all is for the next run.
        let seen = monitor::process().begin("index");
        // What is left of the blocks is written while the graph is put in order.
        let commits = self.pool.submit(move || history.into_batch()).await?;
        let adopt = async {
            let stored = match store {
                Some(store) => store.finish().await,
                None => Ok(StoredBlocks::default()),
            };
            let commits = commits.result().await?;
            let new = commits.len();
            anyhow::Ok((new, index.adopt(commits, stored, &self.pool).await))
        };
        let Some(adopted) = self.token.unless_cancelled(Box::pin(adopt)).await else {
            seen.end(Outcome::Cancelled);
            return Ok((skipped, true));
        };
        let (new, adopted) = adopted?;
        seen.end(Outcome::of(&adopted));
        let indexed = match adopted {
            Ok(_) if index.cache().is_some() => Indexed { state: IndexState::Built, new },
            Ok(_) => skipped,
            Err(cause) => {
                announce::warn(self.report, &index.repository().name.clone(), &index.unwritten(&cause)).await?;
                skipped
            }
        };
        Ok((indexed, true))
    }

    async fn stream_limited(&mut self, index: &mut Index, plan: &Plan, wishes: Wishes) -> anyhow::Result<bool> {
        // A filter decides only after a commit was read; then the count can't bound the walk.
        let early = if wishes.filter() { None } else { plan.count };
        let late = if wishes.filter() { plan.count } else { None };
        let mut walker = match &plan.listed {
            Some(ids) => {
                let ids = ids[..ids.len().min(early.unwrap_or(usize::MAX))].to_vec();
                self.listed(index, ids).await?
            }
            None => self.walker(index, plan, early, wishes.filter()).await?,
        };
        if self.options.reverse {
            let Some(commits) = self.reversed(walker, index, &wishes, late).await? else { return Ok(false) };
            walker = Walker::list(commits);
        }
        let changes = if wishes.paths { index.changes(&self.pool).await } else { None };
        let mut store = index.block_store().filter(|_| self.keeps && changes.is_some()).map(BlockStore::for_later);
        let gathers = if store.is_some() { Gathers::Placed } else { Gathers::None };
        // Whoever names commits asks whether git has them.
        let texts = if self.options.stdin.is_some() { None } else { index.texts(&self.pool).await };
        let texts = Kept { blocks: texts, gathers: Gathers::None };
        let keep = Keep { texts, changes: Kept { blocks: changes, gathers } };
        let late = late.filter(|_| !self.options.reverse);
        let tags = self.first_tags(index).await?;
        let render = renderer(wishes, self.report.format(), keep, tags, index.cache().cloned(), self.token.clone());
        let emitted = self.emit(walker, index, render, late, store.as_mut()).await;
        if let Some(store) = store {
            // Waits for no other process, and what could not be kept has been noted.
            let _ = store.finish().await;
        }
        let (_, done) = emitted?;
        Ok(done)
    }

    /// A walk over the graph if that has all tips, else over the object database.
    async fn walker(
        &mut self,
        index: &mut Index,
        plan: &Plan,
        count: Option<usize>,
        filtered: bool,
    ) -> anyhow::Result<Walker> {
        let graph = index.graph(&self.pool).await?;
        let (tips, limits) = (plan.tips.clone(), plan.limits);
        if tips.iter().all(|(tip, _)| graph.position(tip).is_some()) {
            // Counting looks at the whole graph: only where somebody sees it, and where what a filter passes over isn't counted.
            let counted = !filtered && limits == Limits::default() && self.report.shows_progress();
            return Ok(self.pool.run(move || graph_walker(graph, &tips, limits, count, counted)).await?);
        }
        let history = index.objects(!self.options.reverse);
        Ok(self.pool.run(move || objects_walker(history, &tips, limits, count)).await?)
    }

    /// Gives `ids`, each with its place in the graph.
    async fn listed(&self, index: &mut Index, ids: Vec<Oid>) -> anyhow::Result<Walker> {
        if ids.is_empty() {
            return Ok(Walker::list(Vec::new()));
        }
        let graph = index.graph(&self.pool).await?;
        let placed = move || {
            let positions = graph.positions(&ids);
            Walker::list(ids.into_iter().zip(positions).collect())
        };
        Ok(self.pool.run(placed).await?)
    }

    /// All commits of `walker`, last first. As in git a count takes the newest and then turns them round, so that a filter has to be
    /// asked before.
    async fn reversed(
        &mut self,
        mut walker: Walker,
        index: &Index,
        wishes: &Wishes,
        late: Option<usize>,
    ) -> anyhow::Result<Option<Vec<Listed>>> {
        let mut commits = Vec::new();
        loop {
            let stop = self.token.clone();
            let (next, chunk) = self
                .pool
                .run(move || {
                    let chunk = walker.step(4096, &stop);
                    (walker, chunk)
                })
                .await?;
            walker = next;
            announce::broken(self.report, &wishes.repo, None, chunk.broken).await?;
            let mut found: Vec<Listed> = chunk.items.iter().map(|item| (item.id, item.position)).collect();
            if late.is_some() {
                let (handles, wishes) = (index.handles.clone(), wishes.clone());
                found = self.pool.run(move || handles.with(|handle| wanted(handle, &wishes, &found))).await?;
            }
            commits.extend(found);
            if self.token.is_cancelled() {
                return Ok(None);
            }
            if chunk.done || late.is_some_and(|late| commits.len() >= late) {
                break;
            }
        }
        commits.truncate(late.unwrap_or(usize::MAX));
        commits.reverse();
        Ok(Some(commits))
    }

    /// Streams what `render` makes of the commits of `walker`, at most `late` that pass the filters, and hands what is to be kept of them to
    /// `store`. Returns the walker, and whether it came to its end. However it ends, patch-ids that were found out are kept.
    async fn emit(
        &mut self,
        walker: Walker,
        index: &Index,
        render: Arc<Render>,
        late: Option<usize>,
        store: Option<&mut BlockStore>,
    ) -> anyhow::Result<(Option<Walker>, bool)> {
        let cache = index.cache().filter(|_| self.keeps && self.options.patch_id).cloned();
        let mut patches = cache.map(|cache| PatchStore::new(cache, index.overlay.fingerprint()));
        let emitted = self.emit_pieces(walker, index, render, late, store, patches.as_mut()).await;
        let Some(patches) = patches else { return emitted };
        // What is worked out is kept, unless the run is being stopped, or nobody reads any more, and others write for long.
        let is_over = emitted.is_err();
        let soon = async {
            if !is_over {
                self.token.cancelled().await;
            }
            smol::Timer::after(SOON).await;
            Ok(())
        };
        let kept = smol::future::or(Box::pin(patches.finish()), soon).await;
        let emitted = emitted?;
        if let Err(cause) = kept {
            self.keeps = false;
            announce::warn(self.report, &index.repository().name, &index.unwritten(&cause)).await?;
        }
        Ok(emitted)
    }

    async fn emit_pieces(
        &mut self,
        walker: Walker,
        index: &Index,
        render: Arc<Render>,
        late: Option<usize>,
        mut store: Option<&mut BlockStore>,
        mut patches: Option<&mut PatchStore>,
    ) -> anyhow::Result<(Option<Walker>, bool)> {
        let name = index.repository().name.clone();
        let total = walker.expected();
        let mut stream = Stream::new(self.pool.clone(), index.handles.clone(), walker, render, self.token.clone());
        let mut left = late.unwrap_or(usize::MAX);
        let (mut done, mut absent, mut huge) = (0_u64, 0, 0);
        while left > 0 {
            let Some(mut piece) = self.token.unless_cancelled(stream.next()).await.transpose()?.flatten() else {
                break;
            };
            if piece.ends.len() > left {
                piece.bytes.truncate(piece.ends[left - 1]);
                piece.ends.truncate(left);
            }
            left -= piece.ends.len();
            done += piece.ends.len() as u64;
            absent += piece.absent;
            huge += piece.huge;
            if let Some(store) = store.as_deref_mut() {
                for block in piece.blocks {
                    self.token.unless_cancelled(store.add(block)).await;
                }
            }
            if let Some(patches) = patches.as_deref_mut() {
                self.token.unless_cancelled(patches.add(piece.patches)).await;
            }
            announce::broken(self.report, &name, None, piece.broken).await?;
            self.report.lines(piece.bytes, "commit", piece.ends.len()).await?;
            self.report.progress(&name, "scan", done, total).await?;
        }
        if absent > 0 {
            announce::warn_absent(self.report, &name, None, absent).await?;
        }
        if huge > 0 {
            announce::warn_huge(self.report, &name, huge).await?;
        }
        let finished = !self.token.is_cancelled();
        Ok((if finished { stream.into_walker() } else { None }, finished))
    }
}

/// `count` says whether to find out beforehand how many commits will come.
fn graph_walker(graph: Arc<Graph>, tips: &[(Oid, bool)], limits: Limits, most: Option<usize>, count: bool) -> Walker {
    let mut source = Arc::clone(&graph);
    let nodes = nodes(&mut source, tips);
    let reached = |from: bool| graph.reachable(nodes.iter().filter(|tip| tip.1 == from).map(|tip| tip.0));
    let expected = count.then(|| reached(false).count_without(&reached(true)).min(most.unwrap_or(usize::MAX)));
    let walk = Walk::new(&mut source, nodes, limits);
    let walker = Walker::walk(Source::Graph(graph), walk, most);
    match expected {
        Some(expected) => walker.expecting(expected as u64),
        None => walker,
    }
}

fn objects_walker(mut history: ObjectHistory, tips: &[(Oid, bool)], limits: Limits, count: Option<usize>) -> Walker {
    let nodes = nodes(&mut history, tips);
    let walk = Walk::new(&mut history, nodes, limits);
    Walker::walk(Source::Objects(Box::new(history)), walk, count)
}

fn nodes(history: &mut impl History, tips: &[(Oid, bool)]) -> Vec<(u32, bool)> {
    // A tip that is named twice would be walked once anyway; duplicates only cost.
    let mut seen = HashSet::new();
    tips.iter()
        .filter(|tip| seen.insert(**tip))
        .filter_map(|(id, excluded)| Some((history.node(id)?, *excluded)))
        .collect()
}
