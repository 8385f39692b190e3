//! What limits a scan: ranges in git's spellings, counts, dates, patterns, globs of refs, paths and standard input, each
//! beside what git answers to the same words.

mod support;

use std::process::Output;

use support::dag::{Commit, Dice, random, repository};
use support::{Repo, USUAL, bhfuil, events, of_type};

fn ids_in(output: &Output) -> Vec<String> {
    let events = events(output);
    of_type(&events, "commit").iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

fn ids_of(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    ids_in(output)
}

fn scan(repo: &Repo, args: &[&str]) -> Vec<String> {
    ids_of(&bhfuil(repo).arg("scan").args(args).output().expect("it runs"))
}

fn scan_stdin(repo: &Repo, args: &[&str], input: &[u8]) -> Output {
    bhfuil(repo).args(["scan", "--stdin"]).args(args).write_stdin(input).output().expect("it runs")
}

/// The ids of `git log`, which prints them as `git rev-list` does and knows more options.
fn log(repo: &Repo, args: &[&str]) -> Vec<String> {
    repo.git(&[&["log", "--format=%H"], args].concat()).lines().map(str::to_owned).collect()
}

fn assert_same(ours: &[String], git: &[String], case: &str) {
    let first = ours.iter().zip(git).position(|(ours, git)| ours != git);
    assert!(ours == git, "{case}: {} of ours, {} of git's, first other at {first:?}", ours.len(), git.len());
}

/// Each pair asks the same of us and of git, without a cache and with one. At least one answer is not empty.
fn assert_answers(repo: &Repo, questions: &[(&[&str], &[&str])]) {
    for state in ["cold", "warm"] {
        let mut some = false;
        for (ours, git) in questions {
            let expected = log(repo, git);
            some |= !expected.is_empty();
            assert_same(&scan(repo, ours), &expected, &format!("{state}: scan {ours:?} as git log {git:?}"));
        }
        assert!(some, "questions without an answer prove nothing");
        scan(repo, &["--no-commits"]);
    }
}

/// The same words for both.
fn assert_same_words(repo: &Repo, questions: &[&[&str]]) {
    let pairs: Vec<(&[&str], &[&str])> = questions.iter().map(|words| (*words, *words)).collect();
    assert_answers(repo, &pairs);
}

/// Beside options git is told what the default of ours is.
fn assert_same_options(repo: &Repo, questions: &[&[&str]]) {
    let with_refs: Vec<Vec<&str>> = questions.iter().map(|words| [*words, &USUAL].concat()).collect();
    let pairs: Vec<(&[&str], &[&str])> =
        questions.iter().zip(&with_refs).map(|(words, git)| (*words, git.as_slice())).collect();
    assert_answers(repo, &pairs);
}

#[test]
fn understands_ranges_in_the_spellings_of_git() {
    let repo = Repo::fixture("backports");
    let abbreviated = format!("{}..main", &repo.id("plain")[..9]);
    assert_same_words(
        &repo,
        &[
            &["1.0.0..stable/1.0"],
            &["main..stable/1.0"],
            &["stable/1.0...stable/2.0"],
            &["main...1.0.2"],
            &["^main", "stable/1.0", "stable/2.0"],
            &["stable/1.0", "^1.0.1", "2.0.0", "^2.0.0-rc1"],
            &["main..stable/1.0", "1.0.0..stable/2.0"],
            &["main^@"],
            &["main~3^!"],
            &["main~4^-"],
            &["HEAD~5.."],
            &["..stable/1.0"],
            &[":/hotfix"],
            &["main^{/todo}", "^2.0.0"],
            &["1.0.1^{}"],
            &["1.0.1^{commit}..1.0.2"],
            &["1.0.1^{tag}"],
            &["refs/tags/2.0.0"],
            &["heads/main~10", "main", "main"],
            &["@~2"],
            &["main..main"],
            &[&abbreviated],
            &["--reverse", "1.0.0..stable/1.0"],
            &["-n3", "1.0.0..stable/1.0"],
            &["-n3", "--reverse", "stable/1.0...stable/2.0"],
        ],
    );
}

#[test]
fn understands_ranges_over_criss_cross_merges_and_many_roots() {
    let repo = Repo::fixture("merges");
    assert_same_words(
        &repo,
        &[
            &["criss/left...criss/right"],
            &["criss/left..criss/right"],
            &["unrelated/host...unrelated/guest"],
            &["criss/left...unrelated/host"],
            &["octopus^@", "^octopus^2"],
            &["octopus^!"],
            &["octopus^-3"],
            &["skew/main..skew/side"],
            &["skew/side..skew/main"],
            &["skew/main...skew/side"],
            &["mesh/a", "^mesh/c"],
            &["mesh/c...mesh/a"],
            &["roots", "^roots~4"],
            &["twin"],
        ],
    );
}

/// `A...B` and what is put together from random ends, asked through the command line.
#[test]
fn answers_random_ranges_as_git_does() {
    for (seed, skew) in [(1, 0), (2, 300), (3, 3000)] {
        let mut dice = Dice(seed);
        let mut commits = random(seed, 120, 3, 12);
        for commit in &mut commits {
            commit.time += i64::try_from(dice.below(skew + 1)).expect("a small number");
        }
        let (repo, ids) = repository(&commits, &[("refs/heads/main", 119), ("refs/heads/side", 110)]);
        let mut end = || ids[119 - dice.below(60)].clone();
        let words: Vec<Vec<String>> = (0..8)
            .map(|number| match number % 4 {
                0 => vec![format!("{}...{}", end(), end())],
                1 => vec![format!("{}..{}", end(), end()), format!("{}..{}", end(), end())],
                2 => vec![format!("{}...{}", end(), end()), format!("^{}", end())],
                _ => vec![end(), format!("^{}", end()), format!("{}^@", end())],
            })
            .collect();
        let words: Vec<Vec<&str>> = words.iter().map(|words| words.iter().map(String::as_str).collect()).collect();
        assert_same_words(&repo, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}

#[test]
fn limits_by_date_as_git_does() {
    let repo = Repo::fixture("backports");
    // The fixture's clock runs from 2023-11-14T22:14:20Z, a minute a commit.
    assert_same_options(
        &repo,
        &[
            &["--since=2023-11-14T22:40:20Z"],
            &["--until=2023-11-14T22:40:20Z"],
            &["--since=2023-11-14T22:30:00Z", "--until=2023-11-14T22:40:00Z"],
            &["--since=@1700001000"],
            &["--until", "1700001000"],
            &["--since=2023-11-14T23:45:00+01:00", "--reverse"],
            &["--since=2023-11-14T22:30:00Z", "-n", "4"],
            &["--until=2023-11-14T22:30:00Z", "-n4", "--reverse"],
            &["--since=2030-01-01T00:00:00Z"],
        ],
    );
    assert_same_words(
        &repo,
        &[
            &["--since=2023-11-14T22:40:20Z", "1.0.0..stable/1.0"],
            &["--until=2023-11-14T22:55:00Z", "main...stable/1.0"],
        ],
    );
    let skewed = Repo::fixture("merges");
    assert_same_options(
        &skewed,
        &[&["--since=1700000100"], &["--until=1700000100"], &["--since=1700000030", "--until=1700000100"]],
    );
}

#[test]
fn filters_by_author_and_message_as_git_log_does() {
    let repo = Repo::fixture("backports");
    let ours: [&[&str]; 16] = [
        &["--author=O Ther"],
        &["--author=other@example"],
        &["--author=^O Ther <other@example.com>$"],
        &["--author=A U", "--author=O Th"],
        &["--grep=cherry picked"],
        &["--grep=^a: "],
        &["--grep=CVE-[0-9]+-[0-9]{4,}"],
        &["--grep=^Signed-off-by: A U Thor"],
        &["--grep=^Change-Id: I[0-9a-f]{40}$"],
        &["--grep=^Fixes: .*\\)$"],
        &["--grep=todo", "--grep=one of|the other"],
        &["--grep=fix", "--author=O Ther"],
        &["-n", "3", "--reverse", "--grep=fix"],
        &["-n3", "--grep=cherry picked from"],
        &["--reverse", "--grep=cherry picked from"],
        &["--grep=fix", "--since=2023-11-14T22:40:00Z", "-n", "5"],
    ];
    let git: Vec<Vec<&str>> = ours.iter().map(|words| [&["-E"], *words, &USUAL].concat()).collect();
    let pairs: Vec<(&[&str], &[&str])> = ours.iter().zip(&git).map(|(ours, git)| (*ours, git.as_slice())).collect();
    assert_answers(&repo, &pairs);
    assert_answers(
        &repo,
        &[
            (&["--grep=(?i)REVERT", "1.0.0..stable/1.0"], &["--perl-regexp", "--grep=(?i)REVERT", "1.0.0..stable/1.0"]),
            (
                &["--grep=\\bpick(ed)?\\b", "main...stable/2.0"],
                &["--perl-regexp", "--grep=\\bpick(ed)?\\b", "main...stable/2.0"],
            ),
        ],
    );
}

#[test]
fn chooses_refs_by_glob_as_git_does() {
    let repo = Repo::fixture("tags");
    let globs = [
        "heads",
        "refs/heads/",
        "heads/*",
        "tags/1.*",
        "tags/1.[0-9]",
        "refs/remotes/*/main",
        "heads/sam?",
        "pull",
        "changes/*/5",
        "*",
        "tags/nested",
        "notes",
        "nothing/*",
        "st*sh",
        "refs/tags/[!a-z]*",
        "heads/main",
    ];
    for state in ["cold", "warm"] {
        for glob in globs {
            let git = log(&repo, &[&format!("--glob={glob}"), "--"]);
            assert_same(&scan(&repo, &[&format!("--refs={glob}")]), &git, &format!("{state}: {glob}"));
        }
        scan(&repo, &["--no-commits"]);
    }
    let backports = Repo::fixture("backports");
    assert_answers(
        &backports,
        &[
            (&["--refs=heads/stable/*"], &["--glob=heads/stable/*"]),
            (&["--refs=tags/2*", "--refs=heads/stable/1*"], &["--glob=tags/2*", "--glob=heads/stable/1*"]),
            (&["--refs=tags", "-n", "5", "--reverse"], &["--glob=tags", "-n", "5", "--reverse"]),
            (&["--refs=tags/1.0.?", "--grep=hotfix"], &["--glob=tags/1.0.?", "--grep=hotfix"]),
        ],
    );
}

/// Merges that take one side's file, so that git's simplification has something to leave out.
fn with_files() -> Repo {
    let mut commits: Vec<Commit> = random(7, 80, 2, 6);
    let mut dice = Dice(7);
    for (number, commit) in commits.iter_mut().enumerate() {
        let file = ["a", "b", "dir/c", "dir/sub/d"][dice.below(4)];
        *commit = commit.clone().file(file, &format!("{}\n", number / 3));
    }
    repository(&commits, &[("refs/heads/main", 79), ("refs/heads/side", 70), ("refs/tags/v1", 30)]).0
}

#[test]
fn limits_to_paths_as_git_does() {
    let repo = with_files();
    let usual = |words: &[&'static str]| [words, &USUAL].concat();
    let questions: [(&[&str], &[&str]); 11] = [
        (&[], &["a"]),
        (&[], &["dir"]),
        (&[], &["dir/sub", "b"]),
        (&["main"], &["dir/c"]),
        (&["v1..side"], &["a", "b"]),
        (&["-n3"], &["a"]),
        (&["-n", "4", "--reverse"], &["dir"]),
        (&["--grep=7$"], &["a", "dir"]),
        (&["--until=1700000100"], &["b"]),
        (&[], &["no/such/path"]),
        (&[], &[":(glob)dir/**/d"]),
    ];
    for state in ["cold", "warm"] {
        for (words, paths) in questions {
            let revisions = if words.iter().any(|word| !word.starts_with('-') && *word != "4") {
                words.to_vec()
            } else {
                usual(words)
            };
            let git = log(&repo, &[&revisions, &["--"][..], paths].concat());
            let ours = scan(&repo, &[words, &["--"], paths].concat());
            assert_same(&ours, &git, &format!("{state}: {words:?} -- {paths:?}"));
        }
        scan(&repo, &["--no-commits"]);
    }
    std::fs::create_dir_all(repo.path().join("dir/sub")).expect("made");
    let output = bhfuil(&repo).current_dir(repo.path().join("dir")).args(["scan", "--", "sub"]).output();
    let expected = log(&repo, &[&USUAL[..], &["--", "dir/sub"]].concat());
    assert_same(&ids_of(&output.expect("it runs")), &expected, "a path is one of the folder that one stands in");
}

#[test]
fn reads_revisions_from_standard_input_in_their_order() {
    for format in ["sha1", "sha256"] {
        let repo = Repo::fixture_in("backports", &[("GIT_DEFAULT_HASH", format)]);
        let range = log(&repo, &["1.0.0..stable/1.0"]);
        let (plain, silent) = (repo.id("plain"), repo.id("silent"));
        let tag = repo.git(&["rev-parse", "2.0.0"]);
        assert_ne!(tag, repo.git(&["rev-parse", "2.0.0^{}"]), "an annotated tag");
        let mut input =
            format!("{silent}\n{}\r\n{}\n\n1.0.0..stable/1.0\nmain~3\n{tag}\n:/hotfix", &plain[..10], &plain[..39]);
        let mut expected = vec![silent.to_owned(), plain.to_owned(), plain.to_owned()];
        expected.extend(range);
        expected.extend(["main~3", "2.0.0^{}", ":/hotfix"].map(|name| repo.git(&["rev-parse", name])));
        for state in ["cold", "warm"] {
            assert_same(&ids_of(&scan_stdin(&repo, &[], input.as_bytes())), &expected, &format!("{format}, {state}"));
            let nul = input.replace("\r\n", "\0").replace('\n', "\0");
            assert_same(
                &ids_of(&scan_stdin(&repo, &["-z"], nul.as_bytes())),
                &expected,
                &format!("{format}, {state}, -z"),
            );
            scan(&repo, &["--no-commits"]);
        }
        input.push_str("\n0123456789012345678901234567890123456789\n");
        input.push_str("no-such-thing\nmain\n");
        expected.push(repo.git(&["rev-parse", "main"]));
        let output = scan_stdin(&repo, &[], input.as_bytes());
        assert_eq!(output.status.code(), Some(3), "{format}: a name that is unknown leaves the answer partial");
        assert_same(&ids_in(&output), &expected, &format!("{format}: the rest goes on"));
        let events = events(&output);
        let errors = of_type(&events, "error");
        assert_eq!(errors.len(), 2, "{format}: {errors:?}");
        assert!(errors.iter().all(|error| error["fatal"] == false), "{errors:?}");
        assert!(
            errors.iter().any(|error| error["message"].as_str().is_some_and(|text| text.contains("no-such-thing")))
        );
        assert_eq!(of_type(&events, "end")[0]["status"], "partial");
    }
}

#[test]
fn what_standard_input_names_can_be_limited_like_the_rest() {
    let repo = Repo::fixture("backports");
    let ids = log(&repo, &["stable/1.0"]);
    let input = ids.join("\n");
    let of_git = |args: &[&str]| {
        let args = [&["log", "--format=%H", "--no-walk=unsorted", "--stdin"], args].concat();
        let said = repo.git_with(&args, input.as_bytes());
        String::from_utf8_lossy(&said).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for args in [
        &["-n", "5"][..],
        &["--grep=cherry"],
        &["--grep=cherry", "-n2"],
        &["--author=O Ther"],
        &["--since=2023-11-14T22:55:00Z"],
        &["--until=2023-11-14T22:55:00Z"],
        &["--reverse"],
        &["--until=2023-11-14T22:55:00Z", "-n", "2"],
        &["-n4", "--reverse", "--grep=cherry"],
    ] {
        let git = of_git(args);
        assert!(!git.is_empty() && git.len() <= ids.len(), "{args:?}");
        assert_same(&ids_of(&scan_stdin(&repo, args, input.as_bytes())), &git, &format!("{args:?}"));
    }
}

#[test]
fn an_unknown_revision_is_fatal_and_named() {
    let repo = Repo::fixture("backports");
    for unknown in ["no-such-branch", "main..no-such-branch", "0123456789012345678901234567890123456789"] {
        let output = bhfuil(&repo).args(["scan", unknown]).output().expect("it runs");
        let code = output.status.code();
        assert_eq!(code, Some(128), "{unknown}: as in git");
        let events = events(&output);
        let message = of_type(&events, "error")[0]["message"].as_str().expect("a message").to_owned();
        assert!(message.contains(unknown.trim_start_matches("main..")), "{message}");
        assert_eq!(of_type(&events, "commit").len(), 0);
    }
}
