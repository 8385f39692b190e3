use super::super::record::State;
use super::*;
use crate::clock::ManualClock;
use smol::future::{block_on, or, pending, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn tasks(at_once: usize, hands: &ManualClock) -> Tasks {
    Tasks::new(Rules { at_once, ..Rules::default() }, 1000, Clock::from(hands), None)
}

fn said(record: Option<Record>) -> (State, String) {
    let record = record.expect("it is kept");
    let text = match &record.said {
        Some(Said::Text(text)) => text.clone(),
        _ => String::new(),
    };
    (record.state(), text)
}

/// Counts how many there are.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_ends_as_its_future_does_and_a_panic_is_a_failure() {
    let tasks = tasks(2, &ManualClock::new());
    let spawn = |work: fn() -> anyhow::Result<String>| {
        tasks.spawn("work", Priority::Normal, move |_| async move { work() }).expect("there is room")
    };
    block_on(tasks.drive(async {
        let done = spawn(|| Ok("42".into()));
        let failed = spawn(|| Err(Kind::Io.wrap(Kind::Git.error("no disk"), "writing")));
        let broken = spawn(|| panic!("pack 3"));
        assert_eq!(said(tasks.wait(&done).await), (State::Completed, "42".into()));
        assert_eq!(said(tasks.wait(&failed).await), (State::Failed, "writing: no disk".into()));
        assert_eq!(said(tasks.wait(&broken).await), (State::Failed, "it panicked: pack 3".into()));
        assert_eq!(tasks.result(&done).expect("reads").as_deref(), Some("42"));
        assert!(!tasks.cancel(&done), "it is over");
        assert_eq!(said(tasks.status(&done)).0, State::Completed);
        assert_eq!((tasks.clean(), tasks.list()), (3, vec![]));
        assert_eq!(tasks.wait(&done).await, None);
    }));
}

#[test]
fn never_more_than_so_many_run_and_the_important_ones_first() {
    let tasks = tasks(2, &ManualClock::new());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut ids = Vec::new();
    for (number, priority) in
        [Priority::Normal, Priority::Normal, Priority::Low, Priority::Normal, Priority::High, Priority::Normal]
            .into_iter()
            .enumerate()
    {
        let (now, most, order) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&order));
        let work = move |_| async move {
            let _alive = Alive::new(&now);
            most.fetch_max(now.load(Ordering::SeqCst), Ordering::SeqCst);
            order.lock().expect("no panic").push(number);
            for _ in 0..5 {
                yield_now().await;
            }
            Ok(String::new())
        };
        ids.push(tasks.spawn("work", priority, work).expect("there is room"));
    }
    block_on(tasks.drive(async {
        for id in &ids {
            assert_eq!(said(tasks.wait(id).await).0, State::Completed);
        }
    }));
    assert_eq!((most.load(Ordering::SeqCst), now.load(Ordering::SeqCst)), (2, 0));
    let order = order.lock().expect("no panic").clone();
    assert_eq!((order.len(), &order[2..]), (6, &[4, 3, 5, 2][..]), "two had begun");
}

#[test]
fn one_that_is_cancelled_is_dropped_or_never_begins() {
    let tasks = tasks(1, &ManualClock::new());
    let alive = Arc::new(AtomicUsize::new(0));
    let spawn = || {
        let alive = Arc::clone(&alive);
        let work = move |_| async move {
            let _alive = Alive::new(&alive);
            pending().await
        };
        tasks.spawn("work", Priority::Normal, work).expect("there is room")
    };
    let (runs, waits, next) = (spawn(), spawn(), spawn());
    block_on(tasks.drive(async {
        while alive.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        assert!(tasks.cancel(&waits) && tasks.cancel(&runs));
        assert_eq!(said(tasks.wait(&waits).await).0, State::Cancelled);
        assert_eq!(said(tasks.wait(&runs).await).0, State::Cancelled);
        while said(tasks.status(&next)).0 != State::Running || alive.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        assert_eq!(alive.load(Ordering::SeqCst), 1, "the first is gone, the second never was");
    }));
    assert_eq!((alive.load(Ordering::SeqCst), said(tasks.status(&next)).0), (0, State::Cancelled), "with its owner");
}

#[test]
fn with_their_owner_all_end_however_that_ends() {
    let tasks = tasks(2, &ManualClock::new());
    let alive = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let kept = Alive::new(&alive);
        let work = move |_| async move {
            let _kept = kept;
            pending().await
        };
        tasks.spawn("work", Priority::Normal, work).expect("there is room");
    }
    block_on(or(
        async {
            tasks.drive(pending::<()>()).await;
        },
        async {
            for _ in 0..50 {
                yield_now().await;
            }
        },
    ));
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    assert!(tasks.list().iter().all(|record| record.state() == State::Cancelled));
    // They can be driven again.
    let id = tasks.spawn("work", Priority::Normal, |_| async { Ok("again".into()) }).expect("there is room");
    assert_eq!(said(block_on(tasks.drive(tasks.wait(&id)))), (State::Completed, "again".into()));
    let kept = Alive::new(&alive);
    let forgotten = move |_| async move {
        drop(kept);
        Ok(String::new())
    };
    tasks.spawn("work", Priority::Normal, forgotten).expect("there is room");
    drop(tasks);
    assert_eq!(alive.load(Ordering::SeqCst), 0, "nobody drove it");
}

#[test]
fn a_full_queue_refuses() {
    let rules = Rules { at_once: 1, waiting: 2, ..Rules::default() };
    let tasks = Tasks::new(rules, 10, Clock::Real, None);
    let spawn = || tasks.spawn("work", Priority::High, |_| async { Ok(String::new()) });
    let begun = [(); 3].map(|()| spawn().expect("there is room"));
    let refused = spawn().expect_err("it is full");
    assert_eq!(crate::error::kind_of(&refused), Kind::Busy);
    assert!(tasks.cancel(&begun[2]));
    spawn().expect("there is room again");
}

#[test]
fn results_are_kept_until_they_expire() {
    let hands = ManualClock::new();
    let tasks = tasks(4, &hands);
    let spawn = || tasks.spawn("work", Priority::Normal, |_| async { Ok("result".into()) }).expect("there is room");
    let first = spawn();
    assert_eq!(said(block_on(tasks.drive(tasks.wait(&first)))).0, State::Completed);
    hands.advance(Duration::from_hours(7 * 24) - Duration::from_secs(1));
    let second = spawn();
    assert_eq!(said(block_on(tasks.drive(tasks.wait(&second)))).0, State::Completed);
    assert_eq!(tasks.result(&first).expect("reads").as_deref(), Some("result"));
    hands.advance(Duration::from_secs(1));
    assert_eq!((tasks.status(&first), said(tasks.status(&second)).1), (None, "result".into()));
}

#[test]
fn progress_is_the_heartbeat_without_which_a_task_stalls() {
    let hands = ManualClock::new();
    let (tasks, clock) = (tasks(1, &hands), Clock::from(&hands));
    let id = tasks.spawn("work", Priority::Normal, move |hand| async move {
        clock.sleep(Duration::from_secs(50)).await;
        hand.progress("indexing", 5, Some(9));
        clock.sleep(Duration::from_mins(1)).await;
        Ok(String::new())
    });
    let id = id.expect("there is room");
    block_on(tasks.drive(async {
        let stalled = || tasks.status(&id).expect("kept").is_stalled(tasks.shared.now(), Duration::from_mins(1));
        hands.until_asleep(1).await;
        hands.advance(Duration::from_secs(50));
        while tasks.status(&id).expect("kept").progress.done == 0 {
            yield_now().await;
        }
        hands.until_asleep(1).await;
        hands.advance(Duration::from_secs(59));
        assert!(!stalled());
        hands.advance(Duration::from_millis(999));
        assert!(!stalled());
        assert_eq!(tasks.status(&id).expect("kept").progress.phase, "indexing");
        hands.advance(Duration::from_millis(1));
        assert!(stalled(), "it has not been polled yet");
        tasks.wait(&id).await;
        assert!(!stalled(), "it is over");
    }));
}

#[test]
fn tasks_give_way_to_what_goes_before() {
    let tasks = tasks(1, &ManualClock::new());
    let steps = Arc::new(AtomicUsize::new(0));
    let (first, second) = (tasks.foreground(), tasks.foreground());
    let own = Arc::clone(&steps);
    let id = tasks.spawn("warm", Priority::Low, move |hand| async move {
        for _ in 0..3 {
            hand.give_way().await;
            own.fetch_add(1, Ordering::SeqCst);
        }
        Ok(String::new())
    });
    let id = id.expect("there is room");
    block_on(tasks.drive(async {
        drop(first);
        for _ in 0..50 {
            yield_now().await;
        }
        assert_eq!(steps.load(Ordering::SeqCst), 0, "one still goes before");
        drop(second);
        assert_eq!(said(tasks.wait(&id).await).0, State::Completed);
    }));
    assert_eq!(steps.load(Ordering::SeqCst), 3);
}

#[test]
fn memory_stays_bounded_over_ten_thousand_tasks() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("tasks");
    let tasks = Tasks::new(Rules::default(), 100, Clock::Real, Some(place.clone()));
    block_on(tasks.drive(async {
        for number in 0..10_000 {
            let work = move |_| async move { Ok("x".repeat(if number % 100 == 0 { 100_000 } else { 1000 })) };
            let id = tasks.spawn("work", Priority::Normal, work).expect("there is room");
            if number % 7 == 0 {
                let _ = tasks.cancel(&id);
            }
            tasks.wait(&id).await;
        }
    }));
    let book = tasks.shared.book();
    assert_eq!((book.entries.len(), book.over.len(), book.waiting.len(), book.running), (100, 100, 0, 0));
    assert!(book.entries.values().all(|entry| entry.begin.is_none() && entry.running.is_none()));
    let bytes: usize = book
        .entries
        .values()
        .map(|entry| match &entry.record.said {
            Some(Said::Text(text)) => text.len(),
            _ => 0,
        })
        .sum();
    assert!(bytes <= 100 * output::MOST_SAID);
    assert!(std::fs::read_dir(&place).expect("the folder").count() <= 1, "files go with their tasks");
    assert!(tasks.shared.executor.is_empty());
}
