//! What the integration tests stand on: repositories, a git and a `git-bhfuil` that know nothing of the user, and a reader
//! of the stream that holds every line to its schema.
//!
//! It makes and reads; what an answer ought to be is each test's own business. `mod support;` includes it, so every test
//! binary uses but a part of it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) mod dag;
pub(crate) mod packs;
pub(crate) mod shells;

/// A repository in a temporary directory, gone with it. Beside it lies `home/`, where git and `git-bhfuil` look for
/// their configuration and cache.
pub(crate) struct Repo {
    temp: TempDir,
    dir: PathBuf,
    truth: BTreeMap<String, String>,
}

impl Repo {
    /// An empty repository with a work tree, on the unborn branch `main`.
    pub(crate) fn new() -> Self {
        let repo = Self::nowhere();
        run(repo.git_command().args(["init", "--quiet"]).arg(&repo.dir));
        repo
    }

    /// What `fixtures/<shape>` makes, with the truth it told.
    pub(crate) fn fixture(shape: &str) -> Self {
        Self::fixture_in(shape, &[])
    }

    /// As [`Repo::fixture`], with `GIT_DEFAULT_HASH` or `GIT_DEFAULT_REF_FORMAT` for the script.
    pub(crate) fn fixture_in(shape: &str, format: &[(&str, &str)]) -> Self {
        Self::nowhere().made_by(shape, &[], format)
    }

    /// What `fixtures/synthetic` makes of `commits` commits.
    pub(crate) fn synthetic(commits: usize) -> Self {
        Self::nowhere().made_by("synthetic", &[&commits.to_string()], &[])
    }

    /// The same history kept as the `variant` of `fixtures/storage`. The truth is this one's and the variant's.
    pub(crate) fn stored_as(&self, variant: &str) -> Self {
        let source = self.dir.to_str().expect("a UTF-8 temporary path");
        let mut stored = Self::nowhere().made_by("storage", &[variant, source], &[]);
        for (name, id) in &self.truth {
            stored.truth.entry(name.clone()).or_insert(id.clone());
        }
        stored
    }

    fn nowhere() -> Self {
        let temp = TempDir::new().expect("a temporary directory");
        let dir = temp.path().join("repo");
        std::fs::create_dir(temp.path().join("home")).expect("home");
        Self { temp, dir, truth: BTreeMap::new() }
    }

    fn made_by(mut self, fixture: &str, args: &[&str], format: &[(&str, &str)]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
        let mut command = Command::new(script);
        self.seal(&mut command).envs(format.iter().copied()).args(args).arg(&self.dir);
        let told = String::from_utf8_lossy(&run(&mut command)).into_owned();
        let lines = told.lines().filter_map(|line| line.rsplit_once(' '));
        self.truth = lines.map(|(name, id)| (name.to_owned(), id.to_owned())).collect();
        self
    }

    /// The same, seen from `folder` inside it (a submodule, say).
    pub(crate) fn inside(mut self, folder: &str) -> Self {
        self.dir.push(folder);
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// The temporary home, in which a test may put a configuration.
    pub(crate) fn home(&self) -> PathBuf {
        self.temp.path().join("home")
    }

    /// Takes every object of this `kind` away: what is said of them then can only come from elsewhere.
    pub(crate) fn remove_objects(&self, kind: &str) {
        let objects = self.path().join(self.git(&["rev-parse", "--git-common-dir"])).join("objects");
        let packs: Vec<_> = std::fs::read_dir(objects.join("pack")).expect("a folder").collect();
        for entry in packs {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "pack") {
                let pack = std::fs::read(&path).expect("a pack");
                std::fs::remove_file(path.with_extension("idx")).expect("its index");
                std::fs::remove_file(&path).expect("the pack");
                self.git_with(&["unpack-objects", "-q"], &pack);
            }
        }
        let all = self.git(&["cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"]);
        let mut removed = 0;
        for id in all.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' ')) {
            std::fs::remove_file(objects.join(&id[..2]).join(&id[2..])).expect("a loose object");
            removed += 1;
        }
        assert!(removed > 0, "there was some {kind}");
    }

    /// The id that the fixture told for `name`.
    pub(crate) fn id(&self, name: &str) -> &str {
        self.truth.get(name).unwrap_or_else(|| panic!("the fixture tells nothing of {name}"))
    }

    /// All that the fixture told: name and id. For `shallow` and the like, where a name is told more than once, the last.
    pub(crate) fn truth(&self) -> &BTreeMap<String, String> {
        &self.truth
    }

    /// Every commit of one change: where it came in (`""`) and the branches and tags that have it again.
    pub(crate) fn change(&self, name: &str) -> BTreeMap<&str, &str> {
        let told = self.truth.iter().map(|(name, id)| {
            let (change, place) = name.split_once('@').unwrap_or((name, ""));
            (change, place, id.as_str())
        });
        told.filter(|(change, ..)| *change == name).map(|(_, place, id)| (place, id)).collect()
    }

    /// What git writes to stdout; a failure of git is one of the test.
    pub(crate) fn git_bytes(&self, args: &[&str]) -> Vec<u8> {
        run(self.git_command().arg("-C").arg(&self.dir).args(args))
    }

    /// As [`Repo::git_bytes`], as lossy text without the last newline.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let text = String::from_utf8_lossy(&self.git_bytes(args)).into_owned();
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Git with `input` on its stdin.
    pub(crate) fn git_with(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.git_command();
        command.arg("-C").arg(&self.dir).args(args);
        feed(&mut command, input)
    }

    /// What a POSIX shell writes to stdout that runs `script` in the repository, sealed as git is.
    pub(crate) fn shell(&self, script: &str) -> String {
        let mut command = Command::new("sh");
        let script = feed(self.seal(&mut command).current_dir(&self.dir), script.as_bytes());
        String::from_utf8(script).expect("UTF-8")
    }

    /// A git that a test may go on to furnish.
    pub(crate) fn git_command(&self) -> Command {
        let mut command = Command::new("git");
        self.seal(&mut command);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A U Thor");
            command.env(format!("GIT_{who}_EMAIL"), "author@example.com");
            command.env(format!("GIT_{who}_DATE"), "@1800000000 +0000");
        }
        command.args(["-c", "init.defaultBranch=main", "-c", "gc.auto=0"]);
        command
    }

    /// Takes from `command` every GIT_* of the one who runs the tests and gives it a home of its own.
    pub(crate) fn seal<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        for (name, value) in self.sealed_env() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    pub(crate) fn sealed_env(&self) -> Vec<(std::ffi::OsString, Option<std::ffi::OsString>)> {
        let home = self.home();
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let mut env: Vec<_> =
            inherited.filter(|name| name.to_string_lossy().starts_with("GIT_")).map(|name| (name, None)).collect();
        let places = [
            ("HOME", home.clone()),
            ("XDG_CONFIG_HOME", home.join("config")),
            ("XDG_CACHE_HOME", home.join("cache")),
            ("XDG_DATA_HOME", home.join("data")),
            ("XDG_STATE_HOME", home.join("state")),
            ("GIT_BHFUIL_CACHE", home.join("bhfuil")),
        ];
        env.extend(places.map(|(name, path)| (name.into(), Some(path.into()))));
        let fixed = [("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];
        env.extend(fixed.map(|(name, value)| (name.into(), Some(value.into()))));
        env
    }
}

/// Runs the test `name` of this program once more, in a process of its own that is sealed for `repo` and furnished by `furnish`, by whose
/// variables the test sees that it is there. For what asks the environment of its process. Returns what it wrote to stderr.
pub(crate) fn run_anew(repo: &Repo, name: &str, furnish: impl FnOnce(&mut Command)) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    repo.seal(&mut command).args(["--exact", name, "--nocapture", "--test-threads=1"]);
    furnish(&mut command);
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{told}");
    told
}

/// `git-bhfuil` inside `repo`, sealed. stdin is empty unless the test gives one.
pub(crate) fn bhfuil(repo: &Repo) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_git-bhfuil"));
    for (name, value) in repo.sealed_env() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(repo.path());
    command
}

/// Copies the program to `path`. cp(1) does it: a file that this process writes is still open for writing in what another thread starts
/// at that moment, and can't be run until that has begun ("Text file busy", execve(2)).
pub(crate) fn copy_program(path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_git-bhfuil")).arg(path).status().expect("cp runs");
    assert!(copied.success(), "{}", path.display());
}

/// As [`bhfuil`], for a test that reads from it while it runs, or signals it: stdout is a pipe, stderr too.
pub(crate) fn bhfuil_running(repo: &Repo, args: &[&str]) -> std::process::Child {
    let mut command = bhfuil_command(repo, args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("git-bhfuil starts")
}

/// As [`bhfuil`], for a test that furnishes it and starts it itself.
pub(crate) fn bhfuil_command(repo: &Repo, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_git-bhfuil"));
    repo.seal(&mut command).current_dir(repo.path()).args(args);
    command
}

/// Waits until the process `pid` has stopped using the processor: it waits for its reader, or has ended.
pub(crate) fn wait_until_idle(pid: u32) {
    let spent = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map(|stat| ticks(&stat)).unwrap_or_default();
    let (mut last, mut still) = (spent(), 0);
    while still < 10 {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let now = spent();
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
}

/// State, and user and system time, of a line of `/proc/<pid>/stat` (proc(5)): what stands after the name in parentheses.
fn ticks(stat: &str) -> Vec<String> {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.enumerate().filter(|(at, _)| [11, 12].contains(at)).map(|(_, field)| field.to_owned()).collect()
}

/// The ids of the `commit` events, in order.
pub(crate) fn commit_ids(events: &[Value]) -> Vec<String> {
    let commits = events.iter().filter(|event| event["type"] == "commit");
    commits.map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

/// The ids of the `commit` events of a large stream, which is not held to the schema line by line: that takes seconds.
pub(crate) fn ids_alone(output: &Output) -> Vec<String> {
    let stream = std::str::from_utf8(&output.stdout).expect("the stream is UTF-8");
    let commits = stream.lines().filter(|line| line.starts_with("{\"type\":\"commit\""));
    let id = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].as_str().expect("an id").to_owned();
    commits.map(id).collect()
}

/// The lines of a stream, in order: each is whole, opens with its `type` and keeps to the schema; `begin` is the first, `end`
/// the last, and each is there once.
pub(crate) fn events(output: &Output) -> Vec<Value> {
    let stream = std::str::from_utf8(&output.stdout).expect("the stream is UTF-8");
    assert!(stream.ends_with('\n'), "the stream is cut off: {stream:?}\n{}", String::from_utf8_lossy(&output.stderr));
    let events: Vec<Value> = stream.lines().map(event).collect();
    let places = |kind| {
        let found = events.iter().enumerate().filter(|(_, e)| e["type"] == kind);
        found.map(|(place, _)| place).collect::<Vec<_>>()
    };
    assert_eq!(places("begin"), [0], "{stream}");
    assert_eq!(places("end"), [events.len() - 1], "{stream}");
    events
}

/// Those of one type.
pub(crate) fn of_type<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// HEAD, branches, remote branches and tags, as `git rev-list` is told them: what `scan` streams by default.
pub(crate) const USUAL: [&str; 4] = ["HEAD", "--branches", "--remotes", "--tags"];

/// The revisions of [`USUAL`] that `repo` has: `HEAD` may be unborn.
pub(crate) fn usual(repo: &Repo) -> &'static [&'static str] {
    let mut head = repo.git_command();
    head.arg("-C").arg(repo.path()).args(["rev-parse", "--quiet", "--verify", "HEAD"]);
    let born = head.output().expect("git runs").status.success();
    if born { &USUAL } else { &USUAL[1..] }
}

/// The exact bytes of a text, which `_b64` has if and only if the text is lossy.
pub(crate) fn exact(event: &Value, field: &str) -> Vec<u8> {
    let text = event[field].as_str().unwrap_or_else(|| panic!("no {field}: {event}"));
    let Some(encoded) = event.get(format!("{field}_b64")) else { return text.as_bytes().to_vec() };
    let bytes = BASE64.decode(encoded.as_str().expect("a string")).expect("base64");
    assert_ne!(bytes, text.as_bytes(), "{field}_b64 says nothing new: {event}");
    assert_eq!(String::from_utf8_lossy(&bytes), text, "{field}");
    bytes
}

fn event(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    // The map may be sorted, so the order of the keys is looked for in the text.
    let kind = event["type"].as_str().unwrap_or_default();
    assert!(line.starts_with(&format!("{{\"type\":\"{kind}\"")), "`type` isn't the first key: {line}");
    let complaints: Vec<_> =
        schema().iter_errors(&event).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(complaints.is_empty(), "{complaints:?}: {line}");
    event
}

/// What `git-bhfuil schema` prints, compiled once.
fn schema() -> &'static jsonschema::Validator {
    static SCHEMA: OnceLock<jsonschema::Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let repo = Repo::nowhere();
        let mut command = Command::new(env!("CARGO_BIN_EXE_git-bhfuil"));
        let printed = run(repo.seal(&mut command).arg("schema"));
        let schema = serde_json::from_slice(&printed).expect("the schema is JSON");
        jsonschema::validator_for(&schema).expect("the schema is one")
    })
}

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    successful(command, output)
}

fn successful(command: &Command, output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", failure(command, &output));
    output.stdout
}

fn failure(command: &Command, output: &Output) -> String {
    let mut text = format!("{command:?}: {}", output.status);
    let _ = write!(text, "\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Vec<u8> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // From a thread of its own, for git may answer before it has read all.
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("git ends")
    });
    successful(command, output)
}
