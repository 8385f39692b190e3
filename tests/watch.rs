//! `git bhfuil watch`: what is told while refs move is what git says has come, each commit once.

#[path = "support/remotes.rs"]
mod remotes;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use git_bhfuil::clock::{Clock, ManualClock};
use git_bhfuil::config::{Config, Sources};
use git_bhfuil::pipeline::Pool;
use git_bhfuil::report::{Format, Loudness, Report};
use git_bhfuil::repos::Limit;
use git_bhfuil::scan::{self, Selection, Sought};
use git_bhfuil::shutdown::Token;
use git_bhfuil::watch::{self, Member, Times};
use remotes::{Answer, Connection, GitServer, HttpServer};
use serde_json::Value;
use support::{Repo, bhfuil, bhfuil_command, of_type, wait_until_idle};

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A watch that runs, and what it has told.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Watch {
    /// Begun, and past the first look of `repositories`.
    fn start(repo: &Repo, args: &[&str], repositories: usize) -> Self {
        Self::start_with(repo, args, repositories, |_| {})
    }

    fn start_with(repo: &Repo, args: &[&str], repositories: usize, furnish: impl FnOnce(&mut Command)) -> Self {
        // For what the tests have a shell do.
        repo.git(&["config", "--global", "user.name", "A U Thor"]);
        repo.git(&["config", "--global", "user.email", "author@example.com"]);
        let mut command = bhfuil_command(repo, &[&["watch"], args].concat());
        furnish(&mut command);
        let watch = Self::of(command, |_| true);
        for _ in 0..repositories {
            watch.until("repo-end");
        }
        watch
    }

    /// That of `command`, of whose lines these are read.
    fn of(mut command: Command, is_read: fn(&str) -> bool) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok).filter(|line| is_read(line)) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines, reader: Some(reader) }
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("it tells more");
        serde_json::from_str(&line).expect("a line is JSON")
    }

    /// What is told up to the next event of this type, itself included.
    fn until(&self, kind: &str) -> Vec<Value> {
        let mut told = vec![self.next()];
        while told.last().is_some_and(|last| last["type"] != kind) {
            told.push(self.next());
        }
        told
    }

    /// Stopped, and what it told last.
    fn stop(mut self) -> (ExitStatus, Vec<Value>) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)
            .expect("it runs");
        let told = self.until("end");
        (self.child.wait().expect("it ends"), told)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It has ended already where the test has come to its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn text<'e>(event: &'e Value, key: &str) -> &'e str {
    event[key].as_str().unwrap_or_default()
}

/// Refs and what they name, by git.
fn refs(repo: &Repo) -> BTreeMap<String, String> {
    let listed = repo.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"]);
    listed.lines().filter_map(|line| line.split_once(' ')).map(|(name, id)| (name.into(), id.into())).collect()
}

/// Applies what `told` says of refs.
fn apply(told: &[Value], refs: &mut BTreeMap<String, String>) {
    for event in of_type(told, "ref").into_iter().filter(|event| event["ref"] != "HEAD") {
        let old = event.get("old_id").map(|_| text(event, "old_id").to_owned());
        assert_eq!(refs.get(text(event, "ref")).cloned(), old, "{event}");
        match event.get("id") {
            Some(id) => refs.insert(text(event, "ref").into(), id.as_str().expect("an id").into()),
            None => refs.remove(text(event, "ref")),
        };
    }
}

fn ids(told: &[Value]) -> Vec<String> {
    of_type(told, "commit").into_iter().map(|commit| text(commit, "id").to_owned()).collect()
}

/// Moves refs about in all ways.
const STEPS: &[&str] = &[
    "git commit -q --allow-empty -m one",
    "git tag light; git tag -a -m heavy heavy",
    "git checkout -q -b side; for i in 1 2 3; do git commit -q --allow-empty -m side$i; done",
    "git checkout -q main; git merge -q --no-ff -m merged side",
    "git branch -q -D side; git tag -d light",
    "git reset -q --hard HEAD~1; git commit -q --allow-empty -m again",
    "git tag -f -a -m heavier heavy HEAD",
    "git pack-refs --all; git branch packed",
    "git checkout -q --orphan root; git commit -q --allow-empty -m root",
    "git worktree add -q ../tree main; git -C ../tree checkout -q --detach; \
     git -C ../tree commit -q --allow-empty -m tree; git update-ref refs/heads/from-tree \"$(git -C ../tree rev-parse HEAD)\"",
    "git -c gc.reflogExpire=now -c gc.reflogExpireUnreachable=now gc -q --prune=now; git branch after-gc",
];

fn follows(args: &[&str], repo: &Repo) {
    repo.git(&["checkout", "-q", "-B", "main"]);
    let mut known = refs(repo);
    let watch = Watch::start(repo, args, 1);
    for step in STEPS {
        let before: Vec<String> = known.values().cloned().collect();
        repo.shell(step);
        let now = refs(repo);
        // A step moves several refs, and may be seen in parts.
        let mut commits = Vec::new();
        while known != now {
            let told = watch.until("repo-end");
            assert_eq!(told.last().expect("an end")["status"], "ok", "{told:?}");
            apply(&told, &mut known);
            commits.extend(ids(&told));
        }
        let mut range = vec!["rev-list", "--branches", "--tags", "--ignore-missing", "--not"];
        range.extend(before.iter().map(String::as_str));
        let new: BTreeSet<String> = repo.git(&range).lines().map(str::to_owned).collect();
        assert_eq!(commits.iter().cloned().collect::<BTreeSet<_>>(), new, "{step}");
        assert_eq!(commits.len(), new.len(), "each once: {step}");
    }
    let (status, told) = watch.stop();
    assert_eq!(status.code(), Some(143));
    assert_eq!(told.last().map(|end| end["status"].clone()), Some("cancelled".into()));
    let left: Vec<String> = ids(&told);
    assert_eq!(left, [""; 0], "nothing comes twice");
}

#[test]
fn what_moves_is_told_as_git_has_it() {
    follows(&[], &Repo::fixture("merges"));
}

#[test]
fn what_moves_is_found_without_a_word_from_the_file_system() {
    follows(&["--poll=20ms"], &Repo::fixture("merges"));
}

#[test]
fn a_repository_that_goes_and_returns_loses_nothing() {
    let repo = Repo::fixture("merges");
    let watch = Watch::start(&repo, &[], 1);
    let (here, away) = (repo.path().join(".git"), repo.path().join(".away"));
    std::fs::rename(&here, &away).expect("moved");
    let told = watch.until("warning");
    assert_eq!(told.last().expect("a warning")["code"], "gone", "{told:?}");
    repo.shell("git --git-dir=.away commit -q --allow-empty -m away");
    std::fs::rename(&away, &here).expect("moved");
    let told = watch.until("repo-end");
    let away = repo.git(&["rev-parse", "HEAD"]);
    assert_eq!(ids(&told), [away.trim()], "{told:?}");
    assert_eq!(told[0]["code"], "returned", "before what came meanwhile: {told:?}");
    // It is heard of again, not only found at the next look.
    repo.git(&["commit", "-q", "--allow-empty", "-m", "back"]);
    assert_eq!(ids(&watch.until("repo-end")), [repo.git(&["rev-parse", "HEAD"]).trim()]);
    watch.stop();
}

#[test]
fn a_repository_around_the_one_that_has_gone_is_another() {
    let outer = Repo::fixture("merges");
    outer.shell("git init -q inner && git -C inner -c user.name=x -c user.email=x@y commit -q --allow-empty -m inner");
    let inner = outer.path().join("inner");
    let watch = Watch::start(&outer, &["-C", inner.to_str().expect("UTF-8")], 1);
    std::fs::remove_dir_all(&inner).expect("removed");
    let told = watch.until("warning");
    assert_eq!(told.last().expect("a warning")["code"], "gone", "{told:?}");
    outer.git(&["commit", "-q", "--allow-empty", "-m", "outer"]);
    outer.shell("git init -q inner && git -C inner commit -q --allow-empty -m anew");
    let told = watch.until("repo-end");
    let anew = outer.git(&["-C", "inner", "rev-parse", "HEAD"]);
    assert_eq!(ids(&told), [anew.trim()], "{told:?}");
    watch.stop();
}

#[test]
fn two_work_trees_of_one_repository_both_hear_of_it() {
    let repo = Repo::fixture("merges");
    repo.shell("git worktree add -q --detach ../one && git worktree add -q --detach ../other");
    let place = |name: &str| format!("--repo={}", repo.path().parent().expect("a folder").join(name).display());
    let watch = Watch::start(&repo, &[&place("one"), &place("other")], 2);
    repo.git(&["branch", "new"]);
    let told = [watch.until("repo-end"), watch.until("repo-end")].concat();
    let refs = of_type(&told, "ref").into_iter().filter(|event| event["ref"] == "refs/heads/new");
    let told: BTreeSet<String> = refs.map(|event| text(event, "repo").to_owned()).collect();
    assert_eq!(told, BTreeSet::from(["one".to_owned(), "other".to_owned()]));
    watch.stop();
}

#[test]
fn it_ends_when_nobody_reads_any_more_though_nothing_happens() {
    let repo = Repo::fixture("merges");
    let mut command = bhfuil_command(&repo, &["watch"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("git-bhfuil starts");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for _ in 0..3 {
        lines.next().expect("a line").expect("it is read");
    }
    drop(lines);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn each_new_commit_is_located_and_told_once() {
    let repo = Repo::fixture("backports");
    let watch = Watch::start(&repo, &["--where"], 1);
    let origin = repo.git(&["rev-parse", "HEAD"]);
    repo.shell(
        "git checkout -q -b stable/9.0 HEAD~1; \
         git commit -q --allow-empty -m \"$(git log -1 --format=%B main)\n\n(cherry picked from commit $(git rev-parse main))\"; \
         git commit -q --allow-empty -m other",
    );
    let new: BTreeSet<String> = repo.git(&["rev-list", "main..stable/9.0"]).lines().map(str::to_owned).collect();
    let mut told = Vec::new();
    while !of_type(&told, "match").iter().any(|event| event["id"] == origin.trim()) {
        let look = watch.until("repo-end");
        assert_eq!(of_type(&look, "repo"), [&Value::Null; 0], "it was told when it was first looked at");
        told.extend(look);
    }
    let asked: BTreeSet<String> =
        of_type(&told, "presence").into_iter().map(|event| text(event, "query").to_owned()).collect();
    assert_eq!(asked, new, "where each is is told");
    let mut commits = ids(&told);
    commits.sort();
    // What has come, and the one that one of them is named after.
    let mut expected: Vec<String> = new.into_iter().chain([origin.trim().to_owned()]).collect();
    expected.sort();
    assert_eq!(commits, expected);
    watch.stop();
}

/// The PATH, with `folder` in front.
fn path_of(folder: PathBuf) -> std::ffi::OsString {
    let all = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&all))).expect("a PATH")
}

#[test]
fn each_time_that_commits_are_told_and_not_located_that_is_said() {
    let repo = Repo::fixture("merges");
    let folder = repo.stand_in(
        "PATH=${PATH#*:}\ncase $* in *rev-list*--ignore-missing*) echo 'fatal: not today' >&2; exit 128;; esac\n\
         exec git \"$@\"",
    );
    let path = path_of(folder);
    let watch = Watch::start_with(&repo, &["--where"], 1, |command| {
        command.env("PATH", &path);
    });
    for message in ["one", "two"] {
        repo.git(&["commit", "-q", "--allow-empty", "-m", message]);
        let told = watch.until("repo-end");
        assert_eq!(ids(&told), [repo.git(&["rev-parse", "HEAD"])]);
        assert_eq!(
            (of_type(&told, "error").len(), told.last().expect("an end")["status"].clone()),
            (1, "failed".into())
        );
    }
    watch.stop();
}

#[test]
fn repositories_and_settings_that_change_are_noticed() {
    let place = Repo::new();
    let (one, other) = (Repo::fixture("merges"), Repo::fixture("tags"));
    let add = |repo: &Repo, name: &str| {
        let path = repo.path().to_str().expect("UTF-8");
        let name = format!("--name={name}");
        assert!(bhfuil(&place).args(["repo", "add", path, &name]).output().expect("runs").status.success());
    };
    add(&one, "one");
    let watch = Watch::start(&place, &["--all-repos"], 1);
    add(&other, "other");
    let told = watch.until("repo-end");
    assert_eq!(told.last().expect("an end")["repo"], "other", "{told:?}");
    other.git(&["commit", "-q", "--allow-empty", "-m", "new"]);
    let told = watch.until("repo-end");
    assert_eq!(ids(&told), [other.git(&["rev-parse", "HEAD"]).trim()]);
    assert!(bhfuil(&place).args(["config", "set", "bhfuil.jobs", "5"]).output().expect("runs").status.success());
    let told = watch.until("setting");
    let setting = told.last().expect("a setting");
    assert_eq!((text(setting, "key"), text(setting, "value")), ("bhfuil.jobs", "5"));
    assert!(bhfuil(&place).args(["repo", "remove", "other"]).output().expect("runs").status.success());
    let (_, told) = watch.stop();
    assert!(told.iter().all(|event| event["type"] != "error"), "{told:?}");
}

/// A repository whose refs only git can list, and a PATH with a git that tells nothing of them for as long as it is held.
struct Held {
    repo: Repo,
    path: std::ffi::OsString,
}

impl Held {
    fn new() -> Self {
        let repo = Repo::fixture_in("merges", &[("GIT_DEFAULT_REF_FORMAT", "reftable")]);
        let path = path_of(repo.stand_in(&format!(
            "PATH=${{PATH#*:}}\ncase \"$PWD $*\" in *'{}'*for-each-ref*) if [ -p '{}' ]; then\n\
             echo >'{}'; read line <'{1}'; fi ;; esac\nexec git \"$@\"",
            repo.path().display(),
            Self::gate(&repo).display(),
            Self::sign(&repo).display(),
        )));
        Self { repo, path }
    }

    fn gate(repo: &Repo) -> PathBuf {
        repo.home().join("gate")
    }

    fn sign(repo: &Repo) -> PathBuf {
        repo.home().join("sign")
    }

    /// From now on git is held, and has been when this returns: something has moved.
    fn hold(&self) {
        let _ = std::fs::remove_file(Self::sign(&self.repo));
        self.repo.shell(&format!("mkfifo '{}'", Self::gate(&self.repo).display()));
        self.repo.git(&["commit", "-q", "--allow-empty", "-m", "held"]);
        let begun = std::time::Instant::now();
        while !Self::sign(&self.repo).exists() {
            assert!(begun.elapsed() < PATIENCE, "it is looked at");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn release(&self) {
        let mut gate = std::fs::File::options().write(true).open(Self::gate(&self.repo)).expect("git reads it");
        std::fs::remove_file(Self::gate(&self.repo)).expect("removed");
        std::io::Write::write_all(&mut gate, b"\n").expect("written");
    }

    fn place(&self) -> String {
        format!("--repo={}", self.repo.path().display())
    }
}

#[test]
fn a_repository_that_takes_long_holds_up_no_other() {
    let (slow, quick) = (Held::new(), Repo::fixture("merges"));
    let places = [slow.place(), format!("--repo={}", quick.path().display())];
    let args = ["--jobs=2", "--poll=20ms", &places[0], &places[1]];
    let watch = Watch::start_with(&quick, &args, 2, |command| {
        command.env("PATH", &slow.path);
    });
    slow.hold();
    for message in ["one", "two"] {
        quick.git(&["commit", "-q", "--allow-empty", "-m", message]);
        assert_eq!(ids(&watch.until("repo-end")), [quick.git(&["rev-parse", "HEAD"])]);
    }
    slow.release();
    assert_eq!(ids(&watch.until("repo-end")), [slow.repo.git(&["rev-parse", "HEAD"])]);
    // Nor the end of it all.
    slow.hold();
    let (status, _) = watch.stop();
    assert_eq!(status.code(), Some(143));
}

#[test]
fn a_look_that_takes_too_long_is_named_with_the_setting_that_allows_more() {
    let slow = Held::new();
    let watch = Watch::start_with(&slow.repo, &["--poll=20ms", &slow.place()], 1, |command| {
        command.env("PATH", &slow.path);
    });
    set(&slow.repo, "bhfuil.timeout.watch", "300ms");
    watch.until("setting");
    slow.hold();
    let told = watch.until("repo-end");
    let error = of_type(&told, "error")[0];
    assert_eq!((text(error, "code"), text(error, "message")), ("timeout", "looking at repo took longer than 300 ms"));
    assert_eq!(text(error, "hint"), "bhfuil.timeout.watch sets how long it may take");
    std::fs::remove_file(Held::gate(&slow.repo)).expect("removed");
    assert_eq!(ids(&watch.until("repo-end")), [slow.repo.git(&["rev-parse", "HEAD"])], "the next look has it");
    watch.stop();
}

fn set(place: &Repo, key: &str, value: &str) {
    let output = bhfuil(place).args(["config", "set", key, value]).output().expect("runs");
    assert!(output.status.success(), "{key}: {}", String::from_utf8_lossy(&output.stdout));
}

fn own_file(place: &Repo) -> PathBuf {
    place.home().join("config/git-bhfuil/config")
}

/// Commits in each of `repos`, and what is told until all of that has come.
fn commit_in(repos: &[&Repo], watch: &Watch) -> Vec<Value> {
    let commit = |repo: &&Repo| {
        repo.git(&["commit", "-q", "--allow-empty", "-m", "more"]);
        repo.git(&["rev-parse", "HEAD"])
    };
    let expected: BTreeSet<String> = repos.iter().map(commit).collect();
    let mut told = Vec::new();
    while !expected.is_subset(&ids(&told).into_iter().collect()) {
        told.extend(watch.until("repo-end"));
    }
    assert_eq!(ids(&told).len(), repos.len(), "nothing else: {told:?}");
    told
}

#[test]
fn while_the_configuration_can_not_be_used_the_last_good_one_holds() {
    let (one, other) = (Repo::fixture("merges"), Repo::fixture("tags"));
    let places = [&one, &other].map(|repo| format!("--repo={}", repo.path().display()));
    let nobody = |told: &[Value]| assert_eq!(of_type(told, "error"), [&Value::Null; 0], "{told:?}");
    let warnings = |told: &[Value]| -> Vec<String> {
        of_type(told, "warning").into_iter().map(|event| text(event, "message").to_owned()).collect()
    };
    set(&one, "bhfuil.jobs", "2");
    let watch = Watch::start(&one, &[&places[0], &places[1]], 2);
    let sound = std::fs::read(own_file(&one)).expect("a file");
    // What all share: said once, for all of them.
    std::fs::write(own_file(&one), "[bhfuil\n").expect("written");
    let told = watch.until("warning");
    nobody(&told);
    let said = warnings(&told);
    assert!(
        said[0].contains("config/git-bhfuil/config") && said[0].ends_with("what held before still does"),
        "{said:?}"
    );
    for _ in 0..2 {
        let told = commit_in(&[&one, &other], &watch);
        nobody(&told);
        assert_eq!(warnings(&told), [""; 0]);
    }
    std::fs::write(own_file(&one), sound).expect("written");
    // What one has of its own: said of that one.
    one.git(&["config", "bhfuil.threads", "many"]);
    for news in [1, 0] {
        let told = commit_in(&[&one, &other], &watch);
        nobody(&told);
        let said = of_type(&told, "warning");
        assert_eq!(said.len(), news, "{said:?}");
        assert!(said.iter().all(|event| text(event, "message").contains("bhfuil.threads")), "{said:?}");
    }
    let (_, told) = watch.stop();
    nobody(&told);
}

#[test]
fn a_repository_goes_on_where_it_is_when_other_refs_of_it_are_followed() {
    let (place, repo) = (Repo::new(), Repo::fixture("backports"));
    let path = repo.path().to_str().expect("UTF-8");
    let add = ["repo", "add", path, "--name=one", "--refs=heads/stable/*"];
    assert!(bhfuil(&place).args(add).output().expect("runs").status.success());
    let watch = Watch::start(&place, &["--all-repos"], 1);
    let add = ["config", "set", "--add", "bhfuil.repo.one.refs", "heads/mai*"];
    assert!(bhfuil(&place).args(add).output().expect("runs").status.success());
    let told = watch.until("repo-end");
    let refs: Vec<(&str, Option<&Value>)> =
        of_type(&told, "ref").into_iter().map(|event| (text(event, "ref"), event.get("old_id"))).collect();
    assert_eq!(refs, [("refs/heads/main", None)], "what was followed before isn't told again");
    assert_eq!((ids(&told), of_type(&told, "repo").len()), (vec![], 0), "what was there is told by scan: {told:?}");
    repo.git(&["checkout", "-q", "main"]);
    commit_in(&[&repo], &watch);
    // Refs that are followed no more are not gone.
    set(&place, "bhfuil.repo.one.refs", "heads/mai*");
    let told = watch.until("repo-end");
    assert_eq!(of_type(&told, "ref"), [&Value::Null; 0], "{told:?}");
    repo.git(&["branch", "stable/99", "main"]);
    let told = commit_in(&[&repo], &watch);
    let moved: BTreeSet<&str> = of_type(&told, "ref").into_iter().map(|event| text(event, "ref")).collect();
    assert_eq!(moved, BTreeSet::from(["refs/heads/main"]));
    watch.stop();
}

#[test]
fn one_that_is_registered_later_and_is_not_there_is_told() {
    let (place, repo) = (Repo::new(), Repo::fixture("merges"));
    let add = ["repo", "add", repo.path().to_str().expect("UTF-8"), "--name=one"];
    assert!(bhfuil(&place).args(add).output().expect("runs").status.success());
    let watch = Watch::start(&place, &["--all-repos"], 1);
    let ghost = place.home().join("ghost");
    set(&place, "bhfuil.repo.ghost.path", ghost.to_str().expect("UTF-8"));
    let told = watch.until("repo-end");
    let error = of_type(&told, "error")[0];
    assert_eq!((text(error, "repo"), text(error, "code")), ("ghost", "no-repository"));
    commit_in(&[&repo], &watch);
    repo.git(&["clone", "-q", repo.path().to_str().expect("UTF-8"), ghost.to_str().expect("UTF-8")]);
    assert_eq!(of_type(&watch.until("warning"), "warning")[0]["code"], "returned");
    watch.stop();
}

#[test]
fn mirrors_are_fetched_every_so_often() {
    let place = Repo::new();
    let source = Repo::fixture("merges");
    let url = format!("file://{}", source.path().display());
    let added = bhfuil(&place).args(["repo", "add", &url, "--name=mirror"]).output().expect("runs");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stdout));
    let watch = Watch::start(&place, &["--all-repos", "--sync=50ms"], 1);
    for message in ["one", "two"] {
        source.git(&["commit", "-q", "--allow-empty", "-m", message]);
        let id = source.git(&["rev-parse", "HEAD"]);
        let told = loop {
            let told = watch.until("repo-end");
            if !ids(&told).is_empty() {
                break told;
            }
        };
        assert_eq!(ids(&told), [id.trim()]);
    }
    let (status, _) = watch.stop();
    assert_eq!(status.code(), Some(143));
}

/// A copy of `source`, bare, below the home of `place`, and the folder that it lies in.
fn served(place: &Repo, source: &Repo, name: &str) -> (PathBuf, PathBuf) {
    let folder = place.home().join("served");
    let path = folder.join(name);
    place.git(&["clone", "-q", "--mirror", source.path().to_str().expect("UTF-8"), path.to_str().expect("UTF-8")]);
    (folder, path)
}

fn add_url(place: &Repo, url: &str) {
    let output = bhfuil(place).args(["repo", "add", url]).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn what_is_pushed_to_a_server_is_told() {
    let (place, source) = (Repo::new(), Repo::fixture("merges"));
    source.git(&["checkout", "-q", "-B", "main"]);
    let (folder, http) = served(&place, &source, "http.git");
    let (_, daemon) = served(&place, &source, "daemon.git");
    let server = HttpServer::start(&folder, |_, _| Answer::Git);
    let git_server = GitServer::start(&folder, |_| Connection::Daemon);
    add_url(&place, &server.url("http.git"));
    add_url(&place, &git_server.url("daemon.git"));
    let watch = Watch::start(&place, &["--all-repos", "--sync=50ms"], 2);
    for (name, origin) in [("http", http), ("daemon", daemon)] {
        let old = place.git(&["-C", origin.to_str().expect("UTF-8"), "rev-parse", "main"]);
        source.git(&["commit", "-q", "--allow-empty", "-m", name]);
        source.git(&["push", "-q", origin.to_str().expect("UTF-8"), "main"]);
        let range = format!("{old}..main");
        let new: Vec<String> = source.git(&["rev-list", &range]).lines().map(str::to_owned).collect();
        let told = watch.until("repo-end");
        assert_eq!(ids(&told), new, "{told:?}");
        let moved = of_type(&told, "ref").into_iter().find(|event| event["ref"] == "refs/heads/main").expect("a ref");
        assert_eq!((text(moved, "repo"), text(moved, "old_id"), text(moved, "id")), (name, &*old, &*new[0]));
    }
    watch.stop();
}

#[test]
fn a_server_that_never_answers_holds_up_neither_a_look_nor_another_server() {
    let (place, source, here) = (Repo::new(), Repo::fixture("merges"), Repo::fixture("tags"));
    source.git(&["checkout", "-q", "-B", "main"]);
    let (folder, _) = served(&place, &source, "deaf.git");
    let (_, origin) = served(&place, &source, "well.git");
    let is_deaf = Arc::new(AtomicBool::new(false));
    let server = HttpServer::start(&folder, {
        let is_deaf = Arc::clone(&is_deaf);
        move |request, _| {
            let is_unheard = request.path.starts_with("/deaf") && is_deaf.load(Ordering::SeqCst);
            if is_unheard { Answer::Silence } else { Answer::Git }
        }
    });
    add_url(&place, &server.url("deaf.git"));
    add_url(&place, &server.url("well.git"));
    let add = ["repo", "add", here.path().to_str().expect("UTF-8"), "--name=here"];
    assert!(bhfuil(&place).args(add).output().expect("runs").status.success());
    is_deaf.store(true, Ordering::SeqCst);
    let watch = Watch::start(&place, &["--all-repos", "--sync=50ms", "--jobs=2"], 3);
    smol::block_on(server.until_held(1));
    for _ in 0..2 {
        commit_in(&[&here], &watch);
        source.git(&["commit", "-q", "--allow-empty", "-m", "new"]);
        source.git(&["push", "-q", origin.to_str().expect("UTF-8"), "main"]);
        assert_eq!(ids(&watch.until("repo-end")), [source.git(&["rev-parse", "HEAD"])]);
    }
    let (status, _) = watch.stop();
    assert_eq!(status.code(), Some(143));
}

/// Names the repositories that the test follows when it runs once more.
const FOLLOWED: &str = "GIT_BHFUIL_TEST_FOLLOWED";

#[test]
fn when_the_machine_has_slept_everything_is_looked_at_at_once() {
    if let Some(places) = std::env::var_os(FOLLOWED) {
        follow_by_hand(std::env::split_paths(&places).collect());
        return;
    }
    let repos = [Repo::fixture("merges"), Repo::fixture("tags")];
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let name = "when_the_machine_has_slept_everything_is_looked_at_at_once";
    repos[0].seal(&mut command).args(["--exact", name, "--nocapture"]).current_dir(repos[0].path());
    command.env(FOLLOWED, std::env::join_paths(repos.iter().map(Repo::path)).expect("paths")).stdin(Stdio::piped());
    let mut watch = Watch::of(command, |line| line.starts_with('{'));
    let mut hands = watch.child.stdin.take().expect("a pipe");
    let mut tell =
        |word: &str| std::io::Write::write_all(&mut hands, format!("{word}\n").as_bytes()).expect("it reads");
    // Each has been looked at, and won't be again today.
    let _ = [watch.until("repo-end"), watch.until("repo-end")];
    for repo in &repos {
        repo.git(&["commit", "-q", "--allow-empty", "-m", "meanwhile"]);
    }
    tell("suspend");
    let told = [watch.until("repo-end"), watch.until("repo-end")].concat();
    let found: BTreeSet<String> = ids(&told).into_iter().collect();
    assert_eq!(found, repos.each_ref().map(|repo| repo.git(&["rev-parse", "HEAD"])).into());
    tell("stop");
    assert!(watch.child.wait().expect("it ends").success());
}

/// Follows `places` by a clock that is moved, and suspended, as standard input says.
fn follow_by_hand(places: Vec<PathBuf>) {
    let (hands, token) = (ManualClock::new(), Token::new());
    let never = Duration::from_hours(24 * 365);
    let options = watch::Options {
        scan: scan::Options { cache_folder: scan::cache_folder(), ..scan::Options::default() },
        locate: None,
        config: Config::new(Sources::of_process(Path::new("."))),
        limit: Limit::new(2),
        pool: Pool::new(1).expect("a thread"),
        times: Times { noticed: never, unnoticed: never, ..Times::default() },
        notices: false,
        clock: Clock::from(&hands),
    };
    let member = |dir| Member { sought: Sought { dir, name: None }, refs: Selection::Usual };
    let members = places.into_iter().map(member).collect();
    let report = Report::begin("watch", None, Format::Jsonl, Loudness::default()).expect("it begins");
    let (strands, (_change, changes)) = (report.strands(), async_channel::bounded(1));
    let word = || smol::unblock(|| std::io::stdin().lines().next().expect("a word").expect("UTF-8"));
    let hand = async {
        assert_eq!(word().await, "suspend");
        hands.suspend(Duration::from_hours(8));
        let ticking = async {
            loop {
                hands.advance(Duration::from_millis(100));
                smol::Timer::after(Duration::from_millis(1)).await;
            }
        };
        smol::future::or(async { assert_eq!(word().await, "stop") }, ticking).await;
        token.cancel();
    };
    let (watched, ()) =
        smol::block_on(smol::future::zip(watch::run(members, &changes, &options, &strands, &token), hand));
    watched.expect("somebody reads");
}

#[test]
fn what_cannot_be_followed_is_said_at_once() {
    let place = Repo::new();
    let nowhere = place.home();
    for (args, code, words) in [
        (&["watch"][..], 128, "not a git repository"),
        (&["watch", "--sync=15m"], 129, "--repo, --group or --all-repos"),
        (&["watch", "--all-repos"], 128, "no repository is registered"),
        (&["watch", "--poll=soon"], 129, "bad value 'soon' for --poll"),
        (&["watch", "--poll=0"], 129, "bad value '0' for --poll"),
        (&["watch", "--all-repos", "--sync=0"], 129, "bad value '0' for --sync"),
    ] {
        let output = bhfuil(&place).current_dir(&nowhere).args(args).output().expect("runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(words), "{args:?}: {told}");
    }
}

/// Resident memory in KiB and open descriptors, once nothing is done.
fn used(pid: u32) -> (u64, usize) {
    wait_until_idle(pid);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("proc(5)");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let resident = resident.trim().trim_end_matches(" kB").parse().expect("a number");
    (resident, std::fs::read_dir(format!("/proc/{pid}/fd")).expect("proc(5)").count())
}

#[test]
fn ten_thousand_updates_of_refs_leave_nothing_behind() {
    const BATCHES: usize = 20;
    const UPDATES: usize = 500;
    let repo = Repo::fixture("merges");
    let commits: Vec<String> = repo.git(&["rev-list", "--all"]).lines().map(str::to_owned).collect();
    let watch = Watch::start(&repo, &[], 1);
    let mut known = refs(&repo);
    let mut first = None;
    for batch in 0..BATCHES {
        let updates: Vec<String> = (0..UPDATES)
            .map(|number| format!("update refs/heads/many/{number} {}\n", commits[(batch + number) % commits.len()]))
            .collect();
        repo.git_with(&["update-ref", "--stdin"], updates.concat().as_bytes());
        let now = refs(&repo);
        while known != now {
            apply(&watch.until("repo-end"), &mut known);
        }
        // After a fifth every buffer has its size.
        if batch == BATCHES / 5 {
            first = Some(used(watch.child.id()));
        }
    }
    let ((before, open_before), (after, open_after)) = (first.expect("a fifth"), used(watch.child.id()));
    assert!(open_after <= open_before, "{open_before} descriptors, then {open_after}");
    assert!(after < before + before / 4, "{before} KiB, then {after}");
    watch.stop();
}
