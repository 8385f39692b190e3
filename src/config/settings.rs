//! The settings that rooms below are handed, as plain values.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::cascade::View;
use super::values::Color;
use crate::error::Kind;
use crate::facts::patterns::Patterns;
use crate::git::{GIT_LIMIT, Repository, Sought};

/// The settings of one run for one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Threads for git work (`bhfuil.threads`); by default three, but never more than there are cores.
    pub threads: usize,
    /// How long git may take for one question (`bhfuil.timeout.git`).
    pub git_timeout: Duration,
    /// How long a scan may take (`bhfuil.timeout.scan`); by default as long as it needs.
    pub scan_timeout: Option<Duration>,
    /// How long finding a change may take (`bhfuil.timeout.where`); by default as long as it needs.
    pub where_timeout: Option<Duration>,
    /// How long finding what a branch lacks may take (`bhfuil.timeout.missing`); by default as long as it needs.
    pub missing_timeout: Option<Duration>,
    /// The file that says what need not be ported (`bhfuil.dismissedFile`); by default the one at the source's tip.
    pub dismissed_file: Option<PathBuf>,
    /// Regexes that mark a request for a backport (`bhfuil.requestPattern`).
    pub request_patterns: Vec<String>,
    /// Regexes that mark a message as being about security (`bhfuil.securityPattern`).
    pub security_patterns: Vec<String>,
    /// Project keys of a Jira tracker, such as `PROJ` (`bhfuil.jiraProject`).
    pub jira_projects: Vec<String>,
    /// Globs of the branches of release lines (`bhfuil.stable`).
    pub stable: Vec<String>,
    /// Globs of the branches of the mainline (`bhfuil.mainline`).
    pub mainline: Vec<String>,
    /// Globs of the tags that may be releases (`bhfuil.releaseTag`).
    pub release_tag: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: default_threads(),
            git_timeout: GIT_LIMIT,
            scan_timeout: None,
            where_timeout: None,
            missing_timeout: None,
            dismissed_file: None,
            request_patterns: Vec::new(),
            security_patterns: Vec::new(),
            jira_projects: Vec::new(),
            stable: Vec::new(),
            mainline: Vec::new(),
            release_tag: Vec::new(),
        }
    }
}

/// Threads unless something else is asked for.
#[must_use]
pub fn default_threads() -> usize {
    // To find out reads half a dozen files on Linux, and it is asked for each repository.
    static CORES: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
    (*CORES).min(3)
}

impl Settings {
    /// Reads the settings that hold for `repository`, of this process's environment. Starts no `git`.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and where it is set, or the line of our own file that can't be understood.
    pub async fn read(repository: &Arc<Repository>) -> anyhow::Result<Self> {
        let repository = Arc::clone(repository);
        smol::unblock(move || Self::read_blocking(&repository)).await
    }

    /// As [`Self::read`], for a thread that may block.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_blocking(repository: &Repository) -> anyhow::Result<Self> {
        let view = View::read_for(Some(repository), &|name| std::env::var_os(name))?;
        let settings = Self::of(&view, view.repo())?;
        settings.bind(repository);
        Ok(settings)
    }

    /// Has what is asked of git about `repository` keep to the limit that is set. What [`Self::read`] gives is bound already.
    pub fn bind(&self, repository: &Repository) {
        repository.limit_git(self.git_timeout);
    }

    /// Those that hold for `repo`, or for all, in `view`.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and where it is set.
    pub fn of(view: &View, repo: Option<&str>) -> anyhow::Result<Self> {
        let settings = Self {
            threads: usize::try_from(view.number("threads", repo)?).unwrap_or(usize::MAX),
            git_timeout: view.time("timeout.git", repo)?.unwrap_or(GIT_LIMIT),
            scan_timeout: view.time("timeout.scan", repo)?,
            where_timeout: view.time("timeout.where", repo)?,
            missing_timeout: view.time("timeout.missing", repo)?,
            dismissed_file: view.text("dismissedFile", repo)?.map(PathBuf::from),
            request_patterns: view.texts("requestPattern", repo)?,
            security_patterns: view.texts("securityPattern", repo)?,
            jira_projects: view.texts("jiraProject", repo)?,
            stable: view.texts("stable", repo)?,
            mainline: view.texts("mainline", repo)?,
            release_tag: view.texts("releaseTag", repo)?,
        };
        Ok(settings)
    }

    /// The patterns for references and requests, ready for use.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming the pattern that is none.
    pub fn patterns(&self) -> anyhow::Result<Patterns> {
        let bad = |key: &str, pattern: &str| Kind::BadValue.error(format!("bad value '{pattern}' for bhfuil.{key}"));
        Patterns::compile(&self.request_patterns, &self.jira_projects)
            .map_err(|cause| bad("requestPattern", &cause.pattern))?
            .with_security(&self.security_patterns)
            .map_err(|cause| bad("securityPattern", &cause.pattern))
    }
}

/// How long `operation` may take (`bhfuil.timeout.<operation>`), as configured for the repository that is `sought`, or for all; `None` if
/// that is as long as it needs.
///
/// # Errors
/// [`Kind::BadValue`] naming key, value and where it is set.
pub async fn time_limit(operation: &'static str, sought: Option<Sought>) -> anyhow::Result<Option<Duration>> {
    smol::unblock(move || {
        // That there is no repository is for those to say who need one.
        let repository = sought.and_then(|sought| Repository::find(&sought).ok());
        let view = View::read_for(repository.as_ref(), &|name| std::env::var_os(name))?;
        view.time(&format!("timeout.{operation}"), view.repo())
    })
    .await
}

/// What pages what people read where they work in `dir`, as configured; `None` where neither we nor git are told.
///
/// # Errors
/// If a file can't be read or understood.
pub async fn pager(dir: &Path) -> anyhow::Result<Option<String>> {
    let dir = dir.to_owned();
    smol::unblock(move || {
        let repository = Repository::discover(&dir).ok();
        let view = View::read_for(repository.as_ref(), &|name| std::env::var_os(name))?;
        view.text("pager", view.repo())
    })
    .await
}

/// When text for people is in colour, as is configured for the repository at `dir`: `GIT_BHFUIL_COLOR`, else `bhfuil.color`, else
/// `color.ui`. `None` where none of them is set. Apart from [`Settings`], since it must be known before anything is written.
///
/// # Errors
/// [`Kind::BadValue`] naming key, value and where it is set.
pub async fn color(dir: &Path) -> anyhow::Result<Option<Color>> {
    let dir = dir.to_owned();
    smol::unblock(move || {
        // That there is no repository is for those to say who need one.
        let repository = Repository::discover(&dir).ok();
        let view = View::read_for(repository.as_ref(), &|name| std::env::var_os(name))?;
        view.color(view.repo())
    })
    .await
}
