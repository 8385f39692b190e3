//! Which paths a commit changed, read straight from its trees.
//!
//! Owns the simultaneous walk over two trees and the typed answer when an object is missing.
//! Refuses to find renames (`--no-renames`), to look into merges (`git log --raw` shows nothing for
//! them) and to say what a change means: `facts` does that.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use gix::objs::{
    CommitRefIter, Find, Kind, TreeRefIter,
    tree::{EntryRef, name_order},
};

use super::repository::ObjectError;
use crate::facts::{
    changes::{Change, Entry, Mode},
    oid::{Oid, SHA1_LEN},
};

/// How deep directories may be nested: git's default for `core.maxTreeDepth`.
const MAX_DEPTH: usize = 2048;

/// Walks pairs of trees, and keeps its buffers from one pair to the next. One for each thread.
#[derive(Debug, Default)]
pub struct TreeDiff {
    spare: Vec<Vec<u8>>,
    path: Vec<u8>,
    within: Option<Arc<BTreeSet<Vec<u8>>>>,
}

/// Why a walk ends early.
enum Halt {
    Object(ObjectError),
    /// A path differs that isn't one of those that the walk is kept within.
    Outside,
}

impl From<ObjectError> for Halt {
    fn from(cause: ObjectError) -> Self {
        Self::Object(cause)
    }
}

impl TreeDiff {
    /// A walker with no buffers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills `out` with what `commit` changed against its first parent, a root commit against the
    /// empty tree: the lines of `git log --raw --no-renames --no-abbrev -1`, in git's order. Nothing
    /// for a merge. With `cut` the commit counts as a root, as those in the `shallow` file do.
    ///
    /// # Errors
    ///
    /// An object is missing or damaged; `out` then holds only a part of the changes.
    pub fn of_commit(
        &mut self,
        objects: &impl Find,
        commit: &Oid,
        cut: bool,
        out: &mut Vec<Change>,
    ) -> Result<(), ObjectError> {
        out.clear();
        let mut buffer = self.spare.pop().unwrap_or_default();
        let result = self.commit_against_parent(objects, commit, cut, &mut buffer, out);
        self.spare.push(buffer);
        result
    }

    /// Fills `out` with the differences between two trees; `old` is `None` for the empty tree.
    ///
    /// # Errors
    ///
    /// An object is missing or damaged; `out` then holds only a part of the changes.
    pub fn of_trees(
        &mut self,
        objects: &impl Find,
        old: Option<&Oid>,
        new: &Oid,
        out: &mut Vec<Change>,
    ) -> Result<(), ObjectError> {
        out.clear();
        self.path.clear();
        if old == Some(new) {
            return Ok(());
        }
        match self.walk(objects, old.map(gix_id), Some(gix_id(new)), 0, out) {
            Err(Halt::Object(cause)) => Err(cause),
            Ok(()) | Err(Halt::Outside) => Ok(()),
        }
    }

    /// As [`Self::of_trees`], but only if no path differs that isn't in `within`: else `false`, as soon as that shows, with most trees
    /// unread.
    ///
    /// # Errors
    ///
    /// As [`Self::of_trees`].
    pub fn of_trees_within(
        &mut self,
        objects: &impl Find,
        old: Option<&Oid>,
        new: &Oid,
        within: &Arc<BTreeSet<Vec<u8>>>,
        out: &mut Vec<Change>,
    ) -> Result<bool, ObjectError> {
        out.clear();
        self.path.clear();
        if old == Some(new) {
            return Ok(true);
        }
        self.within = Some(Arc::clone(within));
        let walked = self.walk(objects, old.map(gix_id), Some(gix_id(new)), 0, out);
        self.within = None;
        match walked {
            Ok(()) => Ok(true),
            Err(Halt::Outside) => Ok(false),
            Err(Halt::Object(cause)) => Err(cause),
        }
    }

    /// Whether the walk may go on at `self.path`: a file, or a directory with its `/`.
    fn admits(&self) -> bool {
        let Some(within) = &self.within else { return true };
        let next = within.range::<[u8], _>((Bound::Included(self.path.as_slice()), Bound::Unbounded)).next();
        let is_directory = self.path.ends_with(b"/");
        next.is_some_and(|path| if is_directory { path.starts_with(&self.path) } else { *path == self.path })
    }

    fn commit_against_parent(
        &mut self,
        objects: &impl Find,
        commit: &Oid,
        cut: bool,
        buffer: &mut Vec<u8>,
        out: &mut Vec<Change>,
    ) -> Result<(), ObjectError> {
        let (tree, parents) = tree_and_parents(objects, commit, buffer)?;
        let parent = match parents {
            Parents::Many => return Ok(()),
            Parents::One(parent) if !cut => Some(parent),
            _ => None,
        };
        let old = match parent {
            Some(parent) => Some(tree_and_parents(objects, &parent, buffer)?.0),
            None => None,
        };
        self.of_trees(objects, old.as_ref(), &tree, out)
    }

    /// Compares two trees, of which at least one is there. `self.path` is their path with its `/`.
    fn walk(
        &mut self,
        objects: &impl Find,
        old: Option<&gix::oid>,
        new: Option<&gix::oid>,
        depth: usize,
        out: &mut Vec<Change>,
    ) -> Result<(), Halt> {
        if let (true, Some(id)) = (depth > MAX_DEPTH, new.or(old)) {
            return Err(corrupt(id, "its directories are nested too deep").into());
        }
        let mut old_buffer = self.spare.pop().unwrap_or_default();
        let mut new_buffer = self.spare.pop().unwrap_or_default();
        let result = (|| {
            let old = entries(objects, old, &mut old_buffer)?;
            let new = entries(objects, new, &mut new_buffer)?;
            self.merge(objects, old, new, depth, out)
        })();
        self.spare.push(old_buffer);
        self.spare.push(new_buffer);
        result
    }

    fn merge(
        &mut self,
        objects: &impl Find,
        mut old: Entries<'_>,
        mut new: Entries<'_>,
        depth: usize,
        out: &mut Vec<Change>,
    ) -> Result<(), Halt> {
        let (mut left, mut right) = (old.next()?, new.next()?);
        loop {
            let order = match (&left, &right) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => entry_order(left, right),
            };
            let removed = if order.is_le() { left.take() } else { None };
            let added = if order.is_ge() { right.take() } else { None };
            let same = matches!((&removed, &added), (Some(a), Some(b)) if a.oid == b.oid && same_mode(a, b));
            if !same {
                self.record(objects, removed.as_ref(), added.as_ref(), depth, out)?;
            }
            if order.is_le() {
                left = old.next()?;
            }
            if order.is_ge() {
                right = new.next()?;
            }
        }
    }

    /// Reports one name that differs; both sides, if there, are directories or both are not.
    fn record(
        &mut self,
        objects: &impl Find,
        old: Option<&EntryRef<'_>>,
        new: Option<&EntryRef<'_>>,
        depth: usize,
        out: &mut Vec<Change>,
    ) -> Result<(), Halt> {
        let Some(either) = new.or(old) else { return Ok(()) };
        let parent_len = self.path.len();
        self.path.extend_from_slice(either.filename);
        if either.mode.is_tree() {
            self.path.push(b'/');
        }
        let result = if !self.admits() {
            Err(Halt::Outside)
        } else if either.mode.is_tree() {
            self.walk(objects, old.map(|entry| entry.oid), new.map(|entry| entry.oid), depth + 1, out)
        } else {
            out.extend(Change::new(self.path.clone(), old.and_then(side), new.and_then(side)));
            Ok(())
        };
        self.path.truncate(parent_len);
        result
    }
}

/// Git's order of tree entries: a directory sorts as if its name ended in `/`.
fn entry_order(left: &EntryRef<'_>, right: &EntryRef<'_>) -> Ordering {
    name_order(left.filename, left.mode.is_tree(), right.filename, right.mode.is_tree())
}

fn same_mode(left: &EntryRef<'_>, right: &EntryRef<'_>) -> bool {
    left.mode == right.mode || mode(left) == mode(right)
}

fn mode(entry: &EntryRef<'_>) -> Option<Mode> {
    if entry.mode.is_tree() { None } else { Mode::from_bits(u32::from(entry.mode.value())) }
}

fn side(entry: &EntryRef<'_>) -> Option<Entry> {
    Some(Entry { mode: mode(entry)?, oid: Oid::from_bytes(entry.oid.as_bytes())? })
}

/// The entries of one tree, of which a damaged one is an error.
struct Entries<'a> {
    tree: Option<&'a gix::oid>,
    rest: TreeRefIter<'a>,
}

impl<'a> Entries<'a> {
    fn next(&mut self) -> Result<Option<EntryRef<'a>>, ObjectError> {
        match (self.rest.next(), self.tree) {
            (None, _) | (Some(Err(_)), None) => Ok(None),
            (Some(Ok(entry)), _) => Ok(Some(entry)),
            (Some(Err(_)), Some(tree)) => Err(corrupt(tree, "an entry of the tree is damaged")),
        }
    }
}

fn entries<'a>(
    objects: &impl Find,
    tree: Option<&'a gix::oid>,
    buffer: &'a mut Vec<u8>,
) -> Result<Entries<'a>, ObjectError> {
    // Git knows the empty tree without having it.
    let data: &[u8] = match tree {
        Some(id) if !id.is_empty_tree() => read(objects, id, Kind::Tree, buffer)?,
        _ => &[],
    };
    let hash = tree.map_or(gix::hash::Kind::Sha1, gix::oid::kind);
    Ok(Entries { tree, rest: TreeRefIter::from_bytes(data, hash) })
}

enum Parents {
    None,
    One(Oid),
    Many,
}

fn tree_and_parents(objects: &impl Find, commit: &Oid, buffer: &mut Vec<u8>) -> Result<(Oid, Parents), ObjectError> {
    let id = gix_id(commit);
    let data = read(objects, id, Kind::Commit, buffer)?;
    let bad = || corrupt(id, "the header of the commit is damaged");
    let mut header = CommitRefIter::from_bytes(data, id.kind());
    let tree = header.tree_id().map_err(|_| bad())?;
    let tree = Oid::from_bytes(tree.as_bytes()).ok_or_else(bad)?;
    let mut ids = CommitRefIter::from_bytes(data, id.kind()).parent_ids();
    let parents = match (ids.next(), ids.next()) {
        (None, _) => Parents::None,
        (Some(_), Some(_)) => Parents::Many,
        (Some(parent), None) => Parents::One(Oid::from_bytes(parent.as_bytes()).ok_or_else(bad)?),
    };
    Ok((tree, parents))
}

/// The content of a blob, read into `buffer`.
///
/// # Errors
///
/// The blob is missing, damaged, or no blob.
pub fn blob<'a>(objects: &impl Find, id: &Oid, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], ObjectError> {
    read(objects, gix_id(id), Kind::Blob, buffer)
}

fn read<'a>(objects: &impl Find, id: &gix::oid, kind: Kind, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], ObjectError> {
    match objects.try_find(id, buffer) {
        Ok(Some(object)) if object.kind == kind => Ok(object.data),
        Ok(Some(object)) => Err(corrupt(id, &format!("it is a {}, not a {kind}", object.kind))),
        Ok(None) => Err(oid(id).map_or_else(|| corrupt(id, "its id has an odd length"), ObjectError::Missing)),
        Err(cause) => Err(oid(id).map_or_else(|| corrupt(id, &cause.to_string()), |id| ObjectError::of(id, &cause))),
    }
}

fn gix_id(id: &Oid) -> &gix::oid {
    // `Oid` guarantees 20 or 32 bytes, exactly what gix takes.
    gix::oid::from_bytes_unchecked(id.as_bytes())
}

fn oid(id: &gix::oid) -> Option<Oid> {
    Oid::from_bytes(id.as_bytes())
}

fn corrupt(id: &gix::oid, reason: &str) -> ObjectError {
    let null = [0; SHA1_LEN];
    match oid(id).or_else(|| Oid::from_bytes(&null)) {
        Some(id) => ObjectError::Corrupt(id, reason.to_owned()),
        None => unreachable!("twenty bytes are an id"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        path::Path,
        process::{Command, Stdio},
    };

    use super::*;
    use crate::facts::patch_id::{Content, HashKind, PatchHasher, needs_content};

    /// A size from which the test takes files for big ones.
    const BIG: usize = 60_000;

    fn git(dir: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(dir)
            .envs([("HOME", dir), ("XDG_CONFIG_HOME", dir)])
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("git runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().expect("git ends");
        writer.join().expect("no panic").expect("git reads its input");
        assert!(output.status.success(), "git {args:?}");
        output.stdout
    }

    /// One commit after another, each as the file commands of `git fast-import`.
    struct History(Vec<u8>);

    impl History {
        fn commit(&mut self, commands: &[&[u8]]) {
            self.0.extend_from_slice(
                b"commit refs/heads/main\ncommitter A U Thor <author@example.com> 1700000000 +0000\ndata 2\nx\n",
            );
            for command in commands {
                self.0.extend_from_slice(command);
                self.0.push(b'\n');
            }
        }
    }

    fn put(mode: &str, path: &[u8], content: &[u8]) -> Vec<u8> {
        let mut command = format!("M {mode} inline ").into_bytes();
        command.extend_from_slice(path);
        command.extend_from_slice(format!("\ndata {}\n", content.len()).as_bytes());
        command.extend_from_slice(content);
        command
    }

    fn numbered(count: usize, changed: impl Fn(usize) -> bool) -> Vec<u8> {
        let line = |n| if changed(n) { format!("\tother {n}\n\n") } else { format!("  line {}\n}}\n", n % 17) };
        (0..count).map(line).collect::<String>().into_bytes()
    }

    fn odd_history(id_length: usize) -> History {
        let mut history = History(Vec::new());
        let module = |digit: &str| format!("M 160000 {} sub", digit.repeat(2 * id_length)).into_bytes();
        let f = |content: &[u8]| put("100644", b"f", content);
        history.commit(&[&f(b"one\ntwo\nthree"), &put("100644", b"a.c", b"x\n"), &put("100644", b"a/b/c", b"y\n")]);
        history.commit(&[&f(b"one\ntwo\nthree\n")]);
        history.commit(&[&f(b"one\ntwo\nthree")]);
        history.commit(&[]);
        history.commit(&[
            &put("100644", b"bin", b"a\0b"),
            &f(b"one\n \t two\r\nthree\r\n"),
            &put("100644", b"z", b"z\n"),
        ]);
        history.commit(&[&put("100755", b"bin", b"a\0c"), &f(b"one\n"), &put("100644", b"g", b"g\n")]);
        history.commit(&[&put("100755", b"f", b"one\n"), &put("100644", b"g", b"h\n")]);
        history.commit(&[&put("100644", b"f", b"one\n"), &put("100644", b"bin", b"text\n")]);
        history.commit(&[&put("120000", b"f", b"a.c"), &put("120000", b"link", b"f")]);
        history.commit(&[&put("120000", b"link", b"g"), &f(b"a.c"), &module("1")]);
        history.commit(&[&module("2"), &put("100644", b"empty", b"")]);
        history.commit(&[&put("100644", b"sub", b"now a file\n"), &put("100755", b"empty", b"")]);
        history.commit(&[b"D a.c", b"D empty", &put("100644", b"a/b/d", b"x\n")]);
        history.commit(&[&put("100644", b"a", b"a file in place of a directory\n"), &put("100644", b"a-b", b"-\n")]);
        history.commit(&[&put("100644", b"a/x", b"and back\n"), b"R g renamed"]);
        history.commit(&[
            &put("100644", b"with space", b"s\n"),
            &put("100644", br#""tab\t quote\" nl\n back\\""#, b"s\n"),
            &put("100644", b"\xc3\xa4", b"s\n"),
            &put("100644", b"\xff\x7f\x01", b"s\n"),
        ]);
        history.commit(&[
            &put("100644", b"\xff\x7f\x01", b"t\n"),
            &put("100644", b"nul", &[&[b'x'; 8001][..], b"\0y\nz\n"].concat()),
        ]);
        history.commit(&[&put("100644", b"nul", &[&[b'x'; 8001][..], b"\0other\nz\n"].concat())]);
        for changed in
            [|_| false, |n| n % 9 == 4, |n| n % 40 == 7 || n > 490, |n| n == 0 || (200..260).contains(&n), |n| n == 499]
        {
            history.commit(&[&f(&numbered(500, changed))]);
        }
        history.commit(&[&f(b"a\n".repeat(400).as_slice())]);
        history.commit(&[&f(b"a\n".repeat(500).as_slice())]);
        history.commit(&[&put("100644", b"huge", &numbered(BIG / 4, |_| false)), &put("100644", b"zz", b"1\n")]);
        history.commit(&[&put("100644", b"huge", &numbered(BIG / 4, |n| n == 9)), &put("100644", b"zz", b"2\n")]);
        history
    }

    fn raw_line(change: &Change) -> Vec<u8> {
        let null = "0".repeat(2 * change.new.or(change.old).map_or(20, |side| side.oid.as_bytes().len()));
        let mode = |side: Option<Entry>| side.map_or("000000", |side| side.mode.octal());
        let id = |side: Option<Entry>| side.map_or_else(|| null.clone(), |side| side.oid.to_hex());
        let (old, new) = (change.old, change.new);
        let head = format!(":{} {} {} {} {}\0", mode(old), mode(new), id(old), id(new), change.status.letter());
        [head.as_bytes(), &change.path, b"\0"].concat()
    }

    fn content(bytes: Option<&[u8]>) -> Content<'_> {
        match bytes {
            None => Content::Unread,
            Some(bytes) if bytes.len() > BIG => Content::Big,
            Some(bytes) => Content::Bytes(bytes),
        }
    }

    fn patch_id(objects: &impl Find, kind: HashKind, changes: &[Change]) -> Option<Oid> {
        let mut hasher = PatchHasher::new(kind);
        for change in changes {
            let read = |wanted: bool, side: Option<Entry>| {
                let side = side.filter(|_| wanted)?;
                let mut buffer = Vec::new();
                Some(blob(objects, &side.oid, &mut buffer).expect("a blob").to_vec())
            };
            let (old, new) = needs_content(change);
            let (old, new) = (read(old, change.old), read(new, change.new));
            hasher.add(change, content(old.as_deref()), content(new.as_deref())).expect("texts of a sane size");
        }
        hasher.finish()
    }

    #[test]
    fn changes_and_patch_ids_of_odd_commits_are_those_of_git() {
        for (format, kind, id_length) in [("sha1", HashKind::Sha1, 20), ("sha256", HashKind::Sha256, 32)] {
            let dir = tempfile::tempdir().expect("a directory");
            let dir = dir.path();
            git(dir, &["init", "-q", "--bare", &format!("--object-format={format}"), "."], b"");
            git(dir, &["fast-import", "--quiet"], &odd_history(id_length).0);
            let objects = gix::open(dir).expect("a repository").objects;
            let commits = git(dir, &["rev-list", "main"], b"");
            let (mut walk, mut changes, mut seen) = (TreeDiff::new(), Vec::new(), 0);
            for commit in commits.split(|&byte| byte == b'\n').filter_map(Oid::from_hex) {
                walk.of_commit(&objects, &commit, false, &mut changes).expect("all objects are there");
                let name = commit.to_hex();
                let raw = ["log", "-1", "-z", "--format=", "--raw", "--no-renames", "--no-abbrev", &name];
                let ours = changes.iter().flat_map(raw_line).collect::<Vec<u8>>();
                assert_eq!(ours, git(dir, &raw, b""), "{format} {name}");
                agrees_within(&objects, &commit, &changes);
                let big = format!("core.bigFileThreshold={BIG}");
                let patch = git(dir, &["-c", &big, "log", "-1", "-p", "--no-renames", "--full-index", &name], b"");
                let theirs = git(dir, &["patch-id", "--stable"], &patch);
                let theirs = theirs.split(|&byte| byte == b' ').next().and_then(Oid::from_hex);
                assert_eq!(patch_id(&objects, kind, &changes), theirs, "{}", String::from_utf8_lossy(&patch));
                seen += 1;
            }
            assert_eq!(seen, 27);
        }
    }

    /// Kept within the paths that a commit changes the walk finds the same; without one of them it ends.
    fn agrees_within(objects: &impl Find, commit: &Oid, changes: &[Change]) {
        let (mut walk, mut found, mut buffer) = (TreeDiff::new(), Vec::new(), Vec::new());
        let (tree, parents) = tree_and_parents(objects, commit, &mut buffer).expect("there");
        let old = match parents {
            Parents::Many => return,
            Parents::One(parent) => Some(tree_and_parents(objects, &parent, &mut buffer).expect("there").0),
            Parents::None => None,
        };
        let paths = |skip: usize| -> Arc<BTreeSet<Vec<u8>>> {
            let all = changes.iter().enumerate().filter(|(at, _)| *at != skip).map(|(_, change)| change.path.clone());
            Arc::new(all.chain([b"another".to_vec()]).collect())
        };
        let mut within = |paths| walk.of_trees_within(objects, old.as_ref(), &tree, &paths, &mut found).expect("there");
        assert!(within(paths(usize::MAX)));
        for (at, change) in changes.iter().enumerate() {
            // A file that became a directory has the same name twice.
            let is_twice = paths(at).contains(&change.path);
            assert_eq!(within(paths(at)), is_twice, "{}", String::from_utf8_lossy(&change.path));
        }
        assert!(walk.of_trees_within(objects, old.as_ref(), &tree, &paths(usize::MAX), &mut found).expect("there"));
        assert_eq!(found, changes);
    }

    #[test]
    fn a_missing_object_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        git(dir.path(), &["init", "-q", "--bare", "."], b"");
        let objects = gix::open(dir.path()).expect("a repository").objects;
        let gone = Oid::from_bytes(&[7; 20]).expect("an id");
        let found = TreeDiff::new().of_commit(&objects, &gone, false, &mut Vec::new());
        assert_eq!(found, Err(ObjectError::Missing(gone)));
    }
}
