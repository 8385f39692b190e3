//! Which paths differ between two trees.
//!
//! Owns the simultaneous walk over both. Refuses to find renames (`--no-renames`) and to say what a change means: `facts` does that.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use gix::objs::TreeRefIter;
use gix::objs::tree::{EntryRef, name_order};

use super::repository::{Handle, ObjectError, from_gix};
use crate::facts::Oid;
use crate::facts::changes::{Change, Entry, Mode};

/// How deep directories may be nested: git's default for `core.maxTreeDepth`.
const MAX_DEPTH: usize = 2048;
/// What may be found between two trees, in bytes of memory: some three million changed files. Ten small trees, each of which is named ten
/// times in the next, stand for ten thousand million; git takes them on until memory ends.
const MOST: usize = 512 << 20;
/// What a directory counts for among these: its files may be none, and time is to end too.
const DIRECTORY: usize = 256;

/// Walks pairs of trees. One for each thread.
#[derive(Debug)]
pub struct TreeDiff {
    buffer: Vec<u8>,
    path: Vec<u8>,
    within: Option<Arc<BTreeSet<Vec<u8>>>>,
    /// What may be found, and what is left of that.
    most: usize,
    left: usize,
}

impl Default for TreeDiff {
    fn default() -> Self {
        Self { buffer: Vec::new(), path: Vec::new(), within: None, most: MOST, left: 0 }
    }
}

/// Why a walk ends early.
enum Halt {
    Object(ObjectError),
    /// A path differs that isn't one of those that the walk is kept within.
    Outside,
    /// More is found than memory should hold.
    TooMuch,
}

impl From<ObjectError> for Halt {
    fn from(cause: ObjectError) -> Self {
        Self::Object(cause)
    }
}

impl TreeDiff {
    /// A walker that has not read anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fills `out` with the differences between two trees; `old` is `None` for the empty tree.
    ///
    /// # Errors
    ///
    /// An object is missing or damaged, or the trees differ in more than memory should hold; `out` then has only a part of the changes.
    pub fn of_trees(
        &mut self,
        handle: &Handle,
        old: Option<&Oid>,
        new: &Oid,
        out: &mut Vec<Change>,
    ) -> Result<(), ObjectError> {
        // Without bounds nothing is out of them.
        self.differences(handle, old, new, out).map(|_| ())
    }

    /// As [`Self::of_trees`], but only if no path differs that isn't in `within`: else `false`, as soon as that shows, with most trees
    /// unread.
    ///
    /// # Errors
    ///
    /// As [`Self::of_trees`].
    pub fn of_trees_within(
        &mut self,
        handle: &Handle,
        old: Option<&Oid>,
        new: &Oid,
        within: &Arc<BTreeSet<Vec<u8>>>,
        out: &mut Vec<Change>,
    ) -> Result<bool, ObjectError> {
        self.within = Some(Arc::clone(within));
        let is_within = self.differences(handle, old, new, out);
        self.within = None;
        is_within
    }

    fn differences(
        &mut self,
        handle: &Handle,
        old: Option<&Oid>,
        new: &Oid,
        out: &mut Vec<Change>,
    ) -> Result<bool, ObjectError> {
        out.clear();
        self.path.clear();
        self.left = self.most;
        if old == Some(new) {
            return Ok(true);
        }
        match self.walk(handle, old.copied(), *new, out) {
            Ok(()) => Ok(true),
            Err(Halt::Outside) => Ok(false),
            Err(Halt::Object(cause)) => Err(cause),
            Err(Halt::TooMuch) => Err(ObjectError::Corrupt(*new, "it differs in too many files".to_owned())),
        }
    }

    /// Takes `bytes` off what may be found.
    fn spend(&mut self, bytes: usize) -> Result<(), Halt> {
        self.left = self.left.checked_sub(bytes).ok_or(Halt::TooMuch)?;
        Ok(())
    }

    /// Whether the walk may go on at `self.path`: a file, or a directory with its `/`.
    fn admits(&self) -> bool {
        let Some(within) = &self.within else { return true };
        let next = within.range::<[u8], _>((Bound::Included(self.path.as_slice()), Bound::Unbounded)).next();
        let is_directory = self.path.ends_with(b"/");
        next.is_some_and(|path| if is_directory { path.starts_with(&self.path) } else { *path == self.path })
    }

    /// Compares two trees, and those within them. Nesting takes heap, not stack: a thread may have little of that.
    fn walk(&mut self, handle: &Handle, old: Option<Oid>, new: Oid, out: &mut Vec<Change>) -> Result<(), Halt> {
        let mut levels = vec![self.level(handle, old, Some(new))?];
        while let Some(level) = levels.last() {
            self.path.truncate(level.path_len);
            let Some([old, new]) = level.next()? else {
                levels.pop();
                continue;
            };
            let Some(either) = new.as_ref().or(old.as_ref()) else { continue };
            self.path.extend_from_slice(either.filename);
            let is_directory = either.mode.is_tree();
            if is_directory {
                self.path.push(b'/');
            }
            if !self.admits() {
                return Err(Halt::Outside);
            }
            if is_directory {
                let id = |entry: Option<EntryRef<'_>>| entry.and_then(|entry| from_gix(entry.oid));
                let (old, new) = (id(old), id(new));
                if let (true, Some(id)) = (levels.len() > MAX_DEPTH, new.or(old)) {
                    return Err(ObjectError::Corrupt(id, "its directories are nested too deep".to_owned()).into());
                }
                levels.push(self.level(handle, old, new)?);
            } else {
                out.extend(Change::new(self.path.clone(), old.as_ref().and_then(side), new.as_ref().and_then(side)));
                self.spend(self.path.len() + size_of::<Change>())?;
            }
        }
        Ok(())
    }

    /// The two trees at `self.path`.
    fn level(&mut self, handle: &Handle, old: Option<Oid>, new: Option<Oid>) -> Result<Level, Halt> {
        self.spend(DIRECTORY)?;
        let (old, new) = (self.side(handle, old)?, self.side(handle, new)?);
        Ok(Level { old, new, path_len: self.path.len() })
    }

    fn side(&mut self, handle: &Handle, tree: Option<Oid>) -> Result<Side, ObjectError> {
        // Git knows the empty tree without having it.
        let there = tree.filter(|tree| !gix_id(tree).is_empty_tree());
        let bytes = there.map(|tree| handle.tree(&tree, &mut self.buffer)).transpose()?;
        Ok(Side { tree, bytes, at: Cell::new(0) })
    }
}

/// Two trees of the same path.
struct Level {
    old: Side,
    new: Side,
    /// Bytes of their path, with its `/`.
    path_len: usize,
}

impl Level {
    /// The next name that differs, as it was and as it is: directories both, or both none.
    fn next(&self) -> Result<Option<[Option<EntryRef<'_>>; 2]>, ObjectError> {
        loop {
            self.pass_what_is_equal();
            let (old, new) = (self.old.entry()?, self.new.entry()?);
            let order = match (&old, &new) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => entry_order(old, new),
            };
            let take = |side: &Side, (entry, next)| {
                side.at.set(next);
                entry
            };
            let old = old.filter(|_| order.is_le()).map(|old| take(&self.old, old));
            let new = new.filter(|_| order.is_ge()).map(|new| take(&self.new, new));
            if !matches!((&old, &new), (Some(old), Some(new)) if old.oid == new.oid && same_mode(old, new)) {
                return Ok(Some([old, new]));
            }
        }
    }

    /// Passes over the entries that come next and are the same in both: by far the most of them, and to compare bytes is cheaper than to take
    /// entries apart. Only such as git writes, so that damage is met where entries are taken apart, also if both have it.
    fn pass_what_is_equal(&self) {
        let (Some(tree), Some(_)) = (self.old.tree, self.new.tree) else { return };
        let (old, new) = (self.old.rest(), self.new.rest());
        let equal = &old[..equal_bytes(old, new)];
        let mut end = 0;
        // An entry is a mode, a space, a name, NUL and an id.
        while let Some(mode) = MODES.iter().find(|mode| equal[end..].starts_with(mode)) {
            let name = end + mode.len();
            let Some(length) = memchr::memchr(0, &equal[name..]).filter(|length| *length > 0) else { break };
            let next = name + length + 1 + tree.as_bytes().len();
            if next > equal.len() {
                break;
            }
            end = next;
        }
        for side in [&self.old, &self.new] {
            side.at.set(side.at.get() + end);
        }
    }
}

/// What the entries of sound trees begin with; the most frequent first.
const MODES: [&[u8]; 5] = [b"100644 ", b"40000 ", b"100755 ", b"120000 ", b"160000 "];

/// One of two trees.
struct Side {
    /// `None` where there is none.
    tree: Option<Oid>,
    /// `None` of the empty one.
    bytes: Option<Arc<[u8]>>,
    /// Where its next entry begins.
    at: Cell<usize>,
}

impl Side {
    fn rest(&self) -> &[u8] {
        &self.bytes.as_deref().unwrap_or_default()[self.at.get()..]
    }

    /// The next entry, and where the one after it begins.
    fn entry(&self) -> Result<Option<(EntryRef<'_>, usize)>, ObjectError> {
        let Some(tree) = self.tree else { return Ok(None) };
        let rest = self.rest();
        let mut entries = TreeRefIter::from_bytes(rest, gix_id(&tree).kind());
        let Some(entry) = entries.next() else { return Ok(None) };
        let entry = entry.ok().filter(|entry| !entry.filename.is_empty());
        let entry = entry.ok_or_else(|| ObjectError::Corrupt(tree, "an entry of the tree is damaged".to_owned()))?;
        Ok(Some((entry, self.at.get() + entries.offset_to_next_entry(rest))))
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
    Some(Entry { mode: mode(entry)?, oid: from_gix(entry.oid)? })
}

fn gix_id(id: &Oid) -> &gix::oid {
    // `Oid` guarantees 20 or 32 bytes, exactly what gix takes.
    gix::oid::from_bytes_unchecked(id.as_bytes())
}

/// How many bytes are equal at the beginning of both.
fn equal_bytes(left: &[u8], right: &[u8]) -> usize {
    const MANY: usize = 32;
    let many = left.as_chunks::<MANY>().0.iter().zip(right.as_chunks::<MANY>().0);
    let at = MANY * many.take_while(|(left, right)| left == right).count();
    at + left[at..].iter().zip(&right[at..]).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        path::Path,
        process::{Command, Stdio},
    };

    use gix::objs::Write as _;

    use super::*;
    use crate::facts::commit::RawCommit;
    use crate::facts::patch_id::{Content, HashKind, PatchHasher, needs_content};
    use crate::git::{ObjectKind, Repository};

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

    /// The trees that `commit` is the difference of; `None` for a merge.
    fn sides(handle: &Handle, commit: &Oid) -> Option<(Option<Oid>, Oid)> {
        let read = |id: &Oid| {
            let mut buffer = Vec::new();
            let raw = handle.commit(id, &mut buffer).expect("a commit");
            let commit = RawCommit::parse(raw, handle.hash_len()).expect("a sound one");
            (commit.tree, commit.parents.clone())
        };
        let (tree, parents) = read(commit);
        (parents.len() < 2).then(|| (parents.first().map(|parent| read(parent).0), tree))
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

    fn patch_id(handle: &Handle, kind: HashKind, changes: &[Change]) -> Option<Oid> {
        let mut hasher = PatchHasher::new(kind);
        for change in changes {
            let read = |wanted: bool, side: Option<Entry>| {
                let side = side.filter(|_| wanted)?;
                let mut buffer = Vec::new();
                Some(handle.object_of(&side.oid, ObjectKind::Blob, &mut buffer).expect("a blob").to_vec())
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
            let handle = Repository::discover_alone(dir).expect("a repository").handle();
            let commits = git(dir, &["rev-list", "main"], b"");
            let (mut walk, mut changes, mut seen) = (TreeDiff::new(), Vec::new(), 0);
            for commit in commits.split(|&byte| byte == b'\n').filter_map(Oid::from_hex) {
                match sides(&handle, &commit) {
                    Some((old, new)) => walk.of_trees(&handle, old.as_ref(), &new, &mut changes).expect("all is there"),
                    None => changes.clear(),
                }
                let name = commit.to_hex();
                let raw = ["log", "-1", "-z", "--format=", "--raw", "--no-renames", "--no-abbrev", &name];
                let ours = changes.iter().flat_map(raw_line).collect::<Vec<u8>>();
                assert_eq!(ours, git(dir, &raw, b""), "{format} {name}");
                agrees_within(&handle, &commit, &changes);
                let big = format!("core.bigFileThreshold={BIG}");
                let patch = git(dir, &["-c", &big, "log", "-1", "-p", "--no-renames", "--full-index", &name], b"");
                let theirs = git(dir, &["patch-id", "--stable"], &patch);
                let theirs = theirs.split(|&byte| byte == b' ').next().and_then(Oid::from_hex);
                assert_eq!(patch_id(&handle, kind, &changes), theirs, "{}", String::from_utf8_lossy(&patch));
                seen += 1;
            }
            assert_eq!(seen, 27);
        }
    }

    /// Kept within the paths that a commit changes the walk finds the same; without one of them it ends.
    fn agrees_within(handle: &Handle, commit: &Oid, changes: &[Change]) {
        let (mut walk, mut found) = (TreeDiff::new(), Vec::new());
        let Some((old, tree)) = sides(handle, commit) else { return };
        let paths = |skip: usize| -> Arc<BTreeSet<Vec<u8>>> {
            let all = changes.iter().enumerate().filter(|(at, _)| *at != skip).map(|(_, change)| change.path.clone());
            Arc::new(all.chain([b"another".to_vec()]).collect())
        };
        let mut within = |paths| walk.of_trees_within(handle, old.as_ref(), &tree, &paths, &mut found).expect("there");
        assert!(within(paths(usize::MAX)));
        for (at, change) in changes.iter().enumerate() {
            // A file that became a directory has the same name twice.
            let is_twice = paths(at).contains(&change.path);
            assert_eq!(within(paths(at)), is_twice, "{}", String::from_utf8_lossy(&change.path));
        }
        assert!(walk.of_trees_within(handle, old.as_ref(), &tree, &paths(usize::MAX), &mut found).expect("there"));
        assert_eq!(found, changes);
    }

    /// Commits that each put, change or remove some of many files in a few directories.
    fn large_history(commits: usize) -> History {
        let mut random = fastrand::Rng::with_seed(11);
        let mut history = History(Vec::new());
        let name = |random: &mut fastrand::Rng| {
            let directory = ["", "a/", "a/b/", "a.b/", "ab/"][random.usize(..5)];
            format!("{directory}{}", "x".repeat(random.usize(..3)) + &random.usize(..90).to_string())
        };
        for commit in 0..commits {
            let count = if commit == 0 { 600 } else { random.usize(..9) };
            let commands = (0..count).map(|_| {
                let (mode, path) = (["100644", "100755"][usize::from(random.u8(..) < 20)], name(&mut random));
                if random.bool() || commit == 0 {
                    put(mode, path.as_bytes(), format!("{}\n", random.u8(..9)).as_bytes())
                } else {
                    format!("D {path}").into_bytes()
                }
            });
            let commands = commands.collect::<Vec<_>>();
            history.commit(&commands.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
        history
    }

    #[test]
    fn changes_in_large_directories_are_those_of_git() {
        for format in ["sha1", "sha256"] {
            let dir = tempfile::tempdir().expect("a directory");
            let dir = dir.path();
            git(dir, &["init", "-q", "--bare", &format!("--object-format={format}"), "."], b"");
            git(dir, &["fast-import", "--quiet"], &large_history(60).0);
            let handle = Repository::discover_alone(dir).expect("a repository").handle();
            let (mut walk, mut changes, mut seen) = (TreeDiff::new(), Vec::new(), 0);
            for commit in git(dir, &["rev-list", "main"], b"").split(|&byte| byte == b'\n').filter_map(Oid::from_hex) {
                let (old, new) = sides(&handle, &commit).expect("no merge");
                walk.of_trees(&handle, old.as_ref(), &new, &mut changes).expect("all is there");
                let raw = ["log", "-1", "-z", "--format=", "--raw", "--no-renames", "--no-abbrev", &commit.to_hex()];
                let ours = changes.iter().flat_map(raw_line).collect::<Vec<u8>>();
                assert_eq!(ours, git(dir, &raw, b""), "{format} {commit}");
                seen += changes.len();
            }
            assert!(seen > 600);
        }
    }

    #[test]
    fn damage_is_told_also_where_both_trees_have_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        git(dir, &["init", "-q", "--bare", "."], b"");
        let handle = Repository::discover_alone(dir).expect("a repository").handle();
        let write = |bytes: &[u8]| {
            let id = git(dir, &["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], bytes);
            Oid::from_hex(id.trim_ascii()).expect("an id")
        };
        let entry = |name: &str, id: u8| [name.as_bytes(), b"\0", &[id; 20]].concat();
        let (mut walk, mut changes) = (TreeDiff::new(), Vec::new());
        for damaged in [
            entry("1006x4 bad", 1),
            entry("100644", 1),
            entry("100644 ", 1),
            entry("10064444 bad", 1),
            b"100644 cut\0short".to_vec(),
            b"1006".to_vec(),
        ] {
            let around = |first, last| [entry("100644 a", first), damaged.clone(), entry("100644 z", last)].concat();
            let is_cut = damaged.len() < 20;
            for (old, new) in [((1, 1), (2, 1)), ((1, 1), (1, 2)), ((1, 1), (2, 2))] {
                let of = |(first, last)| {
                    let whole = around(first, last);
                    if is_cut { write(&whole[..whole.len() - entry("100644 z", last).len()]) } else { write(&whole) }
                };
                let (old, new) = (of(old), of(new));
                let found = walk.of_trees(&handle, Some(&old), &new, &mut changes);
                let is_told = matches!(&found, Err(ObjectError::Corrupt(id, _)) if [old, new].contains(id));
                assert!(is_told || old == new, "{:?}: {found:?}", String::from_utf8_lossy(&damaged));
            }
        }
    }

    #[test]
    fn directories_are_followed_as_deep_as_git_follows_them() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        git(dir, &["init", "-q", "--bare", "."], b"");
        let handle = Repository::discover_alone(dir).expect("a repository").handle();
        let wrapped = |mode: &[u8], below: &[u8]| {
            let tree = [mode, b" d\0", below].concat();
            handle.repo.objects.write_buf(gix::objs::Kind::Tree, &tree).expect("written")
        };
        let mut below = wrapped(b"100644", &[1; 20]);
        for _ in 0..MAX_DEPTH {
            below = wrapped(b"40000", below.as_slice());
        }
        let (fits, too_deep) = (below, wrapped(b"40000", below.as_slice()));
        let walk = |tree: &gix::oid| {
            let (handle, tree) = (Repository::discover_alone(dir).expect("a repository").handle(), from_gix(tree));
            let mut changes = Vec::new();
            let walked = TreeDiff::new().of_trees(&handle, None, &tree.expect("an id"), &mut changes);
            (walked, changes.len())
        };
        // Little more than what a thread needs to begin with.
        let narrow = || std::thread::Builder::new().stack_size(256 << 10);
        let in_narrow = |tree: &gix::oid| {
            std::thread::scope(|scope| narrow().spawn_scoped(scope, || walk(tree)).expect("a thread").join())
        };
        assert_eq!(in_narrow(&fits).expect("no panic"), (Ok(()), 1));
        let told = in_narrow(&too_deep).expect("no panic");
        assert!(matches!(told, (Err(ObjectError::Corrupt(..)), 0)), "{told:?}");
        let empty = git(dir, &["hash-object", "-w", "-t", "tree", "--stdin"], b"");
        let empty = String::from_utf8_lossy(&empty);
        for (tree, is_read) in [(fits, true), (too_deep, false)] {
            let args = ["diff-tree", "-r", empty.trim(), &tree.to_string()];
            let read = Command::new("git").args(args).current_dir(dir).output().expect("git runs");
            assert_eq!(read.status.success(), is_read, "{}", String::from_utf8_lossy(&read.stderr));
        }
    }

    #[test]
    fn what_small_trees_stand_for_is_taken_only_up_to_a_limit() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path();
        git(dir, &["init", "-q", "--bare", "."], b"");
        let made = |entries: String| {
            let id = git(dir, &["mktree", "--missing"], entries.as_bytes());
            String::from_utf8(id).expect("hexadecimal").trim().to_owned()
        };
        let file = "1".repeat(40);
        for (mode, kind, deepest) in [("100644", "blob", file), ("040000", "tree", made(String::new()))] {
            let level = |below: String, (mode, kind): (&str, &str)| {
                let line = |name: u8| format!("{mode} {kind} {below}\t{name}");
                made((0..10).map(line).collect::<Vec<_>>().join("\n") + "\n")
            };
            let first = level(deepest, (mode, kind));
            let top = (0..9).fold(first.clone(), |below, _| level(below, ("040000", "tree")));
            let handle = Repository::discover_alone(dir).expect("a repository").handle();
            let (mut walk, mut changes) = (TreeDiff { most: 100_000, ..TreeDiff::new() }, Vec::new());
            let id = |hex: &str| Oid::from_hex(hex.as_bytes()).expect("an id");
            let found = walk.of_trees(&handle, None, &id(&top), &mut changes);
            assert_eq!(found, Err(ObjectError::Corrupt(id(&top), "it differs in too many files".to_owned())));
            assert!(changes.len() < 1000);
            assert_eq!(walk.of_trees(&handle, None, &id(&first), &mut changes), Ok(()), "each has its own limit");
        }
    }

    #[test]
    fn bytes_are_equal_up_to_the_first_that_differs() {
        let left = (0..100).collect::<Vec<u8>>();
        for length in 0..100 {
            assert_eq!(equal_bytes(&left, &left[..length]), length);
            let mut right = left.clone();
            right[length] ^= 1;
            assert_eq!(equal_bytes(&left, &right), length);
        }
    }

    #[test]
    fn a_missing_object_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        git(dir.path(), &["init", "-q", "--bare", "."], b"");
        let handle = Repository::discover_alone(dir.path()).expect("a repository").handle();
        let gone = Oid::from_bytes(&[7; 20]).expect("an id");
        let found = TreeDiff::new().of_trees(&handle, None, &gone, &mut Vec::new());
        assert_eq!(found, Err(ObjectError::Missing(gone)));
    }
}
