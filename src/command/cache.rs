//! `git bhfuil cache`: what is kept, whether it is right, getting rid of it, and reading it with sqlite3.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::repositories::{Wanted, told_apart};
use super::{deadline, framed};
use crate::cli::CacheCommand;
use crate::cli::argv::RawArg;
use crate::clock::Clock;
use crate::config::View;
use crate::describe::{lossy, rfc3339};
use crate::error::{Kind, hint_of, kind_of, message_of};
use crate::events::repository::CacheState;
use crate::events::{Cache, Event, Warning};
use crate::report::{Ending, FailedPart, Format, Strand};
use crate::scan::Selection;
use crate::shutdown::Token;
use crate::upkeep::audit::{Audit, Audited};
use crate::upkeep::sweep::{self, Because, Limits};
use crate::upkeep::{self, Closed, Kept, Place, Sought};

/// Seconds.
const DAY: u64 = 86_400;

/// Runs the command and returns the exit code.
pub(super) async fn run(command: &CacheCommand, dir: &Path, token: &Token) -> u8 {
    match command {
        CacheCommand::Info(args) => {
            let look = (args.format, args.color, args.no_color);
            let which = Which { repo: &args.repo, all: args.all, dir };
            framed("cache info", look, dir, token, async |report| info(&which, report).await).await
        }
        CacheCommand::Verify(args) => {
            let look = (args.format, args.color, args.no_color);
            let which = Which { repo: &args.repo, all: args.all, dir };
            framed("cache verify", look, dir, token, async |report| verify(&which, args.full, report, token).await)
                .await
        }
        CacheCommand::Gc(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("cache gc", look, dir, token, async |report| gc(report).await).await
        }
        CacheCommand::Clear(args) => {
            let look = (args.format, args.color, args.no_color);
            let which = Which { repo: &args.repo, all: args.all, dir };
            framed("cache clear", look, dir, token, async |report| clear(&which, report).await).await
        }
        CacheCommand::Views(_) => super::printed(upkeep::VIEWS),
    }
}

/// What was typed about repositories.
struct Which<'a> {
    repo: &'a [RawArg],
    all: bool,
    dir: &'a Path,
}

/// A repository, its cache if there is one, and what was set aside of it.
struct Chosen {
    name: String,
    kept: Vec<Kept>,
}

impl Which<'_> {
    /// The repositories that are meant with what is kept of them. Where one can't be found that is reported, and the others are meant.
    async fn chosen(&self, folder: &Path, report: &mut Strand) -> anyhow::Result<Vec<Chosen>> {
        if self.all {
            return every(folder).await;
        }
        let mut chosen = Vec::new();
        for sought in self.sought().await? {
            let folder = folder.to_owned();
            let name = sought.name.clone();
            let found = smol::unblock(move || {
                let Place { name, path } = upkeep::place(&sought, &folder)?;
                Ok(Chosen { name, kept: upkeep::of(&path)? })
            });
            match (found.await, name) {
                (Ok(found), _) => chosen.push(found),
                (Err(cause), Some(name)) if !self.is_one() => fail(&name, &cause, report).await?,
                (Err(cause), _) => return Err(cause),
            }
        }
        Ok(chosen)
    }

    async fn sought(&self) -> anyhow::Result<Vec<Sought>> {
        if self.repo.is_empty() {
            return Ok(vec![Sought::here(self.dir)]);
        }
        let wanted = Wanted {
            repo: self.repo,
            group: &[],
            all: false,
            shard: None,
            jobs: None,
            threads: None,
            refs: &Selection::Usual,
        };
        Ok(wanted.chosen().await?.into_iter().map(|chosen| chosen.sought).collect())
    }

    /// Whether nothing can be answered if one can't be found.
    fn is_one(&self) -> bool {
        self.repo.len() < 2
    }
}

/// All caches, by names that tell them apart.
async fn every(folder: &Path) -> anyhow::Result<Vec<Chosen>> {
    let folder = folder.to_owned();
    let kept = smol::unblock(move || upkeep::all(&folder)).await?;
    let mut dirs: Vec<PathBuf> = kept.iter().filter_map(|kept| kept.common_dir.clone()).collect();
    dirs.sort();
    dirs.dedup();
    let names = told_apart(&dirs, &[]);
    let name = |kept: &Kept| {
        let at = kept.common_dir.as_ref().and_then(|dir| dirs.binary_search(dir).ok());
        at.and_then(|at| names.get(at).cloned()).unwrap_or_else(|| kept.name())
    };
    Ok(kept.into_iter().map(|kept| Chosen { name: name(&kept), kept: vec![kept] }).collect())
}

async fn fail(repo: &str, cause: &anyhow::Error, report: &mut Strand) -> anyhow::Result<()> {
    let message = message_of(cause);
    let part = FailedPart { id: None, query: None, kind: kind_of(cause), message: &message, hint: hint_of(cause) };
    Ok(report.fail_part(repo, part).await?)
}

async fn info(which: &Which<'_>, report: &mut Strand) -> anyhow::Result<Ending> {
    let folder = upkeep::folder()?;
    let chosen = which.chosen(&folder, report).await?;
    let events = chosen.iter().flat_map(|Chosen { name, kept }| kept.iter().map(|kept| event(name, kept)));
    tell(events, report).await?;
    remark_empty(&chosen, report);
    Ok(Ending::default())
}

async fn clear(which: &Which<'_>, report: &mut Strand) -> anyhow::Result<Ending> {
    let folder = upkeep::folder()?;
    let chosen = which.chosen(&folder, report).await?;
    let mut removed = Vec::new();
    for (name, kept) in chosen.iter().flat_map(|Chosen { name, kept }| kept.iter().map(move |kept| (name, kept))) {
        match upkeep::remove(kept).await {
            Ok(()) => removed.push((name, kept)),
            Err(cause) => fail(name, &cause, report).await?,
        }
    }
    tell(removed.iter().map(|(name, kept)| gone(name, kept, "asked")), report).await?;
    remark_empty(&chosen, report);
    Ok(Ending::default())
}

async fn verify(which: &Which<'_>, full: bool, report: &mut Strand, token: &Token) -> anyhow::Result<Ending> {
    let folder = upkeep::folder()?;
    let chosen = which.chosen(&folder, report).await?;
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / DAY);
    let mut ending = Ending::default();
    for Chosen { name, kept } in &chosen {
        for kept in kept.iter().filter(|kept| kept.file.aside.is_none()) {
            let is_here = !which.all && which.repo.is_empty();
            let (sought, clear) = match &kept.common_dir {
                Some(dir) if !is_here => {
                    let clear = format!("git bhfuil cache clear --repo='{}'", dir.display());
                    (Sought { dir: dir.clone(), name: Some(name.clone()) }, clear)
                }
                _ => (Sought::here(which.dir), "git bhfuil cache clear".to_owned()),
            };
            if kept.is_orphaned {
                skipped(name, "its repository is gone: there is nothing to compare it with", report).await?;
                continue;
            }
            // Small numbers are spread over all ids.
            let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let closed = match kept.contents {
                Err(Closed::Damaged) => {
                    let findings = vec!["it is no sound database".to_owned()];
                    ending.negative |=
                        found((name, &clear), kept, &Audited { findings, ..Audited::default() }, report).await?;
                    continue;
                }
                Err(Closed::Newer) => Some(Kind::CacheNewer.hinted("a newer version wrote it", "update git-bhfuil")),
                Ok(_) => None,
            };
            if let Some(cause) = closed {
                fail(name, &cause, report).await?;
                continue;
            }
            let deadline = deadline("verify", Some(sought.clone()), format!("comparing the cache of {name} with git"));
            let audit = Audit { sought, full, seed, token };
            match deadline.await?.bound(&Clock::Real, Box::pin(audit.run(kept))).await {
                Ok(audited) => ending.negative |= found((name, &clear), kept, &audited, report).await?,
                Err(cause) if which.all || !which.is_one() => fail(name, &cause, report).await?,
                Err(cause) => return Err(cause),
            }
        }
    }
    remark_empty(&chosen, report);
    Ok(ending)
}

/// Tells what came of comparing `kept` with git; whether anything is wrong.
/// `clear` is the command that removes it.
async fn found(
    (name, clear): (&str, &str),
    kept: &Kept,
    audited: &Audited,
    report: &mut Strand,
) -> anyhow::Result<bool> {
    for finding in &audited.findings {
        let hint = format!("{clear} removes it; the next run makes a new one");
        report.finding_of(name, Kind::Cache, finding, &hint).await?;
    }
    for why in &audited.skipped {
        skipped(name, why, report).await?;
    }
    let Audited { commits, texts, patch_ids, changes, indexed, .. } = audited;
    let what = format!(
        "{name}: compared {commits} commits, {texts} texts, changed paths of {changes}, {patch_ids} patch-ids, {indexed} messages"
    );
    remark(&what, report);
    let is_wrong = !audited.findings.is_empty();
    let state = if is_wrong { CacheState::Wrong } else { CacheState::Sound };
    tell(std::iter::once(Cache { state: Some(state), ..event(name, kept) }), report).await?;
    Ok(is_wrong)
}

async fn skipped(repo: &str, why: &str, report: &mut Strand) -> anyhow::Result<()> {
    let message = format!("{repo}: not everything was compared: {why}");
    warn(repo, "not-compared", message, "git bhfuil scan --no-commits brings the cache up to date", report).await
}

async fn warn(repo: &str, code: &str, message: String, hint: &str, report: &mut Strand) -> anyhow::Result<()> {
    let warning = Warning {
        repo: Some(repo.into()).filter(|_| !repo.is_empty()),
        id: None,
        query: None,
        code: code.into(),
        message: message.into(),
        hint: Some(hint.into()),
        count: 1,
    };
    Ok(report.warn(warning).await?)
}

/// Tells people of which repositories nothing is kept; programs see that nothing is told.
fn remark_empty(chosen: &[Chosen], report: &Strand) {
    for Chosen { name, .. } in chosen.iter().filter(|chosen| chosen.kept.is_empty()) {
        remark(&format!("nothing is kept of {name}"), report);
    }
}

fn remark(text: &str, report: &Strand) {
    if report.format() != Format::Jsonl {
        report.note(text);
    }
}

/// Drops what is of no use.
pub(super) async fn gc(report: &mut Strand) -> anyhow::Result<Ending> {
    let folder = upkeep::folder()?;
    let limits = smol::unblock(limits).await?;
    let limit = limits.bytes;
    let deadline = deadline("gc", None, "dropping what is of no use".to_owned()).await?;
    let swept = deadline.bound(&Clock::Real, sweep::sweep(folder, limits)).await?;
    let names: Vec<String> = swept.removed.iter().map(|(kept, _)| kept.name()).collect();
    let removed = swept.removed.iter().zip(&names).map(|((kept, because), name)| gone(name, kept, word(*because)));
    tell(removed, report).await?;
    let names: Vec<String> = swept.trimmed.iter().map(|(kept, _)| kept.name()).collect();
    let trimmed = swept.trimmed.iter().zip(&names).map(|((kept, freed), name)| {
        let (state, freed) = (Some(CacheState::Trimmed), Some(*freed));
        Cache { state, freed, ..event(name, kept) }
    });
    tell(trimmed, report).await?;
    for (kept, cause) in &swept.failed {
        fail(&kept.name(), cause, report).await?;
    }
    for kept in &swept.busy {
        let message = format!("the cache of {} is in use and stays", kept.name());
        warn(&kept.name(), "cache-in-use", message, "git bhfuil cache gc removes it later", report).await?;
    }
    if swept.bytes > limit {
        let message = format!("what is left takes {} bytes, more than bhfuil.cacheSize ({limit})", swept.bytes);
        let hint =
            "git config --global bhfuil.cacheSize sets how much may be kept; git bhfuil cache clear removes more";
        warn("", "caches-too-large", message, hint, report).await?;
    }
    if swept.removed.is_empty() && swept.trimmed.is_empty() {
        remark("nothing is to be dropped", report);
    }
    Ok(Ending::default())
}

/// Now and then drops a little of what is of no use any more, when an answer is written that began at `begun`. Nothing of it is told: what
/// goes is made again when it is needed.
pub(super) async fn tidy(begun: SystemTime) {
    // Whatever goes wrong here, the answer was right, and the next one will be.
    if let Ok(folder) = upkeep::folder()
        && sweep::may_be_due(&folder, begun)
    {
        let _ = sweep::sweep_a_little(folder, begun, limits).await;
    }
}

/// What may be kept. Blocks.
fn limits() -> anyhow::Result<Limits> {
    let view = View::read_blocking(None, &|name| std::env::var_os(name))?;
    Ok(Limits { bytes: view.number("cacheSize", None)?, unused: view.time("cacheTtl", None)? })
}

fn word(because: Because) -> &'static str {
    match because {
        Because::RepositoryGone => "repository-gone",
        Because::SetAside => "set-aside",
        Because::TooLarge => "too-large",
        Because::Unused => "unused",
    }
}

async fn tell<'a>(events: impl Iterator<Item = Cache<'a>>, report: &mut Strand) -> anyhow::Result<()> {
    let mut listing = report.format().listing();
    for event in events {
        listing.add(&Event::Cache(event));
    }
    let (bytes, counts) = listing.finish();
    Ok(report.batch(bytes, &counts).await?)
}

/// A cache as it lies there.
pub(super) fn event<'a>(name: &'a str, kept: &'a Kept) -> Cache<'a> {
    let owned = |(text, exact): (String, Option<String>)| (Cow::Owned(text), exact.map(Cow::Owned));
    let (path, path_b64) = owned(lossy(kept.file.path.as_os_str().as_bytes()));
    let git_dir = kept.common_dir.as_ref().map(|dir| owned(lossy(dir.as_os_str().as_bytes())));
    let (git_dir, git_dir_b64) = git_dir.map(|(text, exact)| (Some(text), exact)).unwrap_or_default();
    let state = match (&kept.contents, kept.file.aside) {
        (_, Some(_)) => CacheState::Aside,
        (Err(Closed::Newer), _) => CacheState::Newer,
        (Err(Closed::Damaged), _) => CacheState::Damaged,
        (Ok(_), _) if kept.is_orphaned => CacheState::Orphaned,
        (Ok(_), _) => CacheState::Kept,
    };
    let contents = kept.contents.as_ref().ok();
    Cache {
        repo: name.into(),
        path,
        path_b64,
        bytes: kept.file.bytes,
        commits: contents.map_or(0, |contents| contents.commits),
        schema: u32::try_from(kept.file.version).unwrap_or(0),
        git_dir,
        git_dir_b64,
        state: Some(state),
        because: None,
        freed: None,
        texts: contents.map(|contents| contents.texts),
        patch_ids: contents.map(|contents| contents.patch_ids),
        changes: contents.map(|contents| contents.changes),
        words: contents.map(|contents| contents.words),
        consumers: contents.map(|contents| contents.consumers),
        used_at: date(kept.file.used).map(Cow::Owned),
        indexed_at: contents.and_then(|contents| contents.indexed).and_then(rfc3339).map(Cow::Owned),
    }
}

/// A cache that was removed.
fn gone<'a>(name: &'a str, kept: &'a Kept, because: &'a str) -> Cache<'a> {
    let state = Some(CacheState::Removed);
    Cache { state, because: Some(because.into()), freed: Some(kept.file.bytes), bytes: 0, ..event(name, kept) }
}

fn date(time: SystemTime) -> Option<String> {
    rfc3339(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
