//! What commits changed, as far as it was found out: the patch-id, and bytes that the caller makes and reads, of which only the
//! checksum is kept here. What took a diff is not done twice. What could not be found out is not kept: it may be another time.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::database::PendingWrite;
use super::repository::Cache;
use crate::facts::Oid;

/// Commits whose patches are kept in one transaction. They lie in the order of their ids, which is none in time: a transaction
/// of few would write nearly as many pages as one of many.
const BATCH: usize = 8192;

/// What a patch depends on besides its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What bends history: a commit may have another parent by it, or another content.
    pub overlay: i64,
    /// Blobs with more bytes than this are not compared.
    pub threshold: u64,
}

/// What was found out of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPatch {
    /// The commit.
    pub id: Oid,
    /// Its patch-id; `None` if it changes nothing.
    pub patch_id: Option<Oid>,
    /// Bytes of the largest blob that was compared.
    pub largest: u64,
    /// What else; `None` leaves what was kept before.
    pub facts: Option<Vec<u8>>,
}

impl Cache {
    /// What is kept of the commit `id` that holds under `terms`; `None` if nothing is, or it can't be read. Blocks.
    #[must_use]
    pub fn patch(&self, id: &Oid, terms: Terms) -> Option<Vec<u8>> {
        let read = self.database().read(|reader| {
            let query = "SELECT facts FROM patch, repository WHERE id = ?1 AND overlay = ?2 AND largest <= ?3";
            let mut statement = reader.prepare_cached(query)?;
            let wanted = params![id.as_bytes(), terms.overlay, signed(terms.threshold)];
            let facts: Option<Option<Vec<u8>>> = statement.query_row(wanted, |row| row.get(0)).optional()?;
            Ok(facts.flatten())
        });
        let mut facts = read.ok().flatten()?;
        let (_, sum) = facts.split_last_chunk::<4>()?;
        let sum = u32::from_le_bytes(*sum);
        facts.truncate(facts.len() - 4);
        (crc32fast::hash(&facts) == sum).then_some(facts)
    }

    /// The patch-ids of `ids`, as far as they are kept and hold under `terms`: `Some(None)` for a commit that changes nothing.
    /// Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn patch_ids(&self, ids: &[Oid], terms: Terms) -> anyhow::Result<Vec<Option<Option<Oid>>>> {
        self.database().read(|reader| {
            let query =
                "SELECT patch_id, largest, sum FROM patch, repository WHERE id = ?1 AND overlay = ?2 AND largest <= ?3";
            let mut statement = reader.prepare_cached(query)?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let mut rows = statement.query(params![id.as_bytes(), terms.overlay, signed(terms.threshold)])?;
                let kept = rows.next()?.map(|row| {
                    let patch_id = row.get_ref(0)?.as_blob()?;
                    let sound = row.get::<_, u32>(2)? == checksum(id, patch_id, row.get(1)?);
                    Ok::<_, rusqlite::Error>(sound.then(|| Oid::from_bytes(patch_id)))
                });
                found.push(kept.transpose()?.flatten());
            }
            Ok(found)
        })
    }

    /// Keeps what was found out of some commits under `overlay`; nothing if history has been bent otherwise meanwhile.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn keep_patches(&self, patches: Vec<KeptPatch>, overlay: i64) -> anyhow::Result<()> {
        self.database().write(move |transaction| keep(transaction, patches, overlay)).await
    }
}

/// Keeps what is found out while a stream goes on, many commits at a time.
#[derive(Debug)]
pub struct PatchStore {
    cache: Cache,
    overlay: i64,
    waiting: Vec<KeptPatch>,
    writing: Option<PendingWrite<()>>,
    failure: Option<anyhow::Error>,
}

impl PatchStore {
    /// For one stream, under `overlay`.
    #[must_use]
    pub fn new(cache: Cache, overlay: i64) -> Self {
        Self { cache, overlay, waiting: Vec::new(), writing: None, failure: None }
    }

    /// Takes `patches` over. Waits only where the cache is slower than the stream; that it can't be written shows at the end.
    /// Where history has been bent otherwise meanwhile, nothing is kept.
    pub async fn add(&mut self, patches: Vec<KeptPatch>) {
        if self.failure.is_none() {
            self.waiting.extend(patches);
        }
        if self.waiting.len() >= BATCH {
            self.write().await;
        }
    }

    /// Waits until all is written.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn finish(mut self) -> anyhow::Result<()> {
        self.write().await;
        self.settle().await;
        self.failure.map_or(Ok(()), Err)
    }

    async fn write(&mut self) {
        self.settle().await;
        let patches = std::mem::take(&mut self.waiting);
        if patches.is_empty() || self.failure.is_some() {
            return;
        }
        let overlay = self.overlay;
        match self.cache.database().submit(move |transaction| keep(transaction, patches, overlay)).await {
            Ok(writing) => self.writing = Some(writing),
            Err(cause) => self.failure = Some(cause),
        }
    }

    /// Waits for the transaction that is under way.
    async fn settle(&mut self) {
        if let Some(writing) = self.writing.take()
            && let Err(cause) = writing.result().await
        {
            self.failure.get_or_insert(cause);
        }
    }
}

fn keep(transaction: &Transaction<'_>, mut patches: Vec<KeptPatch>, overlay: i64) -> anyhow::Result<()> {
    let known: i64 = transaction.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
    if known != overlay {
        return Ok(());
    }
    let mut insert = transaction.prepare(
        "INSERT INTO patch VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET patch_id = excluded.patch_id, largest = excluded.largest, sum = excluded.sum,
           facts = coalesce(excluded.facts, facts)",
    )?;
    // In the order of the rows: neighbours share a page.
    patches.sort_unstable_by_key(|patch| patch.id);
    for KeptPatch { id, patch_id, largest, mut facts } in patches {
        if let Some(facts) = &mut facts {
            let sum = crc32fast::hash(facts);
            facts.extend_from_slice(&sum.to_le_bytes());
        }
        let (patch_id, largest) = (patch_id.as_ref().map_or(&[][..], Oid::as_bytes), signed(largest));
        insert.execute(params![id.as_bytes(), patch_id, largest, checksum(&id, patch_id, largest), facts])?;
    }
    Ok(())
}

pub(super) fn checksum(id: &Oid, patch_id: &[u8], largest: i64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id.as_bytes());
    hasher.update(patch_id);
    hasher.update(&largest.to_le_bytes());
    hasher.finalize()
}

/// A number of bytes as the database has numbers.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).expect("20 bytes")
    }

    #[test]
    fn what_was_kept_comes_back_unless_it_is_damaged_or_history_was_bent() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, _) = Cache::open(&folder.path().join("cache"), folder.path(), 20).expect("a new cache");
        let patch = |number, patch_id, facts: Option<&[u8]>| KeptPatch {
            id: id(number),
            patch_id,
            largest: 100,
            facts: facts.map(<[u8]>::to_vec),
        };
        let terms = |overlay, threshold| Terms { overlay, threshold };
        let keep = |patches, overlay| smol::block_on(cache.keep_patches(patches, overlay)).expect("kept");
        keep(vec![patch(1, Some(id(9)), Some(b"facts")), patch(2, None, Some(b""))], 0);
        keep(vec![patch(1, Some(id(9)), None), patch(4, None, None)], 0);
        keep(vec![patch(3, None, Some(b""))], 5);
        let kept = |number, overlay| cache.patch(&id(number), terms(overlay, 100));
        assert_eq!(kept(1, 0).as_deref(), Some(&b"facts"[..]));
        assert_eq!(kept(2, 0).as_deref(), Some(&b""[..]));
        assert_eq!((kept(3, 0), kept(3, 5), kept(1, 5), kept(4, 0)), (None, None, None, None));
        let ids = |terms| cache.patch_ids(&[id(1), id(2), id(3), id(4)], terms).expect("read");
        assert_eq!(ids(terms(0, u64::MAX)), [Some(Some(id(9))), Some(None), None, Some(None)]);
        assert_eq!((ids(terms(0, 99)), cache.patch(&id(1), terms(0, 99))), (vec![None; 4], None), "too large now");
        assert_eq!(ids(terms(5, 100)), [None; 4], "history is bent otherwise");
        let damage = move |transaction: &Transaction<'_>| {
            let damage = "UPDATE patch SET facts = x'00112233445566', patch_id = zeroblob(20) WHERE id = ?1";
            Ok(transaction.execute(damage, [id(1).as_bytes()])?)
        };
        smol::block_on(cache.database().write(damage)).expect("written");
        assert_eq!((kept(1, 0), ids(terms(0, 100))[0]), (None, None));
    }
}
