//! Under which tag each commit came out first, for a stream that is asked to say so.

use std::sync::Arc;

use super::Scan;
use crate::facts::Oid;
use crate::graph::{Firsts, Graph, Position, corrected_times};
use crate::index::Index;

/// The first tag of every commit.
pub(super) struct FirstTags {
    graph: Arc<Graph>,
    firsts: Firsts,
    /// The short names of the tags, first ones first.
    names: Vec<String>,
    /// Whether a tag may have commits that can't be seen to be its.
    is_cut: bool,
}

impl FirstTags {
    /// As the wire has it: absent where no tag has the commit, `null` where that can't be known.
    #[expect(clippy::option_option, reason = "absent and null are two answers on the wire")]
    pub(super) fn of(&self, id: &Oid) -> Option<Option<&str>> {
        let position = self.graph.position(id);
        let first = position.and_then(|position| self.firsts.first(position));
        match first {
            Some(first) => Some(self.names.get(first).map(String::as_str)),
            None if self.is_cut || position.is_none() => Some(None),
            None => None,
        }
    }
}

impl Scan<'_> {
    /// The first tag of every commit, if that is asked for; the graph is to have what the tags reach, as far as it can be read.
    pub(super) async fn first_tags(&mut self, index: &mut Index) -> anyhow::Result<Option<FirstTags>> {
        if !self.options.tagged {
            return Ok(None);
        }
        let graph = index.graph(&self.pool).await?;
        let tags = index.usual.iter().filter(|entry| entry.name().starts_with(b"refs/tags/"));
        let tags: Vec<(Oid, String)> = tags
            .filter_map(|entry| Some((entry.commit()?, String::from_utf8_lossy(entry.short()).into_owned())))
            .collect();
        let is_shallow = index.overlay.shallow;
        Ok(Some(self.pool.run(move || in_order(graph, tags, is_shallow)).await?))
    }
}

/// Of two tags on one commit the first by name is taken.
fn in_order(graph: Arc<Graph>, tags: Vec<(Oid, String)>, is_shallow: bool) -> FirstTags {
    let times = corrected_times(&graph);
    let count = tags.len();
    let placed = tags.into_iter().filter_map(|(commit, name)| Some((graph.position(&commit)?, name)));
    let mut placed: Vec<(u64, String, Position)> =
        placed.map(|(position, name)| (times[position as usize], name, position)).collect();
    placed.sort_unstable();
    let (names, tips): (Vec<String>, Vec<Position>) = placed.into_iter().map(|(_, name, tip)| (name, tip)).unzip();
    let is_cut = is_shallow || names.len() < count;
    FirstTags { firsts: Firsts::of(&graph, &tips), graph, names, is_cut }
}
