//! Reading refs: our own reader of `packed-refs` and of loose files, since peeling 60,000 refs through a general ref store
//! costs 40 times as much. Reftables are listed by git itself (`gitcli`). Which refs were asked for is decided here too.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};

use super::repository::{Handle, ObjectError, ObjectKind, Repository};
use crate::error::Kind;
use crate::facts::Oid;
use crate::facts::oid::OidSet;
use crate::graph::{Graph, Mark, Position};
use crate::spelling;

/// What a ref says, before anything is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Direct {
        id: Oid,
        peeled: Packed,
    },
    Symbolic(Bytes),
    Broken,
    /// The system doesn't let its file be read, for this reason.
    Unread(Box<str>),
}

/// What `packed-refs` knows about the object behind a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packed {
    /// Nothing: a loose ref, or a file that wasn't fully peeled.
    Unknown,
    /// It isn't a tag.
    Itself,
    /// It is a tag of this object.
    To(Oid),
}

/// One ref that leads to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// The full name, such as `refs/heads/main`, or `HEAD`; any bytes.
    pub name: Bytes,
    /// The ref that it stands for, if it is symbolic.
    pub symbolic: Option<Box<Bytes>>,
    /// The object that it names: a tag object, say.
    pub id: Oid,
    /// The commit behind it; `None` if it leads to a tree or a blob.
    pub commit: Option<Oid>,
    /// Where that commit is in the graph with the mark [`RefList::mark`], if it is there.
    pub position: Option<Position>,
}

impl Ref {
    /// The name as people say it: without `refs/heads/`, `refs/remotes/` or `refs/tags/`, else without `refs/`.
    #[must_use]
    pub fn short(&self) -> &[u8] {
        short(&self.name)
    }
}

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
        let names = || list.refs.iter().map(|entry| &entry.name).chain(list.broken.iter().map(|broken| &broken.name));
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
    /// Refs that lead to an object.
    pub refs: Vec<Ref>,
    /// Refs that don't.
    pub broken: Vec<BrokenRef>,
    /// Tells the graph that the positions are of from others that may have been made since.
    pub mark: Mark,
}

impl RefList {
    /// The ref that somebody may have meant who typed a revision or range that there is none of, as people say it.
    #[must_use]
    pub fn nearest(&self, typed: &str) -> Option<String> {
        let names: Vec<_> = self.refs.iter().map(|entry| String::from_utf8_lossy(entry.short())).collect();
        let ends = typed.split("..").map(|end| end.trim_matches(['^', '.']));
        let mut unknown = ends.filter(|end| !end.is_empty() && names.iter().all(|name| name != end));
        unknown.find_map(|end| spelling::nearest(end, names.iter().map(AsRef::as_ref))).map(str::to_owned)
    }

    /// The commits behind the refs, without duplicates, in the order of the refs.
    #[must_use]
    pub fn tips(&self) -> Vec<Oid> {
        let mut seen = OidSet::default();
        self.refs.iter().filter_map(|entry| entry.commit).filter(|id| seen.insert(*id)).collect()
    }

    /// Those of them that `selection` asks for.
    #[must_use]
    pub fn covered_by(&self, selection: &Selection) -> Self {
        let mut covered = self.clone();
        covered.refs.retain(|entry| selection.covers(&entry.name));
        covered.broken.retain(|entry| selection.covers(&entry.name));
        covered
    }

    /// Those of [`Self::tips`] that the graph didn't have when the refs were selected.
    #[must_use]
    pub fn new_tips(&self) -> Vec<Oid> {
        let mut seen = OidSet::default();
        let new = self.refs.iter().filter(|entry| entry.position.is_none()).filter_map(|entry| entry.commit);
        new.filter(|id| seen.insert(*id)).collect()
    }
}

/// Every ref of a repository as its files say it, not yet followed. Names share the memory of the file that they were read from:
/// 60,000 small allocations, made and freed, take as long as all the rest.
#[derive(Debug, Default)]
pub struct RefStore {
    // Sorted by name, each once.
    values: Vec<(Bytes, Value)>,
    head: Option<Value>,
}

impl RefStore {
    /// Reads the ref files of `repository`.
    ///
    /// # Errors
    /// If a file that is there can't be read.
    pub fn read(repository: &Repository) -> anyhow::Result<Self> {
        // Loose refs first, as git does: one that is packed meanwhile is then seen twice, and not missed.
        let mut values = Vec::new();
        read_loose(&repository.common_dir.join("refs"), b"refs", &mut values)?;
        if repository.git_dir != repository.common_dir {
            for own in ["bisect", "worktree", "rewritten"] {
                let name = format!("refs/{own}");
                read_loose(&repository.git_dir.join("refs").join(own), name.as_bytes(), &mut values)?;
            }
        }
        if let Some(text) = read_if_there(&repository.common_dir.join("packed-refs"))? {
            parse_packed(&text.into(), repository.hash_len, &mut values);
        }
        let head = read_if_there(&repository.git_dir.join("HEAD"))?.map(|text| parse_loose(&text));
        Ok(Self { values: by_name(values), head })
    }

    /// Builds a store from what `git for-each-ref` and `git symbolic-ref` print, for formats that only git reads: `listed` has a
    /// line `<id> <peeled id or nothing> <symbolic target or nothing> <refname>` for each ref, `head` the content that a `HEAD`
    /// file would have.
    #[must_use]
    pub fn from_listing(listed: &[u8], head: Option<&[u8]>) -> Self {
        let mut values = Vec::new();
        for line in listed.split(|&byte| byte == b'\n') {
            let fields: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
            let &[id, peeled, target, name] = fields.as_slice() else { continue };
            let Some(id) = Oid::from_hex(id) else { continue };
            let peeled = Oid::from_hex(peeled).map_or(Packed::Itself, Packed::To);
            let symbolic = || Value::Symbolic(Bytes::copy_from_slice(target));
            let value = if target.is_empty() { Value::Direct { id, peeled } } else { symbolic() };
            values.push((Bytes::copy_from_slice(name), value));
        }
        Self { values: by_name(values), head: head.map(parse_loose) }
    }

    /// The full names of all refs, in their order, those that lead nowhere too.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(|(name, _)| name.as_ref())
    }

    /// The refs that `selection` asks for. Nothing is read of commits that `graph` has; the rest is looked up through `handle`.
    #[must_use]
    pub fn select(&self, selection: &Selection, handle: &Handle, graph: &Graph) -> RefList {
        let chosen = self.choose(selection);
        chosen.list(handle, graph, &chosen.placed(graph))
    }

    /// As [`Self::select`], where no graph is at hand: everything is looked up.
    #[must_use]
    pub fn look_up(&self, selection: &Selection, handle: &Handle) -> RefList {
        self.select(selection, handle, &Graph::default())
    }

    /// The refs that `selection` asks for, not yet followed.
    #[must_use]
    pub fn choose(&self, selection: &Selection) -> Chosen<'_> {
        Chosen { store: self, refs: self.chosen(selection) }
    }

    fn chosen(&self, selection: &Selection) -> Vec<(&Bytes, &Value)> {
        let Selection::Globs(globs) = selection else { return self.usual().collect() };
        let mut chosen = Vec::new();
        for glob in globs {
            let pattern = full_glob(glob);
            let literal = pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(pattern.len());
            let all_below = pattern[literal..] == *b"*";
            let below = self.under(&pattern[..literal]);
            chosen.extend(below.filter(|(name, _)| all_below || glob_matches(&pattern, name)));
        }
        chosen
    }

    /// The usual refs that lead to an object, each with what it names. Nothing is looked up.
    pub fn usual_ids(&self) -> impl Iterator<Item = (&[u8], &Oid)> {
        self.usual().filter_map(|(name, value)| match self.follow(value) {
            Followed::Object { id, .. } => Some((&**name, id)),
            _ => None,
        })
    }

    /// The usual refs, where it is known already what they lead to: `peeled` has the commit behind each of [`Self::usual_ids`], and
    /// where the graph with that `mark` has it.
    #[must_use]
    pub fn usual_peeled(
        &self,
        peeled: impl IntoIterator<Item = (Option<Oid>, Option<Position>)>,
        mark: Mark,
    ) -> RefList {
        let mut peeled = peeled.into_iter();
        let mut list = RefList { refs: Vec::with_capacity(peeled.size_hint().0), broken: Vec::new(), mark };
        for (name, value) in self.usual() {
            self.push(name, value, |_, _| Ok(peeled.next().unwrap_or_default()), &mut list);
        }
        list
    }

    fn usual(&self) -> impl Iterator<Item = (&Bytes, &Value)> {
        static HEAD: Bytes = Bytes::from_static(b"HEAD");
        let head = self.head.iter().map(|value| (&HEAD, value));
        head.chain(USUAL.into_iter().flat_map(|prefix| self.under(prefix)))
    }

    /// The full name of the branch that `HEAD` names, if it has no commit yet.
    #[must_use]
    pub fn unborn_head(&self) -> Option<&[u8]> {
        match &self.head {
            Some(Value::Symbolic(target)) if self.get(target).is_none() => Some(target),
            _ => None,
        }
    }

    /// The objects that refs under `base` exchange, with their replacements, sorted (git-replace(1)).
    #[must_use]
    pub fn replacements(&self, base: &[u8]) -> Vec<(Oid, Oid)> {
        let pair = |(name, value): (&Bytes, &Value)| match value {
            Value::Direct { id, .. } => Some((Oid::from_hex(name.strip_prefix(base)?)?, *id)),
            _ => None,
        };
        self.under(base).filter_map(pair).collect()
    }

    fn get(&self, name: &[u8]) -> Option<&Value> {
        let at = self.values.binary_search_by(|(known, _)| known[..].cmp(name)).ok()?;
        Some(&self.values[at].1)
    }

    fn under(&self, prefix: &[u8]) -> impl Iterator<Item = (&Bytes, &Value)> + use<'_> {
        let start = self.values.partition_point(|(name, _)| name[..] < *prefix);
        let prefix = prefix.to_vec();
        let names = self.values[start..].iter().map(|(name, value)| (name, value));
        names.take_while(move |(name, _)| name.starts_with(&prefix))
    }

    fn push(
        &self,
        name: &Bytes,
        value: &Value,
        peel: impl FnOnce(Oid, Packed) -> Result<(Option<Oid>, Option<Position>), ObjectError>,
        list: &mut RefList,
    ) {
        let is_unread = false;
        let mut broken =
            |reason: String| list.broken.push(BrokenRef { name: name.clone(), reason, is_unread, id: None });
        let (symbolic, id, packed) = match self.follow(value) {
            Followed::Object { symbolic, id, packed } => (symbolic, id, packed),
            // An unborn HEAD is how every repository begins, and nothing to report.
            Followed::Dangling(_) if name[..] == *b"HEAD" => return,
            Followed::Dangling(target) => {
                broken(format!("points to '{}', which isn't there", String::from_utf8_lossy(&target)));
                return;
            }
            Followed::Broken => {
                broken("is broken".into());
                return;
            }
            Followed::Unread(cause) => {
                let reason = format!("can't be read: {cause}");
                list.broken.push(BrokenRef { name: name.clone(), reason, is_unread: true, id: None });
                return;
            }
        };
        match peel(*id, packed) {
            Ok((commit, position)) => list.refs.push(Ref { name: name.clone(), symbolic, id: *id, commit, position }),
            Err(cause) => {
                let reason = format!("leads to an object that can't be read: {cause}");
                let is_unread = matches!(cause, ObjectError::Unreadable(..));
                list.broken.push(BrokenRef { name: name.clone(), reason, is_unread, id: Some(cause.id()) });
            }
        }
    }

    fn follow<'store>(&'store self, value: &'store Value) -> Followed<'store> {
        let mut value = value;
        let mut symbolic = None;
        // git gives up after five hops.
        for _ in 0..6 {
            match value {
                Value::Direct { id, peeled } => return Followed::Object { symbolic, id, packed: *peeled },
                Value::Broken => return Followed::Broken,
                Value::Unread(cause) => return Followed::Unread(cause),
                Value::Symbolic(target) => match self.get(target) {
                    Some(next) => {
                        symbolic.get_or_insert_with(|| Box::new(target.clone()));
                        value = next;
                    }
                    None => return Followed::Dangling(target.clone()),
                },
            }
        }
        Followed::Broken
    }
}

/// Refs that were asked for.
#[derive(Debug)]
pub struct Chosen<'s> {
    store: &'s RefStore,
    refs: Vec<(&'s Bytes, &'s Value)>,
}

impl Chosen<'_> {
    /// Where `graph` has what they lead to, as far as the files tell; of those that lead to an object.
    #[must_use]
    pub fn placed(&self, graph: &Graph) -> Vec<Option<Position>> {
        graph.positions(&self.starts().collect::<Vec<_>>())
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
    fn starts(&self) -> impl Iterator<Item = Oid> {
        self.refs.iter().filter_map(|(_, value)| match self.store.follow(value) {
            Followed::Object { id, packed, .. } => Some(packed.behind(*id)),
            _ => None,
        })
    }

    /// Follows them. `placed` is where `graph` has what they lead to; the rest is looked up through `handle`.
    #[must_use]
    pub fn list(&self, handle: &Handle, graph: &Graph, placed: &[Option<Position>]) -> RefList {
        let mut positions = placed.iter().copied();
        let mut peeling = Peeling { handle, known: HashMap::new() };
        let mut list = RefList { mark: graph.mark(), ..RefList::default() };
        list.refs.reserve(self.refs.len());
        for (name, value) in &self.refs {
            let peel = |id, packed: Packed| match positions.next().flatten() {
                Some(position) => Ok((Some(packed.behind(id)), Some(position))),
                None => peeling.peel(packed.behind(id)).map(|commit| (commit, None)),
            };
            self.store.push(name, value, peel, &mut list);
        }
        list
    }
}

/// Brings refs into the order of their names. Of several of one name the first counts: a loose ref overrules the packed one.
fn by_name(mut values: Vec<(Bytes, Value)>) -> Vec<(Bytes, Value)> {
    // What git packs is sorted already, and that is found out at one look.
    values.sort_by(|(a, _), (b, _)| a.cmp(b));
    values.dedup_by(|(later, _), (first, _)| later == first);
    values
}

enum Followed<'store> {
    Object { symbolic: Option<Box<Bytes>>, id: &'store Oid, packed: Packed },
    Dangling(Bytes),
    Broken,
    Unread(&'store str),
}

impl Packed {
    /// The object behind a ref that names `id`, as far as is known.
    fn behind(self, id: Oid) -> Oid {
        if let Self::To(peeled) = self { peeled } else { id }
    }
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

fn is_absence(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn read_if_there(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if is_absence(&cause) => Ok(None),
        Err(cause) => Err(Kind::Io.wrap(cause, format!("reading {}", path.display()))),
    }
}

/// Reads `packed-refs` (gitrepository-layout(5)): a header with its traits, `<id> <name>` lines, each tag followed by `^<peeled>`.
fn parse_packed(text: &Bytes, hash_len: usize, values: &mut Vec<(Bytes, Value)>) {
    let fully_peeled = text.starts_with(b"#")
        && text
            .split(|&byte| byte == b'\n')
            .next()
            .is_some_and(|header| header.split(|&byte| byte == b' ').any(|word| word == b"fully-peeled"));
    // A line has the id, a blank and ten letters at least.
    values.reserve(text.len() / (2 * hash_len + 12));
    let own = values.len();
    for line in text.split(|&byte| byte == b'\n') {
        match line.first() {
            None | Some(b'#') => {}
            Some(b'^') => {
                if let (Some((_, Value::Direct { peeled, .. })), Some(id)) =
                    (values[own..].last_mut(), Oid::from_hex(&line[1..]))
                {
                    *peeled = Packed::To(id);
                }
            }
            Some(_) => {
                let Some((hex, name)) = line.split_at_checked(2 * hash_len) else { continue };
                let (Some(id), Some(name)) = (Oid::from_hex(hex), name.strip_prefix(b" ")) else { continue };
                let peeled = if fully_peeled { Packed::Itself } else { Packed::Unknown };
                let value = if is_a_refname(name) { Value::Direct { id, peeled } } else { Value::Broken };
                values.push((text.slice_ref(name), value));
            }
        }
    }
}

/// Whether git would give a ref this name (git-check-ref-format(1)); it takes none that it wouldn't give.
fn is_a_refname(name: &[u8]) -> bool {
    // Nearly every name is of letters, digits, and single marks that are harmless everywhere; looking closer takes longer.
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/".contains(&byte);
    let mut before = b'/';
    let plain = name.iter().all(|&byte| {
        // A dot is harmless between two of the others, if it begins no `.lock`.
        let fine = harmless(byte) && !(byte == b'/' && before == b'/') && !(byte == b'l' && before == b'.')
            || byte == b'.' && harmless(before) && before != b'/';
        before = byte;
        fine
    });
    let plain = plain && name.starts_with(b"refs/") && harmless(before) && before != b'/';
    plain || gix::validate::reference::name(name.into()).is_ok()
}

fn parse_loose(text: &[u8]) -> Value {
    let text = text.trim_ascii();
    if let Some(target) = text.strip_prefix(b"ref:") {
        return Value::Symbolic(Bytes::copy_from_slice(target.trim_ascii()));
    }
    // git reads the id and ignores what follows it after a blank.
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    match Oid::from_hex(&text[..end]) {
        Some(id) if !id.is_null() => Value::Direct { id, peeled: Packed::Unknown },
        _ => Value::Broken,
    }
}

fn read_loose(folder: &Path, prefix: &[u8], values: &mut Vec<(Bytes, Value)>) -> anyhow::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let unlisted = |cause| Kind::Io.wrap(cause, format!("listing refs in {}", folder.display()));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
        Err(cause) => return Err(unlisted(cause)),
    };
    for entry in entries {
        let entry = entry.map_err(unlisted)?;
        let file_name = entry.file_name();
        let part = file_name.as_bytes();
        // Lock files stand beside the refs that are being written.
        if part.starts_with(b".") || part.ends_with(b".lock") {
            continue;
        }
        let mut name = prefix.to_vec();
        name.push(b'/');
        name.extend_from_slice(part);
        let kind = entry.file_type();
        if kind.is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && entry.path().is_dir()) {
            read_loose(&entry.path(), &name, values)?;
            continue;
        }
        let value = match std::fs::read(entry.path()) {
            Err(cause) if is_absence(&cause) => continue,
            _ if !is_a_refname(&name) => Value::Broken,
            Ok(text) => parse_loose(&text),
            Err(cause) => Value::Unread(cause.to_string().into()),
        };
        values.push((name.into(), value));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_completed_as_git_completes_them() {
        for (glob, full) in [
            ("heads", "refs/heads/*"),
            ("refs/heads/", "refs/heads/*"),
            ("refs/heads/stable/*", "refs/heads/stable/*"),
            ("tags/v[0-9]*", "refs/tags/v[0-9]*"),
        ] {
            assert_eq!(full_glob(glob.as_bytes()), full.as_bytes(), "{glob}");
        }
        assert!(glob_matches(b"refs/heads/*", b"refs/heads/stable/1.0"), "a star crosses a slash");
        assert!(!glob_matches(b"refs/heads/x?", b"refs/heads/x"));
    }

    #[test]
    fn a_selection_covers_what_it_would_select() {
        let id: Oid = "a".repeat(40).parse().expect("an id");
        let names = ["refs/heads/main", "refs/heads/stable/1.0", "refs/notes/x", "refs/remotes/o/m", "refs/tags/v1"];
        let values = names.iter().map(|name| ((*name).into(), Value::Direct { id, peeled: Packed::Itself })).collect();
        let store = RefStore { values, head: Some(parse_loose(b"ref: refs/heads/main")) };
        let globs = |globs: &[&[u8]]| Selection::Globs(globs.iter().map(|glob| glob.to_vec()).collect());
        for selection in
            [Selection::Usual, globs(&[b"heads/stable/*", b"notes"]), globs(&[b"tags/v[0-9]*"]), globs(&[b"refs/*"])]
        {
            let chosen: Vec<&[u8]> = store.chosen(&selection).into_iter().map(|(name, _)| &**name).collect();
            for name in names.iter().map(|name| name.as_bytes()).chain([&b"HEAD"[..]]) {
                assert_eq!(selection.covers(name), chosen.contains(&name), "{selection:?}: {name:?}");
            }
        }
    }

    #[test]
    fn packed_refs_say_what_they_peel_to() {
        let a = "a".repeat(40);
        let b = "b".repeat(40);
        let text = format!("# pack-refs with: peeled fully-peeled sorted \n{a} refs/heads/m\n{a} refs/tags/t\n^{b}\n");
        let mut values = Vec::new();
        parse_packed(&text.into(), 20, &mut values);
        let (a, b) = (a.parse().expect("an id"), b.parse().expect("an id"));
        let head = (Bytes::from("refs/heads/m"), Value::Direct { id: a, peeled: Packed::Itself });
        let tag = (Bytes::from("refs/tags/t"), Value::Direct { id: a, peeled: Packed::To(b) });
        assert_eq!(values, [head, tag]);
    }

    #[test]
    fn a_loose_ref_overrules_the_packed_one_whatever_the_order_in_the_file() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let packed = |name: &str| format!("{a} refs/heads/{name}\n");
        let mut values = vec![("refs/heads/m".into(), parse_loose(b.as_bytes()))];
        parse_packed(&[packed("z"), packed("m"), packed("a")].concat().into(), 20, &mut values);
        let store = RefStore { values: by_name(values), head: None };
        let found: Vec<_> = store.usual_ids().map(|(name, id)| (name.to_vec(), id.to_hex())).collect();
        let expected = [("a", &a), ("m", &b), ("z", &a)];
        assert_eq!(found, expected.map(|(name, id)| (format!("refs/heads/{name}").into_bytes(), id.clone())));
    }

    #[test]
    fn a_refname_is_one_that_git_would_give() {
        let pieces = ["refs/", "a", ".", "/", ".lock", "l", "@", "{", "\u{1}", " ", "~", "é", "-", "1"];
        let mut names = vec![String::new()];
        for _ in 0..4 {
            names = names.iter().flat_map(|name| pieces.map(|piece| format!("{name}{piece}"))).collect();
            for name in &names {
                let name = format!("refs/heads/{name}");
                let valid = gix::validate::reference::name(name.as_bytes().into()).is_ok();
                assert_eq!(is_a_refname(name.as_bytes()), valid, "{name:?}");
            }
        }
    }

    #[test]
    fn loose_refs_are_read_as_git_reads_them() {
        let a = "a".repeat(40);
        let id: Oid = a.parse().expect("an id");
        for (text, value) in [
            (format!("{a}\n"), Value::Direct { id, peeled: Packed::Unknown }),
            (format!("{a} trailing\n"), Value::Direct { id, peeled: Packed::Unknown }),
            ("ref: refs/heads/x\n".into(), Value::Symbolic("refs/heads/x".into())),
            (String::new(), Value::Broken),
            ("0".repeat(40), Value::Broken),
            ("junk".into(), Value::Broken),
        ] {
            assert_eq!(parse_loose(text.as_bytes()), value, "{text}");
        }
    }
}
