//! What trackers know of the issues that commits name: the room that joins references, trackers and the client.
//!
//! Owns the two ways of `enrich`: references that were typed, and the stream of another run, whose lines go on at once, unchanged and in order,
//! while issues are asked about beside them. What fails is one warning for each server and cause, and nothing else fails with it.
//! Refuses the command line, and how a server is asked.

mod account;
mod desk;
mod home;
mod labels;
mod login;
#[cfg(test)]
#[path = "../../tests/fuzz/mutations.rs"]
mod mutations;
mod named;
mod news;
mod overheard;
mod places;
mod prefetch;
mod question;
mod round;
mod stream;
mod upstream;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use smol::io::AsyncRead;

use crate::error::Kind;
use crate::events::{self, Event};
use crate::executor::LocalExecutor;
use crate::report::{Ending, Strand};
use crate::shutdown::Token;
use crate::trackers::Release;
use crate::trackers::which::OnTheWeb;

pub use desk::MOST;
use home::Place;
pub use home::http_settings;
pub use labels::kept_labels;
use overheard::Gathered;
pub use overheard::{After, Overheard};
pub use prefetch::{Fetched, People, Subject, prefetch};
use round::Round;
use stream::{Came, Input};

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where one stands: what is set there holds for references that name no repository.
    pub dir: PathBuf,
    /// References as typed; without any the stream on standard input is read.
    pub references: Vec<String>,
    /// Make no request.
    pub offline: bool,
    /// Whether a server that failed makes the answer partial.
    pub strict: bool,
    /// The folder of the caches; `None` keeps nothing.
    pub cache_folder: Option<PathBuf>,
    /// Issues that may wait to be asked about, [`MOST`] by default. What finds no room is left out, and told as a warning with its number: a
    /// stream goes on as fast as it comes, whatever servers do, and memory is bounded.
    pub room: Option<usize>,
}

/// Tells of the issues that were typed, or passes the stream on standard input on and adds those that its commits name.
///
/// # Errors
/// If settings can't be used, standard input can't be read, or nobody reads any more; [`Kind::Cancelled`].
pub async fn run(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    stream(smol::Unblock::new(std::io::stdin()), options, report, token).await
}

/// As [`run`], of a stream that comes from anywhere; of references that were typed `input` isn't read.
///
/// # Errors
/// As [`run`].
pub async fn stream(
    input: impl AsyncRead + Unpin,
    options: Options,
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<Ending> {
    let work = async {
        let here = Place::read(options.dir.clone(), None).await?;
        let executor = Rc::new(LocalExecutor::new());
        let mut round = Round::begin(here, &options, report, &executor, token).await;
        executor
            .run(async {
                if options.references.is_empty() {
                    pass(Input::new(input), &mut round).await?;
                } else {
                    for typed in &options.references {
                        round.typed(typed).await?;
                    }
                }
                round.finish().await
            })
            .await
    };
    until_stopped(work, token).await
}

/// What `work` comes to, unless it is to stop.
async fn until_stopped<T>(work: impl Future<Output = anyhow::Result<T>>, token: &Token) -> anyhow::Result<T> {
    token.unless_cancelled(Box::pin(work)).await.unwrap_or_else(|| Err(Kind::Cancelled.error("stopped")))
}

/// Tells of the issues that a local answer was about: those that were looked for, and those that its commits name.
///
/// # Errors
/// If settings can't be used, or nobody reads any more.
pub async fn after(overheard: &Overheard, after: After, report: &mut Strand, token: &Token) -> anyhow::Result<()> {
    let After { dir, places, cache_folder } = after;
    let here = Place::read(dir.clone(), None).await?;
    let options = Options { dir, cache_folder, ..Options::default() };
    let executor = Rc::new(LocalExecutor::new());
    let mut round = Round::begin(here, &options, report, &executor, token).await;
    // There is much to remember, and whoever waits for this may have much too.
    let work = Box::pin(executor.run(async {
        let repos: Vec<String> = places.iter().map(|(repo, _)| repo.clone()).collect();
        for (repo, dir) in places {
            round.know(repo, dir).await?;
        }
        let Gathered { queries, named, tags } = overheard.take();
        for query in &queries {
            round.query(query, &repos);
        }
        for (repo, named) in named {
            round.file(Some(&repo), named);
        }
        let repos: BTreeSet<&str> = tags.iter().map(|(repo, _)| repo.as_str()).collect();
        for repo in repos {
            // None is asked for: that is for who fetches ahead.
            let kept = round.kept_releases(repo).await;
            let of_answer = |release: &&Release| tags.contains(&(repo.to_owned(), release.tag.clone()));
            told_releases(&mut round, repo, &kept.iter().filter(of_answer).cloned().collect::<Vec<_>>()).await?;
        }
        round.finish().await.map(drop)
    }));
    token.unless_cancelled(work).await.unwrap_or(Ok(()))
}

/// The address of a commit's page where the repository at `dir` comes from, without the id that ends it, if anybody knows it.
///
/// # Errors
/// If settings can't be used.
pub async fn commits_at(dir: PathBuf) -> anyhow::Result<Option<String>> {
    Ok(Place::read(dir, None).await?.home.commits_at())
}

/// Where the repository at `dir` is on the web, as far as its remotes and trackers tell.
///
/// # Errors
/// As [`commits_at`].
pub async fn on_the_web(dir: PathBuf) -> anyhow::Result<OnTheWeb> {
    Ok(Place::read(dir, None).await?.home.on_the_web())
}

async fn told_releases(round: &mut Round<'_>, repo: &str, releases: &[Release]) -> anyhow::Result<()> {
    for Release { tag, published_at, url } in releases {
        let event = events::Release {
            repo: repo.into(),
            tag: tag.as_str().into(),
            tag_b64: None,
            published_at: Some(published_at.as_deref().map(Cow::Borrowed)),
            url: url.as_deref().map(Cow::Borrowed),
        };
        round.event(&Event::Release(event)).await?;
    }
    Ok(())
}

/// Passes on what comes in, and what becomes known meanwhile.
async fn pass(mut input: Input<impl AsyncRead + Unpin>, round: &mut Round<'_>) -> anyhow::Result<()> {
    loop {
        let came = async {
            if round.is_behind() {
                std::future::pending::<()>().await;
            }
            Some(input.next().await)
        };
        let news = async {
            round.news.wait().await;
            None
        };
        match smol::future::or(came, news).await {
            Some(came) => match came? {
                Came::Lines(lines) => round.pass(&lines).await?,
                Came::End(rest) => return round.end_of_input(&rest).await,
            },
            None => round.tell_news().await?,
        }
    }
}
