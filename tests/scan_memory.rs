//! Back-pressure: a reader that sleeps makes the scan wait, not grow.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use git_bhfuil::facts::Oid;
use git_bhfuil::git::Repository;
use git_bhfuil::pipeline::stream::{Piece, Stream};
use git_bhfuil::pipeline::walker::Walker;
use git_bhfuil::pipeline::{Handles, Pool};
use git_bhfuil::shutdown::Token;
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

/// Of commits whose lines take megabytes few wait, however many make a step: in order, and each once.
#[test]
fn what_is_large_waits_in_small_numbers() {
    const LINE: usize = 3 << 20;
    const COUNT: usize = 600;
    const MOST: usize = 160 << 20;
    let (repo, ids) = dag::repository(&[Commit::new(&[], 1_700_000_000)], &[("refs/heads/main", 0)]);
    let handles = Handles::new(Arc::new(Repository::discover(repo.path()).expect("a repository")));
    let id = Oid::from_hex(ids[0].as_bytes()).expect("an id");
    let pool = Pool::new(3).expect("threads");
    let (alive, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&alive), Arc::clone(&most));
    let line = vec![b'x'; LINE];
    let render = move |_: &git_bhfuil::git::Handle, items: &[git_bhfuil::pipeline::walker::Item]| {
        let mut piece = Piece::default();
        while piece.seen < items.len() && !piece.is_full() {
            piece.bytes.extend_from_slice(&line);
            piece.ends.push(piece.bytes.len());
            piece.seen += 1;
            peak.fetch_max(now.fetch_add(LINE, Ordering::SeqCst) + LINE, Ordering::SeqCst);
        }
        piece
    };
    let walker = Walker::list(vec![(id, None); COUNT]);
    let mut stream = Stream::new(pool, handles, walker, Arc::new(render), Token::new());
    let mut lines = 0;
    smol::block_on(async {
        while let Some(piece) = stream.next().await.expect("no panic") {
            assert!(piece.bytes.len() < (8 << 20) + LINE, "{}", piece.bytes.len());
            lines += piece.ends.len();
            alive.fetch_sub(piece.bytes.len(), Ordering::SeqCst);
        }
    });
    assert_eq!((lines, alive.load(Ordering::SeqCst)), (COUNT, 0));
    let most = most.load(Ordering::SeqCst);
    assert!(most < MOST, "{} MiB of {} were there at once", most >> 20, (COUNT * LINE) >> 20);
}
