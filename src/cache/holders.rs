//! Which refs hold which commits, kept as long as the refs stand.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Cache;
use crate::graph::{Damaged, Holders, Mark, StoredHolders};

/// Bytes of all arrays beyond which reading them takes longer than a sweep.
const MOST: usize = 4 << 20;

impl Cache {
    /// Keeps `holders` of the graph with that mark, if they are few enough to help, in the place of those that were kept before.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn keep_holders(&self, mark: Mark, holders: StoredHolders) -> anyhow::Result<()> {
        let sum = sum(&holders);
        let StoredHolders { tips, starts, numbers, sets } = holders;
        if tips.len() + starts.len() + numbers.len() + sets.len() > MOST {
            return Ok(());
        }
        let keep = "INSERT OR REPLACE INTO holders VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
        self.database()
            .write(move |transaction| {
                transaction.execute(keep, params![mark.number(), tips, starts, numbers, sets, sum])?;
                Ok(())
            })
            .await
    }
}

/// Those that are kept of the graph with that mark; `None` if none are.
pub(super) fn read(reader: &Connection, mark: Mark) -> anyhow::Result<Option<Holders>> {
    let query = "SELECT tips, starts, numbers, sets, sum FROM holders WHERE mark = ?1";
    let kept = reader.query_row(query, [mark.number()], |row| {
        let stored = StoredHolders { tips: row.get(0)?, starts: row.get(1)?, numbers: row.get(2)?, sets: row.get(3)? };
        Ok((stored, row.get::<_, u32>(4)?))
    });
    let Some((stored, expected)) = kept.optional()? else { return Ok(None) };
    anyhow::ensure!(sum(&stored) == expected, Damaged);
    Ok(Some(Holders::read(&stored)?))
}

fn sum(stored: &StoredHolders) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for array in [&stored.tips, &stored.starts, &stored.numbers, &stored.sets] {
        hasher.update(array);
    }
    hasher.finalize()
}
