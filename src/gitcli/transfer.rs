//! Clone and fetch by the user's own git: one attempt each, with progress as it comes. What is tried again, and where a clone lies until
//! it is whole, is decided above (`repos::mirror`).
//!
//! git, ssh and the credential helpers ask the user only if they are [allowed to](Session::prompts); else they are told that there is
//! nobody to answer (`GIT_TERMINAL_PROMPT=0`, ssh's `BatchMode`), while a `GIT_ASKPASS` or `SSH_ASKPASS` that the user has set
//! up is left to git. Which protocols may be used is for git's `protocol.*.allow` to say (git-config(1)); `ext::`, which runs
//! any command, isn't by default.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use super::failure::{judge, without_password};
use super::process::{self, Ended, Work};
use super::program::{Bounds, Program, forget_repository};
use super::progress::{Pieces, Progress};
use crate::error::Kind;

/// How a git that talks to others is run.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// The git.
    pub program: &'a Program,
    /// What ends it early.
    pub bounds: Bounds<'a>,
    /// Whether the user may be asked: only where [`super::can_prompt`] says that this is possible.
    pub prompts: bool,
}

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refs {
    /// Branches and tags as they are there, those that are gone there taken away here. Local branches of the same names are
    /// overwritten: for a mirror only.
    Mirror,
    /// What the repository's own configuration says.
    AsConfigured,
}

/// What a mirror fetches.
pub const MIRROR_REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// Clones `url` bare into `folder`, which must not exist: all branches and tags, and HEAD as it is there. When it returns an error,
/// a part of it may be left in `folder`.
///
/// # Errors
/// As [`super::judge`] finds in what git says, with an [`Ended`] below; [`Kind::Timeout`] and [`Kind::Cancelled`] by the session's
/// bounds; [`Kind::BadUrl`] for one that git would take for an option.
///
/// ```
/// use git_bhfuil::clock::Clock;
/// use git_bhfuil::gitcli::{Bounds, Program, transfer};
/// use git_bhfuil::shutdown::Token;
///
/// # let home = tempfile::tempdir()?;
/// # let source = home.path().join("source");
/// # let sealed = |command: &mut std::process::Command| {
/// #     let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
/// #     command.env("HOME", home.path()).env("GIT_CONFIG_NOSYSTEM", "1").envs(who.map(|name| (name, "a")));
/// #     assert!(command.status().expect("git runs").success());
/// # };
/// # sealed(std::process::Command::new("git").args(["init", "--quiet"]).arg(&source));
/// # sealed(std::process::Command::new("git").arg("-C").arg(&source).args(["commit", "--quiet", "--allow-empty", "-m", "one"]));
/// let program = Program::default().with("HOME", home.path()).with("GIT_CONFIG_NOSYSTEM", "1");
/// let (clock, token) = (Clock::Real, Token::new());
/// let bounds = Bounds { clock: &clock, token: &token, deadline: None };
/// let session = transfer::Session { program: &program, bounds, prompts: false };
///
/// let url = format!("file://{}", source.display());
/// let folder = home.path().join("clone.git");
/// let mut received = 0;
/// smol::block_on(transfer::clone(&session, &url, &folder, &mut |progress| received = received.max(progress.done)))?;
/// assert!(folder.join("HEAD").exists());
/// assert_eq!(received, 2, "a commit and its tree");
/// # Ok::<(), anyhow::Error>(())
/// ```
pub async fn clone(
    session: &Session<'_>,
    url: &str,
    folder: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> anyhow::Result<()> {
    check_url(url)?;
    let mut command = transferring(session, None).await?;
    command.args(["clone", "--bare", "--progress", "--origin", "origin", "--"]).arg(url).arg(folder);
    let operation = format!("cloning {}", without_password(url));
    talk(session, command, "git clone", &operation, url, progress).await
}

/// Fetches what is new into the repository at `git_dir`, from its `origin` or as it is configured.
///
/// # Errors
/// As [`clone`]; a fetch that was broken off leaves refs as they were or as they are there, each for itself.
pub async fn fetch(
    session: &Session<'_>,
    git_dir: &Path,
    refs: Refs,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> anyhow::Result<()> {
    let url = origin(session, git_dir).await?.unwrap_or_default();
    let mut command = transferring(session, Some(git_dir)).await?;
    command.args(["fetch", "--progress", "--no-recurse-submodules"]);
    if refs == Refs::Mirror {
        command.args(["--prune", "--force", "--no-tags", "--no-write-fetch-head", "--no-show-forced-updates"]);
        command.args(["--", "origin"]).args(MIRROR_REFSPECS);
    }
    let operation =
        format!("fetching {}", if url.is_empty() { git_dir.to_string_lossy() } else { without_password(&url) });
    talk(session, command, "git fetch", &operation, &url, progress).await
}

/// Lets git tidy the repository at `git_dir` if it thinks that it is time, which [`fetch`] doesn't: whoever owns the repository calls
/// this, and takes away the lock of one that was broken off. A git that can't (older than 2.29) leaves it as it is.
///
/// # Errors
/// If git can't be run.
pub async fn maintain(session: &Session<'_>, git_dir: &Path) -> anyhow::Result<()> {
    let mut command = on(session.program, Some(git_dir));
    // In the background it would go on when all that belongs to it is to have ended.
    command.args(["-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"]);
    command.args(["maintenance", "run", "--auto", "--quiet"]);
    run(session, command, "git maintenance", false, &mut |_| ()).await.map(|_| ())
}

/// The branch that HEAD is on the other side of the repository at `git_dir`, a full refname.
///
/// # Errors
/// As [`clone`].
pub async fn remote_head(session: &Session<'_>, git_dir: &Path) -> anyhow::Result<Option<String>> {
    let mut command = transferring(session, Some(git_dir)).await?;
    command.args(["ls-remote", "--symref", "--", "origin", "HEAD"]);
    let mut last = LastLines::default();
    let (status, stdout) = run(session, command, "asking for HEAD", true, &mut |bytes| {
        last.pieces.push(bytes, |line| last.lines.keep(line));
    })
    .await?;
    if !status.success() {
        return Err(failed("git ls-remote", "asking for HEAD", "", status, last));
    }
    let text = String::from_utf8_lossy(&stdout);
    let symbolic = text.lines().find_map(|line| line.strip_prefix("ref: ")?.strip_suffix("\tHEAD"));
    Ok(symbolic.map(str::to_owned))
}

/// The URL of `origin` as it is configured for the repository at `git_dir`, if it is.
///
/// # Errors
/// If git can't be run.
pub async fn origin(session: &Session<'_>, git_dir: &Path) -> anyhow::Result<Option<String>> {
    Ok(ask(session, Some(git_dir), &["config", "--get", "remote.origin.url"]).await?.and_then(|mut lines| lines.pop()))
}

/// The lines that `git <words>` prints, on the repository at `git_dir` or on none; `None` if it fails. For what talks to nobody.
///
/// # Errors
/// If git can't be run.
pub async fn ask(session: &Session<'_>, git_dir: Option<&Path>, words: &[&str]) -> anyhow::Result<Option<Vec<String>>> {
    let mut command = on(session.program, git_dir);
    command.args(words);
    if git_dir.is_none() {
        // Not that of a repository that happens to be here.
        command.current_dir("/");
    }
    let operation = format!("git {}", words.first().unwrap_or(&""));
    let session = Session { prompts: false, ..*session };
    let (status, stdout) = run(&session, command, &operation, true, &mut |_| ()).await?;
    let text = String::from_utf8_lossy(&stdout);
    Ok(status.success().then(|| text.lines().map(str::to_owned).collect()))
}

/// Refuses what git would take for an option. The rest is git's to judge.
///
/// # Errors
/// [`Kind::BadUrl`].
pub fn check_url(url: &str) -> anyhow::Result<()> {
    let why = if url.is_empty() {
        "an empty URL leads nowhere"
    } else if url.starts_with('-') {
        "a URL can't begin with a dash"
    } else if url.contains(['\0', '\n']) {
        "a URL has one line"
    } else {
        return Ok(());
    };
    Err(Kind::BadUrl.hinted(format!("'{}': {why}", url.escape_debug()), "https://<host>/<path>, say"))
}

/// A git on the repository at `git_dir`, or on none.
fn on(program: &Program, git_dir: Option<&Path>) -> Command {
    let mut command = program.command();
    forget_repository(&mut command);
    if let Some(git_dir) = git_dir {
        command.arg("--git-dir").arg(git_dir);
    }
    command
}

/// One that talks to others, and asks the user only if it may.
async fn transferring(session: &Session<'_>, git_dir: Option<&Path>) -> anyhow::Result<Command> {
    let mut command = on(session.program, git_dir);
    // One that is broken off would leave its lock, and nobody would maintain the repository again.
    command.args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"]);
    // On a narrow terminal git breaks its progress into two lines.
    command.env("COLUMNS", "200");
    if !session.prompts {
        command.env("GIT_TERMINAL_PROMPT", "0");
        if let Some(ssh) = batch_ssh(session, git_dir).await? {
            command.env("GIT_SSH_COMMAND", ssh);
        }
    }
    Ok(command)
}

/// The ssh that the user has configured, told to ask nothing: `GIT_SSH_COMMAND`, then `core.sshCommand`, then `GIT_SSH` (git(1)).
/// `None` where it isn't one that understands ssh's options.
async fn batch_ssh(session: &Session<'_>, git_dir: Option<&Path>) -> anyhow::Result<Option<OsString>> {
    if let Some(ssh) = session.program.variable("GIT_SSH_COMMAND") {
        return Ok(asking_nothing(&ssh));
    }
    let configured = ask(session, git_dir, &["config", "--get", "core.sshCommand"]).await?;
    if let Some(ssh) = configured.and_then(|mut lines| lines.pop()) {
        return Ok(asking_nothing(ssh.as_ref()));
    }
    // That one is a program without options.
    Ok(if session.program.variable("GIT_SSH").is_some() { None } else { asking_nothing("ssh".as_ref()) })
}

fn asking_nothing(ssh: &OsStr) -> Option<OsString> {
    let text = ssh.to_str()?;
    let program = text.split_ascii_whitespace().next()?.trim_matches(['\'', '"']);
    let is_ssh = Path::new(program).file_name().is_some_and(|name| name.as_bytes() == b"ssh");
    is_ssh.then(|| format!("{text} -o BatchMode=yes").into())
}

async fn talk(
    session: &Session<'_>,
    command: Command,
    name: &str,
    operation: &str,
    url: &str,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> anyhow::Result<()> {
    let mut last = LastLines::default();
    let heard = &mut |bytes: &[u8]| {
        last.pieces.push(bytes, |piece| match Progress::parse(piece) {
            Some(known) => progress(known),
            None => last.lines.keep(piece),
        });
    };
    let (status, _) = run(session, command, operation, false, heard).await?;
    if status.success() { Ok(()) } else { Err(failed(name, operation, url, status, last)) }
}

async fn run(
    session: &Session<'_>,
    command: Command,
    operation: &str,
    wanted: bool,
    heard: &mut (dyn FnMut(&[u8]) + Send),
) -> anyhow::Result<(ExitStatus, Vec<u8>)> {
    let work = Work { command, operation, input: &[], wanted, apart: !session.prompts, grace: session.program.grace() };
    process::run(work, &session.bounds, heard).await
}

/// The error of a git that failed.
pub(super) fn failed(name: &str, operation: &str, url: &str, status: ExitStatus, last: LastLines) -> anyhow::Error {
    let LastLines { pieces, mut lines } = last;
    if let Some(rest) = pieces.rest() {
        lines.keep(&rest);
    }
    let last_lines: Vec<String> = lines.0.into();
    let found = judge(&last_lines.join("\n"));
    let last_lines = last_lines.iter().map(|line| without_password(line).into_owned()).collect();
    let ended = Ended::new(name, status, last_lines);
    // A git that was killed has said nothing of it.
    let cause = if ended.signal.is_some() { super::Cause::Killed } else { found.cause };
    let message = if ended.signal.is_some() || found.reason.is_empty() {
        format!("{operation} failed")
    } else {
        format!("{operation}: {}", found.reason)
    };
    cause.kind().wrap_hinted(ended, message, cause.hint(url))
}

/// What git said last, without its progress, in bounded memory.
#[derive(Default)]
pub(super) struct LastLines {
    pub(super) pieces: Pieces,
    pub(super) lines: Lines,
}

/// How many lines are kept.
const LAST: usize = 40;

#[derive(Default)]
pub(super) struct Lines(VecDeque<String>);

impl Lines {
    pub(super) fn keep(&mut self, piece: &[u8]) {
        if self.0.len() == LAST {
            self.0.pop_front();
        }
        self.0.push_back(String::from_utf8_lossy(piece).trim_end().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_would_take_for_an_option_is_no_url() {
        for bad in ["", "-x", "--upload-pack=touch x", "https://h/x\n", "https://h/\0"] {
            let refused = check_url(bad).expect_err(bad);
            assert_eq!(crate::error::kind_of(&refused), Kind::BadUrl);
            assert!(!refused.to_string().contains('\n'), "{refused}");
        }
        for good in ["https://h/x", "git@h:x", "ext::x", "../x", "/x-y"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn an_ssh_is_told_to_ask_nothing_if_it_is_one() {
        for (ssh, asked) in [
            ("ssh", Some("ssh -o BatchMode=yes")),
            ("/usr/bin/ssh -i 'my key'", Some("/usr/bin/ssh -i 'my key' -o BatchMode=yes")),
            ("'/opt/ssh' -v", Some("'/opt/ssh' -v -o BatchMode=yes")),
            ("plink -batch", None),
            ("./wrapper", None),
            (" ", None),
        ] {
            assert_eq!(asking_nothing(ssh.as_ref()), asked.map(Into::into), "{ssh}");
        }
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut lines = Lines::default();
        (0..1000).for_each(|number| lines.keep(format!("line {number}  ").as_bytes()));
        assert_eq!((lines.0.len(), lines.0[0].as_str(), lines.0[LAST - 1].as_str()), (LAST, "line 960", "line 999"));
    }
}
