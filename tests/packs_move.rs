//! Other processes that fetch, repack and collect garbage while a scan runs: what it says stays right.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, bhfuil_running, events, ids_alone, wait_until_idle};

#[test]
fn scans_are_right_while_git_repacks() {
    let commits: Vec<Commit> = dag::random(17, 1500, 2, 15);
    let numbered = |(number, commit): (usize, Commit)| commit.file(&format!("f{}", number % 9), &number.to_string());
    let commits: Vec<Commit> = commits.into_iter().enumerate().map(numbered).collect();
    let (repo, _) = dag::repository(&commits, &[("refs/heads/main", 1499), ("refs/tags/t", 700)]);
    let expected: Vec<String> =
        repo.git(&["rev-list", "HEAD", "--branches", "--tags"]).lines().map(str::to_owned).collect();
    let scanned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !scanned.load(Ordering::Relaxed) {
                // Other deltas make a pack of another name, and the one before is deleted.
                round += 1;
                let window = format!("--window={}", round % 7);
                repo.git(&["repack", "-a", "-d", "-f", "-q", "--depth=5", &window]);
                if round % 3 == 0 {
                    repo.git(&["gc", "--quiet", "--prune=now"]);
                }
            }
        });
        let runs = (0..16).map(|round| {
            if round % 2 == 0 {
                std::fs::remove_dir_all(repo.home().join("bhfuil")).unwrap_or_default();
            }
            let args = [&["scan", "--paths"][..], &["scan", "--reverse"], &["scan", "--patch-id"]][round % 3];
            bhfuil(&repo).args(args).output().expect("runs")
        });
        let outputs: Vec<_> = runs.collect();
        scanned.store(true, Ordering::Relaxed);
        for (round, output) in outputs.iter().enumerate() {
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), &*said), (Some(0), ""), "round {round}: {:?}", events(output).last());
            let mut ids = ids_alone(output);
            if round % 3 == 1 {
                ids.reverse();
            }
            let wanted: &[String] = &expected;
            assert!(ids == wanted, "round {round}: {} of {}", ids.len(), wanted.len());
        }
    });
}

#[test]
fn what_is_fetched_while_a_scan_runs_is_found() {
    const MANY: usize = 9000;
    let (other, ids) = dag::repository(&[Commit::new(&[], 1_600_000_000)], &[("refs/heads/main", 0)]);
    let picked = &ids[0];
    let commits: Vec<Commit> = (0..MANY)
        .map(|number| {
            let parents: Vec<usize> = number.checked_sub(1).into_iter().collect();
            let commit = Commit::new(&parents, 1_700_000_000 + i64::try_from(number).expect("small"));
            // The oldest and the newest are picks of what isn't there yet.
            let pick = number == 1 || number == MANY - 1;
            if pick { commit.message(&format!("a pick\n\n(cherry picked from commit {picked})\n")) } else { commit }
        })
        .collect();
    for repack in [false, true] {
        let (repo, _) = dag::repository(&commits, &[("refs/heads/main", MANY - 1)]);
        let mut child = bhfuil_running(&repo, &["scan"]);
        let mut stream = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut text = String::new();
        while !text.contains("\"type\":\"commit\"") {
            stream.read_line(&mut text).expect("UTF-8");
        }
        wait_until_idle(child.id());
        fetch(&repo, &other);
        if repack {
            repo.git(&["repack", "-a", "-d", "-q"]);
        }
        stream.read_to_string(&mut text).expect("UTF-8");
        assert!(child.wait().expect("ends").success());
        let picks: Vec<Value> = text
            .lines()
            .filter(|line| line.contains("cherry picked"))
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let found: Vec<&Value> = picks.iter().map(|pick| &pick["origins"][0]["id"]).collect();
        assert_eq!(found, [&Value::Null, &picked.as_str().into()], "repacked: {repack}");
    }
}

/// Brings `other` into a pack of its own.
fn fetch(repo: &Repo, other: &Repo) {
    let place = other.path().to_str().expect("a UTF-8 temporary path");
    repo.git(&["-c", "fetch.unpackLimit=1", "fetch", "--quiet", place, "main:refs/remotes/other/main"]);
}
