//! What a scan tells besides its commits: the repository and, if asked for, its refs before them, and a word for people at the end.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Scan;
use crate::announce::{self, Indexed};
use crate::describe::lossy;
use crate::events::refs::RefKind;
use crate::events::repository::IndexState;
use crate::events::{self, Event};
use crate::git::refs::{Ref, RefList};
use crate::index::Index;

impl Scan<'_> {
    /// The `repo` event, what is wrong with it, and the refs if asked for. Of one that was told before only what is new.
    pub(super) async fn announce(&mut self, index: &mut Index, refs: &RefList) -> anyhow::Result<()> {
        if let Some(known) = &self.options.known {
            self.warn_of_troubles(index).await?;
            return self.tell_moved(&index.repository().name, known, refs).await;
        }
        let troubles = index.take_troubles();
        announce::repository(self.report, index, refs, troubles).await?;
        if self.options.show_refs {
            for entry in refs.iter() {
                self.report.event(&Event::Ref(ref_event(&index.repository().name, entry))).await?;
            }
        }
        Ok(())
    }

    /// The refs that are new, moved or gone since they were as `known`, in the order of their names.
    async fn tell_moved(&mut self, repo: &str, known: &RefList, refs: &RefList) -> anyhow::Result<()> {
        // A symbolic ref moves with the one that it stands for.
        let mut places: BTreeMap<&[u8], [Option<Ref<'_>>; 2]> = BTreeMap::new();
        for (side, list) in [known, refs].into_iter().enumerate() {
            for entry in list.iter().filter(|entry| entry.symbolic().is_none()) {
                places.entry(entry.name()).or_default()[side] = Some(entry);
            }
        }
        for [old, new] in places.into_values() {
            let Some(entry) = new.or(old).filter(|_| old.map(Ref::id) != new.map(Ref::id)) else { continue };
            let mut event = ref_event(repo, entry);
            if new.is_none() {
                (event.id, event.peeled) = (None, None);
            }
            event.old_id = old.map(|old| old.id().to_hex().into());
            self.report.event(&Event::Ref(event)).await?;
        }
        for broken in refs.broken.iter().filter(|broken| !known.broken.contains(broken)) {
            announce::broken_ref(self.report, repo, broken).await?;
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

fn ref_event<'a>(repo: &'a str, entry: Ref<'_>) -> events::Ref<'a> {
    let (refname, refname_b64) = lossy(entry.name());
    let (short, short_b64) = lossy(entry.short());
    events::Ref {
        repo: repo.into(),
        refname: refname.into(),
        refname_b64: refname_b64.map(Cow::Owned),
        short: short.into(),
        short_b64: short_b64.map(Cow::Owned),
        kind: kind(entry.name()),
        id: Some(Some(entry.id().to_hex().into())),
        peeled: Some(entry.commit().map(|id| id.to_hex().into())),
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
