//! `missing`, `followups`, `matrix`, `verify`, `explain` and `dismiss` on the fixture whose truth was made by hand, and beside `git cherry` and `git cherry-pick`.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

/// The fixture, in which a test may commit by itself.
fn backports() -> Repo {
    let repo = Repo::fixture("backports");
    repo.git(&["config", "user.name", "A U Thor"]);
    repo.git(&["config", "user.email", "author@example.com"]);
    repo
}

/// What `git-bhfuil <args>` tells, and its exit code.
fn told(repo: &Repo, args: &[&str]) -> (Vec<Value>, i32) {
    let output = bhfuil(repo).args(args).output().expect("it runs");
    let code = output.status.code().expect("it ends by itself");
    (events(&output), code)
}

/// The events of one type by the fixture's name for their commit, each as `<state>` and what comes of a trial, in order.
fn listed(repo: &Repo, events: &[Value], kind: &str) -> Vec<(String, String)> {
    let names: BTreeMap<&str, &str> = repo.truth().iter().map(|(name, id)| (id.as_str(), name.as_str())).collect();
    let row = |event: &Value| {
        let id = event["id"].as_str().expect("an id");
        let name = names.get(id).map_or_else(|| id.to_owned(), |name| (*name).to_owned());
        let apply = event.get("apply").map_or_else(String::new, |apply| format!(" {}", apply.as_str().unwrap_or("?")));
        (name, format!("{}{apply}", event["state"].as_str().expect("a state")))
    };
    of_type(events, kind).into_iter().map(row).collect()
}

fn names(rows: &[(String, String)]) -> Vec<&str> {
    rows.iter().map(|(name, _)| name.as_str()).collect()
}

const MISSING_ON_1_0: [(&str, &str); 16] = [
    ("two", "missing"),
    ("ground", "missing"),
    ("alone", "unknown"),
    ("hotfix", "missing"),
    ("undone", "reverted"),
    ("reland-again", "missing"),
    ("leaky-fix", "missing"),
    ("gerrit", "missing"),
    ("request", "missing"),
    ("references", "missing"),
    ("asked", "missing"),
    ("twin-1", "missing"),
    ("twin-2", "missing"),
    ("todo-1", "missing"),
    ("todo-2", "missing"),
    ("todo-3", "missing"),
];

fn expected(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn what_a_branch_lacks_is_what_it_has_neither_as_itself_nor_as_a_pick() {
    let repo = backports();
    let (events, code) = told(&repo, &["missing", "stable/1.0"]);
    assert_eq!(listed(&repo, &events, "missing"), expected(&MISSING_ON_1_0));
    assert_eq!(code, 0, "a list is an answer");
    let of = |name: &str| {
        let found = events.iter().find(|event| event["id"] == repo.id(name));
        found.unwrap_or_else(|| panic!("{name} isn't told"))
    };
    assert!(of("alone")["because"].as_str().is_some_and(|why| why.starts_with(repo.id("alone@stable/1.0"))));
    assert!(of("undone")["because"].as_str().is_some_and(|why| why.starts_with(repo.id("undone-revert"))));
    assert_eq!(of("reland-again")["change"], repo.id("reland"), "the change is named by its oldest commit");
    assert_eq!(of("two")["because"], "main has it");
    assert_eq!((&of("two")["ref"], &of("two")["short"]), (&"refs/heads/stable/1.0".into(), &"stable/1.0".into()));

    let (events, _) = told(&repo, &["missing", "stable/2.0", "--from=main"]);
    let rows = listed(&repo, &events, "missing");
    let there = [
        "plain",
        "chain",
        "chain-cut",
        "reland",
        "reland-revert",
        "reland-again",
        "leaky",
        "leaky-fix",
        "gerrit",
        "request",
        "references",
    ];
    assert!(there.iter().all(|name| !names(&rows).contains(name)), "{rows:?}");
    assert_eq!(rows.len(), 18, "{rows:?}");
    assert!(rows.iter().all(|(_, state)| state == "missing"), "{rows:?}");
}

#[test]
fn lists_are_narrowed_by_what_messages_say_by_time_and_by_paths() {
    let repo = backports();
    let rows = |args: &[&str]| {
        let (events, code) = told(&repo, args);
        assert_eq!(code, 0, "{args:?}");
        listed(&repo, &events, "missing").into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(rows(&["missing", "stable/1.0", "--requested"]), [""; 0], "asked for on 2.x alone");
    assert_eq!(rows(&["missing", "stable/2.0", "--requested"]), ["asked"]);
    assert_eq!(rows(&["missing", "stable/1.0", "--security"]), ["references"]);
    assert_eq!(rows(&["missing", "stable/1.0", "--fixes"]), ["leaky-fix"]);
    assert_eq!(rows(&["missing", "stable/1.0", "--", "a", "e"]), ["two", "ground", "hotfix", "undone", "reland-again"]);
    let since = repo.id("asked").to_owned();
    assert_eq!(
        rows(&["missing", "stable/1.0", &format!("--since={since}")]),
        ["twin-1", "twin-2", "todo-1", "todo-2", "todo-3"]
    );
    assert_eq!(rows(&["missing", "stable/1.0", "--since=2090-01-01"]), [""; 0]);
    repo.git(&["config", "bhfuil.securityPattern", "(?i)leak"]);
    assert_eq!(rows(&["missing", "stable/1.0", "--security"]), ["leaky-fix", "references"]);
}

#[test]
fn what_is_listed_can_be_picked_as_it_comes() {
    let repo = backports();
    let (events, _) = told(&repo, &["missing", "stable/1.0", "--check"]);
    let rows = listed(&repo, &events, "missing");
    // git itself, one after another; what doesn't apply is left out.
    repo.git(&["checkout", "--quiet", "stable/1.0"]);
    let mut picked = Vec::new();
    for event in of_type(&events, "missing") {
        let id = event["id"].as_str().expect("an id");
        let mut pick = repo.git_command();
        pick.arg("-C").arg(repo.path()).args(["cherry-pick", "-x", id]);
        let output = pick.output().expect("git runs");
        let conflicts = repo.git(&["diff", "--name-only", "--diff-filter=U"]);
        let outcome = match (output.status.success(), conflicts.is_empty()) {
            (true, _) => "clean",
            (false, false) => "conflict",
            (false, true) => "empty",
        };
        if outcome != "clean" {
            let _ = repo.git(&["cherry-pick", "--skip"]);
        }
        let told: Vec<&str> = event["conflicts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(told, conflicts.lines().collect::<Vec<_>>(), "{id}");
        picked.push(outcome);
    }
    let ours: Vec<&str> = rows
        .iter()
        .map(|(_, row)| match row.split_once(' ').expect("a trial") {
            ("unknown", "clean") => "empty",
            (_, apply) => apply,
        })
        .collect();
    assert_eq!(ours, picked, "{rows:?}");
    assert!(["clean", "conflict", "empty"].iter().all(|outcome| picked.contains(outcome)), "{picked:?}");
    // What people are told to type does all that applies, without a stop.
    repo.git(&["checkout", "--quiet", "-B", "stable/1.0", repo.id("foreign")]);
    let output = bhfuil(&repo).args(["missing", "stable/1.0", "--check", "--format=human"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for command in text.lines().filter_map(|line| line.strip_prefix("git ")) {
        repo.git(&command.split(' ').collect::<Vec<_>>());
    }
    let count = repo.git(&["rev-list", "--count", &format!("{}..HEAD", repo.id("foreign"))]);
    assert_eq!(count, picked.iter().filter(|outcome| **outcome == "clean").count().to_string(), "{text}");
}

#[test]
fn an_empty_list_is_told_to_people_alone() {
    let repo = backports();
    let run = |args: &[&str]| {
        let output = bhfuil(&repo).args(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        (output.stdout.len(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let empty = ["missing", "stable/1.0", "--requested"];
    let human = [&empty[..], &["--format=human"]].concat();
    assert_eq!(run(&human), (0, "nothing of that kind is to be picked from main to stable/1.0\n".to_owned()));
    assert_eq!(run(&[&human[..], &["-q"]].concat()), (0, String::new()));
    assert_eq!(run(&empty).1, "");
    let (_, said) = run(&["followups", "stable/2.0", "--format=human"]);
    assert_eq!(said, "nothing on stable/2.0 is to be followed up from main\n");
}

#[test]
fn a_trial_leaves_the_repository_as_it_was() {
    let repo = backports();
    let everything = || {
        let all = repo.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
        (all, repo.git(&["for-each-ref"]), repo.git(&["status", "--porcelain"]))
    };
    let before = everything();
    told(&repo, &["missing", "stable/1.0", "--check"]);
    assert_eq!(everything(), before);
}

#[test]
fn what_git_cherry_finds_is_found() {
    let repo = backports();
    for branch in ["stable/1.0", "stable/2.0"] {
        let (events, _) = told(&repo, &["missing", branch, "--from=main"]);
        let missing: BTreeSet<&str> = of_type(&events, "missing")
            .iter()
            .filter(|event| event["state"] != "unknown")
            .map(|event| event["id"].as_str().expect("an id"))
            .collect();
        let cherry = repo.git(&["cherry", branch, "main"]);
        let there: Vec<&str> = cherry.lines().filter_map(|line| line.strip_prefix("- ")).collect();
        assert!(!there.is_empty());
        for id in there {
            // It has the patch-id of a commit that was taken back since: git cherry doesn't know of that.
            if id != repo.id("undone") {
                assert!(!missing.contains(id), "{branch} has {id}");
            }
        }
        let lacking: BTreeSet<&str> = cherry.lines().filter_map(|line| line.strip_prefix("+ ")).collect();
        let unlike: Vec<_> = missing.iter().filter(|id| !lacking.contains(*id)).collect();
        let taken_back: Vec<&str> = if branch == "stable/1.0" { vec![repo.id("undone")] } else { Vec::new() };
        assert_eq!(unlike, taken_back.iter().collect::<Vec<_>>(), "what we list, git cherry lists");
    }
}

#[test]
fn what_follows_up_something_that_a_branch_has_is_listed_to_any_depth() {
    let repo = backports();
    let (events, code) = told(&repo, &["followups", "stable/1.0", "--exit-code"]);
    let found = of_type(&events, "followup");
    assert_eq!(found.len(), 1, "{events:?}");
    assert_eq!((&found[0]["id"], &found[0]["of"]), (&repo.id("leaky-fix").into(), &repo.id("leaky").into()));
    assert_eq!((&found[0]["relation"], code), (&"fixes".into(), 1));
    // A fix of that fix, a revert of what is there, and a fix of what isn't.
    repo.shell(
        "git checkout -q main
         say() { git commit -q --allow-empty -m \"$1\" -m \"$2\"; }
         say 'fix the fix' \"Fixes: $(git log -1 --format='%h (\"%s\")' --abbrev=12 --grep='stop the leak' main)\"
         say 'fix the fix of the fix' \"Follow-up for $(git rev-parse HEAD)\"
         say 'Revert \"a: plain fix\"' \"This reverts commit $(git log -1 --format=%H --grep='^a: plain fix' main).\"
         say 'fix what 1.0 never had' \"Fixes: $(git log -1 --format='%h (\"%s\")' --abbrev=12 --grep='e: hotfix' main)\"",
    );
    let subjects = |args: &[&str], kind: &str| {
        let (events, _) = told(&repo, args);
        of_type(&events, kind)
            .iter()
            .map(|event| event["subject"].as_str().expect("one").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        subjects(&["followups", "stable/1.0"], "followup"),
        ["f: stop the leak", "fix the fix", "fix the fix of the fix", "Revert \"a: plain fix\""]
    );
    let missing = subjects(&["missing", "stable/1.0"], "missing");
    assert!(!missing.contains(&"fix what 1.0 never had".to_owned()), "it is of no use there");
    assert!(missing.contains(&"Revert \"a: plain fix\"".to_owned()), "{missing:?}");
}

#[test]
fn what_an_older_line_has_and_a_newer_one_lacks_is_a_gap() {
    let repo = backports();
    let (events, code) = told(&repo, &["missing", "--gaps", "--exit-code"]);
    let rows = of_type(&events, "missing");
    let on = |branch: &str| {
        let on: Vec<Value> =
            rows.iter().filter(|event| event["short"] == branch).map(|event| (*event).clone()).collect();
        listed(&repo, &on, "missing").into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(
        on("stable/2.0"),
        [
            "silent@stable/1.0",
            "alone@stable/1.0",
            "conflict@stable/1.0",
            "conflict-silent@stable/1.0",
            "trio-squash",
            "split-1",
            "split-2",
            "twice-again",
            "empty@stable/1.0",
            "foreign",
        ]
    );
    assert_eq!(on("main"), [""; 0]);
    assert_eq!(code, 1);
}

#[test]
fn what_was_decided_against_is_not_listed() {
    let repo = backports();
    let asked = repo.id("asked")[..10].to_owned();
    repo.shell(&format!(
        "git checkout -q main
         printf '%s\\n' '# why not' '{asked} stable/1.* not worth it' 'I0123456789abcdef0123456789abcdef01234567 */1.0 no' \
             > .bhfuil-dismissed
         git add .bhfuil-dismissed
         git commit -q -m 'what need not be ported'"
    ));
    let (events, _) = told(&repo, &["missing", "stable/1.0"]);
    let rows = listed(&repo, &events, "missing");
    assert!(!names(&rows).contains(&"asked") && !names(&rows).contains(&"gerrit"), "{rows:?}");
    let (events, _) = told(&repo, &["missing", "stable/2.0"]);
    assert!(names(&listed(&repo, &events, "missing")).contains(&"asked"));
    // Another file, and one that can't be understood.
    std::fs::write(repo.path().join("mine"), "\nnonsense stable/1.0 why\n").expect("writes");
    let path = repo.path().join("mine");
    repo.git(&["config", "bhfuil.dismissedFile", path.to_str().expect("UTF-8")]);
    let (events, code) = told(&repo, &["missing", "stable/1.0"]);
    let error = of_type(&events, "error");
    let message = error[0]["message"].as_str().expect("a message");
    assert!(message.starts_with(&format!("{}:2: 'nonsense' is neither", path.display())), "{message}");
    assert_eq!(code, 128);
}

#[test]
fn what_can_not_be_compared_is_said_with_the_way_out() {
    let repo = backports();
    repo.shell("git checkout -q --orphan alone && git commit -q --allow-empty -m root && git checkout -q main");
    repo.git(&["update-ref", "refs/remotes/origin/stable/0.9", "stable/1.0"]);
    for (args, code, message, hint) in [
        (&["missing", "stable/1.1"][..], 128, "'stable/1.1' is no branch here", "did you mean 'stable/1.0'?"),
        (&["missing", "stable/0.9"], 128, "'stable/0.9' is no branch here", "did you mean 'origin/stable/0.9'?"),
        (&["missing", "main", "--from=main"], 129, "main can't be compared with itself", "--from=<branch>"),
        (&["missing", "alone", "--from=main"], 128, "main and alone have no history in common", "--from=<branch>"),
        (
            &["missing", "stable/1.0", "--since=nonsense"],
            128,
            "'nonsense' is neither a revision here nor a date",
            "2 weeks",
        ),
        (&["missing", "stable/1.0", "--from=mian"], 128, "'mian' is no branch here", "did you mean 'main'?"),
    ] {
        let (events, found) = told(&repo, args);
        let error = of_type(&events, "error");
        assert_eq!(error.len(), 1, "{events:?}");
        assert_eq!((error[0]["message"].as_str(), found), (Some(message), code), "{args:?}");
        assert!(error[0]["hint"].as_str().is_some_and(|said| said.contains(hint)), "{}", error[0]);
    }
    for args in [&["missing"][..], &["followups"], &["missing", "--gaps", "--from=main"]] {
        let output = bhfuil(&repo).args(args).output().expect("it runs");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(129), 0), "{args:?}");
    }
    repo.shell("git for-each-ref --format='delete %(refname)' refs/heads/stable refs/remotes refs/tags | git update-ref --stdin");
    let (events, code) = told(&repo, &["missing", "--gaps"]);
    assert_eq!(of_type(&events, "error")[0]["message"], "there are no two release lines to compare");
    assert_eq!(code, 128);
}

#[test]
fn where_history_is_cut_off_it_is_said_loudly() {
    let repo = backports();
    let clone = |depth: &str| {
        let shallow = Repo::new();
        let url = format!("file://{}", repo.path().display());
        shallow.git(&["fetch", "--quiet", depth, &url, "main:refs/heads/trunk", "stable/1.0:refs/heads/stable/1.0"]);
        shallow
    };
    let one = clone("--depth=1");
    let (events, code) = told(&one, &["missing", "stable/1.0", "--from=trunk", "--exit-code"]);
    let error = of_type(&events, "error");
    assert!(error[0]["message"].as_str().is_some_and(|said| said.starts_with("history is cut off")), "{events:?}");
    assert!(error[0]["hint"].as_str().is_some_and(|hint| hint.contains("git fetch --unshallow")));
    assert_eq!(code, 128);
}

#[test]
fn people_see_what_to_type() {
    let repo = backports();
    let output = bhfuil(&repo).args(["missing", "stable/1.0", "--format=human", "--fixes"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let id = &repo.id("leaky-fix")[..12];
    let first = text.lines().next().expect("a line");
    assert_eq!(first, format!("stable/1.0 {id} f: stop the leak"));
    assert!(text.ends_with(&format!("\n# on stable/1.0:\ngit cherry-pick -x {id}\n")), "{text}");
}

/// The state that `branch` has of a change by the fixture's name, as `matrix` tells it.
fn state_of(repo: &Repo, events: &[Value], name: &str, branch: &str) -> String {
    let of = |event: &&&Value| event["change"] == repo.id(name) && event["short"] == branch;
    let rows = of_type(events, "presence");
    let found: Vec<&&Value> = rows.iter().filter(of).collect();
    assert_eq!(found.len(), 1, "{name} on {branch}");
    let how = found[0].get("how").map_or_else(String::new, |how| format!(" {}", how.as_str().expect("one")));
    format!("{}{how}", found[0]["state"].as_str().expect("a state"))
}

#[test]
fn a_matrix_tells_what_each_branch_has_of_each_change() {
    let repo = backports();
    let asked = repo.id("asked")[..10].to_owned();
    repo.shell(&format!(
        "git checkout -q main && echo '{asked} stable/1.* not worth it' > .bhfuil-dismissed
         git add .bhfuil-dismissed && git commit -q -m 'what need not be ported'"
    ));
    let (events, code) = told(&repo, &["matrix", "stable/1.0", "stable/2.0"]);
    for (name, first, second) in [
        ("two", "missing", "present ancestor"),
        ("plain", "present backport", "present backport"),
        ("silent", "present backport", "missing"),
        ("alone", "unknown", "missing"),
        ("trio-2", "present backport", "missing"),
        ("split", "present backport", "missing"),
        ("undone", "reverted", "missing"),
        ("twice", "reapplied backport", "missing"),
        ("leaky", "present backport", "present backport"),
        ("leaky-fix", "missing", "present backport"),
        ("gerrit", "missing", "present backport"),
        ("asked", "dismissed", "missing"),
        ("reland-again", "missing", "present backport"),
    ] {
        let states = (state_of(&repo, &events, name, "stable/1.0"), state_of(&repo, &events, name, "stable/2.0"));
        assert_eq!(states, (first.to_owned(), second.to_owned()), "{name}");
    }
    assert_eq!(code, 0);
    assert!(of_type(&events, "commit").iter().any(|event| event["id"] == repo.id("two")));
    let output =
        bhfuil(&repo).args(["matrix", "stable/1.0", "stable/2.0", "--format=human"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.starts_with("main: 31 changes\n") && text.contains("a: plain fix"), "{text}");
    assert!(text.lines().any(|line| line.contains("1.0") && line.contains("2.0")), "{text}");
}

#[test]
fn trailers_that_are_not_true_are_told() {
    let repo = backports();
    let verdicts = |range: &str| {
        let (events, code) = told(&repo, &["verify", range]);
        let names: BTreeMap<&str, &str> = repo.truth().iter().map(|(name, id)| (id.as_str(), name.as_str())).collect();
        let row = |event: &&Value| {
            let id = event["id"].as_str().expect("an id");
            let evidence = event["evidence"].as_str().expect("evidence").to_owned();
            (names.get(id).copied().unwrap_or("").to_owned(), event["holds"].as_bool(), evidence)
        };
        (of_type(&events, "verdict").iter().map(row).collect::<Vec<_>>(), code)
    };
    let (rows, code) = verdicts("main..stable/1.0");
    let false_ones: Vec<&str> =
        rows.iter().filter(|(_, holds, _)| *holds != Some(true)).map(|(name, ..)| name.as_str()).collect();
    // Of an empty commit there is nothing to compare but its subject and date.
    assert_eq!((false_ones, code), (vec!["foreign"], 1), "{rows:?}");
    let evidence = |name: &str| {
        let row = rows.iter().find(|(own, ..)| own == name);
        row.unwrap_or_else(|| panic!("{name} isn't told")).2.clone()
    };
    assert!(evidence("foreign").contains("isn't in this repository"));
    assert!(evidence("trio-squash").starts_with("one of 3 origins: "), "{}", evidence("trio-squash"));
    assert!(evidence("split-1").starts_with("a part of it"), "{}", evidence("split-1"));
    let (rows, code) = verdicts("main..stable/2.0");
    assert!(rows.iter().all(|(_, holds, _)| *holds == Some(true)) && code == 0, "{rows:?}");
    // One that names some other commit, and one that names a commit of no branch.
    repo.shell(
        "git checkout -q stable/2.0
         echo x >> h && git commit -q -am 'something of its own' -m \
           \"(cherry picked from commit $(git log -1 --format=%H --grep='^g: fix that stable' main))\"
         lost=$(git commit-tree -m lost HEAD^{tree})
         echo y >> h && git commit -q -am 'another' -m \"(cherry picked from commit $lost)\"",
    );
    let (rows, code) = verdicts("HEAD~2..");
    let told: Vec<_> = rows.iter().map(|(_, holds, _)| *holds).collect();
    assert_eq!((told, code), (vec![Some(false), Some(false)], 1), "{rows:?}");
    assert!(rows[0].2.starts_with("nothing but the trailer says so"), "{rows:?}");
    assert_eq!(rows[1].2, "it is on no branch and no tag");
}

#[test]
fn every_rung_says_why_two_commits_match_or_do_not() {
    let repo = backports();
    let explained = |one: &str, other: &str| {
        let (events, code) = told(&repo, &["explain", repo.id(one), repo.id(other)]);
        let holds: BTreeMap<String, Option<bool>> = of_type(&events, "verdict")
            .iter()
            .map(|event| (event["rung"].as_str().expect("a rung").to_owned(), event["holds"].as_bool()))
            .collect();
        let interdiff = of_type(&events, "interdiff");
        assert_eq!((holds.len(), interdiff.len()), (8, 1), "{events:?}");
        (holds, interdiff[0]["text"].as_str().expect("a text").to_owned(), code)
    };
    let (holds, _, code) = explained("plain", "plain@stable/1.0");
    assert_eq!(
        (holds["trailer"], holds["patch-id-author-date"], holds["change-id"]),
        (Some(true), Some(true), Some(false))
    );
    assert_eq!(code, 0);
    let (holds, text, _) = explained("conflict", "conflict@stable/1.0");
    assert_eq!((holds["trailer"], holds["patch-id"]), (Some(true), Some(false)));
    assert!(text.contains("+conflict, as 1.0 needs it"), "{text}");
    let (holds, text, _) = explained("alone", "alone@stable/1.0");
    assert_eq!((holds["patch-id"], holds["subject"]), (Some(true), Some(false)));
    assert!(text.contains("O Ther"), "{text}");
    let (holds, _, code) = explained("twin-1", "todo-2");
    assert!(holds.values().all(|holds| *holds == Some(false)), "one ref contains both");
    assert_eq!(code, 1);
    let (events, code) = told(&repo, &["explain", "plain", "main"]);
    assert_eq!((of_type(&events, "error")[0]["message"].as_str(), code), (Some("'plain' is no commit here"), 128));
}

#[test]
fn a_dismissal_is_noted_once_it_is_understood() {
    let repo = backports();
    let run = |args: &[&str]| bhfuil(&repo).arg("dismiss").args(args).output().expect("it runs");
    let asked = &repo.id("asked")[..10];
    let output = run(&[asked, "--on=stable/1.0", "--because=not  worth\nit"]);
    assert!(output.status.success(), "{output:?}");
    let text = || std::fs::read_to_string(repo.path().join(".bhfuil-dismissed")).unwrap_or_default();
    let line = format!("{} stable/1.0 not worth it\n", repo.id("asked"));
    assert_eq!(text(), line);
    let change = "I0123456789abcdef0123456789abcdef01234567";
    assert!(run(&[change, "--on=stable/*", "--because=no"]).status.success());
    let both = format!("{line}{change} stable/* no\n");
    assert_eq!(text(), both);
    for (args, message) in [
        (&["nonsense", "--on=stable/1.0", "--because=x"][..], "'nonsense' is neither a commit here nor a Change-Id"),
        (&[asked, "--on=stable/3.0", "--because=x"], "no ref matches 'stable/3.0'"),
        (&[asked, "--on=stable/1.0", "--because= "], "it can't be noted: a reason is missing"),
    ] {
        let output = run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(128), "{said}");
        assert!(said.starts_with(&format!("fatal: {message}")), "{said}");
    }
    assert_eq!(text(), both, "nothing was noted");
    repo.shell("git add -A && git commit -q -m dismissed");
    let (events, _) = told(&repo, &["missing", "stable/1.0"]);
    let rows = listed(&repo, &events, "missing");
    assert!(!names(&rows).contains(&"asked") && !names(&rows).contains(&"gerrit"), "{rows:?}");
}
