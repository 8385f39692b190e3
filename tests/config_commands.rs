//! `git bhfuil config`: what counts and where it comes from, with git as the oracle for its own files; changing our own file.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use git_bhfuil::config::{Config, OwnFile, Sources};
use git_bhfuil::files::Lock;
use git_bhfuil::repos::mirror;
use git_bhfuil::retry::{Operation, Strategy};
use serde_json::Value;

mod support;
use support::{Repo, bhfuil, bhfuil_running, events, of_type};

fn own_file(repo: &Repo) -> PathBuf {
    repo.home().join("config/git-bhfuil/config")
}

fn write_own(repo: &Repo, text: &str) {
    std::fs::create_dir_all(own_file(repo).parent().expect("a folder")).expect("made");
    std::fs::write(own_file(repo), text).expect("written");
}

fn run(repo: &Repo, args: &[&str], variables: &[(&str, &str)]) -> Output {
    bhfuil(repo).args(args).envs(variables.iter().copied()).output().expect("git-bhfuil runs")
}

/// The settings that a run tells: key, value, origin and scope.
fn settings(output: &Output) -> Vec<[String; 4]> {
    let told = events(output);
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
    let fields = ["key", "value", "origin", "scope"];
    of_type(&told, "setting").iter().map(|event| fields.map(|field| text(event, field))).collect()
}

/// The one value that `config get` tells, with its origin and scope.
fn got(repo: &Repo, args: &[&str], variables: &[(&str, &str)]) -> [String; 3] {
    let output = run(repo, &[&["config", "get"], args].concat(), variables);
    let mut told = settings(&output);
    assert!(output.status.success() && told.len() == 1, "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let [_, value, origin, scope] = told.remove(0);
    [value, origin, scope]
}

fn failure(output: &Output) -> (Option<i32>, String) {
    let told = events(output);
    let messages: Vec<&str> =
        of_type(&told, "error").iter().map(|event| event["message"].as_str().expect("text")).collect();
    (output.status.code(), messages.join("\n"))
}

#[test]
fn each_level_wins_over_those_before_it_and_is_named() {
    let repo = Repo::new();
    let (home, dir) = (repo.home(), repo.path().to_owned());
    let git_dir = dir.join(".git");
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
    repo.git(&["config", "extensions.worktreeConfig", "true"]);
    let set = |file: &PathBuf, value: &str| {
        repo.git(&["config", "--file", file.to_str().expect("UTF-8"), "bhfuil.threads", value]);
    };
    let system = home.join("system");
    let variables = [("GIT_CONFIG_NOSYSTEM", "0"), ("GIT_CONFIG_SYSTEM", system.to_str().expect("UTF-8"))];
    // A level after the other comes in. None of the values is a good one, so that a scan, which reads them without git's help, names
    // the one that counts.
    let global = home.join(".gitconfig");
    std::fs::create_dir_all(home.join("config/git")).expect("made");
    write_own(&repo, "# ours\n[bhfuil]\n\tthreads = own\n");
    assert_both(&repo, &variables, "own", &format!("{}:3", own_file(&repo).display()), "own");
    set(&system, "system");
    assert_both(&repo, &variables, "system", &format!("{}:2", system.display()), "system");
    set(&home.join("config/git/config"), "xdg");
    assert_both(&repo, &variables, "xdg", &format!("{}/config/git/config:2", home.display()), "global");
    set(&global, "home");
    assert_both(&repo, &variables, "home", &format!("{}:2", global.display()), "global");
    repo.git(&["config", "--file", global.to_str().expect("UTF-8"), "include.path", "included"]);
    set(&home.join("included"), "included");
    assert_both(&repo, &variables, "included", &format!("{}/included:2", home.display()), "global");
    let condition = format!("includeIf.gitdir:{}/.path", dir.display());
    repo.git(&["config", "--file", global.to_str().expect("UTF-8"), &condition, "conditional"]);
    set(&home.join("conditional"), "conditional");
    assert_both(&repo, &variables, "conditional", &format!("{}/conditional:2", home.display()), "global");
    repo.git(&["config", "--file", global.to_str().expect("UTF-8"), "includeIf.gitdir:/nowhere/.path", "never"]);
    set(&home.join("never"), "never");
    assert_both(&repo, &variables, "conditional", &format!("{}/conditional:2", home.display()), "global");
    repo.git(&["config", "bhfuil.threads", "local"]);
    let line = lines(&git_dir.join("config"));
    assert_both(&repo, &variables, "local", &format!("{}/config:{line}", git_dir.display()), "local");
    repo.git(&["config", "includeIf.onbranch:main.path", "branch"]);
    set(&git_dir.join("branch"), "branch");
    assert_both(&repo, &variables, "branch", &format!("{}/branch:2", git_dir.display()), "local");
    repo.git(&["config", "--worktree", "bhfuil.threads", "worktree"]);
    assert_both(&repo, &variables, "worktree", &format!("{}/config.worktree:2", git_dir.display()), "worktree");
    let counted = [
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "bhfuil.threads"),
        ("GIT_CONFIG_VALUE_0", "first"),
        ("GIT_CONFIG_KEY_1", "BHFUIL.THREADS"),
        ("GIT_CONFIG_VALUE_1", "second"),
    ];
    let variables = [&variables[..], &counted].concat();
    assert_both(&repo, &variables, "second", "command line", "command");
    let given = ("GIT_CONFIG_PARAMETERS", "'bhfuil.threads'='it'\\''s'");
    let variables = [&variables[..], &[given]].concat();
    assert_both(&repo, &variables, "it's", "command line", "command");
    let ours = ("GIT_BHFUIL_THREADS", "environment");
    let variables = [&variables[..], &[ours]].concat();
    assert_both(&repo, &variables, "environment", "GIT_BHFUIL_THREADS", "environment");
    // An option comes last.
    let scan = bhfuil(&repo).args(["scan", "--threads=2"]).envs(variables.iter().copied()).output().expect("runs");
    assert!(failure(&scan).1.contains("'environment'"), "a bad value is told, whatever else is typed");
}

/// Holds `config get`, which asks git, and `scan`, which doesn't, to one value of `bhfuil.threads`; and git itself, where it has one.
fn assert_both(repo: &Repo, variables: &[(&str, &str)], value: &str, origin: &str, scope: &str) {
    assert_eq!(got(repo, &["threads"], variables), [value, origin, scope]);
    let scanned = run(repo, &["scan"], variables);
    let place = match scope {
        "command" | "environment" => String::new(),
        _ => format!(" in {origin}"),
    };
    let key = if scope == "environment" { "GIT_BHFUIL_THREADS" } else { "bhfuil.threads" };
    assert_eq!(failure(&scanned), (Some(128), format!("bad value '{value}' for {key}{place}")));
    if !["own", "environment"].contains(&scope) {
        let mut git = repo.git_command();
        git.arg("-C").arg(repo.path()).args(["config", "get", "--show-scope", "bhfuil.threads"]);
        // What this git is told by the tests comes on top.
        let own = variables.iter().any(|(name, _)| *name == "GIT_CONFIG_PARAMETERS");
        let output = git.envs(variables.iter().copied()).output().expect("git runs");
        if !own {
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{scope}\t{value}\n"));
        }
    }
}

fn lines(file: &PathBuf) -> usize {
    std::fs::read_to_string(file).expect("there").lines().count()
}

#[test]
fn git_outside_of_a_repository_counts_too() {
    let repo = Repo::new();
    std::fs::write(repo.home().join(".gitconfig"), "[bhfuil]\n\tjobs = 7\n").expect("written");
    let mut command = bhfuil(&repo);
    let output = command.current_dir(repo.home()).args(["config", "get", "jobs"]).output().expect("runs");
    assert_eq!(settings(&output)[0][1..], ["7", &format!("{}/.gitconfig:2", repo.home().display()), "global"]);
    let mut colour = bhfuil(&repo);
    colour.current_dir(repo.home()).args(["where", "x", "--format=human"]).env("GIT_CONFIG_COUNT", "1");
    colour.envs([("GIT_CONFIG_KEY_0", "color.ui"), ("GIT_CONFIG_VALUE_0", "red")]);
    let said = String::from_utf8(colour.output().expect("runs").stderr).expect("UTF-8");
    assert!(said.starts_with("fatal: bad value 'red' for color.ui"), "{said}");
}

#[test]
fn what_is_set_for_one_repository_wins_at_its_level_and_no_further() {
    let repo = Repo::new();
    write_own(&repo, "[bhfuil]\n\tjobs = 1\n\tthreads = 1\n[bhfuil \"repo.repo\"]\n\tjobs = 2\n\tthreads = 2\n");
    let value = |args: &[&str]| got(&repo, args, &[])[0].clone();
    assert_eq!((value(&["jobs"]), value(&["jobs", "--repo=repo"])), ("2".into(), "2".into()), "it is the one here");
    repo.git(&["config", "--global", "bhfuil.jobs", "3"]);
    assert_eq!(value(&["jobs"]), "3", "git's own files come later");
    repo.git(&["config", "--global", "bhfuil.repo.repo.jobs", "4"]);
    assert_eq!(value(&["jobs"]), "4");
    assert_eq!(got(&repo, &["jobs"], &[("GIT_BHFUIL_JOBS", "5")])[0], "5");
    // Elsewhere it says nothing.
    let mut outside = bhfuil(&repo);
    let outside = outside.current_dir(repo.home()).args(["config", "get", "threads"]).output().expect("runs");
    assert_eq!(settings(&outside)[0][1], "1");
    // The way that commands go knows the same.
    repo.git(&["config", "--global", "bhfuil.repo.repo.threads", "many"]);
    assert!(failure(&run(&repo, &["scan"], &[])).1.starts_with("bad value 'many' for bhfuil.repo.repo.threads in "));
    repo.git(&["config", "--global", "bhfuil.threads", "2"]);
    assert_eq!(failure(&run(&repo, &["scan"], &[])).0, Some(128), "a general one of the same level doesn't help");
    repo.git(&["config", "bhfuil.threads", "2"]);
    assert_eq!(run(&repo, &["scan"], &[]).status.code(), Some(0), "one of a later level does");
}

#[test]
fn of_a_list_all_levels_count_and_an_empty_value_takes_back() {
    let repo = Repo::new();
    write_own(&repo, "[bhfuil]\n\tstable = a\n\tstable = b\n[bhfuil \"repo.repo\"]\n\tstable = c\n");
    let values = |variables: &[(&str, &str)]| -> Vec<String> {
        let told = settings(&run(&repo, &["config", "get", "stable"], variables));
        told.into_iter().map(|[_, value, ..]| value).collect()
    };
    assert_eq!(values(&[]), ["c"], "in the place of those for all");
    repo.git(&["config", "bhfuil.stable", "d"]);
    assert_eq!(values(&[]), ["c", "d"]);
    assert_eq!(values(&[("GIT_BHFUIL_STABLE", "e\nf")]), ["c", "d", "e", "f"]);
    assert_eq!(values(&[("GIT_BHFUIL_STABLE", "\ng")]), ["g"]);
    repo.git(&["config", "--add", "bhfuil.stable", ""]);
    repo.git(&["config", "--add", "bhfuil.stable", "h"]);
    assert_eq!(values(&[]), ["h"]);
}

#[test]
fn the_list_has_all_that_holds_with_its_origin() {
    let repo = Repo::new();
    write_own(
        &repo,
        "[bhfuil]\n\tjobs = 5\n[bhfuil \"repo.other\"]\n\tpath = /srv/other\n[bhfuil \"tracker.a.b\"]\n\turl = https://a.b/\n",
    );
    repo.git(&["config", "color.ui", "never"]);
    let own = own_file(&repo).display().to_string();
    let listed = settings(&run(&repo, &["config", "list"], &[("GIT_BHFUIL_CACHE_SIZE", "5g")]));
    let line = lines(&repo.path().join(".git/config"));
    for expected in [
        ["bhfuil.jobs", "5", &format!("{own}:2"), "own"],
        ["bhfuil.repo.other.path", "/srv/other", &format!("{own}:4"), "own"],
        ["bhfuil.tracker.a.b.url", "https://a.b/", &format!("{own}:6"), "own"],
        ["bhfuil.cacheSize", "5g", "GIT_BHFUIL_CACHE_SIZE", "environment"],
        ["bhfuil.color", "never", &format!("{}/.git/config:{line}", repo.path().display()), "local"],
        ["bhfuil.taskExpiry", "7d", "default", "default"],
    ] {
        assert!(listed.iter().any(|found| *found == expected.map(str::to_owned)), "{expected:?} is not in {listed:#?}");
    }
    let shown = run(&repo, &["config", "list", "--format=human"], &[]);
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    assert!(shown.contains(&format!("bhfuil.jobs                     5             {own}:2\n")), "{shown}");
    assert!(!shown.contains('\x1b'));
}

#[test]
fn defaults_are_those_of_the_code_that_they_are_for() {
    let view = git_bhfuil::config::View::default();
    for operation in Operation::ALL {
        let key = |last: &str| format!("retry.{}.{last}", operation.name());
        let time = |last: &str| view.time(&key(last), None).expect("a time").expect("a default");
        let attempts = u32::try_from(view.number(&key("attempts"), None).expect("a number")).expect("few");
        let ours = Strategy { attempts, first_wait: time("firstWait"), longest_wait: time("longestWait") };
        assert_eq!(ours, operation.into(), "{}", operation.name());
    }
    let timeout = |name: &str| view.time(name, None).expect("a time");
    assert_eq!(timeout("timeout.clone"), mirror::Options::for_clone().timeout);
    assert_eq!(timeout("timeout.fetch"), mirror::Options::for_fetch().timeout);
    assert_eq!(timeout("timeout.scan"), None);
}

#[test]
fn a_setting_is_told_or_it_is_said_that_there_is_none() {
    let repo = Repo::new();
    assert_eq!(got(&repo, &["bhfuil.http.TIMEOUT"], &[]), ["60s", "default", "default"]);
    let none = run(&repo, &["config", "get", "timeout.scan"], &[]);
    assert_eq!((none.status.code(), settings(&none).len()), (Some(1), 0));
    for (args, said) in [
        (&["get", "timeout.scn"][..], "'timeout.scn' is not a setting; did you mean 'bhfuil.timeout.scan'?"),
        (&["set", "bhfuil.thread", "1"], "'bhfuil.thread' is not a setting; did you mean 'bhfuil.threads'?"),
        (&["unset", "bhfuil.core.bare"], "'bhfuil.core.bare' is not a setting"),
        (&["get", "--repo=rep", "jobs"], "no repository is registered as 'rep'"),
        (&["set", "--repo=rep", "jobs", "1"], "no repository is registered as 'rep'"),
    ] {
        assert_eq!(failure(&run(&repo, &[&["config"], args].concat(), &[])), (Some(128), said.to_owned()), "{args:?}");
    }
    assert!(!own_file(&repo).exists(), "nothing is written for what is refused");
}

#[test]
fn setting_a_value_leaves_the_rest_of_the_file_alone() {
    let repo = Repo::new();
    let text = "# mine\r\n[BHFUIL] ; here\r\n  Jobs = 1   # few\r\n\r\n# the end\r\n";
    write_own(&repo, text);
    let own = own_file(&repo).display().to_string();
    let set = |args: &[&str]| run(&repo, &[&["config", "set"], args].concat(), &[]);
    let told = set(&["jobs", "4"]);
    assert_eq!(settings(&told), [["bhfuil.jobs", "4", &format!("{own}:3"), "own"].map(str::to_owned)]);
    let now = || std::fs::read_to_string(own_file(&repo)).expect("there");
    assert_eq!(now(), text.replace("= 1 ", "= 4 "));
    set(&["stable", "a #;\\\""]);
    set(&["stable", "--add", "b"]);
    set(&["bhfuil.repo.some repo.timeout.scan", "5m"]);
    let expected = "# mine\r\n[BHFUIL] ; here\r\n  Jobs = 4   # few\r\n\tstable = \"a #;\\\\\\\"\"\r\n\tstable = b\r\n\r\n# the end\r\n\r\n\
                    [bhfuil \"repo.some repo.timeout\"]\r\n\tscan = 5m\r\n";
    assert_eq!(now(), expected);
    let by_git = |key: &str| repo.git(&["config", "--file", &own, "--get-all", key]);
    assert_eq!(
        (by_git("bhfuil.stable"), by_git("bhfuil.repo.some repo.timeout.scan")),
        ("a #;\\\"\nb".into(), "5m".into())
    );
    set(&["stable", "c"]);
    assert_eq!(by_git("bhfuil.stable"), "c", "without --add it is the only one");
    for key in ["bhfuil.repo.some repo.timeout.scan", "stable"] {
        assert_eq!(run(&repo, &["config", "unset", key], &[]).status.code(), Some(0));
        assert_eq!(run(&repo, &["config", "unset", key], &[]).status.code(), Some(1), "it is gone");
    }
    assert_eq!(now(), text.replace("= 1 ", "= 4 "));
    let refused = set(&["--add", "jobs", "2"]);
    assert_eq!(failure(&refused), (Some(128), "bhfuil.jobs has one value".to_owned()));
}

#[test]
fn a_value_that_does_not_count_after_all_is_told() {
    let repo = Repo::new();
    repo.git(&["config", "bhfuil.jobs", "9"]);
    let told = events(&run(&repo, &["config", "set", "jobs", "4"], &[]));
    let warnings = of_type(&told, "warning");
    assert_eq!((warnings.len(), &warnings[0]["code"]), (1, &Value::from("overridden")));
    let message = warnings[0]["message"].as_str().expect("text");
    assert!(message.starts_with("bhfuil.jobs is 9 all the same: ") && message.contains(".git/config:"), "{message}");
}

#[test]
fn no_secret_is_kept_or_shown() {
    let repo = Repo::new();
    let token = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
    let url = format!("https://me:{token}@example.com/");
    for (key, value) in [("tracker.a.credential", token), ("tracker.a.url", &url), ("bhfuil.repo.a.url", &url)] {
        let refused = run(&repo, &["config", "set", key, value], &[]);
        assert_eq!(failure(&refused).0, Some(128), "{key}");
        assert!(!said(&refused).contains(token), "{}", said(&refused));
    }
    assert!(!own_file(&repo).exists());
    for good in ["git", "env:TOKEN"] {
        assert_eq!(run(&repo, &["config", "set", "tracker.a.credential", good], &[]).status.code(), Some(0));
    }
    // Somebody has put one there by hand.
    write_own(&repo, &format!("[bhfuil \"tracker.a\"]\n\tcredential = {token}\n\turl = {url}\n"));
    for args in [&["list"][..], &["get", "tracker.a.credential"], &["validate"], &["list", "--format=human"]] {
        let told = run(&repo, &[&["config"], args].concat(), &[]);
        assert!(!said(&told).contains(token), "{}", said(&told));
    }
    assert_eq!(run(&repo, &["config", "validate"], &[]).status.code(), Some(1));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn validation_names_file_and_line_of_all_that_is_wrong() {
    let repo = Repo::new();
    assert_eq!(run(&repo, &["config", "validate"], &[]).status.code(), Some(0));
    write_own(
        &repo,
        "[bhfuil]\n\tjobs = lots\n\tthread = 1\n\trequestPattern = (\n[core]\n\tbare = true\n[bhfuil \"repo.a\"]\n\tpath = a\n\
         [include]\n\tpath = x\n[bhfuil \"repo.b\"]\n\tpath = /b\n[bhfuil \"repo.-c\"]\n\tpath = /b\n\tjobs\n",
    );
    repo.git(&["config", "--global", "bhfuil.cacheSize", "huge"]);
    let output = run(&repo, &["config", "validate"], &[("GIT_BHFUIL_JOBS", "0"), ("GIT_BHFUIL_THREDS", "1")]);
    let (code, told) = failure(&output);
    assert_eq!(code, Some(1));
    let own = own_file(&repo).display().to_string();
    let global = repo.home().join(".gitconfig").display().to_string();
    let expected = [
        format!("bad value 'lots' for bhfuil.jobs in {own}:2"),
        format!("'bhfuil.thread' is not a setting in {own}:3; did you mean 'bhfuil.threads'?"),
        format!("bad value '(' for bhfuil.requestPattern: unclosed group in {own}:4"),
        format!("'core.bare' is not a setting in {own}:6"),
        format!("bad value 'a' for bhfuil.repo.a.path in {own}:8"),
        format!("'include.path' is not followed in {own}:10"),
        format!("no value for bhfuil.repo.-c.jobs in {own}:15"),
        format!("bad value 'huge' for bhfuil.cacheSize in {global}:2"),
        "bad value '0' for GIT_BHFUIL_JOBS".to_owned(),
        "the variable GIT_BHFUIL_THREDS sets nothing; did you mean 'GIT_BHFUIL_THREADS'?".to_owned(),
        format!("'-c' can be no name of a repository: it begins with a dash, as options do in {own}:14"),
        format!("'-c' and 'b' lie at the same path in {own}:14"),
        format!("'-c' can be no name of a repository: it begins with a dash, as options do in {own}:15"),
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    let end = &events(&output)[14];
    assert_eq!((&end["status"], &end["complete"], &end["exit_code"]), (&"ok".into(), &true.into(), &1.into()));
    assert!(
        of_type(&events(&output), "error").iter().all(|event| event["hint"].is_string() && event["fatal"] == false)
    );
}

#[test]
fn lines_that_cannot_be_understood_are_named() {
    let repo = Repo::new();
    write_own(&repo, "[bhfuil]\n\tjobs = 2\n\tthreads = \"1\n");
    let own = own_file(&repo).display().to_string();
    for args in [
        &["config", "validate"][..],
        &["config", "get", "jobs"],
        &["scan"],
        &["config", "set", "jobs", "1"],
        &["repo", "list"],
    ] {
        let (code, told) = failure(&run(&repo, args, &[]));
        let expected = if args[1..] == ["validate"] { 1 } else { 128 };
        assert_eq!((code, told), (Some(expected), format!("bad config line in {own}:3")), "{args:?}");
    }
    std::fs::remove_file(own_file(&repo)).expect("removed");
    std::fs::write(repo.home().join(".gitconfig"), "[a\n").expect("written");
    let (code, told) = failure(&run(&repo, &["config", "validate"], &[]));
    assert_eq!((code, told), (Some(1), format!("bad config line 1 in file {}/.gitconfig", repo.home().display())));
}

#[test]
fn a_new_file_is_written_once() {
    let repo = Repo::new();
    let output = run(&repo, &["config", "init"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = std::fs::read_to_string(own_file(&repo)).expect("written");
    assert!(text.contains("\t# threads = 3\n") && text.contains("[bhfuil \"timeout\"]\n"), "{text}");
    assert_eq!(run(&repo, &["config", "validate"], &[]).status.code(), Some(0));
    assert_eq!(repo.git(&["config", "--file", own_file(&repo).to_str().expect("UTF-8"), "--list"]), "");
    let again = run(&repo, &["config", "init"], &[]);
    assert_eq!(failure(&again), (Some(128), format!("{} is there already", own_file(&repo).display())));
    assert_eq!(of_type(&events(&again), "error")[0]["code"], "exists");
    assert_eq!(std::fs::read_to_string(own_file(&repo)).expect("there"), text);
}

#[test]
fn the_path_follows_the_environment() {
    let repo = Repo::new();
    let home = repo.home().display().to_string();
    for (variables, path) in [
        (&[][..], format!("{home}/config/git-bhfuil/config")),
        (&[("XDG_CONFIG_HOME", "")], format!("{home}/.config/git-bhfuil/config")),
        (&[("XDG_CONFIG_HOME", "relative")], format!("{home}/.config/git-bhfuil/config")),
        (&[("GIT_BHFUIL_CONFIG", "mine")], "mine".to_owned()),
    ] {
        let output = run(&repo, &["config", "path"], variables);
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{path}\n"));
    }
    run(&repo, &["config", "set", "jobs", "6"], &[("GIT_BHFUIL_CONFIG", "mine")]);
    assert_eq!(std::fs::read_to_string(repo.path().join("mine")).expect("written"), "[bhfuil]\n\tjobs = 6\n");
    let none = bhfuil(&repo).env_remove("HOME").env_remove("XDG_CONFIG_HOME").args(["config", "path"]).output();
    assert_eq!(none.expect("runs").status.code(), Some(128));
    let refused = run(&repo, &["config", "set", "jobs", "6"], &[("GIT_BHFUIL_CONFIG", "/dev/null")]);
    assert_eq!(refused.status.code(), Some(128), "a device is not replaced");
}

#[test]
fn what_is_typed_wrong_is_said() {
    let repo = Repo::new();
    for (args, message) in [
        (&[][..], "fatal: a command is missing: list, get, set, unset, validate, init or path"),
        (&["lst"], "fatal: 'lst' is not a command of 'config'; did you mean 'list'?"),
        (&["list", "x"], "fatal: 'config list' takes no arguments, not 'x'"),
        (&["get"], "fatal: <key> is missing"),
        (&["get", "a", "b"], "fatal: unrecognized argument: b"),
        (&["set", "jobs", "1", "--ad", "--repos=a"], "fatal: unknown option '--repos'; did you mean '--repo'?"),
        (&["list", "--", "x"], "fatal: 'config list' takes no paths"),
    ] {
        let output = run(&repo, &[&["config"], args].concat(), &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.lines().next()), (Some(129), Some(message)), "{args:?}");
        assert!(said.lines().nth(1).is_some_and(|usage| usage.starts_with("Usage: git bhfuil config")), "{said}");
    }
    for (args, usage) in [
        (&["config", "-h"][..], "Usage: git bhfuil config <command> [<args>]"),
        (&["help", "config", "set"], "Usage: git bhfuil config set [<options>] <key> <value>"),
        (&["config", "set", "-h"], "Usage: git bhfuil config set [<options>] <key> <value>"),
        (&["config", "-h", "set"], "Usage: git bhfuil config set [<options>] <key> <value>"),
    ] {
        let output = run(&repo, args, &[]);
        assert!(output.status.success() && said(&output).starts_with(usage), "{args:?}: {}", said(&output));
    }
    let elsewhere = run(&repo, &["config", "-C", "..", "get", "-C", "repo", "jobs", "-C."], &[]);
    assert!(elsewhere.status.success(), "-C stands anywhere: {}", said(&elsewhere));
}

#[test]
fn concurrent_writers_lose_nothing() {
    let repo = Repo::new();
    let own = own_file(&repo);
    write_own(&repo, "# kept\n");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // git doesn't wait for a lock, so it tries again.
        let by_git = scope.spawn(|| {
            for number in 0..20 {
                let key = format!("bhfuil.repo.git{number}.threads");
                let set = || {
                    let mut git = repo.git_command();
                    git.args(["config", "--file", own.to_str().expect("UTF-8"), &key, "1"]);
                    git.output().expect("git runs").status.success()
                };
                while !set() {
                    assert!(
                        !done.load(Ordering::Relaxed) || !repo.home().join("config/git-bhfuil/config.lock").exists()
                    );
                }
            }
        });
        let ours: Vec<_> = (0..4)
            .map(|writer| {
                let repo = &repo;
                scope.spawn(move || {
                    for number in 0..10 {
                        let key = format!("bhfuil.repo.our{writer}-{number}.threads");
                        let set = run(repo, &["config", "set", &key, "1"], &[]);
                        assert!(set.status.success(), "{}", said(&set));
                    }
                })
            })
            .collect();
        for writer in ours {
            writer.join().expect("all are set");
        }
        done.store(true, Ordering::Relaxed);
        by_git.join().expect("all are set");
    });
    let listed = repo.git(&["config", "--file", own.to_str().expect("UTF-8"), "--list", "--name-only"]);
    assert_eq!(listed.lines().count(), 60, "{listed}");
    assert!(std::fs::read_to_string(&own).expect("there").starts_with("# kept\n"));
    let names: Vec<_> = std::fs::read_dir(own.parent().expect("a folder")).expect("there").collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_lock_that_another_holds_is_waited_for() {
    let repo = Repo::new();
    let own = own_file(&repo);
    write_own(&repo, "[bhfuil]\n\tjobs = 1\n");
    // As git does it: the lock is the new file.
    let lock = own.with_extension("lock");
    std::fs::write(&lock, "[bhfuil]\n\tjobs = 1\n\tthreads = 2\n").expect("locked");
    let child = bhfuil_running(&repo, &["config", "set", "jobs", "4"]);
    support::wait_until_idle(child.id());
    assert_eq!(std::fs::read_to_string(&own).expect("there"), "[bhfuil]\n\tjobs = 1\n", "it waits");
    std::fs::rename(&lock, &own).expect("committed");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(&own).expect("there"), "[bhfuil]\n\tjobs = 4\n\tthreads = 2\n");
}

#[test]
fn a_lock_that_a_killed_process_left_is_no_obstacle() {
    let repo = Repo::new();
    let own = own_file(&repo);
    let held = smol::block_on(Lock::acquire(&own, Duration::ZERO)).expect("nobody has it");
    let path = own.with_extension("lock");
    let text = std::fs::read(&path).expect("the lock");
    let waiting = bhfuil_running(&repo, &["config", "set", "jobs", "4"]);
    support::wait_until_idle(waiting.id());
    assert!(!own.exists(), "it waits for one that lives");
    drop(held);
    assert!(waiting.wait_with_output().expect("ends").status.success());
    // The same again, but nobody holds it.
    std::fs::write(&path, text).expect("written");
    std::fs::write(own.with_extension("lock.new"), "[bhf").expect("written");
    let output = run(&repo, &["config", "set", "jobs", "5"], &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(&own).expect("there"), "[bhfuil]\n\tjobs = 5\n");
    assert!(!path.exists());
}

#[test]
fn a_process_that_is_killed_while_it_holds_the_lock_is_no_obstacle() {
    use std::os::unix::fs::FileTypeExt as _;
    let repo = Repo::new();
    let (own, lock) = (own_file(&repo), own_file(&repo).with_extension("lock"));
    std::fs::create_dir_all(own.parent().expect("a folder")).expect("made");
    repo.shell(&format!("mkfifo '{}'", own.display()));
    let mut child = bhfuil_running(&repo, &["repo", "add", "."]);
    // It reads how long it may look at the repository, and whether that is registered, then takes the lock, and reads again: that time
    // nobody answers.
    for _ in 0..2 {
        std::fs::write(&own, "").expect("read");
        support::wait_until_idle(child.id());
    }
    assert!(lock.exists() && std::fs::metadata(&own).expect("there").file_type().is_fifo());
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(lock.exists(), "nobody could give it back");
    std::fs::remove_file(&own).expect("removed");
    let output = run(&repo, &["repo", "add", "."], &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(own.exists() && !lock.exists());
}

#[test]
fn changes_are_told_as_they_come_and_a_bad_version_is_left_aside() {
    let repo = Repo::new();
    write_own(&repo, "[bhfuil]\n\tjobs = 1\n");
    let own = own_file(&repo);
    let mut child = bhfuil_running(&repo, &["config", "list", "--watch"]);
    let mut stream = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut seen = Vec::new();
    let mut until = |wanted: &dyn Fn(&Value) -> bool| -> Value {
        loop {
            let line = stream.next().expect("more").expect("readable");
            seen.push(line.clone());
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if wanted(&event) {
                return event;
            }
        }
    };
    let jobs = |value: &'static str| move |event: &Value| event["key"] == "bhfuil.jobs" && event["value"] == value;
    until(&jobs("1"));
    repo.git(&["config", "--file", own.to_str().expect("UTF-8"), "bhfuil.jobs", "2"]);
    assert_eq!(until(&jobs("2"))["origin"], format!("{}:2", own.display()));
    repo.git(&["config", "bhfuil.jobs", "3"]);
    assert_eq!(until(&jobs("3"))["scope"], "local");
    repo.git(&["config", "--unset", "bhfuil.jobs"]);
    until(&jobs("2"));
    let is_warning = |event: &Value| event["code"] == "config-unusable";
    write_own(&repo, "[bhfuil]\n\tjobs = 4\n\tthreads = [\n[");
    let told = until(&is_warning);
    assert!(told["message"].as_str().expect("text").starts_with("bad config line in "), "{told}");
    write_own(&repo, "[bhfuil]\n\tjobs = 4\n\tthreads = none\n");
    let told = until(&is_warning);
    assert!(told["message"].as_str().expect("text").starts_with("bad value 'none' for bhfuil.threads in "), "{told}");
    write_own(&repo, "[bhfuil]\n\tjobs = 5\n\tthreads = 1\n");
    until(&jobs("5"));
    write_own(&repo, "");
    assert_eq!(until(&jobs("3"))["scope"], "default");
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let end = until(&|event| event["type"] == "end");
    assert_eq!((&end["status"], &end["exit_code"]), (&"cancelled".into(), &143.into()));
    assert_eq!(child.wait().expect("ends").code(), Some(143));
    let never = "\"key\":\"bhfuil.jobs\",\"value\":\"4\"";
    assert!(!seen.iter().any(|line| line.contains(never)), "what came with the bad lines never held");
}

/// Settings that a test may change the variables of.
fn live(repo: &Repo, jobs: &Arc<std::sync::Mutex<Option<String>>>) -> Config {
    let (own, jobs) = (own_file(repo), Arc::clone(jobs));
    let variables = move |name: &str| match name {
        "GIT_BHFUIL_CONFIG" => Some(own.clone().into_os_string()),
        "GIT_BHFUIL_JOBS" => jobs.lock().expect("no panic").clone().map(Into::into),
        _ => None,
    };
    Config::new(Sources { dir: repo.path().to_owned(), alone: true, variables: Arc::new(variables), exact: false })
}

#[test]
fn what_was_read_is_kept_until_something_changes_or_its_time_is_over() {
    let repo = Repo::new();
    write_own(&repo, "[bhfuil]\n\tjobs = 1\n");
    let variable = Arc::default();
    let config = live(&repo, &variable);
    // What was changed just now is read again each time.
    for path in [own_file(&repo), repo.path().join(".git/config"), repo.path().join(".git/HEAD")] {
        let file = std::fs::File::options().append(true).open(path).expect("there");
        file.set_modified(std::time::SystemTime::now() - Duration::from_mins(1)).expect("set");
    }
    let start = Instant::now();
    let at = |seconds: u64| {
        let current = smol::block_on(config.current_at(start + Duration::from_secs(seconds))).expect("readable");
        let jobs = current.view.number("jobs", None).expect("a number");
        (current, jobs)
    };
    let (first, jobs) = at(0);
    assert_eq!(jobs, 1);
    assert!(Arc::ptr_eq(&first.view, &at(59).0.view), "it is kept");
    assert!(!Arc::ptr_eq(&first.view, &at(60).0.view), "for a while");
    smol::block_on(OwnFile::at(own_file(&repo)).set(&"jobs".parse().expect("a setting"), b"2", false))
        .expect("written");
    assert_eq!(at(61).1, 2, "a file has changed");
    smol::block_on(OwnFile::at(own_file(&repo)).set(&"repo.far.jobs".parse().expect("a setting"), b"6", false))
        .expect("written");
    let current = at(61).0;
    assert_eq!(current.view.number("jobs", Some("far")).expect("a number"), 6, "for whoever is asked about");
    *variable.lock().expect("no panic") = Some("3".into());
    assert_eq!(at(61).1, 3, "a variable has changed");
    *variable.lock().expect("no panic") = None;
    repo.git(&["config", "bhfuil.jobs", "4"]);
    assert_eq!(at(61).1, 4, "git's own file has changed");
    repo.git(&["config", "include.path", "more"]);
    std::fs::write(repo.path().join(".git/more"), "[bhfuil]\n\tjobs = 5\n").expect("written");
    assert_eq!(at(61).1, 5);
    std::fs::write(repo.path().join(".git/more"), "[bhfuil]\n\tjobs = 16\n").expect("written");
    assert_eq!(at(61).1, 16, "a file that is included has changed");
    std::fs::write(repo.path().join(".git/more"), "[bhfuil]\n\tjobs = 0\n").expect("written");
    let (current, jobs) = at(61);
    assert_eq!(jobs, 16, "the last good one");
    assert!(current.trouble.is_some_and(|trouble| trouble.starts_with("bad value '0' for bhfuil.jobs in ")));
}

#[test]
fn reading_does_not_hold_up_the_executor() {
    let repo = Repo::new();
    let own = own_file(&repo);
    std::fs::create_dir_all(own.parent().expect("a folder")).expect("made");
    // Whoever reads from it waits for a writer.
    repo.shell(&format!("mkfifo '{}'", own.display()));
    let config = live(&repo, &Arc::default());
    let read = async { Some(config.current().await.expect("readable")) };
    let other = async {
        smol::Timer::after(Duration::from_millis(20)).await;
        None
    };
    assert!(smol::block_on(smol::future::or(read, other)).is_none(), "the timer came first");
    std::fs::write(&own, "").expect("whoever still reads goes on");
}
