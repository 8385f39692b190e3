//! `git bhfuil watch`: which repositories are followed, as the registry has them now, and beside that the mirrors that are fetched and
//! the settings that change.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, SystemTime};

use async_channel::Sender;

use super::config::tell_change;
use super::repo::mirrors;
use super::repositories::{self, Chosen, Shared, Wanted};
use crate::cli::WatchArgs;
use crate::clock::Clock;
use crate::config::syntax::Document;
use crate::config::{Config, Current, Sources, values};
use crate::error::{Kind, exit};
use crate::locate;
use crate::report::{self, Ending, Loudness, Report, Strands};
use crate::repos::{Limit, Listing};
use crate::scan::{self, Selection, Sought};
use crate::shutdown::Token;
use crate::sync::Mirrors;
use crate::watch::{self, Member, Options, Times};

/// How often the registry is looked at for repositories that have come or gone.
const REGISTRY: Duration = Duration::from_secs(2);

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &WatchArgs, dir: &Path, token: &Token) -> u8 {
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
        Ok(()) => follow(args, dir, &strands, token).await,
        Err(cause) => Err(cause),
    };
    let ending = outcome.map(|()| Ending { incomplete: token.is_cancelled(), ..Ending::default() });
    strands.report().end(ending, token.signal()).await.exit_code
}

/// Everything that goes on side by side until the token is cancelled.
async fn follow(args: &WatchArgs, dir: &Path, strands: &Strands, token: &Token) -> anyhow::Result<()> {
    let refs = repositories::refs(&args.refs);
    let wanted = Wanted {
        repo: &args.repo,
        group: &args.group,
        all: args.all_repos,
        jobs: args.jobs,
        threads: args.threads,
        refs: &refs,
    };
    let every = |typed: Option<&str>, option: &str| typed.map(|text| every(text, option)).transpose();
    let sync = every(args.sync.as_ref().map(|text| text.0.as_str()), "--sync")?;
    let poll = every(args.poll.as_ref().map(|text| text.0.as_str()), "--poll")?;
    let members = members(&wanted, dir).await?;
    let Shared { limit, pool } = wanted.shared().await?;
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
    let options = Options {
        scan,
        locate: args.locate.then_some(locate),
        limit: limit.clone(),
        pool: pool.clone(),
        times: poll.map_or_else(Times::default, |poll| Times { unnoticed: poll, ..Times::default() }),
        notices: poll.is_none(),
        clock: Clock::Real,
        wall: SystemTime::now,
    };
    let (change, changes) = async_channel::bounded(1);
    let config = Config::new(Sources::of_process(dir));
    let current = config.current().await?;
    let registered = register(&wanted, dir, members.clone(), &change);
    let settings = settings(&config, current, strands);
    let fetched = async {
        match sync {
            Some(every) => fetch(&wanted, dir, every, &limit, &mirrors(pool, token).await?, strands).await,
            None => std::future::pending().await,
        }
    };
    let beside = smol::future::or(registered, smol::future::or(settings, fetched));
    let never = async { match beside.await? {} };
    smol::future::or(Box::pin(watch::run(members, &changes, &options, strands, token)), Box::pin(never)).await
}

/// A time that was typed, such as `15m`.
fn every(text: &str, option: &str) -> anyhow::Result<Duration> {
    let time = values::time(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| {
        let hint = "a time is a number with ms, s, m, h or d: 500ms, 15m";
        Kind::BadValue.hinted(format!("bad value '{text}' for {option}: expected a time"), hint)
    })
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

/// Passes on who is to be followed when that changes.
async fn register(
    wanted: &Wanted<'_>,
    dir: &Path,
    mut seen: Vec<Member>,
    change: &Sender<Vec<Member>>,
) -> anyhow::Result<Infallible> {
    if wanted.is_here() {
        return std::future::pending().await;
    }
    loop {
        smol::Timer::after(REGISTRY).await;
        // Where it can't be read, or nobody is left, those who were last known are followed.
        let Ok(now) = members(wanted, dir).await else { continue };
        if now != seen {
            seen = now;
            // The other end is read as long as this runs.
            let _ = change.send(seen.clone()).await;
        }
    }
}

/// Tells the settings that change. What is looked at next is looked at as they say then.
async fn settings(config: &Config, current: Current, strands: &Strands) -> anyhow::Result<Infallible> {
    let mut changes = config.subscribe(current);
    loop {
        let change = changes.next(None).await;
        let mut strand = strands.strand();
        let told = tell_change(&change, None, &mut strand).await;
        strands.join(strand);
        told?;
    }
}

/// Fetches the mirrors among those that are followed, now and `every` so often.
async fn fetch(
    wanted: &Wanted<'_>,
    dir: &Path,
    every: Duration,
    limit: &Limit,
    mirrors: &Mirrors,
    strands: &Strands,
) -> anyhow::Result<Infallible> {
    loop {
        // Where the registry can't be read there is nothing to be fetched; that is said elsewhere.
        let members = members(wanted, dir).await.unwrap_or_default();
        let listing = mirrors.registry.read().await.unwrap_or_else(|_| Listing::of(Document::default()));
        let is_followed = |name: &str| members.iter().any(|member| member.sought.name.as_deref() == Some(name));
        let mirrored = listing.entries().iter().filter(|entry| entry.url.is_some() && is_followed(&entry.name));
        let jobs = mirrored.map(|entry| {
            async move |_slot| {
                let mut strand = strands.strand();
                let fetched = mirrors.fetch(entry, &mut strand).await;
                strands.join(strand);
                fetched
            }
        });
        for outcome in limit.run(jobs).await {
            outcome.unwrap_or_else(|panic| panic.resume())?;
        }
        smol::Timer::after(every).await;
    }
}
