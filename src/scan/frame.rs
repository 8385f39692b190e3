//! What a scan tells besides its commits: the repository and, if asked for, its refs before them, and a word for people at the end.

use std::borrow::Cow;

use super::Scan;
use crate::announce::{self, Indexed};
use crate::describe::lossy;
use crate::events::refs::RefKind;
use crate::events::repository::IndexState;
use crate::events::{Event, Ref};
use crate::git::refs::RefList;
use crate::index::Index;

impl Scan<'_> {
    /// The `repo` event, what is wrong with it, and the refs if asked for.
    pub(super) async fn announce(&mut self, index: &mut Index, refs: &RefList) -> anyhow::Result<()> {
        let troubles = index.take_troubles();
        announce::repository(self.report, index, refs, troubles).await?;
        if self.options.show_refs {
            for entry in &refs.refs {
                self.report.event(&Event::Ref(ref_event(&index.repository().name, entry))).await?;
            }
        }
        Ok(())
    }

    /// One `warning` for each thing that went wrong with the index since the last call.
    pub(super) async fn warn_of_troubles(&mut self, index: &mut Index) -> anyhow::Result<()> {
        for trouble in index.take_troubles() {
            announce::warn(self.report, &index.repository().name, &trouble).await?;
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
