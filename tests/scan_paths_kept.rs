//! Changed paths that a scan told are kept: the next one says the same without a look at the trees, which these tests take away.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, bhfuil_running, events, of_type, usual, wait_until_idle};

/// What a commit changed: a line of git's raw output for each path; `None` where a scan says `null`.
type Changes = BTreeMap<String, Option<Vec<String>>>;

fn scan(repo: &Repo, args: &[&str]) -> Changes {
    let output = bhfuil(repo).args(["scan", "--paths"]).args(args).output().expect("it runs");
    let told = events(&output);
    let commits = of_type(&told, "commit");
    commits
        .iter()
        .map(|commit| {
            let paths = commit["paths"].as_array();
            (text(&commit["id"]).to_owned(), paths.map(|paths| paths.iter().map(raw).collect()))
        })
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// A changed path as git's raw output has it.
fn raw(path: &Value) -> String {
    let mode = |key: &str| path[key].as_str().unwrap_or("000000").to_owned();
    let none = "0".repeat(path["new_blob"].as_str().or(path["old_blob"].as_str()).expect("an id").len());
    let blob = |key: &str| path[key].as_str().unwrap_or(&none).to_owned();
    let (old, new) = (mode("old_mode"), mode("new_mode"));
    let (old_blob, new_blob) = (blob("old_blob"), blob("new_blob"));
    format!(":{old} {new} {old_blob} {new_blob} {}\t{}", text(&path["status"]), text(&path["path"]))
}

/// The same as git tells it.
fn git_says(repo: &Repo) -> Changes {
    let options = ["-c", "core.quotePath=false", "log", "--raw", "--no-renames", "--no-abbrev", "--format=%H"];
    let log = repo.git(&[&options, usual(repo)].concat());
    let mut said = Changes::new();
    let mut of = String::new();
    for line in log.lines().filter(|line| !line.is_empty()) {
        if line.starts_with(':') {
            said.get_mut(&of).and_then(Option::as_mut).expect("a commit before").push(line.to_owned());
        } else {
            line.clone_into(&mut of);
            said.insert(of.clone(), Some(Vec::new()));
        }
    }
    said
}

fn database(repo: &Repo) -> Connection {
    let files = std::fs::read_dir(repo.home().join("bhfuil")).expect("the caches");
    let mut files = files.map(|entry| entry.expect("an entry").path());
    let is_cache = |path: &std::path::PathBuf| {
        path.extension().is_some_and(|ending| ending == "db") && !path.ends_with("state.db")
    };
    Connection::open(files.find(is_cache).expect("a cache")).expect("opens")
}

/// Of how many commits changed paths are kept, by `cache info`.
fn kept(repo: &Repo) -> u64 {
    let output = bhfuil(repo).args(["cache", "info"]).output().expect("it runs");
    of_type(&events(&output), "cache")[0]["changes"].as_u64().expect("a number")
}

#[test]
fn the_next_scan_needs_no_tree_and_says_the_same() {
    for format in ["sha1", "sha256"] {
        for begin in [&["--paths"][..], &["--no-commits"]] {
            let repo = Repo::fixture_in("backports", &[("GIT_DEFAULT_HASH", format)]);
            repo.git(&["commit", "--quiet", "--allow-empty", "-m", "changes nothing"]);
            repo.git(&["merge", "--quiet", "--no-edit", "-s", "ours", "stable/2.0"]);
            let what = format!("{format}, after {begin:?}");
            let said = git_says(&repo);
            // The first stream ever makes the graph as it goes, or that was there before.
            assert!(bhfuil(&repo).arg("scan").args(begin).output().expect("it runs").status.success(), "{what}");
            assert_eq!(kept(&repo), if begin == ["--paths"] { said.len() as u64 } else { 0 }, "{what}");
            assert_eq!(scan(&repo, &[]), said, "{what}");
            assert_eq!(kept(&repo), said.len() as u64, "{what}");
            repo.remove_objects("tree");
            for args in [&[][..], &["--threads=1"], &["main"], &["--grep=fix"]] {
                let again = scan(&repo, args);
                assert!(again.iter().all(|(id, paths)| said[id] == *paths), "{what} {args:?}: {again:?}");
                assert!(!args.is_empty() || again == said, "{what}");
            }
            std::fs::remove_dir_all(repo.home().join("bhfuil")).expect("the cache");
            scan(&repo, &["--no-commits"]);
            let known = scan(&repo, &[]).into_values().flatten().count();
            assert!(known < said.len(), "{what}: without the cache trees are missed");
            assert_eq!(kept(&repo), known as u64, "{what}: what isn't known isn't kept");
        }
    }
}

#[test]
fn what_odd_commits_changed_is_kept_as_it_is() {
    let repo = Repo::fixture("odd-commits");
    let told = || {
        let output = bhfuil(&repo).args(["scan", "--paths"]).output().expect("it runs");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        lines.lines().filter(|line| line.starts_with("{\"type\":\"commit\"")).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = told();
    assert_eq!(told(), first);
    let count = kept(&repo);
    assert!(count > 0 && count <= first.len() as u64, "{count}");
    repo.remove_objects("tree");
    assert_eq!(told(), first);
}

/// `count` commits on a line, each of which changes a file.
fn line(count: usize) -> Repo {
    let commits: Vec<Commit> = (0..count)
        .map(|number| {
            let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
            let time = 1_700_000_000 + i64::try_from(number).expect("a small number");
            Commit::new(&parents, time).file(&format!("d/f{}", number % 9), &format!("{number}\n"))
        })
        .collect();
    dag::repository(&commits, &[("refs/heads/main", count - 1)]).0
}

#[test]
fn what_is_new_is_added_time_and_again() {
    let repo = line(3000);
    scan(&repo, &["--no-commits"]);
    assert_eq!((scan(&repo, &["-n", "700"]).len(), kept(&repo)), (700, 700));
    // So often that parts of the graph are joined.
    for round in 1..=40 {
        repo.git(&["commit", "--quiet", "--allow-empty", "-m", "one more"]);
        scan(&repo, &["--no-commits"]);
        assert_eq!((scan(&repo, &["-n", "10"]).len(), kept(&repo)), (10, 700 + round));
    }
    let said = git_says(&repo);
    assert_eq!(scan(&repo, &[]), said);
    assert_eq!(kept(&repo), 3040);
    let joined: i64 = database(&repo).query_row("SELECT count(*) FROM segment", [], |row| row.get(0)).expect("a row");
    assert!(joined < 20, "{joined}");
    repo.remove_objects("tree");
    assert_eq!(scan(&repo, &[]), said);
}

/// How many blocks the cache has.
fn blocks(repo: &Repo) -> i64 {
    database(repo).query_row("SELECT count(*) FROM block", [], |row| row.get(0)).expect("a row")
}

#[test]
fn however_commits_are_listed_what_is_kept_is_used_and_added_to() {
    let repo = line(600);
    let said = git_says(&repo);
    let by_stdin = || {
        let output =
            bhfuil(&repo).args(["scan", "--paths", "--stdin"]).write_stdin(repo.git(&["rev-list", "main"])).output();
        of_type(&events(&output.expect("it runs")), "commit").len()
    };
    // Without a graph there is no place for it.
    assert_eq!((scan(&repo, &["-n", "10"]).len(), blocks(&repo)), (10, 0));
    assert_eq!((by_stdin(), blocks(&repo)), (600, 0));
    scan(&repo, &["--no-commits"]);
    let texts = blocks(&repo);
    let some = scan(&repo, &["--", "d/f3"]);
    assert_eq!(some.len() as u64, kept(&repo));
    assert!(blocks(&repo) > texts);
    assert!(some.iter().all(|(id, paths)| said[id] == *paths));
    assert_eq!((scan(&repo, &["--reverse"]), kept(&repo)), (said.clone(), 600));
    let all = blocks(&repo);
    repo.remove_objects("tree");
    for args in [&["--reverse"][..], &[], &["--reverse", "-n", "600"]] {
        assert_eq!((scan(&repo, args), blocks(&repo)), (said.clone(), all), "{args:?}");
    }
    assert_eq!((by_stdin(), blocks(&repo)), (600, all));
}

#[test]
fn what_another_commit_changed_is_never_kept_for_one_that_cant_be_read() {
    let repo = line(5);
    scan(&repo, &["--no-commits"]);
    let lost = repo.git(&["rev-parse", "main~2"]);
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "the graph hasn't it yet"]);
    let commits = format!("{}\n{lost}\n{}\n", repo.git(&["rev-parse", "main"]), repo.git(&["rev-parse", "main~1"]));
    let object = repo.path().join(".git/objects").join(&lost[..2]).join(&lost[2..]);
    std::fs::rename(&object, repo.home().join("lost")).expect("a loose object");
    let output = bhfuil(&repo).args(["scan", "--paths", "--stdin"]).write_stdin(commits).output().expect("it runs");
    assert_eq!((output.status.code(), kept(&repo)), (Some(3), 1), "{output:?}");
    std::fs::rename(repo.home().join("lost"), &object).expect("back");
    assert_eq!(scan(&repo, &[]), git_says(&repo));
}

#[test]
fn what_is_damaged_is_found_out_anew() {
    let repo = line(40);
    let said = git_says(&repo);
    scan(&repo, &[]);
    let cache = database(&repo);
    let number = |array: i64| -> u32 {
        let query = "SELECT bytes FROM piece WHERE number >> 20 = ?1";
        let bytes: Vec<u8> = cache.query_row(query, [array], |row| row.get(0)).expect("a piece");
        u32::from_le_bytes(bytes[..4].try_into().expect("four")) >> 9
    };
    let (texts, changes, all) = (number(5), number(6), blocks(&repo));
    // Each commit is in both, at the same place.
    let swap = "UPDATE block SET number = ?2 WHERE number = ?1";
    for (from, to) in [(texts, 1000), (changes, texts), (1000, changes)] {
        assert_eq!(cache.execute(swap, [from, to]), Ok(1));
    }
    for args in [&[][..], &["-n", "40"], &["--reverse"]] {
        assert_eq!(scan(&repo, args), said, "{args:?}");
    }
    assert_eq!(blocks(&repo), all, "there is one for each already");
}

#[test]
fn where_nothing_can_be_kept_the_stream_is_whole_and_waits_for_nobody() {
    let repo = line(50);
    let said = git_says(&repo);
    scan(&repo, &["--no-commits"]);
    let cache = database(&repo);
    let full = "CREATE TRIGGER full BEFORE INSERT ON block BEGIN SELECT raise(ABORT, 'no room'); END";
    cache.execute_batch(full).expect("SQL");
    assert_eq!((scan(&repo, &[]), kept(&repo)), (said.clone(), 0));
    cache.execute_batch("DROP TRIGGER full; BEGIN IMMEDIATE").expect("SQL");
    let output = bhfuil(&repo).args(["scan", "--paths", "main"]).timeout(Duration::from_secs(20)).output();
    let told = events(&output.expect("it runs"));
    assert_eq!((of_type(&told, "commit").len(), of_type(&told, "warning").len()), (50, 0));
    cache.execute_batch("ROLLBACK").expect("SQL");
    assert_eq!((kept(&repo), scan(&repo, &[]), kept(&repo)), (0, said, 50));
}

#[test]
fn several_at_once_keep_it_once() {
    let repo = line(2000);
    let said = git_says(&repo);
    scan(&repo, &["--no-commits"]);
    let texts = blocks(&repo);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| scan(&repo, &[]))).collect();
        assert!(all.into_iter().all(|one| one.join().expect("no panic") == said));
    });
    // Whoever comes second while the first writes leaves it, and what is left is added the next time.
    assert_eq!((scan(&repo, &[]), kept(&repo)), (said, 2000));
    let changes = blocks(&repo) - texts;
    // As many as there are steps of a stream of so many commits, and one more of each that was split.
    assert!(changes <= 16, "{changes}");
}

#[test]
fn a_stream_that_is_cut_off_keeps_what_it_told() {
    let repo = line(9000);
    scan(&repo, &["--no-commits"]);
    let mut child = bhfuil_running(&repo, &["scan", "--paths"]);
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    reader.read_line(&mut String::new()).expect("a line");
    wait_until_idle(child.id());
    drop(reader);
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let count = kept(&repo);
    assert!(count > 100 && count < 9000, "{count}");
    assert_eq!(scan(&repo, &[]), git_says(&repo));
}

#[test]
fn what_changes_very_many_paths_is_not_kept() {
    let files = |count: usize, text: &str| {
        (0..count).fold(Commit::new(&[], 1_700_000_000), |commit, number| {
            commit.file(&format!("d{}/f{number}", number % 50), text)
        })
    };
    let mut second = files(60_000, "1\n");
    second.parents = vec![0];
    let (repo, ids) = dag::repository(&[files(300, "0\n"), second], &[("refs/heads/main", 1)]);
    let said = git_says(&repo);
    assert_eq!(said[&ids[1]].as_ref().map(Vec::len), Some(60_000));
    for _ in 0..2 {
        assert_eq!(scan(&repo, &[]), said);
        assert_eq!(kept(&repo), 1, "the one that changes few");
    }
}
