//! A child and all that it started: whether any of it lives, and signals to all of it.
//!
//! A child that can't ask the user leads a process group of its own. One that may has to stay in ours, or the terminal would stop it
//! as one in the background; there its descendants are looked up in `/proc` (proc(5)). Where that is missing, only the child
//! itself is signalled.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{self, Pid, Signal};

/// A process that no other is taken for: its id, and when it began, in ticks since the system was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// The time of its beginning.
    pub began: u64,
}

impl Identity {
    /// That of the process `pid`, if there is one and the system tells.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| Self { pid, began: stat.began })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn lives(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.began == self.began && !stat.dead)
    }
}

/// A child and what it started.
#[derive(Debug)]
pub(super) enum Tree {
    /// The process group that the child leads.
    Group(Pid),
    /// The child, and its descendants as far as they are known.
    Descendants(Pid, Vec<Identity>),
}

impl Tree {
    pub(super) fn leader(&self) -> Pid {
        match self {
            Self::Group(pid) | Self::Descendants(pid, _) => *pid,
        }
    }

    /// Sends `signal` to all of it. What is gone doesn't mind. `reaped`: the child itself is, and its id may be somebody else's.
    pub(super) fn signal(&mut self, signal: Signal, reaped: bool) {
        match self {
            Self::Group(leader) => drop(process::kill_process_group(*leader, signal)),
            Self::Descendants(leader, known) => {
                let child = (!reaped).then_some(number(*leader));
                let roots: Vec<u32> = known.iter().map(|one| one.pid).chain(child).collect();
                known.extend(descendants(&processes().collect(), &roots));
                if !reaped {
                    let _ = process::kill_process(*leader, signal);
                }
                for one in known.iter().filter(|one| one.lives()) {
                    if let Some(pid) = Pid::from_raw(one.pid.cast_signed()) {
                        let _ = process::kill_process(pid, signal);
                    }
                }
            }
        }
    }

    /// Whether any of it lives. (The child itself, until it is reaped.)
    pub(super) fn lives(&self) -> bool {
        match self {
            Self::Group(leader) => process::test_kill_process_group(*leader).is_ok() && has_members(number(*leader)),
            Self::Descendants(_, known) => known.iter().any(|one| one.lives()),
        }
    }
}

/// The variable that tells a git, and all that it starts, which place it works on.
pub(super) const PLACE: &str = "BHFUIL_PLACE";

/// Ends what is left of a git that worked on `place` and whose owner has died: itself, its group and its descendants, as far as
/// they say themselves that they [work on it](super::Program::working_on). SIGTERM first, SIGKILL after `grace`. Does nothing
/// where the system doesn't tell of other processes.
pub async fn end_orphans(left: Identity, place: &Path, grace: Duration) {
    let mark = [PLACE.as_bytes(), b"=", place.as_os_str().as_bytes()].concat();
    let begin = Instant::now();
    let mut told = BTreeSet::new();
    while begin.elapsed() < grace + Duration::from_secs(1) {
        let orphans = orphans(left, &mark);
        if orphans.is_empty() {
            return;
        }
        let kill = begin.elapsed() >= grace;
        for pid in orphans.into_iter().filter(|&pid| told.insert((pid, kill))) {
            if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
                let _ = process::kill_process(pid, if kill { Signal::KILL } else { Signal::TERM });
                let _ = process::kill_process(pid, Signal::CONT);
            }
        }
        smol::Timer::after(Duration::from_millis(5)).await;
    }
}

/// What is left of the git `left`. Its number may be another's by now; `mark` tells.
fn orphans(left: Identity, mark: &[u8]) -> Vec<u32> {
    let all: BTreeMap<u32, Stat> = processes().collect();
    let of_group = all.iter().filter(|(_, stat)| stat.group == left.pid).map(|(&pid, _)| pid);
    let mut found: BTreeSet<u32> = of_group.collect();
    found.insert(left.pid);
    found.extend(descendants(&all, &[left.pid]).iter().map(|one| one.pid));
    let ours = |pid: &u32| {
        let living = all.get(pid).is_some_and(|stat| !stat.dead && stat.began >= left.began);
        living && environment(*pid).split(|&byte| byte == 0).any(|variable| variable == mark)
    };
    found.into_iter().filter(ours).collect()
}

fn environment(pid: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default()
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// Whether the group `leader` has a member that isn't dead: to a signal, one whom nobody has buried yet is as good as alive.
/// Where the system doesn't tell, it has.
fn has_members(leader: u32) -> bool {
    let mut all = processes().peekable();
    all.peek().is_none() || all.any(|(_, stat)| stat.group == leader && !stat.dead)
}

/// The processes that `roots` have started, and those that these have, without the roots.
fn descendants(all: &BTreeMap<u32, Stat>, roots: &[u32]) -> Vec<Identity> {
    let mut known = roots.to_vec();
    let mut next = 0;
    while let Some(&parent) = known.get(next) {
        let children = all.iter().filter(|(pid, stat)| stat.parent == parent && !known.contains(pid));
        let children: Vec<u32> = children.map(|(&pid, _)| pid).collect();
        known.extend(children);
        next += 1;
    }
    known[roots.len()..].iter().map(|&pid| Identity { pid, began: all[&pid].began }).collect()
}

fn processes() -> impl Iterator<Item = (u32, Stat)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter_map(|pid| Some((pid, stat(pid)?)))
}

struct Stat {
    parent: u32,
    group: u32,
    began: u64,
    /// It has ended and waits to be buried.
    dead: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name may hold spaces and parentheses: fields are counted from behind its end.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let began = fields.nth(16)?.parse().ok()?;
    Some(Stat { parent, group, began, dead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_process_is_called() {
        let line = "7 (a) (b)) S 3 6 5 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 184 0";
        let read = parse_stat(line).expect("it is one");
        assert_eq!((read.parent, read.group, read.began, read.dead), (3, 6, 4711, false));
        assert!(parse_stat(&line.replacen(" S ", " Z ", 1)).expect("it is one").dead);
        assert!(parse_stat("7 (a) S 3").is_none());
        assert!(parse_stat("").is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_known_by_its_beginning() {
        let own = Identity::of(std::process::id()).expect("this one runs");
        assert!(own.lives());
        assert!(!Identity { began: own.began + 1, ..own }.lives());
    }
}
