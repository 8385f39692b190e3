//! What a process has: its threads, descriptors, children, files and memory, as proc(5) tells; to be compared before and after.
//! `#[path] mod census;` includes it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longer than anything takes to end that has been told to; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between looks.
const LOOK: Duration = Duration::from_millis(10);

/// What this process has, and how many of each.
pub(crate) type Census = BTreeMap<String, usize>;

/// Threads by name, descriptors by what they are open on, the processes that were started with `mark` (a variable and its value) in
/// their environment or are children of this one, and the files in `folders`.
pub(crate) fn census(mark: (&str, &str), folders: &[PathBuf]) -> Census {
    let mut census = Census::new();
    let all = threads().into_iter().chain(descriptors()).chain(processes(mark)).chain(files(folders));
    for one in all {
        *census.entry(one).or_default() += 1;
    }
    census
}

/// What is there in one and not in the other, for people.
pub(crate) fn difference(before: &Census, after: &Census) -> Vec<String> {
    let count = |census: &Census, name: &str| census.get(name).copied().unwrap_or(0);
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let counted = names.into_iter().map(|name| (name, count(before, name), count(after, name)));
    counted
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| format!("{name}: {old} then, {new} now"))
        .collect()
}

/// Waits until `is_so`; whether that came.
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    false
}

/// The bytes of memory that are in use (`VmRSS`).
pub(crate) fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc(5)");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// The names of the threads.
pub(crate) fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("proc(5)").flatten();
    // One that has just gone has no name any more.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| format!("thread {}", name.trim_end())).collect()
}

fn descriptors() -> Vec<String> {
    let open = std::fs::read_dir("/proc/self/fd").expect("proc(5)").flatten();
    let targets = open.filter_map(|one| std::fs::read_link(one.path()).ok());
    let own = format!("/proc/{}/fd", std::process::id());
    let others = targets.map(|target| target.to_string_lossy().into_owned()).filter(|target| *target != own);
    // The number in `pipe:[123]` says which of them it is.
    others.map(|target| format!("descriptor {}", target.split(":[").next().unwrap_or_default())).collect()
}

/// The command lines of the processes that belong to this one.
pub(crate) fn processes((name, value): (&str, &str)) -> Vec<String> {
    let (own, mark) = (std::process::id().to_string(), format!("{name}={value}"));
    let all = std::fs::read_dir("/proc").expect("proc(5)").flatten();
    let numbered = all.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    let others = numbered.filter(|entry| entry.file_name().to_string_lossy() != own.as_str());
    let ours = others.filter(|process| {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        // Of a zombie only this is left.
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(1));
        parent == Some(own.as_str()) || environment.split(|&byte| byte == 0).any(|it| it == mark.as_bytes())
    });
    let line = |process: &Path| std::fs::read(process.join("cmdline")).unwrap_or_default();
    ours.map(|it| format!("process {}", String::from_utf8_lossy(&line(&it.path())).replace('\0', " "))).collect()
}

/// The files and folders in `folders`, and in those.
pub(crate) fn files(folders: &[PathBuf]) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), folders.to_vec());
    while let Some(folder) = open.pop() {
        // It may go while it is looked at.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            found.push(format!("file {}", entry.path().display()));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    found
}
