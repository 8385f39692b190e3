use super::*;

const OWNER: Identity = Identity { pid: 7, began: 8 };

fn record(state: State) -> Record {
    Record { state, ..Record::new("scan", "nova", Priority::Normal, 100, OWNER) }
}

#[test]
fn there_is_no_other_way_from_state_to_state() {
    use State::{Cancelled, Completed, Failed, Pending, Running};
    let ways: Vec<(State, State)> = State::ALL
        .into_iter()
        .flat_map(|from| State::ALL.map(|to| (from, to)))
        .filter(|(from, to)| from.may_become(*to))
        .collect();
    let expected = [
        (Pending, Running),
        (Pending, Failed),
        (Pending, Cancelled),
        (Running, Completed),
        (Running, Failed),
        (Running, Cancelled),
    ];
    assert_eq!(ways, expected);
    for (from, to) in State::ALL.into_iter().flat_map(|from| State::ALL.map(|to| (from, to))) {
        let mut task = record(from);
        let before = task.clone();
        let done = match to {
            Pending => continue,
            Running => task.begin(200),
            Completed => task.end(Outcome::Completed(Said::Text("done".into())), 200),
            Failed => task.end(Outcome::Failed("why".into()), 200),
            Cancelled => task.end(Outcome::Cancelled, 200),
        };
        assert_eq!((done, task.state), (from.may_become(to), if done { to } else { from }), "{from:?} → {to:?}");
        assert!(done || task == before, "nothing of it has changed");
        assert_eq!(task.ended_at.is_some(), done && to.is_over());
    }
    assert!(State::ALL.iter().all(|state| State::of_word(state.word()) == Some(*state)));
}

#[test]
fn who_is_to_stop_is_cancelled_at_once_only_while_it_waits() {
    let (mut waits, mut runs, mut over) = (record(State::Pending), record(State::Running), record(State::Failed));
    assert!(waits.ask_to_stop(5) && runs.ask_to_stop(5) && !over.ask_to_stop(5));
    assert_eq!((waits.state, runs.state, runs.stop), (State::Cancelled, State::Running, true));
    assert!(runs.end(Outcome::Completed(Said::Text(String::new())), 6), "it was quicker");
}

#[test]
fn what_a_dead_process_left_is_failed_with_the_reason() {
    let mut task = record(State::Running);
    task.progress.phase = "indexing".into();
    assert!(task.bury(300));
    let reason = "process 7 ended before it was done, while indexing";
    assert_eq!((task.state, task.said.clone()), (State::Failed, Some(Said::Text(reason.into()))));
    assert!(!task.bury(301), "once");
    let mut waits = record(State::Pending);
    assert!(waits.bury(300));
    assert_eq!(waits.said, Some(Said::Text("process 7 ended before it began".into())));
    let mut stopped = Record { stop: true, ..record(State::Running) };
    assert!(stopped.bury(300));
    assert_eq!(stopped.state, State::Cancelled, "that was wanted");
}

#[test]
fn it_stalls_without_progress_and_expires_after_its_end() {
    let mut task = record(State::Pending);
    let after = Duration::from_mins(1);
    assert!(!task.is_stalled(999_999, after), "it waits");
    task.begin(1000);
    assert!(!task.is_stalled(60_999, after) && task.is_stalled(61_000, after));
    task.beat(Progress { phase: "walk".into(), done: 1, total: None }, 50_000);
    assert!(!task.is_stalled(109_999, after) && task.is_stalled(110_000, after));
    assert!(!task.is_stalled(0, after), "a clock that was set back");
    assert!(!task.is_expired(u64::MAX, after), "it runs");
    task.end(Outcome::Cancelled, 200_000);
    assert!(!task.is_stalled(999_999, after));
    assert!(!task.is_expired(259_999, after) && task.is_expired(260_000, after));
}

#[test]
fn those_who_wait_go_by_priority_and_then_in_the_order_in_which_they_came() {
    let with = |priority| Record { priority, ..record(State::Pending) };
    let mut all = vec![
        with(Priority::Low),
        with(Priority::Normal),
        with(Priority::Normal),
        with(Priority::High),
        record(State::Running),
    ];
    let may = |all: &[Record], limit| -> Vec<usize> {
        (0..all.len()).filter(|at| may_begin(all, &all[*at].id, limit)).collect()
    };
    assert_eq!(may(&all, 1), [0; 0]);
    assert_eq!((may(&all, 2), may(&all, 4), may(&all, 9)), (vec![3], vec![1, 2, 3], vec![0, 1, 2, 3]));
    all.pop();
    assert_eq!(may(&all, 1), [3]);
}
