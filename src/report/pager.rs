//! The program that pages what people read, as git has one (git-var(1), `GIT_PAGER`; git-config(1), `core.pager`).
//!
//! It is started when there is something to read, so that nothing is paged that comes to nothing, and waited for: who returns to the shell while
//! it still reads the terminal leaves a mess. What is said on stderr goes through it too, if that is the same terminal.

use std::ffi::OsString;
use std::io::{IsTerminal as _, stderr, stdout};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is run where nobody says otherwise.
const USUAL: &str = "less";
/// What less and lv are to do where their user has said nothing: leave at once if all fits, show colours, leave the screen as it is.
const USUAL_OPTIONS: [(&str, &str); 2] = [("LESS", "FRX"), ("LV", "-c")];

/// The one that runs. Stdout is one for all of the process.
static RUNNING: Mutex<Option<Pager>> = Mutex::new(None);

#[derive(Debug)]
struct Pager {
    child: Child,
    stdout: OwnedFd,
    /// Where stderr went, if it goes through the pager.
    stderr: Option<OwnedFd>,
}

/// The command line of the pager by the environment and by what is `configured`; `None` if there is to be none.
///
/// `GIT_PAGER` comes first, then what is configured, then `PAGER`, then less. One that is empty, `cat`, or configured as false, is none.
pub(super) fn decide(variable: impl Fn(&str) -> Option<OsString>, configured: Option<String>) -> Option<String> {
    let text = |name: &str| variable(name).map(|value| value.to_string_lossy().into_owned());
    if configured.as_deref().is_some_and(|configured| ["false", "no", "off", "0"].contains(&configured)) {
        return None;
    }
    // That there is to be one doesn't say which.
    let configured = configured.filter(|configured| !["true", "yes", "on", "1"].contains(&configured.as_str()));
    let line = text("GIT_PAGER").or(configured).or_else(|| text("PAGER")).unwrap_or_else(|| USUAL.to_owned());
    Some(line).filter(|line| !line.is_empty() && line != "cat")
}

/// Puts the pager `line` behind stdout. Where it can't be started all goes on without it.
pub(super) fn start(line: &str) {
    let mut running = running();
    if running.is_none() {
        *running = begin(line).ok();
    }
}

/// Lets the pager know that nothing more comes, and waits until its user has had enough.
pub fn leave_pager() {
    let mut running = running();
    let Some(Pager { mut child, stdout, stderr }) = running.take() else { return };
    // With the last of them the pipe is closed.
    let _ = rustix::stdio::dup2_stdout(&stdout);
    if let Some(stderr) = stderr {
        let _ = rustix::stdio::dup2_stderr(&stderr);
    }
    let _ = child.wait();
}

fn running() -> MutexGuard<'static, Option<Pager>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin(line: &str) -> std::io::Result<Pager> {
    let own = stdout().as_fd().try_clone_to_owned()?;
    let own_stderr = if stderr().is_terminal() { Some(stderr().as_fd().try_clone_to_owned()?) } else { None };
    let mut command = command(line);
    for (name, options) in USUAL_OPTIONS {
        if std::env::var_os(name).is_none() {
            command.env(name, options);
        }
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let Some(pipe) = child.stdin.take() else { return Err(std::io::Error::other("no pipe")) };
    rustix::stdio::dup2_stdout(&pipe)?;
    if own_stderr.is_some() {
        rustix::stdio::dup2_stderr(&pipe)?;
    }
    Ok(Pager { child, stdout: own, stderr: own_stderr })
}

/// A line that means something to a shell is one's; of any other the program is started itself, so that it shows whether there is one.
fn command(line: &str) -> Command {
    if line.contains(|letter: char| "|&;<>()$`\\\"' \t\n*?[#~=%".contains(letter)) {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]);
        shell
    } else {
        Command::new(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gits_order_holds() {
        for (environment, configured, wanted) in [
            (&[][..], None, Some("less")),
            (&[("PAGER", "more")], None, Some("more")),
            (&[("PAGER", "more")], Some("true"), Some("more")),
            (&[("PAGER", "more")], Some("less -S"), Some("less -S")),
            (&[("PAGER", "more"), ("GIT_PAGER", "most")], Some("less -S"), Some("most")),
            (&[("GIT_PAGER", "cat")], Some("less"), None),
            (&[("GIT_PAGER", "")], Some("less"), None),
            (&[("GIT_PAGER", "most")], Some("false"), None),
        ] {
            let variable = |name: &str| {
                environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            let decided = decide(variable, configured.map(str::to_owned));
            assert_eq!(decided.as_deref(), wanted, "{environment:?} {configured:?}");
        }
    }
}
