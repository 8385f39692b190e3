//! The answer of `git bhfuil where` depends on history and refs alone: not on what the cache happens to know, on the order in which it
//! came to know it, on threads or on how objects are stored.

mod support;

use serde_json::Value;
use support::dag::{self, Commit, Dice, random};
use support::{Repo, bhfuil, commit_ids, events};

const ALL: [&str; 4] = ["--similar", "--tags=all", "--via", "--missing"];

/// The lines that answer, sorted, without what names the repository.
fn ask(repo: &Repo, args: &[&str], queries: &[String]) -> Vec<String> {
    let mut command = bhfuil(repo);
    let output =
        command.args(["where", "--stdin"]).args(args).write_stdin(queries.join("\n")).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    essence(&events(&output))
}

fn essence(events: &[Value]) -> Vec<String> {
    let answers =
        events.iter().filter(|event| ["commit", "match", "presence"].iter().any(|kind| event["type"] == *kind));
    let mut lines: Vec<String> = answers
        .cloned()
        .map(|mut event| {
            event.as_object_mut().expect("an object").remove("repo");
            event.to_string()
        })
        .collect();
    lines.sort();
    lines
}

/// In how many lines two answers differ, and the first of them.
fn assert_same(ours: &[String], expected: &[String], case: &str) {
    let other: Vec<&String> = ours.iter().filter(|line| !expected.contains(line)).collect();
    assert!(
        ours == expected,
        "{case}: {} lines, {} expected, {} others, as {:?}",
        ours.len(),
        expected.len(),
        other.len(),
        other.first()
    );
}

/// Asks in every state of the cache that there is.
fn assert_never_differs(repo: &Repo, queries: &[String]) {
    let all = |repo: &Repo, more: &[&str]| ask(repo, &[&ALL, more].concat(), queries);
    let cold = all(repo, &["--threads=1"]);
    assert!(cold.len() > 3 * queries.len());
    assert_same(&all(repo, &["--threads=4"]), &cold, "warm, on four threads");
    assert_same(&all(repo, &["--no-update"]), &cold, "warm, without an update");

    let partly = repo.stored_as("packed");
    ask(&partly, &["--signals=same"], &queries[..9]);
    ask(&partly, &["--signals=patch-id,subject", "--similar"], &queries[3..30]);
    ask(&partly, &[], &queries[20..]);
    assert_same(&all(&partly, &["--threads=4"]), &cold, "after other queries");

    let clone = repo.stored_as("bare");
    assert_same(&all(&clone, &["--threads=3"]), &cold, "a clone");

    // Indexed ref by ref, in another order than that of the commits.
    let steps = repo.stored_as("bare");
    let refs = steps.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
    let refs: Vec<(&str, &str)> = refs.lines().filter_map(|line| line.split_once(' ')).collect();
    for (name, _) in &refs {
        steps.git(&["update-ref", "-d", name]);
    }
    for (name, id) in refs.iter().rev() {
        steps.git(&["update-ref", name, id]);
        let tip = steps.git(&["rev-parse", &format!("{id}^{{commit}}")]);
        ask(&steps, &[], &[tip]);
    }
    assert_same(&all(&steps, &[]), &cold, "in steps");

    let file = repo.home().join("a-file");
    std::fs::write(&file, "no folder").expect("writes");
    let mut uncached = bhfuil(repo);
    uncached.env("GIT_BHFUIL_CACHE", file.join("cache")).args(["where", "--stdin"]).args(ALL);
    let output = uncached.write_stdin(queries.join("\n")).output().expect("it runs");
    assert_same(&essence(&events(&output)), &cold, "without a cache");
}

#[test]
fn the_answer_about_picks_reverts_and_squashes_is_always_the_same() {
    let repo = Repo::fixture("backports");
    repo.git(&["merge", "--quiet", "-s", "ours", "-m", "merge", "stable/2.0"]);
    let queries: Vec<String> = repo.truth().values().cloned().collect();
    assert_never_differs(&repo, &queries);
}

#[test]
fn the_answer_about_random_copies_in_random_histories_is_always_the_same() {
    for seed in [1, 2, 3] {
        let mut dice = Dice(seed);
        let mut commits = random(seed, 60, 2, 8);
        for number in 0..commits.len() {
            let text = (0..4).fold(String::new(), |text, _| text + &format!("{}\n", dice.below(6)));
            let (file, copied) = (format!("f{}", dice.below(4)), dice.below(number.max(1)));
            let mut commit = commits[number].clone().file(&file, &text);
            // Some or all of what says that two are one change: the subject, the author's date, the lines.
            if dice.below(3) > 0 {
                commit.message.clone_from(&commits[copied].message);
            }
            if dice.below(2) > 0 {
                commit.time = commits[copied].time;
            }
            if dice.below(2) > 0 {
                commit.files.clone_from(&commits[copied].files);
            }
            commits[number] = commit;
        }
        let tips = [("main", 59), ("stable/1.0", 41), ("stable/2.0", 50), ("topic", 33), ("stable/3.0", 57)];
        let names: Vec<(String, usize)> = tips.iter().map(|(name, tip)| (format!("refs/heads/{name}"), *tip)).collect();
        let refs: Vec<(&str, usize)> = names.iter().map(|(name, tip)| (name.as_str(), *tip)).collect();
        let (repo, _) = dag::repository(&commits, &refs);
        repo.git(&["tag", "1.0.1", "stable/1.0~1"]);
        let reached = repo.git(&["rev-list", "--all"]);
        let queries: Vec<String> = reached.lines().map(str::to_owned).collect();
        assert_never_differs(&repo, &queries);
    }
}

#[test]
fn which_changes_of_an_issue_come_first_does_not_depend_on_what_was_indexed_first() {
    let fix = |time: i64| Commit::new(&[0], time).message(&format!("Fix {time}\n\nCVE-2024-1234\n"));
    let commits = [Commit::new(&[], 100), fix(400), fix(300), fix(200)];
    let (repo, ids) = dag::repository(&commits, &[("refs/heads/main", 1)]);
    let told = |more: &[&str]| {
        let output = bhfuil(&repo).args(["where", "CVE-2024-1234"]).args(more).output().expect("it runs");
        commit_ids(&events(&output))
    };
    // The newest is indexed first, the oldest last.
    assert_eq!(told(&[]), [ids[1].as_str()]);
    for number in [2, 3] {
        repo.git(&["update-ref", &format!("refs/heads/topic-{number}"), &ids[number]]);
        told(&[]);
    }
    assert_eq!(told(&[]), [ids[3].as_str(), &ids[2], &ids[1]], "the oldest first");
    assert_eq!(told(&["-n", "2"]), [ids[3].as_str(), &ids[2]]);
}
