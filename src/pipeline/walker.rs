//! A walk cut into steps: each gives a chunk of commits and can run on another thread of the pool.

use crate::facts::Oid;
use crate::git::ObjectError;
use crate::git::history::{History as _, ObjectHistory};
use crate::git::walk::Walk;
use crate::graph::{Graph, Position};
use crate::shutdown::Token;
use std::sync::Arc;

/// Bytes of commits that make a chunk full, however few they are.
pub const FULL: usize = 8 << 20;

/// One commit to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id.
    pub id: Oid,
    /// Its bytes, if the walk had to read them anyway.
    pub raw: Option<Vec<u8>>,
    /// Where it is in the cache's graph, if it is and somebody has looked.
    pub position: Option<Position>,
}

/// A commit, and where it is in the cache's graph, if it is.
pub type Listed = (Oid, Option<Position>);

/// Where commits come from.
#[derive(Debug)]
pub enum Source {
    /// From the object database, each read as the walk comes to it.
    Objects(Box<ObjectHistory>),
    /// From the cache's graph.
    Graph(Arc<Graph>),
}

/// A walk, or a list, with what is left of it.
#[derive(Debug)]
pub struct Walker {
    steps: Steps,
    left: usize,
    expected: Option<u64>,
}

#[derive(Debug)]
enum Steps {
    Walk(Source, Box<Walk>),
    List(std::vec::IntoIter<Listed>),
}

/// What one step found.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Commits in order.
    pub items: Vec<Item>,
    /// Commits that could not be read on the way.
    pub broken: Vec<ObjectError>,
    /// Whether nothing follows.
    pub done: bool,
}

impl Chunk {
    /// How many bytes of commits it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.items.iter().filter_map(|item| item.raw.as_ref()).map(Vec::len).sum()
    }
}

impl Walker {
    /// Walks `source` by `walk`, at most `limit` commits.
    #[must_use]
    pub fn walk(source: Source, walk: Walk, limit: Option<usize>) -> Self {
        Self { steps: Steps::Walk(source, Box::new(walk)), left: limit.unwrap_or(usize::MAX), expected: None }
    }

    /// Gives `commits` in this order.
    #[must_use]
    pub fn list(commits: Vec<Listed>) -> Self {
        let expected = Some(commits.len() as u64);
        Self { steps: Steps::List(commits.into_iter()), left: usize::MAX, expected }
    }

    /// The same, known to come to `expected` commits.
    #[must_use]
    pub fn expecting(self, expected: u64) -> Self {
        Self { expected: Some(expected), ..self }
    }

    /// How many commits will come, where that is known before.
    #[must_use]
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// The next `size` commits at most; fewer only at the end, where they are large, or once `stop` is cancelled.
    pub fn step(&mut self, size: usize, stop: &Token) -> Chunk {
        let mut chunk = Chunk::default();
        let size = size.min(self.left);
        match &mut self.steps {
            Steps::List(commits) => {
                chunk.items.extend(commits.take(size).map(|(id, position)| Item { id, raw: None, position }));
                chunk.done = commits.len() == 0;
            }
            Steps::Walk(Source::Graph(graph), walk) => {
                while chunk.items.len() < size && !chunk.done {
                    match walk.next(graph, || stop.is_cancelled()) {
                        Some(node) => {
                            chunk.items.push(Item { id: Graph::id(graph, node), raw: None, position: Some(node) });
                        }
                        None => chunk.done = true,
                    }
                }
            }
            Steps::Walk(Source::Objects(history), walk) => {
                let mut bytes = 0;
                while chunk.items.len() < size && bytes < FULL && !chunk.done && !stop.is_cancelled() {
                    match walk.next(history.as_mut(), || stop.is_cancelled()) {
                        Some(node) => {
                            let raw = history.take_raw(node);
                            bytes += raw.as_ref().map_or(0, Vec::len);
                            chunk.items.push(Item { id: history.id(node), raw, position: None });
                        }
                        None => chunk.done = true,
                    }
                }
                chunk.broken = history.take_broken();
            }
        }
        self.left -= chunk.items.len();
        chunk.done |= self.left == 0 || stop.is_cancelled();
        chunk
    }

    /// The history that was read, once the walk is over.
    #[must_use]
    pub fn into_history(self) -> Option<ObjectHistory> {
        match self.steps {
            Steps::Walk(Source::Objects(history), _) => Some(*history),
            _ => None,
        }
    }
}
