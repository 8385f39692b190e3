//! What can be asked of `git bhfuil where`: every kind of query, and how they come in.

mod support;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{Repo, bhfuil, commit_ids, events, of_type};

fn where_is(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).arg("where").args(args).output().expect("it runs")
}

fn fed(repo: &Repo, args: &[&str], input: impl Into<Vec<u8>>) -> Output {
    bhfuil(repo).arg("where").args(args).write_stdin(input).output().expect("it runs")
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

/// The commits that `output` found to be what each query means, in order; each `query` is one of `asked`.
fn found(output: &Output, asked: &[&str]) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{asked:?}: {}", String::from_utf8_lossy(&output.stdout));
    let events = events(output);
    for event in of_type(&events, "match").into_iter().chain(of_type(&events, "presence")) {
        assert!(asked.contains(&text(event, "query")), "{asked:?}: {event}");
    }
    commit_ids(&events)
}

fn warning<'e>(events: &'e [Value], code: &str) -> &'e Value {
    let found = of_type(events, "warning").into_iter().find(|event| event["code"] == code);
    found.unwrap_or_else(|| panic!("no {code}: {events:?}"))
}

#[test]
fn a_revision_is_asked_in_any_of_gits_spellings() {
    let repo = Repo::fixture("backports");
    repo.git(&["tag", "-a", "-m", "outer", "outer", "1.0.1"]);
    let plain = repo.id("plain");
    let (short, described) = (&plain[..9], format!("v1-g{}", &plain[..9]));
    let upper = plain.to_uppercase();
    for query in [
        plain,
        short,
        &described,
        &upper,
        "main",
        "HEAD",
        "@",
        "main~3",
        "main^",
        "1.0.1",
        "outer",
        "refs/tags/outer",
        "heads/main",
        "outer^{}",
        "outer^{commit}",
        "1.0.1^0",
        ":/hotfix",
        ":/fix with references",
        "main^{/silent fix}",
        "main^{/silent}",
    ] {
        let object = repo.git(&["rev-parse", "--verify", query]);
        let expected = repo.git(&["rev-parse", &format!("{object}^{{commit}}")]);
        assert_eq!(found(&where_is(&repo, &["--signals=same", query]), &[query]), [expected], "{query}");
    }
    for range in ["1.0.0..1.0.1", "main...stable/1.0", "main~2..", "stable/2.0^!"] {
        let mut expected: Vec<String> = repo.git(&["rev-list", range]).lines().map(str::to_owned).collect();
        let mut ours = found(&where_is(&repo, &["--signals=same", range]), &[range]);
        expected.sort();
        ours.sort();
        assert_eq!(ours, expected, "{range}");
    }
}

#[test]
fn a_whole_id_is_that_commit_and_a_part_of_one_is_the_ref_of_that_name() {
    let repo = Repo::fixture("backports");
    let (plain, silent) = (repo.id("plain"), repo.id("silent"));
    let (short, upper) = (&plain[..9], plain.to_uppercase());
    let absent = "00112233445566778899aabbccddeeff00112234";
    repo.git(&["config", "advice.objectNameWarning", "false"]);
    for name in [plain, short, &upper, absent] {
        repo.git(&["update-ref", &format!("refs/heads/{name}"), "1.0.1^{commit}"]);
    }
    for query in [plain, &upper, short] {
        let expected = repo.git(&["rev-parse", "--verify", query]);
        assert_eq!(found(&where_is(&repo, &["--signals=same", query]), &[query]), [expected], "{query}");
    }
    // git takes this for an id too, and there is no such commit.
    assert_eq!(repo.git(&["rev-parse", "--verify", absent]), absent);
    assert_eq!(where_is(&repo, &["--signals=same", absent]).status.code(), Some(1));
    // Of a tag and a branch of the same name git takes the tag.
    repo.git(&["update-ref", &format!("refs/tags/{short}"), silent]);
    assert_eq!(repo.git(&["rev-parse", "--verify", short]), silent);
    assert_eq!(found(&where_is(&repo, &["--signals=same", short]), &[short]), [silent]);
}

#[test]
fn a_range_is_told_change_by_change_each_as_if_it_were_asked_alone() {
    let repo = Repo::fixture("backports");
    let range = "main...stable/1.0";
    let together = events(&where_is(&repo, &[range]));
    let members = |events: &[Value]| -> BTreeSet<(String, String)> {
        let pair = |event: &&Value| (text(event, "change").to_owned(), text(event, "id").to_owned());
        of_type(events, "match").iter().map(pair).collect()
    };
    let told = members(&together);
    assert_eq!(told.len(), of_type(&together, "match").len(), "each once");
    let listed = repo.git(&["rev-list", "--no-merges", range]);
    assert!(listed.lines().count() > 3);
    for id in listed.lines() {
        assert!(told.iter().any(|(_, member)| member == id), "{id} is in no change");
        let alone = members(&events(&where_is(&repo, &[id])));
        assert!(alone.is_subset(&told), "{id}: {alone:?}");
    }
    let changes = of_type(&together, "commit").len();
    for most in [1, 2] {
        let some = where_is(&repo, &["-n", &most.to_string(), range]);
        assert_eq!(some.status.code(), Some(0));
        let some = events(&some);
        assert_eq!(commit_ids(&some), commit_ids(&together)[..most]);
        assert!(text(warning(&some, "more-found"), "hint").contains("--max-count"));
    }
    let all = events(&where_is(&repo, &["-n", &changes.to_string(), range]));
    assert_eq!(of_type(&all, "commit").len(), changes);
    assert!(of_type(&all, "warning").iter().all(|warning| warning["code"] != "more-found"), "nothing is left");
}

#[test]
fn an_ambiguous_abbreviation_lists_its_candidates() {
    let repo = Repo::new();
    let tree = repo.git_with(&["mktree"], b"");
    let tree = String::from_utf8_lossy(&tree).trim().to_owned();
    // 800 commits have some pair that agrees in four digits: 65,536 are possible, and 320,000 pairs.
    let script = format!(
        "export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.com GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com
        i=0; while [ $i -lt 800 ]; do
        printf 'tree {tree}\\nauthor A <a> 1 +0000\\ncommitter A <a> 1 +0000\\n\\nnumber %s\\n' $i >.git/c$i; i=$((i+1)); done
        i=0; while [ $i -lt 800 ]; do echo $PWD/.git/c$i; i=$((i+1)); done | git hash-object -t commit -w --stdin-paths"
    );
    let made = repo.shell(&script);
    let mut ids: Vec<&str> = made.lines().collect();
    ids.sort_unstable();
    let pair = ids.windows(2).find(|pair| pair[0][..4] == pair[1][..4]).expect("a pair");
    let prefix = &pair[0][..4];
    let alike: Vec<&str> = ids.iter().copied().filter(|id| id.starts_with(prefix)).collect();
    repo.git(&["update-ref", "refs/heads/main", alike[0]]);
    let output = where_is(&repo, &[prefix]);
    assert_eq!(output.status.code(), Some(1));
    let told = events(&output);
    let candidates = of_type(&told, "candidate");
    let mut listed: Vec<&str> = candidates.iter().map(|event| text(event, "id")).collect();
    listed.sort_unstable();
    assert_eq!(listed, alike);
    assert!(
        candidates.iter().all(|event| event["why"] == "ambiguous" && text(event, "subject").starts_with("number "))
    );
    assert!(of_type(&told, "match").is_empty() && of_type(&told, "presence").is_empty());
}

#[test]
fn change_ids_issues_and_foreign_commits_are_looked_up_in_messages() {
    let repo = Repo::fixture("backports");
    let (references, gerrit) = (repo.id("references"), repo.id("gerrit"));
    for (query, expected) in [
        ("I0123456789abcdef0123456789abcdef01234567", gerrit),
        ("I0123456789", gerrit),
        ("i0123456789ABCDEF", gerrit),
        ("Change-Id: I0123456789abcdef0123456789abcdef01234567", gerrit),
        ("CVE-2024-12345", references),
        ("cve-2024-12345", references),
        ("GHSA-2wrh-6pvc-2jm9", references),
        ("#12", references),
        ("LP: #7654321", references),
        ("Closes-Bug: #1234567", references),
        ("https://github.com/example/project/issues/13", references),
        ("example/project#13", references),
        ("00112233445566778899aabbccddeeff00112233", repo.id("foreign")),
        ("0011223344", repo.id("foreign")),
    ] {
        assert_eq!(found(&where_is(&repo, &[query]), &[query]), [expected], "{query}");
    }
    repo.git(&["config", "bhfuil.jiraProject", "PROJ"]);
    assert_eq!(found(&where_is(&repo, &["PROJ-77"]), &["PROJ-77"]), [references]);
    // The answer to an issue is of both commits that refer to it.
    let told = events(&where_is(&repo, &["CVE-2024-12345"]));
    let ids: Vec<&str> = of_type(&told, "match").iter().map(|event| text(event, "id")).collect();
    assert_eq!(ids, [references, repo.id("references@stable/2.0")]);
}

#[test]
fn nothing_found_exits_with_1_and_says_what_was_searched() {
    let repo = Repo::fixture("backports");
    let count = repo.git(&["rev-list", "--count", "--all"]);
    for (query, sought) in [
        ("CVE-2000-12345", "CVE-2000-12345"),
        ("I00000000000000000000", "Change-Id"),
        ("0123456789abcdef0123456789abcdef01234567", "patch-id"),
        ("LP: #12", "12"),
    ] {
        let output = where_is(&repo, &[query]);
        assert_eq!(output.status.code(), Some(1), "{query}");
        let told = events(&output);
        let message = text(warning(&told, "nothing-found"), "message");
        assert!(message.contains(query) && message.contains(sought) && message.contains(&count), "{message}");
        let end = told.last().expect("an end");
        assert_eq!((&end["status"], &end["complete"], &end["exit_code"]), (&"ok".into(), &true.into(), &1.into()));
    }
    // The same number by another name is a near miss.
    let told = events(&where_is(&repo, &["LP: #12"]));
    let near: Vec<&str> = of_type(&told, "candidate").iter().map(|event| text(event, "id")).collect();
    assert!(near.contains(&repo.id("references")) && of_type(&told, "candidate")[0]["why"] == "near", "{near:?}");
    // Some found, some not: that is an answer.
    assert_eq!(where_is(&repo, &["CVE-2000-12345", "main"]).status.code(), Some(0));
}

#[test]
fn a_revision_that_git_does_not_know_is_an_error_and_not_a_guess() {
    let repo = Repo::fixture("backports");
    for query in ["main..nowhere", "nowhere~3", "main^{/no such}", "main~9999", "HEAD:a"] {
        let output = bhfuil(&repo).args(["where", query]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(128), "{query}");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(stderr.starts_with("fatal: ") && stderr.contains(query), "{stderr}");
        assert_eq!(events(&output).last().expect("an end")["status"], "failed");

        let output = fed(&repo, &["--stdin"], format!("main\n{query}\nHEAD~1\n"));
        assert_eq!(output.status.code(), Some(3), "{query}");
        let told = events(&output);
        let errors = of_type(&told, "error");
        assert!(
            errors.len() == 1 && text(errors[0], "message").contains(query) && errors[0]["fatal"] == false,
            "{errors:?}"
        );
        assert_eq!(errors[0]["query"], query);
        let place = |of: &dyn Fn(&Value) -> bool| told.iter().position(of).expect("told");
        let (first, error) = (place(&|event| event["query"] == "main"), place(&|event| event["type"] == "error"));
        assert!(first < error && error < place(&|event| event["query"] == "HEAD~1"), "in the order of the queries");
        assert_eq!(told.last().expect("an end")["status"], "partial");
    }
}

#[test]
fn queries_come_a_line_each_or_ended_by_nul() {
    let repo = Repo::fixture("backports");
    let id = |revision: &str| repo.git(&["rev-parse", &format!("{revision}^{{commit}}")]);
    let expected = [id("main"), id("1.0.1"), id("main~2")];
    let asked = ["main", "1.0.1", "main~2"];
    for (args, input) in [
        (&["--stdin"][..], "main\n1.0.1\nmain~2\n"),
        (&["--stdin"], "main\r\n\r\n1.0.1\r\nmain~2"),
        (&["--stdin"], "\n  \nmain\n\n1.0.1\nmain~2\n\n"),
        (&["--stdin", "-z"], "main\x001.0.1\0main~2\0"),
        (&["--stdin", "-z"], "main\0\x001.0.1\0main~2"),
        (&["main", "--stdin"], "1.0.1\nmain~2\n"),
    ] {
        let output = fed(&repo, &[args, &["--signals=same"]].concat(), input);
        assert_eq!(found(&output, &asked), expected, "{input:?}");
    }
    let output = fed(&repo, &["--stdin"], "");
    assert_eq!((output.status.code(), events(&output).len()), (Some(0), 4));
    let tags = Repo::fixture("tags");
    let latin = b"caf\xe9";
    let by_argument = bhfuil(&tags).args(["where", "--signals=same"]).arg(OsStr::from_bytes(latin)).output();
    for output in [by_argument.expect("it runs"), fed(&tags, &["--stdin", "--signals=same"], latin.to_vec())] {
        assert_eq!(found(&output, &["caf\u{fffd}"]), [tags.id("base")]);
        let told = events(&output);
        assert!(of_type(&told, "presence").iter().any(|event| support::exact(event, "ref") == b"refs/heads/caf\xe9"));
    }
}

#[test]
fn the_commits_of_another_run_are_asked_about() {
    let repo = Repo::fixture("backports");
    let scan = bhfuil(&repo).args(["scan", "1.0.1..stable/1.0"]).output().expect("it runs").stdout;
    let scan = String::from_utf8(scan).expect("UTF-8");
    let expected: Vec<String> = repo.git(&["rev-list", "1.0.1..stable/1.0"]).lines().map(str::to_owned).collect();
    let asked: Vec<&str> = expected.iter().map(String::as_str).collect();
    let output = fed(&repo, &["--stdin", "--signals=same"], scan.clone());
    assert_eq!(found(&output, &asked), expected);
    // Without its end it was cut off: between two lines or within one.
    let whole: Vec<&str> = scan.lines().collect();
    let cut = whole[..whole.len() - 1].join("\n");
    for input in [format!("{cut}\n"), cut.clone(), cut[..cut.len() - 9].to_owned()] {
        let output = fed(&repo, &["--stdin", "--signals=same"], input);
        assert_eq!(output.status.code(), Some(3));
        let told = events(&output);
        assert_eq!((&told.last().expect("an end")["status"], commit_ids(&told)), (&"partial".into(), expected.clone()));
        assert!(text(of_type(&told, "error")[0], "message").contains("`end`"), "{told:?}");
    }
    // A run that failed, or found part of what it should have, makes ours partial as well.
    let output = fed(&repo, &["--stdin"], bhfuil(&repo).args(["scan", "nowhere.."]).output().expect("it runs").stdout);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stdout));
    // What is no event is said, and the rest answered.
    let output = fed(&repo, &["--stdin"], "{no json}\nmain\n");
    assert_eq!((output.status.code(), commit_ids(&events(&output)).len()), (Some(3), 1));
}

#[test]
fn answers_come_in_the_order_of_the_queries_on_any_number_of_threads() {
    let repo = Repo::fixture("backports");
    let mut asked: Vec<&str> = repo.truth().values().map(String::as_str).collect();
    asked.sort_unstable();
    for threads in ["--threads=1", "--threads=8"] {
        let output = fed(&repo, &["--stdin", threads], asked.join("\n"));
        assert_eq!(output.status.code(), Some(0));
        let told = events(&output);
        let mut order: Vec<&str> = of_type(&told, "presence").iter().map(|event| text(event, "query")).collect();
        order.dedup();
        assert_eq!(order, asked, "{threads}");
    }
}

#[test]
fn a_query_is_answered_before_the_next_is_written() {
    let repo = Repo::fixture("backports");
    let mut command = Command::new(env!("CARGO_BIN_EXE_git-bhfuil"));
    command.env("HOME", repo.home()).env("GIT_BHFUIL_CACHE", repo.home().join("bhfuil")).current_dir(repo.path());
    command.args(["where", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for query in ["main", "stable/1.0", "CVE-2024-12345"] {
        writeln!(stdin, "{query}").expect("it reads");
        let is_answer = |line: &String| line.contains("\"presence\"") && line.contains(&format!("\"{query}\""));
        assert!(lines.by_ref().map(|line| line.expect("a line")).any(|line| is_answer(&line)), "{query}");
    }
    drop(stdin);
    assert!(lines.last().expect("an end").expect("a line").contains("\"type\":\"end\""));
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_reader_that_leaves_and_a_signal_end_it_as_they_should() {
    let repo = Repo::fixture("backports");
    let exe = env!("CARGO_BIN_EXE_git-bhfuil");
    let script =
        format!("(git rev-list --all; git rev-list --all) | ({exe} where --stdin; echo $? >../code) | head -1");
    let told = repo.shell(&script);
    assert_eq!(told.lines().count(), 1);
    assert_eq!(std::fs::read_to_string(repo.path().join("../code")).expect("a code").trim(), "0");

    let mut command = Command::new(exe);
    command.env("HOME", repo.home()).env("GIT_BHFUIL_CACHE", repo.home().join("bhfuil")).current_dir(repo.path());
    command.args(["where", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    writeln!(stdin, "main").expect("it reads");
    let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("\"presence\"") {
        line.clear();
        assert_ne!(reader.read_line(&mut line).expect("a line"), 0);
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let mut rest = String::new();
    reader.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let end: Value = serde_json::from_str(rest.lines().last().expect("an end")).expect("JSON");
    assert_eq!((&end["type"], &end["status"], &end["complete"]), (&"end".into(), &"cancelled".into(), &false.into()));
    drop(stdin);
}

#[test]
fn without_an_update_the_cache_answers_as_it_is() {
    let repo = Repo::fixture("backports");
    let old = repo.git(&["rev-parse", "main"]);
    where_is(&repo, &["main"]);
    repo.git(&["checkout", "--quiet", "-f", "main"]);
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "new\n\nCVE-2030-1234"]);
    repo.git(&["branch", "newer"]);
    let output = where_is(&repo, &["--no-update", &old, "--missing", "--branches"]);
    assert_eq!(found(&output, &[&old]), std::slice::from_ref(&old));
    // Where the branches stand now isn't known to the cache, and what they have isn't guessed.
    let told = events(&output);
    let state = |short: &str| {
        of_type(&told, "presence").into_iter().find(|event| event["short"] == short).expect("told")["state"].clone()
    };
    assert_eq!(
        (state("newer"), state("main"), state("stable/1.0")),
        ("unknown".into(), "unknown".into(), "missing".into())
    );
    assert_eq!(where_is(&repo, &["--no-update", "CVE-2030-1234"]).status.code(), Some(1));
    assert_eq!(where_is(&repo, &["--no-update", "newer"]).status.code(), Some(128));
    assert_eq!(found(&where_is(&repo, &["CVE-2030-1234"]), &["CVE-2030-1234"]).len(), 1);
}

#[test]
fn without_a_command_what_names_something_is_looked_for() {
    let repo = Repo::fixture("backports");
    let run = |args: &[&str]| bhfuil(&repo).args(args).output().expect("it runs");
    for query in ["CVE-2024-12345", "main", "I0123456789abcdef", "1.0.0..1.0.1", "#12"] {
        let output = run(&[query]);
        assert_eq!((output.status.code(), &events(&output)[0]["command"]), (Some(0), &"where".into()), "{query}");
    }
    assert_eq!(events(&run(&["main", "--signals=same", "--branches"]))[0]["command"], "where");
    for (word, suggestion) in [("scna", "scan"), ("wher", "where"), ("shcema", "schema")] {
        let output = run(&[word]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(129), 0), "{word}");
        assert!(stderr.contains(word) && stderr.contains(suggestion), "{stderr}");
    }
    for args in [
        &["where"][..],
        &["where", "--stdin", "--patch=-"],
        &["where", "--tags=some", "main"],
        &["where", "--min-confidence=2", "main"],
        &["where", "--refs=x", "--branches", "main"],
        &["where", "--nonsense", "main"],
        &["where", "--threads=0", "main"],
    ] {
        let output = run(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(129), 0), "{args:?}");
    }
}

#[test]
fn without_a_repository_or_without_commits_the_stream_is_whole() {
    let repo = Repo::new();
    let output = bhfuil(&repo).current_dir(repo.home()).args(["where", "main"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(128));
    let told = events(&output);
    assert_eq!(
        (&told[1]["code"], &told.last().expect("an end")["status"]),
        (&"no-repository".into(), &"failed".into())
    );
    for (query, code) in [("CVE-2024-1", 1), ("HEAD~1", 128), ("0123456789", 1)] {
        let output = where_is(&repo, &[query]);
        assert_eq!(output.status.code(), Some(code), "{query}");
        events(&output);
    }
}
