//! What commits changed, as far as it was found out: the patch-id, and bytes that the caller makes and reads, of which only the
//! checksum is kept here. What took a diff is not done twice.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::repository::Cache;
use crate::facts::Oid;

/// What was found out of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPatch {
    /// The commit.
    pub id: Oid,
    /// Its patch-id; `None` if it changes nothing.
    pub patch_id: Option<Oid>,
    /// What else; `None` leaves what was kept before.
    pub facts: Option<Vec<u8>>,
}

impl Cache {
    /// What is kept of the commit `id`, read under the `overlay` of now; `None` if nothing is, or it can't be read. Blocks.
    #[must_use]
    pub fn patch(&self, id: &Oid, overlay: i64) -> Option<Vec<u8>> {
        let read = self.database().read(|reader| {
            let query = "SELECT facts FROM patch, repository WHERE id = ?1 AND overlay = ?2";
            let mut statement = reader.prepare_cached(query)?;
            let facts: Option<Option<Vec<u8>>> =
                statement.query_row(params![id.as_bytes(), overlay], |row| row.get(0)).optional()?;
            Ok(facts.flatten())
        });
        let mut facts = read.ok().flatten()?;
        let (_, sum) = facts.split_last_chunk::<4>()?;
        let sum = u32::from_le_bytes(*sum);
        facts.truncate(facts.len() - 4);
        (crc32fast::hash(&facts) == sum).then_some(facts)
    }

    /// The patch-ids of `ids`, as far as they are kept: `Some(None)` for a commit that changes nothing. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn patch_ids(&self, ids: &[Oid], overlay: i64) -> anyhow::Result<Vec<Option<Option<Oid>>>> {
        self.database().read(|reader| {
            let query = "SELECT patch_id FROM patch, repository WHERE id = ?1 AND overlay = ?2";
            let mut statement = reader.prepare_cached(query)?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let kept: Option<Vec<u8>> =
                    statement.query_row(params![id.as_bytes(), overlay], |row| row.get(0)).optional()?;
                found.push(kept.map(|bytes| Oid::from_bytes(&bytes)));
            }
            Ok(found)
        })
    }

    /// Keeps what was found out of some commits under `overlay`; nothing if history has been bent otherwise meanwhile.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn keep_patches(&self, patches: Vec<KeptPatch>, overlay: i64) -> anyhow::Result<()> {
        let keep = move |transaction: &Transaction<'_>| {
            let known: i64 = transaction.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
            if known != overlay {
                return Ok(());
            }
            let mut insert = transaction.prepare(
                "INSERT INTO patch VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET patch_id = excluded.patch_id, facts = coalesce(excluded.facts, facts)",
            )?;
            for KeptPatch { id, patch_id, mut facts } in patches {
                if let Some(facts) = &mut facts {
                    let sum = crc32fast::hash(facts);
                    facts.extend_from_slice(&sum.to_le_bytes());
                }
                let patch_id = patch_id.as_ref().map_or(&[][..], Oid::as_bytes);
                insert.execute(params![id.as_bytes(), patch_id, facts])?;
            }
            Ok(())
        };
        self.database().write(keep).await
    }
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
            facts: facts.map(<[u8]>::to_vec),
        };
        let keep = |patches, overlay| smol::block_on(cache.keep_patches(patches, overlay)).expect("kept");
        keep(vec![patch(1, Some(id(9)), Some(b"facts")), patch(2, None, Some(b""))], 0);
        keep(vec![patch(1, Some(id(9)), None), patch(4, None, None)], 0);
        keep(vec![patch(3, None, Some(b""))], 5);
        let kept = |number, overlay| cache.patch(&id(number), overlay);
        assert_eq!(kept(1, 0).as_deref(), Some(&b"facts"[..]));
        assert_eq!(kept(2, 0).as_deref(), Some(&b""[..]));
        assert_eq!((kept(3, 0), kept(3, 5), kept(1, 5), kept(4, 0)), (None, None, None, None));
        let ids = cache.patch_ids(&[id(1), id(2), id(3), id(4)], 0).expect("read");
        assert_eq!(ids, [Some(Some(id(9))), Some(None), None, Some(None)]);
        let damage = move |transaction: &Transaction<'_>| {
            Ok(transaction.execute("UPDATE patch SET facts = x'00112233445566' WHERE id = ?1", [id(1).as_bytes()])?)
        };
        smol::block_on(cache.database().write(damage)).expect("written");
        assert_eq!(kept(1, 0), None);
    }
}
