//! What is configured, and where a repository comes from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::RegexBuilder;

use super::login::Source;
use crate::config::{Settings, View};
use crate::error::Kind;
use crate::facts::patterns::Patterns;
use crate::git::{Repository, Sought, config};
use crate::http;
use crate::http::breaker::Rules;
use crate::retry::Strategy;
use crate::trackers::which::{Configured, Home, Remote};
use crate::trackers::{Software, Target, Tracker};

/// The most bytes that one compiled pattern, and its cache, may take.
const SIZE_LIMIT: usize = 1 << 20;

/// A repository, or the place where there is none, with all that is known of its trackers.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) home: Home,
    sources: Vec<(Tracker, Source)>,
    pub(super) patterns: Patterns,
    pub(super) http: http::Settings,
    /// How long one question to git may take.
    pub(super) git_limit: Duration,
}

impl Place {
    /// That of the repository at `dir`, or the one around it; where there is none, it can't be opened, or it is somebody else's,
    /// what holds everywhere.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and where it is set.
    pub(super) async fn read(dir: PathBuf, name: Option<String>) -> anyhow::Result<Arc<Self>> {
        let read = smol::unblock(move || Self::read_blocking(&dir, name)).await?;
        Ok(Arc::new(read))
    }

    /// As [`Self::read`], for a thread that may block.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(super) fn read_blocking(dir: &Path, name: Option<String>) -> anyhow::Result<Self> {
        // What belongs to somebody else doesn't say where secrets go.
        let found = Repository::find(&Sought { dir: dir.to_owned(), name }).ok();
        let repository = found.filter(|repository| repository.trusted);
        let view = View::read_for(repository.as_ref(), &|name| std::env::var_os(name))?;
        let repo = view.repo();
        let settings = Settings::of(&view, repo)?;
        let mut place = Self {
            http: http_settings(&view, repo)?,
            patterns: settings.patterns()?,
            git_limit: settings.git_timeout,
            ..Self::default()
        };
        place.configure(&view, repo)?;
        if let Some(repository) = &repository {
            place.home.remotes = remotes(repository)?;
        }
        Ok(place)
    }

    /// Where the secret for `target` comes from, if anybody has said.
    pub(super) fn source(&self, target: &Target) -> Option<Source> {
        self.source_at(&target.tracker)
    }

    /// Where the secret for `tracker` comes from.
    pub(super) fn source_at(&self, tracker: &Tracker) -> Option<Source> {
        self.sources.iter().find(|(known, _)| known == tracker).map(|(_, source)| source.clone())
    }

    /// Takes in the settings of trackers, `bhfuil.tracker.<name>.*`.
    fn configure(&mut self, view: &View, repo: Option<&str>) -> anyhow::Result<()> {
        let holding = view.holding(repo);
        let mut names: Vec<&str> = holding.iter().filter_map(|value| value.name.tracker.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let texts = |key: &str| view.texts(&format!("tracker.{name}.{key}"), repo);
            let one = |key: &str| texts(key).map(|mut texts| texts.pop());
            let url = one("url")?;
            let guessed = url.as_deref().and_then(Remote::parse).map(|remote| remote.host);
            let kind =
                one("type")?.and_then(|word| Software::named(&word)).or_else(|| guessed.as_deref().and_then(known));
            let Some(software) = kind else {
                let hint = format!(
                    "bhfuil.tracker.{name}.type is github, gitlab, jira, launchpad, bugzilla, osv, gitea or gerrit"
                );
                return Err(Kind::BadValue.hinted(format!("of the tracker '{name}' isn't set what kind it is"), hint));
            };
            let compiled =
                texts("pattern")?.iter().map(|pattern| compiled(name, pattern)).collect::<anyhow::Result<_>>()?;
            let tracker = Configured::new(name, software, url.as_deref(), compiled);
            let source = one("credential")?.and_then(|value| Source::parse(&value));
            self.sources.extend(tracker.tracker().zip(source));
            self.home.configured.push(tracker);
        }
        Ok(())
    }
}

/// What runs at a server whose name says it.
fn known(server: &str) -> Option<Software> {
    match server {
        "github.com" => Some(Software::Github),
        "gitlab.com" => Some(Software::Gitlab),
        "codeberg.org" => Some(Software::Gitea),
        _ => None,
    }
}

fn compiled(name: &str, pattern: &str) -> anyhow::Result<regex::Regex> {
    let built = RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).build();
    built.map_err(|_| Kind::BadValue.error(format!("bad value '{pattern}' for bhfuil.tracker.{name}.pattern")))
}

/// The addresses of the remotes: `origin` first, `upstream` next, the others as git has them.
fn remotes(repository: &Repository) -> anyhow::Result<Vec<Remote>> {
    let values = config::values(Some(repository), &["remote"])?.into_iter();
    let mut urls: Vec<(u8, Remote)> = values
        .filter(|value| value.key == "url")
        .filter_map(|value| {
            let rank = match value.stem.as_slice() {
                b"remote.origin" => 0,
                b"remote.upstream" => 1,
                _ => 2,
            };
            Some((rank, Remote::parse(std::str::from_utf8(&value.value?).ok()?)?))
        })
        .collect();
    urls.sort_by_key(|(rank, _)| *rank);
    Ok(urls.into_iter().map(|(_, remote)| remote).collect())
}

/// What is set of all servers.
///
/// # Errors
/// [`Kind::BadValue`] naming key, value and where it is set.
pub fn http_settings(view: &View, repo: Option<&str>) -> anyhow::Result<http::Settings> {
    let usual = http::Settings::default();
    let time = |name: &str, usual| view.time(name, repo).map(|time| time.unwrap_or(usual));
    let number = |name: &str| view.number(name, repo).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    Ok(http::Settings {
        connect_timeout: time("http.connectTimeout", usual.connect_timeout)?,
        first_byte_timeout: time("http.firstByteTimeout", usual.first_byte_timeout)?,
        timeout: time("http.timeout", usual.timeout)?,
        per_host: usize::try_from(number("http.perHost")?).unwrap_or(usual.per_host),
        rate: number("http.rate")?,
        ttl: time("http.ttl", usual.ttl)?,
        breaker: Rules {
            threshold: number("http.breakerThreshold")?,
            cooldown: time("http.breakerCooldown", usual.breaker.cooldown)?,
        },
        retry: Strategy {
            attempts: number("retry.http.attempts")?,
            first_wait: time("retry.http.firstWait", usual.retry.first_wait)?,
            longest_wait: time("retry.http.longestWait", usual.retry.longest_wait)?,
        },
        offline: false,
    })
}
