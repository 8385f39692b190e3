//! `git bhfuil repo add <url>` and `repo sync`: clones that are whole or not there, brought up to date together, each failure its own.

#[path = "support/remotes.rs"]
mod remotes;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use remotes::{Answer, HttpServer, names_in};
use serde_json::Value;
use support::{Repo, bhfuil, bhfuil_command, events, of_type};

fn run(place: &Repo, args: &[&str]) -> Output {
    bhfuil(place).args(args).env("GIT_TERMINAL_PROMPT", "0").output().expect("git-bhfuil runs")
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Where clones lie.
fn clones(place: &Repo) -> PathBuf {
    place.home().join("data/git-bhfuil/repos")
}

/// A copy of `source`, bare, below the home of `place`.
fn served(place: &Repo, source: &Repo, name: &str) -> PathBuf {
    let path = place.home().join("served").join(name);
    place.git(&["clone", "--quiet", "--mirror", source.path().to_str().expect("UTF-8"), path.to_str().expect("UTF-8")]);
    path
}

fn set(place: &Repo, key: &str, value: &str) {
    let output = run(place, &["config", "set", key, value]);
    assert!(output.status.success(), "{key}: {}", told(&output));
}

fn refs(repo: &Repo, path: &Path) -> String {
    repo.git(&[
        "-C",
        path.to_str().expect("UTF-8"),
        "for-each-ref",
        "--format=%(objectname) %(refname)",
        "refs/heads",
        "refs/tags",
    ])
}

#[test]
fn an_address_is_cloned_followed_and_removed() {
    let source = Repo::fixture("backports");
    let place = Repo::new();
    let from = served(&place, &source, "nova.git");
    place.git(&["-C", from.to_str().expect("UTF-8"), "update-ref", "refs/pull/1/head", source.id("plain")]);
    let url = format!("file://{}", from.display());
    let added = run(&place, &["repo", "add", &url, "--group=g"]);
    assert!(added.status.success(), "{}", told(&added));
    let clone = clones(&place).join("nova.git");
    let event = of_type(&events(&added), "repo")[0].clone();
    assert_eq!(
        (text(&event, "repo"), text(&event, "url"), Path::new(text(&event, "path"))),
        ("nova", url.as_str(), clone.as_path())
    );
    assert_eq!(refs(&place, &clone), refs(&place, &from), "branches and tags, and nothing else");
    let again = run(&place, &["repo", "add", &url]);
    assert_eq!(
        (again.status.code(), of_type(&events(&again), "error")[0]["code"].clone()),
        (Some(128), "exists".into())
    );
    let asked = run(&place, &["where", "--repo=nova", source.id("plain")]);
    assert!(asked.status.success(), "{}", told(&asked));

    // What has come, moved and gone there is so here.
    let git = |args: &[&str]| place.git(&[&["-C", from.to_str().expect("UTF-8")], args].concat());
    let tree = git(&["rev-parse", "main^{tree}"]);
    let new = git(&["commit-tree", "-m", "new", "-p", "main", &tree]);
    git(&["update-ref", "refs/heads/main", &new]);
    git(&["update-ref", "refs/heads/topic", &new]);
    git(&["update-ref", "-d", "refs/heads/stable/1.0"]);
    let synced = run(&place, &["repo", "sync", "--all"]);
    assert!(synced.status.success(), "{}", told(&synced));
    let end = of_type(&events(&synced), "repo-end")[0].clone();
    assert_eq!((text(&end, "repo"), text(&end, "status"), &end["new"]), ("nova", "ok", &1.into()));
    assert_eq!(refs(&place, &clone), refs(&place, &from));

    let removed = run(&place, &["repo", "remove", "nova"]);
    assert!(removed.status.success(), "{}", told(&removed));
    assert_eq!(names_in(&clones(&place)), [""; 0], "the clone is gone, and what stood beside it");
    assert!(from.exists());
}

#[test]
fn what_cannot_be_cloned_is_not_registered_and_what_was_broken_off_is_taken_up() {
    let source = Repo::fixture("tags");
    let place = Repo::new();
    let from = served(&place, &source, "one.git");
    set(&place, "bhfuil.retry.clone.attempts", "1");
    let missing = format!("file://{}/missing.git", place.home().display());
    let failed = run(&place, &["repo", "add", &missing]);
    assert_eq!(failed.status.code(), Some(128), "{}", told(&failed));
    assert!(told(&failed).contains("missing.git"), "{}", told(&failed));
    assert_eq!(run(&place, &["repo", "show", "missing"]).status.code(), Some(128), "it isn't registered");
    assert_eq!(run(&place, &["repo", "add", "ext::sh -c true"]).status.code(), Some(128));

    // As a run leaves it that is killed in the middle.
    let url = format!("file://{}", from.display());
    set(&place, "bhfuil.repo.one.url", &url);
    std::fs::create_dir_all(clones(&place).join("one.git.part/objects")).expect("made");
    let unfinished = run(&place, &["scan", "--repo=one"]);
    assert!(told(&unfinished).contains("repo sync one"), "{}", told(&unfinished));
    let added = run(&place, &["repo", "add", &url]);
    assert!(added.status.success(), "{}", told(&added));
    assert_eq!(refs(&place, &clones(&place).join("one.git")), refs(&place, &from));
    assert_eq!(names_in(&clones(&place)), ["one.git"], "nothing half-made is left");
    let listed = run(&place, &["repo", "list"]);
    assert_eq!(of_type(&events(&listed), "repo").len(), 1);
}

#[test]
fn each_that_fails_among_many_is_one_clear_error_and_the_others_are_right() {
    let source = Repo::fixture("backports");
    let place = Repo::new();
    for name in ["good", "again", "silent", "cut", "locked", "gone", "corrupt"] {
        served(&place, &source, &format!("{name}.git"));
    }
    let server = HttpServer::start(&place.home().join("served"), |request, before| {
        let first = request.path.trim_start_matches('/').split('.').next().unwrap_or_default();
        match first {
            "silent" => Answer::Silence,
            "cut" => Answer::Cut(60),
            "again" if request.method == "POST" && before == 0 => Answer::Cut(60),
            "killed" if request.method == "POST" => Answer::Hold(20),
            "locked" => Answer::Status(401),
            "gone" => Answer::Status(404),
            _ => Answer::Git,
        }
    });
    set(&place, "bhfuil.retry.clone.attempts", "2");
    set(&place, "bhfuil.retry.clone.firstWait", "1ms");
    for name in ["good", "again", "silent", "cut", "locked", "gone"] {
        set(&place, &format!("bhfuil.repo.{name}.url"), &server.url(&format!("{name}.git")));
    }
    set(&place, "bhfuil.repo.silent.timeout.clone", "1s");
    let corrupt = place.home().join("served/corrupt.git");
    assert!(run(&place, &["repo", "add", corrupt.to_str().expect("UTF-8")]).status.success());
    std::fs::write(corrupt.join("config"), "[core]\n\trepositoryformatversion = 99\n").expect("written");
    assert!(run(&place, &["repo", "add", source.path().to_str().expect("UTF-8"), "--name=own"]).status.success());

    // There is no room for all of one, and another's git is killed.
    served(&place, &bulky(), "full.git");
    served(&place, &source, "killed.git");
    for name in ["full", "killed"] {
        set(&place, &format!("bhfuil.repo.{name}.url"), &server.url(&format!("{name}.git")));
    }
    // Half of what it has, in blocks of 512 bytes or of 1024.
    let path = place.path_with(
        "case $* in */full.git*) trap '' XFSZ; ulimit -f 1024;; esac\n\
         PATH=${PATH#*:} exec git \"$@\"",
    );

    let mut command = bhfuil_command(&place, &["repo", "sync", "--all"]);
    command.env("GIT_TERMINAL_PROMPT", "0").env("PATH", path).stdin(Stdio::null());
    let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("git-bhfuil starts");
    kill_git(running.id(), "killed.git");
    let output = running.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    let told = events(&output);
    let ends: BTreeMap<&str, &str> =
        of_type(&told, "repo-end").into_iter().map(|end| (text(end, "repo"), text(end, "status"))).collect();
    let expected = [
        ("again", "ok"),
        ("corrupt", "failed"),
        ("cut", "failed"),
        ("full", "failed"),
        ("gone", "failed"),
        ("good", "ok"),
        ("killed", "failed"),
        ("locked", "failed"),
        ("own", "ok"),
        ("silent", "failed"),
    ];
    assert_eq!(ends, BTreeMap::from(expected));
    let mut errors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for error in of_type(&told, "error") {
        errors.entry(text(error, "repo")).or_default().push(text(error, "code"));
    }
    let codes = [
        ("corrupt", vec!["repo-open"]),
        ("cut", vec!["network"]),
        ("full", vec!["disk-full"]),
        ("gone", vec!["remote-not-found"]),
        ("killed", vec!["git"]),
        ("locked", vec!["authentication"]),
        ("silent", vec!["timeout"]),
    ];
    assert_eq!(errors, BTreeMap::from(codes));
    let silent = of_type(&told, "error").into_iter().find(|error| error["repo"] == "silent").expect("told").clone();
    assert!(silent.to_string().contains("bhfuil.timeout.clone"), "{silent}");
    let retried: BTreeSet<&str> = of_type(&told, "warning")
        .into_iter()
        .filter(|warning| warning["code"] == "retrying")
        .map(|warning| text(warning, "repo"))
        .collect();
    assert_eq!(retried, BTreeSet::from(["again", "cut"]), "only what may pass is tried again");
    for name in ["good", "again"] {
        assert_eq!(
            refs(&place, &clones(&place).join(format!("{name}.git"))),
            refs(&place, &corrupt_refs(&place)),
            "{name}"
        );
        let asked = run(&place, &["where", "--no-update", &format!("--repo={name}"), source.id("plain")]);
        assert!(asked.status.success(), "it is indexed");
    }
    assert_eq!(names_in(&clones(&place)), ["again.git", "good.git"], "what failed left nothing");
    drop(server);
}

/// A repository whose pack is larger than 2 MiB, since nothing in it can be compressed.
fn bulky() -> Repo {
    let repo = Repo::new();
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        // The generator of Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    std::fs::write(repo.path().join("noise"), noise.take(2 << 20).collect::<Vec<u8>>()).expect("written");
    repo.git(&["add", "noise"]);
    repo.git(&["commit", "--quiet", "-m", "noise"]);
    repo
}

/// Kills the git that is about `name`, a child of the process `parent`, once there is one.
fn kill_git(parent: u32, name: &str) {
    let begun = std::time::Instant::now();
    let child = loop {
        let processes = std::fs::read_dir("/proc").expect("proc(5)").flatten().map(|entry| entry.path());
        let mut children = processes.filter(|process| {
            let read = |file: &str| std::fs::read_to_string(process.join(file)).unwrap_or_default();
            let stat = read("stat");
            // State and parent follow the name in parentheses.
            let is_child =
                stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&parent.to_string());
            is_child && read("cmdline").starts_with("git\0") && read("cmdline").contains(name)
        });
        if let Some(child) = children.next() {
            break child.file_name().expect("a name").to_string_lossy().into_owned();
        }
        assert!(begun.elapsed().as_secs() < 60, "git is run for {name}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    assert!(Command::new("kill").args(["-s", "KILL", &child]).status().expect("kill runs").success());
}

/// A served copy that is sound.
fn corrupt_refs(place: &Repo) -> PathBuf {
    place.home().join("served/good.git")
}

#[test]
fn a_task_syncs_from_a_server() {
    let (source, place) = (Repo::fixture("backports"), Repo::new());
    let from = served(&place, &source, "far.git");
    let server = HttpServer::start(&place.home().join("served"), |_, _| Answer::Git);
    set(&place, "bhfuil.repo.far.url", &server.url("far.git"));
    let clone = clones(&place).join("far.git");
    for step in 0..2 {
        let started = run(&place, &["task", "start", "sync", "far"]);
        let id = text(of_type(&events(&started), "task")[0], "id").to_owned();
        let waited = run(&place, &["task", "wait", "--timeout=60s", &id]);
        assert_eq!(waited.status.code(), Some(0), "{}", told(&waited));
        let task = of_type(&events(&waited), "task")[0].clone();
        assert_eq!((text(&task, "about"), text(&task, "detail")), ("far", "clones and index are up to date"), "{task}");
        assert_eq!(refs(&place, &clone), refs(&place, &from), "step {step}");
        let asked = run(&place, &["scan", "--repo=far", "--no-commits"]);
        assert_eq!(of_type(&events(&asked), "repo-end")[0]["index"], "fresh");
        source.git(&["commit", "--quiet", "--allow-empty", "-m", "new"]);
        source.git(&["push", "--quiet", from.to_str().expect("UTF-8"), "HEAD:refs/heads/new"]);
    }
}

#[test]
fn progress_is_told_as_it_comes() {
    let source = Repo::synthetic(2000);
    let place = Repo::new();
    let from = served(&place, &source, "big.git");
    set(&place, "bhfuil.repo.big.url", &format!("file://{}", from.display()));
    let output = run(&place, &["repo", "sync", "big", "--progress"]);
    assert!(output.status.success(), "{}", told(&output));
    let told = events(&output);
    let units: BTreeSet<&str> = of_type(&told, "progress").into_iter().map(|event| text(event, "unit")).collect();
    assert!(units.contains("objects"), "{units:?}");
    for (args, code) in [(&["repo", "sync"][..], 129), (&["repo", "sync", "bigg"], 128)] {
        assert_eq!(run(&place, args).status.code(), Some(code), "{args:?}");
    }
}
