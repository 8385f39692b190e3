//! What frames the commits of a stream: the repository and its refs before them, its end after, and all that went wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use super::{Indexed, Scan};
use crate::describe::lossy;
use crate::events::refs::RefKind;
use crate::events::repository::{IndexState, ObjectFormat};
use crate::events::stream::Status;
use crate::events::{Event, Ref, Repo, RepoEnd, Warning};
use crate::git::ObjectError;
use crate::git::refs::RefList;
use crate::index::{Index, Trouble};

/// Unreadable objects that are reported one by one; the rest is counted.
const BROKEN_SHOWN: u64 = 20;

impl Scan<'_> {
    /// The `repo` event, the refs if asked for, and what is wrong with them.
    pub(super) async fn announce(&mut self, index: &mut Index, refs: &RefList) -> anyhow::Result<()> {
        let repository = Arc::clone(index.repository());
        let (git_dir, git_dir_b64) = lossy(repository.git_dir.as_os_str().as_bytes());
        let event = Repo {
            repo: repository.name.as_str().into(),
            repo_b64: None,
            git_dir: git_dir.into(),
            git_dir_b64: git_dir_b64.map(Cow::Owned),
            object_format: if repository.hash_len == 20 { ObjectFormat::Sha1 } else { ObjectFormat::Sha256 },
            shallow: index.overlay.shallow,
            partial: repository.partial,
            ref_count: refs.refs.len() as u64,
        };
        self.report.event(&Event::Repo(event)).await?;
        self.warn_of_troubles(index).await?;
        for broken in &refs.broken {
            let name = String::from_utf8_lossy(&broken.name);
            let trouble = Trouble {
                code: "broken-ref",
                message: format!("ignoring the ref {name}: it {}", broken.reason),
                hint: None,
            };
            self.warn(&repository.name, &trouble).await?;
        }
        if self.options.show_refs {
            for entry in &refs.refs {
                self.report.event(&Event::Ref(ref_event(&repository.name, entry))).await?;
            }
        }
        Ok(())
    }

    /// One `warning` for each thing that went wrong with the index since the last call.
    pub(super) async fn warn_of_troubles(&mut self, index: &mut Index) -> anyhow::Result<()> {
        for trouble in index.take_troubles() {
            self.warn(&index.repository().name, &trouble).await?;
        }
        Ok(())
    }

    pub(super) async fn warn(&mut self, repo: &str, trouble: &Trouble) -> anyhow::Result<()> {
        let warning = Warning {
            repo: Some(repo.into()),
            id: None,
            code: trouble.code.into(),
            message: trouble.message.as_str().into(),
            hint: trouble.hint.as_deref().map(Cow::Borrowed),
            count: 1,
        };
        Ok(self.report.warn(warning).await?)
    }

    pub(super) async fn warn_absent(&mut self, repo: &str, count: usize) -> anyhow::Result<()> {
        let warning = Warning {
            repo: Some(repo.into()),
            id: None,
            code: "absent-objects".into(),
            message: format!("{count} commits have facts that need objects which are not in this partial clone: null")
                .into(),
            hint: Some("git fetch --refetch --no-filter brings all objects".into()),
            count: count as u64,
        };
        Ok(self.report.warn(warning).await?)
    }

    pub(super) async fn warn_huge(&mut self, repo: &str, count: usize) -> anyhow::Result<()> {
        let warning = Warning {
            repo: Some(repo.into()),
            id: None,
            code: "huge-blobs".into(),
            message: format!("{count} commits change blobs beyond core.bigFileThreshold: their patch-ids are null")
                .into(),
            hint: Some("git config core.bigFileThreshold sets the size from which blobs aren't compared".into()),
            count: count as u64,
        };
        Ok(self.report.warn(warning).await?)
    }

    pub(super) async fn report_broken(&mut self, repo: &str, broken: Vec<ObjectError>) -> anyhow::Result<()> {
        for cause in broken {
            if self.report.counts().get("error").copied().unwrap_or(0) < BROKEN_SHOWN {
                self.report.fail_part(repo, Some(cause.id().to_hex()), cause.kind(), &cause.to_string()).await?;
            } else {
                self.report.count_failure(cause.kind());
            }
        }
        Ok(())
    }

    /// What a person may want to know of the run itself, on stderr.
    pub(super) fn summarise(&mut self, index: &Index, indexed: Indexed) {
        let state = match indexed.state {
            IndexState::Fresh => "fresh",
            IndexState::Updated => "updated",
            IndexState::Built => "built",
            _ => "not used",
        };
        let cache = index.cache().map_or_else(|| "none".into(), |cache| cache.path().display().to_string());
        let known = index.len();
        self.report.note(&format!("index {state}: {} new of {known} commits; cache: {cache}", indexed.new));
    }

    pub(super) async fn close(&mut self, repo: &str, indexed: Indexed) -> anyhow::Result<()> {
        self.report.sum_up_failures(repo).await?;
        let status = match (self.token.is_cancelled(), self.report.is_partial()) {
            (true, _) => Status::Cancelled,
            (_, true) => Status::Partial,
            _ => Status::Ok,
        };
        let counts: BTreeMap<Cow<'_, str>, u64> =
            self.report.counts().iter().map(|(name, count)| (Cow::Borrowed(*name), *count)).collect();
        let event =
            RepoEnd { repo: repo.into(), status, index: Some(indexed.state), new: Some(indexed.new as u64), counts };
        Ok(self.report.event(&Event::RepoEnd(event)).await?)
    }
}

fn ref_event<'a>(repo: &'a str, entry: &crate::git::refs::Ref) -> Ref<'a> {
    let (refname, refname_b64) = lossy(&entry.name);
    let (short, short_b64) = lossy(entry.short());
    Ref {
        repo: repo.into(),
        refname: refname.into(),
        refname_b64: refname_b64.map(Cow::Owned),
        short: short.into(),
        short_b64: short_b64.map(Cow::Owned),
        kind: kind(&entry.name),
        id: Some(Some(entry.id.to_hex().into())),
        peeled: Some(entry.commit.map(|id| id.to_hex().into())),
        old_id: None,
        line: None,
    }
}

fn kind(name: &[u8]) -> RefKind {
    match name {
        name if name.starts_with(b"refs/heads/") => RefKind::Branch,
        name if name.starts_with(b"refs/remotes/") => RefKind::Remote,
        name if name.starts_with(b"refs/tags/") => RefKind::Tag,
        _ => RefKind::Other,
    }
}
