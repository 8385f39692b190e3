//! Calls of the system that fail, one at a time, wherever a command makes them: a full or broken disk, a locked file, too few descriptors or
//! too little memory. What the cache meets costs nothing but speed; what the repository meets is told, and never taken for an answer.
//!
//! Of many calls some are tried. All of them, which takes minutes: `BHFUIL_EVERY=1 cargo test --test faults`.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

/// Faults of each kind that are tried of one command, evenly spread over its run.
const TRIED: usize = 3;

const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const ENOLCK: i32 = 37;
/// No error: a wrong bit is read.
const WRONG_BIT: i32 = 0;

/// What a command finds when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    /// No cache.
    None,
    /// One that knows all but the newest commits.
    Behind,
    /// One that knows all.
    Whole,
}

struct Stage {
    repo: Repo,
    library: PathBuf,
    tip: String,
}

impl Stage {
    /// A repository of branches and picks, and the library of `fixtures/faults`.
    fn new() -> Self {
        let repo = Repo::new();
        repo.shell(
            r"
            git config user.name A && git config user.email a@example.com
            git checkout --quiet -b main
            for i in $(seq 1 40); do echo $i >> file$((i % 5)); git add .; git commit --quiet -m change-$i; done
            git branch stable/1
            for i in 1 2 3; do echo $i > new$i; git add .; git commit --quiet -m new-$i; done
            git checkout --quiet stable/1; git cherry-pick -x main~1 > /dev/null; git tag v1.0
            git checkout --quiet main; git repack --quiet -a -d
            ",
        );
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/faults/faults.c");
        let library = repo.home().join("faults.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(compiler)
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status();
        assert!(built.expect("a C compiler, as the build needs one").success());
        let tip = repo.git(&["rev-parse", "main"]);
        Self { repo, library, tip }
    }

    fn cache(&self) -> PathBuf {
        self.repo.home().join("bhfuil")
    }

    /// Sets everything to where `cache` says a command begins.
    fn set(&self, cache: Cache) {
        let _ = std::fs::remove_dir_all(self.cache());
        if cache == Cache::Behind {
            self.repo.git(&["update-ref", "refs/heads/main", "main~5"]);
        }
        if cache != Cache::None {
            assert!(self.run(&["scan"], &[]).status.success());
            assert!(self.run(&["where", &format!("{}~1", self.tip)], &[]).status.success());
        }
        self.repo.git(&["update-ref", "refs/heads/main", &self.tip]);
    }

    fn run(&self, args: &[&str], faults: &[(&str, OsString)]) -> Output {
        let mut command = bhfuil(&self.repo);
        command.args(args).timeout(std::time::Duration::from_mins(2));
        if !faults.is_empty() {
            command.env("LD_PRELOAD", &self.library).env("FAULTS_IN", "git-bhfuil").envs(faults.iter().cloned());
        }
        command.output().expect("it runs")
    }

    /// The runs of `args` in each of which one `call` on a file below `under` fails with `errno`, from `cache` on; for each its number.
    fn struck(
        &self,
        args: &[&str],
        cache: Cache,
        call: &str,
        errno: i32,
        under: &Path,
        mut each: impl FnMut(&str, &Output),
    ) {
        let log = self.repo.home().join("calls");
        let faults = |from: usize| {
            vec![
                ("FAULTS_CALL", call.into()),
                ("FAULTS_ERRNO", errno.to_string().into()),
                ("FAULTS_UNDER", under.as_os_str().to_owned()),
                ("FAULTS_FROM", from.to_string().into()),
                ("FAULTS_LOG", log.clone().into()),
            ]
        };
        self.set(cache);
        self.run(args, &faults(usize::MAX / 4));
        let calls: usize = std::fs::read_to_string(&log).expect("a number").trim().parse().expect("a number");
        let every = std::env::var_os("BHFUIL_EVERY").is_some();
        let step = if every { 1 } else { calls.div_ceil(TRIED).max(1) };
        for from in (0..calls).step_by(step) {
            self.set(cache);
            let output = self.run(args, &faults(from));
            let what = format!("{args:?}, {cache:?}, {call} {from} of {calls} ending with {errno}");
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code().is_some() && !told.contains("panicked"), "{what}: {told}");
            each(&what, &output);
            // What it has left behind is as good as anything.
            let next = self.run(args, &[]);
            assert_eq!(answer(&next), self.truth(args), "after {what}");
            let verified = self.run(&["cache", "verify"], &[]);
            assert!(verified.status.success(), "after {what}: {}", String::from_utf8_lossy(&verified.stdout));
        }
    }

    /// What an undisturbed run tells without any cache.
    fn truth(&self, args: &[&str]) -> BTreeSet<String> {
        let mut command = bhfuil(&self.repo);
        answer(&command.args(args).env("GIT_BHFUIL_CACHE", self.repo.home().join("other")).output().expect("it runs"))
    }
}

/// What an answer consists of, without what frames it.
fn answer(output: &Output) -> BTreeSet<String> {
    let told = events(output);
    let frame = ["begin", "repo", "progress", "warning", "error", "repo-end", "end"];
    let of_answer = told.iter().filter(|event| !frame.contains(&event["type"].as_str().unwrap_or_default()));
    of_answer.map(Value::to_string).collect()
}

/// What is tried, and from which cache on.
const COMMANDS: [(&[&str], Cache); 4] = [
    (&["scan", "--paths"], Cache::None),
    (&["scan", "--paths"], Cache::Behind),
    (&["where", "main~1"], Cache::Whole),
    (&["missing", "stable/1"], Cache::Whole),
];

/// A test for each, so that they are tried side by side.
mod whatever_fails_in_the_cache_the_answer_is_whole_and_the_next_run_finds_all_well {
    use super::{COMMANDS, fails_in_the_cache};

    #[test]
    fn of_the_first_scan() {
        fails_in_the_cache(COMMANDS[0]);
    }

    #[test]
    fn of_a_scan_with_something_new() {
        fails_in_the_cache(COMMANDS[1]);
    }

    #[test]
    fn of_where() {
        fails_in_the_cache(COMMANDS[2]);
    }

    #[test]
    fn of_missing() {
        fails_in_the_cache(COMMANDS[3]);
    }
}

fn fails_in_the_cache((args, begun): (&[&str], Cache)) {
    let stage = Stage::new();
    let cache = stage.cache();
    let truth = stage.truth(args);
    assert!(!truth.is_empty());
    for (call, errno) in [
        ("open", EMFILE),
        ("read", EIO),
        ("read", WRONG_BIT),
        ("write", ENOSPC),
        ("write", EIO),
        ("sync", EIO),
        ("truncate", EIO),
        ("lock", EAGAIN),
        ("lock", ENOLCK),
        ("map", ENOMEM),
    ] {
        stage.struck(args, begun, call, errno, &cache, |what, output| {
            let told = events(output);
            assert_eq!(output.status.code(), Some(0), "{what}");
            assert_eq!(answer(output), truth, "{what}");
            let warnings = of_type(&told, "warning");
            assert!(warnings.len() <= 1, "{what}: {warnings:#?}");
            assert!(of_type(&told, "error").is_empty(), "{what}");
        });
    }
}

#[test]
fn what_fails_in_the_repository_is_told_and_never_taken_for_an_answer() {
    let stage = Stage::new();
    let git = stage.repo.path().join(".git");
    for (args, begun) in COMMANDS {
        let truth = stage.truth(args);
        for (call, errno) in [("open", EMFILE), ("open", EIO), ("read", EIO), ("map", ENOMEM)] {
            stage.struck(args, begun, call, errno, &git, |what, output| {
                let told = events(output);
                match output.status.code() {
                    Some(0) => assert_eq!(answer(output), truth, "{what}"),
                    Some(3 | 128) => assert!(!of_type(&told, "error").is_empty(), "{what}"),
                    code => panic!("{what}: ended with {code:?}"),
                }
            });
        }
    }
}

#[test]
fn a_cache_over_a_network_is_left_alone_with_one_warning() {
    let stage = Stage::new();
    let home = stage.repo.home();
    let mounts = home.join("mounts");
    let home = home.canonicalize().expect("it is there");
    let line = format!("1 0 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / {} rw - nfs4 server:/home rw\n", home.display());
    std::fs::write(&mounts, line).expect("it can be written");
    for (args, _) in COMMANDS {
        let truth = stage.truth(args);
        stage.set(Cache::None);
        let output = stage.run(args, &[("FAULTS_MOUNTS", mounts.clone().into())]);
        let told = events(&output);
        assert_eq!((answer(&output), output.status.code()), (truth, Some(0)));
        let warnings = of_type(&told, "warning");
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        let text = |field: &str| warnings[0][field].as_str().unwrap_or_default().to_owned();
        assert_eq!(text("code"), "cache-unavailable");
        assert!(text("message").contains("lies on another machine (nfs4)"), "{}", text("message"));
        assert_eq!(text("hint"), "let GIT_BHFUIL_CACHE name a folder on a disk of this machine");
        assert!(!stage.cache().exists(), "nothing is made there");
    }
}

#[test]
fn a_file_system_without_locks_costs_the_cache_and_no_answer() {
    let stage = Stage::new();
    for (args, _) in COMMANDS {
        let truth = stage.truth(args);
        stage.set(Cache::None);
        let faults = [
            ("FAULTS_CALL", "lock".into()),
            ("FAULTS_ERRNO", ENOLCK.to_string().into()),
            ("FAULTS_UNDER", stage.cache().into()),
            ("FAULTS_COUNT", "1000000".into()),
        ];
        let output = stage.run(args, &faults);
        let told = events(&output);
        assert_eq!((answer(&output), output.status.code()), (truth, Some(0)));
        assert_eq!(of_type(&told, "warning").len(), 1, "{told:#?}");
    }
}
