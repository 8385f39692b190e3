//! What `git bhfuil where` makes of what can't be answered as it was typed: it says so, names the thing and the way out, and answers
//! the rest.

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Output;

use serde_json::Value;
use support::{Repo, bhfuil, commit_ids, events, of_type};

fn where_is(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).arg("where").args(args).output().expect("it runs")
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn id(repo: &Repo, revision: &str) -> String {
    repo.git(&["rev-parse", &format!("{revision}^{{commit}}")])
}

#[test]
fn one_bad_query_among_others_is_an_error_and_the_others_are_answered() {
    let repo = Repo::fixture("backports");
    for bad in ["nowhere~3", "main..nowhere", "HEAD:a", "", "author:", "main~9999"] {
        for asked in [["main", bad, "1.0.1"], [bad, "main", "1.0.1"], ["main", "1.0.1", bad]] {
            let output = where_is(&repo, &[&["--signals=same"], &asked[..]].concat());
            assert_eq!(output.status.code(), Some(3), "{asked:?}: {}", stderr(&output));
            assert_eq!(stderr(&output), "", "{asked:?}");
            let told = events(&output);
            assert_eq!(commit_ids(&told), [id(&repo, "main"), id(&repo, "1.0.1")], "{asked:?}");
            let errors = of_type(&told, "error");
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!((&errors[0]["query"], &errors[0]["fatal"]), (&bad.into(), &false.into()));
            assert_ne!(text(errors[0], "hint"), "", "{errors:?}");
            let place = |of: &dyn Fn(&Value) -> bool| told.iter().position(of).expect("told");
            let order = asked.map(|query| place(&|event: &Value| event["query"] == query));
            assert!(order.is_sorted(), "in the order of the queries: {order:?}");
            assert_eq!(told.last().expect("an end")["status"], "partial");
        }
    }
    let output = where_is(&repo, &["--format=human", "nowhere~3", "main"]);
    assert!(stderr(&output).contains("error: 'nowhere~3'") && stderr(&output).contains("\nhint: "), "{output:?}");
    // A query that finds nothing is answered.
    assert_eq!(where_is(&repo, &["nowhere~3", "CVE-2000-12345"]).status.code(), Some(3));
}

#[test]
fn where_nothing_could_be_answered_it_is_fatal() {
    let repo = Repo::fixture("backports");
    for (asked, errors) in [(&["nowhere~3"][..], 1), (&["nowhere~3", "main..nowhere", ""], 3)] {
        let output = where_is(&repo, asked);
        assert_eq!(output.status.code(), Some(128), "{asked:?}");
        let told = events(&output);
        let found = of_type(&told, "error");
        let of: Vec<&str> = found.iter().map(|error| text(error, "query")).collect();
        assert_eq!(of, asked);
        let fatal = found.iter().map(|error| error["fatal"] == true).collect::<Vec<_>>();
        assert_eq!(fatal, [&vec![false; errors - 1][..], &[true]].concat());
        assert_eq!(told.last().expect("an end")["status"], "failed");
        assert!(stderr(&output).starts_with("fatal: "), "{}", stderr(&output));
    }
}

/// The one error of a run that ends with `code`: its message and its hint.
#[track_caller]
fn refusal(output: &Output, code: i32) -> (String, String) {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
    let told = events(output);
    let errors = of_type(&told, "error");
    assert_eq!(errors.len(), 1, "{told:?}");
    (text(errors[0], "message").to_owned(), text(errors[0], "hint").to_owned())
}

/// The message and the hint of the one warning with `code`.
#[track_caller]
fn warning(output: &Output, code: &str) -> (String, String) {
    let told = events(output);
    let found: Vec<_> = of_type(&told, "warning").into_iter().filter(|event| event["code"] == code).collect();
    assert_eq!(found.len(), 1, "{told:?}");
    (text(found[0], "message").to_owned(), text(found[0], "hint").to_owned())
}

#[test]
fn an_unborn_head_is_told_and_not_looked_for_as_a_word() {
    let repo = Repo::new();
    for query in ["HEAD", "@", "HEAD~1", "HEAD^{commit}", "@{0}", "HEAD..", "..HEAD"] {
        let (message, hint) = refusal(&where_is(&repo, &[query]), 128);
        assert!(message.contains(&format!("'{query}'")) && message.contains("'main' has no commit yet"), "{message}");
        assert!(hint.contains("git commit"), "{hint}");
    }
    // Beside another branch, which is answered.
    let repo = Repo::fixture("backports");
    repo.git(&["symbolic-ref", "HEAD", "refs/heads/new"]);
    let output = where_is(&repo, &["HEAD", "main"]);
    assert!(refusal(&output, 3).0.contains("'new' has no commit yet"));
    assert_eq!(commit_ids(&events(&output)), [id(&repo, "main")]);
    assert_eq!(where_is(&repo, &["HEADLESS"]).status.code(), Some(1), "a word");
}

#[test]
fn an_empty_range_is_answered_with_nothing_and_says_so() {
    let repo = Repo::fixture("backports");
    for (query, way_out) in [
        ("main..main", "main..main"),
        ("main..main~1", "main~1..main"),
        ("HEAD...HEAD", "other way round"),
        ("^HEAD", "HEAD..<revision>"),
    ] {
        let output = where_is(&repo, &[query]);
        assert_eq!(output.status.code(), Some(1), "{query}");
        let (message, hint) = warning(&output, "nothing-found");
        assert!(message.contains(query) && message.contains("range is empty"), "{message}");
        let told = events(&output);
        assert!(of_type(&told, "error").is_empty() && commit_ids(&told).is_empty());
        // git agrees.
        let listed = repo.git_with(&["rev-list", "--stdin"], query.as_bytes());
        assert!(listed.is_empty(), "{query}");
        assert!(hint.contains(way_out) || query == "main..main" || query.contains("..."), "{query}: {hint}");
        assert_ne!(hint, "");
    }
    assert_eq!(where_is(&repo, &["main..main", "main"]).status.code(), Some(0));
}

#[test]
fn several_revisions_in_one_argument_are_no_words() {
    let repo = Repo::fixture("backports");
    for query in ["HEAD ^1.0.0", "^1.0.0 main", "main 1.0.0..1.0.1", "main ^1.0.0 ^1.0.1"] {
        let (message, hint) = refusal(&where_is(&repo, &[query]), 128);
        assert!(message.contains(query) && message.contains("several revisions"), "{message}");
        assert!(hint.contains("..") && hint.contains("query"), "{hint}");
    }
    let (_, hint) = refusal(&where_is(&repo, &["HEAD ^1.0.0"]), 128);
    assert!(hint.contains("'1.0.0..HEAD'"), "{hint}");
    // What git takes for none of its own are words.
    for query in ["main ^nowhere", "fix..it now", "stable main"] {
        assert_eq!(where_is(&repo, &[query]).status.code(), Some(1), "{query}");
    }
}

#[test]
fn a_glob_that_matches_no_ref_is_named() {
    let repo = Repo::fixture("backports");
    let output = where_is(&repo, &["--refs=refs/heads/stable/*", "--refs=stabel/*", "main"]);
    let (message, hint) = warning(&output, "no-ref");
    assert!(message.contains("'stabel/*'"), "{message}");
    assert!(hint.contains("git for-each-ref"), "{hint}");
    for args in [&["--refs=stable/*"][..], &["--refs=heads/stable/*"], &["--refs=stable"]] {
        let output = where_is(&repo, &[args, &["main"]].concat());
        assert_eq!(
            of_type(&events(&output), "warning").iter().any(|event| event["code"] == "no-ref"),
            repo.git_with(&["rev-parse", &format!("--glob={}", &args[0][7..])], b"").is_empty(),
            "{args:?}"
        );
    }
    // Nothing at all to ask about.
    let output = where_is(&repo, &["--remotes", "main"]);
    assert!(warning(&output, "no-ref").0.contains("refs/remotes/*"));
    // Of several kinds, one that there is none of is no mistake.
    let told = events(&where_is(&repo, &["--branches", "--remotes", "main"]));
    assert!(of_type(&told, "warning").iter().all(|event| event["code"] != "no-ref"));
}

#[test]
fn words_that_are_not_utf8_are_told_so() {
    let repo = Repo::fixture("backports");
    for bytes in [&b"caf\xe9"[..], b"two caf\xe9s", b"author:Andr\xe9"] {
        let output = bhfuil(&repo).arg("where").arg(OsStr::from_bytes(bytes)).output().expect("it runs");
        let (message, hint) = refusal(&output, 128);
        assert!(message.contains("not UTF-8"), "{message}");
        assert!(message.contains(&*String::from_utf8_lossy(bytes)), "{message}");
        assert!(hint.contains("UTF-8"), "{hint}");
    }
}

#[test]
fn a_field_with_nothing_after_it_is_named() {
    let repo = Repo::fixture("backports");
    for (query, field) in [
        ("subject:", "subject:"),
        ("author:", "author:"),
        ("path:", "path:"),
        ("fix author: kim", "author:"),
        ("subject:\"\"", "subject:"),
        ("leak subject:\" \"", "subject:"),
        ("path:/", "path:"),
    ] {
        let (message, hint) = refusal(&where_is(&repo, &[query]), 128);
        assert!(message.contains(&format!("'{field}'")) && message.contains("nothing"), "{query}: {message}");
        assert!(hint.contains(field), "{query}: {hint}");
    }
    // Within a phrase it is a word like any other.
    assert_eq!(where_is(&repo, &["\"fix author: kim\""]).status.code(), Some(1));
}

#[test]
fn there_is_no_issue_zero() {
    let repo = Repo::new();
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "first\n\nFixes #0, see GH-0 and bug 0"]);
    for query in ["#0", "GH-0", "#00", "owner/repo#0"] {
        let told = events(&where_is(&repo, &[query]));
        for event in of_type(&told, "warning") {
            assert!(!text(event, "message").contains("a reference to"), "{query}: {event}");
        }
    }
    // As a word it is found where it stands.
    assert_eq!(where_is(&repo, &["#0"]).status.code(), Some(0));
    assert_eq!(where_is(&repo, &["#00"]).status.code(), Some(1));
}

#[test]
fn a_value_that_an_option_does_not_know_is_a_usage_error_that_lists_what_it_knows() {
    let repo = Repo::fixture("backports");
    let signals = "same, trailer, change-id, patch-id, author-date, pull-request, subject";
    for (option, value, known) in [
        ("--signals", "guess", signals),
        ("--signals", "trailer,,subject", signals),
        ("--signals", "", signals),
        ("--tags", "some", "first, all or none"),
        ("--tags", "", "first, all or none"),
        ("--min-confidence", "2", "from 0 to 1"),
        ("--min-confidence", "-0.1", "from 0 to 1"),
        ("--min-confidence", "NaN", "from 0 to 1"),
        ("--min-confidence", "sure", "from 0 to 1"),
        ("--max-count", "0", "other than 0"),
    ] {
        let output = where_is(&repo, &[&format!("{option}={value}"), "main"]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(129), 0), "{option}={value}");
        let told = stderr(&output);
        assert!(told.starts_with("fatal: ") && told.contains("\nUsage: git bhfuil where "), "{told}");
        assert!(told.contains(option) && told.contains(&format!("'{value}'")) && told.contains(known), "{told}");
    }
}

/// Takes an object away, and returns its id.
fn lose(repo: &Repo, revision: &str) -> String {
    let id = repo.git(&["rev-parse", revision]);
    repo.shell("for pack in .git/objects/pack/*.pack; do mv $pack . && git unpack-objects -q <${pack##*/}; done 2>/dev/null || :");
    std::fs::remove_file(repo.path().join(".git/objects").join(&id[..2]).join(&id[2..])).expect("it was loose");
    id
}

#[test]
fn an_object_that_an_answer_lacks_is_an_error_of_that_query() {
    let repo = Repo::fixture("backports");
    let (pick, other) = (repo.id("plain@stable/1.0").to_owned(), id(&repo, "1.0.0"));
    // Without its tree a commit can't be compared.
    let tree = lose(&repo, &format!("{pick}^{{tree}}"));
    let asked = [other.as_str(), pick.as_str()];
    let output = where_is(&repo, &asked);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let told = events(&output);
    let errors = of_type(&told, "error");
    assert!(!errors.is_empty());
    for error in errors {
        assert_eq!((text(error, "id"), text(error, "query")), (tree.as_str(), pick.as_str()), "{error}");
    }
}

#[test]
fn an_object_that_only_several_commits_together_lack_is_an_error_too() {
    let repo = Repo::fixture("backports");
    let split = repo.id("split").to_owned();
    assert_eq!(where_is(&repo, &[&split]).status.code(), Some(0));
    // What each commit changes is known now. What both halves of the change come to isn't kept.
    let tree = lose(&repo, &format!("{}^{{tree}}", repo.id("split-2")));
    let output = where_is(&repo, &[&split]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let told = events(&output);
    let errors: Vec<_> =
        of_type(&told, "error").into_iter().map(|error| (text(error, "id"), text(error, "query"))).collect();
    assert_eq!(errors, [(tree.as_str(), split.as_str())]);
}

#[test]
fn a_patch_that_cant_be_read_is_an_error_of_its_own_and_the_queries_are_answered() {
    let repo = Repo::fixture("backports");
    let folder = repo.home();
    let (absent, empty) = (folder.join("no-such-file"), folder.join("empty"));
    std::fs::write(&empty, "").expect("writes");
    for (file, code) in [(&absent, "io"), (&folder, "io"), (&empty, "bad-value")] {
        let (file, option) = (file.display().to_string(), format!("--patch={}", file.display()));
        let output = where_is(&repo, &["--signals=same", &option, "main", "1.0.1"]);
        assert_eq!(output.status.code(), Some(3), "{file}: {}", stderr(&output));
        let told = events(&output);
        assert_eq!(commit_ids(&told), [id(&repo, "main"), id(&repo, "1.0.1")], "{file}");
        let errors = of_type(&told, "error");
        assert_eq!(errors.len(), 1, "{errors:?}");
        let told = (text(errors[0], "query"), text(errors[0], "code"), &errors[0]["fatal"]);
        assert_eq!(told, (file.as_str(), code, &false.into()));
        // Beside queries that are as bad nothing is left to answer, nor where it is all that was asked.
        for asked in [&[option.as_str()][..], &[&option, "nowhere~3"]] {
            let output = where_is(&repo, asked);
            assert_eq!(output.status.code(), Some(128), "{asked:?}");
            let told = events(&output);
            let errors = of_type(&told, "error");
            assert_eq!(
                (errors.len(), text(errors[asked.len() - 1], "query")),
                (asked.len(), file.as_str()),
                "{errors:?}"
            );
            assert!(stderr(&output).starts_with("fatal: "), "{}", stderr(&output));
        }
    }
    // While queries come in there is something to answer.
    let option = format!("--patch={}", absent.display());
    let output = bhfuil(&repo).args(["where", "--stdin", &option]).write_stdin("main\n").output().expect("it runs");
    assert_eq!((output.status.code(), commit_ids(&events(&output))), (Some(3), vec![id(&repo, "main")]));
}

#[test]
fn a_warning_that_one_query_causes_names_it() {
    let repo = Repo::fixture("backports");
    let ambiguous = ambiguous(&repo);
    let foreign = repo.id("foreign").to_owned();
    let asked = ["CVE-2000-12345", "main..main", &ambiguous, &foreign, "author:thor"];
    let told =
        events(&where_is(&repo, &[&["-n1", "--refs=nowhere", "--refs=heads", "--refs=tags"], &asked[..]].concat()));
    let warnings = of_type(&told, "warning");
    let told: Vec<(&str, Option<&str>)> =
        warnings.iter().map(|warning| (text(warning, "code"), warning["query"].as_str())).collect();
    assert_eq!(
        told,
        [
            ("no-ref", None),
            ("nothing-found", Some("CVE-2000-12345")),
            ("nothing-found", Some("main..main")),
            ("ambiguous-query", Some(&ambiguous)),
            ("origin-elsewhere", Some(&foreign)),
            ("more-found", Some("author:thor")),
        ]
    );
}

/// Digits with which more than one commit begins.
fn ambiguous(repo: &Repo) -> String {
    let parent = id(repo, "main");
    let tree = repo.git(&["rev-parse", "main^{tree}"]);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0.. {
        let made = repo.git(&["commit-tree", "-p", &parent, "-m", &format!("number {number}"), &tree]);
        let digits = made[..4].to_owned();
        if !seen.insert(digits.clone()) {
            return digits;
        }
    }
    unreachable!("ids of four digits are soon found twice")
}

#[test]
fn a_search_that_takes_too_long_says_which_setting_limits_it() {
    let repo = Repo::synthetic(3000);
    let output =
        bhfuil(&repo).args(["where", "HEAD"]).env("GIT_BHFUIL_TIMEOUT_WHERE", "1ms").output().expect("it runs");
    let told = events(&output);
    let error = of_type(&told, "error")[0];
    assert_eq!((output.status.code(), error["code"].as_str()), (Some(128), Some("timeout")), "{error}");
    assert!(error["hint"].as_str().expect("a hint").contains("bhfuil.timeout.where"), "{error}");
}
