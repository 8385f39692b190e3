//! Two sources of history for a walk: the object database of a repository (with git's own commit-graph file where that may be
//! trusted), and the graph that the cache keeps. Both give commits small numbers, so that a walk keeps flags in flat arrays.

use std::collections::HashMap;
use std::sync::Arc;

use super::repository::{Handle, ObjectError, Repository, from_gix, to_gix};
use super::state::Overlay;
use crate::facts::Oid;
use crate::facts::commit::parents_and_time;
use crate::graph::{Graph, NewCommit, Position};
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

/// One commit as an [`ObjectHistory`] knows it.
struct Known {
    id: Oid,
    time: u64,
    parents: Vec<Oid>,
    raw: Option<Vec<u8>>,
}

/// History as the object database has it, each commit read once. The bytes that were read can be taken over, so that nothing is
/// inflated twice.
pub struct ObjectHistory {
    handle: Handle,
    overlay: Arc<Overlay>,
    commit_graph: Option<gix::commitgraph::Graph>,
    keep_raw: bool,
    hash_len: usize,
    numbers: HashMap<Oid, Option<Node>>,
    known: Vec<Known>,
    broken: Vec<ObjectError>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for ObjectHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectHistory").field("known", &self.known.len()).finish_non_exhaustive()
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
            numbers: HashMap::new(),
            known: Vec::new(),
            broken: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// The bytes of `node`, if they were read and not taken before.
    pub fn take_raw(&mut self, node: Node) -> Option<Vec<u8>> {
        self.known[node as usize].raw.take()
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
        &self.known[node as usize].parents
    }

    /// Every commit that was read, in the order of reading.
    #[must_use]
    pub fn into_commits(self) -> Vec<NewCommit> {
        let commit = |known: Known| NewCommit { id: known.id, time: known.time, parents: known.parents };
        self.known.into_iter().map(commit).collect()
    }

    /// The handle that it reads through.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Begins anew with its view of the object database: a `git gc` may have moved the packs under it, of which that panics.
    fn renew(&mut self) {
        self.handle = self.handle.renewed();
    }

    fn read(&mut self, id: &Oid) -> Result<Known, ObjectError> {
        if let Some(known) = self.read_commit_graph(id) {
            return Ok(known);
        }
        let raw = self.handle.commit(id, &mut self.buffer)?;
        let mut parents = Vec::new();
        let time = parents_and_time(raw, self.hash_len, &mut parents).unwrap_or(0);
        if let Some(other) = self.overlay.parents.get(id) {
            parents.clone_from(other);
        }
        Ok(Known { id: *id, time, parents, raw: self.keep_raw.then(|| raw.to_vec()) })
    }

    fn read_commit_graph(&self, id: &Oid) -> Option<Known> {
        let graph = self.commit_graph.as_ref()?;
        let commit = graph.commit_by_id(to_gix(id))?;
        let mut parents = Vec::new();
        for parent in commit.iter_parents() {
            parents.push(from_gix(graph.id_at(parent.ok()?))?);
        }
        Some(Known { id: *id, time: commit.committer_timestamp(), parents, raw: None })
    }
}

impl History for ObjectHistory {
    fn node(&mut self, id: &Oid) -> Option<Node> {
        if let Some(&number) = self.numbers.get(id) {
            return number;
        }
        let number = match panics::twice(self, |history| history.read(id), Self::renew) {
            Ok(known) => {
                self.known.push(known);
                Position::try_from(self.known.len() - 1).ok()
            }
            Err(cause) => {
                self.broken.push(cause);
                None
            }
        };
        self.numbers.insert(*id, number);
        number
    }

    fn id(&self, node: Node) -> Oid {
        self.known[node as usize].id
    }

    fn time(&self, node: Node) -> u64 {
        self.known[node as usize].time
    }

    fn parents(&mut self, node: Node, into: &mut Vec<Node>) {
        let ids = std::mem::take(&mut self.known[node as usize].parents);
        into.extend(ids.iter().filter_map(|id| self.node(id)));
        self.known[node as usize].parents = ids;
    }

    fn take_broken(&mut self) -> Vec<ObjectError> {
        std::mem::take(&mut self.broken)
    }
}
