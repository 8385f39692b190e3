//! Which commits `scan` streams, and in which order: those of `git rev-list`, for the same refs, ranges, limits and paths.

mod support;

use std::process::Output;

use git_bhfuil::facts::Oid;
use git_bhfuil::git::history::{History, Node};
use git_bhfuil::git::walk::{Limits, Walk};
use support::dag::{Commit, Dice, random, repository};
use support::{Repo, USUAL, bhfuil, events, of_type};

fn ids_of(output: &Output) -> Vec<String> {
    let events = events(output);
    assert_eq!(output.status.code(), Some(0), "{:?}", events.last());
    of_type(&events, "commit").iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

fn scan(repo: &Repo, args: &[&str]) -> Vec<String> {
    ids_of(&bhfuil(repo).arg("scan").args(args).output().expect("it runs"))
}

fn rev_list(repo: &Repo, args: &[&str]) -> Vec<String> {
    repo.git(&[&["rev-list"], args].concat()).lines().map(str::to_owned).collect()
}

fn assert_same(ours: &[String], git: &[String], case: &str) {
    let first = ours.iter().zip(git).position(|(ours, git)| ours != git);
    assert!(ours == git, "{case}: {} of ours, {} of git's, first other at {first:?}", ours.len(), git.len());
}

/// `ours` and `git`'s the same question, without a cache and with one.
fn assert_answers(repo: &Repo, questions: &[(&[&str], &[&str])]) {
    for state in ["cold", "warm"] {
        for (ours, git) in questions {
            let case = format!("{state}: scan {ours:?} as rev-list {git:?}");
            assert_same(&scan(repo, ours), &rev_list(repo, git), &case);
        }
        scan(repo, &["--no-commits"]);
    }
}

/// The shapes of random histories: each bends the one of `dag::random` in its way.
const SHAPES: [&str; 6] = ["as it comes", "one second", "clock skew", "many roots", "wide", "a line"];

fn history(shape: &str, seed: u64, count: usize) -> Vec<Commit> {
    let (width, reach) = match shape {
        "wide" => (6, 40),
        "a line" => (1, 2),
        _ => (3, 10),
    };
    let mut commits = random(seed, count, width, reach);
    let mut dice = Dice(seed ^ 0x5eed);
    for commit in &mut commits {
        match shape {
            "one second" => commit.time = 1_700_000_000,
            "clock skew" if dice.below(4) == 0 => {
                commit.time += i64::try_from(dice.below(4000)).expect("a small number") - 2000;
            }
            "many roots" if dice.below(4) == 0 => commit.parents.clear(),
            _ => {}
        }
    }
    commits
}

/// Refs at some commits of `commits`, always one at the last.
fn refs(dice: &mut Dice, commits: &[Commit]) -> Vec<(String, usize)> {
    let last = commits.len() - 1;
    let mut refs = vec![("refs/heads/main".to_owned(), last)];
    for number in 0..8 {
        let place = last - dice.below(commits.len().min(60));
        let kind = ["heads", "remotes/origin", "tags"][dice.below(3)];
        refs.push((format!("refs/{kind}/r{number}"), place));
    }
    refs
}

fn repository_of(commits: &[Commit], refs: &[(String, usize)]) -> (Repo, Vec<String>) {
    let refs: Vec<(&str, usize)> = refs.iter().map(|(name, place)| (name.as_str(), *place)).collect();
    repository(commits, &refs)
}

#[test]
fn streams_every_fixture_in_the_order_of_rev_list() {
    for fixture in ["backports", "merges"] {
        let repo = Repo::fixture(fixture);
        let reversed = [&["--reverse"], &USUAL[..]].concat();
        let (newest, oldest) = ([&["-n", "7"], &USUAL[..]].concat(), [&["-n", "7", "--reverse"], &USUAL[..]].concat());
        assert_answers(
            &repo,
            &[
                (&[], &USUAL),
                (&["--reverse"], &reversed),
                (&["-n7"], &newest),
                (&["-7", "--reverse"], &oldest),
                (&["-n", "0"], &["-n", "0", "HEAD"]),
                (&["-n", "-1", "HEAD"], &["HEAD"]),
            ],
        );
    }
    let unborn = Repo::fixture("tags");
    assert_answers(
        &unborn,
        &[(&[], &USUAL[1..]), (&["--reverse"], &["--reverse", "--branches", "--remotes", "--tags"])],
    );
    let odd = Repo::fixture("odd-commits");
    assert_answers(&odd, &[(&["-n", "30"], &["-n", "30", "HEAD"])]);
}

#[test]
fn streams_random_histories_in_the_order_of_rev_list() {
    for (shape, seed) in SHAPES.iter().zip(1..) {
        let commits = history(shape, seed, 400);
        let refs = refs(&mut Dice(seed), &commits);
        let (repo, _) = repository_of(&commits, &refs);
        let expected = rev_list(&repo, &USUAL);
        for state in ["cold", "warm"] {
            assert_same(&scan(&repo, &[]), &expected, &format!("{shape}, {state}"));
        }
    }
}

/// History in memory, so that nothing but the walk is looked at.
struct Memory<'c> {
    commits: &'c [Commit],
    ids: &'c [Oid],
}

impl History for Memory<'_> {
    fn node(&mut self, id: &Oid) -> Option<Node> {
        Node::try_from(self.ids.iter().position(|known| known == id)?).ok()
    }

    fn id(&self, node: Node) -> Oid {
        self.ids[node as usize]
    }

    fn time(&self, node: Node) -> u64 {
        self.commits[node as usize].time.unsigned_abs()
    }

    fn parents(&mut self, node: Node, into: &mut Vec<Node>) {
        let parents = &self.commits[node as usize].parents;
        into.extend(parents.iter().map(|&parent| Node::try_from(parent).expect("a small history")));
    }
}

/// One question for both: up to five tips, each in or out, and now and then a limit by time.
#[derive(Debug)]
struct Question {
    tips: Vec<(usize, bool)>,
    limits: Limits,
}

impl Question {
    fn any(dice: &mut Dice, commits: &[Commit]) -> Self {
        let mut tips = Vec::new();
        for _ in 0..=dice.below(4) {
            // Mostly near the end, where there is much to tell.
            let back = dice.below(commits.len());
            let back = if dice.below(3) > 0 { back / 4 } else { back };
            tips.push((commits.len() - 1 - back, dice.below(5) < 2));
        }
        let mut time = |odds| (dice.below(odds) == 0).then(|| commits[dice.below(commits.len())].time.unsigned_abs());
        let limits = Limits { since: time(6), until: time(6) };
        Self { tips, limits }
    }

    fn ours(&self, commits: &[Commit], ids: &[Oid]) -> Vec<String> {
        let mut history = Memory { commits, ids };
        let mut seen = std::collections::HashSet::new();
        let tips = self.tips.iter().filter(|tip| seen.insert(**tip));
        let tips = tips.map(|(place, excluded)| (Node::try_from(*place).expect("a small history"), *excluded));
        let mut walk = Walk::new(&mut history, tips, self.limits);
        std::iter::from_fn(|| walk.next(&mut history, || false)).map(|node| ids[node as usize].to_hex()).collect()
    }

    fn args(&self, ids: &[Oid]) -> Vec<String> {
        let limits = [("--max-age", self.limits.since), ("--min-age", self.limits.until)];
        let limits = limits.iter().filter_map(|(name, time)| Some(format!("{name}={}", (*time)?)));
        let tips = self.tips.iter().map(|(place, out)| format!("{}{}", if *out { "^" } else { "" }, ids[*place]));
        limits.chain(tips).collect()
    }
}

/// Answers many questions by one shell that starts git for each: a process of its own for each costs more.
fn rev_lists(repo: &Repo, questions: &[Question], ids: &[Oid]) -> Vec<Vec<String>> {
    let mut script = String::from("set -e\n");
    for question in questions {
        script.push_str("git rev-list ");
        script.push_str(&question.args(ids).join(" "));
        script.push_str("\necho .\n");
    }
    let answers = repo.shell(&script);
    let mut lists: Vec<Vec<String>> =
        answers.split(".\n").map(|list| list.lines().map(str::to_owned).collect()).collect();
    assert_eq!(lists.pop(), Some(Vec::new()), "the last answer is whole");
    lists
}

/// For each shape some histories, and for each of them some hundred questions: 2,400 walks.
#[test]
fn walks_random_ranges_of_random_histories_as_rev_list_does() {
    let one = |shape: &str, seed: u64| {
        let mut dice = Dice(seed);
        let commits = history(shape, seed, 60 + dice.below(100));
        let (repo, ids) = repository_of(&commits, &[("refs/heads/main".to_owned(), commits.len() - 1)]);
        let ids: Vec<Oid> = ids.iter().map(|id| id.parse().expect("an id")).collect();
        let questions: Vec<Question> = (0..100).map(|_| Question::any(&mut dice, &commits)).collect();
        let answers = rev_lists(&repo, &questions, &ids);
        assert_eq!(answers.len(), questions.len());
        for (question, git) in questions.iter().zip(answers) {
            assert_same(&question.ours(&commits, &ids), &git, &format!("{shape}, seed {seed}, {question:?}"));
        }
    };
    std::thread::scope(|scope| {
        for half in [0, 1] {
            scope.spawn(move || {
                for seed in (half..4).step_by(2) {
                    SHAPES.iter().zip(100 * seed..).for_each(|(shape, seed)| one(shape, seed));
                }
            });
        }
    });
}
