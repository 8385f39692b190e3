//! The work lists where history, names and configuration are out of the ordinary.

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;
use support::{Repo, bhfuil, bhfuil_command, events, exact, of_type};

/// An empty repository in which the tests' shell commits as somebody.
fn repo(script: &str) -> Repo {
    let repo = Repo::new();
    repo.git(&["config", "user.name", "A U Thor"]);
    repo.git(&["config", "user.email", "author@example.com"]);
    let tick = "export GIT_AUTHOR_DATE GIT_COMMITTER_DATE; now=1700000000
                c() { now=$((now + 60)); GIT_AUTHOR_DATE=\"$now +0000\" GIT_COMMITTER_DATE=\"$now +0000\"; git add -A; git commit -q \"$@\"; }\n";
    repo.shell(&format!("{tick}{script}"));
    repo
}

fn told(repo: &Repo, args: &[&str]) -> (Vec<Value>, i32) {
    let output = bhfuil(repo).args(args).output().expect("it runs");
    let code = output.status.code().expect("it ends by itself");
    (events(&output), code)
}

/// Of each event of a type the subject, or what is in the place of one, and another field.
fn rows(events: &[Value], kind: &str, field: &str) -> Vec<(String, Value)> {
    let row = |event: &&Value| (event["subject"].as_str().unwrap_or_default().to_owned(), event[field].clone());
    of_type(events, kind).iter().map(row).collect()
}

#[test]
fn no_program_that_configuration_names_is_run() {
    let repo = repo(
        "printf '*.own merge=own filter=own diff=own\\n*.union merge=union\\n' > .gitattributes
         echo 1 > a.own; echo 1 > b.union; c -m root; git branch stable/1.0
         echo 2 > a.own; c -m 'a program for it'; echo 2 > b.union; git rm -q .gitattributes; c -m 'lines of both'
         git checkout -q stable/1.0; echo 3 > a.own; echo 3 > b.union; c -m own; git checkout -q main",
    );
    let mark = repo.path().join("it-ran").display().to_string();
    for (name, value) in [
        ("merge.own.driver", "true"),
        ("filter.own.clean", "cat"),
        ("filter.own.smudge", "cat"),
        ("diff.own.textconv", "cat"),
        ("gpg.program", "false"),
    ] {
        repo.git(&["config", name, &format!("touch {mark}; {value}")]);
    }
    repo.git(&["config", "merge.renormalize", "true"]);
    repo.git(&["config", "log.showSignature", "true"]);
    let (events, _) = told(&repo, &["missing", "stable/1.0", "--from=main", "--check"]);
    let expected = [("a program for it", "conflict"), ("lines of both", "clean")];
    assert_eq!(rows(&events, "missing", "apply"), expected.map(|(subject, apply)| (subject.to_owned(), apply.into())));
    assert_eq!(of_type(&events, "missing")[0]["conflicts"], serde_json::json!(["a.own"]));
    let (_, code) = told(&repo, &["explain", "main~1", "stable/1.0"]);
    assert_eq!(code, 1);
    assert!(!std::path::Path::new(&mark).exists());
}

#[test]
fn attributes_are_those_of_the_branch_that_is_picked_to() {
    let repo = repo(
        "echo '*.union merge=union' > .gitattributes; echo 1 > b.union; c -m root; git branch stable/1.0
         git rm -q .gitattributes; c -m 'no attributes'; echo 2 > b.union; c -m 'lines of both'
         git checkout -q stable/1.0; echo 3 > b.union; c -m own; git checkout -q main",
    );
    let (events, _) = told(&repo, &["missing", "stable/1.0", "--from=main", "--check", "--", "b.union"]);
    assert_eq!(rows(&events, "missing", "apply"), [("lines of both".to_owned(), "clean".into())]);
    repo.shell("git checkout -q stable/1.0 && git cherry-pick main");
}

#[test]
fn bytes_that_are_no_text_are_told_exactly() {
    let repo = repo(
        "echo 1 > a; c -m root; git branch stable/1.0
         echo 2 > a; echo 2 > \"$(printf 'p\\377')\"; git add -A
         id=$(printf 'tree %s\\nparent %s\\nauthor A <a@example.com> 1700001000 +0000\\ncommitter A <a@example.com> 1700001000 +0000\\n\\ncaf\\351\\n' \
              $(git write-tree) $(git rev-parse HEAD) | git hash-object -t commit -w --stdin)
         git reset -q --hard $id
         git checkout -q stable/1.0; echo 3 > a; echo 3 > \"$(printf 'p\\377')\"; c -m own
         git update-ref \"$(printf 'refs/heads/odd\\377')\" stable/1.0; git checkout -q main",
    );
    let (events, _) = told(&repo, &["missing", "stable/1.0", "--from=main", "--check"]);
    let missing = of_type(&events, "missing");
    assert_eq!(exact(missing[0], "subject"), b"caf\xe9");
    assert_eq!(missing[0]["conflicts"], serde_json::json!(["a", "p\u{fffd}"]));
    assert_eq!(missing[0]["conflicts_b64"], serde_json::json!(["YQ==", "cP8="]));
    let odd = OsStr::from_bytes(b"odd\xff");
    let output = bhfuil(&repo).args(["missing", "--from=main"]).arg(odd).output().expect("it runs");
    let events = support::events(&output);
    assert_eq!(exact(of_type(&events, "missing")[0], "ref"), b"refs/heads/odd\xff");
    repo.shell("git update-ref \"$(printf 'refs/heads/odd\\377')\" main");
    let from = OsStr::from_bytes(b"--from=odd\xff");
    let output = bhfuil(&repo).args(["missing", "stable/1.0"]).arg(from).output().expect("it runs");
    let events = support::events(&output);
    assert_eq!(exact(of_type(&events, "missing")[0], "because"), b"odd\xff has it");
}

#[test]
fn a_cut_that_both_have_behind_them_leaves_nothing_unknown() {
    let repo = repo(
        "echo 1 > a; c -m root; echo 2 > a; c -m base; git branch stable/1.0; echo 3 > a; c -m three; echo 4 > a; c -m four
         git checkout -q stable/1.0; echo 1 > b; c -m own; echo 2 > b; c -m own2; git checkout -q main",
    );
    let shallow = |depth: &str, stable: &str| {
        let clone = Repo::new();
        let url = format!("file://{}", repo.path().display());
        clone.git(&["fetch", "--quiet", depth, &url, "main:refs/heads/trunk", stable]);
        let (events, code) = told(&clone, &["missing", "stable/1.0", "--from=trunk", "--exit-code"]);
        (rows(&events, "missing", "state").len(), of_type(&events, "warning").len(), code)
    };
    assert_eq!(shallow("--depth=3", "stable/1.0:refs/heads/stable/1.0"), (2, 0, 1), "cut at the base");
    // A third commit of the branch, so that it is cut above the base: main alone reaches that.
    repo.shell("git checkout -q stable/1.0; git merge -q -m merge main~1; git checkout -q main");
    let (_, warnings, code) = shallow("--depth=2", "stable/1.0:refs/heads/stable/1.0");
    assert_eq!((warnings, code), (1, 3), "cut on one side");
}

#[test]
fn a_pick_on_a_third_branch_stands_for_what_it_is_a_pick_of() {
    let repo = repo(
        "echo 1 > a; c -m root; echo 1 > leak; c -m leak; git branch stable/1.0; git branch old main~1
         git checkout -q old; git cherry-pick -x main >/dev/null; pick=$(git rev-parse HEAD); git checkout -q main
         git rm -q leak; c -m 'Revert \"leak\"' -m \"This reverts commit $pick.\"
         echo 2 > a; c -m 'stop it' -m \"Fixes: $(git rev-parse --short=12 old) (\\\"leak\\\")\"
         git checkout -q old; git branch older main~3; git checkout -q main",
    );
    let subjects = |args: &[&str]| rows(&told(&repo, args).0, args[0].trim_end_matches('s'), "relation");
    let found = subjects(&["followups", "stable/1.0", "--from=main"]);
    assert_eq!(found, [("Revert \"leak\"".to_owned(), "reverts".into()), ("stop it".to_owned(), "fixes".into())]);
    assert_eq!(subjects(&["followups", "older", "--from=main"]), []);
    let names = |branch: &str, options: &[&str]| -> Vec<String> {
        let args = [&["missing", branch, "--from=main"], options].concat();
        rows(&told(&repo, &args).0, "missing", "state").into_iter().map(|(subject, _)| subject).collect()
    };
    assert_eq!(names("stable/1.0", &["--fixes"]), ["Revert \"leak\"", "stop it"]);
    // It never had the leak, and the source has it no longer.
    assert_eq!(names("older", &[]), [""; 0]);
}

#[test]
fn what_both_had_and_one_has_taken_back_is_reverted_in_the_matrix() {
    let repo = repo(
        "echo 1 > a; c -m root; echo 1 > b; c -m shared; git branch stable/1.0; git branch stable/2.0; echo 2 > a; c -m two
         git checkout -q stable/1.0; git revert --no-edit HEAD >/dev/null; git checkout -q main",
    );
    let (events, _) = told(&repo, &["matrix", "--from=main", "stable/1.0", "stable/2.0"]);
    let shared = repo.git(&["rev-parse", "main~1"]);
    let states: Vec<&str> = of_type(&events, "presence")
        .into_iter()
        .filter(|event| event["change"] == shared.trim())
        .filter_map(|event| event["state"].as_str())
        .collect();
    assert_eq!(states, ["reverted", "present"]);
}

#[test]
fn a_pick_of_a_merge_is_what_the_merge_brought() {
    let repo = repo(
        "echo 1 > a; c -m root; git branch stable/1.0; git checkout -q -b topic; echo 1 > b; c -m one; echo 2 > c; c -m two
         git checkout -q main; git merge -q --no-ff -m 'merge the topic' topic
         git checkout -q stable/1.0; git cherry-pick -x -m1 main >/dev/null; git checkout -q main",
    );
    let (events, code) = told(&repo, &["verify", "main..stable/1.0"]);
    let verdict = of_type(&events, "verdict")[0];
    assert_eq!((&verdict["holds"], code), (&Value::Bool(true), 0), "{verdict}");
}

#[test]
fn a_list_begins_after_one_revision() {
    let repo =
        repo("echo 1 > a; c -m root; git branch stable/1.0; echo 2 > a; c -m two; git tag v1; echo 3 > a; c -m three");
    for (since, message) in [
        ("v1..main", "'v1..main' is no single revision"),
        ("^v1", "'^v1' is no single revision"),
        ("--all", "'--all' is neither a revision here nor a date"),
    ] {
        let (events, code) = told(&repo, &["missing", "stable/1.0", "--from=main", &format!("--since={since}")]);
        assert_eq!((of_type(&events, "error")[0]["message"].as_str(), code), (Some(message), 128));
    }
    let (events, _) = told(&repo, &["missing", "stable/1.0", "--from=main", "--since=v1"]);
    assert_eq!(rows(&events, "missing", "state"), [("three".to_owned(), "missing".into())]);
}

#[test]
fn a_pick_that_was_merged_back_is_still_a_pick() {
    let repo = repo(
        "echo 1 > a; c -m root; git branch stable/1.0; echo 2 > a; c -m two; echo 1 > b; c -m three; echo 3 > a; c -m four
         git checkout -q stable/1.0; git cherry-pick -x main~1 >/dev/null; git checkout -q main; git merge -q -m back stable/1.0",
    );
    let (events, _) = told(&repo, &["missing", "stable/1.0", "--from=main"]);
    let names: Vec<String> = rows(&events, "missing", "state").into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(names, ["two", "four"]);
    // The other way round there is nothing that the source has alone.
    assert_eq!(rows(&told(&repo, &["missing", "main", "--from=stable/1.0"]).0, "missing", "state"), []);
}

#[test]
fn a_revert_that_was_picked_is_there_in_the_matrix() {
    let repo = repo(
        "echo 1 > a; c -m root; echo 1 > leak; c -m leak; git branch stable/1.0
         git rm -q leak; c -m 'Revert \"leak\"' -m \"This reverts commit $(git rev-parse HEAD).\"; echo 2 > a; c -m two
         git checkout -q stable/1.0; git cherry-pick -x main~1 >/dev/null; git checkout -q main",
    );
    let (events, _) = told(&repo, &["matrix", "--from=main", "stable/1.0"]);
    let of = |rev: &str| {
        let id = repo.git(&["rev-parse", rev]);
        let row = of_type(&events, "presence").into_iter().find(|event| event["change"] == id.trim());
        row.map(|event| (event["state"].clone(), event["how"].clone()))
    };
    assert_eq!(of("main~1"), Some(("present".into(), "backport".into())));
    assert_eq!(of("main"), Some(("missing".into(), Value::Null)));
}

#[test]
fn a_git_that_does_not_answer_is_given_up_with_the_setting_that_allows_more() {
    let repo = repo("echo 1 > a; c -m root; git branch stable/1.0; echo 2 > a; c -m 'a change'");
    let folder = repo.home().join("stand-in");
    std::fs::create_dir_all(&folder).expect("a folder");
    let script = "#!/bin/sh\nfor word do [ \"$word\" = \"$HANGS_AT\" ] && exec sleep 1000; done\nPATH=${PATH#*:} exec git \"$@\"\n";
    std::fs::write(folder.join("git"), script).expect("a script");
    std::fs::set_permissions(folder.join("git"), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = std::env::join_paths(
        std::iter::once(folder).chain(std::env::split_paths(&std::env::var_os("PATH").expect("PATH"))),
    );
    let path = path.expect("a path");
    let running: Vec<_> = [
        ("rev-parse", &["scan", "main"][..]),
        ("rev-list", &["scan", "--", "a"]),
        ("merge-tree", &["missing", "stable/1.0", "--check"]),
        ("config", &["config", "list"]),
        ("version", &["status", "--format=jsonl"]),
        ("rev-parse", &["explain", "main", "stable/1.0"]),
    ]
    .into_iter()
    .map(|(verb, args)| {
        let mut command = bhfuil_command(&repo, args);
        command.env("PATH", &path).env("HANGS_AT", verb).env("GIT_BHFUIL_TIMEOUT_GIT", "2s");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        (verb, args, command.spawn().expect("it starts"))
    })
    .collect();
    for (verb, args, child) in running {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains(&format!("git {verb} took longer than 2 s")), "{args:?}: {said}");
        let remedy = if args[0] == "status" { "install git" } else { "bhfuil.timeout.git sets how long it may take" };
        assert!(said.contains(remedy), "{args:?}: {said}");
        assert!(output.status.code().is_some_and(|code| code != 0), "{args:?}: {said}");
    }
}
