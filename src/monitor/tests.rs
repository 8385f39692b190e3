use std::collections::BTreeMap;

use super::*;
use crate::clock::ManualClock;
use smol::future::{block_on, poll_once};

fn monitor() -> (ManualClock, Monitor) {
    let hands = ManualClock::new();
    (hands.clone(), Monitor::new(Clock::from(&hands)))
}

fn counts(folder: &Path) -> BTreeMap<String, u64> {
    let told = history::read(folder, now()).expect("reads");
    told.operations.into_iter().map(|it| (it.operation, it.calls)).collect()
}

#[test]
fn how_an_operation_ended_is_seen_however_it_did() {
    let (hands, monitor) = monitor();
    let second = Duration::from_secs(1);
    block_on(async {
        let done = monitor.time("done", async {
            hands.advance(second);
            Ok(7)
        });
        assert_eq!(done.await.expect("done"), 7);
        let failed = monitor.time("failed", async { Err::<(), _>(Kind::Io.error("no")) }).await;
        assert_eq!(failed.expect_err("fails").to_string(), "no");
        let stopped = monitor.time("stopped", async { Err::<(), _>(Kind::Cancelled.error("stopped")) }).await;
        assert!(stopped.is_err());
        // Nobody waits for it any more.
        let mut dropped = Box::pin(monitor.time("dropped", std::future::pending::<anyhow::Result<()>>()));
        assert!(poll_once(&mut dropped).await.is_none());
    });
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        monitor.time_blocking("panicked", || -> anyhow::Result<()> { panic!("a broken pack") })
    }));
    assert!(panicked.is_err());
    monitor.begin("part").end(Outcome::Partial);
    let told = monitor.statistics();
    let of = |name: &str| {
        let it = told.iter().find(|it| it.operation == name).expect(name);
        (it.calls, it.failed, it.partial, it.cancelled)
    };
    assert_eq!([of("done"), of("failed"), of("panicked")], [(1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 0, 0)]);
    assert_eq!([of("stopped"), of("dropped"), of("part")], [(1, 0, 0, 1), (1, 0, 0, 1), (1, 0, 1, 0)]);
    assert_eq!(told.iter().find(|it| it.operation == "done").and_then(|it| it.p50), Some(second));
}

#[test]
fn a_run_ends_as_its_exit_code_says_and_is_written_down_even_if_it_panics() {
    let folder = tempfile::tempdir().expect("a folder");
    for (code, outcome) in [
        (0, Outcome::Ok),
        (1, Outcome::Ok),
        (3, Outcome::Partial),
        (128, Outcome::Failed),
        (130, Outcome::Cancelled),
        (143, Outcome::Cancelled),
    ] {
        assert_eq!(Outcome::of_exit(code), outcome, "{code}");
        Run::begin(&Monitor::default(), "scan", Some(folder.path().to_owned())).end(code);
    }
    let broken = std::panic::catch_unwind(|| {
        let _run = Run::begin(&Monitor::default(), "scan", Some(folder.path().to_owned()));
        panic!("a defect");
    });
    assert!(broken.is_err());
    let told = &history::read(folder.path(), now()).expect("reads").operations[0];
    assert_eq!((told.calls, told.failed, told.partial, told.cancelled), (7, 2, 1, 2));
}

#[test]
fn what_is_gathered_is_bounded() {
    let (_, monitor) = monitor();
    for number in 0..MOST_CALLS + 10 {
        monitor.begin(if number < 10 { "early" } else { "late" }).end(Outcome::Ok);
    }
    assert_eq!(monitor.statistics().iter().map(|it| it.calls).collect::<Vec<_>>(), [MOST_CALLS as u64]);
    let long = "x".repeat(10 * LONGEST);
    for letter in 0..2 * MOST_FAULTS as u64 {
        monitor.fault(
            Kind::Io,
            None,
            &format!("{}y{long}", "z".repeat(usize::try_from(letter).expect("few"))),
            None,
            1,
        );
    }
    let faults = monitor.faults();
    assert_eq!(
        (faults.len(), faults.iter().map(|it| it.count).sum::<u64>()),
        (MOST_FAULTS + 1, 2 * MOST_FAULTS as u64)
    );
    assert!(faults.iter().all(|it| it.message.len() <= LONGEST + 3));
}

#[test]
fn one_cause_is_counted_once_whatever_object_it_was_about() {
    let (_, monitor) = monitor();
    let tell = |message: &str, repo| monitor.fault(Kind::CorruptObject, Some(repo), message, None, 1);
    tell("the object 1a2b3c4d5e6f7890 can't be read", "nova");
    tell("the object ffffffffffffffff can't be read", "nova");
    tell("the object ffffffffffffffff can't be read", "glance");
    tell("no room on branch stable/2025.1", "nova");
    tell("tried 3 times: reset", "nova");
    tell("tried 5 times: reset", "nova");
    let counts: Vec<_> = monitor.faults().into_iter().map(|it| (it.message, it.repo, it.count)).collect();
    let expected = [
        ("the object ffffffffffffffff can't be read", "nova", 2),
        ("the object ffffffffffffffff can't be read", "glance", 1),
        ("no room on branch stable/2025.1", "nova", 1),
        ("tried 5 times: reset", "nova", 2),
    ];
    assert_eq!(counts, expected.map(|(message, repo, count)| (message.to_owned(), Some(repo.to_owned()), count)));
}

#[test]
fn what_was_written_is_read_by_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hands, monitor) = monitor();
    for (name, seconds) in [("where", 1), ("where", 3), ("scan", 60)] {
        let mut operation = monitor.begin(name);
        hands.advance(Duration::from_secs(seconds));
        operation.received(seconds);
        operation.end(Outcome::Ok);
    }
    monitor.fault(Kind::Network, Some("nova"), "connection reset", Some("try again"), 2);
    let (seen, faults) = (monitor.statistics(), monitor.faults());
    monitor.write(folder.path()).expect("writes");
    assert_eq!((monitor.statistics(), monitor.faults()), (vec![], vec![]), "it is written once");
    monitor.write(folder.path()).expect("nothing to write");
    for _ in 0..2 {
        let told = history::read(folder.path(), now()).expect("reads");
        assert_eq!((told.operations, told.faults), (seen.clone(), faults.clone()));
    }
    assert!(seen.iter().all(|it| it.peak.is_some()) == Path::new("/proc/self/status").exists());
}

#[test]
fn a_line_that_is_torn_or_foreign_is_skipped_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("operations.jsonl");
    let run = || Run::begin(&Monitor::default(), "scan", Some(folder.path().to_owned())).end(0);
    run();
    let mut text = std::fs::read(&journal).expect("a journal");
    let whole = text.clone();
    // A disk that was full in the middle of a line, rubbish, and what a newer version may write.
    text.extend(&whole[..whole.len() / 2]);
    std::fs::write(&journal, &text).expect("writes");
    run();
    let mut text = std::fs::read(&journal).expect("a journal");
    text.extend(b"\n\xff\xfe\0\n{}\n[1]\n{\"walk\":{\"operation\":\"scan\"}}\n{\"call\":{\"operation\":\"scan\",\"outcome\":\"exploded\",\"at\":1,\"took\":1}}\n");
    text.extend(br#"{"call":{"operation":"new","outcome":"ok","at":9999999999,"took":1,"later":[1]}}"#);
    std::fs::write(&journal, &text).expect("writes");
    run();
    assert_eq!(counts(folder.path()), BTreeMap::from([("new".into(), 1), ("scan".into(), 3)]));
}

#[test]
fn who_died_while_taking_it_in_makes_nothing_lost_or_counted_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = || Run::begin(&Monitor::default(), "scan", Some(folder.path().to_owned())).end(0);
    // Before it was in the database: only the name was changed.
    run();
    journal::take_over(folder.path()).expect("renames");
    run();
    assert_eq!(counts(folder.path())["scan"], 2);
    // After, before it was removed.
    run();
    journal::take_over(folder.path()).expect("renames");
    let left = journal::taken(folder.path()).pop().expect("a file");
    let bytes = std::fs::read(&left).expect("reads");
    assert_eq!(counts(folder.path())["scan"], 3);
    std::fs::write(&left, bytes).expect("writes");
    assert_eq!(counts(folder.path())["scan"], 3);
    assert!(!left.exists());
}

#[test]
fn many_write_while_some_take_it_in_and_all_is_counted_once() {
    const WRITERS: u64 = 4;
    const EACH: u64 = 150;
    let folder = tempfile::tempdir().expect("a folder");
    let (path, busy) = (folder.path(), std::sync::atomic::AtomicBool::new(true));
    std::thread::scope(|scope| {
        let take = || {
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                history::take_in(path, now()).expect("takes in");
            }
        };
        let takers = [scope.spawn(take), scope.spawn(take)];
        let write = |_| {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let monitor = Monitor::default();
                    monitor.begin("where").end(Outcome::Ok);
                    monitor.fault(Kind::Network, None, "reset", None, 1);
                    monitor.write(path).expect("writes");
                }
            })
        };
        for writer in (0..WRITERS).map(write).collect::<Vec<_>>() {
            writer.join().expect("writes");
        }
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
        for taker in takers {
            taker.join().expect("takes in");
        }
    });
    let told = history::read(path, now()).expect("reads");
    assert_eq!((told.operations[0].calls, told.faults[0].count), (WRITERS * EACH, WRITERS * EACH));
    assert_eq!(journal::peek(path), b"", "nothing is left");
}

#[test]
fn a_journal_that_has_grown_is_taken_in_and_one_that_can_not_be_is_dropped() {
    let folder = tempfile::tempdir().expect("a folder");
    let size = || std::fs::metadata(folder.path().join("operations.jsonl")).map_or(0, |file| file.len());
    let name = "x".repeat(2000);
    let run = || Run::begin(&Monitor::default(), name.clone(), Some(folder.path().to_owned())).end(0);
    for _ in 0..40 {
        run();
    }
    assert!(size() < 70 << 10 && folder.path().join("state.db").exists(), "{}", size());
    // A database that nothing can be made of, not even by setting it aside.
    std::fs::remove_file(folder.path().join("state.db")).expect("removed");
    std::fs::create_dir(folder.path().join("state.db")).expect("made");
    for _ in 0..300 {
        run();
    }
    assert!(size() < 300 << 10, "{}", size());
}

#[test]
fn where_nothing_is_kept_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("none");
    Run::begin(&Monitor::default(), "scan", Some(none.clone())).end(0);
    assert_eq!(history::read(&none, now()).expect("reads"), history::History::default());
    assert!(!none.exists());
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("writes");
    Run::begin(&Monitor::default(), "scan", Some(file.clone())).end(0);
    assert_eq!(std::fs::read(&file).expect("reads"), b"x");
}
