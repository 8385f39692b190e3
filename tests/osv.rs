//! `git bhfuil osv` on a repository whose truth is known: what git says contains a commit.

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

/// A repository with a bug and its fix on several branches, and the ids by name.
///
/// - `main`: the base, `bug`, v1.0, `fix`, v1.1; `stable/1` has the fix picked (`pick`), v1.0.1; `stable/2` too, and reverted.
/// - `stable/3`: the bug alone. `old`: from before the bug, which was picked there (`bug-pick`). `ancient`, v0.9: neither.
/// - `lonely`: a commit that no ref reaches.
fn advised() -> (Repo, impl Fn(&str) -> String) {
    let repo = Repo::new();
    repo.shell(
        r#"
        git config user.name 'A U Thor' && git config user.email author@example.com
        git config remote.origin.url git@github.com:Example/project.git
        export GIT_AUTHOR_DATE GIT_COMMITTER_DATE
        seconds=1700000000
        tick() { seconds=$((seconds + 60)); GIT_AUTHOR_DATE="@$seconds +0000"; GIT_COMMITTER_DATE="@$seconds +0000"; }
        commit() { tick; echo "$2" >> "$1"; git add "$1"; git commit --quiet -m "$3"; }
        pick() { tick; git cherry-pick -x "$1" > out; rm out; }
        git checkout --quiet -b main
        commit a base 'base'; git tag v0.9; git branch ancient
        commit bug line 'add the bug'; git tag bug; git tag v1.0
        git checkout --quiet -b stable/1; commit one one 'only here'
        git checkout --quiet -b stable/2; git checkout --quiet -b stable/3
        git checkout --quiet main; commit a more 'more'; commit bug mended 'mend the bug'; git tag fix; git tag -a -m v1.1 v1.1
        git checkout --quiet stable/1; pick fix; git tag pick; git tag v1.0.1
        git checkout --quiet stable/2; pick fix; tick; git revert --no-edit HEAD > out; rm out
        git checkout --quiet -b old ancient; commit old old 'old'; pick bug; git tag bug-pick
        git checkout --quiet --detach main; commit lonely x 'lonely'; git rev-parse HEAD > .git/lonely
        git checkout --quiet main
        "#,
    );
    let ids: Vec<(String, String)> = ["bug", "fix", "pick", "bug-pick", "v1.1"]
        .into_iter()
        .map(|name| (name.to_owned(), repo.git(&["rev-parse", name])))
        .chain([("lonely".to_owned(), repo.shell("cat .git/lonely").trim().to_owned())])
        .collect();
    for tag in ["bug", "fix", "pick", "bug-pick"] {
        repo.git(&["tag", "-d", tag]);
    }
    (repo, move |name| ids.iter().find(|(known, _)| known == name).expect("an id").1.clone())
}

/// A record with one range of these events, written as people do.
fn record(events: &[(&str, &str)], versions: &[&str]) -> String {
    let events: Vec<String> = events.iter().map(|(kind, id)| format!("          {{ \"{kind}\": \"{id}\" }}")).collect();
    format!(
        "{{\n  \"id\": \"X-1\", \"n\": 1.10E+400,\n  \"affected\": [\n    {{\n      \"ranges\": [\n        {{ \"type\": \"GIT\", \"repo\": \
         \"https://github.com/example/project\", \"events\": [\n{}\n        ] }}\n      ],\n      \"versions\": {}\n    }}\n  ]\n}}\n",
        events.join(",\n"),
        serde_json::to_string(versions).expect("JSON"),
    )
}

/// What `osv verify` tells of a record, and its exit code.
fn verified(repo: &Repo, record: &str) -> (Vec<Value>, i32) {
    let output = bhfuil(repo).args(["osv", "verify", "-"]).write_stdin(record).output().expect("it runs");
    (events(&output), output.status.code().expect("it ends by itself"))
}

/// The claims as `<claim> <event> <holds>`, with the evidence.
fn claims(events: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |claim: &Value| {
        let what = format!("{} {} {}", text(&claim["claim"]), text(&claim["event"]), claim["holds"]);
        (what, text(&claim["evidence"]))
    };
    of_type(events, "claim").into_iter().map(row).collect()
}

fn false_ones(events: &[Value]) -> Vec<String> {
    claims(events).into_iter().filter(|(what, _)| what.ends_with("false")).map(|(what, _)| what).collect()
}

/// The refs for which `field` is `value`.
fn refs(events: &[Value], field: &str, value: &Value) -> BTreeSet<String> {
    let fitting = of_type(events, "presence").into_iter().filter(|event| event[field] == *value);
    fitting.map(|event| event["ref"].as_str().expect("a ref").to_owned()).collect()
}

/// The branches and tags that contain one of `commits`, as git has it.
fn containing(repo: &Repo, commits: &[String]) -> BTreeSet<String> {
    let listed = commits.iter().map(|id| repo.git(&["for-each-ref", "--format=%(refname)", "--contains", id]));
    listed.flat_map(|refs| refs.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn minus(one: &BTreeSet<String>, other: &BTreeSet<String>) -> BTreeSet<String> {
    one.difference(other).cloned().collect()
}

#[test]
fn what_is_affected_is_what_git_says_has_the_bug_and_no_fix() {
    let (repo, id) = advised();
    let short = record(&[("introduced", &id("bug")), ("fixed", &id("fix"))], &["v1.0", "1.1"]);
    let (told, code) = verified(&repo, &short);
    assert_eq!(code, 1);
    assert_eq!(false_ones(&told), ["named introduced false", "named fixed false", "refs - false", "versions - false"]);
    let revert_of = "refs/heads/stable/2".to_owned();
    // The record's word: its own two commits, by git.
    let (bug, fix) = (containing(&repo, &[id("bug")]), containing(&repo, &[id("fix")]));
    assert_eq!(refs(&told, "recorded", &true.into()), minus(&bug, &fix));
    // In fact: the picks counted, and what was taken back not.
    let bugs = containing(&repo, &[id("bug"), id("bug-pick")]);
    let mut fixes = containing(&repo, &[id("fix"), id("pick")]);
    fixes.remove(&revert_of);
    assert_eq!(refs(&told, "affected", &true.into()), minus(&bugs, &fixes));
    assert_eq!(refs(&told, "state", &"reverted".into()), BTreeSet::from([revert_of.clone()]));
    assert_eq!(refs(&told, "state", &"present".into()), fixes);
    assert_eq!(
        refs(&told, "state", &"not-applicable".into()),
        ["refs/heads/ancient", "refs/tags/v0.9"].map(String::from).into()
    );
    assert_eq!(
        refs(&told, "how", &"backport".into()),
        ["refs/heads/stable/1", "refs/tags/v1.0.1"].map(String::from).into()
    );
    let versions = claims(&told).pop().expect("claims").1;
    assert_eq!(versions, "listed, and not affected: 1.1");

    // With all named, the pick that was reverted too, that is left, which no record can say.
    let reverted = repo.git(&["rev-parse", "stable/2~1"]);
    let events = [
        ("introduced", id("bug")),
        ("introduced", id("bug-pick")),
        ("fixed", id("fix")),
        ("fixed", id("pick")),
        ("fixed", reverted),
    ];
    let events: Vec<(&str, &str)> = events.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
    let (told, code) = verified(&repo, &record(&events, &["v1.0"]));
    assert_eq!((false_ones(&told), code), (vec!["refs - false".to_owned()], 1));
    let only = claims(&told).into_iter().find(|(what, _)| what == "refs - false").expect("one").1;
    assert_eq!(only, "affected, and not by the record: stable/2");
    let (told, code) = verified(&repo, &record(&events[..4], &["v1.0"]));
    assert_eq!((false_ones(&told), code), (vec![], 0), "{:#?}", claims(&told));
}

#[test]
fn a_fix_may_be_the_revert_of_what_introduced_it() {
    let (repo, id) = advised();
    let (brought, revert) = (repo.git(&["rev-parse", "stable/2~1"]), repo.git(&["rev-parse", "stable/2"]));
    let (told, code) = verified(&repo, &record(&[("introduced", &brought), ("fixed", &revert)], &[]));
    assert_eq!((false_ones(&told).len(), code), (3, 1), "{:#?}", claims(&told));
    let named: BTreeSet<String> = of_type(&told, "claim")
        .into_iter()
        .filter(|claim| claim["claim"] == "named")
        .map(|claim| format!("{} {}", claim["event"], claim["id"]))
        .collect();
    let expected = [id("fix"), id("pick")].map(|id| format!("\"introduced\" \"{id}\""));
    assert_eq!(named, BTreeSet::from(expected));
    assert_eq!(refs(&told, "affected", &true.into()), containing(&repo, &[id("fix"), id("pick")]));
    assert_eq!(refs(&told, "state", &"present".into()), BTreeSet::from(["refs/heads/stable/2".to_owned()]));
}

#[test]
fn commits_that_are_not_there_or_in_no_order_are_told() {
    let (repo, id) = advised();
    for (events, wrong) in [
        (vec![("introduced", "0".to_owned()), ("fixed", "1".repeat(40))], "it isn't in this repository"),
        (vec![("introduced", id("lonely"))], "it is on no branch and no tag"),
        (vec![("introduced", "0".to_owned()), ("fixed", id("v1.1"))], "it is a tag, no commit"),
        (vec![("introduced", id("bug")[..12].to_owned())], "it is no full id of a commit"),
        (
            vec![("introduced", id("bug")), ("fixed", id("bug"))],
            "one commit introduces and ends it: nothing is affected by it",
        ),
        (
            vec![("introduced", id("fix")), ("last_affected", id("bug"))],
            "no introduced commit is in its history, and no pick of one",
        ),
    ] {
        let borrowed: Vec<(&str, &str)> = events.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
        let (told, code) = verified(&repo, &record(&borrowed, &[]));
        let found = claims(&told);
        assert_eq!(code, 1);
        assert!(found.iter().any(|(what, why)| what.ends_with("false") && why == wrong), "{wrong}: {found:#?}");
    }
}

#[test]
fn last_affected_and_limits_bound_what_is_affected() {
    let (repo, id) = advised();
    let everything = containing(&repo, &[repo.git(&["rev-parse", "v0.9"])]);
    let affected = |events: &[(&str, &str)]| {
        let (told, _) = verified(&repo, &record(events, &[]));
        refs(&told, "recorded", &true.into())
    };
    assert_eq!(affected(&[("introduced", "0")]), everything);
    let last = affected(&[("introduced", "0"), ("last_affected", &id("bug"))]);
    let mut behind = containing(&repo, &[id("bug")]);
    behind.remove("refs/tags/v1.0");
    assert_eq!(last, minus(&everything, &behind));
    // What git lists as merged into the commit before the limit.
    let merged = repo.git(&["for-each-ref", "--format=%(refname)", "--merged", &format!("{}~1", id("fix"))]);
    assert_eq!(
        affected(&[("introduced", "0"), ("limit", &id("fix"))]),
        merged.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    );
    assert_eq!(affected(&[("introduced", "0"), ("limit", "*")]), everything);
    // Introduced anew after the fix: where the fix came first it ends nothing.
    repo.shell(
        "git config user.name A && git config user.email a@example.com && echo anew >> bug && git commit --quiet -a -m 'the bug anew' && git tag v1.2",
    );
    let anew = repo.git(&["rev-parse", "v1.2"]);
    let found = affected(&[("introduced", &id("bug")), ("fixed", &id("fix")), ("introduced", &anew)]);
    assert!(found.contains("refs/tags/v1.2") && !found.contains("refs/tags/v1.1"), "{found:?}");
}

#[test]
fn complete_adds_the_picks_and_touches_nothing_else() {
    let (repo, id) = advised();
    let short = record(&[("introduced", "0"), ("fixed", &id("fix"))], &["v1.0"]);
    let complete = |args: &[&str], input: &str| {
        let output = bhfuil(&repo).args(["osv", "complete"]).args(args).write_stdin(input).output().expect("it runs");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        (String::from_utf8(output.stdout).expect("UTF-8"), told, output.status.code().expect("it ends"))
    };
    let (long, told, code) = complete(&["-"], &short);
    assert_eq!((told.as_str(), code), ("", 0));
    // The pick that was reverted isn't added: by it the record would have its branch mended.
    let expected = record(&[("introduced", "0"), ("fixed", &id("fix")), ("fixed", &id("pick"))], &["v1.0"]);
    assert_eq!(long, expected);
    assert_eq!(complete(&["-"], &long), (long.clone(), String::new(), 0), "what is complete stays");
    let windows = short.replace('\n', "\r\n");
    assert_eq!(complete(&["-"], &windows).0, long.replace('\n', "\r\n"));

    let path = repo.home().join("record.json");
    std::fs::write(&path, &short).expect("a record");
    let name = path.to_str().expect("UTF-8");
    assert_eq!(complete(&["--in-place", name], ""), (String::new(), String::new(), 0));
    assert_eq!(std::fs::read_to_string(&path).expect("a record"), long);

    let foreign = short.replace("example/project", "example/other");
    let (same, told, code) = complete(&["-"], &foreign);
    assert_eq!((same, code), (foreign.clone(), 1));
    assert!(told.contains("no GIT range is about this repository"), "{told}");
    assert_eq!(complete(&["--all-ranges", "-"], &foreign).0, long.replace("example/project", "example/other"));
    let gone = short.replace(&id("fix"), &"2".repeat(40));
    let (same, told, code) = complete(&["-"], &gone);
    assert_eq!((same, code), (gone, 3));
    assert!(told.contains("it isn't in this repository"), "{told}");
}

#[test]
fn what_is_no_record_is_told_with_its_place() {
    let (repo, id) = advised();
    let good = record(&[("introduced", "0"), ("fixed", &id("fix")), ("fixed", &id("pick"))], &[]);
    std::fs::create_dir_all(repo.home().join("records")).expect("a folder");
    let write = |name: &str, text: &[u8]| {
        let path = repo.home().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let cases = [
        (write("a.json", b"{\n  \"id\": }"), "a.json:2:9: expected value", ""),
        (write("b.json", b"{\"affected\": 1}"), "b.json:1:14: affected: expected an array", ""),
        (write("c.json", b"{\n\"id\": \"\xff\"}"), "c.json:2:8: it is not UTF-8", ""),
        (write("d.yaml", b"id: X-1\n"), "d.yaml:1:1: ", "yq -o=json"),
        (repo.home().join("records").to_str().expect("UTF-8").to_owned(), "records is a folder", "records/*.json"),
        (repo.home().join("none.json").to_str().expect("UTF-8").to_owned(), "there is no such file", ""),
    ];
    for (name, message, hint) in &cases {
        for command in ["verify", "complete"] {
            let output = bhfuil(&repo).args(["osv", command, name]).output().expect("it runs");
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(128), "{command} {name}");
            assert!(told.contains(message) && told.contains(hint), "{told}");
        }
    }
    // Of several the good one is looked at, and the stream says that it isn't all.
    let name = write("good.json", good.as_bytes());
    let output = bhfuil(&repo).args(["osv", "verify", &cases[0].0, &name]).output().expect("it runs");
    let told = events(&output);
    assert_eq!((output.status.code(), of_type(&told, "error").len()), (Some(3), 1));
    assert!(!of_type(&told, "claim").is_empty());
    for (args, message) in [
        (&["verify"][..], "a record is missing"),
        (&["verify", "-", "-"], "standard input can be read once"),
        (&["complete", "--in-place", "-"], "standard input has no place"),
        (&["complete", "a", "b"], "of several records --in-place is needed"),
    ] {
        let output = bhfuil(&repo).arg("osv").args(args).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(129), "{args:?}");
        assert!(told.contains(message), "{told}");
    }
}

#[test]
fn people_see_what_holds_and_which_refs_have_the_fix() {
    let (repo, id) = advised();
    let short = record(&[("introduced", &id("bug")), ("fixed", &id("fix"))], &[]);
    let mut command = bhfuil(&repo);
    let output = command.args(["osv", "verify", "--format=human", "-"]).write_stdin(short).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let fix = &id("fix")[..12];
    assert!(text.lines().any(|line| line == format!("yes {fix} fixed exists: it is on a branch or tag")), "{text}");
    assert!(text.lines().any(|line| line == format!("no  {} fixed named:", &id("pick")[..12])), "{text}");
    let table = "\n  1  2  3  mainline  old\n  ◐  ↶  ✗  ●         ✗\n";
    assert!(text.contains(table), "{text}");
    assert!(text.contains("v1.0.1") && !text.contains("v0.9"), "what never had it is no news: {text}");
}

#[test]
fn where_history_is_cut_off_nothing_is_guessed() {
    let (repo, id) = advised();
    let url = format!("file://{}", repo.path().display());
    repo.git(&["clone", "--quiet", "--depth=1", "--branch=stable/3", &url, "../shallow"]);
    let shallow = repo.inside("../shallow");
    let events = [("introduced", id("bug")), ("fixed", id("fix"))];
    let events: Vec<(&str, &str)> = events.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
    let output = bhfuil(&shallow)
        .args(["osv", "verify", "--all-ranges", "-"])
        .write_stdin(record(&events, &[]))
        .output()
        .expect("it runs");
    let told = support::events(&output);
    assert_eq!(output.status.code(), Some(3));
    assert!(of_type(&told, "claim").iter().all(|claim| claim["holds"].is_null()), "{told:#?}");
    let presences = of_type(&told, "presence");
    assert!(
        !presences.is_empty() && presences.iter().all(|one| one["affected"].is_null() && one["state"] == "unknown")
    );
}

/// A record as `where` starts it, what is said beside it, and the exit code.
fn started(repo: &Repo, args: &[&str]) -> (String, String, i32) {
    let output = bhfuil(repo).args(["where", "--format=osv"]).args(args).output().expect("it runs");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    (String::from_utf8(output.stdout).expect("UTF-8"), told, output.status.code().expect("it ends by itself"))
}

#[test]
fn a_record_starts_with_the_fixes_of_all_branches_and_what_they_say_they_mend() {
    let (repo, id) = advised();
    let message = format!("mend it again\n\nCVE-2026-1234\n\nFixes: {} (\"add the bug\")", &id("bug")[..12]);
    repo.shell(&format!(
        r"
        git config user.name 'A U Thor' && git config user.email author@example.com
        export GIT_AUTHOR_DATE='@1700100000 +0000' GIT_COMMITTER_DATE='@1700100000 +0000'
        git checkout --quiet main && echo again >> bug && git commit --quiet -a -m '{message}'
        git checkout --quiet stable/1; GIT_COMMITTER_DATE='@1700100060 +0000' git cherry-pick -x main > /dev/null
        git checkout --quiet main
        ",
    ));
    let (main, stable) = (repo.git(&["rev-parse", "main"]), repo.git(&["rev-parse", "stable/1"]));
    let (text, told, code) = started(&repo, &["cve-2026-1234"]);
    assert_eq!((told.as_str(), code), ("", 0));
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    let modified = record["modified"].take();
    let is_a_time = |text: &str| text.len() == 20 && text.starts_with("20") && text.ends_with('Z');
    assert!(modified.as_str().is_some_and(is_a_time), "{modified}");
    let references = [&main, &stable].map(
        |id| serde_json::json!({ "type": "FIX", "url": format!("https://github.com/Example/project/commit/{id}") }),
    );
    let expected = serde_json::json!({
        "id": "CVE-2026-1234",
        "modified": null,
        "affected": [{ "ranges": [{
            "type": "GIT",
            "repo": "https://github.com/Example/project",
            "events": [
                { "introduced": id("bug") },
                { "introduced": id("bug-pick") },
                { "fixed": main },
                { "fixed": stable },
            ],
        }] }],
        "references": references,
    });
    assert_eq!(record, expected);
    // It stands up to what verifies it, and is complete.
    let (told, code) = verified(&repo, &text);
    assert_eq!((false_ones(&told), code), (vec![], 0), "{:#?}", claims(&told));
    let output = bhfuil(&repo).args(["osv", "complete", "-"]).write_stdin(text.as_str()).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), text);
    // The pick's own id is enough, wherever the question is asked from.
    let (again, _, _) = started(&repo, &["--repo=.", &stable]);
    assert_eq!(
        again.replace(again.lines().nth(2).expect("a line"), ""),
        text.replace(text.lines().nth(2).expect("a line"), "")
    );
}

#[test]
fn what_nobody_has_said_is_left_open_and_told() {
    let (repo, id) = advised();
    repo.git(&["config", "remote.origin.url", "../elsewhere"]);
    let (text, told, code) = started(&repo, &[&id("fix")]);
    let record: Value = serde_json::from_str(&text).expect("JSON");
    let range = &record["affected"][0]["ranges"][0];
    assert_eq!((record["id"].as_str(), range["repo"].as_str(), code), (Some(""), Some(""), 0));
    assert_eq!(record.get("references"), None);
    // The pick that was taken back where it is is no fix.
    let expected = serde_json::json!([{ "fixed": id("fix") }, { "fixed": id("pick") }]);
    assert_eq!(range["events"], expected);
    for message in [
        "neither the query nor a commit names an advisory",
        "no remote of this repository is on the web",
        &format!("no commit says what {} mends", id("fix")),
        "refs/heads/stable/2 took the fix back",
    ] {
        assert!(told.contains(message), "{message}: {told}");
    }
    let (text, told, code) = started(&repo, &["CVE-2026-9999", &id("fix")]);
    assert!(text.contains("\"id\": \"\"") && code == 0, "what was not found names nothing: {text}{told}");
    let (text, told, code) = started(&repo, &["CVE-2026-9999"]);
    assert_eq!((text.as_str(), code), ("", 1), "{told}");
    for (args, message) in [
        (&["--all-repos", "x"][..], "--format=osv is of one repository at a time"),
        (&["--issues", "x"], "--issues and --format=osv can't be used together"),
        (&["--warm", "--stdin"], "--warm and --format=osv can't be used together"),
    ] {
        let (text, told, code) = started(&repo, args);
        assert_eq!((text.as_str(), code), ("", 129));
        assert!(told.contains(message), "{told}");
    }
}
