//! Two sources of history for a walk: the object database of a repository (with git's own commit-graph file where that may be
//! trusted), and the graph that the cache keeps. Both give commits small numbers, so that a walk keeps flags in flat arrays.

use std::ops::Range;
use std::sync::Arc;

use super::handle::{Handle, from_gix, to_gix};
use super::object::ObjectError;
use super::repository::Repository;
use super::state::Overlay;
use crate::facts::Oid;
use crate::facts::commit::parents_and_time;
use crate::facts::oid::OidMap;
use crate::graph::{Batch, Graph, Parent, parents_first};
use crate::panics;

/// A number for a commit, small and dense within one history.
pub type Node = u32;

/// Where a walk finds times and parents.
pub trait History {
    /// The number of commit `id`; `None` if it can't be read, which is then kept in [`Self::take_broken`].
    fn node(&mut self, id: &Oid) -> Option<Node>;
    /// The id of `node`.
    fn id(&self, node: Node) -> Oid;
    /// The committer's time of `node`, in seconds since 1970.
    fn time(&self, node: Node) -> u64;
    /// Appends the parents of `node` to `into`, but for those that can't be read.
    fn parents(&mut self, node: Node, into: &mut Vec<Node>);
    /// The commits that could not be read since the last call.
    fn take_broken(&mut self) -> Vec<ObjectError> {
        Vec::new()
    }
}

impl History for Arc<Graph> {
    fn node(&mut self, id: &Oid) -> Option<Node> {
        self.position(id)
    }

    fn id(&self, node: Node) -> Oid {
        Graph::id(self, node)
    }

    fn time(&self, node: Node) -> u64 {
        Graph::time(self, node)
    }

    fn parents(&mut self, node: Node, into: &mut Vec<Node>) {
        into.extend_from_slice(Graph::parents(self, node));
    }
}

/// The number of a parent: not looked for yet, or what was found.
type Link = Option<Option<Node>>;

/// The bytes of a commit, if they were read and are wanted.
type Raw = Option<Box<[u8]>>;

/// History as the object database has it, each commit read once. The bytes that were read can be taken over, so that nothing is
/// inflated twice.
pub struct ObjectHistory {
    handle: Handle,
    overlay: Arc<Overlay>,
    commit_graph: Option<gix::commitgraph::Graph>,
    keep_raw: bool,
    hash_len: usize,
    numbers: OidMap<Option<Node>>,
    // What is known of each node. Flat: there may be a million.
    ids: Vec<Oid>,
    times: Vec<u64>,
    // The parents of `node` are `parents[ends[node-1]..ends[node]]`, with 0 before the first.
    ends: Vec<usize>,
    parents: Vec<Oid>,
    // The numbers of the first of them, as far as a walk has asked for them.
    links: Vec<Link>,
    raws: Vec<Raw>,
    broken: Vec<ObjectError>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for ObjectHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectHistory").field("known", &self.ids.len()).finish_non_exhaustive()
    }
}

impl ObjectHistory {
    /// History of `repository` under `overlay`. With `keep_raw` the bytes of commits are kept until they are taken.
    #[must_use]
    pub fn new(repository: &Repository, handle: Handle, overlay: Arc<Overlay>, keep_raw: bool) -> Self {
        // A commit-graph knows nothing of shallow boundaries, grafts and replaced objects; git passes it over too.
        let commit_graph = if overlay.is_plain() { handle.repo.commit_graph_if_enabled().ok().flatten() } else { None };
        Self {
            handle,
            overlay,
            commit_graph,
            keep_raw,
            hash_len: repository.hash_len,
            numbers: OidMap::default(),
            ids: Vec::new(),
            times: Vec::new(),
            ends: Vec::new(),
            parents: Vec::new(),
            links: Vec::new(),
            raws: Vec::new(),
            broken: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// The bytes of `node`, if they were read and not taken before.
    pub fn take_raw(&mut self, node: Node) -> Option<Vec<u8>> {
        self.raws[node as usize].take().map(<[u8]>::into_vec)
    }

    /// The bytes of `node`: those that were kept, else read now.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn raw(&mut self, node: Node) -> Result<Vec<u8>, ObjectError> {
        if let Some(raw) = self.take_raw(node) {
            return Ok(raw);
        }
        let id = self.id(node);
        let read = |history: &mut Self| history.handle.commit(&id, &mut history.buffer).map(<[u8]>::to_vec);
        panics::twice(self, read, Self::renew)
    }

    /// The ids of the parents of `node`, those that can't be read included.
    #[must_use]
    pub fn parent_ids(&self, node: Node) -> &[Oid] {
        &self.parents[self.span(node)]
    }

    /// Where the parents of `node` stand in `parents`.
    fn span(&self, node: Node) -> Range<usize> {
        let index = node as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        start..self.ends[index]
    }

    /// Every commit that was read, parents first; where there is a choice, those read last come first.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        let known = self.links.iter().copied().chain(std::iter::repeat(None));
        let link = |(id, known): (&Oid, Link)| known.unwrap_or_else(|| self.numbers.get(id).copied().flatten());
        let links: Vec<Option<Node>> = self.parents.iter().zip(known).map(link).collect();
        let order = parents_first(&self.ends, &links);
        let mut places = vec![0; order.len()];
        for (&node, place) in order.iter().zip(0..) {
            places[node as usize] = place;
        }
        let mut batch = Batch::default();
        for node in order {
            let index = node as usize;
            let link = |at: usize| match links[at] {
                Some(parent) => Parent::Within(places[parent as usize]),
                None => Parent::Before(self.parents[at]),
            };
            batch.push(self.ids[index], self.times[index], self.span(node).map(link));
        }
        batch
    }

    /// The handle that it reads through.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Begins anew with its view of the object database: a `git gc` may have moved the packs under it, of which that panics. What
    /// was half read is forgotten.
    fn renew(&mut self) {
        self.handle = self.handle.renewed();
        self.parents.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Reads the commit `id`: what is known of it goes to the ends of the arrays.
    fn read(&mut self, id: &Oid) -> Result<(), ObjectError> {
        let (time, raw) = match self.read_commit_graph(id) {
            Some(time) => (time, None),
            None => self.read_object(id)?,
        };
        self.ids.push(*id);
        self.times.push(time);
        self.ends.push(self.parents.len());
        self.raws.push(raw);
        Ok(())
    }

    fn read_object(&mut self, id: &Oid) -> Result<(u64, Raw), ObjectError> {
        let raw = self.handle.commit(id, &mut self.buffer)?;
        let before = self.parents.len();
        let time = parents_and_time(raw, self.hash_len, &mut self.parents).unwrap_or(0);
        if let Some(other) = self.overlay.parents.get(id) {
            self.parents.truncate(before);
            self.parents.extend_from_slice(other);
        }
        Ok((time, self.keep_raw.then(|| raw.into())))
    }

    fn read_commit_graph(&mut self, id: &Oid) -> Option<u64> {
        let graph = self.commit_graph.as_ref()?;
        let commit = graph.commit_by_id(to_gix(id))?;
        let before = self.parents.len();
        for parent in commit.iter_parents() {
            let Some(parent) = parent.ok().and_then(|parent| from_gix(graph.id_at(parent))) else {
                self.parents.truncate(before);
                return None;
            };
            self.parents.push(parent);
        }
        Some(commit.committer_timestamp())
    }
}

impl History for ObjectHistory {
    fn node(&mut self, id: &Oid) -> Option<Node> {
        if let Some(&number) = self.numbers.get(id) {
            return number;
        }
        let number = match panics::twice(self, |history| history.read(id), Self::renew) {
            Ok(()) => Node::try_from(self.ids.len() - 1).ok(),
            Err(cause) => {
                self.broken.push(cause);
                None
            }
        };
        self.numbers.insert(*id, number);
        number
    }

    fn id(&self, node: Node) -> Oid {
        self.ids[node as usize]
    }

    fn time(&self, node: Node) -> u64 {
        self.times[node as usize]
    }

    fn parents(&mut self, node: Node, into: &mut Vec<Node>) {
        for at in self.span(node) {
            let parent = self.parents[at];
            let number = self.node(&parent);
            if self.links.len() <= at {
                self.links.resize(at + 1, None);
            }
            self.links[at] = Some(number);
            into.extend(number);
        }
    }

    fn take_broken(&mut self) -> Vec<ObjectError> {
        std::mem::take(&mut self.broken)
    }
}
