//! Which release lines each tag counts for, kept as long as refs and rules stand: to read the names of some hundred tags and to put them in
//! order takes as long as all else about one question. What the bytes mean is the business of whoever keeps them.

use rusqlite::{OptionalExtension as _, params};

use super::Cache;
use crate::graph::{Damaged, Mark};

impl Cache {
    /// Keeps what was found out of the tags, in the graph with that mark, with a `digest` of all else that it depends on, in the place of what
    /// was kept before, if it can.
    pub async fn keep_tagged(&self, mark: Mark, digest: i64, tagged: Vec<u8>) {
        let keep = "INSERT OR REPLACE INTO tagged VALUES (1, ?1, ?2, ?3, ?4)";
        self.keep_for_later(move |transaction| {
            let sum = crc32fast::hash(&tagged);
            Ok(transaction.execute(keep, params![mark.number(), digest, tagged, sum])?)
        })
        .await;
    }

    /// What is kept of the tags for that graph and `digest`, if anything is. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn tagged(&self, mark: Mark, digest: i64) -> anyhow::Result<Option<Vec<u8>>> {
        let query = "SELECT tags, sum FROM tagged WHERE mark = ?1 AND digest = ?2";
        self.database().read(|reader| {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, u32>(1)?));
            let kept = reader.query_row(query, params![mark.number(), digest], row).optional()?;
            let Some((tagged, sum)) = kept else { return Ok(None) };
            anyhow::ensure!(crc32fast::hash(&tagged) == sum, Damaged);
            Ok(Some(tagged))
        })
    }
}
