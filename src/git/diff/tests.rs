//! Differences of trees, held to what git says of them.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use gix::objs::Write as _;
use proptest::prelude::*;

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
    history.commit(&[&put("100644", b"bin", b"a\0b"), &f(b"one\n \t two\r\nthree\r\n"), &put("100644", b"z", b"z\n")]);
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

/// Commits that each put, change or remove some of many files in a few directories; the same each time.
fn large_history(commits: usize) -> History {
    let mut state = 11_u32;
    let mut below = |most: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % most
    };
    let mut history = History(Vec::new());
    for commit in 0..commits {
        let mut commands = Vec::new();
        for _ in 0..if commit == 0 { 600 } else { below(9) } {
            let directory = ["", "a/", "a/b/", "a.b/", "ab/"][below(5)];
            let path = format!("{directory}{}{}", "x".repeat(below(3)), below(90));
            let mode = if below(12) == 0 { "100755" } else { "100644" };
            let content = format!("{}\n", below(9));
            let removes = commit > 0 && below(2) == 0;
            commands.push(if removes {
                format!("D {path}").into_bytes()
            } else {
                put(mode, path.as_bytes(), content.as_bytes())
            });
        }
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

/// Were what is equal looked at once for each entry of an odd mode, this would take minutes.
#[test]
fn odd_modes_in_a_large_directory_cost_no_more_than_others() {
    let dir = tempfile::tempdir().expect("a directory");
    git(dir.path(), &["init", "-q", "--bare", "."], b"");
    let handle = Repository::discover_alone(dir.path()).expect("a repository").handle();
    let write = |last: u8| {
        let entry = |number: usize| {
            let (mode, id) = (["100644", "100664"][number % 2], if number == 59_999 { last } else { 1 });
            [format!("{mode} file {number:06}\0").as_bytes(), &[id; 20]].concat()
        };
        let tree = (0..60_000).flat_map(entry).collect::<Vec<u8>>();
        from_gix(&handle.repo.objects.write_buf(gix::objs::Kind::Tree, &tree).expect("written")).expect("an id")
    };
    let mut changes = Vec::new();
    assert_eq!(TreeDiff::new().of_trees(&handle, Some(&write(1)), &write(2), &mut changes), Ok(()));
    assert_eq!(changes.iter().map(|change| change.path.as_slice()).collect::<Vec<_>>(), [b"file 059999"]);
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
        assert_eq!(
            found,
            Err(ObjectError::Corrupt(id(&top), "it and the tree before it differ in too many files".to_owned()))
        );
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

/// Entries of a tree, at times out of order or twice, and damaged by small changes that both trees may have.
fn entries() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    prop::collection::vec((0_usize..6, 0_u8..12, 0_u8..3), 0..20)
}

fn tree_of(entries: &[(usize, u8, u8)], ordered: bool) -> Vec<u8> {
    let mut entries = entries.to_vec();
    if ordered {
        entries.sort_by_key(|(_, name, _)| *name);
        entries.dedup_by_key(|(_, name, _)| *name);
    }
    let bytes = entries.iter().flat_map(|(mode, name, id)| {
        let mode = ["100644", "100644", "100664", "100755", "120000", "160000"][*mode];
        [format!("{mode} f{}\0", char::from(b'a' + name)).as_bytes(), &[*id; 20]].concat()
    });
    bytes.collect()
}

/// What differs, entry by entry; `None` if one of the trees is damaged or a directory differs.
fn entry_by_entry(old: &[u8], new: &[u8]) -> Option<Vec<Change>> {
    let parsed = |bytes| {
        let entries = TreeRefIter::from_bytes(bytes, gix::hash::Kind::Sha1).collect::<Result<Vec<_>, _>>().ok()?;
        entries.iter().all(|entry| !entry.filename.is_empty()).then_some(entries)
    };
    let (old, new) = (parsed(old)?, parsed(new)?);
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    let mut changes = Vec::new();
    while left.peek().is_some() || right.peek().is_some() {
        let order = match (left.peek(), right.peek()) {
            (Some(left), Some(right)) => entry_order(left, right),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let old = left.next_if(|_| order.is_le());
        let new = right.next_if(|_| order.is_ge());
        if matches!((old, new), (Some(old), Some(new)) if old.oid == new.oid && same_mode(old, new)) {
            continue;
        }
        let either = old.or(new).filter(|entry| !entry.mode.is_tree())?;
        changes.extend(Change::new(either.filename.to_vec(), old.and_then(side), new.and_then(side)));
    }
    Some(changes)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_trees_differ_as_they_do_entry_by_entry(
        (first, second) in (entries(), entries()),
        ordered in any::<bool>(),
        shared in 0_usize..20,
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>(), 0_usize..3)),
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        git(dir.path(), &["init", "-q", "--bare", "."], b"");
        let handle = Repository::discover_alone(dir.path()).expect("a repository").handle();
        let second = [&first[..shared.min(first.len())], &second[shared.min(second.len())..]].concat();
        let mut trees = [tree_of(&first, ordered), tree_of(&second, ordered)];
        if let Some((at, byte, which)) = damage {
            let shortest = trees.iter().map(Vec::len).min().unwrap_or(0);
            for (number, tree) in trees.iter_mut().enumerate().filter(|_| shortest > 0) {
                if which == 2 || which == number {
                    tree[at.index(shortest)] = byte;
                }
            }
        }
        let write = |tree: &[u8]| handle.repo.objects.write_buf(gix::objs::Kind::Tree, tree).expect("written");
        let [old, new] = [write(&trees[0]), write(&trees[1])].map(|id| from_gix(&id).expect("an id"));
        let mut changes = Vec::new();
        let walked = TreeDiff::new().of_trees(&handle, Some(&old), &new, &mut changes);
        if old == new {
            prop_assert_eq!((walked, changes.len()), (Ok(()), 0));
        } else {
            prop_assert_eq!(walked.ok().map(|()| changes), entry_by_entry(&trees[0], &trees[1]));
        }
    }
}
