//! All refs of a repository, as their files say it, in the order of their names.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use super::{BrokenRef, Listed, RefList, Selection, USUAL, files, full_glob, glob_matches};
use crate::facts::Oid;
use crate::git::{Handle, ObjectError, ObjectKind, Repository};
use crate::graph::{Graph, Mark, Position};

/// What a ref says, before anything is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Direct {
        id: Oid,
        peeled: Packed,
    },
    /// The name of another.
    Symbolic(Words),
    Broken,
    /// The system doesn't let its file be read, for this reason.
    Unread(Words),
}

/// What `packed-refs` knows about the object behind a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    /// Nothing: a loose ref, or a file that wasn't fully peeled.
    Unknown,
    /// It isn't a tag.
    Itself,
    /// It is a tag of the object with this number.
    To(u32),
}

/// Where a name, or other words, are in what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    start: u32,
    len: u32,
}

/// Which ref of a store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At(u32);

impl At {
    /// Stands apart from the others.
    const HEAD: Self = Self(u32::MAX);
}

/// The commit behind a ref.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behind {
    /// There is none.
    Nothing,
    /// What the files say.
    AsSaid,
    /// It was looked up; its number among those that were.
    LookedUp(u32),
}

/// Every ref of a repository as its files say it, not yet followed. Names and what else is in words lie in one piece of memory, that of
/// the file they were read from as a rule: 60,000 small allocations, made and freed, take as long as all the rest.
#[derive(Debug, Default)]
pub struct RefStore {
    pub(super) text: Vec<u8>,
    // Sorted by name, each once.
    pub(super) entries: Vec<(Words, Value)>,
    /// Objects that tags are of.
    pub(super) peeled: Vec<Oid>,
    pub(super) head: Option<Value>,
}

impl RefStore {
    /// Reads the ref files of `repository`.
    ///
    /// # Errors
    /// If a file that is there can't be read.
    pub fn read(repository: &Repository) -> anyhow::Result<Self> {
        let mut store = Self::default();
        files::read(repository, &mut store)?;
        store.sort();
        Ok(store)
    }

    /// Builds a store from what `git for-each-ref` and `git symbolic-ref` print, for formats that only git reads: `listed` has a
    /// line `<id> <peeled id or nothing> <symbolic target or nothing> <refname>` for each ref, `head` the content that a `HEAD`
    /// file would have.
    #[must_use]
    pub fn from_listing(listed: &[u8], head: Option<&[u8]>) -> Self {
        let mut store = Self::default();
        for line in listed.split(|&byte| byte == b'\n') {
            let fields: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
            let &[id, peeled, target, name] = fields.as_slice() else { continue };
            let Some(id) = Oid::from_hex(id) else { continue };
            let peeled = Oid::from_hex(peeled).map_or(Packed::Itself, |to| Packed::to(to, &mut store.peeled));
            let value =
                if target.is_empty() { Value::Direct { id, peeled } } else { Value::Symbolic(store.keep(target)) };
            let name = store.keep(name);
            store.entries.push((name, value));
        }
        store.head = head.map(|text| files::parse_loose(text, &mut store));
        store.sort();
        store
    }

    /// Brings refs into the order of their names. Of several of one name the first counts: a loose ref overrules the packed one.
    pub(super) fn sort(&mut self) {
        let text = &self.text;
        let name = |entry: &(Words, Value)| &text[entry.0.range()];
        // As what git packs is already.
        if !self.entries.is_sorted_by(|one, next| name(one) < name(next)) {
            self.entries.sort_by(|one, other| name(one).cmp(name(other)));
            self.entries.dedup_by(|later, first| name(later) == name(first));
        }
    }

    /// Keeps words that were read elsewhere.
    pub(super) fn keep(&mut self, words: &[u8]) -> Words {
        let start = self.text.len();
        self.text.extend_from_slice(words);
        Words::new(start, words.len())
    }

    fn words(&self, words: Words) -> &[u8] {
        &self.text[words.range()]
    }

    /// The full names of all refs, in their order, those that lead nowhere too.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|(name, _)| self.words(*name))
    }

    /// The full name of a ref.
    pub(crate) fn name(&self, at: At) -> &[u8] {
        if at == At::HEAD { b"HEAD" } else { self.words(self.entries[at.0 as usize].0) }
    }

    /// # Panics
    /// If there is no such ref.
    fn value(&self, at: At) -> &Value {
        match &self.head {
            Some(head) if at == At::HEAD => head,
            _ => &self.entries[at.0 as usize].1,
        }
    }

    /// The name that a symbolic ref has in it.
    pub(super) fn target(&self, at: At) -> Option<&[u8]> {
        match self.value(at) {
            Value::Symbolic(target) => Some(self.words(*target)),
            _ => None,
        }
    }

    /// The object that a ref names, if it leads to one.
    pub(super) fn id(&self, at: At) -> Option<Oid> {
        match self.follow(self.value(at)) {
            Followed::Object { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// What it leads to, as far as the files tell.
    pub(super) fn behind(&self, at: At) -> Option<Oid> {
        match self.follow(self.value(at)) {
            Followed::Object { id, packed } => Some(*self.peel(id, packed)),
            _ => None,
        }
    }

    /// The object behind one that a ref names, as far as is known.
    fn peel<'s>(&'s self, id: &'s Oid, packed: Packed) -> &'s Oid {
        if let Packed::To(number) = packed { &self.peeled[number as usize] } else { id }
    }

    /// The refs that `selection` asks for. Nothing is read of commits that `graph` has; the rest is looked up through `handle`.
    #[must_use]
    pub fn select(self: &Arc<Self>, selection: &Selection, handle: &Handle, graph: &Graph) -> RefList {
        let chosen = self.choose(selection);
        chosen.list(handle, graph.mark(), &chosen.placed(graph))
    }

    /// As [`Self::select`], where no graph is at hand: everything is looked up.
    #[must_use]
    pub fn look_up(self: &Arc<Self>, selection: &Selection, handle: &Handle) -> RefList {
        self.select(selection, handle, &Graph::default())
    }

    /// The refs that `selection` asks for, not yet followed.
    #[must_use]
    pub fn choose(self: &Arc<Self>, selection: &Selection) -> Chosen {
        Chosen { store: Arc::clone(self), refs: self.chosen(selection) }
    }

    pub(super) fn chosen(&self, selection: &Selection) -> Vec<At> {
        let Selection::Globs(globs) = selection else { return self.usual().collect() };
        let mut chosen = Vec::new();
        for glob in globs {
            let pattern = full_glob(glob);
            let literal = pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(pattern.len());
            let all_below = pattern[literal..] == *b"*";
            let below = self.under(&pattern[..literal]);
            chosen.extend(below.filter(|&at| all_below || glob_matches(&pattern, self.name(at))));
        }
        chosen
    }

    /// The usual refs that lead to an object, each with what it names. Nothing is looked up.
    pub fn usual_ids(&self) -> impl Iterator<Item = (&[u8], &Oid)> {
        self.usual().filter_map(|at| match self.follow(self.value(at)) {
            Followed::Object { id, .. } => Some((self.name(at), id)),
            _ => None,
        })
    }

    /// The usual refs, where it is known already what they lead to: `peeled` has the commit behind each of [`Self::usual_ids`], and
    /// where the graph with that `mark` has it.
    #[must_use]
    pub fn usual_peeled(
        self: &Arc<Self>,
        peeled: impl IntoIterator<Item = (Option<Oid>, Option<Position>)>,
        mark: Mark,
    ) -> RefList {
        let mut peeled = peeled.into_iter();
        let mut list = RefList::of(self, peeled.size_hint().0, mark);
        for at in self.usual() {
            self.push(at, |_| Ok(peeled.next().unwrap_or_default()), &mut list);
        }
        list
    }

    fn usual(&self) -> impl Iterator<Item = At> {
        let head = self.head.iter().map(|_| At::HEAD);
        head.chain(USUAL.into_iter().flat_map(|prefix| self.under(prefix)))
    }

    /// The full name of the branch that `HEAD` names, if it has no commit yet.
    #[must_use]
    pub fn unborn_head(&self) -> Option<&[u8]> {
        let target = self.head.as_ref().and_then(|_| self.target(At::HEAD))?;
        self.get(target).is_none().then_some(target)
    }

    /// The objects that refs under `base` exchange, with their replacements, sorted (git-replace(1)).
    #[must_use]
    pub fn replacements(&self, base: &[u8]) -> Vec<(Oid, Oid)> {
        let pair = |at| match self.value(at) {
            Value::Direct { id, .. } => Some((Oid::from_hex(self.name(at).strip_prefix(base)?)?, *id)),
            _ => None,
        };
        self.under(base).filter_map(pair).collect()
    }

    fn get(&self, name: &[u8]) -> Option<&Value> {
        if name == b"HEAD" {
            return self.head.as_ref();
        }
        let at = self.entries.binary_search_by(|(known, _)| self.words(*known).cmp(name)).ok()?;
        Some(&self.entries[at].1)
    }

    /// The refs whose names begin with `prefix`.
    fn under(&self, prefix: &[u8]) -> impl Iterator<Item = At> + use<> {
        let start = self.entries.partition_point(|(name, _)| self.words(*name) < prefix);
        let count = self.entries[start..].partition_point(|(name, _)| self.words(*name).starts_with(prefix));
        (number(start)..number(start + count)).map(At)
    }

    /// Adds a ref to `list`, which finds out with `peel` what is behind the object that the files know.
    fn push(
        &self,
        at: At,
        peel: impl FnOnce(&Oid) -> Result<(Option<Oid>, Option<Position>), ObjectError>,
        list: &mut RefList,
    ) {
        let mut broken = |reason: String, is_unread: bool, id: Option<Oid>| {
            list.broken.push(BrokenRef { name: Bytes::copy_from_slice(self.name(at)), reason, is_unread, id });
        };
        let said = match self.follow(self.value(at)) {
            Followed::Object { id, packed } => self.peel(id, packed),
            // An unborn HEAD is how every repository begins, and nothing to report.
            Followed::Dangling(_) if at == At::HEAD => return,
            Followed::Dangling(target) => {
                return broken(
                    format!("points to '{}', which isn't there", String::from_utf8_lossy(target)),
                    false,
                    None,
                );
            }
            Followed::Broken => return broken("is broken".into(), false, None),
            Followed::Unread(cause) => {
                return broken(format!("can't be read: {}", String::from_utf8_lossy(cause)), true, None);
            }
        };
        match peel(said) {
            Ok((commit, position)) => {
                let behind = match commit {
                    None => Behind::Nothing,
                    Some(commit) if commit == *said => Behind::AsSaid,
                    Some(commit) => {
                        list.looked_up.push(commit);
                        Behind::LookedUp(number(list.looked_up.len() - 1))
                    }
                };
                list.listed.push(Listed { at, behind, position });
            }
            Err(cause) => {
                let is_unread = matches!(cause, ObjectError::Unreadable(..));
                let id = cause.id();
                broken(format!("leads to an object that can't be read: {cause}"), is_unread, Some(id));
            }
        }
    }

    fn follow<'s>(&'s self, value: &'s Value) -> Followed<'s> {
        let mut value = value;
        // git gives up after five hops.
        for _ in 0..6 {
            match value {
                Value::Direct { id, peeled } => return Followed::Object { id, packed: *peeled },
                Value::Broken => return Followed::Broken,
                Value::Unread(cause) => return Followed::Unread(self.words(*cause)),
                Value::Symbolic(target) => {
                    let target = self.words(*target);
                    match self.get(target) {
                        Some(next) => value = next,
                        None => return Followed::Dangling(target),
                    }
                }
            }
        }
        Followed::Broken
    }
}

/// Refs that were asked for.
#[derive(Debug)]
pub struct Chosen {
    store: Arc<RefStore>,
    refs: Vec<At>,
}

impl Chosen {
    /// Where `graph` has what they lead to, as far as the files tell; of those that lead to an object.
    #[must_use]
    pub fn placed(&self, graph: &Graph) -> Vec<Option<Position>> {
        graph.positions(&self.starts().copied().collect::<Vec<_>>())
    }

    /// How many refs [`Self::placed`] places, and a number that changes with what they lead to.
    #[must_use]
    pub fn digest(&self) -> (usize, i64) {
        let mut count = 0;
        let mut hasher = Sha1::new();
        for start in self.starts() {
            count += 1;
            hasher.update(start.as_bytes());
        }
        (count, hasher.finalize().first_chunk().map_or(0, |&start| i64::from_be_bytes(start)))
    }

    /// What each that leads to an object leads to, as far as the files tell.
    fn starts(&self) -> impl Iterator<Item = &Oid> {
        self.refs.iter().filter_map(|&at| match self.store.follow(self.store.value(at)) {
            Followed::Object { id, packed } => Some(self.store.peel(id, packed)),
            _ => None,
        })
    }

    /// Follows them. `placed` is where the graph with that `mark` has what they lead to; the rest is looked up through `handle`.
    #[must_use]
    pub fn list(&self, handle: &Handle, mark: Mark, placed: &[Option<Position>]) -> RefList {
        let mut positions = placed.iter().copied();
        let mut peeling = Peeling { handle, known: HashMap::new() };
        let mut list = RefList::of(&self.store, self.refs.len(), mark);
        for &at in &self.refs {
            let peel = |said: &Oid| match positions.next().flatten() {
                Some(position) => Ok((Some(*said), Some(position))),
                None => peeling.peel(*said).map(|commit| (commit, None)),
            };
            self.store.push(at, peel, &mut list);
        }
        list
    }
}

enum Followed<'s> {
    Object { id: &'s Oid, packed: Packed },
    Dangling(&'s [u8]),
    Broken,
    Unread(&'s [u8]),
}

impl Packed {
    /// It is a tag of `id`, which is kept with those that are `known` to be behind tags.
    pub(super) fn to(id: Oid, known: &mut Vec<Oid>) -> Self {
        known.push(id);
        Self::To(number(known.len() - 1))
    }
}

impl Words {
    pub(super) fn new(start: usize, len: usize) -> Self {
        Self { start: number(start), len: number(len) }
    }

    fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}

/// # Panics
/// If it is over four milliards: a larger `packed-refs` is an error, and of nothing else there are so many.
fn number(number: usize) -> u32 {
    u32::try_from(number).expect("names of refs take less than 4 GiB")
}

struct Peeling<'a> {
    handle: &'a Handle,
    known: HashMap<Oid, Result<Option<Oid>, ObjectError>>,
}

impl Peeling<'_> {
    fn peel(&mut self, start: Oid) -> Result<Option<Oid>, ObjectError> {
        let handle = self.handle;
        let look = || match handle.peel(&start) {
            Ok((commit, ObjectKind::Commit)) => Ok(Some(commit)),
            Ok(_) => Ok(None),
            Err(cause) => Err(cause),
        };
        self.known.entry(start).or_insert_with(look).clone()
    }
}
