//! `git bhfuil watch`: which repositories are followed, as the registry has them now, and beside that the mirrors that are fetched and
//! the settings that change.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use async_channel::Sender;

use super::config::tell_change;
use super::repo::mirrors;
use super::repositories::{self, Chosen, Shared, Wanted};
use crate::cli::argv::TextArg;
use crate::cli::{UsageError, WatchArgs};
use crate::clock::Clock;
use crate::config::{Config, Current, Sources};
use crate::error::exit;
use crate::executor::{LocalExecutor, Task};
use crate::locate;
use crate::report::{self, Ending, Loudness, Report, Strands};
use crate::repos::{Entry, Limit};
use crate::scan::{self, Selection, Sought};
use crate::shutdown::Token;
use crate::sync::Mirrors;
use crate::watch::{self, Member, Options, Times};

/// How often the registry is looked at for repositories that have come or gone.
const REGISTRY: Duration = Duration::from_secs(2);

/// How often something is done, as typed.
#[derive(Clone, Copy)]
struct Every {
    /// Mirrors are fetched.
    sync: Option<Duration>,
    /// It is looked what has moved, without a word from the file system.
    poll: Option<Duration>,
}

impl Every {
    fn of(args: &WatchArgs) -> Result<Self, UsageError> {
        let time = |option, typed: &Option<TextArg>| super::time("watch", option, typed.as_ref());
        Ok(Self { sync: time("--sync", &args.sync)?, poll: time("--poll", &args.poll)? })
    }
}

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &WatchArgs, dir: &Path, token: &Token) -> u8 {
    let every = match Every::of(args) {
        Ok(every) => every,
        Err(refusal) => return super::refused(&refusal),
    };
    let loudness = Loudness { quiet: args.quiet, progress: Some(false) };
    let (format, configured) = super::format(args.format, args.color, args.no_color, dir).await;
    let is_about_several = args.all_repos || !args.group.is_empty() || args.repo.len() > 1;
    let format = if is_about_several { format.naming_repositories() } else { format };
    let strands = match Report::begin("watch", None, format, loudness) {
        Ok(report) => report.strands(),
        Err(cause) => {
            report::say_fatal(&format!("starting: {cause}"), None);
            return exit::FATAL;
        }
    };
    let outcome = match configured {
        Ok(()) => follow(args, every, dir, &strands, token).await,
        Err(cause) => Err(cause),
    };
    let ending = outcome.map(|()| Ending { incomplete: token.is_cancelled(), ..Ending::default() });
    strands.report().end(ending, token.signal()).await.exit_code
}

/// Everything that goes on side by side until the token is cancelled.
async fn follow(args: &WatchArgs, every: Every, dir: &Path, strands: &Strands, token: &Token) -> anyhow::Result<()> {
    let refs = repositories::refs(&args.refs);
    let wanted = Wanted {
        repo: &args.repo,
        group: &args.group,
        all: args.all_repos,
        shard: None,
        jobs: args.jobs,
        threads: args.threads,
        refs: &refs,
    };
    let members = members(&wanted, dir).await?;
    let config = Config::new(sources(&wanted, dir));
    let current = config.current().await?;
    let shared = wanted.shared().await?;
    let options = options(args, every, &shared, config.clone());
    let (change, changes) = async_channel::bounded(1);
    let beside = Beside { wanted: &wanted, dir, shared: &shared, strands, token };
    let registered = beside.register(members.clone(), &change);
    let told = beside.tell_settings(&config, current);
    let fetched = beside.fetch(every.sync);
    let never = async { match smol::future::or(registered, smol::future::or(told, fetched)).await? {} };
    smol::future::or(Box::pin(watch::run(members, &changes, &options, strands, token)), Box::pin(never)).await
}

fn options(args: &WatchArgs, every: Every, shared: &Shared, config: Config) -> Options {
    let Shared { limit, pool } = shared;
    let scan = scan::Options {
        cache_folder: scan::cache_folder(),
        threads: args.threads.map(NonZeroUsize::get),
        changed_paths: args.paths,
        patch_id: args.patch_id,
        mailmap: args.mailmap,
        ..scan::Options::default()
    };
    let locate = locate::Options {
        cache_folder: scan::cache_folder(),
        threads: scan.threads,
        pool: Some(pool.clone()),
        refs: Selection::Usual,
        ..locate::Options::default()
    };
    let usual = Times::default();
    Options {
        scan,
        locate: args.locate.then_some(locate),
        config,
        limit: limit.clone(),
        pool: pool.clone(),
        times: Times { unnoticed: every.poll.unwrap_or(usual.unnoticed), ..usual },
        notices: every.poll.is_none(),
        clock: Clock::Real,
    }
}

/// Where settings are read that hold for all that are followed: what one of several repositories has of its own isn't among them.
fn sources(wanted: &Wanted<'_>, dir: &Path) -> Sources {
    let process = Sources::of_process(dir);
    if wanted.is_here() { process } else { Sources { dir: "/".into(), alone: true, ..process } }
}

/// The repositories that are followed as things are now.
async fn members(wanted: &Wanted<'_>, dir: &Path) -> anyhow::Result<Vec<Member>> {
    if wanted.is_here() {
        // Should it be removed and made again, the folder that the user stands in is another one.
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        return Ok(vec![Member { sought: Sought::here(dir), refs: wanted.refs.clone() }]);
    }
    let chosen = wanted.chosen().await?;
    Ok(chosen.into_iter().map(|Chosen { sought, refs }| Member { sought, refs }).collect())
}

/// What goes on beside the looks, and never ends but with an error.
struct Beside<'a> {
    wanted: &'a Wanted<'a>,
    dir: &'a Path,
    shared: &'a Shared,
    strands: &'a Strands,
    token: &'a Token,
}

impl Beside<'_> {
    /// Passes on who is to be followed when that changes.
    async fn register(&self, mut seen: Vec<Member>, change: &Sender<Vec<Member>>) -> anyhow::Result<Infallible> {
        if self.wanted.is_here() {
            return std::future::pending().await;
        }
        loop {
            smol::Timer::after(REGISTRY).await;
            // Where it can't be read, or nobody is left, those who were last known are followed.
            let Ok(now) = members(self.wanted, self.dir).await else { continue };
            if now != seen {
                seen = now;
                // The other end is read as long as this runs.
                let _ = change.send(seen.clone()).await;
            }
        }
    }

    /// Tells the settings that change. What is looked at next is looked at as they say then.
    async fn tell_settings(&self, config: &Config, current: Current) -> anyhow::Result<Infallible> {
        let mut changes = config.subscribe(current);
        loop {
            let change = changes.next(None).await;
            self.strands.lend(async |strand| tell_change(&change, None, strand).await).await?;
        }
    }

    /// Fetches the mirrors among those that are followed, now and `every` so often if at all, as many at a time as are looked at. One that
    /// is slow, or never answers, holds up no look, and no other as long as there is room.
    async fn fetch(&self, every: Option<Duration>) -> anyhow::Result<Infallible> {
        let Some(every) = every else { return std::future::pending().await };
        let limit = Limit::new(self.shared.limit.at_once());
        let mut last = self.mirrored().await?;
        let executor = LocalExecutor::new();
        let rounds = async {
            let mut going: BTreeMap<String, Task<anyhow::Result<()>>> = BTreeMap::new();
            loop {
                for (_, ended) in going.extract_if(.., |_, fetch| fetch.is_finished()) {
                    ended.await?;
                }
                let (mirrors, entries) = &last;
                for entry in entries {
                    let start = || executor.spawn(self.fetch_one(entry.clone(), mirrors.clone(), limit.clone()));
                    going.entry(entry.name.clone()).or_insert_with(start);
                }
                smol::Timer::after(every).await;
                // What can't be read now goes on as it was; that is said elsewhere.
                last = self.mirrored().await.unwrap_or(last);
            }
        };
        executor.run(rounds).await
    }

    async fn fetch_one(&self, entry: Entry, mirrors: Mirrors, limit: Limit) -> anyhow::Result<()> {
        let fetch = async |_slot| self.strands.lend(async |strand| mirrors.fetch(&entry, strand).await).await;
        limit.run_one(fetch).await.unwrap_or_else(|panic| panic.resume())
    }

    /// The mirrors among those that are followed, with what is configured for them.
    async fn mirrored(&self) -> anyhow::Result<(Mirrors, Vec<Entry>)> {
        let mirrors = mirrors(self.shared.pool.clone(), self.token).await?;
        let members = members(self.wanted, self.dir).await?;
        let is_followed = |name: &str| members.iter().any(|member| member.sought.name.as_deref() == Some(name));
        let listing = mirrors.registry.read().await?;
        let entries = listing.entries().iter().filter(|entry| entry.url.is_some() && is_followed(&entry.name));
        let entries = entries.cloned().collect();
        Ok((mirrors, entries))
    }
}
