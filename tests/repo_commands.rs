//! `git bhfuil repo`: the registry, its names, and that concurrent writers lose none of it.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

mod support;
use support::{Repo, bhfuil, events, exact, of_type};

fn run(repo: &Repo, args: &[&str]) -> Output {
    bhfuil(repo).args(args).output().expect("git-bhfuil runs")
}

fn repo(place: &Repo, args: &[&str]) -> Output {
    run(place, &[&["repo"], args].concat())
}

/// The `repo` events of a run that answered.
fn told(place: &Repo, args: &[&str]) -> Vec<Value> {
    let output = repo(place, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    of_type(&events(&output), "repo").into_iter().cloned().collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["repo"].as_str().expect("a name")).collect()
}

fn failure(output: &Output) -> (Option<i32>, String, Value) {
    let told = events(output);
    let error = of_type(&told, "error").first().map_or(Value::Null, |event| (*event).clone());
    (output.status.code(), error["message"].as_str().unwrap_or_default().to_owned(), error["code"].clone())
}

fn own_file(repo: &Repo) -> PathBuf {
    repo.home().join("config/git-bhfuil/config")
}

/// A bare repository below the home.
fn bare(place: &Repo, folder: &str) -> String {
    let path = place.home().join(folder);
    let path = path.to_str().expect("UTF-8").to_owned();
    place.git(&["init", "--quiet", "--bare", &path]);
    path
}

#[test]
fn a_repository_is_registered_where_it_lies() {
    let place = Repo::fixture("backports");
    let top = place.path().to_str().expect("UTF-8").to_owned();
    std::fs::create_dir_all(place.path().join("sub/folder")).expect("made");
    std::os::unix::fs::symlink(place.path(), place.home().join("link")).expect("a link");
    let added = told(&place, &["add", "sub/folder", "--refs=refs/heads/*", "--refs", "!x", "--group=a", "--group=b c"]);
    let event = &added[0];
    assert_eq!(names(&added), ["repo"]);
    assert_eq!((&event["path"], &event["git_dir"]), (&top.as_str().into(), &format!("{top}/.git").into()));
    assert_eq!(
        (event["refs"].to_string(), event["groups"].to_string()),
        (r#"["refs/heads/*","!x"]"#.into(), r#"["a","b c"]"#.into())
    );
    let written = std::fs::read_to_string(own_file(&place)).expect("written");
    let expected = format!(
        "[bhfuil \"repo.repo\"]\n\tpath = {top}\n\trefs = refs/heads/*\n\trefs = !x\n\tgroup = a\n\tgroup = b c\n"
    );
    assert_eq!(written, expected);
    // What it is like is what a scan says of it.
    let scan = events(&run(&place, &["scan", "-n", "1"]));
    let scanned = of_type(&scan, "repo")[0];
    for field in ["git_dir", "object_format", "shallow", "partial", "ref_count"] {
        assert_eq!(event[field], scanned[field], "{field}");
    }
    assert_eq!(told(&place, &["show", "repo"]), added);
    assert_eq!(told(&place, &["list"]), added);
    assert!(scanned.get("path").is_none() && scanned.get("groups").is_none(), "a scan asks no registry: {scanned}");
    // However it is named, it is the same.
    let linked = place.home().join("link/sub");
    let git_dir = place.path().join(".git");
    place.git(&["worktree", "add", "--quiet", "../tree"]);
    for path in [".", "../repo", linked.to_str().expect("UTF-8"), git_dir.to_str().expect("UTF-8"), "../tree"] {
        let (code, message, kind) = failure(&repo(&place, &["add", path, "--name=other"]));
        assert_eq!(
            (code, message, kind),
            (Some(128), format!("{top} is registered already, as 'repo'"), "exists".into())
        );
    }
    let (code, message, _) = failure(&repo(&place, &["add", "/"]));
    assert_eq!((code, message.starts_with("not a git repository")), (Some(128), true), "{message}");
    // What the environment names is not what is named here.
    let other = bare(&place, "other.git");
    let output = bhfuil(&place).args(["repo", "add", &other]).env("GIT_DIR", &git_dir).output().expect("runs");
    assert_eq!(events(&output)[1]["git_dir"], other);
}

#[test]
fn a_work_tree_that_was_registered_first_is_known_again() {
    let place = Repo::new();
    place.git(&["commit", "--quiet", "--allow-empty", "-m", "one"]);
    place.git(&["worktree", "add", "--quiet", "../tree"]);
    assert_eq!(names(&told(&place, &["add", "../tree"])), ["tree"]);
    assert_eq!(failure(&repo(&place, &["add", "."])).2, "exists");
}

#[test]
fn names_are_told_apart() {
    let place = Repo::new();
    let paths = ["a/nova.git", "b/nova", "c/b/nova.git", "d/b/nova", "d/b/nova.git", "-dash", "b\u{1}c"]
        .map(|path| bare(&place, path));
    let added: Vec<String> = paths.iter().map(|path| names(&told(&place, &["add", path]))[0].to_owned()).collect();
    assert_eq!(added, ["nova", "b/nova", "c/b/nova", "d/b/nova", "home/d/b/nova", "dash", "b_c"]);
    assert_eq!(names(&told(&place, &["list"])), added);
    let more = bare(&place, "more");
    let clash = repo(&place, &["add", &more, "--name=b/nova"]);
    let message = format!("'b/nova' is registered already, for {}", paths[1]);
    assert_eq!(failure(&clash), (Some(128), message, "exists".into()));
    assert!(String::from_utf8_lossy(&clash.stderr).contains("hint: choose another --name"));
    for bad in ["", "-x", "/x", "x/", "a//b", "..", "a/../b", "a\nb", "a\u{7}", " a", "a.tracker.b"] {
        let (code, message, kind) = failure(&repo(&place, &["add", &more, &format!("--name={bad}")]));
        assert_eq!((code, kind), (Some(128), "bad-value".into()), "{bad:?}");
        assert!(message.contains("can be no name of a repository"), "{message}");
    }
    for good in ["stable: 6.1", "a\"b\\c", "ünï", "a.b", "x.timeout", "#;[]"] {
        let path = bare(&place, &format!("good/{}", good.len()));
        assert_eq!(names(&told(&place, &["add", &path, "--name", good])), [good]);
        assert_eq!(told(&place, &["show", good])[0]["path"], path);
        let own = own_file(&place);
        let own = own.to_str().expect("UTF-8");
        assert_eq!(place.git(&["config", "--file", own, &format!("bhfuil.repo.{good}.path")]), path);
        assert_eq!(run(&place, &["config", "set", "--repo", good, "timeout.scan", "5m"]).status.code(), Some(0));
        assert_eq!(place.git(&["config", "--file", own, &format!("bhfuil.repo.{good}.timeout.scan")]), "5m");
        assert_eq!(names(&told(&place, &["remove", good])), [good]);
    }
    assert_eq!(names(&told(&place, &["list"])), added);
}

#[test]
fn groups_and_names_select() {
    let place = Repo::new();
    for (name, groups) in [("one", &["--group=a"][..]), ("two", &["--group=a", "--group=b"]), ("three", &[])] {
        let path = bare(&place, name);
        told(&place, &[&["add", &path], groups].concat());
    }
    assert_eq!(names(&told(&place, &["list", "--group=a"])), ["one", "two"]);
    assert_eq!(names(&told(&place, &["list", "--group=b", "--group=a"])), ["one", "two"]);
    assert_eq!(names(&told(&place, &["show", "three", "one", "three"])), ["one", "three"]);
    for (args, message) in [
        (&["list", "--group=aa"][..], "no repository is in a group 'aa'; did you mean 'a'?"),
        (&["show", "one", "tow"], "no repository is registered as 'tow'; did you mean 'two'?"),
        (&["remove", "one", "four"], "no repository is registered as 'four'"),
    ] {
        assert_eq!(failure(&repo(&place, args)), (Some(128), message.into(), "no-repository".into()));
    }
    assert_eq!(names(&told(&place, &["list"])).len(), 3, "if one is unknown none is removed");
    for args in [&["show"][..], &["remove"], &["add"], &["lst"], &[]] {
        assert_eq!(repo(&place, args).status.code(), Some(129), "{args:?}");
    }
    let shown = repo(&place, &["list", "--format=human"]);
    let home = place.home().display().to_string();
    let expected = format!("one    {home}/one    a\ntwo    {home}/two    a, b\nthree  {home}/three\n");
    assert_eq!(String::from_utf8_lossy(&shown.stdout), expected);
}

#[test]
fn what_is_removed_takes_its_settings_with_it_and_nothing_else() {
    let place = Repo::new();
    let paths = ["a", "b"].map(|name| bare(&place, name));
    std::fs::create_dir_all(own_file(&place).parent().expect("a folder")).expect("made");
    std::fs::write(own_file(&place), "# all\n\n[bhfuil]\n\tjobs = 2\n").expect("written");
    told(&place, &["add", &paths[0]]);
    told(&place, &["add", &paths[1], "--name=a.b"]);
    for (name, key) in [("a", "threads"), ("a", "timeout.scan"), ("a.b", "timeout.scan")] {
        assert_eq!(run(&place, &["config", "set", "--repo", name, key, "5"]).status.code(), Some(0));
    }
    told(&place, &["remove", "a"]);
    let left = std::fs::read_to_string(own_file(&place)).expect("there");
    let expected = format!(
        "# all\n\n[bhfuil]\n\tjobs = 2\n[bhfuil \"repo.a.b\"]\n\tpath = {}\n[bhfuil \"repo.a.b.timeout\"]\n\tscan = 5\n",
        paths[1]
    );
    assert_eq!(left, expected);
    assert!(PathBuf::from(&paths[0]).is_dir(), "the repository itself stays");
}

#[test]
fn one_that_is_gone_is_told_and_the_others_are_too() {
    let place = Repo::new();
    let paths = ["one", "two", "three"].map(|name| bare(&place, name));
    for path in &paths {
        told(&place, &["add", path]);
    }
    std::fs::remove_dir_all(&paths[1]).expect("removed");
    let output = repo(&place, &["list"]);
    let listed = events(&output);
    let (code, message, kind) = failure(&output);
    assert_eq!(
        (code, message, kind),
        (Some(3), format!("there is no repository at {}", paths[1]), "no-repository".into())
    );
    assert_eq!(of_type(&listed, "error")[0]["repo"], "two");
    let found: Vec<Value> = of_type(&listed, "repo").into_iter().cloned().collect();
    assert_eq!(names(&found), ["one", "two", "three"]);
    assert_eq!(
        (&found[1]["path"], &found[1]["git_dir"], &found[1]["ref_count"]),
        (&paths[1].as_str().into(), &Value::Null, &Value::Null)
    );
    // One that lies around it is not taken for it.
    std::fs::create_dir(&paths[1]).expect("made");
    place.git(&["init", "--quiet", place.home().to_str().expect("UTF-8")]);
    assert_eq!(repo(&place, &["show", "two"]).status.code(), Some(3));
    let shown = repo(&place, &["list", "--format=human"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("two    ") && shown.status.code() == Some(3));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("  not there\n"));
    place.git(&["-C", place.home().to_str().expect("UTF-8"), "commit", "--quiet", "--allow-empty", "--message=around"]);
    for asked in [&["scan", "--all-repos"][..], &["where", "--all-repos", "around"]] {
        let output = bhfuil(&place).args(asked).output().expect("runs");
        let told = events(&output);
        let of_two =
            told.iter().filter(|event| event["repo"] == "two" && event["type"] != "repo-end").collect::<Vec<_>>();
        assert!(of_two.iter().all(|event| event["type"] == "error"), "{asked:?}: {of_two:?}");
        assert_eq!(of_two[0]["message"], format!("there is no repository at {}", paths[1]), "{asked:?}");
        assert!(of_two[0]["hint"].as_str().expect("a text").contains("git bhfuil repo remove"), "{asked:?}");
        assert_eq!(output.status.code(), Some(3), "{asked:?}");
    }
    let cache = bhfuil(&place).args(["cache", "clear", "--repo=two"]).output().expect("runs");
    assert_eq!(failure(&cache).1, format!("there is no repository at {}", paths[1]));
    told(&place, &["remove", "two"]);
    assert_eq!(repo(&place, &["list"]).status.code(), Some(0));
}

#[test]
fn bytes_of_paths_and_formats_survive() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Repo::new();
    let path = place.home().join(std::ffi::OsStr::from_bytes(b"n\xffva # ;\".git"));
    let mut init = place.git_command();
    init.args(["init", "--quiet", "--bare", "--object-format=sha256", "--ref-format=reftable"]).arg(&path);
    assert!(init.status().expect("git runs").success());
    let output = bhfuil(&place).args(["repo", "add"]).arg(&path).output().expect("runs");
    let added = events(&output);
    let event = of_type(&added, "repo")[0];
    assert_eq!(exact(event, "path"), path.as_os_str().as_bytes());
    assert_eq!(
        (&event["repo"], &event["object_format"], &event["ref_count"]),
        (&"n_va # ;\"".into(), &"sha256".into(), &0.into())
    );
    assert_eq!(exact(&told(&place, &["list"])[0], "path"), path.as_os_str().as_bytes());
}

#[test]
fn settings_of_a_registered_repository_count_by_its_name() {
    let place = Repo::new();
    told(&place, &["add", ".", "--name=mine"]);
    let set = |args: &[&str]| assert!(run(&place, &[&["config", "set"], args].concat()).status.success(), "{args:?}");
    set(&["--repo=mine", "jobs", "7"]);
    let jobs = |args: &[&str], dir: &std::path::Path| {
        let mut command = bhfuil(&place);
        let output = command.current_dir(dir).args(["config", "get", "jobs"]).args(args).output().expect("runs");
        events(&output)[1]["value"].as_str().expect("a value").to_owned()
    };
    assert_eq!(jobs(&[], place.path()), "7");
    assert_eq!(jobs(&["--repo=mine"], &place.home()), "7");
    assert_eq!(jobs(&[], &place.home()), "3");
    // From afar its own configuration counts too.
    place.git(&["config", "bhfuil.jobs", "9"]);
    assert_eq!(jobs(&["--repo=mine"], &place.home()), "9");
    // Another of the same last part isn't meant by what is set for the one that is registered.
    bare(&place, "mine");
    assert_eq!(jobs(&[], &place.home().join("mine")), "3");
    std::fs::write(own_file(&place), "[bhfuil \"repo.mine\"]\n\tjobs = 8\n").expect("written");
    assert_eq!(
        jobs(&[], &place.home().join("mine")),
        "8",
        "where none is registered the last part of the path is the name"
    );
}

#[test]
fn fifty_that_are_added_at_once_are_all_there() {
    let place = Repo::new();
    let paths: Vec<String> =
        (0..50).map(|number| bare(&place, &format!("{}/nova", number % 25 + 100 * (number / 25)))).collect();
    let children: Vec<_> = paths.iter().map(|path| support::bhfuil_running(&place, &["repo", "add", path])).collect();
    for child in children {
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = told(&place, &["list"]);
    let mut found: Vec<&str> = listed.iter().map(|event| event["path"].as_str().expect("a path")).collect();
    let mut expected: Vec<&str> = paths.iter().map(String::as_str).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let mut all = names(&listed);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 50, "no two have one name");
    assert_eq!(run(&place, &["config", "validate"]).status.code(), Some(0));
}

#[test]
fn a_line_of_ones_own_is_made_of_each_registered_repository() {
    let place = Repo::new();
    for name in ["one", "two"] {
        let path = bare(&place, name);
        assert!(repo(&place, &["add", &path]).status.success());
    }
    let lines = |args: &[&str]| String::from_utf8(repo(&place, args).stdout).expect("UTF-8");
    assert_eq!(lines(&["list", "--format=%(repo)"]), "one\ntwo\n");
    assert_eq!(lines(&["show", "two", "--format=%(repo) %(ref_count)"]), "two 0\n");
}
