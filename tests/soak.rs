//! A day's use, an hour a round: a project that goes on, forced pushes and all, a clone that is fetched and collected, a mirror that is
//! synced, one that watches, consumers of new commits, tasks, a tracker that is up and down, runs that are killed. At the end the cache
//! verifies, says what a fresh one says, and nothing has grown.
//!
//! Short here. Longer, and another one: `BHFUIL_SOAK=48 BHFUIL_SEED=7 cargo test --test soak`.
#![cfg(target_os = "linux")]

mod support;
#[path = "support/web.rs"]
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Repo, bhfuil, bhfuil_command, events, of_type};
use web::{Reply, Web};

/// Hours of a day that are enough for every kind of them.
const HOURS: u64 = 8;
/// Longer than anything takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_mins(2);
/// Runs at once.
const AT_ONCE: usize = 6;

/// Pseudorandom numbers, the same for the same seed (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// A process that tells, line by line.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(day: &Day) -> Self {
        let mut command = bhfuil_command(&day.work, &["watch", "--all-repos", "--sync=1s", "--where"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| {
                let _ = tell.send(line);
            });
        });
        Self { child, lines }
    }

    /// Hears what it tells until it has told each of `commits`.
    fn until(&self, told: &mut Vec<Value>, commits: &BTreeSet<String>) {
        let end = Instant::now() + PATIENCE;
        let known = told_commits(told);
        let mut missing: BTreeSet<&str> = commits.difference(&known).map(String::as_str).collect();
        while !missing.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("nothing was told of {missing:?}"));
            let event: Value = serde_json::from_str(&line).expect("a line is JSON");
            if event["type"] == "commit" {
                missing.remove(event["id"].as_str().unwrap_or_default());
            }
            told.push(event);
        }
    }

    /// Descriptors that are open, and kilobytes of memory that are used.
    fn resources(&self) -> (usize, u64) {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let descriptors = std::fs::read_dir(process.join("fd")).expect("it runs").count();
        let status = std::fs::read_to_string(process.join("status")).expect("it runs");
        let used = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        (descriptors, used.trim().trim_end_matches(" kB").parse().expect("a number"))
    }

    fn stop(mut self) -> Vec<Value> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let told = self.lines.iter().map(|line| serde_json::from_str(&line).expect("JSON")).collect();
        self.child.wait().expect("it ends");
        told
    }
}

impl Drop for Day {
    fn drop(&mut self) {
        // What a failure has left.
        for task in self.tasks() {
            let _ = bhfuil(&self.work).args(["task", "cancel", &task]).output();
        }
    }
}

/// The project, the clone that somebody works in, and the tracker.
struct Day {
    upstream: Repo,
    work: Repo,
    web: Web,
    is_up: Arc<AtomicBool>,
}

impl Day {
    fn new() -> Self {
        let upstream = Repo::fixture("backports");
        let work = Repo::new();
        let is_up = Arc::new(AtomicBool::new(true));
        let up = Arc::clone(&is_up);
        let web = Web::start(move |asked, _| match () {
            () if !up.load(Ordering::SeqCst) => Reply::status(503),
            () if asked.target.contains("/issues/") => {
                let number = asked.target.rsplit('/').next().unwrap_or_default().to_owned();
                let issue =
                    format!(r#"{{"number":{number},"title":"t","state":"open","html_url":"http://x/{number}"}}"#);
                Reply::json(&issue).with("ETag", "\"1\"")
            }
            () => Reply::status(404),
        });
        let day = Self { upstream, work, web, is_up };
        let url = format!("file://{}", day.upstream.path().display());
        let shared = day.work.home().join("mirrored");
        day.upstream.git(&["clone", "--quiet", "--mirror", ".", shared.to_str().expect("UTF-8")]);
        let tracker = format!("{}/owner/repo", day.web.url());
        day.work.shell(&format!(
            "git config --global user.name A; git config --global user.email a@example.com
            git config --global bhfuil.taskExpiry 1s
            git config --global bhfuil.retry.http.firstWait 1ms; git config --global bhfuil.retry.http.longestWait 1ms
            git config --global bhfuil.http.breakerCooldown 100ms; git config --global bhfuil.http.rate 1000
            git remote add origin {url}; git fetch --quiet --tags origin
            git config bhfuil.tracker.hub.type github; git config bhfuil.tracker.hub.url {tracker}"
        ));
        day.upstream
            .shell("git config user.name A; git config user.email a@example.com; git config advice.detachedHead false");
        day.ran(&["repo", "add", &format!("file://{}", shared.display())]);
        day
    }

    /// Where the mirror is made of, which follows the project.
    fn publish(&self) {
        let shared = self.work.home().join("mirrored");
        self.upstream.git(&[
            "-C",
            shared.to_str().expect("UTF-8"),
            "fetch",
            "--quiet",
            "--prune",
            "origin",
            "+refs/*:refs/*",
        ]);
    }

    fn ran(&self, args: &[&str]) -> Output {
        let output = bhfuil(&self.work).args(args).timeout(PATIENCE).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{args:?}: {told}{}",
            String::from_utf8_lossy(&output.stdout)
        );
        output
    }

    /// What somebody may do in an hour, `number` of the day.
    fn goes_on(&self, number: u64, dice: &mut Dice) {
        let say = |text: &str| format!("git commit --quiet --allow-empty -m '{text}'");
        let (issue, branch) = (dice.below(40) + 1, format!("topic-{number}"));
        let mut script = vec![
            "git checkout --quiet main".to_owned(),
            format!("echo {number} >> hour-{number}; git add ."),
            say(&format!("hour {number} (#{issue})")),
            say("no less (CVE-2026-1234)"),
        ];
        let stable = "git for-each-ref --format='%(refname:short)' --count=1 refs/heads/stable";
        script.push(match dice.below(6) {
            // As a maintainer of a stable branch does.
            0 | 1 => format!("git checkout --quiet $({stable}); git cherry-pick --allow-empty -x main~1 > /dev/null; git tag t{number}"),
            2 => format!("git checkout --quiet -b {branch} main~1; {}; git checkout --quiet main; git merge --quiet --no-ff -m merged {branch}", say("aside")),
            // A forced push.
            3 => format!("git checkout --quiet main; git reset --quiet --hard HEAD~2; {}", say(&format!("instead, hour {number}"))),
            4 => "git revert --no-edit HEAD~1 > /dev/null".to_owned(),
            _ => format!("git branch -q {branch} main; git branch -q -D {branch}; git tag -a -m x a{number}"),
        });
        script.push("git checkout --quiet main".to_owned());
        self.upstream.shell(&script.join("\n"));
        self.publish();
        match dice.below(4) {
            0 => self.work.git(&["fetch", "--quiet", "--prune", "--tags", "--force", "origin"]),
            1 => self.work.shell("git fetch --quiet --prune --tags --force origin; git gc --quiet --prune=now"),
            2 => self.work.shell(
                "git fetch --quiet --prune --tags --force origin; git repack --quiet -a -d; git pack-refs --all",
            ),
            _ => self.work.shell(
                "git fetch --quiet --prune --tags --force origin; git commit-graph write --reachable 2> /dev/null",
            ),
        };
    }

    /// What has come on the project's branch since the day began.
    fn since_dawn(&self) -> BTreeSet<String> {
        listed(&self.upstream, &["--since=@1760000000", "main"])
    }

    /// Some commits of the clone.
    fn some(&self, dice: &mut Dice, count: usize) -> Vec<String> {
        let all = self.work.git(&["rev-list", "--all"]);
        let all: Vec<&str> = all.lines().collect();
        (0..count).map(|_| all[dice.below(all.len())].to_owned()).collect()
    }

    /// Many runs at once, one of which may be killed.
    fn is_used(&self, dice: &mut Dice, told: &mut BTreeSet<String>) {
        let asked = self.some(dice, AT_ONCE - 2);
        let commands: Vec<Vec<&str>> = asked
            .iter()
            .map(|id| vec!["where", id])
            .chain([vec!["scan", "--patch-id"], vec!["where", "CVE-2026-1234"]])
            .collect();
        let mut running: Vec<Child> = commands.iter().map(|args| self.begin(args)).collect();
        let killed = dice.below(2 * AT_ONCE);
        if let Some(child) = running.get_mut(killed) {
            std::thread::sleep(Duration::from_millis(dice.below(40) as u64));
            let _ = child.kill();
        }
        // Meanwhile the consumer takes what is new: what it has got, it has got.
        let new = self.ran(&["scan", "--new=ci"]);
        told.extend(support::commit_ids(&events(&new)));
        for (number, (child, args)) in running.into_iter().zip(&commands).enumerate() {
            let output = child.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                number == killed || matches!(output.status.code(), Some(0 | 1)),
                "{args:?}: {said}{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
    }

    fn begin(&self, args: &[&str]) -> Child {
        let mut command = bhfuil_command(&self.work, args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    /// What trackers say, or that they say nothing.
    fn asks(&self, hour: u64) {
        self.is_up.store(hour % 3 != 2, Ordering::SeqCst);
        let log = self.work.git(&["log", "-5", "--format=%s", "origin/main"]);
        let keys: Vec<&str> = log
            .split(|letter: char| !letter.is_ascii_digit() && letter != '#')
            .filter(|word| word.starts_with('#') && word.len() > 1)
            .collect();
        let mut command = bhfuil(&self.work);
        let output = command.arg("enrich").args(&keys).write_stdin("").timeout(PATIENCE).output().expect("it runs");
        // A tracker that is down makes it partial and no more.
        assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{output:?}");
    }

    /// The tasks that have not ended.
    fn tasks(&self) -> Vec<String> {
        let output = bhfuil(&self.work).args(["task", "list"]).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let tasks = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let going = tasks.filter(|task| task["state"] == "pending" || task["state"] == "running");
        going.filter_map(|task| Some(task["id"].as_str()?.to_owned())).collect()
    }

    /// What is said of everything, by the cache in `folder`.
    fn answers(&self, folder: &Path, asked: &[String]) -> Vec<BTreeSet<String>> {
        let queries = asked.join("\n");
        let commands: [&[&str]; 4] = [
            &["scan", "--patch-id"],
            &["where", "--stdin", "--tags=all"],
            &["where", "CVE-2026-1234", "less"],
            &["where", "--all-repos", &asked[0]],
        ];
        let run = |args: &&[&str]| {
            let mut command = bhfuil(&self.work);
            command.args(*args).env("GIT_BHFUIL_CACHE", folder).write_stdin(queries.as_str());
            let output = command.timeout(PATIENCE).output().expect("it runs");
            assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?}: {output:?}");
            let told = events(&output);
            let kinds = ["commit", "match", "presence", "candidate"];
            let own = told.iter().filter(|event| kinds.contains(&event["type"].as_str().unwrap_or_default()));
            own.map(Value::to_string).collect()
        };
        commands.iter().map(run).collect()
    }
}

fn listed(repo: &Repo, args: &[&str]) -> BTreeSet<String> {
    repo.git(&[&["rev-list"], args].concat()).lines().map(str::to_owned).collect()
}

fn told_commits(told: &[Value]) -> BTreeSet<String> {
    of_type(told, "commit").iter().filter_map(|event| Some(event["id"].as_str()?.to_owned())).collect()
}

/// The files below `folder`, with their sizes.
fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(entry_is) if entry_is.is_dir() => folders.push(entry.path()),
                Ok(entry_is) => drop(found.insert(entry.path(), entry_is.len())),
                Err(_) => {}
            }
        }
    }
    found
}

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |value| value.parse().expect("a number"))
}

#[test]
fn after_a_day_of_use_everything_is_as_if_it_were_new_and_nothing_has_grown() {
    let (hours, seed) = (number("BHFUIL_SOAK", HOURS), number("BHFUIL_SEED", 1));
    let mut dice = Dice(seed);
    let day = Day::new();
    day.ran(&["repo", "add", "--name=work", "."]);
    let mut consumed: BTreeSet<String> =
        support::commit_ids(&events(&day.ran(&["scan", "--new=ci"]))).into_iter().collect();
    let watch = Watch::start(&day);
    let mut told = Vec::new();
    let mut before = None;
    for hour in 0..hours {
        day.goes_on(hour, &mut dice);
        day.is_used(&mut dice, &mut consumed);
        day.asks(hour);
        day.ran(&["task", "start", "sync", "--all-repos"]);
        day.ran(&["task", "start", "prefetch"]);
        watch.until(&mut told, &day.since_dawn());
        if hour == 2 {
            before = Some(watch.resources());
        }
    }
    let ((descriptors, memory), (descriptors_then, memory_then)) = (watch.resources(), before.expect("some hours"));
    // A look that is under way has some open.
    assert!(descriptors <= descriptors_then + 16, "{descriptors_then} descriptors, then {descriptors}");
    assert!(memory <= memory_then + (64 << 10), "{memory_then} KiB, then {memory}");
    told.extend(watch.stop());
    assert!(of_type(&told, "error").is_empty(), "{:#?}", of_type(&told, "error"));
    for task in day.tasks() {
        let output = bhfuil(&day.work).args(["task", "wait", &task]).timeout(PATIENCE).output().expect("it runs");
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    }
    day.ran(&["repo", "sync", "--all"]);

    // The consumer has got every commit that there is; the watch has told each of the project's, hour by hour.
    consumed.extend(support::commit_ids(&events(&day.ran(&["scan", "--new=ci"]))));
    let there = listed(&day.work, &["--remotes", "--tags"]);
    assert_eq!(there.difference(&consumed).count(), 0);
    assert!(day.since_dawn().len() as u64 >= hours, "it went on");

    let verified = day.ran(&["cache", "verify", "--all"]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    let (cache, fresh) = (day.work.home().join("bhfuil"), day.work.home().join("fresh"));
    let asked = day.some(&mut dice, 40);
    let (known, anew) = (day.answers(&cache, &asked), day.answers(&fresh, &asked));
    for (number, (one, other)) in known.iter().zip(&anew).enumerate() {
        assert_eq!(one, other, "answer {number}");
        assert!(!one.is_empty());
    }

    // What is left is what a fresh one has, and of what was killed nothing.
    std::thread::sleep(Duration::from_secs(2));
    day.ran(&["task", "clean"]);
    day.ran(&["cache", "gc"]);
    let sizes = |folder: &Path| -> u64 { files(folder).values().sum() };
    assert!(sizes(&cache) <= 3 * sizes(&fresh) + (4 << 20), "{} of {}", sizes(&cache), sizes(&fresh));
    let odd: Vec<_> =
        files(&day.work.home()).into_keys().filter(|path| path.extension().is_some_and(|end| end == "lock")).collect();
    assert_eq!(odd, Vec::<PathBuf>::new());
    assert_eq!(day.tasks(), Vec::<String>::new());
}
