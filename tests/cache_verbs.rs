//! `cache info`, `verify`, `gc` and `clear`: what they tell is what lies there, whatever is wrong in a cache is found, and whoever uses
//! one meanwhile gets the same answer.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::dag;
use support::{Repo, bhfuil, bhfuil_running, commit_ids, events, of_type, wait_until_idle};

fn repository(count: usize) -> Repo {
    let commits = dag::random(7, count, 2, 20);
    dag::repository(&commits, &[("refs/heads/main", count - 1), ("refs/heads/side", count * 2 / 3)]).0
}

fn run(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).args(args).output().expect("git-bhfuil runs")
}

/// The events of a run that ends well and has nothing to say on stderr.
fn well(repo: &Repo, args: &[&str]) -> Vec<Value> {
    let output = run(repo, args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    events(&output)
}

fn caches(repo: &Repo, args: &[&str]) -> Vec<Value> {
    of_type(&well(repo, args), "cache").into_iter().cloned().collect()
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn folder(repo: &Repo) -> PathBuf {
    repo.home().join("bhfuil")
}

/// The databases of repositories in the folder, and what was set aside of them.
fn databases(repo: &Repo) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(repo)).expect("a folder").map(|entry| entry.expect("a file").path());
    let is_database = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        !name.starts_with("state.db")
            && (path.extension().is_some_and(|end| end == "db") || name.contains(".db.damaged-"))
    };
    let mut found: Vec<PathBuf> = entries.filter(is_database).collect();
    found.sort();
    found
}

fn rev_list(repo: &Repo) -> Vec<String> {
    repo.git(&["rev-list", "HEAD", "--branches", "--tags"]).lines().map(str::to_owned).collect()
}

fn index(repo: &Repo) -> String {
    let events = well(repo, &["scan", "--no-commits"]);
    text(of_type(&events, "repo-end")[0], "index").to_owned()
}

/// A clone of `repo` below its home.
fn sister(repo: &Repo, name: &str) -> PathBuf {
    let path = repo.home().join(name);
    let (from, to) = (repo.path().to_str().expect("UTF-8"), path.to_str().expect("UTF-8"));
    repo.git(&["clone", "--quiet", "--bare", from, to]);
    path
}

fn by_path(path: &Path) -> String {
    format!("--repo={}", path.display())
}

#[test]
fn info_tells_what_lies_there() {
    let repo = repository(80);
    assert_eq!(caches(&repo, &["cache", "info"]), [] as [Value; 0]);
    assert!(!folder(&repo).exists(), "looking makes nothing");
    well(&repo, &["scan", "--patch-id", "--new=ci"]);
    let told = caches(&repo, &["cache", "info"]);
    let path = &databases(&repo)[0];
    let on_disk: u64 = ["", "-wal", "-shm"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(format!("{}{suffix}", path.display())).ok())
        .map(|file| file.len())
        .sum();
    assert_eq!(told.len(), 1);
    let (cache, count) = (&told[0], rev_list(&repo).len());
    assert_eq!(text(cache, "path"), path.to_str().expect("UTF-8"));
    assert_eq!(
        text(cache, "git_dir"),
        repo.path().join(".git").canonicalize().expect("there").to_str().expect("UTF-8")
    );
    assert_eq!((text(cache, "repo"), text(cache, "state")), ("repo", "kept"));
    assert_eq!([&cache["bytes"], &cache["commits"], &cache["texts"]], [on_disk, count as u64, count as u64]);
    assert_eq!([&cache["words"], &cache["consumers"]], [0, 1]);
    let merges = repo.git(&["rev-list", "--merges", "--branches"]).lines().count();
    assert_eq!(cache["patch_ids"], (count - merges) as u64);
    well(&repo, &["where", "commit"]);
    assert_eq!(caches(&repo, &["cache", "info"])[0]["words"], count as u64);
    let human = run(&repo, &["cache", "info", "--format=human"]);
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(human.contains(&format!("{count} commits")) && human.lines().count() == 1, "{human}");
}

#[test]
fn every_cache_is_told_also_of_repositories_that_are_gone() {
    let repo = repository(30);
    let (one, other) = (sister(&repo, "one.git"), sister(&repo, "sub/one.git"));
    for path in [&one, &other] {
        well(&repo, &["scan", "--no-commits", &by_path(path)]);
    }
    std::fs::remove_dir_all(&other).expect("it was there");
    let told = caches(&repo, &["cache", "info", "--all"]);
    let mut states: Vec<_> = told.iter().map(|cache| (text(cache, "repo"), text(cache, "state"))).collect();
    states.sort_unstable();
    assert_eq!(states, [("home/one", "kept"), ("sub/one", "orphaned")]);
    // Those that are asked for, in this order, by path or by name; also one that is gone.
    well(&repo, &["repo", "add", "--name=first", one.to_str().expect("UTF-8")]);
    let told = caches(&repo, &["cache", "info", "--repo=first"]);
    assert_eq!((told.len(), text(&told[0], "repo")), (1, "first"));
    let refused = run(&repo, &["cache", "info", "--all", "--repo=first"]);
    assert_eq!(refused.status.code(), Some(129));
    assert_eq!(run(&repo, &["cache", "info", "--repo=no-such"]).status.code(), Some(128));
}

#[test]
fn clear_takes_away_what_is_asked_and_nothing_else() {
    let repo = repository(30);
    let (one, other) = (sister(&repo, "one.git"), sister(&repo, "other.git"));
    for path in [&one, &other] {
        well(&repo, &["scan", "--no-commits", &by_path(path)]);
    }
    assert_eq!(index(&repo), "built");
    let told = caches(&repo, &["cache", "clear", &by_path(&one)]);
    assert_eq!((told.len(), text(&told[0], "state"), text(&told[0], "because")), (1, "removed", "asked"));
    assert!(told[0]["freed"].as_u64() > Some(0) && told[0]["bytes"] == 0, "{told:?}");
    assert_eq!((databases(&repo).len(), index(&repo).as_str()), (2, "fresh"));
    // One that is damaged, and what was set aside, go too.
    let own = databases(&repo).into_iter().find(|path| path.to_string_lossy().contains("repo-")).expect("it is there");
    std::fs::write(&own, [b'x'; 9000]).expect("writes");
    run(&repo, &["scan", "--no-commits"]);
    std::fs::write(&own, [b'y'; 9000]).expect("writes");
    assert_eq!(caches(&repo, &["cache", "info"]).len(), 2);
    assert_eq!(caches(&repo, &["cache", "clear"]).len(), 2);
    assert_eq!((databases(&repo).len(), index(&repo).as_str()), (1, "built"));
    assert_eq!(caches(&repo, &["cache", "clear", "--all"]).len(), 2);
    assert_eq!(databases(&repo), [] as [PathBuf; 0]);
    assert_eq!(caches(&repo, &["cache", "clear", "--all"]), [] as [Value; 0]);
}

/// Starts `scan`, lets it fill the pipe, and gives what it writes once `meanwhile` is over.
fn interrupted_by(repo: &Repo, args: &[&str], meanwhile: impl FnOnce()) -> Output {
    let mut child = bhfuil_running(repo, args);
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut bytes = Vec::new();
    stdout.read_until(b'\n', &mut bytes).expect("a line");
    wait_until_idle(child.id());
    meanwhile();
    stdout.read_to_end(&mut bytes).expect("the rest");
    let rest = child.wait_with_output().expect("ends");
    Output { stdout: bytes, ..rest }
}

#[test]
fn whoever_uses_a_cache_that_is_cleared_goes_on_and_ends_right() {
    let repo = repository(3000);
    let expected = rev_list(&repo);
    let is_right = |output: Output, what: &str| {
        assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let events = events(&output);
        assert_eq!(commit_ids(&events), expected, "{what}");
        assert_eq!(events.last().expect("end")["complete"], true, "{what}");
    };
    let clear = || assert_eq!(caches(&repo, &["cache", "clear"]).len(), 1);
    is_right(interrupted_by(&repo, &["scan"], clear), "while it is made");
    assert_eq!(index(&repo), "built", "what was written to a file without a name is gone with it");
    is_right(interrupted_by(&repo, &["scan"], clear), "while it is read");
    index(&repo);
    is_right(interrupted_by(&repo, &["scan", "--patch-id"], clear), "while it is read and written");
    let again = || {
        clear();
        assert_eq!(index(&repo), "built", "a new one is begun meanwhile");
    };
    index(&repo);
    is_right(interrupted_by(&repo, &["scan", "--patch-id"], again), "while another is made in its place");
    assert_eq!(index(&repo), "fresh", "and that one is whole");
    assert_eq!(databases(&repo).len(), 1);
}
