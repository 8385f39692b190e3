//! `git bhfuil task`: processes in the background, seen by others. What is to take its time is a clone by a `git` that never ends.

#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Repo, bhfuil_command, events, of_type};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// A repository, and a registered one called `slow` whose clone never ends. When it goes, so do all tasks.
struct Background {
    repo: Repo,
}

impl Background {
    fn new() -> Self {
        Self::of(Repo::fixture("backports"))
    }

    fn of(repo: Repo) -> Self {
        let bin = repo.home().join("bin");
        std::fs::create_dir_all(&bin).expect("a folder");
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *' clone '*) echo $$ >>'{}'; exec sleep 1000 ;; esac\nPATH=${{PATH#*:}} exec git \"$@\"\n",
            Self::pids_of(&repo).display()
        );
        std::fs::write(bin.join("git"), script).expect("written");
        std::fs::set_permissions(bin.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
        let config = repo.home().join("config/git-bhfuil");
        std::fs::create_dir_all(&config).expect("a folder");
        std::fs::write(config.join("config"), "[bhfuil \"repo.slow\"]\n\turl = file:///nowhere\n").expect("written");
        Self { repo }
    }

    fn pids_of(repo: &Repo) -> PathBuf {
        repo.home().join("clones")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bhfuil_command(&self.repo, &["task"]);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.repo.home().join("bin")].into_iter().chain(std::env::split_paths(&path));
        command.args(args).env("PATH", std::env::join_paths(path).expect("a path"));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it runs")
    }

    fn told(&self, args: &[&str]) -> Vec<Value> {
        of_type(&events(&self.run(args)), "task").into_iter().cloned().collect()
    }

    fn start(&self, args: &[&str]) -> String {
        let told = self.told(&[&["start"], args].concat());
        assert_eq!((told.len(), told[0]["state"].as_str()), (1, Some("pending")), "{told:?}");
        text(&told[0], "id")
    }

    fn show(&self, id: &str) -> Value {
        self.told(&["show", id]).remove(0)
    }

    /// The task when it is in `state`.
    fn until(&self, id: &str, state: &str) -> Value {
        eventually(|| Some(self.show(id)).filter(|task| task["state"] == state))
    }

    /// A task that clones, when it does; and the process of its clone.
    fn start_cloning(&self) -> (Value, u32) {
        let before = self.clones().len();
        let id = self.start(&["sync", "slow"]);
        let clone = eventually(|| self.clones().get(before).copied());
        (self.show(&id), clone)
    }

    fn clones(&self) -> Vec<u32> {
        let told = std::fs::read_to_string(Self::pids_of(&self.repo)).unwrap_or_default();
        told.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')?.parse().ok()).collect()
    }

    fn folder(&self) -> PathBuf {
        self.repo.home().join("bhfuil/tasks")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let told = String::from_utf8_lossy(&self.run(&["list"]).stdout).into_owned();
        let tasks = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let unended = tasks.filter(|task| task["state"] == "pending" || task["state"] == "running");
        for task in unended {
            self.run(&["cancel", task["id"].as_str().unwrap_or_default()]);
        }
        for clone in self.clones().into_iter().filter(|&pid| lives(pid)) {
            signal("KILL", clone);
        }
    }
}

fn text(task: &Value, field: &str) -> String {
    task[field].as_str().unwrap_or_else(|| panic!("no {field}: {task}")).to_owned()
}

fn pid(task: &Value) -> u32 {
    u32::try_from(task["pid"].as_u64().expect("a number")).expect("a process id")
}

fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < LONG, "it never comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What `/proc/<pid>/stat` says after the name (proc(5)): state, parent, group, session and so on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Whether a process runs, and isn't one that only waits to be buried.
fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat[0] != "Z" && stat[0] != "X")
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().expect("kill runs");
    assert!(status.success(), "kill -s {name} {pid}");
}

#[test]
fn a_task_goes_on_without_its_starter_and_what_it_has_come_to_is_kept_until_it_is_cleaned() {
    let background = Background::new();
    let id = background.start(&["scan"]);
    let waited = background.run(&["wait", &id, "--timeout=60s"]);
    assert_eq!(waited.status.code(), Some(0), "{}", String::from_utf8_lossy(&waited.stdout));
    let task = background.show(&id[id.len() - 6..]);
    assert_eq!(
        (text(&task, "id"), text(&task, "state"), text(&task, "kind")),
        (id.clone(), "completed".into(), "scan".into())
    );
    assert_eq!((text(&task, "about"), text(&task, "detail")), ("repo".into(), "the index is up to date".into()));
    let log = std::fs::read_to_string(text(&task, "log")).expect("a log");
    assert!(
        log.lines().any(|line| line.contains(r#""type":"repo-end""#) && line.contains(r#""index":"built""#)),
        "{log}"
    );
    // The index is there: nothing is left to be done.
    let scanned = bhfuil_command(&background.repo, &["scan", "--no-commits"]).output().expect("it runs");
    assert_eq!(of_type(&events(&scanned), "repo-end")[0]["index"], "fresh");

    let people = String::from_utf8(background.run(&["list", "--format=human"]).stdout).expect("UTF-8");
    assert!(people.starts_with(&format!("{id}  scan  repo  completed  ")), "{people}");
    assert_eq!(background.told(&["clean"]).len(), 1);
    assert_eq!(background.told(&["list"]), [Value::Null; 0]);
    assert_eq!(std::fs::read_dir(background.folder()).expect("the folder").count(), 0, "its log is gone");
}

#[test]
fn a_task_leaves_the_terminal_and_one_that_is_cancelled_leaves_no_process() {
    let background = Background::new();
    let (task, clone) = background.start_cloning();
    assert_eq!((text(&task, "state"), text(&task, "about")), ("running".into(), "slow".into()));
    let owner = pid(&task);
    let stat = stat(owner).expect("it runs");
    assert_eq!(stat[3], owner.to_string(), "it leads a session");
    assert_eq!(stat[4], "0", "without a terminal");
    assert!(lives(clone));

    let waited = background.run(&["wait", "--timeout=10ms", &text(&task, "id")]);
    assert_eq!(waited.status.code(), Some(1), "it isn't done");
    assert_eq!(of_type(&events(&waited), "warning")[0]["code"], "still-running");

    let cancelled = background.told(&["cancel", &text(&task, "id")]);
    assert_eq!((cancelled.len(), cancelled[0]["state"].as_str()), (1, Some("cancelled")));
    assert!(!lives(owner) && !lives(clone), "both are gone when it says so");
    let waited = background.run(&["wait", &text(&task, "id")]);
    assert_eq!(waited.status.code(), Some(1), "cancelled is not completed");
    let again = background.run(&["cancel", &text(&task, "id")]);
    assert_eq!(of_type(&events(&again), "warning")[0]["code"], "task-over");
}

#[test]
fn one_that_does_not_listen_is_ended_with_all_its_processes() {
    let background = Background::new();
    let (task, clone) = background.start_cloning();
    signal("STOP", pid(&task));
    let cancelled = background.told(&["cancel", &text(&task, "id")]);
    assert_eq!(cancelled[0]["state"], "cancelled");
    assert!(!lives(pid(&task)) && !lives(clone));
}

#[test]
fn what_a_killed_process_leaves_is_failed_with_the_reason() {
    let background = Background::new();
    let (task, clone) = background.start_cloning();
    signal("KILL", pid(&task));
    eventually(|| (!lives(pid(&task))).then_some(()));
    let failed = background.show(&text(&task, "id"));
    let reason = format!("process {} ended before it was done", pid(&task));
    assert_eq!((text(&failed, "state"), text(&failed, "detail")), ("failed".into(), reason));
    assert_eq!(background.run(&["wait", &text(&task, "id")]).status.code(), Some(1));
    signal("KILL", clone);
}

#[test]
fn one_that_takes_too_long_fails_and_says_which_setting_allows_more() {
    let background = Background::new();
    let mut command = background.command(&["start", "sync", "slow"]);
    let output = command.env("GIT_BHFUIL_TIMEOUT_TASK", "1s").output().expect("it runs");
    let id = text(of_type(&events(&output), "task")[0], "id");
    let failed = background.until(&id, "failed");
    let said = "task sync took longer than 1 s; bhfuil.timeout.task sets how long it may take";
    assert_eq!(text(&failed, "detail"), said);
    eventually(|| background.clones().iter().all(|clone| !lives(*clone)).then_some(()));
}

#[test]
fn what_can_not_be_begun_has_failed_with_the_reason() {
    let background = Background::new();
    assert_eq!(background.told(&["list"]), [Value::Null; 0]);
    let state = rusqlite::Connection::open(background.folder().with_file_name("state.db")).expect("opens");
    let never = "CREATE TRIGGER never BEFORE INSERT ON task WHEN NEW.state = 'running' \
                 BEGIN SELECT RAISE(ABORT, 'the disk has a scratch'); END";
    state.execute_batch(never).expect("it is made");
    let id = background.start(&["scan"]);
    let failed = background.until(&id, "failed");
    assert!(text(&failed, "detail").contains("the disk has a scratch"), "{failed}");
}

#[test]
fn one_that_is_cleaned_away_while_it_is_waited_for_is_said_to_be_gone() {
    let background = Background::new();
    // Stopped too early, it hasn't looked for the task yet.
    let waited = (1..).map(|attempt| {
        let (task, _) = background.start_cloning();
        let id = text(&task, "id");
        let mut command = background.command(&["wait", &id]);
        let waiting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        std::thread::sleep(attempt * Duration::from_millis(100));
        signal("STOP", waiting.id());
        background.told(&["cancel", &id]);
        background.told(&["clean"]);
        signal("CONT", waiting.id());
        (id, waiting.wait_with_output().expect("it ends"))
    });
    let (id, waited) = waited.take(20).find(|(_, waited)| waited.status.code() != Some(128)).expect("in time");
    assert_eq!(waited.status.code(), Some(1));
    let told = events(&waited);
    let error = of_type(&told, "error")[0];
    let said = format!("task {id} is gone: it was forgotten before it was seen how it ended");
    assert_eq!((text(error, "message"), error["fatal"].clone()), (said, false.into()));
    assert!(text(error, "hint").contains("git bhfuil task clean"), "{error}");
}

#[test]
fn so_many_run_at_a_time_and_the_others_in_their_turn() {
    let background = Background::new();
    let limited = |args: &[&str]| {
        let output = background.command(args).env("GIT_BHFUIL_TASK_LIMIT", "1").output().expect("it runs");
        text(of_type(&events(&output), "task")[0], "id")
    };
    let first = limited(&["start", "sync", "slow"]);
    eventually(|| (!background.clones().is_empty()).then_some(()));
    let second = limited(&["start", "scan"]);
    let third = limited(&["start", "gc", "--priority=high"]);
    let never = limited(&["start", "scan"]);
    assert_eq!(background.told(&["cancel", &never])[0]["state"], "cancelled");
    assert_eq!(
        [&first, &second, &third].map(|id| text(&background.show(id), "state")),
        ["running", "pending", "pending"]
    );
    background.told(&["cancel", &first]);
    assert_eq!(background.run(&["wait", &second, &third]).status.code(), Some(0));
    let began = |id: &str| {
        let log = std::fs::metadata(text(&background.show(id), "log")).expect("a log");
        log.modified().expect("a time")
    };
    assert!(began(&third) <= began(&second), "the one that is more important first");
    assert!(background.show(&never).get("begun_at").is_none());
}

#[test]
fn one_without_progress_shows_as_stalled() {
    let background = Background::new();
    let (task, _) = background.start_cloning();
    let seen = |after: &str| {
        let mut command = background.command(&["show", &text(&task, "id")]);
        let output = command.env("GIT_BHFUIL_STALL_AFTER", after).output().expect("it runs");
        of_type(&events(&output), "task")[0].clone()
    };
    assert_eq!(seen("1h")["stalled"], false);
    let stalled = eventually(|| Some(seen("1ms")).filter(|task| task["stalled"] == true));
    assert!(text(&stalled, "detail").starts_with("no progress for "), "{stalled}");
}

#[test]
fn results_expire_as_configured() {
    let background = Background::new();
    let id = background.start(&["gc"]);
    assert_eq!(background.run(&["wait", &id]).status.code(), Some(0));
    let list = |expiry: &str| {
        let output = background.command(&["list"]).env("GIT_BHFUIL_TASK_EXPIRY", expiry).output().expect("it runs");
        of_type(&events(&output), "task").len()
    };
    assert_eq!((list("1d"), std::fs::read_dir(background.folder()).expect("the folder").count()), (1, 1));
    eventually(|| (list("1ms") == 0).then_some(()));
    assert_eq!(std::fs::read_dir(background.folder()).expect("the folder").count(), 0);
}

#[test]
fn many_that_are_started_at_once_are_told_apart_and_all_done() {
    let background = Background::new();
    let start = || background.start(&["scan"]);
    let ids: Vec<String> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        started.into_iter().map(|one| one.join().expect("it starts")).collect()
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 8);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let waited = background.run(&[&["wait", "--timeout=60s"], &ids[..]].concat());
    assert_eq!(waited.status.code(), Some(0), "{}", String::from_utf8_lossy(&waited.stdout));
    let told = events(&waited);
    let told: Vec<&str> = of_type(&told, "task").iter().map(|task| task["id"].as_str().expect("an id")).collect();
    assert_eq!(told, ids, "in the order in which they are named");
}

#[test]
fn what_can_not_be_done_is_said_at_once() {
    let background = Background::new();
    let refused = |args: &[&str], code: i32| {
        let output = background.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(refused(&["show", "abc"], 128), "fatal: there is no task 'abc'\nhint: there are no tasks\n");
    let id = background.start(&["gc"]);
    let said = refused(&["cancel", "abc"], 128);
    assert!(said.ends_with(&format!("the last are {id}\n")), "{said}");
    assert!(refused(&["start", "scan", "./nowhere"], 128).contains("nowhere"));
    assert!(refused(&["start", "sync", "slwo"], 128).contains("did you mean 'slow'?"));
    assert!(refused(&["wait", &id, "--timeout=soon"], 129).contains("bad value 'soon' for --timeout"));
    assert!(refused(&["wait", &id, "--timeout=0"], 129).contains("bad value '0' for --timeout"));
    for (args, said) in [
        (&["start"][..], "<kind> is missing"),
        (&["start", "walk"], "expected scan, patch-ids, prefetch, sync or gc"),
        (&["start", "gc", "repo"], "takes no repositories"),
        (&["start", "sync"], "a name, --group or --all-repos is missing"),
        (&["wait"], "the id of a task is missing"),
        (&["start", "sync", "slow", "--jobs=0"], "--jobs"),
        (&["start", "scan", "--priority=urgent"], "expected low, normal or high"),
    ] {
        let usage = refused(args, 129);
        assert!(usage.contains(said), "{args:?}: {usage}");
    }
    assert_eq!(background.told(&["list"]).len(), 1, "nothing of this was registered");
}

#[test]
fn what_fails_in_the_background_is_told_by_the_task() {
    let background = Background::new();
    // Another version's cache: nothing can be done there.
    let state = background.start(&["scan"]);
    assert_eq!(background.run(&["wait", &state]).status.code(), Some(0));
    let folder = background.repo.home().join("bhfuil");
    let caches = std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path());
    let is_cache = |path: &PathBuf| path.extension().is_some_and(|it| it == "db") && !path.ends_with("state.db");
    let cache = caches.filter(|path| path.is_file()).find(is_cache).expect("a cache");
    set_version(&cache, 99);
    let id = background.start(&["patch-ids"]);
    let failed = background.until(&id, "failed");
    assert!(text(&failed, "detail").contains("has version 99"), "{failed}");
    assert!(std::fs::read_to_string(text(&failed, "log")).expect("a log").contains(r#""code":"cache-newer""#));
}

/// Writes `user_version` into the header of a database (`SQLite` file format, offset 60).
fn set_version(path: &Path, version: i32) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options().write(true).open(path).expect("opens");
    file.write_all_at(&version.to_be_bytes(), 60).expect("written");
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

/// How many patch-ids are kept of the repository.
fn kept(repo: &Repo) -> u64 {
    let output = bhfuil_command(repo, &["cache", "info"]).output().expect("it runs");
    of_type(&events(&output), "cache").first().map_or(0, |cache| cache["patch_ids"].as_u64().expect("a number"))
}

/// What `where` answers to all commits of the truth, in order.
fn asked(repo: &Repo) -> Vec<Value> {
    let ids: BTreeSet<&str> = repo.truth().values().map(String::as_str).collect();
    let mut command = bhfuil_command(repo, &["where", "--tags=all"]);
    let output = command.args(ids).stdin(Stdio::null()).output().expect("it runs");
    let told = events(&output);
    told.into_iter().filter(|event| ["commit", "match", "presence"].iter().any(|kind| event["type"] == *kind)).collect()
}

#[test]
fn what_can_not_be_read_is_left_out_and_said_in_the_log() {
    let background = Background::new();
    let repo = &background.repo;
    let blob = repo.git(&["rev-parse", &format!("{}:a", repo.id("plain"))]);
    let lacking = repo.git(&["log", "--all", "--no-merges", "--format=%H", &format!("--find-object={blob}")]);
    let object = repo.path().join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    std::fs::remove_file(object).expect("a loose object");
    let id = background.start(&["patch-ids"]);
    let done = background.until(&id, "completed");
    // All of them are picks, or picked.
    assert!(text(&done, "detail").ends_with(&format!(" {} left out", lacking.lines().count())), "{done}\n{lacking}");
    let log = std::fs::read_to_string(text(&done, "log")).expect("a log");
    let warning = log.lines().find(|line| line.contains(r#""code":"left-out""#)).expect("a warning");
    assert!(warning.contains(&blob), "{warning}");
}

#[test]
fn while_queries_are_waited_for_likely_picks_are_worked_out_and_the_answers_stay_the_same() {
    let background = Background::new();
    let repo = &background.repo;
    let id = background.start(&["patch-ids"]);
    assert_eq!(background.run(&["wait", &id]).status.code(), Some(0));
    let all = kept(repo);

    let other = Repo::fixture("backports");
    let mut command = bhfuil_command(&other, &["where", "--stdin", "--warm"]);
    let mut running = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    // Nothing is asked yet.
    eventually(|| (kept(&other) == all).then_some(()));
    let mut input = running.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, format!("{}\n", other.id("plain")).as_bytes()).expect("written");
    drop(input);
    let warmed = running.wait_with_output().expect("it ends");
    assert_eq!(warmed.status.code(), Some(0));
    assert_eq!(kept(&other), all, "no diff was left for the query");
    let cold = Repo::fixture("backports");
    let told = bhfuil_command(&cold, &["where", cold.id("plain")]).output().expect("it runs");
    let answers = |output: &Output| -> Vec<Value> {
        let told = events(output).into_iter();
        told.filter(|event| ["commit", "match", "presence"].iter().any(|kind| event["type"] == *kind)).collect()
    };
    assert!(!answers(&told).is_empty());
    assert_eq!(answers(&warmed), answers(&told));
    // One that ends at once takes what works on with it.
    let mut command = bhfuil_command(&other, &["where", "--stdin", "--warm"]);
    let ended = command.stdin(Stdio::null()).output().expect("it ends");
    assert_eq!(events(&ended).last().expect("an end")["status"], "ok");
}

#[test]
fn after_patch_ids_where_gives_the_same_answer_and_has_less_to_work_out() {
    let cold = Repo::fixture("backports");
    let expected = asked(&cold);
    let worked_out = kept(&cold);
    assert!(worked_out > 0, "without a task the diffs are made by the query");

    let background = Background::of(Repo::fixture("backports"));
    let wait = || {
        let id = background.start(&["patch-ids"]);
        assert_eq!(background.run(&["wait", &id]).status.code(), Some(0));
        text(&background.show(&id), "detail")
    };
    let said = wait();
    let warm = kept(&background.repo);
    assert!(warm > 0 && said.contains(&format!(" {warm} worked out, 0 known before")), "{warm}: {said}");
    assert!(wait().contains(&format!(" 0 worked out, {warm} known before")), "what is known is not done again");
    assert_eq!(asked(&background.repo), expected);
    let more = kept(&background.repo) - warm;
    assert!(more < worked_out, "{more} were left for the query, of {worked_out} without the task");
    // Of picks that kept their author and date, nothing is.
    let fresh = Background::of(Repo::fixture("backports"));
    let id = fresh.start(&["patch-ids"]);
    assert_eq!(fresh.run(&["wait", &id]).status.code(), Some(0));
    let warm = kept(&fresh.repo);
    let one = bhfuil_command(&fresh.repo, &["where", fresh.repo.id("plain")]).output().expect("it runs");
    assert!(!of_type(&events(&one), "match").is_empty());
    assert_eq!(kept(&fresh.repo), warm, "no diff was made");
    let cold = Repo::fixture("backports");
    assert!(bhfuil_command(&cold, &["where", cold.id("plain")]).output().expect("it runs").status.success());
    assert!(kept(&cold) > 0, "without the task it takes some");
}
