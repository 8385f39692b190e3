//! Which `git` is run, in what environment, and what bounds it: a clock, a token, a deadline.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::clock::{Clock, Deadline};
use crate::error::Kind;
use crate::shutdown::Token;

/// The `git` program and what its environment has beyond that of this process. By default `git` on PATH, and nothing.
#[derive(Debug, Clone)]
pub struct Program {
    path: OsString,
    environment: BTreeMap<OsString, Option<OsString>>,
    grace: Duration,
}

impl Default for Program {
    fn default() -> Self {
        Self { path: "git".into(), environment: BTreeMap::new(), grace: Duration::from_secs(2) }
    }
}

impl Program {
    /// The git at `path`.
    #[must_use]
    pub fn at(path: impl Into<OsString>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With the variable `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), Some(value.into()));
        self
    }

    /// Without the variable `name`.
    #[must_use]
    pub fn without(mut self, name: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), None);
        self
    }

    /// That says of itself, and of all that it starts, that it works on `place` for this process: should this die,
    /// [`super::end_orphans`] finds it.
    #[must_use]
    pub fn working_on(self, place: &Path) -> Self {
        match super::tree::owned(place) {
            Some((name, value)) => self.with(name, value),
            None => self,
        }
    }

    /// With so long to clean up after SIGTERM, before SIGKILL. By default two seconds.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// What the variable `name` is for git.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        match self.environment.get(OsStr::new(name)) {
            Some(set) => set.clone(),
            None => std::env::var_os(name),
        }
        .filter(|value| !value.is_empty())
    }

    /// A command whose messages are in English, so that they can be read here and quoted beside our own.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        // With a language of its own, some C libraries translate even what is asked for in C.UTF-8.
        command.env("LC_ALL", "C.UTF-8").env_remove("LANGUAGE").env_remove("GIT_TRACE");
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}

/// What ends a git before it is done.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// The clock that the deadline is meant by.
    pub clock: &'a Clock,
    /// Cancelled: git is ended at once.
    pub token: &'a Token,
    /// Over: likewise.
    pub deadline: Option<&'a Deadline>,
}

/// Why something was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The token was cancelled.
    Cancelled,
    /// The deadline is over.
    Expired,
}

impl Bounds<'_> {
    /// Waits until there is a reason to stop.
    pub async fn stop(&self) -> Stop {
        let cancelled = async {
            self.token.cancelled().await;
            Stop::Cancelled
        };
        let expired = async {
            match self.deadline {
                Some(deadline) => deadline.over(self.clock).await,
                None => std::future::pending().await,
            }
            Stop::Expired
        };
        smol::future::or(cancelled, expired).await
    }

    /// What `work` gives; dropped if there is a reason to stop first.
    ///
    /// # Errors
    /// That reason, for `operation` (`cloning nova`): [`Kind::Cancelled`] or [`Kind::Timeout`].
    pub async fn keep<T>(&self, operation: &str, work: impl Future<Output = T>) -> anyhow::Result<T> {
        let stop = async { Err(self.stop().await) };
        smol::future::or(async { Ok(work.await) }, stop).await.map_err(|stop| self.error(stop, operation))
    }

    /// The error of `operation` that was ended for the reason `stop`.
    #[must_use]
    pub fn error(&self, stop: Stop, operation: &str) -> anyhow::Error {
        match (stop, self.deadline) {
            (Stop::Expired, Some(deadline)) => deadline.missed(operation),
            _ => Kind::Cancelled.error(format!("{operation} was cancelled")),
        }
    }
}

/// What names the repository that git runs in, and must not say so for another one (`git rev-parse --local-env-vars`).
/// What `git -c` passes on stays.
const OF_A_REPOSITORY: [&str; 13] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Takes from `command` what the environment says of the repository that this process runs in: it is about another one.
pub(super) fn forget_repository(command: &mut Command) {
    for name in OF_A_REPOSITORY {
        command.env_remove(name);
    }
}

/// Whether git, ssh and credential helpers can ask the user: there is a terminal, and this process is in its foreground. (In the
/// background, whoever reads from it would be stopped.)
#[must_use]
pub fn can_prompt() -> bool {
    let Ok(terminal) = std::fs::File::options().read(true).write(true).open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|foreground| foreground == rustix::process::getpgrp())
}
