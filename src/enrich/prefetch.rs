//! Asking ahead: what forges say of repositories, releases, people and issues of repositories, so that they are known when somebody wants them. What was brought, and what
//! failed, is gathered into one result.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use super::account::moment;
use super::home::Place;
use super::overheard::Overheard;
use super::round::{About, Round};
use super::{Options, told_releases, until_stopped};
use crate::describe::{Ear, Told};
use crate::error::message_of;
use crate::events::commit::Person;
use crate::events::{Contributor, Event, Metadata};
use crate::executor::LocalExecutor;
use crate::report::Strand;
use crate::shutdown::Token;
use crate::trackers::Project;

/// Causes of failures that the result names.
const CAUSES: usize = 3;

/// Who has commits in a repository, counted while they are described.
#[derive(Debug, Clone, Default)]
pub struct People(Arc<Mutex<HashMap<Who, u64>>>);

/// Somebody, with the exact bytes of what isn't UTF-8, in base64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Who {
    name: String,
    name_b64: Option<String>,
    email: String,
    email_b64: Option<String>,
}

impl Who {
    /// An author, by the mailmap where that has a word to say.
    fn of(author: &Person<'_>) -> Self {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        let either = |mapped, mapped_b64, (written, written_b64): (&str, _)| match text(mapped) {
            Some(mapped) => (mapped, text(mapped_b64)),
            None => (written.to_owned(), text(written_b64)),
        };
        let (name, name_b64) = either(&author.mapped_name, &author.mapped_name_b64, (&author.name, &author.name_b64));
        let (email, email_b64) =
            either(&author.mapped_email, &author.mapped_email_b64, (&author.email, &author.email_b64));
        Self { name, name_b64, email, email_b64 }
    }
}

impl People {
    /// What has to be told of each commit.
    #[must_use]
    pub fn ear(&self) -> Ear {
        let people = Arc::clone(&self.0);
        Ear::new(move |told| {
            if let Told::Commit(commit) = told {
                let who = Who::of(&commit.author);
                *people.lock().unwrap_or_else(PoisonError::into_inner).entry(who).or_default() += 1;
            }
        })
    }

    /// Who they are, and how many commits each has, the most first.
    fn counted(&self) -> Vec<(Who, u64)> {
        let people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = people.iter().map(|(who, count)| (who.clone(), *count)).collect();
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        all
    }
}

/// A repository, with what was read of it.
#[derive(Debug)]
pub struct Subject {
    /// Its name on the wire.
    pub repo: String,
    /// Where it is.
    pub dir: PathBuf,
    /// What its newest commits name.
    pub overheard: Overheard,
    /// Who has commits in it.
    pub people: People,
}

/// What was brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Projects of which a forge has told.
    pub projects: u64,
    /// Releases.
    pub releases: u64,
    /// People.
    pub contributors: u64,
    /// Issues that are known now.
    pub issues: u64,
    /// What failed, in words.
    pub failures: Vec<String>,
}

impl std::fmt::Display for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { projects, releases, contributors, issues, failures } = self;
        write!(f, "{projects} projects, {releases} releases, {contributors} contributors and {issues} issues")?;
        if !failures.is_empty() {
            let more = if failures.len() > CAUSES { " and others" } else { "" };
            write!(f, "; failed: {}{more}", failures[..failures.len().min(CAUSES)].join("; "))?;
        }
        Ok(())
    }
}

/// Brings all that, tells it, and sums it up.
///
/// # Errors
/// If settings can't be used, or nobody reads any more; [`Kind::Cancelled`](crate::error::Kind::Cancelled). A server that fails is part of
/// the result.
pub async fn prefetch(
    subjects: Vec<Subject>,
    options: Options,
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<Fetched> {
    until_stopped(bring(subjects, options, report, token), token).await
}

async fn bring(
    subjects: Vec<Subject>,
    options: Options,
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<Fetched> {
    let here = Place::read(options.dir.clone(), None).await?;
    let executor = Rc::new(LocalExecutor::new());
    let mut round = Round::begin(here, &options, report, &executor, token).await;
    executor
        .run(async {
            let mut fetched = Fetched::default();
            let mut asked = Vec::new();
            for Subject { repo, dir, overheard, people } in subjects {
                round.know(repo.clone(), dir).await?;
                // Into the queues first: they are worked at while the rest is told.
                for (repo, named) in overheard.take().named {
                    round.file(Some(&repo), named);
                }
                asked.push((repo.clone(), round.ask_for_projects(&repo), round.ask_for_releases(&repo)));
                for (Who { name, name_b64, email, email_b64 }, commits) in people.counted() {
                    let exact = |bytes: Option<String>| bytes.map(Cow::Owned);
                    let (name_b64, email_b64) = (exact(name_b64), exact(email_b64));
                    let (repo, name, email) = (repo.as_str().into(), name.into(), email.into());
                    let who = Contributor { repo, name, name_b64, email, email_b64, commits };
                    round.event(&Event::Contributor(who)).await?;
                    fetched.contributors += 1;
                }
            }
            for (repo, projects, releases) in asked {
                for about in projects {
                    match about.await {
                        Ok(Some(about)) => {
                            fetched.projects += 1;
                            round.event(&Event::Metadata(told(&repo, about))).await?;
                        }
                        Ok(None) => {}
                        Err(cause) => fetched.failures.push(message_of(&cause)),
                    }
                }
                let Some(releases) = releases else { continue };
                match releases.await {
                    Ok(releases) => {
                        fetched.releases += releases.len() as u64;
                        told_releases(&mut round, &repo, &releases).await?;
                    }
                    Err(cause) => fetched.failures.push(message_of(&cause)),
                }
            }
            round.finish().await?;
            fetched.issues = round.account().found();
            fetched.failures.extend(round.account().failures().into_iter().map(|failure| failure.message.into_owned()));
            Ok(fetched)
        })
        .await
}

fn told(repo: &str, about: About) -> Metadata<'_> {
    let About { tracker, key, project, fetched_at } = about;
    let Project { description, default_branch, url, archived, pushed_at } = project;
    Metadata {
        repo: repo.into(),
        tracker: tracker.software.word().into(),
        key: key.into(),
        description: description.map(Cow::Owned),
        default_branch: default_branch.map(Cow::Owned),
        url: url.map(Cow::Owned),
        archived,
        pushed_at: pushed_at.map(Cow::Owned),
        fetched_at: moment(fetched_at).map(Cow::Owned),
    }
}
