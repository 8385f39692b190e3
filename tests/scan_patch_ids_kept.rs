//! Patch-ids that a scan worked out are kept: the next one says the same without a look at the blobs, which these tests take
//! away. Kept is what holds whatever happens; where history or settings bend it, or a blob is wanting, nothing is.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Command;

use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, bhfuil_running, events, of_type, usual, wait_until_idle};

/// What a scan says of patch-ids, as `<commit> <patch-id>` lines, sorted; a commit without one is left out.
fn scan(repo: &Repo, args: &[&str]) -> Vec<String> {
    let output = bhfuil(repo).args(["scan", "--patch-id"]).args(args).output().expect("it runs");
    let told = events(&output);
    let commits = of_type(&told, "commit");
    let ids = commits.iter().filter_map(|event| Some((event["id"].as_str()?, event.get("patch_id")?)));
    let mut lines: Vec<String> = ids.map(|(id, patch_id)| format!("{id} {}", text(patch_id))).collect();
    lines.sort();
    lines
}

fn text(patch_id: &Value) -> &str {
    patch_id.as_str().unwrap_or("null")
}

/// The same as git tells it.
fn git_says(repo: &Repo) -> Vec<String> {
    let log = [&["log", "-p", "--no-renames", "--full-index"], usual(repo)].concat();
    let ids = repo.git_with(&["patch-id", "--stable"], &repo.git_bytes(&log));
    let ids = String::from_utf8(ids).expect("hexadecimal");
    let pairs = ids.lines().filter_map(|line| line.split_once(' '));
    let mut lines: Vec<String> = pairs.map(|(patch_id, commit)| format!("{commit} {patch_id}")).collect();
    lines.sort();
    lines
}

/// Takes every blob of `repo` away: what is said of a change then can only come from the cache.
fn remove_blobs(repo: &Repo) {
    repo.remove_objects("blob");
}

/// The rows that the cache has of patches, as `<commit> <patch-id>` lines, sorted.
fn kept(repo: &Repo) -> Vec<String> {
    let folder = repo.home().join("bhfuil");
    let files = std::fs::read_dir(folder).expect("the caches").map(|entry| entry.expect("an entry").path());
    let mut files =
        files.filter(|path| path.extension().is_some_and(|ending| ending == "db") && !path.ends_with("state.db"));
    let database = rusqlite::Connection::open(files.next().expect("a cache")).expect("opens");
    assert_eq!(files.next(), None, "of one repository");
    let mut rows =
        database.prepare("SELECT lower(hex(id)) || ' ' || lower(hex(patch_id)) FROM patch").expect("a table");
    let mut lines: Vec<String> =
        rows.query_map([], |row| row.get(0)).expect("rows").map(|row| row.expect("text")).collect();
    lines.sort();
    lines
}

/// `count` commits on a line, each of which changes a file.
fn line(count: usize) -> Repo {
    let commits: Vec<Commit> = (0..count)
        .map(|number| {
            let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
            let time = 1_700_000_000 + i64::try_from(number).expect("a small number");
            Commit::new(&parents, time).file(&format!("f{}", number % 9), &format!("{number}\n"))
        })
        .collect();
    dag::repository(&commits, &[("refs/heads/main", count - 1)]).0
}

#[test]
fn the_next_scan_needs_no_blob_and_says_the_same() {
    for format in ["sha1", "sha256"] {
        let repo = Repo::fixture_in("backports", &[("GIT_DEFAULT_HASH", format)]);
        repo.git(&["commit", "--quiet", "--allow-empty", "-m", "changes nothing"]);
        repo.git(&["merge", "--quiet", "--no-edit", "-s", "ours", "stable/2.0"]);
        let said = git_says(&repo);
        assert_eq!(scan(&repo, &[]), said, "{format}");
        let merges = repo.git(&[&["rev-list", "--merges"], usual(&repo)].concat());
        let rows = kept(&repo);
        let told: Vec<String> = rows.iter().filter(|row| !row.ends_with(' ')).cloned().collect();
        assert_eq!(told, said, "{format}: every patch-id is kept, and only that");
        assert!(rows.len() > said.len(), "{format}: so is that a commit changes nothing");
        assert!(!merges.is_empty() && merges.lines().all(|id| !rows.iter().any(|row| row.starts_with(id))));
        remove_blobs(&repo);
        for args in [&[][..], &["--threads=1"], &["--reverse"], &["main"]] {
            let again = scan(&repo, args);
            assert!(again.iter().all(|line| said.contains(line)), "{format} {args:?}: {again:?}");
            assert!(args == ["main"] || again == said, "{format} {args:?}");
        }
        std::fs::remove_dir_all(repo.home().join("bhfuil")).expect("the cache");
        assert!(scan(&repo, &[]).iter().any(|line| line.ends_with(" null")), "without the cache blobs are missed");
        assert_eq!(kept(&repo).iter().filter(|row| !row.ends_with(' ')).count(), 0, "what isn't known isn't kept");
    }
}

#[test]
fn only_what_is_new_is_worked_out() {
    let repo = line(40);
    let old = scan(&repo, &[]);
    assert_eq!(old, git_says(&repo));
    remove_blobs(&repo);
    let tree = repo.git(&["ls-tree", "HEAD"]);
    let blob = repo.git_with(&["hash-object", "-w", "--stdin"], b"new\n");
    let blob = String::from_utf8(blob).expect("an id");
    let tree =
        repo.git_with(&["mktree", "--missing"], format!("{tree}\n100644 blob {}\tnew\n", blob.trim()).as_bytes());
    let tree = String::from_utf8(tree).expect("an id");
    let commit = repo.git(&["commit-tree", "-m", "one more", "-p", "HEAD", tree.trim()]);
    repo.git(&["update-ref", "refs/heads/main", &commit]);
    let new = repo.git_bytes(&["diff-tree", "-p", "--no-renames", "--full-index", &commit]);
    let new = String::from_utf8(repo.git_with(&["patch-id", "--stable"], &new)).expect("hexadecimal");
    let mut expected = old;
    expected.push(format!("{commit} {}", new.split(' ').next().expect("an id")));
    expected.sort();
    assert_eq!(scan(&repo, &[]), expected);
    assert_eq!(kept(&repo), expected);
}

#[test]
fn where_finds_by_what_a_scan_kept() {
    let repo = line(40);
    let said = scan(&repo, &[]);
    remove_blobs(&repo);
    for line in [&said[0], &said[39]] {
        let (commit, patch_id) = line.split_once(' ').expect("two ids");
        let output = bhfuil(&repo).args(["where", patch_id]).output().expect("it runs");
        let told = events(&output);
        assert!(of_type(&told, "match").iter().any(|event| event["id"] == commit), "{told:?}");
    }
}

#[test]
fn a_lower_threshold_takes_back_what_was_compared_beyond_it() {
    let commits = [
        Commit::new(&[], 1).file("small", "1\n"),
        Commit::new(&[0], 2).file("huge", &"x\n".repeat(2000)),
        Commit::new(&[1], 3).file("small", "2\n"),
        Commit::new(&[2], 4).file("huge", "y\n"),
    ];
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 3)]);
    let said = git_says(&repo);
    for _ in 0..2 {
        assert_eq!(scan(&repo, &[]), said);
        repo.git(&["config", "core.bigFileThreshold", "2k"]);
        for _ in 0..2 {
            let bounded = scan(&repo, &[]);
            for (number, id) in ids.iter().enumerate() {
                let line = bounded.iter().find(|line| line.starts_with(id)).expect("told of");
                assert_eq!(line.ends_with(" null"), number % 2 == 1, "{number}: {line}");
            }
        }
        repo.git(&["config", "--unset", "core.bigFileThreshold"]);
    }
    remove_blobs(&repo);
    assert_eq!(scan(&repo, &[]), said);
}

#[test]
fn bent_history_has_patch_ids_of_its_own() {
    let repo = Repo::fixture("backports");
    let other = |commit: &str, parent: &str| {
        repo.git(&["commit-tree", "-m", "in other words", "-p", parent, &format!("{commit}^{{tree}}")])
    };
    let mut before = Vec::new();
    let mut agree = |what: &str, same: bool| {
        let said = git_says(&repo);
        assert_eq!(said == before, same, "{what}: the ids change in git");
        for _ in 0..2 {
            assert_eq!(scan(&repo, &[]), said, "{what}");
        }
        before = said;
    };
    agree("plain", false);
    repo.git(&["replace", "main~2", &other("main~2", "main~9")]);
    agree("another parent", false);
    let replaced = repo.git(&["--no-replace-objects", "rev-parse", "main~2"]);
    repo.git(&["replace", "-d", &replaced]);
    agree("plain again", false);
    let [child, parent] = ["main~2", "main~9"].map(|name| repo.git(&["rev-parse", name]));
    std::fs::create_dir_all(repo.path().join(".git/info")).expect("a folder");
    std::fs::write(repo.path().join(".git/info/grafts"), format!("{child} {parent}\n")).expect("a graft");
    agree("a graft", false);
    std::fs::remove_file(repo.path().join(".git/info/grafts")).expect("the graft");
    agree("plain once more", false);
}

#[test]
fn patch_ids_of_a_shallow_clone_are_kept_until_it_is_deepened() {
    let source = Repo::fixture("backports");
    let repo = source.stored_as("shallow");
    let said = git_says(&repo);
    assert_eq!(scan(&repo, &[]), said);
    assert_eq!(kept(&repo).iter().filter(|row| !row.ends_with(' ')).cloned().collect::<Vec<_>>(), said);
    repo.git(&["fetch", "--quiet", "--deepen=4"]);
    for _ in 0..2 {
        assert_eq!(scan(&repo, &[]), git_says(&repo));
    }
    remove_blobs(&repo);
    let rows = kept(&repo);
    assert_eq!(scan(&repo, &[]), rows.into_iter().filter(|row| !row.ends_with(' ')).collect::<Vec<_>>());
}

#[test]
fn a_stream_that_is_cut_off_keeps_what_it_worked_out() {
    for signal in [None, Some("TERM")] {
        let repo = line(9000);
        let mut child = bhfuil_running(&repo, &["scan", "--patch-id"]);
        let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
        reader.read_line(&mut String::new()).expect("a line");
        wait_until_idle(child.id());
        if let Some(signal) = signal {
            let kill = format!("kill -{signal} {}", child.id());
            assert!(Command::new("sh").args(["-c", &kill]).status().is_ok_and(|status| status.success()), "{kill}");
            reader.read_to_string(&mut String::new()).expect("UTF-8");
        }
        drop(reader);
        let output = child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(if signal.is_some() { 143 } else { 0 }));
        let (rows, said) = (kept(&repo), git_says(&repo));
        assert!(rows.len() > 100 && rows.len() < 9000, "{signal:?}: {}", rows.len());
        assert!(rows.iter().all(|row| said.binary_search(row).is_ok()), "{signal:?}");
    }
}
