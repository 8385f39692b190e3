//! What people are shown, and when: text or JSON Lines, and how far the work is.

mod support;

use serde_json::Value;
use support::dag;
use support::{Repo, bhfuil, events, of_type};

fn repository() -> (Repo, Vec<String>) {
    dag::repository(&dag::random(3, 400, 2, 20), &[("refs/heads/main", 300), ("refs/tags/t", 120)])
}

#[test]
fn gits_pager_gets_text_for_people_and_other_pipes_json() {
    let (repo, _) = repository();
    for (in_use, format, text) in [
        (None, "auto", false),
        (Some("true"), "auto", true),
        (Some("1"), "auto", true),
        (Some("false"), "auto", false),
        (Some("0"), "auto", false),
        (Some(""), "auto", false),
        (Some("true"), "jsonl", false),
        (None, "human", true),
    ] {
        let mut command = bhfuil(&repo);
        command.env("TERM", "xterm").env_remove("NO_COLOR");
        if let Some(value) = in_use {
            command.env("GIT_PAGER_IN_USE", value);
        }
        let output = command.args(["scan", "-n2", "--format", format]).output().expect("runs");
        let first = output.stdout.first().copied();
        assert_eq!(first != Some(b'{'), text, "{in_use:?} {format}");
        // As git does, with colour.
        assert_eq!(output.stdout.contains(&0x1b), text && in_use == Some("true") || in_use == Some("1"), "{in_use:?}");
    }
    let output = bhfuil(&repo).env("GIT_PAGER_IN_USE", "true").env("TERM", "dumb").args(["scan", "-n2"]).output();
    assert!(!output.expect("runs").stdout.contains(&0x1b));
}

#[test]
fn how_much_there_is_to_do_is_known_once_there_is_a_cache() {
    let (repo, ids) = repository();
    let run = |args: &[&str]| -> Vec<Value> {
        events(&bhfuil(&repo).args(["scan", "--progress"]).args(args).output().expect("runs"))
    };
    let count = |args: &[&str]| repo.git(&[&["rev-list", "--count"], args].concat()).parse::<u64>().expect("a number");
    let total = |events: &[Value]| {
        let progress = of_type(events, "progress");
        let total = progress.last().expect("progress").get("total").cloned();
        total.filter(|total| !total.is_null()).map(|total| total.as_u64().expect("a number"))
    };
    let first = run(&[]);
    let cursor = first.last().expect("end")["cursor"].as_str().expect("a cursor").to_owned();
    let old = repo.git(&["rev-parse", "main"]);
    assert_eq!(total(&run(&[])), Some(count(&["--branches", "--tags"])));
    assert_eq!(total(&run(&["-n30"])), Some(30));
    assert_eq!(total(&run(&["main", "^t"])), Some(count(&["main", "^t"])));
    assert_eq!(total(&run(&["--reverse"])), Some(count(&["--branches", "--tags"])));
    // What is passed over is not counted as done, and how much that will be nobody knows.
    assert_eq!(total(&run(&["--grep=1"])), None);
    assert_eq!(total(&run(&["--since=@1"])), None);
    repo.git(&["update-ref", "refs/heads/main", &ids[399]]);
    run(&["--no-commits"]);
    let after = format!("--after={cursor}");
    let not = format!("^{old}");
    assert_eq!(total(&run(&[&after])), Some(count(&["main", &not, "^t"])));
}
