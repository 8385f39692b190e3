//! `status`, and what it stands on: every run is seen, whatever becomes of it, by any number of processes at once; what is wrong is told
//! with what to do about it; and nothing of that changes an answer. With it the debug log.

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Repo, bhfuil, bhfuil_command, events, of_type};

fn run(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).args(args).output().expect("git-bhfuil runs")
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A repository with a cache.
fn scanned() -> Repo {
    let repo = Repo::fixture("backports");
    bhfuil(&repo).args(["scan", "--no-commits"]).assert().success();
    repo
}

/// As [`scanned`], of one commit.
fn small() -> Repo {
    let repo = Repo::new();
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
    bhfuil(&repo).args(["scan", "--no-commits"]).assert().success();
    repo
}

fn status(repo: &Repo) -> Vec<Value> {
    let output = run(repo, &["status"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    events(&output)
}

/// Calls, and how many of them failed, did a part, were stopped.
fn calls(events: &[Value], operation: &str) -> [u64; 4] {
    let found = of_type(events, "operation").into_iter().find(|it| it["operation"] == operation);
    ["calls", "failed", "partial_calls", "cancelled"]
        .map(|key| found.map_or(0, |it| it[key].as_u64().expect("a number")))
}

fn folder(repo: &Repo) -> PathBuf {
    repo.home().join("bhfuil")
}

/// The database of the repository.
fn database(repo: &Repo) -> PathBuf {
    let files = std::fs::read_dir(folder(repo)).expect("a folder").map(|file| file.expect("a file").path());
    let is_cache = |path: &PathBuf| path.extension().is_some_and(|end| end == "db") && !path.ends_with("state.db");
    files.into_iter().find(is_cache).expect("a cache")
}

fn age(path: &Path, modified: SystemTime) {
    let file = std::fs::File::options().append(true).open(path).expect("opens");
    file.set_modified(modified).expect("sets");
}

#[test]
fn all_is_well_after_a_first_look_and_each_operation_is_told() {
    let repo = Repo::fixture("backports");
    assert_eq!(of_type(&status(&repo), "operation"), [] as [&Value; 0]);
    assert!(!folder(&repo).exists(), "looking makes nothing");
    bhfuil(&repo).args(["repo", "add", "."]).assert().success();
    bhfuil(&repo).arg("scan").assert().success();
    bhfuil(&repo).args(["where", repo.id("plain")]).assert().success();
    bhfuil(&repo).args(["where", "CVE-1999-0001"]).assert().code(1);
    let events = status(&repo);
    let names = |kind: &str, key: &'static str| -> Vec<String> {
        of_type(&events, kind).iter().map(|it| text(it, key).to_owned()).collect()
    };
    assert_eq!((names("repo", "repo"), names("cache", "repo")), (vec!["repo".to_owned()], vec!["repo".to_owned()]));
    assert!(!text(of_type(&events, "cache")[0], "indexed_at").is_empty());
    // A negative answer is one.
    assert_eq!(
        [calls(&events, "scan"), calls(&events, "where"), calls(&events, "index")],
        [[1, 0, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0]]
    );
    for operation in of_type(&events, "operation") {
        assert_eq!(operation["success"], 1.0, "{operation}");
        let times = ["p50_ms", "p95_ms", "longest_ms"].map(|key| operation[key].as_u64().expect("a time"));
        assert!(times.is_sorted(), "{operation}");
    }
    assert!(of_type(&events, "operation").iter().any(|it| it["peak_bytes"].as_u64() > Some(1 << 20)));
    let health = of_type(&events, "health");
    assert!(health.len() >= 12 && health.iter().all(|it| it["ok"] == true && it.get("remedy").is_none()), "{health:?}");
    let end = events.last().expect("an end");
    assert_eq!(end["counts"]["health"], health.len());

    let human = run(&repo, &["status", "--format=human"]);
    let human = told(&human);
    for part in ["Repositories\n  repo ", "\nCaches\n", "\nOperations\n", "\nHealth\n  ✓  git-version "] {
        assert!(human.contains(part), "{part} is not in\n{human}");
    }
    assert!(!human.contains("\nErrors\n") && !human.contains('✗'), "{human}");
}

#[test]
fn a_run_that_fails_or_is_stopped_is_seen_as_such_and_its_errors_are_counted() {
    let repo = scanned();
    for _ in 0..2 {
        bhfuil(&repo).args(["scan", "no-such-branch"]).assert().code(128);
    }
    bhfuil(&repo).args(["where", repo.id("plain"), "nowhere~3"]).assert().code(3);
    // One that waits for queries that never come.
    let mut command = bhfuil_command(&repo, &["where", "--stdin"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut stdout = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut stdout, &mut String::new()).expect("it has begun");
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    std::io::copy(&mut stdout, &mut std::io::sink()).expect("it ends");
    assert_eq!(child.wait().expect("ends").code(), Some(130));

    let events = status(&repo);
    assert_eq!(calls(&events, "scan"), [3, 2, 0, 0]);
    assert_eq!(calls(&events, "where"), [2, 0, 1, 1]);
    let scan = of_type(&events, "operation").into_iter().find(|it| it["operation"] == "scan").expect("scan");
    assert!((scan["success"].as_f64().expect("a share") - 1.0 / 3.0).abs() < 1e-9);
    let errors = of_type(&events, "error");
    let bad = errors.iter().find(|it| text(it, "message").contains("no-such-branch")).expect("it was told");
    assert_eq!((text(bad, "code"), text(bad, "class"), &bad["count"]), ("bad-revision", "user", &2.into()));
    assert!(!text(bad, "hint").is_empty() && text(bad, "first_at") <= text(bad, "last_at"));
    assert!(text(bad, "first_at").starts_with("20"));
    assert_eq!(events.last().expect("an end")["status"], "ok", "these errors are of other runs");
    let human = told(&run(&repo, &["status", "--format=human"]));
    assert!(human.contains("2×  bad-revision"), "{human}");
}

#[test]
fn what_git_transfers_is_seen_with_the_repository_that_fails() {
    let repo = small();
    let url = format!("file://{}", repo.path().display());
    bhfuil(&repo).args(["repo", "add", &url, "--name=mirror"]).assert().success();
    bhfuil(&repo).args(["repo", "sync", "mirror"]).assert().success();
    std::fs::rename(repo.path(), repo.path().with_file_name("moved")).expect("renames");
    let gone = bhfuil(&repo).current_dir(repo.home()).args(["repo", "sync", "mirror"]).output().expect("runs");
    assert_eq!(gone.status.code(), Some(3), "{}", told(&gone));
    let output = bhfuil(&repo).current_dir(repo.home()).arg("status").output().expect("runs");
    let events = events(&output);
    assert_eq!([calls(&events, "clone"), calls(&events, "fetch")], [[1, 0, 0, 0], [2, 1, 0, 0]]);
    assert_eq!(calls(&events, "repo sync"), [2, 0, 1, 0]);
    let error = of_type(&events, "error")[0];
    assert_eq!((text(error, "repo"), &error["count"]), ("mirror", &1.into()), "{error}");
}

#[test]
fn any_number_of_processes_are_each_counted_once_while_others_look() {
    const AT_ONCE: u64 = 4;
    const EACH: u64 = 15;
    let repo = small();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| (0..EACH).for_each(|_| drop(run(&repo, &["config", "get", "bhfuil.jobs"]))));
        }
        for _ in 0..2 {
            scope.spawn(|| (0..EACH).for_each(|_| drop(status(&repo))));
        }
    });
    let events = status(&repo);
    assert_eq!([calls(&events, "config get")[0], calls(&events, "status")[0]], [AT_ONCE * EACH, 2 * EACH]);
    let left = std::fs::read_dir(folder(&repo)).expect("a folder").map(|file| file.expect("a file").file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("operations-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_is_seen_changes_no_answer_and_where_it_can_not_be_kept_that_is_no_error() {
    let repo = scanned();
    let ask = || {
        let output = run(&repo, &["where", repo.id("plain")]);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{}", told(&output));
        let mut events = events(&output);
        events.last_mut().and_then(Value::as_object_mut).expect("an end").remove("elapsed_ms");
        // What the first one has to learn the others know.
        events.retain(|event| event["type"] != "repo-end");
        events
    };
    let first = ask();
    let journal = folder(&repo).join("operations.jsonl");
    assert!(journal.exists());
    assert_eq!(ask(), first);
    std::fs::write(&journal, vec![b'{'; 200 << 10]).expect("rubbish that is due to be taken in");
    assert_eq!(ask(), first);
    std::fs::remove_file(&journal).ok();
    std::fs::create_dir(&journal).expect("nothing can be appended to it");
    assert_eq!(ask(), first);
    assert_eq!(ask(), first);
}

/// What is wrong, and how `status` tells it.
struct Ill {
    check: &'static str,
    remedy: &'static str,
    /// Brings it about; variables that it needs set.
    bring_about: fn(&Repo) -> Vec<(&'static str, PathBuf)>,
}

const ILLS: [Ill; 12] = [
    Ill {
        check: "locks",
        remedy: "rm ",
        bring_about: |repo| {
            write(&repo.home().join("config/git-bhfuil/config.lock"), "git-bhfuil holds this lock, process 1\n");
            vec![]
        },
    },
    Ill {
        check: "locks",
        remedy: "if no git is changing the file: rm ",
        bring_about: |repo| {
            let lock = repo.home().join("config/git-bhfuil/config.lock");
            write(&lock, "");
            age(&lock, SystemTime::now() - Duration::from_hours(1));
            vec![]
        },
    },
    Ill {
        check: "locks",
        remedy: "git bhfuil repo sync one",
        bring_about: |repo| {
            bhfuil(repo).args(["config", "set", "bhfuil.repo.one.url", "file:///nowhere"]).assert().success();
            write(&repo.home().join("data/git-bhfuil/repos/one.git.lock"), "owner 5 since 1700000000\n");
            vec![]
        },
    },
    Ill {
        check: "schema",
        remedy: "update git-bhfuil",
        bring_about: |repo| {
            let newer = rusqlite::Connection::open(database(repo)).expect("opens");
            newer.pragma_update(None, "user_version", 99).expect("sets");
            vec![]
        },
    },
    Ill {
        check: "schema",
        remedy: "update git-bhfuil",
        bring_about: |repo| {
            let newer = rusqlite::Connection::open(folder(repo).join("state.db")).expect("opens");
            newer.pragma_update(None, "user_version", 99).expect("sets");
            vec![]
        },
    },
    Ill {
        check: "cache-integrity",
        remedy: "git bhfuil cache clear",
        bring_about: |repo| {
            let path = database(repo);
            let mut bytes = std::fs::read(&path).expect("reads");
            bytes[1 << 14..].fill(0x5a);
            std::fs::write(&path, bytes).expect("writes");
            vec![]
        },
    },
    Ill {
        check: "cache-integrity",
        remedy: "sets it aside",
        bring_about: |repo| {
            std::fs::write(folder(repo).join("state.db"), vec![b'x'; 9000]).expect("writes");
            vec![]
        },
    },
    Ill {
        check: "cache-folder",
        remedy: "GIT_BHFUIL_CACHE",
        bring_about: |repo| {
            let file = repo.home().join("file");
            write(&file, "");
            vec![("GIT_BHFUIL_CACHE", file)]
        },
    },
    Ill {
        check: "git-version",
        remedy: "install git 2.29 or later",
        bring_about: |repo| {
            let bin = repo.home().join("bin");
            let git = bin.join("git");
            write(&git, "#!/bin/sh\necho git version 2.20.1\n");
            std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).expect("sets");
            vec![("PATH", bin)]
        },
    },
    Ill {
        check: "git-version",
        remedy: "install git 2.29 or later",
        bring_about: |repo| vec![("PATH", repo.home().join("nothing-here"))],
    },
    Ill {
        check: "clock",
        remedy: "set the clock",
        bring_about: |repo| {
            age(&database(repo), SystemTime::now() + Duration::from_hours(240));
            vec![]
        },
    },
    Ill {
        check: "repositories",
        remedy: "git bhfuil repo remove",
        bring_about: |repo| {
            let path = repo.home().join("sister");
            repo.git(&["clone", "--quiet", ".", path.to_str().expect("UTF-8")]);
            bhfuil(repo).args(["repo", "add"]).arg(&path).assert().success();
            std::fs::remove_dir_all(&path).expect("removes");
            vec![]
        },
    },
];

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

#[test]
fn what_is_wrong_is_told_with_its_remedy_and_exit_code_1() {
    for (number, Ill { check, remedy, bring_about }) in ILLS.iter().enumerate() {
        let repo = small();
        let healthy = status(&repo);
        assert!(
            of_type(&healthy, "health").iter().any(|it| text(it, "check") == *check),
            "{check} is told when it is well"
        );
        let variables = bring_about(&repo);
        let output = bhfuil(&repo).arg("status").envs(variables.clone()).output().expect("runs");
        assert_eq!(output.status.code(), Some(1), "{number} {check}: {}", told(&output));
        let events = events(&output);
        let ill: Vec<_> = of_type(&events, "health").into_iter().filter(|it| it["ok"] == false).collect();
        let found =
            ill.iter().find(|it| text(it, "check") == *check).unwrap_or_else(|| panic!("{number} {check}: {ill:?}"));
        assert!(text(found, "remedy").contains(remedy), "{number} {check}: {found}");
        assert!(ill.iter().all(|it| !text(it, "message").is_empty() && !text(it, "remedy").is_empty()), "{ill:?}");
        // What is no consequence of it is well.
        let others = ill.iter().filter(|it| !["caches", "history", *check].contains(&text(it, "check")));
        assert_eq!(others.count(), 0, "{number} {check}: {ill:?}");
        let end = events.last().expect("an end");
        assert_eq!((&end["status"], &end["complete"]), (&"ok".into(), &true.into()), "it was answered");
    }
}

#[test]
fn people_see_a_cross_and_what_to_do() {
    let repo = small();
    write(&repo.home().join("config/git-bhfuil/config.lock"), "git-bhfuil holds this lock, process 1\n");
    let output = run(&repo, &["status", "--format=human"]);
    let human = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0));
    assert!(human.contains("✗  locks") && human.contains("→  the next change of a setting takes it over"), "{human}");
    // Whoever wants it next does take it over, as was said.
    bhfuil(&repo).args(["config", "set", "bhfuil.jobs", "2"]).assert().success();
    status(&repo);
}

/// A log in a file, and the run that wrote it.
fn logged(repo: &Repo, args: &[&str]) -> (Output, String) {
    let path = repo.home().join("debug.log");
    let output = bhfuil(repo).args(args).env("GIT_BHFUIL_LOG", &path).output().expect("runs");
    let log = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::remove_file(path).ok();
    (output, log)
}

#[test]
fn the_log_tells_what_was_done_and_no_password() {
    let repo = scanned();
    let (output, log) = logged(&repo, &["scan", "--since=2 weeks ago"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", told(&output));
    for part in [" git: git ", "--since=2 weeks ago", " cache: opened ", " index: ", " operation: scan ended after "] {
        assert!(log.contains(part), "{part} is not in\n{log}");
    }
    for line in log.lines() {
        let mut words = line.splitn(4, ' ');
        let is_time = words.next().is_some_and(|since| since.parse::<f64>().is_ok());
        assert!(is_time && words.next().is_some_and(|who| who.contains('/')), "{line}");
        assert!(words.next().is_some_and(|area| area.ends_with(':')) && words.next().is_some(), "{line}");
    }
    bhfuil(&repo).args(["config", "set", "bhfuil.retry.clone.attempts", "1"]).assert().success();
    let (refused, log) = logged(&repo, &["repo", "add", "http://secret@127.0.0.1:1/x.git"]);
    assert_eq!(refused.status.code(), Some(128), "{}", told(&refused));
    assert!(log.contains("http://…@127.0.0.1:1/x.git") && !log.contains("secret"), "{log}");
}

/// What is said where a log can't be written.
const FULL: &str = "warning: GIT_BHFUIL_LOG: /dev/full: No space left on device (os error 28); nothing more is noted\n";

#[test]
fn the_log_changes_no_answer_and_a_value_that_means_nothing_is_told() {
    let repo = scanned();
    let plain = run(&repo, &["scan", "-n", "3", "--show-refs"]);
    let without_time = |output: &Output| -> Vec<Value> {
        let mut events = events(output);
        events.last_mut().and_then(Value::as_object_mut).expect("an end").remove("elapsed_ms");
        events
    };
    for (value, lines, said) in [
        ("debug", true, " operation: scan "),
        ("0", false, ""),
        ("loud", true, "'loud' is neither"),
        ("/dev/full", true, FULL),
    ] {
        let output = bhfuil(&repo).args(["scan", "-n", "3", "--show-refs"]).env("GIT_BHFUIL_LOG", value).output();
        let output = output.expect("runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((without_time(&output), output.status.code()), (without_time(&plain), Some(0)), "{value}");
        assert!(stderr.is_empty() != lines && stderr.contains(said), "{value}: {stderr}");
        assert!(value != "/dev/full" || stderr.lines().count() == 1, "once: {stderr}");
    }
}
