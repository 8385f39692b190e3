//! What took a diff to find out: git is asked for the same diffs.

use std::sync::Arc;

use super::{Audit, Audited, Kindred, SAMPLE, Witness, hex};
use crate::cache::Cache;
use crate::cache::blocks::{BlockReader, Content};
use crate::cache::checks::{KeptPatchIds, Whole};
use crate::facts::Oid;
use crate::facts::changes::{Change, decode};
use crate::facts::oid::OidSet;
use crate::git::Repository;
use crate::git::patch::Patches;
use crate::gitcli::witness;
use crate::graph::Position;

/// Commits whose diffs are in memory at once.
const DIFFS: usize = 16;
/// Commits whose changed paths are read at once, and those that git is asked for.
const READ: usize = 16;
const ASKED: usize = 512;
/// Changed paths that git is asked for at once, as a rule.
const PATHS: usize = 16_384;

impl Audit<'_> {
    /// Asks git for the patch-ids of a sample.
    pub(super) async fn patch_ids(
        &self,
        cache: &Cache,
        witness: &Witness,
        audited: &mut Audited,
    ) -> anyhow::Result<()> {
        let repository = &witness.repository;
        let attributes = std::fs::metadata(repository.common_dir.join("info/attributes"));
        if attributes.is_ok_and(|file| file.len() > 0) {
            audited.skipped.push("patch-ids: info/attributes makes git show other diffs".to_owned());
            return Ok(());
        }
        let threshold = Patches::new(&repository.handle()).threshold();
        let mut left = if self.full { usize::MAX } else { SAMPLE };
        // Ids are as good as random: those next to a point are a sample. Beyond the last the first are next.
        let begin = self.seed.to_be_bytes().to_vec();
        let mut from = if self.full { Vec::new() } else { begin.clone() };
        let mut compared = 0;
        let mut wrong = Kindred::new(audited, "patch-ids are wrong");
        let mut turned = self.full;
        while left > 0 && !self.token.is_cancelled() {
            let (own, start) = (cache.clone(), from.clone());
            let found = smol::unblock(move || own.patch_ids_from(&start, DIFFS.min(left), threshold)).await?;
            let KeptPatchIds { mut kept, broken, last } = found;
            for _ in 0..broken {
                wrong.add(|| "the checksum of a patch-id is wrong".to_owned());
            }
            if last.is_empty() {
                if std::mem::replace(&mut turned, true) {
                    break;
                }
                from.clear();
                continue;
            }
            if turned && !self.full {
                kept.retain(|(id, _)| id.as_bytes() <= begin.as_slice());
            }
            let has_passed = turned && !self.full && last > begin;
            from = last;
            left = left.saturating_sub(kept.len() + broken);
            let ids: Vec<Oid> = kept.iter().map(|(id, _)| *id).collect();
            let ids = self.present(&ids, repository).await?;
            let said = witness::patch_ids(repository, &ids, self.token).await?;
            for (id, kept) in kept.iter().filter(|(id, _)| ids.contains(id)) {
                let said = said.iter().find(|(of, _)| of == id).map(|(_, patch_id)| *patch_id);
                if *kept != said {
                    wrong.add(|| {
                        format!("the patch-id of {id} is {}, by the cache {}", hex(said.as_ref()), hex(kept.as_ref()))
                    });
                }
            }
            compared += ids.len();
            if has_passed {
                break;
            }
        }
        drop(wrong);
        audited.patch_ids = compared;
        Ok(())
    }

    /// Looks whether all changes that are kept can be read, and asks git for those of a sample.
    pub(super) async fn changes(
        &self,
        cache: &Cache,
        whole: &Arc<Whole>,
        witness: &Witness,
        audited: &mut Audited,
    ) -> anyhow::Result<()> {
        let (own, overlay) = (cache.clone(), whole.overlay);
        let blocks = Arc::new(smol::unblock(move || own.blocks(Content::Changes, overlay)).await?);
        let count = Position::try_from(whole.graph.len()).unwrap_or(Position::MAX);
        let kept: Vec<Position> = (0..count).filter(|position| blocks.has(*position)).collect();
        let sample: Vec<Position> = self.sample(kept.len()).into_iter().map(|at| kept[at as usize]).collect();
        let mut wrong = Kindred::new(audited, "changed paths are wrong");
        let (mut asked, mut compared) = (Vec::new(), 0);
        let mut reader = blocks.reader();
        for positions in kept.chunks(READ) {
            if self.token.is_cancelled() {
                break;
            }
            let (positions, graph) = (positions.to_vec(), Arc::clone(whole));
            let (next, read) = smol::unblock(move || {
                let read: Vec<_> =
                    positions.iter().map(|&position| changes_at(&mut reader, &graph, position)).collect();
                (reader, read)
            })
            .await;
            reader = next;
            for (position, id, changes) in read {
                match changes {
                    None => wrong.add(|| format!("what is kept of the changed paths of {id} can't be read")),
                    Some(changes) if sample.binary_search(&position).is_ok() => asked.push((id, changes)),
                    Some(_) => {}
                }
            }
            if asked.len() >= ASKED || asked.iter().map(|(_, changes)| changes.len()).sum::<usize>() >= PATHS {
                compared += self.compare_changes(std::mem::take(&mut asked), witness, &mut wrong).await?;
            }
        }
        compared += self.compare_changes(asked, witness, &mut wrong).await?;
        drop(wrong);
        audited.changes = compared;
        Ok(())
    }

    /// Asks git what the commits of `kept` changed; those that it hasn't any more are left out. Returns how many were compared.
    async fn compare_changes(
        &self,
        kept: Vec<(Oid, Vec<Change>)>,
        witness: &Witness,
        wrong: &mut Kindred<'_>,
    ) -> anyhow::Result<usize> {
        let ids: Vec<Oid> = kept.iter().map(|(id, _)| *id).collect();
        let there: OidSet = self.present(&ids, &witness.repository).await?.into_iter().collect();
        let ids: Vec<Oid> = ids.into_iter().filter(|id| there.contains(id)).collect();
        let mut said = witness::changes(&witness.repository, &ids, self.token).await?;
        for (id, kept) in kept.into_iter().filter(|(id, _)| there.contains(id)) {
            if said.remove(&id).unwrap_or_default() != kept {
                wrong.add(|| format!("{id} changes other paths than by the cache"));
            }
        }
        Ok(ids.len())
    }

    /// Those of `ids` that git still has.
    async fn present(&self, ids: &[Oid], repository: &Repository) -> anyhow::Result<Vec<Oid>> {
        let there = witness::peel(repository, ids, self.token).await?;
        Ok(ids.iter().zip(there).filter(|(_, there)| there.is_some()).map(|(id, _)| *id).collect())
    }
}

/// What is kept of the changes of the commit at `position`; `None` if it can't be read.
fn changes_at(reader: &mut BlockReader, whole: &Whole, position: Position) -> (Position, Oid, Option<Vec<Change>>) {
    let id = whole.graph.id(position);
    let changes = reader.get(position, &id).and_then(|bytes| decode(bytes, id.as_bytes().len()));
    (position, id, changes)
}
