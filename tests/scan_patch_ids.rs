//! `scan --patch-id` says what `git log -p --no-renames --full-index | git patch-id --stable` says, of awkward commits as
//! well. Absent are the ids of merges and of commits that change nothing, `null` what could not be known; nothing that a user
//! sets for `git diff` alters an id.

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type, usual};

/// What a `commit` event says of its patch-id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Absent,
    Null,
    Id(String),
}

/// The events of a scan that ended well, and what they say of each commit.
fn scan(repo: &Repo, args: &[&str]) -> (Vec<Value>, BTreeMap<String, Told>) {
    let output = bhfuil(repo).args(["scan", "--patch-id"]).args(args).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let events = events(&output);
    let told = of_type(&events, "commit").into_iter().map(|event| {
        let told = match event.get("patch_id") {
            None => Told::Absent,
            Some(Value::Null) => Told::Null,
            Some(id) => Told::Id(id.as_str().expect("a string").to_owned()),
        };
        (event["id"].as_str().expect("an id").to_owned(), told)
    });
    let told = told.collect();
    (events, told)
}

/// The same as git tells it: all commits, those without a patch-id as absent.
fn git_says(repo: &Repo) -> BTreeMap<String, Told> {
    let log = [&["log", "-p", "--no-renames", "--full-index"], usual(repo)].concat();
    let ids = repo.git_with(&["patch-id", "--stable"], &repo.git_bytes(&log));
    let ids = String::from_utf8(ids).expect("hexadecimal");
    let commits = repo.git(&[&["rev-list"], usual(repo)].concat());
    let mut said: BTreeMap<String, Told> = commits.lines().map(|id| (id.to_owned(), Told::Absent)).collect();
    for (patch_id, commit) in ids.lines().filter_map(|line| line.split_once(' ')) {
        let known = said.insert(commit.to_owned(), Told::Id(patch_id.to_owned()));
        assert_eq!(known, Some(Told::Absent), "git names {commit} once");
    }
    said
}

/// A history on its way to `git fast-import`.
#[derive(Default)]
struct History {
    stream: Vec<u8>,
    commits: usize,
}

impl History {
    /// Adds a commit on `branch` after the one before it there, with more parents by their numbers.
    fn commit(&mut self, branch: &str, merged: &[usize], commands: &[Vec<u8>]) -> usize {
        self.commits += 1;
        let (number, time) = (self.commits, 1_700_000_000 + 60 * self.commits);
        let head = format!(
            "commit refs/heads/{branch}\nmark :{number}\ncommitter A U Thor <author@example.com> {time} +0000\ndata 2\nx\n"
        );
        self.stream.extend_from_slice(head.as_bytes());
        for parent in merged {
            self.stream.extend_from_slice(format!("merge :{parent}\n").as_bytes());
        }
        for command in commands {
            self.stream.extend_from_slice(command);
            self.stream.push(b'\n');
        }
        number
    }

    fn import(self, format: &str) -> Repo {
        let repo = Repo::new();
        std::fs::remove_dir_all(repo.path().join(".git")).expect("an empty repository");
        repo.git(&["init", "--quiet", &format!("--object-format={format}")]);
        repo.git_with(&["fast-import", "--quiet"], &self.stream);
        repo
    }
}

fn put(mode: &str, path: &[u8], content: &[u8]) -> Vec<u8> {
    let mode = format!("M {mode} inline ");
    let size = format!("\ndata {}\n", content.len());
    [mode.as_bytes(), path, size.as_bytes(), content].concat()
}

fn file(path: &str, content: &str) -> Vec<u8> {
    put("100644", path.as_bytes(), content.as_bytes())
}

fn delete(path: &str) -> Vec<u8> {
    format!("D {path}").into_bytes()
}

/// `count` lines, those that `changed` picks in another wording and one more.
fn lines(count: usize, changed: impl Fn(usize) -> bool) -> String {
    let line = |n| if changed(n) { format!("\tother {n}\n\n") } else { format!("  line {}\n}}\n", n % 17) };
    (0..count).map(line).collect()
}

fn awkward(id_length: usize) -> History {
    let mut history = History::default();
    let module = |digit: &str| format!("M 160000 {} sub", digit.repeat(2 * id_length)).into_bytes();
    let mut main = |commands: &[Vec<u8>]| history.commit("main", &[], commands);
    main(&[file("f", "one\ntwo\nthree"), file("a.c", "x\n"), file("a/b/c", "y\n")]);
    // The end of the last line, white space, and line ends.
    main(&[file("f", "one\ntwo\nthree\n")]);
    main(&[file("f", "one\ntwo\nthree")]);
    main(&[file("f", "one\r\ntwo\r\nthree\r\n")]);
    main(&[file("f", "one\n  two\t\nthree\r\n")]);
    // Nothing at all.
    main(&[]);
    // Binary files, alone and between texts; a NUL late in a text.
    main(&[put("100644", b"bin", b"a\0b"), file("z", "z\n")]);
    main(&[put("100755", b"bin", b"a\0c"), file("f", "one\n"), file("g", "g\n")]);
    main(&[put("100644", b"bin", b"text\n")]);
    main(&[put("100644", b"late", &[&[b'x'; 8001][..], b"\0y\nz\n"].concat())]);
    main(&[put("100644", b"late", &[&[b'x'; 8001][..], b"\0other\nz\n"].concat())]);
    // Modes, alone and with a change beside them.
    main(&[put("100755", b"f", b"one\n")]);
    main(&[put("100644", b"f", b"one\n"), file("g", "h\n")]);
    main(&[file("f", "one\ntwo\n"), put("100755", b"g", b"h\n")]);
    // Symlinks, type changes, submodules.
    main(&[put("120000", b"link", b"f")]);
    main(&[put("120000", b"link", b"g"), put("120000", b"f", b"a.c")]);
    main(&[file("f", "a.c"), module("1")]);
    main(&[module("2"), file("empty", "")]);
    main(&[file("sub", "now a file\n"), put("100755", b"empty", b"")]);
    main(&[module("3"), delete("empty"), delete("a.c")]);
    main(&[file("a", "a file in place of a directory\n"), file("a-b", "-\n")]);
    main(&[file("a/x", "and back\n"), b"R g renamed".to_vec()]);
    // Paths that git writes as C strings, or not.
    main(&[
        file("with space", "s\n"),
        put("100644", br#""tab\t quote\" nl\n back\\""#, b"s\n"),
        put("100644", "ä".as_bytes(), b"s\n"),
        put("100644", b"\xff\x7f\x01", b"s\n"),
    ]);
    main(&[put("100644", b"\xff\x7f\x01", b"t\n"), file("with space", "t\n")]);
    // Hunks that touch, and lines that repeat.
    main(&[file("long", &lines(500, |_| false))]);
    main(&[file("long", &lines(500, |n| n % 9 == 4))]);
    main(&[file("long", &lines(500, |n| n % 40 == 7 || n > 490))]);
    main(&[file("long", &lines(500, |n| n == 0 || (200..260).contains(&n)))]);
    let here = main(&[file("long", &"a\n".repeat(400))]);
    main(&[file("long", &"a\n".repeat(500))]);
    // A root of its own, an empty one, and merges: without and with a change.
    let other = history.commit("other", &[], &[file("f", "of another root\n")]);
    history.commit("hollow", &[], &[]);
    history.commit("main", &[other], &[]);
    let merge = history.commit("main", &[other, here], &[file("evil", "merge\n")]);
    history.commit("other", &[merge], &[file("f", "mine\n")]);
    history
}

#[test]
fn patch_ids_of_awkward_commits_are_those_of_git() {
    for (format, id_length) in [("sha1", 20), ("sha256", 32)] {
        let repo = awkward(id_length).import(format);
        let said = git_says(&repo);
        let absent = said.values().filter(|told| **told == Told::Absent).count();
        assert_eq!((said.len(), absent), (35, 5), "three merges and two empty commits have none");
        for args in [&[][..], &["--threads=1"], &["--threads=4"], &["--reverse"]] {
            assert_eq!(scan(&repo, args).1, said, "{format} {args:?}");
        }
    }
}

#[test]
fn parents_that_are_cut_off_or_replaced_count_as_they_do_in_git() {
    let source = Repo::fixture("odd-commits");
    assert_eq!(scan(&source, &[]).1, git_says(&source));
    for variant in ["shallow", "replace"] {
        let repo = source.stored_as(variant);
        assert_eq!(scan(&repo, &[]).1, git_says(&repo), "{variant}");
    }
}

#[test]
fn what_a_user_sets_for_diffs_alters_no_patch_id() {
    let repo = awkward(20).import("sha1");
    let said = git_says(&repo);
    std::fs::create_dir_all(repo.path().join(".git/info")).expect("a folder");
    let attributes = "* diff=odd\nlong -diff\nz binary\nbin diff\n";
    std::fs::write(repo.path().join(".git/info/attributes"), attributes).expect("attributes");
    let order = repo.home().join("order");
    std::fs::write(&order, "z\nf\n*\n").expect("an order");
    for (key, value) in [
        ("diff.algorithm", "histogram"),
        ("diff.external", "false"),
        ("diff.odd.textconv", "tr a-z A-Z <"),
        ("diff.odd.command", "false"),
        ("diff.odd.algorithm", "patience"),
        ("diff.odd.xfuncname", "^line"),
        ("diff.noPrefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.context", "0"),
        ("diff.interHunkContext", "20"),
        ("diff.indentHeuristic", "false"),
        ("diff.renames", "copies"),
        ("diff.suppressBlankEmpty", "true"),
        ("diff.submodule", "log"),
        ("diff.ignoreSubmodules", "all"),
        ("diff.orderFile", order.to_str().expect("UTF-8")),
        ("core.quotePath", "false"),
        ("core.autocrlf", "true"),
        ("patchid.stable", "false"),
        ("patchid.verbatim", "true"),
        ("log.showRoot", "false"),
        ("log.diffMerges", "first-parent"),
    ] {
        repo.git(&["config", key, value]);
    }
    assert_eq!(scan(&repo, &[]).1, said);
    assert_ne!(git_says(&repo), said, "git itself minds them");
}

/// The objects, packed and loose, as names and sizes of files.
fn object_files(folder: &Path) -> BTreeMap<String, u64> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        if entry.path().is_dir() {
            files.extend(object_files(&entry.path()));
        } else {
            let size = entry.metadata().expect("a file").len();
            files.insert(entry.path().display().to_string(), size);
        }
    }
    files
}

#[test]
fn a_partial_clone_says_null_warns_once_and_fetches_nothing() {
    let source = Repo::fixture("backports");
    let full = git_says(&source);
    let repo = source.stored_as("partial");
    let before = object_files(&repo.path().join("objects"));
    let (events, told) = scan(&repo, &[]);
    let nulls = told.values().filter(|told| **told == Told::Null).count();
    assert!(nulls > 10, "{nulls}");
    for (id, told) in &told {
        assert!(*told == Told::Null || *told == full[id], "{id}: {told:?}, not {:?}", full[id]);
        assert_eq!(*told == Told::Absent, full[id] == Told::Absent, "{id}");
    }
    let warnings = of_type(&events, "warning");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!((&warnings[0]["code"], &warnings[0]["count"]), (&"absent-objects".into(), &nulls.into()));
    assert_eq!(object_files(&repo.path().join("objects")), before, "nothing is fetched");
}

#[test]
fn a_huge_blob_is_not_compared_and_warned_of_once() {
    let mut history = History::default();
    let mut main = |commands: &[Vec<u8>]| history.commit("main", &[], commands);
    let (limit, more) = ("x".repeat(2048), "x".repeat(2049));
    main(&[file("small", "1\n"), file("at-the-limit", &limit)]);
    main(&[file("huge", &more), file("small", "2\n")]);
    main(&[put("100755", b"huge", more.as_bytes())]);
    main(&[file("small", "3\n")]);
    main(&[delete("huge")]);
    let repo = history.import("sha1");
    repo.git(&["config", "core.bigFileThreshold", "2k"]);
    let said = git_says(&repo);
    for args in [&[][..], &["--threads=1"], &["--reverse"]] {
        let (events, told) = scan(&repo, args);
        let ids: Vec<String> = repo.git(&["rev-list", "--reverse", "main"]).lines().map(str::to_owned).collect();
        for (number, id) in ids.iter().enumerate() {
            // The change of the mode alone needs no contents.
            let expected = if matches!(number, 1 | 4) { &Told::Null } else { &said[id] };
            assert_eq!(told[id], *expected, "commit {number}");
        }
        let warnings = of_type(&events, "warning");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!((&warnings[0]["code"], &warnings[0]["count"]), (&"huge-blobs".into(), &2.into()));
    }
    repo.git(&["config", "--unset", "core.bigFileThreshold"]);
    let (events, told) = scan(&repo, &[]);
    assert_eq!((told, of_type(&events, "warning").len()), (git_says(&repo), 0));
}
