//! What frames every answer: the repository before it, its end after, warnings and what could not be read in between.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;

use crate::describe::lossy;
use crate::error::{self, Kind};
use crate::events::repository::{IndexState, ObjectFormat};
use crate::events::stream::Status;
use crate::events::{Event, Repo, RepoEnd, Warning};
use crate::git::ObjectError;
use crate::git::refs::{BrokenRef, RefList};
use crate::index::{Index, Trouble, UNWRITTEN};
use crate::report::{FailedPart, Strand};

/// Unreadable objects that are reported one by one; the rest is counted.
const BROKEN_SHOWN: u64 = 20;

/// How the index stood at the end.
#[derive(Debug, Clone, Copy)]
pub struct Indexed {
    /// What was done to it.
    pub state: IndexState,
    /// How many commits were added.
    pub new: usize,
}

impl Default for Indexed {
    /// Nothing was done to it, as far as is known.
    fn default() -> Self {
        Self { state: IndexState::Skipped, new: 0 }
    }
}

/// Tells the repository that is answered for, with `refs` asked for, and what was wrong in opening it.
///
/// # Errors
/// If nobody reads any more.
pub async fn repository(
    report: &mut Strand,
    index: &Index,
    refs: &RefList,
    troubles: Vec<Trouble>,
) -> anyhow::Result<()> {
    let repository = index.repository();
    let (git_dir, git_dir_b64) = lossy(repository.git_dir.as_os_str().as_bytes());
    let event = Repo {
        repo: repository.name.as_str().into(),
        repo_b64: None,
        git_dir: Some(git_dir.into()),
        git_dir_b64: git_dir_b64.map(Cow::Owned),
        object_format: Some(if repository.hash_len == 20 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 }),
        shallow: Some(index.overlay.shallow),
        partial: Some(repository.partial),
        ref_count: Some(refs.len() as u64),
        path: None,
        path_b64: None,
        url: None,
        groups: None,
        refs: None,
    };
    report.call(&repository.name);
    report.event(&Event::Repo(event)).await?;
    for trouble in troubles {
        warn(report, &repository.name, &trouble).await?;
    }
    for broken in &refs.broken {
        broken_ref(report, &repository.name, broken).await?;
    }
    Ok(())
}

/// Warns of a ref that leads nowhere; one that could not be read makes the answer partial, as what it may lead to is not in it.
///
/// # Errors
/// If nobody reads any more.
pub async fn broken_ref(report: &mut Strand, repo: &str, broken: &BrokenRef) -> anyhow::Result<()> {
    let name = String::from_utf8_lossy(&broken.name);
    let message = format!("ignoring the ref {name}: it {}", broken.reason);
    if broken.is_unread {
        if report.counts().get("error").copied().unwrap_or(0) >= BROKEN_SHOWN {
            report.count_failure(Kind::Io);
            return Ok(());
        }
        let id = broken.id.map(|id| id.to_hex());
        let part = FailedPart { id, query: None, kind: Kind::Io, message: &message, hint: None };
        return Ok(report.fail_part(repo, part).await?);
    }
    warn(report, repo, &Trouble { code: "broken-ref", message, hint: None }).await
}

/// Warns of `trouble`.
///
/// # Errors
/// If nobody reads any more.
pub async fn warn(report: &mut Strand, repo: &str, trouble: &Trouble) -> anyhow::Result<()> {
    warning(report, repo, None, trouble, 1).await
}

/// Warns of `trouble` that `query` alone has met.
///
/// # Errors
/// If nobody reads any more.
pub async fn warn_about(report: &mut Strand, repo: &str, query: &str, trouble: &Trouble) -> anyhow::Result<()> {
    warning(report, repo, Some(query), trouble, 1).await
}

/// Warns of facts that are `null` since a partial clone lacks an object; of those that `query` asked for, if it was one query.
///
/// # Errors
/// If nobody reads any more.
pub async fn warn_absent(report: &mut Strand, repo: &str, query: Option<&str>, count: usize) -> anyhow::Result<()> {
    let trouble = Trouble {
        code: "absent-objects",
        message: format!("{count} commits have facts that need objects which are not in this partial clone: null"),
        hint: Some("git fetch --refetch --no-filter brings all objects".into()),
    };
    warning(report, repo, query, &trouble, count).await
}

/// Warns of patch-ids that are `null` since a blob is too large to be compared.
///
/// # Errors
/// If nobody reads any more.
pub async fn warn_huge(report: &mut Strand, repo: &str, count: usize) -> anyhow::Result<()> {
    let trouble = Trouble {
        code: "huge-blobs",
        message: format!("{count} commits change blobs beyond core.bigFileThreshold: their patch-ids are null"),
        hint: Some("git config core.bigFileThreshold sets the size from which blobs aren't compared".into()),
    };
    warning(report, repo, None, &trouble, count).await
}

/// Warns of `trouble` that was met `count` times.
async fn warning(
    report: &mut Strand,
    repo: &str,
    query: Option<&str>,
    trouble: &Trouble,
    count: usize,
) -> anyhow::Result<()> {
    let warning = Warning {
        repo: Some(repo.into()),
        id: None,
        query: query.map(Cow::Borrowed),
        code: trouble.code.into(),
        message: trouble.message.as_str().into(),
        hint: trouble.hint.as_deref().map(Cow::Borrowed),
        count: count as u64,
    };
    let told = if trouble.code == UNWRITTEN { report.warn_once(warning).await } else { report.warn(warning).await };
    Ok(told?)
}

/// Reports objects that could not be read, for `query` if it is one query's answer that is partial for it.
///
/// # Errors
/// If nobody reads any more.
pub async fn broken(
    report: &mut Strand,
    repo: &str,
    query: Option<&str>,
    broken: Vec<ObjectError>,
) -> anyhow::Result<()> {
    for cause in broken {
        if report.counts().get("error").copied().unwrap_or(0) < BROKEN_SHOWN {
            let (id, message) = (Some(cause.id().to_hex()), cause.to_string());
            let part = FailedPart { id, query, kind: cause.kind(), message: &message, hint: None };
            report.fail_part(repo, part).await?;
        } else {
            report.count_failure(cause.kind());
        }
    }
    Ok(())
}

/// Ends the repository's part of the stream.
///
/// # Errors
/// If nobody reads any more.
pub async fn end(report: &mut Strand, repo: &str, is_cancelled: bool, indexed: Indexed) -> anyhow::Result<()> {
    report.sum_up_failures(repo).await?;
    let status = match (is_cancelled, report.is_partial()) {
        (true, _) => Status::Cancelled,
        (_, true) => Status::Partial,
        _ => Status::Ok,
    };
    let counts: BTreeMap<Cow<'_, str>, u64> =
        report.counts().iter().map(|(name, count)| (Cow::Borrowed(*name), *count)).collect();
    let event =
        RepoEnd { repo: repo.into(), status, index: Some(indexed.state), new: Some(indexed.new as u64), counts };
    Ok(report.event(&Event::RepoEnd(event)).await?)
}

/// Reports why `repo` could not be answered for, and ends its part of the stream.
///
/// # Errors
/// If nobody reads any more.
pub async fn failed(report: &mut Strand, repo: &str, cause: &anyhow::Error) -> anyhow::Result<()> {
    report.sum_up_failures(repo).await?;
    let message = error::message_of(cause);
    let part = FailedPart {
        id: None,
        query: error::query_of(cause),
        kind: error::kind_of(cause),
        message: &message,
        hint: error::hint_of(cause),
    };
    report.fail_part(repo, part).await?;
    let counts = report.counts().iter().map(|(name, count)| (Cow::Borrowed(*name), *count)).collect();
    let event = RepoEnd { repo: repo.into(), status: Status::Failed, index: None, new: None, counts };
    Ok(report.event(&Event::RepoEnd(event)).await?)
}
