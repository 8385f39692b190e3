//! The refs of a repository: which there are is read by the `store`, from `files`, and which of them were asked for is decided here. Refs
//! are many (60,000 in some repositories), so a list of them holds numbers into the store, which has the names as they stand in the file.

mod files;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub(crate) use self::store::At;
use self::store::Behind;
pub use self::store::{Chosen, RefStore};
use crate::facts::Oid;
use crate::facts::oid::OidSet;
use crate::graph::{Mark, Position};
use crate::spelling;

/// A full refname as people say it: without `refs/heads/`, `refs/remotes/` or `refs/tags/`, else without `refs/`.
#[must_use]
pub fn short(name: &[u8]) -> &[u8] {
    let prefixes = [&b"refs/heads/"[..], b"refs/remotes/", b"refs/tags/", b"refs/"];
    prefixes.iter().find_map(|prefix| name.strip_prefix(*prefix)).unwrap_or(name)
}

/// A ref that could not be followed, and why. Reported, never fatal. Git passes over it too, whatever the cause; here one that the system
/// keeps from being read makes the answer partial: nobody knows what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRef {
    /// The full name.
    pub name: Bytes,
    /// What is wrong with it, to follow the name in a message.
    pub reason: String,
    /// Whether that is only that the system doesn't let it be read: it may be as good as any.
    pub is_unread: bool,
    /// The object behind it that could not be read, if it is that.
    pub id: Option<Oid>,
}

/// Which refs are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Selection {
    /// HEAD, branches, remote branches and tags, in this order.
    #[default]
    Usual,
    /// Those that a glob matches, glob by glob, as `git log --glob` reads them.
    Globs(Vec<Vec<u8>>),
}

/// Where the usual refs are, but for HEAD.
const USUAL: [&[u8]; 3] = [b"refs/heads/", b"refs/remotes/", b"refs/tags/"];

impl Selection {
    /// Whether it asks for the ref `name`, should there be one.
    #[must_use]
    pub fn covers(&self, name: &[u8]) -> bool {
        match self {
            Self::Usual => name == b"HEAD" || USUAL.iter().any(|prefix| name.starts_with(prefix)),
            Self::Globs(globs) => globs.iter().any(|glob| glob_matches(&full_glob(glob), name)),
        }
    }

    /// The globs that match none of the refs in `list`, which this has selected; a ref that leads nowhere is matched too.
    #[must_use]
    pub fn unmatched(&self, list: &RefList) -> Vec<&[u8]> {
        let Self::Globs(globs) = self else { return Vec::new() };
        let names = || list.iter().map(Ref::name).chain(list.broken.iter().map(|broken| &*broken.name));
        let is_unmatched = |glob: &&[u8]| {
            let pattern = full_glob(glob);
            !names().any(|name| glob_matches(&pattern, name))
        };
        globs.iter().map(Vec::as_slice).filter(is_unmatched).collect()
    }
}

/// The refs that were asked for, in git's order, and those that lead nowhere.
#[derive(Debug, Clone, Default)]
pub struct RefList {
    store: Arc<RefStore>,
    // Those that lead to an object.
    listed: Vec<Listed>,
    /// The commits behind them that the files of refs don't tell.
    looked_up: Vec<Oid>,
    /// Refs that lead to none.
    pub broken: Vec<BrokenRef>,
    /// Tells the graph that the positions are of from others that may have been made since.
    pub mark: Mark,
    /// A number for the commits behind all of them, in their order, where somebody has made one.
    pub digest: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Listed {
    at: At,
    behind: Behind,
    position: Option<Position>,
}

/// One ref of a list, which leads to an object.
#[derive(Clone, Copy)]
pub struct Ref<'l> {
    list: &'l RefList,
    listed: Listed,
}

impl<'l> Ref<'l> {
    /// The full name, such as `refs/heads/main`, or `HEAD`; any bytes.
    #[must_use]
    pub fn name(self) -> &'l [u8] {
        self.list.store.name(self.listed.at)
    }

    /// The name as people say it: without `refs/heads/`, `refs/remotes/` or `refs/tags/`, else without `refs/`.
    #[must_use]
    pub fn short(self) -> &'l [u8] {
        short(self.name())
    }

    /// The ref that it stands for, if it is symbolic.
    #[must_use]
    pub fn symbolic(self) -> Option<&'l [u8]> {
        self.list.store.target(self.listed.at)
    }

    /// The object that it names: a tag object, say.
    ///
    /// # Panics
    /// Never: what leads to no object is in no list.
    #[must_use]
    pub fn id(self) -> Oid {
        self.list.store.id(self.listed.at).expect("a ref in a list leads to an object")
    }

    /// The commit behind it; `None` if it leads to a tree or a blob.
    #[must_use]
    pub fn commit(self) -> Option<Oid> {
        match self.listed.behind {
            Behind::Nothing => None,
            Behind::AsSaid => self.list.store.behind(self.listed.at),
            Behind::LookedUp(number) => Some(self.list.looked_up[number as usize]),
        }
    }

    /// Whether there is such a commit.
    #[must_use]
    pub fn has_commit(self) -> bool {
        !matches!(self.listed.behind, Behind::Nothing)
    }

    /// Where that commit is in the graph with the mark [`RefList::mark`], if it is there.
    #[must_use]
    pub fn position(self) -> Option<Position> {
        self.listed.position
    }

    /// Which it is of those of its store: two lists of one store have the same ref at the same place, and names are in the order of places,
    /// but for `HEAD`.
    #[must_use]
    pub(crate) fn at(self) -> At {
        self.listed.at
    }
}

impl fmt::Debug for Ref<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ref").field(&String::from_utf8_lossy(self.name())).field(&self.id()).finish()
    }
}

impl RefList {
    /// None of `store` so far.
    fn of(store: &Arc<RefStore>, room: usize, mark: Mark) -> Self {
        Self { store: Arc::clone(store), listed: Vec::with_capacity(room), mark, ..Self::default() }
    }

    /// The refs that lead to an object.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Ref<'_>> + ExactSizeIterator {
        self.listed.iter().map(|&listed| Ref { list: self, listed })
    }

    /// How many lead to an object.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// All refs, of which these were chosen.
    #[must_use]
    pub fn store(&self) -> &Arc<RefStore> {
        &self.store
    }

    /// The ref that somebody may have meant who typed a revision or range that there is none of, as people say it.
    #[must_use]
    pub fn nearest(&self, typed: &str) -> Option<String> {
        let names: Vec<_> = self.iter().map(|entry| String::from_utf8_lossy(entry.short())).collect();
        let ends = typed.split("..").map(|end| end.trim_matches(['^', '.']));
        let mut unknown = ends.filter(|end| !end.is_empty() && names.iter().all(|name| name != end));
        unknown.find_map(|end| spelling::nearest(end, names.iter().map(AsRef::as_ref))).map(str::to_owned)
    }

    /// The commits behind the refs, without duplicates, in the order of the refs.
    #[must_use]
    pub fn tips(&self) -> Vec<Oid> {
        let commits = || self.iter().filter(|entry| entry.has_commit());
        let placed: Option<Vec<usize>> = commits().map(|entry| entry.position().map(|at| at as usize)).collect();
        let Some(placed) = placed else {
            let mut seen = OidSet::default();
            return commits().filter_map(Ref::commit).filter(|id| seen.insert(*id)).collect();
        };
        // Of 60,000 places a mark for each is at hand where a set of ids isn't.
        let mut seen = vec![false; placed.iter().max().map_or(0, |last| last + 1)];
        let firsts = commits().zip(placed).filter(|(_, place)| !std::mem::replace(&mut seen[*place], true));
        firsts.filter_map(|(entry, _)| entry.commit()).collect()
    }

    /// Whether the graph with the mark [`Self::mark`] has all of them.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.iter().all(|entry| entry.position().is_some() || !entry.has_commit())
    }

    /// Whether the files of refs say of all of them which commit is behind it.
    #[must_use]
    pub fn is_as_said(&self) -> bool {
        self.listed.iter().all(|listed| matches!(listed.behind, Behind::AsSaid))
    }

    /// Those of them that `selection` asks for.
    #[must_use]
    pub fn covered_by(&self, selection: &Selection) -> Self {
        let mut covered = Self { digest: None, ..self.clone() };
        covered.listed.retain(|listed| selection.covers(self.store.name(listed.at)));
        covered.broken.retain(|entry| selection.covers(&entry.name));
        covered
    }
}

/// Completes a glob as `git log --glob` does: `refs/` in front, and `/*` behind if it has no wildcard.
fn full_glob(glob: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(glob.len() + 7);
    if !glob.starts_with(b"refs/") && glob != b"HEAD" {
        full.extend_from_slice(b"refs/");
    }
    full.extend_from_slice(glob);
    if !glob.iter().any(|byte| b"*?[".contains(byte)) {
        if full.last() != Some(&b'/') {
            full.push(b'/');
        }
        full.push(b'*');
    }
    full
}

/// Whether `pattern` matches `name`; `*` crosses `/`.
#[must_use]
pub fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    gix::glob::wildmatch(pattern.into(), name.into(), gix::glob::wildmatch::Mode::empty())
}
