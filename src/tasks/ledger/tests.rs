use super::*;
use crate::clock::ManualClock;
use smol::block_on;

/// A ledger in which everybody lives but process 1.
fn ledger(folder: &Path, hands: &ManualClock, rules: Rules) -> Ledger {
    let opened = Ledger::open(folder, rules, Clock::from(hands)).expect("opens");
    Ledger { lives: |owner| owner.pid != 1, ..opened }
}

fn register(ledger: &Ledger, priority: Priority) -> Id {
    block_on(ledger.register("scan", "nova", priority)).expect("there is room").id
}

fn turn(ledger: &Ledger, id: &Id) -> Turn {
    block_on(ledger.turn(id)).expect("answers")
}

fn state(ledger: &Ledger, id: &Id) -> State {
    block_on(ledger.get(id)).expect("reads").expect("is there").state()
}

#[test]
fn so_many_run_at_once_the_others_wait_for_their_turn() {
    let (folder, hands) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
    let ledger = ledger(folder.path(), &hands, Rules { at_once: 2, ..Rules::default() });
    let [low, first, second] = [Priority::Low, Priority::Normal, Priority::Normal].map(|it| register(&ledger, it));
    assert_eq!([&low, &second, &first].map(|id| turn(&ledger, id)), [Turn::NotYet, Turn::Yours, Turn::Yours]);
    let high = register(&ledger, Priority::High);
    assert_eq!((turn(&ledger, &high), turn(&ledger, &first)), (Turn::NotYet, Turn::Over), "that one runs");
    assert!(block_on(ledger.end(&first, Outcome::Failed("no".into()))).expect("kept"));
    assert_eq!([&low, &high].map(|id| turn(&ledger, id)), [Turn::NotYet, Turn::Yours]);
    // The owner of one that runs dies.
    assert!(block_on(ledger.adopt(&second, Identity { pid: 1, began: 5 })).expect("kept"));
    assert_eq!(turn(&ledger, &low), Turn::Yours);
    let buried = block_on(ledger.get(&second)).expect("reads").expect("is there");
    assert_eq!(buried.said, Some(Said::Text("process 1 ended before it was done".into())));
    assert_eq!(state(&ledger, &low), State::Running);
}

#[test]
fn a_full_queue_refuses_and_says_what_can_be_done() {
    let (folder, hands) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
    let ledger = ledger(folder.path(), &hands, Rules { waiting: 2, ..Rules::default() });
    let ids = [(); 2].map(|()| register(&ledger, Priority::Normal));
    let refused = block_on(ledger.register("scan", "nova", Priority::High)).expect_err("it is full");
    assert_eq!(
        (crate::error::kind_of(&refused), refused.to_string()),
        (Kind::Busy, "2 tasks wait for their turn already".into())
    );
    assert!(block_on(ledger.ask_to_stop(&ids[0])).expect("kept"));
    assert_eq!(state(&ledger, &ids[0]), State::Cancelled);
    assert!(!block_on(ledger.ask_to_stop(&ids[0])).expect("kept"), "it is over");
    register(&ledger, Priority::Normal);
}

#[test]
fn an_id_that_is_taken_is_refused_whether_its_task_has_ended_or_not() {
    let (folder, hands) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
    let ledger = ledger(folder.path(), &hands, Rules::default());
    let record = block_on(ledger.register("scan", "nova", Priority::Normal)).expect("there is room");
    assert!(block_on(ledger.add(record.clone())).is_err());
    assert!(block_on(ledger.ask_to_stop(&record.id)).expect("kept"));
    assert!(block_on(ledger.add(record.clone())).is_err());
    assert_eq!(state(&ledger, &record.id), State::Cancelled);
}

#[test]
fn others_see_progress_and_the_wish_to_stop() {
    let (folder, hands) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
    let ours = ledger(folder.path(), &hands, Rules::default());
    let theirs = ledger(folder.path(), &hands, Rules::default());
    let id = register(&ours, Priority::Normal);
    turn(&ours, &id);
    let progress = Progress { phase: "indexing".into(), done: 7, total: Some(9) };
    assert!(block_on(ours.beat(&id, progress.clone())).expect("kept"));
    assert!(block_on(theirs.ask_to_stop(&id)).expect("kept"));
    let seen = block_on(theirs.get(&id)).expect("reads").expect("is there");
    assert_eq!((seen.progress, seen.stop, seen.owner), (progress, true, Identity::own()));
    hands.advance(Duration::from_mins(1));
    let seen = block_on(ours.get(&id)).expect("reads").expect("is there");
    assert!(seen.is_stalled(theirs.now(), theirs.rules().stall_after));
    assert!(block_on(ours.end(&id, Outcome::Cancelled)).expect("kept"));
    assert!(!block_on(theirs.beat(&id, Progress::default())).expect("kept"), "it is over");
    assert!(!block_on(theirs.end(&id, Outcome::Failed("late".into()))).expect("kept"));
    assert_eq!(state(&theirs, &id), State::Cancelled);
}

#[test]
fn what_a_task_left_behind_goes_when_it_expires_or_is_cleaned() {
    let (folder, hands) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
    let rules = Rules { expiry: Duration::from_hours(2), ..Rules::default() };
    let ledger = ledger(folder.path(), &hands, rules);
    let done = |text: &str| {
        let id = register(&ledger, Priority::Normal);
        turn(&ledger, &id);
        std::fs::write(output::log(ledger.folder(), &id), "log").expect("writes");
        let said = block_on(output::keep(Some(ledger.folder()), &id, text.into()));
        assert!(block_on(ledger.end(&id, Outcome::Completed(said))).expect("kept"));
        id
    };
    let listed = || -> Vec<Id> { block_on(ledger.list()).expect("reads").into_iter().map(|it| it.id).collect() };
    let files = || std::fs::read_dir(ledger.folder()).expect("the folder").count();
    let long = "x".repeat(output::MOST_SAID + 1);
    let first = done(&long);
    let kept = block_on(ledger.get(&first)).expect("reads").and_then(|it| it.said).expect("a result");
    assert_eq!(output::read(&kept).expect("reads"), Some(long));
    hands.advance(Duration::from_hours(1));
    let (second, waits) = (done("short"), register(&ledger, Priority::Normal));
    assert_eq!((listed(), files()), (vec![first, second.clone(), waits.clone()], 3));
    hands.advance(Duration::from_hours(1));
    assert_eq!((listed(), files()), (vec![second.clone(), waits.clone()], 1), "one has expired");
    let cleaned: Vec<Id> = block_on(ledger.clean()).expect("cleans").into_iter().map(|it| it.id).collect();
    assert_eq!((cleaned, listed(), files()), (vec![second], vec![waits], 0));
}

#[test]
fn of_many_that_register_and_take_turns_at_once_none_is_lost_and_never_too_many_run() {
    let (folder, hands) = (tempfile::tempdir().expect("a folder"), ManualClock::new());
    let rules = Rules { at_once: 3, ..Rules::default() };
    let work = || {
        let ledger = ledger(folder.path(), &hands, rules);
        for _ in 0..5 {
            let id = register(&ledger, Priority::Normal);
            while turn(&ledger, &id) != Turn::Yours {
                std::thread::yield_now();
            }
            let running = ledger.read(Which::Unended).expect("reads");
            assert!(running.iter().filter(|record| record.state() == State::Running).count() <= 3);
            assert!(block_on(ledger.end(&id, Outcome::Completed(Said::Text("done".into())))).expect("kept"));
        }
    };
    std::thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(work))));
    let all = block_on(ledger(folder.path(), &hands, rules).list()).expect("reads");
    assert_eq!(all.iter().filter(|record| record.state() == State::Completed).count(), 30);
    assert_eq!(all.len(), 30);
}
