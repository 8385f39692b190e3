//! Settings that stay current in a process that lives on: kept for a while, read anew when a file or a variable has changed.
//!
//! Owns when to read. A new version that can't be used doesn't replace the one that can; it is told what is wrong with it. Nothing
//! here blocks the executor, and nothing runs but what somebody awaits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::cascade::{Value, View};
use super::keys::KEYS;
use super::load::{Variables, own_path, process_variables};
use crate::error::message_of;
use crate::files::Stamp;
use crate::git::Repository;
use crate::git::config as git_config;

/// How long what was read counts at most, though no file and no variable seems to have changed: a file that is included but not
/// there, say, isn't looked for.
const LIFETIME: Duration = Duration::from_mins(1);
/// How often a subscriber looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Where settings are read from.
#[derive(Clone)]
pub struct Sources {
    /// The folder from which git's configuration is seen.
    pub dir: PathBuf,
    /// Whether the repository is the one that `dir` lies in, whatever the environment names.
    pub alone: bool,
    /// The environment, for `GIT_BHFUIL_*` and the place of our own file. git's own variables are always those of the process.
    pub variables: Variables,
    /// Whether git is asked where its values come from, line by line. It costs a process each time.
    pub exact: bool,
}

impl Sources {
    /// Those of this process in the folder `dir`.
    #[must_use]
    pub fn of_process(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), alone: false, variables: process_variables(), exact: false }
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("dir", &self.dir).field("exact", &self.exact).finish_non_exhaustive()
    }
}

/// The settings, kept current. Clones share what was read.
#[derive(Debug, Clone)]
pub struct Config {
    sources: Arc<Sources>,
    lifetime: Duration,
    interval: Duration,
    kept: Arc<smol::lock::Mutex<Option<Kept>>>,
}

/// The settings as they are now.
#[derive(Debug, Clone)]
pub struct Current {
    /// The last version that can be used.
    pub view: Arc<View>,
    /// Why a later version can't be.
    pub trouble: Option<String>,
}

#[derive(Debug)]
struct Kept {
    current: Current,
    read: Instant,
    state: State,
    /// Whether any later change shows in the state. While it doesn't, everything is read each time.
    settled: bool,
}

/// What tells that something has changed.
#[derive(Debug, PartialEq, Eq)]
struct State {
    files: Vec<(PathBuf, Stamp)>,
    variables: Vec<Option<OsString>>,
}

impl Config {
    /// The settings of `sources`; nothing is read yet.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self { sources: Arc::new(sources), lifetime: LIFETIME, interval: INTERVAL, kept: Arc::default() }
    }

    /// The same, with other times: how long what was read counts at most, and how often a subscriber looks.
    #[must_use]
    pub fn with_times(self, lifetime: Duration, interval: Duration) -> Self {
        Self { lifetime, interval, ..self }
    }

    /// The settings as they are now.
    ///
    /// # Errors
    /// If they can't be read, and never could.
    pub async fn current(&self) -> anyhow::Result<Current> {
        self.current_at(Instant::now()).await
    }

    /// As [`Self::current`], for the time `now`: what was read longer ago than it counts is read again.
    ///
    /// # Errors
    /// If they can't be read, and never could.
    pub async fn current_at(&self, now: Instant) -> anyhow::Result<Current> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref()
            && kept.settled
            && now.saturating_duration_since(kept.read) < self.lifetime
        {
            let known: Vec<PathBuf> = kept.state.files.iter().map(|(path, _)| path.clone()).collect();
            if self.state(known).await == kept.state {
                return Ok(kept.current.clone());
            }
        }
        let begun = SystemTime::now();
        let (read, state) = self.read().await;
        let settled = state.files.iter().all(|(_, stamp)| stamp.is_settled(begun));
        // The first version is taken as it is: there is none to go back to, and a bad value only counts where it is asked for.
        let bad = match &read {
            Ok(view) => {
                let known: Vec<_> =
                    kept.iter().flat_map(|kept| kept.current.view.faults()).map(|it| it.message).collect();
                let news = view.faults().find(|problem| kept.is_some() && !known.contains(&problem.message));
                news.map(|problem| problem.told())
            }
            Err(cause) => Some(message_of(cause)),
        };
        let current = match (bad, kept.as_ref()) {
            (Some(trouble), Some(kept)) => Current { view: Arc::clone(&kept.current.view), trouble: Some(trouble) },
            _ => Current { view: Arc::new(read?), trouble: None },
        };
        *kept = Some(Kept { current: current.clone(), read: now, state, settled });
        Ok(current)
    }

    /// What comes after `seen`.
    #[must_use]
    pub fn subscribe(&self, seen: Current) -> Changes {
        Changes { config: self.clone(), seen }
    }

    /// Reads everything, and what tells when to read it again.
    async fn read(&self) -> (anyhow::Result<View>, State) {
        let sources = Arc::clone(&self.sources);
        // Before they are read: what changes meanwhile shows the next time.
        let (files, repository) = smol::unblock(move || {
            let find = if sources.alone { Repository::discover_alone } else { Repository::discover };
            let repository = find(&sources.dir).ok();
            let own = own_path(&*sources.variables);
            let files: Vec<PathBuf> = git_config::files(repository.as_ref()).into_iter().chain(own).collect();
            (files, repository)
        })
        .await;
        let mut state = self.state(files).await;
        let view = if self.sources.exact {
            View::ask(&self.sources.dir, self.sources.alone, &self.sources.variables).await
        } else {
            let variables = Variables::clone(&self.sources.variables);
            smol::unblock(move || View::read_blocking(repository.as_ref(), &*variables)).await
        };
        if let Ok(view) = &view {
            let mut included = view.files();
            included.retain(|path| !state.files.iter().any(|(known, _)| known == path));
            state.files.extend(self.state(included).await.files);
        }
        (view, state)
    }

    async fn state(&self, files: Vec<PathBuf>) -> State {
        let names = ["GIT_BHFUIL_CONFIG", "XDG_CONFIG_HOME", "HOME"].map(str::to_owned);
        let names = names.into_iter().chain(KEYS.iter().filter_map(super::Key::variable));
        let variables = names.map(|name| (self.sources.variables)(&name)).collect();
        let stamped = |path: PathBuf| {
            let stamp = Stamp::of(&path);
            (path, stamp)
        };
        let files = smol::unblock(move || files.into_iter().map(stamped).collect()).await;
        State { files, variables }
    }
}

/// Something has changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The settings that have other values now, with these; one that has none any more with no bytes.
    pub settings: Vec<Value>,
    /// The settings as they are now.
    pub current: Current,
}

/// What changes, one after the other.
#[derive(Debug)]
pub struct Changes {
    config: Config,
    seen: Current,
}

impl Changes {
    /// The settings as they were when a change was last told.
    #[must_use]
    pub fn seen(&self) -> &Current {
        &self.seen
    }

    /// Waits for the next change of what holds for `repo`, or for all: other values, or a version that can't be used, or can again.
    pub async fn next(&mut self, repo: Option<&str>) -> Change {
        loop {
            smol::Timer::after(self.config.interval).await;
            // What could be read once is kept.
            let Ok(current) = self.config.current().await else { continue };
            let settings = self.seen.view.changed(&current.view, repo);
            let is_news = !settings.is_empty() || current.trouble != self.seen.trouble;
            self.seen = current.clone();
            if is_news {
                return Change { settings, current };
            }
        }
    }
}
