//! A process of ours that outlives the terminal that started it: it leads a session of its own, so that no hang-up and no Ctrl-C
//! reaches it, and every git that it starts is a member of that. Here rather than in `tasks`, since what tells a process from
//! another that got its id is here already ([`Identity`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{self, Pid, Signal};

use super::tree::{Identity, session_of};

/// How far a process in the background steps back behind others (nice(2)).
const STEP_BACK: i32 = 10;
/// Between looks whether a session has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Starts `command` without a terminal to read from; what it writes goes to the end of the file at `log`. It isn't waited for.
///
/// # Errors
/// If the file can't be made, or the program not be started.
pub fn start(mut command: Command, log: &Path) -> io::Result<Identity> {
    let out = File::options().append(true).create(true).mode(0o600).open(log)?;
    let err = out.try_clone()?;
    let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn()?;
    Ok(Identity::of(child.id()))
}

/// Makes this process the leader of a session, and lets others go first.
///
/// # Errors
/// If it leads a process group already.
pub fn lead() -> io::Result<()> {
    process::setsid()?;
    // Without it the others only wait a little longer.
    let _ = process::nice(STEP_BACK);
    Ok(())
}

/// Ends the session that `leader` leads, if it still is the same process: SIGTERM to all of it, SIGKILL after `grace`. Returns when
/// nothing of it is left, or a second after that.
pub async fn end(leader: Identity, grace: Duration) {
    if !leader.lives() {
        return;
    }
    let begin = Instant::now();
    let mut told = Vec::new();
    while begin.elapsed() < grace + Duration::from_secs(1) {
        let members = session_of(leader.pid);
        if members.is_empty() && !leader.lives() {
            return;
        }
        let signal = if begin.elapsed() >= grace { Signal::KILL } else { Signal::TERM };
        for member in members.into_iter().chain([leader]) {
            if told.contains(&(member, signal)) || !member.lives() {
                continue;
            }
            told.push((member, signal));
            if let Some(pid) = Pid::from_raw(member.pid.cast_signed()) {
                let _ = process::kill_process(pid, signal);
                // One that was stopped can't die.
                let _ = process::kill_process(pid, Signal::CONT);
            }
        }
        smol::Timer::after(LOOK).await;
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn who_only_has_the_id_of_the_one_that_is_meant_is_left_alone() {
        let own = Identity::own();
        assert!(own.lives());
        let earlier = Identity { began: own.began - 1, ..own };
        smol::block_on(end(earlier, Duration::ZERO));
        assert!(own.lives(), "or this would have ended");
    }

    #[test]
    fn what_is_started_writes_to_its_log_and_is_known_by_its_beginning() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        std::fs::write(&log, "before\n").expect("written");
        let mut shell = Command::new("sh");
        // The end of it is seen by what it writes: nobody waits for it.
        shell.args(["-c", "read line; echo out $?; echo err >&2"]);
        let started = start(shell, &log).expect("starts");
        assert!(started.began > 0 && started.pid != std::process::id());
        let begin = Instant::now();
        while !std::fs::read_to_string(&log).expect("a log").ends_with("err\n") {
            assert!(begin.elapsed() < Duration::from_mins(1), "it never ends");
            std::thread::sleep(LOOK);
        }
        assert_eq!(std::fs::read_to_string(&log).expect("a log"), "before\nout 1\nerr\n");
    }
}
