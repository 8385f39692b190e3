//! Writing blocks while a stream, or a pass, goes on.

use rusqlite::Transaction;

use super::{BLOCK_BITS, Block, Content, NONE};
use crate::cache::database::PendingWrite;
use crate::cache::repository::Cache;
use crate::cache::segments::number;
use crate::debug;
use crate::facts::Oid;
use crate::facts::oid::OidMap;

/// Bytes that are gathered for one transaction.
const BATCH: usize = 2 << 20;

/// Writes blocks to the cache. Those of commits that the graph has are found by them from then on. Others are nobody's until a segment
/// that names them is stored: a pass that is cut off costs nothing but their space, and that only until the next one ends.
#[derive(Debug)]
pub struct BlockStore {
    cache: Cache,
    overlay: i64,
    is_for_later: bool,
    waiting: Vec<Block>,
    bytes: usize,
    writing: Option<PendingWrite<StoredBlocks>>,
    stored: anyhow::Result<StoredBlocks>,
}

/// Where the blocks of a pass were stored that are nobody's yet: the number of each, and its commits.
#[derive(Debug, Default)]
pub struct StoredBlocks {
    blocks: Vec<(u32, Content, Vec<Oid>)>,
}

/// For some commits, in their order, the number under which each content is kept of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Those of texts.
    pub texts: Vec<u32>,
    /// Those of changes.
    pub changes: Vec<u32>,
}

impl BlockStore {
    /// For one pass, or one stream, under `overlay`.
    #[must_use]
    pub fn new(cache: Cache, overlay: i64) -> Self {
        Self {
            cache,
            overlay,
            is_for_later: false,
            waiting: Vec::new(),
            bytes: 0,
            writing: None,
            stored: Ok(StoredBlocks::default()),
        }
    }

    /// The same for what only spares later runs some work: what can't be written at once, since another process writes, is dropped, and no
    /// failure counts.
    #[must_use]
    pub fn for_later(self) -> Self {
        Self { is_for_later: true, ..self }
    }

    /// Takes `block` over. Waits only where the cache is slower than the pass; that it can't be written shows at the end.
    pub async fn add(&mut self, block: Block) {
        self.bytes += block.bytes.len();
        self.waiting.push(block);
        if self.bytes >= BATCH {
            self.write().await;
        }
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn finish(mut self) -> anyhow::Result<StoredBlocks> {
        self.write().await;
        self.settle().await;
        self.stored
    }

    async fn write(&mut self) {
        self.settle().await;
        let blocks = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        if blocks.is_empty() || self.stored.is_err() {
            return;
        }
        let (overlay, hash_len) = (self.overlay, self.cache.hash_len());
        let insert = move |transaction: &Transaction<'_>| insert(transaction, blocks, overlay, hash_len);
        let database = self.cache.database();
        let submitted =
            if self.is_for_later { database.submit_if_free(insert).await } else { database.submit(insert).await };
        match submitted {
            Ok(writing) => self.writing = Some(writing),
            Err(cause) => self.fail(cause),
        }
    }

    fn fail(&mut self, cause: anyhow::Error) {
        if self.is_for_later {
            debug::warn("cache", || format!("what may be asked next was not kept: {cause:#}"));
        } else if self.stored.is_ok() {
            self.stored = Err(cause);
        }
    }

    /// Waits for the transaction that is under way.
    async fn settle(&mut self) {
        let Some(writing) = self.writing.take() else { return };
        match (writing.result().await, &mut self.stored) {
            (Ok(more), Ok(stored)) => stored.blocks.extend(more.blocks),
            (Ok(_), Err(_)) => {}
            (Err(cause), _) => self.fail(cause),
        }
    }
}

impl StoredBlocks {
    /// The numbers of `ids`.
    #[must_use]
    pub fn numbers(&self, ids: &[Oid]) -> Numbers {
        Numbers { texts: self.numbers_of(Content::Texts, ids), changes: self.numbers_of(Content::Changes, ids) }
    }

    fn numbers_of(&self, content: Content, ids: &[Oid]) -> Vec<u32> {
        let mut numbers = OidMap::with_capacity_and_hasher(ids.len(), std::hash::BuildHasherDefault::default());
        for (block, _, ids) in self.blocks.iter().filter(|(_, held, _)| *held == content) {
            if let Some(first) = first_number(*block) {
                numbers.extend(ids.iter().copied().zip(first..));
            }
        }
        ids.iter().map(|id| numbers.get(id).copied().unwrap_or(NONE)).collect()
    }

    /// The numbers of the blocks.
    fn blocks(&self) -> impl Iterator<Item = u32> {
        self.blocks.iter().map(|(number, ..)| *number)
    }
}

/// The number of the first commit of a block. Beyond 2²³ blocks nothing more is kept: git has the commits too.
fn first_number(block: u32) -> Option<u32> {
    (block < NONE >> BLOCK_BITS).then_some(block << BLOCK_BITS)
}

fn insert(
    transaction: &Transaction<'_>,
    blocks: Vec<Block>,
    overlay: i64,
    hash_len: usize,
) -> anyhow::Result<StoredBlocks> {
    let made: i64 = transaction.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
    let mut insert = transaction.prepare("INSERT INTO block (bytes) VALUES (?1)")?;
    let mut note = transaction.prepare("INSERT INTO unclaimed VALUES (?1)")?;
    let mut stored = StoredBlocks::default();
    for Block { content, ids, positions, bytes } in blocks {
        let Some(positions) = positions else {
            let number = u32::try_from(insert.insert([bytes])?)?;
            note.execute([number])?;
            stored.blocks.push((number, content, ids));
            continue;
        };
        if made != overlay {
            // History has been bent otherwise meanwhile, and those are no longer the commits there.
            continue;
        }
        let places = positions.into_iter().zip(ids).zip(0..);
        let mut commits: Vec<_> = places.map(|((position, id), place)| (position, id, place)).collect();
        commits.sort_unstable_by_key(|(position, ..)| *position);
        // Another process may have been first.
        let store = || Ok(first_number(u32::try_from(insert.insert([bytes])?)?));
        number(transaction, content, &commits, hash_len, store)?;
    }
    Ok(stored)
}

/// Makes the blocks of a pass its own, since its segment was stored. Whatever else is nobody's belongs to passes that were cut
/// off, or that began from the same commits and won't be stored any more.
pub(in crate::cache) fn claim(transaction: &Transaction<'_>, stored: &StoredBlocks) -> anyhow::Result<()> {
    let mut claim = transaction.prepare("DELETE FROM unclaimed WHERE block = ?1")?;
    for number in stored.blocks() {
        claim.execute([number])?;
    }
    transaction.execute("DELETE FROM block WHERE number IN (SELECT block FROM unclaimed)", [])?;
    Ok(())
}

/// Forgets the blocks of a pass that is not to be stored.
pub(in crate::cache) fn discard(transaction: &Transaction<'_>, stored: &StoredBlocks) -> anyhow::Result<()> {
    let mut discard =
        transaction.prepare("DELETE FROM block WHERE number = (SELECT block FROM unclaimed WHERE block = ?1)")?;
    for number in stored.blocks() {
        discard.execute([number])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Packer;
    use super::*;
    use crate::cache::Pass;
    use crate::cache::database::{Database, Schema};
    use crate::cache::schema::REPOSITORY;
    use crate::graph::{Batch, Graph, Position};

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).expect("20 bytes")
    }

    /// A cache with the commits `ids`, the graph made under `overlay`.
    fn cache(folder: &std::path::Path, ids: std::ops::Range<u8>, overlay: i64) -> Cache {
        let (cache, _) = Cache::open(&folder.join("t.db"), folder, 20).expect("opens");
        let mut batch = Batch::default();
        ids.for_each(|number| batch.push(id(number), 1, []));
        let stored = StoredBlocks::default();
        let segment = Some((Graph::default().append(&batch), stored.numbers(batch.ids())));
        let (refs, positions) = (Vec::new(), Vec::new());
        let pass = Pass { overlay, base: 0, segment, stored, refs, positions, whole: false };
        assert!(smol::block_on(cache.store(pass)).expect("stores"));
        cache
    }

    /// Keeps what the commits changed that `places` says to be at these positions.
    fn keep(cache: &Cache, overlay: i64, places: &[(u8, Option<Position>)]) -> StoredBlocks {
        let mut packer = Packer::new(Content::Changes);
        for (number, position) in places {
            packer.add(id(*number), *position, |bytes| bytes.push(*number));
        }
        let mut store = BlockStore::new(cache.clone(), overlay);
        smol::block_on(async {
            store.add(packer.pack().expect("some")).await;
            store.finish().await.expect("stores")
        })
    }

    /// What is kept of the changes of the first of the commits `ids`.
    fn kept(cache: &Cache, overlay: i64, ids: std::ops::Range<u8>) -> Vec<Option<u8>> {
        let mut reader = Arc::new(cache.blocks(Content::Changes, overlay).expect("reads")).reader();
        (0..).zip(ids).map(|(position, number)| reader.get(position, &id(number)).map(|bytes| bytes[0])).collect()
    }

    #[test]
    fn what_is_kept_of_a_commit_is_found_where_the_graph_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = cache(folder.path(), 10..14, 5);
        let none = keep(&cache, 5, &[(11, Some(1)), (13, Some(3))]);
        assert_eq!(none.blocks().count(), 0, "they are somebody's already");
        assert_eq!(kept(&cache, 5, 10..14), [None, Some(11), None, Some(13)]);
        assert_eq!(kept(&cache, 6, 10..14), [None; 4], "history is bent otherwise");
        keep(&cache, 6, &[(10, Some(0))]);
        assert_eq!(kept(&cache, 5, 10..11), [None], "it was found out under another history");
        keep(&cache, 5, &[(12, Some(0)), (10, Some(2)), (99, Some(500))]);
        assert_eq!(kept(&cache, 5, 10..14), [None, Some(11), None, Some(13)], "the graph has others there");
        keep(&cache, 5, &[(12, Some(2)), (10, Some(0)), (11, Some(1))]);
        assert_eq!(kept(&cache, 5, 10..14), [Some(10), Some(11), Some(12), Some(13)]);
        let unclaimed = keep(&cache, 5, &[(13, Some(3)), (14, None)]);
        let numbers = unclaimed.numbers(&[id(14), id(15), id(13)]);
        assert_eq!((numbers.texts, numbers.changes[1]), (vec![NONE; 3], NONE));
        assert_eq!((numbers.changes[0] - numbers.changes[2], unclaimed.blocks().count()), (1, 1));
    }

    #[test]
    fn what_an_older_version_kept_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let schema = Schema { migrations: &REPOSITORY.migrations[..9], ..REPOSITORY };
        let old = Database::open(&folder.path().join("t.db"), schema).expect("opens");
        let rows = "INSERT INTO text VALUES (7, x'01'), (8, x'02'); INSERT INTO unclaimed VALUES (8)";
        smol::block_on(old.write(|change| Ok(change.execute_batch(rows)?))).expect("writes");
        drop(old);
        let new = Database::open(&folder.path().join("t.db"), REPOSITORY).expect("opens");
        let gone = |change: &Transaction<'_>| {
            // What nobody claims goes with its note, and its number isn't used again.
            change.execute("DELETE FROM block WHERE number = 8", [])?;
            change.execute("INSERT INTO block (bytes) VALUES (x'03')", [])?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
            let query = "SELECT sum(number), (SELECT count(*) FROM unclaimed) FROM block";
            Ok(change.query_row(query, [], row)?)
        };
        assert_eq!(smol::block_on(new.write(gone)).expect("writes"), (7 + 9, 0));
    }
}
