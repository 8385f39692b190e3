//! What commits changed, as far as it was found out to compare them: what takes a diff is not done twice. Bytes that the caller
//! makes and reads; only their checksum is kept here.

use rusqlite::{OptionalExtension as _, params};

use super::repository::Cache;
use crate::facts::Oid;

impl Cache {
    /// What is kept of the commit `id`, read under the `overlay` of now; `None` if nothing is, or it can't be read. Blocks.
    #[must_use]
    pub fn patch(&self, id: &Oid, overlay: i64) -> Option<Vec<u8>> {
        let read = self.database().read(|reader| {
            let query = "SELECT facts FROM patch, repository WHERE id = ?1 AND overlay = ?2";
            let mut statement = reader.prepare_cached(query)?;
            let facts: Option<Vec<u8>> =
                statement.query_row(params![id.as_bytes(), overlay], |row| row.get(0)).optional()?;
            Ok(facts)
        });
        let mut facts = read.ok().flatten()?;
        let (_, sum) = facts.split_last_chunk::<4>()?;
        let sum = u32::from_le_bytes(*sum);
        facts.truncate(facts.len() - 4);
        (crc32fast::hash(&facts) == sum).then_some(facts)
    }

    /// Keeps what was found out of some commits under `overlay`; nothing if history has been bent otherwise meanwhile.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn keep_patches(&self, patches: Vec<(Oid, Vec<u8>)>, overlay: i64) -> anyhow::Result<()> {
        let keep = move |transaction: &rusqlite::Transaction<'_>| {
            let known: i64 = transaction.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
            if known == overlay {
                let mut insert = transaction.prepare("INSERT OR REPLACE INTO patch VALUES (?1, ?2)")?;
                for (id, mut facts) in patches {
                    let sum = crc32fast::hash(&facts);
                    facts.extend_from_slice(&sum.to_le_bytes());
                    insert.execute(params![id.as_bytes(), facts])?;
                }
            }
            Ok(())
        };
        self.database().write(keep).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_unless_it_is_damaged_or_history_was_bent() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, _) = Cache::open(&folder.path().join("cache"), folder.path(), 20).expect("a new cache");
        let id = |number: u8| Oid::from_bytes(&[number; 20]).expect("20 bytes");
        let patches = vec![(id(1), b"facts".to_vec()), (id(2), Vec::new())];
        smol::block_on(cache.keep_patches(patches, 0)).expect("kept");
        smol::block_on(cache.keep_patches(vec![(id(3), Vec::new())], 5)).expect("passed over");
        let kept = |number, overlay| cache.patch(&id(number), overlay);
        assert_eq!(kept(1, 0).as_deref(), Some(&b"facts"[..]));
        assert_eq!(kept(2, 0).as_deref(), Some(&b""[..]));
        assert_eq!((kept(3, 0), kept(3, 5), kept(1, 5)), (None, None, None));
        let damage = move |transaction: &rusqlite::Transaction<'_>| {
            Ok(transaction.execute("UPDATE patch SET facts = x'00112233445566' WHERE id = ?1", [id(1).as_bytes()])?)
        };
        smol::block_on(cache.database().write(damage)).expect("written");
        assert_eq!(kept(1, 0), None);
    }
}
