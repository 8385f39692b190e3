//! What one worker needs to answer a query: commits read once and turned into what the ladder looks at, and diffs made only for
//! those that the ladder asks about, or taken from the cache.

use std::cell::RefCell;
use std::collections::HashMap;

use super::kept;
use super::scope::Scope;
use crate::cache::patches::{KeptPatch, Terms};
use crate::facts::Oid;
use crate::facts::commit::RawCommit;
use crate::facts::identity::Identity;
use crate::facts::issues::IssueRef;
use crate::facts::references::References;
use crate::facts::text::CommitText;
use crate::facts::trailers::trailers;
use crate::git::patch::Patches;
use crate::git::{Handle, ObjectError};
use crate::graph::Position;
use crate::matching::keys::Key;
use crate::matching::{Fact, Named, Need, Sketch};

/// A key under which more commits are filed than this raises none of them.
const MOST_CANDIDATES: usize = 4096;

/// A commit as it was read.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) sketch: Sketch,
    /// Commits that it is said to land again.
    pub(super) relands: Vec<Named>,
    /// Issues that it refers to.
    pub(super) issues: Vec<IssueRef>,
    tree: Oid,
    parent: Option<Oid>,
}

/// A worker's desk.
pub(super) struct Desk<'a> {
    pub(super) scope: &'a Scope,
    pub(super) handle: &'a Handle,
    patches: Patches,
    buffer: Vec<u8>,
    nodes: HashMap<Position, Node>,
    /// What was found out of commits by a diff, to be kept.
    pub(super) found_out: Vec<KeptPatch>,
    /// Objects that could not be read.
    pub(super) broken: Vec<ObjectError>,
    /// Why candidates could not be looked up.
    failure: RefCell<Option<anyhow::Error>>,
    /// Comparisons that lack an object which a partial clone doesn't have.
    pub(super) absent: usize,
}

impl<'a> Desk<'a> {
    pub(super) fn new(scope: &'a Scope, handle: &'a Handle) -> Self {
        Self {
            scope,
            handle,
            patches: Patches::new(handle),
            buffer: Vec::new(),
            nodes: HashMap::new(),
            found_out: Vec::new(),
            broken: Vec::new(),
            failure: RefCell::new(None),
            absent: 0,
        }
    }

    /// Why candidates could not be looked up, if they couldn't.
    pub(super) fn take_failure(&self) -> Option<anyhow::Error> {
        self.failure.borrow_mut().take()
    }

    /// What diffs made here depend on.
    pub(super) fn terms(&self) -> Terms {
        Terms { overlay: self.scope.overlay.fingerprint(), threshold: self.patches.threshold() }
    }

    /// Reads the commit at `position`, if it wasn't before. `false` if it can't be read, which is then kept in `broken`.
    pub(super) fn read(&mut self, position: Position) -> bool {
        if self.nodes.contains_key(&position) {
            return true;
        }
        let id = self.scope.graph.id(position);
        let node = self.scope.raw(self.handle, &id, &mut self.buffer).and_then(|raw| node_of(self.scope, &id, raw));
        match node {
            Ok(node) => {
                self.nodes.insert(position, node);
                true
            }
            Err(cause) => {
                if !self.broken.iter().any(|known| known.id() == id) {
                    self.broken.push(cause);
                }
                false
            }
        }
    }

    /// The commit at `position`, which was read before.
    pub(super) fn node(&self, position: Position) -> Option<&Node> {
        self.nodes.get(&position)
    }

    /// What the ladder looks at in the commit at `position`, which was read before.
    pub(super) fn sketch(&self, position: Position) -> Option<&Sketch> {
        self.nodes.get(&position).map(|node| &node.sketch)
    }

    /// Finds out what the ladder needs of a commit: known or unknowable afterwards.
    pub(super) fn fill(&mut self, position: Position, need: Need) {
        let terms = self.terms();
        let Some(node) = self.nodes.get_mut(&position) else { return };
        let sketch = &mut node.sketch;
        let known = match need {
            Need::Paths => !sketch.paths.is_unasked(),
            Need::PatchId => !sketch.patch_id.is_unasked(),
            Need::Lines => !sketch.lines.is_unasked(),
        };
        if known {
            return;
        }
        let cache = self.scope.cache.as_ref();
        if let Some(kept) = cache.and_then(|cache| cache.patch(&sketch.id, terms)).as_deref().and_then(kept::read) {
            sketch.paths = Fact::Known(kept.paths);
            sketch.patch_id = Fact::Known(kept.patch_id);
            sketch.lines = Fact::Known(kept.lines);
            return;
        }
        let outcome = match self.scope.lost(position) {
            Some(cause) => Err(cause),
            None => fill(&mut self.patches, self.handle, node, need),
        };
        match outcome {
            Ok(Some(kept)) => self.found_out.push(kept),
            Ok(None) => {}
            Err(cause) => {
                for fact in [Need::Paths, Need::PatchId, Need::Lines] {
                    give_up(&mut node.sketch, fact);
                }
                // Others who compare it need not try.
                self.scope.lose(position, cause.clone());
                self.lacks(cause);
            }
        }
    }

    /// The patch-id of a commit that was read; `None` if it has none, or it can't be known.
    pub(super) fn patch_id(&mut self, position: Position) -> Option<Oid> {
        self.fill(position, Need::PatchId);
        self.sketch(position)?.patch_id.known().copied().flatten()
    }

    /// The patch-id of everything that the commits from `first` to `last` change, both read before; `None` if there is none, or it
    /// can't be known. An object that it lacks is told as in [`Self::fill`].
    pub(super) fn patch_id_of_range(&mut self, first: Position, last: Position) -> Option<Oid> {
        let (first, last) = (self.nodes.get(&first)?, self.nodes.get(&last)?);
        let patch = self.patches.patch(self.handle, &last.tree, first.parent.as_ref());
        match patch {
            Ok(patch) => patch.id.filter(|_| !patch.huge),
            Err(cause) => {
                self.lacks(cause);
                None
            }
        }
    }

    /// Notes that an object could not be read: once, and in a partial clone, where that is to be expected, as a number.
    fn lacks(&mut self, cause: ObjectError) {
        match cause {
            ObjectError::Missing(_) if self.scope.partial => self.absent += 1,
            cause if self.broken.iter().any(|known| known.id() == cause.id()) => {}
            cause => self.broken.push(cause),
        }
    }

    /// Puts commits in the order of their committers' times, and not of their positions: those depend on when the cache met a
    /// commit.
    pub(super) fn sort_by_age(&self, commits: &mut [Position]) {
        let graph = &self.scope.graph;
        commits.sort_by_key(|&position| (graph.time(position), graph.id(position)));
    }

    /// The commits filed under each of `keys`; ascending.
    pub(super) fn filed(&self, keys: &[Key]) -> Vec<Position> {
        sorted(self.lists(keys).concat())
    }

    /// As [`Self::filed`], but for keys of too many commits to say anything.
    pub(super) fn candidates(&self, keys: &[Key]) -> Vec<Position> {
        let mut lists = self.lists(keys);
        lists.retain(|list| list.len() <= MOST_CANDIDATES);
        sorted(lists.concat())
    }

    fn lists(&self, keys: &[Key]) -> Vec<Vec<Position>> {
        let mut lists = self.scope.filed.under(keys).unwrap_or_else(|cause| {
            self.failure.borrow_mut().get_or_insert(cause);
            Vec::new()
        });
        // Another process may have filed commits that this one hasn't heard of.
        let (graph, places) = (&self.scope.graph, &self.scope.places);
        for list in &mut lists {
            list.retain(|&position| (position as usize) < graph.len() && places.reach(graph, position));
        }
        lists
    }
}

fn sorted(mut positions: Vec<Position>) -> Vec<Position> {
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// Returns what can be kept, if all was found out.
fn fill(patches: &mut Patches, handle: &Handle, node: &mut Node, need: Need) -> Result<Option<KeptPatch>, ObjectError> {
    if need == Need::Paths {
        let changes = patches.changes(handle, &node.tree, node.parent.as_ref())?;
        node.sketch.paths = Fact::Known(sorted_paths(changes));
        return Ok(None);
    }
    let patch = patches.patch(handle, &node.tree, node.parent.as_ref())?;
    let paths = sorted_paths(patches.last_changes());
    // One that git itself gives up on has no patch-id, and is not kept: the threshold may be set otherwise.
    let facts = kept::write(&paths, patch.id.as_ref(), &patch.lines);
    let kept = KeptPatch { id: node.sketch.id, patch_id: patch.id, largest: patch.largest, facts };
    let kept = (!patch.huge).then_some(kept);
    node.sketch.paths = Fact::Known(paths);
    node.sketch.patch_id = Fact::Known(patch.id);
    node.sketch.lines = Fact::Known(patch.lines);
    Ok(kept)
}

fn give_up(sketch: &mut Sketch, need: Need) {
    match need {
        Need::Paths if sketch.paths.is_unasked() => sketch.paths = Fact::Unknowable,
        Need::PatchId if sketch.patch_id.is_unasked() => sketch.patch_id = Fact::Unknowable,
        Need::Lines if sketch.lines.is_unasked() => sketch.lines = Fact::Unknowable,
        _ => {}
    }
}

pub(super) fn sorted_paths(changes: &[crate::facts::changes::Change]) -> Vec<Vec<u8>> {
    let mut paths: Vec<Vec<u8>> = changes.iter().map(|change| change.path.clone()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

fn node_of(scope: &Scope, id: &Oid, raw: &[u8]) -> Result<Node, ObjectError> {
    with_sketch(scope, id, raw, |sketch, references, commit| {
        let resolve = |text: &&str| Named { text: (*text).to_owned(), id: scope.resolve(text) };
        let parents = scope.overlay.parents.get(id).unwrap_or(&commit.parents);
        let (count, parent) = (parents.len(), parents.first().copied());
        Node {
            sketch: Sketch { is_merge: count > 1, ..sketch },
            relands: references.relands.iter().map(resolve).collect(),
            issues: references.issues.clone(),
            tree: commit.tree,
            parent,
        }
    })
}

/// Hands what the message of a commit says to `then`.
pub(super) fn with_sketch<T>(
    scope: &impl Reading,
    id: &Oid,
    raw: &[u8],
    then: impl FnOnce(Sketch, &References<'_>, &RawCommit<'_>) -> T,
) -> Result<T, ObjectError> {
    let commit =
        RawCommit::parse(raw, id.as_bytes().len()).map_err(|why| ObjectError::Corrupt(*id, why.to_string()))?;
    let text = CommitText::decode(&commit);
    let message = &*text.message.text;
    let author = Identity::parse(&text.author);
    let (subject, _) = text.message.subject_and_body();
    let references = References::of(&subject.text, message, &trailers(message), scope.patterns());
    let sketch = Sketch::read(*id, &author, &subject.text, message, &references, |text| scope.resolve(text));
    Ok(then(sketch, &references, &commit))
}

/// What is needed to read a message.
pub(super) trait Reading {
    /// What to look for beyond the built-in forms.
    fn patterns(&self) -> &crate::facts::patterns::Patterns;
    /// The one commit that the hexadecimal `text` names.
    fn resolve(&self, text: &str) -> Option<Oid>;
}

impl Reading for Scope {
    fn patterns(&self) -> &crate::facts::patterns::Patterns {
        &self.patterns
    }

    fn resolve(&self, text: &str) -> Option<Oid> {
        Self::resolve(self, text)
    }
}
