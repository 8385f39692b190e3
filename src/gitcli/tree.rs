//! A child and all that it started: whether any of it lives, and signals to all of it.
//!
//! A child that can't ask the user leads a process group of its own. One that may has to stay in ours, or the terminal would stop it
//! as one in the background; there its descendants are looked up in `/proc` (proc(5)). Where that is missing, only the child
//! itself is signalled.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{self, Pid, Signal};

/// A process that no other is taken for: its id, and when it began, in ticks since the system was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The process id.
    pub pid: u32,
    /// The time of its beginning; 0 where the system doesn't tell.
    pub began: u64,
}

impl Identity {
    /// This process.
    #[must_use]
    pub fn own() -> Self {
        Self::of(std::process::id())
    }

    /// The process that has the id `pid` now.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        Self { pid, began: stat(pid).map_or(0, |stat| stat.began) }
    }

    /// Whether it still runs. One that has ended and waits to be buried doesn't. Where the system doesn't tell when a process began,
    /// whoever has its id now is taken for it.
    #[must_use]
    pub fn lives(self) -> bool {
        if self.began == 0 {
            let pid = Pid::from_raw(self.pid.cast_signed());
            return pid.is_some_and(|pid| process::test_kill_process(pid).is_ok())
                && stat(self.pid).is_none_or(|stat| !stat.dead);
        }
        stat(self.pid).is_some_and(|stat| stat.began == self.began && !stat.dead)
    }
}

/// The processes of the session that `leader` leads, and those that left their group within it.
pub(super) fn session_of(leader: u32) -> Vec<Identity> {
    let members = processes().filter(|(_, stat)| stat.session == leader && !stat.dead);
    members.map(|(pid, stat)| Identity { pid, began: stat.began }).collect()
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
                known.extend(descendants(&roots));
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

/// The variable by which a git, and all that it starts, says for whom it works and on what: the owner's process id, its beginning
/// and its session, and the place.
const OWNER: &str = "BHFUIL_OWNER";

/// That variable for a git of this process that works on `place`, if the system tells who this process is.
pub(super) fn owned(place: &Path) -> Option<(&'static str, OsString)> {
    let pid = std::process::id();
    let own = stat(pid)?;
    let mut value = OsString::from(format!("{pid} {} {} ", own.began, own.session));
    value.push(place);
    Some((OWNER, value))
}

/// Ends what works on `place` for processes that have died: every process that says so itself, but for those that have gone into a
/// session of their own to stay, such as an ssh that later connections share. SIGTERM first, SIGKILL after `grace`. Does nothing
/// where the system doesn't tell of other processes.
pub async fn end_orphans(place: &Path, grace: Duration) {
    let begin = Instant::now();
    let mut told = BTreeSet::new();
    while begin.elapsed() < grace + Duration::from_secs(1) {
        let orphans: Vec<u32> =
            processes().filter(|(pid, stat)| is_orphan(*pid, stat, place)).map(|(pid, _)| pid).collect();
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

fn is_orphan(pid: u32, stat: &Stat, place: &Path) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut variables = environment.split(|&byte| byte == 0);
    let said = variables.find_map(|variable| variable.strip_prefix(OWNER.as_bytes())?.strip_prefix(b"="));
    said.and_then(parse_owner).is_some_and(|(owner, session, works_on)| {
        !stat.dead && session == stat.session && works_on == place.as_os_str().as_bytes() && !owner.lives()
    })
}

/// The owner, its session and the place of what [`owned`] made.
fn parse_owner(value: &[u8]) -> Option<(Identity, u32, &[u8])> {
    let mut parts = value.splitn(4, |&byte| byte == b' ');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<u64>().ok();
    let (pid, began, session) = (number()?, number()?, number()?);
    Some((Identity { pid: pid.try_into().ok()?, began }, session.try_into().ok()?, parts.next()?))
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
fn descendants(roots: &[u32]) -> Vec<Identity> {
    let all: BTreeMap<u32, Stat> = processes().collect();
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
    session: u32,
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
    let session = fields.next()?.parse().ok()?;
    let began = fields.nth(15)?.parse().ok()?;
    Some(Stat { parent, group, session, began, dead })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_process_is_called() {
        let line = "7 (a) (b)) S 3 6 5 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 184 0";
        let read = parse_stat(line).expect("it is one");
        assert_eq!((read.parent, read.group, read.session), (3, 6, 5));
        assert_eq!((read.began, read.dead), (4711, false));
        assert!(parse_stat(&line.replacen(" S ", " Z ", 1)).expect("it is one").dead);
        assert!(parse_stat("7 (a) S 3").is_none());
        assert!(parse_stat("").is_none());
    }

    #[test]
    fn an_owner_is_read_back_whatever_the_place_is_called() {
        assert_eq!(parse_owner(b"7 8 9 /a b/\xff"), Some((Identity { pid: 7, began: 8 }, 9, b"/a b/\xff".as_slice())));
        for bad in ["", "7 8 9", "7 8 x /a", "99999999999 8 9 /a"] {
            assert_eq!(parse_owner(bad.as_bytes()), None, "{bad}");
        }
        #[cfg(target_os = "linux")]
        {
            let (_, value) = owned(Path::new("/a b")).expect("this process is known");
            let (owner, _, place) = parse_owner(value.as_bytes()).expect("it is one");
            assert_eq!((owner.pid, owner.lives(), place), (std::process::id(), true, b"/a b".as_slice()));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_known_by_its_beginning() {
        let pid = std::process::id();
        let own = Identity { pid, began: stat(pid).expect("this one runs").began };
        assert!(own.lives());
        assert!(!Identity { began: own.began + 1, ..own }.lives());
    }
}
