//! A cache that may be read and not written: it is used all the same, and a warning says that it wasn't brought up to date.

mod support;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::dag;
use support::{Repo, bhfuil, commit_ids, copy_program, events, of_type};

/// A user that owns nothing, for those who may write everything.
const NOBODY: u32 = 65534;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the owner may");
}

/// A scan by somebody who may only read the cache.
fn scan(repo: &Repo, args: &[&str]) -> Output {
    run(repo, &[&["scan"], args].concat())
}

/// What `args` say, by somebody who may only read the cache.
fn run(repo: &Repo, args: &[&str]) -> Output {
    let cache = repo.home().join("bhfuil");
    let program = repo.path().with_file_name("git-bhfuil");
    if !program.exists() {
        // Where it was built not everybody may look.
        copy_program(&program);
        chmod(repo.path().parent().expect("a folder"), 0o755);
    }
    let files: Vec<_> = std::fs::read_dir(&cache).expect("a folder").map(|file| file.expect("a file").path()).collect();
    for file in &files {
        chmod(file, 0o444);
    }
    chmod(&cache, 0o555);
    let mut command = Command::new(program);
    command.env_clear().envs([("HOME", repo.home()), ("GIT_BHFUIL_CACHE", cache.clone())]);
    command.env("PATH", std::env::var_os("PATH").expect("a path")).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_DIR", repo.path().join(".git")).current_dir("/").args(args);
    if std::fs::metadata("/proc/self").expect("proc").uid() == 0 {
        command.uid(NOBODY);
    }
    let output = command.output().expect("runs");
    chmod(&cache, 0o755);
    for file in &files {
        chmod(file, 0o644);
    }
    output
}

fn index(events: &[Value]) -> &str {
    of_type(events, "repo-end")[0]["index"].as_str().expect("text")
}

fn codes(events: &[Value]) -> Vec<&str> {
    of_type(events, "warning").iter().filter_map(|warning| warning["code"].as_str()).collect()
}

#[test]
fn a_cache_that_may_only_be_read_is_read() {
    let (repo, ids) = dag::repository(&dag::random(9, 200, 2, 9), &[("refs/heads/main", 120)]);
    let all = || -> Vec<String> { repo.git(&["rev-list", "HEAD"]).lines().map(str::to_owned).collect() };
    bhfuil(&repo).arg("scan").assert().success();
    // All is there: nothing would have to be written.
    let fresh = events(&scan(&repo, &[]));
    assert_eq!((index(&fresh), codes(&fresh), commit_ids(&fresh)), ("fresh", vec![], all()));
    let cursor = fresh.last().expect("end")["cursor"].as_str().expect("a cursor").to_owned();
    let after = format!("--after={cursor}");
    assert_eq!(commit_ids(&events(&scan(&repo, &[&after]))).len(), 0);
    // One warning is enough, however much can't be kept.
    let worked_out = events(&scan(&repo, &["--patch-id"]));
    assert_eq!((index(&worked_out), codes(&worked_out)), ("fresh", vec!["cache-unwritten"]));
    // What is new can't be kept; the rest still comes from the cache.
    let old = repo.git(&["rev-parse", "main"]);
    repo.git(&["update-ref", "refs/heads/main", &ids[199]]);
    for _ in 0..2 {
        let behind = events(&scan(&repo, &[]));
        assert_eq!((index(&behind), codes(&behind), commit_ids(&behind)), ("skipped", vec!["cache-unwritten"], all()));
        assert_eq!(codes(&events(&scan(&repo, &["--patch-id"]))), ["cache-unwritten"]);
        let new = events(&scan(&repo, &[&after]));
        assert_eq!(commit_ids(&new), repo.git(&["rev-list", "main", "--not", &old]).lines().collect::<Vec<_>>());
    }
    // Whoever may write it goes on where it was.
    let updated = events(&bhfuil(&repo).arg("scan").output().expect("runs"));
    assert_eq!((index(&updated), codes(&updated), commit_ids(&updated)), ("updated", vec![], all()));
}

#[test]
fn where_and_missing_answer_from_a_cache_that_may_only_be_read() {
    let repo = Repo::fixture("backports");
    let answer = |output: &Output| -> Vec<String> {
        let told = events(output);
        let frame = ["begin", "repo", "progress", "warning", "repo-end", "end"];
        let own = told.iter().filter(|event| !frame.contains(&event["type"].as_str().unwrap_or_default()));
        own.map(Value::to_string).collect()
    };
    let branch = repo.git(&["for-each-ref", "--format=%(refname:short)", "--count=1", "refs/heads/stable"]);
    let picked = repo.git(&["rev-list", "--grep=cherry picked from", "-n1", "--all"]);
    assert!(!branch.is_empty() && !picked.is_empty());
    let commands: [&[&str]; 2] = [&["where", &picked], &["missing", &branch]];
    let truths = commands.map(|args| {
        let output = bhfuil(&repo).args(args).env("GIT_BHFUIL_CACHE", repo.home().join("other")).output();
        answer(&output.expect("runs"))
    });
    // The cache of a scan lacks what these two file; then it has all; then it is behind.
    bhfuil(&repo).arg("scan").assert().success();
    for round in 0..3 {
        for (args, truth) in commands.iter().zip(&truths) {
            let output = run(&repo, args);
            let told = events(&output);
            assert_eq!((answer(&output), output.status.code()), (truth.clone(), Some(0)), "{args:?} in round {round}");
            assert!(!truth.is_empty() && codes(&told).iter().all(|code| *code == "cache-unwritten"), "{told:#?}");
            assert!(codes(&told).len() <= 1 && (round != 1 || codes(&told).is_empty()), "{args:?} {round}: {told:#?}");
        }
        if round == 0 {
            for args in commands {
                bhfuil(&repo).args(args).assert().success();
            }
        } else {
            repo.shell(
                "git config user.name A; git config user.email a@example.com
                git update-ref refs/heads/new $(git commit-tree -m new 'HEAD^{tree}')",
            );
        }
    }
}
