//! Records of advisories in the OSV format, held against a repository: whether what they say of commits is so, and the fixes that they
//! don't name.
//!
//! `spans` knows where in a text each JSON value stands, `record` what of it is about commits. `ground` looks up what a range names: the
//! commits, all that are one change with them by the ladder of [`crate::locate`], and which refs have what. `judge` evaluates that as
//! the schema does, `verify` tells it, `complete` inserts the fixes that are lacking into the text, and `start` writes a new one. Refuses the network, and to know
//! which commits are one change.

mod complete;
mod ground;
mod judge;
mod record;
mod spans;
mod start;
mod verify;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use self::ground::Ground;
use self::record::{GitRange, Record};
use self::start::Heard;
pub use self::verify::verify;
use crate::announce;
use crate::error::Kind;
use crate::files;
use crate::git::{Repository, Sought, config};
use crate::locate;
use crate::locate::study::Study;
use crate::report::{Ending, Strand};
use crate::shutdown::Token;
use crate::trackers::which::{OnTheWeb, Remote};

/// What is asked of which records.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the repository is looked for.
    pub sought: Sought,
    /// The folder of all caches; `None` where there can be none.
    pub cache_folder: Option<PathBuf>,
    /// Threads for git work; `None` as configured.
    pub threads: Option<usize>,
    /// The files of the records; `-` is standard input.
    pub records: Vec<OsString>,
    /// Take every range of commits as one about this repository.
    pub all_ranges: bool,
}

impl Options {
    fn search(&self) -> locate::Options {
        locate::Options {
            sought: self.sought.clone(),
            cache_folder: self.cache_folder.clone(),
            threads: self.threads,
            ..locate::Options::default()
        }
    }
}

/// A record with the fixes that it lacked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completed {
    /// The whole text.
    pub text: String,
    /// How many fixes were added.
    pub added: usize,
    /// What stood in the way, each in a line.
    pub faults: Vec<String>,
    /// Whether there may be more.
    pub is_unsure: bool,
    /// Whether no range of it is about the repository.
    pub is_elsewhere: bool,
}

/// Adds to each record, in their order, the fixes that it lacks. Writes nothing.
///
/// # Errors
/// If there is no repository, or a record can't be read.
pub async fn complete(options: Options, token: &Token) -> anyhow::Result<Vec<Completed>> {
    let mut sources = Vec::new();
    for name in &options.records {
        sources.push(Source::read(name).await?);
    }
    let mut strand = Strand::mute();
    let Some(mut study) = Study::open(options.search(), &mut strand, token).await? else {
        return Err(Kind::Cancelled.error("stopped"));
    };
    let remotes = if options.all_ranges { None } else { Some(remotes(study.repository())?) };
    let mut completed = Vec::new();
    for source in &sources {
        completed.push(completed_by(&mut study, source, remotes.as_deref()).await?);
    }
    study.end().await?;
    Ok(completed)
}

async fn completed_by(study: &mut Study<'_>, source: &Source, remotes: Option<&[String]>) -> anyhow::Result<Completed> {
    let mut completed = Completed { is_unsure: study.is_cut_off(), ..Completed::default() };
    if completed.is_unsure {
        completed.faults.push("history is cut off: there may be more fixes than can be seen here".into());
    }
    let ranges: Vec<&GitRange> = source.ranges().filter(|range| is_about(range, remotes)).collect();
    let mut additions = Vec::new();
    for range in &ranges {
        let ground = Ground::of(study, range).await?;
        for (event, fault) in ground.faults(record::Kind::Fixed) {
            completed.faults.push(format!("{}: {} {}: {fault}", source.name, event.kind.word(), event.text));
            completed.is_unsure = true;
        }
        let ids: Vec<String> =
            ground.unnamed(record::Kind::Fixed).iter().map(|&(pick, _)| study.graph().id(pick).to_hex()).collect();
        completed.added += ids.len();
        additions.push((*range, ids));
    }
    if ranges.is_empty() {
        completed.is_elsewhere = true;
        completed.faults.push(format!("{}; {}", elsewhere(&source.name), ALL_RANGES));
    }
    completed.text = complete::with_fixes(&source.text, &additions);
    Ok(completed)
}

/// Looks for changes as `search` asks, and writes on `report` the record of an advisory that they fix: what is told of them otherwise isn't.
/// `web` says where the repository is.
///
/// # Errors
/// As [`locate::run`], and if nobody reads any more.
pub async fn start(
    search: locate::Options,
    web: &OnTheWeb,
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<Ending> {
    let heard = Heard::default();
    let again = locate::Options {
        sought: search.sought.clone(),
        cache_folder: search.cache_folder.clone(),
        threads: search.threads,
        signals: search.signals,
        min_confidence: search.min_confidence,
        no_update: true,
        ..locate::Options::default()
    };
    let search = locate::Options { ear: Some(heard.ear()), ..search };
    let ending = Box::pin(locate::run(search, report, token)).await?;
    let noted = heard.take();
    if noted.commits.is_empty() || ending.incomplete {
        return Ok(ending);
    }
    // What is wrong with the repository was told.
    let mut strand = Strand::mute();
    let Some(mut study) = Study::open(again, &mut strand, token).await? else { return Ok(ending) };
    let name = study.name().to_owned();
    let (text, troubles) = start::started(&mut study, &noted, web).await?;
    study.end().await?;
    for trouble in troubles {
        announce::warn(report, &name, &trouble).await?;
    }
    let negative = text.is_none() || ending.negative;
    report.pass(text.unwrap_or_default().into_bytes(), &[]).await?;
    Ok(Ending { negative, ..ending })
}

/// Puts a record in the place of the file that it was read from.
///
/// # Errors
/// If that can't be written.
pub async fn put_back(name: &OsString, text: String) -> anyhow::Result<()> {
    let path = Path::new(name);
    let written = files::replace(path, text.into_bytes()).await;
    written.map_err(|cause| Kind::Io.wrap(cause, format!("writing {}", path.display())))
}

const ALL_RANGES: &str = "--all-ranges takes every GIT range as one about it";

fn elsewhere(name: &str) -> String {
    format!("{name}: no GIT range is about this repository, by the addresses of its remotes")
}

/// A record, and where it comes from.
#[derive(Debug)]
struct Source {
    /// As it was typed, for people.
    name: String,
    text: String,
    record: Record,
}

impl Source {
    /// # Errors
    /// If it can't be read, or is no record.
    async fn read(name: &OsString) -> anyhow::Result<Self> {
        let shown = if name == "-" { "standard input".to_owned() } else { name.to_string_lossy().into_owned() };
        let text = text_of(name, &shown).await?;
        let record = Record::parse(&text).map_err(|malformed| {
            let message = format!("{shown}:{}:{}: {}", malformed.line, malformed.column, malformed.message);
            let is_yaml = [".yaml", ".yml"].iter().any(|end| shown.ends_with(end));
            if is_yaml {
                Kind::BadValue.hinted(message, format!("records are read as JSON: yq -o=json {shown} makes it of YAML"))
            } else {
                Kind::BadValue.error(message)
            }
        })?;
        Ok(Self { name: shown, text, record })
    }

    fn ranges(&self) -> impl Iterator<Item = &GitRange> {
        self.record.affected.iter().flat_map(|affected| &affected.ranges)
    }

    /// What it is called.
    fn id(&self) -> &str {
        self.record.id.as_deref().unwrap_or(&self.name)
    }
}

async fn text_of(name: &OsString, shown: &str) -> anyhow::Result<String> {
    let bytes = if name == "-" {
        smol::unblock(|| {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| Some(bytes))
        })
        .await
    } else {
        files::read(Path::new(name)).await
    };
    let bytes = match bytes {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(Kind::Io.error(format!("reading {shown}: there is no such file"))),
        Err(cause) if cause.kind() == ErrorKind::IsADirectory => {
            let folder = shown.trim_end_matches('/');
            let hint = format!("records are named one by one, by the shell for instance: {folder}/*.json");
            return Err(Kind::Io.hinted(format!("{shown} is a folder"), hint));
        }
        Err(cause) => return Err(Kind::Io.wrap(cause, format!("reading {shown}"))),
    };
    String::from_utf8(bytes).map_err(|cause| {
        let good = cause.utf8_error().valid_up_to();
        let before = &cause.as_bytes()[..good];
        let place = spans::Malformed::at(&String::from_utf8_lossy(before), good, "");
        let message = format!("{shown}:{}:{}: it is not UTF-8, as JSON is", place.line, place.column);
        Kind::BadValue.error(message)
    })
}

/// The addresses of the repository's remotes, in the form of [`address`].
fn remotes(repository: &Repository) -> anyhow::Result<Vec<String>> {
    let values = config::values(Some(repository), &["remote"])?.into_iter().filter(|value| value.key == "url");
    Ok(values.filter_map(|value| Some(address(std::str::from_utf8(&value.value?).ok()?))).collect())
}

/// Whether `range` is about the repository whose `remotes` these are; `None` takes every one for it.
fn is_about(range: &GitRange, remotes: Option<&[String]>) -> bool {
    let Some(remotes) = remotes else { return true };
    range.repo.as_deref().is_some_and(|repo| remotes.contains(&address(repo)))
}

/// An address in one form, whatever the protocol: servers that know names apart by their case are rare, and two such projects rarer.
fn address(url: &str) -> String {
    let path = || url.trim_start_matches("file://").trim_end_matches('/').trim_end_matches(".git").to_owned();
    Remote::parse(url).map_or_else(path, |remote| format!("{}/{}", remote.host, remote.project).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_the_same_by_every_protocol() {
        for url in [
            "https://github.com/haproxy/haproxy",
            "https://github.com/HAProxy/haproxy.git/",
            "git@github.com:haproxy/haproxy.git",
            "ssh://git@github.com:22/haproxy/haproxy",
            "git://github.com/haproxy/haproxy",
        ] {
            assert_eq!(address(url), "github.com/haproxy/haproxy", "{url}");
        }
        assert_eq!(address("file:///srv/git/a.git"), address("/srv/git/a"));
        assert_ne!(address("https://example.com/a/b"), address("https://example.com/a/c"));
    }
}
