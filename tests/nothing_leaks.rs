//! Of operations that were cancelled nothing is left: after 200 of them, cut short wherever a generator of a fixed seed says, a process has the
//! threads, children, descriptors, locks and files that it had after each had run once, and about the memory.
//!
//! The test runs itself anew, as a process that knows nothing of the user, in which nothing else goes on; the server that keeps it
//! waiting stays outside.

#[path = "support/census.rs"]
mod census;
#[path = "support/operations.rs"]
mod operations;
#[path = "support/remotes.rs"]
mod remotes;
mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use git_bhfuil::shutdown::Token;
use smol::future::{or, poll_fn};

use census::{census, difference, files, memory, processes, wait_until};
use operations::{OPERATIONS, Operation, Stage};
use remotes::{Answer, HttpServer};
use support::dag::Dice;
use support::{Repo, run_anew};

const NAME: &str = "what_was_cancelled_leaves_nothing_behind";
/// Where the second process works; it marks whatever that starts.
const PLACE: &str = "GIT_BHFUIL_TEST_PLACE";
/// The address of a server that says nothing.
const SILENT: &str = "GIT_BHFUIL_TEST_SILENT";
/// The other repository.
const OTHER: &str = "GIT_BHFUIL_TEST_OTHER";

/// So many operations are cut short, and at least so many of each.
const CUT: usize = 200;
const CUT_OF_EACH: usize = 3;
/// Memory that may be more: what an allocator keeps is not the same after 200 runs as after one.
const MEMORY: u64 = 16 << 20;
/// Threads for calls that block.
const BLOCKING: usize = 4;
/// How long an operation without an end is let run the first time.
const ONCE: Duration = Duration::from_millis(400);
/// Longer than any operation takes, or to stop.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn what_was_cancelled_leaves_nothing_behind() {
    if let Some(place) = std::env::var_os(PLACE) {
        let variable = |name| std::env::var(name).expect("the first process gives it");
        compare(&Stage::new(place.into(), variable(OTHER).into(), variable(SILENT)));
        return;
    }
    let (large, small) = (Repo::synthetic(800), Repo::fixture("backports"));
    let server = HttpServer::start(small.path(), |_, _| Answer::Silence);
    let place = large.home().parent().expect("a folder").to_owned();
    furnish(&large, &small, &server.url("silent.git"));
    let told = run_anew(&large, NAME, |command| {
        command.current_dir(&place).env(PLACE, &place).env("TMPDIR", place.join("tmp"));
        command.env(OTHER, small.path()).env(SILENT, server.url("silent.git"));
        command.env("BLOCKING_MAX_THREADS", BLOCKING.to_string());
    });
    assert!(!told.contains("panicked"), "a thread has: {told}");
}

/// Folders, two mirrors, a helper that never says a password, and trackers that never answer.
fn furnish(large: &Repo, small: &Repo, silent: &str) {
    let place = large.home().parent().expect("a folder").to_owned();
    std::fs::create_dir_all(place.join("tmp")).expect("a folder");
    small.git(&["branch", "moving"]);
    for (name, url) in [("silent.git", silent), ("file.git", &format!("file://{}", small.path().display()))] {
        let mirror = place.join("mirrors").join(name);
        let path = mirror.to_str().expect("UTF-8");
        small.git(&["clone", "--quiet", "--bare", ".", path]);
        // In a file of its own from the beginning.
        small.git(&["-C", path, "update-ref", "refs/heads/moving", "refs/heads/stable/1.0"]);
        large.git(&["-C", path, "config", "remote.origin.url", url]);
        for refspec in git_bhfuil::gitcli::transfer::MIRROR_REFSPECS {
            large.git(&["-C", path, "config", "--add", "remote.origin.fetch", refspec]);
        }
    }
    large.git(&["config", "--global", "credential.helper", "!sleep 1000 #"]);
    for (name, software, url) in [("vuln", "osv", silent), ("hub", "github", &format!("{silent}/project"))] {
        large.git(&["config", "--global", &format!("bhfuil.tracker.{name}.type"), software]);
        large.git(&["config", "--global", &format!("bhfuil.tracker.{name}.url"), url]);
    }
}

/// When an operation is cut short.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Before it was polled.
    Never,
    /// Dropped after so many polls.
    Polls(usize),
    /// Dropped after so long.
    Dropped(Duration),
    /// Told to stop after so long.
    Told(Duration),
}

impl Moment {
    fn drawn(dice: &mut Dice) -> Self {
        let mut time = |most| Duration::from_micros(dice.below(most).try_into().expect("a number"));
        let (short, long) = (time(3_000), time(80_000));
        match dice.below(16) {
            0 => Self::Never,
            1..=5 => Self::Polls(1 + dice.below(30)),
            6 | 7 => Self::Dropped(short),
            8..=10 => Self::Dropped(long),
            11 | 12 => Self::Told(short),
            _ => Self::Told(long),
        }
    }
}

fn compare(stage: &Stage) {
    for operation in &OPERATIONS {
        run_once(stage, operation);
        tidy(stage, operation);
    }
    let folders = [stage.place.clone(), stage.small.clone()];
    let mark = (PLACE, stage.place.to_str().expect("UTF-8"));
    assert!(are_free(BLOCKING), "a call that blocks is stuck");
    let (before, memory_before) = (census(mark, &folders), memory());

    let (mut dice, mut cut, mut rounds) = (Dice(7), BTreeMap::<&str, usize>::new(), 0);
    while cut.values().sum::<usize>() < CUT || cut.len() < OPERATIONS.len() || cut.values().any(|&it| it < CUT_OF_EACH)
    {
        rounds += 1;
        assert!(rounds < 40, "they end before they are cut short: {cut:?}");
        for operation in &OPERATIONS {
            if is_cut_short(stage, operation, Moment::drawn(&mut dice)) {
                *cut.entry(operation.name).or_default() += 1;
            }
            tidy(stage, operation);
        }
    }

    assert!(are_free(BLOCKING), "a call that blocks is stuck");
    wait_until(|| difference(&before, &census(mark, &folders)).is_empty());
    assert_eq!(difference(&before, &census(mark, &folders)), Vec::<String>::new(), "{cut:?}");
    let more = memory().saturating_sub(memory_before);
    assert!(more <= MEMORY, "{} KiB more than the {} KiB of before", more >> 10, memory_before >> 10);
    stage.check(cut["monitor"]);
}

/// To its end, or for a while if it has none.
fn run_once(stage: &Stage, operation: &Operation) {
    let token = Token::new();
    let patience = if operation.ends { PATIENCE } else { ONCE };
    let expired = async {
        smol::Timer::after(patience).await;
        assert!(!operation.ends, "{} doesn't end", operation.name);
        token.cancel();
        smol::Timer::after(PATIENCE).await;
        panic!("{} doesn't heed its token", operation.name);
    };
    smol::block_on(or((operation.begin)(stage, &token), expired));
}

/// Whether it was, before it had ended by itself.
fn is_cut_short(stage: &Stage, operation: &Operation, moment: Moment) -> bool {
    let token = Token::new();
    let mut work = (operation.begin)(stage, &token);
    let after = async |time| {
        smol::Timer::after(time).await;
        true
    };
    smol::block_on(async {
        match moment {
            Moment::Never => true,
            Moment::Polls(mut left) => {
                let polled = poll_fn(|context| {
                    left -= 1;
                    let polled = work.as_mut().poll(context);
                    if polled.is_pending() && left > 0 {
                        std::task::Poll::Pending
                    } else {
                        std::task::Poll::Ready(polled.is_pending())
                    }
                });
                // One that waits for nothing that comes isn't polled again.
                or(polled, after(Duration::from_millis(100))).await
            }
            Moment::Dropped(time) => {
                or(
                    async {
                        work.await;
                        false
                    },
                    after(time),
                )
                .await
            }
            Moment::Told(time) => {
                let tell = async {
                    smol::Timer::after(time).await;
                    token.cancel();
                    smol::Timer::after(PATIENCE).await;
                    panic!("{} doesn't heed its token", operation.name);
                };
                or(work, tell).await;
                token.is_cancelled()
            }
        }
    })
}

/// Looks whether something half done is left where things are made, and clears what is whole away.
fn tidy(stage: &Stage, operation: &Operation) {
    let mark = (PLACE, stage.place.to_str().expect("UTF-8"));
    assert!(wait_until(|| processes(mark).is_empty()), "{} leaves {:?}", operation.name, processes(mark));
    let made = stage.made();
    let halves = || -> Vec<String> {
        let half = [".lock", ".part", ".new", "-wal", "-shm", "-journal"];
        let mut left = files(std::slice::from_ref(&made));
        left.retain(|path| half.iter().any(|suffix| path.ends_with(suffix)) && !path.contains(operations::RAW));
        left
    };
    assert!(wait_until(|| halves().is_empty()), "{} leaves {:?}", operation.name, halves());
    // A thread may be at removing the same, or at making it.
    let is_anew = || (std::fs::remove_dir_all(&made).is_ok() || !made.exists()) && std::fs::create_dir(&made).is_ok();
    assert!(wait_until(is_anew), "{} still works there", operation.name);
}

/// Whether all threads for blocking calls are free: each gets one call of as many, which end when all have begun. The crate `blocking`
/// keeps its idle threads for the life of the process, up to a limit, so that what is stuck on one isn't seen by their number.
fn are_free(threads: usize) -> bool {
    let begun = Arc::new((Mutex::new(0), Condvar::new()));
    let call = || {
        let begun = Arc::clone(&begun);
        smol::unblock(move || {
            let (count, changed) = &*begun;
            let mut count = count.lock().expect("no panic");
            *count += 1;
            changed.notify_all();
            let all = changed.wait_timeout_while(count, PATIENCE, |count| *count < threads);
            !all.expect("no panic").1.timed_out()
        })
    };
    let calls: Vec<_> = (0..threads).map(|_| call()).collect();
    smol::block_on(async {
        let mut all = true;
        for call in calls {
            all &= call.await;
        }
        all
    })
}
