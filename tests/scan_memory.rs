//! Back-pressure: a reader that sleeps makes the scan wait, not grow.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};

use support::dag::{self, Commit};
use support::{Repo, bhfuil_running, wait_until_idle};

const COMMITS: usize = 12_000;

/// The most memory that `scan` has held, in KiB, once its reader has stopped after `lines` lines and it waits for it; and what is
/// left of the stream.
fn peak(repo: &Repo, lines: usize) -> (u64, usize) {
    let mut child = bhfuil_running(repo, &["scan", "--threads=2"]);
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        assert!(reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0), "the stream ended early");
    }
    wait_until_idle(child.id());
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it is still running");
    let told = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a Linux");
    let kib = told.trim().trim_end_matches("kB").trim().parse().expect("a number");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("reads");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    (kib, rest.len())
}

#[test]
fn memory_stays_flat_while_the_reader_sleeps() {
    let parents = |number: usize| if number == 0 { vec![] } else { vec![number - 1] };
    let text = "word ".repeat(200);
    let commit = |number: usize| {
        let time = 1_700_000_000 + i64::try_from(number).expect("small");
        Commit::new(&parents(number), time).message(&format!("commit {number}\n\n{number} {text}\n"))
    };
    let commits: Vec<Commit> = (0..COMMITS).map(commit).collect();
    let (repo, _) = dag::repository(&commits, &[("refs/heads/main", COMMITS - 1)]);
    // Awake until what is left fills no more than the pipe and a piece or two, and asleep after the first line.
    let (awake, _) = peak(&repo, COMMITS - 200);
    std::fs::remove_dir_all(repo.home().join("bhfuil")).expect("the cache");
    let (asleep, rest) = peak(&repo, 1);
    let stream = u64::try_from(rest / 1024).expect("small");
    assert!(stream > 12_000, "{stream} KiB are enough to tell");
    assert!(asleep < awake + stream / 2, "{asleep} KiB asleep, {awake} awake, {stream} in the stream");
}
