//! One run of git: started, both pipes drained, waited for, and ended with all that it started if nobody waits any more.

use std::fmt;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_process::{Child, Stdio};
use rustix::process::{Pid, Signal};
use smol::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::program::Bounds;
use super::tree::Tree;
use crate::debug;
use crate::error::Kind;

/// How long is waited for the pipes to close when git has ended. Whom it leaves behind (an ssh that later connections share) may
/// keep them open for hours.
const LINGER: Duration = Duration::from_secs(1);

/// How long a dropped future blocks at most for git to clean up, before SIGKILL.
const GRACE_OF_A_DROP: Duration = Duration::from_millis(250);

/// The groups that are running, for [`end_all`].
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Kills every git of this process and what it started, without a wait. For the moment before the process ends in a hurry, when nothing
/// is dropped. What these leave half done, the next run clears away.
pub fn end_all() {
    for &leader in running().iter() {
        let _ = rustix::process::kill_process_group(leader, Signal::KILL);
    }
}

fn running() -> std::sync::MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to be run.
pub(super) struct Work<'a> {
    pub(super) command: Command,
    /// What it does, for messages: `git rev-list`, `cloning <url>`.
    pub(super) operation: &'a str,
    /// What it reads.
    pub(super) input: &'a [u8],
    /// Whether what it writes to stdout is wanted.
    pub(super) wanted: bool,
    /// Whether it leads a process group of its own.
    pub(super) apart: bool,
    /// Its time to clean up.
    pub(super) grace: Duration,
}

/// Runs it to its end and gives its exit status and stdout; `heard` gets stderr as it comes.
///
/// # Errors
/// [`Kind::Git`] if it can't be started or a pipe breaks, [`Kind::Timeout`] and [`Kind::Cancelled`] by `bounds`; it is gone then.
pub(super) async fn run(
    work: Work<'_>,
    bounds: &Bounds<'_>,
    heard: &mut (dyn FnMut(&[u8]) + Send),
) -> anyhow::Result<(ExitStatus, Vec<u8>)> {
    let mut kept = Vec::new();
    let status = run_into(work, bounds, &mut |bytes| kept.extend_from_slice(bytes), heard).await?;
    Ok((status, kept))
}

/// As [`run`], but `taken` gets stdout as it comes, if that is wanted.
///
/// # Errors
/// As those of [`run`].
pub(super) async fn run_into(
    work: Work<'_>,
    bounds: &Bounds<'_>,
    taken: &mut (dyn FnMut(&[u8]) + Send),
    heard: &mut (dyn FnMut(&[u8]) + Send),
) -> anyhow::Result<ExitStatus> {
    let failed = |cause: std::io::Error| Kind::Git.wrap(cause, format!("running {}", work.operation));
    let begun = Instant::now();
    debug::note("git", || spelt(&work.command));
    let mut running = Running::start(work.command, !work.input.is_empty(), work.apart, work.grace)
        .map_err(|cause| Kind::Git.wrap(cause, "running git: is it installed and on PATH?"))?;
    let child = &mut running.child;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let status = child.status();
    let outcome = {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // git may have enough before it has read all.
                let _ = stdin.write_all(work.input).await;
            }
        };
        let keep = |bytes: &[u8]| {
            if work.wanted {
                taken(bytes);
            }
        };
        let talk = async {
            let both = smol::future::try_zip(drain(stdout, keep), drain(stderr, heard));
            smol::future::zip(both, feed).await.0.map(|_| ())
        };
        let linger = async {
            // An answer that is wanted is wanted whole.
            if work.wanted {
                std::future::pending::<()>().await;
            }
            bounds.clock.sleep(LINGER).await;
        };
        let stop = async { Err(bounds.stop().await) };
        smol::future::or(async { Ok(finish(talk, status, linger).await) }, stop).await
    };
    debug::note("git", || {
        let how = match &outcome {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(cause)) => cause.to_string(),
            Err(stop) => format!("to be ended: {stop:?}"),
        };
        format!("{} after {:.3?}: {how}", work.operation, begun.elapsed())
    });
    match outcome {
        Ok(status) => {
            let status = status.map_err(failed)?;
            running.buried();
            // As good as a signal to us: the terminal sends it to both.
            if status.signal() == Some(Signal::INT.as_raw()) {
                return Err(Kind::Cancelled.error(format!("{} was interrupted", work.operation)));
            }
            Ok(status)
        }
        Err(stop) => {
            running.end().await;
            Err(bounds.error(stop, work.operation))
        }
    }
}

/// A command as somebody would type it, for the log, which takes passwords out.
fn spelt(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let folder = command.get_current_dir().map_or_else(String::new, |dir| format!(" in {}", dir.display()));
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ") + &folder
}

/// The exit status, when the pipes have closed as well or `linger` is over.
async fn finish(
    talk: impl Future<Output = std::io::Result<()>>,
    status: impl Future<Output = std::io::Result<ExitStatus>>,
    linger: impl Future<Output = ()>,
) -> std::io::Result<ExitStatus> {
    let mut talk = std::pin::pin!(talk);
    let mut said = None;
    let listen = async {
        said = Some(talk.as_mut().await);
        std::future::pending().await
    };
    let status = smol::future::or(listen, status).await?;
    if said.is_none() {
        let rest = async { Some(talk.await) };
        said = smol::future::or(rest, async {
            linger.await;
            None
        })
        .await;
    }
    said.unwrap_or(Ok(()))?;
    Ok(status)
}

async fn drain(pipe: Option<impl AsyncRead + Unpin>, mut heard: impl FnMut(&[u8])) -> std::io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    let mut buffer = vec![0; 16 << 10];
    loop {
        match pipe.read(&mut buffer).await? {
            0 => return Ok(()),
            length => heard(&buffer[..length]),
        }
    }
}

/// A child and what it started; gone when this is.
struct Running {
    child: Child,
    tree: Tree,
    grace: Duration,
    /// Its exit status is known.
    reaped: bool,
    /// Nothing is left to be done.
    over: bool,
}

impl Running {
    fn start(mut command: Command, input: bool, apart: bool, grace: Duration) -> std::io::Result<Self> {
        if apart {
            command.process_group(0);
        }
        let mut command = async_process::Command::from(command);
        command.stdin(if input { Stdio::piped() } else { Stdio::null() });
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let leader = Pid::from_raw(child.id().cast_signed()).ok_or(std::io::ErrorKind::Other)?;
        let tree = if apart { Tree::Group(leader) } else { Tree::Descendants(leader, Vec::new()) };
        if apart {
            running().push(leader);
        }
        Ok(Self { child, tree, grace, reaped: false, over: false })
    }

    /// It ended by itself. Whom it left behind, it left on purpose.
    fn buried(&mut self) {
        self.reaped = true;
        self.over = true;
        let leader = self.tree.leader();
        running().retain(|pid| *pid != leader);
    }

    /// Ends it: SIGTERM, SIGKILL after its grace; returns when all of it is gone.
    async fn end(&mut self) {
        let mut ending = Ending::begin(self, self.grace);
        while !ending.is_over(self) {
            smol::Timer::after(ending.pause()).await;
        }
        self.buried();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut ending = Ending::begin(self, self.grace.min(GRACE_OF_A_DROP));
        while !ending.is_over(self) {
            std::thread::sleep(ending.pause());
        }
        self.buried();
    }
}

/// How far the ending of a [`Running`] has come; who waits, sleeping or awaiting, is the caller's choice.
struct Ending {
    begin: Instant,
    grace: Duration,
    killed: bool,
    looks: u32,
}

impl Ending {
    fn begin(running: &mut Running, grace: Duration) -> Self {
        running.tree.signal(Signal::TERM, running.reaped);
        // One that was stopped can't die.
        running.tree.signal(Signal::CONT, running.reaped);
        Self { begin: Instant::now(), grace, killed: false, looks: 0 }
    }

    fn is_over(&mut self, running: &mut Running) -> bool {
        self.looks += 1;
        // If the system doesn't tell, nothing more can be learnt of it.
        running.reaped = running.reaped || !matches!(running.child.try_status(), Ok(None));
        if running.reaped && !running.tree.lives() {
            return true;
        }
        let waited = self.begin.elapsed();
        if waited >= self.grace && !self.killed {
            running.tree.signal(Signal::KILL, running.reaped);
            self.killed = true;
        }
        // The dead whom their parent doesn't bury are waited for no longer than this.
        running.reaped && self.killed && waited > self.grace + Duration::from_secs(1)
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(u64::from(self.looks.min(10)))
    }
}

/// How a git ended that failed: the cause below such an error, for [`anyhow::Error::chain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What was run, `git clone` say.
    pub command: String,
    /// The exit status, if no signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The last lines that it wrote to stderr, without its progress and without passwords.
    pub last_lines: Vec<String>,
}

impl Ended {
    pub(super) fn new(command: &str, status: ExitStatus, last_lines: Vec<String>) -> Self {
        Self { command: command.to_owned(), code: status.code(), signal: status.signal(), last_lines }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.code) {
            (Some(number), _) => write!(f, "{} was ended by {}", self.command, name_of(number)),
            (None, Some(code)) => write!(f, "{} ended with exit status {code}", self.command),
            (None, None) => write!(f, "{} ended", self.command),
        }
    }
}

impl std::error::Error for Ended {}

/// `SIGKILL` for 9; the rare ones by their number.
fn name_of(signal: i32) -> String {
    let known = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::TERM, "SIGTERM"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    let name = known.iter().find(|(known, _)| known.as_raw() == signal).map(|(_, name)| *name);
    name.map_or_else(|| format!("signal {signal}"), |name| format!("signal {signal} ({name})"))
}
