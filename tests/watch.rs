//! `git bhfuil watch`: what is told while refs move is what git says has come, each commit once.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead as _;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

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
        // For what the tests have a shell do.
        repo.git(&["config", "--global", "user.name", "A U Thor"]);
        repo.git(&["config", "--global", "user.email", "author@example.com"]);
        let mut command = bhfuil_command(repo, &[&["watch"], args].concat());
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("git-bhfuil starts");
        let stdout = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let watch = Self { child, lines, reader: Some(reader) };
        for _ in 0..repositories {
            watch.until("repo-end");
        }
        watch
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
    assert_eq!(of_type(&watch.until("warning"), "warning")[0]["code"], "returned");
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
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("git-bhfuil starts");
    let mut lines = std::io::BufReader::new(child.stdout.take().expect("a pipe")).lines();
    for _ in 0..3 {
        lines.next().expect("a line").expect("it is read");
    }
    drop(lines);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn each_new_commit_is_located() {
    let repo = Repo::fixture("backports");
    let watch = Watch::start(&repo, &["--where"], 1);
    let origin = repo.git(&["rev-parse", "HEAD"]);
    repo.shell("git checkout -q -b stable/9.0 HEAD~1 && git cherry-pick -x --allow-empty main >pick.log 2>&1 || git commit -q --allow-empty -m \"$(git log -1 --format=%B main)\n\n(cherry picked from commit $(git rev-parse main))\"");
    let pick = repo.git(&["rev-parse", "stable/9.0"]);
    let told = loop {
        let told = watch.until("repo-end");
        if told.iter().any(|event| event["type"] == "match") {
            break told;
        }
    };
    let matched: BTreeSet<&str> = of_type(&told, "match").into_iter().map(|event| text(event, "id")).collect();
    assert!(matched.contains(origin.trim()) && matched.contains(pick.trim()), "{told:?}");
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

#[test]
fn what_cannot_be_followed_is_said_at_once() {
    let place = Repo::new();
    let nowhere = place.home();
    for (args, code, words) in [
        (&["watch"][..], 128, "not a git repository"),
        (&["watch", "--sync=15m"], 129, "--repo, --group or --all-repos"),
        (&["watch", "--all-repos"], 128, "no repository is registered"),
        (&["watch", "--poll=soon"], 128, "bad value 'soon' for --poll"),
        (&["watch", "--all-repos", "--sync=0"], 128, "bad value '0' for --sync"),
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
