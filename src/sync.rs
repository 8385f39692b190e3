//! Mirrors brought up to date: cloned where they aren't there yet, fetched where they are, then indexed. Knows where mirrors lie and
//! what is configured for them; how git is made to do it is `repos::mirror`'s.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender};

use crate::announce;
use crate::config::View;
use crate::error::{Kind, message_of};
use crate::git::Repository;
use crate::git::refs::Selection;
use crate::gitcli::{self, Progress};
use crate::index::Trouble;
use crate::monitor::{self, Outcome};
use crate::pipeline::Pool;
use crate::report::{Gone, Strand};
use crate::repos::mirror::{self, Cloned, News};
use crate::repos::{Entry, Registry};
use crate::retry::{Operation, Strategy};
use crate::scan::{self, Sought};
use crate::shutdown::Token;

/// Pieces of news that may wait; a newer one takes the place of the oldest.
const WAITING: usize = 16;

/// What all mirrors share.
#[derive(Debug, Clone)]
pub struct Mirrors {
    /// Where they are registered.
    pub registry: Registry,
    /// The folder that they lie in.
    pub folder: PathBuf,
    /// The settings.
    pub view: Arc<View>,
    /// Threads for indexing.
    pub pool: Pool,
    /// Cancelled: everything ends.
    pub token: Token,
}

/// The folder of all mirrors, `$XDG_DATA_HOME/git-bhfuil/repos`.
///
/// # Errors
/// [`Kind::Io`] if the environment names none.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<PathBuf> {
    let named = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = named("XDG_DATA_HOME").or_else(|| named("HOME").map(|home| home.join(".local/share")));
    let none = || Kind::Io.hinted("there is no place for clones", "set HOME or XDG_DATA_HOME");
    Ok(data.ok_or_else(none)?.join("git-bhfuil/repos"))
}

impl Mirrors {
    /// Where the mirror of `name` lies.
    #[must_use]
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.git"))
    }

    /// Registers the repository at `entry.url` and clones it. If it is registered and its clone was broken off, that is taken up again.
    /// What can't be cloned isn't registered.
    ///
    /// # Errors
    /// [`Kind::Exists`] if it is there already, those of [`Registry::add`] and [`mirror::clone`].
    pub async fn add(&self, entry: Entry, report: &mut Strand) -> anyhow::Result<Entry> {
        gitcli::transfer::check_url(entry.url.as_deref().unwrap_or_default())?;
        let entry = match self.registry.unfinished(&entry).await? {
            Some(begun) => begun,
            None => self.registry.add(entry).await?,
        };
        match self.mirror(&entry, report).await {
            Ok(path) => Ok(Entry { path: Some(path), ..entry }),
            Err(cause) => {
                // Why it isn't there is what matters; that its name is still taken would show in the next run.
                let _ = self.registry.remove(&[entry.name]).await;
                Err(cause)
            }
        }
    }

    /// Brings the repository of `entry` up to date and indexes it. One that is somebody's own, registered where it lies, is only indexed.
    /// What fails is told on `report`, and ends its part.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn run(&self, entry: &Entry, report: &mut Strand) -> anyhow::Result<()> {
        let done = self.refresh(entry, report).await;
        self.tell(done, &entry.name, report).await
    }

    /// As [`Self::run`], but for the index.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub async fn fetch(&self, entry: &Entry, report: &mut Strand) -> anyhow::Result<()> {
        let done = self.mirror(entry, report).await.map(drop);
        self.tell(done, &entry.name, report).await
    }

    /// Tells what went wrong, and ends the part of the repository so.
    async fn tell(&self, done: anyhow::Result<()>, name: &str, report: &mut Strand) -> anyhow::Result<()> {
        match done {
            Err(cause) if cause.downcast_ref::<Gone>().is_some() => Err(cause),
            Err(_) if self.token.is_cancelled() => Ok(()),
            Err(cause) => announce::failed(report, name, &cause).await,
            Ok(()) => Ok(()),
        }
    }

    async fn refresh(&self, entry: &Entry, report: &mut Strand) -> anyhow::Result<()> {
        let dir = match (&entry.url, &entry.path) {
            (Some(_), _) => self.mirror(entry, report).await?,
            (None, Some(path)) => path.clone(),
            (None, None) => return Err(Kind::NoRepository.error(format!("nothing is known of '{}'", entry.name))),
        };
        let globs: Vec<Vec<u8>> = entry.refs.iter().map(|glob| glob.clone().into_bytes()).collect();
        let options = scan::Options {
            sought: Sought { dir, name: Some(entry.name.clone()) },
            cache_folder: scan::cache_folder(),
            pool: Some(self.pool.clone()),
            refs: if globs.is_empty() { Selection::Usual } else { Selection::Globs(globs) },
            no_commits: true,
            ..scan::Options::default()
        };
        scan::run(&options, report, &self.token).await.map(drop)
    }

    /// Clones or fetches, and returns where the mirror lies.
    async fn mirror(&self, entry: &Entry, report: &mut Strand) -> anyhow::Result<PathBuf> {
        let name = entry.name.as_str();
        let place = entry.path.clone().unwrap_or_else(|| self.place(name));
        let url = entry.url.as_deref().unwrap_or_default();
        let (tell, told) = async_channel::bounded(WAITING);
        let work = async {
            let is_there = entry.path.is_some()
                && smol::unblock({
                    let place = place.clone();
                    move || Repository::discover_alone(&place).is_ok_and(|found| found.common_dir == place)
                })
                .await;
            let is_new = !is_there && {
                let options = self.options(Operation::Clone, name)?;
                let received = Received::default();
                let clone = Box::pin(mirror::clone(url, &place, &options, received.heard(teller(&tell))));
                received.time(Operation::Clone, clone).await? == Cloned::New
            };
            if !is_new {
                let options = self.options(Operation::Fetch, name)?;
                let received = Received::default();
                let fetch = Box::pin(mirror::fetch(&place, &options, received.heard(teller(&tell))));
                received.time(Operation::Fetch, fetch).await?;
            }
            anyhow::Ok(())
        };
        let (done, heard) = smol::future::zip(
            async {
                let done = work.await;
                tell.close();
                done
            },
            hear(&told, name, report),
        )
        .await;
        heard?;
        done?;
        if entry.path.is_none() {
            self.registry.settle(name, &place).await?;
        }
        Ok(place)
    }

    /// What is configured for `operation` on the repository `name`.
    fn options(&self, operation: Operation, name: &str) -> anyhow::Result<mirror::Options> {
        let key = |last: &str| format!("retry.{}.{last}", operation.name());
        let wait = |last: &str, usual: Duration| -> anyhow::Result<Duration> {
            Ok(self.view.time(&key(last), Some(name))?.unwrap_or(usual))
        };
        let usual = Strategy::from(operation);
        let retry = Strategy {
            attempts: u32::try_from(self.view.number(&key("attempts"), Some(name))?).unwrap_or(u32::MAX),
            first_wait: wait("firstWait", usual.first_wait)?,
            longest_wait: wait("longestWait", usual.longest_wait)?,
        };
        let options = match operation {
            Operation::Clone => mirror::Options::for_clone(),
            Operation::Fetch | Operation::Http => mirror::Options::for_fetch(),
        };
        Ok(mirror::Options {
            retry,
            timeout: self.view.time(&format!("timeout.{}", operation.name()), Some(name))?,
            prompts: gitcli::can_prompt(),
            token: self.token.clone(),
            ..options
        })
    }
}

/// How many bytes came in a transfer, as far as git said.
#[derive(Debug, Clone, Default)]
struct Received(Arc<AtomicU64>);

impl Received {
    /// Hands on what `tell` is told.
    fn heard(&self, mut tell: impl FnMut(News<'_>) + Send) -> impl FnMut(News<'_>) + Send {
        let most = Arc::clone(&self.0);
        move |news| {
            if let News::Progress(Progress { bytes: Some(bytes), .. }) = &news {
                most.fetch_max(*bytes, Ordering::Relaxed);
            }
            tell(news);
        }
    }

    /// Has it seen how long `work` takes.
    async fn time<T>(&self, operation: Operation, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let mut seen = monitor::process().begin(operation.name());
        let result = work.await;
        match self.0.load(Ordering::Relaxed) {
            0 => {}
            bytes => seen.received(bytes),
        }
        seen.end(Outcome::of(&result));
        result
    }
}

/// What is told of a transfer.
enum Told {
    Progress(Progress),
    Trouble(Trouble),
}

/// Takes news from where it can't be waited for.
fn teller(tell: &Sender<Told>) -> impl FnMut(News<'_>) + Send + use<> {
    let tell = tell.clone();
    move |news| {
        let told = match news {
            News::Progress(progress) => Told::Progress(progress),
            News::Tried(tried) => {
                let (Some(error), Some(wait)) = (tried.error, tried.wait) else { return };
                let next = format!("attempt {} of {} in {wait:.1?}", tried.attempt.number + 1, tried.attempt.of);
                let message = format!("{}; {next}", message_of(error));
                Told::Trouble(Trouble { code: "retrying", message, hint: None })
            }
            News::Waiting(pid) => {
                let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
                let message = format!("waiting for {who}, which works on the same clone");
                Told::Trouble(Trouble { code: "waiting", message, hint: None })
            }
        };
        // A reader who is slow or gone hears of the newest only.
        let _ = tell.force_send(told);
    }
}

/// Reports what is told until nobody tells any more.
async fn hear(told: &Receiver<Told>, name: &str, report: &mut Strand) -> anyhow::Result<()> {
    while let Ok(told) = told.recv().await {
        match told {
            Told::Progress(Progress { phase, done, total, .. }) => {
                report.progress_in(phase.unit(), name, phase.name(), done, total).await?;
            }
            Told::Trouble(trouble) => announce::warn(report, name, &trouble).await?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gitcli::progress::Phase;

    #[test]
    fn the_most_that_git_says_has_come_is_seen_and_the_news_go_on() {
        let received = Received::default();
        let mut told = 0;
        {
            let mut hear = received.heard(|_| told += 1);
            for bytes in [Some(10), Some(2048), None, Some(7)] {
                let progress = Progress {
                    phase: Phase::Receiving,
                    done: 1,
                    total: None,
                    bytes,
                    bytes_per_second: None,
                    finished: false,
                };
                hear(News::Progress(progress));
            }
        }
        let failed = received.time(Operation::Clone, async { Err::<(), _>(Kind::Network.error("reset")) });
        assert!(smol::block_on(failed).is_err());
        let seen = monitor::process().statistics();
        let clone = seen.iter().find(|it| it.operation == "clone").expect("it was seen");
        assert_eq!((told, clone.bytes, clone.failed), (4, Some(2048), 1));
    }
}
